//! TLV areas behind the payload.
//!
//! Owns their walk. Invariant: a [`TlvArea`] was walked once when it was made, so that iterating
//! it again cannot fail.

use crate::{ImageError, field};

/// Magic of the unprotected area's info header.
pub const UNPROTECTED_MAGIC: u16 = 0x6907;
/// Magic of the protected area's info header.
pub const PROTECTED_MAGIC: u16 = 0x6908;
const INFO_SIZE: usize = 4;

/// `IMAGE_TLV_*` types that this project knows.
pub mod kind {
    /// SHA-256 of the public key's encoding, 32 bytes.
    pub const KEYHASH: u16 = 0x01;
    /// The public key: SubjectPublicKeyInfo (EC) or PKCS#1 RSAPublicKey, DER.
    pub const PUBKEY: u16 = 0x02;
    pub const KEYID: u16 = 0x03;
    pub const SHA256: u16 = 0x10;
    pub const RSA2048_PSS: u16 = 0x20;
    /// DER ECDSA-Sig-Value.
    pub const ECDSA_SIG: u16 = 0x22;
    /// PSS, SHA-256, salt 32; 384 bytes.
    pub const RSA3072_PSS: u16 = 0x23;
    pub const ED25519: u16 = 0x24;
    /// 12 bytes, see [`crate::Dependency`].
    pub const DEPENDENCY: u16 = 0x40;
    /// Security counter, u32.
    pub const SEC_CNT: u16 = 0x50;
    /// CBOR map whose last 32 bytes are the measurement.
    pub const BOOT_RECORD: u16 = 0x60;
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    pub kind: u16,
    pub data: &'a [u8],
}

/// A walked area, without its info header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlvArea<'a> {
    entries: &'a [u8],
}

impl<'a> TlvArea<'a> {
    /// An area without entries.
    pub const EMPTY: TlvArea<'static> = TlvArea { entries: &[] };

    /// Walks the area at the start of `bytes`; gives it and its length with the info header.
    /// `None` when the magic is another.
    ///
    /// # Errors
    /// [`ImageError::TlvOutOfBounds`].
    pub fn parse(bytes: &'a [u8], magic: u16) -> Result<Option<(Self, usize)>, ImageError> {
        if field(bytes, 0).map(u16::from_le_bytes) != Some(magic) {
            return Ok(None);
        }
        let total = field(bytes, 2).map_or(0, u16::from_le_bytes);
        let total = usize::from(total);
        let entries = bytes
            .get(INFO_SIZE..total)
            .ok_or(ImageError::TlvOutOfBounds)?;
        let mut rest = entries;
        while !rest.is_empty() {
            (_, rest) = split(rest).ok_or(ImageError::TlvOutOfBounds)?;
        }
        Ok(Some((TlvArea { entries }, total)))
    }

    /// The entries in file order.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        let mut rest = self.entries;
        core::iter::from_fn(move || {
            let (tlv, tail) = split(rest)?;
            rest = tail;
            Some(tlv)
        })
    }

    /// Data of the first entry of that type.
    pub fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|t| t.kind == kind).map(|t| t.data)
    }
}

fn split(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let kind = u16::from_le_bytes(field(bytes, 0)?);
    let len = usize::from(u16::from_le_bytes(field(bytes, 2)?));
    let data = bytes.get(INFO_SIZE..INFO_SIZE + len)?;
    Some((Tlv { kind, data }, bytes.get(INFO_SIZE + len..)?))
}

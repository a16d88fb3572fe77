//! An image at the start of a slot: header, payload, TLV areas; or what of it says its version and
//! what it depends on.
//!
//! Owns the bounds between them (`reference/tfm.md` §I.3, rules 1–4). Does not own hashes and
//! signatures: a parsed image is well-formed, not trusted.

use crate::{Header, ImageError, ImageVersion, PROTECTED_MAGIC, TlvArea, UNPROTECTED_MAGIC};
use crate::{field, kind};

/// Checked view of an image.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    manifest: Manifest<'a>,
    bytes: &'a [u8],
    unprotected: TlvArea<'a>,
}

/// Header and protected TLVs; behind them, the unprotected area has begun.
#[derive(Debug, Clone, Copy)]
pub struct Manifest<'a> {
    header: Header,
    hashed_len: usize,
    protected: TlvArea<'a>,
}

/// A DEPENDENCY TLV: the least version of another image that this one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    pub image_id: u8,
    pub minimum: ImageVersion,
}

impl<'a> Manifest<'a> {
    /// Reads it from the start of `room`; of the unprotected area its magic is enough.
    ///
    /// # Errors
    /// Any [`ImageError`].
    pub fn parse(room: &'a [u8]) -> Result<Self, ImageError> {
        let header = Header::parse(room)?;
        let payload_at = usize::from(header.hdr_size);
        if payload_at > room.len() {
            return Err(ImageError::BadHeaderSize);
        }
        let tlv_at = usize::try_from(header.img_size)
            .ok()
            .and_then(|n| n.checked_add(payload_at))
            .filter(|end| *end <= room.len())
            .ok_or(ImageError::TooLarge)?;
        let tail = room.get(tlv_at..).ok_or(ImageError::TooLarge)?;
        let (protected, protected_len) =
            TlvArea::parse(tail, PROTECTED_MAGIC)?.unwrap_or((TlvArea::EMPTY, 0));
        if protected_len != usize::from(header.protect_tlv_size) {
            return Err(ImageError::BadProtectedArea);
        }
        let hashed_len = tlv_at + protected_len;
        if field(room, hashed_len).map(u16::from_le_bytes) != Some(UNPROTECTED_MAGIC) {
            return Err(ImageError::NoTlvArea);
        }
        for tlv in protected.iter() {
            let right = match tlv.kind {
                kind::DEPENDENCY => tlv.data.len() == 12,
                kind::SEC_CNT => tlv.data.len() == 4,
                _ => true,
            };
            if !right {
                return Err(ImageError::BadTlvLength);
            }
        }
        Ok(Manifest {
            header,
            hashed_len,
            protected,
        })
    }

    /// Version from the header.
    pub fn version(&self) -> ImageVersion {
        self.header.version
    }

    /// DEPENDENCY entries, from the protected area only.
    pub fn dependencies(&self) -> impl Iterator<Item = Dependency> + use<'a> {
        self.protected
            .iter()
            .filter(|t| t.kind == kind::DEPENDENCY)
            .filter_map(|t| {
                Some(Dependency {
                    image_id: *t.data.first()?,
                    minimum: ImageVersion::parse(t.data.get(4..)?)?,
                })
            })
    }
}

impl<'a> Image<'a> {
    /// Reads the image at the start of `room`, which ends where the image must
    /// (for a slot: [`crate::trailer::max_image_size`]).
    ///
    /// # Errors
    /// Any [`ImageError`].
    pub fn parse(room: &'a [u8]) -> Result<Self, ImageError> {
        let manifest = Manifest::parse(room)?;
        let hashed_len = manifest.hashed_len;
        let rest = room.get(hashed_len..).ok_or(ImageError::TooLarge)?;
        let (unprotected, unprotected_len) =
            TlvArea::parse(rest, UNPROTECTED_MAGIC)?.ok_or(ImageError::NoTlvArea)?;
        let bytes = room
            .get(..hashed_len + unprotected_len)
            .ok_or(ImageError::TooLarge)?;
        Ok(Image {
            manifest,
            bytes,
            unprotected,
        })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.manifest.header
    }

    /// Version from the header.
    pub fn version(&self) -> ImageVersion {
        self.manifest.version()
    }

    /// All bytes of the image: header, payload, both TLV areas.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What is hashed and signed: header, payload, protected TLV area (§I.2).
    pub fn hashed(&self) -> &'a [u8] {
        self.bytes.get(..self.manifest.hashed_len).unwrap_or(&[])
    }

    /// What runs.
    pub fn payload(&self) -> &'a [u8] {
        let at = usize::from(self.header().hdr_size);
        let end = at + self.header().img_size as usize;
        self.bytes.get(at..end).unwrap_or(&[])
    }

    /// TLVs under the hash.
    pub fn protected(&self) -> TlvArea<'a> {
        self.manifest.protected
    }

    /// TLVs outside the hash: digest, keys, signatures.
    pub fn unprotected(&self) -> TlvArea<'a> {
        self.unprotected
    }

    /// SEC_CNT, from the protected area only (§I.3 rule 7).
    pub fn security_counter(&self) -> Option<u32> {
        let data = self.protected().find(kind::SEC_CNT)?;
        Some(u32::from_le_bytes(field(data, 0)?))
    }

    /// BOOT_RECORD, from the protected area only.
    pub fn boot_record(&self) -> Option<&'a [u8]> {
        self.protected().find(kind::BOOT_RECORD)
    }

    /// DEPENDENCY entries, from the protected area only.
    pub fn dependencies(&self) -> impl Iterator<Item = Dependency> + use<'a> {
        self.manifest.dependencies()
    }
}

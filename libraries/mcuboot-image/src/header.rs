//! The 32-byte image header at offset 0 of a slot.
//!
//! Owns field offsets and flags (`reference/tfm.md` §I.1).

use crate::{ImageError, ImageVersion, field};

/// `IMAGE_MAGIC`.
pub const IMAGE_MAGIC: u32 = 0x96F3_B83D;
/// Bytes of the header that have a meaning; `hdr_size` may be larger.
pub const HEADER_SIZE: usize = 32;

/// `IMAGE_F_*` bits of [`Header::flags`].
pub mod flags {
    pub const PIC: u32 = 0x1;
    pub const ENCRYPTED_AES128: u32 = 0x4;
    pub const ENCRYPTED_AES256: u32 = 0x8;
    pub const NON_BOOTABLE: u32 = 0x10;
    pub const RAM_LOAD: u32 = 0x20;
    pub const ROM_FIXED: u32 = 0x100;
    pub const COMPRESSED_LZMA1: u32 = 0x200;
    pub const COMPRESSED_LZMA2: u32 = 0x400;
    pub const COMPRESSED_ARM_THUMB: u32 = 0x800;
}

/// `image_header`; the magic is implied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub load_addr: u32,
    /// Bytes before the payload.
    pub hdr_size: u16,
    /// Length of the protected TLV area with its info header, 0 when there is none.
    pub protect_tlv_size: u16,
    /// Payload bytes.
    pub img_size: u32,
    pub flags: u32,
    pub version: ImageVersion,
}

impl Header {
    /// Reads a header; bounds against the slot are [`crate::Image`]'s work.
    ///
    /// # Errors
    /// [`ImageError::Empty`], [`ImageError::BadMagic`], [`ImageError::BadHeaderSize`] and, with
    /// fewer than 32 bytes, [`ImageError::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let bytes: [u8; HEADER_SIZE] = field(bytes, 0).ok_or(ImageError::TooLarge)?;
        let word = |at| field(&bytes, at).map_or(0, u32::from_le_bytes);
        let half = |at| field(&bytes, at).map_or(0, u16::from_le_bytes);
        match word(0) {
            IMAGE_MAGIC => {}
            0xFFFF_FFFF => return Err(ImageError::Empty),
            _ => return Err(ImageError::BadMagic),
        }
        let header = Header {
            load_addr: word(4),
            hdr_size: half(8),
            protect_tlv_size: half(10),
            img_size: word(12),
            flags: word(16),
            version: bytes
                .get(20..)
                .and_then(ImageVersion::parse)
                .unwrap_or_default(),
        };
        if usize::from(header.hdr_size) < HEADER_SIZE {
            return Err(ImageError::BadHeaderSize);
        }
        Ok(header)
    }

    /// The wire form; the pad word is 0, as imgtool writes it.
    pub fn emit(&self) -> [u8; HEADER_SIZE] {
        let mut out = [0; HEADER_SIZE];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(to) = out.get_mut(at..at + bytes.len()) {
                to.copy_from_slice(bytes);
            }
            at += bytes.len();
        };
        put(&IMAGE_MAGIC.to_le_bytes());
        put(&self.load_addr.to_le_bytes());
        put(&self.hdr_size.to_le_bytes());
        put(&self.protect_tlv_size.to_le_bytes());
        put(&self.img_size.to_le_bytes());
        put(&self.flags.to_le_bytes());
        put(&self.version.emit());
        out
    }
}

//! Measured boot: what goes into the shared boot data about each image.
//!
//! Owns the boot record, a CBOR map in the order of `reference/tfm.md` §I.3: 1 type, 4 version,
//! 5 signer, 6 algorithm, 2 measurement. imgtool's BOOT_RECORD TLV is taken where the image has
//! one, with its last 32 bytes replaced by the digest; else the map is made here.

use crate::crypto::Digest256;
use crate::event::decimal;
use boot_data::{BootDataError, BootDataWriter};
use mcuboot_image::{Image, ImageVersion};

/// `MAX_BOOT_RECORD_SZ` for 32-byte hashes.
const MAX_RECORD: usize = 132;
/// `bstr(32)` before the measurement.
const BSTR32: [u8; 2] = [0x58, 0x20];

/// Appends an image's boot record.
///
/// # Errors
/// [`BootDataError::NoSpace`].
pub(crate) fn record(
    data: &mut BootDataWriter<'_>,
    number: usize,
    image: &Image<'_>,
    signer: &Digest256,
    digest: &Digest256,
) -> Result<(), BootDataError> {
    let mut buffer = Buffer::default();
    let from_image = image
        .boot_record()
        .and_then(|tlv| tlv.len().checked_sub(34).and_then(|n| tlv.get(..n + 2)))
        .filter(|head| head.ends_with(&BSTR32));
    match from_image {
        Some(head) => buffer.put(head)?,
        None => make(&mut buffer, number, image.version(), signer)?,
    }
    buffer.put(digest)?;
    data.boot_record(number as u8, buffer.bytes())
}

fn make(
    out: &mut Buffer,
    number: usize,
    version: ImageVersion,
    signer: &Digest256,
) -> Result<(), BootDataError> {
    let mut text = Buffer::default();
    let mut full = Ok(());
    let mut put = |piece: &str| {
        if full.is_ok() {
            full = text.put(piece.as_bytes());
        }
    };
    decimal(version.major.into(), &mut put);
    put(".");
    decimal(version.minor.into(), &mut put);
    put(".");
    decimal(version.revision.into(), &mut put);
    full?;
    // A map of five; text strings are below 24 bytes.
    out.put(&[0xA5, 1])?;
    let kind: &[u8] = if number == 0 { b"SPE" } else { b"NSPE" };
    out.text(kind)?;
    out.put(&[4])?;
    out.text(text.bytes())?;
    out.put(&[5])?;
    out.put(&BSTR32)?;
    out.put(signer)?;
    out.put(&[6])?;
    out.text(b"SHA256")?;
    out.put(&[2])?;
    out.put(&BSTR32)
}

struct Buffer {
    bytes: [u8; MAX_RECORD],
    used: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer {
            bytes: [0; MAX_RECORD],
            used: 0,
        }
    }
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BootDataError> {
        let end = self.used + bytes.len();
        self.bytes
            .get_mut(self.used..end)
            .ok_or(BootDataError::NoSpace)?
            .copy_from_slice(bytes);
        self.used = end;
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> Result<(), BootDataError> {
        self.put(&[0x60 | text.len() as u8])?;
        self.put(text)
    }
}

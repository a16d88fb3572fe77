//! Writes a boot data area, entry by entry.
//!
//! Invariant: the area parses after each call, and what lies behind the entries is zero.

use crate::{BootDataError, HEADER, MAGIC, ResetRecord, claim, entry_type, major, module};

/// Writer over the area.
#[derive(Debug)]
pub struct BootDataWriter<'a> {
    area: &'a mut [u8],
    used: usize,
}

impl<'a> BootDataWriter<'a> {
    /// Zeroes the area and writes the header of an empty one. Bytes of `area` beyond
    /// [`crate::AREA_SIZE`] are not touched.
    ///
    /// # Errors
    /// [`BootDataError::NoSpace`] when not even the header fits.
    pub fn new(area: &'a mut [u8]) -> Result<Self, BootDataError> {
        let len = area.len().min(crate::AREA_SIZE);
        let area = area.get_mut(..len).ok_or(BootDataError::NoSpace)?;
        if len < HEADER {
            return Err(BootDataError::NoSpace);
        }
        area.fill(0);
        let mut writer = BootDataWriter { area, used: HEADER };
        writer.put(0, &MAGIC.to_le_bytes())?;
        writer.finish_entry(HEADER)?;
        Ok(writer)
    }

    /// Appends an entry of any type.
    ///
    /// # Errors
    /// [`BootDataError::NoSpace`]; the area is as before.
    pub fn entry(&mut self, kind: u16, data: &[u8]) -> Result<(), BootDataError> {
        let end = self.used + HEADER + data.len();
        if end > self.area.len() {
            return Err(BootDataError::NoSpace);
        }
        self.put(self.used, &kind.to_le_bytes())?;
        self.put(self.used + 2, &(data.len() as u16).to_le_bytes())?;
        self.put(self.used + HEADER, data)?;
        self.finish_entry(end)
    }

    /// Appends an image's CBOR measurement map.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn boot_record(&mut self, image: u8, cbor: &[u8]) -> Result<(), BootDataError> {
        self.entry(entry_type(major::IAS, image, claim::BOOT_RECORD), cbor)
    }

    /// Appends an image's version, in the 8-byte wire form of `image_version`.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn fwu_version(&mut self, image: u8, version: &[u8; 8]) -> Result<(), BootDataError> {
        self.entry(entry_type(major::FWU, image, claim::SW_VERSION), version)
    }

    /// Appends the record of the last reset.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn reset_record(&mut self, record: &ResetRecord) -> Result<(), BootDataError> {
        let kind = entry_type(major::CORE, module::SPE, claim::RESET_RECORD);
        self.entry(kind, &record.emit())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<(), BootDataError> {
        self.area
            .get_mut(at..at + bytes.len())
            .ok_or(BootDataError::NoSpace)?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn finish_entry(&mut self, end: usize) -> Result<(), BootDataError> {
        self.put(2, &(end as u16).to_le_bytes())?;
        self.used = end;
        Ok(())
    }
}

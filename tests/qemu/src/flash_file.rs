//! The flash file behind the board's DDR: sparse, erased to 0xFF where regions lie.
//!
//! Owns reading and writing by region name; the layout is the board's memory map.

use anyhow::{Result, anyhow, bail};
use memory_map::Map;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A flash file on the host.
#[derive(Debug, Clone)]
pub struct FlashFile {
    path: PathBuf,
    map: Map,
}

impl FlashFile {
    /// Makes a file in which every region is erased.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create(path: &Path, map: &Map) -> Result<FlashFile> {
        let file = File::create(path)?;
        file.set_len(map.flash_file().map_err(|e| anyhow!(e))?.1)?;
        let flash = FlashFile {
            path: path.to_owned(),
            map: map.clone(),
        };
        for (name, region) in &map.region {
            if map.store[&region.store].file_backed {
                flash.erase(name)?;
            }
        }
        Ok(flash)
    }

    /// Opens a file that [`FlashFile::create`] made.
    pub fn open(path: &Path, map: &Map) -> FlashFile {
        FlashFile {
            path: path.to_owned(),
            map: map.clone(),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A sparse copy beside others, for a test that must not touch this one.
    ///
    /// # Errors
    /// Of `cp`.
    pub fn copy_to(&self, path: &Path) -> Result<FlashFile> {
        let status = std::process::Command::new("cp")
            .arg("--sparse=always")
            .arg(&self.path)
            .arg(path)
            .status()?;
        if !status.success() {
            bail!("cp {} {}: {status}", self.path.display(), path.display());
        }
        Ok(FlashFile {
            path: path.to_owned(),
            map: self.map.clone(),
        })
    }

    /// Sets a whole region to 0xFF.
    ///
    /// # Errors
    /// Names an unknown region.
    pub fn erase(&self, region: &str) -> Result<()> {
        let size = self.map.region(region).map_err(|e| anyhow!(e))?.size;
        self.write(region, 0, &vec![0xFF; size as usize])
    }

    /// Writes `bytes` at `offset` of a region, past all NOR rules: this is the factory.
    ///
    /// # Errors
    /// Names a region that is unknown or too small.
    pub fn write(&self, region: &str, offset: u32, bytes: &[u8]) -> Result<()> {
        let at = self.position(region, offset, bytes.len())?;
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .write_all_at(bytes, at)?;
        Ok(())
    }

    /// Reads `size` bytes at `offset` of a region.
    ///
    /// # Errors
    /// Names a region that is unknown or too small.
    pub fn read(&self, region: &str, offset: u32, size: usize) -> Result<Vec<u8>> {
        let at = self.position(region, offset, size)?;
        let mut bytes = vec![0; size];
        File::open(&self.path)?.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    fn position(&self, region: &str, offset: u32, size: usize) -> Result<u64> {
        let base = self.map.flash_offset(region).map_err(|e| anyhow!(e))?;
        let room = self.map.region(region).map_err(|e| anyhow!(e))?.size;
        if u64::from(offset) + size as u64 > u64::from(room) {
            bail!("{size} bytes at 0x{offset:x} do not fit region `{region}` (0x{room:x} bytes)");
        }
        Ok(base + u64::from(offset))
    }
}

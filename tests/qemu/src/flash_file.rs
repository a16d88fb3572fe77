//! The flash file behind the board's DDR: sparse, erased to 0xFF where regions lie.
//!
//! Owns reading and writing by region name; the layout is the board's memory map.

use anyhow::{Context, Result, anyhow, bail};
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
        let file = File::create(path).with_context(|| path.display().to_string())?;
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
    ///
    /// # Errors
    /// When there is none, it has another length than the board's flash, or a device runs from it.
    pub fn open(path: &Path, map: &Map) -> Result<FlashFile> {
        let name = path.display();
        let file = path
            .metadata()
            .with_context(|| format!("{name} (cargo xtask flash FILE makes a flash file)"))?;
        let size = map.flash_file().map_err(|e| anyhow!(e))?.1;
        if !file.is_file() || file.len() != size {
            bail!(
                "{name} is no flash file of {} ({size} bytes; cargo xtask flash FILE makes one)",
                map.board
            );
        }
        let flash = FlashFile {
            path: path.to_owned(),
            map: map.clone(),
        };
        flash.keep().map(|_| flash)
    }

    /// Keeps others from opening it, for as long as the answer lives: a device runs from it.
    ///
    /// # Errors
    /// When it is kept already.
    pub fn keep(&self) -> Result<File> {
        keep(&self.path)
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

/// As [`FlashFile::keep`], of a file that is only to be replaced.
///
/// # Errors
/// As there.
pub fn keep(path: &Path) -> Result<File> {
    let file = File::open(path)?;
    if file.try_lock().is_err() {
        bail!("{}: a device runs from it", path.display());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_flash_file_of_the_board_is_opened() {
        let board = |name: &str| {
            let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../boards");
            Map::load(&boards.join(name).join(memory_map::MAP_FILE)).unwrap()
        };
        let (map, other) = (board("mps2-an521"), board("mps3-an547"));
        let path = std::env::temp_dir().join(format!("flash-file-{}", std::process::id()));
        assert!(FlashFile::open(&path, &map).is_err());
        std::fs::write(&path, "# A text of somebody's").unwrap();
        assert!(FlashFile::open(&path, &map).is_err());
        FlashFile::create(&path, &map).unwrap();
        let kept = FlashFile::open(&path, &map).unwrap().keep().unwrap();
        let refused = FlashFile::open(&path, &map).unwrap_err().to_string();
        assert!(refused.contains("a device runs from it"), "{refused}");
        drop(kept);
        assert!(FlashFile::open(&path, &map).is_ok());
        let refused = FlashFile::open(&path, &other).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(refused.contains("no flash file of mps3-an547"), "{refused}");
    }
}

//! A device with one process of the pools on it, and no other.
//!
//! Owns the flash of such a device: images, process, provisioning without a cloud. The process is
//! linked at offset 0 of both pools (its build script says so).

use crate::build::{World, firmware};
use crate::provision::{self, Guests, Identity, Issued};
use crate::system::{Scratch, loader};
use crate::{apps, flash, paths, setup};
use anyhow::{Result, anyhow, bail};
use provisioning::Item;
use qemu_harness::{Config, FlashFile};
use std::path::{Path, PathBuf};

/// Such a process.
pub struct Process {
    /// Package, and name of the device.
    pub package: &'static str,
    /// Its ShortId.
    pub short_id: u32,
    /// Room in the flash pool, bytes.
    pub flash_size: usize,
    /// Room in the RAM pool, bytes.
    pub ram_size: u32,
}

/// A device that has not been started.
pub struct Alone {
    /// How to start it; without a network.
    pub config: Config,
    /// What the factory knows of it.
    pub issued: Issued,
    _scratch: Scratch,
}

impl Alone {
    /// Builds the process and the device's flash.
    ///
    /// # Errors
    /// Of the compiler; names an image that has not been built.
    pub fn new(process: &Process) -> Result<Alone> {
        Self::with(process, &built(process)?)
    }

    /// As [`Alone::new`], of a process that is built.
    ///
    /// # Errors
    /// Of elf2tab; names an image that has not been built.
    pub fn with(process: &Process, elf: &Path) -> Result<Alone> {
        let secure = paths::build().join("secure_signed.bin");
        Self::make(process, elf, &secure, |_| true)
    }

    /// As [`Alone::new`], on a secure image of the caller's, which is provisioned with the objects
    /// that are to be kept.
    ///
    /// # Errors
    /// As there.
    pub fn beside(process: &Process, secure: &Path, keep: impl Fn(&Item) -> bool) -> Result<Alone> {
        Self::make(process, &built(process)?, secure, keep)
    }

    fn make(
        process: &Process,
        elf: &Path,
        secure: &Path,
        keep: impl Fn(&Item) -> bool,
    ) -> Result<Alone> {
        let name = process.package;
        let map = paths::map()?;
        let base = |name: &str| map.region(name).map_err(|e| anyhow!(e)).map(|r| r.base);
        let place = (base("flash-pool")?, base("ram-pool")?, process.ram_size);
        let tbf = std::fs::read(apps::pack(&map, name, process.short_id, elf, place)?)?;
        if tbf.len() > process.flash_size {
            bail!("{name} takes {} bytes", tbf.len());
        }
        let scratch = Scratch::new(name)?;
        let file = FlashFile::create(&scratch.path().join("flash.bin"), &map)?;
        flash::install(&file, "s-primary", secure)?;
        let kernel = paths::build().join("kernel_signed.bin");
        flash::install(&file, "ns-primary", &kernel)?;
        file.write("flash-pool", 0, &tbf)?;
        let guests = Guests {
            short_ids: vec![process.short_id],
            key_user: None,
        };
        let issued = provision::write_where(&file, &map, &Identity::offline(name), &guests, keep)?;
        let mut config = Config::new(&loader(), file.path());
        config.network = false;
        Ok(Alone {
            config,
            issued,
            _scratch: scratch,
        })
    }
}

/// The process's ELF.
fn built(process: &Process) -> Result<PathBuf> {
    let (toolchain, _) = setup::everything()?;
    firmware(&toolchain, World::NonSecure, process.package, &[])
}

//! A device with one process of the pools on it, and no other.
//!
//! Owns the flash of such a device: images, process, provisioning without a cloud. The process is
//! linked at offset 0 of both pools (its build script says so).

use crate::build::{World, firmware};
use crate::provision::{self, Guests, Identity, Issued};
use crate::system::{Scratch, loader};
use crate::{apps, flash, paths, setup};
use anyhow::{Result, anyhow, bail};
use qemu_harness::{Config, FlashFile};
use std::path::Path;

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
        let (toolchain, _) = setup::everything()?;
        let elf = firmware(&toolchain, World::NonSecure, process.package, &[])?;
        Self::with(process, &elf)
    }

    /// As [`Alone::new`], of a process that is built.
    ///
    /// # Errors
    /// Of elf2tab; names an image that has not been built.
    pub fn with(process: &Process, elf: &Path) -> Result<Alone> {
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
        for (region, image) in [
            ("s-primary", "secure_signed.bin"),
            ("ns-primary", "kernel_signed.bin"),
        ] {
            flash::install(&file, region, &paths::build().join(image))?;
        }
        file.write("flash-pool", 0, &tbf)?;
        let guests = Guests {
            short_ids: vec![process.short_id],
            key_user: None,
        };
        let issued = provision::write_with(&file, &map, &Identity::offline(name), &guests)?;
        let mut config = Config::new(&loader(), file.path());
        config.network = false;
        Ok(Alone {
            config,
            issued,
            _scratch: scratch,
        })
    }
}

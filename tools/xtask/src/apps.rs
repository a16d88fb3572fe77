//! Builds apps and packs them with elf2tab.
//!
//! Owns each product app's ShortId and where its files lie; the arguments of elf2tab are
//! `libtock_build_scripts`'s, which owns the linker script that they have to agree with.

use crate::build::{World, firmware};
use crate::setup::Toolchain;
use crate::{paths, shell, sign};
use anyhow::{Context, Result, anyhow};
use libtock_build_scripts::{Layout, TBF_HEADER_SIZE, TbfOptions, elf2tab_arguments};
use memory_map::Map;
use std::path::PathBuf;
use std::process::Command;

/// ShortId of a product app: 1-based place in the board's list, so that it never depends on names.
///
/// # Errors
/// Names an app that the board does not list.
pub fn short_id(map: &Map, name: &str) -> Result<u32> {
    let place = map.app.iter().position(|a| a.name == name);
    place
        .map(|p| p as u32 + 1)
        .ok_or_else(|| anyhow!("no app `{name}` in the memory map"))
}

/// Builds, links and packs a product app; returns the TBF.
///
/// # Errors
/// Of the compiler and elf2tab.
pub fn product(toolchain: &Toolchain, map: &Map, name: &str) -> Result<PathBuf> {
    let (flash, ram) = map.app_row(name).map_err(|e| anyhow!(e))?;
    let elf = firmware(toolchain, World::NonSecure, name, &[])?;
    pack(
        map,
        name,
        short_id(map, name)?,
        &elf,
        (flash.base, ram.base, ram.size),
    )
}

/// Packs an ELF for a row {flash, RAM, RAM size}; returns the TBF.
///
/// # Errors
/// Of elf2tab; when the ELF is linked for another row or needs more RAM than the row has.
pub fn pack(
    map: &Map,
    name: &str,
    short_id: u32,
    elf: &std::path::Path,
    row: (u32, u32, u32),
) -> Result<PathBuf> {
    let packing = Packing {
        name,
        file: name,
        version: 1,
        short_id,
    };
    pack_as(map, &packing, elf, row)
}

/// What an app is called, outside and inside of its TBF.
pub struct Packing<'a> {
    /// Package name.
    pub name: &'a str,
    /// Stem of the files in `build/apps`.
    pub file: &'a str,
    /// App version.
    pub version: u32,
    pub short_id: u32,
}

/// As [`pack`], with everything to choose.
///
/// # Errors
/// See [`pack`].
pub fn pack_as(
    map: &Map,
    packing: &Packing<'_>,
    elf: &std::path::Path,
    (flash, ram, ram_size): (u32, u32, u32),
) -> Result<PathBuf> {
    let folder = paths::build().join("apps");
    std::fs::create_dir_all(&folder)?;
    // Packed apart and put there whole: cases that run side by side pack the same app, and one may
    // be reading what another makes.
    let apart = paths::temporary("pack");
    std::fs::create_dir_all(&apart)?;
    let packed = pack_into(map, packing, elf, (flash, ram, ram_size), &apart);
    let put = packed.and_then(|()| {
        for ending in ["elf", "tab", "tbf"] {
            let name = format!("{}.{ending}", packing.file);
            std::fs::rename(apart.join(&name), folder.join(&name)).with_context(|| name)?;
        }
        Ok(())
    });
    std::fs::remove_dir_all(&apart)?;
    put.map(|()| folder.join(format!("{}.tbf", packing.file)))
}

fn pack_into(
    map: &Map,
    packing: &Packing<'_>,
    elf: &std::path::Path,
    (flash, ram, ram_size): (u32, u32, u32),
    folder: &std::path::Path,
) -> Result<()> {
    let copy = folder.join(format!("{}.elf", packing.file));
    std::fs::copy(elf, &copy)?;
    let layout = Layout {
        flash_start: flash,
        // Only the linker script asks for it.
        flash_length: 0,
        ram_start: ram,
        ram_length: ram_size,
        tbf_header_size: TBF_HEADER_SIZE,
    };
    let options = TbfOptions {
        name: packing.name.into(),
        short_id: packing.short_id,
        version: packing.version,
        arch: map.tbf_arch.clone(),
        key: Some(sign::app_key().with_extension("der")),
        output: folder.join(format!("{}.tab", packing.file)),
    };
    let arguments = elf2tab_arguments(&copy, &layout, &options).map_err(|e| anyhow!(e))?;
    // It writes the TBF beside the ELF.
    shell::run(Command::new(paths::elf2tab()).args(arguments)).map(drop)
}

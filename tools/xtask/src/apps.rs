//! Builds apps and packs them with elf2tab.
//!
//! Owns the elf2tab arguments and each product app's ShortId, heap and stack figures.

use crate::build::{World, firmware};
use crate::setup::Toolchain;
use crate::{paths, shell, sign};
use anyhow::{Result, anyhow};
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
/// Of elf2tab.
pub fn pack(
    map: &Map,
    name: &str,
    short_id: u32,
    elf: &std::path::Path,
    (flash, ram, ram_size): (u32, u32, u32),
) -> Result<PathBuf> {
    let folder = paths::build().join("apps");
    std::fs::create_dir_all(&folder)?;
    let member = format!("{}.0x{flash:08x}.0x{ram:08x}", map.tbf_arch);
    let copy = folder.join(format!("{name}.elf"));
    std::fs::copy(elf, &copy)?;
    let tab = folder.join(format!("{name}.tab"));
    shell::run(
        Command::new(paths::elf2tab())
            .args(["--deterministic", "-n", name, "-o"])
            .arg(&tab)
            // elf2tab 0.13.0 takes --minimum-ram-size and ignores it; the three it adds up work.
            .args(["--stack", &(ram_size - 0x1000).to_string()])
            .args(["--app-heap", "0", "--kernel-heap", "0"])
            .args([
                "--protected-region-size",
                "256",
                "--minimum-footer-size",
                "128",
            ])
            .args(["--kernel-major", "2", "--kernel-minor", "2"])
            .args(["--short-id", &short_id.to_string(), "--app-version", "1"])
            .arg("--ecdsa-nist-p256-private")
            .arg(sign::app_key().with_extension("der"))
            .arg(format!("{},{member}", copy.display())),
    )?;
    // elf2tab writes the TBF beside the ELF.
    Ok(copy.with_extension("tbf"))
}

//! `cargo xtask app`: an app of one's own, from its package to a TAB and onto a device.
//!
//! Owns the step from a package that links itself into the pools (`libtock_build_scripts::pool_layout`,
//! or `auto_layout` by environment; [`crate::foreign`] for those from elsewhere) to
//! `build/apps/NAME.tab`. Where it lies is read from the ELF.

use crate::alone::{Alone, Process};
use crate::build::{World, firmware};
use crate::foreign::Foreign;
use crate::run::{keys_to, show};
use crate::{apps, paths, setup, shell};
use anyhow::{Context, Result, bail};
use libtock_build_scripts::{GRANT_RESERVE, TBF_HEADER_SIZE, elf_symbol};
use qemu_harness::Device;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// `app`'s options.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Package of the workspace, or the path of a package elsewhere or of one source file
    pub package: String,
    /// ShortId: what it stores and what it may do hangs on it; 0 for none
    #[arg(long, default_value_t = 0)]
    pub short_id: u32,
    /// App version
    #[arg(long, default_value_t = 1)]
    pub version: u32,
    /// Boots a device with this process alone, its consoles on the terminal, until Ctrl-C
    #[arg(long)]
    pub run: bool,
    /// With --run: ends after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

/// Whether the workspace has an app of that name.
fn known(name: &str) -> Result<()> {
    let text = shell::run(
        Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(paths::root()),
    )?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    // Whatever is linked for a device; images are told apart when they are linked.
    let mut apps = packages.filter(|p| p["features"]["device"].is_array());
    match apps.any(|p| p["name"] == name) {
        true => Ok(()),
        false => bail!(
            "`{name}` is no app: neither a package of this workspace with the feature `device` \
             (docs/apps.md) nor the path of a source file or of a package"
        ),
    }
}

/// Builds, packs, and boots when asked to.
///
/// # Errors
/// Of the compiler and elf2tab; when the package does not link itself with the libtock layout.
pub fn run(options: &Options) -> Result<()> {
    let map = paths::map()?;
    let foreign = Foreign::at(&options.package)?;
    let name = foreign.as_ref().map_or(&options.package, |f| &f.name);
    if map.app.iter().any(|app| app.name == *name) {
        bail!("{name} is an app of the product: `cargo xtask build` packs it, with its ShortId");
    }
    if foreign.is_none() {
        known(name)?;
    }
    let (toolchain, _) = setup::everything()?;
    let (name, elf) = match &foreign {
        Some(foreign) => (foreign.name.as_str(), foreign.build(&toolchain, &map)?),
        None => {
            let name = options.package.as_str();
            (name, firmware(&toolchain, World::NonSecure, name, &[])?)
        }
    };
    let bytes = std::fs::read(&elf).with_context(|| elf.display().to_string())?;
    let symbol = |symbol: &str| {
        elf_symbol(&bytes, symbol).with_context(|| {
            format!("{name}: no symbol `{symbol}`: does its build script lay it out?")
        })
    };
    let flash = symbol("_flash_origin")?
        .checked_sub(TBF_HEADER_SIZE)
        .context("linked at 0")?;
    let ram = symbol("_sram_origin")?;
    let ram_size = symbol("_app_ram_size")?.saturating_add(GRANT_RESERVE);
    let packing = apps::Packing {
        name,
        file: name,
        version: options.version,
        short_id: options.short_id,
    };
    let tbf = apps::pack_as(&map, &packing, &elf, (flash, ram, ram_size))?;
    let size = std::fs::metadata(&tbf)?.len();
    println!(
        "app: {} ({size} bytes of flash at 0x{flash:08x}, {ram_size} bytes of RAM at 0x{ram:08x})",
        tbf.with_extension("tab").display()
    );
    if !options.run {
        return Ok(());
    }
    for (region, address) in [("flash-pool", flash), ("ram-pool", ram)] {
        let base = map.region(region).map_err(anyhow::Error::msg)?.base;
        if address != base {
            bail!("{name}: --run takes what is linked to the start of `{region}`, 0x{base:08x}");
        }
    }
    let process = Process {
        package: name.to_owned().leak(),
        short_id: options.short_id,
        flash_size: usize::try_from(size)?,
        ram_size,
    };
    let alone = Alone::with(&process, &elf)?;
    let mut device = Device::start(&alone.config)?;
    show("console | ", device.console.clone());
    keys_to(device.console.clone());
    let ends = options.seconds.map(Duration::from_secs);
    while ends.is_none_or(|limit| device.uptime() < limit) {
        device.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

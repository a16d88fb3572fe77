//! The build beside another secure side than our own: a stock TF-M.
//!
//! Owns what is made then: the kernel, linked to the addresses that TF-M's import library says; apps
//! for TF-M's memory; both as files that QEMU's generic loader places, and the kernel as TF-M's BL2
//! boots it. And the stand-in: our secure image in TF-M's place and borders, which tests put there
//! because no TF-M binary comes with this repository. Does not own the borders: `memory-tfm.toml`.

pub mod check;
mod image;
mod import;

use crate::build::{World, firmware, flatten};
use crate::release::{self, Release};
use crate::{apps, build, paths, provision, setup, sign, veneers};
use anyhow::{Context, Result, anyhow, bail, ensure};
use memory_map::Map;
use std::path::{Path, PathBuf};

/// Whose secure side a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Secure {
    /// Ours: loader, secure image, kernel, apps
    Own,
    /// A stock TF-M: kernel and apps
    Tfm,
    /// Our secure image in TF-M's place, for tests, and its import library
    StandIn,
}

/// `build`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Whose secure side the kernel runs beside
    #[arg(long, value_enum, default_value = "own")]
    secure: Secure,
    /// TF-M's import library, s_veneers.o
    #[arg(long, value_name = "FILE")]
    veneers: Option<PathBuf>,
    /// Key that TF-M's BL2 verifies the non-secure image with (EC P-256, PEM); a development key
    /// when absent
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    release: release::Options,
}

/// Builds for the secure side that is asked for.
///
/// # Errors
/// Of the tools; names the option, the file or the symbol that is missing.
pub fn build(options: &Options) -> Result<()> {
    if options.secure != Secure::Tfm && (options.veneers.is_some() || options.key.is_some()) {
        bail!("--veneers and --key are for --secure tfm");
    }
    let release = options.release.release()?;
    match options.secure {
        Secure::Own => {
            setup::everything()?;
            build::release(&release)
        }
        Secure::Tfm => {
            let file = options.veneers.as_deref().context(
                "--secure tfm needs --veneers FILE: the import library of that TF-M, \
                 api_ns/interface/lib/s_veneers.o in its build folder",
            )?;
            paths::select_tfm()?;
            beside(file, options.key.as_deref(), &release)
        }
        Secure::StandIn => {
            paths::select_tfm()?;
            stand_in()
        }
    }
}

/// The development key for BL2.
fn development_key() -> PathBuf {
    paths::keys().join("tfm-non-secure.pem")
}

/// Kernel and apps beside the TF-M whose import library `file` is.
fn beside(file: &Path, key: Option<&Path>, release: &Release) -> Result<()> {
    let map = paths::map()?;
    let symbols = import::read(&map, file)?;
    let (toolchain, _) = setup::everything()?;
    let out = paths::build();
    let managed = symbols.len() > import::CORE;
    println!(
        "build: kernel and apps beside the TF-M of {}, which {} client ids",
        file.display(),
        if managed {
            "manages"
        } else {
            "does not manage"
        }
    );
    // Names and addresses, and nothing else of that file.
    let veneers = out.join("s_veneers.o");
    let object = veneers::write(&symbols)?;
    if std::fs::read(&veneers).ok().as_ref() != Some(&object) {
        std::fs::write(&veneers, object)?;
    }
    sign::keys()?;
    let app_key = provision::public_point(&sign::app_key())?;
    let kernel = firmware(
        &toolchain,
        World::NonSecure,
        &format!("{}-kernel", paths::board_name()),
        &[
            ("TOCKSTONE_VENEERS", veneers.display().to_string()),
            ("TOCKSTONE_APP_KEY", attestation_verifier::hex(&app_key)),
        ],
    )?;
    std::fs::copy(&kernel, out.join("kernel.elf"))?;
    let base = region(&map, "kernel-exec")?.base + map.image_header;
    let bare = out.join("kernel.bin");
    std::fs::write(&bare, flatten(&kernel, base)?)?;

    let development = development_key();
    if key.is_none() {
        sign::generate(&development, "ecdsa-p256")?;
    }
    let (signed, with_id) = (
        out.join("kernel_signed.bin"),
        out.join("kernel-keyid_signed.bin"),
    );
    let stamp = (release.factory.as_str(), release.counter);
    let key_file = key.unwrap_or(&development);
    image::sign(&map, &bare, key_file, stamp, [&signed, &with_id])?;

    for app in &map.app {
        apps::product(&toolchain, &map, &app.name)?;
    }
    std::fs::write(out.join("apps.bin"), app_flash(&map)?)?;

    let slot = region(&map, "kernel-exec")?.base;
    let flash = region(&map, "kernel-attributes")?.base;
    println!(
        "build: {} for BL2 of TF-M 2.1 and 2.2, at 0x{slot:08x}",
        show(&signed)
    );
    println!("build: {} for BL2 of TF-M 2.3 and later", show(&with_id));
    if key.is_none() {
        println!(
            "build: signed with {}; BL2 must know it",
            show(&development)
        );
    }
    println!(
        "build: without BL2: -device loader,file={},addr=0x{base:08x},force-raw=on",
        show(&bare)
    );
    println!(
        "build: apps: -device loader,file={},addr=0x{flash:08x},force-raw=on",
        show(&out.join("apps.bin"))
    );
    Ok(())
}

/// From the attributes' page on, each app in its row; erased otherwise.
fn app_flash(map: &Map) -> Result<Vec<u8>> {
    let start = region(map, "kernel-attributes")?.base;
    let mut bytes = Vec::new();
    for app in &map.app {
        let (row, _) = map.app_row(&app.name).map_err(|e| anyhow!(e))?;
        let file = paths::build()
            .join("apps")
            .join(format!("{}.tbf", app.name));
        let tbf = std::fs::read(&file).with_context(|| file.display().to_string())?;
        ensure!(
            tbf.len() <= row.size as usize,
            "{} takes {} bytes, its row has {}",
            app.name,
            tbf.len(),
            row.size
        );
        let at = (row.base - start) as usize;
        bytes.resize(at.max(bytes.len()), 0xFF);
        bytes.splice(at.., tbf);
    }
    Ok(bytes)
}

/// Our secure image with TF-M's borders, and its import library as a stock TF-M's would be: without
/// the management of client ids.
fn stand_in() -> Result<()> {
    let map = paths::map()?;
    let (toolchain, _) = setup::everything()?;
    println!("build: our secure image in TF-M's place");
    let package = format!("{}-secure", paths::board_name());
    let elf = firmware(&toolchain, World::Secure, &package, &[])?;
    let out = paths::build();
    std::fs::copy(&elf, out.join("secure.elf"))?;
    let symbols = veneers::symbols(&map, &elf)?;
    let file = out.join("stand-in_veneers.o");
    std::fs::write(&file, veneers::write(&symbols[..import::CORE])?)?;
    println!("build: {}", show(&file));
    Ok(())
}

fn region<'a>(map: &'a Map, name: &str) -> Result<&'a memory_map::Region> {
    map.region(name).map_err(|e| anyhow!(e))
}

fn show(file: &Path) -> String {
    let file = file.strip_prefix(paths::root()).unwrap_or(file);
    file.display().to_string()
}

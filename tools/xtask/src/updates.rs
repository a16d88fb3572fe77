//! Update files of single apps: one TAB with the app linked for both of its places.
//!
//! Owns where the second place of a product app is (`flash-b`, at its row's distance from the first
//! row; the RAM row is the same, since old and new never run together) and how the same code is
//! linked there: ld.lld's own archive of the first link, with another start of flash in the layout.
//! Nothing is compiled again.

use crate::build::{World, firmware};
use crate::setup::Toolchain;
use crate::{apps, paths, shell, sign};
use anyhow::{Context, Result, anyhow, ensure};
use libtock_build_scripts::{
    LINK_ARCHIVE, Layout, TBF_HEADER_SIZE, TbfOptions, elf_symbol, elf2tab_arguments,
};
use memory_map::Map;
use std::path::{Path, PathBuf};
use std::process::Command;

/// App version of the files that a build leaves unless it is told; the factory's is 1.
pub const UPDATE: u32 = 2;

/// `apps/<name>`: "Path name of file on device".
pub fn filepath(name: &str) -> String {
    format!("apps/{name}")
}

/// Where the build leaves an app's update.
pub fn file(name: &str) -> PathBuf {
    paths::build().join(format!("{name}-update_signed.bin"))
}

/// The ELFs of a product app for its two places, first the row's.
///
/// # Errors
/// Of the compiler and the linker.
pub fn linked(toolchain: &Toolchain, map: &Map, name: &str) -> Result<[PathBuf; 2]> {
    let first = firmware(toolchain, World::NonSecure, name, &[])?;
    let folder = paths::build().join("apps");
    std::fs::create_dir_all(&folder)?;
    let [a, b] = ["a", "b"].map(|place| folder.join(format!("{name}-{place}.elf")));
    std::fs::copy(&first, &a)?;
    let [from, to] = places(map, name)?;
    relink(toolchain, name, &first, (from, to), &b)?;
    Ok([a, b])
}

/// Packs both ELFs of an app into one TAB of this version.
///
/// # Errors
/// Of elf2tab.
pub fn pack(map: &Map, name: &str, elfs: &[PathBuf; 2], version: u32, out: &Path) -> Result<()> {
    let (_, ram) = map.app_row(name).map_err(|e| anyhow!(e))?;
    let options = TbfOptions {
        name: name.into(),
        short_id: apps::short_id(map, name)?,
        version,
        arch: map.tbf_arch.clone(),
        key: Some(sign::app_key().with_extension("der")),
        output: out.to_owned(),
    };
    let mut arguments = Vec::new();
    for (elf, flash_start) in elfs.iter().zip(places(map, name)?) {
        let layout = Layout {
            flash_start,
            // Only the linker script asks for it.
            flash_length: 0,
            ram_start: ram.base,
            ram_length: ram.size,
            tbf_header_size: TBF_HEADER_SIZE,
        };
        let mut of_place = elf2tab_arguments(elf, &layout, &options).map_err(|e| anyhow!(e))?;
        if arguments.is_empty() {
            arguments = of_place;
        } else {
            // The options are the same: the ELF and its member's name come last.
            arguments.extend(of_place.pop());
        }
    }
    shell::run(Command::new(paths::elf2tab()).args(arguments))?;
    Ok(())
}

/// Builds an app's update file.
///
/// # Errors
/// See [`linked`] and [`pack`].
pub fn build(toolchain: &Toolchain, map: &Map, name: &str, version: u32) -> Result<()> {
    let elfs = linked(toolchain, map, name)?;
    pack(map, name, &elfs, version, &file(name))
}

/// Addresses of an app's two places in flash.
fn places(map: &Map, name: &str) -> Result<[u32; 2]> {
    let region = |name: &str| map.region(name).map_err(|e| anyhow!(e));
    let (row, _) = map.app_row(name).map_err(|e| anyhow!(e))?;
    let second = region("flash-b")?;
    let rows = map.app.iter().map(|a| Ok(region(&a.flash)?.base));
    let first = rows.collect::<Result<Vec<u32>>>()?.into_iter().min();
    let offset = row.base - first.context("no app")?;
    ensure!(
        offset + row.size <= second.size,
        "flash-b is too small for {name}"
    );
    Ok([row.base, second.base + offset])
}

/// Links the code of `elf` for another start of flash.
fn relink(
    toolchain: &Toolchain,
    name: &str,
    elf: &Path,
    (from, to): (u32, u32),
    out: &Path,
) -> Result<()> {
    let scratch = paths::temporary("link");
    std::fs::create_dir_all(&scratch)?;
    let result = unpacked(name, elf, &scratch).and_then(|inputs| {
        let line = |start: u32| format!("FLASH_START = 0x{start:08x};");
        let mut changed = 0;
        for script in files(&inputs)?
            .iter()
            .filter(|f| f.extension() == Some("ld".as_ref()))
        {
            let text = std::fs::read_to_string(script)?;
            if text.contains(&line(from)) {
                std::fs::write(script, text.replace(&line(from), &line(to)))?;
                changed += 1;
            }
        }
        ensure!(
            changed == 1,
            "{name}: {changed} layouts for 0x{from:08x} in its link archive"
        );
        let mut command = Command::new(&toolchain.linker);
        if toolchain.linker.file_stem() == Some("rust-lld".as_ref()) {
            command.args(["-flavor", "gnu"]);
        }
        command.arg("@response.txt").arg("-o").arg(out);
        shell::run(command.current_dir(&inputs))?;
        let origin = elf_symbol(&std::fs::read(out)?, "_flash_origin");
        ensure!(
            origin == Some(to + TBF_HEADER_SIZE),
            "{name}: linked for {origin:x?}"
        );
        Ok(())
    });
    std::fs::remove_dir_all(&scratch)?;
    result
}

/// Unpacks what `elf` was linked from; the folder in which the linker runs.
fn unpacked(name: &str, elf: &Path, scratch: &Path) -> Result<PathBuf> {
    let profile = elf.parent().context("no folder")?;
    let bytes = std::fs::read(elf)?;
    let mut archives = Vec::new();
    for unit in std::fs::read_dir(profile.join("build"))? {
        let archive = unit?.path().join("out").join(LINK_ARCHIVE);
        if archive.is_file() {
            archives.push(archive);
        }
    }
    for archive in archives {
        let folder = scratch.join(format!("{}", archive.display()).replace('/', "_"));
        std::fs::create_dir_all(&folder)?;
        let mut tar = Command::new("tar");
        shell::run(tar.arg("-xf").arg(&archive).arg("-C").arg(&folder))?;
        for inputs in std::fs::read_dir(&folder)? {
            let inputs = inputs?.path();
            let Ok(response) = std::fs::read_to_string(inputs.join("response.txt")) else {
                continue;
            };
            // One of several builds of the package: the one that this ELF is of.
            let output = response.lines().find_map(|l| l.strip_prefix("-o "));
            let output = output.map(|o| profile.join("deps").join(o.trim().trim_matches('"')));
            if output.is_some_and(|o| std::fs::read(o).is_ok_and(|linked| linked == bytes)) {
                return Ok(inputs);
            }
        }
    }
    Err(anyhow!(
        "{name}: no archive of its link below {}",
        profile.display()
    ))
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            out.extend(files(&path)?);
        } else {
            out.push(path);
        }
    }
    Ok(out)
}

//! `cargo xtask size`: flash and RAM of every image and app.
//!
//! Owns how a size is counted: flash is the bytes of the signed image (of the TBF, of the
//! loader's loadable segments); RAM is .data, .bss and stacks, as the ELF's writable sections say.

use crate::paths;
use anyhow::{Context, Result};
use object::read::elf::ElfFile32;
use object::{Endianness, Object, ObjectSection, SectionFlags, elf};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What `size` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Write the sizes to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Prints the sizes of what is built; the secure image with TF-M's Medium set is built for it.
///
/// # Errors
/// Names a file that has not been built.
pub fn run(options: &Options) -> Result<()> {
    paths::check_report(options.json.as_deref())?;
    crate::build::medium()?;
    let build = paths::build();
    let mut images = Vec::new();
    let loader = image("loader", &build.join("loader.elf"), None)?;
    images.push(loader);
    images.push(image(
        "secure",
        &build.join("secure.elf"),
        Some(&build.join("secure_signed.bin")),
    )?);
    images.push(image(
        "secure-medium",
        &build.join("secure-medium.elf"),
        Some(&build.join("secure-medium_signed.bin")),
    )?);
    images.push(image(
        "kernel",
        &build.join("kernel.elf"),
        Some(&build.join("kernel_signed.bin")),
    )?);
    for app in paths::map()?.app {
        let file = |ending: &str| build.join("apps").join(format!("{}.{ending}", app.name));
        images.push(image(&app.name, &file("elf"), Some(&file("tbf")))?);
    }
    println!("{:<14} {:>9} {:>9}", "image", "flash", "RAM");
    for image in &images {
        println!(
            "{:<14} {:>9} {:>9}",
            image["name"].as_str().unwrap_or_default(),
            image["flash"],
            image["ram"]
        );
    }
    if let Some(file) = &options.json {
        std::fs::write(
            file,
            serde_json::to_vec_pretty(&json!({ "images": images }))?,
        )?;
    }
    Ok(())
}

fn image(name: &str, elf: &Path, file: Option<&Path>) -> Result<Value> {
    let bytes =
        std::fs::read(elf).with_context(|| format!("{} (cargo xtask build)", elf.display()))?;
    let parsed = ElfFile32::<Endianness>::parse(&*bytes)?;
    let (mut loaded, mut ram) = (0, 0);
    let mut parts = Vec::new();
    for section in parsed.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        if sh_flags & u64::from(elf::SHF_ALLOC) == 0 || section.size() == 0 {
            continue;
        }
        let writable = sh_flags & u64::from(elf::SHF_WRITE) != 0;
        let in_file = section.file_range().is_some();
        if in_file {
            loaded += section.size();
        }
        // Stacks are in no file, and lld calls sections of nothing but room read-only.
        if writable || !in_file {
            ram += section.size();
        }
        parts.push(json!({"name": section.name().unwrap_or_default(), "size": section.size()}));
    }
    let flash = match file {
        Some(file) => std::fs::metadata(file)
            .with_context(|| file.display().to_string())?
            .len(),
        None => loaded,
    };
    Ok(json!({"name": name, "flash": flash, "ram": ram, "parts": parts}))
}

//! A release holds no switch: neither the word that turns defences off, nor code that asks for it.
//!
//! Owns what is looked for; the audit asks, too. The weakened images are the control: there it is
//! found.

use crate::paths;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// How the names of both switch words begin.
const SYMBOL: &[u8] = b"TOCKSTONE_WEAKENED";
/// What ships.
const IMAGES: [&str; 3] = ["loader.elf", "secure.elf", "kernel.elf"];

/// Looks into every image that ships, and into the one that must show the switches.
///
/// # Errors
/// Names an image that holds them, one that is not there, or a control that does not.
pub fn holds_no_switch() -> Result<()> {
    let (looked_at, with) = with_switches()?;
    if let Some(image) = with.first() {
        bail!("{image} holds the switches of the weakened build");
    }
    if looked_at != IMAGES.len() {
        bail!("{looked_at} of {} images are built", IMAGES.len());
    }
    for image in ["kernel-weakened.elf", "secure-weakened.elf"] {
        if !names_switches(&paths::build().join(image))? {
            bail!("{image}: the switches are not found where they are");
        }
    }
    Ok(())
}

/// How many images of the last build were looked into, and which of them hold switches.
///
/// # Errors
/// When one cannot be read.
pub fn with_switches() -> Result<(usize, Vec<String>)> {
    let (mut looked_at, mut with) = (0, Vec::new());
    for image in IMAGES {
        let file = paths::build().join(image);
        if !file.is_file() {
            continue;
        }
        looked_at += 1;
        if names_switches(&file)? {
            with.push(image.to_owned());
        }
    }
    Ok((looked_at, with))
}

/// Whether an ELF names the switch word, in its symbols or anywhere.
fn names_switches(elf: &Path) -> Result<bool> {
    let bytes = std::fs::read(elf).with_context(|| elf.display().to_string())?;
    Ok(bytes.windows(SYMBOL.len()).any(|w| w == SYMBOL))
}

//! A release holds no switch: neither the word that turns defences off, nor code that asks for it.
//!
//! Owns what is looked for. The weakened kernel is the control: there it is found.

use crate::paths;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Name of the switch word.
const SYMBOL: &[u8] = b"TOCKSTONE_WEAKENED";
/// What ships.
const IMAGES: [&str; 3] = ["loader.elf", "secure.elf", "kernel.elf"];

/// Looks into every image that ships, and into the one that must show the switches.
///
/// # Errors
/// Names an image that holds them, or a control that does not.
pub fn holds_no_switch() -> Result<()> {
    for image in IMAGES {
        if names_switches(&paths::build().join(image))? {
            bail!("{image} holds the switches of the weakened build");
        }
    }
    if !names_switches(&paths::build().join("kernel-weakened.elf"))? {
        bail!("the switches are not found where they are");
    }
    Ok(())
}

/// Whether an ELF names the switch word, in its symbols or anywhere.
fn names_switches(elf: &Path) -> Result<bool> {
    let bytes = std::fs::read(elf).with_context(|| elf.display().to_string())?;
    Ok(bytes.windows(SYMBOL.len()).any(|w| w == SYMBOL))
}

//! Writes the flash file of a device: images, apps, audio.
//!
//! Owns what the factory puts where; the regions are the memory map's.

use crate::paths;
use anyhow::{Context, Result, anyhow, bail};
use memory_map::Map;
use qemu_harness::FlashFile;
use std::path::Path;

/// A new flash file with the built images and apps, and the demo's audio; not provisioned.
///
/// # Errors
/// Names a file that has not been built, or does not fit its region.
pub fn factory(path: &Path, map: &Map) -> Result<FlashFile> {
    let flash = FlashFile::create(path, map)?;
    install(
        &flash,
        "s-primary",
        &paths::build().join("secure_signed.bin"),
    )?;
    install(
        &flash,
        "ns-primary",
        &paths::build().join("kernel_signed.bin"),
    )?;
    for app in &map.app {
        install_app(&flash, map, &app.name)?;
    }
    pad(&flash, map)?;
    audio(&flash, &demo_clips()?)?;
    Ok(flash)
}

/// Puts padding between the product's apps, so that host tools find every one: their list ends at
/// the first gap, and what lies behind it would be overwritten.
fn pad(flash: &FlashFile, map: &Map) -> Result<()> {
    for pair in map.app.windows(2) {
        let [app, next] = pair else { continue };
        let here = map.region(&app.flash).map_err(|e| anyhow!(e))?;
        let next = map.region(&next.flash).map_err(|e| anyhow!(e))?;
        let start = flash.read(&app.flash, 0, 8)?;
        let lengths = start
            .first_chunk()
            .map(tock_tbf::parse::parse_tbf_header_lengths);
        let Some(Ok((_, _, total))) = lengths else {
            bail!("no app at the start of `{}`", app.flash);
        };
        let gap = next.base - here.base - total;
        if gap > 0 {
            let header = tock_tbf::parse::padding_header(gap);
            flash.write(&app.flash, total, &header)?;
        }
    }
    Ok(())
}

/// Puts a file at the start of a region.
///
/// # Errors
/// See [`factory`].
pub fn install(flash: &FlashFile, region: &str, file: &Path) -> Result<()> {
    let bytes =
        std::fs::read(file).with_context(|| format!("{} (cargo xtask build)", file.display()))?;
    flash.write(region, 0, &bytes)
}

/// Puts a product app's TBF into its row.
///
/// # Errors
/// See [`factory`].
pub fn install_app(flash: &FlashFile, map: &Map, name: &str) -> Result<()> {
    let app = map.app.iter().find(|a| a.name == name);
    let app = app.ok_or_else(|| anyhow!("no app `{name}` in the memory map"))?;
    install(
        flash,
        &app.flash,
        &paths::build().join("apps").join(format!("{name}.tbf")),
    )
}

/// Fills the audio ROM with samples, to be played in a loop.
///
/// # Errors
/// When they do not fit.
pub fn audio(flash: &FlashFile, samples: &[i16]) -> Result<()> {
    let mut bytes = inference::audio::header(u32::try_from(samples.len())?).to_vec();
    bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    flash.erase("audio-rom")?;
    flash.write("audio-rom", 0, &bytes)
}

/// What the demo's device hears: words in three voices, and silence between them.
///
/// # Errors
/// Of espeak-ng.
pub fn demo_clips() -> Result<Vec<i16>> {
    let mut samples = Vec::new();
    for (voice, word) in [
        ("en-us", "yes"),
        ("en-gb-scotland", "no"),
        ("en-us+f3", "yes"),
        ("en-us", "marvin"),
        ("en-us+f3", "no"),
    ] {
        let clip = clips::speak(voice, word)?;
        if clip.iter().all(|&s| s == 0) {
            bail!("espeak-ng says nothing for `{word}` in voice {voice}");
        }
        samples.extend(clip);
    }
    Ok(samples)
}

//! The loader layer: the real loader in QEMU, on flash files that are damaged or forged.
//!
//! Owns the table of refusals: what is wrong with the flash, and the line that must say so.

use super::Case;
use crate::build::FACTORY;
use crate::system::{Scratch, loader};
use crate::{flash, paths, sign};
use anyhow::{Result, anyhow, bail};
use memory_map::Map;
use qemu_harness::{Config, Device, FlashFile};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// The layer's cases.
pub const CASES: [Case; 7] = [
    Case {
        id: "boots-both-images",
        run: boots,
    },
    Case {
        id: "flipped-byte-non-secure",
        run: || flipped("ns-primary", "non-secure"),
    },
    Case {
        id: "flipped-byte-secure",
        run: || flipped("s-primary", "secure"),
    },
    Case {
        id: "secure-image-of-wrong-key",
        run: wrong_key,
    },
    Case {
        id: "images-swapped-between-slots",
        run: images_swapped,
    },
    Case {
        id: "not-provisioned",
        run: not_provisioned,
    },
    Case {
        id: "second-record-is-refused",
        run: second_record,
    },
];

/// A provisioned flash with the factory's images, without a cloud.
fn device_flash(scratch: &Scratch) -> Result<(FlashFile, Map)> {
    let map = paths::map()?;
    let flash = flash::factory(&scratch.path().join("flash.bin"), &map)?;
    crate::provision::write(
        &flash,
        &map,
        &crate::provision::Identity::offline("loader-test"),
    )?;
    Ok((flash, map))
}

fn start(flash: &FlashFile) -> Result<Device> {
    let mut config = Config::new(&loader(), flash.path());
    config.network = false;
    Device::start(&config)
}

fn boots() -> Result<()> {
    let scratch = Scratch::new("loader")?;
    let (flash, _) = device_flash(&scratch)?;
    let device = start(&flash)?;
    device
        .secure
        .wait(&format!("loader: secure image {FACTORY}"), LIMIT)?;
    device
        .secure
        .wait(&format!("loader: non-secure image {FACTORY}"), LIMIT)?;
    device.console.wait("kernel: process 0", LIMIT)?;
    Ok(())
}

fn refused(flash: &FlashFile, image: &str, why: &str) -> Result<()> {
    let device = start(flash)?;
    let line = device
        .secure
        .wait(&format!("loader: {image} image refused: "), LIMIT)?
        .text;
    if !line.contains(why) {
        bail!("`{line}` does not say `{why}`");
    }
    device.secure.wait("loader: nothing boots", LIMIT)?;
    std::thread::sleep(Duration::from_millis(300));
    if device.console.position() != 0 {
        bail!(
            "something booted all the same: {:?}",
            device.console.lines()
        );
    }
    Ok(())
}

fn flipped(region: &str, image: &str) -> Result<()> {
    let scratch = Scratch::new("loader")?;
    let (flash, map) = device_flash(&scratch)?;
    let at = map.image_header + 0x1234;
    let byte = flash.read(region, at, 1)?;
    flash.write(region, at, &[byte[0] ^ 1])?;
    refused(&flash, image, "hash")
}

fn wrong_key() -> Result<()> {
    let scratch = Scratch::new("loader")?;
    let (flash, map) = device_flash(&scratch)?;
    let file = scratch.path().join("forged_signed.bin");
    sign::image_with(
        &map,
        sign::Image::Secure,
        FACTORY,
        &paths::keys().join("wrong.pem"),
        &file,
    )?;
    flash.erase("s-primary")?;
    flash::install(&flash, "s-primary", &file)?;
    refused(&flash, "secure", "key")
}

/// Each image is bound to its own key: one in the other's slot is refused.
fn images_swapped() -> Result<()> {
    let scratch = Scratch::new("loader")?;
    let (flash, _) = device_flash(&scratch)?;
    flash.erase("ns-primary")?;
    flash::install(
        &flash,
        "ns-primary",
        &paths::build().join("secure_signed.bin"),
    )?;
    refused(&flash, "non-secure", "key")
}

fn not_provisioned() -> Result<()> {
    let scratch = Scratch::new("loader")?;
    let (flash, _) = device_flash(&scratch)?;
    flash.erase("provisioning")?;
    let device = start(&flash)?;
    device.secure.wait("loader: not provisioned", LIMIT)?;
    Ok(())
}

/// The record is consumed and erased by the first boot, and refused ever after.
fn second_record() -> Result<()> {
    let scratch = Scratch::new("loader")?;
    let (flash, map) = device_flash(&scratch)?;
    let device = start(&flash)?;
    device
        .secure
        .wait("spe: provisioned as loader-test", LIMIT)?;
    device.console.wait("kernel: process 0", LIMIT)?;
    drop(device);
    let size = map.region("provisioning").map_err(|e| anyhow!(e))?.size;
    let region = flash.read("provisioning", 0, size as usize)?;
    if region.iter().any(|byte| *byte != 0xFF) {
        bail!("the record was not erased after it was consumed");
    }
    let other = crate::provision::Identity::offline("another-thing");
    crate::provision::write(&flash, &map, &other)?;
    let device = start(&flash)?;
    device
        .secure
        .wait("spe: provisioning record refused", LIMIT)?;
    device.console.wait("kernel: process 0", LIMIT)?;
    let lines = device.secure.lines();
    if lines.iter().any(|l| l.text.contains("another-thing")) {
        bail!("a provisioned device took another identity: {lines:?}");
    }
    Ok(())
}

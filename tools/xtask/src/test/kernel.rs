//! The kernel layer: a kernel under test on the board, played by processes and by its console.
//!
//! Owns the kernel image with feature `rules`, and its cases: each rule of `tests/rules` is one, by
//! its own id, all in one boot.

use super::{Outcome, digest};
use crate::build::{self, World, firmware, firmware_with};
use crate::provision::{self, Guests, Identity};
use crate::system::{Scratch, loader};
use crate::{apps, flash, paths, setup, sign};
use anyhow::{Context, Result, anyhow, bail};
use memory_map::Map;
use qemu_harness::{Config, Device, FlashFile};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use syscall_rules::RULES;

const LIMIT: Duration = Duration::from_secs(60);
const SHORT_ID: u32 = 0x1C00;

/// A test app and its place in the pools.
#[derive(Clone, Copy)]
struct Guest {
    name: &'static str,
    flash: u32,
    ram: u32,
    ram_size: u32,
}

const CONFORMANCE: Guest = Guest {
    name: "conformance",
    flash: 0,
    ram: 0,
    ram_size: 0x4000,
};

/// Runs every rule, or the one of that id.
///
/// # Errors
/// When what it needs cannot be built, or the device does not come up.
pub fn run(only: Option<&str>) -> Result<Outcome> {
    let wanted = |id: &str| only.is_none_or(|o| o == id);
    let rules: Vec<&str> = RULES.iter().map(|r| r.id).filter(|id| wanted(id)).collect();
    let mut outcome = Outcome {
        skipped: RULES.len() - rules.len(),
        ..Outcome::default()
    };
    if !rules.is_empty() {
        let said = play().context("the rules on the board")?;
        for id in &rules {
            match said.get(*id).map(String::as_str) {
                Some("ok") => outcome.passed += 1,
                other => {
                    outcome.failed += 1;
                    println!("FAIL  {id}: {}", other.unwrap_or("it was not played"));
                }
            }
        }
        println!("ok    {} of {} rules", outcome.passed, rules.len());
    }
    let counters = &mut outcome.counters;
    counters.insert("rules".into(), rules.len().into());
    counters.insert("seed".into(), 0.into());
    counters.insert("digest".into(), digest(rules).into());
    Ok(outcome)
}

/// What the process said of each rule.
fn play() -> Result<BTreeMap<String, String>> {
    let map = paths::map()?;
    let scratch = Scratch::new("kernel")?;
    let device = boot(&scratch, &map, &tested_kernel(&map)?, &[CONFORMANCE])?;
    let mut said = BTreeMap::new();
    let mut position = 0;
    loop {
        let of_rules = |l: &str| l.starts_with("rules: ");
        let (next, line) =
            device
                .console
                .wait_from(position, LIMIT, of_rules, "a line of the rules")?;
        position = next;
        let text = line.text.strip_prefix("rules: ").unwrap_or_default();
        if text == "done" {
            return Ok(said);
        }
        let (id, result) = text.split_once(' ').unwrap_or((text, ""));
        if said.insert(id.to_owned(), result.to_owned()).is_some() {
            bail!("rule {id} was played twice");
        }
    }
}

/// Builds and signs the kernel with the drivers of the rules.
fn tested_kernel(map: &Map) -> Result<PathBuf> {
    let (toolchain, _) = setup::everything()?;
    let package = format!("{}-kernel", paths::board_name());
    let elf = firmware_with(&toolchain, World::NonSecure, &package, "device,rules", &[])?;
    let out = paths::build().join("kernel-rules_signed.bin");
    let bare = paths::build().join("kernel-rules.bin");
    let base = map.region("kernel-exec").map_err(|e| anyhow!(e))?.base + map.image_header;
    std::fs::write(&bare, build::flatten(&elf, base)?)?;
    let image = sign::Image::NonSecure;
    sign::image_of(map, image, &bare, build::FACTORY, &image.key(), &out)?;
    Ok(out)
}

/// A device with this kernel and these apps, and none of the product's processes.
fn boot(
    scratch: &Scratch,
    map: &Map,
    kernel: &std::path::Path,
    guests: &[Guest],
) -> Result<Device> {
    let (toolchain, _) = setup::everything()?;
    let region = |name: &str| map.region(name).map_err(|e| anyhow!(e)).map(|r| r.base);
    let flash = FlashFile::create(&scratch.path().join("flash.bin"), map)?;
    flash::install(
        &flash,
        "s-primary",
        &paths::build().join("secure_signed.bin"),
    )?;
    flash::install(&flash, "ns-primary", kernel)?;
    let mut short_ids = Vec::new();
    for guest in guests {
        let elf = firmware(&toolchain, World::NonSecure, guest.name, &[])?;
        let row = (
            region("flash-pool")? + guest.flash,
            region("ram-pool")? + guest.ram,
            guest.ram_size,
        );
        let short_id = SHORT_ID + guest.flash / 0x4000;
        let tbf = apps::pack(map, guest.name, short_id, &elf, row)?;
        flash.write("flash-pool", guest.flash, &std::fs::read(tbf)?)?;
        short_ids.push(short_id);
    }
    let guests = Guests {
        short_ids,
        key_user: None,
    };
    provision::write_with(&flash, map, &Identity::offline("kernel"), &guests)?;
    let mut config = Config::new(&loader(), flash.path());
    config.network = false;
    Device::start(&config)
}

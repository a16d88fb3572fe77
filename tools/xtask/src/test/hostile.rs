//! The hostile layer: processes that attack, on the real board image without a network.
//!
//! Owns the table of attacks and what must come of each. Attackers share a boot, since the kernel
//! runs ten processes; each is judged on its own. A case passes when the attack's negative control
//! worked (the same code on something of its own), nothing said `breached`, the expected end was
//! seen, and `hello` went on ticking after the last attack, from the start that it had.

mod names;
pub mod release;
mod stages;
mod switches;
mod table;
mod tbf;
mod trace;
mod walls;

use super::{Outcome, digest};
use crate::build::{World, firmware};
use crate::provision::{self, Guests, Identity};
use crate::system::{Scratch, loader};
use crate::{apps, flash, paths, setup};
use anyhow::{Context, Result, anyhow, bail};
use hostile::CASES as SLOTS;
use memory_map::Map;
use qemu_harness::{Config, Device, FlashFile};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
/// Attackers in one boot: ten processes less `hello` and a victim.
const BATCH: usize = 8;
/// ShortId of the first slot's app; the product's and `hello`'s lie below.
const FIRST_SHORT_ID: u32 = 0x200;
const HELLO: &str = "hello";
const HELLO_SHORT_ID: u32 = 0x101;
const HELLO_RAM: u32 = 0x4000;
/// Its first tick after a start.
const FIRST_TICK: u32 = 100;

/// How an attack must end.
enum End {
    /// The kernel says `faulted`.
    Fault,
    /// The process says these, in any order: what follows `hostile: <case> `.
    Says(&'static [&'static str]),
    /// It never ends, and is pre-empted.
    Runs,
}

struct Attack {
    name: &'static str,
    end: End,
    /// Lines that show that the same code works where it may.
    controls: &'static [&'static str],
}

const CONTROL: &[&str] = &["control-ok"];

const fn faults(name: &'static str) -> Attack {
    Attack {
        name,
        end: End::Fault,
        controls: CONTROL,
    }
}

const ATTACKS: [Attack; 18] = [
    faults("read_ppb"),
    faults("read_secure_ram"),
    faults("read_secure_flash"),
    faults("read_secure_code"),
    faults("read_other_ram"),
    faults("read_kernel_ram"),
    faults("read_kernel_code"),
    faults("write_kernel_ram"),
    faults("write_own_flash"),
    faults("execute_ram"),
    faults("branch_secure"),
    faults("direct_sg"),
    faults("unknown_svc"),
    Attack {
        name: "bad_allow",
        end: End::Says(&["refused 5 ranges"]),
        controls: CONTROL,
    },
    Attack {
        name: "key_thief",
        end: End::Says(&["refused "]),
        controls: CONTROL,
    },
    Attack {
        name: "sign_sealed",
        end: End::Says(&[
            "own export refused NOT_PERMITTED",
            "device export refused NOT_PERMITTED",
        ]),
        controls: &["own control-ok", "device control-ok"],
    },
    Attack {
        name: "svc_flood",
        end: End::Says(&["alive after "]),
        controls: CONTROL,
    },
    Attack {
        name: "endless_loop",
        end: End::Runs,
        controls: CONTROL,
    },
];

/// What a case besides the attacks does: a device whose pool holds something broken.
const BROKEN: [(&str, Cut); 2] = [
    ("tbf-cut-in-header", Cut::Header),
    ("tbf-cut-in-binary", Cut::Binary),
];

/// Builds the attackers, runs them, and counts.
///
/// # Errors
/// When they cannot be built.
pub fn run(only: Option<&str>, long: bool) -> Result<Outcome> {
    // `tbf-*` stands for all that begin so.
    let wanted = |name: &str| {
        only.is_none_or(|id| match id.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => id == name,
        })
    };
    let attacks: Vec<&Attack> = ATTACKS.iter().filter(|a| wanted(a.name)).collect();
    let broken: Vec<_> = BROKEN.iter().filter(|(id, _)| wanted(id)).collect();
    let ids = attacks.iter().map(|a| a.name);
    let ids = ids.chain(broken.iter().map(|(id, _)| *id));
    let map = paths::map()?;
    build_guests(&map)?;
    let first = std::fs::read(tbf(HELLO))?;
    let first = first.first_chunk().map_or(0, |w| u32::from_le_bytes(*w));
    let mut planned = table::attacks(&map, first, long)?;
    let mut others = [tbf::ids(), names::ids()].concat();
    let all = ATTACKS.len() + BROKEN.len() + planned.len() + others.len();
    planned.retain(|a| wanted(&a.name));
    others.retain(|id| wanted(id));
    let ids = ids.chain(planned.iter().map(|a| a.name.as_str()));
    let ids: Vec<&str> = ids.chain(others.iter().map(String::as_str)).collect();
    let mut outcome = Outcome {
        skipped: all - ids.len(),
        ..Outcome::default()
    };
    if ids.is_empty() {
        return Ok(outcome);
    }
    let mut controls = 0;
    let mut verdicts: Vec<Verdict> = std::thread::scope(|scope| {
        // Each batch waits for its attackers most of the time: all at once keep two cores busy.
        let batches: Vec<_> = attacks
            .chunks(BATCH)
            .map(|batch| (batch, scope.spawn(|| boot(&map, batch))))
            .collect();
        let mut verdicts = Vec::new();
        for (batch, handle) in batches {
            match handle.join().map_err(|_| anyhow!("the test panicked")) {
                Ok(Ok(of_batch)) => verdicts.extend(of_batch),
                Ok(Err(e)) | Err(e) => verdicts.extend(batch.iter().map(|attack| Verdict {
                    name: attack.name.to_owned(),
                    controls: 0,
                    result: Err(anyhow!("{e:#}")),
                })),
            }
        }
        verdicts.extend(broken.iter().map(|(name, cut)| Verdict {
            name: (*name).to_owned(),
            controls: 0,
            result: truncated(&map, *cut),
        }));
        verdicts
    });
    let mut negative: Vec<String> = Vec::new();
    verdicts.extend(tbf::play(&map, wanted));
    if !planned.is_empty() || names::any(wanted) {
        let kernel = super::kernel::kernel_with(&map, "device,weakened", "kernel-weakened")?;
        let image = crate::sign::Image::Secure;
        let secure = super::kernel::image_with(&map, image, "device,weakened", "secure-weakened")?;
        let weakened = stages::Weakened {
            kernel: &kernel,
            secure: &secure,
        };
        let judged = stages::play(&map, &planned, weakened)?;
        for of in ["fuzz-calls", "fuzz-veneers"] {
            let said = judged.iter().filter(|j| j.stopped);
            if let Some((calls, digest)) = said.into_iter().find_map(|j| fuzzed(of, &j.said)) {
                let key = of.replace('-', "_");
                outcome.counters.insert(key.clone(), calls.into());
                outcome
                    .counters
                    .insert(format!("{key}_seed"), table::SEED.into());
                outcome
                    .counters
                    .insert(format!("{key}_digest"), digest.into());
            }
        }
        let (of_stages, got_through) = stages::verdicts(judged);
        verdicts.extend(of_stages);
        negative.extend(got_through);
        let (of_names, got_through) = names::play(&map, weakened, wanted)?;
        verdicts.extend(of_names);
        negative.extend(got_through);
        verdicts.push(Verdict {
            name: "release-holds-no-switch".into(),
            controls: 1,
            result: release::holds_no_switch(),
        });
    }
    for verdict in verdicts {
        controls += verdict.controls;
        match verdict.result {
            Ok(()) => {
                outcome.passed += 1;
                println!("ok    {}", verdict.name);
            }
            Err(e) => {
                outcome.failed += 1;
                println!("FAIL  {}: {e:#}", verdict.name);
            }
        }
    }
    let counters = &mut outcome.counters;
    let attacks = digest(ids.iter().copied());
    for (name, count, digest) in [
        ("attacks", ids.len(), attacks.clone()),
        (
            "negative_controls",
            negative.len(),
            digest(negative.iter().map(String::as_str)),
        ),
    ] {
        counters.insert(name.into(), count.into());
        counters.insert(format!("{name}_seed"), table::SEED.into());
        counters.insert(format!("{name}_digest"), digest.into());
    }
    counters.insert("positive_controls".into(), controls.into());
    counters.insert("seed".into(), table::SEED.into());
    counters.insert("digest".into(), attacks.into());
    Ok(outcome)
}

/// Calls and their digest, of the line that ends the fuzzing.
fn fuzzed(id: &str, line: &str) -> Option<(u64, String)> {
    let said = without_prompt(line).strip_prefix("hostile: ")?;
    let said = said.strip_prefix(id)?.strip_prefix(" alive ")?;
    let calls = said.split(' ').next()?.parse().ok()?;
    Some((calls, said.split_once(" digest ")?.1.to_owned()))
}

struct Verdict {
    name: String,
    /// Controls of it that were seen to work.
    controls: usize,
    result: Result<()>,
}

/// Builds and packs `hello` and every app of `tests/hostile` into `build/apps`.
fn build_guests(map: &Map) -> Result<()> {
    let (toolchain, _) = setup::everything()?;
    let pool = |name: &str| map.region(name).map_err(|e| anyhow!(e)).map(|r| r.base);
    let elf = firmware(&toolchain, World::NonSecure, HELLO, &[])?;
    let row = (pool("flash-pool")?, pool("ram-pool")?, HELLO_RAM);
    apps::pack(map, HELLO, HELLO_SHORT_ID, &elf, row)?;
    let folder = firmware(&toolchain, World::NonSecure, "hostile", &[])?;
    for slot in SLOTS {
        let row = row_of(map, &slot)?;
        let elf = folder.with_file_name(slot.name);
        apps::pack(map, slot.name, short_id(slot.name)?, &elf, row)?;
    }
    Ok(())
}

/// Builds, packs and puts one app of `tests/hostile` into a device's pool.
///
/// # Errors
/// Of the tools; names an app that is not there.
pub fn install_guest(flash: &FlashFile, map: &Map, name: &str) -> Result<()> {
    let slot = SLOTS.iter().find(|s| s.name == name);
    let slot = slot.with_context(|| format!("no app `{name}` in tests/hostile"))?;
    let (toolchain, _) = setup::everything()?;
    let elf = firmware(&toolchain, World::NonSecure, "hostile", &[])?.with_file_name(name);
    let row = row_of(map, slot)?;
    let tbf = apps::pack(map, name, short_id(name)?, &elf, row)?;
    put(flash, slot, &std::fs::read(tbf)?)
}

fn short_id(name: &str) -> Result<u32> {
    let place = SLOTS.iter().position(|s| s.name == name);
    place
        .map(|p| FIRST_SHORT_ID + p as u32)
        .with_context(|| format!("no app `{name}` in tests/hostile"))
}

fn tbf(name: &str) -> PathBuf {
    paths::build().join("apps").join(format!("{name}.tbf"))
}

/// The row of a case on this board: flash address, RAM address, size.
fn row_of(map: &Map, slot: &hostile::Case) -> Result<(u32, u32, u32)> {
    let base = |name| map.region(name).map_err(|e| anyhow!(e)).map(|r| r.base);
    Ok((
        base("flash-pool")? + slot.flash,
        base("ram-pool")? + slot.ram,
        slot.ram_size,
    ))
}

/// Writes a case's TBF into the flash pool.
fn put(flash: &FlashFile, slot: &hostile::Case, bytes: &[u8]) -> Result<()> {
    if bytes.len() > slot.flash_size as usize {
        bail!(
            "{} bytes do not fit a row of {}",
            bytes.len(),
            slot.flash_size
        );
    }
    flash.write("flash-pool", slot.flash, bytes)
}

/// A device with `hello` and these attackers, and none of the product's processes.
fn device_flash(scratch: &Scratch, map: &Map, names: &[&str]) -> Result<FlashFile> {
    let flash = FlashFile::create(&scratch.path().join("flash.bin"), map)?;
    for (region, file) in [
        ("s-primary", "secure_signed.bin"),
        ("ns-primary", "kernel_signed.bin"),
    ] {
        flash::install(&flash, region, &paths::build().join(file))?;
    }
    // `hello` has what lies before the first case.
    flash.write("flash-pool", 0, &std::fs::read(tbf(HELLO))?)?;
    let mut guests = Guests {
        short_ids: vec![HELLO_SHORT_ID],
        key_user: None,
    };
    for slot in SLOTS.iter().filter(|s| names.contains(&s.name)) {
        let bytes = std::fs::read(tbf(slot.name))?;
        put(&flash, slot, &bytes)?;
        guests.short_ids.push(short_id(slot.name)?);
        if slot.name == "sign_sealed" {
            guests.key_user = Some(short_id(slot.name)?);
        }
    }
    provision::write_with(&flash, map, &Identity::offline("hostile"), &guests)?;
    Ok(flash)
}

fn start(flash: &FlashFile) -> Result<Device> {
    let mut config = Config::new(&loader(), flash.path());
    config.network = false;
    Device::start(&config)
}

/// Runs attackers side by side and judges each.
fn boot(map: &Map, batch: &[&Attack]) -> Result<Vec<Verdict>> {
    let mut names: Vec<&str> = batch.iter().map(|a| a.name).collect();
    if names.contains(&"key_thief") {
        names.push("key_keeper");
    }
    let scratch = Scratch::new("hostile")?;
    let flash = device_flash(&scratch, map, &names)?;
    let device = start(&flash)?;
    let verdicts: Vec<Verdict> = batch
        .iter()
        .map(|attack| {
            let mut controls = 0;
            let result = judge(&device, attack, &mut controls);
            let result = result.with_context(|| start_of(&device));
            Verdict {
                name: attack.name.to_owned(),
                controls,
                result,
            }
        })
        .collect();
    others_live(&device, &names).with_context(|| start_of(&device))?;
    Ok(verdicts)
}

fn judge(device: &Device, attack: &Attack, controls: &mut usize) -> Result<()> {
    let console = &device.console;
    let own = format!("hostile: {} ", attack.name);
    for control in attack.controls {
        console.wait(&format!("{own}{control}"), LIMIT)?;
        *controls += 1;
    }
    match attack.end {
        End::Fault => {
            let process = format!(" {} faulted: ", attack.name);
            let fault = |l: &str| is_kernels(l) && l.contains(&process);
            console.wait_from(0, LIMIT, fault, &process)?;
        }
        End::Says(lines) => {
            for line in lines {
                console.wait(&format!("{own}{line}"), LIMIT)?;
            }
        }
        End::Runs => {}
    }
    if attack.name == "svc_flood" {
        let position = |what: &str| {
            let lines = console.lines();
            lines.iter().position(|l| l.text.contains(what))
        };
        let (first, last) = (
            position("svc_flood control-ok").unwrap_or(0),
            position("svc_flood alive after").unwrap_or(0),
        );
        let during = console.lines()[first..last]
            .iter()
            .filter(|l| without_prompt(&l.text).starts_with("hello: tick"))
            .count();
        if during < 2 {
            bail!("hello ticked {during} times in the four seconds of the flood");
        }
    }
    if attack.name == "key_thief" {
        let (next, _) = console.wait_from(0, LIMIT, |l| l.contains("key_thief refused"), "")?;
        let alive = |l: &str| l.contains("hostile: key_keeper alive");
        console.wait_from(next, LIMIT, alive, "key_keeper alive, after the thief")?;
    }
    let breach = |l: &&qemu_harness::Line| {
        without_prompt(&l.text).starts_with(&own) && l.text.contains("breached")
    };
    if let Some(line) = console.lines().iter().find(breach) {
        bail!("`{}`", line.text);
    }
    Ok(())
}

/// A line without the process console's prompt, which may stand before it; nobody types here.
fn without_prompt(line: &str) -> &str {
    line.trim_start_matches("tock$ ")
}

/// A line of the kernel about a process.
fn is_kernels(line: &str) -> bool {
    without_prompt(line).starts_with("kernel: process ")
}

/// What the console began with, ticks apart: what a failure needs.
pub fn start_of(device: &Device) -> String {
    let lines = device.console.lines();
    let texts = lines.iter().map(|l| l.text.as_str());
    let texts: Vec<&str> = texts
        .filter(|l| !l.starts_with("hello: tick"))
        .take(40)
        .collect();
    format!("the console began with\n  {}\n", texts.join("\n  "))
}

/// `hello` ticks after all of it, was never started twice, and nothing else died.
fn others_live(device: &Device, attackers: &[&str]) -> Result<()> {
    let console = &device.console;
    let ticks = |l: &str| without_prompt(l).starts_with("hello: tick ");
    let mut next = console.position();
    for _ in 0..3 {
        next = console
            .wait_from(next, LIMIT, ticks, "hello: tick, after the attacks")?
            .0;
    }
    let lines = console.lines();
    let first = format!("hello: tick {FIRST_TICK}");
    if lines
        .iter()
        .filter(|l| without_prompt(&l.text) == first)
        .count()
        != 1
    {
        bail!("hello did not start exactly once");
    }
    if lines
        .iter()
        .filter(|l| without_prompt(&l.text).starts_with("kernel: tockstone "))
        .count()
        != 1
    {
        bail!("the attacks reset the device");
    }
    let dead: BTreeSet<&str> = lines
        .iter()
        .map(|l| without_prompt(&l.text))
        .filter(|l| is_kernels(l) && l.contains(" faulted: "))
        .filter_map(|l| l.split(' ').nth(3))
        .filter(|name| !attackers.contains(name))
        .collect();
    if !dead.is_empty() {
        bail!("{dead:?} died, too");
    }
    if let Some(line) = lines.iter().find(|l| l.text.contains("breached")) {
        bail!("`{}`", line.text);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Cut {
    Header,
    Binary,
}

/// A TBF that lost its end: the kernel names it or its place, and loads what lies behind it.
fn truncated(map: &Map, cut: Cut) -> Result<()> {
    // In flash order the victim lies in front of the one that must still be found.
    let (victim, behind) = ("bad_allow", "svc_flood");
    let scratch = Scratch::new("hostile")?;
    let flash = device_flash(&scratch, map, &[victim, behind])?;
    let slot = SLOTS.iter().find(|s| s.name == victim).context("slot")?;
    let bytes = std::fs::read(tbf(victim))?;
    let kept = match cut {
        Cut::Header => 40,
        Cut::Binary => bytes.len() / 2,
    };
    let mut rest = bytes;
    rest[kept..].fill(0xFF);
    put(&flash, slot, &rest)?;
    let device = start(&flash)?;
    let line = device.console.wait("kernel: not loaded: ", LIMIT);
    let line = line.with_context(|| start_of(&device))?.text;
    let place = format!("0x{:08x}", row_of(map, slot)?.0);
    if !line.contains(victim) && !line.contains(&place) {
        bail!("`{line}` says neither `{victim}` nor `{place}`");
    }
    device
        .console
        .wait("hostile: svc_flood control-ok", LIMIT)?;
    others_live(&device, &[victim, behind])?;
    let said = format!("hostile: {victim} ");
    if device
        .console
        .lines()
        .iter()
        .any(|l| without_prompt(&l.text).starts_with(&said))
    {
        bail!("the cut process ran all the same");
    }
    Ok(())
}

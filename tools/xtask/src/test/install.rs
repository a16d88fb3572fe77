//! Apps that come, change and go while the device runs, and power that goes meanwhile.
//!
//! Owns the scripts that the test app `installer` follows (it finds them in the audio ROM, signed
//! TBFs included) and what must come of them. `installer` carries the ShortId of the product's update
//! agent, which is the one that may install; that agent is not on these devices. `hello` ticks through
//! all of it.

use super::Case;
use crate::apps::{self, Packing};
use crate::build::{World, firmware};
use crate::provision::{self, Guests, Identity};
use crate::system::{Scratch, loader};
use crate::{flash, paths, setup};
use anyhow::{Context, Result, anyhow, bail, ensure};
use memory_map::Map;
use qemu_harness::{Config, Device, FlashFile};
use std::sync::OnceLock;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const HELLO: u32 = 0x101;
const GUEST: u32 = 0x140;
/// Offset of the guest's row in the flash pool and in the second copies.
const GUEST_ROW: u32 = 0x1_0000;
const INSTALLER_ROW: u32 = 0x2_0000;

pub const CASES: [Case; 3] = [
    Case {
        id: "app-install-runtime",
        run: install_runtime,
    },
    Case {
        id: "app-update-beside",
        run: update_beside,
    },
    Case {
        id: "app-update-power-cut",
        run: power_cut,
    },
];

/// What a script tells the installer; see its module doc.
mod step {
    pub const INSTALL: u32 = 1;
    pub const CONFIRM: u32 = 2;
    pub const UNLOAD: u32 = 4;
    pub const REMOVE: u32 = 5;
    pub const START: u32 = 6;
    pub const SLEEP: u32 = 7;
    pub const WAIT_ROLLED_BACK: u32 = 8;
    pub const SHOW: u32 = 9;
    pub const PROBE: u32 = 10;
    pub const STORE_UNTIL: u32 = 11;
    pub const ABORT: u32 = 12;
}

struct Script(Vec<u8>);

impl Script {
    fn new() -> Script {
        Script(b"INST".to_vec())
    }
    fn with(mut self, what: u32, a: u32, b: u32, bytes: &[u8]) -> Script {
        for word in [what, a, b, bytes.len() as u32] {
            self.0.extend(word.to_le_bytes());
        }
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
    fn then(self, what: u32, a: u32) -> Script {
        self.with(what, a, 0, &[])
    }
    /// Puts it where the installer looks, with its end.
    fn put(self, flash: &FlashFile) -> Result<()> {
        flash.erase("audio-rom")?;
        flash.write("audio-rom", 0, &self.then(0, 0).0)
    }
}

/// The TBFs.
struct Built {
    hello: Vec<u8>,
    installer: Vec<u8>,
    /// Versions 1 (first row), 2 (second row), 3 (first row, faults), 4 (second row, unsigned).
    guests: [Vec<u8>; 3],
    a: u32,
    b: u32,
}

/// Builds them once, however many cases run.
fn built() -> Result<&'static Built> {
    static BUILT: OnceLock<std::result::Result<Built, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}")));
    built.as_ref().map_err(|e| anyhow!(e.clone()))
}

fn build() -> Result<Built> {
    let (toolchain, _) = setup::everything()?;
    let map = paths::map()?;
    let base = |name: &str| map.region(name).map_err(|e| anyhow!(e)).map(|r| r.base);
    let (pool, second, ram) = (base("flash-pool")?, base("flash-b")?, base("ram-pool")?);
    let (a, b) = (pool + GUEST_ROW, second + GUEST_ROW);
    let plain = |name: &str, short_id, row| {
        let elf = firmware(&toolchain, World::NonSecure, name, &[])?;
        let tbf = apps::pack(&map, name, short_id, &elf, row)?;
        anyhow::Ok(std::fs::read(tbf)?)
    };
    let guest = |version: u32, row: &str, faults: bool| {
        let mut env = vec![
            ("GUEST_VERSION", version.to_string()),
            ("GUEST_ROW", row.to_owned()),
        ];
        if faults {
            env.push(("GUEST_FAULTS", "1".into()));
        }
        let elf = firmware(&toolchain, World::NonSecure, "guest", &env)?;
        let packing = Packing {
            name: "guest",
            file: &format!("guest-{version}"),
            version,
            short_id: GUEST,
        };
        let flash = if row == "b" { b } else { a };
        let tbf = apps::pack_as(&map, &packing, &elf, (flash, ram + 0x4000, 0x4000))?;
        anyhow::Ok(std::fs::read(tbf)?)
    };
    Ok(Built {
        hello: plain("hello", HELLO, (pool, ram, 0x4000))?,
        installer: plain(
            "installer",
            apps::short_id(&map, "ota-agent")?,
            (pool + INSTALLER_ROW, ram + 0x8000, 0x4000),
        )?,
        guests: [
            guest(1, "a", false)?,
            guest(2, "b", false)?,
            guest(3, "a", true)?,
        ],
        a,
        b,
    })
}

/// A device with `hello` and `installer`, and version 1 of the guest if wished.
fn device(scratch: &Scratch, map: &Map, built: &Built, guest: bool) -> Result<FlashFile> {
    let flash = FlashFile::create(&scratch.path().join("flash.bin"), map)?;
    for (region, file) in [
        ("s-primary", "secure_signed.bin"),
        ("ns-primary", "kernel_signed.bin"),
    ] {
        flash::install(&flash, region, &paths::build().join(file))?;
    }
    flash.write("flash-pool", 0, &built.hello)?;
    flash.write("flash-pool", INSTALLER_ROW, &built.installer)?;
    if guest {
        flash.write("flash-pool", GUEST_ROW, &built.guests[0])?;
    }
    let guests = Guests {
        short_ids: vec![HELLO, GUEST],
        key_user: None,
    };
    provision::write_with(&flash, map, &Identity::offline("install"), &guests)?;
    Ok(flash)
}

fn start(flash: &FlashFile) -> Result<Device> {
    let mut config = Config::new(&loader(), flash.path());
    config.network = false;
    Device::start(&config)
}

/// Waits for these lines in this order; the position behind the last.
fn in_order(device: &Device, mut position: usize, lines: &[&str]) -> Result<usize> {
    for line in lines {
        let console = &device.console;
        position = console
            .wait_from(position, LIMIT, |l| l.contains(line), line)?
            .0;
    }
    Ok(position)
}

/// `hello` started once and ticked without a gap, and nothing reset the device.
fn others_undisturbed(device: &Device) -> Result<()> {
    let lines = device.console.lines();
    let ticks = lines.iter().filter_map(|l| {
        let tick = l.text.strip_prefix("hello: tick ")?;
        tick.trim().parse::<u32>().ok()
    });
    let ticks: Vec<u32> = ticks.collect();
    ensure!(
        ticks.len() >= 2 && ticks.iter().zip(100..).all(|(tick, n)| *tick == n),
        "hello ticked {ticks:?}"
    );
    let boots = lines
        .iter()
        .filter(|l| l.text.starts_with("kernel: tockstone "));
    ensure!(boots.count() == 1, "the device was reset");
    Ok(())
}

fn install_runtime() -> Result<()> {
    let (map, built) = (paths::map()?, built()?);
    let scratch = Scratch::new("install")?;
    let flash = device(&scratch, &map, built, false)?;
    let [one, two, _] = &built.guests;
    let mut unsigned = one.clone();
    // In the signature: behind type, length and format of the first footer.
    let header = tock_tbf::parse::parse_tbf_header(one, 2);
    let end = header.map_err(|e| anyhow!("{e:?}"))?.get_binary_end() as usize;
    unsigned[end + 8 + 10] ^= 1;
    Script::new()
        .then(step::SHOW, GUEST)
        .with(step::INSTALL, built.a, 0, &unsigned)
        .then(step::SHOW, GUEST)
        .with(step::INSTALL, built.a, 0, one)
        .then(step::SLEEP, 3000)
        .with(step::PROBE, built.a, 0x1000, &[])
        .then(step::SHOW, GUEST)
        .then(step::UNLOAD, GUEST)
        .then(step::SLEEP, 1000)
        .then(step::START, GUEST)
        .then(step::SLEEP, 3000)
        .then(step::REMOVE, GUEST)
        .then(step::SHOW, GUEST)
        .with(step::STORE_UNTIL, built.a, 1, one)
        .then(step::ABORT, 0)
        .with(step::INSTALL, built.b, 0, two)
        .put(&flash)?;
    let running = start(&flash)?;
    let row = format!(
        "320 is version 1 at 0x{:08x} running true trial false",
        built.a
    );
    let end = in_order(
        &running,
        0,
        &[
            "installer: 320 is not installed",
            // A credential that is not the key's.
            "installer: step 1 Fail",
            "installer: 320 is not installed",
            "installer: step 3 ok",
            "guest: version 1 tick 3",
            "installer: step 5 Busy",
            &row,
            "installer: step 7 ok",
            "installer: step 8 ok",
            "installer: step 9 ok",
            "guest: version 1 tick 3",
            "installer: step 11 ok",
            "installer: 320 is not installed",
            "installer: step 13 ok",
            "installer: step 14 ok",
            "installer: step 15 ok",
            "installer: done",
            "guest: version 2 tick 6",
        ],
    )
    .with_context(|| super::hostile::start_of(&running))?;
    // Between its end and its start it said nothing.
    let lines = running.console.lines();
    let place = |what: &str| lines.iter().position(|l| l.text.contains(what));
    let (from, to) = (
        place("installer: step 7 ok").context("step 7")?,
        place("installer: step 8 ok").context("step 8")?,
    );
    if let Some(line) = lines[from..to].iter().find(|l| l.text.contains("guest: ")) {
        bail!("after its end: `{}`", line.text);
    }
    ensure!(end > to);
    others_undisturbed(&running)?;
    drop(running);
    // It stays, and the list is whole for host tools.
    Script::new().put(&flash)?;
    let again = start(&flash)?;
    in_order(&again, 0, &["guest: version 2 tick 1"])?;
    drop(again);
    listed(&flash, &map, &["hello", "installer", "guest"])
}

fn update_beside() -> Result<()> {
    let (map, built) = (paths::map()?, built()?);
    let scratch = Scratch::new("install")?;
    let flash = device(&scratch, &map, built, true)?;
    let [one, two, three] = &built.guests;
    Script::new()
        .then(step::SLEEP, 2500)
        .then(step::SHOW, GUEST)
        .with(step::INSTALL, built.b, 30_000, two)
        .then(step::SLEEP, 2500)
        .then(step::SHOW, GUEST)
        .then(step::CONFIRM, GUEST)
        .then(step::SHOW, GUEST)
        // An older version, where there is room for it.
        .with(step::INSTALL, built.a, 0, one)
        .then(step::ABORT, 0)
        .with(step::INSTALL, built.a, 60_000, three)
        .then(step::WAIT_ROLLED_BACK, 0)
        .then(step::SLEEP, 2500)
        .then(step::SHOW, GUEST)
        // Not confirmed in time.
        .with(step::STORE_UNTIL, built.a, 2, three)
        .then(step::ABORT, 0)
        .put(&flash)?;
    let running = start(&flash)?;
    let at = |version: u32, address: u32, trial: bool| {
        format!("320 is version {version} at 0x{address:08x} running true trial {trial}")
    };
    in_order(
        &running,
        0,
        &[
            "guest: version 1 tick 1",
            &at(1, built.a, false),
            "installer: step 2 ok",
            "guest: version 2 tick 1",
            &at(2, built.b, true),
            "installer: step 5 ok",
            &at(2, built.b, false),
            "installer: step 7 Already",
            "installer: step 8 ok",
            "installer: step 9 ok",
            "guest faulted: ",
            "installer: rolled back 320",
            "guest: version 2 tick 1",
            &at(2, built.b, false),
            "installer: step 14 ok",
            "installer: done",
            "guest: version 2 tick 5",
        ],
    )
    .with_context(|| super::hostile::start_of(&running))?;
    others_undisturbed(&running)?;
    drop(running);
    Script::new().put(&flash)?;
    let again = start(&flash)?;
    in_order(&again, 0, &["guest: version 2 tick 2"])?;
    let lines = again.console.lines();
    ensure!(
        !lines.iter().any(|l| l.text.contains("guest: version 3")),
        "the version that failed ran after a reset"
    );
    Ok(())
}

/// Power goes at many moments of an update; the version before runs then, until one is confirmed.
fn power_cut() -> Result<()> {
    let (map, built) = (paths::map()?, built()?);
    let scratch = Scratch::new("install")?;
    let flash = device(&scratch, &map, built, true)?;
    let two = &built.guests[1];
    Script::new()
        .then(step::SLEEP, 300)
        .with(step::INSTALL, built.b, 30_000, two)
        .put(&flash)?;
    let mut trials = 0;
    for cut in 0..6u64 {
        let running = start(&flash)?;
        in_order(&running, 0, &["installer: step 0 ok"])?;
        in_order(&running, 0, &["guest: version "])?;
        if cut == 5 {
            // On trial for sure.
            in_order(&running, 0, &["guest: version 2 tick 2"])?;
        } else {
            std::thread::sleep(Duration::from_millis(cut * 12));
        }
        let console = running.console.clone();
        running.kill();
        let on_trial = |l: &qemu_harness::Line| l.text.contains("guest: version 2");
        trials += usize::from(console.lines().iter().any(on_trial));
        let first = console.lines();
        let first = first.iter().find(|l| l.text.starts_with("guest: version"));
        let first = first.context("no guest at all")?;
        ensure!(
            first.text == "guest: version 1 tick 0",
            "after cut {cut} the device came up with `{}`",
            first.text
        );
    }
    println!("      6 power cuts, {trials} of them on trial");
    Script::new()
        .with(step::INSTALL, built.b, 30_000, two)
        .then(step::CONFIRM, GUEST)
        .put(&flash)?;
    let running = start(&flash)?;
    in_order(&running, 0, &["installer: step 1 ok"])?;
    running.kill();
    Script::new().put(&flash)?;
    let again = start(&flash)?;
    in_order(&again, 0, &["guest: version 2 tick 1"])?;
    drop(again);
    listed(&flash, &map, &["hello", "guest", "installer", "guest"])
}

/// What a walk by lengths finds in the pool and behind it, padding apart.
fn listed(flash: &FlashFile, map: &Map, names: &[&str]) -> Result<()> {
    let region = |name: &str| map.region(name).map_err(|e| anyhow!(e));
    let (pool, second) = (region("flash-pool")?, region("flash-b")?);
    let mut bytes = flash.read("flash-pool", 0, pool.size as usize)?;
    bytes.extend(flash.read("flash-b", 0, second.size as usize)?);
    let (mut at, mut found) = (0, Vec::new());
    while let Some(Ok((version, header, total))) = bytes
        .get(at..)
        .and_then(|b| b.first_chunk::<8>())
        .map(tock_tbf::parse::parse_tbf_header_lengths)
    {
        let object = &bytes[at..];
        let parsed = tock_tbf::parse::parse_tbf_header(&object[..usize::from(header)], version);
        if let Ok(parsed) = parsed
            && parsed.is_app()
        {
            found.push(parsed.get_package_name().unwrap_or_default().to_owned());
        }
        at += total as usize;
    }
    ensure!(found == names, "host tools find {found:?}");
    Ok(())
}

//! The kernel layer: a kernel under test on the board, played by processes and by its console.
//!
//! Owns the kernel image with feature `rules`, and its cases: each rule of `tests/rules` is one, by
//! its own id, all in one boot; the others each have a device of their own.

pub mod latency;

use super::{Case, Outcome, cases, digest, hostile};
use crate::build::{self, World, firmware, firmware_with};
use crate::provision::{self, Guests, Identity};
use crate::system::{Scratch, loader};
use crate::{apps, flash, paths, setup, sign};
use anyhow::{Context, Result, anyhow, bail, ensure};
use memory_map::Map;
use qemu_harness::{Config, Device, FlashFile};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use syscall_rules::RULES;

const LIMIT: Duration = Duration::from_secs(120);
const SHORT_ID: u32 = 0x1C00;

/// A test app and its place in the pools.
#[derive(Clone, Copy)]
pub struct Guest {
    /// Package, or `package/binary`.
    pub name: &'static str,
    /// From the start of the flash pool.
    pub flash: u32,
    /// From the start of the RAM pool.
    pub ram: u32,
    /// Bytes.
    pub ram_size: u32,
}

const CONFORMANCE: Guest = Guest {
    name: "conformance",
    flash: 0,
    ram: 0,
    ram_size: 0x4000,
};

/// Ticks.
pub const HELLO: Guest = Guest {
    name: "hello",
    flash: 0,
    ram: 0,
    ram_size: 0x4000,
};

const CASES: [Case; 4] = [
    Case {
        id: "alarm-latency",
        run: latency::case,
    },
    Case {
        id: "process-console",
        run: process_console,
    },
    Case {
        id: "fault-report",
        run: fault_report,
    },
    Case {
        id: "kernel-panic",
        run: kernel_panic,
    },
];

/// Runs every rule and case, or the one of that id.
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
    let others = cases(&[&CASES], only);
    outcome.passed += others.passed;
    outcome.failed += others.failed;
    outcome.skipped += others.skipped;
    let counters = &mut outcome.counters;
    counters.insert("rules".into(), rules.len().into());
    counters.insert("seed".into(), 0.into());
    let ids = CASES.iter().map(|c| c.id).filter(|id| wanted(id));
    counters.insert("digest".into(), digest(rules.into_iter().chain(ids)).into());
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
///
/// # Errors
/// Of the compiler and imgtool.
pub fn tested_kernel(map: &Map) -> Result<PathBuf> {
    kernel_with(map, "device,rules", "kernel-rules")
}

/// Builds and signs a kernel with these features, as `build/<stem>_signed.bin`.
///
/// # Errors
/// Of the compiler and imgtool.
pub fn kernel_with(map: &Map, features: &str, stem: &str) -> Result<PathBuf> {
    image_with(map, sign::Image::NonSecure, features, stem)
}

/// As [`kernel_with`], of either image.
///
/// # Errors
/// Of the compiler and imgtool.
pub fn image_with(map: &Map, image: sign::Image, features: &str, stem: &str) -> Result<PathBuf> {
    // All builds of a package leave their ELF in one place.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let one = ONE.lock();
    let (toolchain, _) = setup::everything()?;
    let (world, role, region) = match image {
        sign::Image::Secure => (World::Secure, "secure", "spe-exec"),
        sign::Image::NonSecure => (World::NonSecure, "kernel", "kernel-exec"),
    };
    let package = format!("{}-{role}", paths::board_name());
    let elf = firmware_with(&toolchain, world, &package, features, &[])?;
    // For who looks into it.
    std::fs::copy(&elf, paths::build().join(format!("{stem}.elf")))?;
    let out = paths::build().join(format!("{stem}_signed.bin"));
    let bare = paths::build().join(format!("{stem}.bin"));
    let base = map.region(region).map_err(|e| anyhow!(e))?.base + map.image_header;
    std::fs::write(&bare, build::flatten(&elf, base)?)?;
    drop(one);
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
    start(&device_flash(scratch, map, kernel, guests)?, None)
}

/// Starts a device without a network.
///
/// # Errors
/// Of QEMU.
pub fn start(flash: &FlashFile, icount: Option<&str>) -> Result<Device> {
    let mut config = Config::new(&loader(), flash.path());
    config.network = false;
    config.icount = icount.map(str::to_owned);
    Device::start(&config)
}

/// The flash file of a device with this kernel and these apps, and none of the product's.
///
/// # Errors
/// Of the compiler and the tools.
pub fn device_flash(
    scratch: &Scratch,
    map: &Map,
    kernel: &std::path::Path,
    guests: &[Guest],
) -> Result<FlashFile> {
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
        let (package, name) = guest
            .name
            .split_once('/')
            .unwrap_or((guest.name, guest.name));
        let elf = firmware(&toolchain, World::NonSecure, package, &[])?.with_file_name(name);
        let row = (
            region("flash-pool")? + guest.flash,
            region("ram-pool")? + guest.ram,
            guest.ram_size,
        );
        let short_id = SHORT_ID + guest.flash / 0x4000;
        let tbf = apps::pack(map, name, short_id, &elf, row)?;
        flash.write("flash-pool", guest.flash, &std::fs::read(tbf)?)?;
        short_ids.push(short_id);
    }
    let guests = Guests {
        short_ids,
        key_user: None,
    };
    provision::write_with(&flash, map, &Identity::offline("kernel"), &guests)?;
    Ok(flash)
}

/// The release kernel.
fn released_kernel() -> PathBuf {
    paths::build().join("kernel_signed.bin")
}

/// A console that is typed at.
struct Typist<'a> {
    device: &'a Device,
    position: usize,
}

impl Typist<'_> {
    /// Waits for a line behind the last one seen.
    fn sees(&mut self, what: &str) -> Result<String> {
        let contains = |l: &str| l.contains(what);
        let console = &self.device.console;
        let (next, line) = console.wait_from(self.position, SOON, contains, what)?;
        self.position = next;
        Ok(line.text)
    }

    /// Types a command. What a process prints meanwhile may stand in the middle of its echo.
    fn types(&mut self, command: &str) -> Result<()> {
        self.position = self.device.console.position();
        self.device.console.send(&format!("{command}\r"))
    }

    /// Whether such a line comes in a while.
    fn hears(&self, what: &str, limit: Duration) -> bool {
        let from = self.device.console.position();
        let contains = |l: &str| l.contains(what);
        let console = &self.device.console;
        console.wait_from(from, limit, contains, what).is_ok()
    }
}

const SOON: Duration = Duration::from_secs(60);
const TICKS: &str = "hello: tick ";
/// `hello` ticks once a second.
const SILENCE: Duration = Duration::from_millis(2500);

/// Starts `hello` on the release kernel and presses Enter.
fn typist(device: &Device) -> Result<Typist<'_>> {
    let console = &device.console;
    console.wait("hello: tick 100", LIMIT)?;
    if console.lines().iter().any(|l| l.text.contains("tock$")) {
        bail!("a prompt that nobody asked for");
    }
    console.send("\r")?;
    Ok(Typist {
        device,
        position: console.position(),
    })
}

fn process_console() -> Result<()> {
    let map = paths::map()?;
    let scratch = Scratch::new("kernel")?;
    let device = boot(&scratch, &map, &released_kernel(), &[HELLO])?;
    let mut t = typist(&device)?;
    t.types("help")?;
    t.sees("help status list stop start fault boot terminate process kernel reset panic")?;
    t.types("status")?;
    t.sees("Total processes: 1")?;
    t.sees("Active processes: 1")?;
    let row = |t: &mut Typist| -> Result<String> {
        t.types("list")?;
        t.sees(" PID    ShortID    Name                Quanta  Syscalls  Restarts  Grants  State")?;
        // A tick may come between the two.
        t.sees("0x1c00")
    };
    let first = row(&mut t)?;
    let lives = ["Running", "Yielded", "YieldedFor("];
    let state = first.split_whitespace().nth(7).unwrap_or_default();
    if !first.contains(" hello ") || !lives.iter().any(|s| state.starts_with(s)) {
        bail!("the row is `{first}`");
    }
    t.types("stop hello")?;
    t.sees("Process hello stopped")?;
    if !row(&mut t)?.contains("   Stopped(") {
        bail!("it is not stopped");
    }
    if t.hears(TICKS, SILENCE) {
        bail!("it ticks while it is stopped");
    }
    t.types("start hello")?;
    t.sees("Process hello resumed.")?;
    t.sees(TICKS)?;
    t.types("terminate hello")?;
    t.sees("Process hello terminated")?;
    if !row(&mut t)?.ends_with("Terminated") || t.hears(TICKS, SILENCE) {
        bail!("it lives");
    }
    t.types("boot hello")?;
    t.sees("hello: tick 100")?;
    t.types("fault hello")?;
    t.sees("Process hello now faulted")?;
    t.sees("hello: tick 100")?;
    let last = row(&mut t)?;
    if last.split_whitespace().nth(5) != Some("2") {
        bail!("two restarts were asked for: `{last}`");
    }
    t.types("process hello")?;
    for line in [
        "𝐀𝐩𝐩: hello   -   [",
        "ShortId: 0x1c00",
        " ║  Address  │ Region Name    Used | Allocated (bytes)  ║",
        "Grant Ptrs",
        "Stack",
        "App Flash",
    ] {
        t.sees(line)?;
    }
    t.types("kernel")?;
    t.sees("Kernel version: 2.3 (build ")?;
    t.sees(" ▼ Stack ")?;
    t.sees("   Code ")?;
    t.types("stop nobody")?;
    t.sees("No process named nobody")?;
    t.types("console-stop")?;
    t.sees("Disabling the process console")?;
    device.console.send("status\r")?;
    if t.hears("Total processes", SILENCE) {
        bail!("a stopped console obeys");
    }
    device.console.send("console-start\r")?;
    std::thread::sleep(Duration::from_millis(200));
    // The boot's first line may stand behind the echo.
    device.console.send("reset\r")?;
    t.sees("kernel: tockstone ")?;
    t.sees("hello: tick 100")?;
    // So many commands: not every echo has a tick in its middle.
    let lines = device.console.lines();
    let echoed = lines
        .iter()
        .any(|l| ["list", "tock$ list"].contains(&l.text.trim()));
    ensure!(echoed, "no command is shown as it is typed");
    Ok(())
}

/// A process that writes where it may not: the whole report.
fn fault_report() -> Result<()> {
    let map = paths::map()?;
    let scratch = Scratch::new("kernel")?;
    let name = "write_kernel_ram";
    let flash = device_flash(&scratch, &map, &released_kernel(), &[HELLO])?;
    hostile::install_guest(&flash, &map, name)?;
    let device = start(&flash, None)?;
    let mut t = Typist {
        device: &device,
        position: 0,
    };
    let target = map.region("kernel-ram").map_err(|e| anyhow!(e))?.base;
    let line = t.sees(&format!("{name} faulted: data access outside its memory"))?;
    if !line.contains(&format!("address 0x{target:08x}")) {
        bail!("`{line}` does not name 0x{target:08x}");
    }
    for line in [
        format!("𝐀𝐩𝐩: {name}   -   ["),
        "Events Queued: ".into(),
        "Grant Ptrs".into(),
        "Fault: data access outside its memory".into(),
        " DACCVIOL MMARVALID".into(),
        format!(" MMFAR 0x{target:08x}"),
        " R0 : 0x".into(),
        " xPSR: 0x".into(),
        " MPU regions".into(),
        "  0: 0x".into(),
        "ReadExecuteOnly".into(),
        " Grants".into(),
        "  Driver 0x00001 ".into(),
    ] {
        t.sees(&line)?;
    }
    if !line.contains("; restarting (1/4) in 10 ms") {
        bail!("`{line}` does not say when it starts again");
    }
    // Three more lives, each later, then never again; nobody else notices.
    t.sees("; restarting (2/4) in 20 ms")?;
    t.sees("; restarting (3/4) in 40 ms")?;
    t.sees("; restarting (4/4) in 80 ms")?;
    t.sees(&format!("{name} faulted: data access outside its memory"))?;
    t.sees(TICKS).map(drop)
}

/// The kernel's own end says what every process was, and the device starts again.
fn kernel_panic() -> Result<()> {
    let map = paths::map()?;
    let scratch = Scratch::new("kernel")?;
    let device = boot(&scratch, &map, &released_kernel(), &[HELLO])?;
    let mut t = typist(&device)?;
    // Its echo may not get out any more.
    device.console.send("panic\r")?;
    for line in [
        "kernel: panic: ",
        "CFSR",
        "---| App Status |---",
        "𝐀𝐩𝐩: hello   -   [",
        " R0 : 0x",
        " MPU regions",
        "  Driver 0x00001 ",
    ] {
        t.sees(line)?;
    }
    t.sees("kernel: tockstone ")?;
    t.sees("hello: tick 100").map(drop)
}

//! Plays the planned attacks: on a device as it ships, and with single defences off.
//!
//! Owns what a stage's binary is given and how what comes of it is judged. A stage has four lives:
//! so many attacks that end in a fault, each in a process of its own making. In the other plays
//! kernel or secure image, or both, are the `weakened` ones, a boot a set of switches; there an
//! attack must get through, or meet what stands behind.

use super::switches::{self, KERNEL};
use super::table::{Attack, Control, End};
use super::trace;
use super::{
    HELLO, HELLO_SHORT_ID, LIMIT, Verdict, is_kernels, others_live, row_of, start, start_of, tbf,
    without_prompt,
};
use crate::apps::{self, Packing};
use crate::build::{World, firmware};
use crate::provision::{self, Guests, Identity};
use crate::system::Scratch;
use crate::{flash, paths, setup};
use anyhow::{Context, Result, anyhow, bail};
use hostile::plan::{ENTRIES, Entry, MAGIC, Op};
use hostile::{Case, STAGES};
use memory_map::Map;
use qemu_harness::{Device, FlashFile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Lives of a process: attacks of one stage that may end in a fault.
const LIVES: usize = 5;
const FIRST_SHORT_ID: u32 = 0x280;
/// The longest attack between its two lines: the million calls.
const LONG: Duration = Duration::from_secs(240);
/// Boots at a time: each waits for its device much of the time.
const AT_ONCE: usize = 3;

/// The images with switches.
#[derive(Clone, Copy)]
pub struct Weakened<'a> {
    pub kernel: &'a Path,
    pub secure: &'a Path,
}

impl Weakened<'_> {
    /// Installs the images that a boot with these switches needs: what has none off is as it ships.
    pub fn install(self, flash: &FlashFile, map: &Map, switches: u64) -> Result<()> {
        let image = |weakened: &Path, bits: u64, ships: &str| match bits {
            0 => paths::build().join(ships),
            _ => weakened.to_owned(),
        };
        let secure = image(self.secure, switches & !KERNEL, "secure_signed.bin");
        let kernel = image(self.kernel, switches & KERNEL, "kernel_signed.bin");
        flash::install(flash, "s-primary", &secure)?;
        flash::install(flash, "ns-primary", &kernel)?;
        match switches {
            0 => Ok(()),
            _ => switches::set(flash, map, switches),
        }
    }
}

/// What must come of an attack in a boot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// It ends as the table says.
    Stopped,
    /// It gets through.
    Through,
    /// Something else stops it, and it ends so.
    Doubled(End),
    /// It takes the system with it.
    Resets,
}

/// An attack in a boot.
#[derive(Clone, Copy)]
struct Task<'a> {
    attack: &'a Attack,
    expect: Expect,
}

impl Task<'_> {
    /// Whether it ends a life of its process.
    fn fatal(self) -> bool {
        match self.expect {
            Expect::Stopped => matches!(self.attack.end, End::Fault(_)),
            Expect::Doubled(end) => matches!(end, End::Fault(_)),
            Expect::Through | Expect::Resets => false,
        }
    }

    /// Whether its process can do nothing more.
    fn alone(self) -> bool {
        match self.expect {
            Expect::Through => self.attack.spoils(),
            Expect::Resets => true,
            _ => self.attack.op == Op::FuzzVeneers,
        }
    }
}

/// One boot: which switches, who attacks.
struct Boot<'a> {
    switches: u64,
    /// Time is counted in instructions, and every exception is recorded.
    traced: bool,
    attacks: Vec<Vec<Task<'a>>>,
}

/// What one attack came to.
pub struct Judged {
    pub name: String,
    /// Which switches were off.
    pub switches: u64,
    pub control: bool,
    /// It got through, as it must here.
    pub through: bool,
    /// It was to be stopped by what it is stopped by on a device as it ships.
    pub stopped: bool,
    /// The line that it ended with.
    pub said: String,
    pub result: Result<()>,
}

/// Plays these attacks on the product, and on the weakened images where that says more.
///
/// # Errors
/// When a device or a stage cannot be made.
pub fn play(map: &Map, attacks: &[Attack], weakened: Weakened<'_>) -> Result<Vec<Judged>> {
    let (toolchain, _) = setup::everything()?;
    let folder = firmware(&toolchain, World::NonSecure, "hostile", &[])?;
    let mut boots = Vec::new();
    // The traced ones take longest: first.
    for traced in [true, false] {
        let mut boots_of: BTreeMap<(u64, u8), Vec<Task<'_>>> = BTreeMap::new();
        for attack in attacks.iter().filter(|a| a.traced() == traced) {
            let mut add = |switches, kind, expect| {
                let tasks = boots_of.entry((switches, kind)).or_default();
                tasks.push(Task { attack, expect });
            };
            add(attack.given, 0, Expect::Stopped);
            for control in &attack.controls {
                match *control {
                    Control::Without(bits) => add(bits, 1, Expect::Through),
                    Control::Doubled(bits, end) => add(bits, 2, Expect::Doubled(end)),
                    Control::Resets(bits) => add(bits, 3, Expect::Resets),
                    Control::None(_) => {}
                }
            }
        }
        for ((switches, kind), tasks) in boots_of {
            // Who takes the system along has it alone.
            let stages = if kind == 3 { 1 } else { STAGES.len() };
            for batch in plans(tasks).chunks(stages) {
                boots.push(Boot {
                    switches,
                    traced,
                    attacks: batch.to_vec(),
                });
            }
        }
    }
    let (next, judged) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(boot) = boots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let of_boot = boot.play(map, &folder, weakened);
                    if let Ok(mut all) = judged.lock() {
                        all.extend(of_boot);
                    }
                }
            });
        }
    });
    judged.into_inner().map_err(|_| anyhow!("a boot panicked"))
}

/// What each stage makes: as many as it has lives for, and as a plan holds.
fn plans(tasks: Vec<Task<'_>>) -> Vec<Vec<Task<'_>>> {
    let mut all: Vec<Vec<Task<'_>>> = Vec::new();
    for task in tasks {
        let deaths = |list: &[Task<'_>]| list.iter().filter(|t| t.fatal()).count();
        match all.last_mut() {
            Some(list)
                if list.len() < ENTRIES
                    && deaths(list) < LIVES
                    && !task.alone()
                    && !list.iter().any(|t| t.alone()) =>
            {
                list.push(task);
            }
            _ => all.push(vec![task]),
        }
    }
    all
}

impl Boot<'_> {
    fn play(&self, map: &Map, folder: &Path, weakened: Weakened<'_>) -> Vec<Judged> {
        let mut judged = Vec::new();
        let failed = self.run(map, folder, weakened, &mut judged).err();
        if let Some(e) = failed {
            for task in self.attacks.iter().flatten() {
                if !judged.iter().any(|j| j.name == task.attack.name) {
                    judged.push(self.judged(*task, false, Err(anyhow!("{e:#}"))));
                }
            }
        }
        judged
    }

    fn judged(&self, task: Task<'_>, control: bool, result: Result<String>) -> Judged {
        Judged {
            name: task.attack.name.clone(),
            switches: self.switches,
            control,
            through: matches!(task.expect, Expect::Through | Expect::Resets),
            stopped: task.expect == Expect::Stopped,
            said: result.as_ref().map_or(String::new(), String::clone),
            result: result.map(drop),
        }
    }

    fn run(
        &self,
        map: &Map,
        folder: &Path,
        weakened: Weakened<'_>,
        judged: &mut Vec<Judged>,
    ) -> Result<()> {
        let scratch = Scratch::new("hostile")?;
        let flash = self.device_flash(&scratch, map, folder, weakened)?;
        let log = scratch.path().join("exceptions.log");
        let mut device = match self.traced {
            true => trace::start(&flash, &log)?,
            false => start(&flash)?,
        };
        for (stage, tasks) in STAGES.iter().zip(&self.attacks) {
            let mut position = 0;
            let mut lost = false;
            for task in tasks {
                let attack = task.attack;
                let mut control = false;
                let result = match task.expect {
                    _ if lost => Err(anyhow!("not reached")),
                    Expect::Stopped => {
                        stopped(&device, stage.name, attack, &mut position, &mut control)
                    }
                    Expect::Through => gets_through(&device, stage.name, attack, &mut position),
                    Expect::Doubled(end) => {
                        doubled(&device, stage.name, attack, end, &mut position)
                    }
                    Expect::Resets => resets(&device, attack),
                };
                let result = result.with_context(|| start_of(&device));
                lost |= result.is_err();
                judged.push(self.judged(*task, control, result));
            }
        }
        let ships = self
            .attacks
            .iter()
            .flatten()
            .all(|t| t.expect == Expect::Stopped);
        if ships {
            let names: Vec<&str> = STAGES.iter().map(|s| s.name).collect();
            let fuzzed = |t: &Task<'_>| t.attack.op == Op::FuzzVeneers;
            let whole = match self.attacks.iter().flatten().any(fuzzed) {
                true => untouched(&mut device, map),
                false => Ok(()),
            };
            if let Err(e) = whole.and_then(|()| others_live(&device, &names)) {
                judged.clear();
                return Err(e.context(start_of(&device)));
            }
            if self.traced && self.switches == 0 {
                drop(device);
                if let Err(e) = trace::Exceptions::read(&log).and_then(|e| e.enough()) {
                    judged.clear();
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    /// A device with `hello` and the stages of this boot.
    fn device_flash(
        &self,
        scratch: &Scratch,
        map: &Map,
        folder: &Path,
        weakened: Weakened<'_>,
    ) -> Result<FlashFile> {
        let flash = FlashFile::create(&scratch.path().join("flash.bin"), map)?;
        weakened.install(&flash, map, self.switches)?;
        flash.write("flash-pool", 0, &std::fs::read(tbf(HELLO))?)?;
        let mut guests = Guests {
            short_ids: vec![HELLO_SHORT_ID],
            key_user: None,
        };
        for (i, (stage, tasks)) in (0..).zip(STAGES.iter().zip(&self.attacks)) {
            let short_id = FIRST_SHORT_ID + i;
            let entries: Vec<Entry> = tasks
                .iter()
                .map(|t| t.attack.entry(t.expect == Expect::Through))
                .collect();
            let tbf = pack(scratch, map, folder, stage, short_id, &entries)?;
            super::put(&flash, stage, &std::fs::read(tbf)?)?;
            guests.short_ids.push(short_id);
        }
        provision::write_with(&flash, map, &Identity::offline("hostile"), &guests)?;
        Ok(flash)
    }
}

/// The code of the secure image is what was built: nobody wrote there. Looks while the processor
/// is in that world, where the process that fuzzed it goes on calling.
fn untouched(device: &mut Device, map: &Map) -> Result<()> {
    let built = std::fs::read(paths::build().join("secure.bin"))?;
    let base = map.region("spe-exec").map_err(|e| anyhow!(e))?.base + map.image_header;
    let found = device.read_memory_as_processor(base, built.len() as u32)?;
    match found.iter().zip(&built).position(|(a, b)| a != b) {
        Some(at) => bail!("the secure image differs at {at:#x}"),
        None => Ok(()),
    }
}

/// A stage's TBF with this plan in it.
pub fn pack(
    scratch: &Scratch,
    map: &Map,
    folder: &Path,
    stage: &Case,
    short_id: u32,
    entries: &[Entry],
) -> Result<PathBuf> {
    let mut elf = std::fs::read(folder.with_file_name(stage.name))?;
    let found: Vec<usize> = elf
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, w)| *w == MAGIC)
        .map(|(i, _)| i)
        .collect();
    let [at] = found[..] else {
        bail!("{}: {} plans", stage.name, found.len());
    };
    let mut to = at + MAGIC.len();
    for entry in entries {
        let bytes = entry.bytes();
        elf[to..to + size_of::<Entry>()].copy_from_slice(&bytes);
        to += size_of::<Entry>();
    }
    let planned = scratch.path().join(stage.name);
    std::fs::write(&planned, elf)?;
    // Several boots are made at once: their files must not meet.
    let id = scratch.path().file_name().and_then(|n| n.to_str());
    let file = format!("{}-{}", stage.name, id.unwrap_or("x"));
    let packing = Packing {
        name: stage.name,
        file: &file,
        version: 1,
        short_id,
    };
    let tbf = apps::pack_as(map, &packing, &planned, row_of(map, stage)?)?;
    let own = scratch.path().join(format!("{}.tbf", stage.name));
    std::fs::copy(&tbf, &own)?;
    for extension in ["tbf", "elf", "tab"] {
        let _ = std::fs::remove_file(tbf.with_extension(extension));
    }
    Ok(own)
}

/// The attack ends as the table says, behind `position`.
fn stopped(
    device: &Device,
    stage: &str,
    attack: &Attack,
    position: &mut usize,
    control: &mut bool,
) -> Result<String> {
    let console = &device.console;
    let own = format!("hostile: {} ", attack.name);
    let is = |l: &str, what: &str| {
        without_prompt(l)
            .strip_prefix(&own)
            .is_some_and(|l| l.starts_with(what))
    };
    let (next, _) = console.wait_from(
        *position,
        LONG,
        |l| is(l, "control-ok"),
        &format!("{own}control-ok"),
    )?;
    *control = true;
    let (next, line) = match attack.end {
        End::Fault(why) => {
            let fault = |l: &str| is_fault(l, stage) || is(l, "breached");
            let what = format!("{stage} faulted, or {own}breached");
            let (next, line) = console.wait_from(next, LIMIT, fault, &what)?;
            if !is_fault(&line.text, stage) || !line.text.contains(why) {
                bail!("`{}`", line.text);
            }
            (next, line)
        }
        End::Says(what) => {
            let (next, line) =
                console.wait_from(next, LONG, |l| is(l, "") || is_fault(l, stage), &own)?;
            if !is(&line.text, what) {
                bail!("`{}`", line.text);
            }
            (next, line)
        }
    };
    *position = next;
    Ok(line.text)
}

fn is_fault(line: &str, stage: &str) -> bool {
    let faulted = format!(" {stage} faulted: ");
    is_kernels(line) && line.contains(&faulted)
}

/// The attack says that it got through.
fn gets_through(
    device: &Device,
    stage: &str,
    attack: &Attack,
    position: &mut usize,
) -> Result<String> {
    let breached = format!("hostile: {} breached", attack.name);
    let line = end_of(device, stage, attack, position)?;
    if !without_prompt(&line).starts_with(&breached) {
        bail!("`{line}`");
    }
    Ok(line)
}

/// What stands behind the defence stops it.
fn doubled(
    device: &Device,
    stage: &str,
    attack: &Attack,
    end: End,
    position: &mut usize,
) -> Result<String> {
    let line = end_of(device, stage, attack, position)?;
    let right = match end {
        End::Fault(why) => is_fault(&line, stage) && line.contains(why),
        End::Says(what) => {
            without_prompt(&line).starts_with(&format!("hostile: {} {what}", attack.name))
        }
    };
    if !right {
        bail!("not stopped by what stands behind it: `{line}`");
    }
    Ok(line)
}

/// The line with which the attack ends, or its process.
fn end_of(device: &Device, stage: &str, attack: &Attack, position: &mut usize) -> Result<String> {
    let own = format!("hostile: {} ", attack.name);
    let ends = |l: &str| {
        is_fault(l, stage)
            || without_prompt(l).starts_with(&own)
                // Who is privileged fails the control of privilege, too.
                && !l.ends_with(" control-ok")
                && !l.ends_with(" the control failed")
    };
    let (next, line) = device.console.wait_from(*position, LONG, ends, &own)?;
    *position = next;
    Ok(line.text)
}

/// The attack began, and then the system did.
fn resets(device: &Device, attack: &Attack) -> Result<String> {
    let begins = format!("hostile: {} control-ok", attack.name);
    let began = |l: &str| without_prompt(l) == begins;
    let (next, _) = device.console.wait_from(0, LONG, began, &begins)?;
    let boots = |l: &str| without_prompt(l).starts_with("kernel: tockstone ");
    let (_, line) = device.console.wait_from(next, LIMIT, boots, "a reset")?;
    Ok(line.text)
}

/// The verdicts of a layer, and which attacks got through.
pub fn verdicts(judged: Vec<Judged>) -> (Vec<Verdict>, Vec<String>) {
    let name = |j: &Judged| match j.switches {
        0 => j.name.clone(),
        off => format!("{} (without {})", j.name, switches::names(off)),
    };
    let mut controls: Vec<String> = judged
        .iter()
        .filter(|j| j.through && j.result.is_ok())
        .map(name)
        .collect();
    // Boots end in any order.
    controls.sort();
    let verdicts = judged.into_iter().map(|j| Verdict {
        name: name(&j),
        controls: usize::from(j.control),
        result: j.result,
    });
    (verdicts.collect(), controls)
}

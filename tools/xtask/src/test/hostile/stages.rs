//! Plays the planned attacks: on a device as it ships, and with single defences off.
//!
//! Owns what a stage's binary is given and how what comes of it is judged. A stage has four lives:
//! so many attacks that end in a fault, each in a process of its own making. In the second play
//! the kernel is the `weakened` one, a boot a set of switches; there an attack must get through.

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
use hostile::plan::{ENTRIES, Entry, MAGIC};
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

/// One boot: which kernel, which switches, who attacks.
struct Boot<'a> {
    switches: Option<u32>,
    /// Time is counted in instructions, and every exception is recorded.
    traced: bool,
    attacks: Vec<Vec<&'a Attack>>,
}

/// What one attack came to.
pub struct Judged {
    pub name: String,
    /// With defences off?
    pub weakened: bool,
    pub control: bool,
    /// With the defence off something else still stops it.
    pub doubled: bool,
    /// The line that it ended with.
    pub said: String,
    pub result: Result<()>,
}

/// Plays these attacks on the product's kernel, and on the weakened one where that says more.
///
/// # Errors
/// When a device or a stage cannot be made.
pub fn play(map: &Map, attacks: &[Attack], weakened: &Path) -> Result<Vec<Judged>> {
    let (toolchain, _) = setup::everything()?;
    let folder = firmware(&toolchain, World::NonSecure, "hostile", &[])?;
    let mut boots = Vec::new();
    // The traced ones take longest: first.
    for traced in [true, false] {
        let mut by_switch: BTreeMap<Option<u32>, Vec<&Attack>> = BTreeMap::new();
        for attack in attacks.iter().filter(|a| a.traced() == traced) {
            by_switch.entry(None).or_default().push(attack);
            if let Some(bits) = attack.switches() {
                by_switch.entry(Some(bits)).or_default().push(attack);
            }
        }
        for (switches, list) in by_switch {
            for batch in plans(list, switches.is_some()).chunks(STAGES.len()) {
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
fn plans(attacks: Vec<&Attack>, weakened: bool) -> Vec<Vec<&Attack>> {
    let mut all: Vec<Vec<&Attack>> = Vec::new();
    for attack in attacks {
        let deaths = |list: &[&Attack]| list.iter().filter(|a| a.fatal(weakened)).count();
        let alone = |a: &Attack| weakened && a.spoils();
        match all.last_mut() {
            Some(list)
                if list.len() < ENTRIES
                    && deaths(list) < LIVES
                    && !alone(attack)
                    && !list.iter().any(|a| alone(a)) =>
            {
                list.push(attack);
            }
            _ => all.push(vec![attack]),
        }
    }
    all
}

impl Boot<'_> {
    fn play(&self, map: &Map, folder: &Path, weakened: &Path) -> Vec<Judged> {
        let mut judged = Vec::new();
        let failed = self.run(map, folder, weakened, &mut judged).err();
        if let Some(e) = failed {
            for attack in self.attacks.iter().flatten() {
                if !judged.iter().any(|j| j.name == attack.name) {
                    judged.push(Judged {
                        name: attack.name.clone(),
                        weakened: self.switches.is_some(),
                        control: false,
                        doubled: false,
                        said: String::new(),
                        result: Err(anyhow!("{e:#}")),
                    });
                }
            }
        }
        judged
    }

    fn run(
        &self,
        map: &Map,
        folder: &Path,
        weakened: &Path,
        judged: &mut Vec<Judged>,
    ) -> Result<()> {
        let scratch = Scratch::new("hostile")?;
        let kernel = match self.switches {
            Some(_) => weakened.to_owned(),
            None => paths::build().join("kernel_signed.bin"),
        };
        let flash = self.device_flash(&scratch, map, folder, &kernel)?;
        let log = scratch.path().join("exceptions.log");
        let device = match self.traced {
            true => trace::start(&flash, &log)?,
            false => start(&flash)?,
        };
        for (stage, attacks) in STAGES.iter().zip(&self.attacks) {
            let mut position = 0;
            let mut lost = false;
            for attack in attacks {
                let mut control = false;
                let result = if lost {
                    Err(anyhow!("not reached"))
                } else if self.switches.is_some() {
                    gets_through(&device, stage.name, attack, &mut position)
                } else {
                    stopped(&device, stage.name, attack, &mut position, &mut control)
                };
                let result = result.with_context(|| start_of(&device));
                lost |= result.is_err();
                let said = result.as_ref().map_or(String::new(), String::clone);
                judged.push(Judged {
                    name: attack.name.clone(),
                    weakened: self.switches.is_some(),
                    control,
                    doubled: matches!(attack.control, Control::Doubled(..)),
                    said,
                    result: result.map(drop),
                });
            }
        }
        if self.switches.is_none() {
            let names: Vec<&str> = STAGES.iter().map(|s| s.name).collect();
            if let Err(e) = others_live(&device, &names) {
                judged.clear();
                return Err(e.context(start_of(&device)));
            }
            if self.traced {
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
        kernel: &Path,
    ) -> Result<FlashFile> {
        let flash = FlashFile::create(&scratch.path().join("flash.bin"), map)?;
        flash::install(
            &flash,
            "s-primary",
            &paths::build().join("secure_signed.bin"),
        )?;
        flash::install(&flash, "ns-primary", kernel)?;
        flash.write("flash-pool", 0, &std::fs::read(tbf(HELLO))?)?;
        let mut guests = Guests {
            short_ids: vec![HELLO_SHORT_ID],
            key_user: None,
        };
        for (i, (stage, attacks)) in (0..).zip(STAGES.iter().zip(&self.attacks)) {
            let short_id = FIRST_SHORT_ID + i;
            let entries: Vec<Entry> = attacks
                .iter()
                .map(|a| a.entry(self.switches.is_some()))
                .collect();
            let tbf = pack(scratch, map, folder, stage, short_id, &entries)?;
            super::put(&flash, stage, &std::fs::read(tbf)?)?;
            guests.short_ids.push(short_id);
        }
        if let Some(switches) = self.switches {
            set_switches(&flash, map, switches)?;
        }
        provision::write_with(&flash, map, &Identity::offline("hostile"), &guests)?;
        Ok(flash)
    }
}

/// Leaves the switches for the weakened kernel, where its board looks for them.
pub fn set_switches(flash: &FlashFile, map: &Map, switches: u32) -> Result<()> {
    let rom = map.region("audio-rom").map_err(|e| anyhow!(e))?;
    let mut words = *b"WEAK\0\0\0\0";
    words[4..].copy_from_slice(&switches.to_le_bytes());
    flash.write("audio-rom", rom.size - 8, &words)
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

/// The attack says that it got through, or what stands behind the defence stops it.
fn gets_through(
    device: &Device,
    stage: &str,
    attack: &Attack,
    position: &mut usize,
) -> Result<String> {
    let breached = format!("hostile: {} breached", attack.name);
    let own = format!("hostile: {} ", attack.name);
    let ends = |l: &str| {
        is_fault(l, stage)
            || without_prompt(l).starts_with(&own)
                // Who is privileged fails the control of privilege, too.
                && !l.ends_with(" control-ok")
                && !l.ends_with(" the control failed")
    };
    let (next, line) = device.console.wait_from(*position, LONG, ends, &breached)?;
    *position = next;
    match attack.control {
        Control::Doubled(_, why) => {
            if !is_fault(&line.text, stage) || !line.text.contains(why) {
                bail!("not stopped by what stands behind it: `{}`", line.text);
            }
        }
        _ if without_prompt(&line.text).starts_with(&breached) => {}
        _ => bail!("`{}`", line.text),
    }
    Ok(line.text)
}

/// The verdicts of a layer, and which attacks got through.
pub fn verdicts(judged: Vec<Judged>) -> (Vec<Verdict>, Vec<String>) {
    let broken = |j: &&Judged| j.weakened && j.result.is_ok() && !j.doubled;
    let mut controls: Vec<String> = judged
        .iter()
        .filter(broken)
        .map(|j| j.name.clone())
        .collect();
    // Boots end in any order.
    controls.sort();
    let verdicts = judged.into_iter().map(|j| Verdict {
        name: match j.weakened {
            true => format!("{} (weakened)", j.name),
            false => j.name,
        },
        controls: usize::from(j.control),
        result: j.result,
    });
    (verdicts.collect(), controls)
}

//! Attacks on who somebody is and how long it runs: each needs a device of its own.
//!
//! Owns two processes of one name, a credential that nobody gave, and a loop that never ends; each
//! on the device as it ships, and with the one defence off.

use super::stages::{Weakened, pack};
use super::switches::{self, Wall, kernel, secure};
use super::{
    HELLO_SHORT_ID, LIMIT, Verdict, device_flash, others_live, put, start, start_of, without_prompt,
};
use crate::build::{World, firmware};
use crate::provision::{self, Guests, Identity};
use crate::setup;
use crate::system::Scratch;
use anyhow::{Context, Result, bail, ensure};
use hostile::STAGES;
use hostile::plan::{Base, ENTRIES, Entry, Op};
use kernel::weakened::Defence;
use memory_map::Map;
use qemu_harness::Device;
use std::time::Duration;

/// ShortId of `net-mqtt`, which this device does not hold; the factory gave it a thing name.
const PRODUCT: u32 = 1;
const THING_NAME: u32 = 9;
const TWICE: u32 = 0x2F0;
/// `hello` ticks every second.
const HELLO_SILENT: Duration = Duration::from_secs(4);

struct Attack {
    id: &'static str,
    /// Switches.
    defence: u64,
    run: fn(&Device, weakened: bool) -> Result<()>,
    /// What its device holds besides `hello`.
    holds: Holds,
}

enum Holds {
    /// Two stages of one ShortId.
    Twice,
    /// A stage that claims a product's ShortId, with a signature that the board's key did not make.
    Forged,
    /// Cases; the first attacks.
    Cases(&'static [&'static str]),
}

const ATTACKS: [Attack; 7] = [
    Attack {
        id: "short-id-twice",
        defence: kernel(Defence::UniqueShortId),
        run: twice,
        holds: Holds::Twice,
    },
    Attack {
        id: "credential-forged",
        defence: kernel(Defence::Credential),
        run: forged,
        holds: Holds::Forged,
    },
    Attack {
        id: "endless-loop-alone",
        defence: kernel(Defence::TimeSlice),
        run: endless,
        holds: Holds::Cases(&["endless_loop"]),
    },
    Attack {
        id: "direct_sg",
        defence: secure(Wall::VeneerPrivilege),
        run: |device, _| breaches(device, "direct_sg"),
        holds: Holds::Cases(&["direct_sg"]),
    },
    Attack {
        id: "key_thief",
        defence: secure(Wall::ClientId),
        run: |device, _| breaches(device, "key_thief"),
        holds: Holds::Cases(&["key_thief", "key_keeper"]),
    },
    Attack {
        id: "sign_sealed",
        defence: secure(Wall::KeyPolicy),
        run: |device, _| breaches(device, "sign_sealed"),
        holds: Holds::Cases(&["sign_sealed"]),
    },
    Attack {
        id: "bad_allow",
        defence: kernel(Defence::BufferRange),
        run: |device, _| breaches(device, "bad_allow"),
        holds: Holds::Cases(&["bad_allow"]),
    },
];

/// Every id, in order, but those that the layer plays as it ships itself.
pub fn ids() -> Vec<String> {
    let own = ATTACKS.iter().filter(|a| a.ships());
    own.map(|a| a.id.to_owned()).collect()
}

/// Whether any of them is chosen.
pub fn any(wanted: impl Fn(&str) -> bool) -> bool {
    ATTACKS.iter().any(|a| wanted(a.id))
}

/// Plays those that `wanted` chooses; also which got through without their defence.
///
/// # Errors
/// Of the compiler.
pub fn play(
    map: &Map,
    weakened: Weakened<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Vec<Verdict>, Vec<String>)> {
    let (mut verdicts, mut through) = (Vec::new(), Vec::new());
    for attack in ATTACKS.iter().filter(|a| wanted(a.id)) {
        for switches in [0, attack.defence] {
            if switches == 0 && !attack.ships() {
                continue;
            }
            let result = attack.play(map, weakened, switches);
            let name = match switches {
                0 => attack.id.to_owned(),
                off => format!("{} (without {})", attack.id, switches::names(off)),
            };
            if switches != 0 && result.is_ok() {
                through.push(name.clone());
            }
            verdicts.push(Verdict {
                name,
                controls: usize::from(switches == 0 && result.is_ok()),
                result,
            });
        }
    }
    Ok((verdicts, through))
}

impl Attack {
    /// Whether it is played on a device as it ships here, and not with the layer's others.
    fn ships(&self) -> bool {
        !super::ATTACKS.iter().any(|a| a.name == self.id)
    }

    fn play(&self, map: &Map, weakened: Weakened<'_>, switches: u64) -> Result<()> {
        let scratch = Scratch::new("hostile")?;
        let cases: &[&str] = match self.holds {
            Holds::Cases(names) => names,
            _ => &[],
        };
        let flash = device_flash(&scratch, map, cases)?;
        weakened.install(&flash, map, switches)?;
        let (toolchain, _) = setup::everything()?;
        let folder = firmware(&toolchain, World::NonSecure, "hostile", &[])?;
        let entry = |op, n| {
            let mut name = [0; hostile::plan::NAME];
            name[..self.id.len()].copy_from_slice(self.id.as_bytes());
            Entry {
                op: op as u32,
                base: Base::Absolute as u32,
                offset: 0,
                n,
                name,
            }
        };
        let stage = |place: usize, short_id, entries: &[Entry]| -> Result<Vec<u8>> {
            let tbf = pack(&scratch, map, &folder, &STAGES[place], short_id, entries)?;
            Ok(std::fs::read(tbf)?)
        };
        let mut guests = Guests {
            short_ids: vec![HELLO_SHORT_ID],
            key_user: None,
        };
        match self.holds {
            Holds::Twice => {
                guests.short_ids.push(TWICE);
                put(&flash, &STAGES[0], &stage(0, TWICE, &[entry(Op::Keep, 0)])?)?;
                // They count their attacks in one object: whichever entry it takes, it steals.
                let steal = [entry(Op::Steal, 0); ENTRIES];
                put(&flash, &STAGES[1], &stage(1, TWICE, &steal)?)?;
            }
            Holds::Forged => {
                let claim = [entry(Op::Claim, THING_NAME); ENTRIES];
                let mut object = stage(0, PRODUCT, &claim)?;
                spoil_signature(&mut object)?;
                put(&flash, &STAGES[0], &object)?;
            }
            Holds::Cases(names) => {
                for name in names {
                    let short_id = super::short_id(name)?;
                    guests.short_ids.push(short_id);
                    if *name == "sign_sealed" {
                        guests.key_user = Some(short_id);
                    }
                }
            }
        }
        provision::write_with(&flash, map, &Identity::offline("hostile"), &guests)?;
        let device = start(&flash)?;
        (self.run)(&device, switches != 0).with_context(|| start_of(&device))
    }
}

/// Changes the last byte of the ECDSA-P256 credential.
fn spoil_signature(object: &mut [u8]) -> Result<()> {
    let copy: &'static [u8] = object.to_vec().leak();
    let start = copy.first_chunk::<8>().context("no header")?;
    let (version, size, _) =
        tock_tbf::parse::parse_tbf_header_lengths(start).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    let header = tock_tbf::parse::parse_tbf_header(&copy[..usize::from(size)], version);
    let end = header
        .map_err(|e| anyhow::anyhow!("{e:?}"))?
        .get_binary_end() as usize;
    let (credential, _) = tock_tbf::parse::parse_tbf_footer(&copy[end..])
        .map_err(|e| anyhow::anyhow!("no credential: {e:?}"))?;
    ensure!(credential.data().len() == 64, "no ECDSA-P256 credential");
    // Behind type, length and format.
    object[end + 8 + 63] ^= 1;
    Ok(())
}

/// A line of the attack that begins so.
fn says(device: &Device, id: &str, what: &str) -> Result<()> {
    let own = format!("hostile: {id} ");
    let ends = |l: &str| {
        without_prompt(l).starts_with(&own) && !l.ends_with(" control-ok") && !l.ends_with(" alive")
    };
    let (_, line) = device.console.wait_from(0, LIMIT, ends, what)?;
    let said = without_prompt(&line.text);
    ensure!(said.starts_with(&format!("{own}{what}")), "`{said}`");
    Ok(())
}

/// A case gets through.
fn breaches(device: &Device, id: &str) -> Result<()> {
    let own = format!("hostile: {id} ");
    let breach = |l: &str| without_prompt(l).starts_with(&own) && l.contains("breached");
    device.console.wait_from(0, LIMIT, breach, "breached")?;
    Ok(())
}

fn twice(device: &Device, weakened: bool) -> Result<()> {
    if weakened {
        return says(device, "short-id-twice", "breached secret");
    }
    let line = device.console.wait("kernel: not loaded: stage_1 ", LIMIT)?;
    ensure!(line.text.contains("Superseded"), "`{}`", line.text);
    device
        .console
        .wait("hostile: short-id-twice alive", LIMIT)?;
    others_live(device, &["stage_0"])
}

fn forged(device: &Device, weakened: bool) -> Result<()> {
    if weakened {
        return says(device, "credential-forged", "breached object");
    }
    says(device, "credential-forged", "refused NOT_SUPPORTED")?;
    others_live(device, &[])
}

fn endless(device: &Device, weakened: bool) -> Result<()> {
    device
        .console
        .wait("hostile: endless_loop control-ok", LIMIT)?;
    if !weakened {
        return others_live(device, &["endless_loop"]);
    }
    let position = device.console.position();
    let ticks = |l: &str| without_prompt(l).starts_with("hello: tick ");
    match device
        .console
        .wait_from(position, HELLO_SILENT, ticks, "hello: tick")
    {
        Ok((_, line)) => bail!("not starved: `{}`", line.text),
        Err(_) => Ok(()),
    }
}

//! Credentials on the device: each kind accepted, damaged ones refused by name, and what a board
//! that requires a signature says of the rest. Schedulers and fault policies ride along, one of each
//! in a kernel.
//!
//! Owns the binaries: made here, no compiler in it, all on one device. Each waits for ever.

use super::kernel::{HELLO, device_flash, kernel_with, start};
use super::{Case, hostile};
use crate::credentials::{Kind, credentialed};
use crate::provision::{self, Guests, Identity};
use crate::system::Scratch;
use crate::{flash, paths};
use anyhow::{Context, Result, anyhow, ensure};
use qemu_harness::{Device, FlashFile};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const FIRST_ID: u32 = 0xCED0;
/// An attacker that writes the kernel's RAM as soon as it runs.
const FAULTY: &str = "write_kernel_ram";

pub const CASES: [Case; 7] = [
    Case {
        id: "credentials-of-each-kind",
        run: of_each_kind,
    },
    Case {
        id: "credentials-required",
        run: required,
    },
    Case {
        id: "scheduler-cooperative",
        run: cooperative,
    },
    Case {
        id: "scheduler-mlfq",
        run: mlfq,
    },
    Case {
        id: "fault-policy-stop",
        run: fault_stops,
    },
    Case {
        id: "fault-policy-threshold",
        run: fault_threshold,
    },
    Case {
        id: "fault-policy-panic",
        run: fault_panics,
    },
];

/// `movs r0, #1; svc 0; b` back to the first: yield-wait, for ever.
const CODE: [u16; 3] = [0x2001, 0xDF00, 0xE7FC];

/// An unsigned TBF of these instructions, linked to nothing.
fn tbf(name: &str, short_id: u32) -> Vec<u8> {
    let code: Vec<u8> = CODE.iter().flat_map(|half| half.to_le_bytes()).collect();
    let mut tlvs = Vec::new();
    let mut tlv = |kind: u16, value: &[u8]| {
        tlvs.extend(kind.to_le_bytes());
        tlvs.extend((value.len() as u16).to_le_bytes());
        tlvs.extend(value);
        tlvs.resize(tlvs.len().next_multiple_of(4), 0);
    };
    tlv(3, name.as_bytes());
    tlv(8, &[2, 0, 2, 0]);
    tlv(10, &short_id.to_le_bytes());
    let header = 16 + tlvs.len() as u32 + 24;
    let end = header + 256;
    let program = [0, 0, 4096, end, 1u32].map(u32::to_le_bytes);
    tlvs.extend([9, 0, 20, 0]);
    tlvs.extend(program.as_flattened());
    let mut out = vec![2, 0];
    out.extend((header as u16).to_le_bytes());
    // Length and checksum are the signer's.
    for word in [0, 1, 0u32] {
        out.extend(word.to_le_bytes());
    }
    out.extend(tlvs);
    out.extend(code);
    out.resize(end as usize, 0);
    out
}

/// A binary, and what the kernel has to say of it.
struct Binary {
    bytes: Vec<u8>,
    name: String,
    short_id: u32,
    /// On a board that requires no credential, and on one that does.
    fate: [Fate; 2],
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Named,
    Nameless,
    Rejected,
    NotAccepted,
}

impl Fate {
    /// What its line begins and ends with.
    fn says(self, name: &str, id: u32) -> (String, String) {
        let refused = |why: &str| {
            (
                format!("kernel: not loaded: {name} CheckError("),
                format!("{why})"),
            )
        };
        let runs = |id: String| ("kernel: process ".into(), format!(" ShortId {id}"));
        match self {
            Fate::Named => runs(format!("0x{id:x}")),
            Fate::Nameless => runs("Unique".into()),
            Fate::Rejected => refused("CredentialsRejected(0)"),
            Fate::NotAccepted => refused("CredentialsNotAccepted"),
        }
    }
}

/// The binaries, in this order in flash.
fn binaries() -> Result<Vec<Binary>> {
    use Fate::{Named, Nameless, NotAccepted, Rejected};
    let mut all = Vec::new();
    let mut add = |name: String, kinds: &[Kind], damaged: bool, fate| {
        let short_id = FIRST_ID + all.len() as u32;
        let mut bytes = credentialed(&whole(&name, short_id)?, kinds)?;
        if damaged {
            // In the binary, behind the code.
            let end = whole(&name, short_id)?.len();
            let byte = bytes.get_mut(end - 1).context("no binary")?;
            *byte ^= 1;
        }
        all.push(Binary {
            bytes,
            name,
            short_id,
            fate,
        });
        anyhow::Ok(())
    };
    for kind in Kind::ALL {
        let good = match kind.is_signature() {
            true => [Named, Named],
            false => [Nameless, NotAccepted],
        };
        add(format!("good-{}", kind.name()), &[kind], false, good)?;
        // An ECDSA credential names no key: it may be a stranger's.
        let bad = match kind {
            Kind::Ecdsa => [Nameless, NotAccepted],
            _ => [Rejected, Rejected],
        };
        add(format!("bad-{}", kind.name()), &[kind], true, bad)?;
    }
    // A digest first: the signature still counts.
    let both = [Kind::Sha256, Kind::Rsa4096];
    add("good-both".into(), &both, false, [Named, Named])?;
    add("unsigned".into(), &[], false, [Nameless, NotAccepted])?;
    Ok(all)
}

/// With length and checksum, so that it can be read.
fn whole(name: &str, short_id: u32) -> Result<Vec<u8>> {
    let mut out = tbf(name, short_id);
    let (len, header) = (out.len() as u32, u16::from_le_bytes([out[2], out[3]]));
    out[4..8].copy_from_slice(&len.to_le_bytes());
    let words = out[..header.into()].chunks_exact(4);
    let sum = words.fold(0, |sum, w| {
        sum ^ u32::from_le_bytes([w[0], w[1], w[2], w[3]])
    });
    out[12..16].copy_from_slice(&sum.to_le_bytes());
    Ok(out)
}

/// Boots all binaries on a kernel and compares what it says of each.
fn judged(kernel: &Path, board: usize) -> Result<()> {
    let map = paths::map()?;
    let scratch = Scratch::new("credentials")?;
    let file = FlashFile::create(&scratch.path().join("flash.bin"), &map)?;
    let secure = paths::build().join("secure_signed.bin");
    flash::install(&file, "s-primary", &secure)?;
    flash::install(&file, "ns-primary", kernel)?;
    let (all, mut at) = (binaries()?, 0);
    for binary in &all {
        file.write("flash-pool", at, &binary.bytes)?;
        at += binary.bytes.len() as u32;
    }
    let guests = Guests {
        short_ids: all.iter().map(|b| b.short_id).collect(),
        key_user: None,
    };
    provision::write_with(&file, &map, &Identity::offline("credentials"), &guests)?;
    let device = start(&file, None)?;
    for binary in &all {
        let fate = binary.fate.get(board).context("no such board")?;
        let of_it = |l: &str| {
            let loaded = l.starts_with("kernel: process ") || l.starts_with("kernel: not loaded: ");
            loaded && l.contains(&format!(" {} ", binary.name))
        };
        let (_, line) = device
            .console
            .wait_from(0, LIMIT, of_it, &binary.name)
            .map_err(|e| anyhow!("{e:#}"))?;
        let (start, end) = fate.says(&binary.name, binary.short_id);
        ensure!(
            line.text.starts_with(&start) && line.text.ends_with(&end),
            "`{}`, not `{start}…{end}`",
            line.text
        );
    }
    Ok(())
}

fn of_each_kind() -> Result<()> {
    judged(&paths::build().join("kernel_signed.bin"), 0)
}

/// The kernels of these cases, built with as little as will do.
fn kernel_of(scheduler: &str) -> Result<PathBuf> {
    let features = match scheduler {
        "priority" => "device,scheduler-priority,require-credentials,fault-panic",
        "cooperative" => "device,scheduler-cooperative,fault-stop",
        _ => "device,scheduler-mlfq,fault-threshold",
    };
    let name = format!("kernel-{scheduler}");
    kernel_with(&paths::map()?, features, &name)
}

fn required() -> Result<()> {
    judged(&kernel_of("priority")?, 1)?;
    runs("priority")
}

fn cooperative() -> Result<()> {
    runs("cooperative")
}

fn mlfq() -> Result<()> {
    runs("mlfq")
}

/// A device with a process that faults at once, beside one that goes on.
fn with_faulty(kernel: &Path) -> Result<(Scratch, Device)> {
    let map = paths::map()?;
    let scratch = Scratch::new("faults")?;
    let file = device_flash(&scratch, &map, kernel, &[HELLO])?;
    hostile::install_guest(&file, &map, FAULTY)?;
    let device = start(&file, None)?;
    Ok((scratch, device))
}

/// What the kernel says of its faults, after these words, one line after the other; then the other
/// process goes on and the process console names its state.
fn ends_faulted(kernel: &Path, lines: &[&str]) -> Result<()> {
    let (_scratch, device) = with_faulty(kernel)?;
    let (console, mut at) = (&device.console, 0);
    for end in lines {
        let what = format!("{FAULTY} faulted: data access outside its memory");
        let matches = |l: &str| l.contains(&what) && l.ends_with(end);
        (at, _) = console.wait_from(at, LIMIT, matches, end)?;
    }
    (at, _) = console.wait_from(at, LIMIT, |l| l.contains("hello: tick"), "a tick")?;
    console.send("list\r")?;
    let row = |l: &str| l.contains(FAULTY) && l.ends_with(" Faulted");
    (at, _) = console.wait_from(at, LIMIT, row, "the row of a faulted process")?;
    console.wait_from(at, LIMIT, |l| l.contains("hello: tick"), "a tick")?;
    let again = |l: &&qemu_harness::Line| l.text.contains(&format!("{FAULTY} faulted: "));
    let faults = console.lines().iter().filter(again).count();
    ensure!(faults == lines.len(), "{faults} faults");
    Ok(())
}

fn fault_stops() -> Result<()> {
    ends_faulted(&kernel_of("cooperative")?, &["; stopped"])
}

fn fault_threshold() -> Result<()> {
    let lives = ["; restarting (1/2) in 0 ms", "; restarting (2/2) in 0 ms"];
    ends_faulted(&kernel_of("mlfq")?, &[lives[0], lives[1], "; stopped"])
}

/// The kernel ends, says why, and the device starts again.
fn fault_panics() -> Result<()> {
    let (_scratch, device) = with_faulty(&kernel_of("priority")?)?;
    let (console, mut at) = (&device.console, 0);
    for what in [
        "kernel: tockstone ",
        "kernel: panic: ",
        &format!("Process {FAULTY} had a fault"),
        "---| App Status |---",
        &format!("{FAULTY}   -   [Faulted]"),
        "kernel: tockstone ",
    ] {
        (at, _) = console.wait_from(at, LIMIT, |l| l.contains(what), what)?;
    }
    Ok(())
}

/// Processes run on this kernel; beside one that never waits, where the scheduler has slices.
fn runs(scheduler: &str) -> Result<()> {
    let (map, kernel) = (paths::map()?, kernel_of(scheduler)?);
    let scratch = Scratch::new("scheduler")?;
    let file = device_flash(&scratch, &map, &kernel, &[HELLO])?;
    if scheduler == "mlfq" {
        hostile::install_guest(&file, &map, "endless_loop")?;
    }
    let (device, said) = (
        start(&file, None)?,
        format!("kernel: scheduler {scheduler}"),
    );
    device.console.wait(&said, LIMIT)?;
    for tick in ["hello: tick 100", "hello: tick 103"] {
        device.console.wait(tick, LIMIT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tock_tbf::parse::{parse_tbf_footer, parse_tbf_header};

    #[test]
    fn the_kernels_parser_reads_what_the_signer_writes() -> Result<()> {
        crate::sign::keys()?;
        let signed = credentialed(&whole("name", 7)?, &Kind::ALL)?;
        let header = usize::from(u16::from_le_bytes([signed[2], signed[3]]));
        let parsed = parse_tbf_header(&signed[..header], 2).map_err(|e| anyhow!("{e:?}"))?;
        ensure!(parsed.length() as usize == signed.len());
        let mut footers: &'static [u8] =
            Vec::leak(signed[parsed.get_binary_end() as usize..].to_vec());
        for number in [3, 4, 5, 1, 2, 6] {
            let (credential, len) = parse_tbf_footer(footers).map_err(|e| anyhow!("{e:?}"))?;
            ensure!(credential.format() as u32 == number);
            footers = &footers[4 + len as usize..];
        }
        Ok(())
    }
}

//! TBFs of which one field is wrong: each is refused by name, or runs as nobody, and the rest runs.
//!
//! Owns the table over the fields of header and footers (`reference/tock.md` §2). An object is made
//! here from nothing: the same one with every field right (`whole`) runs, which is the control; the
//! checksum is made right again behind each wrong field but the checksum's own.

use super::{LIMIT, Verdict, device_flash, others_live, start, start_of, without_prompt};
use crate::system::Scratch;
use anyhow::{Context, Result, anyhow, bail, ensure};
use memory_map::Map;
use qemu_harness::Device;

/// What the kernel makes of an object.
#[derive(Clone, Copy)]
enum End {
    /// The kernel says why, and where: it has no name yet.
    Refused(&'static str),
    /// The kernel says why, by its name.
    Fails(&'static str),
    /// As erased flash, padding or a disabled app: not a word, no process.
    Passed,
    /// It runs, but under no name that is another's.
    Nameless,
    /// It runs.
    Runs,
}

use End::{Fails, Nameless, Passed, Refused, Runs};

/// One object: its id, what is wrong with it, and what comes of it.
type Row = (&'static str, fn(&mut Tbf), End);

/// Rows of one boot: as many as the kernel has slots for, where they get so far.
const BOOTS: [&[Row]; 3] = [&HEADER, &PLACE, &FOOTERS];

const INTERNAL: End = Refused("TbfHeaderParseFailure(InternalError)");
const SHORT: End = Refused("TbfHeaderParseFailure(NotEnoughFlash)");
const MEMORY: End = Fails("NotEnoughMemory");

const fn bad(entry: &'static str) -> End {
    Refused(entry)
}

const HEADER: [Row; 30] = [
    ("version-0", |t| t.version = 0, Passed),
    ("version-3", |t| t.version = 3, Passed),
    ("header-size-0", |t| t.header_size = Some(0), INTERNAL),
    ("header-size-12", |t| t.header_size = Some(12), INTERNAL),
    ("header-size-16", |t| t.header_size = Some(16), Passed),
    ("header-size-odd", |t| t.header_size = Some(41), INTERNAL),
    ("header-size-in-tlv", |t| t.header_size = Some(24), SHORT),
    (
        "header-size-most",
        |t| t.header_size = Some(0xFFFC),
        INTERNAL,
    ),
    ("total-size-0", |t| t.total = 0, Passed),
    ("total-size-8", |t| t.total = 8, INTERNAL),
    (
        "total-size-past-flash",
        |t| t.total = 0x0100_0000,
        Refused("NotEnoughFlash"),
    ),
    (
        "total-size-most",
        |t| t.total = u32::MAX,
        Refused("NotEnoughFlash"),
    ),
    ("flags-disabled", |t| t.flags = 0, Passed),
    (
        "checksum",
        |t| t.checksum = 1,
        Refused("TbfHeaderParseFailure(ChecksumMismatch("),
    ),
    (
        "no-program",
        |t| t.remove(PROGRAM),
        bad("TbfHeaderParseFailure(BadTlvEntry(9))"),
    ),
    (
        "program-length",
        |t| t.cut(PROGRAM, 16),
        bad("TbfHeaderParseFailure(BadTlvEntry(9))"),
    ),
    (
        "main-length",
        |t| t.add(1, &[0; 8]),
        bad("TbfHeaderParseFailure(BadTlvEntry(1))"),
    ),
    ("entry-past-end", |t| t.word(PROGRAM, 0, SIZE), INTERNAL),
    ("entry-most", |t| t.word(PROGRAM, 0, u32::MAX), INTERNAL),
    ("protected-past-end", |t| t.word(PROGRAM, 4, SIZE), INTERNAL),
    ("protected-most", |t| t.word(PROGRAM, 4, u32::MAX), INTERNAL),
    (
        "binary-end-past-end",
        |t| t.word(PROGRAM, 12, SIZE + 1),
        INTERNAL,
    ),
    (
        "binary-end-in-header",
        |t| t.word(PROGRAM, 12, 20),
        INTERNAL,
    ),
    (
        "name-not-text",
        |t| t.replace(NAME, &[0xFF, 0xFE, 0xFF, 0xFE]),
        Refused("TbfHeaderParseFailure(BadProcessName)"),
    ),
    ("tlv-past-header", |t| t.tail = vec![3, 0, 40, 0], SHORT),
    (
        "writeable-length",
        |t| t.add(2, &[0; 12]),
        bad("TbfHeaderParseFailure(BadTlvEntry(2))"),
    ),
    (
        "fixed-length",
        |t| t.add(FIXED, &[0; 4]),
        bad("TbfHeaderParseFailure(BadTlvEntry(5))"),
    ),
    (
        "permissions-cut",
        |t| t.add(6, &[2, 0, 1, 0, 0, 0]),
        bad("TbfHeaderParseFailure(BadTlvEntry(6))"),
    ),
    (
        "short-id-0",
        |t| t.replace(SHORT_ID, &[0; 4]),
        bad("TbfHeaderParseFailure(BadTlvEntry(10))"),
    ),
    (
        "short-id-length",
        |t| t.replace(SHORT_ID, &[1, 0]),
        bad("TbfHeaderParseFailure(BadTlvEntry(10))"),
    ),
];

const PLACE: [Row; 13] = [
    (
        "kernel-version-missing",
        |t| t.remove(KERNEL_VERSION),
        Refused("IncompatibleKernelVersion { version: None }"),
    ),
    (
        "kernel-version-length",
        |t| t.replace(KERNEL_VERSION, &[2, 0]),
        bad("TbfHeaderParseFailure(BadTlvEntry(8))"),
    ),
    (
        "kernel-version-major",
        |t| t.replace(KERNEL_VERSION, &[3, 0, 0, 0]),
        Refused("IncompatibleKernelVersion"),
    ),
    (
        "kernel-version-minor",
        |t| t.replace(KERNEL_VERSION, &[2, 0, 0xFF, 0xFF]),
        Refused("IncompatibleKernelVersion"),
    ),
    (
        "fixed-flash-elsewhere",
        |t| t.fixed(u32::MAX, t.place.flash + 0x4000),
        Refused("IncorrectFlashAddress"),
    ),
    ("ram-most", |t| t.word(PROGRAM, 8, u32::MAX), MEMORY),
    (
        "ram-more-than-is",
        |t| t.word(PROGRAM, 8, t.place.all),
        MEMORY,
    ),
    (
        "fixed-ram-in-kernel",
        |t| t.fixed(t.place.kernel_ram, u32::MAX),
        MEMORY,
    ),
    (
        "fixed-ram-in-other",
        |t| t.fixed(t.place.other_ram, u32::MAX),
        MEMORY,
    ),
    (
        "fixed-ram-secure",
        |t| t.fixed(t.place.secure_ram, u32::MAX),
        MEMORY,
    ),
    (
        "fixed-ram-in-code",
        |t| t.fixed(t.place.code, u32::MAX),
        MEMORY,
    ),
    ("fixed-ram-nowhere", |t| t.fixed(0, u32::MAX), MEMORY),
    (
        "fixed-ram-misaligned",
        |t| t.fixed(t.place.free_ram + 4, u32::MAX),
        Fails("MemoryAddressMismatch"),
    ),
];

const FOOTERS: [Row; 8] = [
    ("footer-none", |t| t.word(PROGRAM, 12, SIZE), Nameless),
    (
        "footer-erased",
        |t| t.room = false,
        Fails("CheckError(CredentialsRejected(0))"),
    ),
    (
        "footer-erased-behind-signature",
        |t| {
            t.footer = footer(CREDENTIALS, ECDSA, &[0x5A; 64]);
            t.room = false;
        },
        Fails("CheckError(CredentialsRejected(1))"),
    ),
    (
        "footer-bad-signature",
        |t| t.footer = footer(CREDENTIALS, ECDSA, &[0x5A; 64]),
        Nameless,
    ),
    (
        "footer-zero-signature",
        |t| t.footer = footer(CREDENTIALS, ECDSA, &[0; 64]),
        Nameless,
    ),
    (
        "footer-unknown-format",
        |t| t.footer = footer(CREDENTIALS, 99, &[0; 64]),
        Nameless,
    ),
    (
        "footer-unknown-type",
        |t| t.footer = footer(129, ECDSA, &[0; 64]),
        Nameless,
    ),
    (
        "footer-cut",
        |t| {
            t.footer = footer(CREDENTIALS, ECDSA, &[0x5A; 64]);
            t.footer[2..4].fill(0xFF);
        },
        Nameless,
    ),
];

/// Type of a footer, and format of an ECDSA-P256 credential.
const CREDENTIALS: u16 = 128;
const ECDSA: u32 = 6;
const PROGRAM: u16 = 9;
const NAME: u16 = 3;
const FIXED: u16 = 5;
const KERNEL_VERSION: u16 = 8;
const SHORT_ID: u16 = 10;
/// Bytes of the pool that `hello` has.
const FIRST_FLASH: u32 = 0x10000;
/// Of an object.
const SIZE: u32 = 0x1000;
/// Of its code and all before it.
const BINARY_END: u32 = 0x800;
/// From one object to the next: a row of the pool.
const ROW: u32 = 0x4000;
/// Of an app of the product that this device does not hold.
const CLAIMED: u32 = 1;

/// movs r0, #1 ; svc 0 ; b to the first: yields for ever.
const CODE: [u8; 6] = [0x01, 0x20, 0x00, 0xDF, 0xFC, 0xE7];

/// Addresses that a header may name.
#[derive(Clone, Copy)]
struct Place {
    /// Where this object lies.
    flash: u32,
    kernel_ram: u32,
    /// RAM of `hello`.
    other_ram: u32,
    secure_ram: u32,
    code: u32,
    free_ram: u32,
    /// Bytes of all processes' RAM.
    all: u32,
}

/// An object in parts.
struct Tbf {
    version: u16,
    header_size: Option<u16>,
    total: u32,
    flags: u32,
    /// Exclusive-ored into the right one.
    checksum: u32,
    tlvs: Vec<(u16, Vec<u8>)>,
    /// Behind the TLVs, inside the header.
    tail: Vec<u8>,
    footer: Vec<u8>,
    /// Behind the footers there is room for more, as elf2tab leaves it.
    room: bool,
    place: Place,
}

impl Tbf {
    fn whole(name: &str, place: Place) -> Self {
        let program = [0, 0, 0x800, BINARY_END, 1];
        Tbf {
            version: 2,
            header_size: None,
            total: SIZE,
            flags: 1,
            checksum: 0,
            tlvs: vec![
                (PROGRAM, words(&program)),
                (NAME, name.as_bytes().to_vec()),
                (SHORT_ID, words(&[CLAIMED])),
                (KERNEL_VERSION, vec![2, 0, 0, 0]),
            ],
            tail: Vec::new(),
            footer: Vec::new(),
            room: true,
            place,
        }
    }

    fn value(&mut self, kind: u16) -> &mut Vec<u8> {
        let found = self.tlvs.iter_mut().find(|(k, _)| *k == kind);
        &mut found.expect("the whole object has it").1
    }

    fn word(&mut self, kind: u16, at: usize, word: u32) {
        self.value(kind)[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    fn cut(&mut self, kind: u16, length: usize) {
        self.value(kind).truncate(length);
    }

    fn replace(&mut self, kind: u16, value: &[u8]) {
        *self.value(kind) = value.to_vec();
    }

    fn remove(&mut self, kind: u16) {
        self.tlvs.retain(|(k, _)| *k != kind);
    }

    fn add(&mut self, kind: u16, value: &[u8]) {
        self.tlvs.push((kind, value.to_vec()));
    }

    fn fixed(&mut self, ram: u32, flash: u32) {
        self.add(FIXED, &words(&[ram, flash]));
    }

    /// As it lies in flash; the entry point is behind the header.
    fn bytes(&self) -> Vec<u8> {
        let mut tlvs = Vec::new();
        for (kind, value) in &self.tlvs {
            tlvs.extend(kind.to_le_bytes());
            tlvs.extend((value.len() as u16).to_le_bytes());
            tlvs.extend(value);
            tlvs.resize(tlvs.len().next_multiple_of(4), 0);
        }
        tlvs.extend(&self.tail);
        let real = 16 + tlvs.len();
        let size = self.header_size.unwrap_or(real as u16);
        let mut out = self.version.to_le_bytes().to_vec();
        out.extend(size.to_le_bytes());
        out.extend(words(&[self.total, self.flags, 0]));
        out.extend(tlvs);
        out.extend(CODE);
        out.resize(BINARY_END as usize, 0);
        out.extend(&self.footer);
        if self.room {
            let left = SIZE as usize - out.len() - 8;
            out.extend(footer(CREDENTIALS, 0, &vec![0xFF; left]));
        }
        out.resize(SIZE as usize, 0xFF);
        let covered = out.get(..usize::from(size)).unwrap_or(&out);
        let sum = covered.as_chunks::<4>().0.iter();
        let sum = sum.fold(self.checksum, |s, w| s ^ u32::from_le_bytes(*w));
        out[12..16].copy_from_slice(&sum.to_le_bytes());
        out
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

fn footer(kind: u16, format: u32, data: &[u8]) -> Vec<u8> {
    let mut out = kind.to_le_bytes().to_vec();
    out.extend((4 + data.len() as u16).to_le_bytes());
    out.extend(words(&[format]));
    out.extend(data);
    out
}

/// Id of a row.
fn id(row: &Row) -> String {
    format!("tbf-{}", row.0)
}

/// Every id, in order.
pub fn ids() -> Vec<String> {
    BOOTS.iter().flat_map(|b| b.iter()).map(id).collect()
}

/// Plays the rows that `wanted` chooses, a table a boot.
pub fn play(map: &Map, wanted: impl Fn(&str) -> bool) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for rows in BOOTS {
        let chosen: Vec<&Row> = rows.iter().filter(|r| wanted(&id(r))).collect();
        if chosen.is_empty() {
            continue;
        }
        match boot(map, &chosen) {
            Ok(all) => verdicts.extend(all),
            Err(e) => verdicts.extend(chosen.iter().map(|row| Verdict {
                name: id(row),
                controls: 0,
                result: Err(anyhow!("{e:#}")),
            })),
        }
    }
    verdicts
}

/// A device with `hello`, these and a whole one behind them.
fn boot(map: &Map, rows: &[&Row]) -> Result<Vec<Verdict>> {
    let scratch = Scratch::new("hostile")?;
    let flash = device_flash(&scratch, map, &[])?;
    let base = |name: &str| map.region(name).map(|r| r.base).map_err(|e| anyhow!(e));
    let pool = base("flash-pool")?;
    let ram = map.region("ram-pool").map_err(|e| anyhow!(e))?;
    let place = |offset: u32| -> Result<Place> {
        Ok(Place {
            flash: pool + offset,
            kernel_ram: base("kernel-ram")?,
            other_ram: ram.base,
            secure_ram: base("spe-ram")?,
            code: base("kernel-exec")?,
            free_ram: ram.base + ram.size / 2,
            all: ram.base + ram.size - base("ram-net-mqtt")?,
        })
    };
    let control: Row = ("whole", |_| (), Runs);
    let mut placed = Vec::new();
    let all = rows.iter().copied().chain([&control]);
    for (offset, row) in (0..).map(|i| FIRST_FLASH + i * ROW).zip(all) {
        let mut object = Tbf::whole(row.0, place(offset)?);
        (row.1)(&mut object);
        flash.write("flash-pool", offset, &object.bytes())?;
        placed.push((row, pool + offset));
    }
    let device = start(&flash)?;
    let whole = "kernel: process * whole";
    let loaded = |l: &str| is_process(l, "whole");
    device
        .console
        .wait_from(0, LIMIT, loaded, whole)
        .with_context(|| start_of(&device))?;
    others_live(&device, &[]).with_context(|| start_of(&device))?;
    let verdict = |(row, address): &(&Row, u32)| Verdict {
        name: id(row),
        controls: 1,
        result: judge(&device, row, *address).with_context(|| start_of(&device)),
    };
    let broken = placed.split_last().map_or(&[][..], |(_, broken)| broken);
    Ok(broken.iter().map(verdict).collect())
}

/// The kernel's line of a process that it made.
fn is_process(line: &str, name: &str) -> bool {
    let mut words = without_prompt(line).split(' ');
    words.by_ref().take(2).eq(["kernel:", "process"])
        && words.nth(1) == Some(name)
        && words.next() == Some("flash")
}

fn judge(device: &Device, row: &Row, address: u32) -> Result<()> {
    let name = row.0;
    let lines = device.console.lines();
    let lines: Vec<&str> = lines.iter().map(|l| without_prompt(&l.text)).collect();
    let refusals: Vec<&&str> = lines
        .iter()
        .filter(|l| {
            l.strip_prefix("kernel: not loaded: ").is_some_and(|l| {
                l.starts_with(&format!("TBF at 0x{address:08x}: "))
                    || l.starts_with(&format!("{name} "))
            })
        })
        .collect();
    let process = lines.iter().find(|l| is_process(l, name));
    let says = |start: &str, why: &str| -> Result<()> {
        ensure!(process.is_none(), "it runs: {process:?}");
        let Some(line) = refusals.iter().find(|l| l.contains(start)) else {
            bail!("the kernel does not name it");
        };
        ensure!(line.contains(why), "`{line}`, not for {why}");
        Ok(())
    };
    match row.2 {
        Refused(why) => says(&format!("TBF at 0x{address:08x}: "), why),
        Fails(why) => says(&format!("not loaded: {name} "), why),
        Passed => {
            ensure!(process.is_none(), "it runs: {process:?}");
            ensure!(refusals.is_empty(), "{refusals:?}");
            Ok(())
        }
        Nameless => {
            let line = process.context("it does not run")?;
            ensure!(line.ends_with(" ShortId Unique"), "as somebody: `{line}`");
            Ok(())
        }
        Runs => process.map(|_| ()).context("it does not run"),
    }
}

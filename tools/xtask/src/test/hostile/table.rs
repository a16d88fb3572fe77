//! The table of planned attacks: what each does, how it must end, which defence it fails against.
//!
//! Owns the attacks that stages make. Those on memory come from the board's map: every region, its
//! first and its last word, read, written and executed.

use super::switches::{Wall, kernel, secure};
use super::walls;
use anyhow::{Result, anyhow};
use hostile::plan::{Base, Entry, NAME, Op};
use kernel::weakened::Defence;
use memory_map::{Map, World};

/// How an attack must end on a device that anybody may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The kernel says `faulted`, for a reason that contains this.
    Fault(&'static str),
    /// The process says this, behind its name.
    Says(&'static str),
}

/// What shows that a defence is what the attack fails against. Switches are bits of [`super::switches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// With these defences off it says `breached`.
    Without(u64),
    /// With these off something else still stops it, and this is how it ends then.
    Doubled(u64, End),
    /// With these off it takes the whole system with it.
    Resets(u64),
    /// There is none, since this.
    None(&'static str),
}

/// One attack.
#[derive(Clone, Debug)]
pub struct Attack {
    /// Its id.
    pub name: String,
    pub op: Op,
    pub base: Base,
    pub offset: u32,
    pub n: u32,
    pub end: End,
    /// Defences that are off to begin with: without them nobody could try.
    pub given: u64,
    pub controls: Vec<Control>,
}

impl Attack {
    /// Whether a process that gets through with it can do nothing more.
    pub fn spoils(&self) -> bool {
        matches!(
            self.op,
            Op::Break | Op::MoveBreak | Op::BreakBelowLent | Op::SelectClient
        )
    }

    /// Whether it needs time counted in instructions, and a record of exceptions.
    pub fn traced(&self) -> bool {
        matches!(
            self.op,
            Op::CallAtSliceEnd | Op::CallAtInterrupt | Op::InterruptSecure | Op::Redirect
        )
    }

    /// As a stage reads it. Where it gets through it leaves behind what it found, so that the next
    /// attack finds the system whole.
    pub fn entry(&self, gets_through: bool) -> Entry {
        let op = match self.op {
            Op::Write if gets_through => Op::WriteBack,
            Op::Execute if gets_through => Op::ExecuteBack,
            Op::SvcAt if gets_through => Op::SvcAtBack,
            Op::PushDown if gets_through => Op::PushDownBack,
            Op::YieldTo if gets_through => Op::YieldToBack,
            op => op,
        };
        let mut name = [0; NAME];
        for (to, byte) in name.iter_mut().zip(self.name.bytes()) {
            *to = byte;
        }
        Entry {
            op: op as u32,
            base: self.base as u32,
            offset: self.offset,
            n: self.n,
            name,
        }
    }
}

/// No memory, or another's: the kernel looks there, and takes the system along.
const NO_MEMORY: Control = Control::Resets(kernel(Defence::Mpu) | kernel(Defence::StackRange));
const FINITE: Control = Control::None("the store is an array: there is no more of it");
const MPU: Control = without(&[Defence::Mpu]);
const RANGE: Control = without(&[Defence::BufferRange]);
const STACK: Control = without(&[Defence::Mpu, Defence::StackRange]);
const BREAK: Control = without(&[Defence::BreakRange]);
/// Behind the break's own bounds every other check asks for the break: a process whose break is not
/// where its memory is loses stack and buffers, unless those checks are off, too.
const LOST: Control = without(&[
    Defence::BreakRange,
    Defence::Mpu,
    Defence::StackRange,
    Defence::BufferRange,
]);
const PRIVILEGE: Control = without(&[Defence::Unprivileged]);
pub const ANY_FAULT: End = End::Fault("");

const fn without(defences: &[Defence]) -> Control {
    let mut bits = 0;
    let mut i = 0;
    while i < defences.len() {
        bits |= kernel(defences[i]);
        i += 1;
    }
    Control::Without(bits)
}

/// Of the fuzzed calls.
pub const SEED: u32 = 0x5EED;

/// Every attack on this board; `first_word` is what lies first in the pool of flash.
///
/// # Errors
/// Names a region that the map lacks.
pub fn attacks(map: &Map, first_word: u32, long: bool) -> Result<Vec<Attack>> {
    let mut all = memory(map, first_word);
    all.extend(own());
    all.extend(core(map)?);
    all.extend(calls(map, long)?);
    all.extend(flash(map, first_word)?);
    all.extend(walls::attacks(map, long)?);
    Ok(all)
}

/// Flash that is not a writeable region of the attacker's own, through the driver that writes such.
fn flash(map: &Map, first_word: u32) -> Result<Vec<Attack>> {
    let base = |name: &str| map.region(name).map(|r| r.base).map_err(|e| anyhow!(e));
    let abs = Base::Absolute;
    let off = kernel(Defence::WriteableFlash);
    let through = Control::Without(off);
    // Behind it the journal knows which pages are apps' at all.
    let pages = Control::Doubled(off, End::Says("refused later 1"));
    let attacks = [
        ("other-app", abs, base("flash-pool")?, first_word, through),
        ("product-app", abs, base("flash-net-mqtt")?, 0, pages),
        ("attributes", abs, base("kernel-attributes")?, 0, pages),
        ("kernel-code", abs, base("kernel-exec")?, 0, pages),
        ("journal", abs, base("state-journal")?, 0, pages),
        ("own-ram", Base::Buffer, 0, 0, pages),
        ("secure-slot", abs, base("s-primary")?, 0, pages),
        ("zero", abs, 0, 0, pages),
        ("wraps", abs, 0u32.wrapping_sub(2), 0, pages),
    ];
    let attack = |(place, base, offset, n, control)| Attack {
        n,
        ..attack(
            &format!("app-flash-{place}"),
            Op::WriteFlash,
            base,
            offset,
            End::Says("refused "),
            control,
        )
    };
    Ok(attacks.into_iter().map(attack).collect())
}

/// A word's first address, by its name in ids.
pub const EDGES: [(&str, bool); 2] = [("first", false), ("last", true)];
pub const WAYS: [(&str, Op); 3] = [
    ("read", Op::Read),
    ("write", Op::Write),
    ("run", Op::Execute),
];

pub fn attack(name: &str, op: Op, base: Base, offset: u32, end: End, control: Control) -> Attack {
    Attack {
        name: name.to_owned(),
        op,
        base,
        offset,
        n: 0,
        end,
        given: 0,
        controls: vec![control],
    }
}

/// Every non-secure region of the map.
fn memory(map: &Map, first_word: u32) -> Vec<Attack> {
    let mut all = Vec::new();
    for (region, r) in map.region.iter().filter(|(_, r)| r.world == World::NS) {
        for (edge, last) in EDGES {
            let address = if last { r.base + (r.size - 4) } else { r.base };
            for (way, op) in WAYS {
                let name = format!("{way}-{region}-{edge}");
                let mut a = attack(&name, op, Base::Absolute, address, ANY_FAULT, MPU);
                if region == "flash-pool" && !last {
                    a.n = first_word;
                }
                all.push(a);
            }
        }
    }
    all
}

/// Powers of two, from the size of a stage's RAM.
const STRIDES: std::ops::Range<u32> = 14..32;

/// What is the process's own, and yet not for it.
fn own() -> Vec<Attack> {
    let mpu_hidden = [
        ("grant-first", Base::Grants, 0),
        ("block-last", Base::RamEnd, 0u32.wrapping_sub(4)),
        ("past-break", Base::Break, 0),
    ];
    let mut all = Vec::new();
    for (place, base, offset) in mpu_hidden {
        all.push(attack(
            &format!("read-own-{place}"),
            Op::Read,
            base,
            offset,
            ANY_FAULT,
            MPU,
        ));
        all.push(attack(
            &format!("write-own-{place}"),
            Op::Write,
            base,
            offset,
            ANY_FAULT,
            MPU,
        ));
        all.push(attack(
            &format!("run-own-{place}"),
            Op::Execute,
            base,
            offset,
            ANY_FAULT,
            MPU,
        ));
    }
    // The whole address space in strides, from its own RAM's end on.
    let edges = Control::None("the edges of regions have theirs");
    for k in STRIDES {
        for (way, op) in WAYS {
            let name = format!("{way}-stride-{k}");
            all.push(attack(&name, op, Base::RamStart, 1 << k, ANY_FAULT, edges));
        }
    }
    let flash = without(&[Defence::FlashReadOnly]);
    let ram = without(&[Defence::RamNeverExecuted]);
    let below = 0u32.wrapping_sub(4);
    all.extend([
        attack(
            "write-own-flash-last",
            Op::Write,
            Base::FlashEnd,
            below,
            ANY_FAULT,
            flash,
        ),
        attack(
            "write-own-header",
            Op::Write,
            Base::FlashStart,
            0,
            ANY_FAULT,
            flash,
        ),
        attack(
            "run-own-buffer",
            Op::ExecuteOwn,
            Base::Buffer,
            0,
            ANY_FAULT,
            ram,
        ),
        attack(
            "read-below-own-flash",
            Op::Read,
            Base::FlashStart,
            below,
            ANY_FAULT,
            MPU,
        ),
        attack(
            "read-past-own-flash",
            Op::Read,
            Base::FlashEnd,
            0,
            ANY_FAULT,
            MPU,
        ),
        attack(
            "read-below-own-ram",
            Op::Read,
            Base::RamStart,
            below,
            ANY_FAULT,
            MPU,
        ),
        attack(
            "read-past-own-ram",
            Op::Read,
            Base::RamEnd,
            0,
            ANY_FAULT,
            MPU,
        ),
        attack(
            "read-returned-memory",
            Op::ReadReturned,
            Base::Absolute,
            0,
            ANY_FAULT,
            MPU,
        ),
    ]);
    all
}

/// Instructions of 32 ns in a slice of 10 ms.
const SLICE: u32 = 312_500;
/// Instructions before its end from which to call: the kernel's way to the process is less.
const SLICE_SWEEP: u32 = 2500;
/// Instructions around an interrupt: the kernel's way through a call and back is less.
const INTERRUPT_SWEEP: u32 = 3000;
/// Signatures with an interrupt somewhere.
const SIGNATURES: u32 = 40;

/// A return to secure code.
const FNC_RETURN: u32 = 0xFEFF_FFFF;

/// Stack, exception returns, special registers, coprocessors, system registers.
fn core(map: &Map) -> Result<Vec<Attack>> {
    let base = |name: &str| map.region(name).map(|r| r.base).map_err(|e| anyhow!(e));
    let at = |name: &str, base, offset, control| {
        attack(name, Op::SvcAt, base, offset, ANY_FAULT, control)
    };
    let abs = Base::Absolute;
    let mut all = vec![
        attack(
            "stack-overflow",
            Op::PushDown,
            Base::RamStart,
            0u32.wrapping_sub(64),
            ANY_FAULT,
            MPU,
        ),
        at("svc-at-kernel-ram", abs, base("kernel-ram")? + 64, STACK),
        at("svc-at-other-ram", abs, base("ram-pool")? + 64, STACK),
        at("svc-past-break", Base::Break, 64, STACK),
        at("svc-at-own-grant", Base::Grants, 32, STACK),
        at("svc-half-below-own-ram", Base::RamStart, 16, STACK),
        at("svc-at-own-flash", Base::FlashEnd, 0, STACK),
        at("svc-at-zero", abs, 0, NO_MEMORY),
        at("svc-at-top", abs, 0xFFFF_FFF8, NO_MEMORY),
    ];
    let thread = Control::None("thread mode has no exception to return from");
    for value in [
        0xFFFF_FFB0u32,
        0xFFFF_FFB8,
        0xFFFF_FFBC,
        0xFFFF_FFF1,
        0xFFFF_FFF9,
        0xFFFF_FFFD,
        0xFFFF_FFE9,
        0xFEFF_FFFE,
        0xFEFF_FFFF,
    ] {
        for (way, op) in [("lr", Op::ReturnByLr), ("pc", Op::ReturnByPc)] {
            let mut a = attack(
                &format!("return-{way}-{value:08x}"),
                op,
                abs,
                0,
                ANY_FAULT,
                thread,
            );
            a.n = value;
            if value >> 1 == FNC_RETURN >> 1 {
                // The secure stack that it would return by is sealed.
                a.controls = vec![Control::Resets(secure(Wall::StackSeal))];
            }
            all.push(a);
        }
    }
    let coprocessor = Control::Doubled(kernel(Defence::Coprocessor), ANY_FAULT);
    let unprivileged = End::Says("refused unprivileged");
    all.extend([
        attack("floating-point", Op::Float, abs, 0, ANY_FAULT, coprocessor),
        attack("vector", Op::Vector, abs, 0, ANY_FAULT, coprocessor),
        attack(
            "undefined",
            Op::Undefined,
            abs,
            0,
            ANY_FAULT,
            Control::None("it is undefined"),
        ),
        attack("take-over", Op::TakeOver, abs, 0, unprivileged, PRIVILEGE),
        attack(
            "main-stack",
            Op::MainStack,
            abs,
            0,
            End::Says("refused"),
            PRIVILEGE,
        ),
    ]);
    for (name, n, op, control) in [
        ("privileged-after-calls", 1500, Op::Privilege, PRIVILEGE),
        (
            "privileged-after-slice",
            40_000,
            Op::PrivilegeSpin,
            without(&[Defence::InterruptReturn]),
        ),
    ] {
        let mut a = attack(name, op, abs, 0, unprivileged, control);
        a.n = n;
        all.push(a);
    }
    for (name, offset, n, op, control) in [
        (
            "call-at-slice-end",
            SLICE,
            SLICE_SWEEP,
            Op::CallAtSliceEnd,
            without(&[Defence::SliceFloor, Defence::InterruptReturn]),
        ),
        (
            "call-at-interrupt",
            0,
            INTERRUPT_SWEEP,
            Op::CallAtInterrupt,
            without(&[Defence::InterruptReturn]),
        ),
        (
            "interrupt-in-secure",
            0,
            SIGNATURES,
            Op::InterruptSecure,
            // The kernel is the caller, and EXC_RETURN.SPSEL its own; where a process is, see
            // `interrupt-in-own-secure-call`.
            Control::Doubled(kernel(Defence::SecureReturn), unprivileged),
        ),
    ] {
        let mut a = attack(name, op, abs, offset, unprivileged, control);
        a.n = n;
        if op == Op::CallAtSliceEnd {
            // Where slices have no floor, handlers still return as they came.
            let floor = kernel(Defence::SliceFloor);
            a.controls.push(Control::Doubled(floor, unprivileged));
        }
        all.push(a);
    }
    let nothing = Control::None("no register there");
    for (name, address, control) in [
        ("ppb-first", 0xE000_0000, nothing),
        ("ppb-systick", 0xE000_E010, PRIVILEGE),
        ("ppb-vtor", 0xE000_ED08, PRIVILEGE),
        ("ppb-mpu", 0xE000_ED94, PRIVILEGE),
        ("ppb-other-world", 0xE002_ED94, nothing),
        ("ppb-last", 0xE00F_FFFC, nothing),
        ("device-first", 0x4000_0000, nothing),
        ("device-last", 0x4FFF_FFFC, nothing),
    ] {
        for (way, op) in WAYS {
            let control = if op == Op::Read { control } else { nothing };
            all.push(attack(
                &format!("{way}-{name}"),
                op,
                abs,
                address,
                ANY_FAULT,
                control,
            ));
        }
    }
    Ok(all)
}

/// What it asks of the kernel.
fn calls(map: &Map, long: bool) -> Result<Vec<Attack>> {
    let base = |name: &str| map.region(name).map(|r| r.base).map_err(|e| anyhow!(e));
    let abs = Base::Absolute;
    let refused = End::Says("refused ");
    let with = |name: &str, op, base, offset, n, control| Attack {
        n,
        ..attack(name, op, base, offset, refused, control)
    };
    let last = 0u32.wrapping_sub(4);
    let no_driver = Control::None("the driver takes none: it is refused behind the check, too");
    let mut all = Vec::new();
    for (place, base, offset, n) in [
        ("kernel-ram", abs, base("kernel-ram")?, 16),
        ("kernel-code", abs, base("kernel-exec")?, 16),
        ("other-ram", abs, base("ram-pool")?, 16),
        ("secure-ram", abs, base("spe-ram")?, 16),
        ("device", abs, 0x4000_0000, 16),
        ("zero", abs, 0, 4),
        ("own-grant", Base::Grants, 0, 16),
        ("past-break", Base::Break, 0, 16),
        ("below-own-ram", Base::RamStart, last, 16),
        ("over-break", Base::Break, last, 64),
        ("everything", Base::RamStart, 0, u32::MAX),
        ("wraps-to-zero", Base::Buffer, 0, 0u32.wrapping_sub(16)),
        ("wraps-at-top", abs, last, 8),
    ] {
        all.push(with(
            &format!("allow-ro-{place}"),
            Op::AllowRo,
            base,
            offset,
            n,
            RANGE,
        ));
        all.push(with(
            &format!("allow-rw-{place}"),
            Op::AllowRw,
            base,
            offset,
            n,
            RANGE,
        ));
        let name = format!("readable-{place}");
        all.push(with(&name, Op::AllowReadable, base, offset, n, no_driver));
    }
    all.push(with(
        "allow-rw-own-flash",
        Op::AllowRw,
        Base::FlashStart,
        0,
        16,
        RANGE,
    ));
    all.push(with(
        "allow-ro-past-own-flash",
        Op::AllowRo,
        Base::FlashEnd,
        last,
        8,
        RANGE,
    ));
    let upcall = without(&[Defence::UpcallRange]);
    for (place, base, offset) in [
        ("kernel-code", abs, base("kernel-exec")? + 0x401),
        ("secure-code", abs, base("spe-exec")? + 0x401),
        ("veneer", abs, base("veneers")? | 1),
        ("other-flash", abs, base("flash-pool")? + 1),
        ("own-grant", Base::Grants, 1),
        ("exception-return", abs, 0xFFFF_FFB8),
        ("top", abs, 0xFFFF_FFFF),
    ] {
        all.push(with(
            &format!("subscribe-{place}"),
            Op::Subscribe,
            base,
            offset,
            0,
            upcall,
        ));
    }
    all.extend([
        with(
            "yield-to-kernel-ram",
            Op::YieldTo,
            abs,
            base("kernel-ram")?,
            0,
            without(&[Defence::BufferRange, Defence::Mpu]),
        ),
        with(
            "yield-to-own-grant",
            Op::YieldTo,
            Base::Grants,
            0,
            0,
            without(&[Defence::BufferRange, Defence::Mpu]),
        ),
        with(
            "yield-to-own-flash",
            Op::YieldTo,
            Base::FlashStart,
            0,
            0,
            without(&[Defence::BufferRange, Defence::FlashReadOnly]),
        ),
        with("break-over-grants", Op::Break, Base::Grants, 32, 0, BREAK),
        with("break-at-block-end", Op::Break, Base::RamEnd, 0, 0, BREAK),
        with(
            "break-in-kernel-ram",
            Op::Break,
            abs,
            base("kernel-ram")?,
            0,
            LOST,
        ),
        with(
            "break-below-own-ram",
            Op::Break,
            Base::RamStart,
            last,
            0,
            LOST,
        ),
        with("break-below-lent", Op::BreakBelowLent, abs, 0, 0, LOST),
        with(
            "break-by-most",
            Op::MoveBreak,
            abs,
            0,
            i32::MAX as u32,
            LOST,
        ),
        with(
            "break-by-least",
            Op::MoveBreak,
            abs,
            0,
            i32::MIN as u32,
            Control::None("it would wrap, which no bound is asked about"),
        ),
        with("exhaust-grants", Op::Exhaust, abs, 0, 0, FINITE),
    ]);
    let kernel_only = Control::None("the kernel holds no pointer to a buffer that was taken back");
    let alive = End::Says("alive ");
    let calls = if long { 1_000_000 } else { 100_000 };
    for (name, op, offset, n, control) in [
        ("buffer-taken-back", Op::TakeBack, 0, 0, kernel_only),
        ("buffer-exchanged", Op::Exchange, 0, 0, kernel_only),
        ("upcall-flood", Op::Flood, 0, 64, FINITE),
        (
            "ipc-notify-all",
            Op::NotifyAll,
            0,
            2000,
            Control::None("anybody may notify anybody: it costs a place in a queue"),
        ),
        (
            "fuzz-calls",
            Op::Fuzz,
            SEED,
            calls,
            Control::None("the single attacks have theirs"),
        ),
    ] {
        all.push(Attack {
            n,
            ..attack(name, op, abs, offset, alive, control)
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit() {
        let map = Map::parse(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../boards/mps3-an547/memory.toml"
        )))
        .unwrap();
        let all = attacks(&map, 0, false).unwrap();
        let mut names: Vec<_> = all.iter().map(|a| &a.name).collect();
        assert!(names.iter().all(|n| n.len() <= NAME), "{names:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}

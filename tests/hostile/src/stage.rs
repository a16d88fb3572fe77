//! A stage: makes the attacks of its plan one after the other.
//!
//! Owns how each is made. A fault ends a life; the kernel starts the process again, up to four
//! lives, and the count of attacks begun, which the secure world stores, says where to go on. An
//! attack begins with `control-ok` when the same code works where it may.

use crate::memory;
use crate::plan::{Base, ENTRIES, Entry, MAGIC, Op, Plan};
use crate::{attack, call_works, keys, say};
use libtock::alarm::{Alarm, Milliseconds};
use libtock::platform::Syscalls;
use libtock::psa::Psa;
use libtock::runtime::{TockSyscalls, forge};
use psa_client::Status;
use psa_client::crypto;
use psa_client::storage::{its, ps};

/// Filled in by the harness.
#[used]
static PLAN: Plan = Plan {
    magic: MAGIC,
    entries: [Entry::END; ENTRIES],
};

/// Where the count of attacks begun is stored.
const BEGUN: u64 = 0x57A6;
/// Where a secret is.
const SECRET: u64 = 0x5EC2;

const YIELD: u8 = 0;
const SUBSCRIBE: u8 = 1;
const COMMAND: u8 = 2;
const ALLOW_RW: u8 = 3;
const ALLOW_RO: u8 = 4;
const MEMOP: u8 = 5;
const ALLOW_READABLE: u8 = 7;
const CONSOLE: u32 = 1;
const ALARM: u32 = 0;
const RNG: u32 = 0x40001;
const APP_FLASH: u32 = 0x50000;
const IPC: u32 = 0x10000;
/// Most slots of a board.
const PROCESSES: u32 = 10;
/// First of the variants that mean success.
const SUCCESS: u32 = 128;

/// movs r0, #42 ; bx lr
const CODE: u32 = 0x4770_202A;
/// What a flood's upcalls count.
static UPCALLS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// The main function of a stage.
pub fn main() {
    let psa = Psa::new();
    loop {
        let mut begun = [0; 4];
        let counted = its::get(&psa, BEGUN, 0, &mut begun);
        let begun = match counted {
            Ok(_) => u32::from_le_bytes(begun),
            Err(_) => 0,
        };
        let Some(entry) = entry(begun as usize) else {
            return;
        };
        // Who has no name stores nothing, and makes one attack.
        let nobody = counted == Err(Status::NOT_SUPPORTED);
        let count = its::set(&psa, BEGUN, &(begun + 1).to_le_bytes(), 0);
        if let Err(e) = count
            && !nobody
        {
            return say(entry.name(), format_args!("cannot count: {e}"));
        }
        let Some(op) = Op::of(entry.op).filter(|op| *op != Op::End) else {
            return;
        };
        let Some(base) = Base::of(entry.base) else {
            return;
        };
        let mut buffer = [0u32; 16];
        let a = address(base, &mut buffer).wrapping_add(entry.offset as usize);
        make(op, a, &entry);
        core::hint::black_box(&mut buffer);
        if nobody {
            return;
        }
    }
}

/// The plan's entry, read anew from flash: the compiler knows the one that it linked.
fn entry(i: usize) -> Option<Entry> {
    let at = (&raw const *PLAN.entries.get(i)?) as usize;
    let word = |n: usize| attack::read(at + 4 * n);
    let mut entry = Entry {
        op: word(0),
        base: word(1),
        offset: word(2),
        n: word(3),
        ..Entry::END
    };
    for (i, to) in entry.name.chunks_exact_mut(4).enumerate() {
        to.copy_from_slice(&word(4 + i).to_le_bytes());
    }
    Some(entry)
}

fn memop(operation: u32, argument: u32) -> [u32; 4] {
    svc(MEMOP, [operation, argument, 0, 0])
}

fn svc(class: u8, registers: [u32; 4]) -> [u32; 4] {
    attack::svc(class, registers).map_or([0; 4], |a| a.registers)
}

fn address(base: Base, buffer: &mut [u32; 16]) -> usize {
    let query = |op| memop(op, 0)[1] as usize;
    match base {
        Base::Absolute => 0,
        Base::RamStart => query(2),
        Base::RamEnd => query(3),
        Base::FlashStart => query(4),
        Base::FlashEnd => query(5),
        Base::Grants => query(6),
        Base::Break => (query(1) + 31) & !31,
        Base::Buffer => buffer.as_mut_ptr() as usize,
        Base::Code => callee as *const () as usize & !1,
    }
}

extern "C" fn callee() {
    UPCALLS.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
}

fn make(op: Op, a: usize, entry: &Entry) {
    let (name, n) = (entry.name(), entry.n);
    let control = |works: bool| {
        if works {
            say(name, format_args!("control-ok"));
        } else {
            say(name, format_args!("the control failed"));
        }
    };
    let mut own = 0x5AFE_u32;
    let own_at = &raw mut own as usize;
    let breached = |what: &str, value: u32| {
        say(name, format_args!("breached {what} {a:#010x} {value:#x}"));
    };
    match op {
        Op::End => {}
        Op::Read => {
            control(attack::read(own_at) == 0x5AFE);
            breached("read", attack::read(a));
        }
        Op::ReadDevice => {
            control(attack::read(own_at) == 0x5AFE);
            match attack::read(a) {
                // What a peripheral controller gives who may not.
                0 => say(name, format_args!("refused reads zero")),
                word => breached("read", word),
            }
        }
        Op::Write => {
            attack::write(own_at, 0xDEAD);
            control(attack::read(own_at) == 0xDEAD);
            attack::write(a, n);
            breached("written", n);
        }
        Op::Execute => {
            control(call_works());
            breached("returned", attack::call(a | 1, [0; 4]));
        }
        Op::ExecuteOwn => {
            control(call_works());
            attack::write(a, CODE);
            breached("returned", attack::call(a | 1, [0; 4]));
        }
        Op::WriteBack => {
            let before = attack::read(a);
            attack::write(a, !before);
            let came = attack::read(a) == !before;
            attack::write(a, before);
            if came {
                breached("written", !before);
            }
        }
        Op::ExecuteBack => {
            let answer = keeping::<1, _>(a, || {
                attack::write(a, CODE);
                attack::call(a | 1, [0; 4])
            });
            if answer == 42 {
                breached("returned", answer);
            }
        }
        Op::SvcAtBack => {
            let frame = a.wrapping_sub(4 * FRAME);
            keeping::<FRAME, _>(frame, || forge::svc_at(a));
            breached("called from", 0);
        }
        Op::PushDownBack => {
            // The last push may go so far below.
            let lowest = a.wrapping_sub(16);
            keeping::<PUSHED, _>(lowest, || forge::push_down_to(a));
            breached("pushed down to", 0);
        }
        Op::SvcAt => {
            let mut stack = [0u64; 32];
            forge::svc_at(&raw mut stack as usize + 128);
            control(core::hint::black_box(&mut stack).iter().any(|w| *w != 0));
            forge::svc_at(a);
            breached("called from", 0);
        }
        Op::PushDown => {
            forge::push_down_to(own_at - 256);
            control(true);
            forge::push_down_to(a);
            breached("pushed down to", 0);
        }
        Op::ReturnByLr => {
            control(call_works());
            forge::return_by_lr(n);
            breached("returned", n);
        }
        Op::ReturnByPc => {
            control(call_works());
            forge::return_by_pc(n);
            breached("returned", n);
        }
        Op::Float => {
            control(true);
            forge::floating_point();
            breached("executed", 0);
        }
        Op::Vector => {
            control(true);
            forge::vector();
            breached("executed", 0);
        }
        Op::Undefined => {
            control(true);
            forge::undefined();
            breached("executed", 0);
        }
        Op::TakeOver => {
            control(true);
            forge::take_over();
            unprivileged(name);
        }
        Op::MainStack => {
            control(true);
            match forge::main_stack() {
                0 => say(name, format_args!("refused")),
                sp => breached("main stack", sp),
            }
        }
        Op::AllowRo | Op::AllowRw | Op::AllowReadable => {
            let (class, driver, number) = match op {
                Op::AllowRo => (ALLOW_RO, CONSOLE, 1),
                Op::AllowRw => (ALLOW_RW, CONSOLE, 1),
                _ => (ALLOW_READABLE, ALARM, 0),
            };
            if op != Op::AllowReadable {
                let lent = svc(class, [driver, number, own_at as u32, 4]);
                control(lent[0] >= SUCCESS);
            } else {
                // No driver here takes one: the range must be refused before the driver is asked.
                control(true);
            }
            let answer = svc(class, [driver, number, a as u32, n]);
            svc(class, [driver, number, 0, 0]);
            answered(name, a, answer);
        }
        Op::WriteFlash => {
            let word = n;
            let lent = svc(ALLOW_RO, [APP_FLASH, 0, &raw const word as u32, 4]);
            control(lent[0] >= SUCCESS);
            let answer = svc(COMMAND, [APP_FLASH, 1, a as u32, 0]);
            if answer[0] < SUCCESS {
                answered(name, a, answer);
            } else {
                // Yield-WaitFor.
                match svc(YIELD, [2, APP_FLASH, 0, 0])[0] {
                    0 => breached("written", n),
                    status => say(name, format_args!("refused later {status}")),
                }
            }
            svc(ALLOW_RO, [APP_FLASH, 0, 0, 0]);
            core::hint::black_box(&word);
        }
        Op::Subscribe => {
            let own = callee as *const () as u32;
            control(svc(SUBSCRIBE, [ALARM, 0, own, 0])[0] >= SUCCESS);
            let answer = svc(SUBSCRIBE, [ALARM, 0, a as u32, 0]);
            svc(SUBSCRIBE, [ALARM, 0, 0, 0]);
            answered(name, a, answer);
        }
        Op::YieldTo => {
            svc(YIELD, [0, own_at as u32, 0, 0]);
            control(attack::read_byte(own_at) <= 1);
            svc(YIELD, [0, a as u32, 0, 0]);
            // It may not look; `hello` and the kernel tell whether they lost something.
            say(name, format_args!("refused alive"));
        }
        Op::YieldToBack => {
            const MARK: u8 = 0xA5;
            let before = attack::read_byte(a);
            attack::write_byte(a, MARK);
            svc(YIELD, [0, a as u32, 0, 0]);
            let after = attack::read_byte(a);
            attack::write_byte(a, before);
            if after != MARK {
                breached("written", after.into());
            }
        }
        Op::Break => {
            control(memop(1, 0)[0] >= SUCCESS);
            let answer = memop(0, a as u32);
            answered(name, a, answer);
        }
        Op::MoveBreak => {
            control(memop(1, 0)[0] >= SUCCESS);
            let answer = memop(1, n);
            answered(name, a, answer);
        }
        Op::BreakBelowLent => {
            let lent = svc(ALLOW_RW, [CONSOLE, 1, own_at as u32, 4]);
            control(lent[0] >= SUCCESS);
            let answer = memop(0, own_at as u32 & !31);
            svc(ALLOW_RW, [CONSOLE, 1, 0, 0]);
            answered(name, own_at, answer);
        }
        Op::Privilege => {
            control(forge::control() & 1 == 1);
            let psa = Psa::new();
            let start = now();
            while passed(start) < n {
                let mut random = [0; 16];
                let _ = psa_client::crypto::generate_random(&psa, &mut random);
                if forge::control() & 1 == 0 {
                    return breached("privileged", 0);
                }
                let _ = Alarm::sleep_for(Milliseconds(1));
                if forge::control() & 1 == 0 {
                    return breached("privileged", 1);
                }
                for _ in 0..64 {
                    svc(COMMAND, [ALARM, 0, 0, 0]);
                    if forge::control() & 1 == 0 {
                        return breached("privileged", 2);
                    }
                }
            }
            unprivileged(name);
        }
        Op::PrivilegeSpin => {
            control(forge::control() & 1 == 1);
            // Longer than several slices, whatever the clock: it must not call to look at one.
            for _ in 0..n.saturating_mul(1000) {
                if forge::control() & 1 == 0 {
                    return breached("privileged", 0);
                }
            }
            unprivileged(name);
        }
        Op::TakeBack | Op::Exchange => fill(name, op == Op::Exchange),
        Op::Flood => {
            let own = callee as *const () as u32;
            control(svc(SUBSCRIBE, [ALARM, 0, own, 0])[0] >= SUCCESS);
            // Other attacks of this life had some.
            UPCALLS.store(0, core::sync::atomic::Ordering::Relaxed);
            for _ in 0..n {
                // Command 5: an alarm so many ticks from now. The call after it lets it fire.
                svc(COMMAND, [ALARM, 5, 1, 0]);
                svc(COMMAND, [ALARM, 0, 0, 0]);
                let start = now();
                while passed(start) < 1 {}
            }
            let mut taken = 0u32;
            let mut more = 1u32;
            while more & 0xFF != 0 && taken < 1000 {
                svc(YIELD, [0, &raw mut more as u32, 0, 0]);
                more = attack::read(&raw const more as usize);
                taken += 1;
            }
            svc(SUBSCRIBE, [ALARM, 0, 0, 0]);
            let upcalls = UPCALLS.load(core::sync::atomic::Ordering::Relaxed);
            if upcalls > 16 {
                breached("upcalls queued", upcalls);
            } else {
                say(name, format_args!("alive {upcalls} of {n} upcalls"));
            }
        }
        Op::Exhaust => {
            let own = callee as *const () as u32;
            control(svc(SUBSCRIBE, [RNG, 0, own, 0])[0] >= SUCCESS);
            let mut taken = 0u32;
            for step in [1024, 32] {
                while memop(1, step)[0] >= SUCCESS {
                    taken += step;
                }
            }
            let refused = [0x30007, 0xA0004, 0x90007, 0x10000, ALARM]
                .map(|driver| svc(SUBSCRIBE, [driver, 0, own, 0]))
                .into_iter()
                .filter(|answer| answer[0] < SUCCESS && answer[1] == 9)
                .count();
            let given = memop(1, 0u32.wrapping_sub(taken))[0] >= SUCCESS;
            if refused == 0 {
                breached("no driver ran out of memory", taken);
            } else {
                say(
                    name,
                    format_args!("refused {refused} grants, {taken} taken, back {given}"),
                );
            }
        }
        Op::Fuzz => fuzz(name, entry.offset, n),
        Op::CallAtSliceEnd => {
            control(forge::control() & 1 == 1);
            for step in 0..n {
                // A slice begins when it wakes up.
                let _ = Alarm::sleep_for(Milliseconds(1));
                if !calls_unprivileged(name, entry.offset.saturating_sub(step)) {
                    return;
                }
            }
            unprivileged(name);
        }
        Op::CallAtInterrupt => {
            let own = callee as *const () as u32;
            control(svc(SUBSCRIBE, [ALARM, 0, own, 0])[0] >= SUCCESS);
            for step in 0..n {
                // Command 5: an alarm so many microseconds from now.
                svc(COMMAND, [ALARM, 5, SOON, 0]);
                if !calls_unprivileged(name, 2 + step) {
                    return;
                }
                svc(YIELD, [1, 0, 0, 0]);
            }
            svc(SUBSCRIBE, [ALARM, 0, 0, 0]);
            unprivileged(name);
        }
        Op::InterruptSecure => interrupt_secure(name, n),
        Op::Keep => {
            let kept = its::set(&Psa::new(), SECRET, b"mine", 0);
            control(kept.is_ok());
            say(name, format_args!("alive"));
        }
        Op::Steal => {
            control(call_works());
            let mut last = Err(Status::GENERIC_ERROR);
            for _ in 0..20 {
                let mut secret = [0; 4];
                last = its::get(&Psa::new(), SECRET, 0, &mut secret);
                if last.is_ok() {
                    return breached("secret", u32::from_le_bytes(secret));
                }
                let _ = Alarm::sleep_for(Milliseconds(100));
            }
            say(name, format_args!("refused {last:?}"));
        }
        Op::Claim => {
            control(call_works());
            let mut object = [0; 64];
            match ps::get(&Psa::new(), n.into(), 0, &mut object) {
                Ok(length) => breached("object of bytes", length as u32),
                Err(e) => say(name, format_args!("refused {e}")),
            }
        }
        Op::Veneer
        | Op::VeneerInHandler
        | Op::SelectClient
        | Op::VectorIn
        | Op::VectorOut
        | Op::VectorsAt
        | Op::Redirect
        | Op::SecureCalls
        | Op::FuzzVeneers => crate::border::make(op, a, entry),
        Op::NotifyAll => {
            control(svc(COMMAND, [IPC, 0, 0, 0])[0] >= SUCCESS);
            let mut told = 0u32;
            for _ in 0..n {
                for slot in 0..PROCESSES {
                    for kind in [2, 3] {
                        told += u32::from(svc(COMMAND, [IPC, kind, slot, 0])[0] >= SUCCESS);
                    }
                }
                // It has no function for what it told itself, and does not wait.
                svc(YIELD, [0, 0, 0, 0]);
            }
            say(name, format_args!("alive told {told} times"));
        }
        Op::ReadReturned => {
            let there = memop(1, 0)[1] as usize;
            let taken = memop(1, 1024)[0] >= SUCCESS;
            let inside = (there + 512) & !3;
            attack::write(inside, 0x5AFE);
            control(taken && attack::read(inside) == 0x5AFE);
            memop(1, 0u32.wrapping_sub(1024));
            breached("read", attack::read(inside));
        }
    }
}

/// Words of a frame, and of what is pushed below its own RAM at most.
const FRAME: usize = 8;
const PUSHED: usize = 20;
/// Microseconds: time enough for the kernel's way back, and once through it again.
const SOON: u32 = 60;

/// Does something, and puts back the words at `at`.
fn keeping<const N: usize, R>(at: usize, f: impl FnOnce() -> R) -> R {
    let before: [u32; N] = core::array::from_fn(|i| attack::read(at.wrapping_add(4 * i)));
    let result = f();
    for (i, word) in before.into_iter().enumerate() {
        attack::write(at.wrapping_add(4 * i), word);
    }
    result
}

/// Calls after so many instructions; whether it was answered, and left unprivileged.
fn calls_unprivileged(name: &str, instructions: u32) -> bool {
    let (answer, control) = forge::call_after((instructions / 2).max(1), instructions & 1 == 1);
    if control & 1 == 0 {
        say(
            name,
            format_args!("breached privileged after {instructions}"),
        );
    } else if answer != SUCCESS {
        say(
            name,
            format_args!("breached the call after {instructions} was lost"),
        );
    }
    control & 1 == 1 && answer == SUCCESS
}

/// Signs while an alarm comes, a bit later each time.
fn interrupt_secure(name: &str, times: u32) {
    let psa = Psa::new();
    let key = match crypto::generate_key(&psa, &keys::signing()) {
        Ok(key) => key,
        Err(e) => return say(name, format_args!("no key: {e}")),
    };
    let own = callee as *const () as u32;
    let ready = keys::signs(&psa, key).is_ok() && svc(SUBSCRIBE, [ALARM, 0, own, 0])[0] >= SUCCESS;
    if ready {
        say(name, format_args!("control-ok"));
    }
    for step in 0..times {
        svc(COMMAND, [ALARM, 5, 200 + 150 * step, 0]);
        let signed = keys::signs(&psa, key);
        if forge::control() & 1 == 0 {
            return say(name, format_args!("breached privileged after {step}"));
        }
        if let Err(e) = signed {
            return say(name, format_args!("breached signature {step} lost: {e}"));
        }
        svc(YIELD, [0, 0, 0, 0]);
    }
    svc(SUBSCRIBE, [ALARM, 0, 0, 0]);
    let _ = crypto::destroy_key(&psa, key);
    unprivileged(name);
}

/// What the kernel answered to something that it should refuse.
fn answered(name: &str, a: usize, answer: [u32; 4]) {
    let [variant, code, ..] = answer;
    if variant >= SUCCESS {
        say(name, format_args!("breached accepted {a:#010x}"));
    } else {
        say(name, format_args!("refused {a:#010x} code {code}"));
    }
}

/// Says whether the process is what it should be, by reading what only the kernel may.
fn unprivileged(name: &str) {
    match forge::control() & 1 {
        1 => say(name, format_args!("refused unprivileged")),
        _ => {
            let word = attack::read(memory::KERNEL_RAM_BASE as usize);
            say(name, format_args!("breached kernel RAM holds {word:#x}"));
        }
    }
}

fn now() -> u32 {
    Alarm::get_ticks().unwrap_or(0)
}

/// Milliseconds since then.
fn passed(start: u32) -> u32 {
    let per_ms = Alarm::get_frequency().map_or(1, |f| (f.0 / 1000).max(1));
    now().wrapping_sub(start) / per_ms
}

/// Asks for random bytes, and takes the buffer away, or puts another in its place, at once.
fn fill(name: &str, exchange: bool) {
    const LENGTH: u32 = 64;
    let (mut first, mut second) = ([0u32; 16], [0u32; 16]);
    let (a, b) = (&raw mut first as usize, &raw mut second as usize);
    let zero = |at: usize| (0..16).all(|i| attack::read(at + 4 * i) == 0);
    svc(SUBSCRIBE, [RNG, 0, callee as *const () as u32, 0]);
    svc(ALLOW_RW, [RNG, 0, a as u32, LENGTH]);
    svc(COMMAND, [RNG, 1, LENGTH, 0]);
    let _ = Alarm::sleep_for(Milliseconds(100));
    if zero(a) {
        return say(name, format_args!("the control failed"));
    }
    say(name, format_args!("control-ok"));
    for round in 0..50u32 {
        for i in 0..16 {
            attack::write(a + 4 * i, 0);
            attack::write(b + 4 * i, 0);
        }
        svc(ALLOW_RW, [RNG, 0, a as u32, LENGTH]);
        svc(COMMAND, [RNG, 1, LENGTH, 0]);
        for _ in 0..round {
            core::hint::spin_loop();
        }
        if exchange {
            svc(ALLOW_RW, [RNG, 0, b as u32, LENGTH / 2]);
        } else {
            svc(ALLOW_RW, [RNG, 0, 0, 0]);
        }
        // What was written before is no matter; from here on nothing may be.
        for i in 0..16 {
            attack::write(a + 4 * i, 0);
        }
        let _ = Alarm::sleep_for(Milliseconds(2));
        let behind = (8..16).any(|i| attack::read(b + 4 * i) != 0);
        if !zero(a) || behind || (!exchange && !zero(b)) {
            return say(
                name,
                format_args!("breached written after it was taken back"),
            );
        }
    }
    svc(ALLOW_RW, [RNG, 0, 0, 0]);
    svc(SUBSCRIBE, [RNG, 0, 0, 0]);
    say(name, format_args!("alive 50 rounds"));
}

/// Calls with registers that are random, or just so: edges of memory, small numbers.
fn fuzz(name: &str, seed: u32, count: u32) {
    say(name, format_args!("control-ok"));
    let mut state = seed.max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut scratch = [0u32; 64];
    let scratch_at = &raw mut scratch as u32;
    let ram = (memop(2, 0)[1], memop(3, 0)[1]);
    let flash = (memop(4, 0)[1], memop(5, 0)[1]);
    let edges = [
        memory::KERNEL_RAM_BASE,
        memory::KERNEL_EXEC_BASE,
        memory::SPE_RAM_BASE,
        memory::RAM_POOL_BASE,
        ram.1,
        u32::MAX - 3,
        0xE000_ED94,
        scratch_at,
    ];
    let drivers = [
        ALARM, CONSOLE, 2, RNG, 0x30007, 0x90007, 0xA0004, 0x10000, 0xA0000, 0xA0001, 0xA0002,
    ];
    let (mut accepted, mut made) = (0u32, 0u32);
    // FNV-1a of every call made, so that two runs can be compared.
    let mut digest = 0xCBF2_9CE4_8422_2325_u64;
    while made < count {
        let mut r = [0u32; 4];
        for word in &mut r {
            let dice = next();
            *word = match dice & 7 {
                0 | 1 => next() & 15,
                2 | 3 => edges.get((dice >> 8) as usize % 8).copied().unwrap_or(0),
                4 => 1 << (dice >> 8 & 31),
                _ => next(),
            };
        }
        let class = [YIELD, 1, 2, 2, 2, 3, 4, 5, 7]
            .get(next() as usize % 9)
            .copied()
            .unwrap_or(2);
        if class != YIELD && class != MEMOP && next() & 3 != 0 {
            r[0] = drivers.get(next() as usize % 11).copied().unwrap_or(0);
        }
        // What a process may do to itself is not the question.
        let own = |p: u32| {
            (p >= ram.0 && p < ram.1 && !(p >= scratch_at && p < scratch_at + 256))
                || (p >= flash.0 && p < flash.1)
        };
        let harmless = match class {
            YIELD => r[0] == 0 && !own(r[1]),
            SUBSCRIBE => r[2] == 0 || !(own(r[2]) || r[2] == scratch_at),
            ALLOW_RW | ALLOW_READABLE => !own(r[2]) && (r[2] != scratch_at || r[3] <= 256),
            // Lines of the console are the others', too.
            COMMAND => !(r[0] == CONSOLE || r[0] == 8),
            MEMOP => r[0] > 1,
            _ => true,
        };
        if !harmless {
            continue;
        }
        made += 1;
        for word in [class.into()].into_iter().chain(r) {
            digest = (digest ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        let Some(answer) = attack::svc(class, r) else {
            continue;
        };
        if answer.saved_changed != 0 || forge::control() & 1 == 0 {
            return say(
                name,
                format_args!("breached class {class} {r:x?} changed registers"),
            );
        }
        accepted += u32::from(answer.registers[0] >= SUCCESS);
    }
    TockSyscalls::unallow_ro(1, 1);
    core::hint::black_box(&mut scratch);
    say(
        name,
        format_args!("alive {made} calls, {accepted} accepted, digest {digest:016x}"),
    );
}

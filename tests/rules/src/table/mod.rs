//! The table: the words in which rules are written, and all rules in order.

mod allow;
mod command;
mod exit;
mod memop;
mod subscribe;
mod upcalls;
mod yields;

use crate::{Rule, Step, Want, Word};

const fn count() -> usize {
    let mut n = 0;
    let mut i = 0;
    while i < PARTS.len() {
        n += PARTS[i].len();
        i += 1;
    }
    n
}

const PARTS: [&[Rule]; 7] = [
    command::RULES,
    subscribe::RULES,
    upcalls::RULES,
    yields::RULES,
    allow::RULES,
    memop::RULES,
    exit::RULES,
];

const ALL: [Rule; count()] = {
    let mut all = [Rule { id: "", steps: &[] }; count()];
    let (mut n, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut i = 0;
        while i < PARTS[part].len() {
            all[n] = PARTS[part][i];
            n += 1;
            i += 1;
        }
        part += 1;
    }
    all
};

/// All rules.
pub static RULES: [Rule; count()] = ALL;

// ---- words

const fn n(value: u32) -> Word {
    Word::Value(value)
}
const NULL: Word = n(0);
const F0: Word = Word::Function(0);
const F1: Word = Word::Function(1);

// ---- what a call answers

const KEPT: [Want; 4] = [Want::Kept; 4];
/// After an upcall every register of the C ABI may have changed.
const ANY: [Want; 4] = [Want::Any; 4];

const fn is(value: u32) -> Want {
    Want::Is(n(value))
}
const OK: [Want; 4] = [is(128), Want::Kept, Want::Kept, Want::Kept];
const fn ok1(a: Word) -> [Want; 4] {
    [is(129), Want::Is(a), Want::Kept, Want::Kept]
}
const fn ok2(a: Word, b: Word) -> [Want; 4] {
    [is(130), Want::Is(a), Want::Is(b), Want::Kept]
}
const fn ok3(a: u32, b: u32, c: u32) -> [Want; 4] {
    [is(132), is(a), is(b), is(c)]
}
const fn failed(error: u32) -> [Want; 4] {
    [is(0), is(error), Want::Kept, Want::Kept]
}
/// The failure of subscribe and allow: what was passed comes back.
const fn refused(error: u32) -> [Want; 4] {
    [is(2), is(error), Want::Kept, Want::Kept]
}

const FAIL: u32 = 1;
const BUSY: u32 = 2;
const INVAL: u32 = 6;
const NOMEM: u32 = 9;
const NOSUPPORT: u32 = 10;
const NODEVICE: u32 = 11;

// ---- calls

const fn svc(class: u8, args: [Word; 4], want: [Want; 4]) -> Step {
    Step::Svc { class, args, want }
}
/// Yields carry marks in the registers that they do not use.
const fn no_wait(flag: Word, want: [Want; 4]) -> Step {
    svc(0, [n(0), flag, n(0xA2), n(0xA3)], want)
}
const fn wait() -> Step {
    svc(0, [n(1), n(0xA1), n(0xA2), n(0xA3)], ANY)
}
const fn wait_for(upcall: u32, a: u32) -> Step {
    let want = [is(a), is(a + 1), is(a + 2), Want::Kept];
    let driver = n(crate::numbers::DRIVER);
    svc(0, [n(2), driver, n(upcall), n(0xA3)], want)
}
const fn subscribe_to(driver: u32, upcall: u32, f: Word, data: u32, want: [Want; 4]) -> Step {
    svc(1, [n(driver), n(upcall), f, n(data)], want)
}
const fn subscribe(upcall: u32, f: Word, data: u32, want: [Want; 4]) -> Step {
    subscribe_to(crate::numbers::DRIVER, upcall, f, data, want)
}
const fn command(number: u32, a: u32, b: u32, want: [Want; 4]) -> Step {
    svc(2, [n(crate::numbers::DRIVER), n(number), n(a), n(b)], want)
}
/// Queues an upcall.
const fn event(upcall: u32, a: u32) -> Step {
    command(crate::commands::UPCALL, upcall, a, OK)
}
const fn pending(tasks: u32) -> Step {
    let want = [is(130), is(tasks), Want::Any, Want::Kept];
    command(crate::commands::PENDING, 0, 0, want)
}
const RW: u8 = 3;
const RO: u8 = 4;
const READABLE: u8 = 7;
const fn allow(class: u8, number: u32, at: Word, len: Word, want: [Want; 4]) -> Step {
    svc(class, [n(crate::numbers::DRIVER), n(number), at, len], want)
}
const fn memop(op: u32, arg: Word, want: [Want; 4]) -> Step {
    svc(5, [n(op), arg, n(0xA2), n(0xA3)], want)
}
const fn sbrk(delta: i32, want: [Want; 4]) -> Step {
    memop(1, n(delta as u32), want)
}
/// The registers of an upcall.
const fn ran(function: u32, a: u32, data: u32) -> [Word; 5] {
    [n(function), n(a), n(a + 1), n(a + 2), n(data)]
}

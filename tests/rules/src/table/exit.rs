//! Class 6, and classes that there are not: what ends a life, and what the next one begins with.

use super::*;
use crate::commands::*;

const FIRST: [Want; 4] = ok2(NULL, NULL);
const NONE_GIVEN: u32 = !0;
const MARKED: Step = command(MARK, 0, 0, OK);
const REVIVED: Step = command(REVIVE, 0, 0, OK);

const fn exit(which: u32, code: u32) -> Step {
    Step::Dies {
        class: 6,
        args: [n(which), n(code), n(0), n(0)],
    }
}
/// Since the mark: another identifier, one more start, this code.
const fn since(code: u32) -> Step {
    command(SINCE, 0, 0, ok3(1, 1, code))
}
const fn restarts(code: u32) -> [Step; 3] {
    [MARKED, exit(1, code), since(code)]
}
const fn terminates(code: u32) -> [Step; 4] {
    [MARKED, REVIVED, exit(0, code), since(code)]
}
const fn faults(class: u8) -> [Step; 3] {
    [
        MARKED,
        Step::Dies {
            class,
            args: [n(0); 4],
        },
        since(NONE_GIVEN),
    ]
}

macro_rules! rules {
    ($($id:literal: $steps:expr),* $(,)?) => { &[$(Rule { id: $id, steps: &$steps }),*] };
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules![
    "exit-2-is-refused": [svc(6, [n(2), n(0), n(0xA2), n(0xA3)], failed(NOSUPPORT))],
    "exit-all-ones-is-refused": [svc(6, [n(!0), n(0), n(0xA2), n(0xA3)], failed(NOSUPPORT))],
    "exit-restart-is-another-life": restarts(42),
    "exit-restart-keeps-its-code": restarts(0x8000_0001),
    "exit-restart-code-0": restarts(0),
    "exit-terminate-is-the-end": terminates(7),
    "exit-terminate-code-0": terminates(0),
    "exit-restart-again": [MARKED, exit(1, 1), since(1), MARKED, exit(1, 2), since(2)],
    "exit-forgets-upcalls": [
        subscribe(0, F0, 1, FIRST), exit(1, 0), subscribe(0, F0, 1, FIRST),
    ],
    "exit-forgets-buffers": [
        allow(RW, 0, Word::Buffer(0), n(4), FIRST), allow(RO, 0, Word::Buffer(0), n(4), FIRST),
        exit(1, 0),
        allow(RW, 0, Word::Buffer(0), n(4), FIRST), allow(RO, 0, Word::Buffer(0), n(4), FIRST),
    ],
    "exit-forgets-a-readable-buffer": [
        allow(READABLE, 0, Word::Buffer(0), n(4), FIRST), exit(1, 0),
        allow(READABLE, 0, Word::Buffer(0), n(4), FIRST),
    ],
    "exit-forgets-queued-events": [
        subscribe(0, F0, 1, FIRST), event(0, 10), event(1, 20), exit(1, 0), pending(0),
    ],
    "terminate-forgets-queued-events": [
        subscribe(0, F0, 1, FIRST), event(0, 10), event(1, 20), REVIVED, exit(0, 0), pending(0),
    ],
    "exit-returns-memory": [
        memop(0, Word::GrantFloor(0), OK), exit(1, 0), subscribe(0, F0, 1, FIRST),
    ],
    "exit-unbinds-the-break": [
        sbrk(64, ok1(Word::Break(0))), allow(RW, 0, Word::Break(-4), n(4), FIRST), exit(1, 0),
        sbrk(64, ok1(Word::Break(0))), sbrk(-64, ok1(Word::Break(0))),
    ],
    "exit-zeroes-what-is-taken-again": [
        sbrk(64, ok1(Word::Break(0))), Step::Poke(Word::Break(-1), 0x55), exit(1, 0),
        sbrk(64, ok1(Word::Break(0))), Step::Holds(Word::Break(-1), 0),
    ],
    "class-8-faults": faults(8),
    "class-9-faults": faults(9),
    "class-0x7f-faults": faults(0x7f),
    "class-0x80-faults": faults(0x80),
    "class-0xbd-faults": faults(0xbd),
    "class-0xff-faults": faults(0xff),
    "a-fault-forgets-everything": [
        subscribe(0, F0, 1, FIRST), allow(RW, 0, Word::Buffer(0), n(4), FIRST), event(0, 10),
        Step::Dies { class: 0xbd, args: [n(0); 4] },
        pending(0), subscribe(0, F0, 1, FIRST), allow(RW, 0, Word::Buffer(0), n(4), FIRST),
    ],
];

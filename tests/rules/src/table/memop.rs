//! Class 5: the break, and questions about memory.

use super::*;

const END: Word = Word::Break(0);

macro_rules! rules {
    ($($id:literal: $steps:expr),* $(,)?) => { &[$(Rule { id: $id, steps: &$steps }),*] };
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules![
    "brk-where-it-is": [memop(0, END, OK), sbrk(0, ok1(END))],
    "brk-up": [memop(0, Word::Break(64), OK), sbrk(0, ok1(END))],
    "brk-by-one-byte": [
        memop(0, Word::Break(1), OK), Step::Poke(Word::Break(-1), 5), Step::Holds(Word::Break(-1), 5),
        sbrk(-1, ok1(END)),
    ],
    "brk-returns-no-address": [memop(0, Word::Break(32), OK)],
    "brk-to-the-grants": [memop(0, Word::GrantFloor(0), OK), sbrk(0, ok1(END))],
    "brk-into-the-grants": [memop(0, Word::Grants(1), failed(NOMEM))],
    "brk-to-the-end-of-ram": [memop(0, Word::RamEnd(0), failed(NOMEM))],
    "brk-behind-ram": [memop(0, Word::RamEnd(64), failed(NOMEM))],
    "brk-before-ram": [memop(0, Word::RamStart(-1), failed(NOMEM))],
    "brk-0": [memop(0, NULL, failed(NOMEM))],
    "brk-all-ones": [memop(0, Word::Minus(1), failed(NOMEM))],
    "brk-refused-changes-nothing": [
        sbrk(32, ok1(END)), memop(0, Word::RamEnd(0), failed(NOMEM)), sbrk(-32, ok1(END)),
    ],
    "sbrk-0-tells-the-break": [sbrk(0, ok1(END)), sbrk(0, ok1(END))],
    "sbrk-up-returns-the-one-before": [sbrk(96, ok1(END)), sbrk(32, ok1(END))],
    "sbrk-down-returns-the-one-before": [sbrk(96, ok1(END)), sbrk(-64, ok1(END)), sbrk(-32, ok1(END))],
    "sbrk-too-far-up": [sbrk(0x0100_0000, failed(NOMEM))],
    "sbrk-too-far-down": [sbrk(-0x0100_0000, failed(NOMEM))],
    "sbrk-highest": [sbrk(i32::MAX, failed(NOMEM))],
    "sbrk-lowest": [sbrk(i32::MIN, failed(NOMEM))],
    "growth-is-zeroed": [
        sbrk(64, ok1(END)),
        Step::Poke(Word::Break(-1), 0x55), Step::Poke(Word::Break(-33), 0x66), Step::Poke(Word::Break(-64), 0x77),
        sbrk(-64, ok1(END)), sbrk(64, ok1(END)),
        Step::Holds(Word::Break(-1), 0), Step::Holds(Word::Break(-33), 0), Step::Holds(Word::Break(-64), 0),
    ],
    "growth-keeps-what-is-below": [
        sbrk(64, ok1(END)), Step::Poke(Word::Break(-64), 0x77),
        sbrk(-32, ok1(END)), sbrk(32, ok1(END)), Step::Holds(Word::Break(-64), 0x77),
    ],
    "memop-2-ram-start": [memop(2, n(0xA1), [is(129), Want::Is(Word::RamStart(0)), Want::Kept, Want::Kept])],
    "memop-3-ram-end": [memop(3, n(0xA1), ok1(Word::RamEnd(0)))],
    "memop-4-flash-start": [memop(4, n(0xA1), ok1(Word::FlashStart(0)))],
    "memop-5-flash-end": [memop(5, n(0xA1), ok1(Word::FlashEnd(0)))],
    "memop-6-grants": [memop(6, n(0xA1), ok1(Word::Grants(0)))],
    "memop-6-moves-with-a-grant": [
        subscribe(0, F0, 1, ok2(NULL, NULL)), memop(6, n(0xA1), ok1(Word::Grants(0))),
    ],
    "memop-7-no-writeable-regions": [memop(7, n(0xA1), ok1(n(0)))],
    "memop-8-no-such-region": [memop(8, n(0), failed(FAIL))],
    "memop-8-all-ones": [memop(8, n(!0), [is(0), is(FAIL), Want::Kept, Want::Kept])],
    "memop-9-no-such-region": [memop(9, n(0), failed(FAIL))],
    "memop-9-all-ones": [memop(9, n(!0), failed(FAIL))],
    "memop-10-stack": [memop(10, Word::RamStart(64), OK)],
    "memop-10-outside-is-ignored": [memop(10, NULL, OK), memop(10, Word::Minus(1), OK)],
    "memop-11-heap": [memop(11, Word::RamStart(64), OK)],
    "memop-11-outside-is-ignored": [memop(11, NULL, OK), memop(11, Word::RamEnd(0), OK)],
    "memop-12": [memop(12, n(0xA1), failed(NOSUPPORT))],
    "memop-all-ones": [memop(!0, n(0xA1), failed(NOSUPPORT))],
];

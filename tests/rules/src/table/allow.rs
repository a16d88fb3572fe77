//! Classes 3, 4 and 7: ranges, swapping, lengths of zero, overlaps, and what the driver sees.

use super::*;
use crate::commands::*;
use crate::numbers::*;

const FIRST: [Want; 4] = ok2(NULL, NULL);
const BUF: Word = Word::Buffer(0);

const fn accepts(class: u8, at: Word, len: u32) -> [Step; 1] {
    [allow(class, 0, at, n(len), FIRST)]
}
const fn invalid(class: u8, at: Word, len: u32) -> [Step; 1] {
    [allow(class, 0, at, n(len), refused(INVAL))]
}
/// Shared and given back with a length of zero.
const fn swaps(class: u8) -> [Step; 4] {
    [
        allow(class, 0, BUF, n(16), FIRST),
        allow(class, 0, Word::Buffer(32), n(8), ok2(BUF, n(16))),
        allow(class, 0, NULL, n(0), ok2(Word::Buffer(32), n(8))),
        allow(class, 0, BUF, n(1), FIRST),
    ]
}
/// With no length any address will do, and comes back as it was.
const fn empty(class: u8, at: Word) -> [Step; 2] {
    [
        allow(class, 0, at, n(0), FIRST),
        allow(class, 0, BUF, n(1), ok2(at, n(0))),
    ]
}
/// A refusal changes nothing.
const fn keeps(class: u8) -> [Step; 4] {
    [
        allow(class, 0, BUF, n(16), FIRST),
        allow(class, 0, Word::Break(0), n(1), refused(INVAL)),
        allow(class, BUFFERS, Word::Buffer(8), n(1), refused(NOSUPPORT)),
        allow(class, 0, NULL, n(0), ok2(BUF, n(16))),
    ]
}
const fn apart(class: u8) -> [Step; 4] {
    [
        allow(class, 0, BUF, n(16), FIRST),
        allow(class, 1, Word::Buffer(16), n(16), FIRST),
        allow(class, 0, NULL, n(0), ok2(BUF, n(16))),
        allow(class, 1, NULL, n(0), ok2(Word::Buffer(16), n(16))),
    ]
}
const fn to(driver: u32, class: u8, at: Word, want: [Want; 4]) -> Step {
    svc(class, [n(driver), n(0), at, n(16)], want)
}
/// What was shared once can never be given up, not even when it is shared no more.
const fn binds(class: u8) -> [Step; 4] {
    [
        sbrk(64, ok1(Word::Break(0))),
        allow(class, 0, Word::Break(-32), n(32), FIRST),
        allow(class, 0, NULL, n(0), ok2(Word::Break(-32), n(32))),
        sbrk(-4, failed(NOMEM)),
    ]
}
/// Only up to its end.
const fn binds_no_more(class: u8) -> [Step; 4] {
    [
        sbrk(64, ok1(Word::Break(0))),
        allow(class, 0, Word::Break(-64), n(32), FIRST),
        sbrk(-32, ok1(Word::Break(0))),
        sbrk(-4, failed(NOMEM)),
    ]
}
const fn empty_binds_nothing(class: u8) -> [Step; 3] {
    [
        sbrk(64, ok1(Word::Break(0))),
        allow(class, 0, Word::Break(0), n(0), FIRST),
        sbrk(-64, ok1(Word::Break(0))),
    ]
}

macro_rules! rules {
    ($($id:literal: $steps:expr),* $(,)?) => { &[$(Rule { id: $id, steps: &$steps }),*] };
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules![
    "rw-swaps": swaps(RW),
    "rw-numbers-are-apart": apart(RW),
    "rw-refused-keeps-the-buffer": keeps(RW),
    "rw-empty-anywhere": empty(RW, n(0xDEAD_BEEF)),
    "rw-empty-at-all-ones": empty(RW, Word::Minus(1)),
    "rw-empty-in-flash": empty(RW, Word::FlashStart(0)),
    "rw-one-byte-at-ram-start": accepts(RW, Word::RamStart(0), 1),
    "rw-last-byte-below-the-break": accepts(RW, Word::Break(-1), 1),
    "rw-over-the-break": invalid(RW, Word::Break(-1), 2),
    "rw-at-the-break": invalid(RW, Word::Break(0), 1),
    "rw-over-ram-start": invalid(RW, Word::RamStart(-1), 2),
    "rw-before-ram": invalid(RW, Word::RamStart(-1), 1),
    "rw-in-a-grant": invalid(RW, Word::Grants(0), 4),
    "rw-end-of-ram": invalid(RW, Word::RamEnd(-4), 4),
    "rw-behind-ram": invalid(RW, Word::RamEnd(0), 4),
    "rw-flash": invalid(RW, Word::Code(0), 4),
    "rw-address-0": invalid(RW, NULL, 1),
    "rw-wraps": invalid(RW, Word::Minus(1), 2),
    "rw-length-wraps": [svc(RW, [n(DRIVER), n(0), BUF, Word::Minus(1)], refused(INVAL))],
    "rw-length-wraps-to-its-start":
        [svc(RW, [n(DRIVER), n(0), Word::RamStart(16), Word::Minus(16)], refused(INVAL))],
    "rw-misaligned": accepts(RW, Word::Buffer(1), 3),
    "rw-number-that-is-not": [allow(RW, BUFFERS, BUF, n(16), refused(NOSUPPORT))],
    "rw-number-all-ones": [allow(RW, !0, BUF, n(16), refused(NOSUPPORT))],
    "rw-range-is-checked-before-the-number": [allow(RW, BUFFERS, Word::Break(0), n(1), refused(INVAL))],
    "rw-no-driver": [to(MISSING, RW, BUF, refused(NODEVICE))],
    "rw-driver-is-looked-up-before-the-range": [to(MISSING, RW, Word::Break(0), refused(NODEVICE))],
    "rw-driver-without-grant": [to(GRANTLESS, RW, BUF, refused(NOSUPPORT))],
    "rw-no-room-for-the-grant": [memop(0, Word::GrantFloor(0), OK), to(OTHER, RW, BUF, refused(NOMEM))],
    "rw-binds-the-break": binds(RW),
    "rw-binds-the-break-up-to-its-end": binds_no_more(RW),
    "rw-empty-binds-nothing": empty_binds_nothing(RW),
    "rw-driver-sees-nothing-before": [command(SUM_RW, 0, 0, ok2(n(0), n(0)))],
    "rw-driver-sees-no-byte-of-an-empty-one": [
        allow(RW, 0, n(0xDEAD_BEEF), n(0), FIRST), command(SUM_RW, 0, 0, ok2(n(0), n(0))),
        command(FILL_RW, 0, 7, ok1(n(0))),
    ],
    "rw-driver-reads-what-is-there-now": [
        allow(RW, 0, BUF, n(2), FIRST), Step::Poke(Word::Buffer(0), 3), Step::Poke(Word::Buffer(1), 4),
        command(SUM_RW, 0, 0, ok2(n(7), n(2))),
        Step::Poke(Word::Buffer(1), 9), command(SUM_RW, 0, 0, ok2(n(12), n(2))),
    ],
    "rw-driver-writes-the-whole-and-no-more": [
        Step::Poke(Word::Buffer(3), 1), Step::Poke(Word::Buffer(8), 2),
        allow(RW, 0, Word::Buffer(4), n(4), FIRST), command(FILL_RW, 0, 0xAB, ok1(n(4))),
        Step::Holds(Word::Buffer(3), 1), Step::Holds(Word::Buffer(4), 0xAB),
        Step::Holds(Word::Buffer(7), 0xAB), Step::Holds(Word::Buffer(8), 2),
    ],
    "rw-driver-loses-it-with-the-swap": [
        Step::Poke(Word::Buffer(0), 1),
        allow(RW, 0, BUF, n(4), FIRST), allow(RW, 0, NULL, n(0), ok2(BUF, n(4))),
        command(FILL_RW, 0, 0xAB, ok1(n(0))), Step::Holds(Word::Buffer(0), 1),
    ],
    "rw-shrinks": [
        Step::Poke(Word::Buffer(2), 1),
        allow(RW, 0, BUF, n(4), FIRST), allow(RW, 0, BUF, n(2), ok2(BUF, n(4))),
        command(FILL_RW, 0, 0xAB, ok1(n(2))), Step::Holds(Word::Buffer(2), 1),
    ],
    "rw-twice-the-same": [
        allow(RW, 0, BUF, n(8), FIRST), allow(RW, 1, BUF, n(8), FIRST),
        command(FILL_RW, 0, 2, ok1(n(8))), command(SUM_RW, 1, 0, ok2(n(16), n(8))),
    ],
    "rw-overlapping": [
        allow(RW, 0, BUF, n(8), FIRST), allow(RW, 1, Word::Buffer(4), n(8), FIRST),
        command(FILL_RW, 0, 1, ok1(n(8))), command(FILL_RW, 1, 3, ok1(n(8))),
        command(SUM_RW, 0, 0, ok2(n(16), n(8))),
    ],
    "rw-under-ro": [
        allow(RO, 0, Word::Buffer(2), n(4), FIRST), allow(RW, 0, BUF, n(8), FIRST),
        command(FILL_RW, 0, 5, ok1(n(8))), command(SUM_RO, 0, 0, ok2(n(20), n(4))),
    ],
    "rw-lives-through-a-yield": [
        allow(RW, 0, BUF, n(4), FIRST), event(0, 1), wait_for(0, 1), command(FILL_RW, 0, 6, ok1(n(4))),
        Step::Holds(Word::Buffer(3), 6),
    ],
    "ro-swaps": swaps(RO),
    "ro-numbers-are-apart": apart(RO),
    "ro-refused-keeps-the-buffer": keeps(RO),
    "ro-empty-anywhere": empty(RO, n(0xDEAD_BEEF)),
    "ro-empty-at-all-ones": empty(RO, Word::Minus(1)),
    "ro-one-byte-at-ram-start": accepts(RO, Word::RamStart(0), 1),
    "ro-last-byte-below-the-break": accepts(RO, Word::Break(-1), 1),
    "ro-over-the-break": invalid(RO, Word::Break(-1), 2),
    "ro-at-the-break": invalid(RO, Word::Break(0), 1),
    "ro-before-ram": invalid(RO, Word::RamStart(-1), 1),
    "ro-in-a-grant": invalid(RO, Word::Grants(0), 4),
    "ro-end-of-ram": invalid(RO, Word::RamEnd(-4), 4),
    "ro-first-byte-of-code": accepts(RO, Word::Code(0), 1),
    "ro-last-byte-of-flash": accepts(RO, Word::FlashEnd(-1), 1),
    "ro-over-flash-end": invalid(RO, Word::FlashEnd(-1), 2),
    "ro-behind-flash": invalid(RO, Word::FlashEnd(0), 1),
    "ro-header": invalid(RO, Word::FlashStart(0), 4),
    "ro-over-the-protected-region": invalid(RO, Word::Code(-1), 2),
    "ro-wraps": invalid(RO, Word::Minus(1), 2),
    "ro-length-wraps": [svc(RO, [n(DRIVER), n(0), Word::Code(0), Word::Minus(1)], refused(INVAL))],
    "ro-number-that-is-not": [allow(RO, BUFFERS, BUF, n(16), refused(NOSUPPORT))],
    "ro-number-all-ones": [allow(RO, !0, BUF, n(16), refused(NOSUPPORT))],
    "ro-no-driver": [to(MISSING, RO, BUF, refused(NODEVICE))],
    "ro-driver-is-looked-up-before-the-range": [to(MISSING, RO, Word::Break(0), refused(NODEVICE))],
    "ro-driver-without-grant": [to(GRANTLESS, RO, BUF, refused(NOSUPPORT))],
    "ro-no-room-for-the-grant": [memop(0, Word::GrantFloor(0), OK), to(OTHER, RO, BUF, refused(NOMEM))],
    "ro-binds-the-break": binds(RO),
    "ro-binds-the-break-up-to-its-end": binds_no_more(RO),
    "ro-empty-binds-nothing": empty_binds_nothing(RO),
    "ro-in-flash-binds-nothing": [
        sbrk(64, ok1(Word::Break(0))), allow(RO, 0, Word::FlashEnd(-4), n(4), FIRST),
        sbrk(-64, ok1(Word::Break(0))),
    ],
    "ro-driver-sees-nothing-before": [command(SUM_RO, 0, 0, ok2(n(0), n(0)))],
    "ro-driver-sees-no-byte-of-an-empty-one": [
        allow(RO, 0, n(0xDEAD_BEEF), n(0), FIRST), command(SUM_RO, 0, 0, ok2(n(0), n(0))),
    ],
    "ro-driver-reads-what-is-there-now": [
        allow(RO, 0, BUF, n(2), FIRST), Step::Poke(Word::Buffer(0), 3), Step::Poke(Word::Buffer(1), 4),
        command(SUM_RO, 0, 0, ok2(n(7), n(2))),
        Step::Poke(Word::Buffer(1), 9), command(SUM_RO, 0, 0, ok2(n(12), n(2))),
    ],
    "ro-and-rw-numbers-are-apart": [
        allow(RO, 0, BUF, n(4), FIRST), allow(RW, 0, Word::Buffer(8), n(4), FIRST),
        allow(RO, 0, NULL, n(0), ok2(BUF, n(4))), allow(RW, 0, NULL, n(0), ok2(Word::Buffer(8), n(4))),
    ],
    "ro-buffer-that-the-driver-has-not": [command(SUM_RO, BUFFERS, 0, failed(INVAL))],
    "readable-swaps": swaps(READABLE),
    "readable-empty-anywhere": empty(READABLE, n(0xDEAD_BEEF)),
    "readable-over-the-break": invalid(READABLE, Word::Break(-1), 2),
    "readable-before-ram": invalid(READABLE, Word::RamStart(-1), 1),
    "readable-in-a-grant": invalid(READABLE, Word::Grants(0), 4),
    "readable-flash": invalid(READABLE, Word::Code(0), 4),
    "readable-wraps": invalid(READABLE, Word::Minus(1), 2),
    "readable-refused-keeps-the-buffer": [
        allow(READABLE, 0, BUF, n(16), FIRST),
        allow(READABLE, 0, Word::Break(0), n(1), refused(INVAL)),
        allow(READABLE, 1, Word::Buffer(8), n(1), refused(NOSUPPORT)),
        allow(READABLE, 0, NULL, n(0), ok2(BUF, n(16))),
    ],
    "readable-driver-that-takes-none": [to(OTHER, READABLE, BUF, refused(NOSUPPORT))],
    "readable-no-driver": [to(MISSING, READABLE, BUF, refused(NODEVICE))],
    "readable-binds-the-break": binds(READABLE),
    "readable-is-written-while-it-is-read": [
        allow(READABLE, 0, BUF, n(4), FIRST),
        command(FILL_READABLE, 5, 0, ok1(n(4))), Step::Holds(Word::Buffer(3), 5),
        command(FILL_READABLE, 6, 0, ok1(n(4))), Step::Holds(Word::Buffer(0), 6),
    ],
    "readable-and-rw-are-apart": [
        allow(READABLE, 0, BUF, n(4), FIRST), allow(RW, 0, Word::Buffer(8), n(4), FIRST),
        allow(READABLE, 0, NULL, n(0), ok2(BUF, n(4))),
    ],
];

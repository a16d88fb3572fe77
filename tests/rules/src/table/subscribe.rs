//! Class 1: swapping upcalls, which functions may be named, and what becomes of queued events.

use super::*;
use crate::numbers::*;

const FIRST: [Want; 4] = ok2(NULL, NULL);

/// Accepted, and nothing was there before.
const fn accepts(f: Word) -> [Step; 1] {
    [subscribe(0, f, 5, FIRST)]
}
const fn invalid(f: Word) -> [Step; 1] {
    [subscribe(0, f, 5, refused(INVAL))]
}

macro_rules! rules {
    ($($id:literal: $steps:expr),* $(,)?) => { &[$(Rule { id: $id, steps: &$steps }),*] };
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules![
    "subscribe-first-returns-zeros": [subscribe(0, F0, 0xD0, FIRST)],
    "subscribe-returns-the-one-before": [
        subscribe(0, F0, 0xD0, FIRST),
        subscribe(0, F1, 0xD1, ok2(F0, n(0xD0))),
        subscribe(0, F0, 0xD2, ok2(F1, n(0xD1))),
    ],
    "subscribe-null-returns-the-one-before": [
        subscribe(0, F0, 0xD0, FIRST),
        subscribe(0, NULL, 0, ok2(F0, n(0xD0))),
        subscribe(0, F1, 1, FIRST),
    ],
    "subscribe-null-keeps-its-appdata": [
        subscribe(0, NULL, 0xD0, FIRST),
        subscribe(0, F0, 0xD1, ok2(NULL, n(0xD0))),
    ],
    "subscribe-appdata-is-opaque": [
        subscribe(0, F0, !0, FIRST),
        subscribe(0, F0, 0x8000_0000, ok2(F0, n(!0))),
        subscribe(0, F0, 0, ok2(F0, n(0x8000_0000))),
    ],
    "subscribe-numbers-are-apart": [
        subscribe(0, F0, 0xD0, FIRST),
        subscribe(1, F1, 0xD1, FIRST),
        subscribe(0, F1, 0xD2, ok2(F0, n(0xD0))),
    ],
    "subscribe-highest-number": [subscribe(UPCALLS - 1, F0, 1, FIRST)],
    "subscribe-number-that-is-not": [subscribe(UPCALLS, F0, 0xD0, refused(NOSUPPORT))],
    "subscribe-number-all-ones": [subscribe(!0, F0, 0xD0, refused(NOSUPPORT))],
    "subscribe-null-to-a-number-that-is-not": [subscribe(UPCALLS, NULL, 0xD0, refused(NOSUPPORT))],
    "subscribe-no-driver-echoes": [subscribe_to(MISSING, 0, F0, 0xD0, refused(NODEVICE))],
    "subscribe-no-driver-null-echoes": [subscribe_to(MISSING, 0, NULL, 0xD0, refused(NODEVICE))],
    "subscribe-driver-without-grant": [subscribe_to(GRANTLESS, 0, F0, 0xD0, refused(NOSUPPORT))],
    "subscribe-no-room-for-the-grant": [
        memop(0, Word::GrantFloor(0), OK),
        subscribe_to(OTHER, 0, F0, 0xD0, refused(NOMEM)),
    ],
    "function-at-the-first-byte-of-code": accepts(Word::Code(0)),
    "function-with-the-last-four-bytes-of-flash": accepts(Word::FlashEnd(-4)),
    "function-at-ram-start": accepts(Word::RamStart(0)),
    "function-with-the-last-four-bytes-below-the-break": accepts(Word::Break(-4)),
    "function-at-an-odd-address": accepts(Word::Code(1)),
    "function-in-the-header": invalid(Word::FlashStart(0)),
    "function-before-the-code": invalid(Word::Code(-1)),
    "function-before-the-flash": invalid(Word::FlashStart(-4)),
    "function-three-bytes-before-flash-end": invalid(Word::FlashEnd(-3)),
    "function-at-flash-end": invalid(Word::FlashEnd(0)),
    "function-before-ram": invalid(Word::RamStart(-4)),
    "function-three-bytes-below-the-break": invalid(Word::Break(-3)),
    "function-at-the-break": invalid(Word::Break(0)),
    "function-in-a-grant": invalid(Word::Grants(0)),
    "function-at-the-end-of-ram": invalid(Word::RamEnd(-4)),
    "function-1": invalid(n(1)),
    "function-all-ones": invalid(Word::Minus(1)),
    "function-that-wraps": invalid(Word::Minus(3)),
    "function-is-checked-before-the-driver":
        [subscribe_to(MISSING, 0, Word::FlashStart(0), 5, refused(INVAL))],
    "function-is-checked-before-the-number": [subscribe(UPCALLS, n(1), 5, refused(INVAL))],
    "subscribe-refused-keeps-the-upcall": [
        subscribe(0, F0, 0xD0, FIRST),
        subscribe(0, n(1), 5, refused(INVAL)),
        subscribe(0, F1, 0xD1, ok2(F0, n(0xD0))),
    ],
    "subscribe-refused-keeps-queued-events": [
        subscribe(0, F0, 0xD0, FIRST),
        event(0, 10),
        subscribe(0, n(1), 5, refused(INVAL)),
        subscribe(UPCALLS, F0, 5, refused(NOSUPPORT)),
        pending(1),
        wait(),
        Step::Ran(&[ran(0, 10, 0xD0)]),
    ],
    "subscribe-removes-queued-events": [
        subscribe(0, F0, 0xD0, FIRST),
        event(0, 10),
        event(0, 20),
        subscribe(0, F1, 0xD1, ok2(F0, n(0xD0))),
        pending(0),
        event(0, 30),
        wait(),
        Step::Ran(&[ran(1, 30, 0xD1)]),
    ],
    "subscribe-null-removes-queued-events": [
        subscribe(0, F0, 0xD0, FIRST),
        event(0, 10),
        subscribe(0, NULL, 0, ok2(F0, n(0xD0))),
        pending(0),
    ],
    "subscribe-again-the-same-removes-queued-events": [
        subscribe(0, F0, 0xD0, FIRST),
        event(0, 10),
        subscribe(0, F0, 0xD0, ok2(F0, n(0xD0))),
        pending(0),
    ],
    "subscribe-keeps-the-events-of-others": [
        subscribe(0, F0, 0xD0, FIRST),
        subscribe(1, F0, 0xD1, FIRST),
        event(0, 10),
        event(1, 20),
        event(0, 30),
        subscribe(0, F1, 0xD2, ok2(F0, n(0xD0))),
        pending(1),
        wait(),
        Step::Ran(&[ran(0, 20, 0xD1)]),
    ],
    "subscribe-keeps-queued-events-without-a-function": [
        event(0, 10),
        subscribe(0, F0, 0xD0, FIRST),
        pending(1),
        wait_for(0, 10),
        Step::Ran(&[]),
    ],
];

//! Upcalls: their registers, their order, the queue that they wait in.

use super::*;
use crate::commands::*;
use crate::numbers::*;

const FIRST: [Want; 4] = ok2(NULL, NULL);
const LISTEN: Step = subscribe(0, F0, 0xD0, FIRST);
const LISTEN_1: Step = subscribe(1, F1, 0xD1, FIRST);

macro_rules! rules {
    ($($id:literal: $steps:expr),* $(,)?) => { &[$(Rule { id: $id, steps: &$steps }),*] };
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules![
    "upcall-registers": [LISTEN, event(0, 0x1000), wait(), Step::Ran(&[ran(0, 0x1000, 0xD0)])],
    "upcall-appdata-all-ones": [
        subscribe(0, F0, !0, FIRST), event(0, 7), wait(), Step::Ran(&[ran(0, 7, !0)]),
    ],
    "upcall-one-for-each-yield": [
        LISTEN, event(0, 10), event(0, 20),
        wait(), Step::Ran(&[ran(0, 10, 0xD0)]), pending(1),
        wait(), Step::Ran(&[ran(0, 20, 0xD0)]), pending(0),
    ],
    "upcalls-come-in-order": [
        LISTEN, LISTEN_1, event(1, 10), event(0, 20), event(1, 30),
        wait(), wait(), wait(),
        Step::Ran(&[ran(1, 10, 0xD1), ran(0, 20, 0xD0), ran(1, 30, 0xD1)]),
    ],
    "upcall-is-the-function-at-the-time-of-the-event": [
        LISTEN, LISTEN_1, event(1, 10),
        subscribe(0, F1, 0xD2, ok2(F0, n(0xD0))), event(0, 20),
        wait(), wait(), Step::Ran(&[ran(1, 10, 0xD1), ran(1, 20, 0xD2)]),
    ],
    "upcall-of-no-number": [command(UPCALL, UPCALLS, 1, failed(INVAL)), pending(0)],
    "queue-holds-ten": [
        LISTEN, event(0, 10), event(0, 20), event(0, 30), event(0, 40), event(0, 50),
        event(0, 60), event(0, 70), event(0, 80), event(0, 90), event(0, 100),
        pending(10),
        command(UPCALL, 0, 110, failed(BUSY)),
        pending(10),
    ],
    "queue-full-drops-the-new-one": [
        command(MARK, 0, 0, OK),
        LISTEN, event(0, 10), event(0, 20), event(0, 30), event(0, 40), event(0, 50),
        event(0, 60), event(0, 70), event(0, 80), event(0, 90), event(0, 100),
        command(UPCALL, 0, 110, failed(BUSY)),
        command(DROPPED, 0, 0, ok1(n(1))),
        wait(), wait(), wait(), wait(), wait(), wait(), wait(), wait(), wait(), wait(),
        Step::Ran(&[
            ran(0, 10, 0xD0), ran(0, 20, 0xD0), ran(0, 30, 0xD0), ran(0, 40, 0xD0),
            ran(0, 50, 0xD0), ran(0, 60, 0xD0), ran(0, 70, 0xD0), ran(0, 80, 0xD0),
            ran(0, 90, 0xD0), ran(0, 100, 0xD0),
        ]),
        pending(0),
    ],
    "queue-takes-one-again-after-a-yield": [
        LISTEN, event(0, 10), event(0, 20), event(0, 30), event(0, 40), event(0, 50),
        event(0, 60), event(0, 70), event(0, 80), event(0, 90), event(0, 100),
        wait(), event(0, 110), command(UPCALL, 0, 120, failed(BUSY)),
        Step::Ran(&[ran(0, 10, 0xD0)]),
    ],
    "queue-is-shared-by-events-without-a-function": [
        LISTEN, event(1, 10), event(1, 20), event(1, 30), event(1, 40), event(1, 50),
        event(1, 60), event(1, 70), event(1, 80), event(1, 90), event(1, 100),
        pending(10), command(UPCALL, 0, 110, failed(BUSY)),
    ],
    "queue-has-room-after-a-subscribe": [
        LISTEN, event(0, 10), event(0, 20), event(0, 30), event(0, 40), event(0, 50),
        event(0, 60), event(0, 70), event(0, 80), event(0, 90), event(0, 100),
        subscribe(0, F1, 0xD2, ok2(F0, n(0xD0))), event(0, 110),
        wait(), Step::Ran(&[ran(1, 110, 0xD2)]),
    ],
    "driver-takes-its-events-back": [
        LISTEN, LISTEN_1, event(0, 10), event(1, 20), event(0, 30),
        command(CANCEL, 0, 0, ok1(n(2))), pending(1),
        wait(), Step::Ran(&[ran(1, 20, 0xD1)]),
    ],
    "driver-takes-back-no-event-without-a-function": [
        event(0, 10), command(CANCEL, 0, 0, ok1(n(0))), pending(1), wait_for(0, 10),
    ],
];

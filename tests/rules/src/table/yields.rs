//! Class 0: the three yields, and numbers that are none.

use super::*;
use crate::commands::*;
use crate::numbers::*;

const FIRST: [Want; 4] = ok2(NULL, NULL);
const LISTEN: Step = subscribe(0, F0, 0xD0, FIRST);
const LISTEN_1: Step = subscribe(1, F1, 0xD1, FIRST);
const FLAG: Word = Word::Buffer(3);
const fn later(upcall: u32, a: u32) -> Step {
    command(LATER, upcall, a, OK)
}

macro_rules! rules {
    ($($id:literal: $steps:expr),* $(,)?) => { &[$(Rule { id: $id, steps: &$steps }),*] };
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules![
    "no-wait-nothing-queued": [
        Step::Poke(FLAG, 9), no_wait(FLAG, KEPT), Step::Holds(FLAG, 0), Step::Ran(&[]),
    ],
    "no-wait-runs-one": [
        LISTEN, event(0, 10), event(0, 20), Step::Poke(FLAG, 9),
        no_wait(FLAG, ANY), Step::Holds(FLAG, 1), Step::Ran(&[ran(0, 10, 0xD0)]), pending(1),
    ],
    "no-wait-writes-one-byte": [
        Step::Poke(Word::Buffer(2), 9), Step::Poke(Word::Buffer(4), 9),
        no_wait(FLAG, KEPT), Step::Holds(Word::Buffer(2), 9), Step::Holds(Word::Buffer(4), 9),
    ],
    "no-wait-without-a-flag": [no_wait(NULL, KEPT), Step::Ran(&[])],
    "no-wait-without-a-flag-runs-one": [
        LISTEN, event(0, 10), no_wait(NULL, ANY), Step::Ran(&[ran(0, 10, 0xD0)]),
    ],
    "no-wait-flag-below-the-break": [
        sbrk(64, ok1(Word::Break(0))), Step::Poke(Word::Break(-1), 9),
        no_wait(Word::Break(-1), KEPT), Step::Holds(Word::Break(-1), 0),
    ],
    "no-wait-flag-at-the-break": [no_wait(Word::Break(0), KEPT)],
    "no-wait-flag-before-ram": [no_wait(Word::RamStart(-1), KEPT)],
    "no-wait-flag-in-a-grant": [LISTEN, no_wait(Word::Grants(0), KEPT), subscribe(0, F1, 1, ok2(F0, n(0xD0)))],
    "no-wait-flag-in-flash": [no_wait(Word::Code(0), KEPT)],
    "no-wait-flag-all-ones": [no_wait(Word::Minus(1), KEPT)],
    "no-wait-ignores-an-event-without-a-function": [
        event(0, 10), Step::Poke(FLAG, 9), no_wait(FLAG, KEPT), Step::Holds(FLAG, 0), pending(0),
    ],
    "no-wait-runs-what-is-behind-an-event-without-a-function": [
        LISTEN, event(1, 10), event(0, 20), Step::Poke(FLAG, 9),
        no_wait(FLAG, ANY), Step::Holds(FLAG, 1), Step::Ran(&[ran(0, 20, 0xD0)]), pending(0),
    ],
    "wait-runs-what-is-queued": [LISTEN, event(0, 10), wait(), Step::Ran(&[ran(0, 10, 0xD0)])],
    "wait-waits": [LISTEN, later(0, 10), wait(), Step::Ran(&[ran(0, 10, 0xD0)])],
    "wait-goes-on-waiting-after-an-event-without-a-function": [
        LISTEN, event(1, 10), later(0, 20), wait(), Step::Ran(&[ran(0, 20, 0xD0)]), pending(0),
    ],
    "wait-takes-no-event-of-a-function-set-later": [
        event(0, 10), LISTEN, later(0, 20), wait(), Step::Ran(&[ran(0, 20, 0xD0)]),
    ],
    "wait-for-an-event-that-is-queued": [event(0, 10), wait_for(0, 10), pending(0)],
    "wait-for-waits": [later(0, 10), wait_for(0, 10)],
    "wait-for-runs-no-function": [
        LISTEN, event(0, 10), wait_for(0, 10), Step::Ran(&[]), pending(0),
    ],
    "wait-for-later-runs-no-function": [LISTEN, later(0, 10), wait_for(0, 10), Step::Ran(&[])],
    "wait-for-takes-the-oldest": [
        LISTEN, event(0, 10), event(0, 20), wait_for(0, 10), wait_for(0, 20), Step::Ran(&[]),
    ],
    "wait-for-leaves-others-in-order": [
        LISTEN, LISTEN_1, event(0, 10), event(1, 20), event(0, 30),
        wait_for(1, 20), pending(2), wait(), wait(),
        Step::Ran(&[ran(0, 10, 0xD0), ran(0, 30, 0xD0)]),
    ],
    "wait-for-is-not-ended-by-others": [
        LISTEN, event(0, 10), event(2, 15), later(1, 20), wait_for(1, 20),
        wait(), Step::Ran(&[ran(0, 10, 0xD0)]),
    ],
    "wait-for-is-not-lost-to-an-event-behind-it": [
        LISTEN_1, command(LATER_TWO, 0, 20, OK), wait_for(0, 20),
        wait(), Step::Ran(&[ran(1, 120, 0xD1)]),
    ],
    "wait-for-an-event-in-front-of-it": [
        command(LATER_TWO, 0, 20, OK), wait_for(1, 120), wait_for(0, 20), pending(0),
    ],
    "wait-for-two-after-one-another": [later(0, 10), wait_for(0, 10), later(0, 20), wait_for(0, 20)],
    "wait-for-then-wait": [
        LISTEN, event(0, 10), wait_for(0, 10), later(0, 20), wait(), Step::Ran(&[ran(0, 20, 0xD0)]),
    ],
    "wait-for-the-highest-upcall": [event(UPCALLS - 1, 10), wait_for(UPCALLS - 1, 10)],
    "yield-3-returns": [svc(0, [n(3), n(0xA1), n(0xA2), n(0xA3)], KEPT)],
    "yield-3-runs-nothing": [
        LISTEN, event(0, 10), svc(0, [n(3), n(0xA1), n(0xA2), n(0xA3)], KEPT), Step::Ran(&[]), pending(1),
    ],
    "yield-all-ones-returns": [svc(0, [n(!0), n(0xA1), n(0xA2), n(0xA3)], KEPT)],
];

//! Class 2: drivers are found, arguments and every variant of an answer pass through.

use super::*;
use crate::commands::*;
use crate::numbers::*;

const X: u32 = 0x1234_5678;

const fn answer(variant: u32, want: [Want; 4]) -> [Step; 1] {
    [command(ANSWER, variant, X, want)]
}
const fn error(code: u32) -> [Step; 1] {
    [command(ANSWER, 0, code, failed(code))]
}

macro_rules! rules {
    ($($id:literal: $steps:expr),* $(,)?) => { &[$(Rule { id: $id, steps: &$steps }),*] };
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules![
    "command-0-of-a-driver-that-is-there": [command(EXISTS, 0xA2, 0xA3, OK)],
    "command-0-of-a-driver-that-is-not":
        [svc(2, [n(MISSING), n(0), n(0xA2), n(0xA3)], failed(NODEVICE))],
    "command-of-the-highest-driver-number":
        [svc(2, [n(!0), n(0), n(0xA2), n(0xA3)], failed(NODEVICE))],
    "command-any-number-of-no-driver":
        [svc(2, [n(MISSING), n(77), n(0xA2), n(0xA3)], failed(NODEVICE))],
    "command-that-the-driver-does-not-know": [command(9999, 1, 2, failed(NOSUPPORT))],
    "command-of-the-highest-number": [command(!0, 1, 2, failed(NOSUPPORT))],
    "command-arguments-pass-whole":
        [command(ECHO, 0xFFFF_FFFF, 0x8000_0001, ok2(n(0xFFFF_FFFF), n(0x8000_0001)))],
    "command-needs-no-grant":
        [svc(2, [n(GRANTLESS), n(0), n(0xA2), n(0xA3)], OK)],
    "command-runs-no-upcall":
        [subscribe(0, F0, 1, ok2(NULL, NULL)), event(0, 5), command(EXISTS, 0, 0, OK), Step::Ran(&[])],
    "variant-0-failure": [command(ANSWER, 0, 1, failed(FAIL))],
    "variant-1-failure-u32": [command(ANSWER, 1, 3, [is(1), is(3), is(4), Want::Kept])],
    "variant-2-failure-u32-u32": [command(ANSWER, 2, 3, [is(2), is(3), is(4), is(5)])],
    "variant-3-failure-u64": [command(ANSWER, 3, 3, [is(3), is(3), is(4), is(5)])],
    "variant-128-success": answer(128, OK),
    "variant-129-success-u32": answer(129, ok1(n(X))),
    "variant-130-success-u32-u32": answer(130, ok2(n(X), n(X + 1))),
    "variant-131-success-u64": answer(131, [is(131), is(X), is(X + 1), Want::Kept]),
    "variant-132-success-u32-u32-u32": answer(132, ok3(X, X + 1, X + 2)),
    "variant-133-success-u32-u64": answer(133, [is(133), is(X), is(X + 1), is(X + 2)]),
    "error-1-fail": error(1),
    "error-2-busy": error(2),
    "error-3-already": error(3),
    "error-4-off": error(4),
    "error-5-reserve": error(5),
    "error-6-inval": error(6),
    "error-7-size": error(7),
    "error-8-cancel": error(8),
    "error-9-nomem": error(9),
    "error-10-nosupport": error(10),
    "error-11-nodevice": error(11),
    "error-12-uninstalled": error(12),
    "error-13-noack": error(13),
];

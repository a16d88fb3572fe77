//! The rules of the system call interface, as data.
//!
//! Owns the table ([`RULES`]): what a process does by raw `svc`, and what it must see, one entry a
//! rule of TRD104 and of the kernel that apps are written against. Owns no process: a [`Machine`]
//! is one, a fake of `kernel::testing` on a host or a real one on a board, and both play the same
//! table. Each rule begins in a new life of the process (nothing shared, subscribed or queued) and
//! talks to the driver in [`driver`], whose commands are listed in [`commands`].
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "driver")]
pub mod driver;
mod table;

pub use table::RULES;

/// The driver's numbers.
pub mod numbers {
    /// The driver: four upcalls, two read-only and two read-write buffers, one readable by the app.
    pub const DRIVER: u32 = 0xB_0000;
    /// Another, with a grant of its own and nothing else.
    pub const OTHER: u32 = 0xB_0001;
    /// One that never makes a grant.
    pub const GRANTLESS: u32 = 0xB_0002;
    /// None.
    pub const MISSING: u32 = 0xB_0003;
    /// Of a board's kernel: calls of the secure world by the kernel itself.
    pub const SECURE: u32 = 0xB_0004;
    /// Upcalls of [`DRIVER`].
    pub const UPCALLS: u32 = 4;
    /// Buffers of each kind of [`DRIVER`].
    pub const BUFFERS: u32 = 2;
}

/// Commands of [`numbers::DRIVER`].
pub mod commands {
    /// Success.
    pub const EXISTS: u32 = 0;
    /// (variant, x): that variant, with x (as an error code in a failure), x + 1 …
    pub const ANSWER: u32 = 1;
    /// (upcall, x): queues the upcall with x, x + 1, x + 2. BUSY: the queue is full, INVAL: none.
    pub const UPCALL: u32 = 2;
    /// (n): sum of the bytes of read-only buffer n, and its length.
    pub const SUM_RO: u32 = 3;
    /// (n): sum of the bytes of read-write buffer n, and its length.
    pub const SUM_RW: u32 = 4;
    /// (n, byte): fills read-write buffer n; its length.
    pub const FILL_RW: u32 = 5;
    /// (a, b): a, b.
    pub const ECHO: u32 = 6;
    /// (upcall, x): [`UPCALL`], about a millisecond from now.
    pub const LATER: u32 = 7;
    /// (upcall, x): as [`LATER`], and right behind it the next upcall with x + 100.
    pub const LATER_TWO: u32 = 8;
    /// (x): keeps x beyond this life; what it kept before.
    pub const REMEMBER: u32 = 9;
    /// What it keeps.
    pub const RECALL: u32 = 10;
    /// Remembers who calls, and its restarts.
    pub const MARK: u32 = 11;
    /// Since [`MARK`]: another identifier (1, 0), restarts, completion code (!0: none was given).
    pub const SINCE: u32 = 12;
    /// When the caller has ended, it is started again, about a millisecond later.
    pub const REVIVE: u32 = 13;
    /// Tasks queued for the caller, grants that it has.
    pub const PENDING: u32 = 14;
    /// (upcall): takes all its queued calls back; how many.
    pub const CANCEL: u32 = 15;
    /// (byte): fills the buffer that the app may read; its length.
    pub const FILL_READABLE: u32 = 16;
    /// Events lost since [`MARK`].
    pub const DROPPED: u32 = 17;
    /// (slot, x): as [`UPCALL`] of number 0, for the process in that slot.
    pub const HAND: u32 = 18;
    /// Of [`crate::numbers::SECURE`], (n): n calls of the secure world that the service refuses.
    pub const REFUSED: u32 = 1;
    /// Of [`crate::numbers::SECURE`], (n): 64 bytes stored in ITS, read n times, removed.
    pub const GET_64: u32 = 2;
}

/// A word that a process can name.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// This one.
    Value(u32),
    /// So much less than 2^(bits of an address).
    Minus(usize),
    /// In a buffer of 256 bytes, aligned to 32, that nothing else uses.
    Buffer(isize),
    /// From its RAM's start.
    RamStart(isize),
    /// From its break, before the call.
    Break(isize),
    /// From the highest multiple of 32 that is no grant's.
    GrantFloor(isize),
    /// From its lowest grant.
    Grants(isize),
    /// From its RAM's end.
    RamEnd(isize),
    /// From its TBF's start.
    FlashStart(isize),
    /// From the end of its protected region.
    Code(isize),
    /// From its TBF's end.
    FlashEnd(isize),
    /// Upcall function 0 or 1, as it is called.
    Function(u8),
}

/// What a register must hold after a call.
#[derive(Clone, Copy, Debug)]
pub enum Want {
    /// This.
    Is(Word),
    /// What it held before.
    Kept,
    /// Whatever.
    Any,
}

/// What a rule does, one after another.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A call that returns.
    Svc {
        /// The immediate of `svc`.
        class: u8,
        /// r0 to r3.
        args: [Word; 4],
        /// The same afterwards.
        want: [Want; 4],
    },
    /// A call that ends this life; the next steps are the next life's.
    Dies {
        /// The immediate of `svc`.
        class: u8,
        /// r0 to r3.
        args: [Word; 4],
    },
    /// These upcalls ran since the last such step, and no others: function, r0 to r2, appdata.
    Ran(&'static [[Word; 5]]),
    /// Writes a byte of its own.
    Poke(Word, u8),
    /// A byte of its own is this.
    Holds(Word, u8),
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name.
    pub id: &'static str,
    /// What shows it.
    pub steps: &'static [Step],
}

/// What went against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which step of it.
    pub step: usize,
    /// What was wanted; `None`: anything.
    pub want: [Option<u32>; 5],
    /// What came; `None`: nothing.
    pub got: [Option<u32>; 5],
}

/// A process.
pub trait Machine {
    /// Executes `svc class`; r0 to r3 afterwards, `None` when the process did not come back.
    fn svc(&mut self, class: u8, registers: [usize; 4]) -> Option<[u32; 4]>;
    /// Where something is now.
    fn resolve(&mut self, word: Word) -> usize;
    /// The oldest upcall that ran and was not asked for yet: function, r0 to r3.
    fn upcall(&mut self) -> Option<[u32; 5]>;
    /// Reads a byte of the process.
    fn peek(&mut self, address: usize) -> u8;
    /// Writes a byte of the process.
    fn poke(&mut self, address: usize, value: u8);
}

/// Plays rule `number` of [`RULES`] from step `from` on.
///
/// # Errors
/// The first step that did not go as it must.
pub fn play(machine: &mut dyn Machine, number: usize, from: usize) -> Result<(), Failure> {
    let rule = RULES.get(number).map_or(&[][..], |rule| rule.steps);
    for (at, step) in rule.iter().enumerate().skip(from) {
        let fail = |want, got| {
            Err(Failure {
                step: at,
                want,
                got,
            })
        };
        match *step {
            Step::Svc { class, args, want } => {
                let args = args.map(|w| machine.resolve(w));
                let mut wanted = [None; 5];
                for ((to, want), arg) in wanted.iter_mut().zip(want).zip(args) {
                    *to = match want {
                        Want::Is(word) => Some(machine.resolve(word) as u32),
                        Want::Kept => Some(arg as u32),
                        Want::Any => None,
                    };
                }
                let Some(got) = machine.svc(class, args) else {
                    return fail(wanted, [None; 5]);
                };
                let fits = |(want, got): (&Option<u32>, &u32)| want.is_none_or(|w| w == *got);
                if !wanted.iter().zip(&got).all(fits) {
                    return fail(wanted, five(got));
                }
            }
            Step::Dies { class, args } => {
                let args = args.map(|w| machine.resolve(w));
                let next = place(number, at + 1);
                let remember = [numbers::DRIVER, commands::REMEMBER, next, 0];
                machine.svc(2, remember.map(|w| w as usize));
                if let Some(got) = machine.svc(class, args) {
                    return fail([None; 5], five(got));
                }
            }
            Step::Ran(calls) => {
                for call in calls {
                    let mut want = [None; 5];
                    for (to, word) in want.iter_mut().zip(call) {
                        *to = Some(machine.resolve(*word) as u32);
                    }
                    let got = machine.upcall().map_or([None; 5], |c| c.map(Some));
                    if want != got {
                        return fail(want, got);
                    }
                }
                if let Some(more) = machine.upcall() {
                    return fail([None; 5], more.map(Some));
                }
            }
            Step::Poke(word, byte) => {
                let at = machine.resolve(word);
                machine.poke(at, byte);
            }
            Step::Holds(word, byte) => {
                let address = machine.resolve(word);
                let got = machine.peek(address);
                if got != byte {
                    return fail(five([u32::from(byte)]), five([u32::from(got)]));
                }
            }
        }
    }
    Ok(())
}

/// A rule and a step in one word, for [`commands::REMEMBER`]; 0 is rule 0, step 0.
pub const fn place(rule: usize, step: usize) -> u32 {
    (rule as u32) << 8 | step as u32
}

/// The rule and the step of [`place`].
pub const fn of_place(word: u32) -> (usize, usize) {
    ((word >> 8) as usize, (word & 0xff) as usize)
}

fn five<const N: usize>(words: [u32; N]) -> [Option<u32>; 5] {
    let mut out = [None; 5];
    for (to, word) in out.iter_mut().zip(words) {
        *to = Some(word);
    }
    out
}

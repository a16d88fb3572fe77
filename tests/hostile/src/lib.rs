//! Processes that attack: each tries one forbidden thing and says what came of it.
//!
//! Owns the line format, `hostile: <case> <outcome>`. Each binary is one case; `<outcome>` is one of
//! - `control-ok`: the same code on memory (or a key) of its own works, so the attack can work;
//! - `breached …`: the attack went through. A test that sees this fails;
//! - `refused <psa status>`: the service said no;
//! - `alive …`: still running.
//!
//! A memory attack that is caught prints nothing after `control-ok`: the kernel reports the fault.
//! The order of addresses and what they hold is the board's memory map.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt::{self, Write as _};
use libtock::console::Console;

pub use libtock::runtime::attack;

#[cfg(target_os = "none")]
mod border;
pub mod keys;
pub mod plan;
#[cfg(target_os = "none")]
pub mod stage;

/// Addresses of the board's memory map.
#[allow(dead_code)]
pub mod memory {
    include!(concat!(env!("OUT_DIR"), "/memory.rs"));
}

/// A case and its slot, for the harness that loads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Name of the binary and of the process.
    pub name: &'static str,
    /// Where its TBF lies, bytes from the start of the board's flash pool.
    pub flash: u32,
    /// Where its RAM lies, bytes from the start of the board's RAM pool.
    pub ram: u32,
    /// Bytes of the one.
    pub flash_size: u32,
    /// Bytes of the other.
    pub ram_size: u32,
}

// Every case, in flash order: `CASES`; and the stages, which stand where the first of them do:
// `STAGES`. A device holds one or the other.
include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// What `plant_key` holds in its memory: raw, reversed, as hex digits and inside SEC 1 DER.
pub const PLANTED_KEY: [u8; 32] = *b"Tockstone planted key, 32 bytes!";

/// One line on the console, written at once so that no other process's output splits it.
pub fn say(case: &str, outcome: fmt::Arguments<'_>) {
    let mut line = Line::default();
    // Too long a line is cut, which the test's pattern notices.
    let _ = writeln!(line, "hostile: {case} {outcome}");
    let _ = Console::write(line.bytes.get(..line.len).unwrap_or_default());
}

struct Line {
    bytes: [u8; 120],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line {
            bytes: [0; 120],
            len: 0,
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        let to = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        to.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The main function of a case that reads one forbidden word.
pub fn read_case(case: &str, address: usize) {
    let own = 0x5AFE_u32;
    if attack::read(&raw const own as usize) == 0x5AFE {
        say(case, format_args!("control-ok"));
    }
    let word = attack::read(address);
    say(
        case,
        format_args!("breached {address:#010x} holds {word:#010x}"),
    );
}

/// The main function of a case that writes one forbidden word.
pub fn write_case(case: &str, address: usize) {
    let mut own = 1u32;
    attack::write(&raw mut own as usize, 0x5AFE);
    if attack::read(&raw const own as usize) == 0x5AFE {
        say(case, format_args!("control-ok"));
    }
    attack::write(address, 0xDEAD_BEEF);
    say(case, format_args!("breached {address:#010x} written"));
}

/// The control of a case that branches: the same call, to a function that may be called.
#[cfg(target_os = "none")]
pub fn call_control(case: &str) {
    if call_works() {
        say(case, format_args!("control-ok"));
    }
}

/// Whether a call of a function that may be called comes back.
#[cfg(target_os = "none")]
pub fn call_works() -> bool {
    extern "C" fn callee(a: u32, b: u32) -> u32 {
        core::hint::black_box(a + b)
    }
    attack::call(callee as *const () as usize, [40, 2, 0, 0]) == 42
}

//! Plays the table of system call rules by raw `svc`.
//!
//! Owns the lines `rules: <id> ok`, `rules: <id> failed <why>` and, last, `rules: done`. Each rule
//! has a life of its own: what is played is kept by the driver of the rules, and an exit-restart
//! stands between two. A rule in whose middle the process dies unasked is a failed one.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use libtock::console::Console;
use libtock::runtime::attack::{self, RawAnswer};
use libtock::{set_main, stack_size};
use syscall_rules::{Machine, RULES, Word, commands, numbers, of_place, place, play};

set_main! { main }
stack_size! { 0x800 }

/// Of a rule that is being played.
const PLAYING: usize = 0xff;
/// From the TBF's start to the binary (the linker script's).
const PROTECTED: isize = 0x100;
const UPCALLS: usize = 16;

#[repr(align(32))]
struct Buffer {
    _bytes: [AtomicU8; 256],
}
static BUFFER: Buffer = Buffer {
    _bytes: [const { AtomicU8::new(0) }; 256],
};
static CALLS: [[AtomicU32; 5]; UPCALLS] = [const { [const { AtomicU32::new(0) }; 5] }; UPCALLS];
static RAN: AtomicU32 = AtomicU32::new(0);

fn note(words: [u32; 5]) {
    let place = RAN.fetch_add(1, Relaxed) as usize;
    if let Some(call) = CALLS.get(place) {
        for (to, word) in call.iter().zip(words) {
            to.store(word, Relaxed);
        }
    }
}

extern "C" fn first(a: u32, b: u32, c: u32, data: u32) {
    note([0, a, b, c, data]);
}

extern "C" fn second(a: u32, b: u32, c: u32, data: u32) {
    note([1, a, b, c, data]);
}

/// This process.
#[derive(Default)]
struct This {
    asked: usize,
    /// What calls changed that they must keep.
    changed: u32,
}

impl This {
    fn raw(&mut self, class: u8, registers: [u32; 4]) -> Option<[u32; 4]> {
        let ran = RAN.load(Relaxed);
        let RawAnswer {
            registers,
            saved_changed,
            scratch_changed,
        } = attack::svc(class, registers)?;
        self.changed |= saved_changed;
        if RAN.load(Relaxed) == ran {
            self.changed |= scratch_changed;
        }
        Some(registers)
    }

    fn command(&mut self, number: u32, argument: u32) -> u32 {
        let registers = self.raw(2, [numbers::DRIVER, number, argument, 0]);
        registers.map_or(0, |r| r[1])
    }

    /// Empties the queue, in which the console's own event must find room.
    fn drain(&mut self) {
        while self.command(commands::PENDING, 0) > 0 {
            let _ = self.raw(0, [0; 4]);
        }
    }

    /// What memop tells.
    fn memory(&mut self, op: u32) -> usize {
        self.raw(5, [op, 0, 0, 0]).map_or(0, |r| r[1] as usize)
    }
}

impl Machine for This {
    fn svc(&mut self, class: u8, registers: [usize; 4]) -> Option<[u32; 4]> {
        self.raw(class, registers.map(|r| r as u32))
    }

    fn resolve(&mut self, word: Word) -> usize {
        let (base, offset) = match word {
            Word::Value(n) => (n as usize, 0),
            Word::Minus(n) => (0usize.wrapping_sub(n), 0),
            Word::Buffer(o) => ((&raw const BUFFER).addr(), o),
            Word::RamStart(o) => (self.memory(2), o),
            // sbrk(0).
            Word::Break(o) => (self.memory(1), o),
            Word::GrantFloor(o) => (self.memory(6) & !31, o),
            Word::Grants(o) => (self.memory(6), o),
            Word::RamEnd(o) => (self.memory(3), o),
            Word::FlashStart(o) => (self.memory(4), o),
            Word::Code(o) => (self.memory(4), o + PROTECTED),
            Word::FlashEnd(o) => (self.memory(5), o),
            Word::Function(0) => (first as *const () as usize, 0),
            Word::Function(_) => (second as *const () as usize, 0),
        };
        base.wrapping_add_signed(offset)
    }

    fn upcall(&mut self) -> Option<[u32; 5]> {
        if self.asked >= RAN.load(Relaxed) as usize {
            return None;
        }
        let call = CALLS.get(self.asked)?;
        self.asked += 1;
        let mut words = [0; 5];
        for (to, word) in words.iter_mut().zip(call) {
            *to = word.load(Relaxed);
        }
        Some(words)
    }

    fn peek(&mut self, address: usize) -> u8 {
        attack::read_byte(address)
    }

    fn poke(&mut self, address: usize, value: u8) {
        attack::write_byte(address, value);
    }
}

fn main() {
    let mut this = This::default();
    // A null subscription makes the console's grant, before a rule takes all memory.
    let _ = this.raw(1, [1, 1, 0, 0]);
    let (rule, step) = of_place(this.command(commands::RECALL, 0));
    let Some(Some(id)) = RULES.get(rule).map(|r| Some(r.id)) else {
        return say(format_args!("done"));
    };
    if step == PLAYING {
        say(format_args!("{id} failed: the process died of it"));
    } else {
        this.command(commands::REMEMBER, place(rule, PLAYING));
        let played = play(&mut this, rule, step);
        this.drain();
        match played {
            Err(failure) => say(format_args!("{id} failed: {failure:x?}")),
            Ok(()) if this.changed != 0 => {
                say(format_args!(
                    "{id} failed: registers changed, bits {:x}",
                    this.changed
                ));
            }
            Ok(()) => say(format_args!("{id} ok")),
        }
    }
    this.command(commands::REMEMBER, place(rule + 1, 0));
    let _ = this.raw(6, [1, 0, 0, 0]);
}

/// One line on the console, written at once.
fn say(what: fmt::Arguments<'_>) {
    let mut line = Line::default();
    // Too long a line is cut.
    let _ = writeln!(line, "rules: {what}");
    let _ = Console::write(line.bytes.get(..line.len).unwrap_or_default());
}

struct Line {
    bytes: [u8; 400],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line {
            bytes: [0; 400],
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

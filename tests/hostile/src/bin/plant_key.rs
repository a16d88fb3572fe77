//! Holds a known key in its memory in every form that a search for a key looks for.
//!
//! The negative control of the memory-dump test: a search that does not find this key is blind.
#![no_std]
#![no_main]

use core::fmt::Write as _;
use hostile::{PLANTED_KEY, say};
use libtock::alarm::{Alarm, Milliseconds};
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x1000 }

struct Planted {
    raw: [u8; 32],
    reversed: [u8; 32],
    hex: Hex,
    der: [u8; 39],
}

struct Hex {
    text: [u8; 64],
    len: usize,
}

impl core::fmt::Write for Hex {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let end = self.len + s.len();
        self.text
            .get_mut(self.len..end)
            .ok_or(core::fmt::Error)?
            .copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

fn main() {
    let mut planted = Planted {
        raw: PLANTED_KEY,
        reversed: PLANTED_KEY,
        hex: Hex {
            text: [0; 64],
            len: 0,
        },
        der: [0; 39],
    };
    planted.reversed.reverse();
    for byte in PLANTED_KEY {
        let _ = write!(planted.hex, "{byte:02x}");
    }
    // SEC 1 ECPrivateKey: SEQUENCE, version 1, OCTET STRING of 32 bytes.
    let (head, tail) = planted.der.split_at_mut(7);
    head.copy_from_slice(&[0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20]);
    tail.copy_from_slice(&PLANTED_KEY);
    say("plant_key", format_args!("alive"));
    loop {
        // Keeps the bytes where they are for as long as the process lives.
        core::hint::black_box(&planted.raw);
        core::hint::black_box(&planted);
        if Alarm::sleep_for(Milliseconds(60_000)).is_err() {
            return;
        }
    }
}

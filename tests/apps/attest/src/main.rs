//! Answers challenges from the console with attestation tokens.
//!
//! Owns the lines. In: a challenge in hexadecimal digits. Out: `attest: ready`, then for each
//! challenge `attest: token <digits>` as often as the token has pieces of 32 bytes and
//! `attest: done <size told before> <size>`, or `attest: refused <status>`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::fmt;
use libtock::console::Console;
use libtock::psa::Psa;
use libtock::{println, set_main, stack_size};
use psa_client::{Status, attestation};

set_main! { main }
stack_size! { 0x1000 }

/// Longest challenge that is passed on; longer than any that the service takes.
const MAX_CHALLENGE: usize = 96;
const PIECE: usize = 32;

fn main() {
    let psa = Psa::new();
    println!("attest: ready");
    loop {
        let mut challenge = [0; MAX_CHALLENGE];
        let Some(challenge) = read_line(&mut challenge) else {
            println!("attest: no hexadecimal digits");
            continue;
        };
        if let Err(status) = answer(&psa, challenge) {
            println!("attest: refused {}", status.0);
        }
    }
}

fn answer(psa: &Psa, challenge: &[u8]) -> Result<(), Status> {
    let mut token = [0; attestation::MAX_TOKEN_SIZE];
    let size = attestation::get_token(psa, challenge, &mut token)?;
    let told = attestation::get_token_size(psa, challenge.len())?;
    for piece in token.get(..size).unwrap_or_default().chunks(PIECE) {
        println!("attest: token {}", Hex(piece));
    }
    println!("attest: done {told} {size}");
    Ok(())
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A line of digits as bytes; `None` for anything else.
fn read_line(bytes: &mut [u8; MAX_CHALLENGE]) -> Option<&[u8]> {
    let mut digits = 0;
    let mut sound = true;
    loop {
        let mut byte = [0];
        let (read, ended) = Console::read(&mut byte);
        if read == 0 || ended.is_err() {
            return None;
        }
        let [c] = byte;
        match (char::from(c).to_digit(16), bytes.get_mut(digits / 2)) {
            (Some(digit), Some(to)) => {
                *to = *to << 4 | digit as u8;
                digits += 1;
            }
            _ if c == b'\r' => {}
            _ if c == b'\n' => {
                let whole = sound && digits.is_multiple_of(2);
                return bytes.get(..digits / 2).filter(|_| whole);
            }
            _ => sound = false,
        }
    }
}

//! A device without a certificate: its request goes out on the console, the answer comes in.
//!
//! Owns the lines. Out: `net-mqtt: request <digits>` as often as needed, `net-mqtt: request end`;
//! then `net-mqtt: certificate accepted` or `net-mqtt: certificate refused: <why>`. In: the
//! certificate, DER, as hexadecimal digits over any number of lines, ended by a full stop. Each line
//! is answered by `net-mqtt: have <bytes>`: whoever sends waits for it, and makes no line longer
//! than the kernel keeps between two reads (256 characters).
//! What is stored is decided in `identity`: a certificate for our key, once.

use super::print_line;
use alloc::vec::Vec;
use core::fmt;
use libtock::console::Console;
use net_mqtt::identity::{DEVICE, Refused, Token};
use pkcs11::types::CkRv;
use psa_client::Transport;

/// Longest answer, bytes.
const MAX_ANSWER: usize = 4096;
/// Bytes of the request in one line.
const PIECE: usize = 48;

/// Asks until a certificate is stored.
///
/// # Errors
/// Of the token, when it cannot make the key or the request.
pub fn enrol(psa: &dyn Transport, thing: &str) -> Result<(), CkRv> {
    let mut token = Token::open(psa)?;
    let request = token.request(&DEVICE, thing)?;
    loop {
        for piece in request.chunks(PIECE) {
            print_line(format_args!("net-mqtt: request {}", Hex(piece)));
        }
        print_line(format_args!("net-mqtt: request end"));
        let outcome = match read_answer() {
            Some(certificate) => token.accept(&DEVICE, &certificate),
            None => Err(Refused::Malformed),
        };
        match outcome {
            Ok(()) => {
                print_line(format_args!("net-mqtt: certificate accepted"));
                return Ok(());
            }
            Err(why) => print_line(format_args!("net-mqtt: certificate refused: {why}")),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Digits up to the full stop; `None` for anything else, or too many.
fn read_answer() -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut high, mut sound) = (None, true);
    loop {
        let mut byte = [0];
        let (read, ended) = Console::read(&mut byte);
        if read == 0 || ended.is_err() {
            return None;
        }
        let [c] = byte;
        match (char::from(c).to_digit(16), high) {
            (Some(digit), None) => high = Some(digit),
            (Some(digit), Some(first)) => {
                high = None;
                sound &= bytes.len() < MAX_ANSWER;
                if sound {
                    bytes.push((first << 4 | digit) as u8);
                }
            }
            (None, _) if c == b'.' => return (sound && high.is_none()).then_some(bytes),
            (None, _) if c == b'\n' => print_line(format_args!("net-mqtt: have {}", bytes.len())),
            (None, _) if c.is_ascii_whitespace() => {}
            (None, _) => sound = false,
        }
    }
}

//! PEM (RFC 7468) and base64 (RFC 4648), without a heap: certificates as people have them.
//!
//! Owns the armour's text both ways, and the one base64 decoder of the device; whatever surrounds
//! a certificate is skipped.

use core::fmt;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Whether this is text rather than DER.
pub fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|w| w == BEGIN)
}

/// Decodes the certificate into `out`; its length, or `None` when it is malformed or too long.
pub fn decode(text: &[u8], out: &mut [u8]) -> Option<usize> {
    let start = text.windows(BEGIN.len()).position(|w| w == BEGIN)? + BEGIN.len();
    let body = text.get(start..)?;
    let end = body.windows(END.len()).position(|w| w == END)?;
    let mut used = 0;
    base64(body.get(..end)?, |byte| {
        *out.get_mut(used)? = byte;
        used += 1;
        Some(())
    })?;
    (used > 0).then_some(used)
}

/// Hands over each byte that base64 `text`, with any white space in it, stands for; `None` on
/// another character or a bad end, or when `put` takes no more.
pub fn base64(text: &[u8], mut put: impl FnMut(u8) -> Option<()>) -> Option<()> {
    let (mut bits, mut held, mut padding) = (0u32, 0, 0);
    for c in text {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            put((bits >> held) as u8)?;
        }
    }
    // Six bits too many come with one mark of padding each pair; none may be set.
    let whole = matches!((held, padding), (0, 0) | (4, 2) | (2, 1));
    (whole && bits & ((1 << held) - 1) == 0).then_some(())
}

/// Writes `der` as PEM: begin and end lines that say `label`, 64 characters a line between.
///
/// # Errors
/// Of `out`.
pub fn armour(label: &str, der: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    writeln!(out, "-----BEGIN {label}-----")?;
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let byte = |i| three.get(i).map_or(0, |byte| u32::from(*byte));
            let word = byte(0) << 16 | byte(1) << 8 | byte(2);
            for i in 0..4 {
                out.write_char(match i <= three.len() {
                    true => digit(word >> (18 - 6 * i) & 63),
                    false => '=',
                })?;
            }
        }
        out.write_char('\n')?;
    }
    writeln!(out, "-----END {label}-----")
}

fn digit(value: u32) -> char {
    char::from(match value as u8 {
        value @ 0..26 => b'A' + value,
        value @ 26..52 => b'a' + value - 26,
        value @ 52..62 => b'0' + value - 52,
        62 => b'+',
        _ => b'/',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(text: &str) -> Option<Vec<u8>> {
        let mut out = [0; 16];
        let pem =
            format!("x\n-----BEGIN CERTIFICATE-----\r\n{text}\n-----END CERTIFICATE-----\nrest");
        assert!(is_pem(pem.as_bytes()));
        decode(pem.as_bytes(), &mut out).map(|n| out[..n].to_vec())
    }

    #[test]
    fn base64_is_exact() {
        assert_eq!(der("MAMC\nAQU="), Some(vec![0x30, 3, 2, 1, 5]));
        assert_eq!(der("MAA="), Some(vec![0x30, 0]));
        assert_eq!(der("AA=="), Some(vec![0]));
        for bad in [
            "",
            "MA",
            "MAM=C",
            "M===",
            "MAB=",
            "MA*=",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(der(bad), None, "{bad}");
        }
        assert_eq!(
            decode(b"-----BEGIN CERTIFICATE-----\nMAA=", &mut [0; 9]),
            None
        );
    }

    #[test]
    fn armour_is_what_decode_reads() {
        for (bytes, text) in [
            (&b"f"[..], "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xFB, 0xEF, 0xFF], "++//"),
        ] {
            let mut pem = String::new();
            armour("CERTIFICATE", bytes, &mut pem).unwrap();
            assert_eq!(pem.lines().nth(1), Some(text));
        }
        for len in 1..200 {
            let der: Vec<u8> = (0..len).map(|i| (i * 37 + len) as u8).collect();
            let (mut pem, mut back) = (String::new(), [0; 200]);
            armour("CERTIFICATE", &der, &mut pem).unwrap();
            assert!(pem.lines().all(|line| line.len() <= 64));
            assert_eq!(decode(pem.as_bytes(), &mut back), Some(len));
            assert_eq!(back[..len], der);
        }
    }
}

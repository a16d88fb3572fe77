//! Text and bytes that become part of a JSON document (RFC 8259 §7, RFC 4648 §4).
//!
//! Owns the escaping and base64, and nothing else: documents are written as text by who knows their
//! members.

use core::fmt::{self, Write};

/// Shown, a JSON string, quotes included.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\0'..=' ' if c != ' ' => write!(f, "\\u{:04x}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Shown, base64 with padding.
pub(crate) struct Base64<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for three in self.0.chunks(3) {
            let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
            let word = byte(0) << 16 | byte(1) << 8 | byte(2);
            for i in 0..4u32 {
                let digit = (word >> (18 - 6 * i) & 63) as usize;
                f.write_char(match DIGITS.get(digit) {
                    Some(digit) if i as usize <= three.len() => char::from(*digit),
                    _ => '=',
                })?;
            }
        }
        Ok(())
    }
}

/// Shown, hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Base64, Hex, Quoted};

    #[test]
    fn bytes_as_the_standard_has_them() {
        // RFC 4648 §10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(format!("{}", Base64(bytes.as_bytes())), text);
        }
        assert_eq!(format!("{}", Base64(&[0xFB, 0xFF, 0xBF])), "+/+/");
        assert_eq!(format!("{}", Hex(&[0, 0xA5])), "00a5");
    }

    #[test]
    fn every_character_comes_back() {
        for text in ["", "net-mqtt", "a\"b\\c", "\n\r\t\0\u{1f}", "é€🦀/ \u{7f}"] {
            let json = format!("{}", Quoted(text));
            let back: serde_json::Value = serde_json::from_str(&json).expect(&json);
            assert_eq!(back, text);
        }
        assert_eq!(format!("{}", Quoted("\n")), "\"\\u000a\"");
    }
}

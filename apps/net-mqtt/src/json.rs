//! Text that becomes part of a JSON document (RFC 8259 §7).
//!
//! Owns the escaping, and nothing else: documents are written as text by who knows their members.

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

#[cfg(test)]
mod tests {
    use super::Quoted;

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

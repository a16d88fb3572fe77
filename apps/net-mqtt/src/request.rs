//! What the cloud asks of the device itself: a request for diagnostics.
//!
//! Owns the form of the request, `{"nonce":"<hexadecimal digits>"}`, and the name of each way in which
//! it can be wrong. Members that it does not know are refused, not ignored: whoever asks learns that
//! this version does not do what they wanted. Total: any bytes are a request or a [`Refusal`].

use core::fmt;

/// Longest request, bytes: the longest nonce, and spaces.
pub const MAX_REQUEST: usize = 256;
/// Longest nonce, bytes.
pub const MAX_NONCE: usize = 64;
/// Sizes of a nonce, bytes: what an attestation token takes as its challenge.
const SIZES: [usize; 3] = [32, 48, 64];

/// The nonce of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce {
    bytes: [u8; MAX_NONCE],
    len: usize,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Longer than [`MAX_REQUEST`].
    Oversize,
    /// Not the one object with the one member, or its value is no text of hexadecimal digits.
    Malformed,
    /// The nonce has not 32, 48 or 64 bytes: so many digits.
    NonceSize(usize),
}

impl Refusal {
    /// Its name, as the cloud reads it.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Oversize => "OversizeRequest",
            Refusal::Malformed => "MalformedRequest",
            Refusal::NonceSize(_) => "InvalidNonceSize",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Oversize => write!(f, "a request has at most {MAX_REQUEST} bytes"),
            Refusal::Malformed => f.write_str("not {'nonce':'hexadecimal digits'}"),
            Refusal::NonceSize(digits) => {
                write!(f, "a nonce has 64, 96 or 128 digits, not {digits}")
            }
        }
    }
}

impl Nonce {
    /// The nonce's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(request: &[u8]) -> Result<Nonce, Refusal> {
        if request.len() > MAX_REQUEST {
            return Err(Refusal::Oversize);
        }
        let text = core::str::from_utf8(request).map_err(|_| Refusal::Malformed)?;
        let digits = value(text).ok_or(Refusal::Malformed)?;
        let mut nonce = Nonce {
            bytes: [0; MAX_NONCE],
            len: digits.len() / 2,
        };
        if !digits.bytes().all(|d| d.is_ascii_hexdigit()) {
            return Err(Refusal::Malformed);
        }
        if digits.len() % 2 != 0 || !SIZES.contains(&nonce.len) {
            return Err(Refusal::NonceSize(digits.len()));
        }
        for (to, pair) in nonce.bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let digit = |c: &u8| char::from(*c).to_digit(16).unwrap_or(0) as u8;
            *to = pair.iter().fold(0, |byte, c| byte << 4 | digit(c));
        }
        Ok(nonce)
    }
}

/// The text of the one member.
fn value(text: &str) -> Option<&str> {
    // JSON's white space (RFC 8259 §2).
    let trim = |text: &str| -> usize {
        text.bytes()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
            .count()
    };
    let mut rest = text;
    for token in ["{", "\"nonce\"", ":", "\""] {
        rest = rest.get(trim(rest)..)?.strip_prefix(token)?;
    }
    let (digits, mut rest) = rest.split_once('"')?;
    rest = rest.get(trim(rest)..)?.strip_prefix('}')?;
    (trim(rest) == rest.len()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_read() {
        for size in SIZES {
            let digits = "0aF9".repeat(size / 2);
            for request in [
                format!("{{\"nonce\":\"{digits}\"}}"),
                format!(" {{\r\n\t\"nonce\" :  \"{digits}\" \n}}\n"),
            ] {
                let nonce = Nonce::parse(request.as_bytes()).unwrap();
                assert_eq!(nonce.bytes(), [0x0A, 0xF9].repeat(size / 2));
            }
        }
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        let digits = "00".repeat(32);
        let refused = |request: &str| Nonce::parse(request.as_bytes()).unwrap_err();
        assert_eq!(refused(&" ".repeat(257)), Refusal::Oversize);
        for digits in ["", "0", &"00".repeat(31), &"0".repeat(65), &"0".repeat(130)] {
            let size = Refusal::NonceSize(digits.len());
            assert_eq!(refused(&format!("{{\"nonce\":\"{digits}\"}}")), size);
        }
        for bad in [
            String::new(),
            "{}".into(),
            digits.clone(),
            format!("\"{digits}\""),
            format!("{{\"nonce\":\"{digits}\"}}x"),
            format!("{{\"nonce\":\"{digits}\""),
            format!("{{\"nonce\":\"{digits}\",\"more\":1}}"),
            format!("{{\"Nonce\":\"{digits}\"}}"),
            format!("{{\"nonce\":{digits}}}"),
            format!("{{\"nonce\":\"{}g\"}}", &digits[1..]),
            format!("{{\"nonce\":\"{}é\"}}", &digits[2..]),
            "{\"nonce\":\"\u{ff10}\"}".into(),
        ] {
            assert_eq!(refused(&bad), Refusal::Malformed, "{bad}");
        }
        assert_eq!(Nonce::parse(&[0xFF; 20]), Err(Refusal::Malformed));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let good = format!("{{\"nonce\":\"{}\"}}", "00".repeat(32)).into_bytes();
        let mut seed = 0x1234_5678_9ABCu64;
        for round in 0..20_000usize {
            let mut bytes = good.clone();
            for _ in 0..=round % 4 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = seed as usize % bytes.len();
                match seed >> 60 {
                    0..4 => bytes[at] = (seed >> 32) as u8,
                    4..8 => bytes.truncate(at.max(1)),
                    8..12 => bytes.insert(at, b"{}\":\\ "[(seed >> 40) as usize % 6]),
                    _ => {
                        bytes.remove(at);
                        bytes.push(b'0');
                    }
                }
            }
            if let Ok(nonce) = Nonce::parse(&bytes) {
                assert!(SIZES.contains(&nonce.bytes().len()));
            }
        }
    }
}

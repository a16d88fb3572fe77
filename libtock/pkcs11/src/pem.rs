//! PEM to DER (RFC 7468), without a heap: certificates are handed over as people have them.
//!
//! Owns the first certificate of a text; whatever surrounds it is skipped.

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
    let (mut bits, mut held, mut used, mut padding) = (0u32, 0, 0, 0);
    for c in body.get(..end)? {
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
            *out.get_mut(used)? = (bits >> held) as u8;
            used += 1;
        }
    }
    // Six bits too many come with one mark of padding each pair; none may be set.
    let whole = matches!((held, padding), (0, 0) | (4, 2) | (2, 1));
    (whole && bits & ((1 << held) - 1) == 0 && used > 0).then_some(used)
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
}

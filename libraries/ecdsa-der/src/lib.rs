//! ECDSA signatures: DER (`Ecdsa-Sig-Value`, RFC 3279 §2.2.3) to PSA's r‖s and back, up to P-384.
//!
//! Owns the one encoding that each pair of numbers has. Whatever is accepted encodes back to the
//! same bytes, so that a signature has one form. Both numbers are positive (SEC 1 §4.1.4): zero is
//! no signature in either direction. Does not own what is signed, or whether the numbers are below
//! the group's order, which verification sees to. Total: any bytes give a value or nothing.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// Longest r‖s, bytes: P-384.
pub const MAX_RAW: usize = 96;
/// Longest DER, bytes: two numbers with a zero in front each. Every length is one byte then.
pub const MAX_DER: usize = 2 + 2 * (2 + 1 + MAX_RAW / 2);

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Writes r‖s of a DER signature over all of `raw`, half each; `None` unless `der` is exactly one
/// SEQUENCE of two minimal, positive INTEGERs that fit. `raw` means nothing then.
pub fn to_raw(der: &[u8], raw: &mut [u8]) -> Option<()> {
    match padded_to_raw(der, raw)? {
        [] => Some(()),
        _ => None,
    }
}

/// As [`to_raw`], for a signature that something follows: what does (imgtool's `--pad-sig` writes
/// zeros there).
pub fn padded_to_raw<'d>(der: &'d [u8], raw: &mut [u8]) -> Option<&'d [u8]> {
    let (body, after) = element(der, SEQUENCE)?;
    let (r, rest) = element(body, INTEGER)?;
    let (s, rest) = element(rest, INTEGER)?;
    if !rest.is_empty() || !raw.len().is_multiple_of(2) {
        return None;
    }
    let (to_r, to_s) = raw.split_at_mut(raw.len() / 2);
    for (number, to) in [(r, to_r), (s, to_s)] {
        let digits = positive(number)?;
        let zeros = to.len().checked_sub(digits.len())?;
        let (zeros, to) = to.split_at_mut(zeros);
        zeros.fill(0);
        to.copy_from_slice(digits);
    }
    Some(after)
}

/// A signature in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Der {
    bytes: [u8; MAX_DER],
    len: usize,
}

impl Der {
    /// Of r‖s; `None` when a number is zero, or there are not two halves of at most 48 bytes.
    pub fn from_raw(raw: &[u8]) -> Option<Der> {
        if !raw.len().is_multiple_of(2) || raw.len() > MAX_RAW {
            return None;
        }
        let (r, s) = raw.split_at(raw.len() / 2);
        let mut der = Der {
            bytes: [0; MAX_DER],
            len: 2,
        };
        for number in [r, s] {
            let first = number.iter().position(|byte| *byte != 0)?;
            let digits = number.get(first..)?;
            // A leading one-bit would make it negative.
            let zero: &[u8] = match digits.first()? {
                0x80.. => &[0],
                _ => &[],
            };
            // At most 49.
            der.push(&[INTEGER, (zero.len() + digits.len()) as u8])?;
            der.push(zero)?;
            der.push(digits)?;
        }
        // At most 102.
        let body = (der.len - 2) as u8;
        let [tag, len, ..] = &mut der.bytes;
        (*tag, *len) = (SEQUENCE, body);
        Some(der)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.bytes.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

impl core::ops::Deref for Der {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Content of a DER element of that tag, and what follows. Lengths are of the short form: nothing
/// here exceeds 127 bytes.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [found, len @ 0..=0x7F, rest @ ..] if *found == tag => {
            rest.split_at_checked(usize::from(*len))
        }
        _ => None,
    }
}

/// Magnitude of a minimally encoded, positive INTEGER.
fn positive(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Some(rest),
        [1..=0x7F, ..] => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        fn byte(&mut self) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u8
        }

        fn below(&mut self, n: usize) -> usize {
            usize::from(self.byte()) % n
        }
    }

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let body = [&[2, r.len() as u8][..], r, &[2, s.len() as u8], s].concat();
        [&[0x30, body.len() as u8][..], &body].concat()
    }

    /// The encoding of appendix A.2.5 of RFC 6979, message "sample", SHA-256, as OpenSSL writes it.
    #[test]
    fn a_known_signature() {
        let raw = hex(
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
             F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        );
        let expected = hex(
            "3046022100EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
             022100F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        );
        assert_eq!(Der::from_raw(&raw).unwrap()[..], expected);
        let mut back = [0; 64];
        to_raw(&expected, &mut back).unwrap();
        assert_eq!(back[..], raw);
    }

    fn hex(text: &str) -> Vec<u8> {
        let byte =
            |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
        text.as_bytes().chunks_exact(2).map(byte).collect()
    }

    #[test]
    fn every_width_round_trips() {
        let mut random = Random(0x1234_5678_9ABC_DEF1);
        for round in 0..8000 {
            let width = [32, 48, 1, 47][round % 4];
            let mut raw = vec![0; 2 * width];
            raw.iter_mut().for_each(|byte| *byte = random.byte());
            // Short numbers and high bits occur; none is zero.
            for half in raw.chunks_exact_mut(width) {
                let zeros = random.below(width);
                half[..zeros].fill(0);
                half[width - 1] |= 1;
            }
            let der = Der::from_raw(&raw).unwrap();
            let mut back = vec![0xEE; 2 * width];
            assert_eq!(to_raw(&der, &mut back), Some(()));
            assert_eq!(back, raw);
            // Wider by zeros in front of each half.
            let mut wide = vec![0xEE; 2 * width + 2];
            to_raw(&der, &mut wide).unwrap();
            assert_eq!(wide[..=width], [&[0], &raw[..width]].concat());
            for end in 0..der.len() {
                assert_eq!(to_raw(&der[..end], &mut back), None);
            }
            let longer = [&der[..], &[0, 7]].concat();
            assert_eq!(to_raw(&longer, &mut back), None);
            assert_eq!(padded_to_raw(&longer, &mut back), Some(&[0, 7][..]));
            assert_eq!(back, raw);
        }
    }

    #[test]
    fn what_is_not_minimal_positive_and_in_range_is_none() {
        let mut raw = [0; 64];
        to_raw(&der(&[1], &[0, 0x80, 2]), &mut raw).unwrap();
        assert_eq!((raw[31], &raw[61..]), (1, &[0, 0x80, 2][..]));
        for bad in [
            &[0x80][..],
            &[],
            &[0],
            &[0, 0],
            &[0, 1],
            &[1; 33],
            &[0x7F; 40],
        ] {
            assert_eq!(to_raw(&der(bad, &[1]), &mut raw), None, "{bad:?}");
            assert_eq!(to_raw(&der(&[1], bad), &mut raw), None, "{bad:?}");
        }
        let good = der(&[1], &[2]);
        assert_eq!(to_raw(&good, &mut raw), Some(()));
        assert_eq!(to_raw(&good, &mut raw[..63]), None, "an odd width");
        assert_eq!(to_raw(&good, &mut []), None);
        // Another tag, a length that claims more or less, a third number.
        for at in [0, 1, 2, 3, 5, 6] {
            for change in [1, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= change;
                assert_eq!(to_raw(&bad, &mut raw), None, "byte {at}");
            }
        }
        assert_eq!(
            to_raw(&[0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1], &mut raw),
            None
        );

        for bad in [&[0; 64][..], &[1; 63], &[1; 98], &[]] {
            assert_eq!(Der::from_raw(bad), None, "{} bytes", bad.len());
        }
        let mut half = [1; 64];
        half[32..].fill(0);
        assert_eq!(Der::from_raw(&half), None);
        assert_eq!(Der::from_raw(&[0xFF; MAX_RAW]).unwrap().len(), MAX_DER);
    }

    /// Whatever is accepted is the one encoding of what it decodes to.
    #[test]
    fn damaged_signatures_are_refused_or_canonical() {
        let mut random = Random(0xDEAD_BEEF_0BAD_F00D);
        let (mut refused, mut taken) = (0, 0);
        for _ in 0..50_000 {
            let mut raw = [0; 64];
            raw.iter_mut().for_each(|byte| *byte = random.byte());
            raw[31] |= 1;
            raw[63] |= 1;
            let mut bytes = Der::from_raw(&raw).unwrap().to_vec();
            for _ in 0..1 + random.below(3) {
                // The frame more often than the digits.
                let range = [8, bytes.len()][random.below(2)];
                let at = random.below(range);
                bytes[at] ^= 1 << random.below(8);
            }
            bytes.truncate(bytes.len() - random.below(8) / 7);
            match to_raw(&bytes, &mut raw) {
                Some(()) => {
                    assert_eq!(Der::from_raw(&raw).unwrap()[..], bytes);
                    taken += 1;
                }
                None => refused += 1,
            }
        }
        assert!(refused > 1000 && taken > 1000, "{refused} {taken}");
    }
}

//! ECDSA signatures: DER (RFC 3279 §2.2.3) to PSA's r‖s and back, up to P-384.

use alloc::vec::Vec;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// r‖s of a DER signature, `RAW` bytes in all; `None` unless it is exactly one SEQUENCE of two
/// minimal, positive INTEGERs that fit.
pub(crate) fn to_raw<const RAW: usize>(der: &[u8]) -> Option<[u8; RAW]> {
    let (tag, body, rest) = element(der)?;
    if tag != SEQUENCE || !rest.is_empty() {
        return None;
    }
    let (tag_r, r, rest) = element(body)?;
    let (tag_s, s, rest) = element(rest)?;
    if tag_r != INTEGER || tag_s != INTEGER || !rest.is_empty() {
        return None;
    }
    let mut raw = [0; RAW];
    let (to_r, to_s) = raw.split_at_mut(RAW / 2);
    integer(r, to_r)?;
    integer(s, to_s)?;
    Some(raw)
}

/// DER of r‖s, at most 96 bytes.
pub fn from_raw(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    let mut body = Vec::with_capacity(raw.len() + 6);
    for half in [r, s] {
        let first = half
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(half.len() - 1);
        let digits = half.get(first..).unwrap_or_default();
        let pad = digits.first().is_some_and(|byte| byte & 0x80 != 0);
        body.push(INTEGER);
        body.push((digits.len() + usize::from(pad)) as u8);
        if pad {
            body.push(0);
        }
        body.extend_from_slice(digits);
    }
    let mut der = Vec::with_capacity(body.len() + 2);
    der.push(SEQUENCE);
    der.push(body.len() as u8); // at most 102
    der.extend_from_slice(&body);
    der
}

/// Tag, content and what follows; short-form lengths only (nothing here exceeds 127 bytes).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, len], rest) = bytes.split_first_chunk::<2>()?;
    if len & 0x80 != 0 {
        return None;
    }
    let (content, rest) = rest.split_at_checked(len.into())?;
    Some((tag, content, rest))
}

fn integer(content: &[u8], to: &mut [u8]) -> Option<()> {
    let digits = match *content {
        [0, second, ..] if second & 0x80 != 0 => content.get(1..)?,
        [0] => content,
        [0, ..] | [] => return None,                     // not minimal
        [first, ..] if first & 0x80 != 0 => return None, // negative
        _ => content,
    };
    let at = to.len().checked_sub(digits.len())?;
    to.get_mut(at..)?.copy_from_slice(digits);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xorshift(x: &mut u64) -> u8 {
        *x ^= *x << 13;
        *x ^= *x >> 7;
        *x ^= *x << 17;
        (*x >> 32) as u8
    }

    #[test]
    fn raw_round_trips() {
        let mut x = 0x1234_5678_9ABC_DEF1;
        for round in 0..5000 {
            let mut raw = [0u8; 64];
            for byte in &mut raw {
                *byte = xorshift(&mut x);
            }
            // Leading zeroes, high bits and zero itself all occur.
            let zeroes = round % 34;
            raw[..zeroes.min(32)].fill(0);
            raw[32..32 + (round / 34) % 33].fill(0);
            let der = from_raw(&raw);
            assert_eq!(to_raw(&der), Some(raw), "{der:02x?}");
            assert_eq!(to_raw::<64>(&der[..der.len() - 1]), None);
            let longer = [&der[..], &[0]].concat();
            assert_eq!(to_raw::<64>(&longer), None);
            let (r, s) = raw.split_at(32);
            let wide = [&[0; 16], r, &[0; 16], s].concat();
            assert_eq!(to_raw::<96>(&der).unwrap()[..], wide);
        }
    }

    /// Whatever is accepted is the one encoding of what it decodes to.
    #[test]
    fn mutations_are_refused_or_canonical() {
        let mut x = 0xDEAD_BEEF_0BAD_F00D;
        let mut raw = [0u8; 64];
        let mut refused = 0;
        for _ in 0..50_000 {
            for byte in &mut raw {
                *byte = xorshift(&mut x);
            }
            let mut der = from_raw(&raw);
            for _ in 0..1 + xorshift(&mut x) % 3 {
                let at = usize::from(xorshift(&mut x)) % 8;
                der[at] ^= 1 << (xorshift(&mut x) % 8);
            }
            match to_raw::<64>(&der) {
                Some(back) => assert_eq!(from_raw(&back), der),
                None => refused += 1,
            }
        }
        assert!(refused > 1000, "{refused}");
    }
}

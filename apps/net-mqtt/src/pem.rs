//! Certificates as they are provisioned: PEM (RFC 7468), or DER one after another.

use alloc::vec::Vec;
use rustls::pki_types::CertificateDer;

/// Begin line of a certificate.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// End line of a certificate.
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Every certificate in `bytes`; `None` if there is none or one is malformed in its armour.
/// What is inside the DER is for rustls to judge.
pub fn certificates(bytes: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut found = Vec::new();
    if bytes.first() == Some(&0x30) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = sequence_len(rest)?;
            let (one, after) = rest.split_at_checked(len)?;
            found.push(CertificateDer::from(one.to_vec()));
            rest = after;
        }
    } else {
        let mut rest = bytes;
        while let Some(start) = find(rest, BEGIN) {
            let body = rest.get(start + BEGIN.len()..)?;
            let end = find(body, END)?;
            let mut der = Vec::new();
            pkcs11::pem::base64(body.get(..end)?, |byte| {
                der.push(byte);
                Some(())
            })?;
            found.push(CertificateDer::from(der));
            rest = body.get(end + END.len()..)?;
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Length of the DER SEQUENCE that `bytes` starts with, header included.
fn sequence_len(bytes: &[u8]) -> Option<usize> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    if tag != 0x30 {
        return None;
    }
    let octets = match first {
        0..=0x7F => return Some(2 + usize::from(first)),
        // Three length octets are plenty for a certificate.
        0x81..=0x83 => usize::from(first & 0x7F),
        _ => return None,
    };
    let len = rest
        .get(..octets)?
        .iter()
        .fold(0, |len, byte| len << 8 | usize::from(*byte));
    Some(2 + octets + len)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_and_der_lists_are_read() {
        let pem = b"junk\n-----BEGIN CERTIFICATE-----\nMAMC\nAQU=\n-----END CERTIFICATE-----\n\
            -----BEGIN CERTIFICATE-----\r\nMAA=\r\n-----END CERTIFICATE-----";
        let certs = certificates(pem).unwrap();
        assert_eq!(certs[0].as_ref(), [0x30, 3, 2, 1, 5]);
        assert_eq!(certs[1].as_ref(), [0x30, 0]);
        let mut der = vec![0x30, 3, 2, 1, 5, 0x30, 0x81, 0x80];
        der.extend([7; 0x80]);
        let certs = certificates(&der).unwrap();
        assert_eq!((certs[0].len(), certs[1].len()), (5, 0x83));
        for bad in [
            &b""[..],
            b"hello",
            b"-----BEGIN CERTIFICATE-----\nMA=A\n-----END CERTIFICATE-----",
            b"-----BEGIN CERTIFICATE-----\nMAA=\n",
            &[0x30, 5, 1],
            &[0x30, 0x84, 0, 0, 0, 1, 1],
            &[0x30, 0, 0x31, 0],
        ] {
            assert!(certificates(bad).is_none(), "{bad:02x?}");
        }
    }

    #[test]
    fn anything_is_survived() {
        let mut x = 0x0123_4567_89AB_CDEF_u64;
        let base =
            b"-----BEGIN CERTIFICATE-----\nMAMCAQUwAwIBBTADAgEF\n-----END CERTIFICATE-----\n";
        for round in 0..50_000 {
            let mut bytes = if round % 2 == 0 {
                base.to_vec()
            } else {
                vec![0x30; 40]
            };
            for _ in 0..4 {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                let at = (x % bytes.len() as u64) as usize;
                bytes[at] = (x >> 40) as u8;
            }
            let _ = certificates(&bytes);
        }
    }
}

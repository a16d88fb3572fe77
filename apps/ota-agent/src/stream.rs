//! MQTT file streams in CBOR (reference/aws-iot.md §4).
//!
//! Owns the request that is sent and the two answers that are understood. Maps may be definite
//! or not, keys in any order; unknown keys are skipped.

use crate::BLOCK;
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use minicbor::encode::write::Cursor;

/// Token that our requests carry.
const TOKEN: &str = "tockstone";

/// A request for the blocks of `bits` from `first` on; the bytes used of `out`.
pub fn request(file: u8, first: u32, bits: u8, out: &mut [u8; 64]) -> usize {
    let mut e = minicbor::Encoder::new(Cursor::new(&mut out[..]));
    // 40 bytes at most, so that the writer cannot run out.
    let _ = (|| -> Result<(), minicbor::encode::Error<_>> {
        e.map(6)?
            .str("c")?
            .str(TOKEN)?
            .str("f")?
            .u8(file)?
            .str("l")?
            .u32(BLOCK)?;
        e.str("o")?
            .u32(first)?
            .str("n")?
            .u32(bits.count_ones())?
            .str("b")?
            .bytes(&[bits])?;
        Ok(())
    })();
    e.writer().position()
}

/// One block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    /// File id.
    pub file: u64,
    /// Block index.
    pub index: u32,
    /// Its bytes, as long as it says.
    pub payload: &'a [u8],
}

/// Reads `data/cbor`.
///
/// # Errors
/// Not a map with `f`, `i`, `l` and `p`, or `l` is not the length of `p`.
pub fn data(payload: &[u8]) -> Result<Data<'_>, Error> {
    let (mut file, mut index, mut length, mut bytes) = (None, None, None, None);
    map(payload, |key, d| {
        match key {
            "f" => file = Some(d.u64()?),
            "i" => index = Some(d.u32()?),
            "l" => length = Some(d.u64()?),
            "p" => bytes = Some(d.bytes()?),
            _ => d.skip()?,
        }
        Ok(())
    })?;
    match (file, index, length, bytes) {
        (Some(file), Some(index), Some(length), Some(payload))
            if length == payload.len() as u64 =>
        {
            Ok(Data {
                file,
                index,
                payload,
            })
        }
        _ => Err(Error::message("incomplete block")),
    }
}

/// Reads `rejected/cbor`: whether asking again cannot help.
pub fn rejection_is_final(payload: &[u8]) -> bool {
    let mut code = "";
    let _ = map(payload, |key, d| {
        match key {
            "o" | "code" if d.datatype()? == Type::String => code = d.str()?,
            _ => d.skip()?,
        }
        Ok(())
    });
    matches!(
        code,
        "Unauthorized" | "ResourceNotFound" | "ETagMismatch" | "VersionMismatch"
    )
}

/// Walks a map of text keys.
fn map<'a>(
    bytes: &'a [u8],
    mut entry: impl FnMut(&'a str, &mut Decoder<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut d = Decoder::new(bytes);
    let mut left = d.map()?;
    loop {
        match left {
            Some(0) => return Ok(()),
            Some(n) => left = Some(n - 1),
            None if d.datatype()? == Type::Break => return Ok(()),
            None => {}
        }
        let key = d.str()?;
        entry(key, &mut d)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: [u8; 25] = [
        0xBF, 0x61, b'c', 0x63, b'r', b'd', b'y', 0x61, b'f', 0, 0x61, b'i', 3, 0x61, b'l', 4,
        0x61, b'p', 0x44, 0xDE, 0xAD, 0xBE, 0xEF, 0xFF, 0,
    ];

    /// The reference's vector (aws-iot.md §4.3), and the same as a definite map.
    #[test]
    fn blocks_are_read_from_both_kinds_of_map() {
        let expected = Data {
            file: 0,
            index: 3,
            payload: &[0xDE, 0xAD, 0xBE, 0xEF],
        };
        assert_eq!(data(&DATA[..24]).unwrap(), expected);
        let mut definite = DATA;
        definite[0] = 0xA5;
        assert_eq!(data(&definite[..23]).unwrap(), expected);
        let mut wrong = DATA;
        wrong[15] = 5;
        assert!(data(&wrong).is_err());
    }

    #[test]
    fn the_request_fits_and_says_what_it_wants() {
        let mut out = [0; 64];
        let n = request(255, u32::MAX, 0xFF, &mut out);
        assert_eq!(out[n - 1], 0xFF);
        let mut d = Decoder::new(&out[..n]);
        assert_eq!(d.map().unwrap(), Some(6));
        for _ in 0..12 {
            d.skip().unwrap();
        }
        assert_eq!(d.position(), n);
    }

    #[test]
    fn refusals_are_told_apart() {
        let body = |code: &str| {
            let mut v = vec![0xBF, 0x61, b'o', 0x60 + code.len() as u8];
            v.extend(code.as_bytes());
            v.push(0xFF);
            v
        };
        assert!(rejection_is_final(&body("ResourceNotFound")));
        assert!(!rejection_is_final(&body("InternalError")));
        assert!(!rejection_is_final(&[0xFF]));
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut state = 9u32;
        for _ in 0..50_000 {
            let mut bytes = DATA;
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                bytes[state as usize % bytes.len()] = (state >> 16) as u8;
            }
            let _ = data(&bytes);
            rejection_is_final(&bytes);
        }
    }
}

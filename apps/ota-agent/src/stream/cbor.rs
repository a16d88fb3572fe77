//! File streams' messages in CBOR (reference/aws-iot.md §4.3).
//!
//! Owns the bytes of the two requests and the three answers. Maps may be definite or not, keys in any
//! order; unknown keys are skipped.

use super::{Data, Description, REQUEST, TOKEN};
use crate::BLOCK;
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use minicbor::encode::write::Cursor;

/// A request for the blocks of `bits` from `first` on, of the stream's `version` if it is known;
/// the bytes used of `out`.
pub fn request(
    version: Option<u16>,
    file: u8,
    first: u32,
    bits: u32,
    out: &mut [u8; REQUEST],
) -> usize {
    let map = bits.to_le_bytes();
    let length = 4 - bits.leading_zeros() as usize / 8;
    let mut e = minicbor::Encoder::new(Cursor::new(&mut out[..]));
    // 50 bytes at most, so that the writer cannot run out.
    let _ = (|| -> Result<(), minicbor::encode::Error<_>> {
        e.map(6 + u64::from(version.is_some()))?
            .str("c")?
            .str(TOKEN)?;
        if let Some(version) = version {
            e.str("s")?.u16(version)?;
        }
        e.str("f")?.u8(file)?.str("l")?.u32(BLOCK)?;
        e.str("o")?.u32(first)?.str("n")?.u32(bits.count_ones())?;
        e.str("b")?.bytes(map.get(..length).unwrap_or(&map))?;
        Ok(())
    })();
    e.writer().position()
}

/// A request for the stream's description.
pub fn describe(out: &mut [u8; REQUEST]) -> usize {
    let mut e = minicbor::Encoder::new(Cursor::new(&mut out[..]));
    let _ = (|| -> Result<(), minicbor::encode::Error<_>> {
        e.map(1)?.str("c")?.str(TOKEN)?;
        Ok(())
    })();
    e.writer().position()
}

/// Reads `description/cbor`, looking for `file`.
///
/// # Errors
/// Not a map with `s`, or `r` is no list of maps.
pub fn description(payload: &[u8], file: u8) -> Result<Description, Error> {
    let (mut version, mut size) = (None, None);
    map(payload, |key, d| {
        match key {
            "s" => version = Some(d.u16()?),
            "r" => {
                let mut left = d.array()?;
                while left != Some(0) {
                    if left.is_none() && d.datatype()? == Type::Break {
                        d.skip()?;
                        break;
                    }
                    left = left.map(|n| n - 1);
                    let (mut id, mut bytes) = (None, None);
                    entries(d, |key, d| {
                        match key {
                            "f" => id = Some(d.u64()?),
                            "z" => bytes = Some(d.u64()?),
                            _ => d.skip()?,
                        }
                        Ok(())
                    })?;
                    if id == Some(u64::from(file)) {
                        size = bytes;
                    }
                }
            }
            _ => d.skip()?,
        }
        Ok(())
    })?;
    let version = version.ok_or(Error::message("no stream version"))?;
    Ok(Description { version, size })
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

/// The code in `rejected/cbor`, `""` where there is none to read.
pub fn rejection(payload: &[u8]) -> &str {
    let mut code = "";
    let _ = map(payload, |key, d| {
        match key {
            "o" | "code" if d.datatype()? == Type::String => code = d.str()?,
            _ => d.skip()?,
        }
        Ok(())
    });
    code
}

/// Walks the one map of a message.
fn map<'a>(
    bytes: &'a [u8],
    entry: impl FnMut(&'a str, &mut Decoder<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    entries(&mut Decoder::new(bytes), entry)
}

/// Walks a map of text keys, definite or not.
fn entries<'a>(
    d: &mut Decoder<'a>,
    mut entry: impl FnMut(&'a str, &mut Decoder<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut left = d.map()?;
    loop {
        match left {
            Some(0) => return Ok(()),
            Some(n) => left = Some(n - 1),
            None if d.datatype()? == Type::Break => return d.skip(),
            None => {}
        }
        let key = d.str()?;
        entry(key, d)?;
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
        for (version, entries) in [(None, 6), (Some(u16::MAX), 7)] {
            for (bits, map) in [(1, &[1][..]), (0x8000, &[0, 0x80]), (u32::MAX, &[0xFF; 4])] {
                let mut out = [0; REQUEST];
                let n = request(version, 255, u32::MAX, bits, &mut out);
                assert!(n < REQUEST && out[..n].ends_with(map));
                let mut d = Decoder::new(&out[..n]);
                assert_eq!(d.map().unwrap(), Some(entries));
                for _ in 0..2 * entries {
                    d.skip().unwrap();
                }
                assert_eq!(d.position(), n);
            }
        }
    }

    #[test]
    fn descriptions_are_read_in_both_kinds() {
        // s 3, d "", r [{f 0, z 9}, {f 7, z 70000}], indefinite and definite.
        let entry = b"\xA2\x61f\x00\x61z\x09\xBF\x61z\x1A\x00\x01\x11\x70\x61f\x07\xFF";
        let head = b"\x61s\x03\x61d\x60\x61r";
        let indefinite = [&b"\xBF"[..], head, b"\x9F", entry, b"\xFF\xFF"].concat();
        let definite = [&b"\xA3"[..], head, b"\x82", entry].concat();
        for text in [indefinite, definite] {
            for (file, size) in [(0, Some(9)), (7, Some(70_000)), (1, None)] {
                let found = description(&text, file).unwrap();
                assert_eq!(found, Description { version: 3, size });
            }
        }
        assert!(description(b"\xA1\x61r\x80", 0).is_err());
    }

    #[test]
    fn codes_are_found_under_both_names() {
        for key in ["o", "code"] {
            let mut body = vec![0xBF, 0x60 + key.len() as u8];
            body.extend(key.as_bytes());
            body.extend(b"\x70ResourceNotFound\xFF");
            assert_eq!(rejection(&body), "ResourceNotFound");
        }
        assert_eq!(rejection(&[0xFF]), "");
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
            rejection(&bytes);
            let _ = description(&bytes, 0);
        }
    }
}

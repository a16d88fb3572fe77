//! File streams' messages in JSON (reference/aws-iot.md §4.3).
//!
//! Owns the text of the two requests and the three answers: bytes are base64, bitmaps hexadecimal.
//! Members may come in any order; unknown ones are skipped.

use super::{Data, Description, REQUEST, TOKEN};
use crate::BLOCK;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt::Write;
use heapless::{String, Vec};
use serde::Deserialize;

/// Files of a stream that a description is read to.
const FILES: usize = 50;

/// A request for the blocks of `bits` from `first` on; the bytes used of `out`.
pub fn request(
    version: Option<u16>,
    file: u8,
    first: u32,
    bits: u32,
    out: &mut [u8; REQUEST],
) -> usize {
    let mut text = String::<REQUEST>::new();
    // 94 bytes at most, so that the text cannot run out.
    let _ = (|| {
        write!(text, "{{\"c\":\"{TOKEN}\",")?;
        if let Some(version) = version {
            write!(text, "\"s\":{version},")?;
        }
        let count = bits.count_ones();
        write!(
            text,
            "\"f\":{file},\"l\":{BLOCK},\"o\":{first},\"n\":{count},\"b\":\"0x"
        )?;
        let length = 4 - bits.leading_zeros() as usize / 8;
        for byte in bits.to_le_bytes().iter().take(length) {
            write!(text, "{byte:02x}")?;
        }
        text.write_str("\"}")
    })();
    copy(&text, out)
}

/// A request for the stream's description.
pub fn describe(out: &mut [u8; REQUEST]) -> usize {
    let mut text = String::<REQUEST>::new();
    let _ = write!(text, "{{\"c\":\"{TOKEN}\"}}");
    copy(&text, out)
}

fn copy(text: &str, out: &mut [u8; REQUEST]) -> usize {
    for (to, from) in out.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    text.len()
}

/// Reads `description/json`, looking for `file`.
pub fn description(payload: &[u8], file: u8) -> Option<Description> {
    #[derive(Deserialize)]
    struct Entry {
        f: u64,
        z: u64,
    }
    #[derive(Deserialize)]
    struct Raw {
        s: u16,
        #[serde(default)]
        r: Vec<Entry, FILES>,
    }
    let (raw, _) = serde_json_core::from_slice::<Raw>(payload).ok()?;
    let entry = raw.r.iter().find(|e| e.f == u64::from(file));
    Some(Description {
        version: raw.s,
        size: entry.map(|e| e.z),
    })
}

/// Reads `data/json` into `room`.
pub fn data<'a>(payload: &'a [u8], room: &'a mut [u8; BLOCK as usize]) -> Option<Data<'a>> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        f: u64,
        i: u32,
        l: u64,
        p: &'a str,
    }
    let (raw, _) = serde_json_core::from_slice::<Raw<'_>>(payload).ok()?;
    let length = STANDARD.decode_slice(raw.p, room).ok()?;
    let payload = room.get(..length)?;
    (raw.l == length as u64).then_some(Data {
        file: raw.f,
        index: raw.i,
        payload,
    })
}

/// The code in `rejected/json`, `""` where there is none to read.
pub fn rejection(payload: &[u8]) -> &str {
    #[derive(Deserialize)]
    struct Raw<'a> {
        o: Option<&'a str>,
        code: Option<&'a str>,
    }
    serde_json_core::from_slice::<Raw<'_>>(payload)
        .ok()
        .and_then(|(raw, _)| raw.o.or(raw.code))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference's vectors (aws-iot.md §4.3), members in another order, unknown ones.
    #[test]
    fn blocks_are_read() {
        let mut room = [0; BLOCK as usize];
        for text in [
            r#"{"f":0,"i":3,"l":4,"p":"3q2+7w=="}"#,
            r#"{"p":"3q2+7w==","c":"rdy","x":[1,{"y":null}],"l":4,"i":3,"f":0}"#,
        ] {
            let found = data(text.as_bytes(), &mut room).unwrap();
            assert_eq!((found.file, found.index), (0, 3));
            assert_eq!(found.payload, [0xDE, 0xAD, 0xBE, 0xEF]);
        }
        for text in [
            r#"{"f":0,"i":3,"l":5,"p":"3q2+7w=="}"#,
            r#"{"f":0,"i":3,"l":4,"p":"3q2+7w"}"#,
            r#"{"f":0,"i":-3,"l":4,"p":"3q2+7w=="}"#,
            r#"{"f":0,"l":4,"p":"3q2+7w=="}"#,
            "[]",
            "",
        ] {
            assert_eq!(data(text.as_bytes(), &mut room), None, "{text}");
        }
    }

    #[test]
    fn the_largest_block_fits_and_no_larger() {
        let mut room = [0; BLOCK as usize];
        for (length, fits) in [(4096, true), (4097, false), (8192, false)] {
            let p = STANDARD.encode(vec![0x5A; length]);
            let text = format!("{{\"f\":0,\"i\":0,\"l\":{length},\"p\":\"{p}\"}}");
            let found = data(text.as_bytes(), &mut room);
            assert_eq!(found.map(|d| d.payload.len()), fits.then_some(length));
        }
    }

    /// The example of AWS's documentation: blocks 20, 21, 24 and 43.
    #[test]
    fn the_request_says_what_it_wants() {
        let mut out = [0; REQUEST];
        let n = request(None, 0, 20, 0x80_0013, &mut out);
        let expected = r#"{"c":"tockstone","f":0,"l":4096,"o":20,"n":4,"b":"0x130080"}"#;
        assert_eq!(&out[..n], expected.as_bytes());
        let n = request(Some(u16::MAX), 255, u32::MAX, u32::MAX, &mut out);
        assert!(out[..n].ends_with(b"\"n\":32,\"b\":\"0xffffffff\"}"));
    }

    #[test]
    fn descriptions_and_refusals_are_read() {
        let text = br#"{"c":"t","s":3,"d":"","r":[{"f":0,"z":9},{"z":70000,"f":7}]}"#;
        for (file, size) in [(0, Some(9)), (7, Some(70_000)), (1, None)] {
            let found = description(text, file).unwrap();
            assert_eq!(found, Description { version: 3, size });
        }
        assert_eq!(description(br#"{"r":[]}"#, 0), None);
        assert_eq!(
            rejection(br#"{"o":"InvalidJson","m":"\"no\""}"#),
            "InvalidJson"
        );
        assert_eq!(rejection(br#"{"code":"Unauthorized"}"#), "Unauthorized");
        assert_eq!(rejection(b"]"), "");
    }

    #[test]
    fn any_bytes_are_survived() {
        let text = *br#"{"f":0,"i":3,"l":4,"p":"3q2+7w==","s":1,"r":[{"f":0,"z":9}],"o":"x"}"#;
        let mut room = [0; BLOCK as usize];
        let mut state = 9u32;
        for _ in 0..50_000 {
            let mut bytes = text;
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                bytes[state as usize % bytes.len()] = (state >> 16) as u8;
            }
            let _ = data(&bytes, &mut room);
            rejection(&bytes);
            let _ = description(&bytes, 0);
        }
    }
}

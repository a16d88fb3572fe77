//! AWS IoT MQTT file streams in CBOR.
//!
//! Owns the answers to `get/cbor` and `describe/cbor` (reference/aws-iot.md §4): blocks in
//! indefinite-length maps, as AWS sends them, or one `rejected`. JSON streams are not served: a
//! request for them is rejected by name.

use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;

/// A block, or a refusal: topic suffix and payload.
pub type Answer = (&'static str, Vec<u8>);

/// At most this much is sent for one request, bytes.
const ANSWER_LIMIT: usize = 128 * 1024;

/// Files of a stream, by file id.
#[derive(Debug, Default, Clone)]
pub struct Stream {
    files: BTreeMap<u8, Vec<u8>>,
}

impl Stream {
    /// A stream of version 1 over `files`, whose ids are their places.
    pub fn new(files: Vec<Vec<u8>>) -> Stream {
        Stream {
            files: (0..=255).zip(files).collect(),
        }
    }

    /// Answers `get/cbor`.
    pub fn get(&self, payload: &[u8]) -> Vec<Answer> {
        let request = match Request::parse(payload) {
            Ok(request) => request,
            Err(_) => return vec![rejected(None, "InvalidCbor", "the request is no CBOR map")],
        };
        let token = request.token.as_deref();
        let refuse = |code, message: &str| vec![rejected(token, code, message)];
        if request.version.is_some_and(|v| v != 1) {
            return refuse("VersionMismatch", "the stream's version is 1");
        }
        let file = match request.file {
            None => return refuse("InvalidRequest", "no file id"),
            Some(id) => match u8::try_from(id).ok().and_then(|id| self.files.get(&id)) {
                None => return refuse("ResourceNotFound", "no such file in the stream"),
                Some(file) => file,
            },
        };
        let Some(size) = request.size.filter(|l| (256..=131_072).contains(l)) else {
            return refuse("BlockSizeOutOfBounds", "l is 256 to 131072");
        };
        let (size, offset) = (size as usize, request.offset.unwrap_or(0));
        if offset > 98_304 {
            return refuse("OffsetOutOfBounds", "o is 0 to 98304");
        }
        let count = request.count.unwrap_or(131_072 / size as u64);
        if count > 98_304 {
            return refuse("BlockCountLimitExceeded", "n is 0 to 98304");
        }
        let wanted: Vec<usize> = match &request.bitmap {
            Some(bits) if bits.len() >= 12_288 => {
                return refuse("BlockBitmapLimitExceeded", "b has fewer than 12288 bytes");
            }
            Some(bits) => (0..bits.len() * 8)
                .filter(|k| bits[k >> 3] & 1 << (k & 7) != 0)
                .collect(),
            None => (0..count as usize).collect(),
        };
        let most = (ANSWER_LIMIT / size).max(1).min(count as usize);
        wanted
            .into_iter()
            .map(|k| offset as usize + k)
            .filter_map(|i| {
                file.get(i * size..)
                    .filter(|rest| !rest.is_empty())
                    .map(|rest| (i, rest))
            })
            .take(most)
            .map(|(i, rest)| {
                (
                    "data/cbor",
                    block(token, request.file, i, &rest[..rest.len().min(size)]),
                )
            })
            .collect()
    }

    /// Answers `describe/cbor`.
    pub fn describe(&self, payload: &[u8]) -> Vec<Answer> {
        let token = Request::parse(payload).ok().and_then(|r| r.token);
        let mut e = Encoder::new(Vec::new());
        let ok = (|| {
            e.begin_map()?;
            if let Some(token) = &token {
                e.str("c")?.str(token)?;
            }
            e.str("s")?
                .u32(1)?
                .str("d")?
                .str("")?
                .str("r")?
                .array(self.files.len() as u64)?;
            for (id, file) in &self.files {
                e.map(2)?
                    .str("f")?
                    .u8(*id)?
                    .str("z")?
                    .u64(file.len() as u64)?;
            }
            e.end().map(drop)
        })();
        ok.expect("a Vec takes everything");
        vec![("description/cbor", e.into_writer())]
    }
}

/// One block as AWS sends it.
pub(crate) fn block(
    token: Option<&str>,
    file: Option<u64>,
    index: usize,
    payload: &[u8],
) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let ok = (|| {
        e.begin_map()?;
        if let Some(token) = token {
            e.str("c")?.str(token)?;
        }
        e.str("f")?.u64(file.unwrap_or(0))?;
        e.str("i")?.u64(index as u64)?;
        e.str("l")?.u64(payload.len() as u64)?;
        e.str("p")?.bytes(payload)?.end().map(drop)
    })();
    ok.expect("a Vec takes everything");
    e.into_writer()
}

/// A refusal; also what a request for an unknown stream gets.
pub fn rejected(token: Option<&str>, code: &str, message: &str) -> Answer {
    let mut e = Encoder::new(Vec::new());
    let ok = (|| {
        e.begin_map()?;
        e.str("o")?.str(code)?.str("m")?.str(message)?;
        if let Some(token) = token {
            e.str("c")?.str(token)?;
        }
        e.end().map(drop)
    })();
    ok.expect("a Vec takes everything");
    ("rejected/cbor", e.into_writer())
}

#[derive(Debug, Default)]
struct Request {
    token: Option<String>,
    version: Option<u64>,
    file: Option<u64>,
    size: Option<u64>,
    offset: Option<u64>,
    count: Option<u64>,
    bitmap: Option<Vec<u8>>,
}

impl Request {
    fn parse(payload: &[u8]) -> Result<Request, minicbor::decode::Error> {
        let mut d = Decoder::new(payload);
        let mut out = Request::default();
        let mut left = d.map()?;
        while left != Some(0) {
            if left.is_none() && d.datatype()? == minicbor::data::Type::Break {
                break;
            }
            match d.str()? {
                "c" => out.token = Some(d.str()?.to_owned()),
                "s" => out.version = Some(d.u64()?),
                "f" => out.file = Some(d.u64()?),
                "l" => out.size = Some(d.u64()?),
                "o" => out.offset = Some(d.u64()?),
                "n" => out.count = Some(d.u64()?),
                "b" => out.bitmap = Some(d.bytes()?.to_vec()),
                _ => d.skip()?,
            }
            left = left.map(|n| n - 1);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(s: &str) -> Vec<u8> {
        let digits: Vec<u8> = s.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap())
            .collect()
    }

    /// The vectors of aws-iot.md §4.3.
    #[test]
    fn data_is_the_measured_bytes() {
        let stream = Stream::new(vec![
            (0..4 * 256)
                .map(|i| (i / 256) as u8)
                .chain([0xDE, 0xAD, 0xBE, 0xEF])
                .collect(),
        ]);
        let get = hex("a4 6163 63726479 6166 00 616c 190100 616f 04");
        let out = stream.get(&get);
        assert_eq!(out.len(), 1);
        assert_eq!(
            out[0].1,
            hex("bf 6163 63726479 6166 00 6169 04 616c 04 6170 44 deadbeef ff")
        );
    }

    #[test]
    fn bitmap_and_count_both_hold() {
        let stream = Stream::new(vec![vec![7; 40 * 4096]]);
        let get = hex("a6 6163 63726479 6166 00 616c 191000 616f 00 6162 44 4d513d3d 616e 03");
        let indices: Vec<u8> = stream
            .get(&get)
            .iter()
            .map(|(_, p)| p[1 + 6 + 3 + 2])
            .collect();
        assert_eq!(indices, [0, 2, 3]);
        assert_eq!(stream.get(&get)[0].1.len(), 4120);
    }

    #[test]
    fn one_answer_is_bounded() {
        let stream = Stream::new(vec![vec![7; 400 * 4096]]);
        assert_eq!(stream.get(&hex("a2 6166 00 616c 191000")).len(), 32);
        assert_eq!(
            stream.get(&hex("a3 6166 00 616c 191000 616e 190100")).len(),
            32
        );
    }

    #[test]
    fn refusals_are_named() {
        let stream = Stream::new(vec![vec![1; 10]]);
        for (request, code) in [
            ("ff", "InvalidCbor"),
            ("a1 6166 00", "BlockSizeOutOfBounds"),
            ("a1 616c 191000", "InvalidRequest"),
            ("a2 6166 09 616c 191000", "ResourceNotFound"),
            ("a3 6173 02 6166 00 616c 191000", "VersionMismatch"),
            (
                "a3 616f 1a00018001 6166 00 616c 191000",
                "OffsetOutOfBounds",
            ),
            (
                "a3 616e 1a00018001 6166 00 616c 191000",
                "BlockCountLimitExceeded",
            ),
        ] {
            let out = stream.get(&hex(request));
            assert_eq!(out[0].0, "rejected/cbor");
            assert!(
                String::from_utf8_lossy(&out[0].1).contains(code),
                "{request}"
            );
        }
    }

    #[test]
    fn any_bytes_are_answered() {
        let stream = Stream::new(vec![vec![1; 5000]]);
        let mut state = 7u32;
        for _ in 0..20_000 {
            let mut bytes =
                hex("a6 6163 63726479 6166 00 616c 191000 616f 00 6162 44 4d513d3d 616e 03");
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let at = state as usize % bytes.len();
                bytes[at] = (state >> 16) as u8;
            }
            stream.get(&bytes);
        }
    }
}

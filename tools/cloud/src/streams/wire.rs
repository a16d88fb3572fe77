//! The two forms of a stream's messages.
//!
//! Owns reading requests and writing answers: CBOR with indefinite-length maps, as AWS sends them,
//! and compact JSON with base64 payloads and hex bitmaps. Members come in AWS's order.

use super::{Answer, Stream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Value, json};

/// The last level of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Cbor,
    Json,
}

impl Format {
    /// Of a topic's last level.
    pub fn of(level: &str) -> Option<Format> {
        match level {
            "cbor" => Some(Format::Cbor),
            "json" => Some(Format::Json),
            _ => None,
        }
    }

    fn suffix(self, cbor: &'static str, json: &'static str) -> &'static str {
        match self {
            Format::Cbor => cbor,
            Format::Json => json,
        }
    }
}

/// `get` and `describe`: code and message of what is wrong, or the members.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) token: Option<String>,
    pub(super) version: Option<u64>,
    pub(super) file: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) offset: Option<u64>,
    pub(super) count: Option<u64>,
    pub(super) bitmap: Option<Vec<u8>>,
}

type Refusal = (&'static str, String);

impl Request {
    pub(super) fn parse(format: Format, payload: &[u8]) -> Result<Request, Refusal> {
        match format {
            _ if payload.is_empty() => Ok(Request::default()),
            Format::Cbor => {
                Request::cbor(payload).map_err(|_| ("InvalidCbor", "no CBOR request".into()))
            }
            Format::Json => Request::json(payload),
        }
    }

    fn cbor(payload: &[u8]) -> Result<Request, minicbor::decode::Error> {
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

    fn json(payload: &[u8]) -> Result<Request, Refusal> {
        let map: Map<String, Value> =
            serde_json::from_slice(payload).map_err(|e| ("InvalidJson", e.to_string()))?;
        let number = |name: &str| match map.get(name) {
            None => Ok(None),
            Some(v) => match v.as_u64() {
                Some(n) => Ok(Some(n)),
                None => Err(("InvalidRequest", format!("{name} is {v}"))),
            },
        };
        let text = |name: &str| match map.get(name) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.as_str())),
            Some(v) => Err(("InvalidRequest", format!("{name} is {v}"))),
        };
        let bitmap = text("b")?.map(|hex| {
            let digits = hex.strip_prefix("0x").filter(|d| d.len() % 2 == 0);
            let bytes = digits.and_then(|d| {
                let pairs = d.as_bytes().chunks(2);
                let byte = |pair: &[u8]| {
                    let digit = |b: u8| char::from(b).to_digit(16);
                    Some((digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?) as u8)
                };
                pairs.map(byte).collect::<Option<Vec<u8>>>()
            });
            bytes.ok_or_else(|| ("InvalidRequest", "b is hex, from 0x on".to_owned()))
        });
        Ok(Request {
            token: text("c")?.map(str::to_owned),
            version: number("s")?,
            file: number("f")?,
            size: number("l")?,
            offset: number("o")?,
            count: number("n")?,
            bitmap: bitmap.transpose()?,
        })
    }
}

/// One block as AWS sends it.
pub(crate) fn block(
    format: Format,
    token: Option<&str>,
    file: Option<u64>,
    index: usize,
    payload: &[u8],
) -> Answer {
    let file = file.unwrap_or(0);
    let body = match format {
        Format::Json => object(
            token,
            json!({"f": file, "i": index, "l": payload.len(), "p": STANDARD.encode(payload)}),
        ),
        Format::Cbor => cbor(|e| {
            if let Some(token) = token {
                e.str("c")?.str(token)?;
            }
            e.str("f")?.u64(file)?;
            e.str("i")?.u64(index as u64)?;
            e.str("l")?.u64(payload.len() as u64)?;
            e.str("p")?.bytes(payload).map(drop)
        }),
    };
    (format.suffix("data/cbor", "data/json"), body)
}

/// A block, read back: what mischief changes.
pub(crate) struct Block {
    pub(crate) token: Option<String>,
    pub(crate) file: u64,
    pub(crate) index: usize,
    pub(crate) payload: Vec<u8>,
}

impl Block {
    /// Parses what [`block`] wrote; `None` for anything else.
    pub(crate) fn parse(suffix: &str, bytes: &[u8]) -> Option<(Format, Block)> {
        match suffix {
            "data/json" => {
                let v: Value = serde_json::from_slice(bytes).ok()?;
                let block = Block {
                    token: v["c"].as_str().map(str::to_owned),
                    file: v["f"].as_u64()?,
                    index: usize::try_from(v["i"].as_u64()?).ok()?,
                    payload: STANDARD.decode(v["p"].as_str()?).ok()?,
                };
                Some((Format::Json, block))
            }
            "data/cbor" => Some((Format::Cbor, Block::cbor(bytes).ok()?)),
            _ => None,
        }
    }

    fn cbor(bytes: &[u8]) -> Result<Block, minicbor::decode::Error> {
        let mut d = Decoder::new(bytes);
        d.map()?;
        let mut out = Block {
            token: None,
            file: 0,
            index: 0,
            payload: Vec::new(),
        };
        while d.datatype()? != minicbor::data::Type::Break {
            match d.str()? {
                "c" => out.token = Some(d.str()?.to_owned()),
                "f" => out.file = d.u64()?,
                "i" => out.index = d.u64()? as usize,
                "p" => out.payload = d.bytes()?.to_vec(),
                _ => d.skip()?,
            }
        }
        Ok(out)
    }
}

/// What a stream holds.
pub(super) fn description(format: Format, token: Option<&str>, stream: &Stream) -> Answer {
    let files = || {
        let sizes = stream.files.iter();
        sizes.map(|(id, f)| (*id, f.as_ref().map_or(0, |f| f.len())))
    };
    let body = match format {
        Format::Json => {
            let list: Vec<Value> = files().map(|(f, z)| json!({"f": f, "z": z})).collect();
            object(
                token,
                json!({"s": stream.version, "d": stream.description, "r": list}),
            )
        }
        Format::Cbor => cbor(|e| {
            if let Some(token) = token {
                e.str("c")?.str(token)?;
            }
            e.str("s")?.u16(stream.version)?;
            e.str("d")?.str(&stream.description)?;
            e.str("r")?.array(stream.files.len() as u64)?;
            for (id, size) in files() {
                e.map(2)?.str("f")?.u8(id)?.str("z")?.u64(size as u64)?;
            }
            Ok(())
        }),
    };
    (format.suffix("description/cbor", "description/json"), body)
}

/// A refusal; also what a request for an unknown stream gets.
pub(crate) fn rejected(format: Format, token: Option<&str>, code: &str, message: &str) -> Answer {
    let body = match format {
        Format::Json => {
            let mut body = json!({"o": code, "m": message});
            if let Some(token) = token {
                body["c"] = token.into();
            }
            body.to_string().into_bytes()
        }
        Format::Cbor => cbor(|e| {
            e.str("o")?.str(code)?.str("m")?.str(message)?;
            if let Some(token) = token {
                e.str("c")?.str(token)?;
            }
            Ok(())
        }),
    };
    (format.suffix("rejected/cbor", "rejected/json"), body)
}

type Vector = Encoder<Vec<u8>>;

fn cbor(
    members: impl FnOnce(&mut Vector) -> Result<(), minicbor::encode::Error<std::convert::Infallible>>,
) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let ok = (|| {
        e.begin_map()?;
        members(&mut e)?;
        e.end().map(drop)
    })();
    ok.expect("a Vec takes everything");
    e.into_writer()
}

fn object(token: Option<&str>, members: Value) -> Vec<u8> {
    let mut out = Map::new();
    if let Some(token) = token {
        out.insert("c".into(), token.into());
    }
    if let Value::Object(members) = members {
        out.extend(members);
    }
    Value::Object(out).to_string().into_bytes()
}

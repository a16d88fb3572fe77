//! MQTT file streams (reference/aws-iot.md §4), in CBOR or JSON.
//!
//! Owns what the two requests ask, what the three answers mean, and which of the two formats a topic is
//! in. Every reader takes any bytes.

mod cbor;
mod json;

use crate::BLOCK;

/// Token that our requests carry.
const TOKEN: &str = "tockstone";
/// Room for a request, bytes.
pub const REQUEST: usize = 112;

/// What a stream's messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A quarter smaller on the wire; asked for first.
    Cbor,
    /// What the reference's agent speaks.
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

    /// A topic's last level.
    pub fn level(self) -> &'static str {
        match self {
            Format::Cbor => "cbor",
            Format::Json => "json",
        }
    }

    /// A request for the blocks of `bits` from `first` on, of the stream's `version` if it is known;
    /// the bytes used of `out`.
    pub fn request(
        self,
        version: Option<u16>,
        file: u8,
        first: u32,
        bits: u32,
        out: &mut [u8; REQUEST],
    ) -> usize {
        match self {
            Format::Cbor => cbor::request(version, file, first, bits, out),
            Format::Json => json::request(version, file, first, bits, out),
        }
    }

    /// A request for the stream's description; the bytes used of `out`.
    pub fn describe(self, out: &mut [u8; REQUEST]) -> usize {
        match self {
            Format::Cbor => cbor::describe(out),
            Format::Json => json::describe(out),
        }
    }

    /// Reads `description`, looking for `file`; `None` for what is no description.
    pub fn description(self, payload: &[u8], file: u8) -> Option<Description> {
        match self {
            Format::Cbor => cbor::description(payload, file).ok(),
            Format::Json => json::description(payload, file),
        }
    }

    /// Reads `data`, with room for a block's bytes; `None` for what is no whole block.
    pub fn data<'a>(
        self,
        payload: &'a [u8],
        room: &'a mut [u8; BLOCK as usize],
    ) -> Option<Data<'a>> {
        match self {
            Format::Cbor => cbor::data(payload).ok(),
            Format::Json => json::data(payload, room),
        }
    }

    /// Reads `rejected`; what cannot be read may pass.
    pub fn rejection(self, payload: &[u8]) -> Rejection {
        Rejection::of(match self {
            Format::Cbor => cbor::rejection(payload),
            Format::Json => json::rejection(payload),
        })
    }
}

/// What a description says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Stream version.
    pub version: u16,
    /// Size of the file that was asked about, if it is in the stream.
    pub size: Option<u64>,
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

/// What a rejected request means for the download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Asking again may help, later.
    Later,
    /// The stream is not what it was: what was fetched is worth nothing.
    Changed,
    /// There is no such stream or file for this thing.
    Gone,
    /// Our request breaks a rule of the service.
    Refused,
}

impl Rejection {
    fn of(code: &str) -> Rejection {
        match code {
            "Unauthorized" | "ResourceNotFound" => Rejection::Gone,
            "ETagMismatch" | "VersionMismatch" => Rejection::Changed,
            "BlockSizeOutOfBounds"
            | "OffsetOutOfBounds"
            | "BlockCountLimitExceeded"
            | "BlockBitmapLimitExceeded"
            | "InvalidRequest"
            | "InvalidCbor"
            | "InvalidJson"
            | "InvalidTopic" => Rejection::Refused,
            _ => Rejection::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        for (code, meaning) in [
            ("ResourceNotFound", Rejection::Gone),
            ("Unauthorized", Rejection::Gone),
            ("VersionMismatch", Rejection::Changed),
            ("ETagMismatch", Rejection::Changed),
            ("BlockBitmapLimitExceeded", Rejection::Refused),
            ("InvalidJson", Rejection::Refused),
            ("InternalError", Rejection::Later),
            ("Something", Rejection::Later),
        ] {
            let text = format!("{{\"o\":\"{code}\",\"m\":\"\",\"t\":1}}");
            assert_eq!(Format::Json.rejection(text.as_bytes()), meaning);
        }
        assert_eq!(Format::Cbor.rejection(&[0xFF]), Rejection::Later);
    }
}

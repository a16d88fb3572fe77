//! AWS IoT MQTT file streams, in CBOR and in JSON.
//!
//! Owns the answers to `get/<form>` and `describe/<form>` (reference/aws-iot.md §4): blocks, or one
//! `rejected`. The two forms differ only in how they are written, which [`wire`] owns.

mod wire;

pub use wire::Format;
pub(crate) use wire::{Block, block, rejected};

use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Request;

/// A block, or a refusal: topic suffix and payload.
pub type Answer = (&'static str, Vec<u8>);

/// At most this much is sent for one request, bytes.
const ANSWER_LIMIT: usize = 128 * 1024;

/// Files of a stream, by file id.
#[derive(Debug, Default, Clone)]
pub struct Stream {
    /// `streamVersion`; a new stream's is 1.
    pub version: u16,
    pub description: String,
    /// A file that has changed since the stream was made is `None`: `ETagMismatch`.
    pub files: BTreeMap<u8, Option<Arc<Vec<u8>>>>,
}

impl Stream {
    /// A stream of version 1 over `files`, whose ids are their places.
    pub fn new(files: Vec<Vec<u8>>) -> Stream {
        let files = files.into_iter().map(|f| Some(Arc::new(f)));
        Stream {
            version: 1,
            description: String::new(),
            files: (0..=255).zip(files).collect(),
        }
    }

    /// Answers `get/<form>`.
    pub fn get(&self, format: Format, payload: &[u8]) -> Vec<Answer> {
        let request = match Request::parse(format, payload) {
            Ok(request) => request,
            Err((code, message)) => return vec![rejected(format, None, code, &message)],
        };
        let token = request.token.as_deref();
        let refuse = |code, message: &str| vec![rejected(format, token, code, message)];
        if request
            .version
            .is_some_and(|v| v != u64::from(self.version))
        {
            let message = format!("the stream's version is {}", self.version);
            return refuse("VersionMismatch", &message);
        }
        let file = match request.file {
            None => return refuse("InvalidRequest", "no file id"),
            Some(id) => match u8::try_from(id).ok().and_then(|id| self.files.get(&id)) {
                None => return refuse("ResourceNotFound", "no such file in the stream"),
                Some(None) => return refuse("ETagMismatch", "the object has changed"),
                Some(Some(file)) => file,
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
                let rest = &rest[..rest.len().min(size)];
                block(format, token, request.file, i, rest)
            })
            .collect()
    }

    /// Answers `describe/<form>`.
    pub fn describe(&self, format: Format, payload: &[u8]) -> Vec<Answer> {
        match Request::parse(format, payload) {
            Err((code, message)) => vec![rejected(format, None, code, &message)],
            Ok(request) => vec![wire::description(format, request.token.as_deref(), self)],
        }
    }
}

#[cfg(test)]
mod tests;

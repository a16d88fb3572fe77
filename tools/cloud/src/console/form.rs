//! What comes with a request: the members of its query, or of its form.
//!
//! Owns the reading of both encodings that HTML has. A member that is absent reads as empty.

use crate::fault::Fault;
use crate::http;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use std::convert::Infallible;

/// The members, in their order.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, Bytes)>);

impl Form {
    /// Of a query string.
    pub(super) fn query(text: &str) -> Form {
        let pairs = http::pairs(text).into_iter();
        Form(pairs.map(|(name, value)| (name, value.into())).collect())
    }

    /// Of a body.
    ///
    /// # Errors
    /// Names what is wrong with a form that has files.
    pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Result<Form, Fault> {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !kind.starts_with("multipart/form-data") {
            return Ok(Form::query(&String::from_utf8_lossy(&body)));
        }
        let bad = |e: multer::Error| Fault::invalid(format!("the form: {e}"));
        let boundary = multer::parse_boundary(kind).map_err(bad)?;
        let once = futures_util::stream::iter([Ok::<_, Infallible>(body)]);
        let mut parts = multer::Multipart::new(once, boundary);
        let mut members = Vec::new();
        while let Some(part) = parts.next_field().await.map_err(bad)? {
            let name = part.name().unwrap_or_default().to_owned();
            members.push((name, part.bytes().await.map_err(bad)?));
        }
        Ok(Form(members))
    }

    /// A member's bytes.
    pub(super) fn bytes(&self, name: &str) -> &[u8] {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map_or(&[], |(_, value)| value)
    }

    /// A member as text; empty when it is none.
    pub(super) fn text(&self, name: &str) -> &str {
        std::str::from_utf8(self.bytes(name)).unwrap_or_default()
    }
}

//! The other end: one request to a control plane, for tools of this workspace.
//!
//! Owns a client of HTTP/1.1 that is enough for [`super`]: one connection a request, plain TCP to
//! this machine. Its signature has the form that the server asks for and no more, so it opens
//! nothing but a local cloud.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends a request of one service (`iot`, `s3`, …); gives the body of a good answer.
///
/// # Errors
/// When nobody answers at the endpoint, and with name and message when the answer is a refusal.
pub fn send(
    endpoint: &str,
    service: &str,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Vec<u8>> {
    let host = endpoint
        .strip_prefix("http://")
        .map(|host| host.trim_end_matches('/'))
        .with_context(|| format!("`{endpoint}` is no http:// URL"))?;
    let mut stream = TcpStream::connect(host).context("nobody answers")?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let signature = "0".repeat(64);
    let path = path.replace('%', "%25").replace(' ', "%20");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-length: {}\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=local/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, \
         Signature={signature}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.context("the answer is no HTTP")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let content = answer.split_off(end + 4);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') {
        return Ok(content);
    }
    let name = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-amzn-errortype")
            .then(|| value.trim().to_owned())
    });
    let parsed: Value = serde_json::from_slice(&content).unwrap_or_default();
    match parsed["message"].as_str() {
        Some(message) => bail!("{}: {message}", name.unwrap_or_default()),
        None => bail!("{status}: {}", String::from_utf8_lossy(&content)),
    }
}

/// A blob, as AWS's JSON carries it.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

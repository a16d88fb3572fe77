//! The `s3` service, path style: buckets, objects and their versions.
//!
//! Owns its XML and its headers. Multipart uploads, copies, access rules and metadata of users are
//! not here; what names one of them is refused, so that nothing is done by halves. A presigned URL
//! ends when it says; like any signature it is not verified.

use super::s3_list::list;
use super::{Reply, Request, decode, escape};
use crate::core::Core;
use crate::fault::Fault;
use crate::now;
use crate::objects::{Objects, Version};
use std::fmt::Write;

pub(super) const SPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// What a query may name.
const KNOWN: [&str; 17] = [
    "versionId",
    "versioning",
    "versions",
    "location",
    "delete",
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "marker",
    "key-marker",
    "version-id-marker",
    "encoding-type",
    "fetch-owner",
    "x-id",
];

/// Answers an operation of the service; errors are XML here.
pub(super) fn answer(core: &Core, request: &mut Request) -> Reply {
    match operate(core, request) {
        Ok(reply) => reply,
        Err(fault) => {
            let name = fault.name.strip_suffix("Exception").unwrap_or(fault.name);
            let body = format!(
                "<Error><Code>{name}</Code><Message>{}</Message></Error>",
                escape(&fault.message)
            );
            Reply::xml(fault.status, &body)
        }
    }
}

fn operate(core: &Core, request: &mut Request) -> Result<Reply, Fault> {
    let path = request.path.trim_start_matches('/').to_owned();
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    let (bucket, key) = (decode(bucket), decode(key));
    let unknown = |name: &str| !KNOWN.contains(&name) && !name.starts_with("X-Amz-");
    if let Some((name, _)) = request.query.iter().find(|(name, _)| unknown(name)) {
        return Err(Fault::new("NotImplemented", 501, format!("`{name}`")));
    }
    let unkept = |name: &str| name == "x-amz-copy-source" || name.starts_with("x-amz-meta-");
    if let Some(name) = request.headers.keys().find(|n| unkept(n.as_str())) {
        return Err(Fault::new("NotImplemented", 501, format!("`{name}`")));
    }
    presigned(request)?;
    let version = request.argument("versionId").map(str::to_owned);
    match (request.method.as_str(), bucket.as_str(), key.as_str()) {
        ("GET", "", "") => {
            let mut list = String::new();
            core.read(|s| {
                for (name, b) in &s.store.data.objects.buckets {
                    let created = time(b.created);
                    let _ = write!(
                        list,
                        "<Bucket><Name>{name}</Name><CreationDate>{created}</CreationDate></Bucket>"
                    );
                }
            });
            let body = format!(
                "<ListAllMyBucketsResult {SPACE}><Buckets>{list}</Buckets></ListAllMyBucketsResult>"
            );
            Ok(Reply::xml(200, &body))
        }
        ("PUT", bucket, "") if request.argument("versioning").is_some() => {
            let on = String::from_utf8_lossy(&request.body).contains("Enabled");
            core.change(|s| {
                let bucket = s.store.data.objects.bucket(bucket)?;
                bucket.versioning = Some(if on { "Enabled" } else { "Suspended" }.into());
                Ok(((), Vec::new()))
            })?;
            Ok(Reply::empty(200))
        }
        ("PUT", bucket, "") => {
            core.change(|s| Ok((s.store.data.objects.create(bucket, now())?, Vec::new())))?;
            Ok(Reply::empty(200))
        }
        ("GET" | "HEAD", bucket, "") => list(core, request, bucket),
        ("DELETE", bucket, "") => {
            core.change(|s| {
                let objects = &mut s.store.data.objects;
                if !objects.bucket(bucket)?.objects.is_empty() {
                    return Err(Fault::new("BucketNotEmpty", 409, bucket));
                }
                objects.buckets.remove(bucket);
                Ok(((), Vec::new()))
            })?;
            Ok(Reply::empty(204))
        }
        ("PUT", bucket, key) => {
            let kind = request
                .header("content-type")
                .unwrap_or("binary/octet-stream");
            let kind = kind.to_owned();
            let chunked = request
                .header("content-encoding")
                .is_some_and(|e| e.contains("aws-chunked"))
                || request
                    .header("x-amz-content-sha256")
                    .is_some_and(|h| h.starts_with("STREAMING-"));
            let bytes = if chunked {
                dechunk(&request.body)?
            } else {
                std::mem::take(&mut request.body)
            };
            let made = core.change(|s| {
                let (objects, dir) = (&mut s.store.data.objects, &s.store.dir);
                conditions(request, objects.version(bucket, key, None).ok())?;
                Ok((
                    objects.put(dir, bucket, key, &kind, &bytes, now())?,
                    Vec::new(),
                ))
            })?;
            let mut reply = Reply::empty(200);
            reply.headers = head(&made);
            Ok(reply)
        }
        ("GET" | "HEAD", bucket, key) => {
            let (found, bytes) = core.read(|s| {
                let objects = &s.store.data.objects;
                let found = objects.version(bucket, key, version.as_deref())?.clone();
                let bytes = Objects::read(&s.store.dir, &found)?;
                Ok::<_, Fault>((found, bytes))
            })?;
            conditions(request, Some(&found))?;
            let mut reply = Reply::empty(200);
            reply.headers = head(&found);
            reply.headers.push(("content-type", found.kind.clone()));
            reply.headers.push(("accept-ranges", "bytes".into()));
            reply
                .headers
                .push(("last-modified", http_time(found.modified)));
            match request.header("range").map(|r| range(r, bytes.len())) {
                None => reply.body = bytes,
                Some(Some((from, to))) => {
                    let whole = bytes.len();
                    reply.status = 206;
                    reply
                        .headers
                        .push(("content-range", format!("bytes {from}-{to}/{whole}")));
                    reply.body = bytes.get(from..=to).unwrap_or_default().to_vec();
                }
                Some(None) => return Err(Fault::new("InvalidRange", 416, "the range is outside")),
            }
            Ok(reply)
        }
        ("DELETE", bucket, key) => {
            let gone = core.change(|s| {
                let (objects, dir) = (&mut s.store.data.objects, &s.store.dir);
                let gone = objects.delete(dir, bucket, key, version.as_deref(), now())?;
                Ok((gone, Vec::new()))
            })?;
            let mut reply = Reply::empty(204);
            if let Some(gone) = gone.filter(|v| v.id != "null" || v.marker) {
                if gone.marker {
                    reply.headers.push(("x-amz-delete-marker", "true".into()));
                }
                reply.headers.push(("x-amz-version-id", gone.id));
            }
            Ok(reply)
        }
        ("POST", bucket, "") if request.argument("delete").is_some() => {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let quiet = element(&body, "Quiet").as_deref() == Some("true");
            let mut out = String::new();
            core.change(|s| {
                let (objects, dir) = (&mut s.store.data.objects, &s.store.dir);
                for object in body.split("<Object>").skip(1) {
                    let bad = || Fault::new("MalformedXML", 400, "an Object needs a Key");
                    let key = element(object, "Key").ok_or_else(bad)?;
                    let version = element(object, "VersionId");
                    let gone = objects.delete(dir, bucket, &key, version.as_deref(), now())?;
                    let mut what = format!("<Key>{}</Key>", escape(&key));
                    if let Some(id) = version {
                        let _ = write!(what, "<VersionId>{}</VersionId>", escape(&id));
                    }
                    if let Some(marker) = gone.filter(|v| v.marker) {
                        let _ = write!(
                            what,
                            "<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{}\
                             </DeleteMarkerVersionId>",
                            marker.id
                        );
                    }
                    if !quiet {
                        let _ = write!(out, "<Deleted>{what}</Deleted>");
                    }
                }
                Ok(((), Vec::new()))
            })?;
            let body = format!("<DeleteResult {SPACE}>{out}</DeleteResult>");
            Ok(Reply::xml(200, &body))
        }
        _ => Err(Fault::new("MethodNotAllowed", 405, request.path.clone())),
    }
}

/// A presigned URL whose time is over.
fn presigned(request: &Request) -> Result<(), Fault> {
    if request.argument("X-Amz-Credential").is_none() {
        return Ok(());
    }
    let bad = |name| Fault::new("AuthorizationQueryParametersError", 400, name);
    let seconds = request
        .argument("X-Amz-Expires")
        .and_then(|n| n.parse().ok());
    let seconds: u64 = seconds
        .filter(|n| (1..=604_800).contains(n))
        .ok_or_else(|| bad("X-Amz-Expires is 1 to 604800"))?;
    let date = request.argument("X-Amz-Date");
    let date = date.ok_or_else(|| bad("X-Amz-Date is missing"))?;
    // YYYYMMDDTHHMMSSZ: the order of the texts is that of the times.
    let oldest = time(now().saturating_sub(seconds)).replace(['-', ':'], "");
    match date < oldest.replace(".000", "").as_str() {
        true => Err(Fault::new("AccessDenied", 403, "Request has expired")),
        false => Ok(()),
    }
}

/// `If-Match` and `If-None-Match`, by entity tag or `*`.
fn conditions(request: &Request, found: Option<&Version>) -> Result<(), Fault> {
    let names = |header: &str| {
        let list = request.header(header)?;
        let mut tags = list.split(',').map(|t| t.trim().trim_matches('"'));
        Some(found.is_some_and(|v| tags.any(|t| t == "*" || t == v.etag)))
    };
    if names("if-match") == Some(false) {
        return Err(Fault::new("PreconditionFailed", 412, "If-Match"));
    }
    match (names("if-none-match"), request.method.as_str()) {
        (Some(true), "GET" | "HEAD") => Err(Fault::new("NotModified", 304, "If-None-Match")),
        (Some(true), _) => Err(Fault::new("PreconditionFailed", 412, "If-None-Match")),
        _ => Ok(()),
    }
}

/// Text of the first element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = text.replace("&lt;", "<").replace("&gt;", ">");
    let plain = plain.replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&amp;", "&"))
}

fn head(version: &Version) -> Vec<(&'static str, String)> {
    let mut out = vec![("etag", format!("\"{}\"", version.etag))];
    if version.id != "null" {
        out.push(("x-amz-version-id", version.id.clone()));
    }
    out
}

/// First and last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n`.
fn range(text: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let last = length.checked_sub(1)?;
    let (from, to) = match (from.parse().ok(), to.parse::<usize>().ok()) {
        (Some(from), to) => (from, to.unwrap_or(last).min(last)),
        (None, Some(n)) => (length.saturating_sub(n), last),
        (None, None) => return None,
    };
    (from <= to).then_some((from, to))
}

/// The body of `Content-Encoding: aws-chunked`; signatures and trailers are left aside.
fn dechunk(mut body: &[u8]) -> Result<Vec<u8>, Fault> {
    let bad = || Fault::new("IncompleteBody", 400, "the body is not aws-chunked");
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n").ok_or_else(bad)?;
        let line = String::from_utf8_lossy(&body[..end]).into_owned();
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|_| bad())?;
        body = &body[end + 2..];
        if size == 0 {
            return Ok(out);
        }
        out.extend_from_slice(body.get(..size).ok_or_else(bad)?);
        body = body
            .get(size..)
            .and_then(|b| b.strip_prefix(b"\r\n"))
            .ok_or_else(bad)?;
    }
}

/// Year, month, day of days since 1970-01-01 (proleptic Gregorian).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day = z % 146_097;
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let in_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, in_month)
}

/// Epoch seconds as ISO 8601 has them, in UTC.
pub(crate) fn time(at: u64) -> String {
    let ((y, m, d), s) = (civil(at / 86_400), at % 86_400);
    let (h, min, s) = (s / 3600, s / 60 % 60, s % 60);
    format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}.000Z")
}

fn http_time(at: u64) -> String {
    let ((y, m, d), s) = (civil(at / 86_400), at % 86_400);
    let (h, min, s) = (s / 3600, s / 60 % 60, s % 60);
    let day = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(at / 86_400 % 7) as usize];
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months[(m as usize).saturating_sub(1) % 12];
    format!("{day}, {d:02} {month} {y:04} {h:02}:{min:02}:{s:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_s3_does() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(951_827_696), "2000-02-29T12:34:56.000Z");
        assert_eq!(http_time(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn ranges_and_chunks() {
        assert_eq!(range("bytes=2-4", 10), Some((2, 4)));
        assert_eq!(range("bytes=2-", 10), Some((2, 9)));
        assert_eq!(range("bytes=-3", 10), Some((7, 9)));
        assert_eq!(range("bytes=10-", 10), None);
        assert_eq!(range("bytes=0-", 0), None);
        let body =
            b"5;chunk-signature=x\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        assert_eq!(dechunk(body).unwrap(), b"hello!");
        for end in 0..28 {
            assert!(dechunk(&body[..end]).is_err());
        }
    }
}

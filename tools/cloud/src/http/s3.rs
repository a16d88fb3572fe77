//! The `s3` service, path style: buckets, objects and their versions.
//!
//! Owns its XML and its headers. Multipart uploads, access rules and presigned URLs are not here.

use super::{Reply, Request, decode, escape};
use crate::core::Core;
use crate::fault::Fault;
use crate::now;
use crate::objects::{Objects, Version};
use std::fmt::Write;

const SPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

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
    for name in ["uploads", "uploadId", "acl", "policy", "tagging", "copy"] {
        if request.argument(name).is_some() {
            return Err(Fault::new("NotImplemented", 501, format!("`{name}`")));
        }
    }
    if request.header("x-amz-copy-source").is_some() {
        return Err(Fault::new("NotImplemented", 501, "CopyObject"));
    }
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
            core.change(|s| {
                let (objects, dir) = (&mut s.store.data.objects, &s.store.dir);
                Ok((
                    objects.delete(dir, bucket, key, version.as_deref())?,
                    Vec::new(),
                ))
            })?;
            Ok(Reply::empty(204))
        }
        _ => Err(Fault::new("MethodNotAllowed", 405, request.path.clone())),
    }
}

fn list(core: &Core, request: &Request, name: &str) -> Result<Reply, Fault> {
    core.read(|s| {
        let bucket = s.store.data.objects.bucket(name)?;
        if request.argument("location").is_some() {
            let body = format!("<LocationConstraint {SPACE}></LocationConstraint>");
            return Ok(Reply::xml(200, &body));
        }
        if request.argument("versioning").is_some() {
            let status = bucket.versioning.as_deref();
            let status = status.map_or(String::new(), |v| format!("<Status>{v}</Status>"));
            let body = format!("<VersioningConfiguration {SPACE}>{status}</VersioningConfiguration>");
            return Ok(Reply::xml(200, &body));
        }
        let prefix = request.argument("prefix").unwrap_or_default();
        let mut out = String::new();
        let mut count = 0;
        let of_prefix = bucket.objects.iter().filter(|(k, _)| k.starts_with(prefix));
        let all = request.argument("versions").is_some();
        for (key, versions) in of_prefix {
            let newest = versions.last().map(|v| v.id.clone());
            for v in versions.iter().rev().take(if all { usize::MAX } else { 1 }) {
                let fields = format!(
                    "<Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag>\
                     <Size>{}</Size><StorageClass>STANDARD</StorageClass>",
                    escape(key),
                    time(v.modified),
                    v.etag,
                    v.size
                );
                count += 1;
                let _ = if all {
                    let latest = newest.as_ref() == Some(&v.id);
                    write!(
                        out,
                        "<Version>{fields}<VersionId>{}</VersionId><IsLatest>{latest}</IsLatest></Version>",
                        v.id
                    )
                } else {
                    write!(out, "<Contents>{fields}</Contents>")
                };
            }
        }
        let root = if all { "ListVersionsResult" } else { "ListBucketResult" };
        let body = format!(
            "<{root} {SPACE}><Name>{name}</Name><Prefix>{}</Prefix><KeyCount>{count}</KeyCount>\
             <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{out}</{root}>",
            escape(prefix)
        );
        Ok(Reply::xml(200, &body))
    })
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

//! What a bucket holds, in pages.
//!
//! Owns ListObjects, ListObjectsV2, ListObjectVersions, and the two small answers about the bucket
//! itself. Keys that share a prefix up to the delimiter are one entry.

use super::s3::{SPACE, time};
use super::{Reply, Request, escape};
use crate::core::Core;
use crate::fault::Fault;
use crate::objects::{Bucket, Version};
use std::fmt::Write;

/// Entries of a page, at most.
const PAGE: usize = 1000;

/// One entry: key, or common prefix; its version, and whether that is the newest.
type Entry<'a> = (String, Option<(&'a Version, bool)>);

/// Answers GET and HEAD of a bucket.
pub(super) fn list(core: &Core, request: &Request, name: &str) -> Result<Reply, Fault> {
    core.read(|s| {
        let bucket = s.store.data.objects.bucket(name)?;
        if request.argument("location").is_some() {
            let body = format!("<LocationConstraint {SPACE}></LocationConstraint>");
            return Ok(Reply::xml(200, &body));
        }
        if request.argument("versioning").is_some() {
            let status = bucket.versioning.as_deref();
            let status = status.map_or(String::new(), |v| format!("<Status>{v}</Status>"));
            let body =
                format!("<VersioningConfiguration {SPACE}>{status}</VersioningConfiguration>");
            return Ok(Reply::xml(200, &body));
        }
        page(request, name, bucket)
    })
}

fn page(request: &Request, name: &str, bucket: &Bucket) -> Result<Reply, Fault> {
    let text = |name: &str| request.argument(name).unwrap_or_default();
    let all = request.argument("versions").is_some();
    let second = request.argument("list-type") == Some("2");
    let bad = |f: Fault| Fault::new("InvalidArgument", 400, f.message);
    let most = request.number("max-keys").map_err(bad)?;
    let most = most.map_or(PAGE, |n| usize::try_from(n).unwrap_or(PAGE).min(PAGE));
    let entries = entries(bucket, text("prefix"), text("delimiter"), all);

    // After which key, and which of its versions.
    let after = match (all, second) {
        (true, _) => text("key-marker"),
        (_, true) if !text("continuation-token").is_empty() => text("continuation-token"),
        (_, true) => text("start-after"),
        _ => text("marker"),
    };
    let id = text("version-id-marker");
    let is_last = |(key, version): &Entry| key == after && version.is_some_and(|(v, _)| v.id == id);
    let from = match entries
        .iter()
        .position(is_last)
        .filter(|_| all && !id.is_empty())
    {
        Some(at) => at + 1,
        None => entries
            .iter()
            .position(|(k, _)| k.as_str() > after)
            .unwrap_or(entries.len()),
    };
    let shown = &entries[from..entries.len().min(from + most)];
    let truncated = from + shown.len() < entries.len();

    let mut out = String::new();
    for (key, version) in shown {
        let key = escape(key);
        let _ = match version {
            None => write!(
                out,
                "<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"
            ),
            Some((v, latest)) => write!(out, "{}", view(&key, v, all.then_some(*latest))),
        };
    }
    let mut head = format!(
        "<Name>{name}</Name><Prefix>{}</Prefix><MaxKeys>{most}</MaxKeys>\
         <IsTruncated>{truncated}</IsTruncated>",
        escape(text("prefix"))
    );
    if !text("delimiter").is_empty() {
        let _ = write!(head, "<Delimiter>{}</Delimiter>", escape(text("delimiter")));
    }
    if second {
        let _ = write!(head, "<KeyCount>{}</KeyCount>", shown.len());
    }
    if let Some((key, version)) = shown.last().filter(|_| truncated) {
        let key = escape(key);
        let _ = match (all, second, version) {
            (true, _, version) => {
                let id = version.map_or("", |(v, _)| v.id.as_str());
                write!(
                    head,
                    "<NextKeyMarker>{key}</NextKeyMarker>\
                     <NextVersionIdMarker>{id}</NextVersionIdMarker>"
                )
            }
            (_, true, _) => write!(head, "<NextContinuationToken>{key}</NextContinuationToken>"),
            _ => write!(head, "<NextMarker>{key}</NextMarker>"),
        };
    }
    let root = if all {
        "ListVersionsResult"
    } else {
        "ListBucketResult"
    };
    Ok(Reply::xml(
        200,
        &format!("<{root} {SPACE}>{head}{out}</{root}>"),
    ))
}

/// Everything of the prefix, in order.
fn entries<'a>(bucket: &'a Bucket, prefix: &str, delimiter: &str, all: bool) -> Vec<Entry<'a>> {
    let mut out: Vec<Entry> = Vec::new();
    for (key, versions) in bucket.objects.iter().filter(|(k, _)| k.starts_with(prefix)) {
        let newest = versions.len().saturating_sub(1);
        let there = |(at, v): &(usize, &Version)| all || (*at == newest && !v.marker);
        let mut kept = versions.iter().enumerate().rev().filter(there).peekable();
        if kept.peek().is_none() {
            continue;
        }
        let rest = &key[prefix.len()..];
        if let Some(at) = rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            let common = key[..prefix.len() + at + delimiter.len()].to_owned();
            if out.last().is_none_or(|(last, _)| *last != common) {
                out.push((common, None));
            }
            continue;
        }
        out.extend(kept.map(|(at, v)| (key.clone(), Some((v, at == newest)))));
    }
    out
}

/// One object; with `latest` as one of several versions.
fn view(key: &str, v: &Version, latest: Option<bool>) -> String {
    let modified = time(v.modified);
    let of_version = |latest: bool| {
        format!(
            "<VersionId>{}</VersionId><IsLatest>{latest}</IsLatest>",
            v.id
        )
    };
    let named = format!("<Key>{key}</Key><LastModified>{modified}</LastModified>");
    let held = format!(
        "<ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass>",
        v.etag, v.size
    );
    match latest {
        None => format!("<Contents>{named}{held}</Contents>"),
        Some(latest) if v.marker => {
            format!("<DeleteMarker>{named}{}</DeleteMarker>", of_version(latest))
        }
        Some(latest) => format!("<Version>{named}{held}{}</Version>", of_version(latest)),
    }
}

//! What the Jobs API says, in JSON (reference/aws-iot.md §2.3, §2.5, §3.2).
//!
//! Owns the shapes and their limits. Total: any bytes give a value or an error with a reason that
//! a job can carry. Unknown members are skipped, optional ones may be absent.

use heapless::{String, Vec};
use psa_interface::fwu::FwuVersion;
use serde::Deserialize;
use serde_json_core::str::{EscapedStr, EscapedStringFragment};

/// Longest job id, bytes.
pub const JOB_ID: usize = 64;
/// Longest stream id, bytes.
pub const STREAM: usize = 128;
/// Longest signature, raw bytes: RSA-4096.
pub const SIGNATURE: usize = 512;
/// Longest signature, base64 characters.
const SIGNATURE_TEXT: usize = SIGNATURE.div_ceil(3) * 4;

/// A firmware version, ordered major first.
pub type Version = FwuVersion;

/// Text of a version: `1.0.1`, with `+build` when there is one.
pub fn version_text(version: &Version) -> String<32> {
    let mut out = String::new();
    // 3 + 3 + 5 + 10 digits and three separators fit.
    let _ = core::fmt::write(
        &mut out,
        format_args!("{}.{}.{}", version.major, version.minor, version.patch),
    );
    if version.build != 0 {
        let _ = core::fmt::write(&mut out, format_args!("+{}", version.build));
    }
    out
}

/// An answer with an execution, or without one: nothing is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The job that is due, if any.
    pub execution: Option<Execution>,
}

/// A job that is due on this thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Job id.
    pub job: String<JOB_ID>,
    /// `versionNumber`, for `expectedVersion`.
    pub version: u64,
    /// The file, or why the document cannot be followed.
    pub file: Result<OtaFile, &'static str>,
}

/// The one file of an `afr_ota` document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtaFile {
    /// Stream that holds it.
    pub stream: String<STREAM>,
    /// File id in the stream.
    pub id: u8,
    /// Size, bytes.
    pub size: u32,
    /// FWU component, from `filepath`.
    pub component: u8,
    /// Signature, raw.
    pub signature: Vec<u8, SIGNATURE>,
}

// Texts are borrowed from the payload as they stand there, escapes included: each is copied once,
// into the place where it stays. By value, the nested options took 20 KiB of stack.

#[derive(Deserialize)]
struct RawReply<'a> {
    #[serde(borrow)]
    execution: Option<RawExecution<'a>>,
}

#[derive(Deserialize)]
struct RawExecution<'a> {
    #[serde(rename = "jobId", borrow)]
    job: Option<EscapedStr<'a>>,
    #[serde(rename = "versionNumber")]
    version: Option<u64>,
    #[serde(rename = "jobDocument", borrow)]
    document: Option<RawDocument<'a>>,
}

#[derive(Deserialize)]
struct RawDocument<'a> {
    #[serde(borrow)]
    afr_ota: Option<RawOta<'a>>,
}

#[derive(Deserialize)]
struct RawOta<'a> {
    #[serde(borrow)]
    protocols: Option<Vec<EscapedStr<'a>, 4>>,
    #[serde(borrow)]
    streamname: Option<EscapedStr<'a>>,
    #[serde(borrow)]
    files: Vec<RawFile<'a>, 2>,
}

#[derive(Deserialize)]
struct RawFile<'a> {
    #[serde(borrow)]
    filepath: Option<EscapedStr<'a>>,
    filesize: Option<u64>,
    fileid: Option<u64>,
    #[serde(rename = "sig-sha256-rsa", borrow)]
    rsa: Option<EscapedStr<'a>>,
    #[serde(rename = "sig-sha256-ecdsa")]
    ecdsa: Option<serde::de::IgnoredAny>,
}

/// Reads `start-next/accepted` and `notify-next`.
///
/// # Errors
/// The job id, when even that much could be read; the document cannot be followed.
pub fn reply(payload: &[u8]) -> Result<Reply, Option<(String<JOB_ID>, Option<u64>)>> {
    let Ok((raw, _)) = serde_json_core::from_slice::<RawReply<'_>>(payload) else {
        return Err(bare_job(payload));
    };
    let Some(raw) = raw.execution else {
        return Ok(Reply { execution: None });
    };
    // AWS documents an empty object for nothing pending, too.
    let Some(job) = raw.job else {
        return Ok(Reply { execution: None });
    };
    Ok(Reply {
        execution: Some(Execution {
            job: name(job).ok_or(None)?,
            version: raw.version.unwrap_or(0),
            file: raw.document.ok_or("no job document").and_then(file),
        }),
    })
}

/// Job id and version of an execution whose document is malformed or too long.
fn bare_job(payload: &[u8]) -> Option<(String<JOB_ID>, Option<u64>)> {
    #[derive(Deserialize)]
    struct Bare<'a> {
        #[serde(borrow)]
        execution: Option<BareExecution<'a>>,
    }
    #[derive(Deserialize)]
    struct BareExecution<'a> {
        #[serde(rename = "jobId", borrow)]
        job: Option<EscapedStr<'a>>,
        #[serde(rename = "versionNumber")]
        version: Option<u64>,
    }
    let (bare, _) = serde_json_core::from_slice::<Bare<'_>>(payload).ok()?;
    let execution = bare.execution?;
    Some((name(execution.job?)?, execution.version))
}

fn file(document: RawDocument<'_>) -> Result<OtaFile, &'static str> {
    let ota = document.afr_ota.ok_or("no afr_ota in the job document")?;
    if ota
        .protocols
        .is_some_and(|p| !p.iter().any(|p| is(*p, "MQTT")))
    {
        return Err("no MQTT among the protocols");
    }
    let stream = ota.streamname.ok_or("no streamname in the job document")?;
    let mut files = ota.files.into_iter();
    let file = files.next().ok_or("no file in the job document")?;
    if files.next().is_some() {
        return Err("more than one file in the job document");
    }
    let component = match file.filepath {
        Some(path) if is(path, "secure image") => psa_interface::fwu::COMPONENT_SECURE,
        Some(path) if is(path, "non_secure image") => psa_interface::fwu::COMPONENT_NONSECURE,
        _ => return Err("unknown filepath"),
    };
    let size = file.filesize.ok_or("no filesize")?;
    if size == 0 {
        return Err("filesize is 0");
    }
    let signature = match (file.rsa, file.ecdsa) {
        (Some(signature), None) => signature,
        (None, Some(_)) => return Err("no key for sig-sha256-ecdsa is provisioned"),
        (None, None) => return Err("no signature"),
        (Some(_), Some(_)) => return Err("more than one signature"),
    };
    Ok(OtaFile {
        stream: name(stream).ok_or("malformed streamname")?,
        id: file
            .fileid
            .and_then(|id| u8::try_from(id).ok())
            .ok_or("fileid is none of 0 to 255")?,
        size: u32::try_from(size).map_err(|_| "image too large")?,
        component,
        signature: decode(signature).ok_or("the signature is no base64")?,
    })
}

/// The text without its escapes, if it has at most `N` bytes.
fn unescaped<const N: usize>(text: EscapedStr<'_>) -> Option<String<N>> {
    let mut out = String::new();
    for fragment in text.fragments() {
        match fragment.ok()? {
            EscapedStringFragment::NotEscaped(part) => out.push_str(part).ok()?,
            EscapedStringFragment::Escaped(c) => out.push(c).ok()?,
        }
    }
    Some(out)
}

fn is(text: EscapedStr<'_>, wanted: &str) -> bool {
    unescaped::<32>(text).is_some_and(|t| t == wanted)
}

/// A job or stream id: what AWS allows there, so that it may stand in a topic.
fn name<const N: usize>(text: EscapedStr<'_>) -> Option<String<N>> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    unescaped(text).filter(|name: &String<N>| !name.is_empty() && name.bytes().all(legal))
}

fn decode(text: EscapedStr<'_>) -> Option<Vec<u8, SIGNATURE>> {
    use base64::Engine;
    let text: String<SIGNATURE_TEXT> = unescaped(text)?;
    let mut out = Vec::new();
    out.resize_default(SIGNATURE).ok()?;
    let length = base64::engine::general_purpose::STANDARD
        .decode_slice(&text, &mut out)
        .ok()?;
    out.truncate(length);
    Some(out)
}

/// Why an update was rejected, and what the service knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// `code`.
    pub code: Code,
    /// Status and version that the execution has.
    pub state: Option<(String<16>, u64)>,
}

/// The codes that change what the agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `expectedVersion` was not the current one.
    VersionMismatch,
    /// The execution is in a state that does not allow it.
    InvalidStateTransition,
    /// The job is gone.
    ResourceNotFound,
    /// Anything else: try again later.
    Other,
}

/// Reads `…/rejected`.
pub fn rejection(payload: &[u8]) -> Rejection {
    #[derive(Deserialize)]
    struct Raw {
        code: Option<String<32>>,
        #[serde(rename = "executionState")]
        state: Option<RawState>,
    }
    #[derive(Deserialize)]
    struct RawState {
        status: Option<String<16>>,
        #[serde(rename = "versionNumber")]
        version: Option<u64>,
    }
    // Codes and states have no escapes.
    let Ok((raw, _)) = serde_json_core::from_slice::<Raw>(payload) else {
        return Rejection {
            code: Code::Other,
            state: None,
        };
    };
    let code = match raw.code.as_deref() {
        Some("VersionMismatch") => Code::VersionMismatch,
        Some("InvalidStateTransition" | "TerminalStateReached") => Code::InvalidStateTransition,
        Some("ResourceNotFound") => Code::ResourceNotFound,
        _ => Code::Other,
    };
    let state = raw.state.and_then(|s| Some((s.status?, s.version?)));
    Rejection { code, state }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(file: &str) -> std::string::String {
        format!(
            r#"{{"timestamp":1,"execution":{{"jobId":"AFR_OTA-1","status":"QUEUED","statusDetails":{{"a":"b"}},"queuedAt":1,"versionNumber":2,"executionNumber":1,"jobDocument":{{"afr_ota":{{"protocols":["MQTT"],"streamname":"AFR_OTA-s","files":[{file}]}}}}}}}}"#
        )
    }

    fn parsed(file: &str) -> Result<OtaFile, &'static str> {
        reply(document(file).as_bytes())
            .unwrap()
            .execution
            .unwrap()
            .file
    }

    #[test]
    fn a_job_is_read_with_unknown_members_and_escapes() {
        let file = parsed(
            r#"{"future":[1,{"x":null}],"filepath":"non_secure\u0020image","filesize":596736,"fileid":0,"certfile":"0","attr":{"k":"v"},"sig-sha256-rsa":"AAEC\/w=="}"#,
        )
        .unwrap();
        assert_eq!((file.component, file.size, file.id), (1, 596_736, 0));
        assert_eq!(&file.signature[..], [0, 1, 2, 255]);
        assert_eq!(file.stream, "AFR_OTA-s");
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (file, why) in [
            (
                r#"{"filepath":"other","filesize":1,"fileid":0,"sig-sha256-rsa":""}"#,
                "unknown filepath",
            ),
            (
                r#"{"filepath":"secure image","filesize":0,"fileid":0,"sig-sha256-rsa":""}"#,
                "filesize is 0",
            ),
            (
                r#"{"filepath":"secure image","filesize":9,"fileid":256,"sig-sha256-rsa":""}"#,
                "fileid is none of 0 to 255",
            ),
            (
                r#"{"filepath":"secure image","filesize":9,"fileid":0}"#,
                "no signature",
            ),
            (
                r#"{"filepath":"secure image","filesize":9,"fileid":0,"sig-sha256-rsa":"!"}"#,
                "the signature is no base64",
            ),
            (
                r#"{"filepath":"secure image","filesize":4294967296,"fileid":0,"sig-sha256-rsa":""}"#,
                "image too large",
            ),
            (r#"{},{}"#, "more than one file in the job document"),
            ("", "no file in the job document"),
        ] {
            assert_eq!(parsed(file), Err(why));
        }
        let http = document("{}").replace("MQTT", "HTTP");
        let execution = reply(http.as_bytes()).unwrap().execution.unwrap();
        assert_eq!(execution.file, Err("no MQTT among the protocols"));
    }

    #[test]
    fn nothing_pending_is_no_error() {
        for text in [
            r#"{"timestamp":1}"#,
            r#"{"clientToken":"x","timestamp":1,"execution":{}}"#,
        ] {
            assert_eq!(reply(text.as_bytes()), Ok(Reply { execution: None }));
        }
    }

    #[test]
    fn a_malformed_document_keeps_its_job() {
        let text = r#"{"execution":{"jobId":"j","versionNumber":3,"jobDocument":"text"}}"#;
        let (job, version) = reply(text.as_bytes()).unwrap_err().unwrap();
        assert_eq!((job.as_str(), version), ("j", Some(3)));
        assert_eq!(reply(b"{"), Err(None));
    }

    #[test]
    fn rejections_carry_the_state() {
        let text = br#"{"clientToken":"c","timestamp":1,"executionState":{"status":"SUCCEEDED","versionNumber":5},"code":"InvalidStateTransition","message":"m"}"#;
        let r = rejection(text);
        assert_eq!(
            (r.code, r.state.unwrap().1),
            (Code::InvalidStateTransition, 5)
        );
        assert_eq!(rejection(b"x").code, Code::Other);
    }

    #[test]
    fn any_bytes_are_survived() {
        let good = document(
            r#"{"filepath":"secure image","filesize":9,"fileid":0,"sig-sha256-rsa":"AA=="}"#,
        );
        let mut state = 3u32;
        for _ in 0..50_000 {
            let mut bytes = good.clone().into_bytes();
            for _ in 0..2 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let at = state as usize % bytes.len();
                bytes[at] = (state >> 16) as u8;
            }
            bytes.truncate(state as usize % bytes.len() + 1);
            let _ = reply(&bytes);
            rejection(&bytes);
        }
    }
}

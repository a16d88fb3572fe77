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
/// Most files of one job: both images.
pub const FILES: usize = 2;
/// Longest name of an app, bytes.
pub const NAME: usize = 32;
/// [`OtaFile::component`] of a file for an app: none of the FWU service's.
pub const COMPONENT_APP: u8 = 0x80;
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
    /// `clientToken`, if it is one that could be ours.
    pub token: Option<String<TOKEN>>,
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
    /// The update, or why the document cannot be followed.
    pub update: Result<OtaUpdate, &'static str>,
}

/// What an `afr_ota` document asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtaUpdate {
    /// Stream that holds the files.
    pub stream: String<STREAM>,
    /// One or both images, each once.
    pub files: Vec<OtaFile, FILES>,
}

/// Which kind of signature a job carries: the algorithm in the name of its `sig-…` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// `sig-sha256-rsa`: PKCS#1 v1.5 or PSS, as the key's policy says.
    Rsa,
    /// `sig-sha256-ecdsa`, in DER.
    Ecdsa,
}

/// A file of an `afr_ota` document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtaFile {
    /// File id in the stream.
    pub id: u8,
    /// Size, bytes.
    pub size: u32,
    /// FWU component, from `filepath`; [`COMPONENT_APP`] for an app.
    pub component: u8,
    /// The app, when it is for one.
    pub app: Option<String<NAME>>,
    /// What the signature is.
    pub kind: SignatureKind,
    /// Signature, without its base64.
    pub signature: Vec<u8, SIGNATURE>,
}

// Texts are borrowed from the payload as they stand there, escapes included: each is copied once,
// into the place where it stays. By value, the nested options took 20 KiB of stack.

#[derive(Deserialize)]
struct RawReply<'a> {
    #[serde(rename = "clientToken", borrow)]
    token: Option<EscapedStr<'a>>,
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
    auth_scheme: Option<serde::de::IgnoredAny>,
    #[serde(borrow)]
    files: Vec<RawFile<'a>, { FILES + 1 }>,
}

#[derive(Deserialize)]
struct RawFile<'a> {
    #[serde(borrow)]
    filepath: Option<EscapedStr<'a>>,
    filesize: Option<u64>,
    fileid: Option<u64>,
    #[serde(rename = "sig-sha256-rsa", borrow)]
    rsa: Option<EscapedStr<'a>>,
    #[serde(rename = "sig-sha256-ecdsa", borrow)]
    ecdsa: Option<EscapedStr<'a>>,
    #[serde(rename = "sig-sha1-rsa")]
    sha1_rsa: Option<serde::de::IgnoredAny>,
    #[serde(rename = "sig-sha1-ecdsa")]
    sha1_ecdsa: Option<serde::de::IgnoredAny>,
    update_data_url: Option<serde::de::IgnoredAny>,
}

/// Reads `start-next/accepted` and `notify-next`.
///
/// # Errors
/// The job id, when even that much could be read; the document cannot be followed.
// A frame of its own: what parsing takes is given back before the download is opened.
#[inline(never)]
pub fn reply(payload: &[u8]) -> Result<Reply, Option<(String<JOB_ID>, Option<u64>)>> {
    let Ok((raw, _)) = serde_json_core::from_slice::<RawReply<'_>>(payload) else {
        return Err(bare_job(payload));
    };
    let token = raw.token.map(token);
    // AWS documents an empty object for nothing pending, too.
    let Some((job, raw)) = raw.execution.and_then(|e| Some((e.job?, e))) else {
        return Ok(Reply {
            token,
            execution: None,
        });
    };
    Ok(Reply {
        token,
        execution: Some(Execution {
            job: name(job).ok_or(None)?,
            version: raw.version.unwrap_or(0),
            update: raw.document.ok_or("no job document").and_then(update),
        }),
    })
}

/// A token; one too long to be ours is not nobody's.
fn token(text: EscapedStr<'_>) -> String<TOKEN> {
    unescaped(text).unwrap_or_else(|| String::try_from("?").unwrap_or_default())
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

fn update(document: RawDocument<'_>) -> Result<OtaUpdate, &'static str> {
    const HTTP: &str = "HTTP (presigned URL) is not supported";
    let ota = document.afr_ota.ok_or("no afr_ota in the job document")?;
    match &ota.protocols {
        Some(list) if !list.iter().any(|p| is(*p, "MQTT")) => {
            let http = list.iter().any(|p| is(*p, "HTTP"));
            return Err(if http {
                HTTP
            } else {
                "no MQTT among the protocols"
            });
        }
        _ => {}
    }
    let url = ota.auth_scheme.is_some() || ota.files.iter().any(|f| f.update_data_url.is_some());
    let Some(stream) = ota.streamname else {
        return Err(if url {
            HTTP
        } else {
            "no streamname in the job document"
        });
    };
    let mut out = OtaUpdate {
        stream: name(stream).ok_or("malformed streamname")?,
        files: Vec::new(),
    };
    if ota.files.is_empty() {
        return Err("no file in the job document");
    }
    for raw in ota.files {
        let file = file(raw)?;
        if out.files.iter().any(|f| f.component == file.component) {
            return Err("two files for one image");
        }
        out.files.push(file).map_err(|_| "too many files")?;
    }
    if out.files.len() > 1 && out.files.iter().any(|f| f.app.is_some()) {
        return Err("an app is updated alone");
    }
    Ok(out)
}

fn file(file: RawFile<'_>) -> Result<OtaFile, &'static str> {
    let (component, app) = match file.filepath {
        Some(path) if is(path, "secure image") => (psa_interface::fwu::COMPONENT_SECURE, None),
        Some(path) if is(path, "non_secure image") => {
            (psa_interface::fwu::COMPONENT_NONSECURE, None)
        }
        Some(path) => (COMPONENT_APP, Some(app(path).ok_or("unknown filepath")?)),
        None => return Err("unknown filepath"),
    };
    let size = file.filesize.ok_or("no filesize")?;
    if size == 0 {
        return Err("filesize is 0");
    }
    let sha1 = file.sha1_rsa.is_some() || file.sha1_ecdsa.is_some();
    let (kind, signature) = match (file.rsa, file.ecdsa) {
        (Some(_), Some(_)) => return Err("more than one signature"),
        (Some(_), _) | (_, Some(_)) if sha1 => return Err("more than one signature"),
        (Some(signature), None) => (SignatureKind::Rsa, signature),
        (None, Some(signature)) => (SignatureKind::Ecdsa, signature),
        (None, None) if sha1 => return Err("signatures over SHA-1 are refused"),
        (None, None) => return Err("no signature"),
    };
    Ok(OtaFile {
        id: file
            .fileid
            .and_then(|id| u8::try_from(id).ok())
            .ok_or("fileid is none of 0 to 255")?,
        size: u32::try_from(size).map_err(|_| "image too large")?,
        component,
        app,
        kind,
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

/// The name in `apps/<name>`.
fn app(path: EscapedStr<'_>) -> Option<String<NAME>> {
    let path: String<{ NAME + 5 }> = unescaped(path)?;
    let name = path.strip_prefix("apps/")?;
    is_name(name).then(|| String::try_from(name).ok())?
}

fn is_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !name.is_empty() && name.bytes().all(legal)
}

/// A job or stream id: what AWS allows there, so that it may stand in a topic.
fn name<const N: usize>(text: EscapedStr<'_>) -> Option<String<N>> {
    unescaped(text).filter(|name: &String<N>| is_name(name))
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

/// Longest token that is told from others; ours are shorter.
pub const TOKEN: usize = 32;

/// The service's answer to an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `clientToken`, if it is one that could be ours.
    pub token: Option<String<TOKEN>>,
    /// `code`, unless it was accepted.
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

/// Reads `…/update/accepted` and `…/update/rejected`.
pub fn answer(payload: &[u8]) -> Answer {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(rename = "clientToken", borrow)]
        token: Option<EscapedStr<'a>>,
        #[serde(borrow)]
        code: Option<EscapedStr<'a>>,
        #[serde(rename = "executionState", borrow)]
        state: Option<RawState<'a>>,
    }
    #[derive(Deserialize)]
    struct RawState<'a> {
        #[serde(borrow)]
        status: Option<EscapedStr<'a>>,
        #[serde(rename = "versionNumber")]
        version: Option<u64>,
    }
    let Ok((raw, _)) = serde_json_core::from_slice::<Raw<'_>>(payload) else {
        return Answer {
            token: None,
            code: Code::Other,
            state: None,
        };
    };
    let code = match raw.code.and_then(unescaped::<32>).as_deref() {
        Some("VersionMismatch") => Code::VersionMismatch,
        Some("InvalidStateTransition" | "TerminalStateReached") => Code::InvalidStateTransition,
        Some("ResourceNotFound") => Code::ResourceNotFound,
        _ => Code::Other,
    };
    Answer {
        token: raw.token.map(token),
        code,
        state: raw
            .state
            .and_then(|s| Some((unescaped(s.status?)?, s.version?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(file: &str) -> std::string::String {
        format!(
            r#"{{"timestamp":1,"execution":{{"jobId":"AFR_OTA-1","status":"QUEUED","statusDetails":{{"a":"b"}},"queuedAt":1,"versionNumber":2,"executionNumber":1,"jobDocument":{{"afr_ota":{{"protocols":["MQTT"],"streamname":"AFR_OTA-s","files":[{file}]}}}}}}}}"#
        )
    }

    fn parsed(file: &str) -> Result<OtaUpdate, &'static str> {
        reply(document(file).as_bytes())
            .unwrap()
            .execution
            .unwrap()
            .update
    }

    #[test]
    fn a_job_is_read_with_unknown_members_and_escapes() {
        let update = parsed(
            r#"{"future":[1,{"x":null}],"filepath":"non_secure\u0020image","filesize":596736,"fileid":0,"certfile":"0","attr":{"k":"v"},"sig-sha256-rsa":"AAEC\/w=="}"#,
        )
        .unwrap();
        let file = &update.files[0];
        assert_eq!((file.component, file.size, file.id), (1, 596_736, 0));
        assert_eq!(file.kind, SignatureKind::Rsa);
        assert_eq!(&file.signature[..], [0, 1, 2, 255]);
        assert_eq!(update.stream, "AFR_OTA-s");
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
            (r#"{},{}"#, "unknown filepath"),
            (
                r#"{"filepath":"secure image","filesize":9,"fileid":0,"sig-sha1-rsa":"AAAA"}"#,
                "signatures over SHA-1 are refused",
            ),
            (
                r#"{"filepath":"secure image","filesize":9,"fileid":0,"sig-sha1-rsa":"AAAA","sig-sha256-rsa":"AAAA"}"#,
                "more than one signature",
            ),
            (
                r#"{"filepath":"secure image","filesize":9,"fileid":0,"sig-sha256-rsa":""},{"filepath":"secure image","filesize":9,"fileid":1,"sig-sha256-rsa":""}"#,
                "two files for one image",
            ),
            ("", "no file in the job document"),
        ] {
            assert_eq!(parsed(file), Err(why));
        }
        let other = document("{}").replace("MQTT", "COAP");
        let execution = reply(other.as_bytes()).unwrap().execution.unwrap();
        assert_eq!(execution.update, Err("no MQTT among the protocols"));
    }

    #[test]
    fn presigned_url_jobs_are_refused_by_name() {
        let http = Err("HTTP (presigned URL) is not supported");
        let file = r#"{"filepath":"secure image","filesize":9,"fileid":0,"sig-sha256-rsa":"AA==","update_data_url":"https://s3/x?y","auth_scheme":"aws.s3.presigned"}"#;
        let of = |text: &str| reply(text.as_bytes()).unwrap().execution.unwrap().update;
        assert_eq!(of(&document(file).replace("MQTT", "HTTP")), http);
        let bare = document(file).replace(r#""protocols":["MQTT"],"streamname":"AFR_OTA-s","#, "");
        assert_eq!(of(&bare), http);
        // Both are offered: MQTT is taken.
        let both = document(file).replace(r#""MQTT""#, r#""HTTP","MQTT""#);
        assert_eq!(of(&both).unwrap().files.len(), 1);
    }

    #[test]
    fn both_images_in_one_job() {
        let file = |path: &str, id: u8, sig: &str| {
            format!(r#"{{"filepath":"{path}","filesize":9,"fileid":{id},"{sig}":"AA=="}}"#)
        };
        let (a, b) = (
            file("non_secure image", 0, "sig-sha256-ecdsa"),
            file("secure image", 1, "sig-sha256-rsa"),
        );
        let update = parsed(&format!("{a},{b}")).unwrap();
        let found: Vec<_, 2> = update
            .files
            .iter()
            .map(|f| (f.component, f.id, f.kind))
            .collect();
        assert_eq!(
            &found[..],
            [(1, 0, SignatureKind::Ecdsa), (0, 1, SignatureKind::Rsa)]
        );
    }

    #[test]
    fn nothing_pending_is_no_error() {
        for text in [
            r#"{"timestamp":1}"#,
            r#"{"clientToken":"x","timestamp":1,"execution":{}}"#,
        ] {
            assert_eq!(reply(text.as_bytes()).unwrap().execution, None);
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
        let r = answer(text);
        assert_eq!(r.token.as_deref(), Some("c"));
        assert_eq!(
            (r.code, r.state.unwrap().1),
            (Code::InvalidStateTransition, 5)
        );
        assert_eq!(answer(b"x").code, Code::Other);
        let long = format!(r#"{{"clientToken":"{}"}}"#, "x".repeat(64));
        assert_eq!(answer(long.as_bytes()).token.as_deref(), Some("?"));
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
            answer(&bytes);
        }
    }
}

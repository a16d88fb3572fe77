//! Streams over objects, and OTA updates made of a stream and a job.
//!
//! Owns what CreateStream and CreateOTAUpdate check and make (reference/aws-iot.md §3.1–3.2). An
//! update whose object is missing is not refused: it exists and has failed, as on AWS.

use crate::fault::Fault;
use crate::jobs::control::NewJob;
use crate::jobs::{Publish, Settings};
use crate::objects::Objects;
use crate::store::Store;
use crate::streams::Stream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest file of a stream, bytes.
const FILE: u64 = 24 << 20;

/// A stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StreamRecord {
    pub version: u16,
    pub description: String,
    pub role: String,
    pub files: Vec<FileRecord>,
    /// The things that may read it; every thing when absent (CreateStream).
    pub things: Option<Vec<String>>,
    /// Epoch seconds, as the next.
    pub created: u64,
    pub updated: u64,
}

/// A file of a stream: an object, as it was when the stream was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileRecord {
    pub id: u8,
    pub bucket: String,
    pub key: String,
    /// The newest one when absent; that it changes is `ETagMismatch`.
    pub version: Option<String>,
    etag: String,
}

/// The stream of an update, whether it is a new one, and each file's id and size in it.
type Source = (String, bool, Vec<(u8, u64)>);

/// An OTA update.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateRecord {
    /// The request, as it came.
    pub request: Value,
    pub things: Vec<String>,
    pub stream: Option<String>,
    /// Whether CreateOTAUpdate made the stream.
    pub own_stream: bool,
    pub job: String,
    /// Code and message, when it has failed.
    pub error: Option<(String, String)>,
    /// Epoch seconds.
    pub created: u64,
}

impl Store {
    /// CreateStream.
    ///
    /// # Errors
    /// Names the member that is wrong.
    pub(crate) fn create_stream(
        &mut self,
        id: &str,
        description: &str,
        role: &str,
        files: &[Value],
        things: Option<Vec<String>>,
        now: u64,
    ) -> Result<(), Fault> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if id.is_empty() || id.len() > 128 || !id.chars().all(legal) {
            return Err(Fault::invalid(format!("stream id `{id}`")));
        }
        if self.data.streams.contains_key(id) {
            return Err(Fault::exists(format!("stream `{id}` exists")));
        }
        let record = StreamRecord {
            version: 1,
            description: description.into(),
            role: role.into(),
            files: self.stream_files(files)?,
            things,
            created: now,
            updated: now,
        };
        self.data.streams.insert(id.into(), record);
        Ok(())
    }

    /// UpdateStream: another version.
    ///
    /// # Errors
    /// Names what is unknown or wrong.
    pub(crate) fn update_stream(
        &mut self,
        id: &str,
        description: Option<&str>,
        files: Option<&[Value]>,
        now: u64,
    ) -> Result<u16, Fault> {
        let files = files.map(|f| self.stream_files(f)).transpose()?;
        let record = self.data.streams.get_mut(id).ok_or_else(|| no_stream(id))?;
        record.files = files.unwrap_or_else(|| record.files.clone());
        record.description = description.map_or_else(|| record.description.clone(), str::to_owned);
        record.version = record.version.wrapping_add(1);
        record.updated = now;
        Ok(record.version)
    }

    fn stream_files(&self, files: &[Value]) -> Result<Vec<FileRecord>, Fault> {
        if files.is_empty() || files.len() > 50 {
            return Err(Fault::invalid("a stream has 1 to 50 files"));
        }
        let mut out: Vec<FileRecord> = Vec::new();
        for file in files {
            let id = file["fileId"].as_u64().and_then(|id| u8::try_from(id).ok());
            let id = id.ok_or_else(|| Fault::invalid("fileId is 0 to 255"))?;
            if out.iter().any(|f| f.id == id) {
                return Err(Fault::invalid(format!("fileId {id} is there twice")));
            }
            out.push(self.located(id, &file["s3Location"])?);
        }
        Ok(out)
    }

    fn located(&self, id: u8, location: &Value) -> Result<FileRecord, Fault> {
        let text = |name: &str| location[name].as_str();
        let (Some(bucket), Some(key)) = (text("bucket"), text("key")) else {
            return Err(Fault::invalid("s3Location needs bucket and key"));
        };
        let found = self.data.objects.version(bucket, key, text("version"));
        let found = found.map_err(|f| Fault::invalid(f.message))?;
        if found.size == 0 || found.size > FILE {
            return Err(Fault::invalid(format!("`{key}` has {} bytes", found.size)));
        }
        Ok(FileRecord {
            id,
            bucket: bucket.into(),
            key: key.into(),
            version: text("version").map(str::to_owned),
            etag: found.etag.clone(),
        })
    }

    /// A stream with its bytes, as far as its objects are still the ones that it was made of.
    pub(crate) fn open_stream(&self, record: &StreamRecord) -> Stream {
        let files = record.files.iter().map(|f| {
            let version = self
                .data
                .objects
                .version(&f.bucket, &f.key, f.version.as_deref());
            let bytes = version
                .ok()
                .filter(|v| v.etag == f.etag)
                .and_then(|v| Objects::read(&self.dir, v).ok());
            (f.id, bytes.map(Arc::new))
        });
        Stream {
            version: record.version,
            description: record.description.clone(),
            files: files.collect::<BTreeMap<_, _>>(),
        }
    }

    /// CreateOTAUpdate: the record, and the messages that its job brings.
    ///
    /// # Errors
    /// Names the member of the request that is wrong.
    pub(crate) fn create_update(
        &mut self,
        id: &str,
        request: &Value,
        now: u64,
    ) -> Result<Vec<Publish>, Fault> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if id.is_empty() || id.len() > 128 || !id.chars().all(legal) {
            return Err(Fault::invalid(format!(
                "otaUpdateId `{id}`: 1 to 128 of [a-zA-Z0-9_-]"
            )));
        }
        if self.data.updates.contains_key(id) {
            return Err(Fault::exists(format!("OTA update `{id}` exists")));
        }
        if request["roleArn"].as_str().unwrap_or_default().is_empty() {
            return Err(Fault::invalid("roleArn is required"));
        }
        let protocols = request["protocols"].as_array();
        if protocols.is_some_and(|p| !p.contains(&json!("MQTT"))) {
            return Err(Fault::invalid(
                "protocols: only MQTT is served; presigned URLs over HTTP are not",
            ));
        }
        let things = self.targets(&request["targets"])?;
        let files = request["files"].as_array().filter(|f| !f.is_empty());
        let files = files.ok_or_else(|| Fault::invalid("an update has 1 to 50 files"))?;
        for file in files {
            signature(file)?;
            if file["fileName"].as_str().is_none_or(str::is_empty) {
                return Err(Fault::invalid("a file needs a fileName"));
            }
        }
        let job = format!("AFR_OTA-{id}");
        let mut record = UpdateRecord {
            request: request.clone(),
            things: things.clone(),
            stream: None,
            own_stream: false,
            job: job.clone(),
            error: None,
            created: now,
        };
        let mut out = Vec::new();
        let made = self.update_stream_of(files, request, &things, now);
        match made {
            Err(fault) => record.error = Some(("InvalidRequestException".into(), fault.message)),
            Ok((stream, own, places)) => {
                let document = document(&stream, files, &places)?;
                let timeout = &request["awsJobTimeoutConfig"]["inProgressTimeoutInMinutes"];
                let new = NewJob {
                    id: job,
                    things,
                    document,
                    description: request["description"].as_str().map(str::to_owned),
                    timeout: timeout.as_u64(),
                    settings: Settings::of_update(request)?,
                };
                let created = self.data.jobs.create_job(new, now);
                if own && created.is_err() {
                    self.data.streams.remove(&stream);
                }
                out = created?;
                (record.stream, record.own_stream) = (Some(stream), own);
            }
        }
        self.data.updates.insert(id.into(), record);
        Ok(out)
    }

    /// The stream of an update, whether it is a new one, and each file's id and size in it.
    fn update_stream_of(
        &mut self,
        files: &[Value],
        request: &Value,
        things: &[String],
        now: u64,
    ) -> Result<Source, Fault> {
        let given: Vec<&Value> = files
            .iter()
            .map(|f| &f["fileLocation"]["stream"])
            .filter(|s| s.is_object())
            .collect();
        if let Some(first) = given.first() {
            let id = first["streamId"].as_str().unwrap_or_default().to_owned();
            if given.len() != files.len() || given.iter().any(|s| s["streamId"] != id.as_str()) {
                return Err(Fault::invalid("all files come from one stream, or from S3"));
            }
            let record = self.data.streams.get(&id).ok_or_else(|| no_stream(&id))?;
            let mut places = Vec::new();
            for file in &given {
                let place = record.files.iter().find(|f| file["fileId"] == f.id);
                let place = place.ok_or_else(|| Fault::invalid("no such fileId in the stream"))?;
                places.push((place.id, self.size(place)?));
            }
            return Ok((id, false, places));
        }
        let listed: Vec<Value> = files
            .iter()
            .enumerate()
            .map(|(i, f)| json!({"fileId": i, "s3Location": f["fileLocation"]["s3Location"]}))
            .collect();
        let id = format!("AFR_OTA-{}", crate::uuid());
        let role = request["roleArn"].as_str().unwrap_or_default();
        self.create_stream(&id, "", role, &listed, Some(things.to_vec()), now)?;
        let record = &self.data.streams[&id];
        let places = record.files.iter().map(|f| Ok((f.id, self.size(f)?)));
        let places = places.collect::<Result<Vec<_>, Fault>>()?;
        Ok((id, true, places))
    }

    fn size(&self, file: &FileRecord) -> Result<u64, Fault> {
        let version = file.version.as_deref();
        let found = self.data.objects.version(&file.bucket, &file.key, version);
        Ok(found?.size)
    }

    /// DeleteOTAUpdate.
    ///
    /// # Errors
    /// When it is unknown, or its job is in progress and `force` is not given.
    pub(crate) fn delete_update(
        &mut self,
        id: &str,
        stream: bool,
        force: bool,
        now: u64,
    ) -> Result<Vec<Publish>, Fault> {
        let record = self.update(id)?.clone();
        let mut out = Vec::new();
        if self.data.jobs.job(&record.job).is_ok() {
            out = self.data.jobs.delete_job(&record.job, force, now)?;
        }
        if let Some(id) = record.stream.filter(|_| stream && record.own_stream) {
            self.data.streams.remove(&id);
        }
        self.data.updates.remove(id);
        Ok(out)
    }

    /// An update.
    ///
    /// # Errors
    /// When there is none of this id.
    pub(crate) fn update(&self, id: &str) -> Result<&UpdateRecord, Fault> {
        let missing = || Fault::missing(format!("no OTA update `{id}`"));
        self.data.updates.get(id).ok_or_else(missing)
    }

    /// Thing names of the ARNs in `targets`.
    ///
    /// # Errors
    /// Names what is no thing, or not known.
    pub(crate) fn targets(&self, targets: &Value) -> Result<Vec<String>, Fault> {
        let list = targets.as_array().filter(|t| !t.is_empty());
        let list = list.ok_or_else(|| Fault::invalid("targets: no thing"))?;
        let mut out: Vec<String> = Vec::new();
        for target in list {
            let arn = target.as_str().unwrap_or_default();
            if arn.contains(":thinggroup/") {
                return Err(Fault::invalid(format!(
                    "target `{arn}`: thing groups are not kept here"
                )));
            }
            let name = arn
                .split_once(":thing/")
                .filter(|_| arn.starts_with("arn:aws:iot:"))
                .map(|(_, name)| name)
                .ok_or_else(|| Fault::invalid(format!("target `{arn}` is no thing's ARN")))?;
            self.data.registry.thing(name)?;
            if !out.iter().any(|n| n == name) {
                out.push(name.into());
            }
        }
        Ok(out)
    }
}

pub(crate) fn no_stream(id: &str) -> Fault {
    Fault::missing(format!("no stream `{id}`"))
}

/// `sig-<hash>-<algorithm>` and the text of the signature.
fn signature(file: &Value) -> Result<(String, String), Fault> {
    let signing = &file["codeSigning"];
    let custom = &signing["customCodeSigning"];
    if !custom.is_object() {
        return Err(Fault::invalid(
            "codeSigning: only customCodeSigning is served; there is no AWS Signer here",
        ));
    }
    let pick = |name: &str, known: [(&'static str, &'static str); 2]| {
        let value = custom[name].as_str().unwrap_or_default();
        known
            .into_iter()
            .find(|(k, _)| value.eq_ignore_ascii_case(k))
            .map(|(_, short)| short)
            .ok_or_else(|| Fault::invalid(format!("{name} `{value}`")))
    };
    let hash = pick("hashAlgorithm", [("SHA256", "sha256"), ("SHA1", "sha1")])?;
    let algorithm = pick("signatureAlgorithm", [("RSA", "rsa"), ("ECDSA", "ecdsa")])?;
    let blob = custom["signature"]["inlineDocument"].as_str();
    // A blob travels in base64; what was put in is the base64 text of the signature.
    let text = blob
        .and_then(|b| STANDARD.decode(b).ok())
        .and_then(|b| String::from_utf8(b).ok())
        .map(|t| t.trim().to_owned())
        .filter(|t| !t.is_empty() && STANDARD.decode(t).is_ok());
    let text = text.ok_or_else(|| {
        Fault::invalid(
            "customCodeSigning.signature.inlineDocument: not the base64 text of a signature",
        )
    })?;
    Ok((format!("sig-{hash}-{algorithm}"), text))
}

fn document(stream: &str, files: &[Value], places: &[(u8, u64)]) -> Result<Value, Fault> {
    let mut entries = Vec::new();
    for (file, (id, size)) in files.iter().zip(places) {
        let (name, text) = signature(file)?;
        let path = file["fileName"].as_str().unwrap_or_default();
        let chain = &file["codeSigning"]["customCodeSigning"]["certificateChain"];
        let certificate = chain["certificateName"].as_str().unwrap_or("0");
        let mut entry = Map::new();
        entry.insert("filepath".into(), path.into());
        entry.insert("filesize".into(), (*size).into());
        entry.insert("fileid".into(), (*id).into());
        entry.insert("certfile".into(), certificate.into());
        if let Some(kind) = file["fileType"].as_u64() {
            entry.insert("fileType".into(), kind.into());
        }
        entry.insert(name, text.into());
        if file["attributes"]
            .as_object()
            .is_some_and(|a| !a.is_empty())
        {
            entry.insert("attr".into(), file["attributes"].clone());
        }
        entries.push(Value::Object(entry));
    }
    Ok(json!({"afr_ota": {"protocols": ["MQTT"], "streamname": stream, "files": entries}}))
}

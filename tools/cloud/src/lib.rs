//! Local AWS IoT stand-in over a real mosquitto: registry, Jobs, Streams, OTA updates.
//!
//! Owns what the cloud knows of things, jobs and streams, and the service that answers devices
//! over MQTT in AWS's shapes (reference/aws-iot.md). The registry is a JSON file and survives a
//! restart; jobs and streams live as long as the [`Cloud`]. There is no HTTP control plane here:
//! its operations are methods.
#![forbid(unsafe_code)]

pub mod broker;
pub mod jobs;
pub mod pki;
mod registry;
mod service;
pub mod streams;

pub use broker::Broker;
pub use registry::Thing;
pub use service::{Message, Mischief};

use anyhow::{Result, anyhow, bail};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file of an OTA update, as CreateOTAUpdate takes it.
#[derive(Debug, Clone)]
pub struct OtaFile {
    /// "Path name of file on device": `non_secure image`, `secure image`, …
    pub path: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Base64 text of the custom signature.
    pub signature: String,
    /// `sig-sha256-rsa` or `sig-sha256-ecdsa`.
    pub algorithm: String,
    /// "Path name of code signing certificate on device".
    pub certificate: String,
}

impl OtaFile {
    /// A file signed by RSA with SHA-256, certificate `0`, as the reference's.
    pub fn rsa(path: &str, bytes: Vec<u8>, signature: &str) -> OtaFile {
        OtaFile {
            path: path.into(),
            bytes,
            signature: signature.into(),
            algorithm: "sig-sha256-rsa".into(),
            certificate: "0".into(),
        }
    }
}

/// The running stand-in.
pub struct Cloud {
    /// The broker, which a test may take away.
    pub broker: Broker,
    registry: registry::Registry,
    service: service::Service,
}

impl Cloud {
    /// Starts broker and service.
    ///
    /// # Errors
    /// Of the broker and the registry's file.
    pub fn start(config: &broker::Config<'_>) -> Result<Cloud> {
        let broker = Broker::start(config)?;
        let registry = registry::Registry::open(config.dir)?;
        let service = service::Service::start(broker.plain_port)?;
        Ok(Cloud {
            broker,
            registry,
            service,
        })
    }

    /// Registers a thing with a key and an active certificate; an existing one is returned.
    ///
    /// # Errors
    /// Names an illegal thing name.
    pub fn create_thing(&mut self, name: &str) -> Result<Thing> {
        self.registry.create_thing(name, self.broker.authority())
    }

    /// CreateOTAUpdate: makes a stream and a job for one thing; returns the job's id.
    ///
    /// # Errors
    /// Names an unknown thing, or an update without files.
    pub fn create_ota_update(
        &mut self,
        thing: &str,
        id: &str,
        files: &[OtaFile],
    ) -> Result<String> {
        if self.registry.thing(thing).is_none() {
            bail!("ResourceNotFoundException: no thing `{thing}`");
        }
        if files.is_empty() || files.len() > 50 {
            bail!("InvalidRequestException: an update has 1 to 50 files");
        }
        let stream = format!("AFR_OTA-{}", uuid());
        let entries: Vec<serde_json::Value> = files
            .iter()
            .enumerate()
            .map(|(file_id, file)| {
                let mut entry = json!({"filepath": file.path, "filesize": file.bytes.len(),
                    "fileid": file_id, "certfile": file.certificate});
                entry[file.algorithm.as_str()] = file.signature.clone().into();
                entry
            })
            .collect();
        let document =
            json!({"afr_ota": {"protocols": ["MQTT"], "streamname": stream, "files": entries}});
        let contents = files.iter().map(|f| f.bytes.clone()).collect();
        self.service
            .add_stream(thing, &stream, streams::Stream::new(contents));
        let job = format!("AFR_OTA-{id}");
        self.create_job(thing, &job, document)?;
        Ok(job)
    }

    /// CreateJob with any document.
    ///
    /// # Errors
    /// Names an id that AWS refuses, or that is taken.
    pub fn create_job(
        &mut self,
        thing: &str,
        job: &str,
        document: serde_json::Value,
    ) -> Result<()> {
        let now = now();
        self.service
            .with_jobs(|jobs| jobs.create(thing, job, document, now))
            .map_err(|e| anyhow!(e))
    }

    /// CancelJobExecution.
    ///
    /// # Errors
    /// Names an unknown job, or the state that forbids it.
    pub fn cancel_job(&mut self, thing: &str, job: &str, force: bool) -> Result<()> {
        let now = now();
        self.service
            .with_jobs(|jobs| jobs.cancel(thing, job, force, now))
            .map_err(|e| anyhow!(e))
    }

    /// DescribeJobExecution, with its history.
    pub fn execution(&self, thing: &str, job: &str) -> Option<jobs::Execution> {
        self.service.execution(thing, job)
    }

    /// Waits until the execution satisfies `wanted`.
    ///
    /// # Errors
    /// After `limit`: the execution's history.
    pub fn wait_job(
        &self,
        thing: &str,
        job: &str,
        limit: Duration,
        wanted: impl Fn(&jobs::Execution) -> bool,
    ) -> Result<jobs::Execution> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            match self.execution(thing, job) {
                Some(execution) if wanted(&execution) => return Ok(execution),
                Some(execution) if std::time::Instant::now() > deadline => {
                    bail!(
                        "waited {} s for job {job}; its history is {:?}",
                        limit.as_secs(),
                        execution.history
                    )
                }
                None => bail!("no job {job}"),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Every message that devices published, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.service.messages()
    }

    /// Publishes as the cloud.
    ///
    /// # Errors
    /// When the broker is away.
    pub fn publish(&self, topic: &str, payload: &[u8]) -> Result<()> {
        self.service.publish(topic, payload)
    }

    /// Makes the streams misbehave; see [`Mischief`].
    pub fn set_mischief(&self, mischief: Mischief) {
        self.service.set_mischief(mischief);
    }
}

/// Epoch seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// A random id in the form of a UUID, version 4.
fn uuid() -> String {
    use std::hash::{BuildHasher, Hasher};
    let word = || {
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
    };
    let (a, b) = (word(), word());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xFFFF,
        a & 0xFFF,
        b >> 48 & 0x3FFF | 0x8000,
        b & 0xFFFF_FFFF_FFFF
    )
}

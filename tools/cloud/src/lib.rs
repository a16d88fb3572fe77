//! Local AWS IoT stand-in over a real mosquitto: registry, Jobs, Streams, OTA updates.
//!
//! Owns what the cloud knows of things, certificates, policies, jobs, streams and objects, and the
//! two sides that ask: devices over MQTT ([`Cloud`] starts the service for them) and operators over
//! REST in AWS's shapes ([`http`]; reference/aws-iot.md). [`Core`] is what both share, and the API
//! for whoever else looks on: a console, a test. All of it survives a restart.
#![forbid(unsafe_code)]

pub mod broker;
pub mod console;
mod core;
pub mod fault;
pub mod http;
pub mod jobs;
mod lambda;
mod mischief;
mod objects;
pub mod ota;
pub mod pki;
mod provisioning;
pub mod registry;
mod service;
mod store;
pub mod streams;

pub use broker::Broker;
pub use core::{Core, DEVICE_POLICY, ROTATE, ROTATE_HOOK, ROTATE_TEMPLATE, device_policy};
pub use fault::Fault;
pub use mischief::Mischief;
pub use registry::{Thing, is_thing_name};
pub use service::{Message, Presence};

use anyhow::{Result, bail};
use std::sync::Arc;
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
    core: Arc<Core>,
}

impl Cloud {
    /// Starts broker and service.
    ///
    /// # Errors
    /// Of the broker and the registry's file.
    pub fn start(config: &broker::Config<'_>) -> Result<Cloud> {
        let store = store::Store::open(config.dir)?;
        let broker = Broker::start(config)?;
        let core = Core::start(config, &broker, store)?;
        Ok(Cloud {
            broker,
            core: Arc::new(core),
        })
    }

    /// What the other sides share: the control plane, a console.
    pub fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// Registers a thing with a key and an active certificate, and the policy of a device
    /// ([`DEVICE_POLICY`]); an existing one is returned.
    ///
    /// # Errors
    /// Names an illegal thing name.
    pub fn create_thing(&mut self, name: &str) -> Result<Thing> {
        self.core.create_device(name)
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
        self.core.create_ota_update(thing, id, files)
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
        self.core.create_job(thing, job, document)
    }

    /// CancelJobExecution.
    ///
    /// # Errors
    /// Names an unknown job, or the state that forbids it.
    pub fn cancel_job(&mut self, thing: &str, job: &str, force: bool) -> Result<()> {
        self.core.cancel_job(thing, job, force)
    }

    /// DescribeJobExecution, with its history.
    pub fn execution(&self, thing: &str, job: &str) -> Option<jobs::Execution> {
        self.core.execution(thing, job)
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
        self.core.messages()
    }

    /// Publishes as the cloud.
    ///
    /// # Errors
    /// When the broker is away.
    pub fn publish(&self, topic: &str, payload: &[u8]) -> Result<()> {
        self.core.publish(topic, payload, 1, false)
    }

    /// Makes the service misbehave; see [`Mischief`].
    pub fn set_mischief(&self, mischief: Mischief) {
        self.core.set_mischief(mischief);
    }
}

/// Epoch seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// A random id in the form of a UUID, version 4.
pub(crate) fn uuid() -> String {
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

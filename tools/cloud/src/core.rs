//! What the cloud's sides share: the state, and the operations on it.
//!
//! Owns the operations that need more than the registry: certificates with their keys, devices
//! ready to provision, updates of given bytes. Everything that only reads or changes the state
//! goes through [`Core::read`] and [`Core::change`], one at a time, on the disk before anybody is
//! told.

use crate::broker::{self, Broker};
use crate::fault::Fault;
use crate::jobs::{Execution, Publish};
use crate::lambda;
use crate::mischief::Mischief;
use crate::pki::{self, Authority, Subject};
use crate::registry::{CertificateRecord, TemplateRecord, Thing};
use crate::service::{Message, Presence, Service, State};
use crate::store::Store;
use crate::{OtaFile, now};
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mosquitto_iot::arn;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Name of the policy that [`Core::create_device`] attaches: a device's own topics, as
/// reference/aws-iot.md §1.7 has them.
pub const DEVICE_POLICY: &str = "tockstone-device";

/// Name of the template by which a device changes its own certificate, as [`DEVICE_POLICY`] has it.
pub const ROTATE: &str = "tockstone-rotate";
/// Its body.
pub const ROTATE_TEMPLATE: &str = include_str!("../templates/rotate.json");
/// Its pre-provisioning hook.
pub const ROTATE_HOOK: &str = include_str!("../hooks/rotate.py");

/// Bucket of the updates that come as bytes.
const BUCKET: &str = "tockstone-updates";

/// The cloud without its broker.
pub struct Core {
    service: Service,
    authority: Authority,
    dir: PathBuf,
    host: String,
    port: u16,
}

impl Core {
    pub(crate) fn start(
        config: &broker::Config<'_>,
        broker: &Broker,
        store: Store,
    ) -> Result<Core> {
        let authority = broker.authority().clone();
        Ok(Core {
            service: Service::start(broker.plain_port, store, authority.clone())?,
            authority,
            dir: config.dir.to_owned(),
            host: config.host.to_owned(),
            port: broker.port,
        })
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        self.service.read(look)
    }

    /// Changes the state; the messages go out when it is on the disk.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<(T, Vec<Publish>), Fault>,
    ) -> Result<T, Fault> {
        self.service.change(change)
    }

    /// Folder of the state.
    pub(crate) fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// The authority that signs devices' certificates.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// HOST:PORT of the broker for devices, as DescribeEndpoint has it.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Names of all things.
    pub fn things(&self) -> Vec<String> {
        self.read(|s| s.store.data.registry.things.keys().cloned().collect())
    }

    /// Every client that has been there, and whether it is now.
    pub fn presence(&self) -> BTreeMap<String, Presence> {
        self.read(|s| s.presence.clone())
    }

    /// Every execution, oldest first, with its history.
    pub fn executions(&self) -> Vec<Execution> {
        self.read(|s| s.store.data.jobs.executions().cloned().collect())
    }

    /// Every job, by id.
    pub fn jobs(&self) -> Vec<crate::jobs::Job> {
        self.read(|s| s.store.data.jobs.jobs().cloned().collect())
    }

    /// Every OTA update, by id.
    pub fn updates(&self) -> BTreeMap<String, crate::ota::UpdateRecord> {
        self.read(|s| s.store.data.updates.clone())
    }

    /// One execution, with its history.
    pub fn execution(&self, thing: &str, job: &str) -> Option<Execution> {
        self.read(|s| s.store.data.jobs.execution(thing, job).cloned())
    }

    /// Every message that devices published, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.read(|s| s.messages.clone())
    }

    /// Indices of the blocks of streams that devices asked for, in their order, whatever mischief made
    /// of the answers.
    pub fn blocks_asked(&self) -> Vec<usize> {
        self.read(|s| s.asked.clone())
    }

    /// The messages from the `from`th on.
    pub fn messages_from(&self, from: usize) -> Vec<Message> {
        self.read(|s| s.messages.get(from..).unwrap_or_default().to_vec())
    }

    /// Publishes as the cloud.
    ///
    /// # Errors
    /// When the broker is away.
    pub fn publish(&self, topic: &str, payload: &[u8], qos: u8, retain: bool) -> Result<()> {
        self.service.publish(topic, payload, qos, retain)
    }

    /// Makes the service misbehave; see [`Mischief`].
    pub fn set_mischief(&self, mischief: Mischief) {
        self.service.set_mischief(mischief);
    }

    /// StartCommandExecution: sends a command, JSON, to a thing. Nothing here keeps its state; what
    /// the thing answers is [`Core::command_answers`].
    ///
    /// # Errors
    /// When the broker is away.
    pub fn command(&self, thing: &str, execution: &str, payload: &Value) -> Result<()> {
        let topic = format!("$aws/commands/things/{thing}/executions/{execution}/request/json");
        self.publish(&topic, payload.to_string().as_bytes(), 1, false)
    }

    /// What a thing answered to a command, oldest first.
    pub fn command_answers(&self, thing: &str, execution: &str) -> Vec<Value> {
        let of = |(t, e, _): &&(String, String, Value)| t == thing && e == execution;
        self.read(|s| s.answers.iter().filter(of).map(|a| a.2.clone()).collect())
    }

    /// UpdateCertificate.
    ///
    /// # Errors
    /// Names an unknown certificate or status.
    pub fn set_certificate(&self, id: &str, status: &str) -> Result<()> {
        Ok(self.change(|s| {
            let registry = &mut s.store.data.registry;
            Ok((registry.set_status(id, status, now())?, Vec::new()))
        })?)
    }

    /// CreateJob for one thing.
    ///
    /// # Errors
    /// Names an id that AWS refuses, or that is taken.
    pub fn create_job(&self, thing: &str, job: &str, document: Value) -> Result<()> {
        Ok(self.change(|s| {
            s.store.data.registry.thing(thing)?;
            let jobs = &mut s.store.data.jobs;
            Ok(((), jobs.create(thing, job, document, now())?))
        })?)
    }

    /// CancelJobExecution.
    ///
    /// # Errors
    /// Names an unknown job, or the state that forbids it.
    pub fn cancel_job(&self, thing: &str, job: &str, force: bool) -> Result<()> {
        Ok(self.change(|s| {
            let jobs = &mut s.store.data.jobs;
            Ok(((), jobs.cancel(thing, job, force, now())?))
        })?)
    }

    /// A thing with key, active certificate and [`DEVICE_POLICY`]; an existing one is returned.
    ///
    /// # Errors
    /// Names an illegal thing name, or one without the files that this made.
    pub fn create_device(&self, name: &str) -> Result<Thing> {
        let known = self.read(|s| s.store.data.registry.things.get(name).cloned());
        let files = match known.and_then(|t| t.bundle) {
            Some(files) => files,
            None => self.make_device(name)?,
        };
        Ok(Thing {
            name: name.into(),
            certificate: pki::der(&files.0)?,
            key: pki::scalar(&files.1)?,
            root: pki::der(&self.authority.certificate())?,
            files,
        })
    }

    /// A thing for a device that made its own key: signs its request (PEM) and attaches the
    /// certificate, active, with [`DEVICE_POLICY`]; returns it, DER.
    ///
    /// # Errors
    /// Names an illegal thing name, or what openssl says of the request.
    pub fn enrol(&self, name: &str, request: &str) -> Result<Vec<u8>> {
        if !self.things().iter().any(|thing| thing == name) {
            self.make_thing(name)?;
        }
        let pem = self.authority.sign_request(request)?;
        self.attach(name, &pem, None)?;
        pki::der_of(&pem).context("openssl made no certificate")
    }

    /// CreateProvisioningTemplate, enabled, or another in its place; `hook` is the source of its
    /// pre-provisioning hook, Python.
    ///
    /// # Errors
    /// Names what a template must not have.
    pub fn create_template(&self, name: &str, body: &str, hook: Option<&str>) -> Result<()> {
        crate::provisioning::check(body)?;
        let put = |source| lambda::put(&self.dir, name, source);
        let hook = hook.map(put).transpose()?;
        Ok(self.change(|s| {
            let registry = &mut s.store.data.registry;
            if registry.policy(DEVICE_POLICY).is_err() {
                registry.create_policy(DEVICE_POLICY, &device_policy(), now())?;
            }
            let template = TemplateRecord {
                body: body.into(),
                description: String::new(),
                enabled: true,
                role: arn("role/fleet"),
                created: now(),
                modified: now(),
                hook,
            };
            registry.templates.insert(name.into(), template);
            Ok(((), Vec::new()))
        })?)
    }

    /// Lets devices change their own certificate ([`ROTATE`]).
    ///
    /// # Errors
    /// Of the folder of functions.
    pub fn create_rotation(&self) -> Result<()> {
        self.create_template(ROTATE, ROTATE_TEMPLATE, Some(ROTATE_HOOK))
    }

    /// Switches a template on or off, as UpdateProvisioningTemplate does.
    ///
    /// # Errors
    /// Names an unknown template.
    pub fn enable_template(&self, name: &str, enabled: bool) -> Result<()> {
        Ok(self.change(|s| {
            let missing = || Fault::missing(format!("no template `{name}`"));
            let templates = &mut s.store.data.registry.templates;
            templates.get_mut(name).ok_or_else(missing)?.enabled = enabled;
            Ok(((), Vec::new()))
        })?)
    }

    /// A claim for devices that a template provisions: certificate and key, active, in these files
    /// (PEM).
    ///
    /// # Errors
    /// Names an unknown template.
    pub fn create_claim(&self, template: &str) -> Result<(PathBuf, PathBuf)> {
        let subject = Subject {
            name: "claim",
            dns: &[],
            validity: None,
        };
        let files = self
            .authority
            .issue(&format!("claim-{template}"), &subject)?;
        let pem = std::fs::read_to_string(&files.0)?;
        let id = pki::certificate_id(&pki::der_of(&pem).context("openssl made no certificate")?);
        self.change(|s| {
            let registry = &mut s.store.data.registry;
            Ok((
                registry.add_certificate(&id, &pem, "ACTIVE", now())?,
                Vec::new(),
            ))
        })?;
        self.make_claim(template, &id)?;
        Ok(files)
    }

    /// Lets a certificate do what a claim for `template` does.
    pub(crate) fn make_claim(&self, template: &str, certificate: &str) -> Result<(), Fault> {
        self.change(|s| {
            let registry = &mut s.store.data.registry;
            let missing = || Fault::missing(format!("no template `{template}`"));
            registry.templates.get(template).ok_or_else(missing)?;
            let policy = format!("provisioning-claim-{template}");
            if registry.policy(&policy).is_err() {
                registry.create_policy(&policy, &claim_policy(template), now())?;
            }
            registry.attach_policy(&policy, certificate, true)?;
            Ok(((), Vec::new()))
        })
    }

    /// Ids of a thing's certificates.
    pub fn certificates_of(&self, thing: &str) -> Vec<String> {
        let of = |c: &CertificateRecord| c.things.iter().any(|t| t == thing);
        self.read(|s| {
            let all = s.store.data.registry.certificates.iter();
            all.filter(|(_, c)| of(c))
                .map(|(id, _)| id.clone())
                .collect()
        })
    }

    fn make_device(&self, name: &str) -> Result<(PathBuf, PathBuf)> {
        self.make_thing(name)?;
        let subject = Subject {
            name,
            dns: &[],
            validity: None,
        };
        let files = self.authority.issue(&format!("thing-{name}"), &subject)?;
        let pem = std::fs::read_to_string(&files.0)?;
        self.attach(name, &pem, Some(&files))?;
        Ok(files)
    }

    fn make_thing(&self, name: &str) -> Result<()> {
        self.change(|s| {
            let registry = &mut s.store.data.registry;
            registry.create_thing(name, Map::new())?;
            if registry.policy(DEVICE_POLICY).is_err() {
                registry.create_policy(DEVICE_POLICY, &device_policy(), now())?;
            }
            Ok(((), Vec::new()))
        })?;
        Ok(())
    }

    fn attach(&self, name: &str, pem: &str, files: Option<&(PathBuf, PathBuf)>) -> Result<()> {
        let id = pki::certificate_id(&pki::der_of(pem).context("openssl made no certificate")?);
        self.change(|s| {
            let registry = &mut s.store.data.registry;
            registry.add_certificate(&id, pem, "ACTIVE", now())?;
            registry.attach_thing(name, &id, true)?;
            registry.attach_policy(DEVICE_POLICY, &id, true)?;
            if let Some(thing) = registry.things.get_mut(name) {
                thing.bundle = files.cloned();
            }
            Ok(((), Vec::new()))
        })?;
        Ok(())
    }

    /// UpdateCertificate for every certificate of a thing: `INACTIVE` cuts it off at once.
    ///
    /// # Errors
    /// Names an unknown thing or status.
    pub fn set_certificates(&self, thing: &str, status: &str) -> Result<()> {
        Ok(self.change(|s| {
            let registry = &mut s.store.data.registry;
            registry.thing(thing)?;
            let of_thing = registry.certificates.iter();
            let ids: Vec<String> = of_thing
                .filter(|(_, c)| c.things.iter().any(|t| t == thing))
                .map(|(id, _)| id.clone())
                .collect();
            for id in ids {
                registry.set_status(&id, status, now())?;
            }
            Ok(((), Vec::new()))
        })?)
    }

    /// UpdateThing of one attribute.
    ///
    /// # Errors
    /// Names an unknown thing.
    pub fn set_attribute(&self, thing: &str, name: &str, value: &str) -> Result<()> {
        Ok(self.change(|s| {
            let things = &mut s.store.data.registry.things;
            let missing = || Fault::missing(format!("no thing `{thing}`"));
            let record = things.get_mut(thing).ok_or_else(missing)?;
            record.attributes.insert(name.into(), value.into());
            record.version += 1;
            Ok(((), Vec::new()))
        })?)
    }

    /// CreateOTAUpdate of bytes: objects, a stream and a job for one thing; returns the job's id.
    ///
    /// # Errors
    /// Names an unknown thing, or an update without files.
    pub fn create_ota_update(&self, thing: &str, id: &str, files: &[OtaFile]) -> Result<String> {
        let mut list = Vec::new();
        for (i, file) in files.iter().enumerate() {
            let (hash, algorithm) = match file.algorithm.as_str() {
                "sig-sha256-rsa" => ("SHA256", "RSA"),
                "sig-sha256-ecdsa" => ("SHA256", "ECDSA"),
                other => bail!("algorithm `{other}`"),
            };
            list.push(json!({"fileName": file.path,
                "fileLocation": {"s3Location": {"bucket": BUCKET, "key": format!("{id}/{i}")}},
                "codeSigning": {"customCodeSigning": {
                    "signature": {"inlineDocument": STANDARD.encode(&file.signature)},
                    "certificateChain": {"certificateName": file.certificate},
                    "hashAlgorithm": hash, "signatureAlgorithm": algorithm}}}));
        }
        let request = json!({"targets": [arn(&format!("thing/{thing}"))], "files": list,
            "roleArn": "arn:aws:iam::123456789012:role/tockstone"});
        self.change(|s| {
            // Before the objects: those of an update that there is already must stay.
            s.store.data.registry.thing(thing)?;
            if s.store.data.updates.contains_key(id) {
                return Err(Fault::exists(format!("OTA update `{id}` exists")));
            }
            let (objects, dir) = (&mut s.store.data.objects, &s.store.dir);
            objects.create(BUCKET, now())?;
            for (i, file) in files.iter().enumerate() {
                let key = format!("{id}/{i}");
                objects.put(
                    dir,
                    BUCKET,
                    &key,
                    "application/octet-stream",
                    &file.bytes,
                    now(),
                )?;
            }
            let messages = s.store.create_update(id, &request, now())?;
            if let Some((_, message)) = s.store.update(id)?.error.clone() {
                s.store.data.updates.remove(id);
                return Err(Fault::invalid(message));
            }
            Ok(((), messages))
        })?;
        Ok(format!("AFR_OTA-{id}"))
    }
}

/// The document of [`DEVICE_POLICY`].
pub fn device_policy() -> String {
    here(include_str!("../policies/device.json"))
}

/// What a claim for `template` may do: ask for a certificate, and for what the template makes.
fn claim_policy(template: &str) -> String {
    here(include_str!("../policies/claim.json")).replace("TEMPLATE", template)
}

/// A policy as a user of AWS takes it (docs/aws.md), for this region and account.
fn here(policy: &str) -> String {
    policy.replace("arn:aws:iot:REGION:ACCOUNT:", &arn(""))
}

//! Things, certificates, policies and provisioning templates.
//!
//! Owns the records, what AWS refuses about them, and the view of them that the broker's plugin
//! reads. Pure: certificates come in as PEM with their id; the file is [`crate::store`]'s.

use crate::fault::Fault;
use mosquitto_iot::policy::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Versions that a policy may have.
const VERSIONS: usize = 5;

/// A registered thing and what its device is provisioned with.
#[derive(Debug, Clone)]
pub struct Thing {
    pub name: String,
    /// DER of its certificate.
    pub certificate: Vec<u8>,
    /// P-256 private scalar, big endian.
    pub key: [u8; 32],
    /// DER of the root that signs the broker's certificate.
    pub root: Vec<u8>,
    /// PEM files of certificate and key, for other clients.
    pub files: (PathBuf, PathBuf),
}

/// A thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThingRecord {
    pub id: String,
    #[serde(default)]
    pub attributes: Map<String, Value>,
    pub version: u64,
    /// PEM files of the certificate and key that `Cloud::create_thing` made.
    #[serde(default)]
    pub bundle: Option<(PathBuf, PathBuf)>,
}

/// A certificate; its id is its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CertificateRecord {
    pub pem: String,
    /// `ACTIVE`, `INACTIVE`, `REVOKED`, `PENDING_ACTIVATION`.
    pub status: String,
    /// Epoch seconds, as the next.
    pub created: u64,
    pub modified: u64,
    #[serde(default)]
    pub things: Vec<String>,
    #[serde(default)]
    pub policies: Vec<String>,
}

/// A policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Its default version's.
    pub document: String,
    pub created: u64,
    /// Which version that is.
    #[serde(default = "first")]
    pub default: u32,
    /// Number of the newest version there has been.
    #[serde(default = "first")]
    pub newest: u32,
    /// The other versions: document, and when it was made.
    #[serde(default)]
    pub others: BTreeMap<u32, (String, u64)>,
}

fn first() -> u32 {
    1
}

impl PolicyRecord {
    /// All versions by number: document, and when it was made.
    pub fn versions(&self) -> BTreeMap<u32, (String, u64)> {
        let mut all = self.others.clone();
        all.insert(self.default, (self.document.clone(), self.created));
        all
    }
}

/// A fleet provisioning template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TemplateRecord {
    pub body: String,
    pub description: String,
    pub enabled: bool,
    pub role: String,
    pub created: u64,
    pub modified: u64,
    /// ARN of the function that its requests are shown to first.
    #[serde(default)]
    pub hook: Option<String>,
}

/// All of them, by name; certificates by id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Registry {
    pub things: BTreeMap<String, ThingRecord>,
    pub certificates: BTreeMap<String, CertificateRecord>,
    pub policies: BTreeMap<String, PolicyRecord>,
    #[serde(default)]
    pub templates: BTreeMap<String, TemplateRecord>,
}

impl Registry {
    /// CreateThing. The same thing again is no error, another one of its name is.
    ///
    /// # Errors
    /// Names an illegal or a taken name.
    pub fn create_thing(
        &mut self,
        name: &str,
        attributes: Map<String, Value>,
    ) -> Result<&ThingRecord, Fault> {
        if !is_thing_name(name) {
            return Err(Fault::invalid(format!(
                "thing name `{name}`: 1 to 128 of [a-zA-Z0-9:_-]"
            )));
        }
        if self
            .things
            .get(name)
            .is_some_and(|t| t.attributes != attributes)
        {
            return Err(Fault::exists(format!(
                "thing `{name}` exists with other attributes"
            )));
        }
        Ok(self
            .things
            .entry(name.into())
            .or_insert_with(|| ThingRecord {
                id: crate::uuid(),
                attributes,
                version: 1,
                bundle: None,
            }))
    }

    /// A thing.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn thing(&self, name: &str) -> Result<&ThingRecord, Fault> {
        let missing = || Fault::missing(format!("no thing `{name}`"));
        self.things.get(name).ok_or_else(missing)
    }

    /// DeleteThing.
    ///
    /// # Errors
    /// When certificates are attached.
    pub fn delete_thing(&mut self, name: &str) -> Result<(), Fault> {
        if self.certificates.values().any(|c| has(&c.things, name)) {
            return Err(Fault::invalid(format!(
                "thing `{name}` has principals attached"
            )));
        }
        self.things.remove(name);
        Ok(())
    }

    /// Takes a certificate in.
    ///
    /// # Errors
    /// When it is there already.
    pub fn add_certificate(
        &mut self,
        id: &str,
        pem: &str,
        status: &str,
        now: u64,
    ) -> Result<(), Fault> {
        if self.certificates.contains_key(id) {
            return Err(Fault::exists(format!("certificate {id} is registered")));
        }
        check_status(status)?;
        let record = CertificateRecord {
            pem: pem.into(),
            status: status.into(),
            created: now,
            modified: now,
            things: Vec::new(),
            policies: Vec::new(),
        };
        self.certificates.insert(id.into(), record);
        Ok(())
    }

    /// A certificate, by its id.
    ///
    /// # Errors
    /// When there is none.
    pub fn certificate(&mut self, id: &str) -> Result<&mut CertificateRecord, Fault> {
        let missing = || Fault::missing(format!("no certificate {id}"));
        self.certificates.get_mut(id).ok_or_else(missing)
    }

    /// UpdateCertificate.
    ///
    /// # Errors
    /// Names an unknown certificate or status.
    pub fn set_status(&mut self, id: &str, status: &str, now: u64) -> Result<(), Fault> {
        check_status(status)?;
        let record = self.certificate(id)?;
        record.status = status.into();
        record.modified = now;
        Ok(())
    }

    /// DeleteCertificate.
    ///
    /// # Errors
    /// While it is active or attached; `force` takes policies off.
    pub fn delete_certificate(&mut self, id: &str, force: bool) -> Result<(), Fault> {
        let record = self.certificate(id)?;
        if record.status == "ACTIVE" {
            return Err(Fault::new(
                "CertificateStateException",
                406,
                "the certificate is ACTIVE",
            ));
        }
        if !record.things.is_empty() || (!record.policies.is_empty() && !force) {
            return Err(Fault::new(
                "DeleteConflictException",
                409,
                "things or policies are attached to the certificate",
            ));
        }
        self.certificates.remove(id);
        Ok(())
    }

    /// CreatePolicy.
    ///
    /// # Errors
    /// Names what is malformed or not enforced here, or a taken name.
    pub fn create_policy(&mut self, name: &str, document: &str, now: u64) -> Result<(), Fault> {
        if name.is_empty() || name.len() > 128 {
            return Err(Fault::invalid("a policy's name has 1 to 128 characters"));
        }
        check_policy(document)?;
        if self.policies.contains_key(name) {
            return Err(Fault::exists(format!("policy `{name}` exists")));
        }
        let record = PolicyRecord {
            document: document.into(),
            created: now,
            default: first(),
            newest: first(),
            others: BTreeMap::new(),
        };
        self.policies.insert(name.into(), record);
        Ok(())
    }

    /// CreatePolicyVersion: its number.
    ///
    /// # Errors
    /// Names an unknown policy, what of the document is malformed or not enforced here, or that there
    /// are five versions.
    pub fn create_policy_version(
        &mut self,
        name: &str,
        document: &str,
        set: bool,
        now: u64,
    ) -> Result<u32, Fault> {
        check_policy(document)?;
        let policy = self.policy_mut(name)?;
        if policy.others.len() >= VERSIONS - 1 {
            let message = format!("policy `{name}` has {VERSIONS} versions");
            return Err(Fault::new("VersionsLimitExceededException", 409, message));
        }
        policy.newest += 1;
        let number = policy.newest;
        policy.others.insert(number, (document.into(), now));
        if set {
            self.set_policy_version(name, number)?;
        }
        Ok(number)
    }

    /// SetDefaultPolicyVersion.
    ///
    /// # Errors
    /// Names an unknown policy or version.
    pub fn set_policy_version(&mut self, name: &str, number: u32) -> Result<(), Fault> {
        let policy = self.policy_mut(name)?;
        if number == policy.default {
            return Ok(());
        }
        let missing = || no_version(name, number);
        let (document, created) = policy.others.remove(&number).ok_or_else(missing)?;
        let old = (
            std::mem::replace(&mut policy.document, document),
            std::mem::replace(&mut policy.created, created),
        );
        policy.others.insert(policy.default, old);
        policy.default = number;
        Ok(())
    }

    /// DeletePolicyVersion.
    ///
    /// # Errors
    /// Names an unknown policy or version, or the default one.
    pub fn delete_policy_version(&mut self, name: &str, number: u32) -> Result<(), Fault> {
        let policy = self.policy_mut(name)?;
        if number == policy.default {
            let message = format!("version {number} is the default of policy `{name}`");
            return Err(Fault::new("DeleteConflictException", 409, message));
        }
        let gone = policy.others.remove(&number).map(drop);
        gone.ok_or_else(|| no_version(name, number))
    }

    fn policy_mut(&mut self, name: &str) -> Result<&mut PolicyRecord, Fault> {
        let missing = || Fault::missing(format!("no policy `{name}`"));
        self.policies.get_mut(name).ok_or_else(missing)
    }

    /// A policy.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn policy(&self, name: &str) -> Result<&PolicyRecord, Fault> {
        let missing = || Fault::missing(format!("no policy `{name}`"));
        self.policies.get(name).ok_or_else(missing)
    }

    /// DeletePolicy.
    ///
    /// # Errors
    /// While it is attached, or has other versions.
    pub fn delete_policy(&mut self, name: &str) -> Result<(), Fault> {
        if !self.policy(name)?.others.is_empty() {
            let message = format!("policy `{name}` has other versions");
            return Err(Fault::new("DeleteConflictException", 409, message));
        }
        if self.certificates.values().any(|c| has(&c.policies, name)) {
            return Err(Fault::new(
                "DeleteConflictException",
                409,
                format!("policy `{name}` is attached"),
            ));
        }
        self.policies.remove(name);
        Ok(())
    }

    /// AttachPolicy, or with `attach` false DetachPolicy.
    ///
    /// # Errors
    /// Names what is unknown.
    pub fn attach_policy(&mut self, name: &str, id: &str, attach: bool) -> Result<(), Fault> {
        self.policy(name)?;
        set(&mut self.certificate(id)?.policies, name, attach);
        Ok(())
    }

    /// AttachThingPrincipal, or with `attach` false DetachThingPrincipal.
    ///
    /// # Errors
    /// Names what is unknown.
    pub fn attach_thing(&mut self, name: &str, id: &str, attach: bool) -> Result<(), Fault> {
        self.thing(name)?;
        set(&mut self.certificate(id)?.things, name, attach);
        Ok(())
    }

    /// What the broker's plugin reads.
    pub fn access(&self) -> String {
        let certificates: Map<String, Value> = self
            .certificates
            .iter()
            .map(|(id, c)| {
                let view = json!({"status": c.status, "things": c.things, "policies": c.policies});
                (id.clone(), view)
            })
            .collect();
        let policies: Map<String, Value> = self
            .policies
            .iter()
            .map(|(name, p)| (name.clone(), p.document.as_str().into()))
            .collect();
        json!({"certificates": certificates, "policies": policies}).to_string()
    }
}

fn check_policy(document: &str) -> Result<(), Fault> {
    let malformed = |m: String| Fault::new("MalformedPolicyException", 400, m);
    Policy::parse(document).map(drop).map_err(malformed)
}

/// A policy's version that is not there.
pub fn no_version(name: &str, number: u32) -> Fault {
    Fault::missing(format!("no version {number} of policy `{name}`"))
}

fn check_status(status: &str) -> Result<(), Fault> {
    let known = ["ACTIVE", "INACTIVE", "REVOKED", "PENDING_ACTIVATION"];
    if known.contains(&status) {
        Ok(())
    } else {
        Err(Fault::invalid(format!("status `{status}`")))
    }
}

/// Whether AWS takes it as the name of a thing.
pub fn is_thing_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
    (1..=128).contains(&name.len()) && name.chars().all(legal)
}

fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|n| n == name)
}

fn set(list: &mut Vec<String>, name: &str, member: bool) {
    list.retain(|n| n != name);
    if member {
        list.push(name.into());
    }
}

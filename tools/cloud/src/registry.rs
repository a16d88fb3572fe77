//! Things and their certificates, in a JSON file.
//!
//! Owns the file `registry.json`, written whole and renamed into place, so that it survives a
//! restart and a crash.

use crate::pki::{self, Authority, Subject};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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

pub(crate) struct Registry {
    dir: PathBuf,
    things: Value,
}

impl Registry {
    pub(crate) fn open(dir: &Path) -> Result<Registry> {
        let path = dir.join("registry.json");
        let things = match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?
            }
            Err(_) => json!({}),
        };
        Ok(Registry {
            dir: dir.to_owned(),
            things,
        })
    }

    pub(crate) fn thing(&self, name: &str) -> Option<&Value> {
        self.things.get(name)
    }

    pub(crate) fn create_thing(&mut self, name: &str, authority: &Authority) -> Result<Thing> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(legal) {
            bail!("InvalidRequestException: thing name `{name}`: 1 to 128 of [a-zA-Z0-9:_-]");
        }
        if self.thing(name).is_none() {
            let subject = Subject {
                name,
                dns: &[],
                validity: None,
            };
            let (certificate, key) = authority.issue(&format!("thing-{name}"), &subject)?;
            self.things[name] = json!({"certificate": certificate, "key": key, "status": "ACTIVE"});
            self.save()?;
        }
        let file =
            |member: &str| PathBuf::from(self.things[name][member].as_str().unwrap_or_default());
        let files = (file("certificate"), file("key"));
        Ok(Thing {
            name: name.into(),
            certificate: pki::der(&files.0)?,
            key: pki::scalar(&files.1)?,
            root: pki::der(&authority.certificate())?,
            files,
        })
    }

    fn save(&self) -> Result<()> {
        let new = self.dir.join("registry.json.new");
        std::fs::write(&new, serde_json::to_vec_pretty(&self.things)?)?;
        std::fs::rename(new, self.dir.join("registry.json"))?;
        Ok(())
    }
}

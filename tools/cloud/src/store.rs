//! What survives a restart: one JSON file, written whole and renamed into place.
//!
//! Owns `registry.json` (registry, jobs, streams, updates, the index of objects) and
//! `access.json`, the part of it that the broker's plugin reads. A change is on the disk before
//! anybody is told of it.

use crate::broker;
use crate::jobs::Jobs;
use crate::objects::Objects;
use crate::ota::{StreamRecord, UpdateRecord};
use crate::registry::Registry;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Durable {
    pub(crate) registry: Registry,
    pub(crate) jobs: Jobs,
    pub(crate) streams: BTreeMap<String, StreamRecord>,
    pub(crate) updates: BTreeMap<String, UpdateRecord>,
    pub(crate) objects: Objects,
    /// Ownership tokens of fleet provisioning → certificate id and end, epoch seconds.
    pub(crate) tokens: BTreeMap<String, (String, u64)>,
}

/// The files, and what they say.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) data: Durable,
    written: String,
    access: String,
}

impl Store {
    /// Opens the folder's files; makes what the plugin needs.
    pub(crate) fn open(dir: &Path) -> Result<Store> {
        let path = dir.join("registry.json");
        let data = match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Durable::default(),
            Err(e) => return Err(e).with_context(|| path.display().to_string()),
        };
        let mut store = Store {
            dir: dir.to_owned(),
            data,
            written: String::new(),
            access: String::new(),
        };
        store.commit()?;
        Ok(store)
    }

    /// Writes what has changed.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let text = serde_json::to_string(&self.data)?;
        if text != self.written {
            replace(&self.dir.join("registry.json"), &text)?;
            self.written = text;
        }
        let access = self.data.registry.access();
        if access != self.access {
            replace(&broker::access(&self.dir), &access)?;
            self.access = access;
        }
        Ok(())
    }
}

fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    std::fs::rename(new, path)?;
    Ok(())
}

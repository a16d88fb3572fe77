//! Objects in buckets, as S3 has them.
//!
//! Owns the index and the files under `objects/`; an index entry comes after its file is whole.
//! The ETag is the first half of the SHA-256, which S3 allows (it need not be an MD5).

use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// All buckets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Objects {
    pub buckets: BTreeMap<String, Bucket>,
}

/// A bucket.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Bucket {
    /// Epoch seconds.
    pub created: u64,
    /// `Enabled` or `Suspended`; nothing when never set.
    pub versioning: Option<String>,
    /// Versions of each key, oldest first; none is an empty list.
    pub objects: BTreeMap<String, Vec<Version>>,
}

/// One version of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Version {
    /// `null` where versioning is off.
    pub id: String,
    pub etag: String,
    pub size: u64,
    /// Epoch seconds.
    pub modified: u64,
    pub kind: String,
    /// A delete marker: as the newest one it hides the older ones.
    #[serde(default)]
    pub marker: bool,
    file: String,
}

impl Bucket {
    /// Adds a version; the one that it replaces goes.
    fn push(&mut self, dir: &Path, key: &str, version: Version) {
        self.take(dir, key, &version.id);
        self.objects.entry(key.into()).or_default().push(version);
    }

    /// Takes a version away, its file too.
    fn take(&mut self, dir: &Path, key: &str, id: &str) -> Option<Version> {
        let versions = self.objects.get_mut(key)?;
        let at = versions.iter().position(|v| v.id == id)?;
        let old = versions.remove(at);
        if !old.marker {
            let _ = std::fs::remove_file(dir.join("objects").join(&old.file));
        }
        Some(old)
    }
}

impl Objects {
    /// CreateBucket; the same again is no error.
    ///
    /// # Errors
    /// Names an illegal name.
    pub fn create(&mut self, name: &str, now: u64) -> Result<(), Fault> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if !(3..=63).contains(&name.len()) || !name.chars().all(legal) {
            let message = format!("bucket `{name}`: 3 to 63 of [a-z0-9.-]");
            return Err(Fault::new("InvalidBucketName", 400, message));
        }
        self.buckets.entry(name.into()).or_insert_with(|| Bucket {
            created: now,
            ..Bucket::default()
        });
        Ok(())
    }

    /// A bucket.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Fault> {
        let missing = || Fault::new("NoSuchBucket", 404, format!("no bucket `{name}`"));
        self.buckets.get_mut(name).ok_or_else(missing)
    }

    /// PutObject.
    ///
    /// # Errors
    /// Of the bucket and the file system.
    pub fn put(
        &mut self,
        dir: &Path,
        bucket: &str,
        key: &str,
        kind: &str,
        bytes: &[u8],
        now: u64,
    ) -> Result<Version, Fault> {
        if key.is_empty() || key.len() > 1024 {
            return Err(Fault::new(
                "KeyTooLongError",
                400,
                "a key has 1 to 1024 bytes",
            ));
        }
        let bucket = self.bucket(bucket)?;
        let on = bucket.versioning.as_deref() == Some("Enabled");
        let file = crate::uuid();
        let write = || {
            std::fs::create_dir_all(dir.join("objects"))?;
            std::fs::write(dir.join("objects").join(&file), bytes)
        };
        write().map_err(|e| Fault::internal(&e.into()))?;
        let version = Version {
            id: if on { crate::uuid() } else { "null".into() },
            etag: crate::pki::certificate_id(bytes)[..32].into(),
            size: bytes.len() as u64,
            modified: now,
            kind: kind.into(),
            marker: false,
            file,
        };
        bucket.push(dir, key, version.clone());
        Ok(version)
    }

    /// One version, or the newest.
    ///
    /// # Errors
    /// Names what is not there.
    pub fn version(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<&Version, Fault> {
        let missing = |name, what: String| Fault::new(name, 404, what);
        let bucket = self
            .buckets
            .get(bucket)
            .ok_or_else(|| missing("NoSuchBucket", format!("no bucket `{bucket}`")))?;
        let versions = bucket.objects.get(key).filter(|v| !v.is_empty());
        let versions =
            versions.ok_or_else(|| missing("NoSuchKey", format!("no object `{key}`")))?;
        let found = match version {
            None => versions.last(),
            Some(id) => versions.iter().find(|v| v.id == id),
        };
        match found {
            Some(found) if !found.marker => Ok(found),
            Some(_) if version.is_some() => Err(Fault::new(
                "MethodNotAllowed",
                405,
                format!("this version of `{key}` is a delete marker"),
            )),
            Some(_) => Err(missing("NoSuchKey", format!("object `{key}` is deleted"))),
            None => Err(missing(
                "NoSuchVersion",
                format!("no such version of `{key}`"),
            )),
        }
    }

    /// DeleteObject: one version for good; without one, what versioning keeps stays under a delete
    /// marker. The version that has gone, or the marker.
    ///
    /// # Errors
    /// Of the bucket.
    pub fn delete(
        &mut self,
        dir: &Path,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        now: u64,
    ) -> Result<Option<Version>, Fault> {
        let bucket = self.bucket(bucket)?;
        let versioning = bucket.versioning.clone();
        let gone = match (version, versioning) {
            (None, Some(state)) => {
                let marker = Version {
                    id: match state.as_str() {
                        "Enabled" => crate::uuid(),
                        _ => "null".into(),
                    },
                    etag: String::new(),
                    size: 0,
                    modified: now,
                    kind: String::new(),
                    marker: true,
                    file: String::new(),
                };
                bucket.push(dir, key, marker.clone());
                Some(marker)
            }
            (id, _) => bucket.take(dir, key, id.unwrap_or("null")),
        };
        bucket.objects.retain(|_, versions| !versions.is_empty());
        Ok(gone)
    }

    /// The bytes of a version.
    ///
    /// # Errors
    /// Of the file system.
    pub fn read(dir: &Path, version: &Version) -> Result<Vec<u8>, Fault> {
        std::fs::read(dir.join("objects").join(&version.file))
            .map_err(|e| Fault::internal(&e.into()))
    }
}

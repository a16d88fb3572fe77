//! One download into its targets, and the decision to install it.
//!
//! Owns the order of the checks: kind of signature and size before anything is fetched, version
//! with the first block, signature over each whole file before `install`. Owns what of it survives
//! a reset: a block is noted once its bytes are durable. A failed check leaves the targets READY
//! and what runs as it was.

use crate::blocks::Blocks;
use crate::checkpoint::{self, PART, Plan};
use crate::document::{FILES, OtaFile, OtaUpdate, STREAM, Version};
use crate::loader::Loader;
use crate::memory::{emit_version, parse_version};
use crate::package::{Chosen, Package};
use crate::signature;
use crate::stream::Format;
use crate::target::{Image, Target};
use crate::window::Window;
use heapless::{String, Vec};
use libtock::platform::ErrorCode;
use mcuboot_image::Header;
use psa_client::Transport;
use psa_client::fwu::{COMPONENT_NONSECURE, COMPONENT_SECURE};

/// Why an update ends; the text goes into the job's `statusDetails`.
pub type Reason = &'static str;

/// A file on its way.
#[derive(Debug, Clone)]
pub struct Part {
    /// What the job says.
    pub file: OtaFile,
    /// What is there of it.
    pub blocks: Blocks,
    /// Version in the image's header, once block 0 is there.
    pub version: Option<Version>,
    /// Version that runs.
    pub running: Version,
}

/// A download under way.
#[derive(Debug, Clone)]
pub struct Update {
    /// Stream that holds the files.
    pub stream: String<STREAM>,
    /// Its version, once it was described.
    pub version: Option<u16>,
    /// What it is asked in.
    pub format: Format,
    /// The files, in the job's order; fetched one after the other.
    pub parts: Vec<Part, FILES>,
    /// Blocks under way, of the first file that is not complete.
    pub window: Window,
    /// Where the one file goes when it is for an app: it is taken front to back, and a reset begins
    /// anew, since what the kernel's loader has of it does not outlast one.
    pub package: Option<Package>,
}

impl Update {
    /// Checks what can be checked before the stream is asked.
    ///
    /// # Errors
    /// Why the job cannot run.
    pub fn new(transport: &impl Transport, update: OtaUpdate) -> Result<Update, Reason> {
        let mut parts = Vec::new();
        let mut package = None;
        for file in update.files {
            signature::check_kind(transport, file.kind)?;
            if let Some(name) = &file.app {
                package = Some(Package::new(name.clone()));
                let part = Part {
                    blocks: Blocks::new(file.size).ok_or("the file is too large")?,
                    version: None,
                    running: Version::default(),
                    file,
                };
                parts.push(part).map_err(|_| "too many files")?;
                continue;
            }
            let target = Image(transport, file.component);
            let room = target.room()?;
            let blocks = Blocks::new(file.size).filter(|_| file.size <= room);
            let part = Part {
                blocks: blocks.ok_or("image too large")?,
                version: None,
                running: target.running()?,
                file,
            };
            parts.push(part).map_err(|_| "too many files")?;
        }
        Ok(Update {
            stream: update.stream,
            version: None,
            format: Format::Cbor,
            parts,
            window: Window::new(),
            package,
        })
    }

    /// Goes on where an earlier run was, or opens the targets anew. Whether it went on.
    ///
    /// # Errors
    /// Why the targets cannot be written.
    pub fn open(
        &mut self,
        transport: &impl Transport,
        loader: &impl Loader,
        job: &str,
        version: Option<u16>,
    ) -> Result<bool, Reason> {
        self.version = version;
        if self.package.is_some() {
            loader.abort();
            return Ok(false);
        }
        let files = self.parts.iter().map(|p| &p.file);
        let plan = Plan::new(job, &self.stream, version, files).ok_or("the job is too long")?;
        let ours = |component| self.parts.iter().any(|p| p.file.component == component);
        let open = |p: &Part| Image(transport, p.file.component).is_open();
        let map = plan.map(transport).filter(|_| self.parts.iter().all(open));
        let all = [COMPONENT_SECURE, COMPONENT_NONSECURE];
        // All: `install` takes every candidate, also one that another job left behind.
        for component in all.into_iter().filter(|c| map.is_none() || !ours(*c)) {
            if map.is_none() {
                checkpoint::forget(transport);
            }
            Image(transport, component).discard()?;
        }
        if let Some(map) = map {
            for (part, kept) in self.parts.iter_mut().zip(&map) {
                part.restore(kept);
            }
            return Ok(true);
        }
        for part in &self.parts {
            Image(transport, part.file.component).open()?;
        }
        // Without it a reset begins anew.
        let _ = plan.begin(transport);
        Ok(false)
    }

    /// The file that is being fetched.
    pub fn current(&self) -> Option<&Part> {
        self.parts.iter().find(|p| !p.blocks.complete())
    }

    /// Blocks that are there, and blocks in all, of all files.
    pub fn progress(&self) -> (u32, u32) {
        let parts = self.parts.iter();
        parts.fold((0, 0), |(done, count), p| {
            (done + p.blocks.done(), count + p.blocks.count())
        })
    }

    /// The next request: file id, first block and map.
    pub fn request(&self) -> Option<(u8, u32, u32)> {
        let part = self.current()?;
        let missing = |block| !part.blocks.has(block);
        let (first, bits) = self.window.next(part.blocks.count(), missing)?;
        Some((part.file.id, first, bits))
    }

    /// Takes a block; `false` when it is not wanted (twice, or not of the file that is fetched).
    ///
    /// # Errors
    /// Why the update ends here.
    pub fn block(
        &mut self,
        transport: &impl Transport,
        loader: &impl Loader,
        (file, index): (u64, u32),
        bytes: &[u8],
        now: u64,
    ) -> Result<bool, Reason> {
        let Some(part) = self.parts.iter_mut().find(|p| !p.blocks.complete()) else {
            return Ok(false);
        };
        if u64::from(part.file.id) != file {
            return Ok(false);
        }
        let Ok(offset) = part.blocks.check(index, bytes.len()) else {
            return Ok(false);
        };
        if let Some(package) = &mut self.package {
            if index != part.blocks.done() {
                return Ok(false);
            }
            package.take(loader, bytes)?;
            part.blocks.set(index);
            self.window.arrived(index, now);
            return Ok(true);
        }
        if index == 0 {
            part.version = Some(newer(bytes, part.running)?);
        }
        Image(transport, part.file.component).write(offset, bytes)?;
        part.blocks.set(index);
        self.window.arrived(index, now);
        let complete = part.blocks.complete();
        if complete {
            // Another file has its own blocks.
            self.window.forget();
        }
        // A map that was not kept costs a block after a reset, no more.
        let _ = checkpoint::store(transport, &self.map());
        Ok(true)
    }

    fn map(&self) -> [[u8; PART]; FILES] {
        let mut map = [[0; PART]; FILES];
        for (out, part) in map.iter_mut().zip(&self.parts) {
            part.keep(out);
        }
        map
    }

    /// Ends the writing and verifies each file; the targets then hold candidates. What is installed,
    /// when it is an app.
    ///
    /// # Errors
    /// Why nothing must be installed.
    pub fn verify(
        &self,
        transport: &impl Transport,
        loader: &impl Loader,
    ) -> Result<Option<Chosen>, Reason> {
        for part in &self.parts {
            if let Some(package) = &self.package {
                let (digest, chosen) = package.seal()?;
                signature::verify(transport, &part.file, &digest)?;
                loader.finish().map_err(|e| match e {
                    ErrorCode::Already => "not newer: it runs already",
                    ErrorCode::Invalid => "the app cannot run from its place",
                    _ => "installing the app failed",
                })?;
                return Ok(Some(chosen));
            }
            let digest = Image(transport, part.file.component).seal()?;
            signature::verify(transport, &part.file, &digest)?;
            let version = part.version.ok_or("no MCUboot image")?;
            judge(version, part.running)?;
        }
        Ok(None)
    }

    /// Gives up what was fetched.
    pub fn discard(&self, transport: &impl Transport, loader: &impl Loader) {
        if self.package.is_some() {
            loader.abort();
            return;
        }
        checkpoint::forget(transport);
        for part in &self.parts {
            // What stays is given up when the next update begins.
            let _ = Image(transport, part.file.component).discard();
        }
    }
}

impl Part {
    fn keep(&self, out: &mut [u8; PART]) {
        let (map, version) = out.split_at_mut(PART - 8);
        map.copy_from_slice(self.blocks.map());
        emit_version(&self.version.unwrap_or_default(), version);
    }

    fn restore(&mut self, kept: &[u8; PART]) {
        let (Some(map), Some(version)) = (kept.first_chunk(), kept.last_chunk()) else {
            return;
        };
        self.blocks.restore(map);
        self.version = self.blocks.has(0).then(|| parse_version(version));
    }
}

/// The version that an image's first block names, if it is newer than what runs.
fn newer(first: &[u8], running: Version) -> Result<Version, Reason> {
    let header = Header::parse(first).map_err(|_| "no MCUboot image")?;
    let v = header.version;
    let version = Version {
        major: v.major,
        minor: v.minor,
        patch: v.revision,
        build: v.build,
    };
    judge(version, running)?;
    Ok(version)
}

fn judge(version: Version, running: Version) -> Result<(), Reason> {
    match version.cmp(&running) {
        core::cmp::Ordering::Greater => Ok(()),
        core::cmp::Ordering::Equal => Err("not newer: it runs already"),
        core::cmp::Ordering::Less => Err("not newer: it is older"),
    }
}

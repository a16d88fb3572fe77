//! One download into a PSA FWU component, and the decision to install it.
//!
//! Owns the order of the checks: size before the slot is erased, version with the first block,
//! signature over the whole file before `install`. A failed check leaves the component READY and
//! the running image as it was.

use crate::VERIFY_KEY;
use crate::blocks::{Blocks, Refused};
use crate::document::{OtaFile, Version};
use mcuboot_image::Header;
use psa_client::fwu::{self, FwuState, MAX_WRITE_SIZE};
use psa_client::{Algorithm, Status, Transport, crypto};

/// Why an update ends; the text goes into the job's `statusDetails`.
pub type Reason = &'static str;

/// A download under way.
#[derive(Debug, Clone)]
pub struct Update {
    /// What the job says.
    pub file: OtaFile,
    /// What is there of it.
    pub blocks: Blocks,
    /// Version in the image's header, once block 0 is there.
    pub version: Option<Version>,
    running: Version,
}

impl Update {
    /// Checks size and state, and opens the component for writing.
    ///
    /// # Errors
    /// Why the job cannot run.
    pub fn begin(transport: &impl Transport, file: OtaFile) -> Result<Update, Reason> {
        let failed = |_| "the firmware update service failed";
        let info = fwu::query(transport, file.component).map_err(failed)?;
        let blocks = Blocks::new(file.size).filter(|_| file.size <= info.max_size);
        let blocks = blocks.ok_or("image too large")?;
        // Both: `install` takes every candidate, also one that another job left behind.
        for component in [fwu::COMPONENT_SECURE, fwu::COMPONENT_NONSECURE] {
            make_ready(transport, component)?;
        }
        fwu::start(transport, file.component, &[]).map_err(failed)?;
        Ok(Update {
            file,
            blocks,
            version: None,
            running: info.version,
        })
    }

    /// Takes a block; `false` when it is not wanted (twice, or not of this file).
    ///
    /// # Errors
    /// Why the update ends here.
    pub fn block(
        &mut self,
        transport: &impl Transport,
        index: u32,
        bytes: &[u8],
    ) -> Result<bool, Reason> {
        let offset = match self.blocks.check(index, bytes.len()) {
            Ok(offset) => offset,
            Err(Refused::Duplicate | Refused::OutOfRange | Refused::Length) => return Ok(false),
        };
        if index == 0 {
            self.check_version(bytes)?;
        }
        let mut at = offset;
        for piece in bytes.chunks(MAX_WRITE_SIZE) {
            let written = fwu::write(transport, self.file.component, at, piece);
            written.map_err(|_| "writing the image failed")?;
            at += piece.len() as u32;
        }
        self.blocks.set(index);
        Ok(true)
    }

    fn check_version(&mut self, first: &[u8]) -> Result<(), Reason> {
        let header = Header::parse(first).map_err(|_| "no MCUboot image")?;
        let v = header.version;
        let version = Version {
            major: v.major,
            minor: v.minor,
            patch: v.revision,
            build: v.build,
        };
        self.version = Some(version);
        if version > self.running {
            Ok(())
        } else {
            Err("not newer")
        }
    }

    /// Ends the download and verifies the file; the component is then a CANDIDATE.
    ///
    /// # Errors
    /// Why it must not be installed.
    pub fn verify(&self, transport: &impl Transport) -> Result<(), Reason> {
        let failed = |_| "the firmware update service failed";
        fwu::finish(transport, self.file.component).map_err(failed)?;
        let digest = fwu::query(transport, self.file.component)
            .map_err(failed)?
            .candidate_digest;
        let algorithm = Algorithm::rsa_pss(Algorithm::SHA_256);
        match crypto::verify_hash(
            transport,
            VERIFY_KEY,
            algorithm,
            &digest,
            &self.file.signature,
        ) {
            Ok(()) => Ok(()),
            Err(Status::INVALID_HANDLE | Status::DOES_NOT_EXIST) => {
                Err("no key to verify the signature")
            }
            Err(_) => Err("signature does not verify"),
        }
    }
}

/// Gives up whatever a component holds; one on trial is left alone.
///
/// # Errors
/// When it cannot be made READY.
pub fn make_ready(transport: &impl Transport, component: u8) -> Result<(), Reason> {
    let failed = |_| "the firmware update service failed";
    match fwu::query(transport, component).map_err(failed)?.state {
        FwuState::Ready => Ok(()),
        FwuState::Writing | FwuState::Candidate => fwu::cancel(transport, component)
            .and_then(|()| fwu::clean(transport, component))
            .map_err(failed),
        FwuState::Staged => fwu::reject(transport, 0)
            .and_then(|_| fwu::clean(transport, component))
            .map_err(failed),
        FwuState::Failed | FwuState::Updated => fwu::clean(transport, component).map_err(failed),
        FwuState::Trial | FwuState::Rejected => Err("another update is on trial"),
    }
}

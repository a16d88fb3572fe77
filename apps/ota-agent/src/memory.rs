//! What the agent remembers across a reboot, in Protected Storage.
//!
//! Owns the object's format: attempts u8 · component u8 · job id length u8 · rejected u8 · version (major
//! u8, minor u8, patch u16, build u32, little-endian) · job id.

use crate::document::{JOB_ID, Version};
use heapless::String;
use psa_client::{Transport, ps};

/// Protected Storage uid of the object.
const UID: u64 = 0x4F54_4101;
const HEAD: usize = 12;

/// An installation under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// How often it was tried, this time included.
    pub attempts: u8,
    /// How often the image failed its self-test.
    pub rejected: u8,
    /// FWU component.
    pub component: u8,
    /// Version that must run in the end.
    pub version: Version,
    /// Job that asked for it.
    pub job: String<JOB_ID>,
}

impl Memory {
    /// Reads it back; an object that does not parse is as good as none.
    pub fn load(transport: &impl Transport) -> Option<Memory> {
        let mut bytes = [0; HEAD + JOB_ID];
        let length = ps::get(transport, UID, 0, &mut bytes).ok()?;
        Memory::parse(bytes.get(..length)?)
    }

    /// Stores it.
    ///
    /// # Errors
    /// Of Protected Storage: nothing may be installed that is not remembered.
    pub fn store(&self, transport: &impl Transport) -> Result<(), psa_client::Status> {
        let mut bytes = [0; HEAD + JOB_ID];
        bytes[..4].copy_from_slice(&[
            self.attempts,
            self.component,
            self.job.len() as u8,
            self.rejected,
        ]);
        bytes[4..6].copy_from_slice(&[self.version.major, self.version.minor]);
        bytes[6..8].copy_from_slice(&self.version.patch.to_le_bytes());
        bytes[8..HEAD].copy_from_slice(&self.version.build.to_le_bytes());
        let end = HEAD + self.job.len();
        bytes[HEAD..end].copy_from_slice(self.job.as_bytes());
        ps::set(transport, UID, &bytes[..end], 0)
    }

    /// Forgets it.
    pub fn forget(transport: &impl Transport) {
        // Absent is what is wanted; a storage failure leaves a memory that the next job replaces.
        let _ = ps::remove(transport, UID);
    }

    fn parse(bytes: &[u8]) -> Option<Memory> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let job = core::str::from_utf8(rest.get(..usize::from(head[2]))?).ok()?;
        Some(Memory {
            attempts: head[0],
            rejected: head[3],
            component: head[1],
            version: Version {
                major: head[4],
                minor: head[5],
                patch: u16::from_le_bytes([head[6], head[7]]),
                build: u32::from_le_bytes([head[8], head[9], head[10], head[11]]),
            },
            job: String::try_from(job).ok()?,
        })
    }
}

//! What the agent remembers of a job across a reboot, in Protected Storage.
//!
//! Owns the object's format, little-endian: kind 0xA2 u8 · attempts u8 · rejected u8 · wanted u8
//! (bit i: component i has a wanted version; bit 2: the first version's eight bytes are ShortId and
//! version of an app) · job id length u8 · reason length u8 · 0 u16 ·
//! updatedBy u32 · two versions (major u8, minor u8, patch u16, build u32) · job id · reason.

use crate::document::{JOB_ID, Version};
use heapless::String;
use psa_client::{Transport, ps};

/// Protected Storage uid of the object.
const UID: u64 = 0x4F54_4101;
const KIND: u8 = 0xA2;
const HEAD: usize = 12;
const FIXED: usize = HEAD + 2 * 8;
/// Longest reason, bytes.
pub const REASON: usize = 48;

/// An installation under way, or a job that has failed and whose end is not yet known to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// How often it was installed, this time included.
    pub attempts: u8,
    /// How often the image failed its self-test.
    pub rejected: u8,
    /// Versions that must run in the end, by component.
    pub wanted: [Option<Version>; 2],
    /// ShortId of the app that is updated, and the version that must run in the end; not together
    /// with images.
    pub app: Option<(u32, u32)>,
    /// Version word of the image that ran before.
    pub updated_by: u32,
    /// Job that asked for it.
    pub job: String<JOB_ID>,
    /// Why it failed, once it has.
    pub failed: String<REASON>,
}

impl Memory {
    /// Reads it back; an object that does not parse is as good as none.
    pub fn load(transport: &impl Transport) -> Option<Memory> {
        let mut bytes = [0; FIXED + JOB_ID + REASON];
        let length = ps::get(transport, UID, 0, &mut bytes).ok()?;
        Memory::parse(bytes.get(..length)?)
    }

    /// Stores it.
    ///
    /// # Errors
    /// Of Protected Storage: nothing may be installed that is not remembered.
    pub fn store(&self, transport: &impl Transport) -> Result<(), psa_client::Status> {
        let mut bytes = [0; FIXED + JOB_ID + REASON];
        ps::set(transport, UID, self.emit(&mut bytes), 0)
    }

    /// Forgets it.
    pub fn forget(transport: &impl Transport) {
        // Absent is what is wanted; a storage failure leaves a memory that the next job replaces.
        let _ = ps::remove(transport, UID);
    }

    fn emit<'a>(&self, out: &'a mut [u8; FIXED + JOB_ID + REASON]) -> &'a [u8] {
        let [secure, non_secure] = self.wanted;
        let wanted = u8::from(secure.is_some())
            | u8::from(non_secure.is_some()) << 1
            | u8::from(self.app.is_some()) << 2;
        out[..6].copy_from_slice(&[
            KIND,
            self.attempts,
            self.rejected,
            wanted,
            self.job.len() as u8,
            self.failed.len() as u8,
        ]);
        out[8..HEAD].copy_from_slice(&self.updated_by.to_le_bytes());
        emit_version(&secure.unwrap_or_default(), &mut out[HEAD..HEAD + 8]);
        emit_version(&non_secure.unwrap_or_default(), &mut out[HEAD + 8..FIXED]);
        if let Some((short_id, version)) = self.app {
            out[HEAD..HEAD + 4].copy_from_slice(&short_id.to_le_bytes());
            out[HEAD + 4..HEAD + 8].copy_from_slice(&version.to_le_bytes());
        }
        let text = FIXED + self.job.len();
        out[FIXED..text].copy_from_slice(self.job.as_bytes());
        let end = text + self.failed.len();
        out[text..end].copy_from_slice(self.failed.as_bytes());
        &out[..end]
    }

    fn parse(bytes: &[u8]) -> Option<Memory> {
        let (head, texts) = bytes.split_at_checked(FIXED)?;
        let [
            KIND,
            attempts,
            rejected,
            wanted,
            job,
            reason,
            _,
            _,
            b0,
            b1,
            b2,
            b3,
            ..,
        ] = *head
        else {
            return None;
        };
        let (job, rest) = texts.split_at_checked(job.into())?;
        let failed = rest.get(..usize::from(reason))?;
        let version = |component: usize| {
            let bytes = head.get(HEAD + 8 * component..)?.first_chunk()?;
            (wanted >> component & 1 == 1).then(|| parse_version(bytes))
        };
        let word = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
        let app = word(HEAD).zip(word(HEAD + 4));
        Some(Memory {
            attempts,
            rejected,
            wanted: [version(0), version(1)],
            app: app.filter(|_| wanted & 4 != 0),
            updated_by: u32::from_le_bytes([b0, b1, b2, b3]),
            job: String::try_from(core::str::from_utf8(job).ok()?).ok()?,
            failed: String::try_from(core::str::from_utf8(failed).ok()?).ok()?,
        })
    }
}

/// A version in eight bytes.
pub fn emit_version(version: &Version, out: &mut [u8]) {
    let [p0, p1] = version.patch.to_le_bytes();
    let [b0, b1, b2, b3] = version.build.to_le_bytes();
    for (cell, byte) in out
        .iter_mut()
        .zip([version.major, version.minor, p0, p1, b0, b1, b2, b3])
    {
        *cell = byte;
    }
}

/// The inverse of [`emit_version`].
pub fn parse_version(bytes: &[u8; 8]) -> Version {
    let [major, minor, p0, p1, b0, b1, b2, b3] = *bytes;
    Version {
        major,
        minor,
        patch: u16::from_le_bytes([p0, p1]),
        build: u32::from_le_bytes([b0, b1, b2, b3]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        let version = Version {
            major: 1,
            minor: 2,
            patch: 0x0304,
            build: 0x0506_0708,
        };
        for memory in [
            Memory::default(),
            Memory {
                attempts: 3,
                rejected: 2,
                wanted: [None, Some(version)],
                app: None,
                updated_by: 0x0102_0003,
                job: String::try_from("j".repeat(JOB_ID).as_str()).unwrap(),
                failed: String::try_from("r".repeat(REASON).as_str()).unwrap(),
            },
            Memory {
                app: Some((2, u32::MAX)),
                ..Memory::default()
            },
            Memory {
                wanted: [Some(version), Some(Version::default())],
                ..Memory::default()
            },
        ] {
            let mut bytes = [0; FIXED + JOB_ID + REASON];
            let length = memory.emit(&mut bytes).len();
            assert_eq!(Memory::parse(&bytes[..length]), Some(memory));
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut state = 11u32;
        for _ in 0..50_000 {
            let mut bytes = [KIND; FIXED + 20];
            for _ in 0..12 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let at = 1 + state as usize % (bytes.len() - 1);
                bytes[at] = (state >> 16) as u8;
            }
            let _ = Memory::parse(&bytes[..state as usize % bytes.len()]);
        }
    }
}

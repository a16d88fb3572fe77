//! How far a download is, across resets, in Internal Trusted Storage.
//!
//! Owns two objects. The plan names what is downloaded (job, stream and its version, files); it is
//! only compared, byte by byte, and is written once. The map says which blocks are there and which
//! versions the first blocks named; it is written with each block, after the block.
//!
//! Map format, a part a file: bitmap · version, 8 bytes.
//! Invariant: a map belongs to the plan beside it — the map goes before the plan changes.

use crate::blocks::MAP;
use crate::document::{FILES, JOB_ID, OtaFile, STREAM};
use heapless::Vec;
use psa_client::{Status, Transport, its};

const UID_PLAN: u64 = 0x4F54_4102;
const UID_MAP: u64 = 0x4F54_4103;
/// Bytes of a file's part of the map.
pub const PART: usize = MAP + 8;
/// Of the plan: two lengths and the version, two texts, then per file id, component, size.
const PLAN: usize = 4 + JOB_ID + STREAM + FILES * 6;

/// What is downloaded, as bytes to compare.
pub struct Plan(Vec<u8, PLAN>);

impl Plan {
    /// Of a job's files; `None` cannot happen within the limits of the parts.
    pub fn new<'a>(
        job: &str,
        stream: &str,
        version: Option<u16>,
        files: impl Iterator<Item = &'a OtaFile>,
    ) -> Option<Plan> {
        let mut out = Vec::new();
        // What follows the texts has a fixed length for each file.
        let lengths = [job.len() as u8, stream.len() as u8];
        out.extend_from_slice(&lengths).ok()?;
        out.extend_from_slice(&version.unwrap_or(0).to_le_bytes())
            .ok()?;
        out.extend_from_slice(job.as_bytes()).ok()?;
        out.extend_from_slice(stream.as_bytes()).ok()?;
        for file in files {
            out.extend_from_slice(&[file.id, file.component]).ok()?;
            out.extend_from_slice(&file.size.to_le_bytes()).ok()?;
        }
        Some(Plan(out))
    }

    /// The map that was kept for exactly this plan.
    pub fn map(&self, transport: &impl Transport) -> Option<[[u8; PART]; FILES]> {
        let mut plan = [0; PLAN];
        let length = its::get(transport, UID_PLAN, 0, &mut plan).ok()?;
        if plan.get(..length)? != self.0.as_slice() {
            return None;
        }
        let mut map = [[0; PART]; FILES];
        let length = its::get(transport, UID_MAP, 0, map.as_flattened_mut()).ok()?;
        (length == PART * FILES).then_some(map)
    }

    /// Begins a map for this plan, with nothing in it.
    ///
    /// # Errors
    /// Of the storage; then there is no map.
    pub fn begin(&self, transport: &impl Transport) -> Result<(), Status> {
        forget(transport);
        its::set(transport, UID_PLAN, &self.0, 0)?;
        store(transport, &[[0; PART]; FILES])
    }
}

/// Keeps the map.
///
/// # Errors
/// Of the storage; then the former one stands, of which nothing is wrong.
pub fn store(transport: &impl Transport, map: &[[u8; PART]; FILES]) -> Result<(), Status> {
    its::set(transport, UID_MAP, map.as_flattened(), 0)
}

/// Forgets how far the download was.
pub fn forget(transport: &impl Transport) {
    // Absent is what is wanted. A map that stays is of the plan that stays with it.
    if its::remove(transport, UID_MAP) != Err(Status::STORAGE_FAILURE) {
        let _ = its::remove(transport, UID_PLAN);
    }
}

//! Firmware update (PSA FWU 1.0).
//!
//! Owns the ten calls (tfm.md §E.1). A qualified success (reboot needed) is the `Ok` value.

use crate::{Status, Transport, call, call_exact};
use psa_interface::fwu as wire;
use psa_interface::service::FWU_HANDLE;

pub use psa_interface::fwu::{
    COMPONENT_NONSECURE, COMPONENT_SECURE, FwuComponentInfo, FwuState, FwuVersion, MAX_WRITE_SIZE,
};

/// What the system has to do before a success takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Nothing.
    Now,
    /// Reboot.
    AfterReboot,
    /// Restart the component.
    AfterRestart,
}

fn done(status: Status) -> Done {
    match status {
        Status::SUCCESS_REBOOT => Done::AfterReboot,
        Status::SUCCESS_RESTART => Done::AfterRestart,
        _ => Done::Now,
    }
}

/// State, version and limits of a component.
///
/// # Errors
/// DOES_NOT_EXIST; GENERIC_ERROR: a state that PSA FWU 1.0 does not define.
pub fn query(transport: &impl Transport, component: u8) -> Result<FwuComponentInfo, Status> {
    let bytes = call_exact(transport, FWU_HANDLE, wire::QUERY, &[&[component]])?;
    FwuComponentInfo::decode(&bytes).ok_or(Status::GENERIC_ERROR)
}

/// Opens a component for writing and erases the place of its candidate.
///
/// # Errors
/// BAD_STATE unless READY; DOES_NOT_EXIST.
pub fn start(transport: &impl Transport, component: u8, manifest: &[u8]) -> Result<(), Status> {
    // Two vectors even without a manifest: TF-M counts the second by its presence here.
    call(
        transport,
        FWU_HANDLE,
        wire::START,
        &[&[component], manifest],
    )
    .map(|_| ())
}

/// Writes a block of at most [`MAX_WRITE_SIZE`] bytes.
///
/// # Errors
/// BAD_STATE unless WRITING; INVALID_ARGUMENT: too long; STORAGE_FAILURE: out of the slot.
pub fn write(
    transport: &impl Transport,
    component: u8,
    offset: u32,
    block: &[u8],
) -> Result<(), Status> {
    let vectors: [&[u8]; 3] = [&[component], &offset.to_le_bytes(), block];
    call(transport, FWU_HANDLE, wire::WRITE, &vectors).map(|_| ())
}

/// Ends writing: the component becomes a CANDIDATE.
///
/// # Errors
/// BAD_STATE unless WRITING.
pub fn finish(transport: &impl Transport, component: u8) -> Result<(), Status> {
    call(transport, FWU_HANDLE, wire::FINISH, &[&[component]]).map(|_| ())
}

/// Gives up a candidate: the component becomes FAILED.
///
/// # Errors
/// BAD_STATE unless WRITING or CANDIDATE.
pub fn cancel(transport: &impl Transport, component: u8) -> Result<(), Status> {
    call(transport, FWU_HANDLE, wire::CANCEL, &[&[component]]).map(|_| ())
}

/// Stages all candidates.
///
/// # Errors
/// BAD_STATE: no candidate; DEPENDENCY_NEEDED; INVALID_SIGNATURE where the service verifies.
pub fn install(transport: &impl Transport) -> Result<Done, Status> {
    call(transport, FWU_HANDLE, wire::INSTALL, &[]).map(done)
}

/// Erases what a failed or finished update left: the component becomes READY.
///
/// # Errors
/// BAD_STATE unless FAILED or UPDATED.
pub fn clean(transport: &impl Transport, component: u8) -> Result<(), Status> {
    call(transport, FWU_HANDLE, wire::CLEAN, &[&[component]]).map(|_| ())
}

/// Rejects what is staged or on trial.
///
/// # Errors
/// BAD_STATE.
pub fn reject(transport: &impl Transport, error: i32) -> Result<Done, Status> {
    call(transport, FWU_HANDLE, wire::REJECT, &[&error.to_le_bytes()]).map(done)
}

/// Resets the system; does not return when it works.
///
/// # Errors
/// What the service says.
pub fn request_reboot(transport: &impl Transport) -> Result<(), Status> {
    call(transport, FWU_HANDLE, wire::REQUEST_REBOOT, &[]).map(|_| ())
}

/// Accepts what is on trial.
///
/// # Errors
/// BAD_STATE unless TRIAL; NOT_SUPPORTED without trials.
pub fn accept(transport: &impl Transport) -> Result<(), Status> {
    call(transport, FWU_HANDLE, wire::ACCEPT, &[]).map(|_| ())
}

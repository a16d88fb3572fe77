//! The platform service (TF-M): reset and non-volatile counters.
//!
//! Owns its vectors (tfm.md §G). Its results are numbers of its own, 1 to 3; a negative status
//! means SYSTEM_ERROR to TF-M's client, and is kept as it is here.

use crate::{OutVec, Status, Transport};
use psa_interface::platform as wire;
use psa_interface::service::PLATFORM_HANDLE;

/// Why the platform service refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformError {
    /// `TFM_PLATFORM_ERR_SYSTEM_ERROR`.
    System,
    /// `TFM_PLATFORM_ERR_INVALID_PARAM`.
    InvalidParam,
    /// `TFM_PLATFORM_ERR_NOT_SUPPORTED`.
    NotSupported,
    /// The call did not reach the service.
    Call(Status),
}

fn checked(status: i32) -> Result<(), PlatformError> {
    match status {
        wire::SUCCESS => Ok(()),
        wire::INVALID_PARAM => Err(PlatformError::InvalidParam),
        wire::NOT_SUPPORTED => Err(PlatformError::NotSupported),
        s if s < 0 => Err(PlatformError::Call(Status(s))),
        _ => Err(PlatformError::System),
    }
}

/// Resets the system; does not return when it works.
///
/// # Errors
/// What the service says.
pub fn system_reset(transport: &impl Transport) -> Result<(), PlatformError> {
    checked(transport.psa_call(PLATFORM_HANDLE, wire::SYSTEM_RESET, &[], &mut []))
}

/// Reads a non-volatile counter; `id` counts the caller's own from 0.
///
/// # Errors
/// `InvalidParam`: no such counter.
pub fn nv_counter_read(transport: &impl Transport, id: u32) -> Result<u32, PlatformError> {
    let mut value = [0; 4];
    let mut out_vecs = [OutVec::new(&mut value)];
    checked(transport.psa_call(
        PLATFORM_HANDLE,
        wire::NV_COUNTER_READ,
        &[&id.to_le_bytes()],
        &mut out_vecs,
    ))?;
    let [OutVec { len, .. }] = out_vecs;
    if len == value.len() {
        Ok(u32::from_le_bytes(value))
    } else {
        Err(PlatformError::System)
    }
}

/// Adds one to a non-volatile counter.
///
/// # Errors
/// `InvalidParam`: no such counter.
pub fn nv_counter_increment(transport: &impl Transport, id: u32) -> Result<(), PlatformError> {
    let id = id.to_le_bytes();
    checked(transport.psa_call(PLATFORM_HANDLE, wire::NV_COUNTER_INCREMENT, &[&id], &mut []))
}

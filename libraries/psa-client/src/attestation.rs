//! Initial attestation (PSA Attestation API 1.0): tokens that say who the device is and what runs.
//!
//! Owns its vectors (tfm.md §F). What a token holds is the secure side's business, and that of
//! whoever verifies it.

use crate::{Status, Transport, call_exact, call_out, trimmed};
use psa_interface::attestation as wire;
pub use psa_interface::attestation::{CHALLENGE_SIZES, MAX_TOKEN_SIZE};
use psa_interface::service::ATTESTATION_HANDLE;

/// `psa_initial_attest_get_token`: a token over `challenge` (32, 48 or 64 bytes) into `token`;
/// returns its length, at most [`MAX_TOKEN_SIZE`].
///
/// # Errors
/// INVALID_ARGUMENT: challenge of another size, no room at all; BUFFER_TOO_SMALL: too little;
/// GENERIC_ERROR: the device cannot say what it should.
pub fn get_token(
    transport: &impl Transport,
    challenge: &[u8],
    token: &mut [u8],
) -> Result<usize, Status> {
    let inputs = [challenge];
    call_out(
        transport,
        ATTESTATION_HANDLE,
        wire::GET_TOKEN,
        trimmed(&inputs),
        token,
    )
}

/// `psa_initial_attest_get_token_size`: length of a token over a challenge of that size.
///
/// # Errors
/// INVALID_ARGUMENT: a size that a challenge cannot have.
pub fn get_token_size(transport: &impl Transport, challenge: usize) -> Result<usize, Status> {
    let size = u32::try_from(challenge).map_err(|_| Status::INVALID_ARGUMENT)?;
    let size = call_exact(
        transport,
        ATTESTATION_HANDLE,
        wire::GET_TOKEN_SIZE,
        &[&size.to_le_bytes()],
    )?;
    Ok(u32::from_le_bytes(size) as usize)
}

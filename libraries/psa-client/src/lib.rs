//! Typed PSA API over any transport that can carry a psa_call.
//!
//! Owns the client half of TF-M's wire conventions (which vector holds what); the same code runs
//! in a process (transport: a syscall), in the kernel (the veneers) and in host tests (the secure
//! services linked in). Does not own any number: those are in `psa-interface`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod attestation;
pub mod crypto;
pub mod fwu;
pub mod platform;
pub mod storage;

#[cfg(test)]
mod tests;

pub use psa_interface::{Algorithm, KeyAttributes, KeyType, Lifetime, Status};
pub use storage::{its, ps};

/// One output vector of a call: where to write, and how much the service wrote.
#[derive(Debug)]
pub struct OutVec<'a> {
    /// Destination; its length is what the caller offers.
    pub buf: &'a mut [u8],
    /// Bytes that the service wrote; set by the transport, 0 until then.
    pub len: usize,
}

impl<'a> OutVec<'a> {
    /// An output vector over all of `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        OutVec { buf, len: 0 }
    }
}

/// Carries one `psa_call` to a service (PSA Firmware Framework-M 1.1, `psa_call`).
pub trait Transport {
    /// Calls the service behind the static handle `handle` with `call_type`; at most four input
    /// and output vectors together. Returns the `psa_status_t`, and sets each `len`.
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32;
}

impl<T: Transport + ?Sized> Transport for &T {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32 {
        (**self).psa_call(handle, call_type, in_vecs, out_vecs)
    }
}

/// One call whose status is all that matters.
fn call(
    transport: &impl Transport,
    handle: u32,
    call_type: i16,
    in_vecs: &[&[u8]],
) -> Result<Status, Status> {
    let status = Status(transport.psa_call(handle, call_type, in_vecs, &mut []));
    status.ok().map(|()| status)
}

/// One call with one output: the number of bytes written, never more than `out` has.
fn call_out(
    transport: &impl Transport,
    handle: u32,
    call_type: i16,
    in_vecs: &[&[u8]],
    out: &mut [u8],
) -> Result<usize, Status> {
    let room = out.len();
    let mut out_vecs = [OutVec::new(out)];
    Status(transport.psa_call(handle, call_type, in_vecs, &mut out_vecs)).ok()?;
    let [OutVec { len, .. }] = out_vecs;
    Ok(len.min(room))
}

/// One call with one output of exactly `N` bytes.
fn call_exact<const N: usize>(
    transport: &impl Transport,
    handle: u32,
    call_type: i16,
    in_vecs: &[&[u8]],
) -> Result<[u8; N], Status> {
    let mut out = [0; N];
    match call_out(transport, handle, call_type, in_vecs, &mut out)? {
        n if n == N => Ok(out),
        // A service that answers success with another length does not speak this protocol.
        _ => Err(Status::GENERIC_ERROR),
    }
}

/// The vectors without the last one, if that is empty: present-but-empty and absent mean the
/// same to the service, and an absent one costs nothing.
fn trimmed<'v, 'b>(in_vecs: &'v [&'b [u8]]) -> &'v [&'b [u8]] {
    match in_vecs.split_last() {
        Some(([], rest)) => rest,
        _ => in_vecs,
    }
}

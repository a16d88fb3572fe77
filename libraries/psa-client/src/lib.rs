//! Typed PSA API over any transport that can carry a psa_call.
//!
//! Owns the client half of TF-M's wire conventions (which vector holds what); the same code runs
//! in a process (transport: a syscall), in the kernel (the veneers) and in host tests (the secure
//! services linked in). Does not own any number: those are in `psa-interface`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

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

//! PSA services by system call: a psa_client transport.
//!
//! Owns the process side of drivers 0xA0000 crypto, 0xA0001 storage, 0xA0002 firmware update and
//! 0xA0003 platform and attestation (ARCHITECTURE §6): input vector i is RO allow i, output
//! vector i is RW allow i; the command is `call(type, in_len | out_len << 8)`; the answer is
//! (psa_status, out 0 length, out 1 length), at once or in upcall 0.
//!
//! Does not own what the vectors hold: `psa_client` does. A refusal by Tock itself (no driver, no
//! grant memory) becomes the PSA status that says the same, by one table.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::marker::PhantomData;
use libtock_platform::{AllowRo, AllowRw, DefaultConfig, ErrorCode, Syscalls};
use libtock_platform::{allow_ro, allow_rw, share};
pub use psa_client;
use psa_client::{OutVec, Status, Transport};
use psa_interface::service;

#[cfg(test)]
mod tests;

/// The transport: `psa_client::crypto::generate_random(&Psa::<S>::new(), …)`. A value without
/// bytes; make as many as convenient.
pub struct Psa<S: Syscalls, C: Config = DefaultConfig>(PhantomData<fn() -> (S, C)>);

impl<S: Syscalls, C: Config> Psa<S, C> {
    /// The transport.
    pub const fn new() -> Self {
        Psa(PhantomData)
    }

    /// Does the kernel offer the service behind a static handle?
    pub fn exists(handle: u32) -> bool {
        driver_of(handle).is_some_and(|(d, _)| match d {
            Driver::Crypto => S::command(CRYPTO, 0, 0, 0).is_success(),
            Driver::Storage => S::command(STORAGE, 0, 0, 0).is_success(),
            Driver::Fwu => S::command(FWU, 0, 0, 0).is_success(),
            Driver::Platform => S::command(PLATFORM, 0, 0, 0).is_success(),
        })
    }
}

impl<S: Syscalls, C: Config> Default for Psa<S, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Syscalls, C: Config> Clone for Psa<S, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Syscalls, C: Config> Copy for Psa<S, C> {}

impl<S: Syscalls, C: Config> core::fmt::Debug for Psa<S, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Psa")
    }
}

impl<S: Syscalls, C: Config> Transport for Psa<S, C> {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32 {
        // PSA FF-M 1.1: four vectors together; types from 0 on.
        let (Ok(call_type), true) = (
            u32::try_from(call_type),
            in_vecs.len() + out_vecs.len() <= service::MAX_IOVEC,
        ) else {
            return Status::PROGRAMMER_ERROR.0;
        };
        let Some((driver, command)) = driver_of(handle) else {
            return Status::CONNECTION_REFUSED.0;
        };
        let answer = match driver {
            Driver::Crypto => call::<S, C, CRYPTO>(command, call_type, in_vecs, out_vecs),
            Driver::Storage => call::<S, C, STORAGE>(command, call_type, in_vecs, out_vecs),
            Driver::Fwu => call::<S, C, FWU>(command, call_type, in_vecs, out_vecs),
            Driver::Platform => call::<S, C, PLATFORM>(command, call_type, in_vecs, out_vecs),
        };
        match answer {
            Ok((status, length0, length1)) => {
                for (out, length) in out_vecs.iter_mut().zip([length0, length1]) {
                    out.len = (length as usize).min(out.buf.len());
                }
                status as i32
            }
            Err(e) => status_of(e).0,
        }
    }
}

/// Shares the vectors, makes the call, waits for the answer. Only vectors with bytes cost a
/// system call; a slot not shared has length zero to the driver.
fn call<S: Syscalls, C: Config, const D: u32>(
    command: u32,
    call_type: u32,
    in_vecs: &[&[u8]],
    out_vecs: &mut [OutVec<'_>],
) -> Result<(u32, u32, u32), ErrorCode> {
    let counts = in_vecs.len() as u32 | (out_vecs.len() as u32) << 8;
    share::scope::<
        (
            AllowRo<'_, S, D, 0>,
            AllowRo<'_, S, D, 1>,
            AllowRo<'_, S, D, 2>,
            AllowRo<'_, S, D, 3>,
            AllowRw<'_, S, D, 0>,
            AllowRw<'_, S, D, 1>,
            AllowRw<'_, S, D, 2>,
            AllowRw<'_, S, D, 3>,
        ),
        _,
        _,
    >(|handle| {
        let (i0, i1, i2, i3, o0, o1, o2, o3) = handle.split();
        let input = |i: usize| in_vecs.get(i).filter(|v| !v.is_empty());
        if let Some(v) = input(0) {
            S::allow_ro::<C, D, 0>(i0, v)?;
        }
        if let Some(v) = input(1) {
            S::allow_ro::<C, D, 1>(i1, v)?;
        }
        if let Some(v) = input(2) {
            S::allow_ro::<C, D, 2>(i2, v)?;
        }
        if let Some(v) = input(3) {
            S::allow_ro::<C, D, 3>(i3, v)?;
        }
        let mut outputs = out_vecs.iter_mut().map(|v| {
            v.len = 0;
            &mut *v.buf
        });
        let mut output = || outputs.next().filter(|v| !v.is_empty());
        if let Some(v) = output() {
            S::allow_rw::<C, D, 0>(o0, v)?;
        }
        if let Some(v) = output() {
            S::allow_rw::<C, D, 1>(o1, v)?;
        }
        if let Some(v) = output() {
            S::allow_rw::<C, D, 2>(o2, v)?;
        }
        if let Some(v) = output() {
            S::allow_rw::<C, D, 3>(o3, v)?;
        }
        let answer = S::command(D, command, call_type, counts);
        if let Some(words) = answer.get_success_3_u32() {
            return Ok(words);
        }
        answer.to_result::<(), ErrorCode>()?;
        Ok(S::yield_wait_for(D, ANSWER))
    })
}

enum Driver {
    Crypto,
    Storage,
    Fwu,
    Platform,
}

/// Which driver and command carry calls to a static handle.
fn driver_of(handle: u32) -> Option<(Driver, u32)> {
    Some(match handle {
        service::CRYPTO_HANDLE => (Driver::Crypto, 1),
        service::ITS_HANDLE => (Driver::Storage, 1),
        service::PS_HANDLE => (Driver::Storage, 2),
        service::FWU_HANDLE => (Driver::Fwu, 1),
        service::PLATFORM_HANDLE => (Driver::Platform, 1),
        service::ATTESTATION_HANDLE => (Driver::Platform, 2),
        _ => return None,
    })
}

/// The PSA status that says what Tock said.
fn status_of(error: ErrorCode) -> Status {
    match error {
        ErrorCode::Busy | ErrorCode::Reserve => Status::CONNECTION_BUSY,
        ErrorCode::Invalid | ErrorCode::Size => Status::PROGRAMMER_ERROR,
        ErrorCode::NoMem => Status::INSUFFICIENT_MEMORY,
        ErrorCode::NoSupport => Status::NOT_SUPPORTED,
        ErrorCode::NoDevice | ErrorCode::Uninstalled => Status::CONNECTION_REFUSED,
        _ => Status::COMMUNICATION_FAILURE,
    }
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config {}
impl<T: allow_ro::Config + allow_rw::Config> Config for T {}

const CRYPTO: u32 = 0xA0000;
const STORAGE: u32 = 0xA0001;
const FWU: u32 = 0xA0002;
const PLATFORM: u32 = 0xA0003;
/// Subscribe number of the split-phase answer.
const ANSWER: u32 = 0;

//! From a raw `psa_call` to the service behind its handle, and back.
//!
//! Owns the order of checks and the exact status of each refusal (TF-M, `reference/tfm.md`
//! §A.4). Every service here is connectionless (PSA FF-M 1.1, static handles): there are no
//! connections, so none can be busy.

use crate::border::{Border, Vectors};
use crate::message::{Call, ClientId};
use psa_interface::Status;
use psa_interface::service::{CtrlParam, MAX_IOVEC, StaticHandle, VERSION_NONE};

/// A service's version policy (PSA FF-M 1.1 §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The version asked for must be this one.
    Strict(u8),
    /// The version asked for may be lower.
    Relaxed(u8),
}

impl Version {
    fn number(self) -> u8 {
        match self {
            Version::Strict(v) | Version::Relaxed(v) => v,
        }
    }

    fn admits(self, wanted: u8) -> bool {
        match self {
            Version::Strict(v) => wanted == v,
            Version::Relaxed(v) => wanted <= v,
        }
    }
}

/// What the manifest says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Service id.
    pub sid: u32,
    /// Version and policy.
    pub version: Version,
    /// Whether non-secure clients may call it.
    pub non_secure: bool,
}

/// The services of an image, by index of their static handle.
pub trait Services {
    /// What stands at `index` (below 32), if anything.
    fn describe(&self, index: u8) -> Option<Description>;
    /// Serves a call to the service at `index`, which `describe` knows.
    fn call(&mut self, index: u8, call: &mut Call<'_, '_>) -> i32;
}

/// The four registers of the `psa_call` veneer, as they came.
#[derive(Debug, Clone, Copy)]
pub struct RawCall {
    /// r0.
    pub handle: u32,
    /// r1: type and counts.
    pub ctrl: u32,
    /// r2: `psa_invec *`.
    pub in_vec: u32,
    /// r3: `psa_outvec *`.
    pub out_vec: u32,
}

/// Serves one `psa_call` of a non-secure client; a `psa_status_t`.
pub fn call(
    border: &impl Border,
    services: &mut impl Services,
    client: ClientId,
    raw: RawCall,
) -> i32 {
    match route(services, raw).and_then(|(index, ctrl)| {
        if ctrl.in_len == 0 && ctrl.out_len == 0 {
            return Ok(services.call(
                index,
                &mut Call {
                    client,
                    call_type: ctrl.call_type,
                    inputs: &[],
                    outputs: &mut [],
                },
            ));
        }
        if usize::from(ctrl.in_len) + usize::from(ctrl.out_len) > MAX_IOVEC {
            return Err(Status::PROGRAMMER_ERROR);
        }
        let mut vectors = Vectors::admit(
            border,
            (raw.in_vec, ctrl.in_len),
            (raw.out_vec, ctrl.out_len),
        )?;
        let (inputs, outputs) = vectors.split();
        let status = services.call(
            index,
            &mut Call {
                client,
                call_type: ctrl.call_type,
                inputs,
                outputs,
            },
        );
        vectors.report_lengths();
        Ok(status)
    }) {
        Ok(status) => status,
        Err(status) => status.as_i32(),
    }
}

/// Steps 1, 2 and 4 of §A.4: handle, access, version, type.
fn route(services: &impl Services, raw: RawCall) -> Result<(u8, CtrlParam), Status> {
    let refused = Status::PROGRAMMER_ERROR;
    let handle = StaticHandle::parse(raw.handle).ok_or(refused)?;
    let service = services.describe(handle.index).ok_or(refused)?;
    if !service.non_secure {
        return Err(Status::CONNECTION_REFUSED);
    }
    if !service.version.admits(handle.version) {
        return Err(refused);
    }
    let ctrl = CtrlParam::unpack(raw.ctrl);
    if ctrl.call_type < 0 {
        return Err(refused);
    }
    Ok((handle.index, ctrl))
}

/// `psa_version`: 0 for a service that there is not, or not for non-secure clients.
pub fn version(services: &impl Services, sid: u32) -> u32 {
    find(services, sid).map_or(VERSION_NONE, |d| u32::from(d.version.number()))
}

/// `psa_connect`: PROGRAMMER_ERROR for a service, since all are connectionless;
/// CONNECTION_REFUSED for anything else.
pub fn connect(services: &impl Services, sid: u32) -> i32 {
    match find(services, sid) {
        Some(_) => Status::PROGRAMMER_ERROR.as_i32(),
        None => Status::CONNECTION_REFUSED.as_i32(),
    }
}

fn find(services: &impl Services, sid: u32) -> Option<Description> {
    (0..32)
        .filter_map(|index| services.describe(index))
        .find(|d| d.sid == sid && d.non_secure)
}

#[cfg(test)]
mod tests;

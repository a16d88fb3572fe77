//! PSA Initial Attestation: who this device is, what runs on it, signed.
//!
//! Owns the request types of handle 0x40000103 and the token (profile `PSA_IOT_PROFILE_1`,
//! COSE_Sign1 with ES256, claims in TF-M's order). Does not own the attestation key or any
//! primitive ([`Device`]), nor what was measured: boot records go into the token as the loader
//! wrote them.
//!
//! Invariants: a token is made whole before a byte of it reaches the caller, and is never longer
//! than `PSA_INITIAL_ATTEST_MAX_TOKEN_SIZE`; a refused call writes nothing and signs nothing.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod token;

use boot_data::BootData;
use provisioning::Lifecycle;
use psa_interface::Status;
use psa_interface::attestation::{
    CHALLENGE_SIZES, GET_TOKEN, GET_TOKEN_SIZE, UEID_TYPE_RAND, lifecycle,
};
use spm::{Call, Service};
use token::{Claims, Payload};

/// Longest challenge, bytes.
const MAX_CHALLENGE: usize = 64;

/// What makes this device this one, and what it computes with.
pub trait Device {
    /// How far the device has come; `None` when that cannot be read.
    fn lifecycle(&self) -> Option<Lifecycle>;
    /// Public half of the initial attestation key: 04 ‖ X ‖ Y. `None` when there is none.
    fn public_key(&self) -> Option<[u8; 65]>;
    /// ECDSA P-256 signature r ‖ s of a SHA-256 digest by the attestation key.
    fn sign(&self, digest: &[u8; 32]) -> Option<[u8; 64]>;
    /// SHA-256 over the parts, one behind the other.
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32];
}

/// Claims that stay the same from boot to boot, or for one boot.
#[derive(Debug, Clone, Copy)]
pub struct Constants {
    /// Names the immutable part of the root of trust: board and loader.
    pub implementation_id: [u8; 32],
    /// Random, new with every boot: two tokens of one boot are seen to be that.
    pub boot_seed: [u8; 32],
    /// URL of who verifies tokens of this kind, if anybody.
    pub verification_service: Option<&'static str>,
    /// Certification of the implementation: EAN-13 and version, if there is one.
    pub certificate_reference: Option<&'static str>,
}

/// The attestation service.
#[derive(Debug)]
pub struct AttestationService<'a, D> {
    device: D,
    constants: Constants,
    boot_data: Option<BootData<'a>>,
    /// Costs a multiplication on the curve: made by the first call that wants it.
    instance_id: Option<[u8; 33]>,
}

impl<'a, D: Device> AttestationService<'a, D> {
    /// Over what the loader left; without it there are no tokens, since nothing could be said of
    /// what runs.
    pub fn new(device: D, constants: Constants, boot_data: Option<BootData<'a>>) -> Self {
        AttestationService {
            device,
            constants,
            boot_data,
            instance_id: None,
        }
    }

    /// `psa_initial_attest_get_token`.
    fn token(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let challenge = call.input(0);
        let mut bytes = [0; MAX_CHALLENGE];
        let size = challenge.len();
        let nonce = bytes.get_mut(..size).ok_or(Status::INVALID_ARGUMENT)?;
        challenge.read(0, nonce);
        let client = call.client.0;
        let payload = self.payload(nonce, client)?;
        let out = call.outputs.first_mut().ok_or(Status::INVALID_ARGUMENT)?;
        match out.capacity() {
            0 => return Err(Status::INVALID_ARGUMENT),
            n if n < payload.token_size() => return Err(Status::BUFFER_TOO_SMALL),
            _ => {}
        }
        let digest = payload.digest(&self.device);
        let signature = self.device.sign(&digest).ok_or(Status::GENERIC_ERROR)?;
        let written = payload.emit(&signature, |part| out.append(part));
        written.then_some(()).ok_or(Status::GENERIC_ERROR)
    }

    /// `psa_initial_attest_get_token_size`: exact, since a signature's size does not vary.
    fn token_size(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let size: [u8; 4] = call.input(0).array().ok_or(Status::INVALID_ARGUMENT)?;
        let size = usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX);
        let nonce = [0; MAX_CHALLENGE];
        let nonce = nonce.get(..size).ok_or(Status::INVALID_ARGUMENT)?;
        let client = call.client.0;
        let size = self.payload(nonce, client)?.token_size();
        let size = u32::try_from(size).map_err(|_| Status::GENERIC_ERROR)?;
        let out = call.outputs.first_mut().ok_or(Status::INVALID_ARGUMENT)?;
        if out.capacity() != 4 {
            return Err(Status::INVALID_ARGUMENT);
        }
        let written = out.append(&size.to_le_bytes());
        written.then_some(()).ok_or(Status::GENERIC_ERROR)
    }

    fn payload(&mut self, nonce: &[u8], client: i32) -> Result<Payload, Status> {
        if !CHALLENGE_SIZES.contains(&nonce.len()) {
            return Err(Status::INVALID_ARGUMENT);
        }
        let boot_data = self.boot_data.ok_or(Status::GENERIC_ERROR)?;
        let instance_id = self.instance_id()?;
        Payload::encode(&Claims {
            nonce,
            instance_id: &instance_id,
            client,
            lifecycle: security_lifecycle(self.device.lifecycle()),
            constants: &self.constants,
            boot_data: &boot_data,
        })
    }

    /// 0x01 ‖ SHA-256 of the public key as a COSE_Key (TF-M 2.2 and later).
    fn instance_id(&mut self) -> Result<[u8; 33], Status> {
        if let Some(id) = self.instance_id {
            return Ok(id);
        }
        let public = self.device.public_key().ok_or(Status::GENERIC_ERROR)?;
        let [_, point @ ..] = &public;
        let (x, y) = point.split_at(32);
        // {1: 2 (EC2), -1: 1 (P-256), -2: x, -3: y}
        let head = [0xA4, 0x01, 0x02, 0x20, 0x01, 0x21, 0x58, 0x20];
        let hash = self.device.sha256(&[&head, x, &[0x22, 0x58, 0x20], y]);
        let mut id = [UEID_TYPE_RAND; 33];
        let [_, tail @ ..] = &mut id;
        *tail = hash;
        self.instance_id = Some(id);
        Ok(id)
    }
}

impl<D: Device> Service for AttestationService<'_, D> {
    fn call(&mut self, call: &mut Call<'_, '_>) -> i32 {
        let result = match call.call_type {
            GET_TOKEN => self.token(call),
            GET_TOKEN_SIZE => self.token_size(call),
            _ => Err(Status::NOT_SUPPORTED),
        };
        if result.is_err()
            && let Some(out) = call.outputs.first_mut()
        {
            out.clear();
        }
        Status::from(result).as_i32()
    }
}

/// The claim's value.
fn security_lifecycle(of: Option<Lifecycle>) -> u16 {
    match of {
        None => lifecycle::UNKNOWN,
        Some(Lifecycle::Blank | Lifecycle::Assembly) => lifecycle::ASSEMBLY_AND_TEST,
        Some(Lifecycle::Fused) => lifecycle::PSA_ROT_PROVISIONING,
        Some(Lifecycle::Provisioned) => lifecycle::SECURED,
    }
}

#[cfg(test)]
mod tests;

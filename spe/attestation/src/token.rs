//! The token's bytes: claims in CBOR, wrapped in COSE_Sign1 (RFC 9052 §4.2).
//!
//! Owns order and encoding: nonce, boot seed, instance id, implementation id, client id, life
//! cycle, components, profile, then the optional claims (TF-M's order; the map is not sorted).
//! Definite lengths only.

use crate::{Constants, Device};
use boot_data::{BootData, claim, entry_type, major};
use minicbor::Encoder;
use minicbor::encode::write::{Cursor, EndOfSlice, Write};
use psa_interface::Status;
use psa_interface::attestation::{MAX_TOKEN_SIZE, PROFILE, claim as label};

/// Modules whose boot records count (`reference/tfm.md` §F.2).
const MODULES: u8 = 7;
/// CBOR tag 18: COSE_Sign1, an array of four.
const SIGN1: [u8; 2] = [0xD2, 0x84];
/// Protected header as a byte string, {1: -7}: ES256.
const PROTECTED: [u8; 4] = [0x43, 0xA1, 0x01, 0x26];
/// Unprotected header: {}.
const UNPROTECTED: [u8; 1] = [0xA0];
/// Head of the Sig_structure: array of four, "Signature1".
const CONTEXT: [u8; 12] = *b"\x84\x6ASignature1";
/// No external data.
const EXTERNAL: [u8; 1] = [0x40];
/// Head of a signature of 64 bytes.
const SIGNATURE: [u8; 2] = [0x58, 0x40];

/// What a token says.
pub struct Claims<'a> {
    pub nonce: &'a [u8],
    pub instance_id: &'a [u8; 33],
    pub client: i32,
    pub lifecycle: u16,
    pub constants: &'a Constants,
    pub boot_data: &'a BootData<'a>,
}

/// Encoded claims.
pub struct Payload {
    bytes: [u8; MAX_TOKEN_SIZE],
    used: usize,
}

impl Payload {
    /// Encodes the claims.
    ///
    /// # Errors
    /// BUFFER_TOO_SMALL when the token would be longer than the API's maximum.
    pub fn encode(claims: &Claims<'_>) -> Result<Payload, Status> {
        let mut bytes = [0; MAX_TOKEN_SIZE];
        let used = write(&mut bytes, claims).map_err(|_| Status::BUFFER_TOO_SMALL)?;
        let payload = Payload { bytes, used };
        if payload.token_size() > MAX_TOKEN_SIZE {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        Ok(payload)
    }

    /// Size of the signed token, bytes.
    pub fn token_size(&self) -> usize {
        let mut size = 0;
        self.emit(&[0; 64], |part| {
            size += part.len();
            true
        });
        size
    }

    /// What is signed: the digest of the Sig_structure.
    pub fn digest(&self, device: &impl Device) -> [u8; 32] {
        let (head, len) = self.head();
        device.sha256(&[
            &CONTEXT,
            &PROTECTED,
            &EXTERNAL,
            head.get(..len).unwrap_or_default(),
            self.bytes(),
        ])
    }

    /// Hands out the token in pieces, in order, until `out` says false; whether it took all.
    pub fn emit(&self, signature: &[u8; 64], mut out: impl FnMut(&[u8]) -> bool) -> bool {
        let (head, len) = self.head();
        [
            &SIGN1[..],
            &PROTECTED,
            &UNPROTECTED,
            head.get(..len).unwrap_or_default(),
            self.bytes(),
            &SIGNATURE,
            signature,
        ]
        .into_iter()
        .all(&mut out)
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    /// Head of a byte string of the payload's length, and the head's own length.
    fn head(&self) -> ([u8; 3], usize) {
        let [_, _, high, low] = (self.used as u32).to_be_bytes();
        match self.used {
            0..24 => ([0x40 | low, 0, 0], 1),
            24..256 => ([0x58, low, 0], 2),
            _ => ([0x59, high, low], 3),
        }
    }
}

fn write(
    bytes: &mut [u8],
    claims: &Claims<'_>,
) -> Result<usize, minicbor::encode::Error<EndOfSlice>> {
    let constants = claims.constants;
    let optional = [
        (label::VERIFICATION_SERVICE, constants.verification_service),
        (
            label::CERTIFICATE_REFERENCE,
            constants.certificate_reference,
        ),
    ];
    let optional = optional.iter().filter_map(|(l, text)| Some((*l, (*text)?)));
    let mut e = Encoder::new(Cursor::new(bytes));
    e.map(8 + optional.clone().count() as u64)?;
    e.i32(label::NONCE)?.bytes(claims.nonce)?;
    e.i32(label::BOOT_SEED)?.bytes(&constants.boot_seed)?;
    e.i32(label::INSTANCE_ID)?.bytes(claims.instance_id)?;
    e.i32(label::IMPLEMENTATION_ID)?
        .bytes(&constants.implementation_id)?;
    e.i32(label::CLIENT_ID)?.i32(claims.client)?;
    e.i32(label::SECURITY_LIFECYCLE)?.u16(claims.lifecycle)?;
    let records = || {
        (0..MODULES).filter_map(|module| {
            let kind = entry_type(major::IAS, module, claim::BOOT_RECORD);
            claims.boot_data.find(kind)
        })
    };
    match records().count() {
        0 => e.i32(label::NO_SW_COMPONENTS)?.u8(1)?,
        n => e.i32(label::SW_COMPONENTS)?.array(n as u64)?,
    };
    for record in records() {
        let writer = e.writer_mut();
        writer
            .write_all(record)
            .map_err(minicbor::encode::Error::write)?;
    }
    e.i32(label::PROFILE)?.str(PROFILE)?;
    for (label, text) in optional {
        e.i32(label)?.str(text)?;
    }
    Ok(e.into_writer().position())
}

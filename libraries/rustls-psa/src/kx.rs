//! ECDHE on P-256: the ephemeral private key is a volatile PSA key.

use crate::general;
use crate::psa::{Key, Psa};
use alloc::boxed::Box;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// Uncompressed SEC1 point on P-256, bytes.
const POINT: usize = 65;
/// Shared x-coordinate, bytes.
const SECRET: usize = 32;

/// secp256r1 (RFC 8446 §4.2.7).
#[derive(Debug)]
pub(crate) struct P256 {
    pub(crate) psa: &'static Psa,
}

impl SupportedKxGroup for P256 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let attributes = KeyAttributes::volatile(
            KeyType::ECC_KEY_PAIR_SECP_R1,
            256,
            usage::DERIVE,
            Algorithm::ECDH,
        );
        let key = self
            .psa
            .generate(&attributes)
            .map_err(|status| general("ECDH key", status))?;
        let mut public = [0; POINT];
        match self.psa.export_public(key.id, &mut public) {
            Ok(POINT) => {}
            Ok(_) => return Err(general("ECDH public key", Status::COMMUNICATION_FAILURE)),
            Err(status) => return Err(general("ECDH public key", status)),
        }
        Ok(Box::new(Exchange {
            psa: self.psa,
            key,
            public,
        }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct Exchange {
    psa: &'static Psa,
    key: Key,
    public: [u8; POINT],
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        // RFC 8446 §4.2.8.2: uncompressed form only. The service checks that it is on the curve.
        if peer.len() != POINT || peer.first() != Some(&4) {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        let mut secret = [0; SECRET];
        match self
            .psa
            .agree(Algorithm::ECDH, self.key.id, peer, &mut secret)
        {
            Ok(SECRET) => Ok(SharedSecret::from(&secret[..])),
            Ok(_) => Err(general("ECDH", Status::COMMUNICATION_FAILURE)),
            Err(Status::INVALID_ARGUMENT) => Err(PeerMisbehaved::InvalidKeyShare.into()),
            Err(status) => Err(general("ECDH", status)),
        }
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

//! ECDHE on P-256 and X25519: the ephemeral private key is a volatile PSA key.

use crate::general;
use crate::psa::{Key, Psa};
use alloc::boxed::Box;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// Longest public key: an uncompressed SEC1 point on P-256, bytes.
const MAX_PUBLIC: usize = 65;
/// Shared secret of either group, bytes.
const SECRET: usize = 32;

/// A group of RFC 8446 §4.2.7.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    psa: &'static Psa,
    name: NamedGroup,
    key_type: KeyType,
    bits: u16,
    public: usize,
}

impl Group {
    pub(crate) fn p256(psa: &'static Psa) -> Self {
        Group {
            psa,
            name: NamedGroup::secp256r1,
            key_type: KeyType::ECC_KEY_PAIR_SECP_R1,
            bits: 256,
            public: MAX_PUBLIC,
        }
    }

    pub(crate) fn x25519(psa: &'static Psa) -> Self {
        Group {
            psa,
            name: NamedGroup::X25519,
            key_type: KeyType::ECC_KEY_PAIR_MONTGOMERY,
            bits: 255,
            public: 32,
        }
    }

    /// The form a peer's key must have (RFC 8446 §4.2.8.2). The service checks the point.
    fn is_well_formed(&self, peer: &[u8]) -> bool {
        let uncompressed = self.name != NamedGroup::secp256r1 || peer.first() == Some(&4);
        peer.len() == self.public && uncompressed
    }
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let attributes =
            KeyAttributes::volatile(self.key_type, self.bits, usage::DERIVE, Algorithm::ECDH);
        let key = self
            .psa
            .generate(&attributes)
            .map_err(|status| general(self.psa, "ECDH key", status))?;
        let mut public = [0; MAX_PUBLIC];
        match self.psa.export_public(key.id, &mut public) {
            Ok(len) if len == self.public => {}
            Ok(_) => {
                return Err(general(
                    self.psa,
                    "ECDH public key",
                    Status::COMMUNICATION_FAILURE,
                ));
            }
            Err(status) => return Err(general(self.psa, "ECDH public key", status)),
        }
        Ok(Box::new(Exchange {
            group: *self,
            key,
            public,
        }))
    }

    fn name(&self) -> NamedGroup {
        self.name
    }
}

struct Exchange {
    group: Group,
    key: Key,
    public: [u8; MAX_PUBLIC],
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        if !self.group.is_well_formed(peer) {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        let mut secret = [0; SECRET];
        let psa = self.group.psa;
        match psa.agree(Algorithm::ECDH, self.key.id, peer, &mut secret) {
            Ok(SECRET) => Ok(SharedSecret::from(&secret[..])),
            Ok(_) => Err(general(psa, "ECDH", Status::COMMUNICATION_FAILURE)),
            Err(Status::INVALID_ARGUMENT) => Err(PeerMisbehaved::InvalidKeyShare.into()),
            Err(status) => Err(general(psa, "ECDH", status)),
        }
    }

    fn pub_key(&self) -> &[u8] {
        self.public.get(..self.group.public).unwrap_or_default()
    }

    fn group(&self) -> NamedGroup {
        self.group.name
    }
}

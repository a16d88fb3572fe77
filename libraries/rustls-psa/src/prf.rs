//! The TLS 1.2 PRF: one PSA key derivation (`PSA_ALG_TLS12_PRF`) a use.

use crate::hash::PsaHash;
use crate::psa::Psa;
use alloc::boxed::Box;
use psa_interface::crypto::step;
use psa_interface::{Algorithm, Status};
use rustls::Error;
use rustls::crypto::ActiveKeyExchange;
use rustls::crypto::tls12::Prf;

/// The PRF over one hash.
pub(crate) struct PsaPrf {
    psa: &'static Psa,
    alg: Algorithm,
}

impl PsaPrf {
    pub(crate) fn new(hash: &PsaHash) -> Self {
        PsaPrf {
            psa: hash.psa,
            alg: Algorithm::tls12_prf(hash.alg),
        }
    }

    fn derive(
        &self,
        secret: &[u8],
        label: &[u8],
        seed: &[u8],
        out: &mut [u8],
    ) -> Result<(), Status> {
        let mut derivation = self.psa.derivation_setup(self.alg)?;
        derivation.input(step::SEED, seed)?;
        derivation.input(step::SECRET, secret)?;
        derivation.input(step::LABEL, label)?;
        derivation.output(out)
    }
}

impl Prf for PsaPrf {
    fn for_key_exchange(
        &self,
        output: &mut [u8; 48],
        kx: Box<dyn ActiveKeyExchange>,
        peer_pub_key: &[u8],
        label: &[u8],
        seed: &[u8],
    ) -> Result<(), Error> {
        let secret = kx.complete_for_tls_version(peer_pub_key, &rustls::version::TLS12)?;
        self.derive(secret.secret_bytes(), label, seed, output)
            .map_err(|status| crate::general(self.psa, "PRF", status))
    }

    fn for_secret(&self, output: &mut [u8], secret: &[u8], label: &[u8], seed: &[u8]) {
        if let Err(status) = self.derive(secret, label, seed, output) {
            self.psa.note(status);
            output.fill(0);
        }
    }
}

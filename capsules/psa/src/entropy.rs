//! The kernel's random source: the secure world's generator, as `hil::rng`.
//!
//! Owns one 64-byte block at a time, asked for under the kernel's own client id and wiped after
//! use. A client that wants more gets it from the next deferred call.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::utilities::cells::OptionalCell;
use psa_interface::crypto::function;
use psa_interface::{CryptoIovec, Status, service};
use tfm_psa_driver::{ClientId, Gate, InVec, OutVec, Spe};

/// Bytes of one call.
const BLOCK: usize = 64;

/// Random words from `psa_generate_random`.
pub struct PsaRng<'a, G: Gate> {
    spe: &'a Spe<G>,
    client: OptionalCell<&'a dyn Client>,
    asked: Cell<bool>,
    deferred: DeferredCall,
}

impl<'a, G: Gate> PsaRng<'a, G> {
    /// Over the secure world `spe`. The board registers the deferred call.
    pub fn new(spe: &'a Spe<G>) -> Self {
        PsaRng {
            spe,
            client: OptionalCell::empty(),
            asked: Cell::new(false),
            deferred: DeferredCall::new_slow(),
        }
    }

    fn fill(&self, block: &mut [u8; BLOCK]) -> Result<(), ErrorCode> {
        let mut outs = [OutVec::own(block)];
        let status = Status(self.spe.psa_call(
            ClientId::KERNEL,
            service::CRYPTO_HANDLE,
            service::IPC_CALL,
            &[InVec::new(
                &CryptoIovec::new(function::GENERATE_RANDOM).encode(),
            )],
            &mut outs,
        ));
        match (status, outs.first().map(OutVec::len)) {
            (Status::SUCCESS, Some(BLOCK)) => Ok(()),
            _ => Err(ErrorCode::FAIL),
        }
    }
}

impl<'a, G: Gate> Rng<'a> for PsaRng<'a, G> {
    fn get(&self) -> Result<(), ErrorCode> {
        if self.asked.replace(true) {
            return Err(ErrorCode::BUSY);
        }
        self.deferred.set();
        Ok(())
    }

    fn cancel(&self) -> Result<(), ErrorCode> {
        self.asked.set(false);
        Ok(())
    }

    fn set_client(&'a self, client: &'a dyn Client) {
        self.client.set(client);
    }
}

impl<G: Gate> DeferredCallClient for PsaRng<'_, G> {
    fn handle_deferred_call(&self) {
        if !self.asked.take() {
            return;
        }
        let mut block = [0; BLOCK];
        let result = self.fill(&mut block);
        let words = if result.is_ok() { BLOCK / 4 } else { 0 };
        let mut words = block
            .as_chunks::<4>()
            .0
            .iter()
            .take(words)
            .map(|word| u32::from_le_bytes(*word));
        let more = self
            .client
            .map(|client| client.randomness_available(&mut words, result));
        // Not optimised away, since `black_box` sees the zeros.
        block = [0; BLOCK];
        core::hint::black_box(&block);
        if more == Some(Continue::More) && result.is_ok() {
            self.asked.set(true);
            self.deferred.set();
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

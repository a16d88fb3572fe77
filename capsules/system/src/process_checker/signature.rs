//! ECDSA-P256 credentials over a verifier that the board brings.
//!
//! Demands nothing: a binary without a good signature runs, but without a name
//! (`tbf::AppIdAssignerTbfHeader`). A bad signature is passed over, as upstream's checker does when
//! no key matches.

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::process_checker::{AppCredentialsPolicy, AppCredentialsPolicyClient, CheckResult};
use kernel::utilities::cells::OptionalCell;
use tock_tbf::types::{TbfFooterV2Credentials, TbfFooterV2CredentialsType};

/// Verifies a signature with the board's key.
pub trait CredentialVerifier {
    /// Whether `signature` (`r` then `s`, 32 bytes each, big-endian) signs the SHA-256 of `message`.
    ///
    /// # Errors
    /// The verifier could not do its work.
    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<bool, ErrorCode>;
}

/// The policy.
pub struct AppCheckerSignature<'a, V: CredentialVerifier> {
    verifier: &'a V,
    client: OptionalCell<&'a dyn AppCredentialsPolicyClient<'a>>,
    waiting: OptionalCell<(TbfFooterV2Credentials, &'a [u8])>,
    deferred_call: DeferredCall,
}

impl<'a, V: CredentialVerifier> AppCheckerSignature<'a, V> {
    /// With the board's verifier.
    pub fn new(verifier: &'a V) -> Self {
        AppCheckerSignature {
            verifier,
            client: OptionalCell::empty(),
            waiting: OptionalCell::empty(),
            // A verification takes long.
            deferred_call: DeferredCall::new_slow(),
        }
    }
}

impl<'a, V: CredentialVerifier> AppCredentialsPolicy<'a> for AppCheckerSignature<'a, V> {
    fn set_client(&self, client: &'a dyn AppCredentialsPolicyClient<'a>) {
        self.client.set(client);
    }

    fn require_credentials(&self) -> bool {
        false
    }

    fn check_credentials(
        &self,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'a [u8])> {
        if credentials.format() != TbfFooterV2CredentialsType::EcdsaNistP256 {
            return Err((ErrorCode::NOSUPPORT, credentials, integrity_region));
        }
        if self.waiting.is_some() {
            return Err((ErrorCode::BUSY, credentials, integrity_region));
        }
        self.waiting.set((credentials, integrity_region));
        self.deferred_call.set();
        Ok(())
    }
}

impl<V: CredentialVerifier> DeferredCallClient for AppCheckerSignature<'_, V> {
    fn handle_deferred_call(&self) {
        let Some((credentials, region)) = self.waiting.take() else {
            return;
        };
        let verdict = match credentials.data().first_chunk::<64>() {
            Some(signature) => self.verifier.verify(region, signature),
            None => Err(ErrorCode::SIZE),
        };
        let result = verdict.map(|good| {
            if good {
                CheckResult::Accept(None)
            } else {
                CheckResult::Pass
            }
        });
        self.client
            .map(|c| c.check_done(result, credentials, region));
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

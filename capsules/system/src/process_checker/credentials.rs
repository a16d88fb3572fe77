//! All credential formats over a verifier that the board brings.
//!
//! | format | good | bad | by another key, or no key |
//! |---|---|---|---|
//! | SHA-256, -384, -512 | accepted, but goes on to look for a signature | rejected | |
//! | RSA-3072, -4096 | accepted | rejected | passed over |
//! | ECDSA-P256 | accepted | passed over: it names no key | passed over |
//! | Reserved | | | passed over |
//!
//! A digest proves that a binary is whole, not whose it is: it gives no name (`super::tbf`), and where
//! the board requires a credential it is none. The metadata of what is accepted is the format's number.
//! A verifier that fails leaves a binary as if it had not that credential.

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::process_checker::{
    AcceptedCredential, AppCredentialsPolicy, AppCredentialsPolicyClient, CheckResult,
    CheckResultAcceptMetadata,
};
use kernel::utilities::cells::OptionalCell;
use tock_tbf::types::{TbfFooterV2Credentials, TbfFooterV2CredentialsType};

/// What a credential is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is over this binary, and by a key of the board's if it is a signature.
    Good,
    /// It claims to be, and is not.
    Bad,
    /// By a key that the board does not know.
    Unknown,
}

/// Judges a credential with the board's keys.
pub trait CredentialVerifier {
    /// The verdict on a credential of any format but Reserved over `message`.
    ///
    /// # Errors
    /// The verifier could not do its work.
    fn verify(
        &self,
        credential: &TbfFooterV2Credentials,
        message: &[u8],
    ) -> Result<Verdict, ErrorCode>;
}

/// The policy.
pub struct AppCheckerCredentials<'a, V: CredentialVerifier> {
    verifier: &'a V,
    required: bool,
    client: OptionalCell<&'a dyn AppCredentialsPolicyClient<'a>>,
    waiting: OptionalCell<(TbfFooterV2Credentials, &'a [u8])>,
    deferred_call: DeferredCall,
}

impl<'a, V: CredentialVerifier> AppCheckerCredentials<'a, V> {
    /// With the board's verifier; `required`: what has no good signature does not run.
    pub fn new(verifier: &'a V, required: bool) -> Self {
        AppCheckerCredentials {
            verifier,
            required,
            client: OptionalCell::empty(),
            waiting: OptionalCell::empty(),
            // A verification takes long.
            deferred_call: DeferredCall::new_slow(),
        }
    }
}

impl<'a, V: CredentialVerifier> AppCredentialsPolicy<'a> for AppCheckerCredentials<'a, V> {
    fn set_client(&self, client: &'a dyn AppCredentialsPolicyClient<'a>) {
        self.client.set(client);
    }

    fn require_credentials(&self) -> bool {
        self.required
    }

    fn check_credentials(
        &self,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'a [u8])> {
        if credentials.format() == TbfFooterV2CredentialsType::Reserved {
            return Err((ErrorCode::NOSUPPORT, credentials, integrity_region));
        }
        if self.waiting.is_some() {
            return Err((ErrorCode::BUSY, credentials, integrity_region));
        }
        self.waiting.set((credentials, integrity_region));
        self.deferred_call.set();
        Ok(())
    }

    fn is_enough(&self, accepted: &AcceptedCredential) -> bool {
        accepted.is_signature()
    }
}

impl<V: CredentialVerifier> DeferredCallClient for AppCheckerCredentials<'_, V> {
    fn handle_deferred_call(&self) {
        let Some((credentials, region)) = self.waiting.take() else {
            return;
        };
        let metadata = credentials.format() as usize;
        let verdict = self.verifier.verify(&credentials, region);
        let result = verdict.map(|verdict| match verdict {
            Verdict::Good => CheckResult::Accept(Some(CheckResultAcceptMetadata { metadata })),
            Verdict::Bad => CheckResult::Reject,
            Verdict::Unknown => CheckResult::Pass,
        });
        self.client
            .map(|c| c.check_done(result, credentials, region));
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

//! Checking a binary's credentials, and giving applications their names.
//!
//! Owns the walk over a binary's footers; what a credential is worth is the board's policy. A walk
//! ends at the first footer that is accepted, rejected or malformed, or at the end.

use crate::ErrorCode;
use crate::process::{Process, ProcessBinary, ShortId};
use crate::utilities::cells::{MapCell, OptionalCell};
use core::cell::Cell;
use tock_tbf::types::{TbfFooterV2Credentials, TbfFooterV2CredentialsType};

/// What a policy tells about a credential it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckResultAcceptMetadata {
    /// The policy's own (which key, for one).
    pub metadata: usize,
}

/// A verdict on one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The binary may run.
    Accept(Option<CheckResultAcceptMetadata>),
    /// Look at the next credential.
    Pass,
    /// The binary must not run.
    Reject,
}

/// A credential that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedCredential {
    /// The credential.
    pub credential: TbfFooterV2Credentials,
    /// What the policy told.
    pub metadata: Option<CheckResultAcceptMetadata>,
}

impl AcceptedCredential {
    /// Whether it tells who made the binary; a digest only tells that it is whole.
    pub fn is_signature(&self) -> bool {
        use TbfFooterV2CredentialsType::*;
        matches!(
            self.credential.format(),
            Rsa3072Key | Rsa4096Key | EcdsaNistP256
        )
    }
}

/// Why a binary must not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessCheckError {
    /// No credential was accepted, and the policy demands one.
    CredentialsNotAccepted,
    /// The policy rejected the footer of this index.
    CredentialsRejected(u32),
    /// The policy failed.
    InternalError,
}

/// Judges credentials.
pub trait AppCredentialsPolicy<'a> {
    /// Whom to answer.
    fn set_client(&self, client: &'a dyn AppCredentialsPolicyClient<'a>);
    /// Whether a binary without an accepted credential must not run.
    fn require_credentials(&self) -> bool;
    /// Judges one credential over the integrity region; answers later.
    ///
    /// # Errors
    /// `NOSUPPORT` or `ALREADY`: look at the next one. Others end the check.
    #[allow(clippy::type_complexity)]
    fn check_credentials(
        &self,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'a [u8])>;
    /// Whether an accepted credential ends the walk. One that does not is kept while a better one may
    /// follow, and is none where one is required; that a later one is rejected counts all the same.
    fn is_enough(&self, _accepted: &AcceptedCredential) -> bool {
        true
    }
}

/// Receives verdicts.
pub trait AppCredentialsPolicyClient<'a> {
    /// The verdict.
    fn check_done(
        &self,
        result: Result<CheckResult, ErrorCode>,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    );
}

/// Tells applications apart.
pub trait AppUniqueness {
    /// Whether two binaries are different applications.
    fn different_identifier(&self, process_a: &ProcessBinary, process_b: &ProcessBinary) -> bool;
    /// Whether a binary and a process are different applications.
    fn different_identifier_process(
        &self,
        process_a: &ProcessBinary,
        process_b: &dyn Process,
    ) -> bool;
    /// Whether two processes are different applications.
    fn different_identifier_processes(
        &self,
        process_a: &dyn Process,
        process_b: &dyn Process,
    ) -> bool;
    /// Whether a binary whose credentials are not checked yet may turn out to be the same
    /// application as `checked`; true unless the policy can rule it out whatever the check says.
    fn may_become_same(&self, _unchecked: &ProcessBinary, _checked: &ProcessBinary) -> bool {
        true
    }
}

/// Names applications in 32 bits.
pub trait Compress {
    /// The name.
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId;
}

/// Both.
pub trait AppIdPolicy: AppUniqueness + Compress {}
impl<T: AppUniqueness + Compress> AppIdPolicy for T {}

/// All different, none named.
impl AppUniqueness for () {
    fn different_identifier(&self, _: &ProcessBinary, _: &ProcessBinary) -> bool {
        true
    }
    fn different_identifier_process(&self, _: &ProcessBinary, _: &dyn Process) -> bool {
        true
    }
    fn different_identifier_processes(&self, _: &dyn Process, _: &dyn Process) -> bool {
        true
    }
    fn may_become_same(&self, _: &ProcessBinary, _: &ProcessBinary) -> bool {
        false
    }
}
impl Compress for () {
    fn to_short_id(&self, _process: &ProcessBinary) -> ShortId {
        ShortId::LocallyUnique
    }
}

/// Receives the outcome for a whole binary.
pub trait ProcessCheckerMachineClient {
    /// The outcome.
    fn done(
        &self,
        process_binary: ProcessBinary,
        result: Result<Option<AcceptedCredential>, ProcessCheckError>,
    );
}

/// Walks the footers of one binary at a time.
pub struct ProcessCheckerMachine {
    policy: Cell<&'static dyn AppCredentialsPolicy<'static>>,
    client: OptionalCell<&'static dyn ProcessCheckerMachineClient>,
    binary: MapCell<ProcessBinary>,
    /// Index of the footer being judged, and where the next one starts.
    index: Cell<u32>,
    next: Cell<usize>,
    /// Accepted, and not enough.
    kept: Cell<Option<AcceptedCredential>>,
}

impl ProcessCheckerMachine {
    /// With this policy.
    pub fn new(policy: &'static dyn AppCredentialsPolicy<'static>) -> Self {
        ProcessCheckerMachine {
            policy: Cell::new(policy),
            client: OptionalCell::empty(),
            binary: MapCell::empty(),
            index: Cell::new(0),
            next: Cell::new(0),
            kept: Cell::new(None),
        }
    }

    /// Whom to tell.
    pub fn set_client(&self, client: &'static dyn ProcessCheckerMachineClient) {
        self.client.set(client);
    }

    /// Registers itself with the policy; once, at board set-up.
    pub fn register(&'static self) {
        self.policy.get().set_client(self);
    }

    /// Another policy, from the next binary on; the board makes this its client
    /// ([`Self::register`]). Not while a binary is being checked.
    pub fn set_policy(&self, policy: &'static dyn AppCredentialsPolicy<'static>) {
        self.policy.set(policy);
    }

    /// Checks a binary; the client hears of it, maybe before this returns.
    ///
    /// # Errors
    /// `InternalError` while another is being checked.
    pub fn check(&self, binary: ProcessBinary) -> Result<(), ProcessCheckError> {
        if self.binary.is_some() {
            return Err(ProcessCheckError::InternalError);
        }
        self.binary.put(binary);
        self.index.set(0);
        self.next.set(0);
        self.kept.set(None);
        self.advance();
        Ok(())
    }

    /// Hands footers to the policy until it takes one; ends the walk after the last.
    fn advance(&self) {
        let Some(binary) = self.binary.map(|binary| binary.clone()) else {
            return;
        };
        // Room for credentials comes last: behind it nothing is missing, though tockloader leaves a
        // gap of erased flash there where it took a credential out.
        let mut room = false;
        loop {
            let rest = binary.footers.get(self.next.get()..);
            let footer = rest.and_then(|rest| tock_tbf::parse::parse_tbf_footer(rest).ok());
            let Some((credential, len)) = footer else {
                // Erased flash where elf2tab puts credentials or their place: the end is missing.
                let blank = |r: &[u8]| r.len() >= 8 && r.iter().all(|b| *b == 0xFF);
                let cut = !room && rest.is_some_and(blank);
                let none = if cut {
                    Err(ProcessCheckError::CredentialsRejected(self.index.get()))
                } else if self.policy.get().require_credentials() {
                    Err(ProcessCheckError::CredentialsNotAccepted)
                } else {
                    Ok(self.kept.get())
                };
                return self.finish(none);
            };
            room = credential.format() == TbfFooterV2CredentialsType::Reserved;
            self.next.set(
                self.next
                    .get()
                    .saturating_add(4)
                    .saturating_add(len as usize),
            );
            match self
                .policy
                .get()
                .check_credentials(credential, binary.get_integrity_region_slice())
            {
                Ok(()) => return,
                Err((ErrorCode::NOSUPPORT | ErrorCode::ALREADY, _, _)) => {
                    self.index.set(self.index.get().saturating_add(1));
                }
                Err(_) => return self.finish(Err(ProcessCheckError::InternalError)),
            }
        }
    }

    fn finish(&self, result: Result<Option<AcceptedCredential>, ProcessCheckError>) {
        if let Some(binary) = self.binary.take() {
            if cfg!(feature = "debug_process_credentials") {
                crate::debug!("Checked: {}: {result:?}", binary.get_process_name());
            }
            self.client.map(|c| c.done(binary, result));
        }
    }
}

impl AppCredentialsPolicyClient<'static> for ProcessCheckerMachine {
    fn check_done(
        &self,
        result: Result<CheckResult, ErrorCode>,
        credential: TbfFooterV2Credentials,
        _integrity_region: &'static [u8],
    ) {
        match result {
            Ok(CheckResult::Accept(metadata)) => {
                let accepted = AcceptedCredential {
                    credential,
                    metadata,
                };
                if self.policy.get().is_enough(&accepted) {
                    return self.finish(Ok(Some(accepted)));
                }
                self.kept.set(Some(accepted));
                self.index.set(self.index.get().saturating_add(1));
                self.advance();
            }
            Ok(CheckResult::Reject) => self.finish(Err(ProcessCheckError::CredentialsRejected(
                self.index.get(),
            ))),
            Ok(CheckResult::Pass) | Err(_) => {
                self.index.set(self.index.get().saturating_add(1));
                self.advance();
            }
        }
    }
}

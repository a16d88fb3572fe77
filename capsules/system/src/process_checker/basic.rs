//! No credentials, and names from names.

use kernel::ErrorCode;
use kernel::process::{Process, ProcessBinary, ShortId};
use kernel::process_checker::{
    AppCredentialsPolicy, AppCredentialsPolicyClient, AppUniqueness, Compress,
};
use tock_tbf::types::TbfFooterV2Credentials;

/// Accepts nothing and demands nothing.
#[derive(Default)]
pub struct AppCheckerNull {}

impl AppCheckerNull {
    /// It has no state.
    pub const fn new() -> Self {
        AppCheckerNull {}
    }
}

impl<'a> AppCredentialsPolicy<'a> for AppCheckerNull {
    fn set_client(&self, _client: &'a dyn AppCredentialsPolicyClient<'a>) {}
    fn require_credentials(&self) -> bool {
        false
    }
    fn check_credentials(
        &self,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'a [u8])> {
        Err((ErrorCode::NOSUPPORT, credentials, integrity_region))
    }
}

/// An application is its package name; its ShortId what `hasher` makes of it, as `crc32_posix`.
pub struct AppIdAssignerNames<'a, F: Fn(&'static str) -> u32> {
    hasher: &'a F,
}

impl<'a, F: Fn(&'static str) -> u32> AppIdAssignerNames<'a, F> {
    /// With the hash.
    pub const fn new(hasher: &'a F) -> Self {
        AppIdAssignerNames { hasher }
    }
}

impl<F: Fn(&'static str) -> u32> AppUniqueness for AppIdAssignerNames<'_, F> {
    fn different_identifier(&self, a: &ProcessBinary, b: &ProcessBinary) -> bool {
        a.get_process_name() != b.get_process_name()
    }
    fn different_identifier_process(&self, a: &ProcessBinary, b: &dyn Process) -> bool {
        a.get_process_name() != b.get_process_name()
    }
    fn different_identifier_processes(&self, a: &dyn Process, b: &dyn Process) -> bool {
        a.get_process_name() != b.get_process_name()
    }
}

impl<F: Fn(&'static str) -> u32> Compress for AppIdAssignerNames<'_, F> {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        let hash = (self.hasher)(process.get_process_name());
        core::num::NonZeroU32::new(hash).map_or(ShortId::LocallyUnique, ShortId::Fixed)
    }
}

//! No credentials, and names from names.

use kernel::ErrorCode;
use kernel::process::{Process, ProcessBinary, ShortId};
use kernel::process_checker::{
    AppCredentialsPolicy, AppCredentialsPolicyClient, AppUniqueness, Compress,
};
use kernel::utilities::helpers::crc32_posix;
use tock_tbf::types::TbfFooterV2Credentials;

/// Accepts nothing and demands nothing.
pub struct AppCheckerNull {}

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

/// An application is its package name; its ShortId the name's CRC-32/POSIX.
pub struct AppIdAssignerNames {}

impl AppUniqueness for AppIdAssignerNames {
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

impl Compress for AppIdAssignerNames {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        let crc = crc32_posix(process.get_process_name().as_bytes());
        core::num::NonZeroU32::new(crc).map_or(ShortId::LocallyUnique, ShortId::Fixed)
    }
}

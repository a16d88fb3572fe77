//! `psa_status_t` values (PSA Status code specification; PSA Firmware Update 1.0).
//!
//! Owns the numbers and their names. Unknown values are kept as they came.

use core::fmt;

/// A `psa_status_t`. Negative is an error, zero success, positive a qualified success.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub i32);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Status = Status($value);)*

            /// Every status with a name, for tables and tests.
            pub const NAMED: &'static [(Status, &'static str)] =
                &[$((Status($value), stringify!($name)),)*];
        }
    };
}

statuses! {
    /// The action was completed.
    SUCCESS = 0;
    /// Completed once the caller reboots the system (PSA FWU).
    SUCCESS_REBOOT = 1;
    /// Completed once the caller restarts the component (PSA FWU).
    SUCCESS_RESTART = 2;
    /// The call breaks the rules of the framework.
    PROGRAMMER_ERROR = -129;
    /// The service is not for this caller.
    CONNECTION_REFUSED = -130;
    /// The service cannot take the call now.
    CONNECTION_BUSY = -131;
    /// An error that no other status describes.
    GENERIC_ERROR = -132;
    /// Denied by a policy.
    NOT_PERMITTED = -133;
    /// Not supported by this implementation.
    NOT_SUPPORTED = -134;
    /// An invalid parameter.
    INVALID_ARGUMENT = -135;
    /// The handle (or key id) is not valid for this caller.
    INVALID_HANDLE = -136;
    /// Not possible in the present state.
    BAD_STATE = -137;
    /// An output buffer is too small.
    BUFFER_TOO_SMALL = -138;
    /// The item exists already.
    ALREADY_EXISTS = -139;
    /// The item does not exist.
    DOES_NOT_EXIST = -140;
    /// Not enough run-time memory.
    INSUFFICIENT_MEMORY = -141;
    /// Not enough persistent storage.
    INSUFFICIENT_STORAGE = -142;
    /// The source has less data than was asked for.
    INSUFFICIENT_DATA = -143;
    /// The service itself failed.
    SERVICE_FAILURE = -144;
    /// Communication inside the implementation failed.
    COMMUNICATION_FAILURE = -145;
    /// Storage failed.
    STORAGE_FAILURE = -146;
    /// Hardware failed.
    HARDWARE_FAILURE = -147;
    /// Not enough entropy.
    INSUFFICIENT_ENTROPY = -148;
    /// Signature, MAC or hash does not match.
    INVALID_SIGNATURE = -149;
    /// Decrypted padding is wrong.
    INVALID_PADDING = -150;
    /// A tampering attempt was detected.
    CORRUPTION_DETECTED = -151;
    /// Stored data has been corrupted.
    DATA_CORRUPT = -152;
    /// Stored data is not valid for the implementation.
    DATA_INVALID = -153;
    /// A firmware image depends on another that is missing (PSA FWU).
    DEPENDENCY_NEEDED = -156;
    /// Refused to protect flash against wear (PSA FWU).
    FLASH_ABUSE = -160;
    /// Not enough power for the operation (PSA FWU).
    INSUFFICIENT_POWER = -161;
    /// An interruptible operation is not complete.
    OPERATION_INCOMPLETE = -248;
}

impl Status {
    /// The number that crosses the border.
    pub const fn as_i32(self) -> i32 {
        self.0
    }

    /// Whether this is success, qualified or not.
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    /// `Ok` for zero and positive values, `Err` for negative ones.
    ///
    /// # Errors
    /// The status itself, when negative.
    pub const fn ok(self) -> Result<(), Status> {
        if self.is_success() { Ok(()) } else { Err(self) }
    }

    /// The specification's name without its prefix, if it has one.
    pub fn name(self) -> Option<&'static str> {
        Self::NAMED
            .iter()
            .find(|(s, _)| *s == self)
            .map(|(_, n)| *n)
    }
}

impl From<Status> for i32 {
    fn from(status: Status) -> i32 {
        status.0
    }
}

impl From<Result<(), Status>> for Status {
    fn from(result: Result<(), Status>) -> Status {
        match result {
            Ok(()) => Status::SUCCESS,
            Err(status) => status,
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_named() {
        for (i, (status, name)) in Status::NAMED.iter().enumerate() {
            assert_eq!(status.name(), Some(*name));
            assert!(Status::NAMED[..i].iter().all(|(s, _)| s != status));
        }
        assert_eq!(Status::BAD_STATE.as_i32(), -137);
        assert_eq!(Status(-1).name(), None);
        assert_eq!(Status::SUCCESS_REBOOT.ok(), Ok(()));
        assert_eq!(Status::NOT_PERMITTED.ok(), Err(Status(-133)));
        assert_eq!(
            format!("{:?}", Status::NOT_PERMITTED),
            "NOT_PERMITTED (-133)"
        );
    }
}

//! Error codes of the kernel and of userspace (TRD104 §3.2).
//!
//! Owns the numbers. A value outside 1..=1024 never becomes an [`ErrorCode`].

/// An error; the kernel's are 1 to 1023, `BadRVal` is userspace's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum ErrorCode {
    /// Generic failure.
    Fail = 1,
    /// The resource is in use; try again.
    Busy = 2,
    /// The state asked for is already there.
    Already = 3,
    /// The component is powered down.
    Off = 4,
    /// A reservation (often: a shared buffer) is missing.
    Reserve = 5,
    /// An argument is not valid.
    Invalid = 6,
    /// A size is too large or too small.
    Size = 7,
    /// The operation was cancelled.
    Cancel = 8,
    /// Memory that the operation needs is not available.
    NoMem = 9,
    /// The operation is not supported.
    NoSupport = 10,
    /// The device does not exist.
    NoDevice = 11,
    /// The device is not physically installed.
    Uninstalled = 12,
    /// The peer did not acknowledge.
    NoAck = 13,
    /// A kernel error that this crate has no name for (14 to 1023).
    Unnamed = 1023,
    /// The kernel answered with a variant that the call cannot have.
    BadRVal = 1024,
}

impl TryFrom<u32> for ErrorCode {
    type Error = NotAnErrorCode;

    /// Zero and anything over 1024 are not errors; 14 to 1023 are [`ErrorCode::Unnamed`].
    fn try_from(value: u32) -> Result<ErrorCode, NotAnErrorCode> {
        Ok(match value {
            1 => ErrorCode::Fail,
            2 => ErrorCode::Busy,
            3 => ErrorCode::Already,
            4 => ErrorCode::Off,
            5 => ErrorCode::Reserve,
            6 => ErrorCode::Invalid,
            7 => ErrorCode::Size,
            8 => ErrorCode::Cancel,
            9 => ErrorCode::NoMem,
            10 => ErrorCode::NoSupport,
            11 => ErrorCode::NoDevice,
            12 => ErrorCode::Uninstalled,
            13 => ErrorCode::NoAck,
            14..=1023 => ErrorCode::Unnamed,
            1024 => ErrorCode::BadRVal,
            _ => return Err(NotAnErrorCode),
        })
    }
}

/// The number is no error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnErrorCode;

/// Turns a status word (0 = success, TRD104) into a result.
///
/// # Errors
/// The code itself; [`ErrorCode::BadRVal`] for a word that is neither.
pub fn from_status(status: u32) -> Result<(), ErrorCode> {
    match status {
        0 => Ok(()),
        other => Err(ErrorCode::try_from(other).unwrap_or(ErrorCode::BadRVal)),
    }
}

impl ErrorCode {
    /// See [`from_status`].
    ///
    /// # Errors
    /// As [`from_status`].
    pub fn from_status(status: u32) -> Result<(), ErrorCode> {
        from_status(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_number_maps_to_itself_and_the_rest_is_refused() {
        for n in (1..=13).chain([1023, 1024]) {
            assert_eq!(ErrorCode::try_from(n).map(|e| e as u32), Ok(n));
        }
        assert_eq!(ErrorCode::try_from(0), Err(NotAnErrorCode));
        assert_eq!(ErrorCode::try_from(500), Ok(ErrorCode::Unnamed));
        assert_eq!(ErrorCode::try_from(1025), Err(NotAnErrorCode));
        assert_eq!(from_status(2000), Err(ErrorCode::BadRVal));
    }
}

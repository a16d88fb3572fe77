//! The error codes of TRD104, as syscall drivers and HIL traits return them.
//!
//! Owns the numbers. Zero means success in a status word and is therefore no `ErrorCode`.

use crate::process::Error;

/// Error numbers shared by kernel and userspace (TRD104 §3.2; `reference/tock.md` §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ErrorCode {
    /// Generic failure.
    FAIL = 1,
    /// The underlying system is busy; retry.
    BUSY = 2,
    /// The state requested is already set.
    ALREADY = 3,
    /// The component is powered down.
    OFF = 4,
    /// Reservation is required before use.
    RESERVE = 5,
    /// An invalid parameter was passed.
    INVAL = 6,
    /// The parameter passed was too large, or a buffer too small.
    SIZE = 7,
    /// The operation was cancelled.
    CANCEL = 8,
    /// Memory required was not available.
    NOMEM = 9,
    /// The operation is not supported.
    NOSUPPORT = 10,
    /// The device does not exist.
    NODEVICE = 11,
    /// The device is not physically installed.
    UNINSTALLED = 12,
    /// Packet transmission was not acknowledged.
    NOACK = 13,
}

impl From<ErrorCode> for usize {
    fn from(e: ErrorCode) -> usize {
        e as usize
    }
}

impl TryFrom<Result<(), ErrorCode>> for ErrorCode {
    type Error = ();
    fn try_from(r: Result<(), ErrorCode>) -> Result<Self, ()> {
        r.err().ok_or(())
    }
}

impl From<ErrorCode> for Result<(), ErrorCode> {
    fn from(e: ErrorCode) -> Self {
        Err(e)
    }
}

impl From<Error> for ErrorCode {
    fn from(e: Error) -> ErrorCode {
        match e {
            Error::NoSuchApp | Error::AddressOutOfBounds => ErrorCode::INVAL,
            Error::OutOfMemory => ErrorCode::NOMEM,
            Error::InactiveApp | Error::KernelError | Error::AlreadyInUse => ErrorCode::FAIL,
        }
    }
}

/// What a capsule gives back when its own closure never ran.
impl<T> From<Error> for Result<T, ErrorCode> {
    fn from(e: Error) -> Self {
        Err(e.into())
    }
}

/// The status word of an upcall: 0, or the error's number.
pub fn into_statuscode(r: Result<(), ErrorCode>) -> usize {
    match r {
        Ok(()) => 0,
        Err(e) => e.into(),
    }
}

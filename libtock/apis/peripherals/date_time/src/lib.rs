//! Wall clock driver: Unix seconds.
//!
//! Owns the read-only part of driver 0x90007: command 16, answered at once with a 64-bit count of
//! seconds since 1970-01-01 00:00:00 UTC (ours; upstream's split-phase calendar is not used).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::{ErrorCode, Syscalls};

/// The wall clock.
pub struct DateTime<S: Syscalls>(S);

impl<S: Syscalls> DateTime<S> {
    /// Is there such a driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, 0, 0, 0).is_success()
    }

    /// Seconds since 1970-01-01 00:00:00 UTC.
    ///
    /// # Errors
    /// `NoDevice`, or `Off` while the clock is not set.
    pub fn unix_seconds() -> Result<u64, ErrorCode> {
        S::command(DRIVER_NUM, UNIX_SECONDS, 0, 0).to_result()
    }
}

const DRIVER_NUM: u32 = 0x90007;
const UNIX_SECONDS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    #[test]
    fn seconds_past_2106_fit() {
        let kernel = fake::Kernel::new();
        assert_eq!(
            DateTime::<fake::Syscalls>::unix_seconds(),
            Err(ErrorCode::NoDevice)
        );
        let driver = fake::Scripted::new(DRIVER_NUM, |call| match call.command {
            16 => command_return::success_u64(0x1_6655_4433),
            _ => command_return::failure(ErrorCode::NoSupport),
        });
        kernel.add_driver(&driver);
        assert_eq!(
            DateTime::<fake::Syscalls>::unix_seconds(),
            Ok(0x1_6655_4433)
        );
    }
}

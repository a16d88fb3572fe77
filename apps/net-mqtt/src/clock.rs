//! Wall time for rustls, set by the loop.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// Wall time for certificate checks: seconds since 1970, 0 when unknown.
#[derive(Debug, Default)]
pub(crate) struct WallClock(AtomicU32);

impl WallClock {
    pub(crate) fn set(&self, unix_seconds: u64) {
        let seconds = u32::try_from(unix_seconds).unwrap_or(u32::MAX);
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            seconds => Some(UnixTime::since_unix_epoch(Duration::from_secs(
                seconds.into(),
            ))),
        }
    }
}

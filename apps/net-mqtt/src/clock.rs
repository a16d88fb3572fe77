//! Monotonic time for minimq, and wall time for rustls, both set by the loop.
//!
//! minimq reads time through embassy-time's global driver. Nothing is ever woken by it: the
//! process polls its one future whenever it wakes, and it wakes in time by [`crate::App::step`].

use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;
use core::time::Duration;
use embassy_time_driver::Driver;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// Ticks of embassy-time, in two words: the target has no 64-bit atomics. One thread writes.
struct LoopDriver {
    low: AtomicU32,
    high: AtomicU32,
}

embassy_time_driver::time_driver_impl!(static DRIVER: LoopDriver = LoopDriver {
    low: AtomicU32::new(0),
    high: AtomicU32::new(0),
});

/// Tells minimq the time, microseconds.
pub(crate) fn set_now(now_us: u64) {
    let ticks = (u128::from(now_us) * u128::from(embassy_time_driver::TICK_HZ) / 1_000_000) as u64;
    DRIVER.low.store(ticks as u32, Ordering::Relaxed);
    DRIVER.high.store((ticks >> 32) as u32, Ordering::Relaxed);
}

impl Driver for LoopDriver {
    fn now(&self) -> u64 {
        u64::from(self.low.load(Ordering::Relaxed))
            | u64::from(self.high.load(Ordering::Relaxed)) << 32
    }

    fn schedule_wake(&self, _at: u64, _waker: &Waker) {}
}

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

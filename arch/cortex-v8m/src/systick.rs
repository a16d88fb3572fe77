//! SysTick as the timer of time slices.
//!
//! Invariant: whoever reads CSR keeps COUNTFLAG, since reading clears it.

use crate::registers::*;
use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::platform::SchedulerTimer;

const CSR_ENABLE: u32 = 1;
const CSR_TICKINT: u32 = 1 << 1;
/// Processor clock: the reference clock is not wired.
const CSR_CLKSOURCE: u32 = 1 << 2;
const CSR_COUNTFLAG: u32 = 1 << 16;
const RELOAD_MAX: u32 = 0x00FF_FFFF;

/// The timer, at this processor clock in Hz (a whole number of MHz): a type's number, since it is
/// asked at every turn.
pub struct SysTick<const HERTZ: u32> {
    expired: Cell<bool>,
    running: Cell<bool>,
}

impl<const HERTZ: u32> SysTick<HERTZ> {
    /// Ticks in a microsecond.
    const PER_US: u32 = HERTZ / 1_000_000;

    /// Stopped.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        SysTick {
            expired: Cell::new(false),
            running: Cell::new(false),
        }
    }
}

impl<const HERTZ: u32> SchedulerTimer for SysTick<HERTZ> {
    fn start(&self, us: NonZeroU32) {
        let reload = us.get().saturating_mul(Self::PER_US).min(RELOAD_MAX);
        SYST_CSR.write(0);
        SYST_RVR.write(reload);
        SYST_CVR.write(0);
        // It may interrupt the kernel, too: its handler then does nothing, and COUNTFLAG stays.
        SYST_CSR.write(CSR_CLKSOURCE | CSR_TICKINT | CSR_ENABLE);
        self.expired.set(false);
        self.running.set(true);
    }

    fn reset(&self) {
        SYST_CSR.write(0);
        self.running.set(false);
    }

    #[inline]
    fn arm(&self) {}

    #[inline]
    fn disarm(&self) {}

    #[inline]
    fn has_more_than_us(&self, us: u32) -> bool {
        if SYST_CSR.read() & CSR_COUNTFLAG != 0 {
            self.expired.set(true);
        }
        // 0 right after the start, before the first tick loads the reload value: more than all.
        let ticks = SYST_CVR.read().wrapping_sub(1);
        !self.expired.get() && ticks >= us * Self::PER_US
    }

    #[inline]
    fn get_remaining_us(&self) -> Option<NonZeroU32> {
        if SYST_CSR.read() & CSR_COUNTFLAG != 0 {
            self.expired.set(true);
        }
        if self.expired.get() || !self.running.get() {
            return None;
        }
        // 0 right after the start, before the first tick loads the reload value.
        let ticks = match SYST_CVR.read() {
            0 => SYST_RVR.read(),
            n => n,
        };
        NonZeroU32::new(ticks / Self::PER_US)
    }
}

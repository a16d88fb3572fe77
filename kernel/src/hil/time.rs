//! Counters, alarms and timers (TRD105).
//!
//! A tick value is meaningful only modulo its width; comparisons go through `within_range` and
//! `wrapping_sub`.

use crate::ErrorCode;
use core::cmp::Ordering;
use core::fmt;

/// A number of ticks of some width.
pub trait Ticks: Clone + Copy + From<u32> + fmt::Debug + Ord + PartialOrd + PartialEq + Eq {
    /// Bits.
    fn width() -> u32;
    /// Low bits.
    fn into_usize(self) -> usize;
    /// Low bits.
    fn into_u32(self) -> u32;
    /// Unused high bits of a `u32` (0 when wider).
    fn u32_padding() -> u32 {
        32u32.saturating_sub(Self::width())
    }
    /// Unused high bits of a `usize` (0 when wider).
    fn usize_padding() -> u32 {
        usize::BITS.saturating_sub(Self::width())
    }
    /// Shifted so that it wraps at 2^32; wider counters give their low bits.
    fn into_u32_left_justified(self) -> u32 {
        self.into_u32() << Self::u32_padding()
    }
    /// Shifted so that it wraps where `usize` does.
    fn into_usize_left_justified(self) -> usize {
        self.into_usize() << Self::usize_padding()
    }
    /// `F`'s frequency as seen through `into_u32_left_justified`, in Hz.
    fn u32_left_justified_scale_freq<F: Frequency>() -> u32 {
        F::frequency() << Self::u32_padding()
    }
    /// `F`'s frequency as seen through `into_usize_left_justified`, in Hz.
    fn usize_left_justified_scale_freq<F: Frequency>() -> usize {
        (F::frequency() as usize) << Self::usize_padding()
    }
    /// Sum modulo the width.
    fn wrapping_add(self, other: Self) -> Self;
    /// Difference modulo the width.
    fn wrapping_sub(self, other: Self) -> Self;
    /// Whether `self` lies in `[start, end)` on the circle.
    fn within_range(self, start: Self, end: Self) -> bool;
    /// Largest value.
    fn max_value() -> Self;
    /// Half of it, rounded up.
    fn half_max_value() -> Self;
    /// `val`, or the largest value.
    fn from_or_max(val: u64) -> Self;
    /// `self * numerator / denominator`, saturating.
    fn saturating_scale(self, numerator: u32, denominator: u32) -> u32;
}

macro_rules! ticks {
    ($(#[$doc:meta])* $name:ident, $repr:ty, $width:expr, $mask:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name($repr);

        impl From<u32> for $name {
            fn from(val: u32) -> Self {
                $name((val as $repr) & $mask)
            }
        }

        impl Ticks for $name {
            fn width() -> u32 {
                $width
            }
            fn into_usize(self) -> usize {
                self.0 as usize
            }
            fn into_u32(self) -> u32 {
                self.0 as u32
            }
            fn wrapping_add(self, other: Self) -> Self {
                $name(self.0.wrapping_add(other.0) & $mask)
            }
            fn wrapping_sub(self, other: Self) -> Self {
                $name(self.0.wrapping_sub(other.0) & $mask)
            }
            fn within_range(self, start: Self, end: Self) -> bool {
                self.wrapping_sub(start).0 < end.wrapping_sub(start).0
            }
            fn max_value() -> Self {
                $name($mask)
            }
            fn half_max_value() -> Self {
                $name(1 + ($mask / 2))
            }
            fn from_or_max(val: u64) -> Self {
                $name(<$repr>::try_from(val.min($mask as u64)).unwrap_or($mask))
            }
            fn saturating_scale(self, numerator: u32, denominator: u32) -> u32 {
                let scaled = u128::from(self.0) * u128::from(numerator);
                match scaled.checked_div(u128::from(denominator)) {
                    Some(v) => u32::try_from(v).unwrap_or(u32::MAX),
                    None => u32::MAX,
                }
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.cmp(&other.0)
            }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }
        impl Eq for $name {}
    };
}

ticks!(
    /// 16-bit ticks.
    Ticks16, u16, 16, u16::MAX
);
ticks!(
    /// 24-bit ticks.
    Ticks24, u32, 24, 0x00FF_FFFFu32
);
ticks!(
    /// 32-bit ticks.
    Ticks32, u32, 32, u32::MAX
);
ticks!(
    /// 64-bit ticks.
    Ticks64, u64, 64, u64::MAX
);

impl From<u64> for Ticks64 {
    fn from(val: u64) -> Self {
        Ticks64(val)
    }
}

impl From<u16> for Ticks16 {
    fn from(val: u16) -> Self {
        Ticks16(val)
    }
}

impl Ticks16 {
    /// The value.
    pub fn into_u16(self) -> u16 {
        self.0
    }
}

impl Ticks64 {
    /// From a value.
    pub fn new(val: u64) -> Ticks64 {
        Ticks64(val)
    }
    /// The value.
    pub fn into_u64(self) -> u64 {
        self.0
    }
}

/// A frequency as a type.
pub trait Frequency {
    /// In Hz.
    fn frequency() -> u32;
}

macro_rules! frequency {
    ($($name:ident $hz:expr),* $(,)?) => {$(
        #[doc = concat!(stringify!($hz), " Hz.")]
        #[derive(Debug)]
        pub enum $name {}
        impl Frequency for $name {
            fn frequency() -> u32 {
                $hz
            }
        }
    )*};
}

frequency! {
    Freq600MHz 600_000_000, Freq100MHz 100_000_000, Freq16MHz 16_000_000, Freq10MHz 10_000_000,
    Freq1MHz 1_000_000, Freq32KHz 32_768, Freq16KHz 16_000, Freq1KHz 1_000,
}

/// Something that has a present.
pub trait Time {
    /// How fast it counts.
    type Frequency: Frequency;
    /// How wide it counts.
    type Ticks: Ticks;
    /// The present.
    fn now(&self) -> Self::Ticks;
}

/// Units to ticks and back, for anything with a frequency.
pub trait ConvertTicks<T: Ticks> {
    /// From seconds.
    fn ticks_from_seconds(&self, s: u32) -> T;
    /// From milliseconds.
    fn ticks_from_ms(&self, ms: u32) -> T;
    /// From microseconds.
    fn ticks_from_us(&self, us: u32) -> T;
    /// To seconds, saturating.
    fn ticks_to_seconds(&self, tick: T) -> u32;
    /// To milliseconds, saturating.
    fn ticks_to_ms(&self, tick: T) -> u32;
    /// To microseconds, saturating.
    fn ticks_to_us(&self, tick: T) -> u32;
}

fn scaled<T: Time + ?Sized>(n: u32, per_second: u64) -> T::Ticks {
    T::Ticks::from_or_max(u64::from(n) * u64::from(T::Frequency::frequency()) / per_second)
}

impl<T: Time + ?Sized> ConvertTicks<T::Ticks> for T {
    fn ticks_from_seconds(&self, s: u32) -> T::Ticks {
        scaled::<T>(s, 1)
    }
    fn ticks_from_ms(&self, ms: u32) -> T::Ticks {
        scaled::<T>(ms, 1_000)
    }
    fn ticks_from_us(&self, us: u32) -> T::Ticks {
        scaled::<T>(us, 1_000_000)
    }
    fn ticks_to_seconds(&self, tick: T::Ticks) -> u32 {
        tick.saturating_scale(1, T::Frequency::frequency())
    }
    fn ticks_to_ms(&self, tick: T::Ticks) -> u32 {
        tick.saturating_scale(1_000, T::Frequency::frequency())
    }
    fn ticks_to_us(&self, tick: T::Ticks) -> u32 {
        tick.saturating_scale(1_000_000, T::Frequency::frequency())
    }
}

/// A moment: [`Time::now`] always answers the same.
pub trait Timestamp: Time {}

/// A free-running counter.
pub trait Counter<'a>: Time {
    /// # Errors
    /// `OFF`, `FAIL`.
    fn start(&self) -> Result<(), ErrorCode>;
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn stop(&self) -> Result<(), ErrorCode>;
    /// # Errors
    /// `FAIL`.
    fn reset(&self) -> Result<(), ErrorCode>;
    /// Whether it counts.
    fn is_running(&self) -> bool;
}

/// Learns that a counter wrapped.
pub trait OverflowClient {
    /// It wrapped.
    fn overflow(&self);
}

/// A counter that tells when it wraps.
pub trait CounterOverflow<'a>: Counter<'a> {
    /// Whom to tell.
    fn set_overflow_client(&self, client: &'a dyn OverflowClient);
}

/// Learns that an alarm fired.
pub trait AlarmClient {
    /// It fired.
    fn alarm(&self);
}

/// Fires once at a point in time.
pub trait Alarm<'a>: Time {
    /// Whom to tell.
    fn set_alarm_client(&self, client: &'a dyn AlarmClient);
    /// Fires at `reference + dt`; at once when that has passed. `reference` is in the past.
    fn set_alarm(&self, reference: Self::Ticks, dt: Self::Ticks);
    /// When it fires.
    fn get_alarm(&self) -> Self::Ticks;
    /// # Errors
    /// `FAIL`.
    fn disarm(&self) -> Result<(), ErrorCode>;
    /// Whether it will fire.
    fn is_armed(&self) -> bool;
    /// Smallest `dt` that is kept.
    fn minimum_dt(&self) -> Self::Ticks;
}

/// Learns that a timer fired.
pub trait TimerClient {
    /// It fired.
    fn timer(&self);
}

/// Fires after an interval, once or again and again.
pub trait Timer<'a>: Time {
    /// Whom to tell.
    fn set_timer_client(&self, client: &'a dyn TimerClient);
    /// Fires once; returns the interval used.
    fn oneshot(&self, interval: Self::Ticks) -> Self::Ticks;
    /// Fires again and again; returns the interval used.
    fn repeating(&self, interval: Self::Ticks) -> Self::Ticks;
    /// Interval of the last request.
    fn interval(&self) -> Option<Self::Ticks>;
    /// Whether the last request was for once.
    fn is_oneshot(&self) -> bool;
    /// Whether the last request was for again and again.
    fn is_repeating(&self) -> bool;
    /// Until it fires.
    fn time_remaining(&self) -> Option<Self::Ticks>;
    /// Whether it will fire.
    fn is_enabled(&self) -> bool;
    /// # Errors
    /// `FAIL`.
    fn cancel(&self) -> Result<(), ErrorCode>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_wrap_at_their_width() {
        let t = Ticks24::from(0x00FF_FFFF).wrapping_add(Ticks24::from(2));
        assert_eq!(t, Ticks24::from(1));
        assert_eq!(t.into_u32_left_justified(), 0x100);
        assert!(t.within_range(Ticks24::from(0x00FF_FFF0), Ticks24::from(5)));
        assert!(!Ticks24::from(6).within_range(Ticks24::from(0x00FF_FFF0), Ticks24::from(5)));
        assert_eq!(
            Ticks24::u32_left_justified_scale_freq::<Freq1MHz>(),
            256_000_000
        );
    }

    #[test]
    fn sixty_four_bit_ticks_show_their_low_word() {
        let t = Ticks64::from(0x1_2345_6789u64);
        assert_eq!(t.into_u32_left_justified(), 0x2345_6789);
        assert_eq!(t.saturating_scale(1, 1), u32::MAX);
        assert_eq!(
            Ticks64::from(32_000_000u32).saturating_scale(1_000, 32_000_000),
            1_000
        );
    }
}

//! Full-jitter exponential back-off (reference/aws-iot.md §1.5).

/// First window, milliseconds.
pub const BASE_MS: u32 = 1_000;
/// Largest window, milliseconds.
pub const CAP_MS: u32 = 64_000;
/// A connection that lived this long makes the next failure the first again, milliseconds.
pub const STABLE_MS: u64 = 60_000;

/// The window in which the next delay is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    window_ms: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { window_ms: BASE_MS }
    }
}

impl Backoff {
    /// The next delay, milliseconds: uniform in 0 … window by `random`; doubles the window.
    pub fn next(&mut self, random: u32) -> u32 {
        let delay = (u64::from(random) * (u64::from(self.window_ms) + 1)) >> 32;
        self.window_ms = self.window_ms.saturating_mul(2).min(CAP_MS);
        delay as u32
    }

    /// After a connection that lived `lived_ms`: starts again if that was long.
    pub fn lived(&mut self, lived_ms: u64) {
        if lived_ms >= STABLE_MS {
            *self = Backoff::default();
        }
    }

    /// After a refusal that time is unlikely to cure: the largest window at once.
    pub fn refused(&mut self) {
        self.window_ms = CAP_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double_to_the_cap_and_reset_only_after_a_stable_connection() {
        let mut backoff = Backoff::default();
        let largest: Vec<u32> = (0..8).map(|_| backoff.next(u32::MAX)).collect();
        assert_eq!(
            largest,
            [1000, 2000, 4000, 8000, 16000, 32000, 64000, 64000]
        );
        assert_eq!(backoff.next(0), 0);
        backoff.lived(STABLE_MS - 1);
        assert_eq!(backoff.next(u32::MAX), CAP_MS);
        backoff.lived(STABLE_MS);
        assert_eq!(backoff.next(u32::MAX), BASE_MS);
        backoff.refused();
        assert_eq!(backoff.next(u32::MAX), CAP_MS);
    }

    #[test]
    fn delays_fill_the_window_evenly() {
        let mut buckets = [0u32; 4];
        let mut x = 0x1357_9BDF_u32;
        for _ in 0..40_000 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            let delay = Backoff::default().next(x);
            assert!(delay <= BASE_MS);
            buckets[(delay / 251) as usize] += 1;
        }
        assert!(
            buckets.iter().all(|n| (9_500..10_500).contains(n)),
            "{buckets:?}"
        );
    }
}

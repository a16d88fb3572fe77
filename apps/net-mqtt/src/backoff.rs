//! When to try again: full-jitter exponential back-off (reference/aws-iot.md §1.5), and never more
//! than one CONNECT a second.

/// First window, milliseconds.
pub const BASE_MS: u32 = 1_000;
/// Largest window, milliseconds.
pub const CAP_MS: u32 = 64_000;
/// A connection that lived this long makes the next failure the first again, milliseconds.
pub const STABLE_MS: u64 = 60_000;
/// After a refusal of our identity: not before this time, milliseconds …
pub const REFUSED_MIN_MS: u32 = 30_000;
/// … and not after this.
pub const REFUSED_MAX_MS: u32 = 120_000;
/// After a broker said that it has too much to do: the window is at least this, milliseconds.
pub const BUSY_MS: u32 = 16_000;
/// From one CONNECT to the next, microseconds: AWS allows one a second, and the way there may
/// bring two of them closer together.
pub const CONNECT_US: u64 = 1_250_000;

/// What kind of failure calls for the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// May be over at any time: network, server restart, time-out.
    Passing,
    /// The broker asks for less.
    Busy,
    /// What looks like a refusal and may be the network's doing: once it may pass; a second time before
    /// a connection is made it is one.
    Suspect,
    /// Certificate, policy or name: no time cures it, somebody has to.
    Refused,
}

/// The window in which the next delay is drawn, and when CONNECT was last sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    window_ms: u32,
    /// [`Class::Suspect`] was there since the last connection.
    suspected: bool,
    connected_at_us: Option<u64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            window_ms: BASE_MS,
            suspected: false,
            connected_at_us: None,
        }
    }
}

impl Backoff {
    /// The next delay, milliseconds: uniform in 0 … window by `random`, but not so short that the
    /// next CONNECT could come within a second of the last; doubles the window.
    pub fn next(&mut self, class: Class, now_us: u64, random: u32) -> u32 {
        let uniform = |most: u32| ((u64::from(random) * (u64::from(most) + 1)) >> 32) as u32;
        let suspected = self.suspected;
        self.suspected |= class == Class::Suspect;
        let delay = match class {
            Class::Refused | Class::Suspect if class == Class::Refused || suspected => {
                self.window_ms = CAP_MS;
                REFUSED_MIN_MS + uniform(REFUSED_MAX_MS - REFUSED_MIN_MS)
            }
            _ => {
                if class == Class::Busy {
                    self.window_ms = self.window_ms.max(BUSY_MS);
                }
                uniform(self.window_ms)
            }
        };
        self.window_ms = self.window_ms.saturating_mul(2).min(CAP_MS);
        let allowed_us = self.allowed_us().saturating_sub(now_us);
        delay.max(u32::try_from(allowed_us.div_ceil(1000)).unwrap_or(CAP_MS))
    }

    /// After a connection that lived `lived_ms`: the identity is no suspect, and the window starts
    /// again if that was long.
    pub fn lived(&mut self, lived_ms: u64) {
        self.suspected = false;
        if lived_ms >= STABLE_MS {
            self.window_ms = BASE_MS;
        }
    }

    fn allowed_us(&self) -> u64 {
        self.connected_at_us
            .map_or(0, |at| at.saturating_add(CONNECT_US))
    }

    /// Whether CONNECT may be sent now.
    pub fn may_connect(&self, now_us: u64) -> bool {
        now_us >= self.allowed_us()
    }

    /// CONNECT is sent now.
    pub fn connects(&mut self, now_us: u64) {
        self.connected_at_us = Some(now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Busy, Passing, Refused, Suspect};

    #[test]
    fn windows_double_to_the_cap_and_reset_only_after_a_stable_connection() {
        let mut backoff = Backoff::default();
        let largest: Vec<u32> = (0..8).map(|_| backoff.next(Passing, 0, u32::MAX)).collect();
        assert_eq!(
            largest,
            [1000, 2000, 4000, 8000, 16000, 32000, 64000, 64000]
        );
        assert_eq!(backoff.next(Passing, 0, 0), 0);
        backoff.lived(STABLE_MS - 1);
        assert_eq!(backoff.next(Passing, 0, u32::MAX), CAP_MS);
        backoff.lived(STABLE_MS);
        assert_eq!(backoff.next(Passing, 0, u32::MAX), BASE_MS);
    }

    #[test]
    fn a_refusal_of_our_identity_waits_longer_than_anything_else() {
        for random in [0, 1 << 31, u32::MAX] {
            let delay = Backoff::default().next(Refused, 0, random);
            assert!(
                (REFUSED_MIN_MS..=REFUSED_MAX_MS).contains(&delay),
                "{delay}"
            );
        }
        let mut backoff = Backoff::default();
        backoff.next(Refused, 0, 0);
        assert_eq!(backoff.next(Passing, 0, u32::MAX), CAP_MS);
    }

    #[test]
    fn what_looks_like_a_refusal_is_one_the_second_time() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Suspect, 0, u32::MAX), BASE_MS);
        assert_eq!(backoff.next(Suspect, 0, 0), REFUSED_MIN_MS);
        assert_eq!(backoff.next(Suspect, 0, u32::MAX), REFUSED_MAX_MS);
        // A connection in between takes the suspicion away, another failure does not.
        let mut backoff = Backoff::default();
        backoff.next(Suspect, 0, 0);
        backoff.lived(0);
        assert_eq!(backoff.next(Suspect, 0, u32::MAX), 2 * BASE_MS);
        backoff.next(Passing, 0, 0);
        assert_eq!(backoff.next(Suspect, 0, u32::MAX), REFUSED_MAX_MS);
    }

    #[test]
    fn a_busy_broker_is_given_time() {
        assert_eq!(Backoff::default().next(Busy, 0, u32::MAX), BUSY_MS);
    }

    #[test]
    fn delays_fill_the_window_evenly() {
        let mut buckets = [0u32; 4];
        let mut x = 0x1357_9BDF_u32;
        for _ in 0..40_000 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            let delay = Backoff::default().next(Passing, 0, x);
            assert!(delay <= BASE_MS);
            buckets[(delay / 251) as usize] += 1;
        }
        assert!(
            buckets.iter().all(|n| (9_500..10_500).contains(n)),
            "{buckets:?}"
        );
    }

    /// A broker that drops each connection at once, for a simulated day, with the worst luck.
    #[test]
    fn a_reconnect_storm_never_breaks_one_connect_a_second() {
        let mut backoff = Backoff::default();
        let (mut now, mut x, mut connects) = (0u64, 0x2545_F491_u32, Vec::new());
        while now < 86_400_000_000 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            if backoff.may_connect(now) {
                backoff.connects(now);
                connects.push(now);
                // Some connections live just long enough for the window to be the first again.
                let lived_ms = if x & 3 == 0 { STABLE_MS } else { 5 };
                now += lived_ms * 1000;
                backoff.lived(lived_ms);
            }
            let random = if x & 1 == 0 { 0 } else { x };
            now += u64::from(backoff.next(Passing, now, random)) * 1000;
        }
        assert!(connects.len() > 1000, "{}", connects.len());
        let closest = connects.windows(2).map(|pair| pair[1] - pair[0]).min();
        assert!(closest >= Some(1_000_000), "{closest:?}");
    }

    /// The network is away for an hour: attempts grow rare, and do not stop.
    #[test]
    fn an_hour_without_network_costs_few_attempts() {
        let mut backoff = Backoff::default();
        let (mut now, mut x, mut attempts) = (0u64, 0x9E37_79B9_u32, 0);
        while now < 3_600_000_000 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            now += u64::from(backoff.next(Passing, now, x)) * 1000;
            attempts += 1;
        }
        assert!((60..240).contains(&attempts), "{attempts}");
    }
}

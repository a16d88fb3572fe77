//! The router's time server: SNTP answers from a script.
//!
//! Owns the 48-byte message (RFC 4330 §4). Total: what is no client's request gets no answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The host's time and so many seconds.
    Offset(i64),
    /// Not at all.
    Silence,
    /// Stratum 0 and this code (RFC 4330 §8): `RATE`, `DENY`, …
    Kiss([u8; 4]),
    /// Not synchronised: leap indicator 3.
    Alarm,
}

impl Default for Time {
    fn default() -> Time {
        Time::Offset(0)
    }
}

const LENGTH: usize = 48;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
/// Seconds from 1900 to 1970.
const ERA: u64 = 2_208_988_800;

/// The answer to a request at `now`.
pub fn answer(script: Time, request: &[u8], now: SystemTime) -> Option<Vec<u8>> {
    let first = *request.first()?;
    let (version, mode) = (first >> 3 & 7, first & 7);
    let sent = request.get(40..LENGTH)?;
    if mode != MODE_CLIENT || !(1..=4).contains(&version) {
        return None;
    }
    let (leap, stratum, reference, offset) = match script {
        Time::Offset(offset) => (0, 2, [127, 0, 0, 1], offset),
        Time::Kiss(code) => (3, 0, code, 0),
        Time::Alarm => (3, 0, *b"INIT", 0),
        Time::Silence => return None,
    };
    let stamp = timestamp(now, offset);
    let mut out = vec![leap << 6 | version << 3 | MODE_SERVER, stratum, 6, 0xEC];
    out.extend([0; 8]);
    out.extend(reference);
    out.extend(stamp);
    out.extend(sent);
    out.extend(stamp);
    out.extend(stamp);
    Some(out)
}

/// Seconds since 1900, modulo the era, and fraction.
fn timestamp(now: SystemTime, offset: i64) -> [u8; 8] {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = (since.as_secs() + ERA).wrapping_add_signed(offset);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32 | fraction).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;

    fn request() -> Vec<u8> {
        let mut out = vec![0x23];
        out.resize(40, 0);
        out.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        out
    }

    #[test]
    fn the_answer_has_the_time_and_the_request_s_stamp() {
        let now = UNIX_EPOCH + Duration::new(1_700_000_000, 500_000_000);
        let out = answer(Time::Offset(-10), &request(), now).unwrap();
        assert_eq!(out.len(), LENGTH);
        assert_eq!((out[0], out[1]), (0x24, 2));
        assert_eq!(out[24..32], [1, 2, 3, 4, 5, 6, 7, 8]);
        let seconds = u32::from_be_bytes(out[40..44].try_into().unwrap());
        assert_eq!(u64::from(seconds) - ERA, 1_700_000_000 - 10);
        assert_eq!(out[44..48], [0x80, 0, 0, 0]);
    }

    #[test]
    fn kisses_alarms_and_silence() {
        let now = SystemTime::now();
        let kiss = answer(Time::Kiss(*b"RATE"), &request(), now).unwrap();
        assert_eq!((kiss[0] >> 6, kiss[1], &kiss[12..16]), (3, 0, &b"RATE"[..]));
        assert_eq!(answer(Time::Alarm, &request(), now).unwrap()[0] >> 6, 3);
        assert_eq!(answer(Time::Silence, &request(), now), None);
        assert_eq!(answer(Time::Offset(0), &request()[..47], now), None);
        let mut from_server = request();
        from_server[0] = 0x24;
        assert_eq!(answer(Time::Offset(0), &from_server, now), None);
    }

    #[test]
    fn no_bytes_make_it_fall() {
        let mut random = Random(3);
        for _ in 0..50_000 {
            let bytes = random.damage(&request());
            let offset = random.next() as i64;
            if let Some(out) = answer(Time::Offset(offset), &bytes, SystemTime::now()) {
                assert_eq!((out.len(), out[0] & 7), (LENGTH, MODE_SERVER));
            }
        }
    }
}

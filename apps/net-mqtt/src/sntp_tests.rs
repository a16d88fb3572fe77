//! Time servers: good, absent, wrong, hostile.

use super::*;
use std::collections::VecDeque;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 4);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 5);
const FLOOR: u64 = 1_735_689_600;
const NOW: u64 = FLOOR + 30_000_000;

/// An answer that says it is `unix` seconds.
fn answered(nonce: u64, unix: u64) -> Vec<u8> {
    let mut message = vec![0; LENGTH];
    message[0] = 4 << 3 | 4;
    message[1] = 2;
    message[24..32].copy_from_slice(&nonce.to_be_bytes());
    message[40..44].copy_from_slice(&((unix + ERA) as u32).to_be_bytes());
    message[44..48].copy_from_slice(&0x8000_0000_u32.to_be_bytes());
    message
}

#[derive(Default)]
struct Wire {
    sent: Vec<(Ipv4Addr, Vec<u8>)>,
    coming: VecDeque<(Vec<u8>, Ipv4Addr, u16)>,
    words: u32,
}

impl Datagrams for Wire {
    fn random(&mut self) -> u32 {
        self.words = self.words.wrapping_add(0x1234_5679);
        self.words
    }

    fn send(&mut self, to: Ipv4Addr, _: u16, bytes: &[u8]) -> bool {
        self.sent.push((to, bytes.to_vec()));
        true
    }

    fn receive(&mut self, buf: &mut [u8]) -> Option<(usize, Ipv4Addr, u16)> {
        let (bytes, from, port) = self.coming.pop_front()?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some((bytes.len(), from, port))
    }
}

struct Bench {
    sntp: Sntp,
    wire: Wire,
    now_us: u64,
    clock_s: u64,
}

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench {
            sntp: Sntp::new(None),
            wire: Wire::default(),
            now_us: 0,
            clock_s: NOW,
        };
        assert_eq!(bench.poll(), None);
        assert_eq!(bench.wire.sent.len(), 1);
        bench
    }

    fn poll(&mut self) -> Option<Outcome> {
        let servers = Servers::new([SERVER, OTHER].into_iter());
        let clock = (self.clock_s, FLOOR);
        let none = Servers::default();
        self.sntp
            .poll(&mut self.wire, none, servers, self.now_us, clock)
    }

    fn nonce(&self) -> u64 {
        let bytes = &self.wire.sent.last().unwrap().1;
        u64::from_be_bytes(bytes[40..48].try_into().unwrap())
    }

    fn says(&mut self, message: Vec<u8>) -> Option<Outcome> {
        let from = self.wire.sent.last().unwrap().0;
        self.wire.coming.push_back((message, from, PORT));
        self.poll()
    }

    fn tells(&mut self, unix: u64) -> Option<Outcome> {
        let message = answered(self.nonce(), unix);
        self.says(message)
    }
}

#[test]
fn a_question_is_what_the_standard_says_and_tells_no_time() {
    let message = question(0x1122_3344_5566_7788);
    assert_eq!(message[0], 0b00_100_011);
    assert_eq!(message[40..], 0x1122_3344_5566_7788_u64.to_be_bytes());
    assert!(message[1..40].iter().all(|byte| *byte == 0));
}

#[test]
fn an_answer_is_checked_field_by_field() {
    let good = answered(9, NOW);
    assert_eq!(answer(9, &good), Ok(NOW * 1000 + 500));
    let with = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        answer(9, &message)
    };
    assert_eq!(answer(8, &good), Err(SntpError::Originate));
    assert_eq!(answer(9, &good[..47]), Err(SntpError::Short));
    assert_eq!(with(0, 4 << 3 | 3), Err(SntpError::Mode));
    assert_eq!(with(0, 4 << 3 | 5), Err(SntpError::Mode));
    assert_eq!(with(0, 4), Err(SntpError::Version));
    assert_eq!(with(0, 5 << 3 | 4), Err(SntpError::Version));
    assert_eq!(with(0, 3 << 6 | 4 << 3 | 4), Err(SntpError::Unsynchronised));
    assert_eq!(with(1, 16), Err(SntpError::Stratum));
    assert_eq!(with(1, 0), Err(SntpError::KissOfDeath([0; 4])));
    let mut message = good;
    message[40..48].fill(0);
    assert_eq!(answer(9, &message), Err(SntpError::NoTime));
}

#[test]
fn the_era_after_2036_is_understood() {
    let unix = (1 << 32) - ERA + 1000;
    assert_eq!(answer(9, &answered(9, unix)), Ok(unix * 1000 + 500));
}

#[test]
fn a_small_step_is_believed_and_asked_for_again_after_hours() {
    let mut bench = Bench::new();
    let outcome = bench.tells(NOW + 60);
    assert_eq!(outcome, Some(Outcome::Time(NOW + 60, 60)));
    bench.now_us = INTERVAL_S * 1_000_000 - 1;
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.wire.sent.len(), 1);
    bench.now_us += 1;
    bench.poll();
    assert_eq!(bench.wire.sent.len(), 2);
}

#[test]
fn a_large_step_needs_a_second_answer_that_agrees() {
    let mut bench = Bench::new();
    let later = NOW + 86_400;
    assert_eq!(bench.tells(later), None);
    assert_eq!(bench.wire.sent.len(), 2);
    assert_eq!(
        bench.tells(later + 1),
        Some(Outcome::Time(later + 1, 86_401))
    );
}

#[test]
fn two_large_steps_that_disagree_change_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.tells(NOW + 86_400), None);
    let outcome = bench.tells(NOW + 96_400);
    let expected = Outcome::Failed(SntpError::Disagrees, RETRY_S);
    assert_eq!(outcome, Some(expected));
}

#[test]
fn the_clock_never_goes_before_the_floor_nor_absurdly_far() {
    for time in [FLOOR - 1, FLOOR + MAX_AHEAD_S + 1] {
        let mut bench = Bench::new();
        let expected = Outcome::Failed(SntpError::OutOfBounds, RETRY_S);
        assert_eq!(bench.tells(time), Some(expected));
    }
}

#[test]
fn a_step_back_to_the_floor_is_possible_with_two_answers() {
    let mut bench = Bench::new();
    assert_eq!(bench.tells(FLOOR), None);
    assert!(matches!(bench.tells(FLOOR), Some(Outcome::Time(FLOOR, step)) if step < 0));
}

#[test]
fn silence_goes_to_the_next_server_with_growing_pauses() {
    let mut bench = Bench::new();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        bench.now_us += PATIENCE_US;
        let Some(Outcome::Failed(SntpError::Silent, pause)) = bench.poll() else {
            panic!();
        };
        pauses.push(pause);
        bench.now_us += pause * 1_000_000 - 1;
        assert_eq!(bench.poll(), None);
        bench.now_us += 1;
        assert_eq!(bench.poll(), None);
    }
    assert_eq!(pauses, [16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
    let servers: Vec<Ipv4Addr> = bench.wire.sent.iter().take(4).map(|sent| sent.0).collect();
    assert_eq!(servers, [SERVER, OTHER, SERVER, OTHER]);
}

#[test]
fn a_kiss_of_death_is_obeyed() {
    let mut bench = Bench::new();
    let mut message = answered(bench.nonce(), NOW);
    message[1] = 0;
    message[12..16].copy_from_slice(b"RATE");
    let expected = Outcome::Failed(SntpError::KissOfDeath(*b"RATE"), RETRY_MAX_S);
    assert_eq!(bench.says(message), Some(expected));
    assert_eq!(
        SntpError::KissOfDeath(*b"RATE").to_string(),
        "server sends us away (RATE)"
    );
}

#[test]
fn a_guess_does_not_stop_the_true_answer() {
    let mut bench = Bench::new();
    let forged = answered(bench.nonce() ^ 1, NOW + 999);
    assert_eq!(bench.says(forged), None);
    let elsewhere = answered(bench.nonce(), NOW + 999);
    bench
        .wire
        .coming
        .push_back((elsewhere.clone(), OTHER, PORT));
    bench.wire.coming.push_back((elsewhere, SERVER, 124));
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.tells(NOW), Some(Outcome::Time(NOW, 0)));
}

#[test]
fn any_answer_is_survived_and_stays_in_bounds() {
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    let (mut good, mut bad) = (0, 0);
    for _ in 0..20_000 {
        let mut bench = Bench::new();
        let mut message = answered(bench.nonce(), NOW);
        for _ in 0..next() % 3 {
            let at = next() as usize % LENGTH;
            message[at] = next() as u8;
        }
        message.truncate(40 + next() as usize % 60);
        match bench.says(message) {
            Some(Outcome::Time(time, _)) => {
                good += 1;
                assert!((FLOOR..=FLOOR + MAX_AHEAD_S).contains(&time));
            }
            _ => bad += 1,
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} {bad}");
}

#[test]
fn without_a_server_nothing_is_asked() {
    let sntp = Sntp::new(None);
    assert!(!sntp.is_due(Servers::default(), 0));
    assert!(Sntp::new(Some("time.test".into())).is_due(Servers::default(), 0));
    assert!(!sntp.is_asking());
}

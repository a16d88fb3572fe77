//! What happens to a frame on its way: delay, loss, duplication, reordering, line rate.
//!
//! Owns one direction of the wire as a queue over given times; no clock and no socket. Invariant:
//! what happens to frame n follows from (seed, direction, n, conditions) alone, whatever came
//! before it and whenever it came, so that a run repeats with its seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the device.
    Up,
    /// To the device.
    Down,
}

/// What the wire is like; may change while it is used. Chances are in frames of a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Round-trip time: half of it each way.
    pub rtt: Duration,
    /// Frames that are lost.
    pub loss: u32,
    /// Frames that come twice.
    pub duplicate: u32,
    /// Frames that come late by [`Conditions::late_by`], behind those that follow them.
    pub reorder: u32,
    /// How late these are.
    pub late_by: Duration,
    /// Nothing passes either way.
    pub down: bool,
}

impl Conditions {
    /// So many per cent as a chance.
    pub const fn percent(percent: u32) -> u32 {
        percent * 10_000
    }
}

/// What was decided for one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// It does not arrive.
    pub lost: bool,
    /// It arrives twice.
    pub duplicated: bool,
    /// It arrives behind later ones.
    pub late: bool,
}

impl Decision {
    /// For frame `number` (from 0) of a direction.
    pub fn of(seed: u64, direction: Direction, number: u64, conditions: &Conditions) -> Decision {
        let stream = seed ^ ((direction == Direction::Down) as u64) << 63;
        let draw = |what: u64, chance: u32| {
            let word = mix(mix(stream).wrapping_add(number.wrapping_mul(4).wrapping_add(what)));
            word % 1_000_000 < u64::from(chance)
        };
        Decision {
            lost: conditions.down || draw(0, conditions.loss),
            duplicated: draw(1, conditions.duplicate),
            late: draw(2, conditions.reorder),
        }
    }

    /// Digest over those of the first `frames` frames; see [`Counters::digest`].
    pub fn digest(seed: u64, direction: Direction, frames: u64, conditions: &Conditions) -> u64 {
        (0..frames).fold(DIGEST, |digest, number| {
            Decision::of(seed, direction, number, conditions).digested(digest)
        })
    }

    fn digested(self, digest: u64) -> u64 {
        (digest ^ self.code()).wrapping_mul(0x100_0000_01B3)
    }

    fn code(self) -> u64 {
        u64::from(self.lost) | u64::from(self.duplicated) << 1 | u64::from(self.late) << 2
    }
}

/// What a direction has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames that were sent into it.
    pub frames: u64,
    /// Their bytes, without preamble and check sequence.
    pub bytes: u64,
    /// Frames that did not arrive.
    pub lost: u64,
    /// Frames that came twice.
    pub duplicated: u64,
    /// Frames that were made late.
    pub late: u64,
    /// FNV-1a over the decisions of all frames, in their order.
    pub digest: u64,
}

/// One direction of the wire.
#[derive(Debug)]
pub struct Lane {
    seed: u64,
    direction: Direction,
    counters: Counters,
    queue: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    /// Copies that were queued; keeps frames of one instant in order.
    serial: u64,
    /// No frame in its right order is due before this.
    in_order: Option<Instant>,
    /// Time of a bit on the line, and when the line is free again.
    line_rate: Option<u64>,
    free_at: Option<Instant>,
}

/// FNV-1a's start.
const DIGEST: u64 = 0xCBF2_9CE4_8422_2325;
/// Preamble, check sequence and gap of an Ethernet frame, bytes.
const FRAME_OVERHEAD: u64 = 24;
/// Copies under way at most: what a device sends faster than this is drained is lost.
const QUEUE: usize = 4096;

impl Lane {
    /// An empty direction; `line_rate` in bits a second, or as fast as may be.
    pub fn new(seed: u64, direction: Direction, line_rate: Option<u64>) -> Lane {
        Lane {
            seed,
            direction,
            counters: Counters {
                digest: DIGEST,
                ..Counters::default()
            },
            queue: BinaryHeap::new(),
            serial: 0,
            in_order: None,
            line_rate: line_rate.filter(|rate| *rate > 0),
            free_at: None,
        }
    }

    /// What passed so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// A frame goes in.
    pub fn push(&mut self, frame: Vec<u8>, now: Instant, conditions: &Conditions) {
        let decision = Decision::of(self.seed, self.direction, self.counters.frames, conditions);
        let counters = &mut self.counters;
        counters.frames += 1;
        counters.bytes += frame.len() as u64;
        counters.digest = decision.digested(counters.digest);
        if decision.lost || self.queue.len() >= QUEUE {
            counters.lost += 1;
            return;
        }
        let mut due = (now + conditions.rtt / 2).max(self.in_order.unwrap_or(now));
        if decision.late {
            counters.late += 1;
            due += conditions.late_by;
        } else {
            self.in_order = Some(due);
        }
        if decision.duplicated {
            self.counters.duplicated += 1;
            self.queue_copy(due, frame.clone());
        }
        self.queue_copy(due, frame);
    }

    fn queue_copy(&mut self, due: Instant, frame: Vec<u8>) {
        self.queue.push(Reverse((due, self.serial, frame)));
        self.serial += 1;
    }

    /// When the next frame comes out.
    pub fn next_at(&self) -> Option<Instant> {
        let due = self.queue.peek().map(|Reverse((due, ..))| *due)?;
        Some(self.free_at.map_or(due, |free| free.max(due)))
    }

    /// The next frame that is due.
    pub fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        let at = self.next_at().filter(|at| *at <= now)?;
        let Reverse((_, _, frame)) = self.queue.pop()?;
        if let Some(rate) = self.line_rate {
            let bits = (frame.len() as u64 + FRAME_OVERHEAD) * 8;
            // From now, not from `at`: what a busy host missed is not made up by a burst.
            self.free_at = Some(at.max(now) + Duration::from_nanos(bits * 1_000_000_000 / rate));
        }
        Some(frame)
    }

    /// Forgets what is under way.
    pub fn clear(&mut self) {
        self.queue.clear();
    }
}

/// SplitMix64's output function.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Conditions = Conditions {
        rtt: Duration::from_millis(100),
        loss: Conditions::percent(5),
        duplicate: Conditions::percent(3),
        reorder: Conditions::percent(2),
        late_by: Duration::from_millis(7),
        down: false,
    };

    /// Pushes 0, 1, 2, … a millisecond apart; what comes out, and when after the start.
    fn run(seed: u64, conditions: &Conditions, frames: u32) -> (Vec<(u32, Duration)>, Counters) {
        let start = Instant::now();
        let mut lane = Lane::new(seed, Direction::Down, None);
        let mut out = Vec::new();
        for n in 0..frames + 1000 {
            let now = start + Duration::from_millis(n.into());
            if n < frames {
                lane.push(n.to_le_bytes().to_vec(), now, conditions);
            }
            while let Some(frame) = lane.pop(now) {
                out.push((u32::from_le_bytes(frame.try_into().unwrap()), now - start));
            }
        }
        assert_eq!(lane.next_at(), None);
        (out, lane.counters())
    }

    #[test]
    fn the_same_seed_decides_the_same() {
        let first = run(7, &BAD, 5000);
        assert_eq!(first, run(7, &BAD, 5000));
        assert_ne!(first.1.digest, run(8, &BAD, 5000).1.digest);
        let digest = Decision::digest(7, Direction::Down, 5000, &BAD);
        assert_eq!(first.1.digest, digest);
        let up = Decision::of(7, Direction::Up, 0, &BAD);
        let differs = |n| {
            Decision::of(7, Direction::Up, n, &BAD) != Decision::of(7, Direction::Down, n, &BAD)
        };
        assert_eq!(up, Decision::of(7, Direction::Up, 0, &BAD));
        assert!((0..1000).any(differs));
    }

    #[test]
    fn chances_are_what_they_are_said_to_be() {
        let (out, counters) = run(1, &BAD, 20_000);
        assert!((800..1200).contains(&counters.lost), "{counters:?}");
        assert!((450..750).contains(&counters.duplicated), "{counters:?}");
        assert!((280..480).contains(&counters.late), "{counters:?}");
        assert_eq!(
            out.len() as u64,
            20_000 - counters.lost + counters.duplicated
        );
        let overtaken = out.windows(2).filter(|w| w[0].0 > w[1].0).count();
        assert!(overtaken > 200, "{overtaken}");
    }

    #[test]
    fn a_clean_wire_keeps_order_and_delays_by_half_the_round_trip() {
        let clean = Conditions {
            rtt: Duration::from_millis(100),
            ..Conditions::default()
        };
        let (out, counters) = run(3, &clean, 300);
        assert_eq!(out.len(), 300);
        for (n, (frame, at)) in out.iter().enumerate() {
            assert_eq!(*frame, n as u32);
            assert_eq!(at.as_millis(), n as u128 + 50);
        }
        assert_eq!((counters.lost, counters.late), (0, 0));
    }

    #[test]
    fn a_shorter_delay_does_not_reorder() {
        let start = Instant::now();
        let mut lane = Lane::new(0, Direction::Up, None);
        let mut conditions = Conditions {
            rtt: Duration::from_millis(200),
            ..Conditions::default()
        };
        lane.push(vec![1], start, &conditions);
        conditions.rtt = Duration::ZERO;
        lane.push(vec![2], start, &conditions);
        assert_eq!(lane.pop(start), None);
        let later = start + Duration::from_millis(100);
        assert_eq!(lane.pop(later), Some(vec![1]));
        assert_eq!(lane.pop(later), Some(vec![2]));
    }

    #[test]
    fn frames_leave_no_faster_than_the_line() {
        let start = Instant::now();
        let mut lane = Lane::new(0, Direction::Down, Some(8_000_000));
        for _ in 0..3 {
            lane.push(vec![0; 976], start, &Conditions::default());
        }
        assert!(lane.pop(start).is_some());
        assert!(lane.pop(start).is_none());
        assert_eq!(lane.next_at(), Some(start + Duration::from_millis(1)));
        // A host that was away gets one frame, not all that it missed.
        let late = start + Duration::from_millis(50);
        assert!(lane.pop(late).is_some());
        assert!(lane.pop(late).is_none());
    }

    #[test]
    fn nothing_passes_a_wire_that_is_down() {
        let down = Conditions {
            down: true,
            ..Conditions::default()
        };
        let (out, counters) = run(3, &down, 50);
        assert!(out.is_empty());
        assert_eq!(counters.lost, 50);
    }
}

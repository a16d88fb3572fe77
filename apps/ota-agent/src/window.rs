//! How many blocks are asked for at once, and when a block counts as lost.
//!
//! Owns the blocks under way. As in TCP: the window grows by a block for each that arrives until
//! something was lost, then by a block a window; a loss halves it, once a round trip. A request is
//! given up when nothing of it or of an earlier one has arrived for a time that follows the
//! measured round trip, doubled after each silence. Where nothing at all arrives it is longer: TCP
//! below loses no block, and what it holds back would come twice. A block counts as under way in
//! one request only.

/// Blocks under way at most: 64 KiB.
pub const MAX_WINDOW: u32 = 16;
/// Blocks that one request can name: bits of its map.
pub const SPAN: u32 = 32;
/// Requests under way at most.
const REQUESTS: usize = 4;
const FIRST_WINDOW: u32 = 4;
/// Silence before the round trip is known, and the bounds once it is, milliseconds.
const FIRST_PATIENCE: u64 = 2_000;
const MIN_PATIENCE: u64 = 400;
/// While nothing arrives at all, at least: above the second after which TCP repeats a lost frame
/// (RFC 6298 §2.4).
const MIN_SILENCE: u64 = 1_500;
const MAX_PATIENCE: u64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Request {
    first: u32,
    /// Blocks that have not arrived.
    bits: u32,
    sent: u64,
    /// When something of it or of an earlier one arrived last.
    touched: u64,
    /// Nothing of it has arrived: its first block measures the round trip.
    whole: bool,
}

impl Request {
    fn has(&self, block: u32) -> bool {
        block
            .checked_sub(self.first)
            .is_some_and(|k| k < SPAN && self.bits >> k & 1 == 1)
    }
}

/// The window of one download.
#[derive(Debug, Clone)]
pub struct Window {
    /// Oldest first.
    requests: [Option<Request>; REQUESTS],
    size: u32,
    /// From here on it grows slowly.
    threshold: u32,
    /// Blocks since it grew last.
    grown: u32,
    /// Smoothed round trip and its deviation (RFC 6298), once measured.
    trip: Option<(u64, u64)>,
    /// Silences in a row.
    silences: u32,
    /// When it was halved last.
    halved: u64,
    /// When a block arrived last.
    heard: u64,
}

impl Window {
    /// Nothing under way, nothing known.
    pub fn new() -> Window {
        Window {
            requests: [None; REQUESTS],
            size: FIRST_WINDOW,
            threshold: MAX_WINDOW,
            grown: 0,
            trip: None,
            silences: 0,
            halved: 0,
            heard: 0,
        }
    }

    /// Blocks that may be under way.
    #[cfg(test)]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Silences since a block arrived.
    pub fn silences(&self) -> u32 {
        self.silences
    }

    /// Silence after which a request is given up, milliseconds.
    pub fn patience(&self) -> u64 {
        let base = self
            .trip
            .map_or(FIRST_PATIENCE, |(trip, deviation)| trip + 4 * deviation);
        (base.max(MIN_PATIENCE) << self.silences.min(5)).min(MAX_PATIENCE)
    }

    fn under_way(&self) -> u32 {
        let requests = self.requests.iter().flatten();
        requests.map(|r| r.bits.count_ones()).sum()
    }

    /// The connection is gone, and with it what was under way; what is known of it stays.
    pub fn forget(&mut self) {
        self.requests = [None; REQUESTS];
        self.silences = 0;
    }

    /// The next request: first block, and the map of those that are missing and not under way.
    /// Half a window is asked for at once, so that the answers never run dry.
    pub fn next(&self, count: u32, missing: impl Fn(u32) -> bool) -> Option<(u32, u32)> {
        let under_way = self.under_way();
        let free = self.size.saturating_sub(under_way);
        let full = self.requests.iter().all(Option::is_some);
        if free == 0 || full || (under_way > 0 && free < self.size.div_ceil(2)) {
            return None;
        }
        let asked = |block| self.requests.iter().flatten().any(|r| r.has(block));
        let wanted = |block: &u32| missing(*block) && !asked(*block);
        let first = (0..count).find(wanted)?;
        let last = count.min(first + SPAN);
        let blocks = (first..last).filter(wanted).take(free as usize);
        Some((first, blocks.fold(0, |bits, b| bits | 1 << (b - first))))
    }

    /// The request went out.
    pub fn asked(&mut self, first: u32, bits: u32, now: u64) {
        let request = Request {
            first,
            bits,
            sent: now,
            touched: now,
            whole: true,
        };
        if let Some(place) = self.requests.iter_mut().find(|r| r.is_none()) {
            *place = Some(request);
        }
    }

    /// A wanted block arrived.
    pub fn arrived(&mut self, block: u32, now: u64) {
        self.silences = 0;
        self.heard = now;
        let Some(place) = self
            .requests
            .iter()
            .position(|r| r.is_some_and(|r| r.has(block)))
        else {
            // Given up already, and here after all.
            return;
        };
        let mut measured = None;
        for (at, slot) in self.requests.iter_mut().enumerate() {
            let Some(request) = slot.as_mut().filter(|_| at >= place) else {
                continue;
            };
            request.touched = now;
            if at == place {
                request.bits &= !(1 << (block - request.first));
                if core::mem::take(&mut request.whole) {
                    measured = Some(now.saturating_sub(request.sent));
                }
                if request.bits == 0 {
                    *slot = None;
                }
            }
        }
        self.compact();
        if let Some(trip) = measured {
            self.measure(trip);
        }
        self.grown += 1;
        if self.size < self.threshold || self.grown >= self.size {
            self.size = (self.size + 1).min(MAX_WINDOW);
            self.grown = 0;
        }
    }

    /// Gives up what is overdue; whether something was.
    pub fn expire(&mut self, now: u64) -> bool {
        let patience = self.patience();
        let quiet = patience.max(MIN_SILENCE);
        let heard = self.heard;
        // What came behind a request passes it over.
        let overdue = |r: &Request| {
            let patience = if heard > r.touched { patience } else { quiet };
            now >= r.touched + patience
        };
        let mut lost = false;
        let mut silent = true;
        for slot in &mut self.requests {
            if let Some(request) = slot.filter(overdue) {
                lost = true;
                silent &= request.whole;
                *slot = None;
            }
        }
        if !lost {
            return false;
        }
        self.compact();
        if silent {
            self.silences += 1;
        }
        if now >= self.halved + patience {
            self.halved = now;
            self.size = (self.size / 2).max(1);
            self.threshold = self.size;
            self.grown = 0;
        }
        true
    }

    fn measure(&mut self, trip: u64) {
        self.trip = Some(match self.trip {
            None => (trip, trip / 2),
            Some((mean, deviation)) => (
                (7 * mean + trip) / 8,
                (3 * deviation + mean.abs_diff(trip)) / 4,
            ),
        });
    }

    /// Keeps the oldest first.
    fn compact(&mut self) {
        let mut kept = [None; REQUESTS];
        for (to, from) in kept.iter_mut().zip(self.requests.iter().flatten()) {
            *to = Some(*from);
        }
        self.requests = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link with a round trip and one block in `lose` lost; the milliseconds that `count` blocks
    /// take, and the requests.
    fn transfer(count: u32, trip: u64, lose: u64, seed: u64) -> (u64, u32) {
        let mut window = Window::new();
        let mut have = vec![false; count as usize];
        let (mut now, mut requests, mut random) = (0, 0, seed | 1);
        let mut wire: Vec<(u64, u32)> = Vec::new();
        while have.iter().any(|h| !h) {
            now += 5;
            assert!(now < 3_600_000, "stands still");
            while let Some(at) = wire.iter().position(|(then, _)| *then <= now) {
                let (_, block) = wire.remove(at);
                if !std::mem::replace(&mut have[block as usize], true) {
                    window.arrived(block, now);
                }
            }
            window.expire(now);
            assert!(window.size() >= 1 && window.size() <= MAX_WINDOW);
            while let Some((first, bits)) = window.next(count, |b| !have[b as usize]) {
                window.asked(first, bits, now);
                requests += 1;
                assert!(bits != 0 && window.under_way() <= window.size());
                for k in (0..SPAN).filter(|k| bits >> k & 1 == 1) {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    if lose == 0 || !(random >> 20).is_multiple_of(lose) {
                        wire.push((now + trip, first + k));
                    }
                }
            }
        }
        (now, requests)
    }

    #[test]
    fn a_long_round_trip_is_filled() {
        // 128 blocks are 512 KiB: 120 KB/s and more at 100 ms, and still at 300 ms.
        for (trip, least) in [(20, 1_000), (100, 300), (300, 120)] {
            let (ms, requests) = transfer(128, trip, 0, 1);
            let rate = 512 * 1024 / ms;
            assert!(rate >= least, "{trip} ms: {rate} KB/s");
            assert!(requests < 40, "{requests}");
        }
    }

    #[test]
    fn losses_are_made_good_and_shrink_the_window() {
        for seed in 1..=20 {
            for lose in [100, 20, 5] {
                let (ms, _) = transfer(128, 100, lose, seed);
                let limit = if lose == 5 { 60_000 } else { 25_000 };
                assert!(ms < limit, "1 in {lose}: {ms} ms");
            }
        }
    }

    #[test]
    fn a_loss_halves_once_a_round_trip_and_silence_backs_off() {
        let mut window = Window::new();
        for block in 0..8 {
            window.asked(block, 1, u64::from(block) * 1000);
            window.arrived(block, u64::from(block) * 1000 + 100);
        }
        let size = window.size();
        assert_eq!(size, FIRST_WINDOW + 8);
        let before = window.patience();
        window.asked(8, 0b11, 10_000);
        window.asked(10, 0b11, 10_000);
        assert!(before < MIN_SILENCE && !window.expire(10_000 + MIN_SILENCE - 1));
        assert!(window.expire(10_000 + MIN_SILENCE));
        assert_eq!((window.size(), window.silences()), (size / 2, 1));
        assert_eq!(window.patience(), 2 * before);
        window.arrived(8, 11_600);
        assert_eq!(window.silences(), 0, "late, but alive");
        for n in 0..40 {
            window.asked(20, 1, 20_000 + n * 20_000);
            assert!(window.expire(20_000 + n * 20_000 + MAX_PATIENCE));
        }
        assert_eq!((window.size(), window.patience()), (1, MAX_PATIENCE));
    }

    /// A connection of TCP over a link that loses frames: what follows a lost one waits for it.
    struct Tcp {
        trip: u64,
        /// Frames in 1,000.
        lose: u64,
        random: u64,
        /// When each frame was there, milliseconds, and when the line is free.
        there: Vec<u64>,
        free: u64,
    }

    impl Tcp {
        fn new(trip: u64, lose: u64, seed: u64) -> Tcp {
            let (random, there) = (seed << 20 | 1, Vec::new());
            Tcp {
                trip,
                lose,
                random,
                there,
                free: 0,
            }
        }

        /// When a frame is there that is written `now`, with `behind` frames after it: three of them
        /// have it repeated at once, else it takes a second, and twice that the next time. Twelve
        /// frames are under way at most, one a millisecond.
        fn carry(&mut self, now: u64, behind: usize) -> u64 {
            let seen = self.there.iter().rev().nth(11);
            let acknowledged = seen.map_or(0, |t| t + self.trip / 2);
            let sent = now.max(self.free).max(acknowledged) + 1;
            self.free = sent;
            let (mut there, mut timeout, mut fast) = (sent + self.trip / 2, 1000, behind >= 3);
            loop {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                if (self.random >> 20) % 1000 >= self.lose {
                    break;
                }
                there += if std::mem::take(&mut fast) {
                    self.trip
                } else {
                    timeout *= 2;
                    timeout / 2
                };
            }
            let there = there.max(self.there.last().copied().unwrap_or(0));
            self.there.push(there);
            there
        }
    }

    /// Milliseconds that `count` blocks of three frames take, and the blocks that were sent.
    fn over_tcp(count: u32, trip: u64, lose: u64, seed: u64) -> (u64, u32) {
        let mut window = Window::new();
        let mut have = vec![false; count as usize];
        let (mut up, mut down) = (
            Tcp::new(trip, lose, seed),
            Tcp::new(trip, lose, seed + 1000),
        );
        let (mut now, mut sent, mut wire) = (0, 0, Vec::new());
        while have.iter().any(|h| !h) {
            now += 5;
            while let Some((_, block)) = wire.first().filter(|(then, _)| *then <= now) {
                if !std::mem::replace(&mut have[*block as usize], true) {
                    window.arrived(*block, now);
                }
                wire.remove(0);
            }
            window.expire(now);
            while let Some((first, bits)) = window.next(count, |b| !have[b as usize]) {
                window.asked(first, bits, now);
                let heard = up.carry(now, 0);
                let mut frames = bits.count_ones() as usize * 3;
                for k in (0..SPAN).filter(|k| bits >> k & 1 == 1) {
                    frames -= 3;
                    let [_, _, there] = [2, 1, 0].map(|n| down.carry(heard, frames + n));
                    wire.push((there, first + k));
                    sent += 1;
                }
            }
        }
        (now, sent)
    }

    /// TCP loses no block: whatever is asked for again meanwhile comes twice.
    #[test]
    fn what_tcp_holds_back_is_not_asked_for_again() {
        for (trip, least) in [(0, 80), (20, 80), (100, 50), (300, 25)] {
            for lose in [10, 50] {
                let runs: Vec<_> = (1..=40).map(|s| over_tcp(64, trip, lose, s)).collect();
                let ms: u64 = runs.iter().map(|r| r.0).sum();
                let again = runs.iter().map(|r| r.1).sum::<u32>() - 40 * 64;
                let rate = 40 * 256 * 1024 / ms;
                println!("{trip} ms, {lose}/1000: {rate} KB/s, {again} of 2560 twice");
                assert!(rate >= least, "{trip} ms, {lose}/1000: {rate} KB/s");
                assert!(again <= 100, "{trip} ms, {lose}/1000: {again} of 2560");
            }
        }
    }

    #[test]
    fn a_block_under_way_is_not_asked_for_twice() {
        let mut window = Window::new();
        let (first, bits) = window.next(100, |_| true).unwrap();
        assert_eq!((first, bits), (0, 0b1111));
        window.asked(first, bits, 0);
        assert_eq!(window.next(100, |_| true), None);
        window.arrived(1, 50);
        window.arrived(3, 50);
        // 0 and 2 are under way.
        assert_eq!(window.next(100, |b| b != 1 && b != 3), Some((4, 0b1111)));
    }
}

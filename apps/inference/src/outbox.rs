//! Labels on their way to the broker: the newest few, one under way at a time.
//!
//! Owns what is kept while the broker is away and what is given up. Does not own time beyond the
//! pause after a failed attempt, nor the connection.

use crate::Label;
use heapless::Deque;

/// Labels that wait; when one more comes, the oldest goes.
pub const WAITING: usize = 4;
/// Pause after an attempt that failed, milliseconds.
const PAUSE_MS: u64 = 1_000;
/// After this an attempt without an answer counts as failed, milliseconds.
const ANSWER_MS: u64 = 30_000;

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has it.
    Done,
    /// Not now: kept, and tried again.
    Later,
    /// Never: given up.
    Refused,
}

/// The queue.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    waiting: Deque<Label, WAITING>,
    /// The number of the attempt for the first one, and when it began.
    under_way: Option<(u32, u64)>,
    not_before: u64,
}

impl Outbox {
    /// Nothing waits.
    pub const fn new() -> Self {
        Outbox {
            waiting: Deque::new(),
            under_way: None,
            not_before: 0,
        }
    }

    /// Adds a label; the one that had to make room, if any.
    pub fn push(&mut self, label: Label) -> Option<Label> {
        let mut gone = None;
        if self.waiting.is_full() {
            gone = self.waiting.pop_front();
            // Its answer, should it come, is nobody's.
            self.under_way = None;
        }
        // There is room now.
        let _ = self.waiting.push_back(label);
        gone
    }

    /// The label to publish now, if one waits and none is under way.
    pub fn next(&mut self, now: u64) -> Option<Label> {
        if self
            .under_way
            .is_some_and(|(_, since)| now >= since + ANSWER_MS)
        {
            self.under_way = None;
        }
        if self.under_way.is_some() || now < self.not_before {
            return None;
        }
        self.waiting.front().copied()
    }

    /// The label that [`Outbox::next`] gave is under way under this number.
    pub fn sent(&mut self, number: u32, now: u64) {
        self.under_way = Some((number, now));
    }

    /// Answer to attempt `number`; the label that was given up, when it was.
    pub fn answered(&mut self, number: u32, outcome: Outcome, now: u64) -> Option<Label> {
        if self.under_way.is_none_or(|(ours, _)| ours != number) {
            return None;
        }
        self.under_way = None;
        match outcome {
            Outcome::Later => {
                self.not_before = now + PAUSE_MS;
                None
            }
            Outcome::Done => {
                self.waiting.pop_front();
                None
            }
            Outcome::Refused => self.waiting.pop_front(),
        }
    }

    /// The link came up (again): what was under way may be lost, and nothing needs to wait.
    pub fn link_up(&mut self) {
        self.under_way = None;
        self.not_before = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_go_in_order_and_are_kept_until_the_broker_has_them() {
        let mut outbox = Outbox::new();
        assert_eq!(outbox.next(0), None);
        outbox.push(Label::Yes);
        outbox.push(Label::No);
        assert_eq!(outbox.next(0), Some(Label::Yes));
        outbox.sent(7, 0);
        assert_eq!(outbox.next(1), None);
        assert_eq!(outbox.answered(6, Outcome::Done, 1), None);
        assert_eq!(outbox.answered(7, Outcome::Later, 1), None);
        assert_eq!(outbox.next(1_000), None);
        assert_eq!(outbox.next(1_001), Some(Label::Yes));
        outbox.sent(8, 1_001);
        // An answer that never comes.
        assert_eq!(outbox.next(31_000), None);
        assert_eq!(outbox.next(31_001), Some(Label::Yes));
        outbox.sent(9, 31_001);
        assert_eq!(outbox.answered(8, Outcome::Done, 31_002), None);
        assert_eq!(outbox.answered(9, Outcome::Done, 31_003), None);
        assert_eq!(outbox.next(31_003), Some(Label::No));
        outbox.sent(10, 31_003);
        outbox.link_up();
        assert_eq!(outbox.next(31_004), Some(Label::No));
        outbox.sent(11, 31_004);
        assert_eq!(
            outbox.answered(11, Outcome::Refused, 31_005),
            Some(Label::No)
        );
        assert_eq!(outbox.next(31_005), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut outbox = Outbox::new();
        for label in [Label::Yes, Label::Silence, Label::No, Label::Silence] {
            assert_eq!(outbox.push(label), None);
        }
        outbox.sent(1, 0);
        assert_eq!(outbox.push(Label::Unknown), Some(Label::Yes));
        // The answer for the one that left does not take the next one along.
        assert_eq!(outbox.answered(1, Outcome::Done, 1), None);
        assert_eq!(outbox.next(1), Some(Label::Silence));
    }
}

//! Keyword spotting on the device: what the speech model hears in 16 kHz PCM.
//!
//! Owns the recogniser: features of the last second, the model's scores averaged over a few
//! looks, and the decision which label holds. Does not own the samples' source (the audio ROM
//! capsule) nor the way to the broker (`mqtt-ipc`): that is `main.rs`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod audio;
mod model;
mod outbox;
pub mod player;

pub use kws_frontend::{STEP, WINDOW};

pub use outbox::{Outbox, Outcome, WAITING};

use kws_frontend::{CHANNELS, FRAMES, Frontend, quantise};

/// What the model can say, in the order of its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Nothing, or nothing that the model is sure of.
    Silence,
    /// Speech that is neither word.
    Unknown,
    /// "yes".
    Yes,
    /// "no".
    No,
}

impl Label {
    /// All labels, in the order of the model's outputs.
    pub const ALL: [Label; 4] = [Label::Silence, Label::Unknown, Label::Yes, Label::No];

    /// Plain text, as it is published.
    pub fn text(self) -> &'static str {
        match self {
            Label::Silence => "silence",
            Label::Unknown => "unknown",
            Label::Yes => "yes",
            Label::No => "no",
        }
    }
}

/// Windows from one look at the model to the next (80 ms).
const STRIDE: u32 = 4;
/// Looks that are averaged.
const LOOKS: usize = 3;
/// Mean score, of 256, above which a label holds.
const THRESHOLD: u32 = 218;
/// Looks without a sure label after which the label falls back to silence (about a second).
const RELEASE: u32 = 12;

/// Hears windows, says labels.
#[derive(Debug, Clone)]
pub struct Recogniser {
    frontend: Frontend,
    /// Features of the last [`FRAMES`] windows, oldest first.
    features: [[i8; CHANNELS]; FRAMES],
    windows: u32,
    /// Scores of the last looks, of 256.
    scores: [[u16; 4]; LOOKS],
    unsure: u32,
    label: Label,
}

impl Default for Recogniser {
    fn default() -> Self {
        Recogniser::new()
    }
}

impl Recogniser {
    /// A recogniser that has heard nothing.
    pub const fn new() -> Self {
        Recogniser {
            frontend: Frontend::new(),
            features: [[-128; CHANNELS]; FRAMES],
            windows: 0,
            scores: [[0; 4]; LOOKS],
            unsure: 0,
            label: Label::Silence,
        }
    }

    /// The label that holds.
    pub fn label(&self) -> Label {
        self.label
    }

    /// Hears the next window, which starts [`STEP`] samples after the one before. Returns the
    /// label when it changes.
    pub fn window(&mut self, samples: &[i16; WINDOW]) -> Option<Label> {
        self.features.copy_within(1.., 0);
        self.features[FRAMES - 1] = self.frontend.window(samples).map(quantise);
        self.windows = self.windows.wrapping_add(1);
        if !self.windows.is_multiple_of(STRIDE) {
            return None;
        }
        self.scores.copy_within(1.., 0);
        self.scores[LOOKS - 1] = model::scores(&self.features);
        self.decide()
    }

    /// Mean score of each label over the last looks, of 256.
    pub fn means(&self) -> [u32; 4] {
        core::array::from_fn(|l| {
            self.scores.iter().map(|s| u32::from(s[l])).sum::<u32>() / LOOKS as u32
        })
    }

    fn decide(&mut self) -> Option<Label> {
        let means = self.means();
        let sure = Label::ALL
            .into_iter()
            .zip(means)
            .find(|&(_, mean)| mean > THRESHOLD);
        let next = match sure {
            Some((label, _)) => {
                self.unsure = 0;
                label
            }
            None => {
                self.unsure = self.unsure.saturating_add(1);
                if self.unsure < RELEASE {
                    self.label
                } else {
                    Label::Silence
                }
            }
        };
        let changed = next != self.label;
        self.label = next;
        changed.then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_stays_silence() {
        let mut recogniser = Recogniser::new();
        for _ in 0..200 {
            assert_eq!(recogniser.window(&[0; WINDOW]), None);
        }
        assert_eq!(recogniser.label(), Label::Silence);
    }
}

//! 40-channel log-mel audio front end in fixed point, equal to the bit on host and device.
//!
//! Owns the features that the speech model was trained on: 16 kHz mono, 30 ms Hann window, 512
//! point FFT, 40 mel channels from 125 Hz to 7500 Hz, noise reduction, per-channel amplitude
//! normalisation (PCAN) and a logarithm. Only integers at run time: every table is a constant
//! that a test derives again from its formula. The figures are those of the TensorFlow Lite
//! Micro front end, against whose Python build the output is compared (tests/data).
//!
//! Does not own where samples come from, nor what is made of the features.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod fft;
mod filterbank;
mod gain;
mod log;
mod noise;
mod tables;

/// Samples a second.
pub const SAMPLE_RATE: usize = 16_000;
/// Samples in a window (30 ms).
pub const WINDOW: usize = 480;
/// Samples from one window to the next, as the model was trained (20 ms).
pub const STEP: usize = 320;
/// Features a window.
pub const CHANNELS: usize = 40;
/// Windows that the model sees at once (about one second).
pub const FRAMES: usize = 49;

/// Points of the FFT: the power of two that holds a window.
const FFT_SIZE: usize = 512;
/// Bits by which filter-bank energies exceed the spectrum's scale; shared by gain and logarithm.
const CORRECTION_BITS: u32 = 3;

/// The front end: feed it windows in order, since the noise estimate carries over.
#[derive(Debug, Clone)]
pub struct Frontend {
    noise: noise::Estimate,
}

impl Default for Frontend {
    fn default() -> Self {
        Frontend::new()
    }
}

impl Frontend {
    /// A front end that has heard nothing.
    pub const fn new() -> Self {
        Frontend {
            noise: noise::Estimate::new(),
        }
    }

    /// Forgets the noise that was heard.
    pub fn reset(&mut self) {
        *self = Frontend::new();
    }

    /// Features of one window: 16-bit PCM in, one `u16` for each channel out.
    pub fn window(&mut self, samples: &[i16; WINDOW]) -> [u16; CHANNELS] {
        let mut frame = [0i16; FFT_SIZE];
        let mut peak = 0u16;
        for ((out, &sample), &coefficient) in frame.iter_mut().zip(samples).zip(&tables::HANN) {
            *out = ((i32::from(sample) * i32::from(coefficient)) >> 12) as i16;
            peak = peak.max(out.unsigned_abs());
        }
        // Use all 15 bits of the FFT's input, and take the shift back after the square root.
        let shift = peak
            .checked_ilog2()
            .map_or(15, |top| 14u32.saturating_sub(top));
        for sample in &mut frame {
            *sample = ((*sample as u16) << shift) as i16;
        }
        let spectrum = fft::real(&frame);
        let mut channels = filterbank::magnitudes(&spectrum, shift);
        self.noise.subtract(&mut channels);
        gain::normalise(&mut channels, self.noise.channels());
        log::scale(&channels)
    }
}

/// What the model takes for a feature: an 8-bit integer (crates.md §12 of the project's notes).
pub fn quantise(feature: u16) -> i8 {
    let scaled = (u32::from(feature) * 256 + 333) / 666;
    (scaled as i32 - 128).clamp(-128, 127) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of `samples`, `step` apart.
    fn run(samples: &[i16], step: usize) -> Vec<[u16; CHANNELS]> {
        let mut frontend = Frontend::new();
        let mut out = Vec::new();
        let mut at = 0;
        while let Some(window) = samples.get(at..at + WINDOW) {
            out.push(frontend.window(window.try_into().unwrap()));
            at += step;
        }
        out
    }

    fn words(bytes: &[u8]) -> Vec<u16> {
        bytes
            .chunks_exact(2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
            .collect()
    }

    /// Output of PyPI `pymicro-features` for the same samples, at its own step of 10 ms.
    #[test]
    fn equals_the_reference_front_end() {
        let samples: Vec<i16> = words(include_bytes!("../tests/data/signal.pcm"))
            .into_iter()
            .map(|w| w as i16)
            .collect();
        let expected = words(include_bytes!("../tests/data/features.u16"));
        let ours = run(&samples, SAMPLE_RATE / 100);
        assert_eq!(ours.len() * CHANNELS, expected.len());
        for (n, (ours, theirs)) in ours.iter().zip(expected.chunks_exact(CHANNELS)).enumerate() {
            assert_eq!(&ours[..], theirs, "window {n}");
        }
    }

    #[test]
    fn silence_has_no_features() {
        assert!(run(&[0; 16_000], STEP).iter().flatten().all(|&f| f == 0));
    }

    #[test]
    fn extreme_samples_do_not_overflow() {
        let mut state = 1u32;
        let mut samples = vec![i16::MIN; 8_000];
        samples.extend([i16::MAX; 8_000]);
        samples.extend((0..16_000).map(|i| if i % 2 == 0 { i16::MIN } else { i16::MAX }));
        samples.extend((0..32_000).map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as i16
        }));
        assert!(run(&samples, STEP).len() > 190);
    }

    #[test]
    fn quantisation_covers_the_range() {
        assert_eq!(
            [
                quantise(0),
                quantise(333),
                quantise(666),
                quantise(u16::MAX)
            ],
            [-128, 0, 127, 127]
        );
    }
}

//! 16 kHz PCM clips of words, spoken by espeak-ng.
//!
//! Owns speaking, resampling and level: what stands for a microphone. Does not own the audio
//! ROM's format, nor what is recognised.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use std::f64::consts::PI;
use std::process::Command;

/// Samples a second.
pub const RATE: u32 = 16_000;
/// Silence before a word (0.6 s) and after it (0.8 s), samples.
const BEFORE: usize = 9_600;
const AFTER: usize = 12_800;
/// Peak of a clip: -3 dB of full scale.
const PEAK: f64 = 32_767.0 * 0.708;

/// `word` in an espeak-ng `voice`, at -3 dB, with silence around it.
///
/// # Errors
/// When espeak-ng is missing (Debian package espeak-ng), fails, or writes no 16-bit mono WAV.
pub fn speak(voice: &str, word: &str) -> Result<Vec<i16>> {
    let output = Command::new("espeak-ng")
        .args(["-v", voice, "--stdout", word])
        // It looks for a sound server even so, whose library leaves a folder in the system's place
        // for temporary files; no folder can be made below this.
        .env("PULSE_RUNTIME_PATH", "/dev/null")
        .output()
        .context("espeak-ng does not start (Debian package espeak-ng)")?;
    if !output.status.success() {
        bail!(
            "espeak-ng -v {voice}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let wav = output.stdout;
    if wav.len() < 44 || &wav[..4] != b"RIFF" || wav[22..24] != [1, 0] || wav[34..36] != [16, 0] {
        bail!("espeak-ng -v {voice} wrote no 16-bit mono WAV");
    }
    let rate = u32::from_le_bytes([wav[24], wav[25], wav[26], wav[27]]);
    let samples: Vec<f64> = wav[44..]
        .chunks_exact(2)
        .map(|b| f64::from(i16::from_le_bytes([b[0], b[1]])))
        .collect();
    Ok(prepare(&samples, rate))
}

/// `seconds` of digital silence.
pub fn silence(seconds: f64) -> Vec<i16> {
    vec![0; (f64::from(RATE) * seconds) as usize]
}

/// `seconds` of white noise of the given peak, the same for the same seed.
pub fn noise(seconds: f64, peak: i16, seed: u32) -> Vec<i16> {
    let mut state = seed.max(1);
    (0..(f64::from(RATE) * seconds) as usize)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            ((i64::from(state as i32) * i64::from(peak)) >> 31) as i16
        })
        .collect()
}

fn prepare(samples: &[f64], rate: u32) -> Vec<i16> {
    let resampled = resample(samples, f64::from(rate) / f64::from(RATE));
    let peak = resampled.iter().fold(1.0f64, |p, s| p.max(s.abs()));
    let mut out = vec![0; BEFORE];
    out.extend(resampled.iter().map(|s| (s * PEAK / peak) as i16));
    out.extend([0; AFTER]);
    out
}

/// Windowed sinc over 64 input samples; `ratio` is input rate over output rate.
fn resample(samples: &[f64], ratio: f64) -> Vec<f64> {
    let cut = 1.0 / ratio.max(1.0);
    let tap = |x: f64| {
        let sinc = if x == 0.0 {
            1.0
        } else {
            (PI * x * cut).sin() / (PI * x * cut)
        };
        sinc * cut * (0.5 + 0.5 * (PI * x / 32.0).cos())
    };
    (0..(samples.len() as f64 / ratio) as usize)
        .map(|i| {
            let centre = i as f64 * ratio;
            let first = (centre as usize).saturating_sub(31);
            let last = (centre as usize + 32).min(samples.len().saturating_sub(1));
            (first..=last)
                .map(|k| samples[k] * tap(k as f64 - centre))
                .sum()
        })
        .collect()
}

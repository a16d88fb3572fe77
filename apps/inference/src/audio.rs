//! The audio ROM's format: a header and 16-bit PCM, played in a loop.
//!
//! Owns the format (little-endian: magic `TSA1`, sample rate u32, number of samples u32, zero
//! u32, then the samples) and its total parser. Does not own the capsule that reads the ROM.

/// Bytes before the first sample.
pub const HEADER: usize = 16;
const MAGIC: [u8; 4] = *b"TSA1";

/// Why a ROM cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// No header with the magic number: the ROM is empty.
    Empty,
    /// Another sample rate than 16 kHz.
    Rate(u32),
    /// Fewer samples than one window, or more than the ROM holds.
    Length(u32),
}

/// Number of samples in a ROM of `size` bytes that starts with `header`.
///
/// # Errors
/// What is wrong with the header.
pub fn parse(header: &[u8; HEADER], size: u32) -> Result<u32, Error> {
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if header[..4] != MAGIC {
        return Err(Error::Empty);
    }
    if word(4) != kws_frontend::SAMPLE_RATE as u32 {
        return Err(Error::Rate(word(4)));
    }
    let samples = word(8);
    let room = size.saturating_sub(HEADER as u32) / 2;
    if samples < kws_frontend::WINDOW as u32 || samples > room {
        return Err(Error::Length(samples));
    }
    Ok(samples)
}

/// The header for `samples` samples.
pub fn header(samples: u32) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&(kws_frontend::SAMPLE_RATE as u32).to_le_bytes());
    out[8..12].copy_from_slice(&samples.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_errors_are_named() {
        assert_eq!(parse(&header(1000), 1 << 20), Ok(1000));
        assert_eq!(parse(&[0xFF; HEADER], 1 << 20), Err(Error::Empty));
        assert_eq!(parse(&header(479), 1 << 20), Err(Error::Length(479)));
        assert_eq!(parse(&header(1000), 2015), Err(Error::Length(1000)));
        let mut wrong = header(1000);
        wrong[4] = 0;
        assert!(matches!(parse(&wrong, 1 << 20), Err(Error::Rate(_))));
    }
}

//! Reads windows from the audio ROM, in a loop.
//!
//! Owns the position and the window. Does not own time: the caller asks for a step each 20 ms.

use crate::audio::{self, HEADER};
use crate::{STEP, WINDOW};

/// Where samples come from.
pub trait Rom {
    /// Size, bytes; `None` without a ROM.
    fn size(&mut self) -> Option<u32>;
    /// Copies from `offset` on; whether all of `out` was filled.
    fn read(&mut self, offset: u32, out: &mut [u8]) -> bool;
}

/// Why there is nothing to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The driver gives no bytes.
    Driver,
    /// The header is wrong.
    Format(audio::Error),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Error::Driver => f.write_str("cannot be read"),
            Error::Format(audio::Error::Empty) => f.write_str("empty: no header"),
            Error::Format(audio::Error::Rate(rate)) => write!(f, "{rate} samples a second"),
            Error::Format(audio::Error::Length(n)) => write!(f, "{n} samples do not fit"),
        }
    }
}

/// The player.
#[derive(Debug, Clone)]
pub struct Player {
    samples: u32,
    next: u32,
    window: [i16; WINDOW],
}

impl Player {
    /// At the ROM's beginning, with silence before it.
    ///
    /// # Errors
    /// Why the ROM cannot be played.
    pub fn open(rom: &mut impl Rom) -> Result<Player, Error> {
        let mut header = [0; HEADER];
        let size = rom.size().ok_or(Error::Driver)?;
        if !rom.read(0, &mut header) {
            return Err(Error::Driver);
        }
        Ok(Player {
            samples: audio::parse(&header, size).map_err(Error::Format)?,
            next: 0,
            window: [0; WINDOW],
        })
    }

    /// The window that ends [`STEP`] samples after the one before; the ROM's end is followed by
    /// its beginning.
    ///
    /// # Errors
    /// [`Error::Driver`].
    pub fn step(&mut self, rom: &mut impl Rom) -> Result<&[i16; WINDOW], Error> {
        let mut bytes = [0; 2 * STEP];
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let left = (self.samples - self.next) as usize * 2;
            let (now, later) = rest.split_at_mut(left.min(rest.len()));
            if !rom.read(HEADER as u32 + 2 * self.next, now) {
                return Err(Error::Driver);
            }
            self.next = (self.next + now.len() as u32 / 2) % self.samples;
            rest = later;
        }
        self.window.copy_within(STEP.., 0);
        let fresh = &mut self.window[WINDOW - STEP..];
        for (sample, pair) in fresh.iter_mut().zip(bytes.chunks_exact(2)) {
            *sample = i16::from_le_bytes([pair[0], pair[1]]);
        }
        Ok(&self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(Vec<u8>);

    impl Rom for Fake {
        fn size(&mut self) -> Option<u32> {
            Some(self.0.len() as u32)
        }
        fn read(&mut self, offset: u32, out: &mut [u8]) -> bool {
            let bytes = self.0.get(offset as usize..).unwrap_or_default();
            let bytes = bytes.get(..out.len());
            bytes.map(|b| out.copy_from_slice(b)).is_some()
        }
    }

    #[test]
    fn windows_follow_each_other_over_the_end() {
        let samples = WINDOW as u32 + 77;
        let mut bytes = audio::header(samples).to_vec();
        bytes.extend((0..samples as i16).flat_map(i16::to_le_bytes));
        let mut rom = Fake(bytes);
        let mut player = Player::open(&mut rom).unwrap();
        let mut heard = vec![0i16; WINDOW - STEP];
        for round in 0..10 {
            let window = *player.step(&mut rom).unwrap();
            assert_eq!(
                heard[heard.len() - (WINDOW - STEP)..],
                window[..WINDOW - STEP]
            );
            heard.extend(&window[WINDOW - STEP..]);
            let last = ((round + 1) * STEP as u32 - 1) % samples;
            assert_eq!(*heard.last().unwrap() as u32, last);
        }
        rom.0.truncate(100);
        assert_eq!(player.step(&mut rom), Err(Error::Driver));
        assert_eq!(
            Player::open(&mut rom).unwrap_err(),
            Error::Format(audio::Error::Length(samples))
        );
        rom.0.truncate(3);
        assert_eq!(Player::open(&mut rom).unwrap_err(), Error::Driver);
    }
}

//! What the loader tells the console, as it happens.
//!
//! Owns the wording; a board prints `loader: ` and the event. Tests and tools match these lines.

use crate::{Algorithm, Refusal};
use core::fmt;
use mcuboot_image::{ImageVersion, SwapType};

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A swap starts.
    SwapBegin { image: usize, swap: SwapType },
    /// A swap that power interrupted goes on.
    SwapResume { image: usize, swap: SwapType },
    /// A swap is complete.
    SwapEnd { image: usize, swap: SwapType },
    /// A pending image is refused and erased; the present one stays.
    UpdateRefused { image: usize, why: Refusal },
    /// An update waits: `image` needs `other` at `minimum`, and would find `found`.
    DependencyUnmet {
        image: usize,
        other: usize,
        minimum: ImageVersion,
        found: ImageVersion,
    },
    /// An update waits: it was requested together with the other image's, which is not there.
    HalfOfPair { image: usize },
    /// An image will run.
    Verified {
        image: usize,
        version: ImageVersion,
        algorithm: Algorithm,
    },
    /// An image may not run, hence none may.
    Refused { image: usize, why: Refusal },
}

/// Receives events.
pub trait Observer {
    /// Called as each thing happens.
    fn event(&mut self, event: Event);
}

impl<T: FnMut(Event)> Observer for T {
    fn event(&mut self, event: Event) {
        self(event);
    }
}

/// `secure` or `non-secure`.
pub(crate) fn world(image: usize) -> &'static str {
    if image == 0 { "secure" } else { "non-secure" }
}

fn word(swap: SwapType) -> &'static str {
    match swap {
        SwapType::None => "none",
        SwapType::Test => "test",
        SwapType::Permanent => "permanent",
        SwapType::Revert => "revert",
    }
}

impl Event {
    /// Gives the line piece by piece. The loader's console takes it from here: `core::fmt` would
    /// cost 3 KiB of flash.
    pub fn spell(&self, put: &mut dyn FnMut(&str)) {
        match *self {
            Event::SwapBegin { image, swap } => swap_line(put, image, " swap begin (", swap),
            Event::SwapResume { image, swap } => swap_line(put, image, " swap resume (", swap),
            Event::SwapEnd { image, .. } => {
                put("image ");
                decimal(image as u32, put);
                put(" swap end");
            }
            Event::UpdateRefused { image, why } => {
                put(world(image));
                put(" update refused: ");
                why.spell(put);
            }
            Event::DependencyUnmet {
                image,
                other,
                minimum,
                found,
            } => {
                put("update held back: ");
                put(world(image));
                put(" image needs ");
                put(world(other));
                put(" image ");
                spell_version(&minimum, put);
                put(", finds ");
                spell_version(&found, put);
            }
            Event::HalfOfPair { image } => {
                put("update held back: ");
                put(world(image));
                put(" image is half of a pair");
            }
            Event::Verified {
                image,
                version,
                algorithm,
            } => {
                put(world(image));
                put(" image ");
                spell_version(&version, put);
                put(" verified (");
                put(algorithm.name());
                put(")");
            }
            Event::Refused { image, why } => {
                put(world(image));
                put(" image refused: ");
                why.spell(put);
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spelled(f, |put| self.spell(put))
    }
}

fn swap_line(put: &mut dyn FnMut(&str), image: usize, what: &str, swap: SwapType) {
    put("image ");
    decimal(image as u32, put);
    put(what);
    put(word(swap));
    put(")");
}

fn spell_version(version: &ImageVersion, put: &mut dyn FnMut(&str)) {
    decimal(version.major.into(), put);
    put(".");
    decimal(version.minor.into(), put);
    put(".");
    decimal(version.revision.into(), put);
    put("+");
    decimal(version.build, put);
}

/// A number in decimal.
pub(crate) fn decimal(number: u32, put: &mut dyn FnMut(&str)) {
    let mut digits = [0u8; 10];
    let mut rest = number;
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        first = at;
        if rest == 0 {
            break;
        }
    }
    // Digits are ASCII.
    put(digits
        .get(first..)
        .and_then(|d| core::str::from_utf8(d).ok())
        .unwrap_or(""));
}

/// A Display from pieces.
pub(crate) fn spelled(
    f: &mut fmt::Formatter<'_>,
    spell: impl FnOnce(&mut dyn FnMut(&str)),
) -> fmt::Result {
    let mut result = Ok(());
    spell(&mut |piece| {
        if result.is_ok() {
            result = f.write_str(piece);
        }
    });
    result
}

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

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Event::SwapBegin { image, swap } => {
                write!(f, "image {image} swap begin ({})", word(swap))
            }
            Event::SwapResume { image, swap } => {
                write!(f, "image {image} swap resume ({})", word(swap))
            }
            Event::SwapEnd { image, .. } => write!(f, "image {image} swap end"),
            Event::UpdateRefused { image, why } => {
                write!(f, "{} update refused: {why}", world(image))
            }
            Event::DependencyUnmet {
                image,
                other,
                minimum,
                found,
            } => write!(
                f,
                "update held back: {} image needs {} image {minimum}, finds {found}",
                world(image),
                world(other)
            ),
            Event::Verified {
                image,
                version,
                algorithm,
            } => write!(f, "{} image {version} verified ({algorithm})", world(image)),
            Event::Refused { image, why } => {
                write!(f, "{} image refused: {why}", world(image))
            }
        }
    }
}

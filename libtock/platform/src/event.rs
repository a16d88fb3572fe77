//! A flag that an upcall raises and the main loop takes.
//!
//! Owns [`Event`]: the one thing that may be a plain `static` and an upcall at once, which is
//! what an event loop over several drivers wants.

use crate::subscribe::{AnyId, Upcall};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Raised by an upcall; remembers the arguments of the last one.
#[derive(Debug, Default)]
pub struct Event {
    raised: AtomicBool,
    arguments: [AtomicU32; 3],
}

impl Event {
    /// Not raised.
    pub const fn new() -> Self {
        Event {
            raised: AtomicBool::new(false),
            arguments: [const { AtomicU32::new(0) }; 3],
        }
    }

    /// Is it raised?
    pub fn is_raised(&self) -> bool {
        self.raised.load(Relaxed)
    }

    /// Lowers it; the last upcall's arguments if it was raised.
    pub fn take(&self) -> Option<(u32, u32, u32)> {
        // One thread: an upcall runs only inside a yield, so load and store need no exchange.
        if !self.raised.load(Relaxed) {
            return None;
        }
        self.raised.store(false, Relaxed);
        let [a, b, c] = &self.arguments;
        Some((a.load(Relaxed), b.load(Relaxed), c.load(Relaxed)))
    }
}

impl Upcall<AnyId> for Event {
    fn upcall(&self, arg0: u32, arg1: u32, arg2: u32) {
        let [a, b, c] = &self.arguments;
        a.store(arg0, Relaxed);
        b.store(arg1, Relaxed);
        c.store(arg2, Relaxed);
        self.raised.store(true, Relaxed);
    }
}

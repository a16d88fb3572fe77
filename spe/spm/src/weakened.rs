//! Switches that turn single defences of the secure image off, for the negative controls of
//! `tests/hostile` alone.
//!
//! Owns which defences can be turned off. With feature `weakened` the board reads a word at boot
//! and leaves it here; without it, [`off`] is `false` at compile time, and neither the word nor
//! the code behind it exists (`cargo xtask audit` looks for the symbol in release images).

/// A defence, by its bit in the switch word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Defence {
    /// The SAU calls secure what the map calls secure.
    Sau = 1 << 0,
    /// The memory controllers let the other world have its own blocks only.
    Mpc = 1 << 1,
    /// The peripheral controllers let the other world have its own devices only.
    Ppc = 1 << 2,
    /// A process at a veneer is faulted.
    VeneerPrivilege = 1 << 3,
    /// PSA functions are for thread mode.
    VeneerMode = 1 << 4,
    /// Client ids are selected in handler mode.
    ClientMode = 1 << 5,
    /// Vectors lie in memory that the caller may access.
    VectorRange = 1 << 6,
    /// A descriptor is copied once, and then looked at.
    CopyOnce = 1 << 7,
    /// A service sees who calls.
    ClientId = 1 << 8,
    /// A key leaves only when its policy says so.
    KeyPolicy = 1 << 9,
    /// A secure fault of a process is the kernel's to deal with.
    FaultForward = 1 << 10,
    /// Secure stacks end in a seal.
    StackSeal = 1 << 11,
}

/// The word as the board read it. Its name is what the audit looks for.
#[cfg(feature = "weakened")]
pub static TOCKSTONE_WEAKENED_SECURE: core::sync::atomic::AtomicU32 =
    core::sync::atomic::AtomicU32::new(0);

/// Whether this defence is turned off.
#[cfg(feature = "weakened")]
#[inline]
pub fn off(defence: Defence) -> bool {
    let word = TOCKSTONE_WEAKENED_SECURE.load(core::sync::atomic::Ordering::Relaxed);
    word & defence as u32 != 0
}

/// Whether this defence is turned off: never.
#[cfg(not(feature = "weakened"))]
#[inline(always)]
pub const fn off(_defence: Defence) -> bool {
    false
}

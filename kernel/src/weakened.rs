//! Switches that turn single defences off, for the negative controls of `tests/hostile` alone.
//!
//! Owns which defences can be turned off. With feature `weakened` the board reads a word at boot
//! and leaves it here; without it, [`off`] is `false` at compile time, and neither the word nor
//! the code behind it exists (`cargo xtask audit` looks for the symbol in release images).

/// A defence, by its bit in the switch word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Defence {
    /// The memory protection unit is on.
    Mpu = 1 << 0,
    /// A process is entered unprivileged.
    Unprivileged = 1 << 1,
    /// A process's RAM is never executed.
    RamNeverExecuted = 1 << 2,
    /// A process's flash is never written.
    FlashReadOnly = 1 << 3,
    /// What a process lends, or has the kernel write to, is its own memory.
    BufferRange = 1 << 4,
    /// An upcall is a function of the process's own.
    UpcallRange = 1 << 5,
    /// The stack pointer of a process that calls lies in its own memory.
    StackRange = 1 << 6,
    /// The break stays between what is lent and what the kernel keeps.
    BreakRange = 1 << 7,
    /// A process runs for a slice at a time.
    TimeSlice = 1 << 8,
    /// A timer interrupt that was taken from a process returns to the kernel.
    InterruptReturn = 1 << 9,
    /// One application runs once.
    UniqueShortId = 1 << 10,
    /// A credential counts only when its signature is good.
    Credential = 1 << 11,
    /// Floating point and vectors are off.
    Coprocessor = 1 << 12,
    /// No process is entered for the last moments of its slice.
    SliceFloor = 1 << 13,
    /// A timer interrupt that landed in secure code returns there.
    SecureReturn = 1 << 14,
    /// A process writes what it declares of its own flash, and nothing else.
    WriteableFlash = 1 << 15,
}

/// The word as the board read it. Its name is what the audit looks for.
#[cfg(feature = "weakened")]
#[unsafe(no_mangle)]
pub static TOCKSTONE_WEAKENED: core::sync::atomic::AtomicU32 =
    core::sync::atomic::AtomicU32::new(0);

/// Whether this defence is turned off.
#[cfg(feature = "weakened")]
#[inline]
pub fn off(defence: Defence) -> bool {
    let word = TOCKSTONE_WEAKENED.load(core::sync::atomic::Ordering::Relaxed);
    word & defence as u32 != 0
}

/// Whether this defence is turned off: never.
#[cfg(not(feature = "weakened"))]
#[inline(always)]
pub const fn off(_defence: Defence) -> bool {
    false
}

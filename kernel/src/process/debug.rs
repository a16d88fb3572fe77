//! How much a process keeps about itself for people, as a type (upstream's; boards name it).
//!
//! Ours always keep the same: system calls, lost upcalls, used up slices, stack and heap marks.

/// Chooses what is kept.
pub trait ProcessStandardDebug: Default {}

/// As little as possible.
impl ProcessStandardDebug for () {}

/// Everything.
#[derive(Default)]
pub struct ProcessStandardDebugFull;
impl ProcessStandardDebug for ProcessStandardDebugFull {}

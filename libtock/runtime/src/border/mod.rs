//! The machine side of a process: the crate's only `unsafe`.
//!
//! Owns the `svc` instruction ([`syscalls`]), the entry code ([`start`]) and the allocator
//! ([`heap`]).

#[cfg(feature = "attack")]
pub mod attack;
#[cfg(all(feature = "attack", target_os = "none"))]
pub mod forge;
#[cfg(target_os = "none")]
pub mod heap;
#[cfg(target_os = "none")]
pub mod start;
pub mod syscalls;

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// The bytes of the stack; placed and reached by the linker script and the entry code only.
#[repr(C, align(16))]
pub struct StackMemory<const N: usize>(UnsafeCell<MaybeUninit<[u8; N]>>);

impl<const N: usize> Default for StackMemory<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> StackMemory<N> {
    /// Uninitialised.
    pub const fn new() -> Self {
        StackMemory(UnsafeCell::new(MaybeUninit::uninit()))
    }
}

// SAFETY: the field is private and no method reaches it.
unsafe impl<const N: usize> Sync for StackMemory<N> {}

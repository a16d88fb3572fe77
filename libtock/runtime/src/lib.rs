//! Tock userspace runtime: start code, raw syscalls, linker layout.
//!
//! Owns what a process needs around `main`: [`TockSyscalls`] (the `svc` instruction), the entry
//! code and its header, [`set_main!`], [`stack_size!`] and [`heap!`]. The linker script itself is
//! in `libtock_build_scripts`, the panic handler in `libtock_small_panic`/`libtock_debug_panic`.
//!
//! Invariant: all `unsafe` is in [`mod@border`]. On any target but a bare-metal one there is no
//! kernel: the crate compiles, so that apps' logic tests on the host, and a system call panics.
#![no_std]
#![warn(missing_docs)]

// Linked for its memcpy and memset.
#[cfg(target_os = "none")]
use symmetric as _;

#[doc(hidden)]
pub mod border;

#[cfg(feature = "attack")]
pub use border::attack;
#[cfg(all(feature = "attack", target_os = "none"))]
pub use border::forge;
#[cfg(target_os = "none")]
pub use border::heap::{self, HeapStats};
pub use border::syscalls::TockSyscalls;

#[doc(hidden)]
pub use libtock_platform as platform;

/// Names the function that runs first: `set_main! { main }`, with `fn main() -> T` where `T`
/// is a [`libtock_platform::Termination`].
#[macro_export]
macro_rules! set_main {
    {$name:ident} => {
        #[unsafe(no_mangle)]
        fn libtock_unsafe_main() -> ! {
            $crate::platform::Termination::complete::<$crate::TockSyscalls>($name())
        }
    };
}

/// Reserves the stack: `stack_size! { 0x1000 }`, in bytes. It is the lowest memory of the
/// process, so an overflow faults instead of overwriting data.
#[macro_export]
macro_rules! stack_size {
    {$size:expr} => {
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".stack_buffer")]
        pub static STACK_MEMORY: $crate::border::StackMemory<{ $size }> =
            $crate::border::StackMemory::new();
    };
}

/// Gives the process a heap: `heap! { 48 * 1024 }`, in bytes; `alloc` works after that. Usage and
/// peak: [`heap::stats`].
#[macro_export]
macro_rules! heap {
    {$size:expr} => {
        #[unsafe(link_section = ".heap")]
        static LIBTOCK_HEAP_MEMORY: $crate::heap::HeapMemory<{ $size }> =
            $crate::heap::HeapMemory::new();
        #[global_allocator]
        static LIBTOCK_HEAP: $crate::heap::Heap =
            $crate::heap::Heap::new(&LIBTOCK_HEAP_MEMORY);
    };
}

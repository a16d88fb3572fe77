//! The typed system calls.
//!
//! Owns the signatures; [`crate::border`] implements them for every [`RawSyscalls`].

use crate::share::Handle;
use crate::subscribe::{self, SupportsId};
use crate::{
    AllowRo, AllowRw, CommandReturn, ErrorCode, RawSyscalls, Subscribe, Upcall, YieldNoWaitReturn,
    allow_ro, allow_rw,
};

/// System calls of a process. Implemented for every [`RawSyscalls`].
pub trait Syscalls: RawSyscalls + Sized {
    /// Runs one queued upcall if there is one; returns at once.
    fn yield_no_wait() -> YieldNoWaitReturn;

    /// Sleeps until an upcall has run.
    fn yield_wait();

    /// Sleeps until an event of this subscribe number is there and returns its three words; runs
    /// no upcall, and needs none to be registered. Not for IPC, which has no such numbers.
    fn yield_wait_for(driver_num: u32, subscribe_num: u32) -> (u32, u32, u32);

    /// Registers `upcall` until the handle's scope ends.
    ///
    /// # Errors
    /// `NoDevice`, `NoSupport` (no such number), `NoMem` (no grant), `Invalid`.
    fn subscribe<
        'share,
        IDS: SupportsId<DRIVER_NUM, SUBSCRIBE_NUM>,
        U: Upcall<IDS>,
        CONFIG: subscribe::Config,
        const DRIVER_NUM: u32,
        const SUBSCRIBE_NUM: u32,
    >(
        handle: Handle<'_, Subscribe<'share, Self, DRIVER_NUM, SUBSCRIBE_NUM>>,
        upcall: &'share U,
    ) -> Result<(), ErrorCode>;

    /// Registers an upcall that lives for ever; the subscribe number may be computed (IPC).
    ///
    /// # Errors
    /// As [`Syscalls::subscribe`].
    fn subscribe_static<IDS, U: Upcall<IDS>>(
        driver_num: u32,
        subscribe_num: u32,
        upcall: &'static U,
    ) -> Result<(), ErrorCode>;

    /// Removes an upcall, and its queued events.
    fn unsubscribe(driver_num: u32, subscribe_num: u32);

    /// Asks a driver for something. Command 0 asks whether it exists.
    fn command(driver_num: u32, command_num: u32, arg0: u32, arg1: u32) -> CommandReturn;

    /// Lends a buffer that the kernel may write until the handle's scope ends.
    ///
    /// # Errors
    /// `NoDevice`, `NoSupport` (no such number), `NoMem` (no grant), `Invalid`.
    fn allow_rw<'share, CONFIG: allow_rw::Config, const DRIVER_NUM: u32, const BUFFER_NUM: u32>(
        handle: Handle<'_, AllowRw<'share, Self, DRIVER_NUM, BUFFER_NUM>>,
        buffer: &'share mut [u8],
    ) -> Result<(), ErrorCode>;

    /// Takes a read-write buffer back.
    fn unallow_rw(driver_num: u32, buffer_num: u32);

    /// Lends a buffer that the kernel may read until the handle's scope ends.
    ///
    /// # Errors
    /// As [`Syscalls::allow_rw`].
    fn allow_ro<'share, CONFIG: allow_ro::Config, const DRIVER_NUM: u32, const BUFFER_NUM: u32>(
        handle: Handle<'_, AllowRo<'share, Self, DRIVER_NUM, BUFFER_NUM>>,
        buffer: &'share [u8],
    ) -> Result<(), ErrorCode>;

    /// Takes a read-only buffer back.
    fn unallow_ro(driver_num: u32, buffer_num: u32);

    /// Sets the end of the process's memory (memop 0).
    ///
    /// # Safety
    /// Nothing above `new_break` is in use.
    ///
    /// # Errors
    /// `NoMem`.
    unsafe fn memop_brk(new_break: *const u8) -> Result<(), ErrorCode>;

    /// Moves the end of the process's memory (memop 1); the former end.
    ///
    /// # Safety
    /// A negative `increment` gives nothing away that is in use.
    ///
    /// # Errors
    /// `NoMem`.
    unsafe fn memop_sbrk(increment: i32) -> Result<*const u8, ErrorCode>;

    /// Grows the process's memory by `increment` bytes; the former end.
    ///
    /// # Errors
    /// `NoMem`, also for more than 2 GiB.
    fn memop_increment_brk(increment: u32) -> Result<*const u8, ErrorCode>;

    /// First byte of the process's RAM (memop 2).
    ///
    /// # Errors
    /// What the kernel says.
    fn memop_app_ram_start() -> Result<*const u8, ErrorCode>;

    /// One of the read-only memops that take no argument: 2 RAM start, 3 RAM end, 4 flash start,
    /// 5 flash end, 6 lowest grant address, 7 number of writeable flash regions.
    ///
    /// # Errors
    /// `NoSupport` for another number.
    fn memop_query(operation: u32) -> Result<u32, ErrorCode>;

    /// Tells the kernel where the stack starts, for its fault report (memop 10).
    ///
    /// # Errors
    /// What the kernel says.
    fn memop_debug_stack_start(stack_top: *const u8) -> Result<(), ErrorCode>;

    /// Tells the kernel where the heap starts, for its fault report (memop 11).
    ///
    /// # Errors
    /// What the kernel says.
    fn memop_debug_heap_start(heap_start: *const u8) -> Result<(), ErrorCode>;

    /// Ends the process with a completion code.
    fn exit_terminate(exit_code: u32) -> !;

    /// Ends the process and starts it anew.
    fn exit_restart(exit_code: u32) -> !;
}

//! The chip: its interrupts, MPU, sleep and boundary to userspace.

use super::mpu::MPU;
use crate::syscall::UserspaceKernelBoundary;
use crate::utilities::io_write::IoWrite;
use core::fmt::Write;

/// Names the running thread, so that single-threaded values can be checked.
///
/// # Safety
/// Two threads of execution never get the same number.
pub unsafe trait ThreadIdProvider {
    /// This thread's number.
    fn running_thread_id() -> usize;
}

/// A microcontroller.
pub trait Chip {
    /// Its memory protection.
    type MPU: MPU;
    /// Its thread numbers.
    type ThreadIdProvider: ThreadIdProvider;
    /// How it enters and leaves processes.
    type UserspaceKernelBoundary: UserspaceKernelBoundary;

    /// Early set-up.
    fn init() {}
    /// Runs the bottom half of every pending interrupt.
    fn service_pending_interrupts(&self);
    /// Whether one waits.
    fn has_pending_interrupts(&self) -> bool;
    /// Memory protection.
    fn mpu(&self) -> &Self::MPU;
    /// The boundary.
    fn userspace_kernel_boundary(&self) -> &Self::UserspaceKernelBoundary;
    /// Waits for an interrupt; called with interrupts masked.
    fn sleep(&self);
    /// Runs `f` with interrupts masked.
    fn with_interrupts_disabled<F: FnOnce() -> R, R>(&self, f: F) -> R;
    /// Prints registers that explain a crash.
    ///
    /// # Safety
    /// Only while nothing else runs.
    unsafe fn print_state(this: Option<&Self>, writer: &mut dyn Write)
    where
        Self: Sized;
}

/// Runs bottom halves.
pub trait InterruptService {
    /// Handles `interrupt`; false when it is not ours.
    fn service_interrupt(&self, interrupt: u32) -> bool;
}

/// A clock gate.
pub trait ClockInterface {
    /// Whether it runs.
    fn is_enabled(&self) -> bool;
    /// Starts it.
    fn enable(&self);
    /// Stops it.
    fn disable(&self);
}

/// No gate: always on.
pub struct NoClockControl {}
impl ClockInterface for NoClockControl {
    fn is_enabled(&self) -> bool {
        true
    }
    fn enable(&self) {}
    fn disable(&self) {}
}

/// Makes a synchronous writer for a panic, whatever the chip was doing.
pub trait PanicWriter {
    /// What it needs to know.
    type Config;

    /// Makes one.
    ///
    /// # Safety
    /// Only while nothing else runs: it takes over hardware that somebody may be using.
    unsafe fn create_panic_writer(config: Self::Config) -> impl IoWrite + Write;
}

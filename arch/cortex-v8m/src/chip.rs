//! The core as the kernel's chip: interrupts, MPU, boundary, sleep.

use crate::mpu::Pmsav8;
use crate::nvic::{Nvic, PRIORITY};
use crate::registers::*;
use crate::switch::Boundary;
use crate::switch::core_switch::{forget_interrupts, interrupt_waits};
use core::fmt::Write;
use kernel::platform::chip::{Chip, InterruptService, ThreadIdProvider};
use kernel::weakened::{Defence, off};

/// The kernel's one thread.
pub enum SingleThread {}

// SAFETY: capsules and kernel run in thread mode only, on one core; handlers call neither.
unsafe impl ThreadIdProvider for SingleThread {
    fn running_thread_id() -> usize {
        0
    }
}

/// A chip around this core, with these peripherals.
pub struct CoreChip<'a, I: InterruptService> {
    mpu: Pmsav8,
    boundary: Boundary,
    nvic: Nvic,
    peripherals: &'a I,
}

impl<'a, I: InterruptService> CoreChip<'a, I> {
    /// The board makes it once.
    pub const fn new(peripherals: &'a I) -> Self {
        CoreChip {
            mpu: Pmsav8::new(),
            boundary: Boundary::new(),
            nvic: Nvic::new(),
            peripherals,
        }
    }

    /// The interrupt controller.
    pub fn nvic(&self) -> &Nvic {
        &self.nvic
    }
}

/// Sets the core up: coprocessors off, faults on and above everything, the rest of one priority.
/// Before the first process.
pub fn initialize() {
    // CP10 and CP11.
    CPACR.write(if off(Defence::Coprocessor) {
        0xF << 20
    } else {
        0
    });
    SHPR1.write(0);
    SHPR2.write(PRIORITY << 24);
    SHPR3.write(PRIORITY << 24 | PRIORITY << 16);
    SHCSR.write(MEMFAULTENA | USGFAULTENA);
    barrier();
}

impl<I: InterruptService> Chip for CoreChip<'_, I> {
    type MPU = Pmsav8;
    type ThreadIdProvider = SingleThread;
    type UserspaceKernelBoundary = Boundary;

    fn service_pending_interrupts(&self) {
        forget_interrupts();
        while let Some(interrupt) = self.nvic.next_pending() {
            self.nvic.clear_pending(interrupt);
            if self.peripherals.service_interrupt(interrupt) {
                self.nvic.enable_again(interrupt);
            } else {
                // Nobody can quiet it: it must not come again.
                self.nvic.disable(interrupt);
            }
        }
    }

    #[inline]
    fn has_pending_interrupts(&self) -> bool {
        interrupt_waits()
    }

    fn mpu(&self) -> &Pmsav8 {
        &self.mpu
    }

    fn userspace_kernel_boundary(&self) -> &Boundary {
        &self.boundary
    }

    fn sleep(&self) {
        #[cfg(target_os = "none")]
        // SAFETY: waiting changes no state of the program.
        unsafe {
            core::arch::asm!("dsb", "wfi", options(nostack, preserves_flags));
        }
    }

    fn with_interrupts_disabled<F: FnOnce() -> R, R>(&self, f: F) -> R {
        #[cfg(target_os = "none")]
        // SAFETY: masking interrupts delays handlers, which touch nothing that `f` relies on.
        unsafe {
            core::arch::asm!("cpsid i", options(nostack, preserves_flags));
        }
        let r = f();
        #[cfg(target_os = "none")]
        // SAFETY: the main loop is the only user, and it runs with interrupts enabled.
        unsafe {
            core::arch::asm!("cpsie i", options(nostack, preserves_flags));
        }
        r
    }

    unsafe fn print_state(_this: Option<&Self>, w: &mut dyn Write) {
        crate::fault::print_cfsr(CFSR.read(), MMFAR.read(), 0, w);
        let _ = write!(w, " SHCSR 0x{:08x}\r\n", SHCSR.read());
    }
}

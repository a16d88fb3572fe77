//! The core's memory-mapped registers, by name.
//!
//! Armv8-M Architecture Reference Manual (DDI 0553), chapter D1. Reads and writes are safe because
//! only the addresses below can be named, all of them system registers without memory behind them;
//! what a write means for the system's safety is its caller's concern.

/// A register of the Private Peripheral Bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Register(u32);

/// SysTick control and status.
pub const SYST_CSR: Register = Register(0xE000_E010);
/// SysTick reload value.
pub const SYST_RVR: Register = Register(0xE000_E014);
/// SysTick current value.
pub const SYST_CVR: Register = Register(0xE000_E018);
const NVIC_ISER: u32 = 0xE000_E100;
const NVIC_ICER: u32 = 0xE000_E180;
const NVIC_ISPR: u32 = 0xE000_E200;
const NVIC_ICPR: u32 = 0xE000_E280;
const NVIC_IPR: u32 = 0xE000_E400;
/// Vector table offset.
pub const VTOR: Register = Register(0xE000_ED08);
/// Application interrupt and reset control.
pub const AIRCR: Register = Register(0xE000_ED0C);
/// System handler priorities: MemManage, BusFault, UsageFault.
pub const SHPR1: Register = Register(0xE000_ED18);
/// System handler priorities: SVCall.
pub const SHPR2: Register = Register(0xE000_ED1C);
/// System handler priorities: PendSV, SysTick.
pub const SHPR3: Register = Register(0xE000_ED20);
/// System handler control and state.
pub const SHCSR: Register = Register(0xE000_ED24);
/// Configurable fault status.
pub const CFSR: Register = Register(0xE000_ED28);
/// MemManage fault address.
pub const MMFAR: Register = Register(0xE000_ED34);
/// Coprocessor access control.
pub const CPACR: Register = Register(0xE000_ED88);
/// MPU type.
pub const MPU_TYPE: Register = Register(0xE000_ED90);
/// MPU control.
pub const MPU_CTRL: Register = Register(0xE000_ED94);
/// MPU region number.
pub const MPU_RNR: Register = Register(0xE000_ED98);
const MPU_RBAR: u32 = 0xE000_ED9C;
/// MPU memory attributes 0 to 3.
pub const MPU_MAIR0: Register = Register(0xE000_EDC0);
/// Floating-point context control.
pub const FPCCR: Register = Register(0xE000_EF34);

/// SHCSR: MemManage enabled.
pub const MEMFAULTENA: u32 = 1 << 16;
/// SHCSR: UsageFault enabled.
pub const USGFAULTENA: u32 = 1 << 18;
/// SHCSR: UsageFault pending.
pub const USGFAULTPENDED: u32 = 1 << 12;

/// Words of each NVIC bit array that are used: 128 interrupts.
pub const NVIC_WORDS: usize = 4;

macro_rules! nvic_word {
    ($(#[$doc:meta])* $name:ident, $base:ident) => {
        $(#[$doc])*
        pub const fn $name(word: usize) -> Register {
            Register($base + 4 * (word % NVIC_WORDS) as u32)
        }
    };
}
nvic_word!(
    /// Interrupt set-enable.
    iser, NVIC_ISER
);
nvic_word!(
    /// Interrupt clear-enable.
    icer, NVIC_ICER
);
nvic_word!(
    /// Interrupt set-pending.
    ispr, NVIC_ISPR
);
nvic_word!(
    /// Interrupt clear-pending.
    icpr, NVIC_ICPR
);

/// Interrupt priorities, four in a word, of 128 interrupts.
pub const fn ipr(word: usize) -> Register {
    Register(NVIC_IPR + 4 * (word % (8 * NVIC_WORDS)) as u32)
}

/// RBAR and RLAR of region `MPU_RNR & !3 | i % 4`.
pub const fn mpu_region(i: usize) -> (Register, Register) {
    let base = MPU_RBAR + 8 * (i % 4) as u32;
    (Register(base), Register(base + 4))
}

#[cfg(target_os = "none")]
impl Register {
    /// Reads it.
    #[inline(always)]
    pub fn read(self) -> u32 {
        // SAFETY: an aligned system register of the constants above.
        unsafe { (self.0 as *const u32).read_volatile() }
    }
    /// Writes it.
    #[inline(always)]
    pub fn write(self, value: u32) {
        // SAFETY: an aligned system register of the constants above; no memory changes by it.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}

/// Off the target there are no registers: everything reads 0.
#[cfg(not(target_os = "none"))]
impl Register {
    /// Reads 0.
    pub fn read(self) -> u32 {
        0
    }
    /// Does nothing.
    pub fn write(self, _value: u32) {}
}

/// Completes memory accesses and flushes the pipeline.
#[inline(always)]
pub fn barrier() {
    #[cfg(target_os = "none")]
    // SAFETY: barriers change no state of the program.
    unsafe {
        core::arch::asm!("dsb", "isb", options(nostack, preserves_flags));
    }
}

//! What the processor needs beyond safe Rust: start-up, veneers, faults, ranges of the other
//! world.
//!
//! Owns every `unsafe` of this image. The rest of the board sees safe functions only; each of
//! them may be called in any order without breaking memory safety, because the memory that they
//! touch is fixed by the map and is nobody's Rust object.

/// All flags of APSR that the processor has: GE comes with the DSP extension.
#[cfg(target_feature = "dsp")]
macro_rules! apsr {
    () => {
        "apsr_nzcvqg"
    };
}
#[cfg(not(target_feature = "dsp"))]
macro_rules! apsr {
    () => {
        "apsr_nzcvq"
    };
}
use apsr;

mod entry;
mod fault;
mod range;
mod reset;

pub use range::NonSecure;
pub use reset::{prepare, raise_walls, start_non_secure};

use crate::memory as m;
use crate::memory::{RESET_RECORD_BASE, RESET_RECORD_SIZE};
use chip::ddr_flash::DdrFlash;
use chip::polled_uart::PolledUart;
use chip::watchdog::Watchdog;
use chip::wiring::{UART_CLOCK, WATCHDOG, secure_log};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The secure log's UART.
pub fn secure_uart() -> PolledUart {
    const LOG: usize = secure_log(m::CONSOLE_UART);
    // SAFETY: this UART belongs to the secure world and to the log alone.
    unsafe { PolledUart::new(LOG, UART_CLOCK) }
}

fn write(address: u32, value: u32) {
    // SAFETY: private to this module, and only called with the address of a device register or
    // of a word outside of every Rust object.
    unsafe { (address as *mut u32).write_volatile(value) }
}

fn read(address: u32) -> u32 {
    // SAFETY: as `write`.
    unsafe { (address as *const u32).read_volatile() }
}

fn barrier() {
    // SAFETY: barriers touch no state of the program.
    unsafe { core::arch::asm!("dsb", "isb", options(nostack, preserves_flags)) }
}

/// Reads the switches of a weakened image: in the last four words of the clips' flash the first
/// says whether there are any. The last two are the kernel's.
#[cfg(feature = "weakened")]
pub fn read_switches() {
    const MAGIC: u32 = u32::from_le_bytes(*b"WEAS");
    let at = m::AUDIO_ROM_BASE + m::AUDIO_ROM_SIZE - 16;
    if read(at) == MAGIC {
        spm::weakened::TOCKSTONE_WEAKENED_SECURE.store(read(at + 4), Ordering::Relaxed);
    }
}

/// Leaves bytes for the loader to find after the reset.
pub fn write_reset_record(bytes: &[u8]) {
    let words = bytes.chunks_exact(4).take(RESET_RECORD_SIZE as usize / 4);
    for (i, chunk) in words.enumerate() {
        if let [a, b, c, d] = *chunk {
            let word = u32::from_le_bytes([a, b, c, d]);
            write(RESET_RECORD_BASE + 4 * i as u32, word);
        }
    }
    barrier();
}

/// Resets the system.
pub fn system_reset() -> ! {
    const AIRCR: u32 = 0xE000_ED0C;
    barrier();
    write(AIRCR, 0x05FA_0000 | reset::AIRCR_POLICY | 1 << 2);
    barrier();
    loop {
        core::hint::spin_loop();
    }
}

/// Secure flash regions of the map.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
#[cfg_attr(not(feature = "fwu"), allow(dead_code))]
pub enum FlashRegion {
    Its,
    Ps,
    Otp,
    Nv,
    Provisioning,
    SecurePrimary,
    SecureSecondary,
    NonSecurePrimary,
    NonSecureSecondary,
}

/// A region's flash; `None` the second time, so that nobody shares one.
pub fn flash(region: FlashRegion) -> Option<DdrFlash> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let bit = 1 << region as u8;
    if TAKEN.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return None;
    }
    let (base, size) = match region {
        FlashRegion::Its => (m::ITS_BASE, m::ITS_SIZE),
        FlashRegion::Ps => (m::PS_BASE, m::PS_SIZE),
        FlashRegion::Otp => (m::OTP_BASE, m::OTP_SIZE),
        FlashRegion::Nv => (m::NV_BASE, m::NV_SIZE),
        FlashRegion::Provisioning => (m::PROVISIONING_BASE, m::PROVISIONING_SIZE),
        FlashRegion::SecurePrimary => (m::S_PRIMARY_BASE, m::S_PRIMARY_SIZE),
        FlashRegion::SecureSecondary => (m::S_SECONDARY_BASE, m::S_SECONDARY_SIZE),
        FlashRegion::NonSecurePrimary => (m::NS_PRIMARY_BASE, m::NS_PRIMARY_SIZE),
        FlashRegion::NonSecureSecondary => (m::NS_SECONDARY_BASE, m::NS_SECONDARY_SIZE),
    };
    // SAFETY: the map's check proves that regions do not overlap and that these are secure; each
    // is handed out once, to this image, the only secure code that runs.
    Some(unsafe { DdrFlash::new(base as *mut u8, size, m::SECTOR) })
}

/// What the loader left for this image.
pub fn boot_data() -> &'static [u8] {
    // SAFETY: secure RAM outside of everything that is linked; the loader is gone, and nothing
    // in this image writes there.
    unsafe {
        core::slice::from_raw_parts(m::BOOT_DATA_BASE as *const u8, m::BOOT_DATA_SIZE as usize)
    }
}

/// Stops the watchdog that the loader starts for a trial.
#[cfg_attr(not(feature = "fwu"), allow(dead_code))]
pub fn stop_watchdog() {
    // SAFETY: its secure address; this world alone drives it.
    unsafe { Watchdog::new(WATCHDOG) }.stop();
}

/// Brings the services up (see `services`).
///
/// # Errors
/// One line for the log.
pub fn start_services() -> Result<(), &'static str> {
    entry::PARTITION
        .with(crate::services::Partition::start)
        .unwrap_or(Err("started twice"))
}

/// Memory for a value that is made at run time and lives for ever.
pub struct Once<T> {
    taken: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is handed out once, and to one owner; references to it exist only where that
// owner gives them, and calls are served one at a time by one processor.
unsafe impl<T> Sync for Once<T> {}

impl<T> Once<T> {
    /// Empty.
    pub const fn new() -> Self {
        Once {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Makes the value in place, so far as the compiler can; `None` the second time. Kept out of
    /// line, so that a copy on the way is gone from the stack before the next one is made.
    #[allow(clippy::mut_from_ref)]
    #[inline(never)]
    pub fn init(&'static self, make: impl FnOnce() -> T) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: `taken` was false, so this is the only reference there will ever be.
        Some(unsafe { (*self.value.get()).write(make()) })
    }
}

/// A value that one holder at a time gets hold of.
pub struct Exclusive<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `with` hands the value to one caller at a time, whatever interrupts it.
unsafe impl<T> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Exclusive {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Runs `f` with the value; `None` when somebody holds it already.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: `taken` was false, so no other reference exists until it is false again.
        let result = f(unsafe { &mut *self.value.get() });
        self.taken.store(false, Ordering::Release);
        Some(result)
    }
}

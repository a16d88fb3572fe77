//! From reset to `main`, and the kernel's end: vectors, memory initialisation, kernel faults, panics.
//!
//! All `unsafe` of this crate but the capabilities: what the linker placed, and the regions of
//! memory.toml as Rust slices. Invariant: each slice is taken at most once, and covers memory that
//! nothing else of this image uses.

use crate::memory::*;
use crate::platform::Chip;
use capsules_core::process_console::KernelAddresses;
use capsules_system::process_printer::ProcessPrinterText;
use chip::ddr_flash::DdrFlash;
use chip::ns::app_flash::PAGE;
use chip::ns::{MappedBus, devices};
use core::arch::naked_asm;
use core::cell::Cell;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};
use cortex_v8m::switch::core_switch::{Vector, vector_table};
use flash::journal::Journal;
use kernel::process::FlashRegion;
use kernel::process::ProcessSlot;
use kernel::utilities::kernel_static::KernelStatic;
use tfm_psa_driver::{KernelClient, Spe, Veneers};

unsafe extern "C" {
    static _sstack: u32;
    static _estack: u32;
    static _stext: u32;
    static _srodata: u32;
    static _etext: u32;
    static _srelocate: u32;
    static _erelocate: u32;
    static _szero: u32;
    static _ezero: u32;
    static mut _scrashes: u8;
    static _ecrashes: u8;
}

unsafe extern "C" fn pendsv() {
    tfm_psa_driver::tfm_pendsv_handler();
}

#[used]
#[unsafe(link_section = ".vectors")]
static VECTORS: [Vector; 144] = vector_table(&raw const _estack, reset, pendsv);

/// Entry from the secure world: MSP and VTOR are set, nothing else.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn reset() {
    naked_asm!(
        "ldr r0, =_estack",
        "msr msp, r0",
        "ldr r0, =_sstack",
        "msr msplim, r0",
        "ldr r0, =_srelocate",
        "ldr r1, =_erelocate",
        "ldr r2, =_data_load",
        "2:",
        "cmp r0, r1",
        "bhs 3f",
        "ldr r3, [r2], #4",
        "str r3, [r0], #4",
        "b 2b",
        "3:",
        "ldr r0, =_szero",
        "ldr r1, =_ezero",
        "movs r2, #0",
        "4:",
        "cmp r0, r1",
        "bhs 5f",
        // Both ends are multiples of eight (link.ld.in).
        "strd r2, r2, [r0], #8",
        "b 4b",
        "5:",
        "bl {main}",
        "udf #0",
        main = sym start,
    )
}

extern "C" fn start() -> ! {
    crate::main()
}

/// The registers of the kernel's UART.
pub const CONSOLE: MappedBus = devices::uart(CONSOLE_UART);

/// Reads the switches of a weakened kernel: the last two words of the clips' flash, the first of
/// which says that there are any.
#[cfg(feature = "weakened")]
pub fn read_switches() {
    const MAGIC: u32 = u32::from_le_bytes(*b"WEAK");
    let at = (AUDIO_ROM_BASE + AUDIO_ROM_SIZE - 8) as *const u32;
    // SAFETY: two words of a flash region of memory.toml, which this image never writes.
    let [magic, word] = unsafe { [at.read_volatile(), at.add(1).read_volatile()] };
    if magic == MAGIC {
        kernel::weakened::TOCKSTONE_WEAKENED.store(word, Ordering::Relaxed);
    }
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Memory that the kernel uses outside its own image.
pub struct Regions {
    /// Flash that is scanned for apps: each product app's own, the pool, the second copies, the
    /// position-independent ones.
    pub flash: [FlashRegion; APPS.len() + 3],
    /// All of it, and the device that writes it.
    pub app_flash: (FlashRegion, DdrFlash),
    /// What host tools learn of the kernel.
    pub attributes: DdrFlash,
    /// RAM of all processes.
    pub app_memory: &'static mut [u8],
    /// Clips.
    pub audio_rom: &'static [u8],
    /// Crash reports: what a reset left there, or anything.
    pub crashes: &'static mut [u8],
}

/// Apps may start on any of these, bytes from the start of pool, second copies and all app flash.
const ROW: u32 = 0x4000;

/// App flash, from the first product app to the end of the second copies.
pub const APP_FLASH_BASE: u32 = FLASH_NET_MQTT_BASE;
pub const APP_FLASH_SIZE: u32 = FLASH_B_BASE + FLASH_B_SIZE - APP_FLASH_BASE;

/// What the device covers: up to the journal, if the board has one.
const DEVICE_SIZE: u32 = match STATE_JOURNAL_SIZE {
    0 => APP_FLASH_SIZE,
    size => STATE_JOURNAL_BASE + size - APP_FLASH_BASE,
};

/// Where apps may change their own flash: in the pool, its second copies and among the
/// position-independent ones. Not in the rows of the product, whose apps are signed.
pub const STATE_JOURNAL: Journal<2> = {
    let pool = FLASH_POOL_BASE - APP_FLASH_BASE;
    let independent = FLASH_PIC_BASE.saturating_sub(APP_FLASH_BASE);
    Journal {
        base: APP_FLASH_BASE,
        at: STATE_JOURNAL_BASE.saturating_sub(APP_FLASH_BASE),
        pages: [
            pool..APP_FLASH_SIZE,
            independent..independent + FLASH_PIC_SIZE,
        ],
    }
};

const _: () = assert!(
    STATE_JOURNAL_SIZE == 0
        || (STATE_JOURNAL_SIZE == 2 * SECTOR
            && STATE_JOURNAL_BASE.is_multiple_of(SECTOR)
            && FLASH_PIC_BASE.is_multiple_of(SECTOR)
            && FLASH_PIC_SIZE.is_multiple_of(SECTOR)
            && FLASH_PIC_BASE >= APP_FLASH_BASE + APP_FLASH_SIZE
            && STATE_JOURNAL_BASE >= FLASH_PIC_BASE + FLASH_PIC_SIZE)
);

const _: () = assert!(
    APP_FLASH_BASE.is_multiple_of(ROW)
        && FLASH_POOL_BASE.is_multiple_of(ROW)
        && FLASH_B_BASE.is_multiple_of(ROW)
        && FLASH_POOL_BASE + FLASH_POOL_SIZE == FLASH_B_BASE
        && KERNEL_ATTRIBUTES_BASE + KERNEL_ATTRIBUTES_SIZE == APP_FLASH_BASE
        && SECTOR as usize == PAGE
);

/// Part of app flash.
fn apps(base: u32, size: u32, stride: u32) -> FlashRegion {
    // SAFETY: non-secure flash of memory.toml, memory-mapped for ever. Its only writer is the
    // device of `regions`, which the kernel's dynamic storage drives, and `chip`'s state flash: what
    // that changes lies in a process's writeable flash regions (`Process::may_write_flash`), to
    // whose bytes the kernel keeps no reference, and it begins when loading has ended. The rest of
    // their pages is back, as it was, when the call of the device returns.
    unsafe { FlashRegion::new(base as *const u8, size as usize, stride as usize) }
}

/// A device that writes part of flash.
fn device(base: u32, size: u32) -> DdrFlash {
    // SAFETY: non-secure flash of memory.toml that no other device covers (`regions` is called
    // once); who drives it writes nothing that is looked at (`FlashRegion::new`).
    unsafe { DdrFlash::new(base as *mut u8, size, SECTOR) }
}

fn read_only(base: u32, size: u32) -> &'static [u8] {
    if size == 0 {
        // The board has no such region.
        return &[];
    }
    // SAFETY: a non-secure flash region of memory.toml (its check refuses overlap). It is plain
    // memory that exists for ever; this image never writes it.
    unsafe { core::slice::from_raw_parts(base as *const u8, size as usize) }
}

/// The regions, once.
pub fn regions() -> Option<Regions> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    let end = RAM_POOL_BASE + RAM_POOL_SIZE;
    let [a, b, c] = APPS.map(|(_, base, size, _, _)| apps(base, size, 0));
    Some(Regions {
        flash: [
            a,
            b,
            c,
            apps(FLASH_POOL_BASE, FLASH_POOL_SIZE, ROW),
            apps(FLASH_B_BASE, FLASH_B_SIZE, ROW),
            match FLASH_PIC_SIZE {
                0 => FlashRegion::read_only(&[], 0),
                // New ones come by host tools alone, while the device is off.
                size => apps(FLASH_PIC_BASE, size, ROW),
            },
        ],
        app_flash: (
            apps(APP_FLASH_BASE, APP_FLASH_SIZE, ROW),
            device(APP_FLASH_BASE, DEVICE_SIZE),
        ),
        attributes: device(KERNEL_ATTRIBUTES_BASE, KERNEL_ATTRIBUTES_SIZE),
        audio_rom: read_only(AUDIO_ROM_BASE, AUDIO_ROM_SIZE),
        // SAFETY: the linker keeps this part of kernel RAM out of every section, and start code does
        // not touch it; any byte is a u8; taken once.
        crashes: unsafe {
            let start = &raw mut _scrashes;
            let length = (&raw const _ecrashes).addr() - start.addr();
            core::slice::from_raw_parts_mut(start, length)
        },
        // SAFETY: the RAM regions of processes lie one behind the other (asserted below), outside
        // this image's own RAM; taken once.
        app_memory: unsafe {
            core::slice::from_raw_parts_mut(
                RAM_NET_MQTT_BASE as *mut u8,
                (end - RAM_NET_MQTT_BASE) as usize,
            )
        },
    })
}

const _: () = assert!(
    RAM_NET_MQTT_BASE + RAM_NET_MQTT_SIZE == RAM_INFERENCE_BASE
        && RAM_INFERENCE_BASE + RAM_INFERENCE_SIZE == RAM_OTA_AGENT_BASE
        && RAM_OTA_AGENT_BASE + RAM_OTA_AGENT_SIZE == RAM_POOL_BASE
        && KERNEL_RAM_BASE + KERNEL_RAM_SIZE <= RAM_NET_MQTT_BASE
);

/// The console, when nothing else of the kernel can be trusted any more.
struct LastWords;

impl Write for LastWords {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        use chip::ns::Bus;
        let uart = CONSOLE;
        uart.write(0x8, uart.read(0x8) | 1);
        for byte in s.bytes() {
            while uart.read(0x4) & 1 != 0 {}
            uart.write(0, u32::from(byte));
        }
        Ok(())
    }
}

/// Ends the system: only secure code can reset it, and does when privileged non-secure code
/// touches secure memory (ARCHITECTURE §4), leaving a record. A TF-M resets too, or halts if it was
/// built to.
fn end() -> ! {
    loop {
        // SAFETY: reads memory that is not ours on purpose; the access never completes.
        unsafe { (SPE_RAM_BASE as *const u32).read_volatile() };
    }
}

/// A fault of the kernel itself; `frame` is the stack pointer of the handler.
#[unsafe(no_mangle)]
extern "C" fn kernel_fault(exc_return: u32, frame: *const u32) -> ! {
    use cortex_v8m::registers::{CFSR, MMFAR};
    let word = |i: usize| {
        let at = frame.wrapping_add(i);
        let inside = at.addr() >= KERNEL_RAM_BASE as usize
            && at.addr() < (KERNEL_RAM_BASE + KERNEL_RAM_SIZE) as usize;
        if !inside {
            return 0;
        }
        // SAFETY: inside kernel RAM; only printed.
        unsafe { at.read_volatile() }
    };
    let _ = writeln!(
        LastWords,
        "\r\nkernel: fault of the kernel, EXC_RETURN 0x{exc_return:08x} CFSR 0x{:08x} MMFAR 0x{:08x} \
         pc 0x{:08x} lr 0x{:08x}\r",
        CFSR.read(),
        MMFAR.read(),
        word(6),
        word(5),
    );
    last_state();
    end()
}

/// What a panic tells of.
type Resources = (&'static [ProcessSlot], &'static Chip);

/// Once they are made.
static PANIC: KernelStatic<Cell<Option<Resources>>> = KernelStatic::new(Cell::new(None));

/// Names what a panic prints.
pub fn set_panic_resources(slots: &'static [ProcessSlot], chip: &'static Chip) {
    // SAFETY: the kernel's one thread.
    unsafe { PANIC.with(|p| p.set(Some((slots, chip)))) };
}

/// What the end prints of core and processes. Once: a fault in here does not come back.
fn last_state() {
    // SAFETY: the kernel's one thread, or its end, after which that thread does not run.
    if let Some((slots, chip)) = unsafe { PANIC.with(Cell::take) } {
        // SAFETY: nothing runs any more.
        unsafe { kernel::debug::panic_cpu_state(Some(chip), &mut LastWords) };
        let printer = ProcessPrinterText::new();
        kernel::debug::panic_process_info(slots, Some(&printer), &mut LastWords);
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    let _ = writeln!(LastWords, "\r\nkernel: panic: {info}\r");
    last_state();
    end()
}

/// Where this image lies, for people.
pub fn addresses() -> KernelAddresses {
    let symbol = |s: *const u32| s.cast::<u8>();
    KernelAddresses {
        stack_start: symbol(&raw const _sstack),
        stack_end: symbol(&raw const _estack),
        text_start: symbol(&raw const _stext),
        text_end: symbol(&raw const _etext),
        read_only_data_start: symbol(&raw const _srodata),
        relocations_start: symbol(&raw const _srelocate),
        relocations_end: symbol(&raw const _erelocate),
        bss_start: symbol(&raw const _szero),
        bss_end: symbol(&raw const _ezero),
    }
}

/// Resets the device: the secure world's to do.
pub fn reset_device() -> ! {
    let spe = Spe::new(Veneers::new());
    let _ = psa_client::platform::system_reset(&KernelClient(&spe));
    // It refused.
    end()
}

//! Everything of the loader that touches the machine: reset, memory, the way out.
//!
//! Owns the vector table, the claims on memory and peripherals, and all of the loader's `unsafe`.
//! Invariant: [`Hardware::claim`] runs once, from the reset handler, so that each range of memory
//! has one owner.

use chip::ddr_flash::DdrFlash;
use chip::polled_uart::PolledUart;
use chip::watchdog::Watchdog;
use chip::wiring::{self, SECURE_LOG, UART_CLOCK, WATCHDOG};
use core::arch::{asm, global_asm, naked_asm};
use ota_loader::{Entry, Execution};

#[allow(dead_code)]
mod map {
    include!(concat!(env!("OUT_DIR"), "/memory.rs"));
}

/// Secure alias of a non-secure SRAM address (IDAU: bit 28).
const SECURE_ALIAS: u32 = 0x1000_0000;

// The secure image may run up to and over the veneers, which end where the reserve begins; its
// TLVs behind them land in the reserve.
const _: () = assert!(map::SPE_EXEC_BASE + map::SPE_EXEC_SIZE == map::VENEERS_BASE);
const _: () = assert!(map::VENEERS_BASE + map::VENEERS_SIZE == map::SPE_RESERVE_BASE);
// `leave` wipes eight words at a time.
const _: () =
    assert!(map::LOADER_RAM_BASE.is_multiple_of(32) && map::LOADER_RAM_SIZE.is_multiple_of(32));

/// What the loader uses of the machine.
pub struct Hardware {
    pub uart: PolledUart,
    pub watchdog: Watchdog,
    pub memory: Memory,
}

/// Ranges of memory, each with one owner.
pub struct Memory {
    /// Primary and secondary of the secure and the non-secure image.
    pub slots: [[DdrFlash; 2]; 2],
    pub scratch: DdrFlash,
    pub otp: DdrFlash,
    pub provisioning: DdrFlash,
    pub execution: [Execution<'static>; 2],
    pub boot_data: &'static mut [u8],
    pub reset_record: &'static mut [u8],
}

impl Hardware {
    /// # Safety
    /// To be called once after reset, with SAU off and MPC and PPC as reset leaves them.
    unsafe fn claim() -> Self {
        // SAFETY: the ranges come from memory.toml, whose check refuses overlap; each is named
        // once below, this runs once, and no other world runs yet. Registers are at their
        // documented secure addresses.
        unsafe {
            let flash = |base: u32, size: u32| DdrFlash::new(base as *mut u8, size, map::SECTOR);
            let bytes = |base: u32, size: u32| {
                core::slice::from_raw_parts_mut(base as *mut u8, size as usize)
            };
            wiring::start_time();
            let secure_size = map::SPE_EXEC_SIZE + map::VENEERS_SIZE;
            Hardware {
                uart: PolledUart::new(SECURE_LOG, UART_CLOCK),
                watchdog: Watchdog::new(WATCHDOG),
                memory: Memory {
                    slots: [
                        [
                            flash(map::S_PRIMARY_BASE, map::S_PRIMARY_SIZE),
                            flash(map::S_SECONDARY_BASE, map::S_SECONDARY_SIZE),
                        ],
                        [
                            flash(map::NS_PRIMARY_BASE, map::NS_PRIMARY_SIZE),
                            flash(map::NS_SECONDARY_BASE, map::NS_SECONDARY_SIZE),
                        ],
                    ],
                    scratch: flash(map::SCRATCH_BASE, map::SCRATCH_SIZE),
                    otp: flash(map::OTP_BASE, map::OTP_SIZE),
                    provisioning: flash(map::PROVISIONING_BASE, map::PROVISIONING_SIZE),
                    execution: [
                        Execution {
                            memory: bytes(map::SPE_EXEC_BASE, secure_size + map::SPE_RESERVE_SIZE),
                            base: map::SPE_EXEC_BASE,
                            limit: secure_size as usize,
                            ram: map::SPE_RAM_BASE..map::SPE_RAM_BASE + map::SPE_RAM_SIZE,
                        },
                        Execution {
                            memory: bytes(
                                map::KERNEL_EXEC_BASE | SECURE_ALIAS,
                                map::KERNEL_EXEC_SIZE,
                            ),
                            base: map::KERNEL_EXEC_BASE,
                            limit: map::KERNEL_EXEC_SIZE as usize,
                            ram: map::KERNEL_RAM_BASE..map::KERNEL_RAM_BASE + map::KERNEL_RAM_SIZE,
                        },
                    ],
                    boot_data: bytes(map::BOOT_DATA_BASE, map::BOOT_DATA_SIZE),
                    reset_record: bytes(map::RESET_RECORD_BASE, map::RESET_RECORD_SIZE),
                },
            }
        }
    }
}

/// Sleeps for good.
pub fn stop() -> ! {
    loop {
        // SAFETY: masks interrupts and waits; nothing is enabled that could wake it.
        unsafe { asm!("cpsid i", "wfi", options(nomem, nostack)) };
    }
}

/// Gives control to the secure image. Its own reset handler sets VTOR.
pub fn launch(entry: Entry) -> ! {
    // SAFETY: `entry` was checked against the image's memory and RAM when the image was verified,
    // and nothing of the loader is used again.
    unsafe { leave(entry.stack_pointer, entry.reset_vector) }
}

/// Wipes the loader's RAM, stack included, clears the registers and branches.
#[unsafe(naked)]
unsafe extern "C" fn leave(stack_pointer: u32, target: u32) -> ! {
    naked_asm!(
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "mov r11, r4",
        "ldr r2, ={ram}",
        "ldr r3, ={end}",
        "1: stm r2!, {{r4-r11}}",
        "cmp r2, r3",
        "blo 1b",
        "msr msplim, r4",
        "msr msp, r0",
        "dsb",
        "isb",
        "movs r0, #0",
        "movs r2, #0",
        "movs r3, #0",
        "mov r12, r0",
        "mov lr, r0",
        "msr apsr_nzcvq, r0",
        "bx r1",
        ".ltorg",
        ram = sym __ram,
        end = sym __ram_end,
    )
}

unsafe extern "C" {
    /// First byte of the loader's RAM, and the byte after its last (link.ld.in).
    static __ram: u8;
    static __ram_end: u8;
}

// Word 0 and 1 by hardware; the rest are faults, of which the loader takes none.
global_asm!(
    ".section .vectors, \"a\"",
    ".word __stack",
    ".word reset",
    ".rept 14",
    ".word fault",
    ".endr",
);

/// VTOR first: its reset value is a non-secure address on this machine. Then stack limit and RAM.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn reset() -> ! {
    naked_asm!(
        "ldr r0, =0xE000ED08",
        "ldr r1, ={code}",
        "str r1, [r0]",
        "dsb",
        "isb",
        "ldr r0, =__stack_limit",
        "msr msplim, r0",
        "ldr r0, =__data",
        "ldr r1, =__data_end",
        "ldr r2, =__data_load",
        "1: cmp r0, r1",
        "bhs 2f",
        "ldr r3, [r2], #4",
        "str r3, [r0], #4",
        "b 1b",
        "2: ldr r0, =__bss",
        "ldr r1, =__bss_end",
        "movs r2, #0",
        "3: cmp r0, r1",
        "bhs 4f",
        "str r2, [r0], #4",
        "b 3b",
        "4: bl {main}",
        ".ltorg",
        code = const map::LOADER_CODE_BASE,
        main = sym main,
    )
}

unsafe extern "C" fn main() -> ! {
    // SAFETY: only the reset handler comes here, once, before anything was configured.
    let hardware = unsafe { Hardware::claim() };
    crate::run(hardware)
}

#[unsafe(no_mangle)]
extern "C" fn fault() -> ! {
    die(b"loader: fault\r\n")
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    die(b"loader: internal error\r\n")
}

fn die(line: &[u8]) -> ! {
    // SAFETY: whoever used the UART does not run again.
    let mut uart = unsafe { PolledUart::new(SECURE_LOG, UART_CLOCK) };
    uart.write_bytes(line);
    uart.write_bytes(b"loader: nothing boots\r\n");
    stop()
}

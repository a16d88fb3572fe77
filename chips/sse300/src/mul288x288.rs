//! One routine of p256-cm4 in an encoding that every ARMv8-M core executes.
//!
//! p256-cm4 0.4.0 has `ldm r4,{r6}` in `mul288x288`; LLVM assembles it to a load of one register
//! by the wide LDM, which is UNPREDICTABLE (Armv8-M ARM, LDM T2: BitCount < 2) and undefined in
//! QEMU. Secure link scripts say `EXTERN(tockstone_mul288x288)` and
//! `mul288x288 = tockstone_mul288x288;`, which takes the place of the crate's symbol.
//!
//! Owns this one multiplication: 9 words by 9 words to 18, little endian, in constant time.

use core::arch::naked_asm;

/// r0 = product (18 words), r1 and r2 = factors (9 words each), as p256-cm4 calls it.
///
/// # Safety
/// The three addresses must be valid for those sizes, and the product must not overlap a factor.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn tockstone_mul288x288() {
    naked_asm!(
        "push {{r4-r11, lr}}",
        // The lower half starts at zero; each row then writes one word beyond what it reads.
        "movs r3, #0",
        "mov r6, r0",
        "mov r8, #9",
        "1: str r3, [r6], #4",
        "subs r8, #1",
        "bne 1b",
        "mov r11, #9",
        "2: ldr r4, [r1], #4",
        "movs r5, #0",
        "mov r6, r0",
        "mov r7, r2",
        "mov r8, #9",
        "3: ldr r9, [r6]",
        "ldr r10, [r7], #4",
        "umaal r9, r5, r4, r10",
        "str r9, [r6], #4",
        "subs r8, #1",
        "bne 3b",
        "str r5, [r6]",
        "adds r0, #4",
        "subs r11, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

//! The compression function of SHA-256 in Thumb-2 assembler.
//!
//! Owns one function (FIPS 180-4 §6.2.2): about 31 instructions a byte, where the compiler's best
//! is 37, in a third of its flash; for the secure services and, through its board, the loader. The
//! only `unsafe` of this crate. All eight working variables stay in r4–r11, the message
//! schedule is a ring of sixteen words on the stack. No branch or address depends on the data.

#![allow(unsafe_code)]

use core::arch::global_asm;

unsafe extern "C" {
    fn tockstone_sha256_compress(state: *mut u32, blocks: *const u8, count: usize);
}

/// Takes whole blocks into `state`.
pub fn compress(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    if blocks.is_empty() {
        return;
    }
    // SAFETY: the routine reads `count` × 64 bytes of `blocks` at any alignment (CCR.UNALIGN_TRP
    // is clear after reset, and nothing sets it), reads and writes the eight words of `state`, and preserves r4–r11.
    unsafe {
        tockstone_sha256_compress(state.as_mut_ptr(), blocks.as_ptr().cast(), blocks.len());
    }
}

global_asm!(
    ".section .text.tockstone_sha256_compress, \"ax\"",
    ".p2align 2",
    "90:",
    ".word 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5",
    ".word 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174",
    ".word 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da",
    ".word 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967",
    ".word 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85",
    ".word 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070",
    ".word 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3",
    ".word 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2",
    // One round; r12 = W, r0 walks over K, \x = b ^ c in, \y = a ^ b out.
    ".macro ts_round a, b, c, d, e, f, g, h, x, y",
    "ldr r1, [r0], #4",
    "add \\h, \\h, r12",
    "add \\h, \\h, r1",
    "eor r1, \\e, \\e, ror #5",
    "eor r1, r1, \\e, ror #19",
    "add \\h, \\h, r1, ror #6",
    "eor r1, \\f, \\g",
    "and r1, r1, \\e",
    "eor r1, r1, \\g",
    "add \\h, \\h, r1",
    "add \\d, \\d, \\h",
    "eor \\y, \\a, \\b",
    "and \\x, \\x, \\y",
    "eor \\x, \\x, \\b",
    "add \\h, \\h, \\x",
    "eor r2, \\a, \\a, ror #11",
    "eor r2, r2, \\a, ror #20",
    "add \\h, \\h, r2, ror #2",
    ".endm",
    // The next message word into r12 and place \j of the ring; \y is free until the round.
    ".macro ts_next j, y",
    "ldr r1, [sp, #4*((\\j+1)&15)]",
    "ldr r2, [sp, #4*((\\j+14)&15)]",
    "ldr r12, [sp, #4*(\\j)]",
    "eor \\y, r1, r1, ror #11",
    "lsr r1, r1, #3",
    "eor r1, r1, \\y, ror #7",
    "add r12, r12, r1",
    "eor \\y, r2, r2, ror #2",
    "lsr r2, r2, #10",
    "eor r2, r2, \\y, ror #17",
    "add r12, r12, r2",
    "ldr r1, [sp, #4*((\\j+9)&15)]",
    "add r12, r12, r1",
    "str r12, [sp, #4*(\\j)]",
    ".endm",
    ".macro ts_word j, y, next",
    ".if \\next",
    "ts_next \\j, \\y",
    ".else",
    "ldr r12, [sp, #4*(\\j)]",
    ".endif",
    ".endm",
    ".macro ts_eight j, next",
    "ts_word \\j, lr, \\next",
    "ts_round r4, r5, r6, r7, r8, r9, r10, r11, r3, lr",
    "ts_word \\j+1, r3, \\next",
    "ts_round r11, r4, r5, r6, r7, r8, r9, r10, lr, r3",
    "ts_word \\j+2, lr, \\next",
    "ts_round r10, r11, r4, r5, r6, r7, r8, r9, r3, lr",
    "ts_word \\j+3, r3, \\next",
    "ts_round r9, r10, r11, r4, r5, r6, r7, r8, lr, r3",
    "ts_word \\j+4, lr, \\next",
    "ts_round r8, r9, r10, r11, r4, r5, r6, r7, r3, lr",
    "ts_word \\j+5, r3, \\next",
    "ts_round r7, r8, r9, r10, r11, r4, r5, r6, lr, r3",
    "ts_word \\j+6, lr, \\next",
    "ts_round r6, r7, r8, r9, r10, r11, r4, r5, r3, lr",
    "ts_word \\j+7, r3, \\next",
    "ts_round r5, r6, r7, r8, r9, r10, r11, r4, lr, r3",
    ".endm",
    ".global tockstone_sha256_compress",
    ".type tockstone_sha256_compress, %function",
    ".thumb_func",
    "tockstone_sha256_compress:",
    "push {{r4-r11, lr}}",
    // Ring of 16 words, then: state, blocks, count, turns.
    "sub sp, sp, #84",
    "strd r0, r1, [sp, #64]",
    "str r2, [sp, #72]",
    "1:",
    "ldr r1, [sp, #68]",
    ".irp at, 0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60",
    "ldr r2, [r1, #\\at]",
    "rev r2, r2",
    "str r2, [sp, #\\at]",
    ".endr",
    "adds r1, #64",
    "str r1, [sp, #68]",
    "ldr r1, [sp, #64]",
    "ldm r1, {{r4-r11}}",
    "adr.w r0, 90b",
    "eor r3, r5, r6",
    "movs r1, #3",
    "str r1, [sp, #76]",
    "ts_eight 0, 0",
    "ts_eight 8, 0",
    "2:",
    "ts_eight 0, 1",
    "ts_eight 8, 1",
    "ldr r1, [sp, #76]",
    "subs r1, #1",
    "str r1, [sp, #76]",
    "bne.w 2b",
    "ldr r0, [sp, #64]",
    ".irp word, 4, 5, 6, 7, 8, 9, 10, 11",
    "ldr r1, [r0, #4*(\\word-4)]",
    "add r\\word, r\\word, r1",
    ".endr",
    "stm r0, {{r4-r11}}",
    "ldr r1, [sp, #72]",
    "subs r1, #1",
    "str r1, [sp, #72]",
    "bne.w 1b",
    "add sp, sp, #84",
    "pop {{r4-r11, pc}}",
    ".purgem ts_round",
    ".purgem ts_next",
    ".purgem ts_word",
    ".purgem ts_eight",
);

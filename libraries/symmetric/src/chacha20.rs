//! ChaCha20 (RFC 8439 §2.3): keystream of whole blocks, XORed onto text in place.
//!
//! Owns the block function in Thumb-2 assembler, about 13 instructions a byte, and its portable
//! twin. The rotations of a quarter round ride on the shifter of the next instruction: b and d are
//! kept rotated by what they lack. Of the sixteen words fourteen live in registers, two of the
//! third row on the stack. No branch or address depends on key or text.

use zeroize::Zeroize;

/// What a block is made of: constants, key, block counter (word 12), nonce; little-endian words.
type State = [u32; 16];

const BLOCK: usize = 64;

/// A keystream, from its start on.
pub struct ChaCha20 {
    state: State,
    /// The last block that was not used up, and from where on.
    rest: [u8; BLOCK],
    used: usize,
}

impl ChaCha20 {
    /// The keystream of a key and a nonce from block `counter` on; after 2³² blocks the counter
    /// wraps, but no text is that long.
    pub fn new(key: &[u8; 32], nonce: &[u8; 12], counter: u32) -> Self {
        let mut state = [0; 16];
        // "expand 32-byte k"
        let constants = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
        let words = |bytes: &[[u8; 4]]| -> [u32; 8] {
            let mut bytes = bytes.iter();
            core::array::from_fn(|_| bytes.next().map_or(0, |b| u32::from_le_bytes(*b)))
        };
        let (mut key, nonce) = (words(key.as_chunks().0), words(nonce.as_chunks().0));
        let parts = constants.iter().chain(&key).chain([&counter]).chain(&nonce);
        for (to, word) in state.iter_mut().zip(parts) {
            *to = *word;
        }
        key.zeroize();
        ChaCha20 {
            state,
            rest: [0; BLOCK],
            used: BLOCK,
        }
    }

    /// XORs the next keystream onto `text`.
    pub fn apply(&mut self, text: &mut [u8]) {
        let text = self.apply_rest(text);
        let (blocks, tail) = text.as_chunks_mut();
        xor_blocks(&mut self.state, blocks);
        if !tail.is_empty() {
            self.rest.fill(0);
            self.used = 0;
            xor_blocks(&mut self.state, core::slice::from_mut(&mut self.rest));
            self.apply_rest(tail);
        }
    }

    /// Uses what is left of the last block; returns what it did not reach.
    fn apply_rest<'a>(&mut self, text: &'a mut [u8]) -> &'a mut [u8] {
        let rest = self.rest.get(self.used..).unwrap_or_default();
        let (head, tail) = text.split_at_mut(text.len().min(rest.len()));
        for (to, key) in head.iter_mut().zip(rest) {
            *to ^= *key;
        }
        self.used += head.len();
        tail
    }
}

impl Drop for ChaCha20 {
    fn drop(&mut self) {
        self.state.zeroize();
        crate::erase(&mut self.rest);
    }
}

/// XORs keystream onto whole blocks, from the state's counter on, and advances the counter.
fn xor_blocks(state: &mut State, text: &mut [[u8; 64]]) {
    if text.is_empty() {
        return;
    }
    #[cfg(all(target_arch = "arm", not(feature = "small")))]
    arm::xor_blocks(state, text);
    #[cfg(not(all(target_arch = "arm", not(feature = "small"))))]
    portable(state, text);
}

/// The same in portable Rust.
#[cfg_attr(all(target_arch = "arm", not(feature = "small")), allow(dead_code))]
fn portable(state: &mut State, text: &mut [[u8; 64]]) {
    for block in text {
        let mut x = *state;
        for _ in 0..10 {
            for [a, b, c, d] in QUARTERS {
                let mut step = |a: usize, b: usize, d: usize, left: u32| {
                    x[a] = x[a].wrapping_add(x[b]);
                    x[d] = (x[d] ^ x[a]).rotate_left(left);
                };
                step(a, b, d, 16);
                step(c, d, b, 12);
                step(a, b, d, 8);
                step(c, d, b, 7);
            }
        }
        for ((word, start), bytes) in x.iter().zip(&*state).zip(block.as_chunks_mut().0) {
            let text = u32::from_le_bytes(*bytes);
            *bytes = (text ^ word.wrapping_add(*start)).to_le_bytes();
        }
        state[12] = state[12].wrapping_add(1);
    }
}

/// Columns, then diagonals.
#[cfg_attr(all(target_arch = "arm", not(feature = "small")), allow(dead_code))]
const QUARTERS: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

#[cfg(all(target_arch = "arm", not(feature = "small")))]
mod arm {
    use super::State;
    use core::arch::global_asm;

    unsafe extern "C" {
        fn tockstone_chacha20_xor(state: *mut u32, text: *mut u8, count: usize);
    }

    pub fn xor_blocks(state: &mut State, text: &mut [[u8; 64]]) {
        // SAFETY: the routine reads and writes the sixteen words of `state` and `count` × 64 bytes
        // of `text`, both exclusively borrowed, the latter at any alignment (CCR.UNALIGN_TRP is
        // clear after reset, and nothing sets it); `count` is not 0 (the caller checked); it
        // preserves r4–r11 and erases its stack.
        unsafe {
            tockstone_chacha20_xor(state.as_mut_ptr(), text.as_mut_ptr().cast(), text.len());
        }
    }

    global_asm!(
        ".section .text.tockstone_chacha20_xor, \"ax\"",
        ".p2align 2",
        // b lacks a rotation by 25 to the right, d by 24, before and after.
        ".macro ts_quarter a, b, c, d",
        "add \\a, \\a, \\b, ror #25",
        "eor \\d, \\a, \\d, ror #24",
        "add \\c, \\c, \\d, ror #16",
        "eor \\b, \\c, \\b, ror #25",
        "add \\a, \\a, \\b, ror #20",
        "eor \\d, \\a, \\d, ror #16",
        "add \\c, \\c, \\d, ror #24",
        "eor \\b, \\c, \\b, ror #20",
        ".endm",
        // Words 0-7 in r0-r7, 12-15 in r10-r12 and lr; of the third row 8, 9 in r8, r9 before and
        // after, 10, 11 on the stack.
        ".macro ts_double_round count",
        "ts_quarter r0, r4, r8, r10",
        "ts_quarter r1, r5, r9, r11",
        "strd r8, r9, [sp, #8]",
        "ldrd r8, r9, [sp]",
        "ts_quarter r2, r6, r8, r12",
        "ts_quarter r3, r7, r9, lr",
        "ts_quarter r0, r5, r8, lr",
        "ts_quarter r1, r6, r9, r10",
        "strd r8, r9, [sp]",
        ".if \\count",
        "ldr r8, [sp, #28]",
        // The flags last: nothing up to the branch sets them.
        "subs r8, r8, #1",
        "str r8, [sp, #28]",
        ".endif",
        "ldrd r8, r9, [sp, #8]",
        "ts_quarter r2, r7, r8, r11",
        "ts_quarter r3, r4, r9, r12",
        ".endm",
        ".global tockstone_chacha20_xor",
        ".type tockstone_chacha20_xor, %function",
        ".thumb_func",
        "tockstone_chacha20_xor:",
        "push {{r4-r11, lr}}",
        // Words 10, 11; words 8, 9; state, text, count, turns.
        "sub sp, sp, #36",
        "strd r0, r1, [sp, #16]",
        "str r2, [sp, #24]",
        "1:",
        "ldr lr, [sp, #16]",
        "movs r0, #5",
        "str r0, [sp, #28]",
        "ldrd r8, r9, [lr, #40]",
        "strd r8, r9, [sp]",
        "ldm lr, {{r0-r9}}",
        "ldrd r10, r11, [lr, #48]",
        "ldrd r12, lr, [lr, #56]",
        ".irp word, r4, r5, r6, r7",
        "ror \\word, \\word, #7",
        ".endr",
        ".irp word, r10, r11, r12, lr",
        "ror \\word, \\word, #8",
        ".endr",
        "2:",
        "ts_double_round 0",
        "ts_double_round 1",
        "bne.w 2b",
        "strd r8, r9, [sp, #8]",
        "ldrd r8, r9, [sp, #16]",
        // Each word: rotation made up for, start added, text taken in; r8 = state, r9 = text.
        "str lr, [sp, #28]",
        ".macro ts_out word, at, left",
        "ldr lr, [r8, #\\at]",
        "add \\word, lr, \\word, ror #\\left",
        "ldr lr, [r9, #\\at]",
        "eor \\word, \\word, lr",
        "str \\word, [r9, #\\at]",
        ".endm",
        ".macro ts_out_whole word, at",
        "ldr lr, [r8, #\\at]",
        "add \\word, \\word, lr",
        "ldr lr, [r9, #\\at]",
        "eor \\word, \\word, lr",
        "str \\word, [r9, #\\at]",
        ".endm",
        "ts_out_whole r0, 0",
        "ts_out_whole r1, 4",
        "ts_out_whole r2, 8",
        "ts_out_whole r3, 12",
        "ts_out r4, 16, 25",
        "ts_out r5, 20, 25",
        "ts_out r6, 24, 25",
        "ts_out r7, 28, 25",
        "ldrd r2, r3, [sp]",
        "ldrd r0, r1, [sp, #8]",
        "ts_out_whole r0, 32",
        "ts_out_whole r1, 36",
        "ts_out_whole r2, 40",
        "ts_out_whole r3, 44",
        "ts_out r10, 48, 24",
        "ts_out r11, 52, 24",
        "ts_out r12, 56, 24",
        "ldr r0, [sp, #28]",
        "ts_out r0, 60, 24",
        "ldr r0, [r8, #48]",
        "adds r0, r0, #1",
        "str r0, [r8, #48]",
        "adds r9, r9, #64",
        "str r9, [sp, #20]",
        "ldr r0, [sp, #24]",
        "subs r0, r0, #1",
        "str r0, [sp, #24]",
        "bne.w 1b",
        // Nothing of the keystream stays behind.
        "movs r0, #0",
        "mov r1, r0",
        "mov r2, r0",
        "mov r3, r0",
        "mov r12, r0",
        "strd r0, r0, [sp]",
        "strd r0, r0, [sp, #8]",
        "str r0, [sp, #28]",
        "add sp, sp, #36",
        "pop {{r4-r11, pc}}",
        ".purgem ts_quarter",
        ".purgem ts_double_round",
        ".purgem ts_out",
        ".purgem ts_out_whole",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

    #[test]
    fn agrees_with_rustcrypto() {
        for round in 0..200u8 {
            let key: [u8; 32] = core::array::from_fn(|i| (i as u8).wrapping_mul(37) ^ round);
            let nonce: [u8; 12] = core::array::from_fn(|i| (i as u8) ^ round.rotate_left(3));
            let mut ours = vec![round; usize::from(round) * 2];
            let mut theirs = ours.clone();
            let mut stream = ChaCha20::new(&key, &nonce, u32::from(round));
            // In three parts, cut anywhere.
            let (a, rest) = ours.split_at_mut(usize::from(round) / 3);
            let (b, c) = rest.split_at_mut(usize::from(round) / 2);
            stream.apply(a);
            stream.apply(b);
            stream.apply(c);
            let mut oracle = ::chacha20::ChaCha20::new(&key.into(), &nonce.into());
            oracle.seek(u64::from(round) * 64);
            oracle.apply_keystream(&mut theirs);
            assert_eq!(ours, theirs);
        }
    }
}

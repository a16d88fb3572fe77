//! Poly1305 (RFC 8439 §2.5) over whole blocks, which is how AEADs use it.
//!
//! Owns the accumulator: five words, radix 2³², partly reduced, in assembler (about 3 instructions
//! a byte) and portable Rust. The products are summed column by column in 64 bits, which no carry
//! can leave: the clamped multiplier's words are below 2²⁸, those taken round the modulus (by 5/4)
//! below 2²⁹. No branch or address depends on key or message.

use crate::padded::Blocks;
use zeroize::Zeroize;

/// The state as the assembler knows it, too: accumulator, then the clamped multiplier, then its
/// upper three words by 5/4.
#[derive(Clone)]
#[repr(C)]
struct State {
    h: [u32; 5],
    r: [u32; 4],
    s: [u32; 3],
}

/// A running authenticator; a key must serve one message only.
#[derive(Clone)]
pub struct Poly1305 {
    state: State,
    pad: [u32; 4],
}

impl Poly1305 {
    /// With a one-time key: multiplier, then pad.
    pub fn new(key: &[u8; 32]) -> Self {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let [a, b, c, d, pad @ ..] = words;
        let r = [
            a & 0x0FFF_FFFF,
            b & 0x0FFF_FFFC,
            c & 0x0FFF_FFFC,
            d & 0x0FFF_FFFC,
        ];
        let [_, b, c, d] = r;
        words.zeroize();
        Poly1305 {
            state: State {
                h: [0; 5],
                r,
                s: [b, c, d].map(|w| w + (w >> 2)),
            },
            pad,
        }
    }

    /// The tag.
    pub fn finish(mut self) -> [u8; 16] {
        let State { h, .. } = &mut self.state;
        // What is above 2¹³⁰ comes back in by 5.
        let mut carry = u64::from(h[4] >> 2) * 5;
        h[4] &= 3;
        for word in h.iter_mut() {
            carry += u64::from(*word);
            *word = carry as u32;
            carry >>= 32;
        }
        // h - (2¹³⁰ - 5), taken when it is not negative.
        let mut reduced = [0; 5];
        let mut carry = 5;
        for (to, word) in reduced.iter_mut().zip(&*h) {
            carry += u64::from(*word);
            *to = carry as u32;
            carry >>= 32;
        }
        let take = 0u32.wrapping_sub(reduced[4] >> 2 & 1);
        let mut out = [0; 16];
        let mut carry = 0;
        for (((to, h), reduced), pad) in out
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(&*h)
            .zip(&reduced)
            .zip(&self.pad)
        {
            carry += u64::from(h & !take | reduced & take) + u64::from(*pad);
            *to = (carry as u32).to_le_bytes();
            carry >>= 32;
        }
        reduced.zeroize();
        out
    }
}

impl Blocks for Poly1305 {
    fn blocks(&mut self, blocks: &[[u8; 16]]) {
        if blocks.is_empty() {
            return;
        }
        #[cfg(target_arch = "arm")]
        arm::blocks(&mut self.state, blocks);
        #[cfg(not(target_arch = "arm"))]
        portable(&mut self.state, blocks);
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.state.h.zeroize();
        self.state.r.zeroize();
        self.state.s.zeroize();
        self.pad.zeroize();
    }
}

/// The same in portable Rust.
#[cfg_attr(target_arch = "arm", allow(dead_code))]
fn portable(state: &mut State, blocks: &[[u8; 16]]) {
    let [r0, r1, r2, r3] = state.r.map(u64::from);
    let [s1, s2, s3] = state.s.map(u64::from);
    for block in blocks {
        let mut carry = 0;
        let mut h = [0; 4];
        for ((to, from), bytes) in h.iter_mut().zip(&state.h).zip(block.as_chunks().0) {
            carry += u64::from(*from) + u64::from(u32::from_le_bytes(*bytes));
            *to = carry & 0xFFFF_FFFF;
            carry >>= 32;
        }
        let [h0, h1, h2, h3] = h;
        let h4 = u64::from(state.h[4]) + carry + 1;
        let columns = [
            h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1,
            h0 * r1 + h1 * r0 + h2 * s3 + h3 * s2 + h4 * s1,
            h0 * r2 + h1 * r1 + h2 * r0 + h3 * s3 + h4 * s2,
            h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s3,
        ];
        let mut out = [0; 4];
        let mut carry = 0;
        for (to, column) in out.iter_mut().zip(columns) {
            carry += column;
            *to = carry as u32;
            carry >>= 32;
        }
        let top = h4 * r0 + carry;
        let mut carry = (top >> 2) * 5;
        for (to, word) in state.h.iter_mut().zip(out) {
            carry += u64::from(word);
            *to = carry as u32;
            carry >>= 32;
        }
        state.h[4] = ((top & 3) + carry) as u32;
    }
}

#[cfg(target_arch = "arm")]
mod arm {
    use super::State;
    use core::arch::global_asm;

    unsafe extern "C" {
        fn tockstone_poly1305_blocks(state: *mut State, blocks: *const u8, count: usize);
    }

    pub fn blocks(state: &mut State, blocks: &[[u8; 16]]) {
        // SAFETY: the routine reads the twelve words of `state` (`repr(C)`) and `count` × 16 bytes
        // of `blocks` at any alignment (CCR.UNALIGN_TRP is clear after reset, and nothing sets it),
        // and writes the first five words of `state`, which is exclusively borrowed; `count` is not
        // 0 (the caller checked); it preserves r4–r11.
        unsafe {
            tockstone_poly1305_blocks(state, blocks.as_ptr().cast(), blocks.len());
        }
    }

    global_asm!(
        ".section .text.tockstone_poly1305_blocks, \"ax\"",
        ".p2align 2",
        ".global tockstone_poly1305_blocks",
        ".type tockstone_poly1305_blocks, %function",
        ".thumb_func",
        "tockstone_poly1305_blocks:",
        "push {{r0, r4-r11, lr}}",
        // Where the message is, where it ends, the first column's word; the state is above.
        "sub sp, sp, #16",
        "add r2, r1, r2, lsl #4",
        "strd r1, r2, [sp]",
        "mov r12, r0",
        "mov lr, r1",
        // h in r0-r4, r0 and r1 of the multiplier in r9 and r11, s3 in r10.
        "ldrd r9, r11, [r12, #20]",
        "ldr r10, [r12, #44]",
        "ldm r12, {{r0-r4}}",
        "1:",
        // h += block + 2^128
        "ldr r5, [lr], #4",
        "ldr r6, [lr], #4",
        "ldr r7, [lr], #4",
        "ldr r8, [lr], #4",
        "str lr, [sp]",
        "adds r0, r0, r5",
        "adcs r1, r1, r6",
        "adcs r2, r2, r7",
        "adcs r3, r3, r8",
        "adc r4, r4, #1",
        // Column 0 in r5, carry in r6; s1 in r8, s2 in lr.
        "ldrd r8, lr, [r12, #36]",
        "umull r5, r6, r0, r9",
        "umlal r5, r6, r1, r10",
        "umlal r5, r6, r2, lr",
        "umlal r5, r6, r3, r8",
        // Column 1 in r6.
        "mov r7, #0",
        "umlal r6, r7, r0, r11",
        "umlal r6, r7, r1, r9",
        "umlal r6, r7, r2, r10",
        "umlal r6, r7, r3, lr",
        "umlal r6, r7, r4, r8",
        // Column 2 in r7; then r2 of the multiplier in lr.
        "mov r8, #0",
        "umlal r7, r8, r4, lr",
        "ldr lr, [r12, #28]",
        "umlal r7, r8, r0, lr",
        "umlal r7, r8, r1, r11",
        "umlal r7, r8, r2, r9",
        "umlal r7, r8, r3, r10",
        // Column 3 in r8; then r3 of the multiplier in lr.
        "str r5, [sp, #8]",
        "mov r5, #0",
        "umlal r8, r5, r1, lr",
        "ldr lr, [r12, #32]",
        "umlal r8, r5, r0, lr",
        "umlal r8, r5, r2, r11",
        "umlal r8, r5, r3, r9",
        "umlal r8, r5, r4, r10",
        // What is above 2^128: below 2^32, since h4 is below 8.
        "mla r4, r4, r9, r5",
        // Above 2^130 it counts 5 times as much at the bottom.
        "ldr r5, [sp, #8]",
        "bic lr, r4, #3",
        "add lr, lr, lr, lsr #2",
        "and r4, r4, #3",
        "adds r0, r5, lr",
        "adcs r1, r6, #0",
        "adcs r2, r7, #0",
        "adcs r3, r8, #0",
        "adc r4, r4, #0",
        "ldrd lr, r5, [sp]",
        "cmp lr, r5",
        "bne.w 1b",
        "stm r12, {{r0-r4}}",
        "movs r0, #0",
        "str r0, [sp, #8]",
        "add sp, sp, #16",
        "pop {{r0, r4-r11, pc}}",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::padded::Padded;
    use ::poly1305::universal_hash::{KeyInit, UniversalHash};

    fn theirs(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
        let mut oracle = ::poly1305::Poly1305::new(key.into());
        oracle.update_padded(data);
        oracle.finalize().into()
    }

    #[test]
    fn agrees_with_rustcrypto() {
        for round in 0..300usize {
            let key: [u8; 32] = core::array::from_fn(|i| (i * 89 + round * 31) as u8);
            let data: Vec<u8> = (0..round).map(|i| (i * i + round) as u8).collect();
            let mut ours = Padded::new(Poly1305::new(&key));
            let (a, b) = data.split_at(round / 3);
            ours.update(a);
            ours.update(b);
            assert_eq!(ours.into_inner().finish(), theirs(&key, &data), "{round}");
        }
    }

    #[test]
    fn extreme_values() {
        // All that is one; what makes the accumulator 2^130 - 5, its neighbours and 0.
        for key in [
            [0xFF; 32],
            [0; 32],
            core::array::from_fn(|i| (i == 0) as u8),
        ] {
            for fill in [0, 1, 0xFB, 0xFF] {
                for len in [1, 16, 17, 160] {
                    let mut data = vec![0xFF; len];
                    data[0] = fill;
                    let mut ours = Padded::new(Poly1305::new(&key));
                    ours.update(&data);
                    assert_eq!(ours.into_inner().finish(), theirs(&key, &data));
                }
            }
        }
    }
}

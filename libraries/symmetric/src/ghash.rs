//! GHASH (SP 800-38D §6.4) in constant time, without carry-less multiplication in hardware.
//!
//! Owns the field: 128 bits as four words, the first bit of a block the highest. A product of two
//! words comes from integer multiplications of every fourth bit: at most eight meet in one place,
//! which its four bits hold, and the lowest of them is their sum without carry. Nine such products
//! make one of 128 bits (Karatsuba, twice). No branch or address depends on key or message.

use crate::padded::Blocks;
use zeroize::Zeroize;

/// One of four words of every fourth bit.
const QUARTER: u32 = 0x1111_1111;

/// A running GHASH.
#[derive(Clone)]
pub struct Ghash {
    /// The sum so far, lowest word first.
    sum: [u32; 4],
    /// The nine words that Karatsuba multiplies by, in quarters.
    key: [[u32; 4]; 9],
}

impl Ghash {
    /// With the encryption of the zero block.
    pub fn new(key: &[u8; 16]) -> Self {
        let mut h = words(key);
        let [a, b, c, d] = h;
        // Times two, so that no product needs to be shifted: what leaves at the top comes back by
        // the polynomial.
        let out = 0u32.wrapping_sub(d >> 31);
        h = [
            a << 1 ^ out & 1,
            b << 1 | a >> 31,
            c << 1 | b >> 31,
            (d << 1 | c >> 31) ^ out & 0xC200_0000,
        ];
        let nine = nine(&h);
        h.zeroize();
        Ghash {
            sum: [0; 4],
            key: nine.map(quarters),
        }
    }

    /// The hash after the lengths of additional data and text, bytes.
    pub fn finish(mut self, additional: u64, text: u64) -> [u8; 16] {
        let lengths = [additional << 3, text << 3].map(u64::to_be_bytes);
        let mut block = [0; 16];
        block.copy_from_slice(lengths.as_flattened());
        self.blocks(&[block]);
        let mut out = [0; 16];
        for (to, word) in out.as_chunks_mut().0.iter_mut().zip(self.sum.iter().rev()) {
            *to = word.to_be_bytes();
        }
        out
    }
}

impl Blocks for Ghash {
    fn blocks(&mut self, blocks: &[[u8; 16]]) {
        for block in blocks {
            let [a, b, c, d] = words(block);
            let [e, f, g, h] = self.sum;
            self.sum = multiply(&[a ^ e, b ^ f, c ^ g, d ^ h], &self.key);
        }
    }
}

impl Drop for Ghash {
    fn drop(&mut self) {
        self.sum.zeroize();
        self.key.as_flattened_mut().zeroize();
    }
}

/// A block as words, lowest first.
fn words(block: &[u8; 16]) -> [u32; 4] {
    let mut out = [0; 4];
    for (to, bytes) in out.iter_mut().rev().zip(block.as_chunks().0) {
        *to = u32::from_be_bytes(*bytes);
    }
    out
}

/// The factors of nine products: low half, high half, both halves' sum, each by its low word, high
/// word and their sum.
fn nine(x: &[u32; 4]) -> [u32; 9] {
    let [a, b, c, d] = *x;
    let (e, f) = (a ^ c, b ^ d);
    [a, b, a ^ b, c, d, c ^ d, e, f, e ^ f]
}

fn quarters(word: u32) -> [u32; 4] {
    [0, 1, 2, 3].map(|i| word & QUARTER << i)
}

#[cfg(target_arch = "arm")]
use arm::product;
#[cfg(not(target_arch = "arm"))]
use portable as product;

/// The product of two words without carries.
#[cfg_attr(target_arch = "arm", allow(dead_code))]
fn portable(x: u32, y: &[u32; 4]) -> u64 {
    let [x0, x1, x2, x3] = quarters(x).map(u64::from);
    let [y0, y1, y2, y3] = y.map(u64::from);
    let keep = u64::from(QUARTER) << 32 | u64::from(QUARTER);
    ((x0 * y0) ^ (x1 * y3) ^ (x2 * y2) ^ (x3 * y1)) & keep
        | ((x0 * y1) ^ (x1 * y0) ^ (x2 * y3) ^ (x3 * y2)) & keep << 1
        | ((x0 * y2) ^ (x1 * y1) ^ (x2 * y0) ^ (x3 * y3)) & keep << 2
        | ((x0 * y3) ^ (x1 * y2) ^ (x2 * y1) ^ (x3 * y0)) & keep << 3
}

/// The product of two pairs of words, from their three factors.
#[inline(always)]
fn double_product(x: &[u32; 3], y: &[[u32; 4]; 3]) -> [u32; 4] {
    let [low, high, middle] = [
        product(x[0], &y[0]),
        product(x[1], &y[1]),
        product(x[2], &y[2]),
    ];
    let middle = middle ^ low ^ high;
    [
        low as u32,
        (low >> 32) as u32 ^ middle as u32,
        high as u32 ^ (middle >> 32) as u32,
        (high >> 32) as u32,
    ]
}

/// The product in the field, from its nine factors.
fn multiply(x: &[u32; 4], y: &[[u32; 4]; 9]) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i] = nine(x);
    let [p, q, r, s, t, u, v, w, z] = *y;
    let low = double_product(&[a, b, c], &[p, q, r]);
    let high = double_product(&[d, e, f], &[s, t, u]);
    let mut middle = double_product(&[g, h, i], &[v, w, z]);
    for ((middle, low), high) in middle.iter_mut().zip(&low).zip(&high) {
        *middle ^= low ^ high;
    }
    let mut all = [
        low[0],
        low[1],
        low[2] ^ middle[0],
        low[3] ^ middle[1],
        high[0] ^ middle[2],
        high[1] ^ middle[3],
        high[2],
        high[3],
    ];
    // What lies in the low half counts again 128, 127, 126 and 121 places higher.
    for i in 0..4 {
        let word = all[i];
        all[i + 4] ^= word ^ word >> 1 ^ word >> 2 ^ word >> 7;
        all[i + 3] ^= word << 31 ^ word << 30 ^ word << 25;
    }
    let [_, _, _, _, out @ ..] = all;
    out
}

#[cfg(target_arch = "arm")]
mod arm {
    use core::arch::global_asm;

    unsafe extern "C" {
        fn tockstone_ghash_product(x: u32, y: *const u32) -> u64;
    }

    /// The product of two words without carries, the second in quarters.
    pub fn product(x: u32, y: &[u32; 4]) -> u64 {
        // SAFETY: the routine reads the four words of `y`, and preserves r4-r11.
        unsafe { tockstone_ghash_product(x, y.as_ptr()) }
    }

    global_asm!(
        ".section .text.tockstone_ghash_product, \"ax\"",
        ".p2align 2",
        // Four products into r2, r3: x's quarters in r4-r7, y's from a on round.
        ".macro ts_quarter a, b, c, d, keep",
        "umull r2, r3, r4, \\a",
        "umull r12, lr, r5, \\b",
        "eor r2, r2, r12",
        "eor r3, r3, lr",
        "umull r12, lr, r6, \\c",
        "eor r2, r2, r12",
        "eor r3, r3, lr",
        "umull r12, lr, r7, \\d",
        "eor r2, r2, r12",
        "eor r3, r3, lr",
        "and r2, r2, #\\keep",
        "and r3, r3, #\\keep",
        "orr r0, r0, r2",
        "orr r1, r1, r3",
        ".endm",
        ".global tockstone_ghash_product",
        ".type tockstone_ghash_product, %function",
        ".thumb_func",
        "tockstone_ghash_product:",
        "push {{r4-r11, lr}}",
        "ldm r1, {{r8-r11}}",
        "and r4, r0, #0x11111111",
        "and r5, r0, #0x22222222",
        "and r6, r0, #0x44444444",
        "and r7, r0, #0x88888888",
        "movs r0, #0",
        "movs r1, #0",
        "ts_quarter r8, r11, r10, r9, 0x11111111",
        "ts_quarter r9, r8, r11, r10, 0x22222222",
        "ts_quarter r10, r9, r8, r11, 0x44444444",
        "ts_quarter r11, r10, r9, r8, 0x88888888",
        "pop {{r4-r11, pc}}",
        ".purgem ts_quarter",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::ghash::universal_hash::UniversalHash;

    #[test]
    fn agrees_with_rustcrypto() {
        for round in 0..400usize {
            let value = |n: usize, i: usize| match round % 8 {
                0 => 0xFF,
                1 => 0x80,
                2 => 1,
                _ => (i * 97 + round * round + n * 59) as u8,
            };
            let key: [u8; 16] = core::array::from_fn(|i| value(0, i));
            let blocks: Vec<[u8; 16]> = (1..round % 5 + 1)
                .map(|n| core::array::from_fn(|i| value(n, i)))
                .collect();
            let mut ours = Ghash::new(&key);
            ours.blocks(&blocks);
            let mut oracle = ::ghash::GHash::new(&key.into());
            oracle.update_padded(blocks.as_flattened());
            let mut lengths = [0; 16];
            lengths[7] = 8;
            lengths[15] = 16;
            oracle.update_padded(&lengths);
            let expected: [u8; 16] = oracle.finalize().into();
            assert_eq!(ours.finish(1, 2), expected, "{round}");
        }
    }
}

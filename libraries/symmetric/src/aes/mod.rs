//! AES (FIPS 197) under keys of 128, 192 and 256 bits, two blocks at a time, and counter mode
//! (SP 800-38A §6.5).
//!
//! Owns key schedule and block function, bit-sliced: word i holds bit i of all 32 bytes, row by row,
//! in each row the four columns of the first block, then those of the second. So no table is
//! looked up, and no branch or address depends on key or text. Rows are never shifted: after j
//! rounds row r stands j × r columns off, and what mixes columns and adds keys reckons with it
//! (fixslicing: Adomnicai and Peyrin, 2020). So that all three end with rows two columns off, the
//! twelve rounds of AES-192 begin so. Encryption is there in assembler and in portable Rust;
//! decryption, for which no hot path asks, in portable Rust, of the parts of encryption.

#[cfg(all(target_arch = "arm", not(feature = "small")))]
mod assembler;

use zeroize::Zeroize;

/// Round keys of AES-256.
const MAX_KEYS: usize = 15;
const BLOCK: usize = 16;

/// An expanded key.
#[derive(Clone)]
pub struct Aes {
    /// As words of bits, each for the columns where its round finds them; with the constant of the
    /// S-box of the round before.
    keys: [[u32; 8]; MAX_KEYS],
    /// 4, 5 or 6: twice the turns of the assembler's loop, four rounds each, after the first; odd
    /// where the rounds begin in its middle, with rows two columns off.
    turns: u32,
}

impl Aes {
    /// Expands a key of 16, 24 or 32 bytes; `None` for another length.
    pub fn new(key: &[u8]) -> Option<Self> {
        let turns = match key.len() {
            16 => 4,
            24 => 5,
            32 => 6,
            _ => return None,
        };
        let mut words = [0; 4 * MAX_KEYS];
        for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        expand(&mut words, key.len() / 4);
        let mut keys = [[0; 8]; MAX_KEYS];
        let columns = words.as_chunks::<4>().0;
        let rounds = keys.iter_mut().zip(columns).enumerate();
        for (round, (bits, columns)) in rounds.take(last(turns) + 1) {
            let moved = unshifted(columns, round + first(turns));
            let [a, b, c, d] = moved;
            *bits = [a, b, c, d, a, b, c, d];
            transpose(bits);
            if round > 0 {
                for (i, word) in bits.iter_mut().enumerate() {
                    *word ^= 0u32.wrapping_sub(CONSTANT >> i & 1);
                }
            }
        }
        words.zeroize();
        Some(Aes { keys, turns })
    }

    /// Two blocks, encrypted.
    pub fn encrypt(&self, a: &[u8; BLOCK], b: &[u8; BLOCK]) -> [[u8; BLOCK]; 2] {
        let mut pair = pair(a, b);
        self.encrypt_pair(&mut pair);
        blocks(&pair)
    }

    /// Two blocks, decrypted; at a third of the pace.
    pub fn decrypt(&self, a: &[u8; BLOCK], b: &[u8; BLOCK]) -> [[u8; BLOCK]; 2] {
        let mut pair = pair(a, b);
        inverse(&self.keys, self.turns, &mut pair);
        blocks(&pair)
    }

    /// Two blocks, each four little-endian words.
    fn encrypt_pair(&self, blocks: &mut [u32; 8]) {
        if first(self.turns) != 0 {
            two_off(blocks);
        }
        #[cfg(all(target_arch = "arm", not(feature = "small")))]
        assembler::encrypt_pair(&self.keys, self.turns, blocks);
        #[cfg(not(all(target_arch = "arm", not(feature = "small"))))]
        portable(&self.keys, self.turns, blocks);
    }
}

impl Drop for Aes {
    fn drop(&mut self) {
        self.keys.as_flattened_mut().zeroize();
    }
}

/// The keystream of counter mode with a counter of 32 bits, big-endian, in the last word.
pub struct Counter {
    aes: Aes,
    fixed: [u32; 3],
    counter: u32,
    /// The last two blocks of keystream, and from where on they are unused.
    rest: [u8; 2 * BLOCK],
    used: usize,
}

impl Counter {
    /// Keystream from the counter block after `block` on.
    pub fn after(aes: Aes, block: &[u8; BLOCK]) -> Self {
        let [a, b, c, d] = words(block);
        Counter {
            aes,
            fixed: [a, b, c],
            counter: d.swap_bytes().wrapping_add(1),
            rest: [0; 2 * BLOCK],
            used: 2 * BLOCK,
        }
    }

    /// XORs the next keystream onto `text`.
    pub fn apply(&mut self, text: &mut [u8]) {
        let text = self.apply_rest(text);
        let (pairs, tail) = text.as_chunks_mut::<{ 2 * BLOCK }>();
        for pair in pairs {
            let keystream = self.next();
            for (to, key) in pair.as_chunks_mut().0.iter_mut().zip(keystream) {
                *to = (u32::from_le_bytes(*to) ^ key).to_le_bytes();
            }
        }
        if !tail.is_empty() {
            let keystream = self.next();
            for (to, key) in self.rest.as_chunks_mut().0.iter_mut().zip(keystream) {
                *to = key.to_le_bytes();
            }
            self.used = 0;
            self.apply_rest(tail);
        }
    }

    fn next(&mut self) -> [u32; 8] {
        let [a, b, c] = self.fixed;
        let second = self.counter.wrapping_add(1);
        let mut pair = [
            a,
            b,
            c,
            self.counter.swap_bytes(),
            a,
            b,
            c,
            second.swap_bytes(),
        ];
        self.counter = second.wrapping_add(1);
        self.aes.encrypt_pair(&mut pair);
        pair
    }

    /// Uses what is left of the last blocks; returns what it did not reach.
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

impl Drop for Counter {
    fn drop(&mut self) {
        crate::erase(&mut self.rest);
    }
}

/// The last round.
fn last(turns: u32) -> usize {
    2 * turns as usize + 2
}

/// How many columns the rows are off before the first round.
fn first(turns: u32) -> usize {
    2 * (turns as usize & 1)
}

/// Moves the second row and the fourth two columns, in words of columns.
fn two_off(columns: &mut [u32; 8]) {
    for i in [0, 1, 4, 5] {
        let swapped = (columns[i] ^ columns[i + 2]) & 0xFF00_FF00;
        columns[i] ^= swapped;
        columns[i + 2] ^= swapped;
    }
}

/// Two blocks as little-endian words.
fn pair(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> [u32; 8] {
    let mut pair = [0; 8];
    let all = [*a, *b];
    for (to, bytes) in pair.iter_mut().zip(all.as_flattened().as_chunks().0) {
        *to = u32::from_le_bytes(*bytes);
    }
    pair
}

/// And back.
fn blocks(pair: &[u32; 8]) -> [[u8; BLOCK]; 2] {
    let mut out = [[0; BLOCK]; 2];
    let bytes = out.as_flattened_mut().as_chunks_mut().0;
    for (to, word) in bytes.iter_mut().zip(pair) {
        *to = word.to_le_bytes();
    }
    out
}

/// A block as little-endian words.
fn words(block: &[u8; BLOCK]) -> [u32; 4] {
    let mut out = [0; 4];
    for (to, bytes) in out.iter_mut().zip(block.as_chunks().0) {
        *to = u32::from_le_bytes(*bytes);
    }
    out
}

/// What the affine part of the S-box adds (FIPS 197 §5.1.1).
const CONSTANT: u32 = 0x63;

/// Fills the key schedule (FIPS 197 §5.2), whose first `length` words are the key.
fn expand(words: &mut [u32; 4 * MAX_KEYS], length: usize) {
    let end = (4 * (length + 7)).min(words.len());
    let mut constant = 1;
    for i in length..end {
        let mut word = words[i - 1];
        if i % length == 0 {
            word = sub_word(word.rotate_right(8)) ^ constant;
            // Public: the constants of FIPS 197 §5.2.
            constant = (constant << 1) ^ ((constant >> 7) * 0x11B);
        } else if length > 6 && i % length == 4 {
            word = sub_word(word);
        }
        words[i] = words[i - length] ^ word;
    }
}

/// The S-box on each byte of a word.
fn sub_word(word: u32) -> u32 {
    let mut bits: [u32; 8] = core::array::from_fn(|i| word >> i & 0x0101_0101);
    sub_bytes(&mut bits);
    let spread = bits.iter().enumerate();
    spread.fold(0, |w, (i, b)| w | (b & 0x0101_0101) << i) ^ (CONSTANT * 0x0101_0101)
}

/// Columns of a round key, each row where the `round`th round finds it.
fn unshifted(columns: &[u32; 4], round: usize) -> [u32; 4] {
    core::array::from_fn(|c| {
        (0..4).fold(0, |column, row| {
            column | columns[c.wrapping_sub(round * row) & 3] & 0xFF << (8 * row)
        })
    })
}

/// [`transpose`], where it is no part of a key's expansion.
#[inline(never)]
fn transpose_apart(x: &mut [u32; 8]) {
    transpose(x);
}

/// Exchanges words of columns and words of bits, in each row.
#[cfg_attr(not(feature = "small"), inline(always))]
fn transpose(x: &mut [u32; 8]) {
    for (left, mask) in [(1, 0x5555_5555), (2, 0x3333_3333), (4, 0x0F0F_0F0F)] {
        for i in (0..8).filter(|i| i & left == 0) {
            let swapped = (x[i] >> left ^ x[i + left]) & mask;
            x[i + left] ^= swapped;
            x[i] ^= swapped << left;
        }
    }
}

/// The S-box without its constant: the circuit of Boyar and Peralta (2012), whose bits count from
/// the highest.
#[cfg_attr(not(feature = "small"), inline(always))]
fn sub_bytes(x: &mut [u32; 8]) {
    let [x7, x6, x5, x4, x3, x2, x1, x0] = *x;
    let y14 = x3 ^ x5;
    let y13 = x0 ^ x6;
    let y9 = x0 ^ x3;
    let y8 = x0 ^ x5;
    let t0 = x1 ^ x2;
    let y1 = t0 ^ x7;
    let y4 = y1 ^ x3;
    let y12 = y13 ^ y14;
    let y2 = y1 ^ x0;
    let y5 = y1 ^ x6;
    let y3 = y5 ^ y8;
    let t1 = x4 ^ y12;
    let y15 = t1 ^ x5;
    let y20 = t1 ^ x1;
    let y6 = y15 ^ x7;
    let y10 = y15 ^ t0;
    let y11 = y20 ^ y9;
    let y7 = x7 ^ y11;
    let y17 = y10 ^ y11;
    let y19 = y10 ^ y8;
    let y16 = t0 ^ y11;
    let y21 = y13 ^ y16;
    let y18 = x0 ^ y16;
    let t2 = y12 & y15;
    let t3 = y3 & y6;
    let t4 = t3 ^ t2;
    let t5 = y4 & x7;
    let t6 = t5 ^ t2;
    let t7 = y13 & y16;
    let t8 = y5 & y1;
    let t9 = t8 ^ t7;
    let t10 = y2 & y7;
    let t11 = t10 ^ t7;
    let t12 = y9 & y11;
    let t13 = y14 & y17;
    let t14 = t13 ^ t12;
    let t15 = y8 & y10;
    let t16 = t15 ^ t12;
    let t17 = t4 ^ t14;
    let t18 = t6 ^ t16;
    let t19 = t9 ^ t14;
    let t20 = t11 ^ t16;
    let t21 = t17 ^ y20;
    let t22 = t18 ^ y19;
    let t23 = t19 ^ y21;
    let t24 = t20 ^ y18;
    let t25 = t21 ^ t22;
    let t26 = t21 & t23;
    let t27 = t24 ^ t26;
    let t28 = t25 & t27;
    let t29 = t28 ^ t22;
    let t30 = t23 ^ t24;
    let t31 = t22 ^ t26;
    let t32 = t31 & t30;
    let t33 = t32 ^ t24;
    let t34 = t23 ^ t33;
    let t35 = t27 ^ t33;
    let t36 = t24 & t35;
    let t37 = t36 ^ t34;
    let t38 = t27 ^ t36;
    let t39 = t29 & t38;
    let t40 = t25 ^ t39;
    let t41 = t40 ^ t37;
    let t42 = t29 ^ t33;
    let t43 = t29 ^ t40;
    let t44 = t33 ^ t37;
    let t45 = t42 ^ t41;
    let z0 = t44 & y15;
    let z1 = t37 & y6;
    let z2 = t33 & x7;
    let z3 = t43 & y16;
    let z4 = t40 & y1;
    let z5 = t29 & y7;
    let z6 = t42 & y11;
    let z7 = t45 & y17;
    let z8 = t41 & y10;
    let z9 = t44 & y12;
    let z10 = t37 & y3;
    let z11 = t33 & y4;
    let z12 = t43 & y13;
    let z13 = t40 & y5;
    let z14 = t29 & y2;
    let z15 = t42 & y9;
    let z16 = t45 & y14;
    let z17 = t41 & y8;
    let t46 = z15 ^ z16;
    let t47 = z10 ^ z11;
    let t48 = z5 ^ z13;
    let t49 = z9 ^ z10;
    let t50 = z2 ^ z12;
    let t51 = z2 ^ z5;
    let t52 = z7 ^ z8;
    let t53 = z0 ^ z3;
    let t54 = z6 ^ z7;
    let t55 = z16 ^ z17;
    let t56 = z12 ^ t48;
    let t57 = t50 ^ t53;
    let t58 = z4 ^ t46;
    let t59 = z3 ^ t54;
    let t60 = t46 ^ t57;
    let t61 = z14 ^ t57;
    let t62 = t52 ^ t58;
    let t63 = t49 ^ t58;
    let t64 = z4 ^ t59;
    let t65 = t61 ^ t62;
    let t66 = z1 ^ t63;
    let s0 = t59 ^ t63;
    let s6 = t56 ^ t62;
    let s7 = t48 ^ t60;
    let t67 = t64 ^ t65;
    let s3 = t53 ^ t66;
    let s4 = t51 ^ t66;
    let s5 = t47 ^ t65;
    let s1 = t64 ^ s3;
    let s2 = t55 ^ t67;
    *x = [s7, s6, s5, s4, s3, s2, s1, s0];
}

/// Columns mixed (FIPS 197 §5.1.3) where the next row stands `off` columns off.
#[cfg_attr(target_arch = "arm", inline(never))] // No hot path there: once is enough.
fn mix_columns(x: &mut [u32; 8], off: u32) {
    // What stands in the next row, same column.
    let next = |word: u32| {
        let keep = 0x1111_1111 * (0xF >> off);
        word.rotate_right(8 + off) & keep | word.rotate_right(4 + off) & !keep
    };
    let sums = x.map(|word| word ^ next(word));
    // Twice a byte, in GF(2^8).
    let double = |i: usize| {
        let carry = if matches!(i, 0 | 1 | 3 | 4) {
            sums[7]
        } else {
            0
        };
        carry ^ if i > 0 { sums[i - 1] } else { 0 }
    };
    let mixed = core::array::from_fn(|i| double(i) ^ next(x[i]) ^ next(next(sums[i])));
    *x = mixed;
}

/// Encryption in portable Rust, of blocks whose rows stand [`first`] columns off.
#[cfg_attr(all(target_arch = "arm", not(feature = "small")), allow(dead_code))]
fn portable(keys: &[[u32; 8]; MAX_KEYS], turns: u32, x: &mut [u32; 8]) {
    transpose(x);
    for (round, key) in keys.iter().enumerate().take(last(turns) + 1) {
        if round > 0 {
            sub_bytes(x);
        }
        if round > 0 && round < last(turns) {
            mix_columns(x, ((round + first(turns)) % 4) as u32);
        }
        for (word, key) in x.iter_mut().zip(key) {
            *word ^= *key;
        }
    }
    transpose(x);
    // The last round leaves them two columns off.
    two_off(x);
}

/// Decryption: the rounds of [`portable`] undone.
fn inverse(keys: &[[u32; 8]; MAX_KEYS], turns: u32, x: &mut [u32; 8]) {
    two_off(x);
    transpose_apart(x);
    let rounds = keys.iter().enumerate().take(last(turns) + 1).rev();
    for (round, key) in rounds {
        for (word, key) in x.iter_mut().zip(key) {
            *word ^= *key;
        }
        if round > 0 && round < last(turns) {
            // Mixed four times, columns are what they were.
            for _ in 0..3 {
                mix_columns(x, ((round + first(turns)) % 4) as u32);
            }
        }
        if round > 0 {
            // The S-box is a matrix times the inverse in the field: with that matrix taken off on
            // both sides, it is its own inverse.
            unmultiply(x);
            sub_bytes(x);
            unmultiply(x);
        }
    }
    transpose_apart(x);
    if first(turns) != 0 {
        two_off(x);
    }
}

/// Undoes the S-box's matrix (FIPS 197 §5.3.2), without the constant.
fn unmultiply(x: &mut [u32; 8]) {
    *x = core::array::from_fn(|i| x[(i + 2) & 7] ^ x[(i + 5) & 7] ^ x[(i + 7) & 7]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::aes::cipher::{BlockCipherEncrypt, KeyInit};

    fn oracle(key: &[u8], block: &[u8; 16]) -> [u8; 16] {
        let mut block = (*block).into();
        match key.len() {
            16 => ::aes::Aes128Enc::new_from_slice(key)
                .unwrap()
                .encrypt_block(&mut block),
            24 => ::aes::Aes192Enc::new_from_slice(key)
                .unwrap()
                .encrypt_block(&mut block),
            _ => ::aes::Aes256Enc::new_from_slice(key)
                .unwrap()
                .encrypt_block(&mut block),
        }
        block.into()
    }

    #[test]
    fn agrees_with_rustcrypto() {
        for round in 0..200usize {
            let key: Vec<u8> = (0..32).map(|i| (i * 73 + round * round) as u8).collect();
            let key = &key[..[16, 24, 32][round % 3]];
            let block = |n: usize| -> [u8; 16] {
                core::array::from_fn(|i| (i * 29 + round * 7 + n * 101) as u8)
            };
            let aes = Aes::new(key).unwrap();
            let encrypted = aes.encrypt(&block(0), &block(1));
            assert_eq!(
                encrypted,
                [oracle(key, &block(0)), oracle(key, &block(1))],
                "{round}"
            );
            assert_eq!(
                aes.decrypt(&encrypted[0], &encrypted[1]),
                [block(0), block(1)],
                "{round}"
            );
        }
        for length in (0..40).filter(|n| ![16, 24, 32].contains(n)) {
            assert!(Aes::new(&[0; 40][..length]).is_none());
        }
    }

    #[test]
    fn counter_mode_at_any_length_wraps_its_last_word_only() {
        let key = [0x42; 16];
        let first = [[0x11; 12].as_slice(), &[0xFF, 0xFF, 0xFF, 0xFE]].concat();
        let first: [u8; 16] = first.try_into().unwrap();
        let mut expected = Vec::new();
        for i in 0..20u32 {
            let mut block = first;
            block[12..].copy_from_slice(&0xFFFF_FFFEu32.wrapping_add(i).to_be_bytes());
            expected.extend(oracle(&key, &block));
        }
        for len in 0..300 {
            let mut counter = Counter::after(Aes::new(&key).unwrap(), &first);
            let mut text = vec![0; len];
            let (a, b) = text.split_at_mut(len / 3);
            counter.apply(a);
            counter.apply(b);
            assert_eq!(text[..], expected[16..16 + len], "{len}");
        }
    }
}

//! SHA-256 (FIPS 180-4) for whole images.
//!
//! Owns blocks, padding and a portable compression function; a board may give a faster one. It is
//! here because a boot is mostly hashing, and `sha2` unrolls to 7.3 KiB and 37 instructions a byte
//! on ARMv8-M, or rolls up to 0.8 KiB and 65. `sha2` is the oracle of its tests.

use super::Digest256;

const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

#[rustfmt::skip]
static K: [[u32; 16]; 4] = [
    [0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
     0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
    [0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
     0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
    [0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
     0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
    [0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
     0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
];

/// Takes whole blocks into a SHA-256 state (FIPS 180-4 §6.2.2).
pub type Compress = fn(&mut [u32; 8], &[[u8; 64]]);

/// Hash in progress.
pub(crate) struct Sha256 {
    compress: Compress,
    state: [u32; 8],
    buffer: [u8; 64],
    /// Bytes in `buffer`, below 64.
    pending: usize,
    length: u64,
}

impl Sha256 {
    pub(crate) fn new(compress: Compress) -> Self {
        Sha256 {
            compress,
            state: INITIAL,
            buffer: [0; 64],
            pending: 0,
            length: 0,
        }
    }

    pub(crate) fn chain(mut self, mut data: &[u8]) -> Self {
        self.length += data.len() as u64;
        if self.pending > 0 {
            let take = data.len().min(self.buffer.len() - self.pending);
            let (head, rest) = data.split_at(take);
            self.put(head);
            data = rest;
            if self.pending < 64 {
                return self;
            }
            (self.compress)(&mut self.state, &[self.buffer]);
            self.pending = 0;
        }
        let (blocks, rest) = data.as_chunks();
        (self.compress)(&mut self.state, blocks);
        self.put(rest);
        self
    }

    pub(crate) fn finish(mut self) -> Digest256 {
        let bits = (self.length * 8).to_be_bytes();
        let [bytes @ .., _, _, _, _, _, _, _, _] = &mut self.buffer;
        let fits = self.pending < bytes.len();
        for (at, byte) in self.buffer.iter_mut().enumerate().skip(self.pending) {
            *byte = if at == self.pending { 0x80 } else { 0 };
        }
        if !fits {
            (self.compress)(&mut self.state, &[self.buffer]);
            self.buffer = [0; 64];
        }
        if let Some(tail) = self.buffer.last_chunk_mut() {
            *tail = bits;
        }
        (self.compress)(&mut self.state, &[self.buffer]);
        let mut out = [0; 32];
        for (to, word) in out.chunks_exact_mut(4).zip(self.state) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        out
    }

    /// Appends what fits.
    fn put(&mut self, bytes: &[u8]) {
        for (to, from) in self.buffer.iter_mut().skip(self.pending).zip(bytes) {
            *to = *from;
        }
        self.pending += bytes.len();
    }
}

/// One round on rotated names; `$x` carries b ^ c of this round in and a ^ b out, which is the
/// next round's b ^ c.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $x:ident, $k:expr, $w:expr) => {
        let s1 = $e ^ $e.rotate_right(5) ^ $e.rotate_right(19);
        $h = $h
            .wrapping_add($w)
            .wrapping_add($k)
            .wrapping_add(s1.rotate_right(6))
            .wrapping_add((($f ^ $g) & $e) ^ $g);
        $d = $d.wrapping_add($h);
        let ab = $a ^ $b;
        let s0 = $a ^ $a.rotate_right(11) ^ $a.rotate_right(20);
        $h = $h
            .wrapping_add(s0.rotate_right(2))
            .wrapping_add(($x & ab) ^ $b);
        $x = ab;
    };
}

/// Sixteen rounds; `$w!(i)` gives the message word.
macro_rules! sixteen {
    ($s:ident $x:ident, $k:ident, $w:ident) => {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $s;
        round!(a b c d e f g h $x, $k[0], $w!(0));
        round!(h a b c d e f g $x, $k[1], $w!(1));
        round!(g h a b c d e f $x, $k[2], $w!(2));
        round!(f g h a b c d e $x, $k[3], $w!(3));
        round!(e f g h a b c d $x, $k[4], $w!(4));
        round!(d e f g h a b c $x, $k[5], $w!(5));
        round!(c d e f g h a b $x, $k[6], $w!(6));
        round!(b c d e f g h a $x, $k[7], $w!(7));
        round!(a b c d e f g h $x, $k[8], $w!(8));
        round!(h a b c d e f g $x, $k[9], $w!(9));
        round!(g h a b c d e f $x, $k[10], $w!(10));
        round!(f g h a b c d e $x, $k[11], $w!(11));
        round!(e f g h a b c d $x, $k[12], $w!(12));
        round!(d e f g h a b c $x, $k[13], $w!(13));
        round!(c d e f g h a b $x, $k[14], $w!(14));
        round!(b c d e f g h a $x, $k[15], $w!(15));
        $s = [a, b, c, d, e, f, g, h];
    };
}

/// The portable [`Compress`].
pub fn compress(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    for block in blocks {
        compress_one(state, block);
    }
}

fn compress_one(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut w = [0u32; 16];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut s = *state;
    let mut x = s[1] ^ s[2];
    let [first, rest @ ..] = &K;
    macro_rules! given {
        ($i:expr) => {
            w[$i]
        };
    }
    // In place: the indices are constants below 16.
    macro_rules! next {
        ($i:expr) => {{
            let (old, recent) = (w[($i + 1) % 16], w[($i + 14) % 16]);
            let s0 = (old ^ old.rotate_right(11)).rotate_right(7) ^ (old >> 3);
            let s1 = (recent ^ recent.rotate_right(2)).rotate_right(17) ^ (recent >> 10);
            w[$i] = w[$i]
                .wrapping_add(s0)
                .wrapping_add(w[($i + 9) % 16])
                .wrapping_add(s1);
            w[$i]
        }};
    }
    {
        sixteen!(s x, first, given);
    }
    for k in rest {
        sixteen!(s x, k, next);
    }
    for (to, from) in state.iter_mut().zip(s) {
        *to = to.wrapping_add(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    #[test]
    fn agrees_with_sha2() {
        let data: Vec<u8> = (0..1000u32).map(|i| ((i * i) >> 3) as u8).collect();
        for len in 0..400 {
            let expected: Digest256 = sha2::Sha256::digest(&data[..len]).into();
            let whole = Sha256::new(compress).chain(&data[..len]);
            assert_eq!(whole.finish(), expected, "{len}");
            // In three parts, cut anywhere.
            let (a, b) = (len * 7 % (len + 1), len * 13 % (len + 1));
            let (a, b) = (a.min(b), a.max(b));
            let parts = Sha256::new(compress)
                .chain(&data[..a])
                .chain(&data[a..b])
                .chain(&data[b..len]);
            assert_eq!(parts.finish(), expected, "{a} {b} {len}");
        }
        let long = vec![0xA5; 100_000];
        let expected: Digest256 = sha2::Sha256::digest(&long).into();
        assert_eq!(Sha256::new(compress).chain(&long).finish(), expected);
    }
}

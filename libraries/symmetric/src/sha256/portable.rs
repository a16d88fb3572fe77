//! The compression function in portable Rust.
//!
//! FIPS 180-4 §6.2.2 with the message schedule in a ring of sixteen words, twice: unrolled, and in
//! an eighth of that code. `sha2` is the oracle.

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

/// One round on rotated names; `$x` carries b ^ c of this round in and a ^ b out, which is the
/// next round's b ^ c.
#[cfg(any(test, not(feature = "small")))]
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
#[cfg(any(test, not(feature = "small")))]
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

/// Takes one block into a state, in little code.
#[cfg(any(test, feature = "small"))]
pub fn compress_rolled(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut w = [0u32; 16];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut s = *state;
    for (i, k) in K.as_flattened().iter().enumerate() {
        let [a, b, c, _, e, f, g, h] = s;
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t1 = h
            .wrapping_add(s1)
            .wrapping_add(((f ^ g) & e) ^ g)
            .wrapping_add(*k)
            .wrapping_add(w[i % 16]);
        s.rotate_right(1);
        s[4] = s[4].wrapping_add(t1);
        s[0] = t1.wrapping_add(s0).wrapping_add((a & b) ^ (c & (a ^ b)));
        // The word of sixteen rounds later.
        let (old, recent) = (w[(i + 1) % 16], w[(i + 14) % 16]);
        let s0 = old.rotate_right(7) ^ old.rotate_right(18) ^ (old >> 3);
        let s1 = recent.rotate_right(17) ^ recent.rotate_right(19) ^ (recent >> 10);
        w[i % 16] = w[i % 16]
            .wrapping_add(s0)
            .wrapping_add(w[(i + 9) % 16])
            .wrapping_add(s1);
    }
    for (to, from) in state.iter_mut().zip(s) {
        *to = to.wrapping_add(from);
    }
}

/// Takes one block into a state.
#[cfg(any(test, not(feature = "small")))]
pub fn compress_one(state: &mut [u32; 8], block: &[u8; 64]) {
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

//! CRC-32 (IEEE 802.3, reflected), a byte at a time, or with the feature `small` half of one.
//!
//! Owns accident detection for our flash formats. No defence against an attacker: secure flash
//! is, and Protected Storage authenticates by itself. The 1 KiB table halves the time
//! that the SPE needs to mount its storage, compared with one of 64 bytes.

/// Bits taken at a time.
const STEP: u32 = if cfg!(feature = "small") { 4 } else { 8 };

static TABLE: [u32; 1 << STEP] = table(STEP);

const fn table<const N: usize>(step: u32) -> [u32; N] {
    let mut table = [0; N];
    let mut i = 0;
    while i < N {
        let mut c = i as u32;
        let mut bit = 0;
        while bit < step {
            c = if c & 1 == 1 {
                0xEDB8_8320 ^ (c >> 1)
            } else {
                c >> 1
            };
            bit += 1;
        }
        table[i] = c;
        i += 1;
    }
    table
}

/// Takes a byte into a register, by a table for `step` bits, 4 or 8.
#[inline(always)]
fn step<const N: usize>(table: &[u32; N], step: u32, register: u32, byte: u8) -> u32 {
    let register = register ^ u32::from(byte);
    let next = table[register as usize % N] ^ (register >> step);
    if step == 8 {
        return next;
    }
    table[next as usize % N] ^ (next >> step)
}

/// A CRC-32 in progress.
#[derive(Debug, Clone, Copy)]
pub struct Crc32(u32);

impl Crc32 {
    /// Before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Crc32(!0)
    }

    /// Takes `bytes` in.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut c = self.0;
        for b in bytes {
            c = step(&TABLE, STEP, c, *b);
        }
        self.0 = c;
    }

    /// The check value.
    #[must_use]
    pub const fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

/// CRC-32 of `bytes`.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    crc.update(bytes);
    crc.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both tables, whichever the build has.
    #[test]
    fn half_a_byte_at_a_time_is_the_same() {
        let (half, whole) = (table::<16>(4), table::<256>(8));
        let (mut a, mut b) = (!0, !0);
        for byte in (0..10_000u32).map(|i| ((i * i) >> 3) as u8) {
            a = step(&half, 4, a, byte);
            b = step(&whole, 8, b, byte);
            assert_eq!(a, b);
        }
        assert!(TABLE == whole[..] || TABLE == half[..]);
    }

    #[test]
    fn known_answer() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        let mut parts = Crc32::new();
        parts.update(b"1234");
        parts.update(b"56789");
        assert_eq!(parts.value(), 0xCBF4_3926);
    }
}

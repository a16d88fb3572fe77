//! CRC-32 (IEEE 802.3, reflected), a byte at a time.
//!
//! Owns accident detection for our flash formats. No defence against an attacker: secure flash
//! is, and Protected Storage authenticates by itself. The 1 KiB table halves the time
//! that the SPE needs to mount its storage, compared with one of 64 bytes.

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut c = i as u32;
        let mut bit = 0;
        while bit < 8 {
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
};

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
            c = TABLE[usize::from(c as u8 ^ *b)] ^ (c >> 8);
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

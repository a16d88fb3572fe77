//! Seeded damage for the tests of parsers.

/// Xorshift; never 0.
pub struct Random(pub u64);

impl Random {
    /// The next word.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// `whole` with a few bytes changed, cut or continued.
    pub fn damage(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..self.next() % 6 {
            let at = self.next() as usize % bytes.len();
            bytes[at] = self.next() as u8;
        }
        match self.next() % 4 {
            0 => bytes.truncate(self.next() as usize % (whole.len() + 1)),
            1 => bytes.extend((0..self.next() % 40).map(|n| n as u8)),
            _ => {}
        }
        bytes
    }
}

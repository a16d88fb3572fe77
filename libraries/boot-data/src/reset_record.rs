//! What a dying secure image leaves in the reset-record region for the next boot.
//!
//! Owns the 44 bytes: magic `RSTR`, reason, eight words, CRC-32, all little endian. RAM keeps its
//! content over a reset but holds anything after power-on, hence magic and CRC.

/// Why the secure image reset the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ResetReason {
    /// A fault taken in secure code.
    SecureFault = 1,
    /// A Secure fault caused by privileged non-secure code.
    NonSecureAttack = 2,
    /// The watchdog of a trial boot expired.
    Watchdog = 3,
    /// A broken invariant (a Rust panic).
    Panic = 4,
    /// Asked for.
    Request = 5,
}

/// The record; the meaning of `words` belongs to whoever sets the reason (fault status, pc, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetRecord {
    pub reason: ResetReason,
    pub words: [u32; 8],
}

const MAGIC: u32 = u32::from_le_bytes(*b"RSTR");

impl ResetRecord {
    /// Length of the wire form, bytes.
    pub const SIZE: usize = 44;

    /// Reads a record at the start of `bytes`; `None` unless magic, CRC and reason are right.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::SIZE] = bytes.first_chunk()?;
        let mut words = [0u32; 11];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes(chunk.try_into().ok()?);
        }
        let [magic, reason, words @ .., check] = words;
        if magic != MAGIC || check != crc32(bytes.get(..Self::SIZE - 4)?) {
            return None;
        }
        let reason = match reason {
            1 => ResetReason::SecureFault,
            2 => ResetReason::NonSecureAttack,
            3 => ResetReason::Watchdog,
            4 => ResetReason::Panic,
            5 => ResetReason::Request,
            _ => return None,
        };
        Some(ResetRecord { reason, words })
    }

    /// The wire form.
    pub fn emit(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let head = [MAGIC, self.reason as u32];
        let words = head.iter().chain(&self.words);
        for (chunk, word) in out.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let [body @ .., _, _, _, _] = &out;
        let check = crc32(body).to_le_bytes();
        if let Some(tail) = out.last_chunk_mut() {
            *tail = check;
        }
        out
    }
}

/// CRC-32 (IEEE), bit by bit: for a few bytes now and then.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            (c >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(c & 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_any_flip_is_noticed() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let record = ResetRecord {
            reason: ResetReason::Watchdog,
            words: [1, 2, 3, 4, 5, 6, 7, u32::MAX],
        };
        let bytes = record.emit();
        assert_eq!(ResetRecord::parse(&bytes), Some(record));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ResetRecord::parse(&bad), None);
        }
        assert_eq!(ResetRecord::parse(&bytes[..43]), None);
        assert_eq!(ResetRecord::parse(&[0; 44]), None);
    }
}

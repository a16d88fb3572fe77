//! Internal trusted and protected storage: request types, flags and `psa_storage_info_t`.

/// `psa_its_set`, `psa_ps_set`: in uid (u64), data, create flags (u32).
pub const SET: i16 = 1001;
/// `get`: in uid, offset (u32); out data.
pub const GET: i16 = 1002;
/// `get_info`: in uid; out [`StorageInfo`].
pub const GET_INFO: i16 = 1003;
/// `remove`: in uid.
pub const REMOVE: i16 = 1004;
/// `psa_ps_get_support` (protected storage only): out u32.
pub const GET_SUPPORT: i16 = 1005;

/// No flags.
pub const FLAG_NONE: u32 = 0;
/// The object can never be changed or removed.
pub const FLAG_WRITE_ONCE: u32 = 1;
/// Confidentiality is not needed.
pub const FLAG_NO_CONFIDENTIALITY: u32 = 2;
/// Replay protection is not needed.
pub const FLAG_NO_REPLAY_PROTECTION: u32 = 4;
/// All flags that exist; any other bit is NOT_SUPPORTED.
pub const FLAGS_ALL: u32 = 7;

/// `psa_storage_info_t`: 12 bytes, three little-endian words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorageInfo {
    /// Bytes reserved for the object.
    pub capacity: u32,
    /// Bytes stored.
    pub size: u32,
    /// Flags given at creation.
    pub flags: u32,
}

impl StorageInfo {
    /// Size on the wire, bytes.
    pub const SIZE: usize = 12;

    /// To the wire.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let words = [self.capacity, self.size, self.flags];
        for (to, word) in out.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    /// From the wire; total.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        StorageInfo {
            capacity: u32::from_le_bytes([a, b, c, d]),
            size: u32::from_le_bytes([e, f, g, h]),
            flags: u32::from_le_bytes([i, j, k, l]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_round_trips() {
        let info = StorageInfo {
            capacity: 0x01020304,
            size: 5,
            flags: 1,
        };
        assert_eq!(info.encode(), [4, 3, 2, 1, 5, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(StorageInfo::decode(&info.encode()), info);
    }
}

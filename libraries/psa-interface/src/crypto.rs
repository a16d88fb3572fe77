//! Crypto service: function ids, derivation steps and the 56-byte input vector 0 (TF-M 2.1+).

/// `function_id`: `(group << 8) | index`.
pub mod function {
    macro_rules! ids {
        ($($name:ident = $value:literal)*) => {
            $(#[doc = concat!("`psa_", stringify!($name), "`, TF-M's spelling.")]
            pub const $name: u16 = $value;)*
            /// Every id, for tables and tests.
            pub const ALL: &[(u16, &str)] = &[$(($value, stringify!($name)),)*];
        };
    }
    ids! {
        GENERATE_RANDOM = 0x100
        GET_KEY_ATTRIBUTES = 0x200 OPEN_KEY = 0x201 CLOSE_KEY = 0x202 IMPORT_KEY = 0x203
        DESTROY_KEY = 0x204 EXPORT_KEY = 0x205 EXPORT_PUBLIC_KEY = 0x206 PURGE_KEY = 0x207
        COPY_KEY = 0x208 GENERATE_KEY = 0x209
        HASH_COMPUTE = 0x300 HASH_COMPARE = 0x301 HASH_SETUP = 0x302 HASH_UPDATE = 0x303
        HASH_CLONE = 0x304 HASH_FINISH = 0x305 HASH_VERIFY = 0x306 HASH_ABORT = 0x307
        CAN_DO_HASH = 0x308
        MAC_COMPUTE = 0x400 MAC_VERIFY = 0x401 MAC_SIGN_SETUP = 0x402 MAC_VERIFY_SETUP = 0x403
        MAC_UPDATE = 0x404 MAC_SIGN_FINISH = 0x405 MAC_VERIFY_FINISH = 0x406 MAC_ABORT = 0x407
        CIPHER_ENCRYPT = 0x500 CIPHER_DECRYPT = 0x501 CIPHER_ENCRYPT_SETUP = 0x502
        CIPHER_DECRYPT_SETUP = 0x503 CIPHER_GENERATE_IV = 0x504 CIPHER_SET_IV = 0x505
        CIPHER_UPDATE = 0x506 CIPHER_FINISH = 0x507 CIPHER_ABORT = 0x508 CAN_DO_CIPHER = 0x509
        AEAD_ENCRYPT = 0x600 AEAD_DECRYPT = 0x601 AEAD_ENCRYPT_SETUP = 0x602
        AEAD_DECRYPT_SETUP = 0x603 AEAD_GENERATE_NONCE = 0x604 AEAD_SET_NONCE = 0x605
        AEAD_SET_LENGTHS = 0x606 AEAD_UPDATE_AD = 0x607 AEAD_UPDATE = 0x608 AEAD_FINISH = 0x609
        AEAD_VERIFY = 0x60A AEAD_ABORT = 0x60B
        SIGN_MESSAGE = 0x700 VERIFY_MESSAGE = 0x701 SIGN_HASH = 0x702 VERIFY_HASH = 0x703
        ASYMMETRIC_ENCRYPT = 0x800 ASYMMETRIC_DECRYPT = 0x801
        RAW_KEY_AGREEMENT = 0x900 KEY_DERIVATION_SETUP = 0x901 KEY_DERIVATION_GET_CAPACITY = 0x902
        KEY_DERIVATION_SET_CAPACITY = 0x903 KEY_DERIVATION_INPUT_BYTES = 0x904
        KEY_DERIVATION_INPUT_KEY = 0x905 KEY_DERIVATION_INPUT_INTEGER = 0x906
        KEY_DERIVATION_KEY_AGREEMENT = 0x907 KEY_DERIVATION_OUTPUT_BYTES = 0x908
        KEY_DERIVATION_OUTPUT_KEY = 0x909 KEY_DERIVATION_ABORT = 0x90A
    }
}

/// `psa_key_derivation_step_t`.
pub mod step {
    /// Secret input.
    pub const SECRET: u16 = 0x0101;
    /// Low-entropy secret.
    pub const PASSWORD: u16 = 0x0102;
    /// Second secret.
    pub const OTHER_SECRET: u16 = 0x0103;
    /// Label.
    pub const LABEL: u16 = 0x0201;
    /// Salt.
    pub const SALT: u16 = 0x0202;
    /// Context information.
    pub const INFO: u16 = 0x0203;
    /// Seed.
    pub const SEED: u16 = 0x0204;
    /// Cost (integer).
    pub const COST: u16 = 0x0205;
}

/// `PSA_KEY_DERIVATION_UNLIMITED_CAPACITY`.
pub const UNLIMITED_CAPACITY: u32 = 0xFFFF_FFFF;
/// Longest nonce that the vector carries, bytes.
pub const MAX_NONCE: usize = 16;

/// `tfm_crypto_pack_iovec`: input vector 0 of every crypto call, 56 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CryptoIovec {
    /// Key id as the client knows it, @0.
    pub key_id: u32,
    /// `psa_algorithm_t`, @4.
    pub alg: u32,
    /// Multi-part operation, 0 for none, @8.
    pub op_handle: u32,
    /// AEAD set_lengths: additional data, bytes, @12.
    pub ad_length: u32,
    /// AEAD set_lengths: plaintext, bytes, @16.
    pub plaintext_length: u32,
    /// AEAD nonce, @20.
    pub nonce: [u8; MAX_NONCE],
    /// Nonce length, bytes, @36; a client answers INVALID_ARGUMENT itself above 16.
    pub nonce_length: u32,
    /// One of [`function`], @40.
    pub function_id: u16,
    /// One of [`step`], @42.
    pub step: u16,
    /// Derivation capacity (low 32 bits) or integer input, @48.
    pub value: u64,
}

impl CryptoIovec {
    /// Size on the wire, bytes.
    pub const SIZE: usize = 56;

    /// A request for `function_id`, all else zero.
    pub const fn new(function_id: u16) -> Self {
        CryptoIovec {
            key_id: 0,
            alg: 0,
            op_handle: 0,
            ad_length: 0,
            plaintext_length: 0,
            nonce: [0; MAX_NONCE],
            nonce_length: 0,
            function_id,
            step: 0,
            value: 0,
        }
    }

    /// With a nonce.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when it is longer than 16 bytes.
    pub fn with_nonce(mut self, nonce: &[u8]) -> Result<Self, crate::Status> {
        let to = self
            .nonce
            .get_mut(..nonce.len())
            .ok_or(crate::Status::INVALID_ARGUMENT)?;
        to.copy_from_slice(nonce);
        self.nonce_length = nonce.len() as u32;
        Ok(self)
    }

    /// The nonce; `None` when its length is not possible.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.get(..usize::try_from(self.nonce_length).ok()?)
    }

    /// Capacity of a key derivation, bytes (the union's other reading).
    pub const fn capacity(&self) -> u32 {
        self.value as u32
    }

    /// To the wire; padding is zero.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        out[0..4].copy_from_slice(&self.key_id.to_le_bytes());
        out[4..8].copy_from_slice(&self.alg.to_le_bytes());
        out[8..12].copy_from_slice(&self.op_handle.to_le_bytes());
        out[12..16].copy_from_slice(&self.ad_length.to_le_bytes());
        out[16..20].copy_from_slice(&self.plaintext_length.to_le_bytes());
        out[20..36].copy_from_slice(&self.nonce);
        out[36..40].copy_from_slice(&self.nonce_length.to_le_bytes());
        out[40..42].copy_from_slice(&self.function_id.to_le_bytes());
        out[42..44].copy_from_slice(&self.step.to_le_bytes());
        out[48..56].copy_from_slice(&self.value.to_le_bytes());
        out
    }

    /// From the wire; total, padding is not looked at.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut nonce = [0; MAX_NONCE];
        nonce.copy_from_slice(&bytes[20..36]);
        CryptoIovec {
            key_id: word(0),
            alg: word(4),
            op_handle: word(8),
            ad_length: word(12),
            plaintext_length: word(16),
            nonce,
            nonce_length: word(36),
            function_id: u16::from_le_bytes([bytes[40], bytes[41]]),
            step: u16::from_le_bytes([bytes[42], bytes[43]]),
            value: u64::from(word(48)) | u64::from(word(52)) << 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iovec_round_trips_at_the_documented_offsets() {
        let v = CryptoIovec {
            key_id: 0x0101_0101,
            alg: 0x0202_0202,
            op_handle: 0x0303_0303,
            ad_length: 0x0404_0404,
            plaintext_length: 0x0505_0505,
            nonce: [6; 16],
            nonce_length: 0x0707_0707,
            function_id: 0x0808,
            step: 0x0909,
            value: 0x0A0A_0A0A_0A0A_0A0A,
        };
        let b = v.encode();
        let runs = [
            (0, 4, 1),
            (4, 4, 2),
            (8, 4, 3),
            (12, 4, 4),
            (16, 4, 5),
            (20, 16, 6),
            (36, 4, 7),
            (40, 2, 8),
            (42, 2, 9),
            (44, 4, 0),
            (48, 8, 10),
        ];
        assert_eq!(runs.iter().map(|r| r.1).sum::<usize>(), CryptoIovec::SIZE);
        for (at, len, value) in runs {
            assert!(b[at..at + len].iter().all(|x| *x == value), "@{at}");
        }
        assert_eq!(CryptoIovec::decode(&b), v);
        assert_eq!(v.nonce(), None);
        assert_eq!(v.capacity(), 0x0A0A_0A0A);
    }

    #[test]
    fn nonce_is_bounded() {
        let v = CryptoIovec::new(function::AEAD_ENCRYPT)
            .with_nonce(&[1; 12])
            .unwrap();
        assert_eq!(v.nonce(), Some(&[1; 12][..]));
        assert_eq!(
            CryptoIovec::new(0).with_nonce(&[1; 17]),
            Err(crate::Status::INVALID_ARGUMENT)
        );
    }

    #[test]
    fn function_ids_are_unique_and_grouped() {
        for (i, (id, name)) in function::ALL.iter().enumerate() {
            assert!((1..=9).contains(&(id >> 8)), "{name}");
            assert!(
                function::ALL[..i].iter().all(|(other, _)| other != id),
                "{name}"
            );
        }
        // Table C.2: 1 + 10 + 9 + 8 + 10 + 12 + 4 + 2 + 11.
        assert_eq!(function::ALL.len(), 67);
    }
}

//! Keys: types, usage flags, lifetimes, ids and `psa_key_attributes_t` (PSA Crypto 1.1).

use crate::Algorithm;

/// Usage flags of a key's policy (`psa_key_usage_t`).
pub mod usage {
    /// The key may be exported.
    pub const EXPORT: u32 = 0x1;
    /// The key may be copied.
    pub const COPY: u32 = 0x2;
    /// Encryption.
    pub const ENCRYPT: u32 = 0x100;
    /// Decryption.
    pub const DECRYPT: u32 = 0x200;
    /// Signing messages, computing MACs.
    pub const SIGN_MESSAGE: u32 = 0x400;
    /// Verifying messages and MACs.
    pub const VERIFY_MESSAGE: u32 = 0x800;
    /// Signing hashes; implies SIGN_MESSAGE.
    pub const SIGN_HASH: u32 = 0x1000;
    /// Verifying hashes; implies VERIFY_MESSAGE.
    pub const VERIFY_HASH: u32 = 0x2000;
    /// Key derivation and key agreement.
    pub const DERIVE: u32 = 0x4000;
    /// Comparing with derived output.
    pub const VERIFY_DERIVATION: u32 = 0x8000;
    /// Every flag that exists.
    pub const ALL: u32 = 0xFF03;

    /// Adds what the flags imply (SIGN_HASH → SIGN_MESSAGE, VERIFY_HASH → VERIFY_MESSAGE).
    pub const fn with_implied(flags: u32) -> u32 {
        let mut out = flags;
        if flags & SIGN_HASH != 0 {
            out |= SIGN_MESSAGE;
        }
        if flags & VERIFY_HASH != 0 {
            out |= VERIFY_MESSAGE;
        }
        out
    }
}

/// No key.
pub const KEY_ID_NULL: u32 = 0;
/// Smallest id that a user may choose.
pub const KEY_ID_USER_MIN: u32 = 1;
/// Largest id that a user may choose.
pub const KEY_ID_USER_MAX: u32 = 0x3FFF_FFFF;
/// Smallest id that the implementation may choose (volatile keys live here).
pub const KEY_ID_VENDOR_MIN: u32 = 0x4000_0000;
/// Largest id that the implementation may choose.
pub const KEY_ID_VENDOR_MAX: u32 = 0x7FFF_FFFF;
/// Built-in hardware unique key (TF-M).
pub const KEY_ID_HUK: u32 = 0x7FFF_815C;
/// Built-in initial attestation key (TF-M).
pub const KEY_ID_IAK: u32 = 0x7FFF_815D;

/// ECC family of the NIST prime curves.
pub const ECC_FAMILY_SECP_R1: u8 = 0x12;
/// ECC family of Curve25519 and Curve448.
pub const ECC_FAMILY_MONTGOMERY: u8 = 0x41;

/// `psa_key_type_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeyType(pub u16);

impl KeyType {
    /// No type; in attributes of a derived key never valid.
    pub const NONE: KeyType = KeyType(0);
    /// Bytes that are no key.
    pub const RAW_DATA: KeyType = KeyType(0x1001);
    /// HMAC.
    pub const HMAC: KeyType = KeyType(0x1100);
    /// Input of a key derivation.
    pub const DERIVE: KeyType = KeyType(0x1200);
    /// Low-entropy input of a derivation.
    pub const PASSWORD: KeyType = KeyType(0x1203);
    /// AES.
    pub const AES: KeyType = KeyType(0x2400);
    /// ChaCha20 (and ChaCha20-Poly1305).
    pub const CHACHA20: KeyType = KeyType(0x2004);
    /// RSA public key, PKCS#1 `RSAPublicKey` DER.
    pub const RSA_PUBLIC_KEY: KeyType = KeyType(0x4001);
    /// RSA key pair.
    pub const RSA_KEY_PAIR: KeyType = KeyType(0x7001);
    /// SECP_R1 public key, uncompressed point.
    pub const ECC_PUBLIC_KEY_SECP_R1: KeyType = KeyType(0x4112);
    /// SECP_R1 key pair, big-endian scalar.
    pub const ECC_KEY_PAIR_SECP_R1: KeyType = KeyType(0x7112);
    /// Montgomery public key.
    pub const ECC_PUBLIC_KEY_MONTGOMERY: KeyType = KeyType(0x4141);
    /// Montgomery key pair.
    pub const ECC_KEY_PAIR_MONTGOMERY: KeyType = KeyType(0x7141);

    /// Key pair or public key.
    pub const fn is_asymmetric(self) -> bool {
        self.0 & 0x7000 == 0x4000 || self.0 & 0x7000 == 0x7000
    }

    /// Public half only.
    pub const fn is_public_key(self) -> bool {
        self.0 & 0x7000 == 0x4000
    }

    /// Both halves.
    pub const fn is_key_pair(self) -> bool {
        self.0 & 0x7000 == 0x7000
    }

    /// Elliptic curve, of whatever family.
    pub const fn is_ecc(self) -> bool {
        self.is_asymmetric() && self.0 & 0x0F00 == 0x0100
    }

    /// RSA, public or pair.
    pub const fn is_rsa(self) -> bool {
        self.0 == 0x4001 || self.0 == 0x7001
    }

    /// Curve family of an ECC key.
    pub const fn ecc_family(self) -> Option<u8> {
        if self.is_ecc() {
            Some(self.0 as u8)
        } else {
            None
        }
    }

    /// The public type of a pair; other types unchanged.
    pub const fn public_of(self) -> KeyType {
        if self.is_key_pair() {
            KeyType(self.0 & !0x3000)
        } else {
            self
        }
    }

    /// Unstructured: any bytes are a key, and the length follows from `bits`.
    pub const fn is_unstructured(self) -> bool {
        !self.is_asymmetric() && self.0 != 0
    }
}

/// `psa_key_lifetime_t`: persistence in bits 7:0, location above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lifetime(pub u32);

impl Lifetime {
    /// Gone at reset.
    pub const VOLATILE: Lifetime = Lifetime(0);
    /// Kept in the device's own storage.
    pub const PERSISTENT: Lifetime = Lifetime(1);
    /// Persistence level of keys that nobody can destroy.
    pub const PERSISTENCE_READ_ONLY: u8 = 0xFF;

    /// Persistence level.
    pub const fn persistence(self) -> u8 {
        self.0 as u8
    }

    /// Location; 0 is the secure world's own storage.
    pub const fn location(self) -> u32 {
        self.0 >> 8
    }

    /// Whether the key is gone at reset.
    pub const fn is_volatile(self) -> bool {
        self.persistence() == 0
    }
}

/// `psa_key_attributes_t` as clients of TF-M 2.1 and later send it: 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyAttributes {
    /// Type.
    pub key_type: KeyType,
    /// Size, bits; 0 on import means "from the data".
    pub bits: u16,
    /// Lifetime.
    pub lifetime: Lifetime,
    /// [`usage`] flags.
    pub usage: u32,
    /// Permitted algorithm.
    pub alg: Algorithm,
    /// Second permitted algorithm (Mbed TLS enrolment); 0 for none.
    pub alg2: Algorithm,
    /// Key id; 0 for a volatile key in a request.
    pub id: u32,
}

impl KeyAttributes {
    /// Size on the wire, bytes.
    pub const SIZE: usize = 24;

    /// A volatile key.
    pub const fn volatile(key_type: KeyType, bits: u16, usage: u32, alg: Algorithm) -> Self {
        KeyAttributes {
            key_type,
            bits,
            lifetime: Lifetime::VOLATILE,
            usage,
            alg,
            alg2: Algorithm::NONE,
            id: 0,
        }
    }

    /// The same as a persistent key `id`.
    pub const fn persistent(mut self, id: u32) -> Self {
        self.lifetime = Lifetime::PERSISTENT;
        self.id = id;
        self
    }

    /// To the wire.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        out[0..2].copy_from_slice(&self.key_type.0.to_le_bytes());
        out[2..4].copy_from_slice(&self.bits.to_le_bytes());
        out[4..8].copy_from_slice(&self.lifetime.0.to_le_bytes());
        out[8..12].copy_from_slice(&self.usage.to_le_bytes());
        out[12..16].copy_from_slice(&self.alg.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.alg2.0.to_le_bytes());
        out[20..24].copy_from_slice(&self.id.to_le_bytes());
        out
    }

    /// From the wire; total.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        KeyAttributes {
            key_type: KeyType(u16::from_le_bytes([bytes[0], bytes[1]])),
            bits: u16::from_le_bytes([bytes[2], bytes[3]]),
            lifetime: Lifetime(word(4)),
            usage: word(8),
            alg: Algorithm(word(12)),
            alg2: Algorithm(word(16)),
            id: word(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_round_trip_at_the_documented_offsets() {
        let a = KeyAttributes {
            key_type: KeyType::ECC_KEY_PAIR_SECP_R1,
            bits: 256,
            lifetime: Lifetime::PERSISTENT,
            usage: usage::SIGN_HASH,
            alg: Algorithm::ecdsa(Algorithm::SHA_256),
            alg2: Algorithm(7),
            id: 0x11,
        };
        let b = a.encode();
        assert_eq!(&b[..8], &[0x12, 0x71, 0, 1, 1, 0, 0, 0]);
        assert_eq!(&b[8..16], &[0, 0x10, 0, 0, 9, 6, 0, 6]);
        assert_eq!(&b[16..], &[7, 0, 0, 0, 0x11, 0, 0, 0]);
        assert_eq!(KeyAttributes::decode(&b), a);
    }

    #[test]
    fn key_types() {
        let table = [
            // type, asymmetric, public, pair, ecc, rsa
            (KeyType::RAW_DATA, false, false, false, false, false),
            (KeyType::AES, false, false, false, false, false),
            (KeyType::CHACHA20, false, false, false, false, false),
            (KeyType::RSA_PUBLIC_KEY, true, true, false, false, true),
            (KeyType::RSA_KEY_PAIR, true, false, true, false, true),
            (
                KeyType::ECC_PUBLIC_KEY_SECP_R1,
                true,
                true,
                false,
                true,
                false,
            ),
            (
                KeyType::ECC_KEY_PAIR_SECP_R1,
                true,
                false,
                true,
                true,
                false,
            ),
        ];
        for (t, asym, public, pair, ecc, rsa) in table {
            assert_eq!(
                (
                    t.is_asymmetric(),
                    t.is_public_key(),
                    t.is_key_pair(),
                    t.is_ecc(),
                    t.is_rsa()
                ),
                (asym, public, pair, ecc, rsa),
                "{t:?}"
            );
        }
        assert_eq!(
            KeyType::ECC_KEY_PAIR_SECP_R1.public_of(),
            KeyType::ECC_PUBLIC_KEY_SECP_R1
        );
        assert_eq!(KeyType::RSA_KEY_PAIR.public_of(), KeyType::RSA_PUBLIC_KEY);
        assert_eq!(KeyType::AES.public_of(), KeyType::AES);
        assert_eq!(
            usage::with_implied(usage::SIGN_HASH),
            usage::SIGN_HASH | usage::SIGN_MESSAGE
        );
        assert_eq!(usage::with_implied(usage::EXPORT), usage::EXPORT);
        assert_eq!(
            Lifetime(0x80_0001FF).persistence(),
            Lifetime::PERSISTENCE_READ_ONLY
        );
    }
}

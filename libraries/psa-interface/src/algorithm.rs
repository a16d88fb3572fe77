//! `psa_algorithm_t`: encodings, predicates, and what a policy permits (PSA Crypto 1.1, §10).
//!
//! Bits 30:24 are the category, bits 7:0 usually the hash, bits 21:16 a tag or MAC length.

use crate::KeyType;

const CATEGORY: u32 = 0x7F00_0000;
const HASH_PART: u32 = 0x0000_00FF;
const LENGTH_PART: u32 = 0x003F_0000;
const AT_LEAST_THIS_LENGTH: u32 = 0x0000_8000;

/// `psa_algorithm_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Algorithm(pub u32);

impl Algorithm {
    /// No algorithm; a policy with it permits nothing.
    pub const NONE: Algorithm = Algorithm(0);
    /// SHA-1 (recognised, not offered).
    pub const SHA_1: Algorithm = Algorithm(0x0200_0005);
    /// SHA-224.
    pub const SHA_224: Algorithm = Algorithm(0x0200_0008);
    /// SHA-256.
    pub const SHA_256: Algorithm = Algorithm(0x0200_0009);
    /// SHA-384.
    pub const SHA_384: Algorithm = Algorithm(0x0200_000A);
    /// SHA-512.
    pub const SHA_512: Algorithm = Algorithm(0x0200_000B);
    /// In a policy: any hash.
    pub const ANY_HASH: Algorithm = Algorithm(0x0200_00FF);
    /// HMAC without a hash.
    pub const HMAC_BASE: Algorithm = Algorithm(0x0380_0000);
    /// HMAC-SHA-256.
    pub const HMAC_SHA_256: Algorithm = Algorithm(0x0380_0009);
    /// HMAC-SHA-384.
    pub const HMAC_SHA_384: Algorithm = Algorithm(0x0380_000A);
    /// CMAC.
    pub const CMAC: Algorithm = Algorithm(0x03C0_0200);
    /// Counter mode.
    pub const CTR: Algorithm = Algorithm(0x04C0_1000);
    /// Cipher block chaining of whole blocks.
    pub const CBC_NO_PADDING: Algorithm = Algorithm(0x0440_4000);
    /// CBC with PKCS#7 padding.
    pub const CBC_PKCS7: Algorithm = Algorithm(0x0440_4100);
    /// Cipher feedback, whole blocks of feedback.
    pub const CFB: Algorithm = Algorithm(0x04C0_1100);
    /// Electronic code book of whole blocks.
    pub const ECB_NO_PADDING: Algorithm = Algorithm(0x0440_4400);
    /// CCM, 16-byte tag.
    pub const CCM: Algorithm = Algorithm(0x0550_0100);
    /// GCM, 16-byte tag.
    pub const GCM: Algorithm = Algorithm(0x0550_0200);
    /// ChaCha20-Poly1305.
    pub const CHACHA20_POLY1305: Algorithm = Algorithm(0x0510_0500);
    /// PKCS#1 v1.5 signature without a hash (raw).
    pub const RSA_PKCS1V15_SIGN_BASE: Algorithm = Algorithm(0x0600_0200);
    /// RSA-PSS base.
    pub const RSA_PSS_BASE: Algorithm = Algorithm(0x0600_0300);
    /// RSA-PSS with any salt length, base.
    pub const RSA_PSS_ANY_SALT_BASE: Algorithm = Algorithm(0x0600_1300);
    /// ECDSA base; as an algorithm, ECDSA over a hash that the caller names nothing about.
    pub const ECDSA_ANY: Algorithm = Algorithm(0x0600_0600);
    /// Deterministic ECDSA (RFC 6979) base.
    pub const DETERMINISTIC_ECDSA_BASE: Algorithm = Algorithm(0x0600_0700);
    /// HKDF base.
    pub const HKDF_BASE: Algorithm = Algorithm(0x0800_0100);
    /// TLS 1.2 PRF base.
    pub const TLS12_PRF_BASE: Algorithm = Algorithm(0x0800_0200);
    /// TLS 1.2 PSK-to-MS without a hash.
    pub const TLS12_PSK_TO_MS_BASE: Algorithm = Algorithm(0x0800_0300);
    /// PBKDF2-HMAC without a hash.
    pub const PBKDF2_HMAC_BASE: Algorithm = Algorithm(0x0880_0100);
    /// HKDF-Extract base.
    pub const HKDF_EXTRACT_BASE: Algorithm = Algorithm(0x0800_0400);
    /// HKDF-Expand base.
    pub const HKDF_EXPAND_BASE: Algorithm = Algorithm(0x0800_0500);
    /// ECDH, raw.
    pub const ECDH: Algorithm = Algorithm(0x0902_0000);

    const fn with_hash(base: Algorithm, hash: Algorithm) -> Algorithm {
        Algorithm(base.0 | hash.0 & HASH_PART)
    }

    /// HMAC over `hash`.
    pub const fn hmac(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::HMAC_BASE, hash)
    }

    /// Randomised ECDSA over `hash`.
    pub const fn ecdsa(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::ECDSA_ANY, hash)
    }

    /// Deterministic ECDSA over `hash`.
    pub const fn deterministic_ecdsa(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::DETERMINISTIC_ECDSA_BASE, hash)
    }

    /// RSASSA-PKCS1-v1_5 over `hash`.
    pub const fn rsa_pkcs1v15_sign(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::RSA_PKCS1V15_SIGN_BASE, hash)
    }

    /// RSASSA-PSS over `hash`, salt as long as the hash.
    pub const fn rsa_pss(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::RSA_PSS_BASE, hash)
    }

    /// RSASSA-PSS over `hash`, any salt length on verification.
    pub const fn rsa_pss_any_salt(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::RSA_PSS_ANY_SALT_BASE, hash)
    }

    /// HKDF over `hash`.
    pub const fn hkdf(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::HKDF_BASE, hash)
    }

    /// HKDF-Extract over `hash`.
    pub const fn hkdf_extract(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::HKDF_EXTRACT_BASE, hash)
    }

    /// HKDF-Expand over `hash`.
    pub const fn hkdf_expand(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::HKDF_EXPAND_BASE, hash)
    }

    /// TLS 1.2 PRF over `hash`.
    pub const fn tls12_prf(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::TLS12_PRF_BASE, hash)
    }

    /// TLS 1.2 PSK-to-MS over `hash`.
    pub const fn tls12_psk_to_ms(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::TLS12_PSK_TO_MS_BASE, hash)
    }

    /// PBKDF2 over HMAC with `hash`.
    pub const fn pbkdf2_hmac(hash: Algorithm) -> Algorithm {
        Self::with_hash(Self::PBKDF2_HMAC_BASE, hash)
    }

    /// Key agreement `self` followed by the derivation `kdf`.
    pub const fn with_kdf(self, kdf: Algorithm) -> Algorithm {
        Algorithm(self.0 | kdf.0 & 0xFFFF)
    }

    /// MAC cut to `len` bytes; 0 is the full length.
    pub const fn truncated_mac(self, len: u8) -> Algorithm {
        Algorithm(
            self.0 & !(LENGTH_PART | AT_LEAST_THIS_LENGTH) | ((len as u32) << 16) & LENGTH_PART,
        )
    }

    /// AEAD with a tag of `len` bytes.
    pub const fn with_tag_length(self, len: u8) -> Algorithm {
        self.truncated_mac(len)
    }

    /// In a policy: tags or MACs of at least this length (`len` bytes).
    pub const fn at_least_this_length(self, len: u8) -> Algorithm {
        Algorithm(self.truncated_mac(len).0 | AT_LEAST_THIS_LENGTH)
    }

    const fn category(self) -> u32 {
        self.0 & CATEGORY
    }

    /// Hash algorithm.
    pub const fn is_hash(self) -> bool {
        self.category() == 0x0200_0000
    }

    /// MAC algorithm.
    pub const fn is_mac(self) -> bool {
        self.category() == 0x0300_0000
    }

    /// HMAC over any hash, truncated or not.
    pub const fn is_hmac(self) -> bool {
        self.is_mac() && self.0 & 0x00C0_0000 == 0x0080_0000
    }

    /// Unauthenticated cipher.
    pub const fn is_cipher(self) -> bool {
        self.category() == 0x0400_0000
    }

    /// AEAD.
    pub const fn is_aead(self) -> bool {
        self.category() == 0x0500_0000
    }

    /// Asymmetric signature.
    pub const fn is_sign(self) -> bool {
        self.category() == 0x0600_0000
    }

    /// Asymmetric encryption.
    pub const fn is_asymmetric_encryption(self) -> bool {
        self.category() == 0x0700_0000
    }

    /// Key derivation.
    pub const fn is_key_derivation(self) -> bool {
        self.category() == 0x0800_0000
    }

    /// Key agreement, raw or with a derivation.
    pub const fn is_key_agreement(self) -> bool {
        self.category() == 0x0900_0000
    }

    /// Key agreement without a derivation.
    pub const fn is_raw_key_agreement(self) -> bool {
        self.is_key_agreement() && self.0 & 0xFFFF == 0
    }

    /// ECDSA, randomised or deterministic.
    pub const fn is_ecdsa(self) -> bool {
        self.is_sign() && self.0 & 0x00FF_FE00 == 0x0600
    }

    /// Deterministic ECDSA.
    pub const fn is_deterministic_ecdsa(self) -> bool {
        self.is_sign() && self.0 & 0x00FF_FF00 == 0x0700
    }

    /// RSASSA-PKCS1-v1_5.
    pub const fn is_rsa_pkcs1v15_sign(self) -> bool {
        self.is_sign() && self.0 & 0x00FF_FF00 == 0x0200
    }

    /// RSASSA-PSS, with the standard or any salt length.
    pub const fn is_rsa_pss(self) -> bool {
        self.is_sign() && self.0 & 0x00FF_EF00 == 0x0300
    }

    /// RSASSA-PSS with any salt length.
    pub const fn is_rsa_pss_any_salt(self) -> bool {
        self.is_sign() && self.0 & 0x00FF_FF00 == 0x1300
    }

    /// HKDF (both steps).
    pub const fn is_hkdf(self) -> bool {
        self.is_key_derivation() && self.0 & 0x00FF_FF00 == 0x0100
    }

    /// TLS 1.2 PRF.
    pub const fn is_tls12_prf(self) -> bool {
        self.is_key_derivation() && self.0 & 0x00FF_FF00 == 0x0200
    }

    /// TLS 1.2 PSK-to-MS.
    pub const fn is_tls12_psk_to_ms(self) -> bool {
        self.is_key_derivation() && self.0 & 0x00FF_FF00 == 0x0300
    }

    /// PBKDF2 over HMAC.
    pub const fn is_pbkdf2_hmac(self) -> bool {
        self.is_key_derivation() && self.0 & 0x00FF_FF00 == 0x0080_0100
    }

    /// HKDF-Extract.
    pub const fn is_hkdf_extract(self) -> bool {
        self.is_key_derivation() && self.0 & 0x00FF_FF00 == 0x0400
    }

    /// HKDF-Expand.
    pub const fn is_hkdf_expand(self) -> bool {
        self.is_key_derivation() && self.0 & 0x00FF_FF00 == 0x0500
    }

    /// A signature algorithm that hashes first (`PSA_ALG_IS_HASH_AND_SIGN`).
    pub const fn is_hash_and_sign(self) -> bool {
        self.is_ecdsa() || self.is_rsa_pkcs1v15_sign() || self.is_rsa_pss()
    }

    /// The hash inside an HMAC, signature or key derivation; the algorithm itself for a hash.
    /// `None` when there is none (ECDSA_ANY, raw PKCS#1 v1.5, AEAD, …).
    pub const fn hash_of(self) -> Option<Algorithm> {
        let has = self.is_hash()
            || self.is_hmac()
            || self.is_hash_and_sign()
            || self.is_key_derivation()
            || self.is_key_agreement();
        if has && self.0 & HASH_PART != 0 {
            Some(Algorithm(0x0200_0000 | self.0 & HASH_PART))
        } else {
            None
        }
    }

    /// Output of the hash, bytes; `None` for hashes without a fixed one here.
    pub const fn hash_length(self) -> Option<usize> {
        match self.0 {
            0x0200_0005 => Some(20),
            0x0200_0008 => Some(28),
            0x0200_0009 | 0x0200_000D | 0x0200_0011 => Some(32),
            0x0200_000A | 0x0200_0012 => Some(48),
            0x0200_000B | 0x0200_0013 => Some(64),
            _ => None,
        }
    }

    /// Length to which a MAC is truncated, bytes; 0 is the full length.
    pub const fn mac_truncation(self) -> usize {
        ((self.0 & LENGTH_PART) >> 16) as usize
    }

    /// MAC algorithm at full length.
    pub const fn full_length_mac(self) -> Algorithm {
        self.truncated_mac(0)
    }

    /// Tag length of an AEAD, bytes.
    pub const fn aead_tag_length(self) -> usize {
        ((self.0 & LENGTH_PART) >> 16) as usize
    }

    /// The AEAD with its default (16-byte) tag.
    pub const fn aead_base(self) -> Algorithm {
        self.with_tag_length(16)
    }

    /// Wildcards are for policies only: no operation takes them.
    pub const fn is_wildcard(self) -> bool {
        if self.is_hash_and_sign() || self.is_hash() {
            return self.0 & HASH_PART == HASH_PART;
        }
        (self.is_mac() || self.is_aead()) && self.0 & AT_LEAST_THIS_LENGTH != 0
    }

    /// The derivation inside a combined key agreement.
    pub const fn kdf_of(self) -> Option<Algorithm> {
        if self.is_key_agreement() && !self.is_raw_key_agreement() {
            Some(Algorithm(0x0800_0000 | self.0 & 0xFFFF))
        } else {
            None
        }
    }

    /// The raw agreement inside a key agreement.
    pub const fn agreement_of(self) -> Option<Algorithm> {
        if self.is_key_agreement() {
            Some(Algorithm(self.0 & !0xFFFF))
        } else {
            None
        }
    }

    /// Whether a policy with `self` permits an operation with `requested`, for keys of `key_type`
    /// (PSA Crypto 1.1: wildcards, minimum lengths, raw agreement for any derivation).
    pub const fn permits(self, requested: Algorithm, key_type: KeyType) -> bool {
        if requested.is_wildcard() || self.0 == 0 || requested.0 == 0 {
            return false;
        }
        if self.0 == requested.0 {
            return true;
        }
        if self.is_hash_and_sign() && requested.is_hash_and_sign() {
            return self.0 & HASH_PART == HASH_PART
                && self.0 & !HASH_PART == requested.0 & !HASH_PART;
        }
        if self.is_aead() && requested.is_aead() {
            return self.0 & AT_LEAST_THIS_LENGTH != 0
                && self.aead_base().0 == requested.aead_base().0
                && requested.aead_tag_length() >= self.aead_tag_length();
        }
        if self.is_mac() && requested.is_mac() {
            if self.full_length_mac().0 != requested.full_length_mac().0 {
                return false;
            }
            let (Some(have), Some(want)) =
                (self.mac_length(key_type), requested.mac_length(key_type))
            else {
                return false;
            };
            return if self.0 & AT_LEAST_THIS_LENGTH != 0 {
                want >= have
            } else {
                want == have
            };
        }
        if self.is_raw_key_agreement() && requested.is_key_agreement() {
            return self.0 == requested.0 & !0xFFFF;
        }
        false
    }

    /// Length of a MAC with keys of `key_type`, bytes.
    pub const fn mac_length(self, key_type: KeyType) -> Option<usize> {
        if !self.is_mac() {
            return None;
        }
        if self.mac_truncation() != 0 {
            return Some(self.mac_truncation());
        }
        if self.is_hmac() {
            return match self.hash_of() {
                Some(hash) => hash.hash_length(),
                None => None,
            };
        }
        if key_type.0 == KeyType::AES.0 {
            Some(16)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_give_the_specified_numbers() {
        let table = [
            (Algorithm::hmac(Algorithm::SHA_256), 0x0380_0009),
            (Algorithm::hmac(Algorithm::SHA_512), 0x0380_000B),
            (
                Algorithm::hmac(Algorithm::SHA_256).truncated_mac(16),
                0x0390_0009,
            ),
            (Algorithm::CCM.with_tag_length(8), 0x0548_0100),
            (
                Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_256),
                0x0600_0209,
            ),
            (Algorithm::rsa_pss(Algorithm::SHA_384), 0x0600_030A),
            (Algorithm::rsa_pss_any_salt(Algorithm::SHA_256), 0x0600_1309),
            (Algorithm::ecdsa(Algorithm::SHA_256), 0x0600_0609),
            (
                Algorithm::deterministic_ecdsa(Algorithm::SHA_256),
                0x0600_0709,
            ),
            (Algorithm::hkdf(Algorithm::SHA_384), 0x0800_010A),
            (Algorithm::hkdf_extract(Algorithm::SHA_256), 0x0800_0409),
            (Algorithm::hkdf_expand(Algorithm::SHA_256), 0x0800_0509),
            (Algorithm::tls12_prf(Algorithm::SHA_256), 0x0800_0209),
            (Algorithm::tls12_psk_to_ms(Algorithm::SHA_256), 0x0800_0309),
            (Algorithm::pbkdf2_hmac(Algorithm::SHA_256), 0x0880_0109),
            (
                Algorithm::ECDH.with_kdf(Algorithm::hkdf(Algorithm::SHA_256)),
                0x0902_0109,
            ),
        ];
        for (alg, number) in table {
            assert_eq!(alg.0, number, "{number:#x}");
        }
    }

    #[test]
    fn every_algorithm_has_one_category_and_its_hash() {
        type Predicate = fn(Algorithm) -> bool;
        let sha = Some(Algorithm::SHA_256);
        let table: [(Algorithm, Predicate, Option<Algorithm>); 13] = [
            (Algorithm::SHA_256, Algorithm::is_hash, sha),
            (Algorithm(0x0390_0009), Algorithm::is_hmac, sha),
            (Algorithm::CMAC, Algorithm::is_mac, None),
            (Algorithm(0x04C0_1000), Algorithm::is_cipher, None),
            (Algorithm::GCM, Algorithm::is_aead, None),
            (Algorithm(0x0600_0209), Algorithm::is_rsa_pkcs1v15_sign, sha),
            (Algorithm(0x0600_0309), Algorithm::is_rsa_pss, sha),
            (Algorithm(0x0600_1309), Algorithm::is_rsa_pss_any_salt, sha),
            (Algorithm(0x0600_0609), Algorithm::is_ecdsa, sha),
            (
                Algorithm(0x0600_0709),
                Algorithm::is_deterministic_ecdsa,
                sha,
            ),
            (Algorithm(0x0800_0109), Algorithm::is_hkdf, sha),
            (Algorithm(0x0902_0109), Algorithm::is_key_agreement, sha),
            (Algorithm::ECDH, Algorithm::is_raw_key_agreement, None),
        ];
        for (alg, predicate, hash) in table {
            assert!(predicate(alg), "{alg:?}");
            assert_eq!(alg.hash_of(), hash, "{alg:?}");
            let categories = [
                alg.is_hash(),
                alg.is_mac(),
                alg.is_cipher(),
                alg.is_aead(),
                alg.is_sign(),
                alg.is_asymmetric_encryption(),
                alg.is_key_derivation(),
                alg.is_key_agreement(),
            ];
            assert_eq!(categories.iter().filter(|c| **c).count(), 1, "{alg:?}");
        }
        assert_eq!(Algorithm::ECDSA_ANY.hash_of(), None);
        assert_eq!(
            Algorithm(0x0902_0109).kdf_of(),
            Some(Algorithm::hkdf(Algorithm::SHA_256))
        );
        assert_eq!(Algorithm(0x0902_0109).agreement_of(), Some(Algorithm::ECDH));
        assert_eq!(Algorithm::ECDH.kdf_of(), None);
    }

    #[test]
    fn policy_table() {
        let (k, aes) = (KeyType::HMAC, KeyType::AES);
        let hmac = Algorithm::HMAC_SHA_256;
        let any = Algorithm::ecdsa(Algorithm::ANY_HASH);
        let table = [
            (hmac, hmac, k, true),
            (hmac, Algorithm::HMAC_SHA_384, k, false),
            (hmac, hmac.truncated_mac(16), k, false),
            (hmac, hmac.truncated_mac(32), k, true),
            (hmac.at_least_this_length(16), hmac, k, true),
            (
                hmac.at_least_this_length(16),
                hmac.truncated_mac(15),
                k,
                false,
            ),
            (
                hmac.at_least_this_length(16),
                hmac.at_least_this_length(16),
                k,
                false,
            ),
            (Algorithm::GCM, Algorithm::GCM, aes, true),
            (Algorithm::GCM, Algorithm::CCM, aes, false),
            (
                Algorithm::GCM,
                Algorithm::GCM.with_tag_length(12),
                aes,
                false,
            ),
            (
                Algorithm::GCM.at_least_this_length(12),
                Algorithm::GCM,
                aes,
                true,
            ),
            (
                Algorithm::GCM.at_least_this_length(12),
                Algorithm::GCM.with_tag_length(8),
                aes,
                false,
            ),
            (any, Algorithm::ecdsa(Algorithm::SHA_256), k, true),
            (
                any,
                Algorithm::deterministic_ecdsa(Algorithm::SHA_256),
                k,
                false,
            ),
            (any, any, k, false),
            (
                Algorithm::ecdsa(Algorithm::SHA_256),
                Algorithm::ecdsa(Algorithm::SHA_384),
                k,
                false,
            ),
            (Algorithm::ECDH, Algorithm(0x0902_0109), k, true),
            (Algorithm(0x0902_0109), Algorithm::ECDH, k, false),
            (Algorithm::NONE, Algorithm::NONE, k, false),
            (
                Algorithm::rsa_pss(Algorithm::SHA_256),
                Algorithm(0x0600_1309),
                k,
                false,
            ),
        ];
        for (policy, requested, key_type, expected) in table {
            assert_eq!(
                policy.permits(requested, key_type),
                expected,
                "{policy:x?} {requested:x?}"
            );
        }
    }

    #[test]
    fn predicates_are_total() {
        let mut x = 0x2545_F491_4F6C_DD1Du64;
        for _ in 0..100_000 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let (a, b) = (Algorithm(x as u32), Algorithm((x >> 32) as u32));
            let _ = (
                a.hash_of(),
                a.mac_length(KeyType(x as u16)),
                a.kdf_of(),
                a.agreement_of(),
            );
            assert!(!(a.permits(b, KeyType::AES) && b.is_wildcard()));
        }
    }
}

//! Primitives: what the service and other secure services compute with. No policy, no keys kept.
//!
//! Everything here takes plain bytes, never panics on any of them, and erases what it held of a
//! secret. Constant time with respect to secrets as far as the underlying crates are.

#[cfg_attr(
    not(all(
        feature = "PSA_WANT_ALG_GCM",
        feature = "PSA_WANT_ALG_CHACHA20_POLY1305"
    )),
    allow(dead_code, unused_imports)
)]
#[cfg(feature = "stream-aead")]
pub mod aead;
#[cfg(feature = "PSA_WANT_ALG_CCM")]
pub mod ccm;
#[cfg(any(feature = "psa-cipher", feature = "PSA_WANT_ALG_CCM"))]
#[cfg_attr(
    not(all(
        feature = "PSA_WANT_ALG_CTR",
        feature = "PSA_WANT_ALG_CBC_NO_PADDING",
        feature = "PSA_WANT_ALG_ECB_NO_PADDING"
    )),
    allow(dead_code, unused_imports)
)]
pub mod cipher;
#[cfg(feature = "PSA_WANT_ALG_CMAC")]
pub mod cmac;
#[cfg(feature = "differential")]
pub mod differential;
pub mod hash;
pub mod hkdf;
pub mod hmac;
#[cfg_attr(
    not(all(
        feature = "PSA_WANT_ECC_SECP_R1_384",
        feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC"
    )),
    allow(dead_code)
)]
#[cfg(any(
    feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY",
    feature = "PSA_WANT_ECC_SECP_R1_384"
))]
mod montgomery;
pub mod p256;
#[cfg(feature = "PSA_WANT_ECC_SECP_R1_384")]
pub mod p384;
#[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
pub mod pbkdf2;
mod rfc6979;
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY")]
pub mod rsa;
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
pub mod rsa_private;
#[cfg(feature = "long-hash")]
mod sha512;
#[cfg(feature = "tls12")]
pub mod tls12_prf;
#[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
pub mod x25519;

/// Whether two byte strings are equal, in time that depends on their lengths only.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    a.ct_eq(b).into()
}

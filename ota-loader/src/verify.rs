//! Whether an image may run: hash, key, signature, security counter.
//!
//! Owns rules 5–8 of `reference/tfm.md` §I.3. Each image has its own key: the PUBKEY TLV is hashed
//! and compared with the provisioned hash of that image.

use crate::Refusal;
use crate::crypto::{Digest256, Verify, ecdsa_signature, p256_public_key, rsa3072_modulus};
use mcuboot_image::{Image, flags, kind};

/// How an image is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    EcdsaP256,
    Rsa3072,
}

impl Algorithm {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::EcdsaP256 => "ECDSA-P256",
            Algorithm::Rsa3072 => "RSA-3072",
        }
    }
}

/// What was established about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    pub digest: Digest256,
    pub algorithm: Algorithm,
    pub security_counter: u32,
}

/// Verifies an image against the provisioned hash of its key and the device's counter.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify<V: Verify>(
    crypto: &mut V,
    image: &Image<'_>,
    key_hash: &Digest256,
    device_counter: u32,
) -> Result<Evidence, Refusal> {
    let unsupported = image.header().flags & !(flags::PIC | flags::NON_BOOTABLE | flags::ROM_FIXED);
    if unsupported != 0 {
        return Err(Refusal::UnsupportedFlags(unsupported));
    }
    if image.header().flags & flags::NON_BOOTABLE != 0 {
        return Err(Refusal::NotBootable);
    }
    let area = image.unprotected();
    let stated = area.find(kind::SHA256).ok_or(Refusal::HashMissing)?;
    let digest = crypto.sha256(image.hashed());
    if stated != digest {
        return Err(Refusal::HashMismatch);
    }
    let allowed = |k| {
        matches!(
            k,
            kind::SHA256 | kind::KEYHASH | kind::PUBKEY | kind::ECDSA_SIG | kind::RSA3072_PSS
        )
    };
    if let Some(foreign) = area.iter().find(|t| !allowed(t.kind)) {
        return Err(Refusal::ForeignTlv(foreign.kind));
    }
    let algorithm = signature(crypto, image, key_hash, &digest)?;
    let counter = image.security_counter().ok_or(Refusal::CounterMissing)?;
    if counter < device_counter {
        return Err(Refusal::CounterTooLow {
            image: counter,
            device: device_counter,
        });
    }
    Ok(Evidence {
        digest,
        algorithm,
        security_counter: counter,
    })
}

/// Rule 6: a signature belongs to the key before it; those of other keys are passed over.
fn signature<V: Verify>(
    crypto: &mut V,
    image: &Image<'_>,
    key_hash: &Digest256,
    digest: &Digest256,
) -> Result<Algorithm, Refusal> {
    let mut key: Option<&[u8]> = None;
    let mut refusal = Refusal::NotSigned;
    for tlv in image.unprotected().iter() {
        let algorithm = match tlv.kind {
            kind::PUBKEY => {
                key = (crypto.sha256(tlv.data) == *key_hash).then_some(tlv.data);
                continue;
            }
            // A hash alone gives no key to verify with.
            kind::KEYHASH => {
                key = None;
                continue;
            }
            kind::ECDSA_SIG => Algorithm::EcdsaP256,
            kind::RSA3072_PSS => Algorithm::Rsa3072,
            _ => continue,
        };
        let Some(key) = key else {
            if refusal == Refusal::NotSigned {
                refusal = Refusal::UnknownKey;
            }
            continue;
        };
        let good = match algorithm {
            Algorithm::EcdsaP256 => p256_public_key(key)
                .zip(ecdsa_signature(tlv.data))
                .is_some_and(|(key, sig)| crypto.ecdsa_p256(key, digest, &sig)),
            Algorithm::Rsa3072 => rsa3072_modulus(key)
                .zip(tlv.data.try_into().ok())
                .is_some_and(|(key, sig)| crypto.rsa3072_pss(key, digest, sig)),
        };
        if good {
            return Ok(algorithm);
        }
        refusal = Refusal::BadSignature;
    }
    Err(refusal)
}

//! Keys of the cases that attack the key store.
//!
//! Owns the attributes of a sealed signing key, and the check that one works.

use psa_client::{Algorithm, KeyAttributes, KeyType, Status, Transport, crypto};
use psa_interface::key::usage;

/// A volatile P-256 key that may sign hashes and verify, and cannot be exported.
pub fn signing() -> KeyAttributes {
    KeyAttributes::volatile(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        usage::SIGN_HASH | usage::VERIFY_HASH,
        ALGORITHM,
    )
}

const ALGORITHM: Algorithm = Algorithm::ecdsa(Algorithm::SHA_256);

/// Signs with the key, and checks the signature with its public half as imported anew.
///
/// # Errors
/// The first refusal.
pub fn signs(transport: &impl Transport, key: u32) -> Result<(), Status> {
    let hash = [0x5A; 32];
    let (mut signature, mut public) = ([0; 64], [0; 65]);
    let length = crypto::sign_hash(transport, key, ALGORITHM, &hash, &mut signature)?;
    let signature = signature.get(..length).ok_or(Status::GENERIC_ERROR)?;
    let length = crypto::export_public_key(transport, key, &mut public)?;
    let public = public.get(..length).ok_or(Status::GENERIC_ERROR)?;
    let attributes = KeyAttributes::volatile(
        KeyType::ECC_PUBLIC_KEY_SECP_R1,
        256,
        usage::VERIFY_HASH,
        ALGORITHM,
    );
    let verifier = crypto::import_key(transport, &attributes, public)?;
    let verified = crypto::verify_hash(transport, verifier, ALGORITHM, &hash, signature);
    let destroyed = crypto::destroy_key(transport, verifier);
    verified.and(destroyed)
}

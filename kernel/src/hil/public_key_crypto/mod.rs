//! Public-key cryptography, split-phase: keys, signatures and RSA's arithmetic.
pub mod keys;
pub mod rsa_math;
pub mod signature;

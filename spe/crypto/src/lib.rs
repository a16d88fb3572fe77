//! PSA Crypto service: key store, policy, operations.
#![cfg_attr(not(test), no_std)]

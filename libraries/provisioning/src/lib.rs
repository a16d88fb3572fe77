//! The provisioning record: CBOR written by the factory, consumed by the SPE.
#![cfg_attr(not(test), no_std)]

//! Hardware interface layer: what chips implement and capsules use (upstream's module paths).
//!
//! Split-phase rule (TRD3): `Ok` means exactly one later callback; `Err` returns the buffer and
//! means none; no callback runs inside the call that asked for it.
pub mod date_time;
pub mod digest;
pub mod entropy;
pub mod ethernet;
pub mod flash;
pub mod gpio;
pub mod kv;
pub mod led;
pub mod nonvolatile_storage;
pub mod public_key_crypto;
pub mod rng;
pub mod symmetric_encryption;
pub mod time;
pub mod uart;

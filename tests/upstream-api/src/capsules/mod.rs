//! Capsules in upstream's idiom: nothing but the `kernel` crate.
pub mod echo;
pub mod heartbeat;
pub mod shout;

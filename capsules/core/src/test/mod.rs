//! Tests that run in a kernel: what they share.

pub mod capsule_test;

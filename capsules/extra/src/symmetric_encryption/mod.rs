//! Symmetric encryption for processes.

pub mod aes;

//! Which credentials are worth something, and what applications are called.
pub mod basic;
pub mod signature;
pub mod tbf;

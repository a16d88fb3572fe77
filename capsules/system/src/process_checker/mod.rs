//! Which credentials are worth something, and what applications are called.
pub mod basic;
pub mod credentials;
pub mod tbf;

//! What of storage a process may use.

pub mod individual;
pub mod null;
pub mod tbf_header;

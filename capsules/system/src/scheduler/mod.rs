//! Who runs next.
pub mod cooperative;
pub mod priority;
pub mod round_robin;

//! Who runs next.
pub mod cooperative;
pub mod mlfq;
pub mod priority;
pub mod round_robin;

//! A kernel for host tests (being written).

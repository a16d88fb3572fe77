//! Tock's interfaces as upstream's capsules and boards use them.
//!
//! `signatures` takes every item of `reference/tock.md` §3.2, §4 and §7 as a function or trait of upstream's
//! type: what drifts fails the build. `capsules` and `components` are written as upstream's are, against
//! the `kernel` crate and the capsule crates' paths only; `tests/` runs them. Owns no behaviour.
#![forbid(unsafe_code)]

pub mod capsules;
pub mod components;
pub mod signatures;

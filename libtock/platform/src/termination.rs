//! What a `main` function may return.
//!
//! Owns the mapping of the value to a completion code (0 = success).

use crate::{ErrorCode, Syscalls};

/// A value that ends the process.
pub trait Termination {
    /// Ends the process.
    fn complete<S: Syscalls>(self) -> !;
}

impl Termination for () {
    fn complete<S: Syscalls>(self) -> ! {
        S::exit_terminate(0)
    }
}

impl Termination for Result<(), ErrorCode> {
    fn complete<S: Syscalls>(self) -> ! {
        let code = match self {
            Ok(()) => 0,
            Err(e) => e as u32,
        };
        S::exit_terminate(code)
    }
}

/// Names the return type of a function type: the way to say `!` in stable Rust.
#[doc(hidden)]
pub trait Returns {
    #[doc(hidden)]
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl Termination for <fn() -> ! as Returns>::Output {
    fn complete<S: Syscalls>(self) -> ! {
        self
    }
}

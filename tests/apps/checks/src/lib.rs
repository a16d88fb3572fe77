//! Uses every driver from a process and says what came of it.
//!
//! Owns the line format `check: <what> ok` or `check: <what> failed <why>`. The binaries:
//! `api_check` goes through the drivers one by one; `echo` is the service that it talks to.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt::Debug;
use libtock::println;

/// Name of the echo service: its package name.
pub const ECHO: &str = "echo";

/// Prints the outcome of one check.
pub fn report<E: Debug>(what: &str, outcome: Result<(), E>) {
    match outcome {
        Ok(()) => println!("check: {what} ok"),
        Err(e) => println!("check: {what} failed {e:?}"),
    }
}

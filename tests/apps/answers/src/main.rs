//! Prints the known answers of the device's crypto service.
//!
//! Owns the lines `answers: <row> <16 digits>`, `answers: <row> failed <why>` and, last,
//! `answers: done`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use answers::ROWS;
use libtock::psa::Psa;
use libtock::{println, set_main, stack_size};

set_main! { main }
stack_size! { 0x3000 }

fn main() {
    let psa = Psa::new();
    for row in ROWS {
        match (row.run)(&psa) {
            Ok(value) => println!("answers: {} {value:016x}", row.name),
            Err(e) => println!("answers: {} failed {e:?}", row.name),
        }
    }
    println!("answers: done");
}

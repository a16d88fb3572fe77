//! Puts the rules and Wycheproof's vectors to the device's services.
//!
//! Owns the lines `services: rule <id> ok`, `services: rule <id> failed at <file>:<line>, status
//! <n>`, `services: wycheproof <kind> <number> failed`, `services: wycheproof <kind> <passed>` and,
//! last, `services: done`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use libtock::psa::Psa;
use libtock::{println, set_main, stack_size};
use services::vectors;

set_main! { main }
stack_size! { 0x8000 }

fn main() {
    let psa = Psa::new();
    for rule in services::rules() {
        match (rule.run)(&psa) {
            Ok(()) => println!("services: rule {} ok", rule.id),
            Err(e) => println!(
                "services: rule {} failed at {}:{}, status {}",
                rule.id, e.file, e.line, e.status
            ),
        }
    }
    let mut passed = [0; vectors::KINDS.len()];
    for vector in vectors::all() {
        let kind = vector.kind;
        match (vectors::run(&psa, &vector), passed.get_mut(kind)) {
            (Ok(true), Some(passed)) => *passed += 1,
            _ => println!("services: wycheproof {kind} {} failed", vector.number),
        }
    }
    for (name, passed) in vectors::KINDS.iter().zip(passed) {
        println!("services: wycheproof {name} {passed}");
    }
    println!("services: done");
}

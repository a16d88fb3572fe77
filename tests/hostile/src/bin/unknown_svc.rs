//! Executes an `svc` of a class that no system call has: no correct program does.
#![no_std]
#![no_main]

use hostile::{attack, say};
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    say("unknown_svc", format_args!("control-ok"));
    attack::unknown_svc();
    say("unknown_svc", format_args!("breached returned"));
}

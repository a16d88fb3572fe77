//! Calls the secure gateway itself, past the kernel: the veneers `psa_framework_version`, `psa_call`.
#![no_std]
#![no_main]

use hostile::{attack, memory, say};
use libtock::{set_main, stack_size};
use psa_interface::service::FRAMEWORK_VERSION;

set_main! { main }
stack_size! { 0x800 }

const CASE: &str = "direct_sg";
/// Bytes from one veneer to the next (ARCHITECTURE §4).
const STRIDE: usize = 8;

fn main() {
    hostile::call_control(CASE);
    let veneers = memory::VENEERS_BASE as usize | 1;
    let version = attack::call(veneers, [0; 4]);
    if version == FRAMEWORK_VERSION {
        say(
            CASE,
            format_args!("breached framework version {version:#x}"),
        );
    } else {
        say(CASE, format_args!("refused {}", version as i32));
    }
    let status = attack::call(veneers + 2 * STRIDE, [0x4000_0100, 0, 0, 0]) as i32;
    // Whatever a service itself would answer to an empty call, a process must not get that far.
    say(CASE, format_args!("psa_call answered {status}"));
}

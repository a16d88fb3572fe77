//! Panic handler: an alert code and exit.
//!
//! Owns the handler of processes that have no room for messages. Not linked on the host.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
#[panic_handler]
fn panic_handler(_info: &core::panic::PanicInfo<'_>) -> ! {
    use libtock_low_level_debug::{AlertCode, LowLevelDebug};
    use libtock_platform::Syscalls;
    use libtock_runtime::TockSyscalls;
    LowLevelDebug::<TockSyscalls>::print_alert_code(AlertCode::Panic);
    TockSyscalls::exit_terminate(1);
}

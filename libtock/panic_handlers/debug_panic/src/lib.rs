//! Panic handler: an alert code, the message on the console, and exit.
//!
//! Owns the handler that says what went wrong; needs 1 KiB of stack. Not linked on the host.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
#[panic_handler]
fn panic_handler(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    use libtock_console::Console;
    use libtock_low_level_debug::{AlertCode, LowLevelDebug};
    use libtock_platform::Syscalls;
    use libtock_runtime::TockSyscalls;
    // The code first: it needs no buffer and no upcall.
    LowLevelDebug::<TockSyscalls>::print_alert_code(AlertCode::Panic);
    let _ = writeln!(Console::<TockSyscalls>::writer(), "{info}");
    TockSyscalls::exit_terminate(1);
}

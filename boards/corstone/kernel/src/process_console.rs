//! The process console of this board, on the UART that processes print to.
//!
//! Owns its buffers and its power over processes: nothing else holds both capabilities at run time.

use crate::capsules::VirtualAlarm;
use crate::start;
use capsules_core::process_console::{
    COMMAND_BUF_LEN, Command, DEFAULT_COMMAND_HISTORY_LEN, ProcessConsole, QUEUE_BUF_LEN,
    READ_BUF_LEN, WRITE_BUF_LEN,
};
use capsules_core::virtualizers::virtual_uart::UartDevice;
use capsules_system::process_printer::ProcessPrinterText;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::hil::time::Alarm;
use kernel::hil::uart::{Receive, Transmit};
use kernel::{Kernel, static_init};

/// What somebody at the console may do.
pub struct Capability;
// SAFETY: board code; the console is the board's own hand on its processes.
unsafe impl ProcessManagementCapability for Capability {}
// SAFETY: as above.
unsafe impl ProcessStartCapability for Capability {}

type Console = ProcessConsole<'static, DEFAULT_COMMAND_HISTORY_LEN, VirtualAlarm, Capability>;

/// Makes it and lets it listen. Once.
pub fn start(
    kernel: &'static Kernel,
    uart: &'static UartDevice<'static>,
    alarm: &'static VirtualAlarm,
) {
    let console = static_init!(
        Console,
        ProcessConsole::new(
            uart,
            alarm,
            static_init!(ProcessPrinterText, ProcessPrinterText::new()),
            static_init!([u8; WRITE_BUF_LEN], [0; WRITE_BUF_LEN]),
            static_init!([u8; READ_BUF_LEN], [0; READ_BUF_LEN]),
            static_init!([u8; QUEUE_BUF_LEN], [0; QUEUE_BUF_LEN]),
            static_init!([u8; COMMAND_BUF_LEN], [0; COMMAND_BUF_LEN]),
            static_init!(
                [Command; DEFAULT_COMMAND_HISTORY_LEN],
                [Command::default(); DEFAULT_COMMAND_HISTORY_LEN]
            ),
            kernel,
            start::addresses(),
            Some(start::reset_device),
            Capability,
        )
    );
    uart.set_transmit_client(console);
    uart.set_receive_client(console);
    alarm.set_alarm_client(console);
    // It cannot fail; the board would have nobody to tell.
    let _ = console.start_quiet();
}

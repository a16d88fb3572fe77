//! Several clients on one piece of hardware, with the same HIL above and below.

pub mod virtual_alarm;
pub mod virtual_uart;

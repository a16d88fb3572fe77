//! Interrupt-driven drivers of the non-secure world, behind `kernel::hil`.

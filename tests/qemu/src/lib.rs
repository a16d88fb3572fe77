//! Runs a board image under QEMU: flash file, UARTs, QMP, memory dumps.

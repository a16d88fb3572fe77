//! Word access to one peripheral's registers.
//!
//! Owns the only unsafe code of `ns`: a window of device memory that the board maps non-secure.
//! Invariant: an access outside the window reads 0 and writes nothing.

/// 32-bit access to registers by byte offset.
pub trait Bus {
    /// Reads the word at `offset`.
    fn read(&self, offset: usize) -> u32;
    /// Writes the word at `offset`.
    fn write(&self, offset: usize, value: u32);
}

/// Registers at a fixed address.
#[derive(Debug)]
pub struct MappedBus {
    base: usize,
    size: usize,
}

/// Non-secure peripherals of the SSE-300 FPGA image AN547 (reference qemu-an547.md §1.5).
impl MappedBus {
    /// LAN9118.
    pub const ETHERNET: MappedBus = MappedBus::at(0x4140_0000, 0x100);
    /// System timer 0.
    pub const TIMER0: MappedBus = MappedBus::at(0x4800_0000, 0x50);
    /// System counter, status frame.
    pub const COUNTER: MappedBus = MappedBus::at(0x4810_1000, 0x8);
    /// FPGAIO.
    pub const FPGAIO: MappedBus = MappedBus::at(0x4930_2000, 0x50);
    /// UART1.
    pub const UART1: MappedBus = MappedBus::at(0x4930_4000, 0x14);
    /// PL031.
    pub const RTC: MappedBus = MappedBus::at(0x4930_B000, 0x20);

    // Private: the addresses above are the only ones, so that safe code cannot make others.
    const fn at(base: usize, size: usize) -> Self {
        MappedBus { base, size }
    }

    fn address(&self, offset: usize) -> Option<usize> {
        (offset.is_multiple_of(4) && offset < self.size).then(|| self.base + offset)
    }
}

#[cfg(target_os = "none")]
impl Bus for MappedBus {
    fn read(&self, offset: usize) -> u32 {
        match self.address(offset) {
            // SAFETY: aligned, inside the window of one of the peripherals above, which the
            // secure image opens to the non-secure world before the kernel runs; device
            // registers are no Rust object, and reading them at worst pops a FIFO.
            Some(address) => unsafe { (address as *const u32).read_volatile() },
            None => 0,
        }
    }

    fn write(&self, offset: usize, value: u32) {
        if let Some(address) = self.address(offset) {
            // SAFETY: as for `read`; none of these devices masters the bus (no DMA), so no
            // write can reach memory.
            unsafe { (address as *mut u32).write_volatile(value) }
        }
    }
}

/// Off the target there are no registers: everything reads 0.
#[cfg(not(target_os = "none"))]
impl Bus for MappedBus {
    fn read(&self, offset: usize) -> u32 {
        let _ = self.address(offset);
        0
    }

    fn write(&self, offset: usize, _value: u32) {
        let _ = self.address(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_the_window() {
        let bus = MappedBus::UART1;
        assert_eq!(bus.address(0x10), Some(0x4930_4010));
        assert_eq!(bus.address(0x14), None);
        assert_eq!(bus.address(2), None);
        assert_eq!(bus.address(usize::MAX), None);
    }
}

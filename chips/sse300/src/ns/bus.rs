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

impl MappedBus {
    /// The window of `size` bytes at `base`.
    ///
    /// # Safety
    /// It must hold registers of one device that the secure image opens to the non-secure world
    /// before the kernel runs, that does not master the bus (no DMA), and of which no register
    /// changes what the processor may access.
    pub const unsafe fn at(base: usize, size: usize) -> Self {
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
            // SAFETY: aligned, inside a window of device registers (the contract of `at`); they
            // are no Rust object, and reading them at worst pops a FIFO.
            Some(address) => unsafe { (address as *const u32).read_volatile() },
            None => 0,
        }
    }

    fn write(&self, offset: usize, value: u32) {
        if let Some(address) = self.address(offset) {
            // SAFETY: as for `read`; the device does not master the bus, so no write can reach
            // memory.
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

    #[test]
    fn only_words_of_the_window() {
        let bus = crate::ns::devices::UART1;
        assert_eq!(bus.address(0x10), Some(0x4930_4010));
        assert_eq!(bus.address(0x14), None);
        assert_eq!(bus.address(2), None);
        assert_eq!(bus.address(usize::MAX), None);
    }
}

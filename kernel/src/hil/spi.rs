//! The SPI bus, as its controller and as a device on it.

use crate::ErrorCode;
use crate::utilities::leasable_buffer::SubSliceMut;

/// Order of bits on the wire.
#[derive(Copy, Clone, Debug)]
pub enum DataOrder {
    /// Most significant first.
    MSBFirst,
    /// Least significant first.
    LSBFirst,
}

/// Clock level while idle (CPOL).
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum ClockPolarity {
    /// Low: CPOL = 0.
    IdleLow,
    /// High: CPOL = 1.
    IdleHigh,
}

/// Clock edge that samples (CPHA).
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum ClockPhase {
    /// The first: CPHA = 0.
    SampleLeading,
    /// The second: CPHA = 1.
    SampleTrailing,
}

/// Chip select lines, and which of their levels selects.
pub mod cs {
    use crate::hil::gpio::Output;

    /// Level that selects.
    #[derive(Copy, Clone)]
    pub enum Polarity {
        /// High.
        High,
        /// Low.
        Low,
    }

    mod sealed {
        pub trait Sealed {}
    }

    /// A polarity as a type.
    pub trait ChipSelectActivePolarity: sealed::Sealed {
        /// The same as a value.
        const POLARITY: Polarity;
    }

    /// Low selects.
    pub enum ActiveLow {}
    /// High selects.
    pub enum ActiveHigh {}

    impl sealed::Sealed for ActiveLow {}
    impl sealed::Sealed for ActiveHigh {}
    impl ChipSelectActivePolarity for ActiveLow {
        const POLARITY: Polarity = Polarity::Low;
    }
    impl ChipSelectActivePolarity for ActiveHigh {
        const POLARITY: Polarity = Polarity::High;
    }

    /// What can become a controller's chip select `T` for a device that needs `POLARITY`.
    pub trait IntoChipSelect<T, POLARITY> {
        /// Becomes it.
        fn into_cs(self) -> T;
    }

    /// A pin of either polarity.
    pub struct ChipSelectPolar<'a, P: Output> {
        /// The pin.
        pub pin: &'a P,
        /// The level that selects.
        pub polarity: Polarity,
    }

    impl<P: Output> Clone for ChipSelectPolar<'_, P> {
        fn clone(&self) -> Self {
            *self
        }
    }
    impl<P: Output> Copy for ChipSelectPolar<'_, P> {}

    impl<'a, P: Output, A: ChipSelectActivePolarity> IntoChipSelect<ChipSelectPolar<'a, P>, A>
        for &'a P
    {
        fn into_cs(self) -> ChipSelectPolar<'a, P> {
            ChipSelectPolar {
                pin: self,
                polarity: A::POLARITY,
            }
        }
    }

    impl<P: Output> ChipSelectPolar<'_, P> {
        /// Selects.
        pub fn activate(&self) {
            match self.polarity {
                Polarity::Low => self.pin.clear(),
                Polarity::High => self.pin.set(),
            }
        }
        /// Selects no more.
        pub fn deactivate(&self) {
            match self.polarity {
                Polarity::Low => self.pin.set(),
                Polarity::High => self.pin.clear(),
            }
        }
    }
}

/// What a refused transfer of a controller gives back.
type Refused = (
    ErrorCode,
    SubSliceMut<'static, u8>,
    Option<SubSliceMut<'static, u8>>,
);

/// What a refused transfer of a device gives back.
type SlaveRefused = (
    ErrorCode,
    Option<&'static mut [u8]>,
    Option<&'static mut [u8]>,
);

/// Learns of a controller's transfers.
pub trait SpiMasterClient {
    /// One ended; how many bytes were moved. The windows are as they were given.
    fn read_write_done(
        &self,
        write_buffer: SubSliceMut<'static, u8>,
        read_buffer: Option<SubSliceMut<'static, u8>>,
        status: Result<usize, ErrorCode>,
    );
}

/// A bus controller. Rate, polarity and phase belong to the chip select chosen last.
pub trait SpiMaster<'a> {
    /// Names a chip select of the controller.
    type ChipSelect: Copy;

    /// Prepares it.
    ///
    /// # Errors
    /// `OFF`, `RESERVE` (no clock), `FAIL`.
    fn init(&self) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn SpiMasterClient);
    /// Whether a transfer is in progress.
    fn is_busy(&self) -> bool;
    /// Writes a window and reads to another at the same time; the shorter one ends it.
    ///
    /// # Errors
    /// `OFF`, `INVAL` (nothing to move), `BUSY`, with the buffers.
    fn read_write_bytes(
        &self,
        write_buffer: SubSliceMut<'static, u8>,
        read_buffer: Option<SubSliceMut<'static, u8>>,
    ) -> Result<(), Refused>;
    /// Writes a byte, waiting for it.
    ///
    /// # Errors
    /// `OFF`, `BUSY`, `FAIL`.
    fn write_byte(&self, val: u8) -> Result<(), ErrorCode>;
    /// Reads a byte, waiting for it.
    ///
    /// # Errors
    /// As above.
    fn read_byte(&self) -> Result<u8, ErrorCode>;
    /// Writes and reads a byte, waiting for it.
    ///
    /// # Errors
    /// As above.
    fn read_write_byte(&self, val: u8) -> Result<u8, ErrorCode>;
    /// Chooses the device.
    ///
    /// # Errors
    /// `BUSY`, `INVAL`.
    fn specify_chip_select(&self, cs: Self::ChipSelect) -> Result<(), ErrorCode>;
    /// Sets the rate in Hz; returns what came of it.
    ///
    /// # Errors
    /// `INVAL`, `BUSY`, `FAIL`.
    fn set_rate(&self, rate: u32) -> Result<u32, ErrorCode>;
    /// In Hz.
    fn get_rate(&self) -> u32;
    /// Sets the polarity.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_polarity(&self, polarity: ClockPolarity) -> Result<(), ErrorCode>;
    /// The polarity.
    fn get_polarity(&self) -> ClockPolarity;
    /// Sets the phase.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_phase(&self, phase: ClockPhase) -> Result<(), ErrorCode>;
    /// The phase.
    fn get_phase(&self) -> ClockPhase;
    /// Keeps the device selected between transfers.
    fn hold_low(&self);
    /// Deselects the device after each transfer.
    fn release_low(&self);
}

/// One device on a bus that a virtualiser shares.
pub trait SpiMasterDevice<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn SpiMasterClient);
    /// Sets all of it.
    ///
    /// # Errors
    /// `INVAL`, `BUSY`, `FAIL`.
    fn configure(&self, cpol: ClockPolarity, cpal: ClockPhase, rate: u32) -> Result<(), ErrorCode>;
    /// As [`SpiMaster::read_write_bytes`].
    ///
    /// # Errors
    /// As there.
    fn read_write_bytes(
        &self,
        write_buffer: SubSliceMut<'static, u8>,
        read_buffer: Option<SubSliceMut<'static, u8>>,
    ) -> Result<(), Refused>;
    /// As [`SpiMaster::set_rate`]; ask `get_rate` what came of it.
    ///
    /// # Errors
    /// As there.
    fn set_rate(&self, rate: u32) -> Result<(), ErrorCode>;
    /// In Hz.
    fn get_rate(&self) -> u32;
    /// Sets the polarity.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_polarity(&self, polarity: ClockPolarity) -> Result<(), ErrorCode>;
    /// The polarity.
    fn get_polarity(&self) -> ClockPolarity;
    /// Sets the phase.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_phase(&self, phase: ClockPhase) -> Result<(), ErrorCode>;
    /// The phase.
    fn get_phase(&self) -> ClockPhase;
}

/// Learns of what a controller does to us.
pub trait SpiSlaveClient {
    /// We were selected.
    fn chip_selected(&self);
    /// A buffer was used up, or we are deselected; `len` bytes were moved.
    fn read_write_done(
        &self,
        write_buffer: Option<&'static mut [u8]>,
        read_buffer: Option<&'static mut [u8]>,
        len: usize,
        status: Result<(), ErrorCode>,
    );
}

/// A device on the bus: we.
pub trait SpiSlave<'a> {
    /// Prepares it.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn init(&self) -> Result<(), ErrorCode>;
    /// Whether somebody uses it.
    fn has_client(&self) -> bool;
    /// Whom to tell; `None` turns it off.
    fn set_client(&self, client: Option<&'a dyn SpiSlaveClient>);
    /// The byte that is sent first.
    fn set_write_byte(&self, write_byte: u8);
    /// What the next transfer sends and where it receives.
    ///
    /// # Errors
    /// `BUSY`, `INVAL` (`len` is 0), with the buffers.
    fn read_write_bytes(
        &self,
        write_buffer: Option<&'static mut [u8]>,
        read_buffer: Option<&'static mut [u8]>,
        len: usize,
    ) -> Result<(), SlaveRefused>;
    /// Sets the polarity.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_polarity(&self, polarity: ClockPolarity) -> Result<(), ErrorCode>;
    /// The polarity.
    fn get_polarity(&self) -> ClockPolarity;
    /// Sets the phase.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_phase(&self, phase: ClockPhase) -> Result<(), ErrorCode>;
    /// The phase.
    fn get_phase(&self) -> ClockPhase;
}

/// The same for users in the kernel.
pub trait SpiSlaveDevice<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn SpiSlaveClient);
    /// Sets both.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn configure(&self, cpol: ClockPolarity, cpal: ClockPhase) -> Result<(), ErrorCode>;
    /// As [`SpiSlave::read_write_bytes`].
    ///
    /// # Errors
    /// As there.
    fn read_write_bytes(
        &self,
        write_buffer: Option<&'static mut [u8]>,
        read_buffer: Option<&'static mut [u8]>,
        len: usize,
    ) -> Result<(), SlaveRefused>;
    /// Sets the polarity.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_polarity(&self, polarity: ClockPolarity) -> Result<(), ErrorCode>;
    /// The polarity.
    fn get_polarity(&self) -> ClockPolarity;
    /// Sets the phase.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn set_phase(&self, phase: ClockPhase) -> Result<(), ErrorCode>;
    /// The phase.
    fn get_phase(&self) -> ClockPhase;
}

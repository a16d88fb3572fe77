//! Controller area network.
//!
//! Settings are stored by [`Configure`] and take effect with [`Controller::enable`].

use crate::ErrorCode;

/// Bytes of a classic frame.
pub const STANDARD_CAN_PACKET_SIZE: usize = 8;
/// Bytes of a flexible data rate frame.
pub const FD_CAN_PACKET_SIZE: usize = 64;

/// What the controller does.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum State {
    /// Takes part in the bus.
    Running,
    /// Off.
    Disabled,
    /// Met an error.
    Error(Error),
}

/// Errors on the bus.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Error {
    /// Somebody else won the bus.
    ArbitrationLost,
    /// A transmission failed.
    Transmission,
    /// An error counter is above 96.
    Warning,
    /// An error counter is above 127.
    Passive,
    /// The transmit error counter is above 255.
    BusOff,
    /// Six equal bits.
    Stuff,
    /// A frame of another form.
    Form,
    /// Nobody acknowledged.
    Ack,
    /// Recessive was sent, dominant seen.
    BitRecessive,
    /// Dominant was sent, recessive seen.
    BitDominant,
    /// A damaged frame.
    Crc,
    /// Software asks for the state.
    SetBySoftware,
}

impl From<Error> for ErrorCode {
    fn from(e: Error) -> Self {
        match e {
            Error::ArbitrationLost => ErrorCode::RESERVE,
            Error::BusOff => ErrorCode::OFF,
            Error::Form => ErrorCode::INVAL,
            Error::BitRecessive | Error::BitDominant => ErrorCode::BUSY,
            Error::Ack | Error::Transmission => ErrorCode::NOACK,
            Error::Crc | Error::SetBySoftware | Error::Warning | Error::Passive | Error::Stuff => {
                ErrorCode::FAIL
            }
        }
    }
}

/// Width of a filter bank.
#[derive(Debug, Copy, Clone)]
#[allow(missing_docs)]
pub enum ScaleBits {
    Bits16,
    Bits32,
}

/// What a filter compares.
#[derive(Debug, Copy, Clone)]
pub enum IdentifierMode {
    /// Whole identifiers.
    List,
    /// Bits of them.
    Mask,
}

/// An identifier.
#[derive(Debug, Copy, Clone)]
pub enum Id {
    /// Of 11 bits.
    Standard(u16),
    /// Of 29 bits.
    Extended(u32),
}

/// One filter.
#[derive(Copy, Clone)]
pub struct FilterParameters {
    /// The bank.
    pub number: u32,
    /// Its width.
    pub scale_bits: ScaleBits,
    /// What it compares.
    pub identifier_mode: IdentifierMode,
    /// Where what passes goes.
    pub fifo_number: usize,
}

/// Lengths of a bit's parts, in time quanta.
#[derive(Debug, Copy, Clone)]
pub struct BitTiming {
    /// Before the sample point.
    pub segment1: u8,
    /// Behind it.
    pub segment2: u8,
    /// For the bus's delay.
    pub propagation: u8,
    /// Most that a bit is stretched by to follow others.
    pub sync_jump_width: u32,
    /// Clock periods of a quantum.
    pub baud_rate_prescaler: u32,
}

/// How the controller takes part.
#[derive(Debug, Copy, Clone)]
pub enum OperationMode {
    /// Hears what it sends.
    Loopback,
    /// Only listens.
    Monitoring,
    /// Not at all.
    Freeze,
    /// Fully.
    Normal,
}

/// Finds the timing for a bit rate.
pub trait StandardBitTiming {
    /// For a clock in Hz. All but `propagation` are one less than the quanta, as registers want.
    ///
    /// # Errors
    /// `INVAL`: the rate cannot be had exactly, with its usual sample point.
    fn bit_timing_for_bitrate(clock_rate: u32, bitrate: u32) -> Result<BitTiming, ErrorCode>;
}

impl<T: Configure> StandardBitTiming for T {
    fn bit_timing_for_bitrate(clock_rate: u32, bitrate: u32) -> Result<BitTiming, ErrorCode> {
        let (min, max) = (&Self::MIN_BIT_TIMINGS, &Self::MAX_BIT_TIMINGS);
        // CiA 301's sample points, in thousandths of a bit.
        let sample_point = match bitrate {
            0 | 8_000_001.. => return Err(ErrorCode::INVAL),
            800_001.. => 750,
            500_001.. => 800,
            _ => 875,
        };
        let sync = u32::from(Self::SYNC_SEG);
        for prescaler in min.baud_rate_prescaler.max(1)..=max.baud_rate_prescaler {
            let Some(per_quantum) = prescaler.checked_mul(bitrate) else {
                break;
            };
            if !clock_rate.is_multiple_of(per_quantum) {
                continue;
            }
            let quanta = clock_rate / per_quantum;
            let Some(before) = u64::from(quanta)
                .checked_mul(sample_point)
                .filter(|n| n.is_multiple_of(1000))
                .and_then(|n| u32::try_from(n / 1000).ok())
            else {
                continue;
            };
            let (Some(before), behind) = (before.checked_sub(sync), quanta - before) else {
                continue;
            };
            let propagation = u8::try_from(before / 2)
                .unwrap_or(u8::MAX)
                .clamp(min.propagation, max.propagation);
            let segment1 = before.checked_sub(u32::from(propagation));
            let (Some(Ok(segment1)), Ok(segment2)) =
                (segment1.map(u8::try_from), u8::try_from(behind))
            else {
                continue;
            };
            if (min.segment1.max(1)..=max.segment1).contains(&segment1)
                && (min.segment2.max(1)..=max.segment2).contains(&segment2)
            {
                return Ok(BitTiming {
                    segment1: segment1 - 1,
                    segment2: segment2 - 1,
                    propagation,
                    sync_jump_width: min.sync_jump_width.saturating_sub(1),
                    baud_rate_prescaler: prescaler - 1,
                });
            }
        }
        Err(ErrorCode::INVAL)
    }
}

/// Settings, before it is enabled.
pub trait Configure {
    /// Smallest values.
    const MIN_BIT_TIMINGS: BitTiming;
    /// Largest values.
    const MAX_BIT_TIMINGS: BitTiming;
    /// Quanta of the synchronisation segment.
    const SYNC_SEG: u8 = 1;

    /// Bits per second.
    ///
    /// # Errors
    /// `INVAL`, `BUSY`.
    fn set_bitrate(&self, bitrate: u32) -> Result<(), ErrorCode>;
    /// The timing itself.
    ///
    /// # Errors
    /// `INVAL`, `BUSY`.
    fn set_bit_timing(&self, bit_timing: BitTiming) -> Result<(), ErrorCode>;
    /// How it takes part.
    ///
    /// # Errors
    /// `INVAL`, `BUSY`.
    fn set_operation_mode(&self, mode: OperationMode) -> Result<(), ErrorCode>;
    /// The timing.
    ///
    /// # Errors
    /// `INVAL`: none is set.
    fn get_bit_timing(&self) -> Result<BitTiming, ErrorCode>;
    /// How it takes part.
    ///
    /// # Errors
    /// `INVAL`: none is set.
    fn get_operation_mode(&self) -> Result<OperationMode, ErrorCode>;
    /// Whether it sends again what nobody acknowledged.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`.
    fn set_automatic_retransmission(&self, automatic: bool) -> Result<(), ErrorCode>;
    /// Whether traffic wakes it.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`.
    fn set_wake_up(&self, wake_up: bool) -> Result<(), ErrorCode>;
    /// Whether it sends again.
    ///
    /// # Errors
    /// As the chip gives.
    fn get_automatic_retransmission(&self) -> Result<bool, ErrorCode>;
    /// Whether traffic wakes it.
    ///
    /// # Errors
    /// As the chip gives.
    fn get_wake_up(&self) -> Result<bool, ErrorCode>;
    /// Receive FIFOs it has.
    fn receive_fifo_count(&self) -> usize;
}

/// Settings of flexible data rate.
pub trait ConfigureFd: Configure {
    /// Timing of the payload.
    ///
    /// # Errors
    /// `NOSUPPORT`, `INVAL`, `BUSY`.
    fn set_payload_bit_timing(&self, payload_bit_timing: BitTiming) -> Result<(), ErrorCode>;
    /// Timing of the payload.
    ///
    /// # Errors
    /// `NOSUPPORT`, `INVAL`.
    fn get_payload_bit_timing(&self) -> Result<BitTiming, ErrorCode>;
    /// Longest frame.
    fn get_frame_size() -> usize;
}

/// Filters.
pub trait Filter {
    /// Enables one.
    ///
    /// # Errors
    /// `INVAL`.
    fn enable_filter(&self, filter: FilterParameters) -> Result<(), ErrorCode>;
    /// Disables one.
    ///
    /// # Errors
    /// `INVAL`.
    fn disable_filter(&self, number: u32) -> Result<(), ErrorCode>;
    /// How many there are.
    fn filter_count(&self) -> usize;
}

/// Power.
pub trait Controller {
    /// Whom to tell.
    fn set_client(&self, client: Option<&'static dyn ControllerClient>);
    /// Turns it on; `state_changed` and `enabled` follow.
    ///
    /// # Errors
    /// `BUSY` it is on, `INVAL` settings are missing.
    fn enable(&self) -> Result<(), ErrorCode>;
    /// Turns it off; `state_changed` and `disabled` follow.
    ///
    /// # Errors
    /// `OFF` it is off.
    fn disable(&self) -> Result<(), ErrorCode>;
    /// What it does.
    ///
    /// # Errors
    /// It does not work.
    fn get_state(&self) -> Result<State, ErrorCode>;
}

/// Sends.
pub trait Transmit<const PACKET_SIZE: usize> {
    /// Bytes of a frame.
    const PACKET_SIZE: usize = PACKET_SIZE;
    /// Whom to tell.
    fn set_client(&self, client: Option<&'static dyn TransmitClient<PACKET_SIZE>>);
    /// Sends a frame.
    ///
    /// # Errors
    /// `BUSY`, `OFF`, `INVAL`, with the buffer.
    fn send(
        &self,
        id: Id,
        buffer: &'static mut [u8; PACKET_SIZE],
        len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8; PACKET_SIZE])>;
}

/// Receives.
pub trait Receive<const PACKET_SIZE: usize> {
    /// Bytes of a frame.
    const PACKET_SIZE: usize = PACKET_SIZE;
    /// Whom to tell.
    fn set_client(&self, client: Option<&'static dyn ReceiveClient<PACKET_SIZE>>);
    /// Receives from every FIFO, unless a filter is set.
    ///
    /// # Errors
    /// `OFF`, `INVAL`, with the buffer.
    fn start_receive_process(
        &self,
        buffer: &'static mut [u8; PACKET_SIZE],
    ) -> Result<(), (ErrorCode, &'static mut [u8; PACKET_SIZE])>;
    /// Stops; `stopped` follows.
    ///
    /// # Errors
    /// `OFF`, `INVAL`.
    fn stop_receive(&self) -> Result<(), ErrorCode>;
}

/// Learns of power.
pub trait ControllerClient {
    /// It does something else now.
    fn state_changed(&self, state: State);
    /// It is on, or not.
    fn enabled(&self, status: Result<(), ErrorCode>);
    /// It is off, or not.
    fn disabled(&self, status: Result<(), ErrorCode>);
}

/// Learns of frames sent.
pub trait TransmitClient<const PACKET_SIZE: usize> {
    /// One was sent, or not.
    fn transmit_complete(&self, status: Result<(), Error>, buffer: &'static mut [u8; PACKET_SIZE]);
}

/// Learns of frames received.
pub trait ReceiveClient<const PACKET_SIZE: usize> {
    /// One came.
    fn message_received(
        &self,
        id: Id,
        buffer: &mut [u8; PACKET_SIZE],
        len: usize,
        status: Result<(), Error>,
    );
    /// Reception stopped.
    fn stopped(&self, buffer: &'static mut [u8; PACKET_SIZE]);
}

/// What a driver of classic frames needs.
pub trait Can:
    Transmit<STANDARD_CAN_PACKET_SIZE> + Configure + Controller + Receive<STANDARD_CAN_PACKET_SIZE>
{
}
impl<T> Can for T where
    T: Transmit<STANDARD_CAN_PACKET_SIZE>
        + Configure
        + Controller
        + Receive<STANDARD_CAN_PACKET_SIZE>
{
}

/// What a driver of long frames needs.
pub trait CanFd:
    Transmit<FD_CAN_PACKET_SIZE> + Configure + ConfigureFd + Receive<FD_CAN_PACKET_SIZE>
{
}
impl<T> CanFd for T where
    T: Transmit<FD_CAN_PACKET_SIZE> + Configure + ConfigureFd + Receive<FD_CAN_PACKET_SIZE>
{
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Chip;
    impl Configure for Chip {
        const MIN_BIT_TIMINGS: BitTiming = BitTiming {
            segment1: 1,
            segment2: 1,
            propagation: 0,
            sync_jump_width: 1,
            baud_rate_prescaler: 1,
        };
        const MAX_BIT_TIMINGS: BitTiming = BitTiming {
            segment1: 16,
            segment2: 8,
            propagation: 0,
            sync_jump_width: 4,
            baud_rate_prescaler: 1024,
        };
        fn set_bitrate(&self, _: u32) -> Result<(), ErrorCode> {
            Ok(())
        }
        fn set_bit_timing(&self, _: BitTiming) -> Result<(), ErrorCode> {
            Ok(())
        }
        fn set_operation_mode(&self, _: OperationMode) -> Result<(), ErrorCode> {
            Ok(())
        }
        fn get_bit_timing(&self) -> Result<BitTiming, ErrorCode> {
            Err(ErrorCode::INVAL)
        }
        fn get_operation_mode(&self) -> Result<OperationMode, ErrorCode> {
            Err(ErrorCode::INVAL)
        }
        fn set_automatic_retransmission(&self, _: bool) -> Result<(), ErrorCode> {
            Ok(())
        }
        fn set_wake_up(&self, _: bool) -> Result<(), ErrorCode> {
            Ok(())
        }
        fn get_automatic_retransmission(&self) -> Result<bool, ErrorCode> {
            Ok(false)
        }
        fn get_wake_up(&self) -> Result<bool, ErrorCode> {
            Ok(false)
        }
        fn receive_fifo_count(&self) -> usize {
            0
        }
    }

    #[test]
    fn a_timing_gives_exactly_the_rate_and_its_sample_point() {
        for (clock, rate, point) in [
            (16_000_000u32, 500_000u32, 875u32),
            (16_000_000, 125_000, 875),
            (40_000_000, 1_000_000, 750),
            (80_000_000, 800_000, 800),
        ] {
            let t = Chip::bit_timing_for_bitrate(clock, rate).unwrap();
            let before = 1 + u32::from(t.propagation) + u32::from(t.segment1) + 1;
            let quanta = before + u32::from(t.segment2) + 1;
            assert_eq!(clock / (t.baud_rate_prescaler + 1) / quanta, rate);
            assert_eq!(before * 1000 / quanta, point, "{clock} {rate} {t:?}");
        }
        assert!(Chip::bit_timing_for_bitrate(16_000_000, 0).is_err());
        assert!(Chip::bit_timing_for_bitrate(16_000_000, 9_000_000).is_err());
        assert!(Chip::bit_timing_for_bitrate(16_000_001, 500_000).is_err());
    }
}

//! Ethernet tap, driver 0x30007: raw frames to and from processes.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 receive statistics | – | u32 × 3: frames, bytes, dropped | |
//! | 2 transmit statistics | – | u32 × 2: frames, bytes | |
//! | 3 transmit | length, identifier | plain; then upcall 1 | BUSY: own one pending · SIZE |
//! | 16 station address (ours) | – | u32 × 2: its first four bytes, little-endian, and its last two | NODEVICE: the board told none |
//!
//! RO 0: frame to send. RW 0: received frames, a `StreamingProcessSlice` of chunks, each a 12-byte
//! header in native byte order {u16 flags (bit 0: time stamp valid), u16 length, u64 time stamp}
//! and the frame. RW 1: 8 bytes for the big-endian time stamp of the frame sent. Upcall 0:
//! (0, 0, 0) for the first chunk in a buffer. Upcall 1: (status, flags << 16 | length, identifier),
//! flag bit 0: time stamp valid. Every process sees every frame.

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer, WriteableProcessSlice};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::utilities::streaming_process_slice::StreamingProcessSlice;
use kernel::{ErrorCode, ProcessId, errorcode};

/// Driver number.
pub const DRIVER_NUM: usize = 0x30007;
/// Longest frame without CRC, bytes; length of the transmit buffer.
pub const MAX_MTU: usize = 1518;
/// Header of a chunk in the receive stream, bytes.
pub const RX_HEADER_LENGTH: usize = 12;

const RO_TX_FRAME: usize = 0;
const RW_RX_STREAM: usize = 0;
const RW_TX_INFO: usize = 1;
const UPCALL_RX: usize = 0;
const UPCALL_TX: usize = 1;
const FLAG_TIMESTAMP: u16 = 1;

/// What a process sends and has received.
#[derive(Default)]
pub struct App {
    pending: Option<Pending>,
    received: [u32; 3],
    sent: [u32; 2],
}

#[derive(Clone, Copy)]
struct Pending {
    length: u16,
    identifier: usize,
}

type AppGrant = Grant<App, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<2>>;

/// All processes on one Ethernet adapter.
pub struct EthernetTapDriver<'a, E: EthernetAdapterDatapath<'a>> {
    iface: &'a E,
    apps: AppGrant,
    sending: OptionalCell<ProcessId>,
    tx_buffer: TakeCell<'static, [u8]>,
    station: OptionalCell<[u8; 6]>,
}

impl<'a, E: EthernetAdapterDatapath<'a>> EthernetTapDriver<'a, E> {
    /// On `iface`, whose client the board makes this.
    pub fn new(iface: &'a E, grant: AppGrant, tx_buffer: &'static mut [u8]) -> Self {
        EthernetTapDriver {
            iface,
            apps: grant,
            sending: OptionalCell::empty(),
            tx_buffer: TakeCell::new(tx_buffer),
            station: OptionalCell::empty(),
        }
    }

    /// The address that the adapter hears, which is what processes have to send from.
    pub fn set_station(&self, station: [u8; 6]) {
        self.station.set(station);
    }

    /// Starts to receive; once, after the client is set.
    pub fn initialize(&self) {
        self.iface.enable_receive();
    }

    fn transmit(
        &self,
        process_id: ProcessId,
        length: usize,
        identifier: usize,
    ) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            if app.pending.is_some() {
                return Err(ErrorCode::BUSY);
            }
            let available = kernel_data
                .get_readonly_processbuffer(RO_TX_FRAME)
                .map_or(0, |buffer| buffer.len());
            if length == 0 || length > available.min(MAX_MTU) {
                return Err(ErrorCode::SIZE);
            }
            app.pending = Some(Pending {
                length: length as u16,
                identifier,
            });
            self.send(process_id, app, kernel_data)
        })?
    }

    /// Sends the pending frame of `process_id` if the adapter is free. On `Err` nothing is pending
    /// any more.
    fn send(
        &self,
        process_id: ProcessId,
        app: &mut App,
        kernel_data: &GrantKernelData,
    ) -> Result<(), ErrorCode> {
        let Some(pending) = app.pending else {
            return Ok(());
        };
        let Some(buffer) = self.tx_buffer.take() else {
            return Ok(());
        };
        let length = usize::from(pending.length);
        let copied = kernel_data
            .get_readonly_processbuffer(RO_TX_FRAME)
            .and_then(|frame| {
                frame.enter(
                    |frame| match (frame.get(..length), buffer.get_mut(..length)) {
                        (Some(frame), Some(to)) => frame.copy_to_slice_or_err(to),
                        _ => Err(ErrorCode::SIZE),
                    },
                )
            });
        let result = match copied {
            Ok(Ok(())) => self
                .iface
                .transmit_frame(buffer, pending.length, pending.identifier)
                .map(|()| self.sending.set(process_id)),
            Ok(Err(error)) => Err((error, buffer)),
            Err(error) => Err((error.into(), buffer)),
        };
        result.map_err(|(error, buffer)| {
            self.tx_buffer.replace(buffer);
            app.pending = None;
            error
        })
    }

    fn send_waiting(&self) {
        for app in self.apps.iter() {
            if self.tx_buffer.is_none() {
                return;
            }
            let process_id = app.processid();
            app.enter(|app, kernel_data| {
                let pending = app.pending;
                if let (Err(error), Some(pending)) =
                    (self.send(process_id, app, kernel_data), pending)
                {
                    sent(kernel_data, pending, Err(error), None);
                }
            });
        }
    }
}

/// Upcall 1.
fn sent(
    kernel_data: &GrantKernelData,
    pending: Pending,
    result: Result<(), ErrorCode>,
    timestamp: Option<u64>,
) {
    let stamped = timestamp.is_some_and(|t| {
        kernel_data
            .get_readwrite_processbuffer(RW_TX_INFO)
            .and_then(|info| {
                info.mut_enter(|info| match info.get(..8) {
                    Some(info) => info.copy_from_slice_or_err(&t.to_be_bytes()).is_ok(),
                    None => false,
                })
            })
            .unwrap_or(false)
    });
    let flags = if stamped { FLAG_TIMESTAMP } else { 0 };
    let info = usize::from(flags) << 16 | usize::from(pending.length);
    let status = errorcode::into_statuscode(result);
    let _ = kernel_data.schedule_upcall(UPCALL_TX, (status, info, pending.identifier));
}

/// Appends `frame` to the receive stream `buffer`; `true` for the first chunk.
fn append(
    buffer: &WriteableProcessSlice,
    frame: &[u8],
    timestamp: Option<u64>,
) -> Result<bool, ErrorCode> {
    let length = u16::try_from(frame.len()).map_err(|_| ErrorCode::SIZE)?;
    let flags = timestamp.map_or(0, |_| FLAG_TIMESTAMP);
    let header = flags
        .to_ne_bytes()
        .into_iter()
        .chain(length.to_ne_bytes())
        .chain(timestamp.unwrap_or(0).to_ne_bytes());
    StreamingProcessSlice::new(buffer)
        .append_chunk_from_iter(header.chain(frame.iter().copied()))
        .map(|(first, _offset)| first)
}

impl<'a, E: EthernetAdapterDatapath<'a>> EthernetAdapterDatapathClient
    for EthernetTapDriver<'a, E>
{
    fn transmit_frame_done(
        &self,
        result: Result<(), ErrorCode>,
        frame_buffer: &'static mut [u8],
        length: u16,
        _transmission_identifier: usize,
        timestamp: Option<u64>,
    ) {
        self.tx_buffer.replace(frame_buffer);
        if let Some(process_id) = self.sending.take() {
            let _ = self.apps.enter(process_id, |app, kernel_data| {
                if let Some(pending) = app.pending.take() {
                    if result.is_ok() {
                        count(&mut app.sent, [1, u32::from(length)]);
                    }
                    sent(kernel_data, pending, result, timestamp);
                }
            });
        }
        self.send_waiting();
    }

    fn received_frame(&self, frame: &[u8], timestamp: Option<u64>) {
        self.apps.each(|_, app, kernel_data| {
            let appended = kernel_data
                .get_readwrite_processbuffer(RW_RX_STREAM)
                .and_then(|buffer| {
                    if buffer.len() == 0 {
                        // A process that does not receive loses nothing.
                        return Ok(None);
                    }
                    buffer.mut_enter(|buffer| Some(append(buffer, frame, timestamp)))
                });
            match appended {
                Ok(Some(Ok(first))) => {
                    count(&mut app.received, [1, frame.len() as u32, 0]);
                    if first {
                        let _ = kernel_data.schedule_upcall(UPCALL_RX, (0, 0, 0));
                    }
                }
                Ok(Some(Err(_))) => count(&mut app.received, [0, 0, 1]),
                Ok(None) | Err(_) => {}
            }
        });
    }
}

fn count<const N: usize>(counters: &mut [u32; N], more: [u32; N]) {
    for (counter, n) in counters.iter_mut().zip(more) {
        *counter = counter.wrapping_add(n);
    }
}

impl<'a, E: EthernetAdapterDatapath<'a>> SyscallDriver for EthernetTapDriver<'a, E> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => match self.apps.enter(process_id, |app, _| app.received) {
                Ok([frames, bytes, dropped]) => {
                    CommandReturn::success_u32_u32_u32(frames, bytes, dropped)
                }
                Err(error) => error.into(),
            },
            2 => match self.apps.enter(process_id, |app, _| app.sent) {
                Ok([frames, bytes]) => CommandReturn::success_u32_u32(frames, bytes),
                Err(error) => error.into(),
            },
            3 => self.transmit(process_id, r2, r3).into(),
            16 => match self.station.get() {
                Some([a, b, c, d, e, f]) => CommandReturn::success_u32_u32(
                    u32::from_le_bytes([a, b, c, d]),
                    u32::from_le_bytes([e, f, 0, 0]),
                ),
                None => CommandReturn::failure(ErrorCode::NODEVICE),
            },
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receive_stream_is_chunks_behind_a_header() {
        let mut memory = [0u8; 8 + 2 * (RX_HEADER_LENGTH + 4) + 3];
        let buffer: &WriteableProcessSlice = (&mut memory[..]).into();
        assert_eq!(append(buffer, b"abcd", None), Ok(true));
        assert_eq!(
            append(buffer, b"efgh", Some(0x0102_0304_0506_0708)),
            Ok(false)
        );
        // No room: counted by the caller, marked in the header, and nothing is overwritten.
        assert_eq!(append(buffer, b"ijkl", None), Err(ErrorCode::SIZE));
        let mut expected = vec![0, 0, 0, 1];
        expected.extend(32u32.to_ne_bytes());
        for (flags, stamp, frame) in [(0u16, 0u64, b"abcd"), (1, 0x0102_0304_0506_0708, b"efgh")] {
            expected.extend(flags.to_ne_bytes());
            expected.extend(4u16.to_ne_bytes());
            expected.extend(stamp.to_ne_bytes());
            expected.extend(frame);
        }
        assert_eq!(memory[..40], expected);
    }
}

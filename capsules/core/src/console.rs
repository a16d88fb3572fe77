//! Console, driver 0x1.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 write | length | plain | BUSY: own write outstanding |
//! | 2 read | length | plain | BUSY: any read outstanding · INVAL: over the kernel's buffer |
//! | 3 abort read | – | plain | |
//!
//! RO 1: what to write. RW 1: where to read to. Upcall 1: write done (bytes, 0, 0), no status.
//! Upcall 2: read done (status, bytes, 0). Index 0 of each is unused. A write goes out whole
//! before another process's begins; it passes through one kernel buffer, chunk by chunk.
//! Invariant: `sending` is the process whose bytes are in the transmit buffer.

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::uart::{Error, ReceiveClient, TransmitClient, UartData};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::{ErrorCode, ProcessId, errorcode};

/// Driver number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Console as usize;
/// Length of the kernel's transmit and receive buffers, bytes.
pub const DEFAULT_BUF_SIZE: usize = 64;

const RO_WRITE: usize = 1;
const RW_READ: usize = 1;
const UPCALL_WRITE_DONE: usize = 1;
const UPCALL_READ_DONE: usize = 2;

/// A process's write; done when `position` reaches `length`.
#[derive(Default)]
pub struct App {
    write: Option<Write>,
}

#[derive(Clone, Copy)]
struct Write {
    length: usize,
    position: usize,
}

type AppGrant = Grant<App, UpcallCount<3>, AllowRoCount<2>, AllowRwCount<2>>;

/// The console of all processes, on one UART.
pub struct Console<'a> {
    uart: &'a dyn UartData<'a>,
    apps: AppGrant,
    sending: OptionalCell<ProcessId>,
    tx_buffer: TakeCell<'static, [u8]>,
    reading: OptionalCell<ProcessId>,
    rx_buffer: TakeCell<'static, [u8]>,
}

impl<'a> Console<'a> {
    /// On `uart`, whose client the board makes this.
    pub fn new(
        uart: &'a dyn UartData<'a>,
        tx_buffer: &'static mut [u8],
        rx_buffer: &'static mut [u8],
        grant: AppGrant,
    ) -> Self {
        Console {
            uart,
            apps: grant,
            sending: OptionalCell::empty(),
            tx_buffer: TakeCell::new(tx_buffer),
            reading: OptionalCell::empty(),
            rx_buffer: TakeCell::new(rx_buffer),
        }
    }

    fn write(&self, process_id: ProcessId, length: usize) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            if app.write.is_some() {
                return Err(ErrorCode::BUSY);
            }
            let available = kernel_data
                .get_readonly_processbuffer(RO_WRITE)
                .map_or(0, |buffer| buffer.len());
            let length = length.min(available);
            if length == 0 {
                // Done at once, whoever writes meanwhile.
                let _ = kernel_data.schedule_upcall(UPCALL_WRITE_DONE, (0, 0, 0));
                return Ok(());
            }
            app.write = Some(Write {
                length,
                position: 0,
            });
            self.send(process_id, app, kernel_data);
            Ok(())
        })?
    }

    /// Starts or continues the write of `process_id` if the UART is free.
    fn send(&self, process_id: ProcessId, app: &mut App, kernel_data: &GrantKernelData) {
        let Some(write) = app.write else { return };
        let Some(buffer) = self.tx_buffer.take() else {
            return;
        };
        let copied = kernel_data
            .get_readonly_processbuffer(RO_WRITE)
            .and_then(|source| source.enter(|data| copy_from(data, write, buffer)))
            .unwrap_or(0);
        if copied == 0 {
            // All sent, or the process took its buffer away.
            self.tx_buffer.replace(buffer);
            app.write = None;
            let _ = kernel_data.schedule_upcall(UPCALL_WRITE_DONE, (write.position, 0, 0));
            return;
        }
        match self.uart.transmit_buffer(buffer, copied) {
            Ok(()) => {
                self.sending.set(process_id);
                app.write = Some(Write {
                    position: write.position + copied,
                    ..write
                });
            }
            Err((_, buffer)) => {
                self.tx_buffer.replace(buffer);
                app.write = None;
                // The protocol has no status word: the full length is the answer.
                let _ = kernel_data.schedule_upcall(UPCALL_WRITE_DONE, (write.length, 0, 0));
            }
        }
    }

    fn read(&self, process_id: ProcessId, length: usize) -> Result<(), ErrorCode> {
        let length = self.apps.enter(process_id, |_, kernel_data| {
            let available = kernel_data
                .get_readwrite_processbuffer(RW_READ)
                .map_or(0, |buffer| buffer.len());
            length.min(available)
        })?;
        let Some(buffer) = self.rx_buffer.take() else {
            // The one that reads may have died; then the next attempt succeeds.
            let alive = self
                .reading
                .map_or(true, |reader| self.apps.enter(reader, |_, _| ()).is_ok());
            if !alive {
                let _ = self.uart.receive_abort();
            }
            return Err(ErrorCode::BUSY);
        };
        if length > buffer.len() {
            self.rx_buffer.replace(buffer);
            return Err(ErrorCode::INVAL);
        }
        self.uart
            .receive_buffer(buffer, length)
            .map(|()| self.reading.set(process_id))
            .map_err(|(error, buffer)| {
                self.rx_buffer.replace(buffer);
                error
            })
    }
}

/// Copies the next chunk of `write`; returns its length.
fn copy_from(
    data: &kernel::processbuffer::ReadableProcessSlice,
    write: Write,
    to: &mut [u8],
) -> usize {
    let end = write.length.min(data.len());
    let length = end.saturating_sub(write.position).min(to.len());
    let (Some(source), Some(to)) = (
        data.get(write.position..write.position + length),
        to.get_mut(..length),
    ) else {
        return 0;
    };
    source.copy_to_slice_or_err(to).map_or(0, |()| length)
}

impl TransmitClient for Console<'_> {
    fn transmitted_buffer(
        &self,
        buffer: &'static mut [u8],
        _length: usize,
        _result: Result<(), ErrorCode>,
    ) {
        self.tx_buffer.replace(buffer);
        if let Some(process_id) = self.sending.take() {
            let _ = self.apps.enter(process_id, |app, kernel_data| {
                self.send(process_id, app, kernel_data);
            });
        }
        for app in self.apps.iter() {
            if self.tx_buffer.is_none() {
                return;
            }
            let process_id = app.processid();
            app.enter(|app, kernel_data| self.send(process_id, app, kernel_data));
        }
    }
}

impl ReceiveClient for Console<'_> {
    fn received_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        result: Result<(), ErrorCode>,
        error: Error,
    ) {
        if let Some(process_id) = self.reading.take() {
            let _ = self.apps.enter(process_id, |_, kernel_data| {
                let received = buffer.get(..length).unwrap_or(&[]);
                // As much as fits by now.
                let copied = kernel_data
                    .get_readwrite_processbuffer(RW_READ)
                    .and_then(|to| {
                        to.mut_enter(|data| {
                            for (to, from) in data.iter().zip(received) {
                                to.set(*from);
                            }
                            data.len().min(received.len())
                        })
                    })
                    .unwrap_or(0);
                let (status, bytes) = match error {
                    Error::None | Error::Aborted if copied == received.len() => (result, copied),
                    Error::None | Error::Aborted => (Err(ErrorCode::SIZE), copied),
                    _ => (Err(ErrorCode::FAIL), 0),
                };
                let status = errorcode::into_statuscode(status);
                let _ = kernel_data.schedule_upcall(UPCALL_READ_DONE, (status, bytes, 0));
            });
        }
        self.rx_buffer.replace(buffer);
    }
}

impl SyscallDriver for Console<'_> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => self.write(process_id, r2).into(),
            2 => self.read(process_id, r2).into(),
            3 => {
                // Nothing to abort is no failure.
                let _ = self.uart.receive_abort();
                CommandReturn::success()
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

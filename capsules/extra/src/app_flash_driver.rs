//! Processes that write their own flash, driver 0x50000.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 write | address in flash | plain; then upcall 0 | INVAL: not in one writeable region of its own · NOSUPPORT: its binary carries credentials · RESERVE: no buffer · SIZE: more than the driver's buffer · NOMEM: own request waits |
//!
//! RO 0: what to write, all of it. Upcall 0: (status, 0, 0); upstream's is always (0, 0, 0). Others'
//! requests wait, one each. Where a process may write [`ProcessId::may_write_flash`] says; upstream lets
//! it write all of its flash behind the header, code too.

use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::processbuffer::ReadableProcessBuffer;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x50000;

const RO_WRITE: usize = 0;
const UPCALL_DONE: usize = 0;

type AppGrant = Grant<App, UpcallCount<1>, AllowRoCount<1>, AllowRwCount<0>>;

/// A process's request that waits: where to.
#[derive(Default)]
pub struct App {
    waits: Option<usize>,
}

/// Processes' own flash.
pub struct AppFlash<'a> {
    driver: &'a dyn NonvolatileStorage<'a>,
    apps: AppGrant,
    /// Whose request the driver works on, and how long it is.
    current: OptionalCell<(ProcessId, usize)>,
    /// Empty while it does.
    buffer: TakeCell<'static, [u8]>,
    most: usize,
}

impl<'a> AppFlash<'a> {
    /// On `driver`, whose client the board makes this, and which is addressed as memory is. At most
    /// `buffer`'s length is written at a time.
    pub fn new(
        driver: &'a dyn NonvolatileStorage<'a>,
        grant: AppGrant,
        buffer: &'static mut [u8],
    ) -> Self {
        AppFlash {
            driver,
            apps: grant,
            current: OptionalCell::empty(),
            most: buffer.len(),
            buffer: TakeCell::new(buffer),
        }
    }

    /// Writes what is shared to `address`, or has it wait. At its turn all is looked at again: it
    /// may be another buffer then.
    fn write(
        &self,
        process_id: ProcessId,
        app: &mut App,
        kernel_data: &GrantKernelData<'_>,
        address: usize,
    ) -> Result<(), ErrorCode> {
        let from = kernel_data.get_readonly_processbuffer(RO_WRITE)?;
        from.enter(|from| {
            let length = from.len();
            if length == 0 {
                return Err(ErrorCode::RESERVE);
            }
            process_id.may_write_flash(address, length)?;
            if length > self.most {
                return Err(ErrorCode::SIZE);
            }
            if app.waits.is_some() {
                return Err(ErrorCode::NOMEM);
            }
            let Some(buffer) = self.buffer.take() else {
                app.waits = Some(address);
                return Ok(());
            };
            if let Some(to) = buffer.get_mut(..length) {
                // They are of one length.
                let _ = from.copy_to_slice_or_err(to);
            }
            self.current.set((process_id, length));
            self.driver.write(buffer, address, length)
        })?
    }
}

fn answer(kernel_data: &GrantKernelData<'_>, result: Result<(), ErrorCode>) {
    // A full queue loses the upcall; the kernel counts that.
    let _ = kernel_data.schedule_upcall(UPCALL_DONE, (into_statuscode(result), 0, 0));
}

impl NonvolatileStorageClient for AppFlash<'_> {
    /// Nothing is ever read.
    fn read_done(&self, _buffer: &'static mut [u8], _length: usize) {}

    fn write_done(&self, buffer: &'static mut [u8], length: usize) {
        self.buffer.replace(buffer);
        let done = self.current.take();
        for app in self.apps.iter() {
            let process_id = app.processid();
            app.enter(|app, kernel_data| {
                if let Some((whose, asked)) = done
                    && whose == process_id
                {
                    let whole = length == asked;
                    answer(kernel_data, whole.then_some(()).ok_or(ErrorCode::FAIL));
                }
                if self.buffer.is_some()
                    && let Some(address) = app.waits.take()
                    && let Err(e) = self.write(process_id, app, kernel_data, address)
                {
                    answer(kernel_data, Err(e));
                }
            });
        }
    }
}

impl SyscallDriver for AppFlash<'_> {
    fn command(
        &self,
        command_num: usize,
        address: usize,
        _: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => self
                .apps
                .enter(process_id, |app, kernel_data| {
                    self.write(process_id, app, kernel_data, address)
                })
                .unwrap_or_else(|e| Err(e.into()))
                .into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

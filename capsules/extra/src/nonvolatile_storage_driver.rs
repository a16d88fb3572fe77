//! One piece of storage that all applications share, driver 0x50001.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 get size | – | u32 bytes | |
//! | 2 read | offset, length | plain; then upcall 0 | INVAL: outside · RESERVE: no buffer · NOMEM: own request waits · NOSUPPORT: no storage permissions |
//! | 3 write | offset, length | plain; then upcall 1 | as 2 |
//!
//! RO 0: what to write. RW 0: where to read to. The length is cut to the buffer's and the driver's.
//! Upcalls: (bytes, 0, 0), without a status, as upstream: 0 bytes is a failure. Others' requests
//! wait, one each. What one application writes every other that may store can read and change.
//!
//! The kernel has a range of its own, by absolute address, as
//! [`hil::NonvolatileStorage`]: one request, which goes before those of applications.

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::nonvolatile_storage as hil;
use kernel::hil::nonvolatile_storage::NonvolatileStorageClient;
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{MapCell, OptionalCell, TakeCell};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x50001;

/// Bytes that a board's buffer usually has.
pub const BUF_LEN: usize = 512;

const RO_WRITE: usize = 0;
const RW_READ: usize = 0;

type Bytes = &'static mut [u8];
type AppGrant = Grant<App, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<1>>;

/// A transfer of `length` bytes at `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    write: bool,
    offset: usize,
    length: usize,
}

/// A process's request that waits.
#[derive(Default)]
pub struct App {
    waits: Option<Request>,
}

/// Whose request the driver works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    App(ProcessId, Request),
    Kernel,
}

/// What the kernel asks for, by address.
struct KernelRequest {
    write: bool,
    buffer: Bytes,
    address: usize,
    length: usize,
}

/// Shared storage.
pub struct NonvolatileStorage<'a> {
    driver: &'a dyn hil::NonvolatileStorage<'a>,
    apps: AppGrant,
    buffer: TakeCell<'static, [u8]>,
    current: OptionalCell<User>,
    start: usize,
    length: usize,
    kernel_start: usize,
    kernel_length: usize,
    kernel_client: OptionalCell<&'a dyn NonvolatileStorageClient>,
    kernel_waits: MapCell<KernelRequest>,
}

impl<'a> NonvolatileStorage<'a> {
    /// On `driver`, whose client the board makes this: `length` bytes from `start` on are the
    /// applications', at most `buffer`'s length at a time; `kernel_length` bytes from
    /// `kernel_start` on are the kernel's.
    pub fn new(
        driver: &'a dyn hil::NonvolatileStorage<'a>,
        grant: AppGrant,
        start: usize,
        length: usize,
        kernel_start: usize,
        kernel_length: usize,
        buffer: Bytes,
    ) -> Self {
        NonvolatileStorage {
            driver,
            apps: grant,
            buffer: TakeCell::new(buffer),
            current: OptionalCell::empty(),
            start,
            length,
            kernel_start,
            kernel_length,
            kernel_client: OptionalCell::empty(),
            kernel_waits: MapCell::empty(),
        }
    }

    fn request(
        &self,
        process_id: ProcessId,
        write: bool,
        offset: usize,
        length: usize,
    ) -> Result<(), ErrorCode> {
        process_id
            .get_storage_permissions()
            .and_then(|permissions| permissions.get_write_id())
            .ok_or(ErrorCode::NOSUPPORT)?;
        let end = offset.checked_add(length);
        if offset >= self.length || end.is_none_or(|end| end > self.length) {
            return Err(ErrorCode::INVAL);
        }
        self.apps.enter(process_id, |app, kernel_data| {
            let shared = match write {
                true => kernel_data.get_readonly_processbuffer(RO_WRITE)?.len(),
                false => kernel_data.get_readwrite_processbuffer(RW_READ)?.len(),
            };
            if shared == 0 {
                return Err(ErrorCode::RESERVE);
            }
            if app.waits.is_some() {
                return Err(ErrorCode::NOMEM);
            }
            app.waits = Some(Request {
                write,
                offset,
                length: length.min(shared),
            });
            Ok(())
        })??;
        self.serve_queue();
        Ok(())
    }

    fn serve_queue(&self) {
        while self.current.is_none() {
            if let Some(request) = self.kernel_waits.take() {
                // Refused, it is lost with its buffer: the HIL has no way to give it back.
                let _ = self.start_kernel(request);
                continue;
            }
            let next = self.apps.iter().find_map(|app| {
                let process_id = app.processid();
                app.enter(|app, _| app.waits.take().map(|request| (process_id, request)))
            });
            let Some((process_id, request)) = next else {
                return;
            };
            if self.start(process_id, request).is_err() {
                self.current.clear();
                self.answer(process_id, request, 0);
            }
        }
    }

    fn start(&self, process_id: ProcessId, mut request: Request) -> Result<(), ErrorCode> {
        let buffer = self.buffer.take().ok_or(ErrorCode::FAIL)?;
        request.length = request.length.min(buffer.len());
        let address = self.start + request.offset;
        if !request.write {
            self.current.set(User::App(process_id, request));
            return self.driver.read(buffer, address, request.length);
        }
        let copied = self.apps.enter(process_id, |_, kernel_data| {
            kernel_data
                .get_readonly_processbuffer(RO_WRITE)
                .and_then(|from| {
                    from.enter(|from| {
                        let n = request.length.min(from.len());
                        match (from.get(..n), buffer.get_mut(..n)) {
                            (Some(from), Some(to)) => {
                                from.copy_to_slice_or_err(to).map_or(0, |()| n)
                            }
                            _ => 0,
                        }
                    })
                })
        });
        match copied {
            Ok(Ok(n)) if n > 0 => {
                request.length = n;
                self.current.set(User::App(process_id, request));
                self.driver.write(buffer, address, n)
            }
            _ => {
                self.buffer.replace(buffer);
                Err(ErrorCode::RESERVE)
            }
        }
    }

    fn kernel_request(&self, request: KernelRequest) -> Result<(), ErrorCode> {
        let from = request.address.checked_sub(self.kernel_start);
        let end = from.and_then(|from| from.checked_add(request.length));
        if end.is_none_or(|end| end > self.kernel_length) {
            return Err(ErrorCode::INVAL);
        }
        if request.length > request.buffer.len() {
            return Err(ErrorCode::SIZE);
        }
        if self.kernel_waits.is_some() || self.current.contains(&User::Kernel) {
            return Err(ErrorCode::BUSY);
        }
        if self.current.is_none() {
            return self.start_kernel(request);
        }
        self.kernel_waits.put(request);
        Ok(())
    }

    fn start_kernel(&self, request: KernelRequest) -> Result<(), ErrorCode> {
        let KernelRequest {
            write,
            buffer,
            address,
            length,
        } = request;
        self.current.set(User::Kernel);
        let asked = match write {
            true => self.driver.write(buffer, address, length),
            false => self.driver.read(buffer, address, length),
        };
        if asked.is_err() {
            self.current.clear();
        }
        asked
    }

    fn tell_kernel(&self, write: bool, buffer: Bytes, length: usize) {
        if let Some(client) = self.kernel_client.get() {
            match write {
                true => client.write_done(buffer, length),
                false => client.read_done(buffer, length),
            }
        }
    }

    fn answer(&self, process_id: ProcessId, request: Request, bytes: usize) {
        let _ = self.apps.enter(process_id, |_, kernel_data| {
            // A full queue loses the upcall; the kernel counts that.
            let _ = kernel_data.schedule_upcall(usize::from(request.write), (bytes, 0, 0));
        });
    }
}

impl NonvolatileStorageClient for NonvolatileStorage<'_> {
    fn read_done(&self, buffer: &'static mut [u8], length: usize) {
        let user = self.current.take();
        if user == Some(User::Kernel) {
            self.tell_kernel(false, buffer, length);
            return self.serve_queue();
        }
        if let Some(User::App(process_id, request)) = user {
            let read = self.apps.enter(process_id, |_, kernel_data| {
                kernel_data
                    .get_readwrite_processbuffer(RW_READ)
                    .and_then(|to| {
                        to.mut_enter(|to| {
                            let n = request.length.min(to.len());
                            match (to.get(..n), buffer.get(..n)) {
                                (Some(to), Some(from)) if length == request.length => {
                                    to.copy_from_slice_or_err(from).map_or(0, |()| n)
                                }
                                _ => 0,
                            }
                        })
                    })
                    .unwrap_or(0)
            });
            self.answer(process_id, request, read.unwrap_or(0));
        }
        self.buffer.replace(buffer);
        self.serve_queue();
    }

    fn write_done(&self, buffer: &'static mut [u8], length: usize) {
        let user = self.current.take();
        if user == Some(User::Kernel) {
            self.tell_kernel(true, buffer, length);
            return self.serve_queue();
        }
        self.buffer.replace(buffer);
        if let Some(User::App(process_id, request)) = user {
            let whole = length == request.length;
            self.answer(process_id, request, if whole { length } else { 0 });
        }
        self.serve_queue();
    }
}

impl<'a> hil::NonvolatileStorage<'a> for NonvolatileStorage<'a> {
    fn set_client(&self, client: &'a dyn NonvolatileStorageClient) {
        self.kernel_client.set(client);
    }

    fn read(&self, buffer: Bytes, address: usize, length: usize) -> Result<(), ErrorCode> {
        self.kernel_request(KernelRequest {
            write: false,
            buffer,
            address,
            length,
        })
    }

    fn write(&self, buffer: Bytes, address: usize, length: usize) -> Result<(), ErrorCode> {
        self.kernel_request(KernelRequest {
            write: true,
            buffer,
            address,
            length,
        })
    }
}

impl SyscallDriver for NonvolatileStorage<'_> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => CommandReturn::success_u32(self.length as u32),
            2 => self.request(process_id, false, r2, r3).into(),
            3 => self.request(process_id, true, r2, r3).into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

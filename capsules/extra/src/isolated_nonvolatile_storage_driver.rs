//! A piece of storage for each application, driver 0x50004.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 get size | – | plain; then upcall 0 | NOSUPPORT: no storage permissions · BUSY: own request outstanding |
//! | 2 read | offset, its high half | plain; then upcall 1 | as 1 · INVAL: high half |
//! | 3 write | offset, its high half | plain; then upcall 2 | as 2 |
//!
//! RO 0: what to write. RW 0: where to read to; the length is the buffer's. Upcalls: (status, size
//! or bytes, 0), with RESERVE: no buffer; INVAL: outside of the region; NOMEM: no room for a region;
//! FAIL. Owns the regions, one for each write id, one behind the other, each after a header of three
//! little-endian words: version << 24 | length, write id, their XOR. A region is erased before its
//! header is written, so that power may fail at any time. Others' requests wait, one each.

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::{ErrorCode, ProcessId, errorcode};

use core::cell::Cell;

/// Driver number.
pub const DRIVER_NUM: usize = 0x50004;
/// Bytes that a board's buffer usually has.
pub const BUF_LEN: usize = 512;
/// Bytes of a region's header.
pub const HEADER: usize = 12;

const VERSION: u32 = 1;
const RO_WRITE: usize = 0;
const RW_READ: usize = 0;
const ERASED: u8 = 0xFF;

type AppGrant = Grant<App, UpcallCount<3>, AllowRoCount<1>, AllowRwCount<1>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    GetSize,
    Read(usize),
    Write(usize),
}

impl Operation {
    fn upcall(self) -> usize {
        match self {
            Operation::GetSize => 0,
            Operation::Read(_) => 1,
            Operation::Write(_) => 2,
        }
    }
}

/// Where a region's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region {
    start: usize,
    length: usize,
}

/// A process's region, once it is known, and request.
#[derive(Default)]
pub struct App {
    region: Option<Region>,
    operation: Option<Operation>,
}

/// What the storage is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The header at this address.
    Find(usize),
    /// To erase from here on, of the region whose header is to be at the first address.
    Erase(usize, usize),
    /// To write that header.
    Head(usize),
    /// The process's own bytes, so many.
    Transfer(usize),
}

/// Isolated storage for all applications; a new region is of `APP_REGION_SIZE` bytes.
pub struct IsolatedNonvolatileStorage<'a, const APP_REGION_SIZE: usize> {
    driver: &'a dyn NonvolatileStorage<'a>,
    apps: AppGrant,
    buffer: TakeCell<'static, [u8]>,
    current: OptionalCell<ProcessId>,
    step: Cell<Step>,
    start: usize,
    end: usize,
}

impl<'a, const APP_REGION_SIZE: usize> IsolatedNonvolatileStorage<'a, APP_REGION_SIZE> {
    /// On `length` bytes of `driver` from `start` on, whose client the board makes this; at most
    /// `buffer`'s length (at least a header's) goes at a time.
    pub fn new(
        driver: &'a dyn NonvolatileStorage<'a>,
        grant: AppGrant,
        start: usize,
        length: usize,
        buffer: &'static mut [u8],
    ) -> Self {
        IsolatedNonvolatileStorage {
            driver,
            apps: grant,
            buffer: TakeCell::new(buffer),
            current: OptionalCell::empty(),
            step: Cell::new(Step::Find(start)),
            start,
            end: start.saturating_add(length),
        }
    }

    fn request(&self, process_id: ProcessId, operation: Operation) -> Result<(), ErrorCode> {
        check(process_id, operation)?;
        self.apps.enter(process_id, |app, _| {
            if app.operation.is_some() {
                return Err(ErrorCode::BUSY);
            }
            app.operation = Some(operation);
            Ok(())
        })??;
        self.serve_queue();
        Ok(())
    }

    fn serve_queue(&self) {
        while self.current.is_none() && self.buffer.is_some() {
            let next = self.apps.iter().find_map(|app| {
                let process_id = app.processid();
                app.enter(|app, _| app.operation.map(|_| process_id))
            });
            let Some(process_id) = next else { return };
            self.current.set(process_id);
            let region = self.apps.enter(process_id, |app, _| app.region);
            let result = match region {
                Ok(Some(region)) => self.perform(process_id, region),
                Ok(None) => self.find(self.start),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = result {
                self.answer(Err(error));
            }
        }
    }

    /// Ends the current request; the queue is served next.
    fn answer(&self, result: Result<usize, ErrorCode>) {
        let Some(process_id) = self.current.take() else {
            return;
        };
        let _ = self.apps.enter(process_id, |app, kernel_data| {
            if let Some(operation) = app.operation.take() {
                let status = errorcode::into_statuscode(result.map(|_| ()));
                let words = (status, result.unwrap_or(0), 0);
                // A full queue loses the upcall; the kernel counts that.
                let _ = kernel_data.schedule_upcall(operation.upcall(), words);
            }
        });
    }

    fn find(&self, address: usize) -> Result<(), ErrorCode> {
        if address.saturating_add(HEADER) > self.end {
            return Err(ErrorCode::NOMEM);
        }
        self.step.set(Step::Find(address));
        self.read(address, HEADER)
    }

    fn read(&self, address: usize, length: usize) -> Result<(), ErrorCode> {
        let buffer = self.buffer.take().ok_or(ErrorCode::FAIL)?;
        self.driver.read(buffer, address, length)
    }

    /// Writes `length` bytes that `fill` puts into the buffer.
    fn write(
        &self,
        address: usize,
        length: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), ErrorCode> {
        let buffer = self.buffer.take().ok_or(ErrorCode::FAIL)?;
        match buffer.get_mut(..length) {
            Some(bytes) => fill(bytes),
            None => {
                self.buffer.replace(buffer);
                return Err(ErrorCode::SIZE);
            }
        }
        self.driver.write(buffer, address, length)
    }

    /// What was at a header's place.
    fn found(&self, address: usize, header: [u8; HEADER]) -> Result<(), ErrorCode> {
        let process_id = self.current.get().ok_or(ErrorCode::FAIL)?;
        let id = write_id(process_id)?;
        match parse(header) {
            Some((length, owner)) => {
                let start = address.saturating_add(HEADER);
                let next = start.saturating_add(length);
                if next > self.end {
                    return Err(ErrorCode::FAIL);
                }
                if owner != id {
                    return self.find(next);
                }
                self.settle(process_id, Region { start, length })
            }
            None if address.saturating_add(HEADER + APP_REGION_SIZE) > self.end => {
                Err(ErrorCode::NOMEM)
            }
            None => self.erase(address, address + HEADER),
        }
    }

    fn erase(&self, header: usize, from: usize) -> Result<(), ErrorCode> {
        let left = (header + HEADER + APP_REGION_SIZE).saturating_sub(from);
        if left > 0 {
            self.step.set(Step::Erase(header, from));
            let n = left.min(self.buffer.map_or(0, |buffer| buffer.len()));
            return self.write(from, n, |bytes| bytes.fill(ERASED));
        }
        let id = write_id(self.current.get().ok_or(ErrorCode::FAIL)?)?;
        self.step.set(Step::Head(header));
        let bytes = compose(APP_REGION_SIZE, id).ok_or(ErrorCode::SIZE)?;
        self.write(header, HEADER, |to| to.copy_from_slice(&bytes))
    }

    /// The region is known: on with the request.
    fn settle(&self, process_id: ProcessId, region: Region) -> Result<(), ErrorCode> {
        self.apps
            .enter(process_id, |app, _| app.region = Some(region))?;
        self.perform(process_id, region)
    }

    fn perform(&self, process_id: ProcessId, region: Region) -> Result<(), ErrorCode> {
        let most = self.buffer.map_or(0, |buffer| buffer.len());
        let (operation, address, n) = self
            .apps
            .enter(process_id, |app, kernel_data| {
                let operation = app.operation.ok_or(ErrorCode::FAIL)?;
                let (offset, length) = match operation {
                    Operation::GetSize => return Ok((operation, 0, 0)),
                    Operation::Read(offset) => (
                        offset,
                        kernel_data.get_readwrite_processbuffer(RW_READ)?.len(),
                    ),
                    Operation::Write(offset) => (
                        offset,
                        kernel_data.get_readonly_processbuffer(RO_WRITE)?.len(),
                    ),
                };
                if length == 0 {
                    return Err(ErrorCode::RESERVE);
                }
                let end = offset.checked_add(length);
                if end.is_none_or(|end| end > region.length) {
                    return Err(ErrorCode::INVAL);
                }
                Ok((operation, region.start + offset, length.min(most)))
            })
            .map_err(ErrorCode::from)
            .flatten()?;
        self.step.set(Step::Transfer(n));
        match operation {
            Operation::GetSize => {
                self.answer(Ok(region.length));
                Ok(())
            }
            Operation::Read(_) => self.read(address, n),
            Operation::Write(_) => {
                let copied = Cell::new(false);
                let buffer = self.buffer.take().ok_or(ErrorCode::FAIL)?;
                let _ = self.apps.enter(process_id, |_, kernel_data| {
                    copied.set(copy_in(kernel_data, buffer.get_mut(..n)).is_some());
                });
                if !copied.get() {
                    self.buffer.replace(buffer);
                    return Err(ErrorCode::SIZE);
                }
                self.driver.write(buffer, address, n)
            }
        }
    }

    /// The storage has done what it was asked for, and the buffer is back.
    fn go_on(&self, result: Result<(), ErrorCode>) {
        if let Err(error) = result {
            self.answer(Err(error));
        }
        self.serve_queue();
    }
}

/// Copies what the process shares; `None` when it is less by now.
fn copy_in(kernel_data: &GrantKernelData, to: Option<&mut [u8]>) -> Option<()> {
    let to = to?;
    let from = kernel_data.get_readonly_processbuffer(RO_WRITE).ok()?;
    from.enter(|from| {
        let from = from.get(..to.len())?;
        from.copy_to_slice_or_err(to).ok()
    })
    .ok()?
}

/// NOSUPPORT for who may not store.
fn write_id(process_id: ProcessId) -> Result<u32, ErrorCode> {
    process_id
        .get_storage_permissions()
        .and_then(|permissions| permissions.get_write_id())
        .ok_or(ErrorCode::NOSUPPORT)
}

/// NOSUPPORT for who may not read, or not change, what it wrote itself.
fn check(process_id: ProcessId, operation: Operation) -> Result<(), ErrorCode> {
    let id = write_id(process_id)?;
    let allowed = process_id
        .get_storage_permissions()
        .is_some_and(|permissions| match operation {
            Operation::GetSize => true,
            Operation::Read(_) => permissions.check_read_permission(id),
            Operation::Write(_) => permissions.check_modify_permission(id),
        });
    allowed.then_some(()).ok_or(ErrorCode::NOSUPPORT)
}

/// The header of a region; `None` when it is too long.
fn compose(length: usize, id: u32) -> Option<[u8; HEADER]> {
    let length = u32::try_from(length).ok().filter(|n| n >> 24 == 0)?;
    let first = VERSION << 24 | length;
    let mut header = [0; HEADER];
    for (to, word) in header.chunks_exact_mut(4).zip([first, id, first ^ id]) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    Some(header)
}

/// Length and owner of the region behind a header; `None` when that is none.
fn parse(header: [u8; HEADER]) -> Option<(usize, u32)> {
    let [first, id, check] = *header.as_chunks::<4>().0 else {
        return None;
    };
    let (first, id) = (u32::from_le_bytes(first), u32::from_le_bytes(id));
    if first >> 24 != VERSION || u32::from_le_bytes(check) != first ^ id {
        return None;
    }
    Some(((first & 0x00FF_FFFF) as usize, id))
}

impl<const APP_REGION_SIZE: usize> NonvolatileStorageClient
    for IsolatedNonvolatileStorage<'_, APP_REGION_SIZE>
{
    fn read_done(&self, buffer: &'static mut [u8], length: usize) {
        let result = match self.step.get() {
            Step::Find(address) => {
                let header = match length {
                    HEADER => buffer.first_chunk::<HEADER>().copied(),
                    _ => None,
                };
                self.buffer.replace(buffer);
                header
                    .ok_or(ErrorCode::FAIL)
                    .and_then(|header| self.found(address, header))
            }
            Step::Transfer(n) => {
                let whole = length == n;
                if let Some(process_id) = self.current.get().filter(|_| whole) {
                    let _ = self.apps.enter(process_id, |_, kernel_data| {
                        kernel_data
                            .get_readwrite_processbuffer(RW_READ)
                            .and_then(|to| {
                                to.mut_enter(|to| {
                                    let n = n.min(to.len());
                                    if let (Some(to), Some(from)) = (to.get(..n), buffer.get(..n)) {
                                        let _ = to.copy_from_slice_or_err(from);
                                    }
                                })
                            })
                    });
                }
                buffer.fill(0);
                self.buffer.replace(buffer);
                self.answer(if whole { Ok(n) } else { Err(ErrorCode::FAIL) });
                Ok(())
            }
            Step::Erase(..) | Step::Head(_) => {
                self.buffer.replace(buffer);
                Err(ErrorCode::FAIL)
            }
        };
        self.go_on(result);
    }

    fn write_done(&self, buffer: &'static mut [u8], length: usize) {
        let room = buffer.len();
        self.buffer.replace(buffer);
        let result = match self.step.get() {
            Step::Erase(header, from) => {
                let left = (header + HEADER + APP_REGION_SIZE).saturating_sub(from);
                match length == left.min(room) {
                    true => self.erase(header, from + length),
                    false => Err(ErrorCode::FAIL),
                }
            }
            Step::Head(header) if length == HEADER => {
                let region = Region {
                    start: header + HEADER,
                    length: APP_REGION_SIZE,
                };
                match self.current.get() {
                    Some(process_id) => self.settle(process_id, region),
                    None => Ok(()),
                }
            }
            Step::Transfer(n) if length == n => {
                self.answer(Ok(n));
                Ok(())
            }
            _ => Err(ErrorCode::FAIL),
        };
        self.go_on(result);
    }
}

impl<const APP_REGION_SIZE: usize> SyscallDriver
    for IsolatedNonvolatileStorage<'_, APP_REGION_SIZE>
{
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let operation = match (command_num, r3) {
            (0, _) => return CommandReturn::success(),
            (1, _) => Operation::GetSize,
            (2, 0) => Operation::Read(r2),
            (3, 0) => Operation::Write(r2),
            (2 | 3, _) => return CommandReturn::failure(ErrorCode::INVAL),
            _ => return CommandReturn::failure(ErrorCode::NOSUPPORT),
        };
        self.request(process_id, operation).into()
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

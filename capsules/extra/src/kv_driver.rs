//! Key-value store, driver 0x50003.
//!
//! | command | success | failure |
//! |---|---|---|
//! | 0 | exists | |
//! | 1 get, 2 set, 3 delete, 4 add, 5 update | plain; then upcall 0 | RESERVE: no key shared · SIZE: key or value over the kernel's buffers · INVAL: no storage permissions, or (2–5) no write id · NOMEM: own request outstanding |
//! | 6 garbage collect | plain; then upcall 0 | NOMEM · the store's |
//!
//! RO 0: key. RO 1: value. RW 0: where a value goes. Upcall 0: (status, length of the value, 0).
//! Status of get: SIZE when RW 0 is too short (its length is the value's, what fits is copied),
//! NOSUPPORT when there is no such key or the process may not read it. set, update, delete:
//! NOSUPPORT when the process may not change it, or (not set) there is none. add: NOSUPPORT when
//! there is one. NOMEM: the store is full. A value may be empty.

use core::cell::Cell;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::kv::{KVClient, KVPermissions};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::storage_permissions::StoragePermissions;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::utilities::leasable_buffer::SubSliceMut;
use kernel::{ErrorCode, ProcessId, errorcode};

/// Driver number.
pub const DRIVER_NUM: usize = 0x50003;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Get,
    Set,
    Delete,
    Add,
    Update,
    GarbageCollect,
}

impl Operation {
    fn of(command: usize) -> Option<Self> {
        Some(match command {
            1 => Operation::Get,
            2 => Operation::Set,
            3 => Operation::Delete,
            4 => Operation::Add,
            5 => Operation::Update,
            6 => Operation::GarbageCollect,
            _ => return None,
        })
    }

    fn has_value(self) -> bool {
        matches!(self, Operation::Set | Operation::Add | Operation::Update)
    }
}

/// A process's request.
#[derive(Default)]
pub struct App {
    operation: Option<Operation>,
}

type AppGrant = Grant<App, UpcallCount<1>, AllowRoCount<2>, AllowRwCount<1>>;
type Buffer = SubSliceMut<'static, u8>;

/// One store for all processes; each sees what its permissions allow.
pub struct KVStoreDriver<'a, V: KVPermissions<'a>> {
    kv: &'a V,
    apps: AppGrant,
    /// Whose request the store has.
    owner: OptionalCell<ProcessId>,
    key: TakeCell<'static, [u8]>,
    key_size: usize,
    value: TakeCell<'static, [u8]>,
    value_size: usize,
    /// A queue is being served: a refusal must not begin it again.
    serving: Cell<bool>,
}

impl<'a, V: KVPermissions<'a>> KVStoreDriver<'a, V> {
    /// On `kv`, whose client the board makes this. The buffers bound keys and values.
    pub fn new(
        kv: &'a V,
        key_buffer: &'static mut [u8],
        value_buffer: &'static mut [u8],
        grant: AppGrant,
    ) -> Self {
        KVStoreDriver {
            kv,
            apps: grant,
            owner: OptionalCell::empty(),
            key_size: key_buffer.len(),
            key: TakeCell::new(key_buffer),
            value_size: value_buffer.len().saturating_sub(kv.header_size()),
            value: TakeCell::new(value_buffer),
            serving: Cell::new(false),
        }
    }

    fn request(&self, process_id: ProcessId, operation: Operation) -> Result<(), ErrorCode> {
        let permissions = permissions(process_id, operation)?;
        self.apps.enter(process_id, |app, kernel_data| {
            if app.operation.is_some() {
                return Err(ErrorCode::NOMEM);
            }
            self.check(operation, kernel_data)?;
            app.operation = Some(operation);
            Ok(())
        })??;
        if self.owner.is_some() {
            return Ok(());
        }
        let result = self.begin(process_id, operation, permissions);
        if result.is_err() {
            let _ = self.apps.enter(process_id, |app, _| app.operation = None);
            self.serve_queue();
        }
        result
    }

    /// What can be said of the shared buffers now.
    fn check(&self, operation: Operation, kernel_data: &GrantKernelData) -> Result<(), ErrorCode> {
        if operation == Operation::GarbageCollect {
            return Ok(());
        }
        match kernel_data.get_readonly_processbuffer(0)?.len() {
            0 => return Err(ErrorCode::RESERVE),
            n if n > self.key_size => return Err(ErrorCode::SIZE),
            _ => {}
        }
        let value = kernel_data.get_readonly_processbuffer(1)?.len();
        if operation.has_value() && value > self.value_size {
            return Err(ErrorCode::SIZE);
        }
        Ok(())
    }

    /// Gives the store the request, from the buffers as they are now.
    fn begin(
        &self,
        process_id: ProcessId,
        operation: Operation,
        permissions: StoragePermissions,
    ) -> Result<(), ErrorCode> {
        if operation == Operation::GarbageCollect {
            self.kv.garbage_collect()?;
            self.owner.set(process_id);
            return Ok(());
        }
        let (Some(key), Some(value)) = (self.key.take(), self.value.take()) else {
            return Err(ErrorCode::FAIL);
        };
        let header = self.kv.header_size();
        let lengths = self.apps.enter(process_id, |_, kernel_data| {
            self.check(operation, kernel_data)?;
            let key_length = copy(kernel_data, 0, key)?;
            let value_length = match operation.has_value() {
                true => copy(kernel_data, 1, value.get_mut(header..).unwrap_or_default())?,
                false => 0,
            };
            Ok::<_, ErrorCode>((key_length, value_length))
        });
        let (key_length, value_length) = match lengths {
            Ok(Ok(lengths)) => lengths,
            refused => {
                self.key.replace(key);
                self.value.replace(value);
                refused??;
                return Err(ErrorCode::FAIL);
            }
        };
        let mut key = SubSliceMut::new(key);
        key.slice(..key_length);
        let mut value = SubSliceMut::new(value);
        if operation.has_value() {
            value.slice(..header + value_length);
        }
        let result = match operation {
            Operation::Get => self.kv.get(key, value, permissions),
            Operation::Set => self.kv.set(key, value, permissions),
            Operation::Add => self.kv.add(key, value, permissions),
            Operation::Update => self.kv.update(key, value, permissions),
            Operation::Delete | Operation::GarbageCollect => {
                self.value.replace(value.take());
                self.kv.delete(key, permissions).map_err(|(key, error)| {
                    // Its buffer is back already; what goes with the key is empty.
                    self.key.replace(key.take());
                    error
                })?;
                self.owner.set(process_id);
                return Ok(());
            }
        };
        match result {
            Ok(()) => {
                self.owner.set(process_id);
                Ok(())
            }
            Err((key, value, error)) => {
                self.key.replace(key.take());
                self.value.replace(value.take());
                Err(error)
            }
        }
    }

    /// Ends the owner's request.
    fn answer(&self, result: Result<(), ErrorCode>, length: usize) {
        if let Some(owner) = self.owner.take() {
            let _ = self.apps.enter(owner, |app, kernel_data| {
                app.operation = None;
                let status = errorcode::into_statuscode(result);
                // A full queue loses the upcall; the kernel counts that.
                let _ = kernel_data.schedule_upcall(0, (status, length, 0));
            });
        }
        self.serve_queue();
    }

    fn serve_queue(&self) {
        if self.serving.replace(true) {
            return;
        }
        while self.owner.is_none() {
            let next = self.apps.iter().find_map(|app| {
                let process_id = app.processid();
                app.enter(|app, _| app.operation.map(|operation| (process_id, operation)))
            });
            let Some((process_id, operation)) = next else {
                break;
            };
            let begun = permissions(process_id, operation)
                .and_then(|permissions| self.begin(process_id, operation, permissions));
            if let Err(error) = begun {
                // It was accepted, so the refusal comes as an upcall.
                let _ = self.apps.enter(process_id, |app, kernel_data| {
                    app.operation = None;
                    let status = errorcode::into_statuscode(Err(error));
                    let _ = kernel_data.schedule_upcall(0, (status, 0, 0));
                });
            }
        }
        self.serving.set(false);
    }

    fn stored(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer) {
        self.key.replace(key.take());
        self.value.replace(value.take());
        self.answer(result, 0);
    }
}

/// The process's permissions; INVAL when it has none that the operation needs.
fn permissions(
    process_id: ProcessId,
    operation: Operation,
) -> Result<StoragePermissions, ErrorCode> {
    let permissions = process_id
        .get_storage_permissions()
        .ok_or(ErrorCode::INVAL)?;
    match operation {
        Operation::Get | Operation::GarbageCollect => {}
        _ => {
            permissions.get_write_id().ok_or(ErrorCode::INVAL)?;
        }
    }
    Ok(permissions)
}

/// Copies a shared buffer to the front of `to`; its length.
fn copy(kernel_data: &GrantKernelData, number: usize, to: &mut [u8]) -> Result<usize, ErrorCode> {
    let buffer = kernel_data.get_readonly_processbuffer(number)?;
    let length = buffer.len();
    let to = to.get_mut(..length).ok_or(ErrorCode::SIZE)?;
    if !to.is_empty() {
        buffer.enter(|from| from.copy_to_slice_or_err(to))??;
    }
    Ok(length)
}

impl<'a, V: KVPermissions<'a>> KVClient for KVStoreDriver<'a, V> {
    fn get_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer) {
        let length = value.len();
        let mut result = result;
        if let (Ok(()), Some(owner)) = (result, self.owner.get()) {
            let room = self.apps.enter(owner, |_, kernel_data| {
                kernel_data
                    .get_readwrite_processbuffer(0)
                    .and_then(|to| {
                        to.mut_enter(|to| {
                            let n = length.min(to.len());
                            if let (Some(to), Some(from)) = (to.get(..n), value.as_slice().get(..n))
                            {
                                let _ = to.copy_from_slice_or_err(from);
                            }
                            n
                        })
                    })
                    .unwrap_or(0)
            });
            if room.is_ok_and(|n| n < length) {
                result = Err(ErrorCode::SIZE);
            }
        }
        let told = match result {
            Ok(()) | Err(ErrorCode::SIZE) => length,
            Err(_) => 0,
        };
        let value = value.take();
        // Another process's request comes next.
        value.fill(0);
        self.key.replace(key.take());
        self.value.replace(value);
        self.answer(result, told);
    }

    fn set_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer) {
        self.stored(result, key, value);
    }

    fn add_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer) {
        self.stored(result, key, value);
    }

    fn update_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer) {
        self.stored(result, key, value);
    }

    fn delete_complete(&self, result: Result<(), ErrorCode>, key: Buffer) {
        self.key.replace(key.take());
        self.answer(result, 0);
    }

    fn garbage_collection_complete(&self, result: Result<(), ErrorCode>) {
        self.answer(result, 0);
    }
}

impl<'a, V: KVPermissions<'a>> SyscallDriver for KVStoreDriver<'a, V> {
    fn command(
        &self,
        command_num: usize,
        _r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match (command_num, Operation::of(command_num)) {
            (0, _) => CommandReturn::success(),
            (_, Some(operation)) => self.request(process_id, operation).into(),
            (_, None) => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

//! Inter-process communication, driver 0x10000 (`reference/tock.md` §5.11).
//!
//! | call | arguments | answer |
//! |---|---|---|
//! | command 0 | – | success |
//! | command 1 discover | RO 0 = service name | success u32 slot · NODEVICE · INVAL |
//! | command 2 notify service | slot | success · INVAL · NOMEM |
//! | command 3 notify client | slot | success · INVAL · NOMEM |
//!
//! RW allow `i` is what this process shares with slot `i`; upcall `i` is called with (sender slot,
//! length, address). On delivery the shared buffer becomes an MPU region of the receiver.
//! When the process that shares ends, whatever ends it, the receiver keeps the region until its next
//! yield, which calls the same upcall with (sender slot, 0, 0) before anything else: from then on
//! the region is gone. Only then the memory gets a new use. A receiver that uses up twenty slices
//! without a yield loses the region all the same, as one that is stopped does at once. Upstream
//! leaves the region for ever, over whatever becomes of the memory.
//! A buffer that is not made of whole 32-byte blocks is delivered as (slot, 0, 0): upstream delivers
//! its address without opening it, and the receiver faults on the sender's mistake.

use crate::capabilities::MemoryAllocationCapability;
use crate::grant::{AllowRoCount, AllowRwSize, Grant, UpcallSize};
use crate::kernel::Kernel;
pub use crate::process::IPCUpcallType;
use crate::process::{self, Process, Task};
use crate::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use crate::syscall::{CommandReturn, SyscallDriver};
use crate::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x10000;

/// One per slot.
pub struct PerSlot<const NUM_PROCS: u8>;
impl<const NUM_PROCS: u8> UpcallSize for PerSlot<NUM_PROCS> {
    const COUNT: u8 = NUM_PROCS;
}
impl<const NUM_PROCS: u8> AllowRwSize for PerSlot<NUM_PROCS> {
    const COUNT: u8 = NUM_PROCS;
}

type IpcGrant<const N: u8> = Grant<(), PerSlot<N>, AllowRoCount<1>, PerSlot<N>>;

/// The driver; the main loop delivers its tasks.
pub struct IPC<const NUM_PROCS: u8> {
    data: IpcGrant<NUM_PROCS>,
}

impl<const NUM_PROCS: u8> IPC<NUM_PROCS> {
    /// For this kernel.
    pub fn new(
        kernel: &'static Kernel,
        driver_num: usize,
        capability: &dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            data: kernel.create_grant(driver_num, capability),
        }
    }

    /// Opens what `called_from` shares to `process_id` and queues its upcall.
    pub(crate) fn schedule_upcall(
        &self,
        process_id: ProcessId,
        called_from: ProcessId,
        cb_type: IPCUpcallType,
    ) -> Result<(), process::Error> {
        let (to, from) = (process_id.slot(), called_from.slot());
        let which = match cb_type {
            IPCUpcallType::Service => to,
            IPCUpcallType::Client => from,
        };
        let shared = self
            .data
            .enter(called_from, |_, kernel_data| {
                kernel_data
                    .get_readwrite_processbuffer(to)
                    .ok()
                    .map(|b| (b.mut_ptr(), b.len()))
            })
            .unwrap_or(None)
            .filter(|(_, len)| *len > 0);
        let opened = shared.filter(|(ptr, len)| {
            let process = self.data.kernel.process_ref(process_id);
            process.is_some_and(|p| p.open_share(*ptr, *len, which))
        });
        let (ptr, len) = opened.unwrap_or((core::ptr::null_mut(), 0));
        self.data.enter(process_id, |_, kernel_data| {
            let _ = kernel_data.schedule_upcall(which, (from, len, ptr.expose_provenance()));
        })
    }

    fn discover(&self, process_id: ProcessId) -> CommandReturn {
        let found = self.data.enter(process_id, |_, kernel_data| {
            let name = kernel_data
                .get_readonly_processbuffer(0)
                .map_err(|_| ErrorCode::INVAL)?;
            if name.len() == 0 {
                return Err(ErrorCode::INVAL);
            }
            name.enter(|slice| {
                let same = |p: &&dyn Process| {
                    let other = p.get_process_name().as_bytes();
                    p.is_running()
                        && other.len() == slice.len()
                        && other.iter().zip(slice.iter()).all(|(a, b)| *a == b.get())
                };
                let kernel = self.data.kernel;
                kernel
                    .processes()
                    .find(same)
                    .map(|p| p.processid().slot())
                    .ok_or(ErrorCode::NODEVICE)
            })
            .unwrap_or(Err(ErrorCode::INVAL))
        });
        match found {
            Ok(Ok(slot)) => CommandReturn::success_u32(slot as u32),
            Ok(Err(e)) => CommandReturn::failure(e),
            Err(e) => CommandReturn::failure(e.into()),
        }
    }

    fn notify(&self, from: ProcessId, target: usize, kind: IPCUpcallType) -> CommandReturn {
        match self.data.kernel.process_at(target) {
            Some(p) if p.is_running() => p
                .enqueue_task(Task::IPC((from, kind)))
                .map_or_else(CommandReturn::failure, |()| CommandReturn::success()),
            _ => CommandReturn::failure(ErrorCode::INVAL),
        }
    }
}

impl<const NUM_PROCS: u8> SyscallDriver for IPC<NUM_PROCS> {
    fn command(
        &self,
        command_number: usize,
        target: usize,
        _: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_number {
            0 => CommandReturn::success(),
            1 => self.discover(process_id),
            2 => self.notify(process_id, target, IPCUpcallType::Service),
            3 => self.notify(process_id, target, IPCUpcallType::Client),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.data.enter(process_id, |_, _| {})
    }
}

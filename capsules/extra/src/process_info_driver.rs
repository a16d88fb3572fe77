//! Facts about processes, and power over them, driver 0x10002.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 count | – | u32 processes | |
//! | 2 ids, 3 ShortIds | – | u32 processes | |
//! | 4 name | id | u32 length | INVAL: no such process |
//! | 5 statistics | id | plain | INVAL |
//! | 6 set state | id, 1 start 2 stop 3 fault 4 terminate 5 boot | plain | INVAL · NODEVICE: not allowed to · BUSY |
//!
//! RW 0 gets, as much as fits: u32 for each process (ShortId 0: none); the name; u32 timeslice
//! expirations, system calls, restarts, state (0 running, 1 yielded, 2 yielded for, 3 stopped, 4
//! faulted, 5 terminated). Facts are for all; power is for who the board says ([`Policy`]), for
//! nobody where it says nothing. A state is set after the command is answered, so that a process
//! may end itself.

use core::cell::Cell;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::process::{Process, ShortId, State};
use kernel::processbuffer::WriteableProcessBuffer;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, Kernel, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x10002;
/// Number of the command that sets a state.
pub const SET_STATE: usize = 6;

const RW_INFO: usize = 0;

type AppGrant = Grant<(), UpcallCount<0>, AllowRoCount<0>, AllowRwCount<1>>;

/// Whether a process may set the states of processes.
pub type Policy = fn(&dyn Process) -> bool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Start,
    Stop,
    Fault,
    Terminate,
    Boot,
}

impl Change {
    fn parse(number: usize) -> Option<Self> {
        Some(match number {
            1 => Change::Start,
            2 => Change::Stop,
            3 => Change::Fault,
            4 => Change::Terminate,
            5 => Change::Boot,
            _ => return None,
        })
    }
}

/// Tells processes of each other.
pub struct ProcessInfo<C: ProcessManagementCapability + ProcessStartCapability> {
    kernel: &'static Kernel,
    apps: AppGrant,
    capability: C,
    power: Option<Power>,
}

/// Who may set states, and what waits to be set.
struct Power {
    may_set_state: Policy,
    change: Cell<Option<(ProcessId, Change)>>,
    deferred: DeferredCall,
}

impl<C: ProcessManagementCapability + ProcessStartCapability> ProcessInfo<C> {
    /// About the processes of `kernel`. Nobody may set their states: upstream's way to make it
    /// names nobody who may.
    pub const fn new(kernel: &'static Kernel, grant: AppGrant, capability: C) -> Self {
        ProcessInfo {
            kernel,
            apps: grant,
            capability,
            power: None,
        }
    }

    /// Those whom the policy names may set states. The board registers the deferred call.
    pub fn with_policy(
        kernel: &'static Kernel,
        grant: AppGrant,
        capability: C,
        may_set_state: Policy,
    ) -> Self {
        let power = Some(Power {
            may_set_state,
            change: Cell::new(None),
            deferred: DeferredCall::new(),
        });
        ProcessInfo {
            power,
            ..Self::new(kernel, grant, capability)
        }
    }

    fn count(&self) -> u32 {
        self.kernel
            .process_iter_capability(&self.capability)
            .count() as u32
    }

    fn find(&self, id: usize) -> Result<&'static dyn Process, ErrorCode> {
        self.kernel
            .process_iter_capability(&self.capability)
            .find(|process| process.processid().id() == id)
            .ok_or(ErrorCode::INVAL)
    }

    /// Writes `bytes` into what the process shares, as much as fits; whole words where they are.
    fn fill(
        &self,
        to: ProcessId,
        bytes: impl Iterator<Item = u8>,
        word: usize,
    ) -> Result<(), ErrorCode> {
        self.apps.enter(to, |_, kernel_data| {
            kernel_data
                .get_readwrite_processbuffer(RW_INFO)?
                .mut_enter(|buffer| {
                    let room = buffer.len() / word * word;
                    for (to, from) in buffer.iter().take(room).zip(bytes) {
                        to.set(from);
                    }
                })
        })??;
        Ok(())
    }

    fn list(&self, to: ProcessId, of: fn(&dyn Process) -> u32) -> Result<u32, ErrorCode> {
        let words = self
            .kernel
            .process_iter_capability(&self.capability)
            .flat_map(|process| of(process).to_le_bytes());
        self.fill(to, words, 4)?;
        Ok(self.count())
    }

    fn name(&self, to: ProcessId, of: usize) -> Result<u32, ErrorCode> {
        let name = self.find(of)?.get_process_name();
        self.fill(to, name.bytes(), 1)?;
        Ok(name.len() as u32)
    }

    fn statistics(&self, to: ProcessId, of: usize) -> Result<(), ErrorCode> {
        let process = self.find(of)?;
        let state = match process.get_state() {
            State::Running => 0,
            State::Yielded => 1,
            State::YieldedFor(_) => 2,
            State::Stopped(_) => 3,
            State::Faulted => 4,
            State::Terminated => 5,
        };
        let words = [
            process.debug_timeslice_expiration_count() as u32,
            process.debug_syscall_count() as u32,
            process.get_restart_count() as u32,
            state,
        ];
        self.fill(to, words.into_iter().flat_map(u32::to_le_bytes), 4)
    }

    fn set_state(&self, by: ProcessId, of: usize, state: usize) -> Result<(), ErrorCode> {
        let caller = self.find(by.id())?;
        let power = self.power.as_ref().filter(|p| (p.may_set_state)(caller));
        let power = power.ok_or(ErrorCode::NODEVICE)?;
        let change = Change::parse(state).ok_or(ErrorCode::INVAL)?;
        let process = self.find(of)?;
        if power.change.get().is_some() {
            return Err(ErrorCode::BUSY);
        }
        power.change.set(Some((process.processid(), change)));
        power.deferred.set();
        Ok(())
    }
}

impl<C: ProcessManagementCapability + ProcessStartCapability> DeferredCallClient
    for ProcessInfo<C>
{
    fn handle_deferred_call(&self) {
        let change = self.power.as_ref().and_then(|power| power.change.take());
        let Some((process_id, change)) = change else {
            return;
        };
        // It may have been restarted since: then it is another one.
        let Ok(process) = self.find(process_id.id()) else {
            return;
        };
        match change {
            Change::Start => process.resume(),
            Change::Stop => process.stop(),
            Change::Fault => process.set_fault_state(),
            Change::Terminate => process.terminate(None),
            Change::Boot => {
                if process.get_state() == State::Terminated {
                    process.start(&self.capability);
                }
            }
        }
    }

    fn register(&'static self) {
        if let Some(power) = &self.power {
            power.deferred.register(self);
        }
    }
}

impl<C: ProcessManagementCapability + ProcessStartCapability> SyscallDriver for ProcessInfo<C> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let word = |result: Result<u32, ErrorCode>| match result {
            Ok(word) => CommandReturn::success_u32(word),
            Err(error) => CommandReturn::failure(error),
        };
        match command_num {
            0 => CommandReturn::success(),
            1 => CommandReturn::success_u32(self.count()),
            2 => word(self.list(process_id, |process| process.processid().id() as u32)),
            3 => word(
                self.list(process_id, |process| match process.short_app_id() {
                    ShortId::LocallyUnique => 0,
                    ShortId::Fixed(id) => id.get(),
                }),
            ),
            4 => word(self.name(process_id, r2)),
            5 => self.statistics(process_id, r2).into(),
            SET_STATE => self.set_state(process_id, r2, r3).into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

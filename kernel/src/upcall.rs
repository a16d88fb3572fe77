//! Upcalls: what a process asked to be called with, and what it takes to call it.
//!
//! The kernel, never a driver, stores them (in the driver's grant).

use crate::ErrorCode;
use crate::process::{FunctionCall, FunctionCallSource, Process, ReturnArguments, Task};
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

/// Which upcall: driver number and subscribe number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct UpcallId {
    /// The driver.
    pub driver_num: usize,
    /// The driver's subscription.
    pub subscribe_num: usize,
}

/// Why an upcall was not queued.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum UpcallError {
    /// The driver has no such subscription.
    InvalidSubscribeNum,
    /// The process's queue is full; the upcall is lost.
    QueueFull,
    /// The process does not run any more.
    KernelError,
}

/// A function of the process (or null) with its application data.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upcall {
    pub(crate) upcall_id: UpcallId,
    pub(crate) appdata: MachineRegister,
    pub(crate) fn_ptr: CapabilityPtr,
}

impl Upcall {
    /// Queues a call (or, for a null upcall, an event that only Yield-WaitFor sees).
    #[cfg_attr(optimize_attribute, optimize(speed))]
    pub(crate) fn schedule(
        &self,
        process: &dyn Process,
        r: (usize, usize, usize),
    ) -> Result<(), UpcallError> {
        let task = if self.fn_ptr.is_null() {
            Task::ReturnValue(ReturnArguments {
                upcall_id: self.upcall_id,
                argument0: r.0,
                argument1: r.1,
                argument2: r.2,
            })
        } else {
            Task::FunctionCall(FunctionCall {
                source: FunctionCallSource::Driver(self.upcall_id),
                argument0: r.0,
                argument1: r.1,
                argument2: r.2,
                argument3: self.appdata,
                pc: self.fn_ptr,
            })
        };
        process.enqueue_task(task).map_err(|e| match e {
            ErrorCode::NOMEM => UpcallError::QueueFull,
            _ => UpcallError::KernelError,
        })
    }
}

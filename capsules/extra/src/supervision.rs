//! Supervision, driver 0xA0005 (docs/syscalls/a0005_supervision.md).
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 crashes | – | u32 kept, u32 lost since boot | |
//! | 2 crash | index, 0 the oldest | u32 bytes of the report in RW 0 | INVAL not so many · SIZE |
//! | 3 forget | number of the report | plain | INVAL no such report |
//! | 4 process | index | u32 bytes of its state in RW 0 | INVAL not so many · SIZE |
//!
//! Any: NOSUPPORT unless the board names the caller. RW 0: destination. Owns the reports: each lies
//! in its place of the memory given, which need not be cleared at start, so that a report outlives a
//! reset; the newest takes the place of the oldest. A report goes when the reader says so, not when
//! it reads it: one that dies between the two reads it again. Does not own what a fault leads to.

use crate::unix_date_time::UnixClock;
use core::cell::Cell;
use kernel::capabilities::ProcessManagementCapability;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::process::{FaultReport, Process, ShortId, State};
use kernel::processbuffer::WriteableProcessBuffer;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::MapCell;
use kernel::{ErrorCode, Kernel, ProcessId};
use supervision::{CrashReport, ImageVersion, ProcessInfo, ProcessState, Registers, Text};

/// Driver number.
pub const DRIVER_NUM: usize = 0xA0005;

type AppGrant = Grant<(), UpcallCount<0>, AllowRoCount<0>, AllowRwCount<1>>;

/// The driver, and what remembers crashes.
pub struct Supervision<C: ProcessManagementCapability> {
    kernel: &'static Kernel,
    capability: C,
    /// ShortIds of those who may ask.
    readers: &'static [u32],
    clock: &'static dyn UnixClock,
    /// Places of reports; what is not sound is free.
    places: MapCell<&'static mut [u8]>,
    /// Versions of secure and non-secure image.
    images: (ImageVersion, ImageVersion),
    next_serial: Cell<u32>,
    lost: Cell<u32>,
    apps: AppGrant,
}

impl<C: ProcessManagementCapability> Supervision<C> {
    /// Reports of before the reset that `places` still holds are kept. `images`: versions of the
    /// secure and of the kernel's image, which each report names.
    pub fn new(
        kernel: &'static Kernel,
        capability: C,
        readers: &'static [u32],
        clock: &'static dyn UnixClock,
        places: &'static mut [u8],
        images: (ImageVersion, ImageVersion),
        apps: AppGrant,
    ) -> Self {
        let mut newest = 0;
        for place in places.chunks_exact_mut(CrashReport::SIZE) {
            if let Some(mut report) = CrashReport::parse(place) {
                newest = newest.max(report.serial);
                report.before_reset = true;
                place.copy_from_slice(&report.emit());
            }
        }
        Supervision {
            kernel,
            capability,
            readers,
            clock,
            places: MapCell::new(places),
            images,
            next_serial: Cell::new(newest.wrapping_add(1)),
            lost: Cell::new(0),
            apps,
        }
    }

    /// The process faults now; `restart_in_ms` is what its policy will decide. To be called by the
    /// policy, before it acts: what the core said is still known.
    pub fn record(&self, process: &dyn Process, restart_in_ms: Option<u32>) {
        let fault = process.get_fault_report();
        let registers = fault.map_or(Registers::default(), registers);
        let report = CrashReport {
            serial: self.next_serial.get(),
            time: self.clock.unix_time().unwrap_or(0),
            slot: process.processid().index().unwrap_or(0) as u32,
            short_id: short_id(process),
            app_version: version(process),
            restarts: process.get_restart_count() as u32,
            restart_in_ms,
            registers,
            secure: self.images.0,
            non_secure: self.images.1,
            before_reset: false,
            name: Text::new(process.get_process_name()),
            // At the process console, say.
            reason: Text::new(fault.map_or("asked for", |fault| fault.reason)),
        };
        self.next_serial.set(report.serial.wrapping_add(1));
        self.places.map(|places| {
            let free = |place: &[u8]| CrashReport::parse(place).map_or(0, |r| r.serial);
            let oldest = places
                .chunks_exact_mut(CrashReport::SIZE)
                .min_by_key(|place| free(place));
            if let Some(place) = oldest {
                if CrashReport::parse(place).is_some() {
                    self.lost.set(self.lost.get().saturating_add(1));
                }
                place.copy_from_slice(&report.emit());
            }
        });
    }

    fn permitted(&self, process_id: ProcessId) -> bool {
        match process_id.short_app_id() {
            ShortId::Fixed(name) => self.readers.contains(&name.get()),
            ShortId::LocallyUnique => false,
        }
    }

    fn kept(&self) -> u32 {
        self.places.map_or(0, |places| {
            let places = places.chunks_exact(CrashReport::SIZE);
            places.filter_map(CrashReport::parse).count() as u32
        })
    }

    /// The report before which `index` others were written.
    fn crash(&self, index: usize) -> Option<CrashReport> {
        self.places.map_or(None, |places| {
            let all = || {
                let places = places.chunks_exact(CrashReport::SIZE);
                places.filter_map(CrashReport::parse)
            };
            let older = |than: u32| all().filter(|r| r.serial < than).count();
            all().find(|report| older(report.serial) == index)
        })
    }

    fn forget(&self, serial: u32) -> Result<(), ErrorCode> {
        self.places.map_or(Err(ErrorCode::INVAL), |places| {
            let place = places
                .chunks_exact_mut(CrashReport::SIZE)
                .find(|place| CrashReport::parse(place).is_some_and(|r| r.serial == serial));
            place.ok_or(ErrorCode::INVAL)?.fill(0);
            Ok(())
        })
    }

    fn process(&self, index: usize) -> Option<ProcessInfo> {
        let mut all = self.kernel.process_iter_capability(&self.capability);
        all.nth(index).map(info)
    }

    fn answer(&self, process_id: ProcessId, bytes: &[u8]) -> Result<u32, ErrorCode> {
        self.apps.enter(process_id, |_, kernel_data| {
            kernel_data
                .get_readwrite_processbuffer(0)
                .and_then(|buffer| {
                    buffer.mut_enter(|to| {
                        let to = to.get(..bytes.len()).ok_or(ErrorCode::SIZE)?;
                        to.copy_from_slice_or_err(bytes)?;
                        Ok(bytes.len() as u32)
                    })
                })?
        })?
    }
}

impl<C: ProcessManagementCapability> SyscallDriver for Supervision<C> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        if !self.permitted(process_id) {
            return CommandReturn::failure(ErrorCode::NOSUPPORT);
        }
        let answered = match command_num {
            0 => return CommandReturn::success(),
            1 => return CommandReturn::success_u32_u32(self.kept(), self.lost.get()),
            2 => match self.crash(r2) {
                Some(report) => self.answer(process_id, &report.emit()),
                None => Err(ErrorCode::INVAL),
            },
            3 => match u32::try_from(r2).map(|serial| self.forget(serial)) {
                Ok(result) => return result.into(),
                Err(_) => Err(ErrorCode::INVAL),
            },
            4 => match self.process(r2) {
                Some(info) => self.answer(process_id, &info.emit()),
                None => Err(ErrorCode::INVAL),
            },
            _ => Err(ErrorCode::NOSUPPORT),
        };
        match answered {
            Ok(length) => CommandReturn::success_u32(length),
            Err(error) => CommandReturn::failure(error),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

fn registers(fault: FaultReport) -> Registers {
    let r = fault.registers;
    Registers {
        cfsr: r.cfsr,
        hfsr: r.hfsr,
        mmfar: r.mmfar,
        bfar: r.bfar,
        sfsr: r.sfsr,
        pc: fault.pc as u32,
        lr: r.lr,
        sp: r.sp,
        psr: r.psr,
    }
}

fn short_id(process: &dyn Process) -> u32 {
    match process.short_app_id() {
        ShortId::Fixed(id) => id.get(),
        ShortId::LocallyUnique => 0,
    }
}

fn version(process: &dyn Process) -> u32 {
    process.binary_version().map_or(0, |v| v.get().get())
}

fn info(process: &dyn Process) -> ProcessInfo {
    let at = process.get_addresses();
    let size = |from: usize, to: usize| to.saturating_sub(from) as u32;
    ProcessInfo {
        short_id: short_id(process),
        version: version(process),
        state: match process.get_state() {
            State::Running => ProcessState::Running,
            State::Yielded | State::YieldedFor(_) => ProcessState::Waiting,
            State::Stopped(_) => ProcessState::Stopped,
            State::Faulted => ProcessState::Faulted,
            State::Terminated => ProcessState::Terminated,
        },
        restarts: process.get_restart_count() as u32,
        syscalls: process.debug_syscall_count() as u32,
        dropped_upcalls: process.debug_dropped_upcall_count() as u32,
        ram: size(at.sram_start, at.sram_end),
        app: size(at.sram_start, at.sram_app_brk),
        grants: size(at.sram_grant_start, at.sram_end),
        // The stack lies lowest.
        stack: at.sram_stack_top.map_or(0, |top| size(at.sram_start, top)),
        stack_used: match (at.sram_stack_bottom, at.sram_stack_top) {
            (Some(bottom), Some(top)) => size(bottom, top),
            _ => 0,
        },
        name: Text::new(process.get_process_name()),
    }
}

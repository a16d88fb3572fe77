//! Supervision driver: crash reports and states of processes.
//!
//! Owns the protocol of driver 0xA0005 (ours, docs/syscalls/a0005_supervision.md). What is read is
//! `supervision`'s. Only the process that the board names is answered; any other hears `NoSupport`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::{AllowRw, DefaultConfig, ErrorCode, Syscalls, allow_rw, share};
pub use supervision::{CrashReport, ImageVersion, ProcessInfo, ProcessState, Registers};

/// How many reports there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crashes {
    /// Kept.
    pub kept: u32,
    /// Gave way to newer ones since boot.
    pub lost: u32,
}

/// The kernel's view of its processes.
pub struct Supervision<S: Syscalls, C: allow_rw::Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: allow_rw::Config> Supervision<S, C> {
    /// Is there such a driver, and does it answer us?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, 0, 0, 0).is_success()
    }

    /// Number of crash reports.
    ///
    /// # Errors
    /// `NoSupport`: not for this process; `NoDevice`.
    pub fn crashes() -> Result<Crashes, ErrorCode> {
        S::command(DRIVER_NUM, 1, 0, 0)
            .to_result()
            .map(|(kept, lost)| Crashes { kept, lost })
    }

    /// Report number `index`, the oldest first.
    ///
    /// # Errors
    /// `Invalid`: there are not so many; `Fail`: it is no report.
    pub fn crash(index: u32) -> Result<CrashReport, ErrorCode> {
        let mut bytes = [0; CrashReport::SIZE];
        Self::read(2, index, &mut bytes)?;
        CrashReport::parse(&bytes).ok_or(ErrorCode::Fail)
    }

    /// The report with this number is no longer needed.
    ///
    /// # Errors
    /// `Invalid`: there is none.
    pub fn forget(serial: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 3, serial, 0).to_result()
    }

    /// The process in `slot`.
    ///
    /// # Errors
    /// `Invalid`: past the last slot; `NoDevice`: an empty slot; `Fail`: it is no process.
    pub fn process(slot: u32) -> Result<ProcessInfo, ErrorCode> {
        let mut bytes = [0; ProcessInfo::SIZE];
        Self::read(4, slot, &mut bytes)?;
        ProcessInfo::parse(&bytes).ok_or(ErrorCode::Fail)
    }

    fn read(command: u32, argument: u32, into: &mut [u8]) -> Result<(), ErrorCode> {
        let len = into.len();
        let read = share::scope::<AllowRw<'_, S, DRIVER_NUM, 0>, _, _>(|allow| {
            S::allow_rw::<C, DRIVER_NUM, 0>(allow, into)?;
            S::command(DRIVER_NUM, command, argument, 0).to_result::<u32, ErrorCode>()
        })?;
        match read as usize == len {
            true => Ok(()),
            false => Err(ErrorCode::Size),
        }
    }
}

const DRIVER_NUM: u32 = 0xA0005;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};
    use supervision::Text;

    #[test]
    fn reports_and_processes_are_read() {
        let report = CrashReport {
            serial: 7,
            time: 1_800_000_000,
            slot: 1,
            short_id: 2,
            app_version: 3,
            restarts: 4,
            restart_in_ms: Some(10),
            registers: Registers::default(),
            secure: ImageVersion::default(),
            non_secure: ImageVersion::default(),
            before_reset: false,
            name: Text::new("inference"),
            reason: Text::new("undefined instruction"),
        };
        let process = ProcessInfo {
            short_id: 1,
            version: 1,
            state: ProcessState::Waiting,
            restarts: 0,
            syscalls: 9,
            dropped_upcalls: 0,
            ram: 1024,
            app: 512,
            grants: 256,
            stack: 128,
            stack_used: 64,
            name: Text::new("net-mqtt"),
        };
        let kernel = fake::Kernel::new();
        let driver = fake::Scripted::new(DRIVER_NUM, move |call| {
            let answer = |bytes: &[u8]| {
                call.with_rw(0, |to| {
                    to[..bytes.len()].copy_from_slice(bytes);
                    command_return::success_u32(bytes.len() as u32)
                })
            };
            match (call.command, call.arg0) {
                (1, _) => command_return::success_2_u32(1, 5),
                (2, 0) => answer(&report.emit()),
                (3, 7) => command_return::success(),
                (4, 0) => answer(&process.emit()),
                (4, 1) => command_return::failure(ErrorCode::NoDevice),
                _ => command_return::failure(ErrorCode::Invalid),
            }
        });
        kernel.add_driver(&driver);
        type Driver = Supervision<fake::Syscalls>;
        assert_eq!(Driver::crashes(), Ok(Crashes { kept: 1, lost: 5 }));
        assert_eq!(Driver::crash(0), Ok(report));
        assert_eq!(Driver::crash(1), Err(ErrorCode::Invalid));
        assert_eq!(Driver::forget(7), Ok(()));
        assert_eq!(Driver::forget(8), Err(ErrorCode::Invalid));
        assert_eq!(Driver::process(0), Ok(process));
        assert_eq!(Driver::process(1), Err(ErrorCode::NoDevice));
        assert_eq!(Driver::process(2), Err(ErrorCode::Invalid));
    }
}

//! App loader driver: installs, starts, replaces and removes applications.
//!
//! Owns the process side of driver 0x10001 (docs/syscalls/10001_app_loader.md): upstream's commands
//! and, from 8 on, ours. Every call waits for its answer; a process does one thing at a time with it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::{AllowRo, DefaultConfig, ErrorCode, Syscalls, allow_ro, share};

/// The driver.
pub struct AppLoader<S: Syscalls, C: allow_ro::Config = DefaultConfig>(S, C);

/// What is installed under a ShortId.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Version of what runs, or of the newest copy in flash.
    pub version: u32,
    /// Address of its TBF.
    pub address: u32,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is on trial.
    pub trial: bool,
}

impl<S: Syscalls, C: allow_ro::Config> AppLoader<S, C> {
    /// Is there such a driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, 0, 0, 0).is_success()
    }

    fn answered(command: u32, arguments: (u32, u32), upcall: u32) -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, command, arguments.0, arguments.1).to_result::<(), ErrorCode>()?;
        let (status, value, _) = S::yield_wait_for(DRIVER_NUM, upcall);
        match status {
            0 => Ok(value),
            e => Err(ErrorCode::try_from(e).unwrap_or(ErrorCode::Fail)),
        }
    }

    /// Finds a place for a TBF of so many bytes that is linked to no address.
    ///
    /// # Errors
    /// `NoSupport`: this process may not install; `Fail`: no place; else the kernel's.
    pub fn setup(size: u32) -> Result<(), ErrorCode> {
        Self::answered(1, (size, 0), 0).map(drop)
    }

    /// Takes this place for a TBF of so many bytes.
    ///
    /// # Errors
    /// `Busy`: a process runs from there; `NoMem`, `Invalid`: it cannot be had.
    pub fn setup_at(address: u32, size: u32) -> Result<(), ErrorCode> {
        Self::answered(14, (address, size), 0).map(drop)
    }

    /// Whether [`Self::setup_at`] would take this place.
    ///
    /// # Errors
    /// As `setup_at`.
    pub fn probe(address: u32, size: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 8, address, size).to_result()
    }

    /// Writes bytes at an offset of the TBF, each once. The first write at 0 holds 8 bytes or more.
    ///
    /// # Errors
    /// `Invalid`: outside, or no such header; `Fail`: flash.
    pub fn write(offset: u32, bytes: &[u8]) -> Result<(), ErrorCode> {
        share::scope::<AllowRo<'_, S, DRIVER_NUM, 0>, _, _>(|allow| {
            S::allow_ro::<C, DRIVER_NUM, 0>(allow, bytes)?;
            Self::answered(2, (offset, bytes.len() as u32), 1).map(drop)
        })
    }

    /// All bytes are written: makes it an object that can be loaded.
    ///
    /// # Errors
    /// `Already`: not newer than what runs; `Invalid`: malformed, or linked elsewhere.
    pub fn finalize() -> Result<(), ErrorCode> {
        Self::answered(3, (0, 0), 2).map(drop)
    }

    /// Starts it; when a process of its ShortId runs, in place of that, on trial for so many
    /// milliseconds (0: the kernel's default).
    ///
    /// # Errors
    /// `Fail`: credentials; `NoMem`: RAM. It is gone then, and what ran before runs again.
    pub fn load(trial_ms: u32) -> Result<(), ErrorCode> {
        Self::answered(4, (trial_ms, 0), 3).map(drop)
    }

    /// Gives up what was set up.
    ///
    /// # Errors
    /// `Invalid`: nothing was.
    pub fn abort() -> Result<(), ErrorCode> {
        Self::answered(5, (0, 0), 4).map(drop)
    }

    /// Ends the process of this ShortId and frees its RAM; it comes back at the next boot. The
    /// address of its TBF.
    ///
    /// # Errors
    /// `Invalid`: no such process.
    pub fn unload(short_id: u32) -> Result<u32, ErrorCode> {
        Self::answered(6, (short_id, 0), 5)
    }

    /// Takes the binary out of flash whose TBF is at this address: what [`Self::unload`] gave.
    ///
    /// # Errors
    /// `Invalid`: no application lies there; `Busy`: a process runs from it, or a trial is open.
    pub fn uninstall(address: u32) -> Result<(), ErrorCode> {
        Self::answered(7, (address, 0), 6).map(drop)
    }

    /// What is installed under this ShortId.
    pub fn installed(short_id: u32) -> Option<Installed> {
        let answer = S::command(DRIVER_NUM, 9, short_id, 0);
        let (version, address, flags) = answer.get_success_3_u32()?;
        Some(Installed {
            version,
            address,
            running: flags & 1 != 0,
            trial: flags & 2 != 0,
        })
    }

    /// The trial was passed.
    ///
    /// # Errors
    /// `Invalid`: not on trial, or it failed meanwhile.
    pub fn confirm(short_id: u32) -> Result<(), ErrorCode> {
        Self::answered(10, (short_id, 0), 8).map(drop)
    }

    /// The trial failed: what ran before runs again.
    ///
    /// # Errors
    /// `Invalid`: not on trial.
    pub fn roll_back(short_id: u32) -> Result<(), ErrorCode> {
        Self::answered(11, (short_id, 0), 8).map(drop)
    }

    /// Ends the process of this ShortId and takes every copy of it out of flash.
    ///
    /// # Errors
    /// `Invalid`: nothing of that name.
    pub fn remove(short_id: u32) -> Result<(), ErrorCode> {
        Self::answered(12, (short_id, 0), 8).map(drop)
    }

    /// Starts what is installed under this ShortId.
    ///
    /// # Errors
    /// `Already`: it runs; `Invalid`: nothing of that name.
    pub fn start(short_id: u32) -> Result<(), ErrorCode> {
        Self::answered(13, (short_id, 0), 8).map(drop)
    }

    /// Waits until the kernel ends a trial by itself: the ShortId of what was rolled back.
    pub fn wait_rolled_back() -> u32 {
        S::yield_wait_for(DRIVER_NUM, 7).1
    }
}

const DRIVER_NUM: u32 = 0x10001;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    type Loader = AppLoader<fake::Syscalls>;

    #[test]
    fn commands_and_answers_are_the_documents() {
        let kernel = fake::Kernel::new();
        let driver = fake::Scripted::new(DRIVER_NUM, |call| {
            let upcall = match call.command {
                1 | 14 => 0,
                2 => 1,
                3 => 2,
                4 => 3,
                5 => 4,
                6 => 5,
                7 => 6,
                10..=13 => 8,
                8 => return command_return::failure(ErrorCode::Busy),
                9 if call.arg0 == 7 => return command_return::success_3_u32(4, 0x100, 3),
                _ => return command_return::failure(ErrorCode::Invalid),
            };
            let bytes = call.ro(0).len() as u32;
            // A status for what is asked with 99.
            let status = if call.arg0 == 99 { 3 } else { 0 };
            call.schedule(upcall, (status, call.arg0 + bytes, 0));
            command_return::success()
        });
        kernel.add_driver(&driver);
        assert!(Loader::exists());
        assert_eq!(Loader::setup(4096), Ok(()));
        assert_eq!(Loader::setup_at(0x6000_0000, 64), Ok(()));
        assert_eq!(Loader::probe(1, 2), Err(ErrorCode::Busy));
        assert_eq!(Loader::write(8, b"bytes"), Ok(()));
        assert_eq!(Loader::finalize(), Ok(()));
        assert_eq!(Loader::load(500), Ok(()));
        assert_eq!(Loader::abort(), Ok(()));
        assert_eq!(Loader::unload(0x55), Ok(0x55));
        assert_eq!(Loader::unload(99), Err(ErrorCode::Already));
        assert_eq!(Loader::uninstall(0x6000_0000), Ok(()));
        assert_eq!(Loader::uninstall(99), Err(ErrorCode::Already));
        for call in [
            Loader::confirm,
            Loader::roll_back,
            Loader::remove,
            Loader::start,
        ] {
            assert_eq!(call(1), Ok(()));
            assert_eq!(call(99), Err(ErrorCode::Already));
        }
        let installed = Loader::installed(7).unwrap();
        assert!(installed.running && installed.trial);
        assert_eq!((installed.version, installed.address), (4, 0x100));
        assert_eq!(Loader::installed(8), None);
        let numbers: Vec<u32> = driver.commands().iter().map(|c| c.0).collect();
        assert_eq!(
            numbers,
            [
                1, 14, 8, 2, 3, 4, 5, 6, 6, 7, 7, 10, 10, 11, 11, 12, 12, 13, 13, 9, 9
            ]
        );
        driver.schedule(7, (8, 5, 0));
        assert_eq!(Loader::wait_rolled_back(), 5);
    }
}

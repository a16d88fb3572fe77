//! Installing, starting, replacing and removing applications at run time.
//!
//! Owns the traits between the app loader capsule and the storage behind it: upstream's
//! (`reference/tock.md` §3.5) and, for replacing an application by a new version beside it,
//! [`DynamicProcessUpdate`]. [`storage`] implements them on NOR flash.

mod list;
mod storage;

pub use storage::{Area, SequentialDynamicBinaryStorage};

use crate::ErrorCode;
use crate::process::{ProcessLoadError, ShortId};
use crate::utilities::leasable_buffer::SubSliceMut;
use core::num::NonZeroU32;

/// Stores a new binary. One at a time.
pub trait DynamicBinaryStore {
    /// Finds a place for a binary of so many bytes and clears it; `setup_done` later.
    ///
    /// # Errors
    /// `FAIL` no place, `INVAL` not idle.
    fn setup(&self, app_length: usize) -> Result<usize, ErrorCode>;
    /// Writes at an offset of the binary; `write_done` later, which brings the buffer back whatever
    /// becomes of it.
    ///
    /// # Errors
    /// None: a wrong state or range is told by `write_done`, so that the buffer is never lost.
    fn write(&self, buffer: SubSliceMut<'static, u8>, offset: usize) -> Result<(), ErrorCode>;
    /// The binary is complete: checks its form and makes it an object of the list; `finalize_done` later.
    ///
    /// # Errors
    /// `INVAL` wrong state or malformed header, `ALREADY` not newer than what is installed, `BUSY`
    /// another trial is open.
    fn finalize(&self) -> Result<(), ErrorCode>;
    /// Gives the place back; `abort_done` later.
    ///
    /// # Errors
    /// `INVAL` nothing to abort, `BUSY` try again.
    fn abort(&self) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_storage_client(&self, client: &'static dyn DynamicBinaryStoreClient);
}

/// Hears of storing.
pub trait DynamicBinaryStoreClient {
    /// A place is ready, or not.
    fn setup_done(&self, result: Result<(), ErrorCode>);
    /// Bytes were written, or not.
    fn write_done(&self, result: Result<(), ErrorCode>, buffer: &'static mut [u8], length: usize);
    /// The binary is an object of the list, or not.
    fn finalize_done(&self, result: Result<(), ErrorCode>);
    /// The place is free again.
    fn abort_done(&self, result: Result<(), ErrorCode>);
}

/// Starts what was stored.
pub trait DynamicProcessLoad {
    /// Checks the credentials of the finalized binary and makes a process of it; `load_done` later.
    /// When an application of that name runs, it is stopped first, and the new one is on trial.
    ///
    /// # Errors
    /// `INVAL` nothing is finalized, `BUSY` the loader is.
    fn load(&self) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_load_client(&self, client: &'static dyn DynamicProcessLoadClient);
}

/// Hears of starting.
pub trait DynamicProcessLoadClient {
    /// It runs, or not.
    fn load_done(&self, result: Result<(), ProcessLoadError>);
}

/// Ends processes and frees their RAM.
pub trait DynamicProcessUnload {
    /// Ends the process of this name; flash is untouched. `unload_done` later.
    ///
    /// # Errors
    /// `INVAL` no such process, `BUSY` not idle.
    fn unload(&self, short_id: ShortId) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_unload_client(&self, client: &'static dyn DynamicProcessUnloadClient);
}

/// Hears of ends.
pub trait DynamicProcessUnloadClient {
    /// It is gone; `app_handle` is the address of its TBF.
    fn unload_done(&self, result: Result<(), ErrorCode>, app_handle: usize);
}

/// Takes binaries out of flash.
pub trait DynamicProcessUninstall {
    /// Takes the binary off the list that [`DynamicProcessUnloadClient::unload_done`] named, or any
    /// other by the address of its TBF; `uninstall_done` later.
    ///
    /// # Errors
    /// `INVAL` no application lies there, `BUSY` a process runs from it, a trial is open, or not idle.
    fn uninstall_with_app_handle(&self, app_handle: usize) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_uninstall_client(&self, client: &'static dyn DynamicProcessUninstallClient);
}

/// Hears of what was taken away.
pub trait DynamicProcessUninstallClient {
    /// It is off the list, or not.
    fn uninstall_done(&self, result: Result<(), ErrorCode>);
}

/// What is installed under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Version of the process, or of the newest copy in flash when it does not run.
    pub version: u32,
    /// Address of that TBF.
    pub address: usize,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is on trial.
    pub trial: bool,
}

/// Replaces applications, beside what runs.
pub trait DynamicProcessUpdate {
    /// As [`DynamicBinaryStore::setup`], at an address: for binaries that are linked to one.
    ///
    /// # Errors
    /// As `setup`; `BUSY` a process runs from there.
    fn setup_at(&self, address: usize, app_length: usize) -> Result<usize, ErrorCode>;
    /// Whether `setup_at` would take this place.
    fn probe(&self, address: usize, app_length: usize) -> Result<(), ErrorCode>;
    /// What is installed under a name.
    fn installed(&self, short_id: NonZeroU32) -> Option<Installed>;
    /// The application on trial.
    fn on_trial(&self) -> Option<Trial>;
    /// Whether the process on trial is dead, or has been restarted.
    fn trial_failed(&self) -> bool;
    /// The trial was passed: what is on trial runs from every boot on; `update_done` later.
    ///
    /// # Errors
    /// `INVAL` it is not on trial.
    fn confirm(&self, short_id: NonZeroU32) -> Result<(), ErrorCode>;
    /// The trial failed: the old version runs again; `update_done` later.
    ///
    /// # Errors
    /// `INVAL` it is not on trial.
    fn roll_back(&self, short_id: NonZeroU32) -> Result<(), ErrorCode>;
    /// Ends the process of this name and takes every copy of it off the list; `update_done` later.
    ///
    /// # Errors
    /// `INVAL` nothing of that name, `BUSY` not idle.
    fn remove(&self, short_id: NonZeroU32) -> Result<(), ErrorCode>;
    /// Starts what is installed under this name; `update_done` later.
    ///
    /// # Errors
    /// `INVAL` nothing of that name, `ALREADY` it runs, `BUSY` not idle.
    fn start(&self, short_id: NonZeroU32) -> Result<(), ErrorCode>;
    /// What waits for other processes to let go of the old version's memory waits no longer.
    fn insist(&self) {}
    /// Whom to tell.
    fn set_update_client(&self, client: &'static dyn DynamicProcessUpdateClient);
}

/// Hears of replacements.
pub trait DynamicProcessUpdateClient {
    /// What was asked for by `confirm`, `roll_back`, `remove` or `start` is done.
    fn update_done(&self, result: Result<(), ErrorCode>);
}

/// A binary that must not run after a reset: it is not loaded yet, or on trial. Every install has
/// one from before its object becomes good until it is started, an update until it is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Name in its header.
    pub short_id: u32,
    /// Version in its header.
    pub version: u32,
    /// Address of its TBF.
    pub address: usize,
}

/// Where the open [`Trial`] outlives power; a replacement is whole or has not happened.
pub trait TrialStore {
    /// The open trial.
    ///
    /// # Errors
    /// It cannot be read.
    fn get(&self) -> Result<Option<Trial>, ErrorCode>;
    /// Replaces it.
    ///
    /// # Errors
    /// It may or may not be replaced.
    fn set(&self, trial: Option<Trial>) -> Result<(), ErrorCode>;
}

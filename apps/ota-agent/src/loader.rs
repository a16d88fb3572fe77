//! How the agent reaches the kernel's app loader.
//!
//! Owns the steps that it takes of driver 0x10001 (docs/syscalls/10001_app_loader.md); what the
//! driver promises, rollback by itself first of all, is the kernel's.

use libtock::platform::ErrorCode;

/// What is installed under a ShortId.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// Version of what runs.
    pub version: u32,
    /// Whether it is on trial.
    pub trial: bool,
}

/// The app loader. `Already`, `Busy` and `Invalid` mean what the driver's document says.
pub trait Loader {
    /// What is installed under this ShortId.
    fn installed(&self, short_id: u32) -> Option<Installed>;
    /// Takes a place in flash for a TBF of so many bytes.
    ///
    /// # Errors
    /// `Busy`: a process runs from there.
    fn begin(&self, address: u32, size: u32) -> Result<(), ErrorCode>;
    /// Writes bytes of the TBF, each once.
    ///
    /// # Errors
    /// Of the driver.
    fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), ErrorCode>;
    /// All bytes are there.
    ///
    /// # Errors
    /// `Already`: not newer; `Invalid`: not what can run from there.
    fn finish(&self) -> Result<(), ErrorCode>;
    /// Starts it in place of what runs, on trial for so many milliseconds. Does not return to an
    /// agent that replaces itself.
    ///
    /// # Errors
    /// Why what ran before runs again.
    fn load(&self, trial_ms: u32) -> Result<(), ErrorCode>;
    /// Gives up what was begun, if anything.
    fn abort(&self);
    /// The trial was passed.
    ///
    /// # Errors
    /// `Invalid`: it failed meanwhile.
    fn confirm(&self, short_id: u32) -> Result<(), ErrorCode>;
    /// The trial failed: what ran before runs again.
    fn roll_back(&self, short_id: u32);
}

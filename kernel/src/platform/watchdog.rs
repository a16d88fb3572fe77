//! A watchdog over the main loop.

/// Resets the chip when the main loop stands still.
pub trait WatchDog {
    /// Starts it.
    fn setup(&self) {}
    /// The loop lives.
    fn tickle(&self) {}
    /// The chip is about to sleep.
    fn suspend(&self) {}
    /// It woke.
    fn resume(&self) {
        self.tickle();
    }
}
impl WatchDog for () {}

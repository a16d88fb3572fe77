//! Debug hardware of the core.

/// Counts cycles.
pub trait CycleCounter {
    /// Counts on.
    fn start(&self);
    /// Stops counting.
    fn stop(&self);
    /// Cycles so far.
    fn count(&self) -> u64;
    /// Back to zero, stopped.
    fn reset(&self);
    /// Cycles that `f` takes.
    fn profile_closure<F: FnOnce()>(&self, f: F) -> u64 {
        self.reset();
        self.start();
        f();
        self.stop();
        self.count()
    }
}

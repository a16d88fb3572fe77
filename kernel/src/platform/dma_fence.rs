//! Handing memory to DMA hardware and taking it back.

/// What orders memory accesses of this core with those of DMA hardware.
///
/// # Safety
/// After `release`, hardware that is started sees what was written before; after `acquire`, this
/// core sees what hardware wrote before it was seen to be done.
pub unsafe trait DmaFence: core::fmt::Debug + Send + Sync + Copy {
    /// Before hardware is started on `buf`.
    fn release<T>(self, buf: *mut [T]);
    /// After hardware was done with `buf`.
    fn acquire<T>(self, buf: *mut [T]);
}

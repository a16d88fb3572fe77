//! Memory protection between processes.

use core::fmt::Display;

/// What userspace may do in a region.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Everything.
    ReadWriteExecute,
    /// Read and write.
    ReadWriteOnly,
    /// Read and execute.
    ReadExecuteOnly,
    /// Read.
    ReadOnly,
    /// Execute.
    ExecuteOnly,
}

/// A region as it was allocated.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Region {
    start_address: *const u8,
    size: usize,
}

impl Region {
    /// From its first byte and size.
    pub fn new(start_address: *const u8, size: usize) -> Region {
        Region {
            start_address,
            size,
        }
    }
    /// First byte.
    pub fn start_address(&self) -> *const u8 {
        self.start_address
    }
    /// Bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// A configuration of nothing, for units without regions of their own.
#[derive(Default)]
pub struct MpuConfigDefault {}

impl Display for MpuConfigDefault {
    fn fmt(&self, _f: &mut core::fmt::Formatter) -> core::fmt::Result {
        Ok(())
    }
}

/// A memory protection unit.
///
/// # Safety
/// After `configure_mpu` and `enable_app_mpu`, userspace reaches nothing but the regions of the
/// configuration, with their permissions.
pub unsafe trait MPU {
    /// One process's regions.
    type MpuConfig: Display;

    /// Enforces the current configuration on userspace.
    fn enable_app_mpu(&self);
    /// Lets the kernel reach everything.
    ///
    /// # Safety
    /// Userspace must not run until `enable_app_mpu`.
    unsafe fn disable_app_mpu(&self);
    /// Regions there are.
    fn number_total_regions(&self) -> usize;
    /// An empty configuration.
    fn new_config(&self) -> Option<Self::MpuConfig>;
    /// Empties one.
    fn reset_config(&self, config: &mut Self::MpuConfig);
    /// A region of at least `min_region_size` inside the unallocated range.
    fn allocate_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
        permissions: Permissions,
        config: &mut Self::MpuConfig,
    ) -> Option<Region>;
    /// Takes a region away.
    ///
    /// # Errors
    /// When it is not there.
    #[allow(clippy::result_unit_err)]
    fn remove_memory_region(&self, region: Region, config: &mut Self::MpuConfig) -> Result<(), ()>;
    /// Places a process's RAM block in the unallocated range and opens the first
    /// `initial_app_memory_size` bytes to it; returns the block's start and size.
    #[allow(clippy::too_many_arguments)]
    fn allocate_app_memory_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_memory_size: usize,
        initial_app_memory_size: usize,
        initial_kernel_memory_size: usize,
        permissions: Permissions,
        config: &mut Self::MpuConfig,
    ) -> Option<(*const u8, usize)>;
    /// Opens `[RAM start, app_memory_break)`, never past `kernel_memory_break`.
    ///
    /// # Errors
    /// When the unit cannot express it.
    #[allow(clippy::result_unit_err)]
    fn update_app_memory_region(
        &self,
        app_memory_break: *const u8,
        kernel_memory_break: *const u8,
        permissions: Permissions,
        config: &mut Self::MpuConfig,
    ) -> Result<(), ()>;
    /// Loads a configuration into the hardware.
    ///
    /// # Safety
    /// `config` was built through this trait for the process that runs next.
    unsafe fn configure_mpu(&self, config: &Self::MpuConfig);
}

//! What a board and a chip give the kernel.
pub mod chip;
pub mod dma_fence;
pub mod mpu;
#[allow(clippy::module_inception)]
pub mod platform;
pub mod scheduler_timer;
pub mod watchdog;

pub use chip::{Chip, InterruptService};
pub use platform::{
    ContextSwitchCallback, KernelResources, ProcessFault, SyscallDriverLookup, SyscallFilter,
};
pub use scheduler_timer::SchedulerTimer;
pub use watchdog::WatchDog;

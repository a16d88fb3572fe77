//! Who runs next on this board: a Cargo feature of the kernel image chooses.
//!
//! | feature | scheduler |
//! |---|---|
//! | – | round robin, slices of 10 ms; slow secure calls never one behind the other while a process is ready |
//! | `scheduler-priority` | the first slot that is ready, until it yields or an earlier one is ready |
//! | `scheduler-cooperative` | each until it yields: one that never does stops all others |
//! | `scheduler-mlfq` | three queues, slices of 10, 20 and 50 ms |
//!
//! With several the first of this table counts. Slot order is the order of loading: the product's apps
//! by what they have to be checked, quickest first.

use kernel::process::ProcessSlot;

#[cfg(feature = "scheduler-priority")]
mod choice {
    pub use capsules_system::scheduler::priority::PrioritySched as Sched;
    pub const NAME: &str = "priority";
}
#[cfg(all(feature = "scheduler-cooperative", not(feature = "scheduler-priority")))]
mod choice {
    pub use capsules_system::scheduler::cooperative::CooperativeSched as Sched;
    pub const NAME: &str = "cooperative";
}
#[cfg(all(
    feature = "scheduler-mlfq",
    not(any(feature = "scheduler-priority", feature = "scheduler-cooperative"))
))]
mod choice {
    pub type Sched = capsules_system::scheduler::mlfq::MLFQSched<{ crate::NUM_PROCS as usize }>;
    pub const NAME: &str = "mlfq";
}
#[cfg(not(any(
    feature = "scheduler-priority",
    feature = "scheduler-cooperative",
    feature = "scheduler-mlfq"
)))]
mod choice {
    pub use capsules_system::scheduler::round_robin::RoundRobinSched as Sched;
    pub const NAME: &str = "round robin";
}

/// The scheduler.
pub use choice::Sched;

/// Over these slots.
pub fn create(slots: &'static [ProcessSlot]) -> Sched {
    if choice::NAME != "round robin" {
        kernel::debug!("kernel: scheduler {}", choice::NAME);
    }
    Sched::new(slots)
}

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

use crate::NUM_PROCS;
use crate::capsules::VirtualAlarm;
use core::mem::MaybeUninit;
use kernel::collections::list::{List, ListNode};
use kernel::process::ProcessSlot;
use kernel::{Kernel, static_buf};

#[cfg(feature = "scheduler-priority")]
mod choice {
    use super::*;
    use crate::process_console::Capability;
    pub type Sched = capsules_system::scheduler::priority::PrioritySched<Capability>;
    pub const NAME: &str = "priority";
    pub fn make(kernel: &'static Kernel, _: Slots, _: &'static VirtualAlarm) -> Sched {
        Sched::new(kernel, Capability)
    }
}
#[cfg(all(feature = "scheduler-cooperative", not(feature = "scheduler-priority")))]
mod choice {
    use super::*;
    use capsules_system::scheduler::cooperative::{CoopProcessNode, CooperativeSched};
    pub type Sched = CooperativeSched<'static>;
    pub const NAME: &str = "cooperative";
    pub fn make(_: &'static Kernel, slots: Slots, _: &'static VirtualAlarm) -> Sched {
        let sched = Sched::new();
        let room = static_buf!([MaybeUninit<CoopProcessNode<'static>>; SLOTS]);
        fill(&sched.processes, room, slots, CoopProcessNode::new);
        sched
    }
}
#[cfg(all(
    feature = "scheduler-mlfq",
    not(any(feature = "scheduler-priority", feature = "scheduler-cooperative"))
))]
mod choice {
    use super::*;
    use capsules_system::scheduler::mlfq::{MLFQProcessNode, MLFQSched};
    pub type Sched = MLFQSched<'static, VirtualAlarm>;
    pub const NAME: &str = "mlfq";
    pub fn make(_: &'static Kernel, slots: Slots, clock: &'static VirtualAlarm) -> Sched {
        let sched = Sched::new(clock);
        let room = static_buf!([MaybeUninit<MLFQProcessNode<'static>>; SLOTS]);
        fill(&sched.processes[0], room, slots, MLFQProcessNode::new);
        sched
    }
}
#[cfg(not(any(
    feature = "scheduler-priority",
    feature = "scheduler-cooperative",
    feature = "scheduler-mlfq"
)))]
mod choice {
    use super::*;
    use capsules_system::scheduler::round_robin::{RoundRobinProcessNode, RoundRobinSched};
    pub type Sched = RoundRobinSched<'static>;
    pub const NAME: &str = "round robin";
    pub fn make(_: &'static Kernel, slots: Slots, _: &'static VirtualAlarm) -> Sched {
        let sched = Sched::new();
        let room = static_buf!([MaybeUninit<RoundRobinProcessNode<'static>>; SLOTS]);
        fill(&sched.processes, room, slots, RoundRobinProcessNode::new);
        sched
    }
}

/// The scheduler.
pub use choice::Sched;

const SLOTS: usize = NUM_PROCS as usize;
type Slots = &'static [ProcessSlot];

/// Over these slots; `clock` is only asked for the time.
pub fn create(kernel: &'static Kernel, slots: Slots, clock: &'static VirtualAlarm) -> Sched {
    if choice::NAME != "round robin" {
        kernel::debug!("kernel: scheduler {}", choice::NAME);
    }
    choice::make(kernel, slots, clock)
}

/// A node for each slot, in their order.
#[allow(dead_code)] // Priority needs none.
fn fill<T: ListNode<'static, T>>(
    list: &List<'static, T>,
    room: &'static mut MaybeUninit<[MaybeUninit<T>; SLOTS]>,
    slots: Slots,
    node: impl Fn(&'static ProcessSlot) -> T,
) {
    let room = room.write([const { MaybeUninit::uninit() }; SLOTS]);
    for (room, slot) in room.iter_mut().zip(slots).rev() {
        list.push_head(room.write(node(slot)));
    }
}

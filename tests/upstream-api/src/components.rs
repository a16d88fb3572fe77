//! Components in upstream's idiom: a `…_component_static!` macro beside a `Component`.

use crate::capsules::{heartbeat::Heartbeat, shout::Shout};
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use capsules_system::scheduler::cooperative::{CoopProcessNode, CooperativeSched};
use capsules_system::scheduler::mlfq::{MLFQProcessNode, MLFQSched};
use capsules_system::scheduler::priority::PrioritySched;
use capsules_system::scheduler::round_robin::{RoundRobinProcessNode, RoundRobinSched};
use kernel::Kernel;
use kernel::capabilities::{MemoryAllocationCapability, ProcessManagementCapability};
use kernel::collections::list::ListNode;
use kernel::component::Component;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::led::Led;
use kernel::hil::time::{self, Alarm};
use kernel::process::{ProcessArray, ProcessSlot};
use std::mem::MaybeUninit;

#[macro_export]
macro_rules! heartbeat_component_static {
    ($A:ty, $L:ty $(,)?) => {{
        let alarm = kernel::static_buf!(
            capsules_core::virtualizers::virtual_alarm::VirtualMuxAlarm<'static, $A>
        );
        let heartbeat = kernel::static_buf!(
            $crate::capsules::heartbeat::Heartbeat<
                'static,
                capsules_core::virtualizers::virtual_alarm::VirtualMuxAlarm<'static, $A>,
                $L,
            >
        );
        (alarm, heartbeat)
    }};
}

pub struct HeartbeatComponent<A: 'static + time::Alarm<'static>, L: 'static + Led> {
    board_kernel: &'static kernel::Kernel,
    driver_num: usize,
    alarm_mux: &'static MuxAlarm<'static, A>,
    led: &'static L,
}

impl<A: 'static + time::Alarm<'static>, L: 'static + Led> HeartbeatComponent<A, L> {
    pub fn new(
        board_kernel: &'static kernel::Kernel,
        driver_num: usize,
        alarm_mux: &'static MuxAlarm<'static, A>,
        led: &'static L,
    ) -> Self {
        Self {
            board_kernel,
            driver_num,
            alarm_mux,
            led,
        }
    }

    /// With the capability that the board made.
    pub fn with<C: MemoryAllocationCapability>(self, cap: C) -> Granted<A, L, C> {
        Granted(self, cap)
    }
}

/// The component and its capability.
pub struct Granted<A: 'static + time::Alarm<'static>, L: 'static + Led, C>(
    HeartbeatComponent<A, L>,
    C,
);

type Driver<A, L> = Heartbeat<'static, VirtualMuxAlarm<'static, A>, L>;

impl<A, L, C> Component for Granted<A, L, C>
where
    A: 'static + time::Alarm<'static>,
    L: 'static + Led,
    C: MemoryAllocationCapability,
{
    type StaticInput = (
        &'static mut MaybeUninit<VirtualMuxAlarm<'static, A>>,
        &'static mut MaybeUninit<Driver<A, L>>,
    );
    type Output = &'static Driver<A, L>;

    fn finalize(self, static_buffer: Self::StaticInput) -> Self::Output {
        let Granted(parts, cap) = self;
        let virtual_alarm = static_buffer.0.write(VirtualMuxAlarm::new(parts.alarm_mux));
        virtual_alarm.setup();
        let grant = parts.board_kernel.create_grant(parts.driver_num, &cap);
        let driver = static_buffer
            .1
            .write(Heartbeat::new(virtual_alarm, parts.led, grant));
        virtual_alarm.set_alarm_client(driver);
        driver
    }
}

#[macro_export]
macro_rules! shout_component_static {
    () => {{ kernel::static_buf!($crate::capsules::shout::Shout) }};
}

pub struct ShoutComponent<C: MemoryAllocationCapability> {
    board_kernel: &'static kernel::Kernel,
    driver_num: usize,
    cap: C,
}

impl<C: MemoryAllocationCapability> ShoutComponent<C> {
    pub fn new(board_kernel: &'static kernel::Kernel, driver_num: usize, cap: C) -> Self {
        Self {
            board_kernel,
            driver_num,
            cap,
        }
    }
}

impl<C: MemoryAllocationCapability> Component for ShoutComponent<C> {
    type StaticInput = &'static mut MaybeUninit<Shout>;
    type Output = &'static Shout;

    fn finalize(self, static_buffer: Self::StaticInput) -> Self::Output {
        let grant = self.board_kernel.create_grant(self.driver_num, &self.cap);
        let shout = static_buffer.write(Shout::new(grant));
        shout.register();
        shout
    }
}

type Nodes<T, const N: usize> = &'static mut MaybeUninit<[MaybeUninit<T>; N]>;

/// What the components of schedulers do: a node for each slot of the array, put in front.
fn node_of_each<T: ListNode<'static, T>, const N: usize>(
    slots: &'static ProcessArray<N>,
    room: Nodes<T, N>,
    node: fn(&'static ProcessSlot) -> T,
    mut put: impl FnMut(&'static T),
) {
    let room = room.write([const { MaybeUninit::uninit() }; N]);
    for (i, room) in room.iter_mut().enumerate() {
        put(room.write(node(&slots[i])));
    }
}

pub fn round_robin<const N: usize>(
    slots: &'static ProcessArray<N>,
    buf: &'static mut MaybeUninit<RoundRobinSched<'static>>,
    room: Nodes<RoundRobinProcessNode<'static>, N>,
) -> &'static mut RoundRobinSched<'static> {
    const _: RoundRobinSched = RoundRobinSched::new_with_time(5_000);
    let s = buf.write(RoundRobinSched::new());
    node_of_each(slots, room, RoundRobinProcessNode::new, |node| {
        s.processes.push_head(node)
    });
    s
}

pub fn cooperative<const N: usize>(
    slots: &'static ProcessArray<N>,
    buf: &'static mut MaybeUninit<CooperativeSched<'static>>,
    room: Nodes<CoopProcessNode<'static>, N>,
) -> &'static mut CooperativeSched<'static> {
    const _: CooperativeSched = CooperativeSched::new();
    let s = buf.write(CooperativeSched::new());
    node_of_each(slots, room, CoopProcessNode::new, |node| {
        s.processes.push_head(node)
    });
    s
}

pub fn mlfq<A: 'static + time::Alarm<'static>, const N: usize>(
    alarm: &'static A,
    slots: &'static ProcessArray<N>,
    buf: &'static mut MaybeUninit<MLFQSched<'static, A>>,
    room: Nodes<MLFQProcessNode<'static>, N>,
) -> &'static mut MLFQSched<'static, A> {
    let s = buf.write(MLFQSched::new(alarm));
    node_of_each(slots, room, MLFQProcessNode::new, |node| {
        s.processes[0].push_head(node)
    });
    let _: (u32, usize) = (
        MLFQSched::<A>::PRIORITY_REFRESH_PERIOD_MS,
        MLFQSched::<A>::NUM_QUEUES,
    );
    s
}

pub fn priority<CAP: ProcessManagementCapability>(
    kernel: &'static Kernel,
    cap: CAP,
    buf: &'static mut MaybeUninit<PrioritySched<CAP>>,
) -> &'static mut PrioritySched<CAP> {
    buf.write(PrioritySched::new(kernel, cap))
}

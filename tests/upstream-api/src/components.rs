//! Components in upstream's idiom: a `…_component_static!` macro beside a `Component`.

use crate::capsules::{heartbeat::Heartbeat, shout::Shout};
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::led::Led;
use kernel::hil::time::{self, Alarm};
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

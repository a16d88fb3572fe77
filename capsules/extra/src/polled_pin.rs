//! Interrupts of a pin whose hardware has none, by looking at it.
//!
//! Owns one alarm, which runs only while somebody listens: without a listener nothing wakes the
//! core. A level that changes twice between two looks is not seen.

use core::cell::Cell;
use kernel::hil::gpio::{
    Client, Configuration, Configure, FloatingState, Input, Interrupt, InterruptEdge, Output, Pin,
};
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks};
use kernel::utilities::cells::OptionalCell;

/// Between two looks, milliseconds: a press of a finger lasts longer, its bouncing does not.
pub const PERIOD_MS: u32 = 20;

/// A pin with interrupts.
pub struct PolledPin<'a, A: Alarm<'a>, P: Pin> {
    pin: &'a P,
    alarm: &'a A,
    client: OptionalCell<&'a dyn Client>,
    edge: Cell<Option<InterruptEdge>>,
    level: Cell<bool>,
}

impl<'a, A: Alarm<'a>, P: Pin> PolledPin<'a, A, P> {
    /// Over `pin`; the board makes this the client of `alarm`.
    pub fn new(pin: &'a P, alarm: &'a A) -> Self {
        PolledPin {
            pin,
            alarm,
            client: OptionalCell::empty(),
            edge: Cell::new(None),
            level: Cell::new(false),
        }
    }

    fn look_again(&self) {
        let now = self.alarm.now();
        self.alarm
            .set_alarm(now, self.alarm.ticks_from_ms(PERIOD_MS));
    }
}

impl<'a, A: Alarm<'a>, P: Pin> AlarmClient for PolledPin<'a, A, P> {
    fn alarm(&self) {
        let Some(edge) = self.edge.get() else {
            return;
        };
        let level = self.pin.read();
        let before = self.level.replace(level);
        let fires = match edge {
            InterruptEdge::EitherEdge => level != before,
            InterruptEdge::RisingEdge => level && !before,
            InterruptEdge::FallingEdge => before && !level,
        };
        if fires {
            self.client.map(|client| client.fired());
        }
        // The client may have had enough.
        if self.edge.get().is_some() {
            self.look_again();
        }
    }
}

impl<'a, A: Alarm<'a>, P: Pin> Interrupt<'a> for PolledPin<'a, A, P> {
    fn set_client(&self, client: &'a dyn Client) {
        self.client.set(client);
    }

    fn enable_interrupts(&self, mode: InterruptEdge) {
        if self.edge.replace(Some(mode)).is_none() {
            self.level.set(self.pin.read());
            self.look_again();
        }
    }

    fn disable_interrupts(&self) {
        self.edge.set(None);
        // It cannot fail: at worst it rings once for nothing.
        let _ = self.alarm.disarm();
    }

    fn is_pending(&self) -> bool {
        self.edge.get().is_some() && self.pin.read() != self.level.get()
    }
}

impl<'a, A: Alarm<'a>, P: Pin> Input for PolledPin<'a, A, P> {
    fn read(&self) -> bool {
        self.pin.read()
    }
}

impl<'a, A: Alarm<'a>, P: Pin> Output for PolledPin<'a, A, P> {
    fn set(&self) {
        self.pin.set();
    }
    fn clear(&self) {
        self.pin.clear();
    }
    fn toggle(&self) -> bool {
        self.pin.toggle()
    }
}

impl<'a, A: Alarm<'a>, P: Pin> Configure for PolledPin<'a, A, P> {
    fn configuration(&self) -> Configuration {
        self.pin.configuration()
    }
    fn make_output(&self) -> Configuration {
        self.pin.make_output()
    }
    fn disable_output(&self) -> Configuration {
        self.pin.disable_output()
    }
    fn make_input(&self) -> Configuration {
        self.pin.make_input()
    }
    fn disable_input(&self) -> Configuration {
        self.pin.disable_input()
    }
    fn deactivate_to_low_power(&self) {
        self.pin.deactivate_to_low_power();
    }
    fn set_floating_state(&self, state: FloatingState) {
        self.pin.set_floating_state(state);
    }
    fn floating_state(&self) -> FloatingState {
        self.pin.floating_state()
    }
}

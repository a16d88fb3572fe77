//! Many alarms on one.
//!
//! Owns the list of virtual alarms and what the hardware is set to: always the earliest. While
//! the hardware's alarm is being served, alarms set by its clients are only noted.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::collections::list::{List, ListLink, ListNode};
use kernel::hil::time::{Alarm, AlarmClient, Ticks, Time};
use kernel::utilities::cells::OptionalCell;

/// The alarm that is shared.
pub struct MuxAlarm<'a, A: Alarm<'a>> {
    alarm: &'a A,
    virtual_alarms: List<'a, VirtualMuxAlarm<'a, A>>,
    firing: Cell<bool>,
}

/// One of the alarms on a [`MuxAlarm`].
pub struct VirtualMuxAlarm<'a, A: Alarm<'a>> {
    mux: &'a MuxAlarm<'a, A>,
    reference: Cell<A::Ticks>,
    dt: Cell<A::Ticks>,
    armed: Cell<bool>,
    client: OptionalCell<&'a dyn AlarmClient>,
    next: ListLink<'a, VirtualMuxAlarm<'a, A>>,
}

impl<'a, A: Alarm<'a>> MuxAlarm<'a, A> {
    /// Over `alarm`, whose client the board makes this.
    pub const fn new(alarm: &'a A) -> Self {
        MuxAlarm {
            alarm,
            virtual_alarms: List::new(),
            firing: Cell::new(false),
        }
    }

    /// Sets the hardware to the earliest armed alarm as seen at `now`.
    fn set_next(&self, now: A::Ticks) {
        let earliest = self
            .virtual_alarms
            .iter()
            .filter(|alarm| alarm.armed.get())
            .map(|alarm| alarm.remaining(now))
            .min();
        match earliest {
            Some(dt) => self.alarm.set_alarm(now, dt),
            None => {
                // A HIL alarm that cannot be disarmed fires once more, and finds nothing due.
                let _ = self.alarm.disarm();
            }
        }
    }
}

impl<'a, A: Alarm<'a>> AlarmClient for MuxAlarm<'a, A> {
    fn alarm(&self) {
        self.firing.set(true);
        let now = self.alarm.now();
        for alarm in self.virtual_alarms.iter() {
            if alarm.armed.get() && alarm.is_due(now) {
                alarm.armed.set(false);
                alarm.client.map(|client| client.alarm());
            }
        }
        self.firing.set(false);
        self.set_next(self.alarm.now());
    }
}

impl<'a, A: Alarm<'a>> VirtualMuxAlarm<'a, A> {
    /// On `mux`; takes part after [`setup`](Self::setup).
    pub fn new(mux: &'a MuxAlarm<'a, A>) -> Self {
        let zero = A::Ticks::from(0u32);
        VirtualMuxAlarm {
            mux,
            reference: Cell::new(zero),
            dt: Cell::new(zero),
            armed: Cell::new(false),
            client: OptionalCell::empty(),
            next: ListLink::empty(),
        }
    }

    /// Joins the mux. Once.
    pub fn setup(&'a self) {
        self.mux.virtual_alarms.push_head(self);
    }

    fn is_due(&self, now: A::Ticks) -> bool {
        !now.within_range(self.reference.get(), self.get_alarm())
    }

    fn remaining(&self, now: A::Ticks) -> A::Ticks {
        if self.is_due(now) {
            A::Ticks::from(0u32)
        } else {
            self.get_alarm().wrapping_sub(now)
        }
    }
}

impl<'a, A: Alarm<'a>> ListNode<'a, VirtualMuxAlarm<'a, A>> for VirtualMuxAlarm<'a, A> {
    fn next(&'a self) -> &'a ListLink<'a, VirtualMuxAlarm<'a, A>> {
        &self.next
    }
}

impl<'a, A: Alarm<'a>> Time for VirtualMuxAlarm<'a, A> {
    type Frequency = A::Frequency;
    type Ticks = A::Ticks;

    fn now(&self) -> A::Ticks {
        self.mux.alarm.now()
    }
}

impl<'a, A: Alarm<'a>> Alarm<'a> for VirtualMuxAlarm<'a, A> {
    fn set_alarm_client(&self, client: &'a dyn AlarmClient) {
        self.client.set(client);
    }

    fn set_alarm(&self, reference: A::Ticks, dt: A::Ticks) {
        self.reference.set(reference);
        self.dt.set(dt);
        self.armed.set(true);
        if !self.mux.firing.get() {
            self.mux.set_next(self.now());
        }
    }

    fn get_alarm(&self) -> A::Ticks {
        self.reference.get().wrapping_add(self.dt.get())
    }

    fn disarm(&self) -> Result<(), ErrorCode> {
        if self.armed.take() && !self.mux.firing.get() {
            self.mux.set_next(self.now());
        }
        Ok(())
    }

    fn is_armed(&self) -> bool {
        self.armed.get()
    }

    fn minimum_dt(&self) -> A::Ticks {
        self.mux.alarm.minimum_dt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::hil::time::{Freq1MHz, Ticks32};

    struct FakeAlarm {
        now: Cell<u32>,
        due: Cell<Option<u32>>,
    }

    impl Time for FakeAlarm {
        type Frequency = Freq1MHz;
        type Ticks = Ticks32;
        fn now(&self) -> Ticks32 {
            Ticks32::from(self.now.get())
        }
    }

    impl<'a> Alarm<'a> for FakeAlarm {
        fn set_alarm_client(&self, _: &'a dyn AlarmClient) {}
        fn set_alarm(&self, reference: Ticks32, dt: Ticks32) {
            self.due.set(Some(reference.wrapping_add(dt).into_u32()));
        }
        fn get_alarm(&self) -> Ticks32 {
            Ticks32::from(self.due.get().unwrap_or(0))
        }
        fn disarm(&self) -> Result<(), ErrorCode> {
            self.due.set(None);
            Ok(())
        }
        fn is_armed(&self) -> bool {
            self.due.get().is_some()
        }
        fn minimum_dt(&self) -> Ticks32 {
            Ticks32::from(1)
        }
    }

    #[derive(Default)]
    struct Client(Cell<u32>);
    impl AlarmClient for Client {
        fn alarm(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    fn leak<T>(t: T) -> &'static T {
        Box::leak(Box::new(t))
    }

    #[test]
    fn the_earliest_is_set_and_each_fires_once() {
        let hardware = leak(FakeAlarm {
            now: Cell::new(u32::MAX - 10),
            due: Cell::new(None),
        });
        let mux = leak(MuxAlarm::new(hardware));
        let alarms = [(); 3].map(|()| leak(VirtualMuxAlarm::new(mux)));
        let clients = [(); 3].map(|()| leak(Client::default()));
        for (alarm, client) in alarms.iter().zip(clients) {
            alarm.setup();
            alarm.set_alarm_client(client);
        }
        // Over the wrap of the counter.
        alarms[0].set_alarm(alarms[0].now(), Ticks32::from(40));
        alarms[1].set_alarm(alarms[1].now(), Ticks32::from(20));
        alarms[2].set_alarm(alarms[2].now(), Ticks32::from(20));
        assert_eq!(hardware.due.get(), Some(9));
        assert_eq!(alarms[2].disarm(), Ok(()));
        hardware.now.set(9);
        mux.alarm();
        assert_eq!(clients.map(|c| c.0.get()), [0, 1, 0]);
        assert_eq!(hardware.due.get(), Some(29));
        hardware.now.set(100);
        mux.alarm();
        assert_eq!(clients.map(|c| c.0.get()), [1, 1, 0]);
        assert_eq!(hardware.due.get(), None);
    }

    struct Again {
        alarm: &'static VirtualMuxAlarm<'static, FakeAlarm>,
        fired: Cell<u32>,
    }
    impl AlarmClient for Again {
        fn alarm(&self) {
            self.fired.set(self.fired.get() + 1);
            self.alarm.set_alarm(self.alarm.now(), Ticks32::from(7));
        }
    }

    #[test]
    fn a_client_may_set_its_alarm_again() {
        let hardware = leak(FakeAlarm {
            now: Cell::new(0),
            due: Cell::new(None),
        });
        let mux = leak(MuxAlarm::new(hardware));
        let alarm = leak(VirtualMuxAlarm::new(mux));
        alarm.setup();
        let client = leak(Again {
            alarm,
            fired: Cell::new(0),
        });
        alarm.set_alarm_client(client);
        alarm.set_alarm(Ticks32::from(0), Ticks32::from(7));
        for n in 1..100 {
            hardware.now.set(hardware.due.get().unwrap());
            mux.alarm();
            assert_eq!(client.fired.get(), n);
        }
    }
}

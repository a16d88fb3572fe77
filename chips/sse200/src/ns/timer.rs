//! Time at 1.25 MHz: a free-running half of the dual timer, and CMSDK timer 0 for alarms.
//!
//! Owns both (Arm Cortex-M System Design Kit TRM, APB timer and dual-input timers). The SSE-200 has
//! no 64-bit counter, so that ticks are 32 bits wide; timer 0 counts down and cannot compare, so
//! that an alarm further away than it reaches is approached in steps.

use super::bus::Bus;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::time::{Alarm, AlarmClient, Frequency, Ticks, Ticks32, Time};
use kernel::utilities::cells::OptionalCell;
use tock_registers::register_bitfields;

/// Dual timer: current value, counting down.
const VALUE: usize = 0x04;
/// Dual timer: control.
const COUNTER_CONTROL: usize = 0x08;
/// Enabled, free running, 32 bits, a sixteenth of 20 MHz.
const FREE_RUNNING: u32 = 1 << 7 | 1 << 2 | 1 << 1;
/// Timer 0.
const CTRL: usize = 0x0;
const CURRENT: usize = 0x4;
const RELOAD: usize = 0x8;
const INTCLEAR: usize = 0xC;

register_bitfields![u32,
    CTRL_BITS [
        ENABLE OFFSET(0) NUMBITS(1) [],
        INTERRUPT OFFSET(3) NUMBITS(1) []
    ]
];

/// Clocks of timer 0 (20 MHz) in one tick, as a shift.
const CLOCKS_PER_TICK_SHIFT: u32 = 4;
/// Furthest that timer 0 is set, ticks.
const FURTHEST: u32 = u32::MAX >> CLOCKS_PER_TICK_SHIFT;

/// 20 MHz / 16.
#[derive(Debug)]
pub enum Freq1250KHz {}

impl Frequency for Freq1250KHz {
    fn frequency() -> u32 {
        1_250_000
    }
}

/// The alarm of the non-secure world, `Ticks32` at 1.25 MHz.
pub struct CmsdkTimer<'a, B> {
    counter: B,
    timer: B,
    /// From when until when the client waits.
    waiting: Cell<Option<(Ticks32, Ticks32)>>,
    client: OptionalCell<&'a dyn AlarmClient>,
}

impl<B: Bus> CmsdkTimer<'_, B> {
    /// Over the free-running half of the dual timer and timer 0.
    pub const fn new(counter: B, timer: B) -> Self {
        CmsdkTimer {
            counter,
            timer,
            waiting: Cell::new(None),
            client: OptionalCell::empty(),
        }
    }

    /// Starts the counter, if it stands.
    pub fn start(&self) {
        if self.counter.read(COUNTER_CONTROL) & FREE_RUNNING != FREE_RUNNING {
            self.counter.write(COUNTER_CONTROL, FREE_RUNNING);
        }
    }

    /// Ticks since the counter was started.
    pub fn counts(&self) -> u32 {
        !self.counter.read(VALUE)
    }

    /// The timer's interrupt: goes on waiting, or disarms and tells the client.
    pub fn handle_interrupt(&self) {
        self.timer.write(INTCLEAR, 1);
        match self.waiting.get() {
            None => self.timer.write(CTRL, 0),
            Some((reference, expires)) if self.now().within_range(reference, expires) => {
                self.run(expires.wrapping_sub(self.now()).into_u32());
            }
            Some(_) => {
                self.stop();
                self.client.map(|client| client.alarm());
            }
        }
    }

    fn stop(&self) {
        self.timer.write(CTRL, 0);
        self.timer.write(INTCLEAR, 1);
        self.waiting.set(None);
    }

    /// Interrupts after `ticks`, or earlier.
    fn run(&self, ticks: u32) {
        let clocks = ticks.clamp(1, FURTHEST) << CLOCKS_PER_TICK_SHIFT;
        self.timer.write(CTRL, 0);
        self.timer.write(INTCLEAR, 1);
        self.timer.write(RELOAD, clocks);
        self.timer.write(CURRENT, clocks);
        self.timer.write(
            CTRL,
            CTRL_BITS::ENABLE::SET.value | CTRL_BITS::INTERRUPT::SET.value,
        );
    }
}

impl<B: Bus> Time for CmsdkTimer<'_, B> {
    type Frequency = Freq1250KHz;
    type Ticks = Ticks32;

    fn now(&self) -> Ticks32 {
        Ticks32::from(self.counts())
    }
}

impl<'a, B: Bus> Alarm<'a> for CmsdkTimer<'a, B> {
    fn set_alarm_client(&self, client: &'a dyn AlarmClient) {
        self.client.set(client);
    }

    fn set_alarm(&self, reference: Ticks32, dt: Ticks32) {
        let now = self.now();
        let expires = reference.wrapping_add(dt);
        self.waiting.set(Some((reference, expires)));
        // A reference in the future, or one further back than dt: due now (TRD105).
        let left = if now.within_range(reference, expires) {
            expires.wrapping_sub(now).into_u32()
        } else {
            0
        };
        self.run(left);
    }

    fn get_alarm(&self) -> Ticks32 {
        self.waiting
            .get()
            .map_or(Ticks32::from(0), |(_, expires)| expires)
    }

    fn disarm(&self) -> Result<(), ErrorCode> {
        self.stop();
        Ok(())
    }

    fn is_armed(&self) -> bool {
        self.waiting.get().is_some()
    }

    fn minimum_dt(&self) -> Ticks32 {
        Ticks32::from(1u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// Both timers, on one clock of 20 MHz.
    #[derive(Default)]
    struct Model {
        /// Ticks of the counter.
        now: Cell<u32>,
        registers: RefCell<BTreeMap<usize, u32>>,
    }

    enum Half<'a> {
        Counter(&'a Model),
        Timer(&'a Model),
    }

    impl Bus for Half<'_> {
        fn read(&self, offset: usize) -> u32 {
            match self {
                Half::Counter(model) => !model.now.get(),
                Half::Timer(model) => model.register(offset),
            }
        }
        fn write(&self, offset: usize, value: u32) {
            if let Half::Timer(model) = self {
                model.registers.borrow_mut().insert(offset, value);
            }
        }
    }

    impl Model {
        fn register(&self, offset: usize) -> u32 {
            self.registers.borrow().get(&offset).copied().unwrap_or(0)
        }

        /// Lets time pass until timer 0 interrupts; how many ticks that were.
        fn run(&self) -> Option<u32> {
            let ticks = self.register(CURRENT) >> CLOCKS_PER_TICK_SHIFT;
            let on = self.register(CTRL) == 0b1001;
            on.then(|| {
                self.now.set(self.now.get().wrapping_add(ticks));
                ticks
            })
        }
    }

    /// The counter's control register, and how often it was written.
    struct Control(Cell<(u32, u32)>);
    impl Bus for &Control {
        fn read(&self, offset: usize) -> u32 {
            assert_eq!(offset, COUNTER_CONTROL);
            self.0.get().0
        }
        fn write(&self, offset: usize, value: u32) {
            assert_eq!(offset, COUNTER_CONTROL);
            self.0.set((value, self.0.get().1 + 1));
        }
    }

    #[test]
    fn the_counter_is_started_where_it_stands_and_only_there() {
        // Out of reset: an interrupt enabled, nothing else. And as our secure image leaves it.
        for (before, writes) in [(0x20, 1), (FREE_RUNNING, 0), (FREE_RUNNING | 0x20, 0)] {
            let (counter, timer) = (Control(Cell::new((before, 0))), Control(Cell::new((0, 0))));
            CmsdkTimer::new(&counter, &timer).start();
            let (after, written) = counter.0.get();
            assert_eq!((after & FREE_RUNNING, written), (FREE_RUNNING, writes));
        }
    }

    #[derive(Default)]
    struct Client(Cell<u32>);
    impl AlarmClient for Client {
        fn alarm(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn every_distance_is_reached_exactly() {
        for start in [0, 7, u32::MAX - 3, u32::MAX / 2] {
            for dt in [
                1,
                2,
                1000,
                FURTHEST,
                FURTHEST + 1,
                u32::MAX / 2,
                u32::MAX - 100,
            ] {
                let model = Model::default();
                model.now.set(start);
                let client = Client::default();
                let timer = CmsdkTimer::new(Half::Counter(&model), Half::Timer(&model));
                timer.set_alarm_client(&client);
                timer.set_alarm(Ticks32::from(start), Ticks32::from(dt));
                let mut steps = 0;
                while let Some(ticks) = model.run() {
                    assert!(ticks > 0 && client.0.get() == 0);
                    timer.handle_interrupt();
                    steps += 1;
                }
                assert_eq!(client.0.get(), 1);
                assert_eq!(model.now.get(), start.wrapping_add(dt), "{start} + {dt}");
                assert_eq!(steps, dt.div_ceil(FURTHEST));
                assert!(!timer.is_armed());
            }
        }
    }

    #[test]
    fn an_alarm_in_the_past_is_due_at_once() {
        let model = Model::default();
        model.now.set(1000);
        let client = Client::default();
        let timer = CmsdkTimer::new(Half::Counter(&model), Half::Timer(&model));
        timer.set_alarm_client(&client);
        timer.set_alarm(Ticks32::from(900u32), Ticks32::from(50u32));
        assert_eq!(model.run(), Some(1));
        timer.handle_interrupt();
        assert_eq!(client.0.get(), 1);
    }

    #[test]
    fn a_disarmed_alarm_does_not_fire() {
        let model = Model::default();
        let client = Client::default();
        let timer = CmsdkTimer::new(Half::Counter(&model), Half::Timer(&model));
        timer.set_alarm_client(&client);
        timer.set_alarm(Ticks32::from(0u32), Ticks32::from(5u32));
        assert_eq!(timer.disarm(), Ok(()));
        assert_eq!(model.run(), None);
        timer.handle_interrupt();
        assert_eq!(client.0.get(), 0);
    }
}

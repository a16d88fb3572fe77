//! Time at exactly 1 MHz: the 64-bit system counter and system timer 0.
//!
//! Owns the comparator of timer 0 (SSE-300 TRM, System timer: CNTP_CVAL 0x20, CNTP_CTL 0x2C) and
//! reads the 32 MHz counter that the secure image starts; a tick is 32 counts. The comparator is
//! "greater or equal" and level sensitive, so an expiration in the past fires at once and no
//! alarm can be missed by setting it late.

use super::bus::Bus;
use kernel::ErrorCode;
use kernel::hil::time::{Alarm, AlarmClient, Freq1MHz, Ticks, Ticks64, Time};
use kernel::utilities::cells::OptionalCell;
use tock_registers::register_bitfields;

const CNTCV_LOW: usize = 0x0;
const CNTCV_HIGH: usize = 0x4;
const CNTP_CVAL_LOW: usize = 0x20;
const CNTP_CVAL_HIGH: usize = 0x24;
const CNTP_CTL: usize = 0x2C;

register_bitfields![u32,
    CTL [
        ENABLE OFFSET(0) NUMBITS(1) [],
        IMASK OFFSET(1) NUMBITS(1) [],
        ISTATUS OFFSET(2) NUMBITS(1) []
    ]
];

/// Counts of the 32 MHz counter in one tick of 1 µs, as a shift.
const COUNTS_PER_TICK_SHIFT: u32 = 5;

/// The alarm of the non-secure world, `Ticks64` at 1 MHz.
pub struct SystemTimer<'a, B> {
    counter: B,
    timer: B,
    client: OptionalCell<&'a dyn AlarmClient>,
}

impl<B: Bus> SystemTimer<'_, B> {
    /// Over the counter's status frame and one timer.
    pub const fn new(counter: B, timer: B) -> Self {
        SystemTimer {
            counter,
            timer,
            client: OptionalCell::empty(),
        }
    }

    /// The timer's interrupt: disarms, then tells the client.
    pub fn handle_interrupt(&self) {
        // One that was disarmed, or set anew, after the interrupt was pended is no alarm.
        let fired = self.timer.read(CNTP_CTL) & CTL::ISTATUS::SET.value != 0 && self.is_armed();
        if fired {
            self.timer.write(CNTP_CTL, 0);
            self.client.map(|client| client.alarm());
        }
    }

    /// The 32 MHz counter itself.
    pub fn counts(&self) -> u64 {
        loop {
            let high = self.counter.read(CNTCV_HIGH);
            let low = self.counter.read(CNTCV_LOW);
            // The low word may have wrapped between the two reads.
            if self.counter.read(CNTCV_HIGH) == high {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }
}

impl<B: Bus> Time for SystemTimer<'_, B> {
    type Frequency = Freq1MHz;
    type Ticks = Ticks64;

    fn now(&self) -> Ticks64 {
        Ticks64::from(self.counts() >> COUNTS_PER_TICK_SHIFT)
    }
}

impl<'a, B: Bus> Alarm<'a> for SystemTimer<'a, B> {
    fn set_alarm_client(&self, client: &'a dyn AlarmClient) {
        self.client.set(client);
    }

    fn set_alarm(&self, reference: Ticks64, dt: Ticks64) {
        let now = self.now();
        let mut expires = reference.wrapping_add(dt);
        // A reference in the future, or one further back than dt: due now (TRD105).
        if !now.within_range(reference, expires) {
            expires = now;
        }
        let counts = expires
            .into_u64()
            .saturating_mul(1 << COUNTS_PER_TICK_SHIFT);
        // Off while half of the comparator is written.
        self.timer.write(CNTP_CTL, 0);
        self.timer.write(CNTP_CVAL_LOW, counts as u32);
        self.timer.write(CNTP_CVAL_HIGH, (counts >> 32) as u32);
        self.timer.write(CNTP_CTL, CTL::ENABLE::SET.value);
    }

    fn get_alarm(&self) -> Ticks64 {
        let counts = u64::from(self.timer.read(CNTP_CVAL_HIGH)) << 32
            | u64::from(self.timer.read(CNTP_CVAL_LOW));
        Ticks64::from(counts >> COUNTS_PER_TICK_SHIFT)
    }

    fn disarm(&self) -> Result<(), ErrorCode> {
        self.timer.write(CNTP_CTL, 0);
        Ok(())
    }

    fn is_armed(&self) -> bool {
        self.timer.read(CNTP_CTL) & CTL::ENABLE::SET.value != 0
    }

    fn minimum_dt(&self) -> Ticks64 {
        Ticks64::from(1u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Model {
        counter: Cell<u64>,
        step: Cell<u64>,
        registers: RefCell<BTreeMap<usize, u32>>,
    }

    impl Bus for &Model {
        fn read(&self, offset: usize) -> u32 {
            match offset {
                CNTCV_LOW | CNTCV_HIGH => {
                    let count = self.counter.get();
                    self.counter.set(count + self.step.get());
                    (count >> (8 * offset)) as u32
                }
                CNTP_CTL => {
                    let set = self.registers.borrow().get(&offset).copied().unwrap_or(0);
                    let due = set & 1 != 0 && self.counter.get() >= self.compare();
                    set | u32::from(due) << 2
                }
                _ => self.registers.borrow().get(&offset).copied().unwrap_or(0),
            }
        }
        fn write(&self, offset: usize, value: u32) {
            self.registers.borrow_mut().insert(offset, value);
        }
    }

    impl Model {
        fn compare(&self) -> u64 {
            let r = self.registers.borrow();
            u64::from(r[&CNTP_CVAL_HIGH]) << 32 | u64::from(r[&CNTP_CVAL_LOW])
        }
    }

    #[derive(Default)]
    struct Client(Cell<u32>);
    impl AlarmClient for Client {
        fn alarm(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    fn ticks(n: u64) -> Ticks64 {
        Ticks64::from(n)
    }

    #[test]
    fn now_is_whole_over_the_wrap_of_the_low_word() {
        let model = Model::default();
        model.step.set(1);
        let timer = SystemTimer::new(&model, &model);
        for start in 0xFFFF_FFF0u64..0x1_0000_0010 {
            model.counter.set(start);
            let now = timer.now().into_u64();
            assert!(
                now >= start >> 5 && now <= (start + 8) >> 5,
                "{start:#x}: {now:#x}"
            );
        }
    }

    #[test]
    fn fires_once_when_due_and_not_before() {
        let model = Model::default();
        let client = Client::default();
        let timer = SystemTimer::new(&model, &model);
        timer.set_alarm_client(&client);
        model.counter.set(1000 << 5);
        timer.set_alarm(ticks(1000), ticks(50));
        assert_eq!(timer.get_alarm().into_u64(), 1050);
        model.counter.set((1050 << 5) - 1);
        timer.handle_interrupt();
        assert_eq!(client.0.get(), 0);
        model.counter.set(1050 << 5);
        timer.handle_interrupt();
        timer.handle_interrupt();
        assert_eq!(client.0.get(), 1);
        assert!(!timer.is_armed());
    }

    #[test]
    fn an_alarm_in_the_past_is_due_at_once() {
        let model = Model::default();
        let client = Client::default();
        let timer = SystemTimer::new(&model, &model);
        timer.set_alarm_client(&client);
        model.counter.set(1000 << 5);
        timer.set_alarm(ticks(900), ticks(50));
        assert_eq!(timer.get_alarm().into_u64(), 1000);
        timer.handle_interrupt();
        assert_eq!(client.0.get(), 1);
    }

    #[test]
    fn a_disarmed_alarm_does_not_fire() {
        let model = Model::default();
        let client = Client::default();
        let timer = SystemTimer::new(&model, &model);
        timer.set_alarm_client(&client);
        timer.set_alarm(ticks(0), ticks(0));
        assert_eq!(timer.disarm(), Ok(()));
        timer.handle_interrupt();
        assert_eq!(client.0.get(), 0);
    }
}

//! Restart with back-off: a process that faults again and again starts later each time.
//!
//! Owns, for each slot, how often its process faulted since it last was well, and until when it is
//! held. A fault policy can only answer at once, so this one answers `Restart`, stops the process
//! before it runs (a deferred call comes before processes) and lets it go on by an alarm. A process
//! that ran for a while without a fault is well: its faults are forgotten. Only faults count; a
//! process that restarts itself is not held. Invariant: a held process is in state Stopped, so a
//! person at the process console may start it sooner.

use core::cell::Cell;
use kernel::capabilities::ProcessManagementCapability;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Ticks};
use kernel::process::{FaultAction, Process, ProcessFaultPolicy};
use kernel::{Kernel, ProcessId};

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Before the first restart, milliseconds; each further one waits twice as long. 0: none waits.
    pub first_ms: u32,
    /// At most this, milliseconds.
    pub most_ms: u32,
    /// Without a fault for so long a process is well, milliseconds.
    pub well_ms: u32,
    /// So many restarts; at the next fault it stays stopped.
    pub limit: u32,
}

impl Backoff {
    /// What a process that faulted `faults` times before waits for, milliseconds.
    pub fn delay_ms(&self, faults: u32) -> u32 {
        let factor = 1u32.checked_shl(faults).unwrap_or(u32::MAX);
        self.first_ms.saturating_mul(factor).min(self.most_ms)
    }
}

/// Where a process is between fault and health.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is known against it.
    Well,
    /// It faulted: to be stopped from the deferred call.
    Faulted,
    /// Held until the time is over.
    Held,
    /// It runs; well when the time is over.
    Proving,
}

/// A slot's process.
#[derive(Clone, Copy)]
struct Life<T> {
    stage: Stage,
    faults: u32,
    /// Whom the time is for.
    id: Option<ProcessId>,
    /// From when, and how long: ticks.
    since: T,
    time: T,
}

impl<T: Ticks> Life<T> {
    fn well() -> Self {
        Life {
            stage: Stage::Well,
            faults: 0,
            id: None,
            since: T::from(0),
            time: T::from(0),
        }
    }

    /// What is left at `now` of the time that it waits for.
    fn left(&self, now: T) -> Option<T> {
        if !matches!(self.stage, Stage::Held | Stage::Proving) {
            return None;
        }
        let passed = now.wrapping_sub(self.since);
        Some(if passed < self.time {
            self.time.wrapping_sub(passed)
        } else {
            T::from(0)
        })
    }
}

/// The policy of the first `N` slots; a process elsewhere ends at its first fault.
pub struct BackoffRestartFaultPolicy<A: Alarm<'static> + 'static, C, const N: usize> {
    kernel: &'static Kernel,
    alarm: &'static A,
    backoff: Backoff,
    capability: C,
    lives: [Cell<Life<A::Ticks>>; N],
    deferred: DeferredCall,
}

impl<A: Alarm<'static>, C: ProcessManagementCapability, const N: usize>
    BackoffRestartFaultPolicy<A, C, N>
{
    /// The board makes this `alarm`'s client and registers the deferred call.
    pub fn new(
        kernel: &'static Kernel,
        alarm: &'static A,
        backoff: Backoff,
        capability: C,
    ) -> Self {
        BackoffRestartFaultPolicy {
            kernel,
            alarm,
            backoff,
            capability,
            lives: core::array::from_fn(|_| Cell::new(Life::well())),
            deferred: DeferredCall::new(),
        }
    }

    fn life(&self, process: &dyn Process) -> Option<&Cell<Life<A::Ticks>>> {
        self.lives.get(process.processid().index()?)
    }

    /// Faults since it was well. One that never restarted is another process than before.
    pub fn faults(&self, process: &dyn Process) -> u32 {
        match self.life(process) {
            Some(life) if process.get_restart_count() > 0 => life.get().faults,
            _ => 0,
        }
    }

    /// What it will decide, for a fault report that is printed first: the delay in milliseconds.
    pub fn will_restart(&self, process: &dyn Process) -> Option<u32> {
        self.life(process)?;
        let faults = self.faults(process);
        (faults < self.backoff.limit).then(|| self.backoff.delay_ms(faults))
    }

    /// The rules.
    pub fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// The alarm for whoever's time is over first.
    fn arm(&self) {
        let now = self.alarm.now();
        let mut first: Option<A::Ticks> = None;
        for left in self.lives.iter().filter_map(|life| life.get().left(now)) {
            first = Some(match first {
                Some(first) if first < left => first,
                _ => left,
            });
        }
        match first {
            Some(left) => self.alarm.set_alarm(now, left),
            None => {
                let _ = self.alarm.disarm();
            }
        }
    }

    fn proving(&self, life: &mut Life<A::Ticks>) {
        life.stage = Stage::Proving;
        life.since = self.alarm.now();
        life.time = self.alarm.ticks_from_ms(self.backoff.well_ms);
    }
}

impl<A: Alarm<'static>, C: ProcessManagementCapability, const N: usize> ProcessFaultPolicy
    for BackoffRestartFaultPolicy<A, C, N>
{
    fn action(&self, process: &dyn Process) -> FaultAction {
        let (Some(cell), Some(_)) = (self.life(process), self.will_restart(process)) else {
            return FaultAction::Stop;
        };
        let faults = self.faults(process) + 1;
        cell.set(Life {
            stage: Stage::Faulted,
            faults,
            ..Life::well()
        });
        self.deferred.set();
        FaultAction::Restart
    }
}

impl<A: Alarm<'static>, C: ProcessManagementCapability, const N: usize> DeferredCallClient
    for BackoffRestartFaultPolicy<A, C, N>
{
    fn handle_deferred_call(&self) {
        let held = |process: &dyn Process| {
            let Some(cell) = self.life(process) else {
                return;
            };
            let mut life = cell.get();
            if life.stage != Stage::Faulted {
                return;
            }
            // It has its new id now.
            life.id = Some(process.processid());
            let delay = self.backoff.delay_ms(life.faults.saturating_sub(1));
            if delay == 0 {
                self.proving(&mut life);
            } else {
                process.stop();
                life.stage = Stage::Held;
                life.since = self.alarm.now();
                life.time = self.alarm.ticks_from_ms(delay);
            }
            cell.set(life);
        };
        self.kernel.process_each_capability(&self.capability, held);
        self.arm();
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<A: Alarm<'static>, C: ProcessManagementCapability, const N: usize> AlarmClient
    for BackoffRestartFaultPolicy<A, C, N>
{
    fn alarm(&self) {
        let now = self.alarm.now();
        for cell in &self.lives {
            let mut life = cell.get();
            if life.left(now).is_none_or(|left| left > A::Ticks::from(0)) {
                continue;
            }
            if life.stage == Stage::Proving {
                cell.set(Life::well());
                continue;
            }
            self.proving(&mut life);
            // The slot may have another process meanwhile.
            let mut found = false;
            let go_on = |process: &dyn Process| {
                if Some(process.processid()) == life.id {
                    process.resume();
                    found = true;
                }
            };
            self.kernel.process_each_capability(&self.capability, go_on);
            cell.set(if found { life } else { Life::well() });
        }
        self.arm();
    }
}

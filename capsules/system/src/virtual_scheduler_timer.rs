//! Upstream's place for the time slice timer on an alarm.

pub use kernel::platform::scheduler_timer::VirtualSchedulerTimer;

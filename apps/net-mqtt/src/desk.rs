//! What the device itself has to say, beside its processes: crash reports.
//!
//! Owns when a report goes out and when it is done with. The kernel keeps a report until we say that
//! the broker has it: one that was under way when this process crashed is read again by its next
//! life, and may arrive twice under the same number. One at a time, so that it never takes more of
//! what is in flight than a client's request. Does not own the kernel's memory of it
//! ([`Environment::crash`]) nor the session (`exchange.rs`).

use crate::app::{Environment, Shared};
use crate::exchange::Exchange;
use crate::mqtt::reason_name;
use crate::{Stream, crash};
use alloc::format;
use mqtt_ipc::Memory;

/// From one look at what the kernel keeps to the next, microseconds.
const LOOK_US: u64 = 1_000_000;
/// Last level of the topic of crash reports.
const CRASH: &str = "crash";

/// Whose message of the device's own a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// The crash report with this number.
    Crash(u32),
}

/// Where the device's own messages stand.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Something is under way.
    sent: Option<Own>,
    /// What became of it: the broker's reason, or lost.
    ended: Option<(Own, Option<u8>)>,
    /// The broker takes none of them on this connection.
    refused: bool,
    /// When to look again.
    look_us: u64,
}

impl Desk {
    /// A connection is up: what was refused on the last may be taken on this.
    pub(crate) fn connected(&mut self) {
        self.refused = false;
        self.look_us = 0;
    }

    /// A packet of ours came to its end.
    pub(crate) fn done(&mut self, own: Own, reason: Option<u8>) {
        self.ended = Some((own, reason));
    }

    /// What ended since the last call.
    fn take_ended(&mut self) -> Option<(Own, Option<u8>)> {
        let ended = self.ended.take()?;
        self.sent = None;
        Some(ended)
    }
}

/// Does what is due while the broker has us; whether that was anything. Not inlined: its documents
/// must not lie on the stack under a handshake.
#[inline(never)]
pub(crate) fn turn<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut Exchange<'_>,
) -> bool {
    if let Some((Own::Crash(serial), reason)) = exchange.desk().take_ended() {
        match reason {
            Some(reason) if reason >= 0x80 => {
                exchange.desk().refused = true;
                shared.line(format_args!(
                    "net-mqtt: crash report {serial} refused: {} (0x{reason:02x})",
                    reason_name(reason)
                ));
            }
            Some(_) => {
                shared.environment.crash_published(serial);
                shared.line(format_args!("net-mqtt: crash report {serial} published"));
                exchange.desk().look_us = 0;
            }
            // It goes out again.
            None => {}
        }
    }
    let now_us = shared.now_us();
    let desk = exchange.desk();
    if desk.sent.is_some() || desk.refused || now_us < desk.look_us || !exchange.is_up() {
        return false;
    }
    exchange.desk().look_us = now_us.saturating_add(LOOK_US);
    let Some((report, lost)) = shared.environment.crash() else {
        return false;
    };
    let own = Own::Crash(report.serial);
    let topic = format!("{}/{CRASH}", shared.config.thing);
    let document = crash::document(&report, shared.clock_lacks_s(), lost);
    let sent = exchange.publish_own(own, &topic, document.as_bytes());
    if sent {
        exchange.desk().sent = Some(own);
    }
    sent
}

//! What the measuring process and its peer agree on.
#![no_std]
#![forbid(unsafe_code)]

use libtock::alarm::{Alarm, Milliseconds};
use libtock::ipc::Ipc;

/// Name of the measuring process.
pub const BENCH: &str = "kernel_bench";
/// Name of its peer.
pub const PEER: &str = "kernel_peer";
/// IPC's driver number.
pub const IPC: u32 = 0x1_0000;
/// IPC: notify a service.
pub const NOTIFY_SERVICE: u32 = 2;
/// IPC: notify a client.
pub const NOTIFY_CLIENT: u32 = 3;

/// Slot of the process of this name; waits until it is loaded.
pub fn slot(name: &str) -> u32 {
    loop {
        if let Ok(found) = Ipc::discover(name) {
            return found.index();
        }
        let _ = Alarm::sleep_for(Milliseconds(10));
    }
}

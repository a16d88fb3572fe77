//! Publishes as fast as net-mqtt lets it, and asks for more all the time.
//!
//! Owns the counts, a line a second: `flood: <acknowledged> acknowledged, <refused at the mailbox>
//! busy, <other answers> other`. It never sleeps: its time slices are all its own.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use libtock::alarm::Clock;
use libtock::ipc::{IpcInbox, StaticBuffer};
use libtock::platform::{Syscalls, YieldNoWaitReturn};
use libtock::runtime::TockSyscalls;
use libtock::{println, set_main, stack_size};
use mqtt_ipc::{Connection, Error, Event, PAGE_SIZE, Qos, Status};

set_main! { main }
stack_size! { 0x2000 }

/// Under the name of the thing of the test, which may publish nowhere else.
const TOPIC: &str = "e2e-flood/flood";
/// What a client may ask for at most with that topic.
const PAYLOAD: usize = 1_600;
const SECOND_MS: u64 = 1_000;

static PAGE: StaticBuffer<PAGE_SIZE> = StaticBuffer::new();
static INBOX: IpcInbox = IpcInbox::new();

fn main() {
    if let Err(what) = run() {
        println!("flood: cannot start: {what}");
    }
}

fn run() -> Result<(), &'static str> {
    let mut clock = Clock::new::<TockSyscalls>().map_err(|_| "no alarm driver")?;
    let mut wire = Connection::<TockSyscalls>::new(PAGE.take().ok_or("memory")?, &INBOX);
    let (mut acknowledged, mut busy, mut other, mut told) = (0u32, 0u32, 0u32, 0);
    let mut message = [0; 64];
    loop {
        let now = clock.now_ms::<TockSyscalls>();
        wire.step(now).map_err(|_| "the page cannot be shared")?;
        while let Ok(Some(event)) = wire.poll(&mut message) {
            match event {
                Event::Result {
                    status: Status::Ok, ..
                } => acknowledged += 1,
                Event::Result { .. } => other += 1,
                _ => {}
            }
        }
        match wire.publish(TOPIC, &[b'x'; PAYLOAD], Qos::AtLeastOnce) {
            Ok(_) => {}
            Err(Error::Busy) => busy = busy.saturating_add(1),
            Err(_) => other += 1,
        }
        if now >= told + SECOND_MS {
            told = now;
            println!("flood: {acknowledged} acknowledged, {busy} busy, {other} other");
        }
        while TockSyscalls::yield_no_wait() == YieldNoWaitReturn::Upcall {}
    }
}

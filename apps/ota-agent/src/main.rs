//! The OTA agent process on the device: system calls behind the library's traits.
//!
//! Owns the process's memory, how it starts and its loop. All logic is in the library. Without a
//! thing name, or without net-mqtt, it says so and looks again.
#![no_std]
#![no_main]

use core::fmt::Arguments;
use heapless::String;
use libtock::alarm::{Alarm, Clock, Milliseconds};
use libtock::app_loader::AppLoader;
use libtock::ipc::{IpcInbox, StaticBuffer};
use libtock::platform::ErrorCode;
use libtock::psa::Psa;
use libtock::runtime::TockSyscalls;
use libtock::{println, set_main, stack_size};
use mqtt_ipc::{Connection, Event, Link, MESSAGE_BUFFER, PAGE_SIZE, Qos, Status};
use ota_agent::{Agent, Input, Installed, Loader, Outlet, UID_THING};
use psa_client::ps;

set_main! { main }
// Reading a job document with two signatures and opening its download is the deepest path; at
// 20 KiB it overflowed (`test e2e --case ota-both-images-in-one-job` goes it).
stack_size! { 32 * 1024 }

/// Before looking again for what is missing, milliseconds.
const RETRY_MS: u32 = 5_000;
/// Longest sleep with a job under way, and without one.
const BUSY_MS: u32 = 100;
const IDLE_MS: u32 = 1_000;

static PAGE: StaticBuffer<PAGE_SIZE> = StaticBuffer::new();
static MESSAGE: StaticBuffer<MESSAGE_BUFFER> = StaticBuffer::new();
static INBOX: IpcInbox = IpcInbox::new();
static PSA: Psa = Psa::new();

fn main() {
    if let Err(what) = run() {
        // Nothing of this can pass: memory taken twice, no driver. The kernel's policy decides.
        println!("ota-agent: cannot start: {what}");
    }
}

/// Ends only when the process cannot work at all.
fn run() -> Result<(), &'static str> {
    let mut clock = Clock::new::<TockSyscalls>().map_err(|_| "no alarm driver")?;
    let message = MESSAGE.take().ok_or("memory")?;
    let mut wire = Wire(Connection::new(PAGE.take().ok_or("memory")?, &INBOX));
    let (thing, online) = name(&mut wire.0, &mut clock, message)?;
    let mut agent = Agent::new(&PSA, KernelLoader, thing, clock.now_ms::<TockSyscalls>());
    let link = Input::Link(online);
    agent.input(link, clock.now_ms::<TockSyscalls>(), &mut wire);
    loop {
        let now = clock.now_ms::<TockSyscalls>();
        wire.0.step(now).map_err(|_| "the page cannot be shared")?;
        loop {
            let input = match wire.0.poll(message) {
                Ok(None) => break,
                Ok(Some(Event::State(link))) => Input::Link(link == Link::Online),
                Ok(Some(Event::Result { seq, status })) => Input::Result(seq, status == Status::Ok),
                Ok(Some(Event::Message { topic, payload, .. })) => {
                    Input::Message { topic, payload }
                }
                // As if it had never been sent: each request has its time limit.
                Ok(Some(Event::Missed(_))) => continue,
                Err(error) => {
                    println!("ota-agent: a message is lost: {error:?}");
                    continue;
                }
            };
            agent.input(input, clock.now_ms::<TockSyscalls>(), &mut wire);
        }
        agent.tick(clock.now_ms::<TockSyscalls>(), &mut wire);
        let longest = if agent.is_busy() { BUSY_MS } else { IDLE_MS };
        Alarm::wait(Milliseconds(longest), || INBOX.is_pending()).map_err(|_| "no alarm driver")?;
    }
}

/// The thing's name, as the factory provisioned it or as net-mqtt tells it (a fleet's things get
/// theirs from the cloud), and whether there is a connection. Waits until there is a name.
fn name(
    connection: &mut Connection<TockSyscalls>,
    clock: &mut Clock,
    message: &mut [u8],
) -> Result<(String<128>, bool), &'static str> {
    let (mut online, mut look) = (false, 0);
    loop {
        let now = clock.now_ms::<TockSyscalls>();
        connection
            .step(now)
            .map_err(|_| "the page cannot be shared")?;
        while let Ok(Some(event)) = connection.poll(message) {
            if let Event::State(link) = event {
                online = link == Link::Online;
            }
        }
        if let Some(told) = connection.thing().and_then(|t| String::try_from(t).ok()) {
            return Ok((told, online));
        }
        if now >= look {
            look = now + u64::from(RETRY_MS);
            match thing() {
                Ok(thing) => return Ok((thing, online)),
                Err(psa_client::Status::DOES_NOT_EXIST) => {
                    println!("ota-agent: no thing name yet");
                }
                Err(status) => println!("ota-agent: thing name (PS {UID_THING}): PSA {status}"),
            }
        }
        Alarm::wait(Milliseconds(IDLE_MS), || INBOX.is_pending()).map_err(|_| "no alarm driver")?;
    }
}

fn thing() -> Result<String<128>, psa_client::Status> {
    let mut name = [0; 128];
    let length = ps::get(&PSA, UID_THING, 0, &mut name)?;
    name.get(..length)
        .and_then(|name| core::str::from_utf8(name).ok())
        .filter(|name| !name.is_empty())
        .and_then(|name| String::try_from(name).ok())
        .ok_or(psa_client::Status::DATA_INVALID)
}

fn sleep(milliseconds: u32) -> Result<(), &'static str> {
    Alarm::sleep_for(Milliseconds(milliseconds)).map_err(|_| "no alarm driver")
}

/// While the kernel takes away what an agent that died had begun: tries, and the pause between them.
const TAKEN_TRIES: u32 = 20;
const TAKEN_MS: u32 = 50;

/// The kernel's app loader.
struct KernelLoader;

impl Loader for KernelLoader {
    fn installed(&self, short_id: u32) -> Option<Installed> {
        AppLoader::installed(short_id).map(|i| Installed {
            version: i.version,
            trial: i.trial,
        })
    }
    fn begin(&self, address: u32, size: u32) -> Result<(), ErrorCode> {
        AppLoader::probe(address, size)?;
        for _ in 0..TAKEN_TRIES {
            match AppLoader::setup_at(address, size) {
                Err(ErrorCode::Busy) => {}
                other => return other,
            }
            let _ = sleep(TAKEN_MS);
        }
        Err(ErrorCode::Fail)
    }
    fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), ErrorCode> {
        AppLoader::write(offset, bytes)
    }
    fn finish(&self) -> Result<(), ErrorCode> {
        AppLoader::finalize()
    }
    fn load(&self, trial_ms: u32) -> Result<(), ErrorCode> {
        AppLoader::load(trial_ms)
    }
    fn abort(&self) {
        // Refused when there is nothing to give up.
        let _ = AppLoader::abort();
    }
    fn confirm(&self, short_id: u32) -> Result<(), ErrorCode> {
        AppLoader::confirm(short_id)
    }
    fn roll_back(&self, short_id: u32) {
        // Refused when the kernel has done it already.
        let _ = AppLoader::roll_back(short_id);
    }
}

/// net-mqtt and the console.
struct Wire(Connection<TockSyscalls>);

impl Outlet for Wire {
    fn publish(&mut self, topic: &str, payload: &[u8], acknowledged: bool) -> Option<u32> {
        let qos = if acknowledged {
            Qos::AtLeastOnce
        } else {
            Qos::AtMostOnce
        };
        self.0.publish(topic, payload, qos).ok()
    }

    fn subscribe(&mut self, filter: &str) -> Option<u32> {
        self.0.subscribe(filter, Qos::AtLeastOnce).ok()
    }

    fn log(&mut self, line: Arguments<'_>) {
        println!("{line}");
    }
}

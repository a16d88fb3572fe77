//! The net-mqtt process on the device: system calls behind the library's traits.
//!
//! Owns the process's memory (stack, heap, buffers), the order of start-up, and its loop. All
//! logic is in the library. Starts only with what the factory provisioned; without it, it says
//! what is missing and looks again.
#![no_std]
#![no_main]

extern crate alloc;

mod enrol;

use alloc::boxed::Box;
use core::cell::{Cell, RefCell};
use core::fmt::{Arguments, Write};
use core::future::Future;
use core::pin::{Pin, pin};
use libtock::alarm::{Alarm, Clock, Milliseconds};
use libtock::console::Console;
use libtock::date_time::DateTime;
use libtock::ethernet::{Ethernet, StaticBuffer};
use libtock::ipc::{Ipc, IpcInbox, SharedMemory};
use libtock::platform::{ErrorCode, Event, Syscalls, YieldNoWaitReturn};
use libtock::psa::Psa;
use libtock::runtime::TockSyscalls;
use libtock::supervision::{CrashReport, ImageVersion, ProcessInfo, Supervision};
use libtock::{heap, set_main, stack_size};
use net_mqtt::claim::CLAIM_KEY;
use net_mqtt::config::UID_THING;
use net_mqtt::floor::Floor;
use net_mqtt::rotate;
use net_mqtt::service::MAX_CLIENTS;
use net_mqtt::stack::{
    FRAME, FRAMES, FrameDevice, SOCKETS, Stack, StackBuffers, TCP_RECEIVE, TCP_SEND, UdpBuffers,
};
use net_mqtt::{
    Claim, Config, ConfigError, Environment, INCOMING, Image, Memory, MqttBuffers, OUTGOING, POOL,
    Shared, TlsBuffers,
};
use psa_client::{attestation, fwu};
use psa_interface::Status;
use rustls_psa::Provider;

set_main! { main }
stack_size! { 32 * 1024 }
heap! { 32 * 1024 }

/// Wall time is never before this: 2025-01-01, seconds since 1970.
const TIME_FLOOR: u64 = 1_735_689_600;
/// Ticks of the 32 MHz counter in a microsecond.
const TICKS_PER_US: u64 = 32;
/// Before looking again for what is missing, milliseconds.
const RETRY_MS: u32 = 5_000;
/// One inbound MQTT packet: topic, 6 KiB of payload, properties.
const MQTT_IN: usize = 6656;
/// What is in flight outwards.
const MQTT_OUT: usize = 6144;

static FRAMES_A: StaticBuffer<FRAMES> = StaticBuffer::new();
static FRAMES_B: StaticBuffer<FRAMES> = StaticBuffer::new();
static TCP_IN: StaticBuffer<TCP_RECEIVE> = StaticBuffer::new();
static TCP_OUT: StaticBuffer<TCP_SEND> = StaticBuffer::new();
static TLS_IN: StaticBuffer<INCOMING> = StaticBuffer::new();
static TLS_PLAIN: StaticBuffer<INCOMING> = StaticBuffer::new();
static TLS_OUT: StaticBuffer<OUTGOING> = StaticBuffer::new();
static FRAME_IN: StaticBuffer<FRAME> = StaticBuffer::new();
static FRAME_OUT: StaticBuffer<FRAME> = StaticBuffer::new();
static MQTT_RX: StaticBuffer<MQTT_IN> = StaticBuffer::new();
static MQTT_POOL: StaticBuffer<POOL> = StaticBuffer::new();
static MQTT_TX: StaticBuffer<MQTT_OUT> = StaticBuffer::new();

static FRAME_ARRIVED: Event = Event::new();
static INBOX: IpcInbox = IpcInbox::new();
static PSA: Psa = Psa::new();

fn main() {
    if let Err(what) = run() {
        // Nothing of this can pass: memory taken twice, no driver. The kernel's policy decides.
        print_line(format_args!("net-mqtt: cannot start: {what}"));
    }
}

/// Everything that the session stands on.
type Device = Shared<'static, Stack<'static, Frames>, System, SharedMemory>;

/// Puts the process together. Apart from the loop, and not inlined, so that what is moved about
/// here is off the stack when a handshake needs it.
#[inline(never)]
fn start() -> Result<(&'static Device, Option<Claim>), &'static str> {
    let provider = Provider::new(&PSA);
    let (config, claim) = identity();
    let system = System::start(provider.psa())?;
    let station = Ethernet::station().map_err(|_| "no station address")?;
    let frames = Ethernet::start(
        FRAMES_A.take().ok_or("memory")?,
        FRAMES_B.take().ok_or("memory")?,
        &FRAME_ARRIVED,
    )
    .map_err(|_| "no ethernet driver")?;
    let mut seed = [0; 8];
    while let Err(status) = provider.psa().random(&mut seed) {
        print_line(format_args!("net-mqtt: random: PSA {status}"));
        sleep(RETRY_MS);
    }
    let stack = Stack::new(
        Frames(frames),
        station,
        u64::from_le_bytes(seed),
        system.now_us(),
        StackBuffers {
            receive: TCP_IN.take().ok_or("memory")?,
            send: TCP_OUT.take().ok_or("memory")?,
            frame_in: FRAME_IN.take().ok_or("memory")?,
            frame_out: FRAME_OUT.take().ok_or("memory")?,
            udp: Box::leak(Box::new(UdpBuffers::new())),
            sockets: Box::leak(Box::new(SOCKETS)),
        },
    );
    let memory = Memory {
        tls: TlsBuffers {
            incoming: TLS_IN.take().ok_or("memory")?,
            plain: TLS_PLAIN.take().ok_or("memory")?,
            outgoing: TLS_OUT.take().ok_or("memory")?,
        },
        pool: MQTT_POOL.take().ok_or("memory")?,
    };
    let key = match &claim {
        None => rotate::key_id(&PSA, config.trial),
        Some(_) => CLAIM_KEY,
    };
    match Shared::new(config, key, TIME_FLOOR, provider, stack, system, memory) {
        Ok(shared) => Ok((Box::leak(Box::new(shared)), claim)),
        Err(error) => {
            print_line(format_args!("net-mqtt: {error}"));
            Err("provisioned objects do not fit together")
        }
    }
}

/// Who we are, or the claim to become somebody. Says what is missing, and looks again.
#[inline(never)]
fn identity() -> (Config, Option<Claim>) {
    loop {
        match rotate::start(&PSA) {
            Ok(rotate::Start::Device) => {}
            Ok(rotate::Start::Next) => match Config::next(&PSA) {
                Ok(config) => return (config, None),
                Err(error) => {
                    print_line(format_args!("net-mqtt: the new identity: {error}"));
                    // What cannot be written ends by its count.
                    let _ = rotate::give_up(&PSA, rotate::Reason::Token);
                    continue;
                }
            },
            // The identity in use is what it is.
            Err(status) => print_line(format_args!("net-mqtt: record of changes: PSA {status}")),
        }
        match Config::load(&PSA) {
            Ok(config) => {
                match Claim::forget(&PSA) {
                    Ok(false) => {}
                    Ok(true) => print_line(format_args!("net-mqtt: the claim is dropped")),
                    // The identity stands all the same, and the next start tries again.
                    Err(error) => print_line(format_args!("net-mqtt: claim: {error}")),
                }
                return (config, None);
            }
            // Without a name or a certificate of its own.
            Err(
                error @ (ConfigError::NoCertificate(_)
                | ConfigError::Read(UID_THING, Status::DOES_NOT_EXIST)),
            ) => match (Claim::load(&PSA), error) {
                (Ok(Some((config, claim))), _) => return (config, Some(claim)),
                (Ok(None), ConfigError::NoCertificate(thing)) => match enrol::enrol(&PSA, &thing) {
                    Ok(()) => continue,
                    Err(code) => {
                        print_line(format_args!("net-mqtt: no certificate request: {code}"));
                    }
                },
                (Ok(None), error) | (Err(error), _) => {
                    print_line(format_args!("net-mqtt: {error}"));
                }
            },
            Err(error) => print_line(format_args!("net-mqtt: {error}")),
        }
        sleep(RETRY_MS);
    }
}

/// Ends only when the process cannot work at all.
fn run() -> Result<(), &'static str> {
    // First of all: a notice that finds nobody listening is lost.
    Ipc::register_service(mqtt_ipc::PACKAGE, &INBOX).map_err(|_| "no IPC under our name")?;
    for client in 0..MAX_CLIENTS as u32 {
        // Who rang before now rings again; most slots are empty, or no clients.
        let _ = Ipc::notify_client(client);
    }
    let (shared, claim) = start()?;
    let mqtt = MqttBuffers {
        receive: MQTT_RX.take().ok_or("memory")?,
        send: MQTT_TX.take().ok_or("memory")?,
    };
    match claim {
        None => serve(shared, mqtt),
        Some(claim) => become_somebody(shared, claim, mqtt),
    }
}

#[inline(never)]
fn serve(shared: &'static Device, mqtt: MqttBuffers<'static>) -> Result<(), &'static str> {
    turns(shared, pin!(shared.session(mqtt)))?;
    TockSyscalls::exit_restart(0)
}

/// Fleet provisioning; then the process starts anew, with nothing of the claim in its memory.
#[inline(never)]
fn become_somebody(
    shared: &'static Device,
    claim: Claim,
    mqtt: MqttBuffers<'static>,
) -> Result<(), &'static str> {
    turns(shared, pin!(shared.claim(claim, &PSA, mqtt)))?;
    TockSyscalls::exit_restart(0)
}

/// The loop; ends when the process has to start anew: with an identity, or with another.
fn turns(
    shared: &'static Device,
    mut session: Pin<&mut dyn Future<Output = ()>>,
) -> Result<(), &'static str> {
    let mut online = false;
    while !shared.is_over() {
        // Lowered before the step that empties the buffers, so that no frame is slept over.
        let _ = FRAME_ARRIVED.take();
        while let Some(notice) = INBOX.take() {
            let index = notice.sender as usize;
            let mut service = shared.service().borrow_mut();
            match notice.memory {
                Some(page) if service.attach(index, page) => {}
                Some(_) => print_line(format_args!("net-mqtt: no room for client {index}")),
                // It ended, and took its page with it; or it rings without one, and is no client.
                None => service.gone(index),
            }
        }
        let sleep_us = shared.step(session.as_mut());
        notify_clients(shared);
        if shared.is_online() != online {
            online = !online;
            let heap = libtock::runtime::heap::stats();
            shared.environment().line(format_args!(
                "net-mqtt: heap peak {} of {} bytes",
                heap.peak, heap.size
            ));
        }
        if sleep_us == 0 {
            // Upcalls run inside a yield only.
            while TockSyscalls::yield_no_wait() == YieldNoWaitReturn::Upcall {}
        } else {
            let asleep_at = shared.environment().now_us();
            let milliseconds = u32::try_from(sleep_us.div_ceil(1000)).unwrap_or(u32::MAX);
            let woken = || FRAME_ARRIVED.is_raised() || INBOX.is_pending();
            if Alarm::wait(Milliseconds(milliseconds), woken).is_err() {
                return Err("no alarm driver");
            }
            shared.environment().slept_since(asleep_at);
        }
    }
    Ok(())
}

/// Tells clients whose mailbox changed; a full queue is made up by the next notice.
fn notify_clients(shared: &Device) {
    let mut clients = shared.service().borrow_mut().take_notifications();
    while clients != 0 {
        let index = clients.trailing_zeros();
        clients &= clients - 1;
        match Ipc::notify_client(index) {
            Ok(()) => {}
            // It does not run any more.
            Err(ErrorCode::Invalid) => shared.service().borrow_mut().gone(index as usize),
            Err(_) => shared.service().borrow_mut().notify_again(index as usize),
        }
    }
}

fn sleep(milliseconds: u32) {
    // Without an alarm the next step says so.
    let _ = Alarm::sleep_for(Milliseconds(milliseconds));
}

/// Clock, calendar and console.
struct System {
    clock: RefCell<Clock>,
    floor: Floor<'static>,
    /// Time spent asleep since the start, microseconds.
    slept_us: Cell<u64>,
    /// Time, time asleep and secure calls when the handshake began.
    handshake: Cell<(u64, u64, u32)>,
    psa: &'static rustls_psa::Psa,
}

impl System {
    fn start(psa: &'static rustls_psa::Psa) -> Result<Self, &'static str> {
        Ok(System {
            clock: RefCell::new(Clock::new::<TockSyscalls>().map_err(|_| "no alarm driver")?),
            floor: Floor::load(&PSA),
            slept_us: Cell::new(0),
            handshake: Cell::new((0, 0, 0)),
            psa,
        })
    }

    fn slept_since(&self, start_us: u64) {
        let slept = self.now_us().saturating_sub(start_us);
        self.slept_us.set(self.slept_us.get().saturating_add(slept));
    }
}

impl Environment for System {
    fn now_us(&self) -> u64 {
        self.clock.borrow_mut().now_us::<TockSyscalls>()
    }

    fn unix_seconds(&self) -> Option<u64> {
        DateTime::unix_seconds().ok()
    }

    fn time_floor(&self) -> u64 {
        self.floor.get()
    }

    fn time_learned(&self, unix_seconds: u64) {
        self.floor.learn(unix_seconds);
    }

    fn line(&self, text: Arguments<'_>) {
        print_line(text);
    }

    fn crash(&self) -> Option<(CrashReport, u32)> {
        let crashes = Supervision::crashes().ok().filter(|c| c.kept > 0)?;
        Some((Supervision::crash(0).ok()?, crashes.lost))
    }

    fn crashes(&self) -> (u32, u32) {
        Supervision::crashes().map_or((0, 0), |c| (c.kept, c.lost))
    }

    fn process(&self, index: u32) -> Option<ProcessInfo> {
        Supervision::process(index).ok()
    }

    fn heap(&self) -> [usize; 3] {
        let heap = libtock::runtime::heap::stats();
        [heap.used, heap.peak, heap.size]
    }

    fn image(&self, component: u8) -> Option<Image> {
        let info = fwu::query(&PSA, component).ok()?;
        Some(Image {
            version: ImageVersion {
                major: info.version.major,
                minor: info.version.minor,
                revision: info.version.patch,
                build: info.version.build,
            },
            state: info.state.name(),
        })
    }

    fn attest(&self, nonce: &[u8], token: &mut [u8]) -> Result<usize, Status> {
        attestation::get_token(&PSA, nonce, token)
    }

    fn crash_published(&self, serial: u32) {
        // Gone already when newer ones took its place.
        let _ = Supervision::forget(serial);
    }

    /// What a handshake costs: time from ClientHello to our Finished, less the sleep in between,
    /// in ticks of the 32 MHz counter that the alarm's microseconds come from. Under
    /// `-icount shift=5` that is instructions (ARCHITECTURE §9), secure side and kernel included.
    fn handshake(&self, starts: bool) {
        let (now, slept) = (self.now_us(), self.slept_us.get());
        let calls = self.psa.counters().calls;
        if starts {
            return self.handshake.set((now, slept, calls));
        }
        let (then, slept_then, calls_then) = self.handshake.get();
        let busy = (now - then).saturating_sub(slept - slept_then);
        self.line(format_args!(
            "net-mqtt: handshake took {} ticks of 31.25 ns, {} secure calls",
            busy * TICKS_PER_US,
            calls.wrapping_sub(calls_then)
        ));
    }
}

/// Writes a line in one piece, so that lines of several processes do not mix; cut at 200 bytes.
fn print_line(text: Arguments<'_>) {
    let mut line = Line {
        bytes: [0; 200],
        len: 0,
    };
    // What does not fit is cut.
    let _ = line.write_fmt(text);
    let end = line.len.min(line.bytes.len() - 1);
    if let Some(byte) = line.bytes.get_mut(end) {
        *byte = b'\n';
    }
    // Nobody to tell: the console is where one would.
    let _ = Console::write(line.bytes.get(..=end).unwrap_or_default());
}

struct Line {
    bytes: [u8; 200],
    len: usize,
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.len = (self.len + text.len()).min(self.bytes.len());
        Ok(())
    }
}

/// The ethernet tap.
struct Frames(Ethernet);

impl FrameDevice for Frames {
    fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        let frame = self.0.receive().ok()??;
        let to = buf.get_mut(..frame.len())?;
        to.copy_from_slice(frame);
        Some(frame.len())
    }

    fn can_send(&mut self) -> bool {
        true
    }

    fn send(&mut self, frame: &[u8]) {
        // A frame that does not go is lost, as on any wire: TCP sends it again.
        let _ = self.0.transmit(frame);
    }
}

//! The net-mqtt process on the device: system calls behind the library's traits.
//!
//! Owns the process's memory (stack, heap, buffers), the order of start-up, and its loop. All
//! logic is in the library. Starts only with what the factory provisioned; without it, it says
//! what is missing and looks again.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::cell::RefCell;
use core::fmt::Arguments;
use core::pin::pin;
use libtock::alarm::{Alarm, Clock, Milliseconds};
use libtock::date_time::DateTime;
use libtock::ethernet::{Ethernet, StaticBuffer};
use libtock::ipc::{Ipc, IpcInbox, SharedMemory};
use libtock::platform::Event;
use libtock::psa::Psa;
use libtock::runtime::TockSyscalls;
use libtock::{heap, println, set_main, stack_size};
use net_mqtt::config::DEVICE_KEY;
use net_mqtt::stack::{FRAME, FrameDevice, SOCKETS, Stack, StackBuffers, TCP_RECEIVE, TCP_SEND};
use net_mqtt::{Config, Environment, INCOMING, Memory, OUTGOING, Shared, TlsBuffers};
use rustls_psa::Provider;

set_main! { main }
stack_size! { 32 * 1024 }
heap! { 32 * 1024 }

/// The station address that QEMU gives its LAN9118 (reference/qemu-an547.md §5): the MAC filter
/// of the chip is set to it, and the tap driver has no command that tells it.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Wall time is never before this: 2025-01-01, seconds since 1970.
const TIME_FLOOR: u64 = 1_735_689_600;
/// Before looking again for what is missing, milliseconds.
const RETRY_MS: u32 = 5_000;
/// One buffer of received frames: five full ones.
const FRAMES: usize = 8 * 1024;
/// One inbound MQTT packet: topic, 6 KiB of payload, properties.
const MQTT_IN: usize = 6656;
/// What is in flight outwards.
const MQTT_OUT: usize = 4096;

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
static MQTT_TX: StaticBuffer<MQTT_OUT> = StaticBuffer::new();

static FRAME_ARRIVED: Event = Event::new();
static INBOX: IpcInbox = IpcInbox::new();
static PSA: Psa = Psa::new();

fn main() {
    if let Err(what) = run() {
        // Nothing of this can pass: memory taken twice, no driver. The kernel's policy decides.
        println!("net-mqtt: cannot start: {what}");
    }
}

/// Everything that the session stands on.
type Device = Shared<'static, Stack<'static, Frames>, System, SharedMemory>;

/// Puts the process together. Apart from the loop, and not inlined, so that what is moved about
/// here is off the stack when a handshake needs it.
#[inline(never)]
fn start() -> Result<&'static Device, &'static str> {
    let provider = Provider::new(&PSA);
    let config = loop {
        match Config::load(&PSA) {
            Ok(config) => break config,
            Err(error) => println!("net-mqtt: {error}"),
        }
        sleep(RETRY_MS);
    };
    let system = System::start()?;
    let frames = Ethernet::start(
        FRAMES_A.take().ok_or("memory")?,
        FRAMES_B.take().ok_or("memory")?,
        &FRAME_ARRIVED,
    )
    .map_err(|_| "no ethernet driver")?;
    let mut seed = [0; 8];
    while let Err(status) = provider.psa().random(&mut seed) {
        println!("net-mqtt: random: PSA {status}");
        sleep(RETRY_MS);
    }
    let stack = Stack::new(
        Frames(frames),
        MAC,
        u64::from_le_bytes(seed),
        system.now_us(),
        StackBuffers {
            receive: TCP_IN.take().ok_or("memory")?,
            send: TCP_OUT.take().ok_or("memory")?,
            frame_in: FRAME_IN.take().ok_or("memory")?,
            frame_out: FRAME_OUT.take().ok_or("memory")?,
            sockets: Box::leak(Box::new(SOCKETS)),
        },
    );
    let memory = Memory {
        tls: TlsBuffers {
            incoming: TLS_IN.take().ok_or("memory")?,
            plain: TLS_PLAIN.take().ok_or("memory")?,
            outgoing: TLS_OUT.take().ok_or("memory")?,
        },
    };
    match Shared::new(
        config, DEVICE_KEY, TIME_FLOOR, provider, stack, system, memory,
    ) {
        Ok(shared) => Ok(Box::leak(Box::new(shared))),
        Err(error) => {
            println!("net-mqtt: {error}");
            Err("provisioned objects do not fit together")
        }
    }
}

/// Ends only when the process cannot work at all.
fn run() -> Result<(), &'static str> {
    let shared = start()?;
    Ipc::register_service(mqtt_ipc::SERVICE, &INBOX).map_err(|_| "no IPC under our name")?;
    let mqtt = minimq::Buffers::new(
        MQTT_RX.take().ok_or("memory")?,
        MQTT_TX.take().ok_or("memory")?,
    );
    let mut session = pin!(shared.session(mqtt));
    let mut online = false;
    loop {
        // Lowered before the step that empties the buffers, so that no frame is slept over.
        let _ = FRAME_ARRIVED.take();
        while let Some(notice) = INBOX.take() {
            if let Some(page) = notice.memory {
                let index = notice.sender as usize;
                if !shared.service().borrow_mut().attach(index, page) {
                    println!("net-mqtt: no room for client {index}");
                }
            }
        }
        let sleep_us = shared.step(session.as_mut());
        notify_clients(shared);
        if shared.is_online() != online {
            online = !online;
            let heap = libtock::runtime::heap::stats();
            println!("net-mqtt: heap peak {} of {} bytes", heap.peak, heap.size);
        }
        if sleep_us > 0 {
            let milliseconds = u32::try_from(sleep_us.div_ceil(1000)).unwrap_or(u32::MAX);
            let woken = || FRAME_ARRIVED.is_raised() || INBOX.is_pending();
            if Alarm::wait(Milliseconds(milliseconds), woken).is_err() {
                return Err("no alarm driver");
            }
        }
    }
}

/// Tells clients whose mailbox changed; a refusal (a full queue) is made up by the next notice.
fn notify_clients(shared: &Device) {
    let mut clients = shared.service().borrow_mut().take_notifications();
    while clients != 0 {
        let index = clients.trailing_zeros();
        clients &= clients - 1;
        if Ipc::notify_client(index).is_err() {
            shared.service().borrow_mut().notify_again(index as usize);
        }
    }
}

fn sleep(milliseconds: u32) {
    // Without an alarm the next step says so.
    let _ = Alarm::sleep_for(Milliseconds(milliseconds));
}

/// Clock, calendar and console.
struct System(RefCell<Clock>);

impl System {
    fn start() -> Result<Self, &'static str> {
        let clock = Clock::new::<TockSyscalls>().map_err(|_| "no alarm driver")?;
        Ok(System(RefCell::new(clock)))
    }
}

impl Environment for System {
    fn now_us(&self) -> u64 {
        self.0.borrow_mut().now_us::<TockSyscalls>()
    }

    fn unix_seconds(&self) -> Option<u64> {
        DateTime::unix_seconds().ok()
    }

    fn line(&self, text: Arguments<'_>) {
        println!("{text}");
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

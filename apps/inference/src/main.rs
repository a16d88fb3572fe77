//! The keyword-spotting process on the device: hears the audio ROM in real time, publishes labels.
//!
//! Owns the process's memory, its loop and its pace. Hearing and the queue towards the broker are
//! in the library. Without a thing name it hears and says, but does not publish.
#![no_std]
#![no_main]

use core::fmt::Write;
use heapless::String;
use inference::player::{Player, Rom};
use inference::{Outbox, Outcome, Recogniser};
use libtock::alarm::{Alarm, Clock, Milliseconds};
use libtock::audio_rom::AudioRom;
use libtock::ipc::{IpcInbox, StaticBuffer};
use libtock::psa::Psa;
use libtock::runtime::TockSyscalls;
use libtock::{println, set_main, stack_size};
use mqtt_ipc::{Connection, Event, Link, PAGE_SIZE, Qos, Status};
use psa_client::ps;

set_main! { main }
// The model's tensors take 20 KiB of it.
stack_size! { 32 * 1024 }

/// Protected Storage uid of the thing name.
const UID_THING: u64 = 9;
/// One step of the recogniser, microseconds.
const STEP_US: u64 = 20_000;
/// A lag that is not made up: the ROM is no live source, so that nothing is lost by starting the
/// clock anew.
const MAX_LAG_US: u64 = 2_000_000;
/// Before looking again for what is missing, microseconds.
const RETRY_US: u64 = 5_000_000;
/// Nothing but results and states, with the thing's name, comes to us.
const MESSAGE: usize = mqtt_ipc::MAX_THING;

static PAGE: StaticBuffer<PAGE_SIZE> = StaticBuffer::new();
static INBOX: IpcInbox = IpcInbox::new();
static PSA: Psa = Psa::new();

fn main() {
    if let Err(what) = run() {
        // Nothing of this can pass: memory taken twice, no driver. The kernel's policy decides.
        println!("inference: cannot start: {what}");
    }
}

/// Ends only when the process cannot work at all.
fn run() -> Result<(), &'static str> {
    let mut clock = Clock::new::<TockSyscalls>().map_err(|_| "no alarm driver")?;
    let mut broker = Broker::new(PAGE.take().ok_or("memory")?);
    let mut recogniser = Recogniser::new();
    let mut player: Option<Player> = None;
    let mut due = 0;
    loop {
        let now = clock.now_us::<TockSyscalls>();
        broker.step(now)?;
        if now >= due {
            due = match hear(&mut player, &mut recogniser, &mut broker) {
                Ok(()) if now > due + MAX_LAG_US => now,
                Ok(()) => due + STEP_US,
                Err(why) => {
                    println!("inference: audio ROM: {why}");
                    player = None;
                    now + RETRY_US
                }
            };
        }
        let wait = due.saturating_sub(clock.now_us::<TockSyscalls>());
        if wait > 0 {
            // Awake once a second at least, for the connection's sake.
            let milliseconds = wait.div_ceil(1000).min(1000) as u32;
            Alarm::wait(Milliseconds(milliseconds), || INBOX.is_pending())
                .map_err(|_| "no alarm driver")?;
        }
    }
}

/// One window.
fn hear(
    player: &mut Option<Player>,
    recogniser: &mut Recogniser,
    broker: &mut Broker,
) -> Result<(), inference::player::Error> {
    let player = match player {
        Some(player) => player,
        None => {
            *recogniser = Recogniser::new();
            player.insert(Player::open(&mut Driver)?)
        }
    };
    if let Some(label) = recogniser.window(player.step(&mut Driver)?) {
        println!("inference: {}", label.text());
        if let Some(gone) = broker.outbox.push(label) {
            println!("inference: not published: {}", gone.text());
        }
    }
    Ok(())
}

/// The capsule.
struct Driver;

impl Rom for Driver {
    fn size(&mut self) -> Option<u32> {
        AudioRom::size().ok()
    }

    fn read(&mut self, offset: u32, out: &mut [u8]) -> bool {
        let room = out.len();
        AudioRom::read(offset, out) == Ok(room)
    }
}

/// The way to the broker.
struct Broker {
    connection: Connection<TockSyscalls>,
    outbox: Outbox,
    /// Empty until it is known.
    topic: String<160>,
    /// When to look for it again, microseconds.
    look: u64,
}

impl Broker {
    fn new(page: &'static mut [u8]) -> Self {
        Broker {
            connection: Connection::new(page, &INBOX),
            outbox: Outbox::new(),
            topic: String::new(),
            look: 0,
        }
    }

    fn step(&mut self, now_us: u64) -> Result<(), &'static str> {
        if self.topic.is_empty() {
            if let Some(topic) = self.connection.thing().and_then(topic_of) {
                self.topic = topic;
            } else if now_us >= self.look {
                self.look = now_us + RETRY_US;
                match topic() {
                    Ok(topic) => self.topic = topic,
                    // A fleet's thing: net-mqtt will tell.
                    Err(psa_client::Status::DOES_NOT_EXIST) => {}
                    Err(status) => {
                        println!("inference: thing name (PS {UID_THING}): PSA {status}");
                    }
                }
            }
        }
        let now = now_us / 1000;
        let refused = self.connection.step(now);
        refused.map_err(|_| "the page cannot be shared")?;
        let mut message = [0; MESSAGE];
        loop {
            match self.connection.poll(&mut message) {
                Ok(None) => break,
                Ok(Some(Event::State(Link::Online))) => self.outbox.link_up(),
                Ok(Some(Event::Result { seq, status })) => {
                    let outcome = match status {
                        Status::Ok => Outcome::Done,
                        Status::Busy | Status::Offline | Status::Lost | Status::NoSpace => {
                            Outcome::Later
                        }
                        Status::Refused | Status::Invalid | Status::TooLarge => Outcome::Refused,
                    };
                    if let Some(gone) = self.outbox.answered(seq, outcome, now) {
                        println!("inference: not published: {}: {status:?}", gone.text());
                    }
                }
                Ok(Some(
                    Event::State(Link::Offline) | Event::Message { .. } | Event::Missed(_),
                )) => {}
                Err(error) => println!("inference: a message is lost: {error:?}"),
            }
        }
        if !self.topic.is_empty()
            && let Some(label) = self.outbox.next(now)
        {
            let text = label.text().as_bytes();
            // While the mailbox is full, the next notice brings us here again.
            let sent = self.connection.publish(&self.topic, text, Qos::AtLeastOnce);
            if let Ok(number) = sent {
                self.outbox.sent(number, now);
            }
        }
        Ok(())
    }
}

/// `<thing>/ml/inference` of the factory's name.
fn topic() -> Result<String<160>, psa_client::Status> {
    let mut name = [0; 128];
    let length = ps::get(&PSA, UID_THING, 0, &mut name)?;
    let name = name.get(..length).unwrap_or_default();
    let name = core::str::from_utf8(name).ok().filter(|n| !n.is_empty());
    name.and_then(topic_of)
        .ok_or(psa_client::Status::DATA_INVALID)
}

/// `<thing>/ml/inference`.
fn topic_of(thing: &str) -> Option<String<160>> {
    let mut topic = String::new();
    // 128 + 13 bytes fit.
    write!(topic, "{thing}/ml/inference").ok()?;
    Some(topic)
}

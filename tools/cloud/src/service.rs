//! The service behind the topics: an MQTT client that answers for Jobs and Streams.
//!
//! Owns the connection to the broker's plain listener, the thread that serves it, and the record
//! of what devices publish. Requests come on `$aws/things/+/jobs/#` and `…/streams/#`; its own
//! answers come back on the same filters and are ignored by their topics.

use crate::jobs::{Execution, Jobs, Publish};
use crate::streams::{self, Stream};
use anyhow::{Result, anyhow, bail};
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

/// A message that a device published.
#[derive(Debug, Clone)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub at: SystemTime,
}

/// What goes wrong with stream blocks, one in so many; 0 is never. The same seed gives the same
/// faults for the same requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mischief {
    pub seed: u32,
    /// Block is not sent.
    pub drop: u32,
    /// Block is sent twice.
    pub duplicate: u32,
    /// Block changes places with the next one.
    pub reorder: u32,
    /// A block that nobody asked for, far past the end.
    pub stray: u32,
    /// Pause before each block, milliseconds.
    pub delay_ms: u32,
}

#[derive(Default)]
struct State {
    jobs: Jobs,
    streams: BTreeMap<(String, String), Stream>,
    messages: Vec<Message>,
    mischief: Mischief,
    random: u32,
}

impl State {
    /// One in `n`, by the seeded generator.
    fn chance(&mut self, n: u32) -> bool {
        if n == 0 {
            return false;
        }
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random.is_multiple_of(n)
    }
}

pub(crate) struct Service {
    client: Client,
    state: Arc<Mutex<State>>,
}

impl Service {
    pub(crate) fn start(port: u16) -> Result<Service> {
        let mut options = MqttOptions::new("tockstone-cloud", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, connection) = Client::new(options, 1000);
        let state = Arc::new(Mutex::new(State::default()));
        let ready = Arc::new(Mutex::new(false));
        let (serving, started) = (Arc::clone(&state), Arc::clone(&ready));
        let own = client.clone();
        std::thread::spawn(move || serve(connection, &own, &serving, &started));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !*lock(&ready) {
            if Instant::now() > deadline {
                bail!("the stand-in cannot connect to the broker on port {port}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Service { client, state })
    }

    pub(crate) fn add_stream(&self, thing: &str, id: &str, stream: Stream) {
        lock(&self.state)
            .streams
            .insert((thing.into(), id.into()), stream);
    }

    pub(crate) fn with_jobs(
        &self,
        change: impl FnOnce(&mut Jobs) -> Result<Vec<Publish>, String>,
    ) -> Result<(), String> {
        let messages = change(&mut lock(&self.state).jobs)?;
        send(&self.client, messages);
        Ok(())
    }

    pub(crate) fn execution(&self, thing: &str, job: &str) -> Option<Execution> {
        lock(&self.state).jobs.execution(thing, job).cloned()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        lock(&self.state).messages.clone()
    }

    pub(crate) fn set_mischief(&self, mischief: Mischief) {
        let mut state = lock(&self.state);
        state.mischief = mischief;
        state.random = mischief.seed.max(1);
    }

    pub(crate) fn publish(&self, topic: &str, payload: &[u8]) -> Result<()> {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .map_err(|e| anyhow!("{e}"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}

fn serve(mut connection: Connection, client: &Client, state: &Mutex<State>, ready: &Mutex<bool>) {
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                for filter in ["$aws/things/+/jobs/#", "$aws/things/+/streams/#", "#"] {
                    let _ = client.try_subscribe(filter, QoS::AtLeastOnce);
                }
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => *lock(ready) = true,
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let answers = handle(state, &message.topic, &message.payload);
                // A thread of its own: this one must go on reading for the answers to go out.
                let client = client.clone();
                std::thread::spawn(move || deliver(&client, answers));
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(rumqttc::ConnectionError::RequestsDone) => return,
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// What goes out for a request: Jobs answers at QoS 1, blocks at QoS 0.
struct Answers {
    jobs: Vec<Publish>,
    blocks: Vec<Publish>,
    pause: Duration,
}

fn handle(state: &Mutex<State>, topic: &str, payload: &[u8]) -> Answers {
    let mut state = lock(state);
    let mut out = Answers {
        jobs: Vec::new(),
        blocks: Vec::new(),
        pause: Duration::ZERO,
    };
    let parts: Vec<&str> = topic.splitn(5, '/').collect();
    match parts[..] {
        ["$aws", "things", thing, "jobs", operation] => {
            out.jobs = state.jobs.request(thing, operation, payload, crate::now());
        }
        ["$aws", "things", thing, "streams", rest] => {
            let Some((id, operation)) = rest.split_once('/') else {
                return out;
            };
            let answers = answer_stream(&state, thing, id, operation, payload);
            let answers = disturb(&mut state, answers);
            out.pause = Duration::from_millis(u64::from(state.mischief.delay_ms));
            out.blocks = answers
                .into_iter()
                .map(|(suffix, payload)| Publish {
                    topic: format!("$aws/things/{thing}/streams/{id}/{suffix}"),
                    payload,
                })
                .collect();
        }
        _ => {
            let at = SystemTime::now();
            state.messages.push(Message {
                topic: topic.into(),
                payload: payload.into(),
                at,
            });
        }
    }
    out
}

fn answer_stream(
    state: &State,
    thing: &str,
    id: &str,
    operation: &str,
    payload: &[u8],
) -> Vec<streams::Answer> {
    let stream = state.streams.get(&(thing.to_owned(), id.to_owned()));
    match (operation, stream) {
        ("get/cbor", Some(stream)) => stream.get(payload),
        ("describe/cbor", Some(stream)) => stream.describe(payload),
        ("get/cbor" | "describe/cbor", None) => {
            vec![streams::rejected(
                None,
                "ResourceNotFound",
                "no such stream for this thing",
            )]
        }
        ("get/json" | "describe/json", _) => {
            let body = br#"{"o":"InvalidRequest","m":"this stand-in serves CBOR streams only"}"#;
            vec![("rejected/json", body.to_vec())]
        }
        _ => Vec::new(),
    }
}

fn disturb(state: &mut State, answers: Vec<streams::Answer>) -> Vec<streams::Answer> {
    let mischief = state.mischief;
    let mut out: Vec<streams::Answer> = Vec::new();
    for answer in answers {
        if state.chance(mischief.drop) {
            continue;
        }
        if state.chance(mischief.duplicate) {
            out.push(answer.clone());
        }
        out.push(answer);
        let last = out.len() - 1;
        if last > 0 && state.chance(mischief.reorder) {
            out.swap(last, last - 1);
        }
        if state.chance(mischief.stray) {
            out.push((
                "data/cbor",
                streams::block(None, Some(0), 90_000, &[0; 4096]),
            ));
        }
    }
    out
}

fn deliver(client: &Client, answers: Answers) {
    send(client, answers.jobs);
    for block in answers.blocks {
        std::thread::sleep(answers.pause);
        let _ = client.publish(block.topic, QoS::AtMostOnce, false, block.payload);
    }
}

fn send(client: &Client, messages: Vec<Publish>) {
    for message in messages {
        let _ = client.publish(message.topic, QoS::AtLeastOnce, false, message.payload);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

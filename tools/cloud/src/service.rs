//! The service behind the topics: an MQTT client that answers for Jobs, Streams and provisioning.
//!
//! Owns the connection to the broker's plain listener, the thread that serves it, the timers of
//! jobs, and the record of what devices publish and of who is there. Requests come in envelopes
//! from the broker's plugin, with the name of the client that asks. Answers of Jobs go straight to
//! that client, subscribed or not, as on AWS; everything else is published.

use crate::jobs::Publish;
use crate::mischief::{Chaos, Mischief, Step};
use crate::pki::Authority;
use crate::provisioning;
use crate::store::Store;
use crate::streams::{self, Format, Stream};
use anyhow::{Result, anyhow, bail};
use mosquitto_iot::{DIRECT, KICK, REQUEST, SERVICE};
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

/// Commands to devices, and what they answer.
const COMMANDS: &str = "$aws/commands/things/#";

/// A message that a device published.
#[derive(Debug, Clone)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub at: SystemTime,
}

/// Whether a client is there, as its last lifecycle event says.
#[derive(Debug, Clone)]
pub struct Presence {
    pub connected: bool,
    /// Of the event, milliseconds since the epoch.
    pub at: u64,
    /// The event itself, in AWS's shape.
    pub event: Value,
}

/// What the service and the control plane share.
pub(crate) struct State {
    pub(crate) store: Store,
    /// Open streams: their bytes.
    streams: BTreeMap<String, Stream>,
    pub(crate) messages: Vec<Message>,
    pub(crate) presence: BTreeMap<String, Presence>,
    /// What devices answered to commands: thing, execution, answer.
    pub(crate) answers: Vec<(String, String, Value)>,
    chaos: Chaos,
    /// Indices of the blocks that devices asked for and that there are, in their order.
    pub(crate) asked: Vec<usize>,
}

impl State {
    /// Forgets the bytes of a stream that has changed.
    pub(crate) fn close_stream(&mut self, id: &str) {
        self.streams.remove(id);
    }

    fn commit(&mut self) {
        if let Err(e) = self.store.commit() {
            eprintln!("cloud: the registry is not written: {e:#}");
        }
    }
}

/// A handle on the service; the last one ends it.
pub(crate) struct Service {
    client: Client,
    state: Arc<Mutex<State>>,
}

impl Service {
    pub(crate) fn start(port: u16, store: Store, authority: Authority) -> Result<Service> {
        let mut options = MqttOptions::new(SERVICE, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, connection) = Client::new(options, 1000);
        let state = Arc::new(Mutex::new(State {
            store,
            streams: BTreeMap::new(),
            messages: Vec::new(),
            presence: BTreeMap::new(),
            answers: Vec::new(),
            chaos: Chaos::default(),
            asked: Vec::new(),
        }));
        let ready = Arc::new(Mutex::new(false));
        let (serving, started) = (Arc::clone(&state), Arc::clone(&ready));
        let own = client.clone();
        std::thread::spawn(move || serve(connection, &own, &serving, &authority, &started));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !*lock(&ready) {
            if Instant::now() > deadline {
                bail!("the stand-in cannot connect to the broker on port {port}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let (timed, timers) = (Arc::downgrade(&state), client.clone());
        std::thread::spawn(move || {
            while let Some(state) = timed.upgrade() {
                let mut guard = lock(&state);
                let messages = guard.store.data.jobs.expire(crate::now());
                if !messages.is_empty() {
                    guard.commit();
                    let steps = guard.chaos.jobs(messages);
                    drop(guard);
                    deliver(&timers, "", steps);
                } else {
                    drop(guard);
                }
                drop(state);
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        Ok(Service { client, state })
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut lock(&self.state))
    }

    /// Changes the state: on the disk first, then devices are told. What failed changes nothing
    /// that the caller has not undone itself.
    pub(crate) fn change<T, E: From<anyhow::Error>>(
        &self,
        change: impl FnOnce(&mut State) -> Result<(T, Vec<Publish>), E>,
    ) -> Result<T, E> {
        let mut state = lock(&self.state);
        let (out, messages) = change(&mut state)?;
        state.store.commit()?;
        let steps = state.chaos.jobs(messages);
        drop(state);
        deliver(&self.client, "", steps);
        Ok(out)
    }

    pub(crate) fn set_mischief(&self, mischief: Mischief) {
        lock(&self.state).chaos.set(mischief);
    }

    pub(crate) fn publish(&self, topic: &str, payload: &[u8], qos: u8, retain: bool) -> Result<()> {
        let qos = if qos == 0 {
            QoS::AtMostOnce
        } else {
            QoS::AtLeastOnce
        };
        self.client
            .publish(topic, qos, retain, payload)
            .map_err(|e| anyhow!("{e}"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}

fn serve(
    mut connection: Connection,
    client: &Client,
    state: &Arc<Mutex<State>>,
    authority: &Authority,
    ready: &Mutex<bool>,
) {
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                for filter in ["#", "$aws/events/presence/#", COMMANDS] {
                    let _ = client.try_subscribe(filter, QoS::AtLeastOnce);
                }
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => *lock(ready) = true,
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let envelope = message.topic.strip_prefix(REQUEST).unwrap_or_default();
                let parts: Vec<&str> = envelope.splitn(3, '/').collect();
                if let [certificate, peer, topic] = parts[..] {
                    let certificate = certificate.to_owned();
                    let (peer, topic) = (peer.to_owned(), topic.to_owned());
                    let (client, state) = (client.clone(), Arc::clone(state));
                    let authority = authority.clone();
                    let payload = message.payload;
                    // Certificates take their time; blocks and jobs keep their order.
                    if provisioning::is_request(&topic) {
                        let dir = lock(&state).store.dir.clone();
                        std::thread::spawn(move || {
                            let change = |change: &mut dyn FnMut(&mut Store) -> Vec<Publish>| {
                                let mut state = lock(&state);
                                let out = change(&mut state.store);
                                state.commit();
                                out
                            };
                            let service = provisioning::Service {
                                authority: &authority,
                                dir: &dir,
                                change: &change,
                                certificate: &certificate,
                                client: &peer,
                            };
                            let messages = service.answer(&topic, &payload);
                            let steps = messages.into_iter().map(|m| Step::Send(m, 1)).collect();
                            deliver(&client, "", steps);
                        });
                        continue;
                    }
                    let steps = handle(&state, &topic, &payload);
                    // A thread of its own: this one must go on reading for the answers to go out.
                    std::thread::spawn(move || deliver(&client, &peer, steps));
                } else {
                    note(&mut lock(state), message.topic, &message.payload);
                }
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(rumqttc::ConnectionError::RequestsDone) => return,
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Records what was published, and who came and went.
fn note(state: &mut State, topic: String, payload: &[u8]) {
    if let Some(rest) = topic.strip_prefix("$aws/events/presence/") {
        if let Some((kind, id)) = rest.split_once('/') {
            let event: Value = serde_json::from_slice(payload).unwrap_or_default();
            let presence = Presence {
                connected: kind == "connected",
                at: event["timestamp"].as_u64().unwrap_or_default(),
                event,
            };
            state.presence.insert(id.into(), presence);
        }
        return;
    }
    if let Some(rest) = topic.strip_prefix("$aws/commands/things/") {
        let parts: Vec<&str> = rest.split('/').collect();
        if let [thing, "executions", id, "response", "json"] = parts[..] {
            let answer = serde_json::from_slice(payload).unwrap_or_default();
            state.answers.push((thing.into(), id.into(), answer));
        }
        return;
    }
    if !topic.starts_with('$') {
        state.messages.push(Message {
            topic,
            payload: payload.into(),
            at: SystemTime::now(),
        });
    }
}

fn handle(state: &Mutex<State>, topic: &str, payload: &[u8]) -> Vec<Step> {
    let mut state = lock(state);
    let parts: Vec<&str> = topic.splitn(5, '/').collect();
    match parts[..] {
        ["$aws", "things", thing, "jobs", operation] => {
            let jobs = &mut state.store.data.jobs;
            let answers = jobs.request(thing, operation, payload, crate::now());
            state.commit();
            state.chaos.jobs(answers)
        }
        ["$aws", "things", thing, "streams", rest] => {
            let Some((id, operation)) = rest.split_once('/') else {
                return Vec::new();
            };
            let answers = answer_stream(&mut state, thing, id, operation, payload);
            let blocks = answers.iter();
            let blocks =
                blocks.filter_map(|(suffix, payload)| streams::Block::parse(suffix, payload));
            state.asked.extend(blocks.map(|(_, block)| block.index));
            let prefix = format!("$aws/things/{thing}/streams/{id}/");
            state.chaos.blocks(&prefix, answers)
        }
        _ => Vec::new(),
    }
}

fn answer_stream(
    state: &mut State,
    thing: &str,
    id: &str,
    operation: &str,
    payload: &[u8],
) -> Vec<streams::Answer> {
    let Some((verb, format)) = operation
        .split_once('/')
        .and_then(|(verb, level)| Some((verb, Format::of(level)?)))
    else {
        return Vec::new();
    };
    let record = state.store.data.streams.get(id);
    let record = record.filter(|r| {
        r.things
            .as_ref()
            .is_none_or(|things| things.iter().any(|t| t == thing))
    });
    let Some(record) = record.cloned() else {
        let message = "no such stream for this thing";
        let refusal = streams::rejected(format, None, "ResourceNotFound", message);
        return vec![refusal];
    };
    if !state.streams.contains_key(id) {
        let stream = state.store.open_stream(&record);
        state.streams.insert(id.to_owned(), stream);
    }
    match (verb, state.streams.get(id)) {
        ("get", Some(stream)) => stream.get(format, payload),
        ("describe", Some(stream)) => stream.describe(format, payload),
        _ => Vec::new(),
    }
}

fn deliver(client: &Client, peer: &str, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Pause(ms) => std::thread::sleep(Duration::from_millis(ms.into())),
            Step::Cut(thing) => {
                let peer = format!("{KICK}{thing}");
                let _ = client.publish(peer, QoS::AtLeastOnce, false, Vec::new());
                // The broker closes it at its next tick, 100 ms at most.
                std::thread::sleep(Duration::from_millis(150));
            }
            Step::Send(message, 0) => {
                let _ = client.publish(message.topic, QoS::AtMostOnce, false, message.payload);
            }
            Step::Send(message, _) => {
                let last = message.topic.rsplit('/').next();
                let answer = message.topic.contains("/jobs/")
                    && matches!(last, Some("accepted" | "rejected"));
                let topic = if answer && !peer.is_empty() {
                    format!("{DIRECT}{peer}/{}", message.topic)
                } else {
                    message.topic
                };
                let _ = client.publish(topic, QoS::AtLeastOnce, false, message.payload);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

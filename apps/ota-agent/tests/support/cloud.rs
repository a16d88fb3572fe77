//! The other end of the wire: the cloud stand-in's own Jobs and Streams behind a broker that can
//! lose, delay and spoil.
//!
//! Owns subscriptions of the one client and messages under way. Jobs and blocks are `cloud`'s.

use cloud::jobs::{Jobs, Publish};
use cloud::streams::{Format, Stream};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

pub const THING: &str = "thing-1";
/// One way, milliseconds.
const LATENCY: u64 = 50;

/// What happens to a message, in either direction: the messages that arrive instead.
pub type Mischief = Box<dyn FnMut(&str, Vec<u8>) -> Vec<(String, Vec<u8>)>>;

pub fn honest() -> Mischief {
    Box::new(|topic, payload| vec![(topic.to_owned(), payload)])
}

pub struct Fake {
    pub jobs: Jobs,
    pub streams: BTreeMap<String, Stream>,
    pub down: Mischief,
    pub up: Mischief,
    /// Everything that the device published: (topic, payload).
    pub heard: Vec<(String, Vec<u8>)>,
    /// Blocks that were sent.
    pub served: usize,
    /// What streams are answered in.
    pub formats: Vec<Format>,
    filters: Vec<String>,
    under_way: VecDeque<(u64, String, Vec<u8>)>,
}

impl Fake {
    pub fn new() -> Fake {
        Fake {
            jobs: Jobs::default(),
            streams: BTreeMap::new(),
            down: honest(),
            up: honest(),
            heard: Vec::new(),
            served: 0,
            formats: vec![Format::Cbor, Format::Json],
            filters: Vec::new(),
            under_way: VecDeque::new(),
        }
    }

    /// A job for one file, in AWS's form.
    pub fn create(&mut self, job: &str, path: &str, file: &[u8], signature: &str, now: u64) {
        self.create_signed(job, &[(path, file, "sig-sha256-rsa", signature)], now);
    }

    /// A job for files: path, bytes, name and text of the signature.
    pub fn create_signed(&mut self, job: &str, files: &[(&str, &[u8], &str, &str)], now: u64) {
        let stream = format!("AFR_OTA-{job}");
        let contents = files.iter().map(|f| f.1.to_vec()).collect();
        self.streams.insert(stream.clone(), Stream::new(contents));
        let entry = |(id, (path, bytes, name, signature)): (usize, &(&str, &[u8], &str, &str))| {
            let mut entry =
                json!({"filepath": path, "filesize": bytes.len(), "fileid": id, "certfile": "0"});
            entry[*name] = (*signature).into();
            entry
        };
        let files: Vec<Value> = files.iter().enumerate().map(entry).collect();
        let document = json!({"afr_ota": {"protocols": ["MQTT"], "streamname": stream,
            "files": files}});
        self.create_raw(job, document, now);
    }

    pub fn create_raw(&mut self, job: &str, document: Value, now: u64) {
        let notices = self.jobs.create(THING, job, document, now / 1000).unwrap();
        self.send(notices, now);
    }

    pub fn cancel(&mut self, job: &str, now: u64) {
        let notices = self.jobs.cancel(THING, job, true, now / 1000).unwrap();
        self.send(notices, now);
    }

    /// The last state of a job: status, and the value of its one detail.
    pub fn state(&self, job: &str) -> (&'static str, String) {
        let execution = self.jobs.execution(THING, job).unwrap();
        let detail = execution
            .details
            .as_ref()
            .and_then(|d| d.as_object()?.values().next()?.as_str().map(str::to_owned));
        (execution.status.name(), detail.unwrap_or_default())
    }

    pub fn subscribe(&mut self, filter: &str) {
        if !self.filters.iter().any(|f| f == filter) {
            self.filters.push(filter.to_owned());
        }
    }

    /// The connection is lost, and with it what was under way; `all`: subscriptions, too.
    pub fn disconnect(&mut self, all: bool) {
        self.under_way.clear();
        if all {
            self.filters.clear();
        }
    }

    pub fn publish(&mut self, topic: &str, payload: &[u8], now: u64) {
        self.heard.push((topic.to_owned(), payload.to_vec()));
        for (topic, payload) in (self.up)(topic, payload.to_vec()) {
            let rest = topic
                .strip_prefix(&format!("$aws/things/{THING}/"))
                .unwrap_or_default();
            if let Some(operation) = rest.strip_prefix("jobs/") {
                let answers = self.jobs.request(THING, operation, &payload, now / 1000);
                self.send(answers, now);
            } else if let Some((name, operation)) = rest
                .strip_prefix("streams/")
                .and_then(|s| s.split_once('/'))
            {
                let gone = b"\xBF\x61o\x70ResourceNotFound\xFF".to_vec();
                let (verb, level) = operation.split_once('/').unwrap_or_default();
                let format = Format::of(level).filter(|f| self.formats.contains(f));
                let answers = match (verb, format, self.streams.get(name)) {
                    // Nobody listens there.
                    (_, None, _) => vec![],
                    ("get", Some(format), Some(stream)) => stream.get(format, &payload),
                    ("describe", Some(format), Some(stream)) => stream.describe(format, &payload),
                    (_, Some(Format::Cbor), _) => vec![("rejected/cbor", gone)],
                    (_, Some(Format::Json), _) => {
                        vec![("rejected/json", br#"{"o":"ResourceNotFound"}"#.to_vec())]
                    }
                };
                let blocks = answers
                    .iter()
                    .filter(|(s, _)| s.starts_with("data/"))
                    .count();
                self.served += blocks;
                let answers = answers.into_iter().map(|(suffix, payload)| Publish {
                    topic: format!("$aws/things/{THING}/streams/{name}/{suffix}"),
                    payload,
                });
                self.send(answers.collect(), now);
            }
        }
    }

    fn send(&mut self, messages: Vec<Publish>, now: u64) {
        for message in messages {
            for (topic, payload) in (self.down)(&message.topic, message.payload) {
                if self.filters.iter().any(|f| matches(f, &topic)) {
                    self.under_way
                        .push_back((now + 2 * LATENCY, topic, payload));
                }
            }
        }
    }

    /// The next message that has arrived by now.
    pub fn arrived(&mut self, now: u64) -> Option<(String, Vec<u8>)> {
        if self.under_way.front()?.0 > now {
            return None;
        }
        let (_, topic, payload) = self.under_way.pop_front()?;
        Some((topic, payload))
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    let (mut f, mut t) = (filter.split('/'), topic.split('/'));
    loop {
        match (f.next(), t.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == "+" || a == b => {}
            _ => return false,
        }
    }
}

//! A change of certificate over the connection: the cloud's command, the request, the answers.
//!
//! Owns what is said: AWS IoT Commands (`$aws/commands/things/<thing>/executions/<id>/request/json`)
//! ask for it; a pair is made in the secure world under the label that is not in use; with the
//! present certificate's rights `create-from-csr` gives a certificate and `provision` attaches it to
//! this thing, both in CBOR; how it ended goes to `…/response/json`. Any bytes of the cloud are a
//! command, an answer, or neither. What is kept, and what a start makes of it, is `rotate.rs`'s.

use crate::Stream;
use crate::app::{Environment, Shared};
use crate::claim::{CERTIFICATES, fields, object, why_rejected};
use crate::desk::Own;
use crate::exchange::Exchange;
use crate::identity::{DEVICE, NEXT, Token};
use crate::json::{Hex, Quoted};
use crate::rotate::{Reason, Record, State, TRIES, is_id, is_template, sweep};
use crate::service::PACKET_OVERHEAD;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mqtt_ipc::Memory;
use pkcs11::types::CKA_VALUE;
use psa_client::Transport;

/// How long the cloud may take for an answer, microseconds.
const ANSWER_US: u64 = 30_000_000;
/// How much of the cloud's own words is said on, characters.
const MAX_WORDS: usize = 200;
/// Largest request for a certificate, bytes, with its topic.
const MAX_CSR: usize = 1024;

/// What is done next over the connection.
#[derive(Debug, Default, PartialEq, Eq)]
enum Step {
    /// Nothing was looked at on this connection.
    #[default]
    Begin,
    /// Subscribes to commands.
    Commands,
    /// Waits for one.
    Listening,
    /// Subscribes to so many answers more.
    Answers(usize),
    Certificate,
    /// Has one (DER), and asked for the thing.
    Thing(Vec<u8>),
    /// Has to say how it ended.
    Report,
    /// The new identity is whole: the process has to start anew.
    Over,
}

/// A change over the connections of this process.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    prefix: String,
    step: Step,
    until_us: u64,
    /// What came: of a command its id and text; of an answer its last level and body.
    command: Option<(String, Vec<u8>)>,
    answer: Option<(bool, Vec<u8>)>,
    provision: String,
    record: Option<Record>,
    /// The cloud's own words.
    words: String,
    /// A packet of ours was refused.
    forbidden: bool,
}

/// Last levels of a command's topics.
const REQUEST: &str = "/request/json";
const RESPONSE: &str = "/response/json";
const ACCEPTED: &str = "/accepted";
const REJECTED: &str = "/rejected";

impl Rotation {
    pub(crate) fn new(thing: &str) -> Self {
        Rotation {
            prefix: format!("$aws/commands/things/{thing}/executions/"),
            ..Rotation::default()
        }
    }

    /// A connection is up; `known`: the broker has our subscription to commands still.
    pub(crate) fn connected(&mut self, known: bool) {
        // What an earlier connection asked is asked anew.
        self.step = match known && self.step == Step::Listening {
            true => Step::Listening,
            false => Step::Begin,
        };
        self.answer = None;
        self.forbidden = false;
    }

    /// Takes a message that is for this; whether it is.
    pub(crate) fn takes(&mut self, topic: &str, payload: &[u8]) -> bool {
        if let Some(rest) = topic.strip_prefix(&*self.prefix) {
            // Our own answers come back to nobody; others' are not ours to read.
            if let Some(id) = rest.strip_suffix(REQUEST).filter(|id| is_id(id)) {
                self.command = Some((String::from(id), payload.to_vec()));
            }
            return true;
        }
        let of = |base: &str| topic.strip_prefix(base);
        let provision = || of(&self.provision).filter(|_| !self.provision.is_empty());
        let wanted = match self.step {
            Step::Certificate => of(CERTIFICATES),
            Step::Thing(_) => provision(),
            // To what an earlier connection asked.
            _ => return of(CERTIFICATES).or_else(provision).is_some(),
        };
        match wanted {
            Some(last @ (ACCEPTED | REJECTED)) => {
                self.answer = Some((last == ACCEPTED, payload.to_vec()));
                true
            }
            _ => false,
        }
    }

    /// A packet of ours came to its end: the broker's reason, or lost.
    pub(crate) fn done(&mut self, reason: Option<u8>) {
        let good = reason.is_some_and(|reason| reason < 0x80);
        match (&mut self.step, reason) {
            (_, None) => self.step = Step::Begin,
            // Refused, what the record asks for is done all the same.
            (Step::Commands, _) => self.step = Step::Listening,
            (Step::Answers(left), _) if good => *left = left.saturating_sub(1),
            (Step::Answers(_) | Step::Certificate | Step::Thing(_), _) if !good => {
                self.forbidden = true;
            }
            _ => {}
        }
    }
}

/// What a command asks for: the template's name. Two members, each once, of plain text.
pub(crate) fn parse(payload: &[u8]) -> Option<&str> {
    let quoted = |text: &'_ str| -> Option<core::ops::Range<usize>> {
        let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
        let start = text.find('"')? + 1;
        (!inner.contains(['"', '\\'])).then_some(start..start + inner.len())
    };
    let text = core::str::from_utf8(payload).ok()?.trim();
    let body = text.strip_prefix('{')?.strip_suffix('}')?;
    let (mut operation, mut template) = (None, None);
    for member in body.split(',') {
        let (name, value) = member.split_once(':')?;
        let to = match name.get(quoted(name)?)? {
            "operation" => &mut operation,
            "template" => &mut template,
            _ => return None,
        };
        if to.replace(value.get(quoted(value)?)?).is_some() {
            return None;
        }
    }
    template.filter(|name| operation == Some("rotate-certificate") && is_template(name))
}

/// Does what is due; whether that was a packet. Not inlined: what it builds must not lie on the
/// stack under a handshake.
#[inline(never)]
pub(crate) fn turn<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut Exchange<'_>,
) -> bool {
    if shared.config.trial {
        return false;
    }
    let mut rotation = core::mem::take(&mut exchange.desk().rotation);
    let sent = rotation.turn(shared, exchange);
    exchange.desk().rotation = rotation;
    sent
}

impl Rotation {
    fn turn<S: Stream, E: Environment, M: Memory>(
        &mut self,
        shared: &Shared<'_, S, E, M>,
        exchange: &mut Exchange<'_>,
    ) -> bool {
        let psa: &dyn Transport = shared.provider.psa().transport();
        let thing = &shared.config.thing;
        match &self.step {
            Step::Begin => {
                if self.record.is_none() {
                    match Record::read(psa) {
                        Ok(record) => self.record = Some(record),
                        // Without it no change can be made; the identity in use is what it is.
                        Err(status) => {
                            shared.line(format_args!("net-mqtt: record of changes: PSA {status}"));
                            self.step = Step::Over;
                            return false;
                        }
                    }
                }
                let filter = format!("{}+{REQUEST}", self.prefix);
                let sent = exchange.subscribe_own(Own::Rotation, &filter);
                if sent {
                    self.step = Step::Commands;
                }
                sent
            }
            Step::Listening => self.listen(shared, exchange, psa),
            Step::Answers(0) => {
                if exchange.own_room() < MAX_CSR + PACKET_OVERHEAD {
                    return false;
                }
                let request = Token::open(psa).and_then(|mut token| token.request(&NEXT, thing));
                let request = match request {
                    Ok(request) => request,
                    Err(code) => return self.fail(shared, psa, Reason::Token, format!("{code}")),
                };
                let mut pem = String::new();
                // A String takes everything.
                let _ = pkcs11::pem::armour("CERTIFICATE REQUEST", &request, &mut pem);
                let body = object(&[("certificateSigningRequest", &pem)], None);
                let sent = exchange.publish_own(Own::Rotation, CERTIFICATES, &body);
                if sent {
                    self.step = Step::Certificate;
                    self.until_us = shared.now_us().saturating_add(ANSWER_US);
                }
                sent
            }
            Step::Answers(left) => {
                let (base, last) = match left {
                    4 => (CERTIFICATES, ACCEPTED),
                    3 => (CERTIFICATES, REJECTED),
                    2 => (&*self.provision, ACCEPTED),
                    _ => (&*self.provision, REJECTED),
                };
                exchange.subscribe_own(Own::Rotation, &format!("{base}{last}"))
            }
            Step::Certificate | Step::Thing(_) => self.answered(shared, exchange, psa),
            Step::Report => {
                // Said, or never to be: the record is done with.
                if let Some(record) = &mut self.record {
                    record.state = State::Idle;
                    record.template.clear();
                    if let Err(status) = record.write(psa) {
                        shared.line(format_args!("net-mqtt: record of changes: PSA {status}"));
                    }
                }
                self.step = Step::Listening;
                false
            }
            Step::Commands | Step::Over => false,
        }
    }

    /// Nothing is under way on this connection: a command, or what the record says.
    fn listen<S: Stream, E: Environment, M: Memory>(
        &mut self,
        shared: &Shared<'_, S, E, M>,
        exchange: &mut Exchange<'_>,
        psa: &dyn Transport,
    ) -> bool {
        if let Some((id, text)) = self.command.take() {
            return self.command(shared, exchange, psa, &id, &text);
        }
        let Some(record) = &self.record else {
            return false;
        };
        let state = record.state;
        match state {
            State::Requested => {
                let template = &record.template;
                self.provision = format!("$aws/provisioning-templates/{template}/provision/cbor");
                self.step = Step::Answers(4);
                false
            }
            State::Changed | State::Failed(_) => {
                let body = match state {
                    State::Failed(reason) => failure("FAILED", reason.name(), &self.words),
                    _ => success(psa),
                };
                let topic = format!("{}{}{RESPONSE}", self.prefix, record.id);
                let sent = exchange.publish_own(Own::Rotation, &topic, body.as_bytes());
                if sent {
                    shared.line(format_args!("net-mqtt: change of certificate: {body}"));
                    self.step = Step::Report;
                }
                sent
            }
            State::Idle | State::Trying(_) => false,
        }
    }

    fn command<S: Stream, E: Environment, M: Memory>(
        &mut self,
        shared: &Shared<'_, S, E, M>,
        exchange: &mut Exchange<'_>,
        psa: &dyn Transport,
        id: &str,
        text: &[u8],
    ) -> bool {
        let Some(record) = &mut self.record else {
            return false;
        };
        // The broker may say it twice.
        if record.id == id {
            return false;
        }
        let refusal = match (parse(text), record.state) {
            (None, _) => "UNKNOWN_COMMAND",
            (Some(template), State::Idle) => {
                let requested = Record {
                    second: record.second,
                    state: State::Requested,
                    id: String::from(id),
                    template: String::from(template),
                };
                if requested.write(psa).is_ok() {
                    *record = requested;
                    self.words.clear();
                    shared.line(format_args!(
                        "net-mqtt: asked for another certificate by {id}"
                    ));
                    return false;
                }
                "STORAGE_FAILURE"
            }
            (Some(_), _) => "BUSY",
        };
        let topic = format!("{}{id}{RESPONSE}", self.prefix);
        let body = failure("REJECTED", refusal, "");
        let sent = exchange.publish_own(Own::Rotation, &topic, body.as_bytes());
        if sent {
            shared.line(format_args!("net-mqtt: command {id} rejected: {refusal}"));
        } else if self.command.is_none() {
            // No room now: the same at the next turn, unless another came.
            self.command = Some((String::from(id), text.to_vec()));
        }
        sent
    }

    /// What the cloud said, or did not.
    fn answered<S: Stream, E: Environment, M: Memory>(
        &mut self,
        shared: &Shared<'_, S, E, M>,
        exchange: &mut Exchange<'_>,
        psa: &dyn Transport,
    ) -> bool {
        let rejected = Reason::Rejected;
        if self.forbidden {
            let words = String::from("the device's policy does not allow it");
            return self.fail(shared, psa, rejected, words);
        }
        let Some((good, body)) = self.answer.take() else {
            if shared.now_us() < self.until_us {
                return false;
            }
            return self.fail(shared, psa, rejected, String::from("no answer"));
        };
        if !good {
            return self.fail(shared, psa, rejected, why_rejected(&body));
        }
        let malformed = || String::from("the cloud's answer is malformed");
        let thing = &shared.config.thing;
        if let Step::Thing(certificate) = &self.step {
            let named = fields(&body, ["thingName"]).and_then(|[name]| name);
            if named.is_some_and(|name| name != thing.as_str()) {
                let words = String::from("the template names another thing");
                return self.fail(shared, psa, rejected, words);
            }
            let kept = keep(psa, certificate);
            return match kept {
                Ok(()) => self.begin_trial(shared, psa),
                Err(why) => self.fail(shared, psa, Reason::Token, why),
            };
        }
        let names = ["certificatePem", "certificateOwnershipToken"];
        let Some([Some(pem), Some(token)]) = fields(&body, names) else {
            return self.fail(shared, psa, rejected, malformed());
        };
        let all = crate::pem::certificates(pem.as_bytes()).unwrap_or_default();
        let [certificate] = &all[..] else {
            return self.fail(shared, psa, rejected, malformed());
        };
        let request = object(
            &[("certificateOwnershipToken", token)],
            Some(("parameters", &[("ThingName", thing)])),
        );
        let sent = exchange.publish_own(Own::Rotation, &self.provision, &request);
        if sent {
            self.step = Step::Thing(certificate.to_vec());
            self.until_us = shared.now_us().saturating_add(ANSWER_US);
        } else {
            // No room now: the same answer again at the next turn.
            self.answer = Some((true, body));
        }
        sent
    }

    fn begin_trial<S: Stream, E: Environment, M: Memory>(
        &mut self,
        shared: &Shared<'_, S, E, M>,
        psa: &dyn Transport,
    ) -> bool {
        if let Some(record) = &mut self.record {
            record.state = State::Trying(TRIES);
            if let Err(status) = record.write(psa) {
                record.state = State::Requested;
                return self.fail(shared, psa, Reason::Token, format!("PSA {status}"));
            }
        }
        shared.line(format_args!(
            "net-mqtt: a new certificate is here, to be tried"
        ));
        self.step = Step::Over;
        shared.restart.set(true);
        false
    }

    fn fail<S: Stream, E: Environment, M: Memory>(
        &mut self,
        shared: &Shared<'_, S, E, M>,
        psa: &dyn Transport,
        reason: Reason,
        words: String,
    ) -> bool {
        self.words = words;
        self.forbidden = false;
        self.step = Step::Listening;
        if let Some(record) = &mut self.record {
            record.state = State::Failed(reason);
            // What cannot be written now is found Requested at the next start, and tried again.
            let _ = record.write(psa);
        }
        if let Err(code) = sweep(psa) {
            shared.line(format_args!("net-mqtt: what is left of the change: {code}"));
        }
        false
    }
}

/// Stores the new certificate beside its key.
pub(crate) fn keep(psa: &dyn Transport, certificate: &[u8]) -> Result<(), String> {
    let mut token = Token::open(psa).map_err(|code| format!("{code}"))?;
    // Of a change that was cut.
    let gone = token.destroy(NEXT.certificate);
    gone.map_err(|code| format!("{code}"))?;
    let kept = token.accept(&NEXT, certificate);
    kept.map_err(|why| format!("{why}"))
}

fn failure(status: &str, code: &str, words: &str) -> String {
    let words: String = words.chars().take(MAX_WORDS).collect();
    format!(
        "{{\"status\":\"{status}\",\"statusReason\":{{\"reasonCode\":\"{code}\",\"reasonDescription\":{}}}}}",
        Quoted(&words)
    )
}

/// With the new certificate's id, which is what the old one's revocation waits for.
fn success(psa: &dyn Transport) -> String {
    let id = Token::open(psa).and_then(|mut token| {
        let certificate = token.read(DEVICE.certificate, CKA_VALUE)?;
        token.digest(&certificate)
    });
    match id {
        Ok(id) => format!(
            "{{\"status\":\"SUCCEEDED\",\"result\":{{\"certificateId\":{{\"s\":\"{}\"}}}}}}",
            Hex(&id)
        ),
        Err(_) => String::from("{\"status\":\"SUCCEEDED\"}"),
    }
}

//! Fleet provisioning by claim: a device with a certificate that it shares gets one of its own.
//!
//! Owns what is asked of the cloud and in which order (reference/aws-iot.md §10): with the claim's
//! identity a certificate for a key made in the secure world (`create-from-csr`), then the thing
//! (`provision`), both in CBOR, where a certificate in PEM needs no escapes. And what is stored
//! when: nothing before the cloud has made the thing; then its name, then the certificate, which
//! makes the identity whole; then the claim goes, the template's name last. A power cut before the
//! certificate starts over with the same key, one after it finds an identity and drops the rest of
//! the claim. Does not own the connection (`session.rs`) or what a certificate has to be
//! (`identity.rs`).
//!
//! What a cut between the cloud's answer and the certificate leaves behind is a certificate in the
//! cloud's registry for this device's own key, which nobody else has.

use crate::Why;
use crate::config::{Config, ConfigError, UID_SERIAL, UID_TEMPLATE, UID_THING, is_thing, name};
use crate::identity::{DEVICE, Token};
use crate::mqtt::{Client, Event, Refusal, Settings};
use crate::service::Service;
use crate::session::Conversation;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use mqtt_ipc::Memory;
use pkcs11::objects::{CLAIM_CERTIFICATE, CLAIM_PRIVATE_KEY};
use pkcs11::types::CKR_OBJECT_HANDLE_INVALID;
use psa_client::{Transport, ps};
use psa_interface::Status;

/// Id of the claim's key in the SPE.
pub const CLAIM_KEY: u32 = 2;
/// PS uid of the claim's certificate.
const UID_CLAIM_CERTIFICATE: u64 = 11;
/// Topic of the certificate's request.
pub(crate) const CERTIFICATES: &str = "$aws/certificates/create-from-csr/cbor";
/// How long the cloud may take for an answer, microseconds.
const ANSWER_US: u64 = 30_000_000;
/// Keep-alive, seconds; nothing here takes that long.
const KEEP_ALIVE_S: u16 = 60;
/// Longest template name (AWS), bytes.
const MAX_TEMPLATE: usize = 36;
/// How much of the cloud's own words is shown, characters.
const MAX_WORDS: usize = 120;

/// What a device has before it has an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Name of the provisioning template.
    pub template: String,
    /// The template's parameter `SerialNumber`; also the client id of the claim's connection.
    pub serial: String,
}

impl Claim {
    /// The claim, and how to connect with it; `None` when there is none.
    ///
    /// # Errors
    /// Which object is missing or malformed.
    pub fn load(transport: &dyn Transport) -> Result<Option<(Config, Claim)>, ConfigError> {
        let template = match name(transport, UID_TEMPLATE) {
            Err(ConfigError::Read(_, Status::DOES_NOT_EXIST)) => return Ok(None),
            template => template?,
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if template.is_empty() || template.len() > MAX_TEMPLATE || !template.chars().all(legal) {
            return Err(ConfigError::Malformed(UID_TEMPLATE));
        }
        let serial = name(transport, UID_SERIAL)?;
        if !is_thing(&serial) {
            return Err(ConfigError::Malformed(UID_SERIAL));
        }
        let shared = (CLAIM_CERTIFICATE, UID_CLAIM_CERTIFICATE, CLAIM_PRIVATE_KEY);
        let config = Config::of(transport, serial.clone(), shared)?;
        Ok(Some((config, Claim { template, serial })))
    }

    /// Drops what is left of a claim, for a device that has its own identity; whether there was
    /// anything. The template's name goes last: while it is there, there may be more.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn forget(transport: &dyn Transport) -> Result<bool, ConfigError> {
        match ps::get_info(&transport, UID_TEMPLATE) {
            Err(Status::DOES_NOT_EXIST) => return Ok(false),
            found => found.map_err(|status| ConfigError::Read(UID_TEMPLATE, status))?,
        };
        let refused = |label| move |code| ConfigError::Token(label, code);
        let mut token = Token::open(transport).map_err(refused("token"))?;
        for label in [CLAIM_PRIVATE_KEY, CLAIM_CERTIFICATE] {
            match token.destroy(label) {
                Ok(()) | Err(CKR_OBJECT_HANDLE_INVALID) => {}
                Err(code) => return Err(ConfigError::Token(label, code)),
            }
        }
        for uid in [UID_SERIAL, UID_TEMPLATE] {
            match ps::remove(&transport, uid) {
                Ok(()) | Err(Status::DOES_NOT_EXIST) => {}
                Err(status) => return Err(ConfigError::Read(uid, status)),
            }
        }
        Ok(true)
    }
}

/// Whose a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Filter,
    Request,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Waits for CONNACK, then for so many filters.
    Subscribing(usize),
    /// Asked for a certificate.
    Certificate,
    /// Has one (DER), and asked for the thing.
    Thing(Vec<u8>),
    Over,
}

/// One claim until it has become an identity.
pub struct Claiming<'b> {
    session: Client<'b, Tag>,
    psa: &'b dyn Transport,
    claim: Claim,
    provision: String,
    step: Step,
    /// Until when the present answer may come, microseconds.
    until: u64,
    thing: String,
}

impl<'b> Claiming<'b> {
    /// For `claim`, storing through `psa`; `receive` holds the largest packet taken, `send` what
    /// is in flight.
    pub fn new(
        claim: Claim,
        psa: &'b dyn Transport,
        receive: &'b mut [u8],
        send: &'b mut [u8],
    ) -> Self {
        let settings = Settings {
            client_id: claim.serial.clone(),
            keep_alive: KEEP_ALIVE_S,
            session_expiry: 0,
            will: None,
        };
        let mut session = Client::new(settings, receive, send);
        session.start_clean();
        Claiming {
            session,
            psa,
            provision: format!(
                "$aws/provisioning-templates/{}/provision/cbor",
                claim.template
            ),
            claim,
            step: Step::Subscribing(0),
            until: 0,
            thing: String::new(),
        }
    }

    /// The name that the cloud gave; empty before.
    pub fn thing(&self) -> &str {
        &self.thing
    }

    fn event(&mut self, event: Event<Tag>, now_us: u64) -> Result<(), Why> {
        match event {
            Event::Connected(_) => {
                for base in [CERTIFICATES, &self.provision] {
                    for last in ["accepted", "rejected"] {
                        let filter = format!("{base}/{last}");
                        let sent = self.session.subscribe(Tag::Filter, &filter, true);
                        sent.map_err(not_sent)?;
                    }
                }
                self.step = Step::Subscribing(4);
                self.until = now_us.saturating_add(ANSWER_US);
            }
            Event::Done(tag, Some(reason)) if reason >= 0x80 => {
                let what = match (tag, &self.step) {
                    (Tag::Filter, _) => "its answers may not be subscribed to",
                    (_, Step::Certificate) => "a certificate may not be asked for",
                    _ => "the template may not be used",
                };
                let reason = crate::mqtt::reason_name(reason);
                return Err(Why::Claim(format!("the claim's policy: {what} ({reason})")));
            }
            Event::Done(Tag::Filter, Some(_)) => {
                if let Step::Subscribing(left) = &mut self.step {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        self.ask_certificate(now_us)?;
                    }
                }
            }
            // A connection that ends says why itself.
            Event::Done(..) => {}
            Event::Message => {
                let Some(message) = self.session.message() else {
                    return Ok(());
                };
                let (topic, payload) = (String::from(message.topic), message.payload.to_vec());
                if let Some(ack) = self.session.take_message() {
                    self.session.acknowledge(ack);
                }
                self.message(&topic, &payload, now_us)?;
            }
        }
        Ok(())
    }

    fn ask_certificate(&mut self, now_us: u64) -> Result<(), Why> {
        let token = Token::open(self.psa);
        let request = token.and_then(|mut token| token.request(&DEVICE, &self.claim.serial));
        let request = request.map_err(|code| Why::Claim(format!("certificate request: {code}")))?;
        let mut pem = String::new();
        // A String takes everything.
        let _ = pkcs11::pem::armour("CERTIFICATE REQUEST", &request, &mut pem);
        let body = object(&[("certificateSigningRequest", &pem)], None);
        self.step = Step::Certificate;
        self.ask(CERTIFICATES.into(), &body, now_us)
    }

    fn ask(&mut self, topic: String, body: &[u8], now_us: u64) -> Result<(), Why> {
        self.until = now_us.saturating_add(ANSWER_US);
        let sent = self.session.publish(Tag::Request, &topic, body, true);
        sent.map_err(not_sent)
    }

    fn message(&mut self, topic: &str, payload: &[u8], now_us: u64) -> Result<(), Why> {
        let Some((base, last)) = topic.rsplit_once('/') else {
            return Ok(());
        };
        match (&self.step, last) {
            (Step::Certificate, _) if base != CERTIFICATES => Ok(()),
            (Step::Thing(_), _) if base != self.provision => Ok(()),
            (Step::Certificate | Step::Thing(_), "rejected") => Err(rejection(payload)),
            (Step::Certificate, "accepted") => {
                let names = ["certificatePem", "certificateOwnershipToken"];
                let malformed = || Why::Claim("the cloud's certificate is malformed".into());
                let [pem, token] = fields(payload, names).ok_or_else(malformed)?;
                let (pem, token) = pem.zip(token).ok_or_else(malformed)?;
                let all = crate::pem::certificates(pem.as_bytes()).ok_or_else(malformed)?;
                let [certificate] = &all[..] else {
                    return Err(malformed());
                };
                let body = object(
                    &[("certificateOwnershipToken", token)],
                    Some(("parameters", &[("SerialNumber", &self.claim.serial)])),
                );
                self.step = Step::Thing(certificate.to_vec());
                self.ask(self.provision.clone(), &body, now_us)
            }
            (Step::Thing(certificate), "accepted") => {
                let named = fields(payload, ["thingName"]).and_then(|[name]| name);
                let thing = named.filter(|name| is_thing(name));
                let thing =
                    thing.ok_or_else(|| Why::Claim("the template names no thing".into()))?;
                if placeholder::is_placeholder(thing) {
                    return Err(Why::Claim(format!(
                        "the template's thing name is a placeholder: {thing}"
                    )));
                }
                store(self.psa, thing, certificate)?;
                self.thing = thing.into();
                self.step = Step::Over;
                self.session.say_goodbye(0);
                Ok(())
            }
            // An answer to what an earlier connection asked.
            _ => Ok(()),
        }
    }
}

/// Makes the identity whole, then drops the claim.
fn store(psa: &dyn Transport, thing: &str, certificate: &[u8]) -> Result<(), Why> {
    let stored = ps::set(&psa, UID_THING, thing.as_bytes(), 0);
    stored.map_err(|status| Why::Claim(format!("thing name (PS {UID_THING}): PSA {status}")))?;
    let accepted = match Token::open(psa) {
        Ok(mut token) => token.accept(&DEVICE, certificate),
        Err(code) => Err(code.into()),
    };
    accepted.map_err(|why| Why::Claim(format!("the cloud's certificate is refused: {why}")))?;
    // What does not go now goes at the next start.
    let _ = Claim::forget(psa);
    Ok(())
}

impl Conversation for Claiming<'_> {
    const FAILED: [&'static str; 2] = ["claim failed", "claim failed"];

    fn connect(&mut self, now_us: u64) {
        self.step = Step::Subscribing(0);
        self.session.connect(now_us);
    }

    fn is_up(&self) -> bool {
        self.session.is_up()
    }

    fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    fn output(&mut self, now_us: u64) -> &[u8] {
        self.session.output(now_us)
    }

    fn wrote(&mut self, len: usize, now_us: u64) {
        self.session.wrote(len, now_us);
    }

    fn room(&mut self) -> &mut [u8] {
        self.session.room()
    }

    fn arrived(&mut self, len: usize, now_us: u64) {
        self.session.arrived(len, now_us);
    }

    /// The clients are served as without a connection: they have no name yet.
    fn turn<M: Memory>(&mut self, _: &mut Service<'_, M>, now_us: u64) -> Result<bool, Why> {
        let mut busy = false;
        while !self.is_over()
            && let Some(event) = self.session.next(now_us)?
        {
            self.event(event, now_us)?;
            busy = true;
        }
        let late = match self.step {
            _ if !self.session.is_up() || now_us < self.until => return Ok(busy),
            Step::Subscribing(_) => "subscription to the claim's answers",
            Step::Certificate => "certificate for the claim",
            Step::Thing(_) => "thing for the claim",
            Step::Over => return Ok(busy),
        };
        Err(Why::TimedOut(late))
    }

    fn disconnected<M: Memory>(&mut self, _: &mut Service<'_, M>, now_us: u64) {
        self.session.disconnected();
        // Requests of this connection: the next one asks anew. With the connection gone no
        // failure can come.
        while let Ok(Some(_)) = self.session.next(now_us) {}
        if !self.is_over() {
            self.session.start_clean();
        }
    }
}

fn not_sent(refusal: Refusal) -> Why {
    match refusal {
        Refusal::Unsupported => Why::Claim("the broker has no QoS 1".into()),
        Refusal::TooLarge => Why::Claim("the broker takes no packet of this size".into()),
        Refusal::Offline | Refusal::Busy => Why::Disconnected,
    }
}

/// `{statusCode, errorCode, errorMessage}`, in words.
fn rejection(payload: &[u8]) -> Why {
    Why::Claim(why_rejected(payload))
}

/// The same, as text.
pub(crate) fn why_rejected(payload: &[u8]) -> String {
    let [code, message] = fields(payload, ["errorCode", "errorMessage"]).unwrap_or_default();
    let mut words = String::from("refused");
    for part in [code, message].into_iter().flatten() {
        words.push_str(": ");
        // Of the cloud, but for the console all the same: one line of printable characters.
        words.extend(part.escape_default().take(MAX_WORDS));
    }
    words
}

/// A CBOR map of texts, and one such map in it.
pub(crate) fn object(texts: &[(&str, &str)], inner: Option<(&str, &[(&str, &str)])>) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    // A Vec takes everything.
    let _ = e.map(texts.len() as u64 + u64::from(inner.is_some()));
    for (name, value) in texts {
        let _ = e.str(name).and_then(|e| e.str(value));
    }
    if let Some((name, texts)) = inner {
        let _ = e.str(name).and_then(|e| e.map(texts.len() as u64));
        for (name, value) in texts {
            let _ = e.str(name).and_then(|e| e.str(value));
        }
    }
    e.into_writer()
}

/// The texts of these names in a CBOR map, definite or not; `None` if it is none.
pub(crate) fn fields<'p, const N: usize>(
    payload: &'p [u8],
    names: [&str; N],
) -> Option<[Option<&'p str>; N]> {
    let mut found = [None; N];
    let mut d = Decoder::new(payload);
    let mut left = d.map().ok()?;
    loop {
        match &mut left {
            Some(0) => break,
            Some(left) => *left -= 1,
            None if d.datatype().ok()? == Type::Break => break,
            None => {}
        }
        let name = d.str().ok()?;
        let place = names.iter().position(|wanted| *wanted == name);
        match place.and_then(|place| found.get_mut(place)) {
            Some(to) if d.datatype().ok()? == Type::String => *to = Some(d.str().ok()?),
            _ => d.skip().ok()?,
        }
    }
    Some(found)
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;

//! The agent's course, driven by messages and time.
//!
//! Owns what happens next: subscribe, ask for the next job, download, report, reboot, and the
//! self-test after it. One report is under way at a time, and is repeated until the service has
//! answered it. Invariant: nothing is installed that is not remembered across the reboot.

use crate::document::{self, Code, Execution, JOB_ID, version_text};
use crate::memory::Memory;
use crate::stream;
use crate::update::{Reason, Update, make_ready};
use core::fmt::{Arguments, Write};
use heapless::String;
use psa_client::fwu::{self, COMPONENT_NONSECURE, COMPONENT_SECURE, FwuState};
use psa_client::{Status, Transport};

/// Time for a new image to prove itself, milliseconds.
const SELF_TEST_MS: u64 = 120_000;
/// Silence after which blocks are asked for again; it grows to five times that.
const BLOCK_TIMEOUT_MS: u64 = 2_000;
/// Requests in a row that brought no block, after which the job fails (four minutes).
const MAX_FRUITLESS: u32 = 32;
/// Silence after which a request or a report is sent again.
const ANSWER_TIMEOUT_MS: u64 = 10_000;
/// Pause before asking again after an answer that made no sense.
const PAUSE_MS: u64 = 30_000;
/// Pause before a refused subscription is tried again.
const SUBSCRIBE_PAUSE_MS: u64 = 1_000;
/// Failed self-tests of one job before it fails.
const MAX_REJECTED: u8 = 3;
/// Installations of one job before it fails: a power cut during the trial reverts the image, too,
/// and cannot be told from an image that crashed.
const MAX_ATTEMPTS: u8 = 6;

/// What reaches the agent.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The connection to the broker came up or went down.
    Link(bool),
    /// A message on a topic that the agent subscribed to.
    Message {
        /// Topic.
        topic: &'a str,
        /// Payload.
        payload: &'a [u8],
    },
    /// The request with this number ended, well or not.
    Result(u32, bool),
}

/// How the agent reaches the MQTT service and a person; a request that cannot be taken now
/// gives `None` and is made again later.
pub trait Outlet {
    /// Publishes, QoS 1 when `acknowledged`.
    fn publish(&mut self, topic: &str, payload: &[u8], acknowledged: bool) -> Option<u32>;
    /// Subscribes at QoS 1.
    fn subscribe(&mut self, filter: &str) -> Option<u32>;
    /// Says a line.
    fn log(&mut self, line: Arguments<'_>);
}

/// Filters, below `$aws/things/<thing>/`.
const FILTERS: [&str; 5] = [
    "jobs/notify-next",
    "jobs/start-next/+",
    "jobs/+/update/+",
    "streams/+/data/cbor",
    "streams/+/rejected/cbor",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Filters from this one on are missing; the number of the request under way, and when to
    /// make it again.
    Subscribing(usize, Option<(u32, u64)>),
    /// `start-next` has to go out.
    Asking,
    /// It went out then.
    Asked(u64),
    /// Nothing to do, or a job under way.
    Settled,
    /// Ask again then.
    Paused(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The image is installed.
    Reboot,
    /// The job has ended.
    NextJob,
}

#[derive(Debug, Clone)]
struct Report {
    status: &'static str,
    /// Name and value of the one status detail.
    detail: (&'static str, String<48>),
    after: After,
    sent: Option<u64>,
}

/// The agent for one thing.
pub struct Agent<T> {
    transport: T,
    thing: String<128>,
    online: bool,
    phase: Phase,
    /// Job under way and its version.
    job: Option<(String<JOB_ID>, u64)>,
    update: Option<Update>,
    /// Blocks still to come of the last request, and when one was last seen.
    outstanding: u32,
    last_block: u64,
    /// Requests since the last block.
    fruitless: u32,
    report: Option<Report>,
    memory: Option<Memory>,
    /// Until when an image on trial must have proved itself.
    self_test: Option<u64>,
    progress: u32,
}

impl<T: Transport> Agent<T> {
    /// Starts the agent; `now` is in milliseconds and never goes back.
    pub fn new(transport: T, thing: String<128>, now: u64) -> Self {
        let on_trial = [COMPONENT_SECURE, COMPONENT_NONSECURE]
            .into_iter()
            .any(|c| fwu::query(&transport, c).is_ok_and(|info| info.state == FwuState::Trial));
        let memory = Memory::load(&transport);
        Agent {
            transport,
            thing,
            online: false,
            phase: Phase::Subscribing(0, None),
            job: None,
            update: None,
            outstanding: 0,
            last_block: now,
            fruitless: 0,
            report: None,
            memory,
            self_test: on_trial.then_some(now + SELF_TEST_MS),
            progress: 0,
        }
    }

    /// Whether a job is being worked on.
    pub fn is_busy(&self) -> bool {
        self.update.is_some() || self.report.is_some()
    }

    /// Takes what happened.
    pub fn input(&mut self, input: Input<'_>, now: u64, out: &mut impl Outlet) {
        match input {
            Input::Link(online) => self.link(online),
            Input::Result(number, ok) => {
                if !ok {
                    // What is refused is asked again after its timeout: a line each is not many.
                    out.log(format_args!(
                        "ota-agent: a request for thing {} was refused; trying again",
                        self.thing
                    ));
                }
                if let Phase::Subscribing(next, Some((waiting, _))) = self.phase
                    && waiting == number
                {
                    self.phase = if ok {
                        Phase::Subscribing(next + 1, None)
                    } else {
                        // Numbers go up: this one does not come again.
                        Phase::Subscribing(next, Some((number, now + SUBSCRIBE_PAUSE_MS)))
                    };
                }
            }
            Input::Message { topic, payload } => self.message(topic, payload, now, out),
        }
        self.tick(now, out);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: u64, out: &mut impl Outlet) {
        if self.self_test.is_some_and(|deadline| now >= deadline) {
            self.self_test = None;
            self.roll_back(out);
        }
        if !self.online {
            return;
        }
        match self.phase {
            Phase::Subscribing(next, None) => self.subscribe(next, now, out),
            Phase::Subscribing(next, Some((_, then))) if now >= then => {
                self.subscribe(next, now, out);
            }
            Phase::Asking => self.ask(now, out),
            Phase::Asked(then) if now >= then + ANSWER_TIMEOUT_MS => self.phase = Phase::Asking,
            Phase::Paused(until) if now >= until => self.phase = Phase::Asking,
            _ => {}
        }
        self.send_report(now, out);
        self.request_blocks(now, out);
    }

    /// The new image did not prove itself: back to the old one.
    fn roll_back(&mut self, out: &mut impl Outlet) {
        out.log(format_args!(
            "ota-agent: self-test failed: no answer from the cloud; rolling back"
        ));
        if fwu::reject(&self.transport, 0).is_err() {
            return;
        }
        if let Some(memory) = &mut self.memory {
            memory.rejected = memory.rejected.saturating_add(1);
            // Not counted then, but rolled back all the same.
            let _ = memory.store(&self.transport);
        }
        if let Err(e) = fwu::request_reboot(&self.transport) {
            out.log(format_args!("ota-agent: rebooting failed: {e:?}"));
        }
    }

    fn link(&mut self, online: bool) {
        if online == self.online {
            return;
        }
        self.online = online;
        // Subscriptions that the service kept are confirmed at once; what else was under way may
        // be lost, so that the job is asked for again.
        self.phase = Phase::Subscribing(0, None);
        self.outstanding = 0;
        if let Some(report) = &mut self.report {
            report.sent = None;
        }
    }

    fn subscribe(&mut self, next: usize, now: u64, out: &mut impl Outlet) {
        let Some(filter) = FILTERS.get(next) else {
            self.phase = Phase::Asking;
            return;
        };
        let mut topic = String::<256>::new();
        if write!(topic, "$aws/things/{}/{filter}", self.thing).is_ok() {
            let number = out.subscribe(&topic);
            let waiting = number.map(|number| (number, now + ANSWER_TIMEOUT_MS));
            self.phase = Phase::Subscribing(next, waiting);
        }
    }

    fn ask(&mut self, now: u64, out: &mut impl Outlet) {
        let mut topic = String::<256>::new();
        if write!(topic, "$aws/things/{}/jobs/start-next", self.thing).is_ok()
            && out.publish(&topic, b"{}", true).is_some()
        {
            self.phase = Phase::Asked(now);
        }
    }

    fn message(&mut self, topic: &str, payload: &[u8], now: u64, out: &mut impl Outlet) {
        let Some(rest) = topic
            .strip_prefix("$aws/things/")
            .and_then(|t| t.strip_prefix(self.thing.as_str()))
            .and_then(|t| t.strip_prefix('/'))
        else {
            return;
        };
        if let Some(operation) = rest.strip_prefix("jobs/") {
            match operation {
                "start-next/accepted" => self.answered(payload, now, out),
                "start-next/rejected" => {
                    if matches!(self.phase, Phase::Asked(_)) {
                        self.phase = Phase::Paused(now + PAUSE_MS);
                        self.prove(out);
                    }
                }
                // Whatever the head of the list is now, `start-next` tells; a notice may be old.
                "notify-next" => {
                    if !matches!(self.phase, Phase::Subscribing(..)) {
                        self.phase = Phase::Asking;
                    }
                }
                _ => self.report_answered(operation, payload, now, out),
            }
        } else if let Some(stream) = rest.strip_prefix("streams/") {
            self.stream(stream, payload, now, out);
        }
    }

    /// The cloud has answered: an image on trial has proved itself. Whether none is left on trial.
    fn prove(&mut self, out: &mut impl Outlet) -> bool {
        if self.self_test.is_none() {
            return true;
        }
        match fwu::accept(&self.transport) {
            Ok(()) => {
                self.self_test = None;
                out.log(format_args!("ota-agent: the new image is accepted"));
                true
            }
            // Tried again with the next answer, until time is over.
            Err(e) => {
                out.log(format_args!("ota-agent: accepting failed: {e:?}"));
                false
            }
        }
    }

    fn answered(&mut self, payload: &[u8], now: u64, out: &mut impl Outlet) {
        if !matches!(self.phase, Phase::Asked(_)) {
            return;
        }
        if !self.prove(out) {
            self.phase = Phase::Paused(now + PAUSE_MS);
            return;
        }
        self.phase = Phase::Settled;
        match document::reply(payload) {
            Ok(reply) => match reply.execution {
                Some(execution) => self.execution(execution, now, out),
                None => {
                    self.drop_job("gone", out);
                    self.forget();
                }
            },
            Err(Some((job, version))) => {
                let execution = Execution {
                    job,
                    version: version.unwrap_or(0),
                    file: Err("malformed job document"),
                };
                self.execution(execution, now, out);
            }
            Err(None) => {
                out.log(format_args!(
                    "ota-agent: an answer of the Jobs service makes no sense"
                ));
                self.phase = Phase::Paused(now + PAUSE_MS);
            }
        }
    }

    fn execution(&mut self, execution: Execution, now: u64, out: &mut impl Outlet) {
        let Execution { job, version, file } = execution;
        let same = self.job.as_ref().is_some_and(|(ours, _)| *ours == job);
        if !same {
            self.drop_job("superseded", out);
        }
        self.job = Some((job.clone(), version));
        if self.is_busy() {
            return;
        }
        if let Some(memory) = self.memory.clone().filter(|m| m.job == job) {
            let running = fwu::query(&self.transport, memory.component).map(|info| info.version);
            if running == Ok(memory.version) {
                out.log(format_args!("ota-agent: job {job} accepted"));
                let _ = make_ready(&self.transport, memory.component);
                let mut detail = String::new();
                let _ = write!(detail, "accepted v{}", version_text(&memory.version));
                self.set_report("SUCCEEDED", ("reason", detail), After::NextJob);
                return;
            }
            if memory.rejected >= MAX_REJECTED || memory.attempts >= MAX_ATTEMPTS {
                self.fail("rolled back", out);
                return;
            }
            out.log(format_args!(
                "ota-agent: job {job}: the new image did not stay; trying again"
            ));
        } else {
            self.forget();
        }
        match file.and_then(|file| Update::begin(&self.transport, file)) {
            Ok(update) => {
                self.update = Some(update);
                self.outstanding = 0;
                self.fruitless = 0;
                self.progress = 0;
                self.last_block = now;
            }
            Err(reason) => self.fail(reason, out),
        }
    }

    fn stream(&mut self, topic: &str, payload: &[u8], now: u64, out: &mut impl Outlet) {
        let Some(update) = &mut self.update else {
            return;
        };
        let ours = topic.strip_prefix(update.file.stream.as_str());
        if ours == Some("/rejected/cbor") {
            if stream::rejection_is_final(payload) {
                self.end_update("the stream is not to be had", out);
            }
            return;
        }
        if ours != Some("/data/cbor") {
            return;
        }
        // A block that makes no sense is as good as lost: the timeout asks again.
        let Ok(data) = stream::data(payload) else {
            return;
        };
        if data.file != u64::from(update.file.id) || update.blocks.complete() {
            return;
        }
        match update.block(&self.transport, data.index, data.payload) {
            Ok(true) => {
                self.outstanding = self.outstanding.saturating_sub(1);
                self.last_block = now;
                self.fruitless = 0;
                self.progressed(out);
            }
            Ok(false) => {}
            Err(reason) => self.end_update(reason, out),
        }
    }

    /// Says how far it is, now and then; ends the download when all is there.
    fn progressed(&mut self, out: &mut impl Outlet) {
        let (Some(update), Some((job, _))) = (&self.update, &self.job) else {
            return;
        };
        let (done, count) = (update.blocks.done(), update.blocks.count());
        if update.blocks.complete() || done >= self.progress + crate::WINDOW {
            self.progress = done;
            out.log(format_args!("ota-agent: job {job}: {done}/{count} blocks"));
        }
        if update.blocks.complete() {
            match self.install() {
                Ok(()) => {}
                Err(reason) => self.end_update(reason, out),
            }
        }
    }

    fn install(&mut self) -> Result<(), Reason> {
        let (Some(update), Some((job, _))) = (&self.update, &self.job) else {
            return Ok(());
        };
        update.verify(&self.transport)?;
        let version = update.version.ok_or("no MCUboot image")?;
        let before = self.memory.as_ref().filter(|m| m.job == *job);
        let memory = Memory {
            attempts: before.map_or(0, |m| m.attempts).saturating_add(1),
            rejected: before.map_or(0, |m| m.rejected),
            component: update.file.component,
            version,
            job: job.clone(),
        };
        memory
            .store(&self.transport)
            .map_err(|_| "the job cannot be remembered")?;
        self.memory = Some(memory);
        fwu::install(&self.transport).map_err(|status| match status {
            Status::DEPENDENCY_NEEDED => "needs a newer version of the other image",
            _ => "the installation was refused",
        })?;
        self.update = None;
        let mut detail = String::new();
        let _ = detail.push_str("ready");
        self.set_report("IN_PROGRESS", ("self_test", detail), After::Reboot);
        Ok(())
    }

    /// The update failed: its candidate goes, the job is told.
    fn end_update(&mut self, reason: Reason, out: &mut impl Outlet) {
        if let Some(update) = self.update.take() {
            let _ = make_ready(&self.transport, update.file.component);
        }
        self.fail(reason, out);
    }

    fn fail(&mut self, reason: Reason, out: &mut impl Outlet) {
        let Some((job, _)) = &self.job else { return };
        out.log(format_args!("ota-agent: job {job} failed: {reason}"));
        let mut detail = String::new();
        // Every reason in this crate is shorter; an empty value would be refused.
        let _ = detail.push_str(reason.get(..48).unwrap_or(reason));
        self.set_report("FAILED", ("reason", detail), After::NextJob);
    }

    fn set_report(
        &mut self,
        status: &'static str,
        detail: (&'static str, String<48>),
        after: After,
    ) {
        self.report = Some(Report {
            status,
            detail,
            after,
            sent: None,
        });
    }

    /// The job is no longer ours to finish: nothing of it stays, staged or not.
    fn drop_job(&mut self, why: &str, out: &mut impl Outlet) {
        let installed = self.report.take().filter(|r| r.after == After::Reboot);
        let update = self.update.take();
        if let Some((job, _)) = self.job.take()
            && (installed.is_some() || update.is_some())
        {
            out.log(format_args!("ota-agent: job {job} {why}"));
        }
        let component = match (&update, &self.memory) {
            (Some(update), _) => Some(update.file.component),
            (None, Some(memory)) if installed.is_some() => Some(memory.component),
            _ => None,
        };
        if let Some(component) = component {
            let _ = make_ready(&self.transport, component);
            self.forget();
        }
    }

    fn forget(&mut self) {
        if self.memory.take().is_some() {
            Memory::forget(&self.transport);
        }
    }

    fn send_report(&mut self, now: u64, out: &mut impl Outlet) {
        let (Some(report), Some((job, version))) = (&mut self.report, &self.job) else {
            return;
        };
        if matches!(self.phase, Phase::Subscribing(..))
            || report
                .sent
                .is_some_and(|then| now < then + ANSWER_TIMEOUT_MS)
        {
            return;
        }
        let mut topic = String::<256>::new();
        let mut body = String::<256>::new();
        let (name, value) = &report.detail;
        let ok = write!(topic, "$aws/things/{}/jobs/{job}/update", self.thing).is_ok()
            && write!(
                body,
                "{{\"status\":\"{}\",\"statusDetails\":{{\"{name}\":\"{value}\"}},\"expectedVersion\":\"{version}\"}}",
                report.status
            )
            .is_ok();
        if ok && out.publish(&topic, body.as_bytes(), true).is_some() {
            report.sent = Some(now);
        }
    }

    fn report_answered(
        &mut self,
        operation: &str,
        payload: &[u8],
        now: u64,
        out: &mut impl Outlet,
    ) {
        let (Some(report), Some((job, version))) = (&mut self.report, &mut self.job) else {
            return;
        };
        let Some(answer) = operation
            .strip_prefix(job.as_str())
            .and_then(|o| o.strip_prefix("/update/"))
        else {
            return;
        };
        if report.sent.is_none() {
            return;
        }
        if answer == "accepted" {
            *version += 1;
            self.reported(now, out);
            return;
        }
        let rejection = document::rejection(payload);
        // The last report again, whose answer was lost. Which of the two codes says so depends on
        // whether versions or states are compared first.
        let already = report.after == After::NextJob
            && rejection
                .state
                .as_ref()
                .is_some_and(|(status, _)| status == report.status);
        match (rejection.code, rejection.state) {
            (Code::InvalidStateTransition | Code::VersionMismatch, _) if already => {
                self.reported(now, out);
            }
            (Code::InvalidStateTransition | Code::ResourceNotFound, _) => {
                self.drop_job("gone", out);
                self.phase = Phase::Asking;
            }
            (Code::VersionMismatch, Some((_, current))) if current != *version => {
                *version = current;
                report.sent = None;
            }
            // Throttled, or an error of theirs: the timeout sends it again.
            _ => report.sent = Some(now),
        }
    }

    fn reported(&mut self, now: u64, out: &mut impl Outlet) {
        let Some(report) = self.report.take() else {
            return;
        };
        match report.after {
            After::Reboot => {
                if let Some((job, _)) = &self.job {
                    out.log(format_args!("ota-agent: job {job} installed, rebooting"));
                }
                if let Err(e) = fwu::request_reboot(&self.transport) {
                    out.log(format_args!("ota-agent: rebooting failed: {e:?}"));
                    self.phase = Phase::Paused(now + PAUSE_MS);
                }
            }
            After::NextJob => {
                self.job = None;
                self.forget();
                self.phase = Phase::Asking;
            }
        }
    }

    fn request_blocks(&mut self, now: u64, out: &mut impl Outlet) {
        let Some(update) = &self.update else { return };
        let patience = BLOCK_TIMEOUT_MS * u64::from((1 + self.fruitless / 4).min(5));
        if self.phase != Phase::Settled
            || (self.outstanding > 0 && now < self.last_block + patience)
        {
            return;
        }
        let Some((first, bits)) = update.blocks.wanted() else {
            return;
        };
        if self.fruitless >= MAX_FRUITLESS {
            self.end_update("no blocks arrive", out);
            return;
        }
        let mut topic = String::<256>::new();
        let mut body = [0; 64];
        let length = stream::request(update.file.id, first, bits, &mut body);
        let written = write!(
            topic,
            "$aws/things/{}/streams/{}/get/cbor",
            self.thing, update.file.stream
        );
        let body = body.get(..length).unwrap_or_default();
        if written.is_ok() && out.publish(&topic, body, false).is_some() {
            self.outstanding = bits.count_ones();
            self.fruitless += 1;
            self.last_block = now;
        }
    }
}

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
use psa_client::Transport;
use psa_client::fwu::{self, COMPONENT_NONSECURE, COMPONENT_SECURE, FwuState};

/// Time for a new image to prove itself, milliseconds.
const SELF_TEST_MS: u64 = 120_000;
/// Silence after which blocks are asked for again.
const BLOCK_TIMEOUT_MS: u64 = 2_000;
/// Silence after which a request or a report is sent again.
const ANSWER_TIMEOUT_MS: u64 = 10_000;
/// Pause before asking again after an answer that made no sense.
const PAUSE_MS: u64 = 30_000;
/// Installations of one job before it fails: a power cut during the trial reverts the image, too.
const MAX_ATTEMPTS: u8 = 3;

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
    /// Filters from this one on are missing; the number of the request under way.
    Subscribing(usize, Option<u32>),
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
                if let Phase::Subscribing(next, Some(waiting)) = self.phase
                    && waiting == number
                {
                    self.phase = Phase::Subscribing(if ok { next + 1 } else { next }, None);
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
            out.log(format_args!(
                "ota-agent: self-test failed: no connection; rolling back"
            ));
            if fwu::reject(&self.transport, 0).is_ok() {
                let _ = fwu::request_reboot(&self.transport);
            }
        }
        if !self.online {
            return;
        }
        match self.phase {
            Phase::Subscribing(next, None) => self.subscribe(next, out),
            Phase::Asking => self.ask(now, out),
            Phase::Asked(then) if now >= then + ANSWER_TIMEOUT_MS => self.phase = Phase::Asking,
            Phase::Paused(until) if now >= until => self.phase = Phase::Asking,
            _ => {}
        }
        self.send_report(now, out);
        self.request_blocks(now, out);
    }

    fn link(&mut self, online: bool) {
        self.online = online;
        if online && !matches!(self.phase, Phase::Subscribing(..)) {
            // The service kept our subscriptions; what was asked before may be lost.
            self.phase = Phase::Asking;
        }
        if let Phase::Subscribing(next, _) = self.phase {
            self.phase = Phase::Subscribing(next, None);
        }
        self.outstanding = 0;
        if let Some(report) = &mut self.report {
            report.sent = None;
        }
    }

    fn subscribe(&mut self, next: usize, out: &mut impl Outlet) {
        let Some(filter) = FILTERS.get(next) else {
            self.phase = Phase::Asking;
            return;
        };
        let mut topic = String::<256>::new();
        if write!(topic, "$aws/things/{}/{filter}", self.thing).is_ok() {
            self.phase = Phase::Subscribing(next, out.subscribe(&topic));
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
                "start-next/rejected" => self.phase = Phase::Paused(now + PAUSE_MS),
                "notify-next" => self.next_changed(payload, out),
                _ => self.report_answered(operation, payload, now, out),
            }
        } else if let Some(stream) = rest.strip_prefix("streams/") {
            self.stream(stream, payload, now, out);
        }
    }

    /// The head of the list changed: maybe ours was taken away.
    fn next_changed(&mut self, payload: &[u8], out: &mut impl Outlet) {
        let next = document::reply(payload).ok().and_then(|r| r.execution);
        let ours = self.job.as_ref().map(|(job, _)| job);
        if self.is_busy() && next.as_ref().map(|e| &e.job) != ours {
            self.drop_job("cancelled", out);
        }
        if !self.is_busy() && !matches!(self.phase, Phase::Subscribing(..)) {
            self.phase = Phase::Asking;
        }
    }

    fn answered(&mut self, payload: &[u8], now: u64, out: &mut impl Outlet) {
        if !matches!(self.phase, Phase::Asked(_)) {
            return;
        }
        self.phase = Phase::Settled;
        if self.self_test.take().is_some() {
            // The new image has reached the cloud and was answered.
            match fwu::accept(&self.transport) {
                Ok(()) => out.log(format_args!("ota-agent: the new image is accepted")),
                Err(e) => out.log(format_args!("ota-agent: accepting failed: {e:?}")),
            }
        }
        match document::reply(payload) {
            Ok(reply) => match reply.execution {
                Some(execution) => self.execution(execution, now, out),
                None => {
                    if self.is_busy() {
                        self.drop_job("gone", out);
                    }
                    self.forget();
                }
            },
            Err(Some((job, version))) => {
                self.job = Some((job, version.unwrap_or(0)));
                self.fail("malformed job document", out);
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
        if self.is_busy() && !same {
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
            if memory.attempts >= MAX_ATTEMPTS {
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
        let before = self
            .memory
            .as_ref()
            .filter(|m| m.job == *job)
            .map_or(0, |m| m.attempts);
        let memory = Memory {
            attempts: before + 1,
            component: update.file.component,
            version,
            job: job.clone(),
        };
        memory
            .store(&self.transport)
            .map_err(|_| "the job cannot be remembered")?;
        self.memory = Some(memory);
        fwu::install(&self.transport).map_err(|_| "the installation was refused")?;
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
        // Every reason in this crate is shorter.
        let _ = detail.push_str(reason);
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

    /// The job is no longer ours to finish.
    fn drop_job(&mut self, why: &str, out: &mut impl Outlet) {
        if let Some((job, _)) = self.job.take() {
            out.log(format_args!("ota-agent: job {job} {why}"));
        }
        if let Some(update) = self.update.take() {
            let _ = make_ready(&self.transport, update.file.component);
        }
        self.report = None;
        self.forget();
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
        if report
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
            self.reported(out);
            return;
        }
        let rejection = document::rejection(payload);
        let already = rejection
            .state
            .as_ref()
            .is_some_and(|(status, _)| status == report.status);
        match (rejection.code, rejection.state) {
            // A report whose answer was lost.
            (Code::InvalidStateTransition, _) if already => self.reported(out),
            (Code::InvalidStateTransition | Code::ResourceNotFound, _) => {
                self.drop_job("gone", out);
                self.phase = Phase::Asking;
            }
            (Code::VersionMismatch, Some((_, current))) => {
                *version = current;
                report.sent = None;
            }
            // Throttled, or an error of theirs: the timeout sends it again.
            _ => report.sent = Some(now),
        }
    }

    fn reported(&mut self, out: &mut impl Outlet) {
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
        if self.phase != Phase::Settled
            || (self.outstanding > 0 && now < self.last_block + BLOCK_TIMEOUT_MS)
        {
            return;
        }
        let Some((first, bits)) = update.blocks.wanted() else {
            return;
        };
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
            self.last_block = now;
        }
    }
}

//! The agent's course, driven by messages and time.
//!
//! Owns what happens next: subscribe, ask for the next job, download, report, reboot, and the
//! self-test or trial after it. One report is under way at a time, and is repeated until the service has
//! answered it. Invariants: nothing is installed that is not remembered across the reboot; an end
//! that the cloud has not taken note of is remembered, too.

mod download;

use crate::checkpoint;
use crate::document::{self, Code, Execution, JOB_ID, OtaUpdate, TOKEN, version_text};
use crate::loader::Loader;
use crate::memory::Memory;
use crate::report::{After, Report, STEP_TIMEOUT_MINUTES, word};
use crate::target::{Image, Target};
use crate::trial::{Standing, Trial};
use crate::update::{Reason, Update};
use core::fmt::{Arguments, Write};
use heapless::String;
use psa_client::fwu::{self, COMPONENT_NONSECURE, COMPONENT_SECURE, FwuState};
use psa_client::{Status, Transport};

/// Time for a new image to prove itself, milliseconds.
const SELF_TEST_MS: u64 = 120_000;
/// Silence after which a request is sent again.
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
const FILTERS: [&str; 6] = [
    "jobs/notify-next",
    "jobs/start-next/+",
    "jobs/+/update/+",
    "streams/+/data/+",
    "streams/+/description/+",
    "streams/+/rejected/+",
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

/// How far the work on a job's files is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The stream's description is wanted: askings so far, and when to ask again.
    Describing(u8, u64),
    /// Blocks are fetched.
    Fetching,
}

/// The agent for one thing.
pub struct Agent<T, L> {
    transport: T,
    loader: L,
    thing: String<128>,
    online: bool,
    phase: Phase,
    /// Job under way and its version.
    job: Option<(String<JOB_ID>, u64)>,
    update: Option<(Update, Stage)>,
    /// Times that the stream changed under the job.
    changes: u8,
    report: Option<Report>,
    memory: Option<Memory>,
    /// Until when an image on trial must have proved itself.
    self_test: Option<u64>,
    /// The app on trial.
    trial: Option<Trial>,
    /// Blocks at the last line, and at the last report.
    said: u32,
    reported: u32,
    /// Requests so far: they make tokens differ.
    requests: u32,
}

impl<T: Transport, L: Loader> Agent<T, L> {
    /// Starts the agent; `now` is in milliseconds and never goes back.
    pub fn new(transport: T, loader: L, thing: String<128>, now: u64) -> Self {
        let on_trial = [COMPONENT_SECURE, COMPONENT_NONSECURE]
            .into_iter()
            .any(|c| fwu::query(&transport, c).is_ok_and(|info| info.state == FwuState::Trial));
        let memory = Memory::load(&transport);
        Agent {
            transport,
            loader,
            thing,
            online: false,
            phase: Phase::Subscribing(0, None),
            job: None,
            update: None,
            changes: 0,
            report: None,
            memory,
            self_test: on_trial.then_some(now + SELF_TEST_MS),
            trial: None,
            said: 0,
            reported: 0,
            requests: 0,
        }
    }

    /// Whether a job is being worked on.
    pub fn is_busy(&self) -> bool {
        self.update.is_some() || self.report.is_some() || self.trial.is_some()
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
        self.watch_trial(now, out);
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

    /// An app on trial is confirmed, or found to be rolled back.
    fn watch_trial(&mut self, now: u64, out: &mut impl Outlet) {
        let Some(trial) = &self.trial else { return };
        match trial.look(&self.loader, self.online, now) {
            Standing::Open => {}
            Standing::Passed => {
                self.trial = None;
                if let Some(memory) = self.memory.clone() {
                    self.succeed(&memory, out);
                }
            }
            Standing::Failed(reason) => {
                self.trial = None;
                self.fail(reason, out);
            }
        }
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
        if let Some((update, _)) = &mut self.update {
            update.window.forget();
        }
        if let Some(report) = &mut self.report {
            report.send_again();
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
        let token = self.ask_token();
        let mut topic = String::<256>::new();
        let mut body = String::<96>::new();
        if write!(topic, "$aws/things/{}/jobs/start-next", self.thing).is_ok()
            && write!(
                body,
                "{{\"stepTimeoutInMinutes\":{STEP_TIMEOUT_MINUTES},\"clientToken\":\"{token}\"}}"
            )
            .is_ok()
            && out.publish(&topic, body.as_bytes(), true).is_some()
        {
            self.phase = Phase::Asked(now);
        }
    }

    /// Token of the asking under way: numbers go up once it is answered.
    fn ask_token(&self) -> String<TOKEN> {
        let mut token = String::new();
        let _ = write!(token, "next-{}", self.requests);
        token
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
        let reply = document::reply(payload);
        if let Ok(reply) = &reply {
            // The answer to an earlier asking may say what is no longer so.
            if reply.token.as_ref().is_some_and(|t| *t != self.ask_token()) {
                return;
            }
            // The image on trial has first to tell its own job that it runs.
            let execution = reply.execution.as_ref();
            let ours = execution.is_some_and(|e| self.is_wanted_running(&e.job));
            if !ours && !self.prove(out) {
                self.phase = Phase::Paused(now + PAUSE_MS);
                return;
            }
        }
        self.requests += 1;
        self.phase = Phase::Settled;
        match reply {
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
                    update: Err("malformed job document"),
                };
                self.execution(execution, now, out);
            }
            Err(None) => {
                self.prove(out);
                out.log(format_args!(
                    "ota-agent: an answer of the Jobs service makes no sense"
                ));
                self.phase = Phase::Paused(now + PAUSE_MS);
            }
        }
    }

    /// Whether what the job wanted is what runs.
    fn is_wanted_running(&self, job: &str) -> bool {
        let Some(memory) = self.memory.as_ref().filter(|m| m.job == job) else {
            return false;
        };
        if let Some((short_id, version)) = memory.app {
            let installed = self.loader.installed(short_id);
            return installed.is_some_and(|i| i.version == version);
        }
        let mut wanted = (0..)
            .zip(&memory.wanted)
            .filter_map(|(c, v)| Some((c, v.as_ref()?)));
        memory.wanted.iter().any(Option::is_some)
            && wanted.all(|(c, v)| Image(&self.transport, c).running().as_ref() == Ok(v))
    }

    #[inline(never)]
    fn execution(&mut self, execution: Execution, now: u64, out: &mut impl Outlet) {
        let Execution {
            job,
            version,
            update,
        } = execution;
        let same = self.job.as_ref().is_some_and(|(ours, _)| *ours == job);
        if !same {
            self.drop_job("superseded", out);
            self.changes = 0;
        }
        self.job = Some((job.clone(), version));
        if self.is_busy() {
            return;
        }
        if let Some(memory) = self.memory.clone().filter(|m| m.job == job) {
            if !memory.failed.is_empty() {
                self.report = Some(Report::failed(&memory.failed));
                return;
            }
            if self.is_wanted_running(&job) {
                if let Some(app) = memory.app
                    && self.loader.installed(app.0).is_some_and(|i| i.trial)
                {
                    // This agent replaced itself, or started anew meanwhile.
                    self.try_out(app, memory.updated_by, now);
                } else if self.self_test.is_some() {
                    self.report = Some(Report::active(memory.updated_by));
                } else {
                    self.succeed(&memory, out);
                }
                return;
            }
            if memory.rejected >= MAX_REJECTED || memory.attempts >= MAX_ATTEMPTS {
                self.fail("rolled back", out);
                return;
            }
            out.log(format_args!(
                "ota-agent: job {job}: the new version did not stay; trying again"
            ));
        } else {
            self.forget();
        }
        self.begin(update, out);
    }

    #[inline(never)]
    fn begin(&mut self, update: Result<OtaUpdate, Reason>, out: &mut impl Outlet) {
        match update.and_then(|update| Update::new(&self.transport, update)) {
            Ok(update) => {
                self.update = Some((update, Stage::Describing(0, 0)));
                self.said = 0;
                self.reported = 0;
            }
            Err(reason) => self.fail(reason, out),
        }
    }

    /// What the job wanted runs, for good.
    fn succeed(&mut self, memory: &Memory, out: &mut impl Outlet) {
        out.log(format_args!("ota-agent: job {} accepted", memory.job));
        if let Some((_, version)) = memory.app {
            self.report = Some(Report::accepted(&version, memory.updated_by));
            return;
        }
        let wanted = (0..)
            .zip(&memory.wanted)
            .filter_map(|(c, v)| Some((c, (*v)?)));
        let mut newest = None;
        for (component, version) in wanted {
            let _ = Image(&self.transport, component).discard();
            newest = Some(version);
        }
        if let Some(version) = newest {
            self.report = Some(Report::accepted(&version_text(&version), memory.updated_by));
        }
    }

    /// The app runs, on trial.
    fn try_out(&mut self, app: (u32, u32), updated_by: u32, now: u64) {
        self.trial = Some(Trial::new(app, now));
        self.report = Some(Report::active(updated_by));
    }

    fn install(&mut self) -> Result<(), Reason> {
        let (Some((update, _)), Some((job, _))) = (&self.update, &self.job) else {
            return Ok(());
        };
        let app = update.verify(&self.transport, &self.loader)?;
        let before = self.memory.as_ref().filter(|m| m.job == *job);
        let mut memory = Memory {
            attempts: before.map_or(0, |m| m.attempts).saturating_add(1),
            rejected: before.map_or(0, |m| m.rejected),
            job: job.clone(),
            ..Memory::default()
        };
        for part in &update.parts {
            if let Some(wanted) = memory.wanted.get_mut(usize::from(part.file.component)) {
                *wanted = part.version;
                memory.updated_by = word(&part.running);
            }
        }
        if let Some(app) = app {
            memory.app = Some((app.short_id, app.version));
            memory.updated_by = app.running;
        }
        memory
            .store(&self.transport)
            .map_err(|_| "the job cannot be remembered")?;
        let updated_by = memory.updated_by;
        self.memory = Some(memory);
        if app.is_some() {
            self.update = None;
            self.report = Some(Report::ready(updated_by, After::Load));
            return Ok(());
        }
        fwu::install(&self.transport).map_err(|status| match status {
            Status::DEPENDENCY_NEEDED => "needs a newer version of the other image",
            _ => "the installation was refused",
        })?;
        checkpoint::forget(&self.transport);
        self.update = None;
        self.report = Some(Report::ready(updated_by, After::Reboot));
        Ok(())
    }

    /// The update failed: its candidates go, the job is told.
    fn end_update(&mut self, reason: Reason, out: &mut impl Outlet) {
        if let Some((update, _)) = self.update.take() {
            update.discard(&self.transport, &self.loader);
        }
        self.fail(reason, out);
    }

    fn fail(&mut self, reason: Reason, out: &mut impl Outlet) {
        let Some((job, _)) = &self.job else { return };
        out.log(format_args!("ota-agent: job {job} failed: {reason}"));
        // Remembered until the cloud has taken note, so that a reset does not begin it anew.
        let mut memory = Memory {
            job: job.clone(),
            ..Memory::default()
        };
        // Every reason in this crate is shorter; an empty value would be refused.
        let reason = reason.get(..crate::memory::REASON).unwrap_or(reason);
        let _ = memory.failed.push_str(reason);
        let _ = memory.store(&self.transport);
        self.memory = Some(memory);
        self.report = Some(Report::failed(reason));
    }

    /// The job is no longer ours to finish: nothing of it stays, staged or not.
    fn drop_job(&mut self, why: &str, out: &mut impl Outlet) {
        let after = self.report.take().map(|r| r.after);
        let staged = matches!(after, Some(After::Reboot | After::Load));
        let trial = self.trial.take();
        if let Some(trial) = &trial {
            trial.end(&self.loader);
        }
        let update = self.update.take();
        if let Some((job, _)) = self.job.take()
            && (staged || update.is_some() || trial.is_some())
        {
            out.log(format_args!("ota-agent: job {job} {why}"));
        }
        if let Some((update, _)) = &update {
            update.discard(&self.transport, &self.loader);
        }
        if after == Some(After::Load) {
            self.loader.abort();
        }
        if after == Some(After::Reboot) {
            for component in [COMPONENT_SECURE, COMPONENT_NONSECURE] {
                let _ = Image(&self.transport, component).discard();
            }
        }
        if staged || update.is_some() || trial.is_some() {
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
        if matches!(self.phase, Phase::Subscribing(..)) || !report.is_due(now) {
            return;
        }
        self.requests += 1;
        let mut topic = String::<256>::new();
        let written = write!(topic, "$aws/things/{}/jobs/{job}/update", self.thing);
        if let (Ok(()), Some((token, body))) = (written, report.body(*version, self.requests))
            && out.publish(&topic, body.as_bytes(), true).is_some()
        {
            report.sent(token, now);
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
        let Some(kind) = operation
            .strip_prefix(job.as_str())
            .and_then(|o| o.strip_prefix("/update/"))
        else {
            return;
        };
        let answer = document::answer(payload);
        // The answer to another report, or to another client's.
        if !report.was_sent() || answer.token.as_ref().is_some_and(|t| *t != report.token) {
            return;
        }
        if kind == "accepted" {
            *version = answer.state.map_or(*version + 1, |(_, current)| current);
            self.taken_note(now, out);
            return;
        }
        // The last report again, whose answer was lost. Which of the two codes says so depends on
        // whether versions or states are compared first.
        let already = report.after == After::NextJob
            && answer
                .state
                .as_ref()
                .is_some_and(|(status, _)| status == report.status);
        match (answer.code, answer.state) {
            (Code::InvalidStateTransition | Code::VersionMismatch, _) if already => {
                self.taken_note(now, out);
            }
            (Code::InvalidStateTransition | Code::ResourceNotFound, _) => {
                self.drop_job("gone", out);
                self.phase = Phase::Asking;
            }
            (Code::VersionMismatch, Some((status, current))) => {
                if status == "IN_PROGRESS" || status == "QUEUED" {
                    *version = current;
                    report.send_again();
                } else {
                    self.drop_job("gone", out);
                    self.phase = Phase::Asking;
                }
            }
            // Which version it is, the job says when it is asked for again.
            (Code::VersionMismatch, None) => self.phase = Phase::Asking,
            // Throttled, or an error of theirs: the timeout sends it again.
            (Code::Other, _) => {}
        }
    }

    fn taken_note(&mut self, now: u64, out: &mut impl Outlet) {
        let Some(report) = self.report.take() else {
            return;
        };
        match report.after {
            After::Continue => {}
            After::Reboot => {
                if let Some((job, _)) = &self.job {
                    out.log(format_args!("ota-agent: job {job} installed, rebooting"));
                }
                if let Err(e) = fwu::request_reboot(&self.transport) {
                    out.log(format_args!("ota-agent: rebooting failed: {e:?}"));
                    self.phase = Phase::Paused(now + PAUSE_MS);
                }
            }
            After::Load => self.start_app(now, out),
            After::SelfTest if self.trial.is_some() => {
                if let Some(trial) = &mut self.trial {
                    trial.told = true;
                }
            }
            After::SelfTest => {
                if self.prove(out)
                    && let Some(memory) = self.memory.clone()
                {
                    self.succeed(&memory, out);
                } else {
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

    /// Starts the installed app in place of the one that runs; an agent that replaces itself does
    /// not come back from here.
    fn start_app(&mut self, now: u64, out: &mut impl Outlet) {
        let Some((job, app, by)) = self
            .memory
            .as_ref()
            .and_then(|m| Some((&m.job, m.app?, m.updated_by)))
        else {
            return;
        };
        out.log(format_args!(
            "ota-agent: job {job}: starting version {} in place of {by}",
            app.1
        ));
        match self.loader.load(SELF_TEST_MS as u32) {
            Ok(()) => self.try_out(app, by, now),
            Err(e) => {
                out.log(format_args!("ota-agent: it does not start: {e:?}"));
                self.loader.abort();
                self.fail("the new version does not start", out);
            }
        }
    }
}

//! AWS IoT Jobs, the operator's side: jobs over several things, cancelling, deleting, timers.
//!
//! Owns what CreateJob, CancelJob, DeleteJob and their kin do to the executions, and which messages
//! devices get for it. The shapes of the REST answers are the HTTP module's.

use super::{Change, Execution, Jobs, Publish, Settings, Status, first};
use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest document, bytes.
const DOCUMENT: usize = 32_768;

/// A job, whatever its things make of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub id: String,
    /// Thing names.
    pub things: Vec<String>,
    pub document: Value,
    pub description: Option<String>,
    /// `IN_PROGRESS`, `COMPLETED`, `CANCELED`.
    pub status: String,
    pub forced: bool,
    /// `inProgressTimeoutInMinutes`.
    pub timeout: Option<u64>,
    #[serde(default)]
    pub settings: Settings,
    pub comment: Option<String>,
    pub reason: Option<String>,
    /// Epoch seconds, as the next two.
    pub created: u64,
    pub updated: u64,
    pub completed: Option<u64>,
}

/// What CreateJob takes.
#[derive(Debug, Clone, Default)]
pub struct NewJob {
    pub id: String,
    pub things: Vec<String>,
    pub document: Value,
    pub description: Option<String>,
    pub timeout: Option<u64>,
    pub settings: Settings,
}

impl Jobs {
    /// Every job, by id.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// One job.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn job(&self, id: &str) -> Result<&Job, Fault> {
        self.jobs.get(id).ok_or_else(|| missing(id))
    }

    /// Every execution, oldest first.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.executions.iter()
    }

    /// Queues a job on one thing.
    ///
    /// # Errors
    /// Names an id that AWS refuses, or that is taken.
    pub fn create(
        &mut self,
        thing: &str,
        job: &str,
        document: Value,
        now: u64,
    ) -> Result<Vec<Publish>, Fault> {
        let new = NewJob {
            id: job.into(),
            things: vec![thing.into()],
            document,
            ..NewJob::default()
        };
        self.create_job(new, now)
    }

    /// CreateJob.
    ///
    /// # Errors
    /// Names the member that AWS refuses, or an id that is taken.
    pub fn create_job(&mut self, new: NewJob, now: u64) -> Result<Vec<Publish>, Fault> {
        let job = new.id.as_str();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if job.is_empty() || job.len() > 64 || !job.chars().all(legal) {
            return Err(Fault::invalid(format!(
                "job id `{job}`: 1 to 64 of [a-zA-Z0-9_-]"
            )));
        }
        if ["get", "start-next", "notify", "notify-next"].contains(&job) {
            return Err(Fault::invalid(format!(
                "job id `{job}` is a topic of the Jobs API"
            )));
        }
        if self.jobs.contains_key(job) {
            return Err(Fault::exists(format!("job `{job}` exists")));
        }
        if new.things.is_empty() || new.things.len() > 100 {
            return Err(Fault::invalid("a job has 1 to 100 targets"));
        }
        if new.document.to_string().len() > DOCUMENT {
            return Err(Fault::invalid("the document is longer than 32768 bytes"));
        }
        check_timeout(new.timeout)?;
        let mut out = Vec::new();
        for thing in &new.things {
            let before = self.head(thing);
            self.queue(&new.id, thing, first(), &new.document, now);
            out.extend(self.notify(thing, before, now));
        }
        let job = Job {
            id: new.id.clone(),
            things: new.things,
            document: new.document,
            description: new.description,
            status: "IN_PROGRESS".into(),
            forced: false,
            timeout: new.timeout,
            settings: new.settings,
            comment: None,
            reason: None,
            created: now,
            updated: now,
            completed: None,
        };
        self.jobs.insert(new.id, job);
        Ok(out)
    }

    fn queue(&mut self, job: &str, thing: &str, number: u64, document: &Value, now: u64) {
        let change = Change {
            status: Status::Queued,
            details: None,
            version: 1,
            at: now,
        };
        self.executions.push(Execution {
            job: job.into(),
            thing: thing.into(),
            number,
            status: Status::Queued,
            details: None,
            version: 1,
            document: document.clone(),
            history: vec![change],
            forced: false,
            queued: now,
            started: None,
            updated: now,
            deadline: None,
            step: None,
        });
    }

    /// UpdateJob.
    ///
    /// # Errors
    /// Names an unknown job, one that has ended, or the member that AWS refuses.
    pub fn update_job(&mut self, id: &str, body: &Value, now: u64) -> Result<(), Fault> {
        let job = self.jobs.get_mut(id).ok_or_else(|| missing(id))?;
        if job.status != "IN_PROGRESS" {
            return Err(Fault::invalid(format!("job `{id}` is {}", job.status)));
        }
        let mut settings = job.settings.clone();
        settings.change(body)?;
        let timeout = body["timeoutConfig"]["inProgressTimeoutInMinutes"].as_u64();
        check_timeout(timeout)?;
        job.settings = settings;
        // What has started keeps the timer that it has.
        job.timeout = timeout.or(job.timeout);
        if let Some(description) = body["description"].as_str() {
            job.description = Some(description.into());
        }
        job.updated = now;
        Ok(())
    }

    /// CancelJob: what is queued, by `force` also what is in progress.
    ///
    /// # Errors
    /// Names an unknown job, or one that has ended.
    pub fn cancel_job(
        &mut self,
        id: &str,
        force: bool,
        comment: Option<String>,
        reason: Option<String>,
        now: u64,
    ) -> Result<Vec<Publish>, Fault> {
        let job = self.jobs.get_mut(id).ok_or_else(|| missing(id))?;
        if job.status != "IN_PROGRESS" {
            return Err(Fault::invalid(format!("job `{id}` is {}", job.status)));
        }
        job.status = "CANCELED".into();
        (job.forced, job.comment, job.reason) = (force, comment, reason);
        (job.updated, job.completed) = (now, Some(now));
        let things = job.things.clone();
        let mut out = Vec::new();
        for thing in things {
            if let Ok(messages) = self.cancel(&thing, id, force, now) {
                out.extend(messages);
            }
        }
        Ok(out)
    }

    /// CancelJobExecution; one in progress only by `force`.
    ///
    /// # Errors
    /// Names an unknown job, or the state that forbids it.
    pub fn cancel(
        &mut self,
        thing: &str,
        job: &str,
        force: bool,
        now: u64,
    ) -> Result<Vec<Publish>, Fault> {
        let before = self.head(thing);
        let at = self.at(thing, job, None);
        let execution = at
            .and_then(|at| self.executions.get_mut(at))
            .ok_or_else(|| Fault::missing(format!("no job `{job}` for thing `{thing}`")))?;
        match execution.status {
            Status::Queued => {}
            Status::InProgress if force => execution.forced = true,
            other => {
                return Err(Fault::new(
                    "InvalidStateTransitionException",
                    409,
                    format!("job `{job}` is {}", other.name()),
                ));
            }
        }
        execution.change(Status::Canceled, None, now);
        self.settle(job, now);
        Ok(self.notify(thing, before, now))
    }

    /// DeleteJob; one with executions in progress only by `force`.
    ///
    /// # Errors
    /// Names an unknown job, or the state that forbids it.
    pub fn delete_job(&mut self, id: &str, force: bool, now: u64) -> Result<Vec<Publish>, Fault> {
        let job = self.job(id)?;
        if job.status == "IN_PROGRESS" && !force {
            return Err(invalid_state(id));
        }
        let things = job.things.clone();
        let mut out = Vec::new();
        for thing in things {
            while let Some(number) = self.execution(&thing, id).map(|e| e.number) {
                out.extend(self.delete(&thing, id, number, true, now)?);
            }
        }
        self.jobs.remove(id);
        Ok(out)
    }

    /// DeleteJobExecution; one in progress only by `force`.
    ///
    /// # Errors
    /// Names an unknown job, or the state that forbids it.
    pub fn delete(
        &mut self,
        thing: &str,
        job: &str,
        number: u64,
        force: bool,
        now: u64,
    ) -> Result<Vec<Publish>, Fault> {
        let before = self.head(thing);
        let at = self.at(thing, job, Some(number)).ok_or_else(|| {
            Fault::missing(format!("no execution {number} of job `{job}` on `{thing}`"))
        })?;
        let status = self.executions[at].status;
        if !status.is_terminal() && !force {
            return Err(invalid_state(job));
        }
        self.executions.remove(at);
        self.settle(job, now);
        if status.is_terminal() {
            return Ok(Vec::new());
        }
        Ok(self.notify(thing, before, now))
    }

    /// Ends what has run out of time.
    pub fn expire(&mut self, now: u64) -> Vec<Publish> {
        let late: Vec<(String, String)> = self
            .executions
            .iter()
            .filter(|e| e.seconds_left(now) == Some(0))
            .map(|e| (e.thing.clone(), e.job.clone()))
            .collect();
        let mut out = Vec::new();
        for (thing, job) in late {
            let before = self.head(&thing);
            let at = self.at(&thing, &job, None);
            if let Some(execution) = at.and_then(|at| self.executions.get_mut(at)) {
                execution.change(Status::TimedOut, None, now);
            }
            self.ended(&thing, &job, now);
            out.extend(self.notify(&thing, before, now));
            out.extend(self.abort(&job, now));
        }
        out
    }

    /// A thing's execution has ended: it is tried again where the job says so, or the job may be
    /// complete.
    pub(super) fn ended(&mut self, thing: &str, id: &str, now: u64) {
        let job = self.jobs.get(id).filter(|j| j.status == "IN_PROGRESS");
        let again = self.execution(thing, id).zip(job).and_then(|(e, job)| {
            let again = job.settings.retries(e.status, e.number);
            again.then(|| (e.number + 1, e.document.clone()))
        });
        if let Some((number, document)) = again {
            self.queue(id, thing, number, &document, now);
        }
        self.settle(id, now);
    }

    /// Cancels what is queued of a job that is over its abort criteria.
    pub(super) fn abort(&mut self, id: &str, now: u64) -> Vec<Publish> {
        let Some(job) = self.jobs.get(id).filter(|j| j.status == "IN_PROGRESS") else {
            return Vec::new();
        };
        let last = job.things.iter().filter_map(|t| self.execution(t, id));
        let ended: Vec<Status> = last.map(|e| e.status).filter(|s| s.is_terminal()).collect();
        if !job.settings.gives_up(&ended) {
            return Vec::new();
        }
        let comment = Some("abortConfig".to_owned());
        self.cancel_job(id, false, comment, None, now)
            .unwrap_or_default()
    }

    /// A job is complete when each of its executions has ended.
    pub(super) fn settle(&mut self, id: &str, now: u64) {
        let open = |e: &Execution| e.job == id && !e.status.is_terminal();
        let done = !self.executions.iter().any(open);
        if let Some(job) = self.jobs.get_mut(id) {
            job.updated = now;
            if done && job.status == "IN_PROGRESS" {
                job.status = "COMPLETED".into();
                job.completed = Some(now);
            }
        }
    }
}

fn check_timeout(minutes: Option<u64>) -> Result<(), Fault> {
    match minutes.is_some_and(|m| !(1..=10_080).contains(&m)) {
        true => Err(Fault::invalid("inProgressTimeoutInMinutes is 1 to 10080")),
        false => Ok(()),
    }
}

fn missing(id: &str) -> Fault {
    Fault::missing(format!("no job `{id}`"))
}

fn invalid_state(id: &str) -> Fault {
    Fault::new(
        "InvalidStateTransitionException",
        409,
        format!("job `{id}` is in progress; force is needed"),
    )
}

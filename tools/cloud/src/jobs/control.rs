//! AWS IoT Jobs, the operator's side: jobs over several things, cancelling, deleting, timers.
//!
//! Owns what CreateJob, CancelJob, DeleteJob and their kin do to the executions, and which messages
//! devices get for it. The shapes of the REST answers are the HTTP module's.

use super::{Change, Execution, Jobs, Publish, Status};
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
        if new.timeout.is_some_and(|m| !(1..=10_080).contains(&m)) {
            return Err(Fault::invalid("inProgressTimeoutInMinutes is 1 to 10080"));
        }
        let mut out = Vec::new();
        for thing in &new.things {
            let before = self.next(thing).map(|e| e.job.clone());
            let first = Change {
                status: Status::Queued,
                details: None,
                version: 1,
                at: now,
            };
            self.executions.push(Execution {
                job: new.id.clone(),
                thing: thing.clone(),
                status: Status::Queued,
                details: None,
                version: 1,
                document: new.document.clone(),
                history: vec![first],
                forced: false,
                queued: now,
                started: None,
                updated: now,
                deadline: None,
                step: None,
            });
            out.extend(self.notify(thing, before.as_deref(), now));
        }
        let job = Job {
            id: new.id.clone(),
            things: new.things,
            document: new.document,
            description: new.description,
            status: "IN_PROGRESS".into(),
            forced: false,
            timeout: new.timeout,
            comment: None,
            reason: None,
            created: now,
            updated: now,
            completed: None,
        };
        self.jobs.insert(new.id, job);
        Ok(out)
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
        let before = self.next(thing).map(|e| e.job.clone());
        let execution = self
            .executions
            .iter_mut()
            .find(|e| e.thing == thing && e.job == job)
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
        Ok(self.notify(thing, before.as_deref(), now))
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
            if self.execution(&thing, id).is_some() {
                out.extend(self.delete(&thing, id, true, now)?);
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
        force: bool,
        now: u64,
    ) -> Result<Vec<Publish>, Fault> {
        let before = self.next(thing).map(|e| e.job.clone());
        let at = self
            .executions
            .iter()
            .position(|e| e.thing == thing && e.job == job)
            .ok_or_else(|| Fault::missing(format!("no job `{job}` for thing `{thing}`")))?;
        let status = self.executions[at].status;
        if !status.is_terminal() && !force {
            return Err(invalid_state(job));
        }
        self.executions.remove(at);
        self.settle(job, now);
        if status.is_terminal() {
            return Ok(Vec::new());
        }
        Ok(self.notify(thing, before.as_deref(), now))
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
            let before = self.next(&thing).map(|e| e.job.clone());
            let found = self
                .executions
                .iter_mut()
                .find(|e| e.thing == thing && e.job == job);
            if let Some(execution) = found {
                execution.change(Status::TimedOut, None, now);
            }
            self.settle(&job, now);
            out.extend(self.notify(&thing, before.as_deref(), now));
        }
        out
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

//! AWS IoT Jobs, the device's side: executions, their states and versions, and the messages.
//!
//! Owns the state machine of the MQTT API (reference/aws-iot.md §2): every request maps to the
//! messages that AWS would publish, in its order and with its member order. Pure: no clock, no
//! network; all of it is written to the registry's file and comes back from there. Does not own how
//! a job document comes about. The operator's side is in [`control`].

pub mod control;
mod settings;

pub use control::Job;
pub use settings::Settings;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A message to publish, QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
}

/// State of a job execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Queued,
    InProgress,
    Succeeded,
    Failed,
    Rejected,
    Canceled,
    TimedOut,
    Removed,
}

impl Status {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Status::Queued => "QUEUED",
            Status::InProgress => "IN_PROGRESS",
            Status::Succeeded => "SUCCEEDED",
            Status::Failed => "FAILED",
            Status::Rejected => "REJECTED",
            Status::Canceled => "CANCELED",
            Status::TimedOut => "TIMED_OUT",
            Status::Removed => "REMOVED",
        }
    }

    /// A state that a device may ask for.
    fn requested(name: &str) -> Option<Status> {
        [
            Status::InProgress,
            Status::Succeeded,
            Status::Failed,
            Status::Rejected,
        ]
        .into_iter()
        .find(|s| s.name() == name)
    }

    /// Whether nothing follows it.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Status::Queued | Status::InProgress)
    }
}

/// One change of an execution, for whoever watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub status: Status,
    pub details: Option<Value>,
    pub version: u64,
    /// Epoch seconds.
    pub at: u64,
}

/// A job on a thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Execution {
    pub job: String,
    pub thing: String,
    /// 1, and one more for each retry.
    #[serde(default = "first")]
    pub number: u64,
    pub status: Status,
    pub details: Option<Value>,
    pub version: u64,
    pub document: Value,
    /// Every state it has been in, oldest first.
    pub history: Vec<Change>,
    /// Whether it was cancelled in progress.
    pub forced: bool,
    /// Epoch seconds, as the next two.
    pub queued: u64,
    pub started: Option<u64>,
    pub updated: u64,
    /// When the job's own timer ends; set when it starts.
    deadline: Option<u64>,
    /// When the timer ends that the device asked for.
    step: Option<u64>,
}

impl Execution {
    fn change(&mut self, status: Status, details: Option<Value>, now: u64) {
        self.status = status;
        if details.is_some() {
            self.details = details;
        }
        self.version += 1;
        self.updated = now;
        self.record(now);
    }

    fn record(&mut self, now: u64) {
        let (status, details, version) = (self.status, self.details.clone(), self.version);
        self.history.push(Change {
            status,
            details,
            version,
            at: now,
        });
    }

    /// Starts the job's timer, `timeout` minutes, once.
    fn start(&mut self, timeout: Option<u64>, now: u64) {
        if self.started.is_none() {
            self.started = Some(now);
            self.deadline = timeout.map(|minutes| now + minutes * 60);
        }
    }

    /// Replaces the device's timer: minutes, or `-1` to take it away.
    fn set_step(&mut self, step: Option<i64>, now: u64) {
        if let Some(minutes) = step {
            self.step = u64::try_from(minutes).ok().map(|m| now + m * 60);
        }
    }

    fn summary(&self) -> Value {
        let mut out =
            json!({"jobId": self.job, "queuedAt": self.queued, "lastUpdatedAt": self.updated});
        if let Some(started) = self.started {
            out["startedAt"] = started.into();
        }
        out["executionNumber"] = self.number.into();
        out["versionNumber"] = self.version.into();
        out
    }

    /// Seconds until the first timer ends.
    pub(crate) fn seconds_left(&self, now: u64) -> Option<u64> {
        let ends = self.deadline.into_iter().chain(self.step).min()?;
        (self.status == Status::InProgress).then(|| ends.saturating_sub(now))
    }

    fn describe(&self, document: bool, now: u64) -> Value {
        let mut out = json!({"jobId": self.job, "status": self.status.name()});
        if let Some(details) = &self.details {
            out["statusDetails"] = details.clone();
        }
        out["queuedAt"] = self.queued.into();
        if let Some(started) = self.started {
            out["startedAt"] = started.into();
        }
        out["lastUpdatedAt"] = self.updated.into();
        out["versionNumber"] = self.version.into();
        out["executionNumber"] = self.number.into();
        if let Some(seconds) = self.seconds_left(now) {
            out["approximateSecondsBeforeTimedOut"] = seconds.into();
        }
        if document {
            out["jobDocument"] = self.document.clone();
        }
        out
    }

    fn state(&self) -> Value {
        let mut out = json!({"status": self.status.name()});
        if let Some(details) = &self.details {
            out["statusDetails"] = details.clone();
        }
        out["versionNumber"] = self.version.into();
        out
    }
}

/// All jobs, and their executions, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Jobs {
    jobs: BTreeMap<String, Job>,
    executions: Vec<Execution>,
}

impl Jobs {
    /// The execution of a job on a thing, the newest where it was tried again.
    pub fn execution(&self, thing: &str, job: &str) -> Option<&Execution> {
        self.numbered(thing, job, None)
    }

    /// The execution of a job on a thing of this number, the newest when none is given.
    pub fn numbered(&self, thing: &str, job: &str, number: Option<u64>) -> Option<&Execution> {
        let at = self.at(thing, job, number)?;
        self.executions.get(at)
    }

    fn at(&self, thing: &str, job: &str, number: Option<u64>) -> Option<usize> {
        self.executions
            .iter()
            .rposition(|e| e.thing == thing && e.job == job && number.is_none_or(|n| n == e.number))
    }

    /// Answers a request that came on `$aws/things/<thing>/jobs/<operation>`; nothing for the
    /// topics that the service itself writes.
    pub fn request(
        &mut self,
        thing: &str,
        operation: &str,
        payload: &[u8],
        now: u64,
    ) -> Vec<Publish> {
        let parts: Vec<&str> = operation.split('/').collect();
        let answer = |what: &str, body: Value| {
            let topic = format!("$aws/things/{thing}/jobs/{operation}/{what}");
            Publish {
                topic,
                payload: body.to_string().into_bytes(),
            }
        };
        let known = matches!(
            parts[..],
            ["get"] | ["start-next"] | [_, "get"] | [_, "update"]
        );
        if !known {
            return Vec::new();
        }
        let body = match parse(payload) {
            Ok(body) => body,
            Err(message) => {
                return vec![answer(
                    "rejected",
                    rejection(None, now, None, "InvalidJson", &message),
                )];
            }
        };
        let token = body.get("clientToken").cloned();
        let result = match parts[..] {
            ["get"] => Ok((self.pending(thing), None)),
            ["start-next"] => self.start_next(thing, &body, now),
            [job, "get"] => self.describe(thing, job, &body, now),
            [job, _] => self.update(thing, job, &body, now),
            _ => return Vec::new(),
        };
        match result {
            Ok((members, before)) => {
                let mut out = Map::new();
                if let Some(token) = token {
                    out.insert("clientToken".into(), token);
                }
                out.insert("timestamp".into(), now.into());
                out.extend(members);
                let mut messages = vec![answer("accepted", Value::Object(out))];
                if let Some(before) = before {
                    messages.extend(self.notify(thing, before, now));
                    messages.extend(self.abort(parts[0], now));
                }
                messages
            }
            Err(r) => vec![answer(
                "rejected",
                rejection(token, now, r.state, r.code, &r.message),
            )],
        }
    }

    fn pending(&self, thing: &str) -> Map<String, Value> {
        let list = |status| -> Value {
            self.of(thing)
                .filter(|e| e.status == status)
                .map(Execution::summary)
                .collect()
        };
        let mut out = Map::new();
        out.insert("inProgressJobs".into(), list(Status::InProgress));
        out.insert("queuedJobs".into(), list(Status::Queued));
        out
    }

    fn start_next(&mut self, thing: &str, body: &Value, now: u64) -> Answer {
        let details = status_details(body)?;
        let step = step_timeout(body)?;
        let mut out = Map::new();
        let Some(job) = self.next(thing).map(|e| e.job.clone()) else {
            return Ok((out, None));
        };
        let timeout = self.jobs.get(&job).and_then(|j| j.timeout);
        let at = self.at(thing, &job, None);
        if let Some(execution) = at.and_then(|at| self.executions.get_mut(at)) {
            if execution.status == Status::Queued {
                execution.start(timeout, now);
                execution.set_step(step, now);
                execution.change(Status::InProgress, details, now);
            }
            out.insert("execution".into(), execution.describe(true, now));
        }
        Ok((out, None))
    }

    fn describe(&self, thing: &str, job: &str, body: &Value, now: u64) -> Answer {
        let document = body
            .get("includeJobDocument")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let mut out = Map::new();
        let execution = if job == "$next" {
            match self.next(thing) {
                Some(execution) => execution,
                None => return Ok((out, None)),
            }
        } else {
            self.numbered(thing, job, number(body)?)
                .ok_or_else(|| Refusal::not_found(job))?
        };
        if execution.status.is_terminal() {
            return Err(Refusal::plain(
                "TerminalStateReached",
                format!("job {job} is {}", execution.status.name()),
            ));
        }
        out.insert("execution".into(), execution.describe(document, now));
        Ok((out, None))
    }

    fn update(&mut self, thing: &str, job: &str, body: &Value, now: u64) -> Answer {
        let details = status_details(body)?;
        let step = step_timeout(body)?;
        let status = body
            .get("status")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(wanted) = Status::requested(status) else {
            let code = if ["QUEUED", "CANCELED", "TIMED_OUT", "REMOVED"].contains(&status) {
                "InvalidStateTransition"
            } else {
                "InvalidRequest"
            };
            return Err(Refusal::plain(
                code,
                format!("status `{status}` may not be set"),
            ));
        };
        let expected = match body.get("expectedVersion") {
            None => None,
            Some(v) => Some(
                v.as_u64()
                    .or_else(|| v.as_str().and_then(|s| s.parse().ok()))
                    .ok_or_else(|| {
                        Refusal::plain("InvalidRequest", format!("expectedVersion {v}"))
                    })?,
            ),
        };
        let before = self.head(thing);
        let timeout = self.jobs.get(job).and_then(|j| j.timeout);
        let at = self.at(thing, job, number(body)?);
        let found = at.and_then(|at| self.executions.get_mut(at));
        let execution = found.ok_or_else(|| Refusal::not_found(job))?;
        if expected.is_some_and(|v| v != execution.version) {
            return Err(Refusal {
                state: Some(execution.state()),
                ..Refusal::plain(
                    "VersionMismatch",
                    format!("the version is {}", execution.version),
                )
            });
        }
        let started = execution.status == Status::InProgress;
        if execution.status.is_terminal() || (wanted == Status::Rejected && started) {
            return Err(Refusal {
                state: Some(execution.state()),
                ..Refusal::plain(
                    "InvalidStateTransition",
                    format!("from {}", execution.status.name()),
                )
            });
        }
        execution.start(timeout, now);
        execution.set_step(step, now);
        execution.change(wanted, details, now);
        let mut out = Map::new();
        let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
        if flag("includeJobExecutionState") {
            out.insert("executionState".into(), execution.state());
        }
        if flag("includeJobDocument") {
            out.insert("jobDocument".into(), execution.document.clone());
        }
        if wanted.is_terminal() {
            self.ended(thing, job, now);
        }
        Ok((out, wanted.is_terminal().then_some(before)))
    }

    fn of<'a>(&'a self, thing: &'a str) -> impl Iterator<Item = &'a Execution> {
        self.executions.iter().filter(move |e| e.thing == thing)
    }

    /// In progress first, then the oldest that is queued.
    fn next(&self, thing: &str) -> Option<&Execution> {
        let first = |status| {
            self.executions
                .iter()
                .find(|e| e.thing == thing && e.status == status)
        };
        first(Status::InProgress).or_else(|| first(Status::Queued))
    }

    /// Job and number of [`Jobs::next`].
    fn head(&self, thing: &str) -> Head {
        self.next(thing).map(|e| (e.job.clone(), e.number))
    }

    /// The pending list has changed: `notify`, and `notify-next` when its head has.
    fn notify(&self, thing: &str, before: Head, now: u64) -> Vec<Publish> {
        let mut jobs = Map::new();
        for status in [Status::InProgress, Status::Queued] {
            let list: Vec<Value> = self
                .of(thing)
                .filter(|e| e.status == status)
                .take(10)
                .map(Execution::summary)
                .collect();
            if !list.is_empty() {
                jobs.insert(status.name().into(), list.into());
            }
        }
        let topic = |name| format!("$aws/things/{thing}/jobs/{name}");
        let message = |name, body: Value| Publish {
            topic: topic(name),
            payload: body.to_string().into_bytes(),
        };
        let mut out = vec![message("notify", json!({"timestamp": now, "jobs": jobs}))];
        if self.head(thing) != before {
            let body = match self.next(thing) {
                Some(execution) => {
                    json!({"timestamp": now, "execution": execution.describe(true, now)})
                }
                None => json!({"timestamp": now}),
            };
            out.push(message("notify-next", body));
        }
        out
    }
}

/// Job and number of the execution at the head of a thing's pending list.
type Head = Option<(String, u64)>;

/// Members of an accepted answer; and, when the pending list changed, its head before that.
type Answer = Result<(Map<String, Value>, Option<Head>), Refusal>;

struct Refusal {
    code: &'static str,
    message: String,
    state: Option<Value>,
}

impl Refusal {
    fn plain(code: &'static str, message: String) -> Refusal {
        Refusal {
            code,
            message,
            state: None,
        }
    }

    fn not_found(job: &str) -> Refusal {
        Refusal::plain("ResourceNotFound", format!("no job {job} for this thing"))
    }
}

fn rejection(
    token: Option<Value>,
    now: u64,
    state: Option<Value>,
    code: &str,
    message: &str,
) -> Value {
    let mut out = Map::new();
    if let Some(token) = token {
        out.insert("clientToken".into(), token);
    }
    out.insert("timestamp".into(), now.into());
    if let Some(state) = state {
        out.insert("executionState".into(), state);
    }
    out.insert("code".into(), code.into());
    out.insert("message".into(), message.into());
    Value::Object(out)
}

/// A JSON object; an empty payload is an empty one.
fn parse(payload: &[u8]) -> Result<Value, String> {
    if payload.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice(payload) {
        Ok(Value::Object(map)) => Ok(Value::Object(map)),
        Ok(_) => Err("the payload is no JSON object".into()),
        Err(e) => Err(e.to_string()),
    }
}

fn first() -> u64 {
    1
}

/// `executionNumber`, if it is there.
fn number(body: &Value) -> Result<Option<u64>, Refusal> {
    let Some(value) = body.get("executionNumber").filter(|v| !v.is_null()) else {
        return Ok(None);
    };
    let message = || format!("executionNumber {value}");
    let number = value.as_u64();
    number.map_or_else(
        || Err(Refusal::plain("InvalidRequest", message())),
        |n| Ok(Some(n)),
    )
}

/// `stepTimeoutInMinutes`: 1 to 10080, or -1.
fn step_timeout(body: &Value) -> Result<Option<i64>, Refusal> {
    let Some(value) = body.get("stepTimeoutInMinutes") else {
        return Ok(None);
    };
    let legal = |m: &i64| *m == -1 || (1..=10_080).contains(m);
    let message = || format!("stepTimeoutInMinutes {value}");
    match value.as_i64().filter(legal) {
        Some(minutes) => Ok(Some(minutes)),
        None => Err(Refusal::plain("InvalidRequest", message())),
    }
}

/// The `statusDetails` of a request: names of 1–128 characters, values of 1–1024.
fn status_details(body: &Value) -> Result<Option<Value>, Refusal> {
    let bad = |what: &str| Refusal::plain("InvalidRequest", format!("statusDetails: {what}"));
    let Some(details) = body.get("statusDetails") else {
        return Ok(None);
    };
    let map = details.as_object().ok_or_else(|| bad("no object"))?;
    for (name, value) in map {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
        if !(1..=128).contains(&name.len()) || !name.chars().all(legal) {
            return Err(bad(&format!("name `{name}`")));
        }
        let value = value
            .as_str()
            .ok_or_else(|| bad(&format!("`{name}` is no string")))?;
        if !(1..=1024).contains(&value.len()) || value.chars().any(char::is_control) {
            return Err(bad(&format!("value of `{name}`")));
        }
    }
    Ok(Some(details.clone()))
}

#[cfg(test)]
mod tests;

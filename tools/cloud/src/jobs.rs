//! AWS IoT Jobs, the device's side: executions, their states and versions, and the messages.
//!
//! Owns the state machine of the MQTT API (reference/aws-iot.md §2): every request maps to the
//! messages that AWS would publish, in its order and with its member order. Pure: no clock, no
//! network. Does not own how a job document comes about.

use serde_json::{Map, Value, json};

/// A message to publish, QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
}

/// State of a job execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Queued,
    InProgress,
    Succeeded,
    Failed,
    Rejected,
    Canceled,
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
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub status: Status,
    pub details: Option<Value>,
    pub version: u64,
    /// Epoch seconds.
    pub at: u64,
}

/// A job on a thing.
#[derive(Debug, Clone)]
pub struct Execution {
    pub job: String,
    pub thing: String,
    pub status: Status,
    pub details: Option<Value>,
    pub version: u64,
    pub document: Value,
    /// Every state it has been in, oldest first.
    pub history: Vec<Change>,
    queued: u64,
    started: Option<u64>,
    updated: u64,
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

    fn summary(&self) -> Value {
        let mut out =
            json!({"jobId": self.job, "queuedAt": self.queued, "lastUpdatedAt": self.updated});
        if let Some(started) = self.started {
            out["startedAt"] = started.into();
        }
        out["executionNumber"] = 1.into();
        out["versionNumber"] = self.version.into();
        out
    }

    fn describe(&self, document: bool) -> Value {
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
        out["executionNumber"] = 1.into();
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

/// All executions, oldest first.
#[derive(Debug, Default)]
pub struct Jobs {
    executions: Vec<Execution>,
}

impl Jobs {
    /// The execution of a job on a thing.
    pub fn execution(&self, thing: &str, job: &str) -> Option<&Execution> {
        self.executions
            .iter()
            .find(|e| e.thing == thing && e.job == job)
    }

    /// Queues a job.
    ///
    /// # Errors
    /// Names an id that AWS refuses, or that is taken.
    pub fn create(
        &mut self,
        thing: &str,
        job: &str,
        document: Value,
        now: u64,
    ) -> Result<Vec<Publish>, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if job.is_empty() || job.len() > 64 || !job.chars().all(legal) {
            return Err(format!("job id `{job}`: 1 to 64 of [a-zA-Z0-9_-]"));
        }
        if ["get", "start-next", "notify", "notify-next"].contains(&job) {
            return Err(format!("job id `{job}` is a topic of the Jobs API"));
        }
        if self.execution(thing, job).is_some() {
            return Err(format!("job `{job}` exists for thing `{thing}`"));
        }
        let before = self.next(thing).map(|e| e.job.clone());
        let mut execution = Execution {
            job: job.to_owned(),
            thing: thing.to_owned(),
            status: Status::Queued,
            details: None,
            version: 1,
            document,
            history: Vec::new(),
            queued: now,
            started: None,
            updated: now,
        };
        execution.record(now);
        self.executions.push(execution);
        Ok(self.notify(thing, before.as_deref(), now))
    }

    /// Cancels a job; one in progress only by `force`.
    ///
    /// # Errors
    /// Names an unknown job, or the state that forbids it.
    pub fn cancel(
        &mut self,
        thing: &str,
        job: &str,
        force: bool,
        now: u64,
    ) -> Result<Vec<Publish>, String> {
        let before = self.next(thing).map(|e| e.job.clone());
        let execution = self
            .executions
            .iter_mut()
            .find(|e| e.thing == thing && e.job == job)
            .ok_or_else(|| format!("no job `{job}` for thing `{thing}`"))?;
        match execution.status {
            Status::Queued => {}
            Status::InProgress if force => {}
            other => return Err(format!("job `{job}` is {}", other.name())),
        }
        execution.change(Status::Canceled, None, now);
        Ok(self.notify(thing, before.as_deref(), now))
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
            [job, "get"] => self.describe(thing, job, &body),
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
                    messages.extend(self.notify(thing, before.as_deref(), now));
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
        let mut out = Map::new();
        let Some(job) = self.next(thing).map(|e| e.job.clone()) else {
            return Ok((out, None));
        };
        let found = self
            .executions
            .iter_mut()
            .find(|e| e.thing == thing && e.job == job);
        if let Some(execution) = found {
            if execution.status == Status::Queued {
                execution.started = Some(now);
                execution.change(Status::InProgress, details, now);
            }
            out.insert("execution".into(), execution.describe(true));
        }
        Ok((out, None))
    }

    fn describe(&self, thing: &str, job: &str, body: &Value) -> Answer {
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
            self.execution(thing, job)
                .ok_or_else(|| Refusal::not_found(job))?
        };
        if execution.status.is_terminal() {
            return Err(Refusal::plain(
                "TerminalStateReached",
                format!("job {job} is {}", execution.status.name()),
            ));
        }
        out.insert("execution".into(), execution.describe(document));
        Ok((out, None))
    }

    fn update(&mut self, thing: &str, job: &str, body: &Value, now: u64) -> Answer {
        let details = status_details(body)?;
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
        let before = self.next(thing).map(|e| e.job.clone());
        let found = self
            .executions
            .iter_mut()
            .find(|e| e.thing == thing && e.job == job);
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
        execution.started.get_or_insert(now);
        execution.change(wanted, details, now);
        let mut out = Map::new();
        let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
        if flag("includeJobExecutionState") {
            out.insert("executionState".into(), execution.state());
        }
        if flag("includeJobDocument") {
            out.insert("jobDocument".into(), execution.document.clone());
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

    /// The pending list has changed: `notify`, and `notify-next` when its head has.
    fn notify(&self, thing: &str, before: Option<&str>, now: u64) -> Vec<Publish> {
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
        let next = self.next(thing);
        if next.map(|e| e.job.as_str()) != before {
            let body = match next {
                Some(execution) => json!({"timestamp": now, "execution": execution.describe(true)}),
                None => json!({"timestamp": now}),
            };
            out.push(message("notify-next", body));
        }
        out
    }
}

/// Members of an accepted answer; and, when the pending list changed, its head before that.
type Answer = Result<(Map<String, Value>, Option<Option<String>>), Refusal>;

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
mod tests {
    use super::*;

    fn body(p: &Publish) -> Value {
        serde_json::from_slice(&p.payload).unwrap()
    }

    fn queue() -> Jobs {
        let mut jobs = Jobs::default();
        let sent = jobs.create("t", "a", json!({"x": 1}), 10).unwrap();
        assert_eq!(sent[0].topic, "$aws/things/t/jobs/notify");
        assert_eq!(sent[1].topic, "$aws/things/t/jobs/notify-next");
        jobs
    }

    #[test]
    fn nothing_pending_has_no_execution() {
        let mut jobs = Jobs::default();
        let out = jobs.request("t", "start-next", b"{\"clientToken\":\"c\"}", 5);
        assert_eq!(out[0].topic, "$aws/things/t/jobs/start-next/accepted");
        assert_eq!(out[0].payload, b"{\"clientToken\":\"c\",\"timestamp\":5}");
    }

    #[test]
    fn start_next_bumps_the_version_once() {
        let mut jobs = queue();
        for _ in 0..2 {
            let out = jobs.request("t", "start-next", b"", 11);
            assert_eq!(out.len(), 1, "QUEUED to IN_PROGRESS notifies nobody");
            let execution = &body(&out[0])["execution"];
            assert_eq!(
                (
                    execution["versionNumber"].as_u64(),
                    execution["status"].as_str()
                ),
                (Some(2), Some("IN_PROGRESS"))
            );
            assert_eq!(execution["jobDocument"], json!({"x": 1}));
        }
    }

    #[test]
    fn a_second_job_behind_the_first_only_notifies() {
        let mut jobs = queue();
        let sent = jobs.create("t", "b", json!({}), 12).unwrap();
        assert_eq!(sent.len(), 1);
        jobs.request("t", "start-next", b"", 12);
        let out = jobs.request(
            "t",
            "a/update",
            b"{\"status\":\"SUCCEEDED\",\"expectedVersion\":\"2\"}",
            13,
        );
        let topics: Vec<&str> = out
            .iter()
            .map(|p| p.topic.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(topics, ["accepted", "notify", "notify-next"]);
        assert_eq!(body(&out[2])["execution"]["jobId"], "b");
    }

    #[test]
    fn every_refusal_has_its_code() {
        let mut jobs = queue();
        let mut code = |operation: &str, payload: &str| {
            let out = jobs.request("t", operation, payload.as_bytes(), 20);
            assert!(
                out[0].topic.ends_with("/rejected"),
                "{operation} {payload}: {out:?}"
            );
            let body = body(&out[0]);
            (
                body["code"].as_str().unwrap().to_owned(),
                body.get("executionState").is_some(),
            )
        };
        assert_eq!(code("a/update", "{"), ("InvalidJson".into(), false));
        assert_eq!(code("start-next", "[]"), ("InvalidJson".into(), false));
        assert_eq!(
            code("a/update", "{\"status\":\"DONE\"}"),
            ("InvalidRequest".into(), false)
        );
        assert_eq!(
            code(
                "a/update",
                "{\"status\":\"FAILED\",\"statusDetails\":{\"r\":\"\"}}"
            ),
            ("InvalidRequest".into(), false)
        );
        assert_eq!(
            code("a/update", "{\"status\":\"QUEUED\"}"),
            ("InvalidStateTransition".into(), false)
        );
        assert_eq!(
            code("z/update", "{\"status\":\"FAILED\"}"),
            ("ResourceNotFound".into(), false)
        );
        assert_eq!(code("z/get", ""), ("ResourceNotFound".into(), false));
        assert_eq!(
            code("a/update", "{\"status\":\"FAILED\",\"expectedVersion\":7}"),
            ("VersionMismatch".into(), true)
        );
        jobs.request("t", "a/update", b"{\"status\":\"SUCCEEDED\"}", 21);
        let mut code = |operation: &str, payload: &str| {
            let out = jobs.request("t", operation, payload.as_bytes(), 22);
            body(&out[0])["code"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            code("a/update", "{\"status\":\"SUCCEEDED\"}"),
            "InvalidStateTransition"
        );
        assert_eq!(code("a/get", ""), "TerminalStateReached");
    }

    #[test]
    fn own_messages_and_strange_topics_are_ignored() {
        let mut jobs = queue();
        for operation in [
            "notify",
            "start-next/accepted",
            "a/update/rejected",
            "",
            "a/b/c/d",
        ] {
            assert!(
                jobs.request("t", operation, b"", 1).is_empty(),
                "{operation}"
            );
        }
    }

    #[test]
    fn cancelling_needs_force_in_progress() {
        let mut jobs = queue();
        jobs.request("t", "start-next", b"", 11);
        assert!(jobs.cancel("t", "a", false, 12).is_err());
        assert_eq!(jobs.cancel("t", "a", true, 12).unwrap().len(), 2);
        assert_eq!(jobs.execution("t", "a").unwrap().status, Status::Canceled);
    }

    /// The reference's measured start-next answer: 1046 bytes (aws-iot.md §2.3).
    #[test]
    fn start_next_has_the_measured_size() {
        let thing = format!("iotmsw-ci-test-thing-{}", "0".repeat(36));
        let document = json!({"afr_ota": {"protocols": ["MQTT"],
            "streamname": format!("AFR_OTA-{}", "0".repeat(36)),
            "files": [{"filepath": "non_secure image", "filesize": 596_736, "fileid": 0,
                "certfile": "0", "sig-sha256-rsa": "A".repeat(512)}]}});
        let mut jobs = Jobs::default();
        jobs.create(&thing, &"j".repeat(63), document, 1_700_000_000)
            .unwrap();
        let request = json!({"clientToken": thing}).to_string();
        let out = jobs.request(&thing, "start-next", request.as_bytes(), 1_700_000_001);
        assert_eq!(out[0].payload.len(), 1046);
    }
}

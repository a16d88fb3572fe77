//! What a job says beside its document: retries, when to give up, rollout, presigned URLs.
//!
//! Owns the limits of AWS's members, whether an execution is tried again, and whether a job is over
//! its abort criteria. Rollout and presigned URLs are kept and shown, and change nothing: all things
//! get their job at once, and there is no HTTP to sign for.

use super::Status;
use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Members of CreateJob and DescribeJob that [`Settings`] keeps as they came.
const MEMBERS: [&str; 4] = [
    "jobExecutionsRolloutConfig",
    "abortConfig",
    "jobExecutionsRetryConfig",
    "presignedUrlConfig",
];

/// Settings of a job, by their names in CreateJob.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Of the body of CreateJob.
    ///
    /// # Errors
    /// Names the member that AWS refuses.
    pub fn of(body: &Value) -> Result<Settings, Fault> {
        let mut out = Settings::default();
        out.change(body)?;
        Ok(out)
    }

    /// Of the body of CreateOTAUpdate, whose names differ.
    ///
    /// # Errors
    /// Names the member that AWS refuses.
    pub fn of_update(body: &Value) -> Result<Settings, Fault> {
        let mut renamed = Map::new();
        let names = [
            ("awsJobExecutionsRolloutConfig", MEMBERS[0]),
            ("awsJobAbortConfig", MEMBERS[1]),
            ("awsJobPresignedUrlConfig", MEMBERS[3]),
        ];
        for (from, to) in names {
            let Some(mut value) = body.get(from).filter(|v| !v.is_null()).cloned() else {
                continue;
            };
            if let Some(list) = value
                .as_object_mut()
                .and_then(|v| v.remove("abortCriteriaList"))
            {
                value["criteriaList"] = list;
            }
            renamed.insert(to.into(), value);
        }
        Settings::of(&Value::Object(renamed))
    }

    /// UpdateJob: what is there replaces what was.
    ///
    /// # Errors
    /// Names the member that AWS refuses.
    pub fn change(&mut self, body: &Value) -> Result<(), Fault> {
        for name in MEMBERS {
            let Some(value) = body.get(name).filter(|v| !v.is_null()) else {
                continue;
            };
            match name {
                "jobExecutionsRetryConfig" => check_retries(value)?,
                "abortConfig" => check_abort(value)?,
                _ => {}
            }
            self.0.insert(name.into(), value.clone());
        }
        Ok(())
    }

    /// As DescribeJob shows them.
    pub fn shown(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether an execution of this number that ended so is followed by another.
    pub(super) fn retries(&self, ended: Status, number: u64) -> bool {
        let mut criteria = list(self.0.get("jobExecutionsRetryConfig"));
        criteria.any(|c| {
            applies(c, ended)
                && ended != Status::Rejected
                && c["numberOfRetries"].as_u64().is_some_and(|n| number <= n)
        })
    }

    /// Whether so many of the things whose execution has ended are too many. `ended` has the last
    /// state of each such thing.
    pub(super) fn gives_up(&self, ended: &[Status]) -> bool {
        list(self.0.get("abortConfig")).any(|c| {
            let failed = ended.iter().filter(|s| applies(c, **s)).count();
            let least = c["minNumberOfExecutedThings"].as_u64().unwrap_or(1);
            let percent = c["thresholdPercentage"].as_f64().unwrap_or(100.0);
            failed > 0
                && ended.len() as u64 >= least
                && 100.0 * failed as f64 >= percent * ended.len() as f64
        })
    }
}

fn list(config: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = config.and_then(|c| c["criteriaList"].as_array());
    list.into_iter().flatten()
}

/// Whether a criterion's `failureType` is this state.
fn applies(criterion: &Value, status: Status) -> bool {
    let failed = matches!(status, Status::Failed | Status::Rejected | Status::TimedOut);
    match criterion["failureType"].as_str() {
        Some("ALL") => failed,
        kind => failed && kind == Some(status.name()),
    }
}

fn check_retries(config: &Value) -> Result<(), Fault> {
    let bad = |what: &str| Fault::invalid(format!("jobExecutionsRetryConfig: {what}"));
    let criteria: Vec<&Value> = list(Some(config)).collect();
    if !(1..=2).contains(&criteria.len()) {
        return Err(bad("criteriaList has 1 or 2 members"));
    }
    let mut all = 0;
    for c in &criteria {
        let kind = c["failureType"].as_str().unwrap_or_default();
        if !["FAILED", "TIMED_OUT", "ALL"].contains(&kind) {
            return Err(bad("failureType is FAILED, TIMED_OUT or ALL"));
        }
        let retries = c["numberOfRetries"].as_u64().filter(|n| *n <= 10);
        all += retries.ok_or_else(|| bad("numberOfRetries is 0 to 10"))?;
    }
    match all {
        0..=10 => Ok(()),
        _ => Err(bad("at most 10 retries in all")),
    }
}

fn check_abort(config: &Value) -> Result<(), Fault> {
    let bad = |what: &str| Fault::invalid(format!("abortConfig: {what}"));
    if list(Some(config)).next().is_none() {
        return Err(bad("criteriaList has a member at least"));
    }
    for c in list(Some(config)) {
        let kind = c["failureType"].as_str().unwrap_or_default();
        if !["FAILED", "REJECTED", "TIMED_OUT", "ALL"].contains(&kind) {
            return Err(bad("failureType is FAILED, REJECTED, TIMED_OUT or ALL"));
        }
        if c["action"] != "CANCEL" {
            return Err(bad("action is CANCEL"));
        }
        let percent = c["thresholdPercentage"].as_f64();
        if percent.is_none_or(|p| !(p > 0.0 && p <= 100.0)) {
            return Err(bad("thresholdPercentage is above 0, to 100"));
        }
        if c["minNumberOfExecutedThings"]
            .as_u64()
            .is_none_or(|n| n < 1)
        {
            return Err(bad("minNumberOfExecutedThings is 1 or more"));
        }
    }
    Ok(())
}

//! The `iot` service: jobs and their executions.
//!
//! Owns their REST shapes: times in epoch seconds, documents as strings.

use super::iot::{expected, refuse, text};
use super::{Reply, Request, listed, unknown};
use crate::core::Core;
use crate::fault::Fault;
use crate::jobs::control::NewJob;
use crate::jobs::{Execution, Job, Jobs, Settings, Status};
use crate::now;
use mosquitto_iot::arn;
use serde_json::{Map, Value, json};

type Answer = Result<Reply, Fault>;

/// Answers `/jobs/…` and `/things/<thing>/jobs/…`.
pub(super) fn answer(core: &Core, request: &Request, parts: &[&str]) -> Answer {
    let look = |look: &dyn Fn(&Jobs) -> Answer| core.read(|s| look(&s.store.data.jobs));
    match (request.method.as_str(), parts) {
        ("PUT", ["jobs", id]) => create(core, request, id),
        ("GET", ["jobs"]) => look(&|jobs| {
            request.refuse(&["thingGroupName", "thingGroupId", "namespaceId"])?;
            let status = request.argument("status");
            let wanted = jobs.jobs().filter(|j| status.is_none_or(|s| s == j.status));
            let items = wanted.map(summary).collect();
            Ok(listed(
                "jobs",
                "nextToken",
                request.page(items, "maxResults", "nextToken")?,
            ))
        }),
        ("GET", ["jobs", id]) => look(&|jobs| {
            Ok(Reply::json(
                &json!({ "job": describe(jobs, jobs.job(id)?) }),
            ))
        }),
        ("PATCH", ["jobs", id]) => {
            let body = request.json()?;
            core.change(|s| {
                let jobs = &mut s.store.data.jobs;
                Ok((jobs.update_job(id, &body, now())?, Vec::new()))
            })?;
            Ok(Reply::json(&json!({})))
        }
        ("GET", ["jobs", id, "job-document"]) => look(&|jobs| {
            let document = jobs.job(id)?.document.to_string();
            Ok(Reply::json(&json!({ "document": document })))
        }),
        ("PUT", ["jobs", id, "cancel"]) => {
            let body = request.json()?;
            let member = |name: &str| body[name].as_str().map(str::to_owned);
            let (comment, reason) = (member("comment"), member("reasonCode"));
            core.change(|s| {
                let jobs = &mut s.store.data.jobs;
                let force = request.flag("force");
                Ok(((), jobs.cancel_job(id, force, comment, reason, now())?))
            })?;
            Ok(Reply::json(&json!({"jobArn": job_arn(id), "jobId": id})))
        }
        ("DELETE", ["jobs", id]) => {
            core.change(|s| {
                let jobs = &mut s.store.data.jobs;
                Ok(((), jobs.delete_job(id, request.flag("force"), now())?))
            })?;
            Ok(Reply::json(&json!({})))
        }
        ("GET", ["jobs", id, "things"]) => look(&|jobs| {
            jobs.job(id)?;
            let of_job = executions(jobs, request).filter(|e| e.job == *id);
            let items = of_job
                .map(|e| {
                    json!({"thingArn": arn(&format!("thing/{}", e.thing)),
                        "jobExecutionSummary": execution_summary(e)})
                })
                .collect();
            let page = request.page(items, "maxResults", "nextToken")?;
            Ok(listed("executionSummaries", "nextToken", page))
        }),
        ("GET", ["things", thing, "jobs"]) => {
            core.read(|s| s.store.data.registry.thing(thing).map(drop))?;
            look(&|jobs| {
                let job = request.argument("jobId");
                let of_thing = executions(jobs, request)
                    .filter(|e| e.thing == *thing && job.is_none_or(|j| j == e.job));
                let items = of_thing
                    .map(|e| json!({"jobId": e.job, "jobExecutionSummary": execution_summary(e)}))
                    .collect();
                let page = request.page(items, "maxResults", "nextToken")?;
                Ok(listed("executionSummaries", "nextToken", page))
            })
        }
        ("GET", ["things", thing, "jobs", id]) => look(&|jobs| {
            let number = request.number("executionNumber")?;
            let found = jobs.numbered(thing, id, number);
            let found =
                found.ok_or_else(|| Fault::missing(format!("no such job `{id}` on `{thing}`")))?;
            Ok(Reply::json(&json!({ "execution": execution(found) })))
        }),
        ("PUT", ["things", thing, "jobs", id, "cancel"]) => {
            let body = request.json()?;
            core.change(|s| {
                let jobs = &mut s.store.data.jobs;
                if let Some(found) = jobs.execution(thing, id) {
                    expected(&body, found.version)?;
                }
                Ok(((), jobs.cancel(thing, id, request.flag("force"), now())?))
            })?;
            Ok(Reply::json(&json!({})))
        }
        ("DELETE", ["things", thing, "jobs", id, "executionNumber", number]) => {
            let bad = |_| Fault::invalid(format!("executionNumber `{number}`"));
            let number = number.parse().map_err(bad)?;
            core.change(|s| {
                let (jobs, force) = (&mut s.store.data.jobs, request.flag("force"));
                Ok(((), jobs.delete(thing, id, number, force, now())?))
            })?;
            Ok(Reply::json(&json!({})))
        }
        _ => Err(unknown(request)),
    }
}

fn create(core: &Core, request: &Request, id: &str) -> Answer {
    let body = request.json()?;
    let unkept = [
        "schedulingConfig",
        "jobTemplateArn",
        "namespaceId",
        "documentParameters",
    ];
    refuse(&body, &unkept)?;
    if body["targetSelection"]
        .as_str()
        .is_some_and(|s| s != "SNAPSHOT")
    {
        return Err(Fault::invalid(
            "targetSelection: only SNAPSHOT, there are no thing groups",
        ));
    }
    core.change(|s| {
        let document = match body["document"].as_str() {
            Some(text) => text.to_owned(),
            None => {
                let source = text(&body, "documentSource");
                let (bucket, key) = location(source)?;
                let objects = &s.store.data.objects;
                let found = objects.version(&bucket, &key, None);
                let found = found.map_err(|f| Fault::invalid(f.message))?;
                let bytes = crate::objects::Objects::read(&s.store.dir, found)?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        let document: Value = serde_json::from_str(&document)
            .map_err(|e| Fault::invalid(format!("document: {e}")))?;
        let new = NewJob {
            id: id.into(),
            things: s.store.targets(&body["targets"])?,
            document,
            description: body["description"].as_str().map(str::to_owned),
            timeout: body["timeoutConfig"]["inProgressTimeoutInMinutes"].as_u64(),
            settings: Settings::of(&body)?,
        };
        Ok(((), s.store.data.jobs.create_job(new, now())?))
    })?;
    let mut out = json!({"jobArn": job_arn(id), "jobId": id});
    if let Some(description) = body.get("description") {
        out["description"] = description.clone();
    }
    Ok(Reply::json(&out))
}

/// Bucket and key of `https://s3…/bucket/key`, `https://bucket.s3…/key` or `s3://bucket/key`.
fn location(source: &str) -> Result<(String, String), Fault> {
    let bad = || Fault::invalid(format!("documentSource `{source}`: no S3 object"));
    if let Some(rest) = source.strip_prefix("s3://") {
        let (bucket, key) = rest.split_once('/').ok_or_else(bad)?;
        return Ok((bucket.into(), key.into()));
    }
    let (_, rest) = source.split_once("://").ok_or_else(bad)?;
    let (host, path) = rest.split_once('/').ok_or_else(bad)?;
    if let Some((bucket, _)) = host.split_once(".s3") {
        return Ok((bucket.into(), path.into()));
    }
    let (bucket, key) = path.split_once('/').ok_or_else(bad)?;
    Ok((bucket.into(), key.into()))
}

fn job_arn(id: &str) -> String {
    arn(&format!("job/{id}"))
}

fn executions<'a>(jobs: &'a Jobs, request: &'a Request) -> impl Iterator<Item = &'a Execution> {
    let status = request.argument("status");
    jobs.executions()
        .filter(move |e| status.is_none_or(|s| s == e.status.name()))
}

fn summary(job: &Job) -> Value {
    let mut out = json!({"jobArn": job_arn(&job.id), "jobId": job.id,
        "targetSelection": "SNAPSHOT", "status": job.status, "createdAt": job.created,
        "lastUpdatedAt": job.updated});
    if let Some(completed) = job.completed {
        out["completedAt"] = completed.into();
    }
    out
}

fn describe(jobs: &Jobs, job: &Job) -> Value {
    let mut out = summary(job);
    let targets = job.things.iter().map(|t| arn(&format!("thing/{t}")));
    out["targets"] = targets.collect::<Vec<_>>().into();
    if let Some(description) = &job.description {
        out["description"] = description.clone().into();
    }
    if job.status == "CANCELED" {
        out["forceCanceled"] = job.forced.into();
    }
    if let Some(comment) = &job.comment {
        out["comment"] = comment.clone().into();
    }
    if let Some(reason) = &job.reason {
        out["reasonCode"] = reason.clone().into();
    }
    if let Some(minutes) = job.timeout {
        out["timeoutConfig"] = json!({ "inProgressTimeoutInMinutes": minutes });
    }
    for (name, value) in job.settings.shown() {
        out[name] = value.clone();
    }
    // Things, not executions: the last one of each counts.
    let count = |status| {
        let last = job.things.iter().filter_map(|t| jobs.execution(t, &job.id));
        last.filter(|e| e.status == status).count()
    };
    let counters: Map<String, Value> = [
        ("numberOfCanceledThings", Status::Canceled),
        ("numberOfSucceededThings", Status::Succeeded),
        ("numberOfFailedThings", Status::Failed),
        ("numberOfRejectedThings", Status::Rejected),
        ("numberOfQueuedThings", Status::Queued),
        ("numberOfInProgressThings", Status::InProgress),
        ("numberOfRemovedThings", Status::Removed),
        ("numberOfTimedOutThings", Status::TimedOut),
    ]
    .into_iter()
    .map(|(name, status)| (name.to_owned(), count(status).into()))
    .collect();
    out["jobProcessDetails"] = counters.into();
    out
}

fn execution_summary(e: &Execution) -> Value {
    let mut out = json!({"status": e.status.name(), "queuedAt": e.queued,
        "lastUpdatedAt": e.updated, "executionNumber": e.number});
    if let Some(started) = e.started {
        out["startedAt"] = started.into();
    }
    out
}

fn execution(e: &Execution) -> Value {
    let mut out = execution_summary(e);
    out["jobId"] = e.job.clone().into();
    out["thingArn"] = arn(&format!("thing/{}", e.thing)).into();
    out["versionNumber"] = e.version.into();
    if let Some(details) = &e.details {
        out["statusDetails"] = json!({ "detailsMap": details });
    }
    if e.status == Status::Canceled {
        out["forceCanceled"] = e.forced.into();
    }
    if let Some(seconds) = e.seconds_left(now()) {
        out["approximateSecondsBeforeTimedOut"] = seconds.into();
    }
    out
}

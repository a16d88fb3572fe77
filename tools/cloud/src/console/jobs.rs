//! Jobs: which there are, how far each thing is, and how it got there.
//!
//! Owns the list, the page of a job with its executions, and cancelling. Progress is what the
//! device says in `statusDetails`: `receive` is `done/total` blocks.

use super::{Console, Reply, page};
use crate::core::Core;
use crate::fault::Fault;
use crate::jobs::{Execution, Status};
use maud::{Markup, html};
use serde_json::Value;

/// The page of all jobs.
pub(super) fn list(core: &Core) -> Markup {
    page::page("jobs", "Jobs", &page::live("jobs", &table(core, None)))
}

/// Its live part; the jobs of one thing when it is named. Newest first.
pub(super) fn table(core: &Core, thing: Option<&str>) -> Markup {
    let executions = core.executions();
    let mut jobs = core.jobs();
    jobs.retain(|job| thing.is_none_or(|t| job.things.iter().any(|of| of == t)));
    jobs.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    html! {
        div.wide tabindex="0" role="region" aria-label="Jobs" {
            table {
                caption { "Jobs (" (jobs.len()) ")" }
                thead {
                    tr {
                        th scope="col" { "Name" }
                        th scope="col" { "Status" }
                        th scope="col" { "Job executions" }
                        th scope="col" { "Created" }
                    }
                }
                tbody {
                    @for job in &jobs {
                        tr {
                            th scope="row" { (page::job(&job.id)) }
                            td { (job.status) }
                            td { @for e in executions.iter().filter(|e| e.job == job.id) {
                                div { (page::thing(&e.thing)) " " (page::status(e.status)) }
                            } }
                            td { (page::time(job.created)) }
                        }
                    }
                    @if jobs.is_empty() { tr { td colspan="4" { "No jobs" } } }
                }
            }
        }
    }
}

/// The page of a job.
///
/// # Errors
/// When there is none of this id.
pub(super) fn detail(console: &Console, id: &str) -> Result<Markup, Fault> {
    let core = &console.core;
    let job = core.read(|s| s.store.data.jobs.job(id).cloned())?;
    let content = html! {
        (page::live(&format!("jobs/{}", page::encode(id)), &executions(core, id)?))
        h2 { "Job document" }
        pre { (format!("{:#}", job.document)) }
        @if job.status == "IN_PROGRESS" {
            form method="post" action={ "/ui/jobs/" (page::encode(id)) "/cancel" } {
                input type="hidden" name="token" value=(console.token);
                button.plain { "Cancel job" }
            }
        }
    };
    Ok(page::page("jobs", id, &content))
}

/// Its live part.
///
/// # Errors
/// When there is none of this id.
pub(super) fn executions(core: &Core, id: &str) -> Result<Markup, Fault> {
    let job = core.read(|s| s.store.data.jobs.job(id).cloned())?;
    let mut executions = core.executions();
    executions.retain(|e| e.job == id);
    Ok(html! {
        p role="status" { "Status: " (job.status) }
        h2 { "Job executions" }
        @for e in &executions {
            h3 { (page::thing(&e.thing)) " " (page::status(e.status)) }
            @if let Some((done, total)) = progress(e) {
                p {
                    progress value=(done) max=(total) aria-label={ "Blocks received by " (e.thing) } {}
                    " " (done) " of " (total) " blocks"
                }
            }
            (history(e))
        }
        @if executions.is_empty() { p { "No job executions" } }
    })
}

fn history(execution: &Execution) -> Markup {
    let caption = match execution.number {
        1 => format!("History of {}", execution.thing),
        again => format!("History of {}, execution {again}", execution.thing),
    };
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead {
                    tr {
                        th scope="col" { "Time" }
                        th scope="col" { "Status" }
                        th scope="col" { "Status details" }
                        th scope="col" { "Version" }
                    }
                }
                tbody {
                    @for change in execution.history.iter().rev() {
                        tr {
                            td { (page::time(change.at)) }
                            td { (page::status(change.status)) }
                            td { (page::details(change.details.as_ref())) }
                            td { (change.version) }
                        }
                    }
                }
            }
        }
    }
}

/// Blocks received of all, as the device last said, while it downloads.
fn progress(execution: &Execution) -> Option<(u64, u64)> {
    let details = execution
        .details
        .as_ref()
        .filter(|_| execution.status == Status::InProgress)?;
    let (done, total) = details
        .get("receive")
        .and_then(Value::as_str)?
        .split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// CancelJob, an execution in progress too.
///
/// # Errors
/// Names an unknown job, or one that has ended.
pub(super) fn cancel(console: &Console, id: &str) -> Result<Reply, Fault> {
    console.core.change(|s| {
        let jobs = &mut s.store.data.jobs;
        Ok(((), jobs.cancel_job(id, true, None, None, crate::now())?))
    })?;
    Ok(Reply::Redirect(format!("/ui/jobs/{}", page::encode(id))))
}

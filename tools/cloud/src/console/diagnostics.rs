//! Diagnostics of a device, attested; and the crash reports of all.
//!
//! Owns the request (a nonce of this page's own, published to `<thing>/diagnostics/request`), the match
//! of answer and request, and the tables. An answer is shown as verified only when its token is signed
//! by the thing's attestation key for the nonce that was asked with; otherwise the page names the
//! reason, the device's or the judge's. The last request of each thing is kept, in memory.

use super::form::Form;
use super::{ATTESTATION_KEY, Console, Reply, attestation, client, page, random};
use crate::core::Core;
use crate::fault::Fault;
use crate::service::Message;
use attestation_verifier::{Claims, hex, verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde_json::Value;
use std::time::SystemTime;

/// Crash reports that the page shows.
const CRASHES: usize = 50;

/// What a thing was asked last.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    nonce: Vec<u8>,
    at: SystemTime,
}

/// The page.
pub(super) fn show(console: &Console, form: &Form, problem: Option<&Fault>) -> Markup {
    let core = &console.core;
    let thing = form.text("thing");
    let content = html! {
        @if let Some(fault) = problem { (page::alert(fault)) }
        form method="post" action="/ui/diagnostics" {
            input type="hidden" name="token" value=(console.token);
            label for="thing" { "Thing" }
            select id="thing" name="thing" aria-describedby="thing-help" { (page::thing_options(core, thing)) }
            p.help id="thing-help" { "Publishes a new nonce to the thing's topic diagnostics/request." }
            button { "Request diagnostics" }
        }
        @if !thing.is_empty() {
            (page::live(&format!("diagnostics/{}", page::encode(thing)), &answer(console, thing)))
        }
    };
    page::page("diagnostics", "Diagnostics", &content)
}

/// Asks; to the page, which waits for the answer.
///
/// # Errors
/// When the machine has no random bytes.
pub(super) fn ask(console: &Console, form: &Form) -> Result<Reply, Fault> {
    let thing = form.text("thing");
    match asked(console, thing) {
        Ok(()) => Ok(Reply::Redirect(format!(
            "/ui/diagnostics?thing={}",
            page::encode(thing)
        ))),
        Err(fault) => Ok(Reply::Page(fault.status, show(console, form, Some(&fault)))),
    }
}

fn asked(console: &Console, thing: &str) -> Result<(), Fault> {
    let core = &console.core;
    core.read(|s| s.store.data.registry.thing(thing).map(drop))?;
    let nonce = random::<32>()?.to_vec();
    let request = serde_json::json!({ "nonce": hex(&nonce) }).to_string();
    let at = SystemTime::now();
    if let Ok(mut asked) = console.asked.lock() {
        asked.insert(thing.into(), Asked { nonce, at });
    }
    let topic = format!("{thing}/diagnostics/request");
    Ok(core.publish(&topic, request.as_bytes(), 1, false)?)
}

/// The live part: what came of the last request.
pub(super) fn answer(console: &Console, thing: &str) -> Markup {
    let asked = console
        .asked
        .lock()
        .ok()
        .and_then(|asked| asked.get(thing).cloned());
    let Some(asked) = asked else {
        return html! { p { "Not asked yet." } };
    };
    let newest = client::matching(&console.core, &format!("{thing}/diagnostics"), 1);
    let Some(message) = newest.iter().find(|m| m.at >= asked.at) else {
        return html! { p role="status" { "Asked with nonce " span.code { (hex(&asked.nonce)) } ". Waiting for the answer." } };
    };
    match judged(&console.core, thing, message, &asked.nonce) {
        Ok((claims, document)) => html! {
            (attestation::claims(&claims))
            (tables(&document))
        },
        Err(fault) => page::alert(&fault),
    }
}

/// The answer, if it is believed.
fn judged(
    core: &Core,
    thing: &str,
    message: &Message,
    nonce: &[u8],
) -> Result<(Claims, Value), Fault> {
    let document: Value = serde_json::from_slice(&message.payload)
        .map_err(|e| Fault::invalid(format!("the answer is no JSON: {e}")))?;
    if let Some(name) = document["error"].as_str() {
        let words = document["message"].as_str().unwrap_or_default();
        let told = format!("the device answers {name}: {words}");
        return Err(Fault::new("DiagnosticsRefused", 422, told));
    }
    let refused =
        |why: String| Fault::new("AttestationRefused", 422, format!("not believed: {why}"));
    let key = attestation::digits(&attestation::key_of(core, thing))
        .filter(|key| !key.is_empty())
        .ok_or_else(|| Fault::invalid(format!("the thing has no attribute {ATTESTATION_KEY}")))?;
    let token = document["attestation"].as_str().unwrap_or_default();
    let token = STANDARD
        .decode(token)
        .map_err(|_| refused("the token is no base64".into()))?;
    let claims = verify(&token, nonce, &key).map_err(|e| refused(e.to_string()))?;
    Ok((claims, document))
}

fn tables(document: &Value) -> Markup {
    html! {
        h2 { "Processes" }
        div.wide tabindex="0" role="region" aria-label="Processes" {
            table {
                caption { "Processes" }
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "State" }
                    th scope="col" { "Version" }
                    th scope="col" { "Restarts" }
                    th scope="col" { "RAM, bytes" }
                    th scope="col" { "Stack used" }
                    th scope="col" { "System calls" }
                } }
                tbody { @for p in document["processes"].as_array().into_iter().flatten() { tr {
                    th scope="row" { (text(&p["name"])) }
                    td { (text(&p["state"])) }
                    td { (text(&p["version"])) }
                    td { (text(&p["restarts"])) }
                    td { (text(&p["app"])) " + " (text(&p["grants"])) " of " (text(&p["ram"])) }
                    td { (text(&p["stackUsed"])) " of " (text(&p["stack"])) }
                    td { (text(&p["syscalls"])) }
                } } }
            }
        }
        h2 { "Counters" }
        div.wide tabindex="0" role="region" aria-label="Counters" {
            table {
                caption { "Counters" }
                tbody { @for group in ["memory", "mqtt", "tls", "ota", "crashes"] {
                    @for (name, value) in document[group].as_object().into_iter().flatten() {
                        tr { th scope="row" { (group) " " (name) } td { (text(value)) } }
                    }
                } }
            }
        }
    }
}

/// A value as people read it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let all = members
                .iter()
                .map(|(name, v)| format!("{name} {}", text(v)));
            all.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The page of crash reports.
pub(super) fn crashes(core: &Core) -> Markup {
    let content = page::live("crashes", &crash_table(core));
    page::page("crashes", "Crash reports", &content)
}

/// Its live part: of all things, newest first.
pub(super) fn crash_table(core: &Core) -> Markup {
    let found = client::matching(core, "+/crash", CRASHES);
    html! {
        div.wide tabindex="0" role="region" aria-label="Crash reports" {
            table {
                caption { "Crash reports (" (found.len()) ")" }
                thead { tr {
                    th scope="col" { "Thing" }
                    th scope="col" { "Process" }
                    th scope="col" { "Time" }
                    th scope="col" { "Reason" }
                    th scope="col" { "Registers" }
                    th scope="col" { "Restart" }
                    th scope="col" { "Versions" }
                } }
                tbody {
                    @for message in &found { (crash_row(message)) }
                    @if found.is_empty() { tr { td colspan="7" { "No crash reports" } } }
                }
            }
        }
    }
}

fn crash_row(message: &Message) -> Markup {
    let thing = message.topic.split('/').next().unwrap_or_default();
    let report: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    html! { tr {
        th scope="row" { (page::thing(thing)) }
        td { (text(&report["process"])) }
        td { @match report["time"].as_u64() { Some(at) => (page::time(at)), None => "–" } }
        td { (text(&report["reason"])) @if report["beforeReset"] == true { " (before a reset)" } }
        td.code { (text(&report["registers"])) }
        td { @match report["restartInMs"].as_u64() {
            Some(ms) => { "number " (report["restarts"].as_u64().unwrap_or(0) + 1) ", after " (ms) " ms" },
            None => "stays stopped",
        } }
        td { (text(&report["versions"])) }
    } }
}

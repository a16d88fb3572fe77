//! The frame of every page, and the pieces that several of them show.
//!
//! Owns headings, navigation, times, payloads, presence and statuses as text. All of it is escaped
//! by the template language; nothing here marks text as already safe.

use super::client;
use crate::core::Core;
use crate::fault::Fault;
use crate::jobs::Status;
use crate::service::{Message, Presence};
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;
use std::fmt::Write;
use std::time::UNIX_EPOCH;

pub(super) use attestation_verifier::hex;

/// Longest payload that is shown whole, bytes.
const SHOWN: usize = 4096;

const PAGES: [(&str, &str); 7] = [
    ("things", "Things"),
    ("test", "MQTT test client"),
    ("jobs", "Jobs"),
    ("updates", "OTA updates"),
    ("diagnostics", "Diagnostics"),
    ("crashes", "Crash reports"),
    ("attestation", "Attestation"),
];

/// A page: `place` is the entry of the navigation that it belongs to.
pub(super) fn page(place: &str, title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – Tockstone console" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/ui/style.css";
                script src="/ui/live.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header {
                    p { strong { "Tockstone console" } " local AWS IoT" }
                    nav aria-label="Console" {
                        ul {
                            @for (path, name) in PAGES {
                                li {
                                    a href={ "/ui/" (path) } aria-current=[(path == place).then_some("page")] {
                                        (name)
                                    }
                                }
                            }
                        }
                    }
                }
                main id="main" {
                    h1 { (title) }
                    (content)
                    noscript { p.note { "Without scripts this page shows what was so when it was loaded." } }
                }
            }
        }
    }
}

/// The page of a refusal that belongs to no form.
pub(super) fn refused(fault: &Fault) -> Markup {
    page(
        "",
        fault.name,
        &html! { p role="alert" .alert { (fault.message) } },
    )
}

/// A refusal beside its form.
pub(super) fn alert(fault: &Fault) -> Markup {
    html! { p role="alert" .alert { strong { (fault.name) } ": " (fault.message) } }
}

/// A part of a page that `live.js` keeps up to date; `path` is behind `/ui/live/`.
pub(super) fn live(path: &str, content: &Markup) -> Markup {
    html! { div data-live={ "/ui/live/" (path) } { (content) } }
}

/// Percent encoding for paths and queries.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(byte.into()),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A link to a thing's page.
pub(super) fn thing(name: &str) -> Markup {
    html! { a href={ "/ui/things/" (encode(name)) } { (name) } }
}

/// A link to a job's page.
pub(super) fn job(id: &str) -> Markup {
    html! { a href={ "/ui/jobs/" (encode(id)) } { (id) } }
}

/// The options of a form that wants a thing.
pub(super) fn thing_options(core: &Core, chosen: &str) -> Markup {
    html! {
        @for name in core.things() {
            option value=(name) selected[name == chosen] { (name) }
        }
    }
}

/// Epoch seconds.
pub(super) fn time(at: u64) -> Markup {
    let text = crate::http::time(at);
    html! { time datetime=(text) { (text.replace('T', " ").replace(".000Z", " UTC")) } }
}

/// Whether a client is there.
pub(super) fn connectivity(presence: Option<&Presence>) -> Markup {
    html! {
        @match presence {
            None => span.state { "Never connected" },
            Some(p) if p.connected => span.state.good { "Connected" },
            Some(p) => {
                span.state.bad { "Disconnected" }
                @if let Some(reason) = p.event["disconnectReason"].as_str() { " " (reason) }
            }
        }
    }
}

/// A status of an execution, as AWS writes it.
pub(super) fn status(status: Status) -> Markup {
    let class = match status {
        Status::Succeeded => "state good",
        Status::Queued | Status::InProgress => "state",
        _ => "state bad",
    };
    html! { span class=(class) { (status.name()) } }
}

/// `statusDetails`, a member a line.
pub(super) fn details(details: Option<&Value>) -> Markup {
    html! {
        @match details.and_then(Value::as_object) {
            None => "–",
            Some(members) => @for (name, value) in members {
                div { (name) ": " (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) }
            },
        }
    }
}

/// Messages under a filter, newest first.
pub(super) fn messages(core: &Core, caption: &str, filter: &str, most: usize) -> Markup {
    let found = client::matching(core, filter, most);
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { "Time" } th scope="col" { "Topic" } th scope="col" { "Payload" } } }
                tbody {
                    @for message in &found {
                        tr {
                            td { (time(seconds(message))) }
                            td { (message.topic) }
                            td { pre { (payload(&message.payload)) } }
                        }
                    }
                    @if found.is_empty() { tr { td colspan="3" { "No messages yet" } } }
                }
            }
        }
    }
}

fn seconds(message: &Message) -> u64 {
    message
        .at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// A payload as text: JSON with its members on lines, other text as it is, anything else in
/// hexadecimal digits.
fn payload(bytes: &[u8]) -> String {
    let cut = bytes.get(..SHOWN).unwrap_or(bytes);
    let rest = match bytes.len() - cut.len() {
        0 => String::new(),
        more => format!("… and {more} bytes"),
    };
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(cut) {
        return format!("{value:#}");
    }
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    match std::str::from_utf8(cut) {
        Ok(text) if text.chars().all(plain) => format!("{text}{rest}"),
        _ => format!("{}{rest}", hex(cut)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_text_where_they_can_be() {
        assert_eq!(payload(b"yes"), "yes");
        assert_eq!(payload(b"{\"a\":1}"), "{\n  \"a\": 1\n}");
        assert_eq!(payload(&[0xFF, 0x84]), "ff84");
        assert_eq!(payload(b"a\r\x1b[2J"), "610d1b5b324a");
        let long = payload(&[b'x'; SHOWN + 5]);
        assert!(long.ends_with("x… and 5 bytes"));
    }

    #[test]
    fn what_a_query_means_is_encoded() {
        assert_eq!(encode("a/#+&=é"), "a%2F%23%2B%26%3D%C3%A9");
    }
}

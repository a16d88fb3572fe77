//! The MQTT test client: subscribe to a topic filter, publish to a topic.
//!
//! Owns the page and what it refuses. Messages come from the cloud's own record of what was
//! published, which holds no topic that begins with `$`.

use super::form::Form;
use super::{Console, Reply, page};
use crate::core::Core;
use crate::fault::Fault;
use crate::service::Message;
use maud::{Markup, html};

/// Messages that the page shows.
const SHOWN: usize = 100;

/// The page; `problem` is what came of a form.
pub(super) fn show(console: &Console, form: &Form, problem: Option<&Fault>) -> Markup {
    let core = &console.core;
    let filter = form.text("topic");
    let content = html! {
        @if let Some(fault) = problem { (page::alert(fault)) }
        @if !form.text("published").is_empty() {
            p role="status" .done { "Published to " (form.text("published")) }
        }
        div.columns {
            section aria-labelledby="subscribe" {
                h2 id="subscribe" { "Subscribe to a topic" }
                form method="get" action="/ui/test" {
                    label for="topic" { "Topic filter" }
                    input id="topic" name="topic" required maxlength="256" value=(filter)
                        placeholder="#" autocomplete="off" aria-describedby="topic-help";
                    p.help id="topic-help" { "+ stands for one level, # for all that follow." }
                    button { "Subscribe" }
                }
            }
            section aria-labelledby="publish" {
                h2 id="publish" { "Publish to a topic" }
                form method="post" action="/ui/test" {
                    input type="hidden" name="token" value=(console.token);
                    input type="hidden" name="topic" value=(filter);
                    label for="name" { "Topic name" }
                    input id="name" name="name" required maxlength="256" value=(form.text("name")) autocomplete="off";
                    label for="payload" { "Message payload" }
                    textarea id="payload" name="payload" rows="3" { (form.text("payload")) }
                    fieldset {
                        legend { "Additional configuration" }
                        input type="checkbox" id="retain" name="retain" value="1" checked[form.text("retain") == "1"];
                        label for="retain" { "Retain message on this topic" }
                        input type="checkbox" id="qos" name="qos" value="1" checked[form.text("qos") == "1"];
                        label for="qos" { "Quality of Service 1" }
                    }
                    button { "Publish" }
                }
            }
        }
        @if !filter.is_empty() {
            h2 { "Subscriptions" }
            (page::live(&format!("test?topic={}", page::encode(filter)), &messages(core, filter)))
        } @else {
            p { "Try: "
                @for name in core.things() {
                    @let topic = format!("{name}/ml/inference");
                    a href={ "/ui/test?topic=" (page::encode(&topic)) } { (topic) } " "
                }
            }
        }
    };
    page::page("test", "MQTT test client", &content)
}

/// The live part: what came under a filter.
pub(super) fn messages(core: &Core, filter: &str) -> Markup {
    match subscribable(filter) {
        Ok(()) => page::messages(core, filter, filter, SHOWN),
        Err(fault) => page::alert(&fault),
    }
}

fn subscribable(filter: &str) -> Result<(), Fault> {
    if filter.starts_with('$') {
        return Err(Fault::invalid(
            "topics that begin with `$` are not recorded here; see Jobs and Things",
        ));
    }
    if !rumqttc::valid_filter(filter) || filter.len() > 256 {
        return Err(Fault::invalid(format!("topic filter `{filter}`")));
    }
    Ok(())
}

/// The newest messages under a filter, newest first.
pub(super) fn matching(core: &Core, filter: &str, most: usize) -> Vec<Message> {
    core.read(|s| {
        let newest = s.messages.iter().rev();
        let found = newest.filter(|m| rumqttc::matches(&m.topic, filter));
        found.take(most).cloned().collect()
    })
}

/// Publish, as the control plane's; back to the page, which says what is wrong.
///
/// # Errors
/// None; the type is every form's.
pub(super) fn publish(console: &Console, form: &Form) -> Result<Reply, Fault> {
    let name = form.text("name");
    let sent = crate::http::may_publish(name, form.bytes("payload")).and_then(|()| {
        let (qos, retain) = (
            u8::from(form.text("qos") == "1"),
            form.text("retain") == "1",
        );
        // A form's line ends are CR LF; the payload is what was typed.
        let payload = form.text("payload").replace("\r\n", "\n");
        Ok(console
            .core
            .publish(name, payload.as_bytes(), qos, retain)?)
    });
    match sent {
        Ok(()) => Ok(Reply::Redirect(format!(
            "/ui/test?topic={}&published={}",
            page::encode(form.text("topic")),
            page::encode(name)
        ))),
        Err(fault) => Ok(Reply::Page(fault.status, show(console, form, Some(&fault)))),
    }
}

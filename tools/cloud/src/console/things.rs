//! Things: who there is, whether it is there, and what it says of itself.
//!
//! Owns the list and the page of a thing. What a device publishes is shown as it came:
//! `<thing>/ml/inference`, `<thing>/diagnostics`, `<thing>/crash`.

use super::{jobs, page};
use crate::core::Core;
use crate::fault::Fault;
use maud::{Markup, html};
use mosquitto_iot::arn;

/// The page of all things.
pub(super) fn list(core: &Core) -> Markup {
    page::page("things", "Things", &page::live("things", &table(core)))
}

/// Its live part.
pub(super) fn table(core: &Core) -> Markup {
    let presence = core.presence();
    let things = core.read(|s| s.store.data.registry.things.clone());
    let certificates = core.read(|s| s.store.data.registry.certificates.clone());
    html! {
        div.wide tabindex="0" role="region" aria-label="Things" {
            table {
                caption { "Things (" (things.len()) ")" }
                thead {
                    tr {
                        th scope="col" { "Name" }
                        th scope="col" { "Connectivity" }
                        th scope="col" { "Last event" }
                        th scope="col" { "Certificates" }
                    }
                }
                tbody {
                    @for name in things.keys() {
                        tr {
                            th scope="row" { (page::thing(name)) }
                            td { (page::connectivity(presence.get(name))) }
                            td { @match presence.get(name) {
                                Some(p) => (page::time(p.at / 1000)),
                                None => "–",
                            } }
                            td { @for c in certificates.values().filter(|c| c.things.contains(name)) {
                                div { (c.status) }
                            } }
                        }
                    }
                    @if things.is_empty() { tr { td colspan="4" { "No things" } } }
                }
            }
        }
    }
}

/// The page of a thing.
///
/// # Errors
/// When there is none of this name.
pub(super) fn detail(core: &Core, name: &str) -> Result<Markup, Fault> {
    let record = core.read(|s| s.store.data.registry.thing(name).cloned())?;
    let content = html! {
        dl {
            dt { "ARN" } dd { (arn(&format!("thing/{name}"))) }
            @for (attribute, value) in &record.attributes {
                dt { (attribute) } dd { (value.as_str().unwrap_or_default()) }
            }
        }
        p.links {
            a href={ "/ui/test?topic=" (page::encode(&format!("{name}/#"))) } { "Subscribe to its topics" }
            " "
            a href={ "/ui/diagnostics?thing=" (page::encode(name)) } { "Request diagnostics" }
            " "
            a href={ "/ui/attestation?thing=" (page::encode(name)) } { "Verify an attestation token" }
        }
        (page::live(&format!("things/{}", page::encode(name)), &activity(core, name)?))
    };
    Ok(page::page("things", name, &content))
}

/// Its live part.
///
/// # Errors
/// When there is none of this name.
pub(super) fn activity(core: &Core, name: &str) -> Result<Markup, Fault> {
    core.read(|s| s.store.data.registry.thing(name).map(drop))?;
    let presence = core.presence();
    let of = |what: &str| format!("{name}/{what}");
    Ok(html! {
        p { "Connectivity: " (page::connectivity(presence.get(name)))
            @if let Some(p) = presence.get(name) { " since " (page::time(p.at / 1000)) } }
        h2 { "Jobs" }
        (jobs::table(core, Some(name)))
        h2 { "Activity" }
        (page::messages(core, "Inference", &of("ml/inference"), 10))
        (page::messages(core, "Diagnostics", &of("diagnostics"), 3))
        (page::messages(core, "Crash reports", &of("crash"), 5))
    })
}

//! OTA updates: the list, and the form that makes one of a file and its signature.
//!
//! Owns the reading of the form, under the names that AWS's console has for its members.

use super::form::Form;
use super::{Console, Reply, page};
use crate::OtaFile;
use crate::core::Core;
use crate::fault::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

const PATHS: [&str; 2] = ["non_secure image", "secure image"];
const ALGORITHMS: [(&str, &str); 2] = [
    ("sig-sha256-rsa", "SHA-256 and RSA"),
    ("sig-sha256-ecdsa", "SHA-256 and ECDSA"),
];

/// The page; `problem` is what came of the form.
pub(super) fn show(console: &Console, form: &Form, problem: Option<&Fault>) -> Markup {
    let content = html! {
        @if let Some(fault) = problem { (page::alert(fault)) }
        h2 id="create" { "Create OTA update" }
        form method="post" action="/ui/updates" enctype="multipart/form-data" aria-labelledby="create" {
            input type="hidden" name="token" value=(console.token);
            div.columns {
                div {
                    label for="id" { "Job name" }
                    input id="id" name="id" required maxlength="128" pattern="[a-zA-Z0-9_\\-]+"
                        value=(form.text("id")) autocomplete="off" aria-describedby="id-help";
                    p.help id="id-help" { "Letters, digits, _ and -." }
                    label for="thing" { "Device to update" }
                    select id="thing" name="thing" required { (page::thing_options(&console.core, form.text("thing"))) }
                    label for="file" { "File" }
                    input id="file" name="file" type="file" required aria-describedby="file-help";
                    p.help id="file-help" { "Your custom signed file, at most 24 MB: build/…-update_signed.bin" }
                    label for="path" { "Path name of file on device" }
                    input id="path" name="path" required list="paths"
                        value=(if form.text("path").is_empty() { PATHS[0] } else { form.text("path") });
                    datalist id="paths" { @for path in PATHS { option value=(path) {} } }
                }
                div {
                    label for="signature" { "Signature" }
                    textarea id="signature" name="signature" rows="6" required spellcheck="false"
                        aria-describedby="signature-help" { (form.text("signature")) }
                    p.help id="signature-help" { "Base64, as build/update-signature.txt has it." }
                    label for="algorithm" { "Hash algorithm and encryption algorithm" }
                    select id="algorithm" name="algorithm" {
                        @for (value, name) in ALGORITHMS {
                            option value=(value) selected[form.text("algorithm") == value] { (name) }
                        }
                    }
                    label for="certificate" { "Path name of code signing certificate on device" }
                    input id="certificate" name="certificate" required
                        value=(if form.text("certificate").is_empty() { "0" } else { form.text("certificate") });
                }
            }
            button { "Create job" }
        }
        h2 { "OTA updates" }
        (page::live("updates", &table(&console.core)))
    };
    page::page("updates", "OTA updates", &content)
}

/// Its live part, newest first.
pub(super) fn table(core: &Core) -> Markup {
    let updates = core.updates();
    let mut newest: Vec<_> = updates.iter().collect();
    newest.sort_by_key(|(_, update)| std::cmp::Reverse(update.created));
    html! {
        div.wide tabindex="0" role="region" aria-label="OTA updates" {
            table {
                caption { "OTA updates (" (updates.len()) ")" }
                thead {
                    tr {
                        th scope="col" { "Name" }
                        th scope="col" { "Job" }
                        th scope="col" { "File" }
                        th scope="col" { "Status" }
                        th scope="col" { "Created" }
                    }
                }
                tbody {
                    @for (id, update) in newest {
                        tr {
                            th scope="row" { (id) }
                            td { (page::job(&update.job)) }
                            td { @for file in update.request["files"].as_array().into_iter().flatten() {
                                div { (file["fileName"].as_str().unwrap_or_default()) }
                            } }
                            td {
                                @if let Some((code, message)) = &update.error { (code) ": " (message) }
                                @for thing in &update.things {
                                    @if let Some(e) = core.execution(thing, &update.job) {
                                        div { (thing) " " (page::status(e.status)) }
                                    }
                                }
                            }
                            td { (page::time(update.created)) }
                        }
                    }
                    @if updates.is_empty() { tr { td colspan="5" { "No OTA updates" } } }
                }
            }
        }
    }
}

/// CreateOTAUpdate; to the job's page, or back to the form, which says what is wrong.
///
/// # Errors
/// None; the type is every form's.
pub(super) fn create(console: &Console, form: &Form) -> Result<Reply, Fault> {
    match made(console, form) {
        Ok(job) => Ok(Reply::Redirect(format!("/ui/jobs/{}", page::encode(&job)))),
        Err(fault) => Ok(Reply::Page(fault.status, show(console, form, Some(&fault)))),
    }
}

fn made(console: &Console, form: &Form) -> Result<String, Fault> {
    let bytes = form.bytes("file");
    if bytes.is_empty() {
        return Err(Fault::invalid("no file was chosen, or it is empty"));
    }
    // Where it was copied from may have broken it into lines.
    let signature: String = form.text("signature").split_whitespace().collect();
    if signature.is_empty() || STANDARD.decode(&signature).is_err() {
        return Err(Fault::invalid("the signature is no base64 text"));
    }
    let (path, algorithm) = (form.text("path").trim(), form.text("algorithm"));
    if path.is_empty() {
        return Err(Fault::invalid(
            "the path name of the file on the device is empty",
        ));
    }
    if !ALGORITHMS.iter().any(|(known, _)| *known == algorithm) {
        return Err(Fault::invalid(format!("algorithm `{algorithm}`")));
    }
    let file = OtaFile {
        path: path.into(),
        bytes: bytes.to_vec(),
        signature,
        algorithm: algorithm.into(),
        certificate: form.text("certificate").into(),
    };
    let made = console
        .core
        .create_ota_update(form.text("thing"), form.text("id"), &[file]);
    made.map_err(|e| e.downcast::<Fault>().unwrap_or_else(Fault::from))
}

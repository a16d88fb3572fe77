//! Attestation: judges a token, and shows what a believed one says.
//!
//! Owns the form: a token as text, as a file, or one that arrived on a topic; the nonce that it
//! must answer; the key of the device. The judge is `attestation-verifier`. The key is the thing's
//! attribute [`KEY`] where the factory wrote it there.

use super::form::Form;
use super::{Console, Reply, page, random};
use crate::core::Core;
use crate::fault::Fault;
use attestation_verifier::{Claims, hex, lifecycle_name, verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// Attribute of a thing: the public half of its attestation key, an uncompressed point of P-256 in
/// hexadecimal digits.
pub const KEY: &str = "attestationKey";
/// How a tagged COSE_Sign1 begins (RFC 9052 §4.2): tag 18, array of four.
const SIGN1: [u8; 2] = [0xD2, 0x84];

/// The page; `verdict` is what came of the form.
///
/// # Errors
/// When the machine has no random bytes.
pub(super) fn show(
    console: &Console,
    form: &Form,
    verdict: Option<&Result<Claims, Fault>>,
) -> Result<Markup, Fault> {
    let core = &console.core;
    let nonce = match form.text("nonce") {
        "" => hex(&random::<32>()?),
        given => given.to_owned(),
    };
    let key = match form.text("key") {
        "" => key_of(core, form.text("thing")),
        given => given.to_owned(),
    };
    let arrived = arrived(core);
    let content = html! {
        @match verdict {
            Some(Ok(found)) => (claims(found)),
            Some(Err(fault)) => (page::alert(fault)),
            None => {}
        }
        h2 id="verify" { "Verify a token" }
        form method="post" action="/ui/attestation" enctype="multipart/form-data" aria-labelledby="verify" {
            input type="hidden" name="token" value=(console.token);
            div.columns {
                div {
                    label for="nonce" { "Nonce" }
                    textarea id="nonce" name="nonce" rows="3" required spellcheck="false" aria-describedby="nonce-help" { (nonce) }
                    p.help id="nonce-help" { "The challenge that the token answers, 32, 48 or 64 bytes in hexadecimal digits. This one is new." }
                    label for="thing" { "Thing" }
                    select id="thing" name="thing" { (page::thing_options(core, form.text("thing"))) }
                    label for="key" { "Attestation key" }
                    textarea id="key" name="key" rows="3" spellcheck="false" aria-describedby="key-help" { (key) }
                    p.help id="key-help" { "Uncompressed point in hexadecimal digits; the thing's attribute " (KEY) " when empty." }
                }
                div {
                    label for="text" { "Token" }
                    textarea id="text" name="text" rows="6" spellcheck="false" aria-describedby="text-help" { (form.text("text")) }
                    p.help id="text-help" { "COSE_Sign1 in hexadecimal digits or base64." }
                    label for="file" { "or a file" }
                    input id="file" name="file" type="file";
                    @if !arrived.is_empty() {
                        label for="arrived" { "or one that arrived on a topic" }
                        select id="arrived" name="arrived" {
                            option value="" { "–" }
                            @for (topic, token) in &arrived {
                                option value=(hex(token)) { (topic) " (" (token.len()) " bytes)" }
                            }
                        }
                    }
                }
            }
            button { "Verify" }
        }
    };
    Ok(page::page("attestation", "Attestation", &content))
}

/// Messages that may be tokens, newest first.
fn arrived(core: &Core) -> Vec<(String, Vec<u8>)> {
    core.read(|s| {
        let tokens = s
            .messages
            .iter()
            .rev()
            .filter(|m| m.payload.starts_with(&SIGN1));
        tokens
            .take(10)
            .map(|m| (m.topic.clone(), m.payload.clone()))
            .collect()
    })
}

/// The thing's attestation key as the registry has it; empty without one.
pub(super) fn key_of(core: &Core, thing: &str) -> String {
    core.read(|s| {
        let record = s.store.data.registry.things.get(thing)?;
        Some(record.attributes.get(KEY)?.as_str()?.to_owned())
    })
    .unwrap_or_default()
}

/// Judges; the page says what came of it, 422 when the token is not believed.
///
/// # Errors
/// When the machine has no random bytes.
pub(super) fn judge(console: &Console, form: &Form) -> Result<Reply, Fault> {
    let verdict = judged(&console.core, form);
    let status = verdict.as_ref().map_or_else(|fault| fault.status, |_| 200);
    Ok(Reply::Page(status, show(console, form, Some(&verdict))?))
}

fn judged(core: &Core, form: &Form) -> Result<Claims, Fault> {
    let nonce = digits(form.text("nonce"))
        .filter(|n| [32, 48, 64].contains(&n.len()))
        .ok_or_else(|| {
            Fault::invalid("the nonce is not 32, 48 or 64 bytes in hexadecimal digits")
        })?;
    let key = match form.text("key").trim() {
        "" => key_of(core, form.text("thing")),
        given => given.to_owned(),
    };
    if key.is_empty() {
        return Err(Fault::invalid(format!(
            "the thing has no attribute {KEY}: give the key"
        )));
    }
    let key = digits(&key).ok_or_else(|| Fault::invalid("the key is not in hexadecimal digits"))?;
    let token = match (
        form.bytes("file"),
        form.text("arrived"),
        form.text("text").trim(),
    ) {
        ([], "", "") => return Err(Fault::invalid("there is no token")),
        ([], "", text) | ([], text, _) => digits(text)
            .or_else(|| {
                STANDARD
                    .decode(text.split_whitespace().collect::<String>())
                    .ok()
            })
            .ok_or_else(|| Fault::invalid("the token is neither hexadecimal digits nor base64"))?,
        (file, ..) => file.to_vec(),
    };
    verify(&token, &nonce, &key)
        .map_err(|e| Fault::new("AttestationRefused", 422, format!("not believed: {e}")))
}

/// What a believed token says.
pub(super) fn claims(claims: &Claims) -> Markup {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".into());
    let rows = [
        ("Profile", or(&claims.profile)),
        ("Nonce", hex(&claims.nonce)),
        ("Instance ID", hex(&claims.instance_id)),
        ("Implementation ID", hex(&claims.implementation_id)),
        ("Boot seed", hex(&claims.boot_seed)),
        ("Client ID", claims.client.to_string()),
        (
            "Security lifecycle",
            format!(
                "0x{:04x} {}",
                claims.lifecycle,
                lifecycle_name(claims.lifecycle)
            ),
        ),
        ("Verification service", or(&claims.verification_service)),
    ];
    html! {
        p role="status" .done { strong { "Verified" } ": signed by this key, for this nonce." }
        h2 { "Claims" }
        div.wide tabindex="0" role="region" aria-label="Claims" {
            table {
                caption { "Claims" }
                tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td.code { (value) } } } }
            }
            table {
                caption { "Software components" }
                thead {
                    tr {
                        th scope="col" { "Type" }
                        th scope="col" { "Version" }
                        th scope="col" { "Measurement" }
                        th scope="col" { "Signer ID" }
                    }
                }
                tbody { @for c in &claims.components { tr {
                    th scope="row" { (or(&c.kind)) }
                    td { (or(&c.version)) }
                    td.code { (or(&c.description)) " " (hex(&c.measurement)) }
                    td.code { (c.signer.as_deref().map_or_else(|| "–".into(), hex)) }
                } } }
            }
        }
    }
}

/// Bytes of hexadecimal digits, blanks between them or not.
pub(super) fn digits(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |n, d| n << 4 | d))
            .collect(),
    )
}

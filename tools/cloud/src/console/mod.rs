//! The console: what a person does in AWS's, on pages of this machine.
//!
//! Owns the paths below `/ui/`, who may ask, and the live parts. Every page works without a script:
//! it shows what is so when it is loaded, and forms are forms. With one, the part inside
//! `data-live` is replaced whenever it changes. `/ui` can be no bucket of the control plane that
//! shares the port: a bucket's name has three characters at least.
//!
//! Invariants: whoever asks, asks for a name of this machine and comes from these pages, so that
//! no web page reaches console or control plane through a browser; whatever devices or people
//! wrote is escaped; nothing changes without this process's token.

mod attestation;
mod client;
mod diagnostics;
mod form;
mod jobs;
mod page;
mod things;
mod updates;

pub use attestation::KEY as ATTESTATION_KEY;

use crate::core::Core;
use crate::fault::Fault;
use crate::http::{self, Server};
use anyhow::Result;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use form::Form;
use maud::Markup;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest form, bytes: a file of a stream has at most 24 MB.
const BODY: usize = 25 << 20;
/// How often a live part is looked at.
const LIVE: Duration = Duration::from_millis(200);

/// What every page needs.
struct Console {
    core: Arc<Core>,
    /// In every form of this process; a page of another origin cannot read it.
    token: String,
    /// What things were asked for their diagnostics.
    asked: Mutex<BTreeMap<String, diagnostics::Asked>>,
}

/// What a page or a form comes to.
enum Reply {
    Page(u16, Markup),
    /// See Other: a form that has done its work.
    Redirect(String),
    File(&'static str, &'static str),
}

/// Serves console and control plane on one port of this machine; on a free one when none is given.
///
/// # Errors
/// When the port is taken, or the machine has no random bytes.
pub fn serve(core: Arc<Core>, port: Option<u16>) -> Result<Server> {
    Server::serve(router(core)?, port)
}

/// Console and control plane.
///
/// # Errors
/// When the machine has no random bytes.
pub fn router(core: Arc<Core>) -> Result<Router> {
    let console = Arc::new(Console {
        core: Arc::clone(&core),
        token: page::hex(&random::<16>()?),
        asked: Mutex::default(),
    });
    Ok(Router::new()
        .route("/ui", any(entry))
        .route("/ui/", any(entry))
        .route("/ui/{*path}", any(entry))
        .with_state(console)
        .merge(http::router(core))
        .layer(axum::middleware::from_fn(guard)))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut out)?;
    Ok(out)
}

async fn guard(request: Request, next: Next) -> Response {
    let headers = request.headers();
    match own(headers) {
        Ok(()) => next.run(request).await,
        Err(why) => (
            StatusCode::FORBIDDEN,
            format!("ForbiddenException: {why}\n"),
        )
            .into_response(),
    }
}

/// Whether a browser that sends these asks on behalf of this server's own pages. A name that
/// resolves to loopback is not enough (DNS rebinding), nor is a form of another page.
fn own(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    let authority = text(header::HOST).unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let here = ["127.0.0.1", "::1", "localhost"].contains(&host) || host.ends_with(".localhost");
    if !here {
        return Err("the Host is no name of this machine");
    }
    if let Some(origin) = text(header::ORIGIN)
        && origin.strip_prefix("http://") != Some(authority)
    {
        return Err("the request comes from another origin");
    }
    match headers.get("sec-fetch-site").map(|v| v.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err("the request comes from another site"),
    }
}

async fn entry(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let path: Vec<String> = path.split('/').skip(2).map(http::decode).collect();
    let query = Form::query(parts.uri.query().unwrap_or_default());
    if path.first().is_some_and(|first| first == "live") && parts.method == Method::GET {
        return live(console, path, query);
    }
    let form = match to_bytes(body, BODY).await {
        Ok(body) => Form::read(&parts.headers, body).await,
        Err(_) => Err(Fault::invalid("the form is longer than 25 MB")),
    };
    // The state is behind a lock, and what changes is written first.
    let answer = tokio::task::spawn_blocking(move || {
        form.and_then(|form| console.answer(&parts.method, &path, &query, &form))
            .unwrap_or_else(|fault| Reply::Page(fault.status, page::refused(&fault)))
    });
    match answer.await {
        Ok(reply) => reply.into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

impl Console {
    fn answer(
        &self,
        method: &Method,
        path: &[String],
        query: &Form,
        form: &Form,
    ) -> Result<Reply, Fault> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if method == Method::POST && form.text("token") != self.token {
            return Err(Fault::new(
                "ForbiddenException",
                403,
                "the form is of another run of the console: load the page again",
            ));
        }
        let ok = |page| Ok(Reply::Page(200, page));
        match (method.as_str(), &path[..]) {
            ("GET", [] | [""]) => Ok(Reply::Redirect("/ui/things".into())),
            ("GET", ["style.css"]) => Ok(Reply::File("text/css", include_str!("style.css"))),
            ("GET", ["live.js"]) => Ok(Reply::File("text/javascript", include_str!("live.js"))),
            ("GET", ["things"]) => ok(things::list(&self.core)),
            ("GET", ["things", name]) => ok(things::detail(&self.core, name)?),
            ("GET", ["test"]) => ok(client::show(self, query, None)),
            ("POST", ["test"]) => client::publish(self, form),
            ("GET", ["jobs"]) => ok(jobs::list(&self.core)),
            ("GET", ["jobs", id]) => ok(jobs::detail(self, id)?),
            ("POST", ["jobs", id, "cancel"]) => jobs::cancel(self, id),
            ("GET", ["updates"]) => ok(updates::show(self, &Form::default(), None)),
            ("POST", ["updates"]) => updates::create(self, form),
            ("GET", ["diagnostics"]) => ok(diagnostics::show(self, query, None)),
            ("POST", ["diagnostics"]) => diagnostics::ask(self, form),
            ("GET", ["crashes"]) => ok(diagnostics::crashes(&self.core)),
            ("GET", ["attestation"]) => ok(attestation::show(self, query, None)?),
            ("POST", ["attestation"]) => attestation::judge(self, form),
            ("GET" | "POST", _) => Err(Fault::missing("no such page")),
            (other, _) => Err(Fault::new(
                "MethodNotAllowedException",
                405,
                format!("{other} is not served here"),
            )),
        }
    }
}

/// The live part of a page.
fn fragment(console: &Console, path: &[&str], query: &Form) -> Result<Markup, Fault> {
    let core = &console.core;
    match path {
        ["things"] => Ok(things::table(core)),
        ["things", name] => things::activity(core, name),
        ["test"] => Ok(client::messages(core, query.text("topic"))),
        ["jobs"] => Ok(jobs::table(core, None)),
        ["jobs", id] => jobs::executions(core, id),
        ["updates"] => Ok(updates::table(core)),
        ["diagnostics", name] => Ok(diagnostics::answer(console, name)),
        ["crashes"] => Ok(diagnostics::crash_table(core)),
        _ => Err(Fault::missing("no such page")),
    }
}

/// Sends a live part now and whenever it has changed, as HTML in a JSON string.
fn live(console: Arc<Console>, path: Vec<String>, query: Form) -> Response {
    let state = (console, path, query, String::new());
    let events = futures_util::stream::unfold(state, |(console, path, query, last)| async move {
        let html = loop {
            let parts: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
            let html = match fragment(&console, &parts, &query) {
                Ok(html) => html.into_string(),
                Err(fault) => page::alert(&fault).into_string(),
            };
            if html != last {
                break html;
            }
            tokio::time::sleep(LIVE).await;
        };
        // A string in JSON has no line ends, which an event must not have.
        let data = serde_json::Value::from(html.as_str()).to_string();
        let event = Ok::<_, Infallible>(Event::default().data(data));
        Some((event, (console, path, query, html)))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let plain = |status, kind: &str, body: Body| {
            Response::builder()
                .status(status)
                .header(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))
                .header(header::CACHE_CONTROL, "no-store")
                .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
                .header(header::REFERRER_POLICY, "same-origin")
                .header(
                    header::CONTENT_SECURITY_POLICY,
                    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                     img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
                )
                .body(body)
                .unwrap_or_default()
        };
        match self {
            Reply::Page(status, page) => plain(status, "text/html", page.into_string().into()),
            Reply::File(kind, text) => plain(200, kind, text.into()),
            Reply::Redirect(to) => {
                (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
            }
        }
    }
}

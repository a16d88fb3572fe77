//! The control plane over HTTP, in AWS's shapes.
//!
//! Owns the server, the reading of requests, and which service answers: the credential scope of
//! the signature names it, so that one port serves `iot`, `iotdata`, `iot-jobs-data`, `s3` and
//! `sts`. A signature must be there and well formed; whose it is and whether it is right is not
//! checked. On loopback only. docs/cloud-api.md lists the operations.

mod data;
mod iot;
mod jobs;
mod ota;
pub mod request;
mod s3;
mod s3_list;

pub(crate) use data::may_publish;
pub(crate) use s3::time;

use crate::core::Core;
use crate::fault::Fault;
use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

/// Longest body, bytes: an object for a stream has at most 24 MB.
const BODY: usize = 64 << 20;

/// Port of the control plane where nothing else is asked for.
pub const PORT: u16 = 4566;

/// A running server; it stops when dropped.
pub struct Server {
    /// Its port on 127.0.0.1.
    pub port: u16,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    /// Serves the control plane; on a free port when none is given.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(core: Arc<Core>, port: Option<u16>) -> Result<Server> {
        Server::serve(router(core), port)
    }

    /// Serves a router, which may hold more than [`router`].
    ///
    /// # Errors
    /// When the port is taken.
    pub fn serve(router: Router, port: Option<u16>) -> Result<Server> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).with_context(|| {
                let port = port.unwrap_or(0);
                format!("control plane on port {port} of 127.0.0.1 (another cloud runs?)")
            })?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        runtime.spawn(async move {
            if let Err(e) = axum::serve(listener, router).await {
                eprintln!("cloud: the HTTP server has ended: {e}");
            }
        });
        Ok(Server {
            port,
            runtime: Some(runtime),
        })
    }

    /// The URL that SDKs take as their endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Everything that is signed; other routes may be merged beside it.
pub fn router(core: Arc<Core>) -> Router {
    Router::new().fallback(entry).with_state(core)
}

async fn entry(State(core): State<Arc<Core>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let reply = match to_bytes(body, BODY).await {
        Err(_) => Reply::fault(&Fault::invalid("the body is longer than 64 MB")),
        Ok(body) => {
            let request = Request {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: pairs(parts.uri.query().unwrap_or_default()),
                headers: parts.headers,
                body: body.to_vec(),
            };
            // Certificates take openssl, and the state is behind a lock.
            let answer = tokio::task::spawn_blocking(move || answer(&core, request));
            match answer.await {
                Ok(reply) => reply,
                Err(e) => Reply::fault(&Fault::new("InternalFailureException", 500, e.to_string())),
            }
        }
    };
    let mut response = Response::builder()
        .status(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("x-amzn-RequestId", crate::uuid());
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap_or_default()
}

fn answer(core: &Core, mut request: Request) -> Reply {
    match request.service() {
        Err(fault) => Reply::fault(&fault),
        Ok(service) => match service.as_str() {
            "iot" | "execute-api" => iot::answer(core, &request),
            "iotdata" | "iotdevicegateway" => data::publish(core, &request),
            "iot-jobs-data" => data::jobs(core, &request),
            "sts" => data::identity(&request),
            "s3" => return s3::answer(core, &mut request),
            other => {
                let fault = Fault::new(
                    "UnknownOperationException",
                    404,
                    format!("service `{other}` is not served here"),
                );
                let form = request.header("content-type").unwrap_or_default();
                if form.starts_with("application/x-www-form-urlencoded") {
                    return Reply::query_fault(&fault);
                }
                Err(fault)
            }
        }
        .unwrap_or_else(|fault| Reply::fault(&fault)),
    }
}

/// A request, read.
struct Request {
    method: Method,
    /// As it came, in percent encoding.
    path: String,
    query: Vec<(String, String)>,
    headers: header::HeaderMap,
    body: Vec<u8>,
}

impl Request {
    /// The service in the signature's credential scope.
    fn service(&self) -> Result<String, Fault> {
        let credential = match (
            self.header("authorization"),
            self.argument("X-Amz-Credential"),
        ) {
            (Some(text), _) => {
                let member = |name: &str| {
                    let rest = text.split_once(name)?.1;
                    Some(rest.split([',', ' ']).next().unwrap_or(rest).to_owned())
                };
                let hex = |s: &String| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit());
                let whole = text.starts_with("AWS4-HMAC-SHA256 ")
                    && member("SignedHeaders=").is_some_and(|s| s.contains("host"))
                    && member("Signature=").as_ref().is_some_and(hex);
                member("Credential=").filter(|_| whole)
            }
            (None, Some(credential)) => Some(credential.to_owned()),
            (None, None) => {
                return Err(Fault::new(
                    "MissingAuthenticationTokenException",
                    403,
                    "the request is not signed (Signature Version 4)",
                ));
            }
        };
        let parts: Vec<&str> = credential
            .as_deref()
            .unwrap_or_default()
            .split('/')
            .collect();
        match parts[..] {
            [_, date, _, service, "aws4_request"] if date.len() == 8 => Ok(service.to_owned()),
            _ => Err(Fault::new(
                "IncompleteSignatureException",
                403,
                "the Authorization header is no signature of Version 4",
            )),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn argument(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> bool {
        self.argument(name) == Some("true")
    }

    /// Decoded parts of the path.
    fn parts(&self) -> Vec<String> {
        self.path.trim_matches('/').split('/').map(decode).collect()
    }

    /// The body as an object; an empty one when there is none.
    fn json(&self) -> Result<Value, Fault> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(Fault::new("SerializationException", 400, "no JSON object")),
            Err(e) => Err(Fault::new("SerializationException", 400, e.to_string())),
        }
    }

    /// A number in the query, if it is there.
    fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let bad = |text: &str| Fault::invalid(format!("{name} `{text}` is no number"));
        let text = self.argument(name);
        text.map(|t| t.parse().map_err(|_| bad(t))).transpose()
    }

    /// Refuses what would choose among the answers and is not known here.
    fn refuse(&self, names: &[&str]) -> Result<(), Fault> {
        match names.iter().find(|n| self.argument(n).is_some()) {
            Some(name) => Err(Fault::invalid(format!("{name} is not kept here"))),
            None => Ok(()),
        }
    }

    /// One page of a list: the items, and the token of the next page.
    fn page(&self, items: Vec<Value>, size: &str, token: &str) -> Result<Page, Fault> {
        let from = self.number(token)?.unwrap_or(0);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        if from > items.len() {
            return Err(Fault::invalid(format!("{token} `{from}` is of no list")));
        }
        let size = self.number(size)?.unwrap_or(250).clamp(1, 250);
        let next = from + size as usize;
        let more = (next < items.len()).then(|| next.to_string());
        let page = items.into_iter().skip(from).take(size as usize);
        Ok((page.collect(), more))
    }
}

/// An answer.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn json(body: &Value) -> Reply {
        Reply {
            status: 200,
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    fn xml(status: u16, body: &str) -> Reply {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        Reply {
            status,
            headers: vec![("content-type", "application/xml".into())],
            body: body.into_bytes(),
        }
    }

    fn empty(status: u16) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// AWS's shape of an error of the services that take forms (IAM, STS).
    fn query_fault(fault: &Fault) -> Reply {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>\
             <RequestId>{}</RequestId></ErrorResponse>",
            fault.name.trim_end_matches("Exception"),
            escape(&fault.message),
            crate::uuid()
        );
        Reply::xml(fault.status, &body)
    }

    /// AWS's shape of an error in JSON.
    fn fault(fault: &Fault) -> Reply {
        let mut reply = Reply::json(&json!({ "message": fault.message }));
        reply.status = fault.status;
        reply.headers.push(("x-amzn-ErrorType", fault.name.into()));
        reply
    }
}

/// Items, and the token of the next page.
type Page = (Vec<Value>, Option<String>);

/// A list with its token, under AWS's names.
fn listed(name: &str, token: &str, (page, next): Page) -> Reply {
    let mut out = json!({ name: page });
    if let Some(next) = next {
        out[token] = next.into();
    }
    Reply::json(&out)
}

fn unknown(request: &Request) -> Fault {
    let what = format!("{} {} is not served here", request.method, request.path);
    Fault::new("UnknownOperationException", 404, what)
}

/// The members of a query string or of a form.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |p: &str| {
        let (name, value) = p.split_once('=').unwrap_or((p, ""));
        let plain = |s: &str| decode(&s.replace('+', " "));
        (plain(name), plain(value))
    };
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(pair)
        .collect()
}

/// Percent decoding; what is no escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |b: &u8| char::from(*b).to_digit(16);
        match (first, tail) {
            (b'%', [a, b, after @ ..]) if digit(a).is_some() && digit(b).is_some() => {
                let byte = digit(a).unwrap_or(0) << 4 | digit(b).unwrap_or(0);
                out.push(byte as u8);
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Text inside XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

//! The data planes `iotdata` and `iot-jobs-data`, and `sts`.
//!
//! Owns Publish, the HTTP form of the device's Jobs API, and GetCallerIdentity, which tools ask
//! for before they do anything else.

use super::{Reply, Request, decode, pairs, unknown};
use crate::core::Core;
use crate::fault::Fault;
use crate::now;
use mosquitto_iot::ACCOUNT;
use serde_json::{Value, json};

type Answer = Result<Reply, Fault>;

/// `iotdata`: Publish.
pub(super) fn publish(core: &Core, request: &Request) -> Answer {
    let topic = request.path.strip_prefix("/topics/").map(decode);
    let (true, Some(topic)) = (request.method == "POST", topic) else {
        return Err(unknown(request));
    };
    may_publish(&topic, &request.body)?;
    let qos = u8::from(request.argument("qos") == Some("1"));
    core.publish(&topic, &request.body, qos, request.flag("retain"))?;
    Ok(Reply::json(&json!({})))
}

/// Whether Publish takes it.
///
/// # Errors
/// Names the topic, or the limit of payloads.
pub(crate) fn may_publish(topic: &str, payload: &[u8]) -> Result<(), Fault> {
    if topic.is_empty() || topic.len() > 256 || topic.contains(['+', '#', '\0']) {
        return Err(Fault::invalid(format!("topic `{topic}`")));
    }
    if payload.len() > 128 * 1024 {
        return Err(Fault::invalid("a payload has at most 128 KB"));
    }
    Ok(())
}

/// `iot-jobs-data`: the same engine as over MQTT, in the shapes of HTTP.
pub(super) fn jobs(core: &Core, request: &Request) -> Answer {
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut body = request.json()?;
    let (thing, operation) = match (request.method.as_str(), &parts[..]) {
        ("GET", ["things", thing, "jobs"]) => (thing, "get".to_owned()),
        ("PUT", ["things", thing, "jobs", "$next"]) => (thing, "start-next".to_owned()),
        ("GET", ["things", thing, "jobs", job]) => {
            if let Some(document) = request.argument("includeJobDocument") {
                body["includeJobDocument"] = (document == "true").into();
            }
            let number = request.argument("executionNumber");
            if let Some(number) = number.and_then(|n| n.parse::<u64>().ok()) {
                body["executionNumber"] = number.into();
            }
            (thing, format!("{job}/get"))
        }
        ("POST", ["things", thing, "jobs", job]) => (thing, format!("{job}/update")),
        _ => return Err(unknown(request)),
    };
    let payload = body.to_string();
    let first = core.change(|s| {
        s.store.data.registry.thing(thing)?;
        let jobs = &mut s.store.data.jobs;
        let mut messages = jobs.request(thing, &operation, payload.as_bytes(), now());
        if messages.is_empty() {
            return Err(unknown(request));
        }
        Ok((messages.remove(0), messages))
    })?;
    let mut answer: Value = serde_json::from_slice(&first.payload).unwrap_or_default();
    if first.topic.ends_with("/rejected") {
        let message = answer["message"].as_str().unwrap_or_default();
        return Err(match answer["code"].as_str().unwrap_or_default() {
            "ResourceNotFound" => Fault::missing(message),
            "InvalidStateTransition" => Fault::new("InvalidStateTransitionException", 409, message),
            "TerminalStateReached" => Fault::new("TerminalStateException", 410, message),
            _ => Fault::invalid(message),
        });
    }
    // Over HTTP a document is a string, and the update's members have other homes.
    let text = |v: &Value| Value::from(v.to_string());
    if let Some(document) = answer["execution"].get("jobDocument").map(text) {
        answer["execution"]["jobDocument"] = document;
        answer["execution"]["thingName"] = (*thing).into();
    }
    if let Some(document) = answer.get("jobDocument").map(text) {
        answer["jobDocument"] = document;
    }
    if let Some(members) = answer.as_object_mut() {
        members.retain(|name, _| name != "timestamp" && name != "clientToken");
    }
    Ok(Reply::json(&answer))
}

/// `sts`: GetCallerIdentity.
pub(super) fn identity(request: &Request) -> Answer {
    let body = String::from_utf8_lossy(&request.body);
    let action = pairs(&body).into_iter().find(|(n, _)| n == "Action");
    if action.is_none_or(|(_, a)| a != "GetCallerIdentity") {
        return Err(unknown(request));
    }
    Ok(Reply::xml(
        200,
        &format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/local</Arn>\
             <UserId>AIDALOCAL</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>",
            crate::uuid()
        ),
    ))
}

//! The `iot` service: streams and OTA updates.
//!
//! Owns their REST shapes.

use super::iot::text;
use super::{Reply, Request, listed, unknown};
use crate::core::Core;
use crate::fault::Fault;
use crate::now;
use crate::ota::{StreamRecord, UpdateRecord, no_stream};
use mosquitto_iot::arn;
use serde_json::{Value, json};

type Answer = Result<Reply, Fault>;

/// Answers `/streams/…` and `/otaUpdates/…`.
pub(super) fn answer(core: &Core, request: &Request, parts: &[&str]) -> Answer {
    match (request.method.as_str(), parts) {
        ("GET", ["streams"]) => {
            let items = core.read(|s| {
                let all = s.store.data.streams.iter();
                all.map(|(id, r)| stream_head(id, r)).collect()
            });
            Ok(listed(
                "streams",
                "nextToken",
                request.page(items, "maxResults", "nextToken")?,
            ))
        }
        ("POST", ["streams", id]) => {
            let body = request.json()?;
            let files = body["files"].as_array().cloned().unwrap_or_default();
            let (description, role) = (text(&body, "description"), text(&body, "roleArn"));
            let record = core.change(|s| {
                s.store
                    .create_stream(id, description, role, &files, None, now())?;
                Ok((s.store.data.streams[*id].clone(), Vec::new()))
            })?;
            Ok(Reply::json(&stream_head(id, &record)))
        }
        ("GET", ["streams", id]) => {
            let record = core.read(|s| s.store.data.streams.get(*id).cloned());
            let record = record.ok_or_else(|| no_stream(id))?;
            let mut info = stream_head(id, &record);
            let files: Vec<Value> = record
                .files
                .iter()
                .map(|f| {
                    let mut location = json!({"bucket": f.bucket, "key": f.key});
                    if let Some(version) = &f.version {
                        location["version"] = version.clone().into();
                    }
                    json!({"fileId": f.id, "s3Location": location})
                })
                .collect();
            info["files"] = files.into();
            info["createdAt"] = record.created.into();
            info["lastUpdatedAt"] = record.updated.into();
            info["roleArn"] = record.role.into();
            Ok(Reply::json(&json!({ "streamInfo": info })))
        }
        ("PUT", ["streams", id]) => {
            let body = request.json()?;
            let files = body["files"].as_array().map(Vec::as_slice);
            let description = body["description"].as_str();
            let record = core.change(|s| {
                s.store.update_stream(id, description, files, now())?;
                s.close_stream(id);
                Ok((s.store.data.streams[*id].clone(), Vec::new()))
            })?;
            Ok(Reply::json(&stream_head(id, &record)))
        }
        ("DELETE", ["streams", id]) => {
            core.change(|s| {
                s.close_stream(id);
                let gone = s.store.data.streams.remove(*id);
                gone.map(|_| ((), Vec::new())).ok_or_else(|| no_stream(id))
            })?;
            Ok(Reply::json(&json!({})))
        }
        ("GET", ["otaUpdates"]) => {
            let status = request.argument("otaUpdateStatus");
            let items = core.read(|s| {
                let all = s.store.data.updates.iter();
                all.filter(|(_, u)| status.is_none_or(|wanted| wanted == state(u)))
                    .map(|(id, u)| {
                        json!({"otaUpdateId": id, "otaUpdateArn": update_arn(id),
                            "creationDate": u.created})
                    })
                    .collect()
            });
            Ok(listed(
                "otaUpdates",
                "nextToken",
                request.page(items, "maxResults", "nextToken")?,
            ))
        }
        ("POST", ["otaUpdates", id]) => {
            let body = request.json()?;
            let record = core.change(|s| {
                let messages = s.store.create_update(id, &body, now())?;
                Ok((s.store.update(id)?.clone(), messages))
            })?;
            Ok(Reply::json(
                &json!({"otaUpdateId": id, "awsIotJobId": record.job,
                "otaUpdateArn": update_arn(id),
                "awsIotJobArn": arn(&format!("job/{}", record.job)),
                "otaUpdateStatus": "CREATE_PENDING"}),
            ))
        }
        ("GET", ["otaUpdates", id]) => {
            let record = core.read(|s| s.store.update(id).cloned())?;
            Ok(Reply::json(
                &json!({ "otaUpdateInfo": update_info(id, &record) }),
            ))
        }
        ("DELETE", ["otaUpdates", id]) => {
            let (stream, force) = (
                request.flag("deleteStream"),
                request.flag("forceDeleteAWSJob"),
            );
            core.change(|s| {
                if let Some(id) = s.store.update(id)?.stream.clone() {
                    s.close_stream(&id);
                }
                Ok(((), s.store.delete_update(id, stream, force, now())?))
            })?;
            Ok(Reply::json(&json!({})))
        }
        _ => Err(unknown(request)),
    }
}

fn stream_head(id: &str, record: &StreamRecord) -> Value {
    json!({"streamId": id, "streamArn": arn(&format!("stream/{id}")),
        "description": record.description, "streamVersion": record.version})
}

fn update_arn(id: &str) -> String {
    arn(&format!("otaupdate/{id}"))
}

fn state(record: &UpdateRecord) -> &'static str {
    if record.error.is_some() {
        "CREATE_FAILED"
    } else {
        "CREATE_COMPLETE"
    }
}

fn update_info(id: &str, record: &UpdateRecord) -> Value {
    let request = &record.request;
    let mut out = json!({"otaUpdateId": id, "otaUpdateArn": update_arn(id),
        "creationDate": record.created, "lastModifiedDate": record.created,
        "targets": request["targets"], "protocols": ["MQTT"], "targetSelection": "SNAPSHOT",
        "otaUpdateStatus": state(record)});
    if let Some(description) = request.get("description") {
        out["description"] = description.clone();
    }
    if let Some(more) = request.get("additionalParameters") {
        out["additionalParameters"] = more.clone();
    }
    let files = request["files"].as_array().into_iter().flatten();
    let files = files.enumerate().map(|(i, file)| {
        let mut file = file.clone();
        if let Some(stream) = record.stream.as_ref().filter(|_| record.own_stream) {
            file["fileLocation"] = json!({"stream": {"streamId": stream, "fileId": i}});
        }
        file
    });
    out["otaUpdateFiles"] = files.collect::<Vec<_>>().into();
    match &record.error {
        Some((code, message)) => out["errorInfo"] = json!({"code": code, "message": message}),
        None => {
            out["awsIotJobId"] = record.job.clone().into();
            out["awsIotJobArn"] = arn(&format!("job/{}", record.job)).into();
        }
    }
    out
}

//! The `iot` service: things, certificates, policies, templates, the endpoint.
//!
//! Owns their REST shapes; jobs, streams and updates are its sister modules'.

use super::{Reply, Request, jobs, listed, ota, unknown};
use crate::broker;
use crate::core::Core;
use crate::fault::Fault;
use crate::lambda;
use crate::now;
use crate::pki::{self, Subject};
use crate::provisioning;
use crate::registry::{CertificateRecord, Registry, TemplateRecord, no_version};
use mosquitto_iot::arn;
use serde_json::{Map, Value, json};

type Answer = Result<Reply, Fault>;

/// Answers an operation of the service.
pub(super) fn answer(core: &Core, request: &Request) -> Answer {
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (request.method.as_str(), &parts[..]) {
        (_, ["things", _, "jobs", ..] | ["jobs", ..]) => jobs::answer(core, request, &parts),
        (_, ["streams", ..] | ["otaUpdates", ..]) => ota::answer(core, request, &parts),
        (_, ["things", ..] | ["principals", ..]) => things(core, request, &parts),
        (
            _,
            ["keys-and-certificate"]
            | ["certificates", ..]
            | ["certificate", ..]
            | ["provisioning-templates", _, "provisioning-claim"],
        ) => certificates(core, request, &parts),
        (
            _,
            ["policies", ..]
            | ["target-policies", ..]
            | ["attached-policies", ..]
            | ["policy-targets", ..]
            | ["principal-policies", ..],
        ) => policies(core, request, &parts),
        (_, ["provisioning-templates", ..]) => templates(core, request, &parts),
        ("GET", ["endpoint"]) => match request.argument("endpointType") {
            None | Some("iot:Data" | "iot:Data-ATS") => {
                Ok(Reply::json(&json!({ "endpointAddress": core.endpoint() })))
            }
            // The device's plane over HTTP is on this port.
            Some("iot:Jobs") => Ok(Reply::json(
                &json!({ "endpointAddress": request.header("host").unwrap_or_default() }),
            )),
            Some(other) => Err(Fault::invalid(format!("endpointType `{other}`"))),
        },
        _ => Err(unknown(request)),
    }
}

/// Looks at the registry.
fn look<T>(core: &Core, look: impl FnOnce(&mut Registry) -> T) -> T {
    core.read(|s| look(&mut s.store.data.registry))
}

/// Changes the registry.
fn change<T>(
    core: &Core,
    change: impl FnOnce(&mut Registry) -> Result<T, Fault>,
) -> Result<T, Fault> {
    core.change(|s| Ok((change(&mut s.store.data.registry)?, Vec::new())))
}

fn done() -> Answer {
    Ok(Reply::json(&json!({})))
}

fn things(core: &Core, request: &Request, parts: &[&str]) -> Answer {
    let attributes = |body: &Value| match &body["attributePayload"]["attributes"] {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    let principal = || {
        let arn = request.header("x-amzn-principal").unwrap_or_default();
        certificate_of(arn)
    };
    match (request.method.as_str(), parts) {
        ("GET", ["things"]) => {
            request.refuse(&["thingTypeName", "usePrefixAttributeValue"])?;
            let wanted = request
                .argument("attributeName")
                .map(|n| (n, request.argument("attributeValue").unwrap_or_default()));
            let items = look(core, |r| {
                let all = r.things.iter();
                all.filter(|(_, t)| {
                    wanted.is_none_or(|(n, v)| t.attributes.get(n) == Some(&v.into()))
                })
                .map(|(name, t)| {
                    json!({"thingName": name, "thingArn": arn(&format!("thing/{name}")),
                            "attributes": t.attributes, "version": t.version})
                })
                .collect()
            });
            Ok(listed(
                "things",
                "nextToken",
                request.page(items, "maxResults", "nextToken")?,
            ))
        }
        ("POST", ["things", name]) => {
            let body = request.json()?;
            refuse(&body, &["thingTypeName", "billingGroupName"])?;
            let id = change(core, |r| {
                r.create_thing(name, attributes(&body))
                    .map(|t| t.id.clone())
            })?;
            Ok(Reply::json(&json!({"thingName": name,
                "thingArn": arn(&format!("thing/{name}")), "thingId": id})))
        }
        ("GET", ["things", name]) => {
            let t = look(core, |r| r.thing(name).cloned())?;
            Ok(Reply::json(
                &json!({"defaultClientId": name, "thingName": name,
                "thingId": t.id, "thingArn": arn(&format!("thing/{name}")),
                "attributes": t.attributes, "version": t.version}),
            ))
        }
        ("PATCH", ["things", name]) => {
            let body = request.json()?;
            refuse(&body, &["thingTypeName", "removeThingType"])?;
            let merge = body["attributePayload"]["merge"] == true;
            change(core, |r| {
                expected(&body, r.thing(name)?.version)?;
                if let Some(t) = r.things.get_mut(*name) {
                    if !merge {
                        t.attributes.clear();
                    }
                    t.attributes.extend(attributes(&body));
                    t.attributes.retain(|_, v| v != "");
                    t.version += 1;
                }
                Ok(())
            })?;
            done()
        }
        ("DELETE", ["things", name]) => {
            let wanted = request.number("expectedVersion")?;
            change(core, |r| match r.things.get(*name) {
                Some(t) if wanted.is_some_and(|v| v != t.version) => Err(Fault::version(t.version)),
                _ => r.delete_thing(name),
            })?;
            done()
        }
        ("GET", ["things", name, "principals"]) => {
            let items = look(core, |r| {
                r.thing(name)?;
                let of_thing = r.certificates.iter();
                let of_thing = of_thing.filter(|(_, c)| c.things.iter().any(|t| t == name));
                Ok::<_, Fault>(
                    of_thing
                        .map(|(id, _)| arn(&format!("cert/{id}")).into())
                        .collect(),
                )
            })?;
            Ok(listed(
                "principals",
                "nextToken",
                request.page(items, "maxResults", "nextToken")?,
            ))
        }
        ("PUT", ["things", name, "principals"]) => {
            change(core, |r| r.attach_thing(name, &principal()?, true))?;
            done()
        }
        ("DELETE", ["things", name, "principals"]) => {
            change(core, |r| r.attach_thing(name, &principal()?, false))?;
            done()
        }
        ("GET", ["principals", "things"]) => {
            let things = look(core, |r| {
                r.certificate(&principal()?).map(|c| c.things.clone())
            })?;
            let items = things.into_iter().map(Value::from).collect();
            Ok(listed(
                "things",
                "nextToken",
                request.page(items, "maxResults", "nextToken")?,
            ))
        }
        _ => Err(unknown(request)),
    }
}

fn certificates(core: &Core, request: &Request, parts: &[&str]) -> Answer {
    let status = || {
        if request.flag("setAsActive") {
            "ACTIVE"
        } else {
            "INACTIVE"
        }
    };
    match (request.method.as_str(), parts) {
        ("POST", ["keys-and-certificate"]) => {
            let (mut out, _) = with_keys(core, status())?;
            out["certificateArn"] = arn(&format!("cert/{}", text(&out, "certificateId"))).into();
            Ok(Reply::json(&out))
        }
        ("POST", ["provisioning-templates", name, "provisioning-claim"]) => {
            let (mut out, id) = with_keys(core, "ACTIVE")?;
            core.make_claim(name, &id)?;
            // AWS takes the claim back after five minutes; here it stays.
            out["expiration"] = (now() + 300).into();
            Ok(Reply::json(&out))
        }
        ("POST", ["certificates"]) => {
            let body = request.json()?;
            let csr = text(&body, "certificateSigningRequest");
            let bad =
                |e: anyhow::Error| Fault::invalid(format!("certificateSigningRequest: {e:#}"));
            let pem = core.authority().sign_request(csr).map_err(bad)?;
            register(core, &pem, status())
        }
        ("POST", ["certificate", kind @ ("register-no-ca" | "register")]) => {
            let body = request.json()?;
            let pem = text(&body, "certificatePem");
            let invalid = |m: String| Fault::new("CertificateValidationException", 400, m);
            if pki::der_of(pem).is_none() {
                return Err(invalid("certificatePem is no certificate".into()));
            }
            let ours = core.authority().certificate();
            if !pki::is_signed_by(core.dir(), pem, &ours) {
                if *kind == "register" {
                    return Err(Fault::new(
                        "CertificateValidationException",
                        400,
                        "the certificate's authority is not registered",
                    ));
                }
                let trusted = broker::trusted(core.dir());
                pki::trust(&trusted, pem).map_err(|e| invalid(format!("{e:#}")))?;
            }
            let status = match body["status"].as_str() {
                Some(status) => status,
                None if request.flag("setAsActive") => "ACTIVE",
                None => "INACTIVE",
            };
            register(core, pem, status)
        }
        ("GET", ["certificates"]) => {
            // Newest first, unless it is told.
            let ascending = request.flag("isAscendingOrder");
            let items = look(core, |r| {
                let mut all: Vec<_> = r.certificates.iter().collect();
                all.sort_by_key(|(_, c)| c.created);
                if !ascending {
                    all.reverse();
                }
                let view = |(id, c): (&String, &CertificateRecord)| {
                    json!({"certificateArn": arn(&format!("cert/{id}")), "certificateId": id,
                        "status": c.status, "creationDate": c.created})
                };
                all.into_iter().map(view).collect()
            });
            Ok(listed(
                "certificates",
                "nextMarker",
                request.page(items, "pageSize", "marker")?,
            ))
        }
        ("GET", ["certificates", id]) => {
            let c: CertificateRecord = look(core, |r| r.certificate(id).cloned())?;
            Ok(Reply::json(&json!({"certificateDescription": {
                "certificateArn": arn(&format!("cert/{id}")), "certificateId": id,
                "status": c.status, "certificatePem": c.pem, "ownedBy": mosquitto_iot::ACCOUNT,
                "creationDate": c.created, "lastModifiedDate": c.modified,
                "certificateMode": "DEFAULT"}})))
        }
        ("PUT", ["certificates", id]) => {
            let status = request.argument("newStatus").unwrap_or_default();
            change(core, |r| r.set_status(id, status, now()))?;
            done()
        }
        ("DELETE", ["certificates", id]) => {
            change(core, |r| {
                r.delete_certificate(id, request.flag("forceDelete"))
            })?;
            done()
        }
        _ => Err(unknown(request)),
    }
}

/// A new key with its certificate, and the certificate's id.
fn with_keys(core: &Core, status: &str) -> Result<(Value, String), Fault> {
    let subject = Subject {
        name: "AWS IoT Certificate",
        dns: &[],
        validity: None,
    };
    let (pem, key) = core.authority().issue_pem(&subject)?;
    let public = pki::public_key(core.dir(), &key)?;
    let id = add(core, &pem, status)?;
    let out = json!({"certificateId": id, "certificatePem": pem,
        "keyPair": {"PublicKey": public, "PrivateKey": key}});
    Ok((out, id))
}

fn register(core: &Core, pem: &str, status: &str) -> Answer {
    let id = add(core, pem, status)?;
    Ok(Reply::json(
        &json!({"certificateArn": arn(&format!("cert/{id}")),
        "certificateId": id, "certificatePem": pem}),
    ))
}

fn add(core: &Core, pem: &str, status: &str) -> Result<String, Fault> {
    let der = pki::der_of(pem).ok_or_else(|| Fault::invalid("no certificate"))?;
    let id = pki::certificate_id(&der);
    change(core, |r| r.add_certificate(&id, pem, status, now()))?;
    Ok(id)
}

/// What a claim may: ask for a certificate and for this template.
fn policies(core: &Core, request: &Request, parts: &[&str]) -> Answer {
    let target = || {
        let body = request.json()?;
        certificate_of(text(&body, "target"))
    };
    let principal = || certificate_of(request.header("x-amzn-iot-principal").unwrap_or_default());
    let shown = |names: Vec<String>| -> Vec<Value> {
        let view = |n: String| json!({"policyName": n, "policyArn": arn(&format!("policy/{n}"))});
        names.into_iter().map(view).collect()
    };
    let attached = |id: &str| {
        let names = look(core, |r| r.certificate(id).map(|c| c.policies.clone()))?;
        let page = request.page(shown(names), "pageSize", "marker")?;
        Ok(listed("policies", "nextMarker", page))
    };
    match (request.method.as_str(), parts) {
        ("GET", ["policies"]) => {
            let names = look(core, |r| r.policies.keys().cloned().collect());
            let page = request.page(shown(names), "pageSize", "marker")?;
            Ok(listed("policies", "nextMarker", page))
        }
        ("POST", ["policies", name]) => {
            let body = request.json()?;
            let document = text(&body, "policyDocument");
            change(core, |r| r.create_policy(name, document, now()))?;
            Ok(Reply::json(&json!({"policyName": name,
                "policyArn": arn(&format!("policy/{name}")), "policyDocument": document,
                "policyVersionId": "1"})))
        }
        ("GET", ["policies", name]) => {
            let p = look(core, |r| r.policy(name).cloned())?;
            Ok(Reply::json(&json!({"policyName": name,
                "policyArn": arn(&format!("policy/{name}")), "policyDocument": p.document,
                "defaultVersionId": p.default.to_string(), "creationDate": p.created,
                "lastModifiedDate": p.created, "generationId": p.newest.to_string()})))
        }
        ("POST", ["policies", name, "version"]) => {
            let body = request.json()?;
            let document = text(&body, "policyDocument");
            let set = request.flag("setAsDefault");
            let number = change(core, |r| {
                r.create_policy_version(name, document, set, now())
            })?;
            Ok(Reply::json(
                &json!({"policyArn": arn(&format!("policy/{name}")),
                "policyDocument": document, "policyVersionId": number.to_string(),
                "isDefaultVersion": set}),
            ))
        }
        ("GET", ["policies", name, "version"]) => {
            let p = look(core, |r| r.policy(name).cloned())?;
            let view = |(number, (_, created)): (u32, (String, u64))| {
                json!({"versionId": number.to_string(), "createDate": created,
                    "isDefaultVersion": number == p.default})
            };
            let all: Vec<Value> = p.versions().into_iter().rev().map(view).collect();
            Ok(Reply::json(&json!({ "policyVersions": all })))
        }
        ("GET", ["policies", name, "version", number]) => {
            let number = version(number)?;
            let p = look(core, |r| r.policy(name).cloned())?;
            let missing = || no_version(name, number);
            let (document, created) = p.versions().remove(&number).ok_or_else(missing)?;
            Ok(Reply::json(&json!({"policyName": name,
                "policyArn": arn(&format!("policy/{name}")), "policyDocument": document,
                "policyVersionId": number.to_string(), "isDefaultVersion": number == p.default,
                "creationDate": created, "lastModifiedDate": created})))
        }
        ("PATCH", ["policies", name, "version", number]) => {
            let number = version(number)?;
            change(core, |r| r.set_policy_version(name, number))?;
            done()
        }
        ("DELETE", ["policies", name, "version", number]) => {
            let number = version(number)?;
            change(core, |r| r.delete_policy_version(name, number))?;
            done()
        }
        ("DELETE", ["policies", name]) => {
            change(core, |r| r.delete_policy(name))?;
            done()
        }
        ("PUT", ["target-policies", name]) => {
            change(core, |r| r.attach_policy(name, &target()?, true))?;
            done()
        }
        ("POST", ["target-policies", name]) => {
            change(core, |r| r.attach_policy(name, &target()?, false))?;
            done()
        }
        ("PUT", ["principal-policies", name]) => {
            change(core, |r| r.attach_policy(name, &principal()?, true))?;
            done()
        }
        ("DELETE", ["principal-policies", name]) => {
            change(core, |r| r.attach_policy(name, &principal()?, false))?;
            done()
        }
        ("GET", ["principal-policies"]) => attached(&principal()?),
        ("POST", ["attached-policies", target @ ..]) => {
            attached(&certificate_of(&target.join("/"))?)
        }
        ("POST", ["policy-targets", name]) => {
            let items = look(core, |r| {
                r.policy(name)?;
                let all = r.certificates.iter();
                let of_policy = all.filter(|(_, c)| c.policies.iter().any(|p| p == name));
                Ok::<_, Fault>(
                    of_policy
                        .map(|(id, _)| arn(&format!("cert/{id}")).into())
                        .collect(),
                )
            })?;
            Ok(listed(
                "targets",
                "nextMarker",
                request.page(items, "pageSize", "marker")?,
            ))
        }
        _ => Err(unknown(request)),
    }
}

fn templates(core: &Core, request: &Request, parts: &[&str]) -> Answer {
    let name_arn = |name: &str| arn(&format!("provisioningtemplate/{name}"));
    let missing = |name: &str| Fault::missing(format!("no template `{name}`"));
    match (request.method.as_str(), parts) {
        ("GET", ["provisioning-templates"]) => {
            let items = look(core, |r| {
                let all = r.templates.iter();
                all.map(|(name, t)| {
                    json!({"templateArn": name_arn(name), "templateName": name,
                        "description": t.description, "creationDate": t.created,
                        "lastModifiedDate": t.modified, "enabled": t.enabled,
                        "type": "FLEET_PROVISIONING"})
                })
                .collect()
            });
            Ok(listed(
                "templates",
                "nextToken",
                request.page(items, "maxResults", "nextToken")?,
            ))
        }
        ("POST", ["provisioning-templates"]) => {
            let body = request.json()?;
            let name = text(&body, "templateName");
            let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            if name.is_empty() || name.len() > 36 || !name.chars().all(legal) {
                return Err(Fault::invalid(format!("templateName `{name}`")));
            }
            if !matches!(text(&body, "type"), "" | "FLEET_PROVISIONING") {
                let message = format!("type `{}` is not known here", text(&body, "type"));
                return Err(Fault::invalid(message));
            }
            let hook = hook(&body)?;
            provisioning::check(text(&body, "templateBody"))?;
            change(core, |r| {
                if r.templates.contains_key(name) {
                    return Err(Fault::exists(format!("template `{name}` exists")));
                }
                let record = TemplateRecord {
                    body: text(&body, "templateBody").into(),
                    description: text(&body, "description").into(),
                    enabled: body["enabled"].as_bool().unwrap_or(false),
                    role: text(&body, "provisioningRoleArn").into(),
                    created: now(),
                    modified: now(),
                    hook,
                };
                r.templates.insert(name.into(), record);
                Ok(())
            })?;
            Ok(Reply::json(
                &json!({"templateArn": name_arn(name), "templateName": name,
                "defaultVersionId": 1}),
            ))
        }
        ("GET", ["provisioning-templates", name]) => {
            let t = look(core, |r| r.templates.get(*name).cloned()).ok_or_else(|| missing(name))?;
            let mut out = json!({"templateArn": name_arn(name), "templateName": name,
                "description": t.description, "creationDate": t.created,
                "lastModifiedDate": t.modified, "defaultVersionId": 1, "templateBody": t.body,
                "enabled": t.enabled, "provisioningRoleArn": t.role,
                "type": "FLEET_PROVISIONING"});
            if let Some(target) = t.hook {
                out["preProvisioningHook"] = json!({
                    "payloadVersion": provisioning::PAYLOAD_VERSION, "targetArn": target});
            }
            Ok(Reply::json(&out))
        }
        ("PATCH", ["provisioning-templates", name]) => {
            let body = request.json()?;
            let remove = body["removePreProvisioningHook"] == true;
            let hook = hook(&body)?;
            if remove && hook.is_some() {
                let message = "preProvisioningHook and removePreProvisioningHook";
                return Err(Fault::invalid(message));
            }
            if body.get("defaultVersionId").is_some_and(|v| *v != 1) {
                return Err(Fault::invalid("defaultVersionId: there is version 1 alone"));
            }
            change(core, |r| {
                let t = r.templates.get_mut(*name).ok_or_else(|| missing(name))?;
                t.enabled = body["enabled"].as_bool().unwrap_or(t.enabled);
                let given = |name: &str, old: &str| body[name].as_str().unwrap_or(old).to_owned();
                t.description = given("description", &t.description);
                t.role = given("provisioningRoleArn", &t.role);
                t.hook = hook.or(t.hook.take()).filter(|_| !remove);
                t.modified = now();
                Ok(())
            })?;
            done()
        }
        ("DELETE", ["provisioning-templates", name]) => {
            change(core, |r| {
                r.templates
                    .remove(*name)
                    .map(drop)
                    .ok_or_else(|| missing(name))
            })?;
            done()
        }
        _ => Err(unknown(request)),
    }
}

/// ARN of the function in `preProvisioningHook`.
fn hook(body: &Value) -> Result<Option<String>, Fault> {
    let Some(hook) = body.get("preProvisioningHook").filter(|h| !h.is_null()) else {
        return Ok(None);
    };
    let target = text(hook, "targetArn");
    let bad = || Fault::invalid(format!("targetArn `{target}` is no function's"));
    lambda::name_of(target).ok_or_else(bad)?;
    let version = hook.get("payloadVersion");
    if version.is_some_and(|v| *v != provisioning::PAYLOAD_VERSION) {
        return Err(Fault::invalid("payloadVersion is not 2020-04-01"));
    }
    Ok(Some(target.into()))
}

/// The id in a certificate's ARN.
fn certificate_of(arn: &str) -> Result<String, Fault> {
    let id = arn.split_once(":cert/").map(|(_, id)| id.to_owned());
    id.ok_or_else(|| Fault::invalid(format!("principal `{arn}` is no certificate's ARN")))
}

/// `policyVersionId`: digits.
fn version(text: &str) -> Result<u32, Fault> {
    let bad = |_| Fault::invalid(format!("policyVersionId `{text}`"));
    text.parse().map_err(bad)
}

/// Refuses members that would change the outcome and are not kept here.
pub(super) fn refuse(body: &Value, names: &[&str]) -> Result<(), Fault> {
    let there = |name: &&&str| {
        body.get(**name)
            .is_some_and(|v| !v.is_null() && *v != false)
    };
    match names.iter().find(there) {
        Some(name) => Err(Fault::invalid(format!("{name} is not kept here"))),
        None => Ok(()),
    }
}

/// Refuses an `expectedVersion` that is not the current one.
pub(super) fn expected(body: &Value, current: u64) -> Result<(), Fault> {
    match body.get("expectedVersion").filter(|v| !v.is_null()) {
        Some(version) if *version != current => Err(Fault::version(current)),
        _ => Ok(()),
    }
}

pub(super) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

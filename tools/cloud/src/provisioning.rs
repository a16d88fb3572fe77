//! Fleet provisioning by claim, over MQTT.
//!
//! Owns the answers on `$aws/certificates/…` and `$aws/provisioning-templates/…`
//! (reference/aws-iot.md §10), in JSON and CBOR, and what a template does: the subset of
//! AWS::IoT::Thing, ::Certificate and ::Policy with `Ref` and `Fn::Join`, and its pre-provisioning
//! hook. Thing groups and thing types are not known here, and a template that needs them is refused.

use crate::fault::Fault;
use crate::jobs::Publish;
use crate::lambda;
use crate::pki::{self, Authority, Subject};
use crate::registry::{Registry, TemplateRecord};
use crate::store::Store;
use crate::streams::Format;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use mosquitto_iot::arn;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Duration;

/// How long an ownership token holds, seconds.
const TOKEN: u64 = 3600;
/// How long a hook may think.
const THINK: Duration = Duration::from_secs(5);
/// The form of what a hook is asked; there is one.
pub(crate) const PAYLOAD_VERSION: &str = "2020-04-01";

type Change<'a> = &'a dyn Fn(&mut dyn FnMut(&mut Store) -> Vec<Publish>) -> Vec<Publish>;

/// Whether this module answers on the topic.
pub(crate) fn is_request(topic: &str) -> bool {
    topic.starts_with("$aws/certificates/") || topic.starts_with("$aws/provisioning-templates/")
}

/// What an answer needs, and who asks.
pub(crate) struct Service<'a> {
    pub(crate) authority: &'a Authority,
    /// The cloud's folder.
    pub(crate) dir: &'a Path,
    /// Runs something on the store and writes it.
    pub(crate) change: Change<'a>,
    /// Id of the certificate that the asking connection has shown.
    pub(crate) certificate: &'a str,
    pub(crate) client: &'a str,
}

impl Service<'_> {
    /// Answers a request.
    pub(crate) fn answer(&self, topic: &str, payload: &[u8]) -> Vec<Publish> {
        let Some((base, level)) = topic.rsplit_once('/') else {
            return Vec::new();
        };
        let Some(format) = Format::of(level) else {
            return Vec::new();
        };
        let result = decode(format, payload).and_then(|request| {
            let parts: Vec<&str> = base.split('/').collect();
            match parts[..] {
                [_, _, "create"] => create(self.authority, self.change, None),
                [_, _, "create-from-csr"] => {
                    let csr = request["certificateSigningRequest"].as_str();
                    let csr = csr.ok_or_else(|| invalid("no certificateSigningRequest"))?;
                    create(self.authority, self.change, Some(csr))
                }
                [_, _, template, "provision"] => self.provision(template, &request),
                _ => Err(invalid("no such topic")),
            }
        });
        let (last, body) = match result {
            Ok(body) => ("accepted", body),
            Err(fault) => {
                let body = json!({"statusCode": fault.status, "errorCode": fault.name,
                    "errorMessage": fault.message});
                ("rejected", body)
            }
        };
        vec![Publish {
            topic: format!("{topic}/{last}"),
            payload: encode(format, &body),
        }]
    }

    fn provision(&self, template: &str, request: &Value) -> Result<Value, Fault> {
        let token = request["certificateOwnershipToken"]
            .as_str()
            .unwrap_or_default();
        let mut parameters = request["parameters"].clone();
        if let Some((hook, event)) =
            self.with(|s| self.question(s, template, token, &parameters))?
        {
            let answer = lambda::call(self.dir, &hook, &event, THINK);
            let answer = answer.map_err(|e| {
                eprintln!("cloud: the hook of template {template} has failed: {e:#}");
                denied("the pre-provisioning hook has failed")
            })?;
            if answer["allowProvisioning"] != true {
                return Err(denied("the pre-provisioning hook does not allow it"));
            }
            let more = answer["parameterOverrides"].as_object().cloned();
            if let (Some(all), Some(more)) = (parameters.as_object_mut(), more) {
                all.extend(more);
            }
        }
        let now = crate::now();
        self.with(|store| {
            let id = owned(store, token, now)?;
            let out = register(&mut store.data.registry, template, &parameters, &id, now)?;
            store.data.tokens.remove(token);
            Ok(out)
        })
    }

    /// The function to ask about a request, and what to ask it.
    fn question(
        &self,
        store: &mut Store,
        template: &str,
        token: &str,
        parameters: &Value,
    ) -> Result<Option<(String, Value)>, Fault> {
        let id = owned(store, token, crate::now())?;
        let registry = &store.data.registry;
        let Some(hook) = enabled(registry, template)?.hook.clone() else {
            return Ok(None);
        };
        let gone = || invalid("the token's certificate is deleted");
        let certificate = registry.certificates.get(&id).ok_or_else(gone)?;
        let event = json!({"claimCertificateId": self.certificate, "certificateId": id,
            "certificatePem": certificate.pem,
            "templateArn": arn(&format!("provisioningtemplate/{template}")),
            "clientId": self.client, "parameters": parameters});
        Ok(Some((hook, event)))
    }

    fn with<T>(&self, mut look: impl FnMut(&mut Store) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut result = Err(invalid("nothing was done"));
        (self.change)(&mut |store| {
            result = look(store);
            Vec::new()
        });
        result
    }
}

fn denied(message: &str) -> Fault {
    Fault::new("ACCESS_DENIED", 403, message)
}

/// Id of the certificate that a token is for.
fn owned(store: &Store, token: &str, now: u64) -> Result<String, Fault> {
    let held = store.data.tokens.get(token).filter(|(_, end)| *end > now);
    let bad = || {
        let message = "the token is unknown, used or too old";
        Fault::new("InvalidCertificateOwnershipToken", 400, message)
    };
    held.map(|(id, _)| id.clone()).ok_or_else(bad)
}

fn enabled<'a>(registry: &'a Registry, template: &str) -> Result<&'a TemplateRecord, Fault> {
    let record = registry.templates.get(template).filter(|t| t.enabled);
    let missing = || Fault::new("ResourceNotFound", 404, format!("no template `{template}`"));
    record.ok_or_else(missing)
}

fn invalid(message: &str) -> Fault {
    Fault::new("InvalidParameters", 400, message)
}

fn create(authority: &Authority, change: Change<'_>, csr: Option<&str>) -> Result<Value, Fault> {
    let (pem, key) = match csr {
        Some(csr) => {
            let pem = authority.sign_request(csr);
            let bad = |e: anyhow::Error| {
                Fault::new("InvalidCertificateSigningRequest", 400, format!("{e:#}"))
            };
            (pem.map_err(bad)?, None)
        }
        None => {
            let subject = Subject {
                name: "AWS IoT Certificate",
                dns: &[],
                validity: None,
            };
            let made = authority.issue_pem(&subject);
            let (pem, key) = made.map_err(|e| Fault::internal(&e))?;
            (pem, Some(key))
        }
    };
    let der = pki::der_of(&pem).ok_or_else(|| invalid("no certificate"))?;
    let id = pki::certificate_id(&der);
    let token = format!("{}{}", crate::uuid(), crate::uuid()).replace('-', "");
    let now = crate::now();
    let mut result = Ok(());
    change(&mut |store| {
        let registry = &mut store.data.registry;
        result = registry.add_certificate(&id, &pem, "PENDING_ACTIVATION", now);
        store.data.tokens.retain(|_, (_, end)| *end > now);
        let entry = (id.clone(), now + TOKEN);
        store.data.tokens.insert(token.clone(), entry);
        Vec::new()
    });
    result?;
    let mut body = Map::new();
    body.insert("certificateId".into(), id.into());
    body.insert("certificatePem".into(), pem.into());
    if let Some(key) = key {
        body.insert("privateKey".into(), key.into());
    }
    body.insert("certificateOwnershipToken".into(), token.into());
    Ok(Value::Object(body))
}

/// Does what a template says; all of it or nothing.
fn register(
    registry: &mut Registry,
    template: &str,
    parameters: &Value,
    certificate: &str,
    now: u64,
) -> Result<Value, Fault> {
    let body = parse(&enabled(registry, template)?.body)?;
    let scope = Scope::new(&body, parameters, certificate)?;
    let resources = body["Resources"].as_object().cloned().unwrap_or_default();
    let of = |kind: &'static str| resources.values().filter(move |r| r["Type"] == kind);
    let mut thing = None;
    let mut plan = Vec::new();
    for resource in of("AWS::IoT::Thing") {
        let name = scope.text(&resource["Properties"]["ThingName"])?;
        let attributes = match &resource["Properties"]["AttributePayload"] {
            Value::Object(map) => map
                .iter()
                .map(|(k, v)| Ok((k.clone(), scope.text(v)?.into())))
                .collect::<Result<Map<_, _>, Fault>>()?,
            _ => Map::new(),
        };
        plan.push((name.clone(), attributes));
        thing = Some(name);
    }
    let mut policies = Vec::new();
    for resource in of("AWS::IoT::Policy") {
        let properties = &resource["Properties"];
        let named = &properties["PolicyName"];
        match properties["PolicyDocument"] {
            Value::Null => policies.push((scope.text(named)?, None)),
            ref document => {
                let text = match document {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let name = match named {
                    Value::Null => {
                        format!("{template}-{}", &pki::certificate_id(text.as_bytes())[..12])
                    }
                    named => scope.text(named)?,
                };
                policies.push((name, Some(text)));
            }
        }
    }
    for (name, document) in &policies {
        if document.is_none() {
            registry.policy(name).map_err(|f| invalid(&f.message))?;
        }
    }
    for (name, attributes) in plan {
        let exists = registry.things.contains_key(&name);
        if !exists {
            registry
                .create_thing(&name, attributes)
                .map_err(|f| invalid(&f.message))?;
        }
        registry.attach_thing(&name, certificate, true)?;
    }
    for (name, document) in policies {
        if let Some(document) = document
            && registry.policy(&name).is_err()
        {
            registry
                .create_policy(&name, &document, now)
                .map_err(|f| invalid(&f.message))?;
        }
        registry.attach_policy(&name, certificate, true)?;
    }
    registry.set_status(certificate, "ACTIVE", now)?;
    let configuration = match body.get("DeviceConfiguration") {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(k, v)| Ok((k.clone(), scope.text(v)?.into())))
            .collect::<Result<Map<_, _>, Fault>>()?,
        _ => Map::new(),
    };
    let mut out = json!({ "deviceConfiguration": configuration });
    if let Some(thing) = thing {
        out["thingName"] = thing.into();
    }
    Ok(out)
}

/// Checks a template's body as CreateProvisioningTemplate does.
///
/// # Errors
/// Names what is not known here.
pub(crate) fn check(body: &str) -> Result<(), Fault> {
    let body = parse(body)?;
    let resources = body["Resources"].as_object();
    let resources = resources.ok_or_else(|| Fault::invalid("templateBody: no Resources"))?;
    for (name, resource) in resources {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let known = match kind {
            "AWS::IoT::Thing" => &["ThingName", "AttributePayload"][..],
            "AWS::IoT::Certificate" => &["CertificateId", "Status"],
            "AWS::IoT::Policy" => &["PolicyName", "PolicyDocument"],
            _ => {
                return Err(Fault::invalid(format!(
                    "templateBody: {name} is a `{kind}`"
                )));
            }
        };
        for property in resource["Properties"].as_object().into_iter().flatten() {
            if !known.contains(&property.0.as_str()) {
                let message = format!("templateBody: `{}` of {name} is not known", property.0);
                return Err(Fault::invalid(message));
            }
        }
    }
    Ok(())
}

fn parse(body: &str) -> Result<Value, Fault> {
    serde_json::from_str(body).map_err(|e| Fault::invalid(format!("templateBody: {e}")))
}

/// What `Ref` finds.
struct Scope {
    values: Map<String, Value>,
}

impl Scope {
    fn new(body: &Value, parameters: &Value, certificate: &str) -> Result<Scope, Fault> {
        let mut values = Map::new();
        values.insert("AWS::IoT::Certificate::Id".into(), certificate.into());
        for (name, declared) in body["Parameters"].as_object().into_iter().flatten() {
            if name.starts_with("AWS::") {
                continue;
            }
            let given = parameters.get(name).or_else(|| declared.get("Default"));
            let given = given.and_then(Value::as_str);
            let given = given.ok_or_else(|| invalid(&format!("parameter `{name}` is missing")))?;
            values.insert(name.clone(), given.into());
        }
        Ok(Scope { values })
    }

    fn text(&self, value: &Value) -> Result<String, Fault> {
        if let Some(text) = value.as_str() {
            return Ok(text.into());
        }
        if let Some(name) = value["Ref"].as_str() {
            let found = self.values.get(name).and_then(Value::as_str);
            let missing = || invalid(&format!("`{name}` is no parameter of the template"));
            return found.map(str::to_owned).ok_or_else(missing);
        }
        if let [Value::String(between), Value::Array(parts)] =
            &value["Fn::Join"].as_array().cloned().unwrap_or_default()[..]
        {
            let parts = parts.iter().map(|p| self.text(p));
            return Ok(parts.collect::<Result<Vec<_>, _>>()?.join(between));
        }
        Err(invalid(&format!("`{value}` is no text, Ref or Fn::Join")))
    }
}

fn decode(format: Format, payload: &[u8]) -> Result<Value, Fault> {
    if payload.is_empty() {
        return Ok(json!({}));
    }
    let value = match format {
        Format::Json => serde_json::from_slice(payload).map_err(|e| e.to_string()),
        Format::Cbor => from_cbor(&mut Decoder::new(payload), 8).map_err(|e| e.to_string()),
    };
    let bad = |e: String| Fault::new("InvalidPayload", 400, e);
    value.map_err(bad).and_then(|v| {
        if v.is_object() {
            Ok(v)
        } else {
            Err(bad("the payload is no object".into()))
        }
    })
}

fn from_cbor(d: &mut Decoder<'_>, depth: u8) -> Result<Value, minicbor::decode::Error> {
    let deeper = depth
        .checked_sub(1)
        .ok_or_else(|| minicbor::decode::Error::message("nested too deep"))?;
    Ok(match d.datatype()? {
        Type::String => d.str()?.into(),
        Type::Bool => d.bool()?.into(),
        Type::Null => {
            d.null()?;
            Value::Null
        }
        Type::Map | Type::MapIndef => {
            let mut out = Map::new();
            let mut left = d.map()?;
            while left != Some(0) {
                if left.is_none() && d.datatype()? == Type::Break {
                    break;
                }
                let key = d.str()?.to_owned();
                out.insert(key, from_cbor(d, deeper)?);
                left = left.map(|n| n - 1);
            }
            Value::Object(out)
        }
        Type::Array => {
            let count = d.array()?.unwrap_or(0);
            let items = (0..count).map(|_| from_cbor(d, deeper));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        _ => d.i64()?.into(),
    })
}

fn encode(format: Format, body: &Value) -> Vec<u8> {
    if format == Format::Json {
        return body.to_string().into_bytes();
    }
    let mut e = Encoder::new(Vec::new());
    to_cbor(&mut e, body).expect("a Vec takes everything");
    e.into_writer()
}

fn to_cbor(
    e: &mut Encoder<Vec<u8>>,
    value: &Value,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    match value {
        Value::Object(map) => {
            e.map(map.len() as u64)?;
            for (key, value) in map {
                e.str(key)?;
                to_cbor(e, value)?;
            }
        }
        Value::Array(list) => {
            e.array(list.len() as u64)?;
            for value in list {
                to_cbor(e, value)?;
            }
        }
        Value::String(text) => drop(e.str(text)?),
        Value::Bool(b) => drop(e.bool(*b)?),
        Value::Number(n) => drop(e.i64(n.as_i64().unwrap_or_default())?),
        Value::Null => drop(e.null()?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"Parameters":{"SerialNumber":{"Type":"String"},"AWS::IoT::Certificate::Id":{"Type":"String"}},
        "Resources":{"thing":{"Type":"AWS::IoT::Thing","Properties":{
            "ThingName":{"Fn::Join":["",["lamp-",{"Ref":"SerialNumber"}]]},"AttributePayload":{"line":"a"}}},
          "certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}},
          "policy":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"p"}}},
        "DeviceConfiguration":{"site":"x"}}"#;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        let open = r#"{"Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}"#;
        registry.create_policy("p", open, 1).unwrap();
        registry
            .add_certificate("c", "", "PENDING_ACTIVATION", 1)
            .unwrap();
        let template = TemplateRecord {
            body: BODY.into(),
            description: String::new(),
            enabled: true,
            role: "r".into(),
            created: 1,
            modified: 1,
            hook: None,
        };
        registry.templates.insert("t".into(), template);
        registry
    }

    #[test]
    fn a_template_makes_the_thing_and_activates_the_certificate() {
        let mut r = registry();
        let out = register(&mut r, "t", &json!({"SerialNumber": "7"}), "c", 5).unwrap();
        assert_eq!(
            out,
            json!({"deviceConfiguration": {"site": "x"}, "thingName": "lamp-7"})
        );
        let c = &r.certificates["c"];
        assert_eq!(
            (c.status.as_str(), &c.things[0][..], &c.policies[0][..]),
            ("ACTIVE", "lamp-7", "p")
        );
        assert_eq!(r.things["lamp-7"].attributes["line"], "a");
    }

    #[test]
    fn refusals_name_what_is_missing_and_change_nothing() {
        for (template, parameters, name) in [
            ("x", json!({"SerialNumber": "7"}), "ResourceNotFound"),
            ("t", json!({}), "InvalidParameters"),
            (
                "t",
                json!({"SerialNumber": "no spaces"}),
                "InvalidParameters",
            ),
        ] {
            let mut r = registry();
            let before = serde_json::to_string(&r).unwrap();
            assert_eq!(
                register(&mut r, template, &parameters, "c", 5)
                    .unwrap_err()
                    .name,
                name
            );
            assert_eq!(serde_json::to_string(&r).unwrap(), before);
        }
        check(BODY).unwrap();
        assert!(check(r#"{"Resources":{"g":{"Type":"AWS::IoT::ThingGroup"}}}"#).is_err());
        assert!(check(&BODY.replace("AttributePayload", "ThingTypeName")).is_err());
    }

    #[test]
    fn cbor_and_json_carry_the_same() {
        let value = json!({"a": "b", "c": {"d": [1, true, null]}});
        let bytes = encode(Format::Cbor, &value);
        assert_eq!(decode(Format::Cbor, &bytes).unwrap(), value);
        assert_eq!(
            decode(Format::Json, &encode(Format::Json, &value)).unwrap(),
            value
        );
        let deep = [vec![0x81; 40], vec![0x01]].concat();
        assert!(decode(Format::Cbor, &deep).is_err());
        let mut state = 9u32;
        for _ in 0..5000 {
            let mut bytes = bytes.clone();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 8) as usize % bytes.len();
            bytes[at] = state as u8;
            let _ = decode(Format::Cbor, &bytes);
        }
    }
}

//! The registry's view for the broker: a JSON file of certificates and policies.
//!
//! Owns its reading and the decisions on it. The control plane writes the file whole and renames
//! it into place; this side reads it again when it has changed, so that a decision never lags
//! behind an answer of the control plane.
//!
//! ```json
//! {"certificates": {"<id>": {"status": "ACTIVE", "things": ["lamp"], "policies": ["p"]}},
//!  "policies": {"p": "<document>"}}
//! ```

use crate::policy::{Context, Policy, allows};
use crate::{arn, topics};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file, and what it said last.
#[derive(Debug, Default)]
pub struct Access {
    path: PathBuf,
    seen: Option<(u64, i64, i64, u64)>,
    policies: BTreeMap<String, Policy>,
    certificates: BTreeMap<String, Certificate>,
}

#[derive(Debug, Default)]
struct Certificate {
    active: bool,
    things: Vec<String>,
    policies: Vec<String>,
}

impl Access {
    /// A view of the file, which need not be there yet; without it nobody gets in.
    pub fn new(path: &Path) -> Access {
        Access {
            path: path.to_owned(),
            ..Access::default()
        }
    }

    /// Reads the file again if it is another one; says whether it was.
    pub fn refresh(&mut self) -> bool {
        let stamp = std::fs::metadata(&self.path)
            .ok()
            .map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.len()));
        if stamp == self.seen {
            return false;
        }
        self.seen = stamp;
        self.policies.clear();
        self.certificates.clear();
        if let Ok(text) = std::fs::read_to_string(&self.path) {
            self.load(&text);
        }
        true
    }

    fn load(&mut self, text: &str) {
        let Ok(file) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let members = |name: &str| file[name].as_object().cloned().unwrap_or_default();
        for (name, document) in members("policies") {
            if let Ok(policy) = Policy::parse(document.as_str().unwrap_or_default()) {
                self.policies.insert(name, policy);
            }
        }
        for (id, value) in members("certificates") {
            let list = |name: &str| {
                let list = value[name].as_array().into_iter().flatten();
                list.filter_map(|v| v.as_str().map(str::to_owned)).collect()
            };
            let certificate = Certificate {
                active: value["status"] == "ACTIVE",
                things: list("things"),
                policies: list("policies"),
            };
            self.certificates.insert(id, certificate);
        }
    }

    /// Who a connection is; `None` when its certificate is unknown or not active.
    pub fn context(&self, certificate: &str, client: &str) -> Option<Context> {
        let known = self.certificates.get(certificate).filter(|c| c.active)?;
        Some(Context {
            client: client.into(),
            thing: known.things.iter().find(|t| *t == client).cloned(),
            certificate: certificate.into(),
        })
    }

    /// Whether the client may connect.
    pub fn may_connect(&self, certificate: &str, client: &str) -> bool {
        topics::is_client_id(client)
            && self.ask(
                certificate,
                client,
                "iot:Connect",
                &format!("client/{client}"),
            )
    }

    /// Whether it may publish.
    pub fn may_publish(&self, certificate: &str, client: &str, topic: &str, retain: bool) -> bool {
        let resource = format!("topic/{topic}");
        topics::may_publish(topic)
            && self.ask(certificate, client, "iot:Publish", &resource)
            && (!retain
                || !topic.starts_with('$')
                    && self.ask(certificate, client, "iot:RetainPublish", &resource))
    }

    /// Whether it may subscribe.
    pub fn may_subscribe(&self, certificate: &str, client: &str, filter: &str) -> bool {
        topics::may_subscribe(filter)
            && self.ask(
                certificate,
                client,
                "iot:Subscribe",
                &format!("topicfilter/{filter}"),
            )
    }

    /// Whether a message may be delivered to it.
    pub fn may_receive(&self, certificate: &str, client: &str, topic: &str) -> bool {
        self.ask(
            certificate,
            client,
            "iot:Receive",
            &format!("topic/{topic}"),
        )
    }

    fn ask(&self, certificate: &str, client: &str, action: &str, resource: &str) -> bool {
        let Some(context) = self.context(certificate, client) else {
            return false;
        };
        let names = self.certificates.get(certificate).map(|c| &c.policies);
        let policies = names
            .into_iter()
            .flatten()
            .filter_map(|name| self.policies.get(name));
        allows(policies, &context, action, &arn(resource))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_certificate_of_the_thing_gets_in() {
        let policy = r#"{"Statement":{"Effect":"Allow","Action":["iot:Connect","iot:Publish"],
            "Resource":"arn:aws:iot:*:*:*/${iot:Connection.Thing.ThingName}*"}}"#;
        let file = |status: &str| {
            serde_json::json!({"certificates": {"c": {"status": status, "things": ["lamp"],
                "policies": ["p", "gone"]}}, "policies": {"p": policy}})
            .to_string()
        };
        let path = std::env::temp_dir().join(format!("mosquitto-iot-{}", std::process::id()));
        let mut access = Access::new(&path);
        assert!(!access.may_connect("c", "lamp"), "no file, no access");
        std::fs::write(&path, file("ACTIVE")).unwrap();
        assert!(access.refresh() && !access.refresh());
        assert!(access.may_connect("c", "lamp"));
        assert!(!access.may_connect("c", "other") && !access.may_connect("d", "lamp"));
        assert!(access.may_publish("c", "lamp", "lamp/x", false));
        assert!(
            !access.may_publish("c", "lamp", "lamp/x", true),
            "no iot:RetainPublish"
        );
        assert!(!access.may_receive("c", "lamp", "lamp/x"));
        std::fs::write(&path, file("INACTIVE")).unwrap();
        assert!(access.refresh() && !access.may_connect("c", "lamp"));
        std::fs::remove_file(&path).unwrap();
    }
}

//! AWS IoT's rules inside mosquitto: who may connect, publish, subscribe and receive.
//!
//! Owns the evaluation of policies ([`policy`]), the rules of reserved topics ([`topics`]), the
//! view of the registry that both sides share ([`access`]) and the plugin itself ([`plugin`]),
//! which is all that may be unsafe here: mosquitto's plugin interface is C. The control plane uses
//! the first three as a library, so that a document that it accepts is one that the broker
//! understands.

pub mod access;
#[allow(unsafe_code)]
mod plugin;
pub mod policy;
pub mod topics;

/// Region in every ARN.
pub const REGION: &str = "us-east-1";
/// Account in every ARN.
pub const ACCOUNT: &str = "123456789012";
/// A message to this topic goes to one client, under the topic that follows, subscribed or not:
/// `$direct/<client id>/<topic>`. Only the service may publish there.
pub const DIRECT: &str = "$direct/";
/// A device's request, as the service receives it:
/// `$request/<certificate id>/<client id>/<topic>`.
pub const REQUEST: &str = "$request/";
/// A message to this topic and a client id closes that client's connection.
pub const KICK: &str = "$kick/";
/// Client id of the service itself.
pub const SERVICE: &str = "tockstone-cloud";

/// ARN of something of the `iot` service: `client/x`, `topic/x`, `thing/x`, …
pub fn arn(resource: &str) -> String {
    format!("arn:aws:iot:{REGION}:{ACCOUNT}:{resource}")
}

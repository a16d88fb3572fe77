//! What the factory provisioned for this process: certificate, roots, endpoint, name.
//!
//! Owns the PS uids of name and endpoint, and the endpoint's text form. Read once at start: those
//! two through PSA, certificates through PKCS#11.

use crate::identity::Token;
use crate::pem;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use pkcs11::objects::{
    DEVICE_CERTIFICATE, DEVICE_PRIVATE_KEY, NEXT_CERTIFICATE, NEXT_PRIVATE_KEY, ROOT_CERTIFICATE,
};
use pkcs11::types::{
    CKA_EXTRACTABLE, CKA_VALUE, CKR_FUNCTION_FAILED, CKR_OBJECT_HANDLE_INVALID, CkRv,
};
use psa_client::{OutVec, Transport};
use psa_interface::service::PS_HANDLE;
use psa_interface::{Status, StorageInfo, storage};
use rustls::pki_types::{CertificateDer, ServerName};

/// Id of the device's key pair in the SPE.
pub const DEVICE_KEY: u32 = 1;
/// The same, of a device whose certificate was changed an odd number of times.
pub const SECOND_KEY: u32 = 3;
/// PS uid of the device certificate: PEM or DER, chain in order.
pub const UID_CERTIFICATE: u64 = 5;
/// PS uid of a device certificate that another took the place of, and of that other.
const UID_SECOND_CERTIFICATE: u64 = 15;
/// PS uid of the root certificates: PEM or DER, one after another.
pub const UID_ROOTS: u64 = 7;
/// PS uid of the endpoint: `host:port` or `host:port:ipv4`.
pub const UID_ENDPOINT: u64 = 8;
/// PS uid of the thing name.
pub const UID_THING: u64 = 9;
/// PS uid of the time server's name; optional, for networks whose DHCP names none.
pub const UID_TIME_SERVER: u64 = 10;
/// PS uid of the provisioning template's name; there while the device has a claim only.
pub const UID_TEMPLATE: u64 = 12;
/// PS uid of the serial number that goes with a claim.
pub const UID_SERIAL: u64 = 13;
/// Largest object we read, bytes.
const MAX_OBJECT: u32 = 8192;
/// Longest thing name and client id, bytes (reference/aws-iot.md §1.4).
const MAX_THING: usize = 128;

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name for SNI and the certificate check.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Address to use instead of resolving the name.
    pub address: Option<Ipv4Addr>,
}

/// Everything provisioned.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the broker is.
    pub endpoint: Endpoint,
    /// Thing name, also the MQTT client id.
    pub thing: String,
    /// Our certificate chain, leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Label of its private key.
    pub key: &'static str,
    /// The identity is a new one that has to prove itself (`rotate.rs`).
    pub trial: bool,
    /// Time server, where DHCP names none.
    pub time_server: Option<String>,
    /// Roots that a server's chain must end in.
    pub roots: Vec<CertificateDer<'static>>,
}

/// What is wrong with the provisioned objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The object with this PS uid cannot be read.
    Read(u64, Status),
    /// The object with this PS uid is not what it should be.
    Malformed(u64),
    /// The token has no such object, or does not give it out.
    Token(&'static str, CkRv),
    /// The name with this PS uid is one that a template ships for somebody to replace.
    Placeholder(u64, String),
    /// There is no device certificate: this thing must ask for one.
    NoCertificate(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uid = match self {
            ConfigError::Read(uid, _)
            | ConfigError::Malformed(uid)
            | ConfigError::Placeholder(uid, _) => *uid,
            ConfigError::Token(label, code) => return write!(f, "{label}: {code}"),
            ConfigError::NoCertificate(thing) => {
                return write!(f, "no certificate for {thing} yet");
            }
        };
        let name = match uid {
            UID_CERTIFICATE | UID_SECOND_CERTIFICATE => "device certificate",
            UID_ROOTS => "root certificates",
            UID_ENDPOINT => "endpoint",
            UID_THING => "thing name",
            UID_TIME_SERVER => "time server",
            UID_TEMPLATE => "provisioning template",
            UID_SERIAL => "serial number",
            _ => "object",
        };
        match self {
            ConfigError::Read(_, status) => write!(f, "{name} (PS {uid}): PSA {status}"),
            ConfigError::Placeholder(_, text) => {
                // Of the storage, but for the console all the same.
                let text = text.escape_default();
                write!(f, "{name} (PS {uid}) is a placeholder: `{text}`")
            }
            _ => write!(f, "{name} (PS {uid}) is malformed"),
        }
    }
}

impl Config {
    /// Reads name and endpoint from protected storage, certificates through PKCS#11.
    ///
    /// # Errors
    /// Which object is missing or malformed.
    pub fn load(transport: &dyn Transport) -> Result<Config, ConfigError> {
        let thing = name(transport, UID_THING)?;
        if !is_thing(&thing) {
            return Err(ConfigError::Malformed(UID_THING));
        }
        let own = (DEVICE_CERTIFICATE, UID_CERTIFICATE, DEVICE_PRIVATE_KEY);
        match Config::of(transport, thing.clone(), own) {
            Err(ConfigError::Token(DEVICE_CERTIFICATE, CKR_OBJECT_HANDLE_INVALID)) => {
                Err(ConfigError::NoCertificate(thing))
            }
            config => config,
        }
    }

    /// The same with the identity that the device changes to.
    ///
    /// # Errors
    /// Which object is missing or malformed.
    pub fn next(transport: &dyn Transport) -> Result<Config, ConfigError> {
        let thing = name(transport, UID_THING)?;
        let next = (NEXT_CERTIFICATE, UID_SECOND_CERTIFICATE, NEXT_PRIVATE_KEY);
        let mut config = Config::of(transport, thing, next)?;
        config.trial = true;
        Ok(config)
    }

    /// The rest, for a client of that name with that certificate and key.
    pub(crate) fn of(
        transport: &dyn Transport,
        thing: String,
        (certificate, certificate_uid, key): (&'static str, u64, &'static str),
    ) -> Result<Config, ConfigError> {
        let time_server = match text(transport, UID_TIME_SERVER) {
            Ok(name) => Some(String::from(name.trim())),
            Err(ConfigError::Read(_, Status::DOES_NOT_EXIST)) => None,
            Err(error) => return Err(error),
        };
        let endpoint = name(transport, UID_ENDPOINT)?;
        let endpoint = Endpoint::parse(&endpoint).ok_or(ConfigError::Malformed(UID_ENDPOINT))?;
        let refused = |label| move |code| ConfigError::Token(label, code);
        let mut token = Token::open(transport).map_err(refused("token"))?;
        let mut certificates = |label, uid| {
            let bytes = token.read(label, CKA_VALUE).map_err(refused(label))?;
            pem::certificates(&bytes).ok_or(ConfigError::Malformed(uid))
        };
        let roots = certificates(ROOT_CERTIFICATE, UID_ROOTS)?;
        let certificates = certificates(certificate, certificate_uid)?;
        // The key is used by the handshake; that it is there and cannot be read is said here.
        match token.read(key, CKA_EXTRACTABLE) {
            Ok(flag) if flag == [0] => {}
            Ok(_) => return Err(ConfigError::Token(key, CKR_FUNCTION_FAILED)),
            Err(code) => return Err(ConfigError::Token(key, code)),
        }
        Ok(Config {
            key,
            trial: false,
            time_server,
            endpoint,
            thing,
            certificates,
            roots,
        })
    }
}

/// Whether AWS takes it as a thing's name: [a-zA-Z0-9:_-]+ (reference/aws-iot.md §1.4).
pub(crate) fn is_thing(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    !name.is_empty() && name.len() <= MAX_THING && name.chars().all(legal)
}

impl Endpoint {
    /// `host:port` or `host:port:ipv4`; the host must be a name or address that TLS can check.
    pub fn parse(text: &str) -> Option<Endpoint> {
        let mut parts = text.trim().split(':');
        let host = parts.next()?;
        let port = parts.next()?.parse().ok().filter(|port| *port != 0)?;
        let address = match parts.next() {
            Some(address) => Some(address.parse().ok()?),
            None => host.parse().ok(),
        };
        if parts.next().is_some() || host.is_empty() {
            return None;
        }
        ServerName::try_from(host).ok()?;
        Some(Endpoint {
            host: String::from(host),
            port,
            address,
        })
    }
}

/// A text of protected storage that names something real.
pub(crate) fn name(transport: &dyn Transport, uid: u64) -> Result<String, ConfigError> {
    let text = text(transport, uid)?;
    // Of an endpoint, its host.
    let host = text.split(':').next().unwrap_or_default();
    match placeholder::is_placeholder(&text) || placeholder::is_placeholder(host) {
        true => Err(ConfigError::Placeholder(uid, text)),
        false => Ok(text),
    }
}

/// A text of protected storage.
fn text(transport: &dyn Transport, uid: u64) -> Result<String, ConfigError> {
    let bytes = get(transport, uid).map_err(|status| ConfigError::Read(uid, status))?;
    String::from_utf8(bytes).map_err(|_| ConfigError::Malformed(uid))
}

/// One object of protected storage.
fn get(transport: &dyn Transport, uid: u64) -> Result<Vec<u8>, Status> {
    let uid = uid.to_le_bytes();
    let mut info = [0; StorageInfo::SIZE];
    let mut outputs = [OutVec::new(&mut info)];
    Status(transport.psa_call(PS_HANDLE, storage::GET_INFO, &[&uid], &mut outputs)).ok()?;
    let size = StorageInfo::decode(&info).size;
    if size > MAX_OBJECT {
        return Err(Status::INSUFFICIENT_MEMORY);
    }
    let mut bytes = vec![0; size as usize];
    let offset = 0u32.to_le_bytes();
    let mut outputs = [OutVec::new(&mut bytes)];
    Status(transport.psa_call(PS_HANDLE, storage::GET, &[&uid, &offset], &mut outputs)).ok()?;
    let [output] = outputs;
    let len = output.len;
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_parsed_or_refused() {
        let full = Endpoint::parse("broker.test:8883:10.0.2.2\n").unwrap();
        assert_eq!((full.host.as_str(), full.port), ("broker.test", 8883));
        assert_eq!(full.address, Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(Endpoint::parse("a.b:1").unwrap().address, None);
        let literal = Endpoint::parse("10.0.2.2:8883").unwrap();
        assert_eq!(literal.address, Some(Ipv4Addr::new(10, 0, 2, 2)));
        for bad in [
            "",
            "a.b",
            "a.b:",
            "a.b:0",
            "a.b:65536",
            "a.b:1:2",
            "a.b:1:1.2.3.4:5",
            ":1",
            "a b:1",
            "a.b:1:",
            "-:1",
            "a..b:1",
        ] {
            assert!(Endpoint::parse(bad).is_none(), "{bad:?}");
        }
    }
}

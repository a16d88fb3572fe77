//! Why a connection failed, in the words that the console and the operator see.

use crate::backoff::Class;
use crate::dns::DnsError;
use crate::mqtt::{Failure, Violation, reason_name};
use alloc::string::String;
use core::fmt;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// Why there is no connection. `Display` is the short message of `connect failed: <why>`.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// The endpoint's name has no address, or nobody tells it.
    Dns(DnsError),
    /// TCP: refused, reset or unreachable.
    Refused,
    /// Nobody answered within the time for this step.
    TimedOut(&'static str),
    /// The peer closed the connection during this step.
    Closed(&'static str),
    /// The certificate's time is over.
    CertificateExpired,
    /// The certificate's time has not come, or our clock is wrong.
    CertificateNotYetValid,
    /// No chain to a provisioned root.
    UnknownIssuer,
    /// The certificate is for another host.
    WrongName,
    /// Any other fault of the server's certificate.
    Certificate(&'static str),
    /// The server says what it did not like (RFC 8446 §6).
    Alert(AlertDescription),
    /// No suite, group, version or signature scheme in common: which.
    NoCommonParameters(TlsError),
    /// The server broke the TLS protocol: how.
    TlsProtocol(TlsError),
    /// A record did not decrypt.
    TlsDecrypt,
    /// The secure side refused or failed.
    Psa(psa_interface::Status),
    /// TLS failed on our side; the token's refusal to sign is one.
    Tls(String),
    /// TLS failed on our side, nobody says how.
    TlsInternal,
    /// A record or a flight does not fit our buffers.
    TlsBuffer,
    /// CONNACK with this reason code (MQTT 5 §3.2.2.2).
    MqttRefused(u8),
    /// DISCONNECT with this reason code (MQTT 5 §3.14.2.1).
    MqttDisconnected(u8),
    /// The broker closed before CONNACK: on AWS an unknown or inactive certificate.
    MqttClosedBeforeConnack,
    /// The broker broke the MQTT protocol.
    MqttProtocol(Violation),
    /// The broker closed without a DISCONNECT.
    Disconnected,
    /// Local limits (thing name, queue) do not allow it.
    Local(&'static str),
    /// The cloud, or the token, refuses what fleet provisioning asks: which, in its own words.
    Claim(String),
}

impl Why {
    /// How long to wait because of it.
    pub fn class(&self) -> Class {
        match self {
            // On AWS: a certificate that it does not know or that is not active; nothing else
            // that keeps happening looks like that (reference/aws-iot.md §1.2). That it happens
            // once may be a reset on the way.
            Why::MqttClosedBeforeConnack => Class::Suspect,
            Why::Claim(_) => Class::Refused,
            // Protocol version, client identifier, user name, authorisation, ban, method.
            Why::MqttRefused(0x84..=0x87 | 0x8A | 0x8C) => Class::Refused,
            Why::MqttDisconnected(0x87 | 0x98) => Class::Refused,
            // Unavailable, busy, rate, quota.
            Why::MqttRefused(0x88 | 0x89 | 0x96 | 0x97 | 0x9F) => Class::Busy,
            Why::MqttDisconnected(0x89 | 0x93 | 0x96 | 0x97 | 0x9F) => Class::Busy,
            _ => Class::Passing,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Dns(error) => write!(f, "name of the endpoint: {error}"),
            Why::Refused => f.write_str("connection refused"),
            Why::TimedOut(step) => write!(f, "{step} timed out"),
            Why::Closed(step) => write!(f, "closed by peer during {step}"),
            Why::CertificateExpired => f.write_str("server certificate expired"),
            Why::CertificateNotYetValid => f.write_str("server certificate not yet valid"),
            Why::UnknownIssuer => f.write_str("server certificate: unknown issuer"),
            Why::WrongName => f.write_str("host name does not match"),
            Why::Certificate(what) => write!(f, "server certificate: {what}"),
            Why::Alert(alert) => match alert_name(*alert) {
                Some(name) => write!(f, "server alert: {name}"),
                None => write!(f, "server alert {}", u8::from(*alert)),
            },
            Why::NoCommonParameters(error) => write!(f, "no TLS parameters in common: {error}"),
            Why::TlsProtocol(error) => write!(f, "server broke the TLS protocol: {error}"),
            Why::TlsDecrypt => f.write_str("record does not decrypt"),
            Why::Psa(status) => write!(f, "PSA {status}"),
            Why::Tls(what) => write!(f, "TLS failed inside: {what}"),
            Why::TlsInternal => f.write_str("TLS failed inside"),
            Why::TlsBuffer => f.write_str("TLS message larger than the buffer"),
            Why::MqttRefused(code) => {
                write!(f, "broker refused: {} (0x{code:02x})", reason_name(*code))
            }
            Why::MqttDisconnected(code) => {
                write!(
                    f,
                    "broker disconnected: {} (0x{code:02x})",
                    reason_name(*code)
                )
            }
            Why::MqttClosedBeforeConnack => f.write_str(
                "broker closed before CONNACK (is the certificate registered and active?)",
            ),
            Why::MqttProtocol(violation) => {
                write!(f, "broker broke the MQTT protocol: {violation}")
            }
            Why::Disconnected => f.write_str("closed by broker"),
            Why::Local(what) => f.write_str(what),
            Why::Claim(what) => f.write_str(what),
        }
    }
}

/// Names of the alerts that tell an operator something (RFC 8446 §6.2).
fn alert_name(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CloseNotify => "close notify",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "certificate revoked",
        AlertDescription::CertificateExpired => "certificate expired",
        AlertDescription::CertificateUnknown => "certificate unknown",
        AlertDescription::UnknownCA => "unknown CA",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::DecryptError => "decrypt error",
        AlertDescription::ProtocolVersion => "protocol version",
        AlertDescription::InternalError => "internal error",
        AlertDescription::UnrecognisedName => "unrecognised name",
        AlertDescription::CertificateRequired => "certificate required",
        _ => return None,
    })
}

impl From<Failure> for Why {
    fn from(failure: Failure) -> Why {
        match failure {
            Failure::Refused(reason) => Why::MqttRefused(reason),
            Failure::Disconnected(reason) => Why::MqttDisconnected(reason),
            Failure::Violation(violation) => Why::MqttProtocol(violation),
            Failure::NoConnAck => Why::TimedOut("CONNACK"),
            Failure::NoPingResp => Why::TimedOut("PINGRESP"),
            Failure::NoAck => Why::TimedOut("acknowledgement"),
            Failure::Stalled => Why::TimedOut("sending"),
        }
    }
}

impl From<TlsError> for Why {
    fn from(error: TlsError) -> Why {
        match error {
            TlsError::InvalidCertificate(error) => certificate(&error),
            TlsError::AlertReceived(alert) => Why::Alert(alert),
            TlsError::NoCertificatesPresented => Why::Certificate("none presented"),
            TlsError::PeerIncompatible(_) => Why::NoCommonParameters(error),
            TlsError::DecryptError => Why::TlsDecrypt,
            TlsError::InvalidMessage(_)
            | TlsError::InappropriateMessage { .. }
            | TlsError::InappropriateHandshakeMessage { .. }
            | TlsError::PeerMisbehaved(_)
            | TlsError::PeerSentOversizedRecord => Why::TlsProtocol(error),
            TlsError::General(what) => Why::Tls(what),
            TlsError::FailedToGetCurrentTime => Why::Local("no wall clock"),
            _ => Why::TlsInternal,
        }
    }
}

fn certificate(error: &CertificateError) -> Why {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Why::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Why::CertificateNotYetValid
        }
        CertificateError::UnknownIssuer => Why::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Why::WrongName
        }
        CertificateError::BadEncoding => Why::Certificate("bad encoding"),
        CertificateError::BadSignature => Why::Certificate("bad signature"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Why::Certificate("not for a server")
        }
        CertificateError::UnhandledCriticalExtension => {
            Why::Certificate("unknown critical extension")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Why::Certificate("unsupported signature algorithm")
        }
        // Without std, rustls keeps of these only that there was one.
        CertificateError::Other(_) => Why::Certificate(
            "chain breaks a rule (authority flag, path length, name constraint, extension or version)",
        ),
        _ => Why::Certificate("not acceptable"),
    }
}

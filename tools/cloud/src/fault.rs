//! What the control plane refuses, by AWS's names.
//!
//! Owns the pairs of exception name and HTTP status. The text says what was wrong with the request.

use std::fmt;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Name of the exception, as AWS's models have it.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
    pub message: String,
}

impl Fault {
    /// Any other.
    pub fn new(name: &'static str, status: u16, message: impl Into<String>) -> Fault {
        Fault {
            name,
            status,
            message: message.into(),
        }
    }

    /// `InvalidRequestException`.
    pub fn invalid(message: impl Into<String>) -> Fault {
        Fault::new("InvalidRequestException", 400, message)
    }

    /// `ResourceNotFoundException`.
    pub fn missing(message: impl Into<String>) -> Fault {
        Fault::new("ResourceNotFoundException", 404, message)
    }

    /// `ResourceAlreadyExistsException`.
    pub fn exists(message: impl Into<String>) -> Fault {
        Fault::new("ResourceAlreadyExistsException", 409, message)
    }

    /// `VersionConflictException`: the version is another than the expected one.
    pub fn version(current: u64) -> Fault {
        let message = format!("expectedVersion: the version is {current}");
        Fault::new("VersionConflictException", 409, message)
    }

    /// `InternalFailureException`, of openssl or the file system.
    pub fn internal(error: &anyhow::Error) -> Fault {
        Fault::new("InternalFailureException", 500, format!("{error:#}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl std::error::Error for Fault {}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Fault {
        Fault::internal(&error)
    }
}

//! A status that the cloud has to take note of.
//!
//! Owns the message's form (reference/aws-iot.md §2.2, §3.4) and when it is sent again. Does not
//! own what follows from the answer.

use crate::document::{TOKEN, Version};
use core::fmt::Write;
use heapless::String;

/// Silence after which a report is sent again, milliseconds; it grows to six times that.
const ANSWER_TIMEOUT_MS: u64 = 10_000;
/// With each update the step timer starts anew: a device that is off for a day loses its job.
pub const STEP_TIMEOUT_MINUTES: u32 = 1_440;

/// What follows once the cloud has taken note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The download goes on all the while.
    Continue,
    /// The images are staged.
    Reboot,
    /// The app is installed, and waits to be started.
    Load,
    /// The image on trial has proved itself.
    SelfTest,
    /// The job has ended.
    NextJob,
}

/// One report.
#[derive(Debug, Clone)]
pub struct Report {
    /// `status`.
    pub status: &'static str,
    /// Members of `statusDetails`.
    details: String<96>,
    /// What follows.
    pub after: After,
    /// `clientToken` of the last sending.
    pub token: String<TOKEN>,
    /// When to send it next.
    due: u64,
    sendings: u32,
}

impl Report {
    fn new(status: &'static str, after: After, details: core::fmt::Arguments<'_>) -> Report {
        let mut text = String::new();
        // The longest: a reason of 48 bytes and its name.
        let _ = text.write_fmt(details);
        Report {
            status,
            details: text,
            after,
            token: String::new(),
            due: 0,
            sendings: 0,
        }
    }

    /// Blocks that are there.
    pub fn progress(done: u32, count: u32) -> Report {
        let details = format_args!("\"receive\":\"{done}/{count}\"");
        Report::new("IN_PROGRESS", After::Continue, details)
    }

    /// The files are verified and staged; `by` is the version word of what runs.
    pub fn ready(by: u32, after: After) -> Report {
        let details = format_args!("\"self_test\":\"ready\",\"updatedBy\":\"0x{by:08x}\"");
        Report::new("IN_PROGRESS", after, details)
    }

    /// The new image runs on trial.
    pub fn active(by: u32) -> Report {
        let details = format_args!("\"self_test\":\"active\",\"updatedBy\":\"0x{by:08x}\"");
        Report::new("IN_PROGRESS", After::SelfTest, details)
    }

    /// It stays.
    pub fn accepted(version: &dyn core::fmt::Display, by: u32) -> Report {
        let details =
            format_args!("\"reason\":\"accepted v{version}\",\"updatedBy\":\"0x{by:08x}\"");
        Report::new("SUCCEEDED", After::NextJob, details)
    }

    /// It does not, or never came so far.
    pub fn failed(reason: &str) -> Report {
        let details = format_args!("\"reason\":\"{reason}\"");
        Report::new("FAILED", After::NextJob, details)
    }

    /// Whether it is time to send it.
    pub fn is_due(&self, now: u64) -> bool {
        now >= self.due
    }

    /// Whether it went out at least once.
    pub fn was_sent(&self) -> bool {
        self.sendings > 0
    }

    /// It is to be sent at once: the answer told what was wrong with the last sending, or may be
    /// lost with the connection.
    pub fn send_again(&mut self) {
        self.due = 0;
    }

    /// The message for an execution at `version` (0: not known); `number` tells it from others.
    pub fn body(&self, version: u64, number: u32) -> Option<(String<TOKEN>, String<384>)> {
        let mut token = String::new();
        write!(token, "{version}-{number}").ok()?;
        let mut body = String::new();
        write!(
            body,
            "{{\"status\":\"{}\",\"statusDetails\":{{{}}}",
            self.status, self.details
        )
        .ok()?;
        if version != 0 {
            write!(body, ",\"expectedVersion\":\"{version}\"").ok()?;
        }
        if self.status == "IN_PROGRESS" {
            write!(body, ",\"stepTimeoutInMinutes\":{STEP_TIMEOUT_MINUTES}").ok()?;
        }
        write!(
            body,
            ",\"includeJobExecutionState\":true,\"clientToken\":\"{token}\"}}"
        )
        .ok()?;
        Some((token, body))
    }

    /// It went out under this token.
    pub fn sent(&mut self, token: String<TOKEN>, now: u64) {
        self.token = token;
        self.due = now + ANSWER_TIMEOUT_MS * u64::from((1 << self.sendings.min(3)).min(6u32));
        self.sendings += 1;
    }
}

/// Version word of the reference: major, minor, patch.
pub fn word(version: &Version) -> u32 {
    u32::from(version.major) << 24 | u32::from(version.minor) << 16 | u32::from(version.patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_report_fits() {
        let reason = "x".repeat(crate::memory::REASON);
        let version = Version {
            major: 255,
            minor: 255,
            patch: u16::MAX,
            build: u32::MAX,
        };
        for report in [
            Report::failed(&reason),
            Report::accepted(&crate::document::version_text(&version), u32::MAX),
            Report::ready(u32::MAX, After::Reboot),
            Report::active(1),
            Report::progress(256, 256),
        ] {
            let (token, body) = report.body(u64::MAX, u32::MAX).unwrap();
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["clientToken"], token.as_str());
            assert_eq!(body["status"], report.status);
            for value in body["statusDetails"].as_object().unwrap().values() {
                assert!(!value.as_str().unwrap().is_empty());
            }
        }
        let (_, body) = Report::ready(0x0100_0000, After::Load).body(0, 1).unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(body.get("expectedVersion").is_none());
        assert_eq!(body["statusDetails"]["updatedBy"], "0x01000000");
    }
}

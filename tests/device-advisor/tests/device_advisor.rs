//! AWS IoT Device Advisor's cases by AWS's names, offline, with its pass rules (docs/device-advisor.md).
//!
//! Owns the table, the verdicts and their print. The device is the real library: over TLS against
//! openssl's server, mosquitto or the server by hand, or its MQTT session in simulated time. What
//! AWS asks and this device does otherwise on purpose is run all the same: the case then asserts
//! what it does instead, and says DIFFERS. An argument picks the cases whose name contains it.

#[path = "../../../apps/net-mqtt/tests/common/mod.rs"]
mod common;
#[path = "../../../apps/net-mqtt/tests/scripted/mod.rs"]
mod scripted;
#[path = "../../../apps/ota-agent/tests/support/mod.rs"]
mod support;

#[path = "cases/connect.rs"]
mod connect;
#[path = "cases/endpoint.rs"]
mod endpoint;
#[path = "cases/others.rs"]
mod others;
#[path = "cases/session.rs"]
mod session;
#[path = "cases/tls.rs"]
mod tls;

use std::panic::catch_unwind;

/// What Device Advisor would say; a panic is FAIL.
pub enum Verdict {
    /// PASS, with what was seen.
    Pass(String),
    /// PASS_WITH_WARNINGS, and why.
    Warnings(String),
    /// On purpose not AWS's rule: what the device does instead, and was seen to do.
    Differs(String),
}

use Verdict::{Differs, Pass, Warnings};

type Case = (&'static str, fn() -> Verdict);

/// AWS's names.
const CASES: &[Case] = &[
    ("TLS_Connect", tls::connect),
    ("TLS_Support_AWS_IoT_Cipher_Suites", tls::suites),
    ("TLS_Receive_Maximum_Size_Fragments", tls::fragments),
    ("TLS_Large_Size_Server_Cert", tls::large_certificate),
    ("TLS_Unsecure_Server_Cert", tls::untrusted),
    ("TLS_Incorrect_Subject_Name_Server_Cert", tls::wrong_name),
    ("TLS_Expired_Server_Cert", tls::expired),
    ("Security_Device_Policies", others::policies),
    ("MQTT_Connect", connect::connect),
    ("MQTT_Connect_Jitter_Backoff_Retries", connect::jitter),
    (
        "MQTT_Connect_Exponential_Backoff_Retries",
        connect::exponential,
    ),
    (
        "MQTT_Reconnect_Backoff_Retries_On_Server_Disconnect",
        connect::server_disconnects,
    ),
    (
        "MQTT_Reconnect_Backoff_Retries_On_Unstable_Connection",
        connect::link_drops,
    ),
    ("MQTT_Publish", connect::publish),
    ("MQTT_Subscribe", connect::subscribe),
    ("MQTT_Publish_Retry_No_Puback", session::publish_retry),
    ("MQTT_Subscribe_Retry_No_Suback", session::subscribe_retry),
    ("MQTT_Client_Puback_Qos1", session::puback),
    ("MQTT_No_Ack_PingResp", session::no_pingresp),
    ("MQTT_Persistent_Session_Happy_Case", session::persistent),
    ("MQTT_Expired_Persistent_Session", session::expired),
    ("MQTT_Long_Duration_Basic", session::long_basic),
    ("MQTT_Long_Duration_Advanced", session::long_advanced),
    ("Job_Execution", others::job),
];

/// What cannot be run, and why.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "Shadow_Publish_Reported_State",
        "the device has no shadow: neither has the reference application",
    ),
    (
        "Shadow_Update_Reported_State",
        "the device has no shadow: neither has the reference application",
    ),
];

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let (mut passed, mut failed) = (0, 0);
    let mut ran = 0;
    for (name, case) in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        ran += 1;
        let (verdict, text) = match catch_unwind(case) {
            Ok(Pass(text)) => ("PASS", text),
            Ok(Warnings(text)) => ("PASS_WITH_WARNINGS", text),
            Ok(Differs(text)) => ("DIFFERS", text),
            Err(_) => ("FAIL", "see above".into()),
        };
        passed += u32::from(verdict.starts_with("PASS"));
        failed += u32::from(verdict == "FAIL");
        println!("{verdict:<18} {name}: {text}");
    }
    if wanted.is_empty() {
        for (name, why) in NOT_RUN {
            println!("{:<18} {name}: {why}", "NOT RUN");
        }
        assert!(passed >= 20, "at least twenty cases must pass, {passed} do");
    }
    // In libtest's words, for whoever counts.
    let word = if failed > 0 { "FAILED" } else { "ok" };
    let others = CASES.len() as u32 - ran;
    let differ = ran - passed - failed;
    println!(
        "test result: {word}. {passed} passed; {failed} failed; {differ} ignored; 0 measured; {others} filtered out"
    );
    if failed > 0 {
        std::process::exit(1);
    }
}

//! The engine as a device and an operator meet it.

use super::*;

fn body(p: &Publish) -> Value {
    serde_json::from_slice(&p.payload).unwrap()
}

fn queue() -> Jobs {
    let mut jobs = Jobs::default();
    let sent = jobs.create("t", "a", json!({"x": 1}), 10).unwrap();
    assert_eq!(sent[0].topic, "$aws/things/t/jobs/notify");
    assert_eq!(sent[1].topic, "$aws/things/t/jobs/notify-next");
    jobs
}

#[test]
fn nothing_pending_has_no_execution() {
    let mut jobs = Jobs::default();
    let out = jobs.request("t", "start-next", b"{\"clientToken\":\"c\"}", 5);
    assert_eq!(out[0].topic, "$aws/things/t/jobs/start-next/accepted");
    assert_eq!(out[0].payload, b"{\"clientToken\":\"c\",\"timestamp\":5}");
}

#[test]
fn start_next_bumps_the_version_once() {
    let mut jobs = queue();
    for _ in 0..2 {
        let out = jobs.request("t", "start-next", b"", 11);
        assert_eq!(out.len(), 1, "QUEUED to IN_PROGRESS notifies nobody");
        let execution = &body(&out[0])["execution"];
        assert_eq!(
            (
                execution["versionNumber"].as_u64(),
                execution["status"].as_str()
            ),
            (Some(2), Some("IN_PROGRESS"))
        );
        assert_eq!(execution["jobDocument"], json!({"x": 1}));
    }
}

#[test]
fn a_second_job_behind_the_first_only_notifies() {
    let mut jobs = queue();
    let sent = jobs.create("t", "b", json!({}), 12).unwrap();
    assert_eq!(sent.len(), 1);
    jobs.request("t", "start-next", b"", 12);
    let out = jobs.request(
        "t",
        "a/update",
        b"{\"status\":\"SUCCEEDED\",\"expectedVersion\":\"2\"}",
        13,
    );
    let topics: Vec<&str> = out
        .iter()
        .map(|p| p.topic.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(topics, ["accepted", "notify", "notify-next"]);
    assert_eq!(body(&out[2])["execution"]["jobId"], "b");
}

#[test]
fn every_refusal_has_its_code() {
    let mut jobs = queue();
    let mut code = |operation: &str, payload: &str| {
        let out = jobs.request("t", operation, payload.as_bytes(), 20);
        assert!(
            out[0].topic.ends_with("/rejected"),
            "{operation} {payload}: {out:?}"
        );
        let body = body(&out[0]);
        (
            body["code"].as_str().unwrap().to_owned(),
            body.get("executionState").is_some(),
        )
    };
    assert_eq!(code("a/update", "{"), ("InvalidJson".into(), false));
    assert_eq!(code("start-next", "[]"), ("InvalidJson".into(), false));
    assert_eq!(
        code("a/update", "{\"status\":\"DONE\"}"),
        ("InvalidRequest".into(), false)
    );
    assert_eq!(
        code(
            "a/update",
            "{\"status\":\"FAILED\",\"statusDetails\":{\"r\":\"\"}}"
        ),
        ("InvalidRequest".into(), false)
    );
    assert_eq!(
        code("a/update", "{\"status\":\"QUEUED\"}"),
        ("InvalidStateTransition".into(), false)
    );
    assert_eq!(
        code("z/update", "{\"status\":\"FAILED\"}"),
        ("ResourceNotFound".into(), false)
    );
    assert_eq!(code("z/get", ""), ("ResourceNotFound".into(), false));
    assert_eq!(
        code("a/update", "{\"status\":\"FAILED\",\"expectedVersion\":7}"),
        ("VersionMismatch".into(), true)
    );
    jobs.request("t", "a/update", b"{\"status\":\"SUCCEEDED\"}", 21);
    let mut code = |operation: &str, payload: &str| {
        let out = jobs.request("t", operation, payload.as_bytes(), 22);
        body(&out[0])["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        code("a/update", "{\"status\":\"SUCCEEDED\"}"),
        "InvalidStateTransition"
    );
    assert_eq!(code("a/get", ""), "TerminalStateReached");
}

#[test]
fn own_messages_and_strange_topics_are_ignored() {
    let mut jobs = queue();
    for operation in [
        "notify",
        "start-next/accepted",
        "a/update/rejected",
        "",
        "a/b/c/d",
    ] {
        assert!(
            jobs.request("t", operation, b"", 1).is_empty(),
            "{operation}"
        );
    }
}

#[test]
fn cancelling_needs_force_in_progress() {
    let mut jobs = queue();
    jobs.request("t", "start-next", b"", 11);
    assert!(jobs.cancel("t", "a", false, 12).is_err());
    assert_eq!(jobs.cancel("t", "a", true, 12).unwrap().len(), 2);
    assert_eq!(jobs.execution("t", "a").unwrap().status, Status::Canceled);
}

/// The reference's measured start-next answer: 1046 bytes (aws-iot.md §2.3).
#[test]
fn start_next_has_the_measured_size() {
    let thing = format!("iotmsw-ci-test-thing-{}", "0".repeat(36));
    let document = json!({"afr_ota": {"protocols": ["MQTT"],
        "streamname": format!("AFR_OTA-{}", "0".repeat(36)),
        "files": [{"filepath": "non_secure image", "filesize": 596_736, "fileid": 0,
            "certfile": "0", "sig-sha256-rsa": "A".repeat(512)}]}});
    let mut jobs = Jobs::default();
    jobs.create(&thing, &"j".repeat(63), document, 1_700_000_000)
        .unwrap();
    let request = json!({"clientToken": thing}).to_string();
    let out = jobs.request(&thing, "start-next", request.as_bytes(), 1_700_000_001);
    assert_eq!(out[0].payload.len(), 1046);
}

#[test]
fn timers_end_an_execution_and_are_told() {
    let mut jobs = Jobs::default();
    let new = control::NewJob {
        id: "a".into(),
        things: vec!["t".into(), "u".into()],
        document: json!({}),
        timeout: Some(10),
        ..control::NewJob::default()
    };
    jobs.create_job(new, 100).unwrap();
    assert!(jobs.expire(10_000).is_empty(), "no timer before it starts");
    let out = jobs.request("t", "start-next", br#"{"stepTimeoutInMinutes":2}"#, 10_000);
    let left = &body(&out[0])["execution"]["approximateSecondsBeforeTimedOut"];
    assert_eq!(*left, 120);
    let keep = br#"{"status":"IN_PROGRESS","stepTimeoutInMinutes":-1}"#;
    jobs.request("t", "a/update", keep, 10_050);
    assert!(jobs.expire(10_599).is_empty());
    let out = jobs.expire(10_600);
    assert_eq!(out.len(), 2, "notify and notify-next: {out:?}");
    assert_eq!(jobs.execution("t", "a").unwrap().status, Status::TimedOut);
    assert_eq!(
        jobs.job("a").unwrap().status,
        "IN_PROGRESS",
        "u has not ended"
    );
    jobs.cancel("u", "a", false, 10_601).unwrap();
    assert_eq!(jobs.job("a").unwrap().status, "COMPLETED");
}

fn with(things: &[&str], settings: Value) -> Jobs {
    let mut jobs = Jobs::default();
    let new = control::NewJob {
        id: "a".into(),
        things: things.iter().map(|t| (*t).to_owned()).collect(),
        document: json!({}),
        timeout: Some(10),
        settings: Settings::of(&settings).unwrap(),
        ..control::NewJob::default()
    };
    jobs.create_job(new, 100).unwrap();
    jobs
}

const FAILED: &[u8] = br#"{"status":"FAILED"}"#;

#[test]
fn a_failure_is_tried_again_as_often_as_the_job_says() {
    let retry = json!({"jobExecutionsRetryConfig": {"criteriaList": [
        {"failureType": "FAILED", "numberOfRetries": 1},
        {"failureType": "TIMED_OUT", "numberOfRetries": 2}]}});
    let mut jobs = with(&["t"], retry);
    jobs.request("t", "start-next", b"", 101);
    let out = jobs.request("t", "a/update", FAILED, 102);
    let topics: Vec<&str> = out
        .iter()
        .map(|p| p.topic.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(topics, ["accepted", "notify", "notify-next"]);
    let next = body(&out[2])["execution"].clone();
    assert_eq!(
        (&next["jobId"], &next["status"]),
        (&json!("a"), &json!("QUEUED"))
    );
    assert_eq!(
        (&next["executionNumber"], &next["versionNumber"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(jobs.job("a").unwrap().status, "IN_PROGRESS");

    // The first one has ended and can still be named; the second runs out of time.
    let old = jobs.request("t", "a/get", br#"{"executionNumber":1}"#, 103);
    assert_eq!(body(&old[0])["code"], "TerminalStateReached");
    let old = br#"{"status":"SUCCEEDED","executionNumber":1}"#;
    let out = jobs.request("t", "a/update", old, 103);
    assert_eq!(body(&out[0])["code"], "InvalidStateTransition");
    let none = jobs.request("t", "a/get", br#"{"executionNumber":3}"#, 103);
    assert_eq!(body(&none[0])["code"], "ResourceNotFound");
    jobs.request("t", "start-next", b"", 104);
    assert_eq!(jobs.expire(104 + 600).len(), 2);
    assert_eq!(jobs.execution("t", "a").unwrap().number, 3);
    // FAILED has one retry, and this is the third.
    jobs.request("t", "start-next", b"", 800);
    let out = jobs.request("t", "a/update", FAILED, 801);
    assert_eq!(body(&out[2]), json!({"timestamp": 801}));
    assert_eq!(jobs.job("a").unwrap().status, "COMPLETED");
    let all: Vec<_> = jobs.executions().map(|e| (e.number, e.status)).collect();
    let wanted = [
        (1, Status::Failed),
        (2, Status::TimedOut),
        (3, Status::Failed),
    ];
    assert_eq!(all, wanted);
    jobs.delete_job("a", false, 802).unwrap();
    assert_eq!(jobs.executions().count(), 0);
}

#[test]
fn a_job_over_its_abort_criteria_is_cancelled_for_the_rest() {
    let abort = json!({"abortConfig": {"criteriaList": [{"failureType": "FAILED",
        "action": "CANCEL", "thresholdPercentage": 50.0, "minNumberOfExecutedThings": 2}]}});
    let mut jobs = with(&["t", "u", "v", "w"], abort);
    let state = |jobs: &Jobs, thing: &str| jobs.execution(thing, "a").unwrap().status;
    jobs.request("w", "start-next", b"", 101);
    jobs.request("t", "a/update", FAILED, 102);
    assert_eq!(state(&jobs, "v"), Status::Queued, "one thing has ended");
    let out = jobs.request("u", "a/update", br#"{"status":"SUCCEEDED"}"#, 103);
    // v hears that its queue is empty; w is in progress and goes on.
    let told: Vec<&str> = out.iter().map(|p| p.topic.as_str()).collect();
    assert!(told.contains(&"$aws/things/v/jobs/notify-next"), "{told:?}");
    assert_eq!(state(&jobs, "v"), Status::Canceled);
    assert_eq!(state(&jobs, "w"), Status::InProgress);
    let job = jobs.job("a").unwrap();
    assert_eq!((job.status.as_str(), job.forced), ("CANCELED", false));
}

#[test]
fn settings_that_aws_refuses_are_named() {
    let retry = |kind: &str, n: u64| {
        json!({"jobExecutionsRetryConfig": {"criteriaList":
            [{"failureType": kind, "numberOfRetries": n}]}})
    };
    let abort = |name: &str, value: Value| {
        let mut criterion = json!({"failureType": "ALL", "action": "CANCEL",
            "thresholdPercentage": 10.0, "minNumberOfExecutedThings": 1});
        criterion[name] = value;
        json!({"abortConfig": {"criteriaList": [criterion]}})
    };
    assert!(Settings::of(&retry("ALL", 10)).is_ok());
    assert!(Settings::of(&abort("failureType", json!("REJECTED"))).is_ok());
    for bad in [
        retry("ALL", 11),
        retry("REJECTED", 1),
        json!({"jobExecutionsRetryConfig": {}}),
        json!({"abortConfig": {"criteriaList": []}}),
        abort("failureType", json!("CANCELED")),
        abort("action", json!("STOP")),
        abort("thresholdPercentage", json!(0)),
        abort("thresholdPercentage", json!(101)),
        abort("minNumberOfExecutedThings", json!(0)),
    ] {
        let fault = Settings::of(&bad).unwrap_err();
        assert!(fault.message.contains("Config: "), "{bad}: {fault}");
    }
}

#[test]
fn the_operator_is_refused_by_name() {
    let mut jobs = queue();
    jobs.request("t", "start-next", b"", 11);
    let name = |r: Result<Vec<Publish>, crate::fault::Fault>| r.unwrap_err().name;
    assert_eq!(
        name(jobs.create("t", "a", json!({}), 12)),
        "ResourceAlreadyExistsException"
    );
    assert_eq!(
        name(jobs.create("t", "notify", json!({}), 12)),
        "InvalidRequestException"
    );
    assert_eq!(
        name(jobs.create("t", "b c", json!({}), 12)),
        "InvalidRequestException"
    );
    let long = json!({"x": "y".repeat(33_000)});
    assert_eq!(
        name(jobs.create("t", "b", long, 12)),
        "InvalidRequestException"
    );
    assert_eq!(
        name(jobs.delete_job("a", false, 12)),
        "InvalidStateTransitionException"
    );
    assert_eq!(
        name(jobs.delete("t", "a", 1, false, 12)),
        "InvalidStateTransitionException"
    );
    assert_eq!(
        name(jobs.cancel_job("z", true, None, None, 12)),
        "ResourceNotFoundException"
    );
    assert_eq!(jobs.delete_job("a", true, 12).unwrap().len(), 2);
    let out = jobs.request("t", "a/update", br#"{"status":"SUCCEEDED"}"#, 13);
    assert_eq!(body(&out[0])["code"], "ResourceNotFound");
}

/// Whatever devices and operators do in whatever order: versions only grow, what has ended stays
/// so, at most one head of the queue is announced, and the whole survives its file.
#[test]
fn any_sequence_keeps_the_rules() {
    let mut state = 5u32;
    let mut next = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % n
    };
    for _ in 0..200 {
        let mut jobs = Jobs::default();
        for step in 0..60u64 {
            let job = format!("j{}", next(4));
            let before: Vec<Execution> = jobs.executions().cloned().collect();
            let force = next(2) == 0;
            match next(7) {
                0 => drop(jobs.create("t", &job, json!({"n": step}), step)),
                1 => drop(jobs.cancel("t", &job, force, step)),
                2 => drop(jobs.delete("t", &job, 1, force, step)),
                3 => drop(jobs.request("t", "start-next", br#"{"stepTimeoutInMinutes":1}"#, step)),
                4 => drop(jobs.expire(step + u64::from(next(90)))),
                n => {
                    let status = ["IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED", "QUEUED"];
                    let request = json!({"status": status[next(5) as usize]}).to_string();
                    let topic = format!("{job}/{}", if n == 5 { "update" } else { "get" });
                    jobs.request("t", &topic, request.as_bytes(), step);
                }
            }
            for old in before {
                let Some(new) = jobs
                    .execution("t", &old.job)
                    .filter(|e| e.queued == old.queued)
                else {
                    continue;
                };
                assert!(new.version >= old.version);
                assert_eq!(new.history.len() as u64, new.version);
                if old.status.is_terminal() {
                    assert_eq!((new.status, new.version), (old.status, old.version));
                }
            }
            let text = serde_json::to_string(&jobs).unwrap();
            let back: Jobs = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&back).unwrap(), text);
            jobs = back;
        }
    }
}

//! Whole updates: the agent between the real secure services, the real loader, and the cloud
//! stand-in's Jobs and Streams.

mod support;

use cloud::jobs::Status;
use flash::sim::Tear;
use ota_agent::Input;
use psa_client::fwu::FwuState;
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use support::cloud::THING;
use support::job::*;
use support::{Signer, World, image, sign};

#[test]
fn both_images_from_job_to_succeeded() {
    for which in [0, 1] {
        let mut world = with_job(1, which, 2);
        assert_eq!(world.job("j", 60), succeeded(2));
        let mut majors = [1, 1];
        majors[usize::from(which)] = 2;
        assert_eq!(world.majors, majors);
        let history: Vec<_> = world
            .cloud
            .jobs
            .execution(THING, "j")
            .unwrap()
            .history
            .iter()
            .map(|c| (c.status.name(), c.details.clone()))
            .collect();
        assert_eq!(
            history,
            [
                ("QUEUED", None),
                ("IN_PROGRESS", None),
                ("IN_PROGRESS", Some(json!({"receive": "1/21"}))),
                (
                    "IN_PROGRESS",
                    Some(json!({"self_test": "ready", "updatedBy": "0x01000000"}))
                ),
                (
                    "IN_PROGRESS",
                    Some(json!({"self_test": "active", "updatedBy": "0x01000000"}))
                ),
                (
                    "SUCCEEDED",
                    Some(json!({"reason": "accepted v2.0.0", "updatedBy": "0x01000000"}))
                ),
            ]
        );
        // Confirmed: it stays.
        world.reboot();
        assert_eq!(world.majors, majors);
        assert_eq!(world.said("21/21 blocks"), 1);
        let busy = world.until(30, |w| w.is_busy());
        assert!(!busy, "{:?}", world.log);
    }
}

#[test]
fn three_in_a_row_and_both_images() {
    let mut world = World::new(2);
    for (job, which, major) in [("a", 1, 2), ("b", 1, 3), ("c", 0, 2), ("d", 1, 4)] {
        let file = image(which, major).build();
        let path = ["secure image", NON_SECURE][usize::from(which)];
        let (signature, now) = (sign(&file), world.now);
        world.cloud.create(job, path, &file, &signature, now);
    }
    for (job, major) in [("a", 2), ("b", 3), ("c", 2), ("d", 4)] {
        assert_eq!(world.job(job, 60), succeeded(major));
    }
    assert_eq!(world.majors, [2, 4]);
}

#[test]
fn what_is_not_newer_is_refused() {
    let mut world = with_job(3, 1, 1);
    assert_eq!(world.job("j", 60), failed("not newer: it runs already"));
    // After the first window at most.
    assert_eq!(world.said("21/21"), 0);
    is_untouched(&mut world);
}

#[test]
fn a_wrong_signature_is_refused_before_the_installation() {
    let file = image(1, 2).build();
    let mut other = file.clone();
    other[5000] ^= 1;
    for signature in [sign(&other), "AAAA".into(), "A".repeat(512)] {
        let mut world = World::new(4);
        let now = world.now;
        world.cloud.create("j", NON_SECURE, &file, &signature, now);
        assert_eq!(world.job("j", 60), failed("signature does not verify"));
        is_untouched(&mut world);
    }
}

#[test]
fn a_rightly_signed_file_that_the_loader_refuses_is_reverted() {
    // The operator signed what the image key did not: the loader has the last word.
    let mut make = image(1, 2);
    make.signer = 9;
    let file = make.build();
    let mut world = World::new(5);
    let now = world.now;
    world
        .cloud
        .create("j", NON_SECURE, &file, &sign(&file), now);
    assert_eq!(world.job("j", 600), failed("rolled back"));
    assert_eq!(world.majors, [1, 1]);
}

#[test]
fn sizes_and_documents_that_cannot_be_followed() {
    let good = json!({"filepath": NON_SECURE, "filesize": 5000, "fileid": 0,
        "certfile": "0", "sig-sha256-rsa": "AAAA"});
    let with = |name: &str, value: serde_json::Value| {
        let mut file = good.clone();
        file[name] = value;
        json!({"afr_ota": {"protocols": ["MQTT"], "streamname": "s", "files": [file]}})
    };
    let cases = [
        (with("filesize", json!(600_000)), "image too large"),
        // Fits 128 blocks, but not the slot.
        (with("filesize", json!(32 * 4096)), "image too large"),
        (with("filesize", json!(u64::MAX)), "image too large"),
        (with("filesize", json!(0)), "filesize is 0"),
        (with("filesize", json!("5000")), "malformed job document"),
        (with("filesize", json!(-1)), "malformed job document"),
        (
            with("filepath", json!("ml_model image")),
            "unknown filepath",
        ),
        (with("fileid", json!(300)), "fileid is none of 0 to 255"),
        (
            with("sig-sha256-rsa", json!("*")),
            "the signature is no base64",
        ),
        (
            with("sig-sha256-rsa", json!("A".repeat(2000))),
            "the signature is no base64",
        ),
        (
            with("sig-sha256-ecdsa", json!("AAAA")),
            "more than one signature",
        ),
        (json!({}), "no afr_ota in the job document"),
        (json!({"afr_ota": 7}), "malformed job document"),
        (
            json!({"afr_ota": {"streamname": "s", "files": []}}),
            "no file in the job document",
        ),
        (
            json!({"afr_ota": {"files": [good]}}),
            "no streamname in the job document",
        ),
        (json!(["x"]), "malformed job document"),
        // A stream that does not exist.
        (with("fileid", json!(0)), "the stream is not to be had"),
    ];
    let mut world = World::new(6);
    for (number, (document, reason)) in cases.into_iter().enumerate() {
        let job = format!("j{number}");
        let now = world.now;
        world.cloud.create_raw(&job, document, now);
        assert_eq!(world.job(&job, 60), failed(reason), "{job}");
    }
    is_untouched(&mut world);
}

#[test]
fn what_is_no_image_is_refused_with_the_first_block() {
    let mut world = World::new(7);
    let (file, now) = (vec![0x5A; 9000], world.now);
    world
        .cloud
        .create("j", NON_SECURE, &file, &sign(&file), now);
    assert_eq!(world.job("j", 60), failed("no MCUboot image"));
    is_untouched(&mut world);
}

/// AWS queues a failed execution anew under the same job id (`jobExecutionsRetryConfig`).
#[test]
fn an_execution_that_is_tried_again_begins_anew() {
    let mut world = with_job(24, 1, 2);
    let now = world.now;
    let retry = json!({"jobExecutionsRetryConfig": {"criteriaList":
        [{"failureType": "FAILED", "numberOfRetries": 1}]}});
    world
        .cloud
        .jobs
        .update_job("j", &retry, now / 1000)
        .unwrap();
    // The first time the last byte of a block is another.
    let spoilt = Rc::new(Cell::new(false));
    let flag = spoilt.clone();
    world.cloud.down = Box::new(move |topic, mut payload| {
        if topic.ends_with("/data/cbor") && !flag.get() && payload.len() > 4096 {
            let at = payload.len() - 100;
            payload[at] ^= 1;
            flag.set(true);
        }
        vec![(topic.to_owned(), payload)]
    });
    assert!(
        world.until(300, |w| w.cloud.state("j").0 == "SUCCEEDED"),
        "{:#?}",
        world.log
    );
    let jobs = &world.cloud.jobs;
    let ends: Vec<_> = jobs
        .executions()
        .map(|e| {
            (
                e.number,
                e.status,
                e.details.clone().unwrap()["reason"].clone(),
            )
        })
        .collect();
    assert_eq!(
        ends,
        [
            (1, Status::Failed, json!("signature does not verify")),
            (2, Status::Succeeded, json!("accepted v2.0.0")),
        ]
    );
    assert_eq!(world.majors, [1, 2]);
}

#[test]
fn a_cancelled_job_is_dropped_in_every_phase() {
    // While downloading, with the image staged (the report's answer held back), and on trial.
    let mut world = with_job(10, 1, 2);
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    let now = world.now;
    world.cloud.cancel("j", now);
    assert!(world.until(10, |w| !w.is_busy()), "{:?}", world.log);
    assert_eq!(world.cloud.state("j").0, "CANCELED");
    is_untouched(&mut world);

    let mut world = with_job(11, 1, 2);
    world.cloud.up = Box::new(|topic, payload| {
        let held = topic.ends_with("/update");
        if held {
            vec![]
        } else {
            vec![(topic.to_owned(), payload)]
        }
    });
    assert!(world.until(60, |w| w.said("21/21") == 1));
    assert_eq!(state(&world, 1), FwuState::Staged);
    world.cloud.up = support::cloud::honest();
    let now = world.now;
    world.cloud.cancel("j", now);
    assert!(world.until(20, |w| !w.is_busy()), "{:?}", world.log);
    assert_eq!(state(&world, 1), FwuState::Ready);
    is_untouched(&mut world);

    // Cancelled during the reboot: the image proved itself, and stays.
    let mut world = with_job(12, 1, 2);
    assert!(world.until(60, |w| w.boots == 2));
    let now = world.now;
    world.cloud.cancel("j", now);
    assert!(world.until(20, |w| w.said("the new image is accepted") == 1));
    world.until(20, |_| false);
    world.reboot();
    assert_eq!(world.majors, [1, 2]);
}

#[test]
fn an_old_notice_does_not_stop_a_download() {
    let mut world = with_job(13, 1, 2);
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    for text in [
        r#"{"timestamp":1,"execution":{"jobId":"old","versionNumber":2,"jobDocument":{}}}"#,
        r#"{"timestamp":1}"#,
        "{",
    ] {
        let topic = format!("$aws/things/{THING}/jobs/notify-next");
        world.input(Input::Message {
            topic: &topic,
            payload: text.as_bytes(),
        });
    }
    assert_eq!(world.job("j", 60), succeeded(2));
    assert_eq!(world.said("8/21 blocks"), 1, "{:?}", world.log);
}

#[test]
fn a_lost_answer_to_the_last_report_is_no_failure() {
    let mut world = with_job(14, 1, 2);
    let reported = Rc::new(Cell::new(0));
    let seen = reported.clone();
    world.cloud.up = Box::new(move |topic, payload| {
        let last = String::from_utf8_lossy(&payload).contains("SUCCEEDED");
        seen.set(seen.get() + u32::from(last));
        vec![(topic.to_owned(), payload)]
    });
    let seen = reported.clone();
    world.cloud.down = Box::new(move |topic, payload| {
        let answer = topic.ends_with("/update/accepted") && seen.get() == 1;
        // Notices of the empty list would tell, too.
        let lost = answer || topic.ends_with("/notify-next");
        if lost {
            vec![]
        } else {
            vec![(topic.to_owned(), payload)]
        }
    });
    assert!(world.until(120, |w| w.cloud.state("j").0 == "SUCCEEDED"));
    assert!(world.is_busy());
    // The report is repeated, the refusal names what was wanted, and the next job runs.
    assert!(world.until(60, |w| !w.is_busy()), "{:?}", world.log);
    assert_eq!(reported.get(), 2);
    world.cloud.down = support::cloud::honest();
    let file = image(1, 3).build();
    let (signature, now) = (sign(&file), world.now);
    world.cloud.create("k", NON_SECURE, &file, &signature, now);
    assert_eq!(world.job("k", 60), succeeded(3));
}

#[test]
fn somebody_elses_version_is_adopted() {
    let mut world = with_job(15, 1, 2);
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    // Another update of the same execution, as by an operator's script.
    let note = br#"{"status":"IN_PROGRESS","statusDetails":{"note":"x"}}"#;
    let answers = world.cloud.jobs.request(THING, "j/update", note, 5);
    assert!(answers[0].topic.ends_with("/accepted"));
    assert_eq!(world.job("j", 60), succeeded(2));
    let execution = world.cloud.jobs.execution(THING, "j").unwrap();
    assert_eq!(execution.history.len(), 7);
    assert_eq!(execution.status, Status::Succeeded);
    let refused = world
        .cloud
        .heard
        .iter()
        .filter(|(t, _)| t.ends_with("/j/update"));
    assert_eq!(refused.count(), 5, "one of the four reports twice");
}

#[test]
fn a_trial_without_a_connection_is_rolled_back_after_two_minutes() {
    let mut world = with_job(16, 1, 2);
    world.reachable_on_trial = false;
    assert!(world.until(60, |w| w.majors == [1, 2]));
    let trial = world.now;
    assert!(world.until(300, |w| w.majors == [1, 1]));
    let lasted = world.now - trial;
    assert!((120_000..125_000).contains(&lasted), "{lasted}");
    assert_eq!(world.said("self-test failed"), 1);
    // It was the network: the second attempt stays.
    world.reachable_on_trial = true;
    assert_eq!(world.job("j", 120), succeeded(2));

    let mut world = with_job(17, 1, 2);
    world.reachable_on_trial = false;
    assert_eq!(world.job("j", 1200), failed("rolled back"));
    assert_eq!(world.said("self-test failed"), 3);
    assert_eq!(world.majors, [1, 1]);
    world.until(20, |_| false);
    assert_eq!(state(&world, 1), FwuState::Ready);
    // Another job has its own count.
    world.reachable_on_trial = true;
    let file = image(1, 3).build();
    let (signature, now) = (sign(&file), world.now);
    world.cloud.create("k", NON_SECURE, &file, &signature, now);
    assert_eq!(world.job("k", 60), succeeded(3));
}

#[test]
fn resets_in_every_phase_are_survived() {
    // Three times while downloading, staged, and on trial: each time the update is taken.
    let mut world = with_job(18, 1, 2);
    for done in [3, 8, 17] {
        assert!(world.until(60, |w| fetched(w) >= done));
        world.reboot();
        assert_eq!(world.majors, [1, 1]);
    }
    for trial in 1..=3 {
        assert!(world.until(60, |w| w.majors == [1, 2]), "{trial}");
        // Before the connection stands, so before it is accepted.
        world.reboot();
        assert_eq!(world.majors, [1, 1], "reverted");
    }
    assert_eq!(world.job("j", 60), succeeded(2));
    assert_eq!(world.majors, [1, 2]);
}

/// At no boot did one new image run beside one old one.
fn ran_together(world: &World) {
    for line in world.log.iter().filter(|l| l.starts_with("boot")) {
        assert!(
            line == "boot [1, 1]" || line == "boot [2, 2]",
            "{:#?}",
            world.log
        );
    }
}

#[test]
fn both_images_in_one_job_with_one_reboot() {
    let mut world = with_both(45);
    assert_eq!(world.job("j", 60), succeeded(2));
    assert_eq!((world.majors, world.boots), ([2, 2], 2));
    ran_together(&world);
    // A bad one spoils both: nothing is installed.
    let mut world = World::new(46);
    let (secure, kernel) = (image(0, 2).build(), image(1, 2).build());
    let good = sign(&kernel);
    let now = world.now;
    let files = [
        (NON_SECURE, &kernel[..], "sig-sha256-rsa", &good[..]),
        ("secure image", &secure[..], "sig-sha256-rsa", &good[..]),
    ];
    world.cloud.create_signed("j", &files, now);
    assert_eq!(world.job("j", 60), failed("signature does not verify"));
    is_untouched(&mut world);
}

#[test]
fn power_cuts_all_along_a_job_for_both_leave_no_mixture() {
    let mut world = with_both(47);
    let before = world.power.ops();
    assert_eq!(world.job("j", 60), succeeded(2));
    let total = world.power.ops() - before;
    // Dense where both are staged, swapped and accepted; the download is sampled.
    let staged = 42 * 9;
    let cuts = (0..staged)
        .step_by(29)
        .chain((staged..total + 2).step_by(3));
    let mut count = 0;
    for (number, cut) in cuts.enumerate() {
        let tear = Tear::ALL[number % 3];
        let mut world = with_both(48 + number as u64);
        world.power.cut_after(cut, tear);
        assert_eq!(world.job("j", 300), succeeded(2), "cut {cut} {tear:?}");
        world.reboot();
        assert_eq!(world.majors, [2, 2]);
        ran_together(&world);
        count += 1;
    }
    assert!(count > 60, "{count} of {total}");
}

#[test]
fn each_kind_of_signature_verifies_and_no_other() {
    let signers = [
        Signer::pss(),
        Signer::pss_any_salt(),
        Signer::pkcs1(),
        Signer::ecdsa(),
    ];
    let file = image(1, 2).build();
    for (i, device) in signers.iter().enumerate() {
        for (k, operator) in signers.iter().enumerate() {
            let mut world = World::with_signer(50, device);
            let (signature, now) = (operator.sign(&file), world.now);
            let files = [(NON_SECURE, &file[..], operator.member, &signature[..])];
            world.cloud.create_signed("j", &files, now);
            let end = world.job("j", 60);
            let expected = match (device.member, operator.member) {
                ("sig-sha256-rsa", "sig-sha256-ecdsa") => {
                    failed("signed by ECDSA, the update key is RSA")
                }
                ("sig-sha256-ecdsa", "sig-sha256-rsa") => {
                    failed("signed by RSA, the update key is ECDSA")
                }
                // Any salt takes a salt of 32, too.
                _ if i == k || (i, k) == (1, 0) => succeeded(2),
                _ => failed("signature does not verify"),
            };
            assert_eq!(end, expected, "{i} {k}");
            if end.1.starts_with("signed by") {
                assert_eq!(world.cloud.served, 0, "refused before the download");
            }
        }
    }
}

#[test]
fn an_end_that_was_not_heard_is_told_after_the_reset() {
    let mut world = World::new(60);
    let (file, now) = (vec![0x5A; 9000], world.now);
    world
        .cloud
        .create("j", NON_SECURE, &file, &sign(&file), now);
    world.cloud.up = Box::new(|topic, payload| {
        let lost = String::from_utf8_lossy(&payload).contains("FAILED");
        if lost {
            vec![]
        } else {
            vec![(topic.to_owned(), payload)]
        }
    });
    assert!(world.until(60, |w| w.said("failed: no MCUboot image") == 1));
    let served = world.cloud.served;
    for _ in 0..3 {
        world.until(20, |_| false);
        world.reboot();
    }
    assert_eq!(world.cloud.state("j").0, "IN_PROGRESS");
    world.cloud.up = support::cloud::honest();
    assert_eq!(world.job("j", 60), failed("no MCUboot image"));
    assert_eq!(world.cloud.served, served, "nothing is fetched again");
    world.until(10, |_| false);
    world.majors = [1, 1];
    world.boots = 1;
    is_untouched(&mut world);
}

#[test]
fn power_cuts_at_flash_operations_all_along() {
    // How many operations an update takes, reboots included.
    let mut world = with_job(19, 1, 2);
    let before = world.power.ops();
    assert_eq!(world.job("j", 60), succeeded(2));
    let total = world.power.ops() - before;
    assert!(total > 200, "{total}");
    let step = total / 60;
    for (number, cut) in (0..total + step).step_by(step as usize).enumerate() {
        let tear = Tear::ALL[number % 3];
        let mut world = with_job(20 + number as u64, 1, 2);
        world.power.cut_after(cut, tear);
        assert_eq!(world.job("j", 300), succeeded(2), "cut {cut} {tear:?}");
        assert_eq!(world.majors, [1, 2], "cut {cut} {tear:?}");
        assert!(world.boots >= 2);
        world.power.power_on();
        world.reboot();
        assert_eq!(world.majors, [1, 2], "cut {cut} {tear:?}");
    }
}

#[test]
fn anything_at_any_time_is_survived() {
    for seed in 1..=30u64 {
        let mut world = with_job(seed, (seed % 2) as u8, 2);
        let before = world.majors;
        let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
        for _ in 0..600 {
            match world.random(12) {
                0..6 => world.step(),
                6 => {
                    world.reachable = world.random(3) != 0;
                }
                7 => {
                    let (number, ok) = (world.random(60) as u32, world.random(2) == 0);
                    world.input(Input::Result(number, ok));
                }
                8 => world.now += world.random(30_000),
                9 => world.reboot(),
                _ => {
                    let heads = [
                        "jobs/start-next/accepted",
                        "jobs/start-next/rejected",
                        "jobs/notify-next",
                        "jobs/j/update/accepted",
                        "jobs/j/update/rejected",
                        "streams/AFR_OTA-j/data/cbor",
                        "streams/AFR_OTA-j/rejected/cbor",
                        "jobs/",
                        "streams//data/cbor",
                        "",
                    ];
                    let bodies = [
                        "{}",
                        "{\"execution\":{\"jobId\":\"j\",\"versionNumber\":9}}",
                        "{\"code\":\"VersionMismatch\",\"executionState\":{\"status\":\"X\",\"versionNumber\":1}}",
                        "{\"code\":\"ResourceNotFound\"}",
                        "\u{0}",
                        "",
                    ];
                    let topic = format!(
                        "$aws/things/{THING}/{}",
                        heads[world.random(heads.len() as u64) as usize]
                    );
                    let mut payload = match world.random(4) {
                        0 => bodies[world.random(bodies.len() as u64) as usize].into(),
                        1 => block(0, world.random(24), 4096, &[0; 4096]),
                        _ if seen.is_empty() => vec![],
                        _ => seen[world.random(seen.len() as u64) as usize].1.clone(),
                    };
                    if !payload.is_empty() && world.random(2) == 0 {
                        let at = world.random(payload.len() as u64) as usize;
                        payload[at] = world.random(256) as u8;
                    }
                    world.input(Input::Message {
                        topic: &topic,
                        payload: &payload,
                    });
                }
            }
            let arrived = &world.cloud.heard;
            seen.extend(arrived.iter().rev().take(1).cloned());
            seen.truncate(50);
        }
        // Whatever it was told, only a signed and newer image runs.
        assert_eq!(before, [1, 1]);
        for (which, major) in world.majors.into_iter().enumerate() {
            let wanted = usize::from(seed % 2 == 1) == which;
            assert!(major == 1 || (wanted && major == 2), "seed {seed}");
        }
    }
}

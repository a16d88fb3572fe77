//! Whole updates: the agent between the real secure services, the real loader, and the cloud
//! stand-in's Jobs and Streams.

mod support;

use cloud::jobs::Status;
use flash::sim::Tear;
use ota_agent::Input;
use psa_client::fwu::{self, FwuState};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use support::cloud::THING;
use support::{Signer, World, image, sign};

const NON_SECURE: &str = "non_secure image";

/// A world with a job `j` for `which` image of version `major`.
fn with_job(seed: u64, which: u8, major: u8) -> World {
    let mut world = World::new(seed);
    let file = image(which, major).build();
    let path = ["secure image", NON_SECURE][usize::from(which)];
    let now = world.now;
    world.cloud.create("j", path, &file, &sign(&file), now);
    world
}

fn succeeded(major: u8) -> (&'static str, String) {
    ("SUCCEEDED", format!("accepted v{major}.0.0"))
}

fn failed(reason: &str) -> (&'static str, String) {
    ("FAILED", reason.to_owned())
}

fn state(world: &World, component: u8) -> FwuState {
    fwu::query(&world.secure(), component).unwrap().state
}

/// Both components are as they were, and the device has nothing left of job `j`.
fn is_untouched(world: &mut World) {
    assert_eq!(world.majors, [1, 1]);
    assert_eq!(world.boots, 1);
    for component in [0, 1] {
        assert_eq!(state(world, component), FwuState::Ready);
    }
    // And the next good job is taken.
    let file = image(1, 7).build();
    let now = world.now;
    let signature = sign(&file);
    world
        .cloud
        .create("next", NON_SECURE, &file, &signature, now);
    assert_eq!(world.job("next", 60), succeeded(7));
}

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

/// A block of the wire with other numbers.
fn block(file: u64, index: u64, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut e = minicbor::Encoder::new(Vec::new());
    e.map(4).unwrap();
    for (key, value) in [("f", file), ("i", index), ("l", length)] {
        e.str(key).unwrap().u64(value).unwrap();
    }
    e.str("p").unwrap().bytes(payload).unwrap();
    e.into_writer()
}

#[test]
fn blocks_lost_doubled_late_and_wrong() {
    for seed in 1..=12u64 {
        let mut world = with_job(seed, 1, 2);
        let mut x = seed * 0x9E37_79B9;
        let mut held: Option<(String, Vec<u8>)> = None;
        world.busy = 5;
        world.cloud.down = Box::new(move |topic, payload| {
            if !topic.ends_with("/data/cbor") {
                return vec![(topic.to_owned(), payload)];
            }
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let mut out = vec![(topic.to_owned(), payload.clone())];
            let mut spoil = |payload| out.insert(0, (topic.to_owned(), payload));
            match (x >> 20) % 10 {
                // Lost.
                0 => out.clear(),
                // Doubled.
                1 => spoil(payload),
                // Held back until after the next.
                2 => held = out.pop(),
                3 => spoil(block(0, 21, 4096, &[1; 4096])),
                4 => spoil(block(0, u64::MAX, 4096, &[1; 4096])),
                // The length of no block, of the last one elsewhere, and a lie.
                5 => spoil(block(0, 3, 4000, &[1; 4000])),
                6 => spoil(block(0, 2, 4096, &[1; 4095])),
                // Another file.
                7 => spoil(block(1, 2, 4096, &[1; 4096])),
                8 => spoil(payload[..payload.len() / 2].to_vec()),
                _ => out.extend(held.take()),
            }
            out
        });
        assert_eq!(world.job("j", 300), succeeded(2), "seed {seed}");
        assert_eq!(world.majors, [1, 2]);
    }
}

/// A service that speaks JSON alone is found out by its silence, and blocks lost or cut are asked again.
#[test]
fn a_stream_in_json_alone() {
    let mut world = with_job(31, 1, 2);
    world.cloud.formats = vec![cloud::streams::Format::Json];
    let mut count = 0;
    world.cloud.down = Box::new(move |topic, payload| {
        count += usize::from(topic.ends_with("/data/json"));
        let kept = match count % 7 {
            _ if !topic.ends_with("/data/json") => payload.len(),
            3 => return vec![],
            5 => payload.len() / 2,
            _ => payload.len(),
        };
        vec![(topic.to_owned(), payload[..kept].to_vec())]
    });
    assert_eq!(world.job("j", 300), succeeded(2));
    assert_eq!(world.majors, [1, 2]);
    let asked = |level| {
        world
            .cloud
            .heard
            .iter()
            .filter(|(t, _)| t.ends_with(level))
            .count()
    };
    assert_eq!((asked("/describe/cbor"), asked("/get/cbor")), (1, 0));
    assert!(asked("/get/json") > 0);
}

#[test]
fn a_stream_that_stays_silent_fails_the_job() {
    let mut world = with_job(8, 1, 2);
    world.cloud.down = Box::new(|topic, payload| {
        let gone = topic.ends_with("/data/cbor");
        if gone {
            vec![]
        } else {
            vec![(topic.to_owned(), payload)]
        }
    });
    assert_eq!(world.job("j", 600), failed("no blocks arrive"));
    world.cloud.down = support::cloud::honest();
    is_untouched(&mut world);
}

/// Indices of the blocks that the device asked for, one list a request.
fn requests(world: &World) -> Vec<Vec<u64>> {
    let bodies = world
        .cloud
        .heard
        .iter()
        .filter(|(t, _)| t.ends_with("/get/cbor"));
    bodies
        .map(|(_, body)| {
            let mut d = minicbor::Decoder::new(body);
            let (mut first, mut bits) = (0, vec![]);
            for _ in 0..d.map().unwrap().unwrap() {
                match d.str().unwrap() {
                    "o" => first = d.u64().unwrap(),
                    "b" => bits = d.bytes().unwrap().to_vec(),
                    _ => d.skip().unwrap(),
                }
            }
            let wanted = (0..bits.len() * 8).filter(|k| bits[k / 8] & 1 << (k % 8) != 0);
            wanted.map(|k| first + k as u64).collect()
        })
        .collect()
}

#[test]
fn a_download_goes_on_where_the_connection_was_lost() {
    let mut world = with_job(9, 1, 2);
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    let before = requests(&world).len();
    world.reachable = false;
    world.until(20, |_| false);
    assert_eq!(requests(&world).len(), before, "nothing is asked offline");
    world.reachable = true;
    assert_eq!(world.job("j", 60), succeeded(2));
    // No block that was there was asked for again, and the job was begun once.
    assert!(requests(&world)[before..].iter().flatten().all(|b| *b >= 8));
    assert_eq!(world.said("8/21 blocks"), 1);
    assert_eq!(world.boots, 2);
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

/// Blocks that the agent keeps, as it would find them after a reset.
fn fetched(world: &World) -> u32 {
    let mut map = [0; 16];
    let read = psa_client::its::get(&world.secure(), 0x4F54_4103, 0, &mut map);
    read.map_or(0, |_| map.iter().map(|b| b.count_ones()).sum())
}

#[test]
fn a_reset_in_the_download_costs_only_what_was_under_way() {
    for cut in [1, 4, 5, 8, 12] {
        let mut world = with_job(40, 1, 2);
        assert!(world.until(60, |w| fetched(w) >= cut));
        let kept = fetched(&world) as usize;
        world.reboot();
        let before = world.cloud.served;
        assert_eq!(world.job("j", 60), succeeded(2));
        assert_eq!(world.said("resumed"), 1);
        // Exactly the missing ones.
        assert_eq!(world.cloud.served - before, 21 - kept, "cut at {cut}");
    }
}

#[test]
fn both_files_of_a_job_resume() {
    for cut in [5, 21, 26] {
        let mut world = with_both(41);
        let total = |w: &World| -> u32 {
            let mut map = [0; 2 * 41];
            let read = psa_client::its::get(&w.secure(), 0x4F54_4103, 0, &mut map);
            let bits = map[..33].iter().chain(&map[41..74]);
            read.map_or(0, |_| bits.map(|b| b.count_ones()).sum())
        };
        assert!(world.until(60, |w| total(w) >= cut));
        let kept = total(&world) as usize;
        world.reboot();
        let before = world.cloud.served;
        assert_eq!(world.job("j", 60), succeeded(2));
        assert_eq!(world.cloud.served - before, 42 - kept, "cut at {cut}");
        assert_eq!(world.majors, [2, 2]);
    }
}

#[test]
fn another_stream_or_job_begins_anew() {
    // The stream was updated while the device was off.
    let mut world = with_job(42, 1, 2);
    assert!(world.until(60, |w| fetched(w) >= 9));
    world.reboot();
    let bump = |topic: &str, payload: Vec<u8>| {
        let payload = if topic.ends_with("/description/cbor") {
            // `s` 1 becomes 2.
            let at = payload.windows(3).position(|w| w == b"\x61s\x01").unwrap();
            let mut payload = payload;
            payload[at + 2] = 2;
            payload
        } else {
            payload
        };
        vec![(topic.to_owned(), payload)]
    };
    world.cloud.down = Box::new(bump);
    // What the stand-in's stream is: version 1, whatever is asked.
    world.cloud.up = Box::new(|topic, mut payload| {
        if let Some(at) = payload.windows(3).position(|w| w == b"\x61s\x02") {
            payload[at + 2] = 1;
        }
        vec![(topic.to_owned(), payload)]
    });
    let before = world.cloud.served;
    assert_eq!(world.job("j", 60), succeeded(2));
    assert_eq!(world.said("resumed"), 0);
    assert!(world.cloud.served - before >= 21);

    // The job was cancelled, another one came.
    let mut world = with_job(43, 1, 2);
    assert!(world.until(60, |w| fetched(w) >= 9));
    let file = image(1, 3).build();
    let (signature, now) = (sign(&file), world.now);
    world.cloud.cancel("j", now);
    world.cloud.create("k", NON_SECURE, &file, &signature, now);
    world.reboot();
    assert_eq!(world.job("k", 60), succeeded(3));
    assert_eq!(world.said("resumed"), 0);
}

#[test]
fn a_stream_that_changes_under_the_download_is_begun_anew() {
    for (times, ends) in [(1, true), (3, true), (9, false)] {
        let mut world = with_job(44, 1, 2);
        let mut left = times;
        let mut blocks = 0;
        world.cloud.down = Box::new(move |topic, payload| {
            let mut out = vec![(topic.to_owned(), payload)];
            if topic.ends_with("/data/cbor") {
                blocks += 1;
                if left > 0 && blocks % 7 == 0 {
                    left -= 1;
                    let refused = topic.replace("/data/", "/rejected/");
                    out = vec![(refused, b"\xBF\x61o\x6FVersionMismatch\xFF".to_vec())];
                }
            }
            out
        });
        let end = world.job("j", 120);
        if ends {
            assert_eq!(end, succeeded(2));
            assert_eq!(world.said("the stream has changed"), times);
        } else {
            assert_eq!(end, failed("the stream keeps changing"));
        }
    }
}

/// A world with a job for both images, version 2.
fn with_both(seed: u64) -> World {
    let mut world = World::new(seed);
    let (secure, kernel) = (image(0, 2).build(), image(1, 2).build());
    let (a, b) = (sign(&kernel), sign(&secure));
    let now = world.now;
    let files = [
        (NON_SECURE, &kernel[..], "sig-sha256-rsa", &a[..]),
        ("secure image", &secure[..], "sig-sha256-rsa", &b[..]),
    ];
    world.cloud.create_signed("j", &files, now);
    world
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

//! Downloads: blocks lost, doubled and wrong, streams that fail, and going on after a reset, between
//! the real secure services, the real loader, and the cloud stand-in's Jobs and Streams.

mod support;

use support::job::*;
use support::{World, image, sign};

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

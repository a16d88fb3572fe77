//! A day of updates in simulated time: a job each hour, and what goes wrong in a day; flash wear, keys
//! and operations in the evening are what they were in the morning.
//!
//! Agent, loader, update service and storage are the real ones on one simulated flash, which counts
//! programs and erases. TLS and its keys over reconnections are net-mqtt's (`tests/life.rs` there).

mod support;

use support::{Signer, World, image, sign};

const NON_SECURE: &str = "non_secure image";
const HOUR_MS: u64 = 3_600_000;

/// What an hour of the day brings, besides its job.
#[derive(Clone, Copy, PartialEq)]
enum Hour {
    Calm,
    /// The connection is lost in the download, for a minute.
    Offline,
    /// The power goes in the download.
    PowerCut,
    /// The file is signed by somebody else: the job fails, nothing is installed.
    Forged,
}

#[test]
fn a_day_of_jobs() {
    let mut world = World::new(20);
    let mut major = 1;
    let mut ops: Vec<(Hour, u64)> = Vec::new();
    let keys = world.secure().0.crypto.in_use();
    for hour in 0..24 {
        let kind = match hour % 6 {
            2 => Hour::Offline,
            3 => Hour::PowerCut,
            5 => Hour::Forged,
            _ => Hour::Calm,
        };
        let file = image(1, major + 1).build();
        let signature = match kind {
            Hour::Forged => Signer::stranger().sign(&file),
            _ => sign(&file),
        };
        let (job, boots, before) = (format!("hour-{hour}"), world.boots, world.power.ops());
        let served = world.cloud.served;
        let now = world.now;
        world.cloud.create(&job, NON_SECURE, &file, &signature, now);
        if matches!(kind, Hour::Offline | Hour::PowerCut) {
            let begun = world.until(60, |w| w.cloud.served > served + 8);
            assert!(begun, "{:#?}", world.log);
            match kind {
                Hour::Offline => {
                    world.reachable = false;
                    world.until(60, |_| false);
                    world.reachable = true;
                }
                _ => world.reboot(),
            }
        }
        let (status, reason) = world.job(&job, 300);
        let mut reboots = 1;
        if kind == Hour::Forged {
            assert_eq!((status, &*reason), ("FAILED", "signature does not verify"));
            reboots = 0;
        } else {
            major += 1;
            assert_eq!(
                (status, reason),
                ("SUCCEEDED", format!("accepted v{major}.0.0"))
            );
        }
        assert_eq!(world.majors, [1, major]);
        reboots += u32::from(kind == Hour::PowerCut);
        assert_eq!(world.boots - boots, reboots, "hour {hour}");
        assert!(world.until(30, |w| !w.is_busy()), "{:#?}", world.log);
        assert_eq!(world.secure().0.crypto.in_use(), keys, "hour {hour}");
        ops.push((kind, world.power.ops() - before));
        world.now += HOUR_MS;
        world.cloud.streams.clear();
    }
    for kind in [Hour::Calm, Hour::Offline, Hour::PowerCut, Hour::Forged] {
        let all: Vec<u64> = ops.iter().filter(|o| o.0 == kind).map(|o| o.1).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        let (first, last) = (all.first().unwrap(), all.last().unwrap());
        let name = match kind {
            Hour::Calm => "calm",
            Hour::Offline => "connection lost",
            Hour::PowerCut => "power cut",
            Hour::Forged => "forged",
        };
        println!(
            "{name}: {} jobs, {least} to {most} programs and erases each, first {first}, last {last}",
            all.len()
        );
        // Storage compacts now and then: a tenth more or less, and no trend.
        assert!(*most <= least + least / 10 + 40, "{name}: {all:?}");
    }
}

//! The fourteen OTA cases of AWS IoT Device Tester, by name (reference/aws-iot.md §3.8).
//!
//! Each on the whole device of `support`: real loader, update service, storage and crypto, and the
//! cloud stand-in's Jobs and Streams. Those about a reboot run on QEMU, too (`test e2e`).

mod support;

use serde_json::json;
use support::cloud::{THING, honest};
use support::{Signer, World, image};

const PATH: &str = "non_secure image";

/// Queues an update of the non-secure image to `major`, signed as `signer` does.
fn update(world: &mut World, job: &str, major: u8, signer: &Signer) {
    push(world, job, &image(1, major).build(), signer);
}

fn push(world: &mut World, job: &str, file: &[u8], signer: &Signer) {
    let (signature, now) = (signer.sign(file), world.now);
    let files = [(PATH, file, signer.member, &signature[..])];
    world.cloud.create_signed(job, &files, now);
}

fn runs(world: &mut World, job: &str, major: u8) {
    let accepted = format!("accepted v{major}.0.0");
    assert_eq!(world.job(job, 120), ("SUCCEEDED", accepted));
    assert_eq!(world.majors, [1, major]);
    world.reboot();
    assert_eq!(world.majors, [1, major], "for good");
}

/// The job failed for this reason, and the device is as it was, ready for a good update.
fn refused(world: &mut World, job: &str, reason: &str) {
    assert_eq!(world.job(job, 900), ("FAILED", reason.to_owned()));
    assert_eq!(world.majors, [1, 1]);
    world.reboot();
    update(world, "good", 9, &Signer::pss());
    runs(world, "good", 9);
}

#[test]
fn idt_ota_greater_version() {
    let mut world = World::new(1);
    update(&mut world, "j", 2, &Signer::pss());
    runs(&mut world, "j", 2);
}

#[test]
fn idt_ota_back_to_back_downloads() {
    let mut world = World::new(2);
    for (job, major) in [("a", 2), ("b", 3), ("c", 4)] {
        update(&mut world, job, major, &Signer::pss());
    }
    for (job, major) in [("a", 2), ("b", 3), ("c", 4)] {
        let accepted = format!("accepted v{major}.0.0");
        assert_eq!(world.job(job, 120), ("SUCCEEDED", accepted));
    }
    assert_eq!((world.majors, world.boots), ([1, 4], 4));
}

#[test]
fn idt_ota_rollback_if_unable_to_connect_after_update() {
    let mut world = World::new(3);
    world.reachable_on_trial = false;
    update(&mut world, "j", 2, &Signer::pss());
    assert!(world.until(60, |w| w.majors == [1, 2]));
    assert!(
        world.until(130, |w| w.majors == [1, 1]),
        "after two minutes"
    );
    assert_eq!(world.job("j", 900), ("FAILED", "rolled back".into()));
    world.reachable_on_trial = true;
    refused(&mut world, "j", "rolled back");
}

#[test]
fn idt_ota_same_version() {
    let mut world = World::new(4);
    update(&mut world, "j", 1, &Signer::pss());
    refused(&mut world, "j", "not newer: it runs already");
}

#[test]
fn idt_ota_previous_version() {
    let mut world = World::new(5);
    update(&mut world, "j", 0, &Signer::pss());
    refused(&mut world, "j", "not newer: it is older");
}

#[test]
fn idt_ota_unsigned_image() {
    // No signature in the job.
    let mut world = World::new(6);
    let (file, now) = (image(1, 2).build(), world.now);
    world
        .cloud
        .streams
        .insert("s".into(), cloud::streams::Stream::new(vec![file.clone()]));
    let document = json!({"afr_ota": {"protocols": ["MQTT"], "streamname": "s", "files": [
        {"filepath": PATH, "filesize": file.len(), "fileid": 0, "certfile": "0"}]}});
    world.cloud.create_raw("j", document, now);
    refused(&mut world, "j", "no signature");
    assert!(world.majors[1] == 9);
    // And none in the image: the job's is right, the loader has the last word.
    let mut world = World::new(6);
    let whole = image(1, 2).build();
    let (area, magic) = (whole.len() - 400, [0x07, 0x69]);
    let tail = whole[area..].windows(2).position(|w| w == magic).unwrap();
    let mut bare = whole[..area + tail].to_vec();
    bare.extend([0x07, 0x69, 4, 0]);
    push(&mut world, "j", &bare, &Signer::pss());
    refused(&mut world, "j", "rolled back");
}

#[test]
fn idt_ota_untrusted_certificate() {
    // Somebody else's key.
    let mut world = World::new(7);
    let stranger = Signer::stranger();
    update(&mut world, "j", 2, &stranger);
    refused(&mut world, "j", "signature does not verify");
}

#[test]
fn idt_ota_incorrect_signing_algorithm() {
    for (signer, reason) in [
        (Signer::ecdsa(), "signed by ECDSA, the update key is RSA"),
        (Signer::pkcs1(), "signature does not verify"),
    ] {
        let mut world = World::new(8);
        update(&mut world, "j", 2, &signer);
        refused(&mut world, "j", reason);
    }
}

#[test]
fn idt_ota_disconnect_resume() {
    let mut world = World::new(9);
    update(&mut world, "j", 2, &Signer::pss());
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    world.reachable = false;
    world.until(60, |_| false);
    let before = world.cloud.served;
    world.reachable = true;
    runs(&mut world, "j", 2);
    // The rest, and what was under way when the connection went.
    assert!(world.cloud.served - before <= 21 - 8);
}

#[test]
fn idt_ota_disconnect_cancel_update() {
    let mut world = World::new(10);
    update(&mut world, "j", 2, &Signer::pss());
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    world.reachable = false;
    world.until(20, |_| false);
    let now = world.now;
    world.cloud.cancel("j", now);
    world.reachable = true;
    assert!(world.until(30, |w| !w.is_busy()), "{:#?}", world.log);
    assert_eq!(world.cloud.state("j").0, "CANCELED");
    world.reboot();
    assert_eq!(world.majors, [1, 1]);
    update(&mut world, "k", 3, &Signer::pss());
    runs(&mut world, "k", 3);
}

#[test]
fn idt_ota_presigned_url_expired() {
    // There is no HTTP here, so no presigned URL can be followed, fresh or expired: by name.
    let mut world = World::new(11);
    let document = json!({"afr_ota": {"protocols": ["HTTP"], "files": [{"filepath": PATH,
        "filesize": 9000, "fileid": 0, "certfile": "0", "sig-sha256-rsa": "AAAA",
        "auth_scheme": "aws.s3.presigned", "update_data_url":
        "https://b.s3.amazonaws.com/k?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60"}]}});
    let now = world.now;
    world.cloud.create_raw("j", document, now);
    refused(&mut world, "j", "HTTP (presigned URL) is not supported");
}

#[test]
fn idt_ota_2_updates_cancel_1st() {
    let mut world = World::new(12);
    update(&mut world, "a", 2, &Signer::pss());
    update(&mut world, "b", 3, &Signer::pss());
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    let now = world.now;
    world.cloud.cancel("a", now);
    runs(&mut world, "b", 3);
    assert_eq!(world.cloud.state("a").0, "CANCELED");
}

#[test]
fn idt_ota_cancel_then_update() {
    let mut world = World::new(13);
    update(&mut world, "a", 2, &Signer::pss());
    assert!(world.until(60, |w| w.said("8/21 blocks") == 1));
    let now = world.now;
    world.cloud.cancel("a", now);
    world.until(5, |_| false);
    update(&mut world, "b", 2, &Signer::pss());
    runs(&mut world, "b", 2);
    let history = &world.cloud.jobs.execution(THING, "b").unwrap().history;
    assert!(history.len() >= 5, "{history:?}");
}

#[test]
fn idt_ota_image_crashed() {
    let mut world = World::new(14);
    update(&mut world, "j", 2, &Signer::pss());
    let mut trials = 0;
    while world.cloud.state("j").0 == "IN_PROGRESS" || world.cloud.state("j").0 == "QUEUED" {
        if world.until(60, |w| {
            w.majors == [1, 2] || w.cloud.state("j").0 == "FAILED"
        }) && world.majors == [1, 2]
        {
            // It dies before it can say anything.
            world.reboot();
            assert_eq!(world.majors, [1, 1], "reverted at once");
            trials += 1;
        }
        assert!(trials < 10, "tried for ever");
    }
    world.cloud.down = honest();
    refused(&mut world, "j", "rolled back");
}

//! A world with one job, and what is said of it.

use super::{World, image, sign};
use psa_client::fwu::{self, FwuState};

pub const NON_SECURE: &str = "non_secure image";

/// A world with a job `j` for `which` image of version `major`.
pub fn with_job(seed: u64, which: u8, major: u8) -> World {
    let mut world = World::new(seed);
    let file = image(which, major).build();
    let path = ["secure image", NON_SECURE][usize::from(which)];
    let now = world.now;
    world.cloud.create("j", path, &file, &sign(&file), now);
    world
}

pub fn succeeded(major: u8) -> (&'static str, String) {
    ("SUCCEEDED", format!("accepted v{major}.0.0"))
}

pub fn failed(reason: &str) -> (&'static str, String) {
    ("FAILED", reason.to_owned())
}

pub fn state(world: &World, component: u8) -> FwuState {
    fwu::query(&world.secure(), component).unwrap().state
}

/// Both components are as they were, and the device has nothing left of job `j`.
pub fn is_untouched(world: &mut World) {
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

/// A block of the wire with other numbers.
pub fn block(file: u64, index: u64, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut e = minicbor::Encoder::new(Vec::new());
    e.map(4).unwrap();
    for (key, value) in [("f", file), ("i", index), ("l", length)] {
        e.str(key).unwrap().u64(value).unwrap();
    }
    e.str("p").unwrap().bytes(payload).unwrap();
    e.into_writer()
}

/// A world with a job for both images, version 2.
pub fn with_both(seed: u64) -> World {
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

/// Blocks that the agent keeps, as it would find them after a reset.
pub fn fetched(world: &World) -> u32 {
    let mut map = [0; 16];
    let read = psa_client::its::get(&world.secure(), 0x4F54_4103, 0, &mut map);
    read.map_or(0, |_| map.iter().map(|b| b.count_ones()).sum())
}

//! Power cuts: at every program and erase of a boot, clean and torn, and again in the recovery.
//!
//! After each: the device boots, images are whole, and what runs is the old or the new one as the
//! trailers promise.

mod support;

use flash::sim::Tear;
use mcuboot_image::trailer;
use support::{BOARD, Device, Geometry, SMALL, majors, make};

/// What the next boot shall do.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Scenario {
    Test,
    Permanent,
    Revert,
}

struct Bench {
    device: Device,
    scenario: Scenario,
    touched: [bool; 2],
    images: [[Vec<u8>; 2]; 2],
    start: [Vec<u8>; 5],
    /// Flash operations of the boot that is cut.
    ops: u64,
}

impl Bench {
    fn new(geometry: &Geometry, scenario: Scenario, touched: [bool; 2], payload: usize) -> Self {
        let mut device = Device::new(geometry, 0xC0FFEE);
        let mut images: [[Vec<u8>; 2]; 2] = Default::default();
        for image in 0..2 {
            for (n, major) in [1, 2].into_iter().enumerate() {
                let mut m = make(image as u8, major);
                // Sizes differ, so that the swap must cover the larger.
                m.payload = payload + 300 * (n ^ image);
                images[image][n] = m.build();
            }
            device.put_primary(image, &images[image][0]);
            if touched[image] {
                device.put_secondary(image, &images[image][1]);
                let slot = &mut device.loader.slots[image].secondary;
                let permanent = scenario == Scenario::Permanent;
                trailer::set_pending(slot, image as u8, permanent).unwrap();
            }
        }
        if scenario == Scenario::Revert {
            device.boot().unwrap();
        }
        let start = device.snapshot();
        let before = device.power.ops();
        device.boot().unwrap();
        let ops = device.power.ops() - before;
        Bench {
            device,
            scenario,
            touched,
            images,
            start,
            ops,
        }
    }

    /// Boots with cuts planned one after the other until it succeeds; then checks everything.
    fn run(&mut self, cuts: &[(u64, Tear)]) {
        let d = &mut self.device;
        d.restore(&self.start);
        d.exec.iter_mut().for_each(|m| m.fill(0));
        for (at, tear) in cuts {
            d.power.cut_after(*at, *tear);
            if d.boot().is_ok() {
                break;
            }
            assert!(!d.power.is_on(), "refused: {:?} {cuts:?}", d.events);
            d.power.power_on();
        }
        d.power.power_on();
        let booted = d.boot().unwrap_or_else(|e| panic!("bricked: {e} {cuts:?}"));
        let running = majors(&booted);
        for (image, major) in running.into_iter().enumerate() {
            let [old, new] = &self.images[image];
            let is_new = major == 2;
            match (self.touched[image], self.scenario) {
                (false, _) | (_, Scenario::Revert) => assert!(!is_new, "{cuts:?}"),
                (_, Scenario::Permanent) => assert!(is_new, "{cuts:?}"),
                // Old only if the trial began, i.e. the last operations were done.
                (_, Scenario::Test) => {
                    let last = cuts.iter().any(|(at, _)| *at + 2 >= self.ops);
                    assert!(is_new || cuts.len() > 1 || last, "{cuts:?}");
                    assert_eq!(booted.images[image].trial, is_new);
                }
            }
            let (runs, rests) = if is_new { (new, old) } else { (old, new) };
            assert_eq!(&d.primary(image)[..runs.len()], runs, "{cuts:?}");
            assert_eq!(&d.exec[image][..runs.len()], runs, "{cuts:?}");
            if self.touched[image] {
                assert_eq!(&d.secondary(image)[..rests.len()], rests, "{cuts:?}");
            }
        }
        // What follows is as after a swap that was never cut.
        let booted = d.boot().unwrap();
        let expected = match self.scenario {
            Scenario::Permanent => self.touched.map(|t| 1 + u8::from(t)),
            _ => [1, 1],
        };
        assert_eq!(majors(&booted), expected, "{cuts:?}");
        assert!(!booted.trial());
    }
}

const SCENARIOS: [Scenario; 3] = [Scenario::Test, Scenario::Permanent, Scenario::Revert];
const TOUCHED: [[bool; 2]; 3] = [[true, false], [false, true], [true, true]];

#[test]
fn every_operation_once() {
    let mut runs = 0;
    for scenario in SCENARIOS {
        for touched in TOUCHED {
            let mut bench = Bench::new(&SMALL, scenario, touched, 1200);
            assert!(bench.ops > 30);
            for at in 0..bench.ops {
                bench.run(&[(at, Tear::Before)]);
                // Torn operations leave something else each time.
                for _ in 0..20 {
                    bench.run(&[(at, Tear::Prefix)]);
                    bench.run(&[(at, Tear::Indeterminate)]);
                }
                runs += 41;
            }
        }
    }
    println!("cut_points {runs} bricks 0");
    assert!(runs > 9_000, "{runs}");
}

#[test]
fn every_operation_and_every_one_of_the_recovery() {
    let mut runs = 0;
    for scenario in SCENARIOS {
        for touched in [[false, true], [true, true]] {
            let mut bench = Bench::new(&SMALL, scenario, touched, 600);
            for first in 0..bench.ops {
                for second in 0..bench.ops {
                    let tears = [
                        (Tear::Prefix, Tear::Indeterminate),
                        (Tear::Indeterminate, Tear::Prefix),
                        (Tear::Before, Tear::Indeterminate),
                    ];
                    let (a, b) = tears[runs % 3];
                    bench.run(&[(first, a), (second, b)]);
                    runs += 1;
                }
            }
        }
    }
    println!("cut_points {runs} bricks 0");
    assert!(runs > 10_000, "{runs}");
}

#[test]
fn five_cuts_in_a_row() {
    let mut random = 0xFACE_FEED_0BAD_CAFEu64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for scenario in SCENARIOS {
        for touched in TOUCHED {
            let mut bench = Bench::new(&SMALL, scenario, touched, 1200);
            for _ in 0..500 {
                let cuts: [(u64, Tear); 5] =
                    core::array::from_fn(|_| (next() % bench.ops, Tear::ALL[next() as usize % 3]));
                bench.run(&cuts);
            }
        }
    }
}

/// The board's geometry, with images of several scratch regions: cuts spread over the swap.
#[test]
fn real_geometry() {
    for scenario in SCENARIOS {
        let mut bench = Bench::new(&BOARD, scenario, [true, true], 150_000);
        assert!(bench.ops > 1_000);
        for n in 0..12 {
            let tear = Tear::ALL[n as usize % 3];
            bench.run(&[(n * (bench.ops - 1) / 11, tear)]);
        }
    }
}

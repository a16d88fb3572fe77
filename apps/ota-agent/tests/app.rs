//! Updates of one app alone: the agent between the real secure services, the cloud stand-in and an
//! app loader that behaves as the kernel's.

mod support;

use flash::sim::Tear;
use support::apps::{tab, tar, tbf};
use support::{World, sign};

const PATH: &str = "apps/app";

fn create(world: &mut World, job: &str, file: &[u8]) {
    let now = world.now;
    world.cloud.create(job, PATH, file, &sign(file), now);
}

fn with_job(file: &[u8]) -> World {
    let mut world = World::new(1);
    create(&mut world, "j", file);
    world
}

fn end(world: &mut World, job: &str) -> (&'static str, String) {
    world.job(job, 400)
}

fn succeeded(version: u32) -> (&'static str, String) {
    ("SUCCEEDED", format!("accepted v{version}"))
}

fn failed(reason: &str) -> (&'static str, String) {
    ("FAILED", reason.to_owned())
}

#[test]
fn from_job_to_succeeded_without_a_reset() {
    let mut world = with_job(&tab(2));
    let begin = world.now;
    assert_eq!(end(&mut world, "j"), succeeded(2));
    assert!(world.now > begin + 10_000, "confirmed too early");
    assert_eq!((world.boots, world.apps.runs()), (1, 2));
    let execution = world.cloud.jobs.execution(support::cloud::THING, "j");
    let history = format!("{:?}", execution.unwrap().history);
    for detail in ["ready", "active", "0x00000001"] {
        assert!(history.contains(detail), "{history}");
    }
    world.reboot();
    assert_eq!(world.apps.runs(), 2);
    assert!(!world.until(30, |w| w.is_busy()));
}

#[test]
fn the_two_places_take_turns() {
    let mut world = World::new(2);
    for version in 2..=5 {
        create(&mut world, &format!("v{version}"), &tab(version));
    }
    for version in 2..=5 {
        assert_eq!(end(&mut world, &format!("v{version}")), succeeded(version));
    }
    assert_eq!(world.apps.0.borrow().places, [1, 0, 1, 0]);
    assert_eq!(world.boots, 1);
}

#[test]
fn what_faults_is_rolled_back_and_the_next_is_taken() {
    let mut world = with_job(&tab(2));
    assert!(world.until(60, |w| w.apps.runs() == 2));
    world.apps.0.borrow_mut().faults = true;
    assert_eq!(end(&mut world, "j"), failed("rolled back"));
    assert_eq!((world.boots, world.apps.runs()), (1, 1));
    world.apps.0.borrow_mut().faults = false;
    create(&mut world, "next", &tab(3));
    assert_eq!(end(&mut world, "next"), succeeded(3));
}

#[test]
fn without_an_answer_it_is_not_confirmed() {
    let mut world = with_job(&tab(2));
    assert!(world.until(60, |w| w.apps.runs() == 2));
    world.reachable = false;
    assert!(!world.until(60, |w| w.apps.0.borrow().trial.is_none()));
    // The kernel's time is over.
    world.apps.0.borrow_mut().trial = None;
    world.until(1, |_| false);
    world.reachable = true;
    assert_eq!(end(&mut world, "j"), failed("rolled back"));
}

#[test]
fn refusals_leave_the_old_version_and_nothing_begun() {
    let named = |name: &str| tar(&[("a.tbf", tbf(name, 2, 1, 9000))]);
    let mut cut = tab(2);
    cut.truncate(30_000);
    let cases = [
        (tab(1), "not newer: it runs already"),
        (tab(0), "not newer: it is older"),
        (named("other"), "the file is of another app"),
        (
            tar(&[("a.tbf", tbf("app", 2, 0, 9000))]),
            "no link of the app for a free place",
        ),
        (
            tar(&[("readme", vec![1; 5000])]),
            "no link of the app for a free place",
        ),
        (vec![7; 9000], "no TAB"),
        (cut, "no TAB"),
        (tar(&[("a.tbf", vec![7; 9000])]), "malformed TBF"),
    ];
    for (file, reason) in cases {
        let mut world = with_job(&file);
        assert_eq!(end(&mut world, "j"), failed(reason));
        assert_eq!(world.apps.runs(), 1);
        create(&mut world, "next", &tab(2));
        assert_eq!(end(&mut world, "next"), succeeded(2), "after {reason}");
    }
    let mut world = World::new(3);
    let (file, now) = (tab(2), world.now);
    world.cloud.create("j", PATH, &file, &sign(b"other"), now);
    assert_eq!(end(&mut world, "j"), failed("signature does not verify"));
    let mut world = with_job(&tab(2));
    world.apps.0.borrow_mut().refuses = true;
    assert_eq!(
        end(&mut world, "j"),
        failed("the new version does not start")
    );
    assert_eq!(world.apps.runs(), 1);
}

#[test]
fn blocks_lost_and_out_of_order_are_fetched_again() {
    let mut world = World::new(4);
    let mut count = 0;
    let mut late = None;
    world.cloud.down = Box::new(move |topic, payload| {
        let message = (topic.to_owned(), payload);
        if !topic.ends_with("/data/cbor") {
            return vec![message];
        }
        count += 1;
        match count % 5 {
            0 => Vec::new(),
            1 => {
                late = Some(message);
                Vec::new()
            }
            2 => [message].into_iter().chain(late.take()).collect(),
            _ => vec![message],
        }
    });
    create(&mut world, "j", &tab(2));
    assert_eq!(end(&mut world, "j"), succeeded(2));
}

#[test]
fn cancelled_on_trial_it_goes() {
    let mut world = with_job(&tab(2));
    assert!(world.until(60, |w| w.apps.runs() == 2));
    let now = world.now;
    world.cloud.cancel("j", now);
    assert!(world.until(30, |w| w.apps.runs() == 1), "{:?}", world.log);
    create(&mut world, "next", &tab(3));
    assert_eq!(end(&mut world, "next"), succeeded(3));
}

#[test]
fn an_agent_that_replaces_itself_is_confirmed_by_its_successor() {
    let mut world = World::new(5);
    world.apps.0.borrow_mut().of_agent = true;
    create(&mut world, "j", &tab(2));
    assert_eq!(end(&mut world, "j"), succeeded(2));
    assert_eq!(world.boots, 1);
    assert_eq!(world.said("agent replaced"), 1);
}

#[test]
fn the_power_may_go_at_any_time() {
    // A reset at each moment of the update: the job ends well, and what was confirmed stays.
    let mut world = with_job(&tab(2));
    let begin = world.now;
    assert_eq!(end(&mut world, "j"), succeeded(2));
    let length = world.now - begin;
    for cut in (0..length).step_by(350) {
        let mut world = with_job(&tab(2));
        let at = world.now + cut;
        world.until(600, |w| w.now >= at);
        let confirmed = world.apps.0.borrow().stays.0;
        world.reboot();
        assert_eq!(world.apps.runs(), confirmed, "cut at {cut}");
        assert_eq!(end(&mut world, "j"), succeeded(2), "cut at {cut}");
        assert!(world.boots == 2 && world.apps.runs() == 2);
    }
}

#[test]
fn the_power_may_go_at_any_write_of_the_agents_own() {
    let mut world = with_job(&tab(2));
    let begin = world.power.ops();
    assert_eq!(end(&mut world, "j"), succeeded(2));
    let total = world.power.ops() - begin;
    for cut in 0..total {
        let mut world = with_job(&tab(2));
        world.power.cut_after(cut, Tear::Indeterminate);
        assert_eq!(
            end(&mut world, "j"),
            succeeded(2),
            "cut at {cut} of {total}"
        );
        assert!(world.boots <= 2);
    }
}

#[test]
fn any_file_is_survived() {
    let good = tab(2);
    let mut state = 9u32;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize
    };
    for _ in 0..2_000 {
        let apps = support::apps::Apps::new();
        let mut bytes = good.clone();
        for _ in 0..1 + random() % 4 {
            // In the headers, for the most part.
            let at = [
                random() % 1600,
                random() % bytes.len(),
                21_500 + random() % 1000,
            ];
            bytes[at[random() % 3]] = random() as u8;
        }
        bytes.truncate(1 + random() % bytes.len());
        let mut package = ota_agent::Package::new("app".try_into().unwrap());
        let ended = bytes.chunks(4096).try_for_each(|c| package.take(&apps, c));
        if ended.is_ok() {
            let _ = package.seal();
        }
    }
}

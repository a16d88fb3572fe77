//! Installing at run time on simulated NOR flash: power is cut at every program, erase and record,
//! inside them too, and again while recovering. After each cut the device boots to a state that
//! some complete sequence of commands could have left.

mod apps;
mod rig;

use apps::*;
use flash::sim::Tear;
use kernel::ErrorCode;
use kernel::dynamic_binary_storage::*;
use kernel::process::ShortId;
use kernel::utilities::leasable_buffer::SubSliceMut;
use rig::*;
use std::num::NonZeroU32;

const ID: NonZeroU32 = NonZeroU32::new(APP as u32).unwrap();

fn update(rig: &Rig) {
    let _ = rig.store(Some(3), &app(0x2400, "app", 3, APP))
        && rig.ok(rig.storage.load(), "load")
        && rig.ok(rig.storage.confirm(ID), "update");
}
fn update_and_roll_back(rig: &Rig) {
    let _ = rig.store(Some(3), &app(0x2400, "app", 3, APP))
        && rig.ok(rig.storage.load(), "load")
        && rig.ok(rig.storage.roll_back(ID), "update");
}
fn install(rig: &Rig) {
    let _ = rig.store(None, &app(0x1400, "guest", 1, 20)) && rig.ok(rig.storage.load(), "load");
}
fn remove(rig: &Rig) {
    let _ = rig.ok(rig.storage.remove(ID), "update");
}
/// As upstream's user space does it, with the handle that the end of the process gave.
fn uninstall(rig: &Rig) {
    let _ = rig.ok(rig.storage.unload(ShortId::Fixed(ID)), "unload")
        && rig.ok(
            rig.storage.uninstall_with_app_handle(rig.address(1)),
            "uninstall",
        );
}
fn nothing(_: &Rig) {}

fn versions(after: &After, name: &str) -> Vec<u32> {
    let all = after.running.iter().filter(|(n, _)| n == name);
    all.map(|(_, v)| *v).collect()
}

/// The list as host tools walk it, by lengths alone: names where it says a name can be read.
fn listed(flash: &[u8]) -> Vec<usize> {
    let (mut at, mut all) = (0, vec![]);
    while at + 16 <= flash.len() && flash[at..at + 2] == [2, 0] {
        all.push(at);
        at += u32::from_le_bytes(flash[at + 4..at + 8].try_into().unwrap()) as usize;
    }
    all
}

/// Boots that must hold whatever happened before: the neighbours run, the list is whole, and what
/// was on trial never runs.
fn settle(after: &After, what: &str) -> After {
    let booted = after.device.boot(None, nothing);
    for name in ["first", "last"] {
        assert_eq!(versions(&booted, name), [1], "{what}: {:?}", booted.running);
    }
    assert_eq!(booted.device.trial, None, "{what}");
    let list = listed(&booted.device.flash);
    for row in [0, 5] {
        assert!(list.contains(&(row * ROW)), "{what}: {list:x?}");
    }
    booted
}

/// Cuts `work` everywhere, and the boot after it everywhere; `judge` sees what the device settled on.
fn cut_everywhere(start: &Device, work: fn(&Rig), judge: fn(&After, &After, &str)) -> usize {
    let whole = start.boot(None, work);
    let mut cuts = 0;
    for n in 0..=whole.ops {
        for tear in Tear::ALL {
            let what = format!("cut at {n} {tear:?}");
            let cut = start.boot(Some((n, tear)), work);
            assert_eq!(cut.died, n < whole.ops, "{what}");
            let settled = settle(&cut, &what);
            judge(&cut, &settled, &what);
            let recovery = cut.device.boot(None, nothing).ops;
            for m in 0..recovery {
                let what = format!("{what}, again at {m}");
                let again = cut.device.boot(Some((m, tear)), nothing);
                let settled = settle(&again, &what);
                judge(&cut, &settled, &what);
                cuts += 1;
            }
            // And the same work is done on what is left.
            let retried = settled.device.boot(None, work);
            assert!(
                versions(&retried, "first") == [1] && versions(&retried, "last") == [1],
                "{what}: {:?} {:?}",
                retried.running,
                retried.said
            );
            cuts += 1;
        }
    }
    cuts
}

#[test]
fn an_update_runs_beside_and_stays_when_confirmed() {
    let start = Device::factory();
    let whole = start.boot(None, update);
    assert_eq!(whole.said.last().unwrap(), "update", "{:?}", whole.said);
    assert_eq!(versions(&whole, "app"), [3]);
    assert_eq!(versions(&settle(&whole, "whole"), "app"), [3]);
    let cuts = cut_everywhere(&start, update, |cut, settled, what| {
        let found = versions(settled, "app");
        let confirmed = cut.said.last().is_some_and(|s| s == "update");
        assert!(
            found == [2] && !confirmed || found == [3],
            "{what}: {found:?} after {:?}",
            cut.said
        );
        // Only the record's own cut may end either way.
        let near = cut.said.iter().any(|s| s == "load");
        assert!(near || found == [2], "{what}: never started, yet it runs");
    });
    println!("update: {cuts} cuts");
}

#[test]
fn a_trial_that_is_not_confirmed_never_runs_after_a_reset() {
    let start = Device::factory();
    let trial = start.boot(None, |rig| {
        assert!(rig.store(Some(3), &app(0x2400, "app", 3, APP)));
        assert!(rig.ok(rig.storage.load(), "load"));
        let installed = rig.storage.installed(ID).unwrap();
        assert!(installed.trial && installed.running && installed.version == 3);
        let other = rig.storage.setup_at(rig.address(6), 0x1000);
        assert_eq!(other, Err(ErrorCode::BUSY), "one trial at a time");
        assert!(!rig.storage.trial_failed());
        let process = (0..8).filter_map(|i| rig.t.slot(i));
        let mut process = process.filter(|p| p.get_process_name() == "app");
        process.next().unwrap().set_fault_state();
        assert!(rig.storage.trial_failed());
        assert_eq!(rig.storage.confirm(ID), Err(ErrorCode::INVAL));
    });
    assert!(trial.device.trial.is_some());
    assert_eq!(versions(&settle(&trial, "reset"), "app"), [2]);
    let back = start.boot(None, update_and_roll_back);
    assert_eq!(versions(&back, "app"), [2], "{:?}", back.said);
    let cuts = cut_everywhere(&start, update_and_roll_back, |_, settled, what| {
        assert_eq!(versions(settled, "app"), [2], "{what}");
    });
    println!("rollback: {cuts} cuts");
}

#[test]
fn an_application_comes_and_goes() {
    let start = Device::factory();
    let came = start.boot(None, install);
    assert_eq!(versions(&came, "guest"), [1], "{:?}", came.said);
    let settled = settle(&came, "installed");
    assert_eq!(versions(&settled, "guest"), [1]);
    let cuts = cut_everywhere(&start, install, |cut, settled, what| {
        let found = versions(settled, "guest");
        let told = cut.said.last().is_some_and(|s| s == "load");
        assert!(found == [1] || !told && found.is_empty(), "{what}");
        assert_eq!(versions(settled, "app"), [2], "{what}");
    });
    let gone = start.boot(None, remove);
    assert!(versions(&gone, "app").is_empty(), "{:?}", gone.said);
    let removed = cut_everywhere(&start, remove, |cut, settled, what| {
        let found = versions(settled, "app");
        let told = cut.said.last().is_some_and(|s| s == "update");
        // The newest copy goes first or last: while one is left, one runs.
        assert!(found.len() <= 1 && (!told || found.is_empty()), "{what}");
    });
    println!("install: {cuts} cuts, remove: {removed} cuts");
}

#[test]
fn one_copy_is_taken_away_by_its_handle() {
    let start = Device::factory();
    let gone = start.boot(None, uninstall);
    assert!(versions(&gone, "app").is_empty(), "{:?}", gone.said);
    // The older copy is what is left.
    assert_eq!(versions(&settle(&gone, "uninstalled"), "app"), [1]);
    let cuts = cut_everywhere(&start, uninstall, |cut, settled, what| {
        let found = versions(settled, "app");
        let told = cut.said.last().is_some_and(|s| s == "uninstall");
        assert!(found == [1] || !told && found == [2], "{what}");
    });
    println!("uninstall: {cuts} cuts");
    start.boot(None, |rig| {
        let take = |at: usize| rig.storage.uninstall_with_app_handle(at);
        assert_eq!(take(rig.address(1)), Err(ErrorCode::BUSY), "it runs");
        let padding = rig.address(1) + 0x3000;
        let inside = rig.address(1) + 16;
        for at in [0, rig.address(0) - 1, inside, padding, usize::MAX] {
            assert_eq!(take(at), Err(ErrorCode::INVAL), "{at:x}");
        }
        let object = app(0x2400, "app", 3, APP);
        assert!(rig.store(Some(3), &object));
        assert_eq!(take(rig.address(3)), Err(ErrorCode::BUSY), "an install");
        assert!(rig.ok(rig.storage.load(), "load"));
        let old = take(rig.address(1));
        assert_eq!(old, Err(ErrorCode::BUSY), "what the trial falls back to");
    });
}

#[test]
fn stopped_and_started_without_touching_flash() {
    let start = Device::factory();
    let after = start.boot(None, |rig| {
        let mended = rig.nor.sim.borrow().power().ops();
        let id = ShortId::Fixed(ID);
        assert_eq!(rig.storage.start(ID), Err(ErrorCode::ALREADY));
        assert!(rig.ok(rig.storage.unload(id), "unload"));
        assert_eq!(rig.storage.unload(id), Err(ErrorCode::INVAL));
        assert!(!rig.storage.installed(ID).unwrap().running);
        assert!(rig.ok(rig.storage.start(ID), "update"));
        assert!(rig.storage.installed(ID).unwrap().running);
        assert_eq!(rig.nor.sim.borrow().power().ops(), mended);
    });
    assert_eq!(versions(&after, "app"), [2], "{:?}", after.said);
}

/// Another process may be in the middle of what the old version shares with it.
#[test]
fn the_new_version_waits_for_windows_on_the_old_one() {
    let start = Device::factory();
    for insist in [false, true] {
        let after = start.boot(None, if insist { replace_and_insist } else { replace });
        assert_eq!(versions(&after, "app"), [3], "{:?}", after.said);
    }
    fn replace(rig: &Rig) {
        replace_held(rig, |rig, holder| {
            holder.set_yielded_state();
            assert!(holder.dequeue_task().is_none(), "nothing to call");
            rig.t.run();
        });
    }
    fn replace_and_insist(rig: &Rig) {
        replace_held(rig, |rig, _| {
            rig.storage.insist();
            rig.t.run();
        });
    }
    fn replace_held(rig: &Rig, let_go: fn(&Rig, &dyn kernel::process::Process)) {
        let named = |name: &str| {
            let mut all = (0..8).filter_map(|i| rig.t.slot(i));
            all.find(|p| p.get_process_name() == name).unwrap()
        };
        let (old, holder) = (named("app"), named("first"));
        let page = core::ptr::without_provenance(old.get_addresses().sram_start);
        assert!(holder.open_share(page, 32, 0));
        // In the middle of its code, for ever as far as this kernel knows.
        let yielded = kernel::process::UpcallId {
            driver_num: 1,
            subscribe_num: 1,
        };
        holder.set_process_function(kernel::process::FunctionCall {
            source: kernel::process::FunctionCallSource::Kernel,
            argument0: 0,
            argument1: 0,
            argument2: 0,
            argument3: 0usize.into(),
            pc: 0usize.into(),
        });
        holder.set_yielded_for_state(yielded);
        assert!(rig.store(Some(3), &app(0x2400, "app", 3, APP)));
        assert!(!rig.ok(rig.storage.load(), "load"), "it waits");
        assert!(!old.is_running() && rig.storage.on_trial().is_none());
        assert_eq!(rig.storage.abort(), Err(ErrorCode::BUSY));
        holder.set_syscall_return_value(kernel::syscall::SyscallReturn::YieldWaitFor(0, 0, 0));
        let_go(rig, holder);
        assert_eq!(rig.log.said.borrow().last().unwrap(), "load");
        assert!(rig.storage.on_trial().is_some());
    }
}

/// The record cannot be written any more, after each number of writes in turn: what was told is
/// true after a reset, and what is not confirmed does not run then.
#[test]
fn a_record_that_cannot_be_closed_leaves_nothing_undecided() {
    fn limited<const N: usize>(rig: &Rig) {
        rig.store.writes.set(N);
    }
    fn confirm<const N: usize>(rig: &Rig) {
        limited::<N>(rig);
        update(rig);
    }
    fn come<const N: usize>(rig: &Rig) {
        limited::<N>(rig);
        install(rig);
    }
    fn back<const N: usize>(rig: &Rig) {
        limited::<N>(rig);
        update_and_roll_back(rig);
    }
    let start = Device::factory();
    // Opened, and never closed: the old version comes back.
    for work in [confirm::<0>, confirm::<1>] {
        let after = start.boot(None, work);
        assert!(
            !after.said.last().unwrap().ends_with("update"),
            "{:?}",
            after.said
        );
        assert_eq!(versions(&settle(&after, "confirm"), "app"), [2]);
    }
    // A new application that cannot be kept does not run on, either.
    for work in [come::<0>, come::<1>] {
        let after = start.boot(None, work);
        let last = after.said.last().unwrap();
        assert!(
            last.contains("Error") || last.contains("FAIL"),
            "{:?}",
            after.said
        );
        assert!(versions(&after, "guest").is_empty(), "{:?}", after.said);
        assert!(versions(&settle(&after, "install"), "guest").is_empty());
    }
    // Rolled back all the same; the record is closed by the next boot.
    let after = start.boot(None, back::<1>);
    assert_eq!(versions(&after, "app"), [2], "{:?}", after.said);
    assert!(after.device.trial.is_some());
    assert_eq!(versions(&settle(&after, "roll back"), "app"), [2]);
}

#[test]
fn with_an_unreadable_record_old_versions_run_and_nothing_is_installed() {
    let start = Device::factory();
    let trial = start.boot(None, |rig| {
        assert!(rig.store(Some(3), &app(0x2400, "app", 3, APP)));
        assert!(rig.ok(rig.storage.load(), "load"));
    });
    let mut blind = trial.device.clone();
    blind.readable = false;
    let booted = blind.boot(None, |rig| {
        let setup = rig.storage.setup(0x1000);
        assert_eq!(setup, Err(ErrorCode::FAIL));
        assert_eq!(
            rig.storage.probe(rig.address(6), 0x1000),
            Err(ErrorCode::FAIL)
        );
    });
    assert_eq!(versions(&booted, "app"), [2], "{:?}", booted.running);
    for name in ["first", "last"] {
        assert_eq!(versions(&booted, name), [1]);
    }
    // It was a passing fault: nothing is lost.
    let mut again = booted.device.clone();
    (again.readable, again.trial) = (true, trial.device.trial);
    assert_eq!(
        versions(&settle(&again.boot(None, nothing), "again"), "app"),
        [2]
    );
}

/// Whatever a torn write leaves of an application's first page, its neighbours run, and what is
/// installed next goes over none of them.
#[test]
fn a_torn_header_page_costs_no_other_application() {
    let start = Device::factory();
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    for round in 0..200 {
        let mut device = start.clone();
        let page = &mut device.flash[ROW..ROW + PAGE];
        let (from, to) = (random() % 64, random() % 64);
        let (from, to) = (from.min(to), from.max(to));
        match round % 4 {
            // An erase that stopped, from either end; bits cleared; anything.
            0 => page[..to].fill(0xFF),
            1 => page[to..].fill(0xFF),
            2 => page[from..to].iter_mut().for_each(|b| *b &= random() as u8),
            _ => page[from..to].iter_mut().for_each(|b| *b = random() as u8),
        }
        let what = format!("round {round}, {from}..{to}");
        let booted = device.boot(None, nothing);
        for name in ["first", "last"] {
            assert_eq!(versions(&booted, name), [1], "{what}: {:?}", booted.running);
        }
        // The old copy takes its place, unless the damage did not matter.
        let app = versions(&booted, "app");
        assert!(app == [1] || app == [2], "{what}: {app:?}");
        let after = booted.device.boot(None, install);
        for name in ["first", "last"] {
            assert_eq!(versions(&after, name), [1], "{what}: {:?}", after.said);
        }
        assert_eq!(versions(&after, "app"), app, "{what}");
    }
}

#[test]
fn what_must_not_be_installed_is_not() {
    let start = Device::factory();
    let after = start.boot(None, |rig| {
        let object = app(0x2400, "app", 3, APP);
        let store = |object: &[u8]| rig.store(Some(3), object);
        let abort = || assert!(rig.ok(rig.storage.abort(), "abort"));
        // Not over what runs, not off a row, not past the end.
        let at = |row: usize, len: usize| rig.storage.setup_at(rig.address(row), len);
        assert_eq!(at(1, 0x1000), Err(ErrorCode::BUSY));
        assert_eq!(at(2, 3 * ROW + 4), Err(ErrorCode::BUSY));
        assert_eq!(at(7, ROW + 4), Err(ErrorCode::INVAL));
        let odd = rig.storage.setup_at(rig.address(3) + PAGE, 0x1000);
        assert_eq!(odd, Err(ErrorCode::INVAL));
        assert_eq!(rig.storage.setup(AREA), Err(ErrorCode::FAIL));
        // Out of order.
        assert_eq!(rig.storage.finalize(), Err(ErrorCode::INVAL));
        assert_eq!(rig.storage.load(), Err(ErrorCode::INVAL));
        assert_eq!(rig.storage.abort(), Err(ErrorCode::INVAL));
        // Same version, older version.
        for version in [2, 1] {
            assert!(!store(&app(0x2400, "app", version, APP)));
            abort();
        }
        // Another length than announced, a bad checksum.
        let mut bad = object.clone();
        bad[4] ^= 4;
        assert!(!store(&bad));
        abort();
        bad = object.clone();
        bad[13] ^= 1;
        assert!(!store(&bad));
        abort();
        // Credentials: rejected, none.
        for credentials in [&[2u8][..], &[]] {
            let unsigned = object_of(0x2400, "app", 3, APP, credentials, |_| ());
            assert!(store(&unsigned));
            assert!(!rig.ok(rig.storage.load(), "load"));
        }
        assert!(!rig.storage.installed(ID).unwrap().trial);
        // Written twice: NOR cannot.
        assert!(rig.ok(
            rig.storage.setup_at(rig.address(3), 0x2400).map(|_| ()),
            "setup"
        ));
        for (i, expected) in [true, false].into_iter().enumerate() {
            let buffer = rig.log.buffer.take().unwrap();
            buffer.fill(0x55 << i);
            let piece = SubSliceMut::new(buffer);
            assert_eq!(rig.write(piece, 0x2000 - 1000), expected);
        }
        // Header start in two parts, past the end, nothing at all.
        for (offset, len) in [(4, 8), (0x2400 - 8, 9), (0, 0), (usize::MAX, 2)] {
            let mut piece = SubSliceMut::new(rig.log.buffer.take().unwrap());
            piece.slice(..len);
            assert!(!rig.write(piece, offset));
        }
        abort();
        assert!(rig.store(Some(3), &object) && rig.ok(rig.storage.load(), "load"));
    });
    assert_eq!(versions(&after, "app"), [3], "{:?}", after.said);
}

#[test]
fn a_place_inside_padding_is_cut_out_of_it() {
    let mut device = Device::factory();
    // Rows 3 and 4 as a host tool leaves them: one padding from the end of `app` on.
    let hole = ROW + 0x3000..5 * ROW;
    let len = hole.len() as u32;
    device.flash[hole.clone()].fill(0xFF);
    for (i, word) in [0x0010_0002, len, 0, 0x0010_0002 ^ len]
        .into_iter()
        .enumerate()
    {
        let at = hole.start + 4 * i;
        device.flash[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
    }
    let after = device.boot(None, update);
    assert_eq!(versions(&after, "app"), [3], "{:?}", after.said);
    let list = listed(&after.device.flash);
    assert!(
        list.contains(&(3 * ROW)) && list.contains(&(5 * ROW)),
        "{list:x?}"
    );
    cut_everywhere(&device, update, |_, settled, what| {
        let found = versions(settled, "app");
        assert!(found == [2] || found == [3], "{what}");
    });
}

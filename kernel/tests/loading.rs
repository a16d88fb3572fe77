//! Finding, checking and creating processes: the scan rule, gaps, versions, credentials, names.

mod apps;

use apps::{Names, Stop, machine, object};
use kernel::deferred_call::DeferredCallClient;
use kernel::process::{
    FlashRegion, Process, ProcessBinaryError, ProcessLoadError, ProcessLoadingAsync,
    ProcessLoadingAsyncClient, SequentialProcessLoaderMachine,
};
use kernel::testing::{TestChip, TestKernel};
use std::cell::RefCell;

#[derive(Default)]
struct Log(RefCell<Vec<(String, Result<(), ProcessLoadError>)>>);
impl ProcessLoadingAsyncClient for Log {
    fn process_loaded(&self, _: Result<(), ProcessLoadError>) {}
    fn process_loading_finished(&self) {
        self.0.borrow_mut().push(("finished".into(), Ok(())));
    }
    fn pause(&self) -> bool {
        self.0.borrow_mut().push(("pause".into(), Ok(())));
        false
    }
    fn process_loaded_detail(
        &self,
        name: &'static str,
        r: Result<&'static dyn Process, ProcessLoadError>,
    ) {
        self.0.borrow_mut().push((name.into(), r.map(|_| ())));
    }
}

fn plain(name: &str) -> Vec<u8> {
    object(name, 0, 0, &[], |_| ())
}

fn aligned(bytes: &[u8]) -> &'static [u8] {
    let store = vec![0u8; bytes.len() + 32].leak();
    let skip = store.as_ptr().addr().next_multiple_of(32) - store.as_ptr().addr();
    store[skip..skip + bytes.len()].copy_from_slice(bytes);
    &store[skip..skip + bytes.len()]
}

struct Outcome {
    t: TestKernel,
    log: &'static Log,
}

impl Outcome {
    fn names(&self) -> Vec<&str> {
        (0..8)
            .filter_map(|i| self.t.slot(i))
            .map(|p| p.get_process_name())
            .collect()
    }
    fn order(&self) -> Vec<String> {
        self.log.0.borrow().iter().map(|l| l.0.clone()).collect()
    }
    fn told(&self, name: &str) -> Option<Result<(), ProcessLoadError>> {
        let log = self.log.0.borrow();
        log.iter().find(|(n, _)| n == name).map(|(_, r)| *r)
    }
}

fn load(require: bool, regions: &[(&[u8], usize)], ram: usize) -> Outcome {
    load_within(require, regions, ram, |_| None)
}

/// As [`load`]; of the RAM that starts at its argument, `relocatable` says which part is for binaries
/// that run anywhere.
fn load_within(
    require: bool,
    regions: &[(&[u8], usize)],
    ram: usize,
    relocatable: impl FnOnce(usize) -> Option<(usize, usize)>,
) -> Outcome {
    let t = TestKernel::new();
    let machine = machine(require);
    let log: &'static Log = Box::leak(Box::default());
    let flash: Vec<FlashRegion> = regions
        .iter()
        .map(|(bytes, stride)| FlashRegion::read_only(aligned(bytes), *stride))
        .collect();
    let ram = vec![0u8; ram].leak();
    let part = relocatable(ram.as_ptr().addr());
    let loader: &'static SequentialProcessLoaderMachine<'static, TestChip> =
        Box::leak(Box::new(SequentialProcessLoaderMachine::in_regions(
            machine,
            vec![None; 8].leak(),
            t.kernel(),
            t.chip(),
            flash.leak(),
            ram,
            &Stop,
            &(),
            &Names,
            &t.management_capability(),
        )));
    loader.register();
    machine.set_client(loader);
    loader.set_client(log);
    if let Some((start, len)) = part {
        loader.set_relocatable_memory(start, len);
    }
    loader.start();
    t.run();
    assert_eq!(
        log.0.borrow().last().map(|l| l.0.clone()),
        Some("finished".into())
    );
    Outcome { t, log }
}

const RAM: usize = 120 * 1024;

#[test]
fn regions_and_rows_are_scanned_past_gaps_and_garbage() {
    let erased = vec![0xFF; 2048];
    let pool: Vec<u8> = [
        erased.clone(),
        plain("second"),
        plain("third"),
        erased.clone(),
        // A total size that lies: hides nothing but its own row.
        vec![2, 0, 16, 0, 0xFF, 0xFF, 0xFF, 0x7F],
        vec![0xFF; 2040],
        plain("fourth"),
    ]
    .concat();
    let o = load(
        false,
        &[(&plain("first"), 0), (&erased, 0), (&pool, 2048)],
        RAM,
    );
    assert_eq!(o.names(), ["first", "second", "third", "fourth"]);
    // Without rows a gap ends the list, as the scan rule says.
    let list = [plain("first"), erased, plain("hidden")].concat();
    let o = load(false, &[(&list, 0)], RAM);
    assert_eq!(o.names(), ["first"]);
}

#[test]
fn padding_disabled_broken_and_foreign_objects_are_skipped() {
    let disabled = object("disabled", 0, 0, &[], |h| h[8] = 0);
    let newer = object("newer kernel", 0, 0, &[], |h| {
        let at = h.len() - 2;
        h[at] = 4;
    });
    let mut broken = plain("broken");
    broken[20] ^= 0x40;
    let mut padding = vec![2, 0, 16, 0, 0, 2, 0, 0, 0, 0, 0, 0];
    padding.extend((0x0010_0002u32 ^ 0x200).to_le_bytes());
    padding.resize(512, 0xFF);
    let list = [disabled, newer, broken, padding, plain("good")].concat();
    let o = load(false, &[(&list, 0)], RAM);
    assert_eq!(o.names(), ["good"]);
}

#[test]
fn only_an_accepted_credential_gives_a_name() {
    let list = [
        object("accepted", 0, 5, &[1], |_| ()),
        object("second counts", 0, 6, &[9, 1], |_| ()),
        object("none", 0, 7, &[], |_| ()),
        object("wrong", 0, 8, &[9], |_| ()),
        object("rejected", 0, 9, &[2], |_| ()),
    ]
    .concat();
    let o = load(false, &[(&list, 0)], RAM);
    assert_eq!(o.names(), ["accepted", "second counts", "none", "wrong"]);
    let ids: Vec<String> = (0..4)
        .filter_map(|i| o.t.slot(i))
        .map(|p| format!("{:?}", p.short_app_id()))
        .collect();
    assert_eq!(ids, ["0x5", "0x6", "Unique", "Unique"]);
    assert!(matches!(
        o.told("rejected"),
        Some(Err(ProcessLoadError::CheckError(_)))
    ));
    let o = load(true, &[(&list, 0)], RAM);
    assert_eq!(o.names(), ["accepted", "second counts"]);
}

#[test]
fn an_object_that_lost_its_end_is_refused() {
    let mut cut = object("cut", 0, 5, &[1], |_| ());
    let kept = cut.len() / 2;
    cut[kept..].fill(0xFF);
    let list = [cut, plain("behind")].concat();
    let o = load(false, &[(&list, 0)], RAM);
    assert_eq!(o.names(), ["behind"]);
    assert!(matches!(
        o.told("cut"),
        Some(Err(ProcessLoadError::CheckError(_)))
    ));
}

#[test]
fn of_one_application_the_newest_version_runs() {
    let list = [
        object("old", 1, 5, &[1], |_| ()),
        object("new", 2, 5, &[1], |_| ()),
        object("copy", 2, 5, &[1], |_| ()),
        object("unnamed", 9, 5, &[], |_| ()),
    ]
    .concat();
    let o = load(false, &[(&list, 0)], RAM);
    assert_eq!(o.names(), ["new", "unnamed"]);
    let superseded = ProcessLoadError::BinaryError(ProcessBinaryError::Superseded);
    assert_eq!(o.told("old"), Some(Err(superseded)));
    assert_eq!(o.told("copy"), Some(Err(superseded)));
}

#[test]
fn a_process_starts_before_the_others_are_checked() {
    let list = [
        object("a", 0, 5, &[1], |_| ()),
        object("rejected", 0, 6, &[2], |_| ()),
        object("c", 0, 7, &[1], |_| ()),
    ]
    .concat();
    let o = load(true, &[(&list, 0)], RAM);
    assert_eq!(o.order(), ["a", "pause", "rejected", "c", "finished"]);
    // Not while a newer one of the same application may be accepted; after its refusal, it does.
    for (credential, first) in [(1, "new"), (2, "old")] {
        let list = [
            object("old", 1, 5, &[1], |_| ()),
            object("new", 2, 5, &[credential], |_| ()),
        ]
        .concat();
        let o = load(true, &[(&list, 0)], RAM);
        assert_eq!(o.names(), [first]);
        assert!(!o.order().contains(&"pause".into()));
    }
    // What has least to hash is checked first, whatever its place.
    let short = object("short", 0, 8, &[], |h| h[32..34].copy_from_slice(&[0, 1]));
    let list = [object("long", 0, 5, &[2], |_| ()), short].concat();
    let o = load(true, &[(&list, 0)], RAM);
    assert_eq!(o.order(), ["short", "long", "finished"]);
}

#[test]
fn binaries_that_fail_their_check_take_no_place() {
    let mut list = vec![];
    for i in 0..20 {
        list.extend(object("bad", 0, i, &[2], |_| ()));
    }
    list.extend(object("good", 0, 30, &[1], |_| ()));
    let o = load(true, &[(&list, 0)], RAM);
    assert_eq!(o.names(), ["good"]);
}

#[test]
fn processes_never_share_ram_and_lack_of_it_stops_nobody() {
    let list = [plain("a"), plain("b"), plain("c"), plain("d")].concat();
    let o = load(false, &[(&list, 0)], 20 * 1024);
    assert!(!o.names().is_empty() && o.names().len() < 4);
    assert_eq!(o.told("d"), Some(Err(ProcessLoadError::NotEnoughMemory)));
    let blocks: Vec<_> = (0..8)
        .filter_map(|i| o.t.slot(i))
        .map(|p| p.get_addresses())
        .map(|a| (a.sram_start, a.sram_end))
        .collect();
    for (i, a) in blocks.iter().enumerate() {
        assert!(a.1.is_multiple_of(1024));
        for b in &blocks[i + 1..] {
            assert!(a.1 <= b.0 || b.1 <= a.0, "{blocks:x?}");
        }
    }
}

#[test]
fn a_relocatable_binary_stays_in_its_part_of_ram() {
    let list = [plain("a"), plain("b"), plain("c")].concat();
    let free = load(false, &[(&list, 0)], RAM);
    let size = {
        let a = free.t.slot(0).unwrap().get_addresses();
        a.sram_end - a.sram_start
    };
    // Room for two, in the middle.
    let part = std::cell::Cell::new((0, 0));
    let o = load_within(false, &[(&list, 0)], RAM, |base| {
        part.set(((base + RAM / 2).next_multiple_of(1024), 2 * size + 1024));
        Some(part.get())
    });
    let (start, len) = part.get();
    assert_eq!(o.names(), ["a", "b"]);
    for i in 0..2 {
        let a = o.t.slot(i).unwrap().get_addresses();
        assert!(a.sram_start >= start && a.sram_end <= start + len, "{i}");
    }
    assert_eq!(o.told("c"), Some(Err(ProcessLoadError::NotEnoughMemory)));
    // A part that is not inside is none.
    for outside in [(0, 4096), (start, RAM), (start, usize::MAX)] {
        let o = load_within(false, &[(&list, 0)], RAM, |_| Some(outside));
        assert_eq!(o.names(), Vec::<&str>::new());
    }
}

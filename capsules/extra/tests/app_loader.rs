//! The app loader as processes see it, over a storage that notes what is asked of it.
//!
//! Owns the rules between callers: who may install, one at a time, what becomes of an install whose
//! caller dies, and of a trial that nobody confirms. The storage itself is tested in the kernel.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::app_loader::{AppLoader, DRIVER_NUM};
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::dynamic_binary_storage::{
    DynamicBinaryStore, DynamicBinaryStoreClient, DynamicProcessLoad, DynamicProcessLoadClient,
    DynamicProcessUninstall, DynamicProcessUninstallClient, DynamicProcessUnload,
    DynamicProcessUnloadClient, DynamicProcessUpdate, DynamicProcessUpdateClient, Installed, Trial,
};
use kernel::hil::time::{Alarm, AlarmClient, Freq1KHz, Ticks32, Time};
use kernel::process::ShortId;
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessU32U32U32};
use kernel::testing::TestKernel;
use kernel::utilities::leasable_buffer::SubSliceMut;
use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;

const APP: usize = DRIVER_NUM;
const AGENT: u32 = 3;
const OTHER_AGENT: u32 = 4;
const GUEST: u32 = 9;
const PIECE: usize = 16;

/// Answers when the test says so.
#[derive(Default)]
struct FakeStorage {
    asked: RefCell<Vec<String>>,
    bytes: RefCell<Vec<u8>>,
    buffer: Cell<Option<(&'static mut [u8], usize)>>,
    trial: Cell<Option<Trial>>,
    failed: Cell<bool>,
}

impl FakeStorage {
    fn ask(&self, what: impl Into<String>) -> Result<(), ErrorCode> {
        self.asked.borrow_mut().push(what.into());
        Ok(())
    }
    fn asked(&self) -> Vec<String> {
        self.asked.take()
    }
}

impl DynamicBinaryStore for FakeStorage {
    fn setup(&self, app_length: usize) -> Result<usize, ErrorCode> {
        if app_length > 4096 {
            return Err(ErrorCode::FAIL);
        }
        self.ask(format!("setup {app_length}")).map(|()| app_length)
    }
    fn write(&self, mut buffer: SubSliceMut<'static, u8>, _: usize) -> Result<(), ErrorCode> {
        self.bytes.borrow_mut().extend(buffer.as_slice());
        let length = buffer.len();
        buffer.reset();
        self.buffer.set(Some((buffer.take(), length)));
        Ok(())
    }
    fn finalize(&self) -> Result<(), ErrorCode> {
        self.ask("finalize")
    }
    fn abort(&self) -> Result<(), ErrorCode> {
        self.ask("abort")
    }
    fn set_storage_client(&self, _: &'static dyn DynamicBinaryStoreClient) {}
}

impl DynamicProcessLoad for FakeStorage {
    fn load(&self) -> Result<(), ErrorCode> {
        self.ask("load")
    }
    fn set_load_client(&self, _: &'static dyn DynamicProcessLoadClient) {}
}

impl DynamicProcessUnload for FakeStorage {
    fn unload(&self, short_id: ShortId) -> Result<(), ErrorCode> {
        self.ask(format!("unload {short_id:?}"))
    }
    fn set_unload_client(&self, _: &'static dyn DynamicProcessUnloadClient) {}
}

impl DynamicProcessUninstall for FakeStorage {
    fn uninstall_with_app_handle(&self, app_handle: usize) -> Result<(), ErrorCode> {
        self.ask(format!("uninstall {app_handle:x}"))
    }
    fn set_uninstall_client(&self, _: &'static dyn DynamicProcessUninstallClient) {}
}

impl DynamicProcessUpdate for FakeStorage {
    fn setup_at(&self, address: usize, app_length: usize) -> Result<usize, ErrorCode> {
        self.ask(format!("setup {address:x} {app_length}"))
            .map(|()| app_length)
    }
    fn probe(&self, _: usize, _: usize) -> Result<(), ErrorCode> {
        Ok(())
    }
    fn installed(&self, short_id: NonZeroU32) -> Option<Installed> {
        (short_id.get() == GUEST).then_some(Installed {
            version: 7,
            address: 0x6031_0000,
            running: true,
            trial: true,
        })
    }
    fn on_trial(&self) -> Option<Trial> {
        self.trial.get()
    }
    fn trial_failed(&self) -> bool {
        self.failed.get()
    }
    fn confirm(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.ask(format!("confirm {short_id}"))
    }
    fn roll_back(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.trial.set(None);
        self.ask(format!("roll back {short_id}"))
    }
    fn remove(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.ask(format!("remove {short_id}"))
    }
    fn start(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.ask(format!("start {short_id}"))
    }
    fn insist(&self) {
        let _ = self.ask("insist");
    }
    fn set_update_client(&self, _: &'static dyn DynamicProcessUpdateClient) {}
}

/// One tick a millisecond; rings when told to.
#[derive(Default)]
struct FakeAlarm(Cell<Option<u32>>);
impl Time for FakeAlarm {
    type Frequency = Freq1KHz;
    type Ticks = Ticks32;
    fn now(&self) -> Ticks32 {
        0.into()
    }
}
impl<'a> Alarm<'a> for FakeAlarm {
    fn set_alarm_client(&self, _: &'a dyn AlarmClient) {}
    fn set_alarm(&self, _: Ticks32, dt: Ticks32) {
        use kernel::hil::time::Ticks as _;
        self.0.set(Some(dt.into_u32()));
    }
    fn get_alarm(&self) -> Ticks32 {
        0.into()
    }
    fn disarm(&self) -> Result<(), ErrorCode> {
        self.0.set(None);
        Ok(())
    }
    fn is_armed(&self) -> bool {
        self.0.get().is_some()
    }
    fn minimum_dt(&self) -> Ticks32 {
        1.into()
    }
}

type Loader = AppLoader<'static, FakeStorage, FakeAlarm>;

struct Rig {
    kernel: TestKernel,
    memory: &'static Memory,
    storage: &'static FakeStorage,
    alarm: &'static FakeAlarm,
    loader: &'static Loader,
}

fn rig() -> Rig {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let storage: &FakeStorage = leak(FakeStorage::default());
    let alarm: &FakeAlarm = leak(FakeAlarm::default());
    let policy: &[u32; 2] = leak([AGENT, OTHER_AGENT]);
    let cap = kernel.memory_capability();
    let grant = kernel.kernel().create_grant(APP, &cap);
    let loader: &Loader = leak(AppLoader::new(
        storage,
        policy,
        alarm,
        leak([0; PIECE]),
        grant,
    ));
    kernel.driver(APP, loader);
    Rig {
        kernel,
        memory,
        storage,
        alarm,
        loader,
    }
}

impl Rig {
    fn app(&self, name: &str, id: u32) -> App<'_> {
        let app = App::named(&self.kernel, self.memory, name, id);
        for number in 0..9 {
            app.subscribe(APP, number);
        }
        app
    }

    /// Completes the write that is under way, piece after piece.
    fn written(&self, result: Result<(), ErrorCode>) -> usize {
        let mut pieces = 0;
        while let Some((buffer, length)) = self.storage.buffer.take() {
            pieces += 1;
            self.loader.write_done(result, buffer, length);
        }
        pieces
    }
}

const BUSY: usize = ErrorCode::BUSY as usize;

#[test]
fn only_the_named_may_install() {
    let rig = rig();
    let stranger = rig.app("stranger", GUEST);
    let nobody = App::new(&rig.kernel, rig.memory, "nobody");
    for app in [&stranger, &nobody] {
        assert_eq!(app.command(APP, 0, 0, 0), Success);
        for command in 1..=15 {
            assert_eq!(
                app.command(APP, command, GUEST as usize, 100),
                Failure(ErrorCode::NOSUPPORT)
            );
        }
    }
    assert!(rig.storage.asked().is_empty());
    let agent = rig.app("agent", AGENT);
    assert_eq!(
        agent.command(APP, 15, 0, 0),
        Failure(ErrorCode::NOSUPPORT),
        "no such command"
    );
    assert_eq!(
        agent.command(APP, 9, GUEST as usize, 0),
        SuccessU32U32U32(7, 0x6031_0000, 3)
    );
    assert_eq!(agent.command(APP, 9, 1, 0), Failure(ErrorCode::INVAL));
    assert_eq!(agent.command(APP, 9, 0, 0), Failure(ErrorCode::INVAL));
}

#[test]
fn an_install_belongs_to_one_caller_from_setup_to_load() {
    let rig = rig();
    let a = rig.app("a", AGENT);
    let b = rig.app("b", OTHER_AGENT);
    for step in 2..=5 {
        let refused = Failure(ErrorCode::INVAL);
        assert_eq!(a.command(APP, step, 0, 1), refused, "nothing was begun");
    }
    // A refused first step leaves it to others.
    assert_eq!(a.command(APP, 1, 5000, 0), Failure(ErrorCode::FAIL));
    assert_eq!(b.command(APP, 1, 100, 0), Success);
    rig.loader.setup_done(Err(ErrorCode::NOMEM));
    assert_eq!(b.upcalls(), [(APP, 0, [ErrorCode::NOMEM as usize, 0, 0])]);

    assert_eq!(a.command(APP, 1, 100, 0), Success);
    assert_eq!(a.command(APP, 1, 100, 0), Failure(ErrorCode::BUSY));
    assert_eq!(b.command(APP, 1, 100, 0), Failure(ErrorCode::BUSY));
    rig.loader.setup_done(Ok(()));
    assert_eq!(a.upcalls(), [(APP, 0, [0, 0, 0])]);
    assert_eq!(b.command(APP, 5, 0, 0), Failure(ErrorCode::BUSY));
    assert_eq!(
        b.command(APP, 10, GUEST as usize, 0),
        Failure(ErrorCode::BUSY)
    );
    assert_eq!(a.command(APP, 2, 0, 10), Failure(ErrorCode::RESERVE));
    a.allow_ro(APP, 0, 0, 40);
    a.put(0, &core::array::from_fn::<u8, 40, _>(|i| i as u8));
    assert_eq!(a.command(APP, 2, 0, 41), Failure(ErrorCode::SIZE));
    assert_eq!(a.command(APP, 2, 0, 0), Failure(ErrorCode::SIZE));
    assert_eq!(a.command(APP, 2, 0, 40), Success);
    assert_eq!(a.command(APP, 2, 0, 40), Failure(ErrorCode::BUSY));
    assert_eq!(rig.written(Ok(())), 40usize.div_ceil(PIECE));
    assert_eq!(a.upcalls(), [(APP, 1, [0, 40, 0])]);
    assert!(rig.storage.bytes.take().into_iter().eq(0..40));
    assert_eq!(a.command(APP, 3, 0, 0), Success);
    rig.loader.finalize_done(Ok(()));
    assert_eq!(a.command(APP, 4, 1000, 0), Success);
    rig.loader.load_done(Ok(()));
    assert_eq!(a.upcalls(), [(APP, 2, [0, 0, 0]), (APP, 3, [0, 0, 0])]);
    // It is anybody's again.
    assert_eq!(b.command(APP, 12, GUEST as usize, 0), Success);
    rig.loader.update_done(Ok(()));
    assert_eq!(b.upcalls(), [(APP, 8, [0, 12, 0])]);
    assert_eq!(
        rig.storage.asked(),
        ["setup 100", "setup 100", "finalize", "load", "remove 9"]
    );
}

/// As upstream's user space does it.
#[test]
fn what_was_unloaded_is_uninstalled_by_its_handle() {
    let rig = rig();
    let (a, b) = (rig.app("a", AGENT), rig.app("b", OTHER_AGENT));
    assert_eq!(a.command(APP, 6, GUEST as usize, 0), Success);
    rig.loader.unload_done(Ok(()), 0x6031_0000);
    assert_eq!(a.upcalls(), [(APP, 5, [0, 0x6031_0000, 0])]);
    assert_eq!(a.command(APP, 7, 0x6031_0000, 0), Success);
    assert_eq!(b.command(APP, 1, 100, 0), Failure(ErrorCode::BUSY));
    rig.loader.uninstall_done(Ok(()));
    assert_eq!(a.upcalls(), [(APP, 6, [0, 0, 0])]);
    assert_eq!(b.command(APP, 14, 0x6031_0000, 100), Success);
    assert_eq!(
        rig.storage.asked(),
        ["unload 0x9", "uninstall 60310000", "setup 60310000 100"]
    );
}

#[test]
fn a_buffer_that_goes_while_it_is_written_is_told() {
    let rig = rig();
    let a = rig.app("a", AGENT);
    a.allow_ro(APP, 0, 0, 40);
    assert_eq!(a.command(APP, 1, 100, 0), Success);
    rig.loader.setup_done(Ok(()));
    assert_eq!(a.command(APP, 2, 0, 40), Success);
    a.allow_ro(APP, 0, 0, 20);
    assert_eq!(rig.written(Ok(())), 1, "the second piece is not there");
    let size = ErrorCode::SIZE as usize;
    assert_eq!(
        a.upcalls(),
        [(APP, 0, [0, 0, 0]), (APP, 1, [size, PIECE, 0])]
    );
    // And the buffer is back for the next.
    assert_eq!(a.command(APP, 2, 16, 20), Success);
    assert_eq!(rig.written(Err(ErrorCode::FAIL)), 1);
    assert_eq!(a.upcalls(), [(APP, 1, [ErrorCode::FAIL as usize, 0, 0])]);
}

#[test]
fn what_a_dead_caller_left_is_taken_away_before_the_next() {
    let rig = rig();
    let a = rig.app("a", AGENT);
    let b = rig.app("b", OTHER_AGENT);
    a.allow_ro(APP, 0, 0, 40);
    assert_eq!(a.command(APP, 1, 100, 0), Success);
    rig.loader.setup_done(Ok(()));
    assert_eq!(a.command(APP, 2, 0, 40), Success);
    a.process.process().terminate(Some(0));
    // Its write is still under way: its bytes are gone, nobody hears of it.
    assert_eq!(b.command(APP, 1, 50, 0), Failure(ErrorCode::BUSY));
    assert_eq!(rig.written(Ok(())), 1);
    assert_eq!(rig.storage.asked(), ["setup 100"]);
    assert_eq!(b.command(APP, 1, 50, 0), Failure(ErrorCode::BUSY));
    assert_eq!(rig.storage.asked(), ["abort"]);
    assert_eq!(b.command(APP, 1, 50, 0), Failure(ErrorCode::BUSY));
    rig.loader.abort_done(Ok(()));
    assert_eq!(b.command(APP, 1, 50, 0), Success);
    assert_eq!(rig.storage.asked(), ["setup 50"]);
    assert!(b.upcalls().iter().all(|u| u.2[0] != BUSY));
}

#[test]
fn a_trial_ends_by_time_or_fault_and_all_installers_hear_of_it() {
    for fault in [false, true] {
        let rig = rig();
        let a = rig.app("a", AGENT);
        let b = rig.app("b", OTHER_AGENT);
        // Both have called before: they have a grant.
        for app in [&a, &b] {
            assert_eq!(app.command(APP, 13, GUEST as usize, 0), Success);
            rig.loader.update_done(Ok(()));
            assert_eq!(app.upcalls(), [(APP, 8, [0, 13, 0])]);
        }
        assert_eq!(a.command(APP, 1, 100, 0), Success);
        rig.loader.setup_done(Ok(()));
        assert_eq!(a.command(APP, 3, 0, 0), Success);
        rig.loader.finalize_done(Ok(()));
        assert_eq!(a.command(APP, 4, 1000, 0), Success);
        rig.storage.trial.set(Some(Trial {
            short_id: GUEST,
            version: 7,
            address: 0x6031_0000,
        }));
        rig.loader.load_done(Ok(()));
        let _ = (a.upcalls(), rig.storage.asked());
        let mut looks = 0;
        while rig.storage.on_trial().is_some() {
            assert_eq!(rig.alarm.0.take(), Some(100), "it looks every 100 ms");
            looks += 1;
            rig.storage.failed.set(fault && looks == 3);
            rig.loader.alarm();
        }
        assert_eq!(looks, if fault { 3 } else { 10 });
        assert_eq!(rig.storage.asked(), ["roll back 9"]);
        let told = [(APP, 7, [ErrorCode::CANCEL as usize, GUEST as usize, 0])];
        assert_eq!(a.upcalls(), told);
        assert_eq!(b.upcalls(), told);
        // Until the old version runs again, nothing else begins.
        assert_eq!(b.command(APP, 1, 100, 0), Failure(ErrorCode::BUSY));
        // What waits for another process does so for a second.
        for look in 1..=12 {
            assert_eq!(rig.alarm.0.take(), Some(100));
            rig.loader.alarm();
            let insists = vec!["insist"; usize::from(look >= 10)];
            assert_eq!(rig.storage.asked(), insists);
        }
        rig.loader.update_done(Ok(()));
        rig.alarm.0.take();
        rig.loader.alarm();
        assert_eq!(rig.alarm.0.get(), None, "nothing to look at");
        assert_eq!(b.command(APP, 1, 100, 0), Success);
    }
}

//! The further capsules as processes see them, on the real kernel with fake hardware.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::audio_rom::{self, AudioRom};

use capsules_extra::ethernet_tap::{self, EthernetTapDriver, MAX_MTU};
use capsules_extra::unix_date_time::{self, UnixClock, UnixDateTime};
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::syscall::SyscallReturn::{
    Failure, Success, SuccessU32, SuccessU32U32, SuccessU32U32U32, SuccessU64,
};
use kernel::testing::TestKernel;
use std::cell::{Cell, RefCell};

const TAP: usize = ethernet_tap::DRIVER_NUM;
const ROM: usize = audio_rom::DRIVER_NUM;
const CLOCK: usize = unix_date_time::DRIVER_NUM;

#[derive(Default)]
struct FakeAdapter {
    client: Cell<Option<&'static dyn EthernetAdapterDatapathClient>>,
    sending: RefCell<Option<(&'static mut [u8], u16, usize)>>,
    refuse: Cell<bool>,
}

impl EthernetAdapterDatapath<'static> for FakeAdapter {
    fn set_client(&self, client: &'static dyn EthernetAdapterDatapathClient) {
        self.client.set(Some(client));
    }
    fn enable_receive(&self) {}
    fn disable_receive(&self) {}
    fn transmit_frame(
        &self,
        frame: &'static mut [u8],
        length: u16,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if self.refuse.get() {
            return Err((ErrorCode::OFF, frame));
        }
        assert!(self.sending.borrow().is_none());
        self.sending.replace(Some((frame, length, identifier)));
        Ok(())
    }
}

impl FakeAdapter {
    /// Completes the frame that is being sent, and returns it.
    fn sent(&self, timestamp: Option<u64>) -> Vec<u8> {
        let (frame, length, identifier) = self.sending.take().unwrap();
        let copy = frame[..usize::from(length)].to_vec();
        let client = self.client.get().unwrap();
        client.transmit_frame_done(Ok(()), frame, length, identifier, timestamp);
        copy
    }
}

fn tap() -> (TestKernel, &'static Memory, &'static FakeAdapter) {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let adapter: &FakeAdapter = leak(FakeAdapter::default());
    let grant = kernel
        .kernel()
        .create_grant(TAP, &kernel.memory_capability());
    let driver: &EthernetTapDriver<'static, FakeAdapter> =
        leak(EthernetTapDriver::new(adapter, grant, leak([0; MAX_MTU])));
    adapter.set_client(driver);
    driver.initialize();
    kernel.driver(TAP, driver);
    (kernel, memory, adapter)
}

#[test]
fn frames_are_sent_in_turn_and_answered() {
    let (kernel, memory, adapter) = tap();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    for app in [&a, &b] {
        app.subscribe(TAP, 1);
        app.allow_ro(TAP, 0, 0, 2000);
        app.allow_rw(TAP, 1, 4000, 8);
    }
    a.put(0, b"frame of a");
    b.put(0, b"frame of b");
    for bad in [0, 1519, 2001] {
        assert_eq!(a.command(TAP, 3, bad, 0), Failure(ErrorCode::SIZE));
    }
    assert_eq!(a.command(TAP, 3, 10, 7), Success);
    assert_eq!(a.command(TAP, 3, 10, 8), Failure(ErrorCode::BUSY));
    assert_eq!(b.command(TAP, 3, 10, 9), Success);
    assert_eq!(adapter.sent(None), b"frame of a");
    assert_eq!(adapter.sent(Some(0x0102_0304_0506_0708)), b"frame of b");
    assert_eq!(a.upcalls(), [(TAP, 1, [0, 10, 7])]);
    assert_eq!(b.upcalls(), [(TAP, 1, [0, 1 << 16 | 10, 9])]);
    assert_eq!(b.get(4000, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(a.command(TAP, 2, 0, 0), SuccessU32U32(1, 10));
}

#[test]
fn the_station_address_is_told_once_the_board_knows_it() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let grant = kernel
        .kernel()
        .create_grant(TAP, &kernel.memory_capability());
    let adapter: &FakeAdapter = leak(FakeAdapter::default());
    let driver: &EthernetTapDriver<'static, FakeAdapter> =
        leak(EthernetTapDriver::new(adapter, grant, leak([0; MAX_MTU])));
    kernel.driver(TAP, driver);
    let a = App::new(&kernel, memory, "a");
    assert_eq!(a.command(TAP, 16, 0, 0), Failure(ErrorCode::NODEVICE));
    driver.set_station([2, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF]);
    let told = SuccessU32U32(0xDDCC_BB02, 0xFFEE);
    assert_eq!(a.command(TAP, 16, 0, 0), told);
}

#[test]
fn a_frame_that_cannot_be_sent_is_told_and_the_next_goes_out() {
    let (kernel, memory, adapter) = tap();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    for app in [&a, &b] {
        app.subscribe(TAP, 1);
        app.allow_ro(TAP, 0, 0, 100);
    }
    adapter.refuse.set(true);
    assert_eq!(a.command(TAP, 3, 10, 1), Failure(ErrorCode::OFF));
    adapter.refuse.set(false);
    assert_eq!(a.command(TAP, 3, 10, 2), Success);
    assert_eq!(b.command(TAP, 3, 50, 3), Success);
    // The waiting frame's buffer shrinks meanwhile.
    b.allow_ro(TAP, 0, 0, 49);
    adapter.sent(None);
    let size = ErrorCode::SIZE as usize;
    assert_eq!(b.upcalls(), [(TAP, 1, [size, 50, 3])]);
    assert_eq!(b.command(TAP, 3, 49, 4), Success);
    assert_eq!(adapter.sent(None).len(), 49);
}

#[test]
fn a_dead_sender_does_not_stop_the_others() {
    let (kernel, memory, adapter) = tap();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    for app in [&a, &b] {
        app.allow_ro(TAP, 0, 0, 100);
    }
    assert_eq!(a.command(TAP, 3, 10, 1), Success);
    assert_eq!(b.command(TAP, 3, 20, 2), Success);
    a.process.process().terminate(None);
    assert_eq!(adapter.sent(None).len(), 10);
    assert_eq!(adapter.sent(None).len(), 20);
}

#[test]
fn every_process_that_listens_gets_every_frame() {
    let (kernel, memory, adapter) = tap();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    let deaf = App::new(&kernel, memory, "deaf");
    a.put(0, &[0; 200]);
    b.put(0, &[0; 200]);
    a.subscribe(TAP, 0);
    b.subscribe(TAP, 0);
    a.allow_rw(TAP, 0, 0, 200);
    // Room for one frame of 20 bytes.
    b.allow_rw(TAP, 0, 0, 8 + 12 + 20);
    assert_eq!(deaf.command(TAP, 0, 0, 0), Success);
    let client = adapter.client.get().unwrap();
    client.received_frame(&[0xAA; 20], None);
    client.received_frame(&[0xBB; 20], None);
    assert_eq!(a.upcalls(), [(TAP, 0, [0, 0, 0])]);
    assert_eq!(b.upcalls(), [(TAP, 0, [0, 0, 0])]);
    assert_eq!(a.command(TAP, 1, 0, 0), SuccessU32U32U32(2, 40, 0));
    assert_eq!(b.command(TAP, 1, 0, 0), SuccessU32U32U32(1, 20, 1));
    assert_eq!(a.get(4, 4), 64u32.to_ne_bytes());
    assert_eq!(a.get(8 + 32 + 12, 20), [0xBB; 20]);
    // Exceeded, and a fresh buffer starts over.
    assert_eq!(b.get(2, 2), [0, 1]);
    b.put(0, &[0; 8]);
    b.allow_rw(TAP, 0, 0, 200);
    client.received_frame(&[0xCC; 20], None);
    assert_eq!(b.upcalls(), [(TAP, 0, [0, 0, 0])]);
}

#[test]
fn the_rom_is_read_within_its_bounds() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let rom: &'static [u8; 100] = leak(core::array::from_fn(|i| i as u8));
    let grant = kernel
        .kernel()
        .create_grant(ROM, &kernel.memory_capability());
    kernel.driver(ROM, leak(AudioRom::new(rom, grant)));
    let a = App::new(&kernel, memory, "a");
    assert_eq!(a.command(ROM, 1, 0, 0), SuccessU32(100));
    assert_eq!(a.command(ROM, 2, 0, 0), Failure(ErrorCode::RESERVE));
    a.allow_rw(ROM, 0, 0, 40);
    assert_eq!(a.command(ROM, 2, 7, 0), SuccessU32(40));
    assert_eq!(a.get(0, 40), &rom[7..47]);
    assert_eq!(a.command(ROM, 2, 90, 0), SuccessU32(10));
    assert_eq!(a.command(ROM, 2, 100, 0), SuccessU32(0));
    for bad in [101, usize::MAX] {
        assert_eq!(a.command(ROM, 2, bad, 0), Failure(ErrorCode::INVAL));
    }
}

struct Stopped;
impl UnixClock for Stopped {
    fn unix_time(&self) -> Result<u64, ErrorCode> {
        Err(ErrorCode::OFF)
    }
}

#[test]
fn the_clock_answers_both_ways() {
    let clock = || Ok(951_782_399u64);
    for (clock, works) in [(leak(clock) as &dyn UnixClock, true), (&Stopped, false)] {
        let mut kernel = TestKernel::new();
        let memory = Memory::install(&mut kernel);
        let grant = kernel
            .kernel()
            .create_grant(CLOCK, &kernel.memory_capability());
        kernel.driver(CLOCK, leak(UnixDateTime::new(clock, grant)));
        let a = App::new(&kernel, memory, "a");
        a.subscribe(CLOCK, 0);
        assert_eq!(a.command(CLOCK, 2, 1, 1), Failure(ErrorCode::NOSUPPORT));
        if !works {
            assert_eq!(a.command(CLOCK, 16, 0, 0), Failure(ErrorCode::OFF));
            assert_eq!(a.command(CLOCK, 1, 0, 0), Failure(ErrorCode::OFF));
            continue;
        }
        assert_eq!(a.command(CLOCK, 16, 0, 0), SuccessU64(951_782_399));
        assert_eq!(a.command(CLOCK, 1, 0, 0), Success);
        let date = 2000 << 9 | 2 << 5 | 28;
        let time = 1 << 17 | 23 << 12 | 59 << 6 | 59;
        assert_eq!(a.upcalls(), [(CLOCK, 0, [0, date, time])]);
    }
}

//! The capsules of this crate at work: two processes, an alarm, a UART, a whole kernel.

use capsules_core::virtualizers::virtual_alarm::MuxAlarm;
use kernel::ErrorCode;
use kernel::component::Component;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::grant::{AllowRoCount, AllowRwCount, CustomGrant, Grant, UpcallCount};
use kernel::hil::led::{Led, LedLow};
use kernel::hil::time::{Alarm, AlarmClient, Freq1KHz, Ticks, Ticks32, Time};
use kernel::hil::{gpio, uart};
use kernel::process::{Error, FunctionCall, ShortId};
use kernel::syscall::SyscallReturn;
use kernel::testing::{Event, TestKernel, TestProcess};
use std::cell::{Cell, RefCell};
use upstream_api::capsules::{echo, heartbeat, shout};
use upstream_api::components::{HeartbeatComponent, ShoutComponent};

fn leak<T>(t: T) -> &'static mut T {
    Box::leak(Box::new(t))
}

fn calls(p: &TestProcess) -> Vec<(usize, usize)> {
    let call = |e: &Event| match e {
        Event::Called(FunctionCall {
            argument0,
            argument1,
            pc,
            ..
        }) if pc.addr() != 0 => Some((*argument0, *argument1)),
        _ => None,
    };
    p.events().iter().filter_map(call).collect()
}

#[derive(Default)]
struct FakeAlarm {
    now: Cell<u32>,
    due: Cell<Option<u32>>,
    client: Cell<Option<&'static dyn AlarmClient>>,
}

impl FakeAlarm {
    fn advance(&self, ms: u32) {
        for _ in 0..ms {
            self.now.set(self.now.get() + 1);
            if self.due.get() == Some(self.now.get()) {
                self.due.set(None);
                if let Some(c) = self.client.get() {
                    c.alarm();
                }
            }
        }
    }
}

impl Time for FakeAlarm {
    type Frequency = Freq1KHz;
    type Ticks = Ticks32;
    fn now(&self) -> Ticks32 {
        self.now.get().into()
    }
}
impl Alarm<'static> for FakeAlarm {
    fn set_alarm_client(&self, client: &'static dyn AlarmClient) {
        self.client.set(Some(client));
    }
    fn set_alarm(&self, reference: Ticks32, dt: Ticks32) {
        self.due.set(Some(reference.wrapping_add(dt).into_u32()));
    }
    fn get_alarm(&self) -> Ticks32 {
        self.due.get().unwrap_or(0).into()
    }
    fn disarm(&self) -> Result<(), ErrorCode> {
        self.due.set(None);
        Ok(())
    }
    fn is_armed(&self) -> bool {
        self.due.get().is_some()
    }
    fn minimum_dt(&self) -> Ticks32 {
        1.into()
    }
}

#[derive(Default)]
struct FakePin(Cell<bool>);
impl gpio::Configure for FakePin {
    fn configuration(&self) -> gpio::Configuration {
        gpio::Configuration::Output
    }
    fn make_output(&self) -> gpio::Configuration {
        gpio::Configuration::Output
    }
    fn disable_output(&self) -> gpio::Configuration {
        gpio::Configuration::Output
    }
    fn make_input(&self) -> gpio::Configuration {
        gpio::Configuration::Output
    }
    fn disable_input(&self) -> gpio::Configuration {
        gpio::Configuration::Output
    }
    fn deactivate_to_low_power(&self) {}
    fn set_floating_state(&self, _: gpio::FloatingState) {}
    fn floating_state(&self) -> gpio::FloatingState {
        gpio::FloatingState::PullNone
    }
}
impl gpio::Output for FakePin {
    fn set(&self) {
        self.0.set(true);
    }
    fn clear(&self) {
        self.0.set(false);
    }
    fn toggle(&self) -> bool {
        self.0.set(!self.0.get());
        self.0.get()
    }
}
impl gpio::Input for FakePin {
    fn read(&self) -> bool {
        self.0.get()
    }
}

#[test]
fn a_component_makes_a_driver_on_a_virtual_alarm() {
    let mut t = TestKernel::new();
    let alarm: &FakeAlarm = leak(FakeAlarm::default());
    let mux = leak(MuxAlarm::new(alarm));
    alarm.set_alarm_client(mux);
    let led = leak(LedLow::new(leak(FakePin::default())));
    let driver = HeartbeatComponent::new(t.kernel(), heartbeat::DRIVER_NUM, mux, &*led)
        .with(t.memory_capability())
        .finalize(upstream_api::heartbeat_component_static!(
            FakeAlarm,
            LedLow<'static, FakePin>
        ));
    t.driver(heartbeat::DRIVER_NUM, driver);
    let (one, two) = (t.process("one"), t.process("two"));
    let n = heartbeat::DRIVER_NUM;
    assert_eq!(one.command(n, 0, 0, 0), SyscallReturn::Success);
    assert_eq!(
        one.command(n, 1, 0, 0),
        SyscallReturn::Failure(ErrorCode::INVAL)
    );
    assert_eq!(
        one.command(n, 2, 0, 0),
        SyscallReturn::Failure(ErrorCode::ALREADY)
    );
    for p in [&one, &two] {
        let f = p.process().get_addresses().flash_non_protected_start;
        assert!(matches!(
            p.subscribe(n, 0, f, 9),
            SyscallReturn::SubscribeSuccess(..)
        ));
    }
    assert_eq!(one.command(n, 1, 10, 0), SyscallReturn::Success);
    assert!(!led.read());
    alarm.advance(25);
    t.run();
    // Two beats: dark, lit, dark again.
    assert!(!led.read());
    for p in [&one, &two] {
        assert_eq!(calls(p), [(1, 0), (2, 0)]);
    }
    assert_eq!(two.command(n, 2, 0, 0), SyscallReturn::Success);
    alarm.advance(100);
    t.run();
    assert_eq!(calls(&one).len(), 0);
}

#[test]
fn buffers_are_copied_in_a_deferred_call_and_an_upcall_tells() {
    let mut t = TestKernel::new();
    let driver = ShoutComponent::new(t.kernel(), shout::DRIVER_NUM, t.memory_capability())
        .finalize(upstream_api::shout_component_static!());
    t.driver(shout::DRIVER_NUM, driver);
    DeferredCall::verify_setup();
    let p = t.process("app");
    let n = shout::DRIVER_NUM;
    let f = p.process().get_addresses().flash_non_protected_start;
    p.subscribe(n, 0, f, 0);
    p.memop(1, 4096);
    assert_eq!(
        p.command(n, 1, 0, 0),
        SyscallReturn::Failure(ErrorCode::RESERVE)
    );
    // The source is the process's own header in flash: its bytes are known.
    let source = p.process().get_addresses().flash_non_protected_start;
    assert!(matches!(
        p.allow_ro(n, 0, source, 20),
        SyscallReturn::AllowReadOnlySuccess(..)
    ));
    assert!(matches!(
        p.allow_rw(n, 0, p.ram(1024), 19),
        SyscallReturn::AllowReadWriteSuccess(..)
    ));
    assert_eq!(
        p.command(n, 1, 0, 0),
        SyscallReturn::Failure(ErrorCode::SIZE)
    );
    p.allow_rw(n, 0, p.ram(1024), 64);
    p.events();
    assert_eq!(p.command(n, 1, 0, 0), SyscallReturn::Success);
    t.run();
    assert_eq!(calls(&p), [(0, 20)]);
    for i in 0..20 {
        let from = p.peek(source + i).unwrap_or(0);
        assert_eq!(p.peek(p.ram(1024 + i)), Some(from.to_ascii_uppercase()));
    }
}

#[derive(Default)]
struct FakeUart {
    receiver: Cell<Option<&'static dyn uart::ReceiveClient>>,
    transmitter: Cell<Option<&'static dyn uart::TransmitClient>>,
    waiting: Cell<Option<(&'static mut [u8], usize)>>,
    sending: Cell<Option<(&'static mut [u8], usize)>>,
    line: RefCell<Vec<u8>>,
}

impl uart::Transmit<'static> for FakeUart {
    fn set_transmit_client(&self, client: &'static dyn uart::TransmitClient) {
        self.transmitter.set(Some(client));
    }
    fn transmit_buffer(
        &self,
        buffer: &'static mut [u8],
        len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.line.borrow_mut().extend(&buffer[..len]);
        self.sending.set(Some((buffer, len)));
        Ok(())
    }
    fn transmit_word(&self, _: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }
    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        Ok(())
    }
}
impl uart::Receive<'static> for FakeUart {
    fn set_receive_client(&self, client: &'static dyn uart::ReceiveClient) {
        self.receiver.set(Some(client));
    }
    fn receive_buffer(
        &self,
        buffer: &'static mut [u8],
        len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.waiting.set(Some((buffer, len)));
        Ok(())
    }
    fn receive_word(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }
    fn receive_abort(&self) -> Result<(), ErrorCode> {
        Ok(())
    }
}

impl FakeUart {
    fn type_in(&self, text: &[u8]) {
        if let (Some((buffer, len)), Some(c)) = (self.waiting.take(), self.receiver.get()) {
            buffer[..len].copy_from_slice(text);
            c.received_buffer(buffer, len, Ok(()), uart::Error::None);
        }
    }
    fn finish(&self) {
        if let (Some((buffer, len)), Some(c)) = (self.sending.take(), self.transmitter.get()) {
            c.transmitted_buffer(buffer, len, Ok(()));
        }
    }
}

#[test]
fn a_uart_client_answers_from_a_deferred_call() {
    use uart::{Receive, Transmit};
    let wire: &FakeUart = leak(FakeUart::default());
    let echo: &echo::Echo<FakeUart> = leak(echo::Echo::new(wire));
    echo.register();
    wire.set_receive_client(echo);
    wire.set_transmit_client(echo);
    echo.start(leak([0; 8])).unwrap();
    for text in [b"ping", b"pong"] {
        wire.type_in(text);
        assert!(
            wire.line.borrow().is_empty(),
            "sent from inside the callback"
        );
        assert!(DeferredCall::service_next_pending().is_some());
        assert_eq!(wire.line.take(), text);
        wire.finish();
    }
    assert_eq!(echo.sent.get(), 8);
}

#[derive(Default)]
struct Kept {
    more: Option<CustomGrant<[u32; 4]>>,
}

#[test]
fn custom_grants_keep_what_they_are_given_one_borrow_at_a_time() {
    let t = TestKernel::new();
    let grant: Grant<Kept, UpcallCount<0>, AllowRoCount<0>, AllowRwCount<0>> =
        t.kernel().create_grant(0xB0002, &t.memory_capability());
    let p = t.process("app");
    let made = grant.enter_with_allocator(p.id(), |kept, _, allocator| {
        kept.more = allocator.alloc_n_with::<u32, _, 4>(|i| 10 * i as u32).ok();
        // More than the process has.
        allocator.alloc_with(|| [0u8; 1 << 20]).err()
    });
    assert_eq!(made, Ok(Some(Error::OutOfMemory)));
    let inside = grant.enter(p.id(), |kept, _| {
        let more = kept.more.as_ref()?;
        assert_eq!(more.processid(), p.id());
        more.enter(|mut data| {
            data[1] += 1;
            more.enter(|_| ()).err()
        })
        .ok()?
    });
    assert_eq!(inside, Ok(Some(Error::AlreadyInUse)));
    let after = grant.enter(p.id(), |kept, _| {
        kept.more.as_ref().map(|more| more.enter(|data| *data))
    });
    assert_eq!(after, Ok(Some(Ok([0, 11, 20, 30]))));
    let orphan = grant.enter(p.id(), |kept, _| kept.more.take());
    p.process().terminate(None);
    let gone = orphan.ok().flatten().map(|more| more.enter(|_| ()));
    assert!(matches!(gone, Some(Err(_))));
}

/// Upstream's process console prints its list in columns.
#[test]
fn a_process_id_has_the_width_that_is_asked_for() {
    let t = TestKernel::new();
    let one = t.process("one");
    let id = one.process().processid();
    assert_eq!(format!("{id:<4?}|{id:4?}|{id:?}"), "0   |   0|0");
    assert_eq!(ShortId::from(None).to_string(), "Unique");
    let named = ShortId::from(core::num::NonZeroU32::new(0x1F));
    assert_eq!(format!("{named}|{named:?}"), "0x1f       |0x1f");
}

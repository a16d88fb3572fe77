//! §7: libtock's platform, sharing, drivers and fake kernel, as libtock-rs's apps use them.

use libtock::alarm::{Alarm, Convert, Hz, Milliseconds, Ticks};
use libtock::buttons::{ButtonListener, ButtonState, Buttons};
use libtock::console::{Console, ConsoleWriter};
use libtock::gpio::{Gpio, GpioState, InputPin, OutputPin, Pin, PinInterruptEdge, PullUp};
use libtock::key_value::KeyValue;
use libtock::leds::Leds;
use libtock::low_level_debug::{AlertCode, LowLevelDebug};
use libtock::platform::share::{self, Handle};
use libtock::platform::subscribe::{AnyId, OneId, SupportsId};
use libtock::platform::{
    AllowRo, AllowRw, CommandReturn, DefaultConfig, ErrorCode, RawSyscalls, Register,
    ReturnVariant, Subscribe, Syscalls, Termination, Upcall, YieldNoWaitReturn, allow_ro, allow_rw,
    exit_id, return_variant, subscribe, syscall_class, yield_id,
};
use libtock::rng::{Rng, RngListener};
use libtock::runtime::TockSyscalls;
use libtock_unittest::fake::{self, SyscallDriver};
use libtock_unittest::{
    DriverInfo, DriverShareRef, ExitCall, ExpectedSyscall, RoAllowBuffer, RwAllowBuffer,
    SyscallLogEntry, exit_test,
};
use std::cell::Cell;
use std::rc::Rc;

type E<T> = Result<T, ErrorCode>;

pub fn raw<S: RawSyscalls>() {
    let _: unsafe fn([Register; 1]) = S::yield1;
    let _: unsafe fn([Register; 2]) = S::yield2;
    let _: unsafe fn([Register; 1]) -> [Register; 2] = S::syscall1::<{ syscall_class::MEMOP }>;
    let _: unsafe fn([Register; 2]) -> [Register; 2] = S::syscall2::<{ syscall_class::EXIT }>;
    let _: unsafe fn([Register; 4]) -> [Register; 4] = S::syscall4::<{ syscall_class::COMMAND }>;
    let _: (
        fn(u32) -> Register,
        fn(usize) -> Register,
        fn(i32) -> Register,
    ) = (Register::from, Register::from, Register::from);
    let _: fn(*mut ()) -> Register = Register;
    let _: (fn(Register) -> *const u8, fn(ErrorCode) -> Register) = (Into::into, Into::into);
    const _: [u32; 4] = [
        exit_id::TERMINATE,
        exit_id::RESTART - 1,
        yield_id::NO_WAIT,
        yield_id::WAIT - 1,
    ];
}

pub fn calls<S: Syscalls>() {
    let _: fn() -> YieldNoWaitReturn = S::yield_no_wait;
    let _: fn() = S::yield_wait;
    let _: fn(u32, u32, u32, u32) -> CommandReturn = S::command;
    let _: [fn(u32, u32); 3] = [S::unsubscribe, S::unallow_ro, S::unallow_rw];
    let _: [fn(u32) -> !; 2] = [S::exit_terminate, S::exit_restart];
    let _: unsafe fn(*const u8) -> E<()> = S::memop_brk;
    let _: fn(u32) -> E<*const u8> = S::memop_increment_brk;
    let _: fn() -> E<*const u8> = S::memop_app_ram_start;
    let _: [fn(*const u8) -> E<()>; 2] = [S::memop_debug_stack_start, S::memop_debug_heap_start];
    const _: [u8; 2] = [
        YieldNoWaitReturn::NoUpcall as u8,
        YieldNoWaitReturn::Upcall as u8 - 1,
    ];
}

pub fn answers(r: CommandReturn) {
    let _ = [
        r.is_failure(),
        r.is_failure_u32(),
        r.is_failure_2_u32(),
        r.is_failure_u64(),
        r.is_success(),
        r.is_success_u32(),
        r.is_success_2_u32(),
        r.is_success_u64(),
        r.is_success_3_u32(),
        r.is_success_u32_u64(),
    ];
    let _: Option<ErrorCode> = r.get_failure();
    let _: Option<(u32, u32)> = r.get_success_2_u32();
    let _: Option<u64> = r.get_success_u64();
    let _: ReturnVariant = r.return_variant();
    let _: (ReturnVariant, u32, u32, u32) = r.raw_values();
    let _: E<()> = r.to_result();
    let _: E<u32> = r.to_result();
    let _: E<(u32, u32)> = r.to_result();
    let _: E<u64> = r.to_result();
    let _: E<(u32, u32, u32)> = r.to_result();
    let _: E<(u32, u64)> = r.to_result();
    let _: Result<u32, (ErrorCode, u32)> = r.to_result();
    let _ = [return_variant::FAILURE, return_variant::SUCCESS];
    const _: [u32; 4] = [
        ErrorCode::Fail as u32 - 1,
        ErrorCode::NoAck as u32 - 13,
        ErrorCode::BadRVal as u32 - 1024,
        ErrorCode::N00014 as u32 - 14,
    ];
    fn ends<T: Termination>() {}
    let _ = [ends::<()>, ends::<Result<(), ErrorCode>>];
}

/// Sharing as a driver of libtock-rs does it.
pub fn shares<S: Syscalls, C: allow_ro::Config + allow_rw::Config + subscribe::Config>(
    bytes: &[u8],
    buffer: &mut [u8],
) -> E<u32> {
    let called: Cell<Option<(u32,)>> = Cell::new(None);
    share::scope::<(AllowRo<_, 1, 1>, AllowRw<_, 1, 2>, Subscribe<_, 1, 3>), _, _>(|handle| {
        let (ro, rw, subscribe) = handle.split();
        S::allow_ro::<C, 1, 1>(ro, bytes)?;
        S::allow_rw::<C, 1, 2>(rw, buffer)?;
        S::subscribe::<_, _, C, 1, 3>(subscribe, &called)?;
        S::command(1, 1, 0, 0).to_result::<(), ErrorCode>()?;
        loop {
            S::yield_wait();
            if let Some((n,)) = called.get() {
                return Ok(n);
            }
        }
    })
}

pub fn upcalls<T: Upcall<AnyId>>() {
    fn any<U: Upcall<AnyId>>() {}
    let _ = [
        any::<Cell<bool>>,
        any::<Cell<Option<()>>>,
        any::<Cell<Option<(u32,)>>>,
        any::<Cell<Option<(u32, u32)>>>,
        any::<Cell<Option<(u32, u32, u32)>>>,
        any::<Cell<Option<Result<(), ErrorCode>>>>,
        any::<Cell<Option<Result<(u32,), ErrorCode>>>>,
    ];
    fn supports<T: SupportsId<1, 2>>() {}
    let _ = [supports::<AnyId>, supports::<OneId<1, 2>>];
    fn both<C: allow_ro::Config + allow_rw::Config + subscribe::Config>() {}
    both::<DefaultConfig>();
}

pub fn apis(console: ConsoleWriter<TockSyscalls>) {
    let _: fn() -> E<()> = Alarm::exists;
    let _: fn() -> E<Hz> = Alarm::get_frequency;
    let _: fn() -> E<u32> = Alarm::get_ticks;
    let _: fn() -> E<u64> = Alarm::get_milliseconds;
    let _: fn(Milliseconds) -> E<()> = Alarm::sleep_for;
    let _: fn(Ticks, Hz) -> Ticks = Convert::to_ticks;
    let _: fn() -> bool = Console::exists;
    let _: fn(&[u8]) -> E<()> = Console::write;
    let _: fn(&mut [u8]) -> (usize, E<()>) = Console::read;
    let _: fn() -> ConsoleWriter<TockSyscalls> = Console::writer;
    fn writes(_: impl std::fmt::Write) {}
    writes(console);
    let _: fn(&mut [u8], u32) -> E<()> = Rng::get_bytes_sync;
    let _: fn(u32) -> E<()> = Rng::get_bytes_async;
    let _ = RngListener(|_: u32| ());
    let _: fn() -> E<u32> = Leds::count;
    let _: [fn(u32) -> E<()>; 3] = [Leds::on, Leds::off, Leds::toggle];
    let _: fn() -> E<u32> = Buttons::count;
    let _: fn(u32) -> E<ButtonState> = Buttons::read;
    let _: [fn(u32) -> bool; 2] = [Buttons::is_pressed, Buttons::is_released];
    let _ = ButtonListener(|_: u32, _: ButtonState| ());
    let _: fn() -> bool = LowLevelDebug::exists;
    let _: fn(AlertCode) = LowLevelDebug::print_alert_code;
    let _: (fn(u32), fn(u32, u32)) = (LowLevelDebug::print_1, LowLevelDebug::print_2);
    let _ = [AlertCode::Panic, AlertCode::WrongLocation];
    let _: fn() -> bool = KeyValue::exists;
    let _: fn(&[u8], &mut [u8]) -> E<u32> = KeyValue::get;
    let _: [fn(&[u8], &[u8]) -> E<()>; 3] = [KeyValue::set, KeyValue::add, KeyValue::update];
    let _: fn(&[u8]) -> E<()> = KeyValue::delete;
    let _: fn() -> E<u32> = Gpio::count;
    let _: fn(u32) -> E<Pin<TockSyscalls>> = Gpio::get_pin;
    let _: fn(&mut Pin<TockSyscalls>) -> E<()> = |pin| {
        let mut output: OutputPin<'_, TockSyscalls> = pin.make_output()?;
        output.set()?;
        output.clear()?;
        output.toggle()
    };
    let _: fn(&Pin<TockSyscalls>) -> E<GpioState> = |pin| {
        let input: InputPin<'_, TockSyscalls, PullUp> = pin.make_input::<PullUp>()?;
        input.enable_interrupts(PinInterruptEdge::Either)?;
        input.read()
    };
    let _: fn(
        &ButtonListener<fn(u32, ButtonState)>,
        Handle<'_, Subscribe<'_, TockSyscalls, 3, 0>>,
    ) = |_, _| ();
}

/// A fake driver as libtock-rs's tests write them.
#[derive(Default)]
pub struct Own {
    share_ref: DriverShareRef,
}
impl SyscallDriver for Own {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(42).upcall_count(1)
    }
    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }
    fn command(&self, _: u32, argument0: u32, _: u32) -> CommandReturn {
        let _ = self.share_ref.schedule_upcall(0, (argument0, 0, 0));
        libtock_unittest::command_return::success_u32(argument0)
    }
    fn allow_readonly(
        &self,
        _: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        let _: usize = buffer.len();
        Err((buffer, ErrorCode::NoSupport))
    }
    fn allow_readwrite(
        &self,
        _: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
        Err((buffer, ErrorCode::NoSupport))
    }
}

pub fn fakes(kernel: &fake::Kernel, own: &Rc<Own>) {
    kernel.add_driver(own);
    kernel.add_driver(&fake::Console::new_with_input(b"in"));
    kernel.add_driver(&fake::Alarm::new(1000));
    kernel.add_driver(&fake::Leds::<4>::new());
    kernel.add_driver(&fake::Buttons::<4>::new());
    kernel.add_driver(&fake::Gpio::<8>::new());
    kernel.add_driver(&fake::KeyValue::new());
    kernel.add_driver(&fake::LowLevelDebug::new());
    kernel.add_driver(&fake::Adc::new());
    kernel.add_driver(&fake::AirQuality::new());
    kernel.add_driver(&fake::AmbientLight::new());
    kernel.add_driver(&fake::Buzzer::new());
    kernel.add_driver(&fake::Ieee802154Phy::new());
    kernel.add_driver(&fake::NineDof::new());
    kernel.add_driver(&fake::Proximity::new());
    kernel.add_driver(&fake::Screen::new());
    kernel.add_driver(&fake::SoundPressure::new());
    kernel.add_driver(&fake::Temperature::new());
    kernel.add_expected_syscall(ExpectedSyscall::YieldNoWait {
        override_return: Some(YieldNoWaitReturn::NoUpcall),
    });
    kernel.add_expected_syscall(ExpectedSyscall::Command {
        driver_id: 1,
        command_id: 2,
        argument0: 3,
        argument1: 4,
        override_return: None,
    });
    kernel.add_expected_syscall(ExpectedSyscall::Memop {
        memop_num: 1,
        argument0: 3.into(),
        return_error: Some(ErrorCode::NoMem),
    });
    let _: fn(&str, fn()) -> ExitCall = exit_test;
    let _ = [ExitCall::Terminate(0), ExitCall::Restart(0)];
    let _: Vec<SyscallLogEntry> = kernel.take_syscall_log();
    let _: (bool, bool) = (
        fake::Kernel::is_driver_present(42),
        fake::Kernel::is_upcall_pending(),
    );
    let _: Vec<fake::Message> = fake::LowLevelDebug::new().take_messages();
    let _: Vec<u8> = fake::Console::new().take_bytes();
}

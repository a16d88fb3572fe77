//! The state of the fake kernel.
//!
//! Owns drivers, upcall queue, log and expectations, one set a thread. Holds no borrow of its
//! state while a driver or an upcall runs, so those may make system calls themselves.

use crate::exit_test::{self, ExitCall};
use crate::fake::driver::InvalidSubscribeNum;
use crate::fake::{DriverShareRef, SyscallDriver};
use crate::{ExpectedSyscall, RoAllowBuffer, RwAllowBuffer, SyscallLogEntry, command_return};
use libtock_platform::fake::{FakeKernel, UpcallPointer};
use libtock_platform::{
    CommandReturn, ErrorCode, Register, YieldNoWaitReturn, exit_id, return_variant,
};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// As in the real kernel (tock.md §1.4).
const QUEUE: usize = 10;

#[derive(Default)]
struct State {
    drivers: HashMap<u32, (u32, Rc<dyn SyscallDriver>)>,
    upcalls: HashMap<(u32, u32), UpcallPointer>,
    queue: VecDeque<Queued>,
    log: Vec<SyscallLogEntry>,
    expected: VecDeque<ExpectedSyscall>,
    writable: Vec<(u32, u32, usize, usize)>,
    /// As the last brk or sbrk left it.
    memory_break: Option<Register>,
}

struct Queued {
    driver_num: u32,
    subscribe_num: u32,
    arguments: [Register; 3],
    /// Whether there was an upcall when it came. One that comes without is for yield-wait-for
    /// alone, whatever is subscribed later (docs/quirks.md, 3).
    runs: bool,
}

impl Queued {
    fn is_of(&self, key: (u32, u32)) -> bool {
        (self.driver_num, self.subscribe_num) == key
    }
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Works on the state for `what`, which needs a kernel on this thread.
fn state<R>(what: &str, f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(|s| match s.as_mut() {
        Some(s) => f(s),
        None => panic!("{what} called but no fake::Kernel exists on this thread"),
    })
}

fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    state("the kernel", f)
}

/// The kernel of this thread; dropping it removes it, and puts back the one it displaced.
pub struct Kernel {
    former: Option<State>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    /// A kernel without drivers, from now on this thread's.
    pub fn new() -> Self {
        Kernel {
            former: STATE.replace(Some(State::default())),
        }
    }

    /// Adds a driver.
    pub fn add_driver<D: SyscallDriver>(&self, driver: &Rc<D>) {
        let info = driver.info();
        let former = with(|s| {
            s.drivers.insert(
                info.driver_num,
                (info.upcall_count, driver.clone() as Rc<dyn SyscallDriver>),
            )
        });
        assert!(
            former.is_none(),
            "driver {:#x} added twice",
            info.driver_num
        );
        driver.register(DriverShareRef::of(info.driver_num));
    }

    /// Demands that this is the next call after those already expected.
    pub fn add_expected_syscall(&self, expected: ExpectedSyscall) {
        with(|s| s.expected.push_back(expected));
    }

    /// The calls since the last time, in order.
    pub fn take_syscall_log(&self) -> Vec<SyscallLogEntry> {
        with(|s| std::mem::take(&mut s.log))
    }

    /// Is a driver of this number there?
    pub fn is_driver_present(driver_num: u32) -> bool {
        STATE.with_borrow(|s| {
            s.as_ref()
                .is_some_and(|s| s.drivers.contains_key(&driver_num))
        })
    }

    /// Is an upcall queued that a yield would run?
    pub fn is_upcall_pending() -> bool {
        STATE.with_borrow(|s| {
            s.as_ref()
                .is_some_and(|s| s.queue.iter().any(|event| event.runs))
        })
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        STATE.replace(self.former.take());
    }
}

fn log(what: &str, entry: SyscallLogEntry) -> Option<ExpectedSyscall> {
    state(what, |s| {
        s.log.push(entry);
        s.expected.pop_front()
    })
}

/// The kernel of this thread, as the system calls see it.
pub struct ThreadKernel;

impl FakeKernel for ThreadKernel {
    fn yield_wait() {
        yield_wait();
    }

    fn yield_no_wait() -> bool {
        yield_no_wait()
    }

    fn yield_wait_for(driver_num: u32, subscribe_num: u32) -> [Register; 3] {
        yield_wait_for(driver_num, subscribe_num)
    }

    fn subscribe(
        driver_num: u32,
        subscribe_num: u32,
        upcall: UpcallPointer,
    ) -> Result<UpcallPointer, ErrorCode> {
        subscribe(driver_num, subscribe_num, upcall)
    }

    fn command(driver_id: u32, command_id: u32, argument0: u32, argument1: u32) -> CommandReturn {
        command(driver_id, command_id, argument0, argument1)
    }

    fn allow_rw(
        driver_num: u32,
        buffer_num: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
        allow_rw(driver_num, buffer_num, buffer)
    }

    fn allow_ro(
        driver_num: u32,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        allow_ro(driver_num, buffer_num, buffer)
    }

    fn memop(memop_num: u32, argument0: Register) -> [Register; 2] {
        memop(memop_num, argument0)
    }

    /// Ends the test: a test of exiting code uses [`crate::exit_test`], or says `should_panic`.
    fn exit(exit_num: u32, code: u32) -> ! {
        exit_test::exited(match exit_num {
            exit_id::RESTART => ExitCall::Restart(code),
            _ => ExitCall::Terminate(code),
        });
        let kind = if exit_num == exit_id::RESTART {
            "restart"
        } else {
            "terminate"
        };
        panic!("exit-{kind}({code})");
    }
}

/// Runs the oldest queued event that has an upcall; events without one are dropped, as by the
/// kernel (tock.md §1.4).
fn run_one() -> bool {
    while let Some(event) = with(|s| s.queue.pop_front()) {
        let key = (event.driver_num, event.subscribe_num);
        let upcall = with(|s| s.upcalls.get(&key).copied());
        if let (true, Some(upcall)) = (event.runs, upcall) {
            upcall.call(event.arguments);
            return true;
        }
    }
    false
}

fn yield_wait() {
    match log("yield-wait", SyscallLogEntry::YieldWait) {
        None | Some(ExpectedSyscall::YieldWait { skip_upcall: false }) => {
            assert!(
                run_one(),
                "yield-wait called with no queued upcall: the process would wait for ever"
            );
        }
        Some(ExpectedSyscall::YieldWait { skip_upcall: true }) => {}
        Some(other) => other.instead("yield-wait"),
    }
}

fn yield_no_wait() -> bool {
    match log("yield-no-wait", SyscallLogEntry::YieldNoWait) {
        None => run_one(),
        Some(ExpectedSyscall::YieldNoWait { override_return }) => {
            let ran = run_one();
            override_return.map_or(ran, |r| r == YieldNoWaitReturn::Upcall)
        }
        Some(other) => other.instead("yield-no-wait"),
    }
}

fn yield_wait_for(driver_num: u32, subscribe_num: u32) -> [Register; 3] {
    let entry = SyscallLogEntry::YieldWaitFor {
        driver_num,
        subscribe_num,
    };
    if let Some(other) = log("yield-wait-for", entry) {
        other.instead("yield-wait-for");
    }
    let found = with(|s| {
        let key = (driver_num, subscribe_num);
        let at = s.queue.iter().position(|event| event.is_of(key))?;
        s.queue.remove(at)
    });
    match found {
        Some(event) => event.arguments,
        None => panic!(
            "yield-wait-for({driver_num:#x}, {subscribe_num}) with no such event queued: the \
             process would wait for ever"
        ),
    }
}

pub(crate) fn schedule(
    driver_num: u32,
    subscribe_num: u32,
    arguments: [Register; 3],
) -> Result<(), InvalidSubscribeNum> {
    STATE.with_borrow_mut(|s| {
        // A driver may outlive its kernel.
        let Some(s) = s else { return Ok(()) };
        let upcall_count = s.drivers.get(&driver_num).map_or(0, |(count, _)| *count);
        if subscribe_num >= upcall_count {
            return Err(InvalidSubscribeNum {
                requested: subscribe_num,
                upcall_count,
            });
        }
        // A full queue drops the new event, as in the kernel.
        if s.queue.len() < QUEUE {
            let runs = s.upcalls.contains_key(&(driver_num, subscribe_num));
            s.queue.push_back(Queued {
                driver_num,
                subscribe_num,
                arguments,
                runs,
            });
        }
        Ok(())
    })
}

fn driver(driver_num: u32) -> Result<(u32, Rc<dyn SyscallDriver>), ErrorCode> {
    with(|s| s.drivers.get(&driver_num).cloned()).ok_or(ErrorCode::NoDevice)
}

fn subscribe(
    driver_num: u32,
    subscribe_num: u32,
    upcall: UpcallPointer,
) -> Result<UpcallPointer, ErrorCode> {
    let entry = SyscallLogEntry::Subscribe {
        driver_num,
        subscribe_num,
    };
    match log("Subscribe", entry) {
        None => {}
        Some(ExpectedSyscall::Subscribe {
            driver_num: d,
            subscribe_num: n,
            skip_with_error,
        }) => {
            assert_eq!(driver_num, d, "expected different driver number");
            assert_eq!(subscribe_num, n, "expected different subscribe number");
            if let Some(e) = skip_with_error {
                return Err(e);
            }
        }
        Some(other) => other.instead("Subscribe"),
    }
    let (count, _) = driver(driver_num)?;
    if subscribe_num >= count {
        return Err(ErrorCode::NoSupport);
    }
    with(|s| {
        let key = (driver_num, subscribe_num);
        s.queue.retain(|event| !(event.runs && event.is_of(key)));
        let former = if upcall.is_null() {
            s.upcalls.remove(&key)
        } else {
            s.upcalls.insert(key, upcall)
        };
        Ok(former.unwrap_or_else(UpcallPointer::null))
    })
}

fn command(driver_id: u32, command_id: u32, argument0: u32, argument1: u32) -> CommandReturn {
    let entry = SyscallLogEntry::Command {
        driver_id,
        command_id,
        argument0,
        argument1,
    };
    let instead = match log("Command", entry) {
        None => None,
        Some(ExpectedSyscall::Command {
            driver_id: d,
            command_id: c,
            argument0: a,
            argument1: b,
            override_return,
        }) => {
            assert_eq!(driver_id, d, "expected different driver_id");
            assert_eq!(command_id, c, "expected different command_id");
            assert_eq!(argument0, a, "expected different argument0");
            assert_eq!(argument1, b, "expected different argument1");
            override_return
        }
        Some(other) => other.instead("Command"),
    };
    let answer = match driver(driver_id) {
        Ok((_, d)) => d.command(command_id, argument0, argument1),
        Err(e) => command_return::failure(e),
    };
    instead.unwrap_or(answer)
}

/// Writable shares must not overlap: the process would have two `&mut` to one byte.
fn note_writable(driver_num: u32, buffer_num: u32, start: usize, len: usize) {
    with(|s| {
        s.writable
            .retain(|(d, n, _, _)| (*d, *n) != (driver_num, buffer_num));
        if len == 0 {
            return;
        }
        for (d, n, a, l) in &s.writable {
            assert!(
                start + len <= *a || a + l <= start,
                "share ({driver_num:#x}, {buffer_num}) overlaps share ({d:#x}, {n})"
            );
        }
        s.writable.push((driver_num, buffer_num, start, len));
    });
}

fn allow_rw(
    driver_num: u32,
    buffer_num: u32,
    buffer: RwAllowBuffer,
) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
    let (start, len) = (buffer.start(), buffer.len());
    let entry = SyscallLogEntry::AllowRw {
        driver_num,
        buffer_num,
        len,
    };
    match log("Read-Write Allow", entry) {
        None => {}
        Some(ExpectedSyscall::AllowRw {
            driver_num: d,
            buffer_num: n,
            return_error,
        }) => {
            assert_eq!(driver_num, d, "expected different driver_num");
            assert_eq!(buffer_num, n, "expected different buffer_num");
            if let Some(e) = return_error {
                return Err((buffer, e));
            }
        }
        Some(other) => other.instead("Read-Write Allow"),
    }
    let (_, d) = match driver(driver_num) {
        Ok(d) => d,
        Err(e) => return Err((buffer, e)),
    };
    let former = d.allow_readwrite(buffer_num, buffer)?;
    note_writable(driver_num, buffer_num, start, len);
    Ok(former)
}

fn allow_ro(
    driver_num: u32,
    buffer_num: u32,
    buffer: RoAllowBuffer,
) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
    let entry = SyscallLogEntry::AllowRo {
        driver_num,
        buffer_num,
        len: buffer.len(),
    };
    match log("Read-Only Allow", entry) {
        None => {}
        Some(ExpectedSyscall::AllowRo {
            driver_num: d,
            buffer_num: n,
            return_error,
        }) => {
            assert_eq!(driver_num, d, "expected different driver_num");
            assert_eq!(buffer_num, n, "expected different buffer_num");
            if let Some(e) = return_error {
                return Err((buffer, e));
            }
        }
        Some(other) => other.instead("Read-Only Allow"),
    }
    match driver(driver_num) {
        Ok((_, d)) => d.allow_readonly(buffer_num, buffer),
        Err(e) => Err((buffer, e)),
    }
}

/// brk and sbrk move a break that is only a number here: the memory is the host's. Unlike the
/// kernel, and like libtock-rs's fake, sbrk answers with the new break.
fn memop(memop_num: u32, argument0: Register) -> [Register; 2] {
    let entry = SyscallLogEntry::Memop {
        memop_num,
        argument0,
    };
    let error = match log("Memop", entry) {
        None => None,
        Some(ExpectedSyscall::Memop {
            memop_num: n,
            argument0: a,
            return_error,
        }) => {
            assert_eq!(memop_num, n, "expected different memop_num");
            let (given, wanted) = (usize::from(argument0), usize::from(a));
            assert_eq!(given, wanted, "expected different argument0");
            return_error
        }
        Some(other) => other.instead("Memop"),
    };
    let result = match (error, memop_num) {
        (Some(e), _) => Err(e),
        (None, 0) if argument0.0.is_null() => Err(ErrorCode::Invalid),
        (None, 0) => {
            with(|s| s.memory_break = Some(argument0));
            Ok(0u32.into())
        }
        (None, 1) => Ok(with(|s| {
            let now: *mut u8 = s.memory_break.unwrap_or(0u32.into()).into();
            let moved = Register::from(now.wrapping_offset(argument0.as_i32() as isize));
            s.memory_break = Some(moved);
            moved
        })),
        (None, 2) => Ok(APP_RAM_START.into()),
        (None, 10 | 11) => Ok(0u32.into()),
        (None, _) => Err(ErrorCode::NoSupport),
    };
    match result {
        Ok(value) => [return_variant::SUCCESS.into(), value],
        Err(e) => [return_variant::FAILURE.into(), e.into()],
    }
}

/// Some address.
const APP_RAM_START: u32 = 0x2109_8000;

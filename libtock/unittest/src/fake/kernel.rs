//! The state of the fake kernel.
//!
//! Owns drivers, upcall queue, log and expectations, one set a thread. Holds no borrow of its
//! state while a driver or an upcall runs, so those may make system calls themselves.

// One arm an expectation, its override inside: collapsed, each would take two.
#![allow(clippy::collapsible_match)]

use crate::fake::{DriverShareRef, SyscallDriver};
use crate::{ExpectedSyscall, RoAllowBuffer, RwAllowBuffer, SyscallLogEntry, command_return};
use libtock_platform::fake::{FakeKernel, UpcallPointer};
use libtock_platform::{CommandReturn, ErrorCode, Register, YieldNoWaitReturn, exit_id};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// As in the real kernel (tock.md §1.4).
const QUEUE: usize = 10;

#[derive(Default)]
struct State {
    drivers: HashMap<u32, (u32, Rc<dyn SyscallDriver>)>,
    upcalls: HashMap<(u32, u32), UpcallPointer>,
    queue: VecDeque<(u32, u32, [Register; 3])>,
    log: Vec<SyscallLogEntry>,
    expected: VecDeque<ExpectedSyscall>,
    writable: Vec<(u32, u32, usize, usize)>,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(|s| f(s.as_mut().expect("no fake::Kernel on this thread")))
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
        driver.register(DriverShareRef {
            driver_num: Some(info.driver_num),
        });
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
        with(|s| s.drivers.contains_key(&driver_num))
    }

    /// Is anything queued?
    pub fn is_upcall_pending() -> bool {
        with(|s| !s.queue.is_empty())
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let state = STATE.replace(self.former.take());
        if std::thread::panicking() {
            return;
        }
        if let Some(state) = state {
            assert!(
                state.expected.is_empty(),
                "expected system calls that did not come: {:?}",
                state.expected
            );
        }
    }
}

fn log(entry: SyscallLogEntry) -> Option<ExpectedSyscall> {
    with(|s| {
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

    fn command(driver_id: u32, command_id: u32, arg0: u32, arg1: u32) -> CommandReturn {
        command(driver_id, command_id, arg0, arg1)
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

    fn memop(memop_num: u32, arg0: usize) -> [u32; 2] {
        memop(memop_num, arg0)
    }

    /// Ends the test: a test of exiting code says `should_panic`.
    fn exit(exit_num: u32, code: u32) -> ! {
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
    loop {
        let Some((driver, number, arguments)) = with(|s| s.queue.pop_front()) else {
            return false;
        };
        if let Some(upcall) = with(|s| s.upcalls.get(&(driver, number)).copied()) {
            upcall.call(arguments);
            return true;
        }
    }
}

fn yield_wait() {
    match log(SyscallLogEntry::YieldWait) {
        None | Some(ExpectedSyscall::YieldWait { skip_upcall: false }) => {
            assert!(
                run_one(),
                "yield-wait with nothing queued: the process would wait for ever"
            );
        }
        Some(ExpectedSyscall::YieldWait { skip_upcall: true }) => {}
        Some(other) => panic!("yield-wait instead of {other:?}"),
    }
}

fn yield_no_wait() -> bool {
    match log(SyscallLogEntry::YieldNoWait) {
        None
        | Some(ExpectedSyscall::YieldNoWait {
            override_return: None,
        }) => run_one(),
        Some(ExpectedSyscall::YieldNoWait {
            override_return: Some(r),
        }) => r == YieldNoWaitReturn::Upcall,
        Some(other) => panic!("yield-no-wait instead of {other:?}"),
    }
}

fn yield_wait_for(driver_num: u32, subscribe_num: u32) -> [Register; 3] {
    let expected = log(SyscallLogEntry::YieldWaitFor {
        driver_num,
        subscribe_num,
    });
    assert!(expected.is_none(), "yield-wait-for instead of {expected:?}");
    let found = with(|s| {
        let at = s
            .queue
            .iter()
            .position(|(d, n, _)| (*d, *n) == (driver_num, subscribe_num))?;
        s.queue.remove(at)
    });
    match found {
        Some((_, _, arguments)) => arguments,
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
) -> Result<(), ErrorCode> {
    with(|s| {
        let (count, _) = s.drivers.get(&driver_num).ok_or(ErrorCode::Invalid)?;
        if subscribe_num >= *count {
            return Err(ErrorCode::Invalid);
        }
        // A full queue drops the new event, as in the kernel.
        if s.queue.len() < QUEUE {
            s.queue.push_back((driver_num, subscribe_num, arguments));
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
    match log(SyscallLogEntry::Subscribe {
        driver_num,
        subscribe_num,
    }) {
        None => {}
        Some(ExpectedSyscall::Subscribe {
            driver_num: d,
            subscribe_num: n,
            skip_with_error,
        }) if (d, n) == (driver_num, subscribe_num) => {
            if let Some(e) = skip_with_error {
                return Err(e);
            }
        }
        Some(other) => panic!("subscribe({driver_num:#x}, {subscribe_num}) instead of {other:?}"),
    }
    let (count, _) = driver(driver_num)?;
    if subscribe_num >= count {
        return Err(ErrorCode::NoSupport);
    }
    with(|s| {
        let key = (driver_num, subscribe_num);
        s.queue
            .retain(|(d, n, _)| (*d, *n) != key || !s.upcalls.contains_key(&key));
        let former = if upcall.is_null() {
            s.upcalls.remove(&key)
        } else {
            s.upcalls.insert(key, upcall)
        };
        Ok(former.unwrap_or_else(UpcallPointer::null))
    })
}

fn command(driver_id: u32, command_id: u32, arg0: u32, arg1: u32) -> CommandReturn {
    match log(SyscallLogEntry::Command {
        driver_id,
        command_id,
        arg0,
        arg1,
    }) {
        None => {}
        Some(ExpectedSyscall::Command {
            driver_id: d,
            command_id: c,
            arg0: a,
            arg1: b,
            override_return,
        }) if (d, c, a, b) == (driver_id, command_id, arg0, arg1) => {
            if let Some(r) = override_return {
                return r;
            }
        }
        Some(other) => {
            panic!("command({driver_id:#x}, {command_id}, {arg0}, {arg1}) instead of {other:?}")
        }
    }
    match driver(driver_id) {
        Ok((_, d)) => d.command(command_id, arg0, arg1),
        Err(e) => command_return::failure(e),
    }
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
    match log(SyscallLogEntry::AllowRw {
        driver_num,
        buffer_num,
        len,
    }) {
        None => {}
        Some(ExpectedSyscall::AllowRw {
            driver_num: d,
            buffer_num: n,
            return_error,
        }) if (d, n) == (driver_num, buffer_num) => {
            if let Some(e) = return_error {
                return Err((buffer, e));
            }
        }
        Some(other) => panic!("allow_rw({driver_num:#x}, {buffer_num}) instead of {other:?}"),
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
    match log(SyscallLogEntry::AllowRo {
        driver_num,
        buffer_num,
        len: buffer.len(),
    }) {
        None => {}
        Some(ExpectedSyscall::AllowRo {
            driver_num: d,
            buffer_num: n,
            return_error,
        }) if (d, n) == (driver_num, buffer_num) => {
            if let Some(e) = return_error {
                return Err((buffer, e));
            }
        }
        Some(other) => panic!("allow_ro({driver_num:#x}, {buffer_num}) instead of {other:?}"),
    }
    match driver(driver_num) {
        Ok((_, d)) => d.allow_readonly(buffer_num, buffer),
        Err(e) => Err((buffer, e)),
    }
}

fn memop(memop_num: u32, arg0: usize) -> [u32; 2] {
    match log(SyscallLogEntry::Memop { memop_num, arg0 }) {
        Some(ExpectedSyscall::Memop {
            memop_num: n,
            return_error,
        }) if n == memop_num => match return_error {
            Some(e) => [0, e as u32],
            None => [128, 0],
        },
        Some(other) => panic!("memop({memop_num}) instead of {other:?}"),
        // Memory belongs to the host process; only the two debug hints mean something here.
        None if matches!(memop_num, 10 | 11) => [128, 0],
        None => [0, ErrorCode::NoSupport as u32],
    }
}

//! The console against a fake driver.

use super::*;
use core::fmt::Write;
use libtock_unittest::{ExpectedSyscall, command_return, fake};
use std::rc::Rc;

use std::cell::RefCell;
use std::vec::Vec;

type TestConsole = Console<fake::Syscalls>;

/// Takes at most `limit` bytes a write, and answers reads with `input`.
fn console(limit: usize, input: &'static [u8]) -> (Rc<fake::Scripted>, Rc<RefCell<Vec<u8>>>) {
    let out = Rc::new(RefCell::new(Vec::new()));
    let sink = out.clone();
    let driver = fake::Scripted::new(DRIVER_NUM, move |call| match call.command {
        command::WRITE => {
            let bytes = call.ro(1);
            let n = bytes.len().min(call.arg0 as usize).min(limit);
            sink.borrow_mut().extend(&bytes[..n]);
            call.schedule(1, (n as u32, 0, 0));
            command_return::success()
        }
        command::READ => {
            let n = input.len().min(call.rw_len(1)).min(call.arg0 as usize);
            call.with_rw(1, |b| b[..n].copy_from_slice(&input[..n]));
            let status = if n < call.arg0 as usize {
                ErrorCode::Cancel as u32
            } else {
                0
            };
            call.schedule(2, (status, n as u32, 0));
            command_return::success()
        }
        _ => command_return::failure(ErrorCode::NoSupport),
    });
    (driver, out)
}

#[test]
fn no_driver() {
    let _kernel = fake::Kernel::new();
    assert!(!TestConsole::exists());
    assert_eq!(TestConsole::write(b"x"), Err(ErrorCode::NoDevice));
    assert_eq!(TestConsole::read(&mut [0]), (0, Err(ErrorCode::NoDevice)));
}

#[test]
fn long_writes_go_out_whole_and_nothing_stays_shared() {
    let kernel = fake::Kernel::new();
    let (driver, out) = console(3, b"");
    kernel.add_driver(&driver);
    assert!(TestConsole::exists());
    write!(TestConsole::writer(), "hello {}", 42).unwrap();
    assert_eq!(*out.borrow(), b"hello 42");
    assert_eq!(driver.shares(), (0, 0));
}

#[test]
fn a_driver_that_writes_nothing_is_an_error_not_a_hang() {
    let kernel = fake::Kernel::new();
    let (driver, _) = console(0, b"");
    kernel.add_driver(&driver);
    assert_eq!(TestConsole::write(b"x"), Err(ErrorCode::Fail));
}

#[test]
fn reads_report_how_they_ended() {
    let kernel = fake::Kernel::new();
    let (driver, _) = console(9, b"abc");
    kernel.add_driver(&driver);
    let mut b = [0; 3];
    assert_eq!(TestConsole::read(&mut b), (3, Ok(())));
    assert_eq!(&b, b"abc");
    assert_eq!(TestConsole::read(&mut [0; 5]), (3, Err(ErrorCode::Cancel)));
}

#[test]
fn a_refused_share_is_reported_and_revoked() {
    let kernel = fake::Kernel::new();
    let (driver, _) = console(9, b"");
    kernel.add_driver(&driver);
    kernel.add_expected_syscall(ExpectedSyscall::AllowRo {
        driver_num: DRIVER_NUM,
        buffer_num: 1,
        return_error: Some(ErrorCode::NoMem),
    });
    assert_eq!(TestConsole::write(b"x"), Err(ErrorCode::NoMem));
    // The share and its revocation; no subscription, no command.
    assert_eq!(kernel.take_syscall_log().len(), 2);
}

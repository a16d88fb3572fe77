//! The store against the fake driver.

use super::*;
use libtock_unittest::{ExpectedSyscall, fake};

type KeyValue = super::KeyValue<fake::Syscalls>;

#[test]
fn keys_come_change_and_go() {
    let kernel = fake::Kernel::new();
    assert!(!KeyValue::exists());
    assert_eq!(KeyValue::set(b"a", b"b"), Err(ErrorCode::NoDevice));
    let driver = fake::KeyValue::new();
    kernel.add_driver(&driver);
    assert!(KeyValue::exists());
    let mut buffer = [0; 8];
    assert_eq!(KeyValue::get(b"k", &mut buffer), Err(ErrorCode::NoSupport));
    assert_eq!(KeyValue::update(b"k", b"1"), Err(ErrorCode::NoSupport));
    assert_eq!(KeyValue::add(b"k", b"one"), Ok(()));
    assert_eq!(KeyValue::add(b"k", b"1"), Err(ErrorCode::NoSupport));
    assert_eq!(KeyValue::get(b"k", &mut buffer), Ok(3));
    assert_eq!(&buffer[..3], b"one");
    assert_eq!(KeyValue::update(b"k", b"longer than 8"), Ok(()));
    assert_eq!(KeyValue::get(b"k", &mut buffer), Err(ErrorCode::Size));
    assert_eq!(&buffer, b"longer t");
    assert_eq!(KeyValue::set(b"k", b""), Ok(()));
    assert_eq!(KeyValue::get(b"k", &mut buffer), Ok(0));
    assert_eq!(KeyValue::delete(b"k"), Ok(()));
    assert_eq!(KeyValue::delete(b"k"), Err(ErrorCode::NoSupport));
}

#[test]
fn a_refused_share_stops_the_call() {
    let kernel = fake::Kernel::new();
    let driver = fake::KeyValue::new();
    kernel.add_driver(&driver);
    kernel.add_expected_syscall(ExpectedSyscall::AllowRo {
        driver_num: DRIVER_NUM,
        buffer_num: 0,
        return_error: Some(ErrorCode::NoMem),
    });
    assert_eq!(KeyValue::delete(b"k"), Err(ErrorCode::NoMem));
}

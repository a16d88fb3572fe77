//! The random number driver against a fake one.

use super::*;
use libtock_unittest::{command_return, fake};

type TestRng = Rng<fake::Syscalls>;

#[test]
fn bytes_come_and_short_answers_are_errors() {
    let kernel = fake::Kernel::new();
    assert_eq!(TestRng::exists(), Err(ErrorCode::NoDevice));
    let driver = fake::Scripted::new(DRIVER_NUM, |call| {
        let n = (call.arg0 as usize).min(8);
        call.with_rw(0, |b| b[..n].fill(0x5A));
        call.schedule(0, (0, n as u32, 0));
        command_return::success()
    });
    kernel.add_driver(&driver);
    let mut b = [0; 16];
    assert_eq!(TestRng::get_bytes_sync(&mut b, 7), Ok(()));
    assert_eq!(b[..8], [0x5A, 0x5A, 0x5A, 0x5A, 0x5A, 0x5A, 0x5A, 0]);
    assert_eq!(TestRng::get_bytes_sync(&mut b, 9), Err(ErrorCode::Fail));
    assert_eq!(TestRng::get_bytes_sync(&mut b, 17), Err(ErrorCode::NoMem));
    assert_eq!(driver.shares(), (0, 0));
}

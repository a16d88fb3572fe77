//! IPC against a fake driver.

use super::*;
use libtock_unittest::{command_return, fake};
use std::rc::Rc;

type TestIpc = Ipc<fake::Syscalls>;

/// A kernel side that knows one service, in slot 2.
fn ipc() -> Rc<fake::Scripted> {
    fake::Scripted::new(DRIVER_NUM, |call| match call.command {
        command::DISCOVER if call.ro(0) == b"tockstone.mqtt" => command_return::success_u32(2),
        command::DISCOVER => command_return::failure(ErrorCode::NoDevice),
        command::NOTIFY_SERVICE | command::NOTIFY_CLIENT => command_return::success(),
        _ => command_return::failure(ErrorCode::NoSupport),
    })
}

#[test]
fn a_client_shares_notifies_and_sees_what_the_service_writes() {
    static BUFFER: StaticBuffer<64> = StaticBuffer::new();
    static INBOX: IpcInbox = IpcInbox::new();
    let kernel = fake::Kernel::new();
    assert!(!TestIpc::exists());
    let driver = ipc();
    kernel.add_driver(&driver);
    assert_eq!(TestIpc::discover("nobody"), Err(ErrorCode::NoDevice));
    let service = TestIpc::discover("tockstone.mqtt").unwrap();
    assert_eq!(service.index(), 2);
    TestIpc::register_client(service, &INBOX).unwrap();
    let memory = TestIpc::share(service, BUFFER.take().unwrap()).unwrap();
    assert_eq!(BUFFER.take(), None);
    memory.write(0, b"hello").unwrap();
    driver.with_rw(2, |b| {
        assert_eq!(&b[..5], b"hello");
        b[60..].copy_from_slice(b"back");
    });
    assert_eq!(TestIpc::notify_service(service), Ok(()));
    assert_eq!(
        driver.commands().last(),
        Some(&(command::NOTIFY_SERVICE, 2, 0))
    );
    let mut word = [0; 4];
    memory.read(60, &mut word).unwrap();
    assert_eq!(&word, b"back");
    assert_eq!(memory.read(61, &mut word), Err(ErrorCode::Size));
    assert_eq!(memory.write(usize::MAX, &word), Err(ErrorCode::Size));
}

#[test]
fn a_service_gets_one_notice_a_sender_with_the_newest_window() {
    static INBOX: IpcInbox = IpcInbox::new();
    static THEIRS: StaticBuffer<96> = StaticBuffer::new();
    let kernel = fake::Kernel::new();
    let driver = ipc();
    kernel.add_driver(&driver);
    let own = TestIpc::register_service("tockstone.mqtt", &INBOX).unwrap();
    assert_eq!(own.index(), 2);
    let theirs = THEIRS.take().unwrap();
    theirs[32..36].copy_from_slice(b"ping");
    let at = &raw mut theirs[32];
    let notify = |sender: u32, len: u32, address: *mut u8| {
        let words = [sender.into(), len.into(), address.into()];
        driver
            .share_ref()
            .schedule_upcall_registers(2, words)
            .unwrap();
        fake::Syscalls::yield_wait();
    };
    notify(3, 0, core::ptr::null_mut());
    notify(1, 33, at);
    notify(3, 64, at);
    // A slot that no kernel has is ignored.
    notify(99, 64, at);
    assert!(INBOX.is_pending());
    // Not on MPU granules: the kernel mapped nothing, so there is no window to fault on.
    assert_eq!(
        INBOX.take(),
        Some(IpcNotice {
            sender: 1,
            memory: None
        })
    );
    let notice = INBOX.take().unwrap();
    assert_eq!(notice.sender, 3);
    let mut word = [0; 4];
    notice.memory.unwrap().read(0, &mut word).unwrap();
    assert_eq!(&word, b"ping");
    assert_eq!(INBOX.take(), None);
}

#[test]
fn a_share_off_the_mpu_granules_is_refused_before_the_kernel_sees_it() {
    static BUFFER: StaticBuffer<64> = StaticBuffer::new();
    let kernel = fake::Kernel::new();
    let driver = ipc();
    kernel.add_driver(&driver);
    let service = TestIpc::discover("tockstone.mqtt").unwrap();
    let odd = &mut BUFFER.take().unwrap()[1..33];
    assert_eq!(TestIpc::share(service, odd), Err(ErrorCode::Invalid));
    assert_eq!(driver.shares(), (0, 0));
}

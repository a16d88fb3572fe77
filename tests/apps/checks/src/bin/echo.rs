//! The service that `api_check` talks to: answers a shared message with its bytes reversed.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use checks::ECHO;
use libtock::ipc::{Ipc, IpcInbox};
use libtock::platform::{ErrorCode, Syscalls};
use libtock::runtime::TockSyscalls;
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

static INBOX: IpcInbox = IpcInbox::new();
/// Bytes of a message; the answer stands behind it.
const MESSAGE: usize = 16;

fn main() -> Result<(), ErrorCode> {
    Ipc::register_service(ECHO, &INBOX)?;
    loop {
        TockSyscalls::yield_wait();
        while let Some(notice) = INBOX.take() {
            let Some(memory) = notice.memory else {
                continue;
            };
            let mut message = [0; MESSAGE];
            if memory.read(0, &mut message).is_err() {
                continue;
            }
            message.reverse();
            let _ = memory.write(MESSAGE, &message);
            let _ = Ipc::notify_client(notice.sender);
        }
    }
}

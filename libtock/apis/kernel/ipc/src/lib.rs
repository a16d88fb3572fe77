//! Inter-process communication: discover, share, notify.
//!
//! Owns the protocol of driver 0x10000 (tock.md §5.11): addresses are process slot indices; a
//! service subscribes to its own index, a client to the service's; the buffer shared under index
//! i is what process i gets to see. What the bytes mean is the two processes' affair.
//!
//! Invariant: shared bytes are reached by copies only ([`SharedMemory`]); each side must take
//! them for an outsider's.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::{AllowRo, DefaultConfig, ErrorCode, Syscalls, allow_ro, share};
pub use libtock_platform::{IpcInbox, IpcNotice, SharedMemory, StaticBuffer};

#[cfg(test)]
mod tests;

/// The IPC driver.
pub struct Ipc<S: Syscalls, C: allow_ro::Config = DefaultConfig>(S, C);

/// A process slot that offers a service, as [`Ipc::discover`] found it. Invalid once that process
/// restarted under another name; notices then fail or go astray, they never reach memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service(u32);

impl Service {
    /// The slot index.
    pub fn index(self) -> u32 {
        self.0
    }
}

impl<S: Syscalls, C: allow_ro::Config> Ipc<S, C> {
    /// Is there an IPC driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).is_success()
    }

    /// Finds the process with this package name; one's own is found too.
    ///
    /// # Errors
    /// `NoDevice`: no process of that name (yet).
    pub fn discover(name: &str) -> Result<Service, ErrorCode> {
        share::scope::<AllowRo<'_, S, DRIVER_NUM, 0>, _, _>(|allow| {
            S::allow_ro::<C, DRIVER_NUM, 0>(allow, name.as_bytes())?;
            S::command(DRIVER_NUM, command::DISCOVER, 0, 0).to_result()
        })
        .map(Service)
    }

    /// Becomes the service `name`, which must be one's own package name: notices of clients land
    /// in `inbox`.
    ///
    /// # Errors
    /// `NoDevice` when the name is not found; else the kernel's refusal.
    pub fn register_service(name: &str, inbox: &'static IpcInbox) -> Result<Service, ErrorCode> {
        let own = Self::discover(name)?;
        inbox.subscribe::<S>(DRIVER_NUM, own.0)?;
        Ok(own)
    }

    /// As a client: notices of `service` land in `inbox`.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn register_client(service: Service, inbox: &'static IpcInbox) -> Result<(), ErrorCode> {
        inbox.subscribe::<S>(DRIVER_NUM, service.0)
    }

    /// Lends `buffer` to `service` for ever: it can read and write it from its first notice on.
    ///
    /// # Errors
    /// `Invalid` unless start and length are multiples of 32; else the kernel's refusal.
    pub fn share(service: Service, buffer: &'static mut [u8]) -> Result<SharedMemory, ErrorCode> {
        SharedMemory::share::<S>(DRIVER_NUM, service.0, buffer)
    }

    /// Tells a service that something changed; it gets the buffer shared with it.
    ///
    /// # Errors
    /// `Invalid`: no such process; `NoMem`: its queue is full, try later.
    pub fn notify_service(service: Service) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::NOTIFY_SERVICE, service.0, 0).to_result()
    }

    /// Tells the client in slot `sender` that something changed.
    ///
    /// # Errors
    /// As [`Ipc::notify_service`].
    pub fn notify_client(sender: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::NOTIFY_CLIENT, sender, 0).to_result()
    }
}

const DRIVER_NUM: u32 = 0x10000;

mod command {
    pub const EXISTS: u32 = 0;
    pub const DISCOVER: u32 = 1;
    pub const NOTIFY_SERVICE: u32 = 2;
    pub const NOTIFY_CLIENT: u32 = 3;
}

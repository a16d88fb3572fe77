//! Memory that two processes share through the kernel (IPC).
//!
//! Owns [`SharedMemory`]: bytes that the other side may change at any time. Every access is a
//! volatile copy, so what was checked is what is used: read once, then parse the copy.

use super::syscalls_impl::{raw_allow, raw_subscribe_function};
use crate::{ErrorCode, RawSyscalls, Register, syscall_class};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// The MPU's granule (ARMv8-M): a share that starts or ends elsewhere is not mapped as asked, so
/// touching it would fault us (tock.md §5.11).
const GRANULE: usize = 32;

/// A window on memory that another process can write. Copies of it name the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct SharedMemory {
    address: *mut u8,
    length: usize,
    /// Where the newest window of the process that shares is kept; `None` for our own memory.
    newest: Option<&'static AtomicPtr<u8>>,
}

impl PartialEq for SharedMemory {
    fn eq(&self, other: &Self) -> bool {
        (self.address, self.length) == (other.address, other.length)
    }
}
impl Eq for SharedMemory {}

impl SharedMemory {
    /// Shares `buffer` under (driver, buffer number) for ever, and keeps a window on it. For IPC
    /// the buffer number is the other process's slot index.
    ///
    /// # Errors
    /// `Invalid` when start or length is no multiple of 32; else the kernel's refusal. Either way
    /// the buffer is spent: a refused share is a configuration fault, not something to retry.
    pub fn share<S: RawSyscalls>(
        driver_num: u32,
        buffer_num: u32,
        buffer: &'static mut [u8],
    ) -> Result<SharedMemory, ErrorCode> {
        let (address, length) = (buffer.as_mut_ptr(), buffer.len());
        if !address.addr().is_multiple_of(GRANULE) || !length.is_multiple_of(GRANULE) || length == 0
        {
            return Err(ErrorCode::Invalid);
        }
        // SAFETY: the bytes live for ever, and the `&mut` is gone: from now on they are reached
        // through the kernel and through volatile copies only.
        unsafe {
            raw_allow::<S, { syscall_class::ALLOW_RW }>(driver_num, buffer_num, address, length)
        }?;
        Ok(SharedMemory {
            address,
            length,
            newest: None,
        })
    }

    /// A window from what the kernel said in an IPC upcall. `None` when nothing is shared, or
    /// when the share is not on MPU granules: the kernel delivers such an upcall without a region.
    ///
    /// # Safety
    /// `window` is written by IPC upcalls of the kernel only.
    unsafe fn from_upcall(window: &'static (AtomicPtr<u8>, AtomicUsize)) -> Option<SharedMemory> {
        let (address, length) = (window.0.load(Relaxed), window.1.load(Relaxed));
        let sound = length != 0
            && !address.is_null()
            && address.addr().is_multiple_of(GRANULE)
            && length.is_multiple_of(GRANULE)
            && address.addr().checked_add(length).is_some();
        sound.then_some(SharedMemory {
            address,
            length,
            newest: Some(&window.0),
        })
    }

    /// Whether it still is there: the process that shares it has not ended, and shares nothing else.
    /// That changes only in a yield of ours.
    pub fn is_there(&self) -> bool {
        self.newest
            .is_none_or(|newest| newest.load(Relaxed) == self.address)
    }

    /// Bytes in the window.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Never true: an empty share has no window.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// `Size` when the range does not lie in the window, `NoDevice` when it is not there any more;
    /// nothing is copied then.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), ErrorCode> {
        self.check(offset, into.len())?;
        for (i, byte) in into.iter_mut().enumerate() {
            // SAFETY: offset + i lies in the window, which is there (checked), and the kernel takes
            // it away only in a yield; volatile, because the other side may write.
            *byte = unsafe { self.address.add(offset + i).read_volatile() };
        }
        Ok(())
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<(), ErrorCode> {
        self.check(offset, from.len())?;
        for (i, byte) in from.iter().enumerate() {
            // SAFETY: as in `read`.
            unsafe { self.address.add(offset + i).write_volatile(*byte) };
        }
        Ok(())
    }

    fn check(&self, offset: usize, length: usize) -> Result<(), ErrorCode> {
        match offset.checked_add(length) {
            _ if !self.is_there() => Err(ErrorCode::NoDevice),
            Some(end) if end <= self.length => Ok(()),
            _ => Err(ErrorCode::Size),
        }
    }
}

/// Process slots that an [`IpcInbox`] has room for.
const SLOTS: usize = 16;

/// Where IPC upcalls land: one notice a sender, the newest window of each.
///
/// The kernel, not the sender, writes the words; that is why only [`IpcInbox::subscribe`] can
/// connect one, and why it is no [`crate::Upcall`] that safe code might call with words of its own.
pub struct IpcInbox {
    pending: AtomicU32,
    windows: [(AtomicPtr<u8>, AtomicUsize); SLOTS],
}

/// A notice from another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpcNotice {
    /// Slot index of the sender.
    pub sender: u32,
    /// What it shares with us, if anything that we can reach. Nothing also when it has ended: what it
    /// shared before is gone.
    pub memory: Option<SharedMemory>,
}

impl Default for IpcInbox {
    fn default() -> Self {
        Self::new()
    }
}

impl IpcInbox {
    /// Empty.
    pub const fn new() -> Self {
        IpcInbox {
            pending: AtomicU32::new(0),
            windows: [const { (AtomicPtr::new(core::ptr::null_mut()), AtomicUsize::new(0)) };
                SLOTS],
        }
    }

    /// Has any notice arrived?
    pub fn is_pending(&self) -> bool {
        self.pending.load(Relaxed) != 0
    }

    /// The notice of the lowest slot that has one. Several notices of one sender are one.
    pub fn take(&'static self) -> Option<IpcNotice> {
        let pending = self.pending.load(Relaxed);
        if pending == 0 {
            return None;
        }
        let sender = pending.trailing_zeros();
        // One thread: upcalls run only inside a yield.
        self.pending.store(pending & (pending - 1), Relaxed);
        let window = self.windows.get(sender as usize)?;
        // SAFETY: only `ipc_upcall` stores here, and only the kernel calls that.
        let memory = unsafe { SharedMemory::from_upcall(window) };
        Some(IpcNotice { sender, memory })
    }

    /// Connects the inbox to one IPC upcall number: a service's own slot index, or for a client
    /// the service's.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn subscribe<S: RawSyscalls>(
        &'static self,
        driver_num: u32,
        subscribe_num: u32,
    ) -> Result<(), ErrorCode> {
        // SAFETY: the inbox lives for ever, and `ipc_upcall` expects it.
        unsafe {
            raw_subscribe_function::<S>(
                driver_num,
                subscribe_num,
                ipc_upcall as *const (),
                &raw const *self as *const (),
            )
        }
        .map(|_| ())
    }
}

/// What the kernel calls for an IPC notice: (sender slot, length, address, inbox).
///
/// # Safety
/// `inbox` is the `&'static IpcInbox` subscribed with this function; the rest is the kernel's.
unsafe extern "C" fn ipc_upcall(
    sender: Register,
    length: Register,
    address: Register,
    inbox: Register,
) {
    let inbox: *mut IpcInbox = inbox.into();
    // SAFETY: subscribed as a `&'static IpcInbox`.
    let inbox = unsafe { &*inbox };
    let slot = sender.as_u32();
    if let Some((a, l)) = inbox.windows.get(slot as usize) {
        a.store(address.into(), Relaxed);
        l.store(length.into(), Relaxed);
        inbox
            .pending
            .store(inbox.pending.load(Relaxed) | 1 << slot, Relaxed);
    }
}

//! Upcalls, and the share-list element that revokes one.
//!
//! Owns the [`Upcall`] trait and its ready-made implementations; registering is
//! [`crate::Syscalls::subscribe`].

use crate::{ErrorCode, Syscalls, share};
use core::cell::Cell;
use core::marker::PhantomData;

/// Something that the kernel may call. `SupportedIds` says for which (driver, subscribe number)
/// the argument meaning fits: [`AnyId`] or [`OneId`].
pub trait Upcall<SupportedIds> {
    /// Called during a yield with the driver's three words.
    fn upcall(&self, arg0: u32, arg1: u32, arg2: u32);
}

/// Fits any subscribe number.
pub struct AnyId;

/// Fits one subscribe number of one driver.
pub struct OneId<const DRIVER_NUM: u32, const SUBSCRIBE_NUM: u32>;

/// `Self` covers this subscribe number.
pub trait SupportsId<const DRIVER_NUM: u32, const SUBSCRIBE_NUM: u32> {}

impl<const D: u32, const N: u32> SupportsId<D, N> for AnyId {}
impl<const D: u32, const N: u32> SupportsId<D, N> for OneId<D, N> {}

/// Called when a subscription displaced another.
pub trait Config {
    /// The kernel handed back an upcall that was not null.
    fn returned_nonnull_upcall(driver_num: u32, subscribe_num: u32);
}

/// Share-list element: a slot for one upcall, emptied when the scope ends.
pub struct Subscribe<'share, S: Syscalls, const DRIVER_NUM: u32, const SUBSCRIBE_NUM: u32> {
    _syscalls: PhantomData<S>,
    // Invariant in 'share: the scope must not outlive what it shares, nor be shortened.
    _share: PhantomData<Cell<&'share ()>>,
    pub(crate) used: Cell<bool>,
}

impl<S: Syscalls, const D: u32, const N: u32> Default for Subscribe<'_, S, D, N> {
    fn default() -> Self {
        Subscribe {
            _syscalls: PhantomData,
            _share: PhantomData,
            used: Cell::new(false),
        }
    }
}

impl<S: Syscalls, const D: u32, const N: u32> Drop for Subscribe<'_, S, D, N> {
    fn drop(&mut self) {
        if self.used.get() {
            S::unsubscribe(D, N);
        }
    }
}

impl<S: Syscalls, const D: u32, const N: u32> share::List for Subscribe<'_, S, D, N> {}

impl Upcall<AnyId> for Cell<bool> {
    fn upcall(&self, _: u32, _: u32, _: u32) {
        self.set(true);
    }
}

impl Upcall<AnyId> for Cell<Option<()>> {
    fn upcall(&self, _: u32, _: u32, _: u32) {
        self.set(Some(()));
    }
}

impl Upcall<AnyId> for Cell<Option<(u32,)>> {
    fn upcall(&self, arg0: u32, _: u32, _: u32) {
        self.set(Some((arg0,)));
    }
}

impl Upcall<AnyId> for Cell<Option<(u32, u32)>> {
    fn upcall(&self, arg0: u32, arg1: u32, _: u32) {
        self.set(Some((arg0, arg1)));
    }
}

impl Upcall<AnyId> for Cell<Option<(u32, u32, u32)>> {
    fn upcall(&self, arg0: u32, arg1: u32, arg2: u32) {
        self.set(Some((arg0, arg1, arg2)));
    }
}

impl Upcall<AnyId> for Cell<Option<Result<(), ErrorCode>>> {
    fn upcall(&self, status: u32, _: u32, _: u32) {
        self.set(Some(ErrorCode::from_status(status)));
    }
}

impl Upcall<AnyId> for Cell<Option<Result<(u32,), ErrorCode>>> {
    fn upcall(&self, status: u32, arg1: u32, _: u32) {
        self.set(Some(ErrorCode::from_status(status).map(|()| (arg1,))));
    }
}

impl Upcall<AnyId> for Cell<Option<Result<(u32, u32), ErrorCode>>> {
    fn upcall(&self, status: u32, arg1: u32, arg2: u32) {
        self.set(Some(ErrorCode::from_status(status).map(|()| (arg1, arg2))));
    }
}

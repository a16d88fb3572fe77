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
    /// The kernel handed back an upcall that was not null. Does nothing by default.
    fn returned_nonnull_upcall(_driver_num: u32, _subscribe_num: u32) {}
}

/// Share-list element: a slot for one upcall, emptied when the scope ends.
pub struct Subscribe<'share, S: Syscalls, const DRIVER_NUM: u32, const SUBSCRIBE_NUM: u32> {
    _syscalls: PhantomData<S>,
    // Invariant in 'share: the scope must not outlive what it shares, nor be shortened.
    _share: PhantomData<Cell<&'share ()>>,
    used: Cell<bool>,
}

impl<S: Syscalls, const D: u32, const N: u32> Subscribe<'_, S, D, N> {
    /// From here on the slot is revoked when the scope ends.
    pub(crate) fn begin(&self) {
        self.used.set(true);
    }
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

/// A status word as upcalls carry it: what is no error code at all counts as `Fail`.
fn upcall_status(status: u32) -> Result<(), ErrorCode> {
    match status {
        0 => Ok(()),
        code => Err(ErrorCode::try_from(code).unwrap_or(ErrorCode::Fail)),
    }
}

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
        self.set(Some(upcall_status(status)));
    }
}

impl Upcall<AnyId> for Cell<Option<Result<(u32,), ErrorCode>>> {
    fn upcall(&self, status: u32, arg1: u32, _: u32) {
        self.set(Some(upcall_status(status).map(|()| (arg1,))));
    }
}

impl Upcall<AnyId> for Cell<Option<Result<(u32, u32), ErrorCode>>> {
    fn upcall(&self, status: u32, arg1: u32, arg2: u32) {
        self.set(Some(upcall_status(status).map(|()| (arg1, arg2))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a cell holds after one upcall of `words`.
    fn kept<T: Copy>(words: (u32, u32, u32)) -> Option<T>
    where
        Cell<Option<T>>: Upcall<AnyId>,
    {
        let cell = Cell::new(None);
        cell.upcall(words.0, words.1, words.2);
        cell.get()
    }

    #[test]
    fn cells_keep_the_words_that_they_have_room_for() {
        assert_eq!(kept::<()>((1, 2, 3)), Some(()));
        assert_eq!(kept::<(u32,)>((1, 2, 3)), Some((1,)));
        assert_eq!(kept::<(u32, u32)>((1, 2, 3)), Some((1, 2)));
        assert_eq!(kept::<(u32, u32, u32)>((1, 2, 3)), Some((1, 2, 3)));
        type R<T> = Result<T, ErrorCode>;
        assert_eq!(kept::<R<()>>((0, 2, 3)), Some(Ok(())));
        assert_eq!(kept::<R<(u32,)>>((0, 2, 3)), Some(Ok((2,))));
        assert_eq!(kept::<R<(u32, u32)>>((0, 2, 3)), Some(Ok((2, 3))));
        assert_eq!(kept::<R<(u32,)>>((7, 2, 3)), Some(Err(ErrorCode::Size)));
        assert_eq!(kept::<R<()>>((5000, 2, 3)), Some(Err(ErrorCode::Fail)));
    }
}

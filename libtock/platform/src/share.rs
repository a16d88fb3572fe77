//! Sharing memory and upcalls with the kernel for as long as a scope lasts.
//!
//! Owns the proof: a list element lives in [`scope`]'s own frame, is never moved out, and revokes
//! when dropped; `'share` outlives the list (drop check), so nothing shared dies before that.
//! An element that was never asked to share makes no system call when it is dropped; one whose share
//! was refused revokes all the same, as libtock-rs's.
//!
//! What lives longer than the scope may be shared:
//! ```
//! use libtock_platform::{AllowRo, DefaultConfig, ErrorCode, Syscalls, share};
//! fn ok<S: Syscalls>() -> Result<(), ErrorCode> {
//!     let bytes = [1u8, 2, 3];
//!     share::scope::<AllowRo<'_, S, 1, 1>, _, _>(|h| {
//!         S::allow_ro::<DefaultConfig, 1, 1>(h, &bytes)
//!     })
//! }
//! ```
//! What dies inside it may not:
//! ```compile_fail
//! use libtock_platform::{AllowRo, DefaultConfig, ErrorCode, Syscalls, share};
//! fn bad<S: Syscalls>() -> Result<(), ErrorCode> {
//!     share::scope::<AllowRo<'_, S, 1, 1>, _, _>(|h| {
//!         let bytes = [1u8, 2, 3];
//!         S::allow_ro::<DefaultConfig, 1, 1>(h, &bytes)
//!     })
//! }
//! ```
//! Nor may the process touch what the kernel may write:
//! ```compile_fail
//! use libtock_platform::{AllowRw, DefaultConfig, ErrorCode, Syscalls, share};
//! fn bad<S: Syscalls>() -> Result<(), ErrorCode> {
//!     let mut bytes = [1u8, 2, 3];
//!     share::scope::<AllowRw<'_, S, 1, 1>, _, _>(|h| {
//!         S::allow_rw::<DefaultConfig, 1, 1>(h, &mut bytes)?;
//!         bytes[0] = 4;
//!         S::yield_wait();
//!         Ok(())
//!     })
//! }
//! ```
//! Nor may a handle leave its scope:
//! ```compile_fail
//! use libtock_platform::{AllowRo, DefaultConfig, Syscalls, share};
//! fn bad<S: Syscalls>() {
//!     let handle = share::scope::<AllowRo<'_, S, 1, 1>, _, _>(|h| h);
//! }
//! ```

/// A share-list element or a tuple of up to twelve lists.
pub trait List: Default {}

/// Names an element of a list that is in scope.
pub struct Handle<'handle, L: List> {
    list: &'handle L,
}

impl<L: List> Clone for Handle<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: List> Copy for Handle<'_, L> {}

/// Runs `f` with a handle to a fresh list; revokes everything shared through it afterwards.
pub fn scope<L: List, Output, F>(f: F) -> Output
where
    F: FnOnce(Handle<'_, L>) -> Output,
{
    let list = L::default();
    f(Handle { list: &list })
}

/// A list whose handle comes apart into handles of its elements: every tuple. Call
/// [`Handle::split`].
pub trait SplittableHandle<'handle>: List {
    /// One handle for each element.
    type SplitHandles;

    /// See [`Handle::split`].
    fn split(handle: Handle<'handle, Self>) -> Self::SplitHandles;
}

impl<'handle, L: List> Handle<'handle, L> {
    pub(crate) fn list(self) -> &'handle L {
        self.list
    }

    /// One handle for each element.
    pub fn split(self) -> L::SplitHandles
    where
        L: SplittableHandle<'handle>,
    {
        L::split(self)
    }
}

impl List for () {}

impl<'handle> SplittableHandle<'handle> for () {
    type SplitHandles = ();

    fn split(_: Handle<'handle, ()>) {}
}

macro_rules! tuples {
    ($($list:ident $index:tt),+) => {
        impl<$($list: List),+> List for ($($list,)+) {}

        impl<'handle, $($list: List + 'handle),+> SplittableHandle<'handle> for ($($list,)+) {
            type SplitHandles = ($(Handle<'handle, $list>,)+);

            fn split(handle: Handle<'handle, Self>) -> Self::SplitHandles {
                ($(Handle { list: &handle.list.$index },)+)
            }
        }
    };
}
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    std::thread_local! {
        static DROPPED: RefCell<std::vec::Vec<u32>> = const { RefCell::new(std::vec::Vec::new()) };
    }

    #[derive(Default)]
    struct Noted<const N: u32>;

    impl<const N: u32> Drop for Noted<N> {
        fn drop(&mut self) {
            DROPPED.with_borrow_mut(|d| d.push(N));
        }
    }

    impl<const N: u32> List for Noted<N> {}

    #[test]
    fn lists_nest_and_their_elements_go_when_the_scope_ends() {
        type Nested = (Noted<1>, (Noted<2>, ()), Noted<3>);
        let kept = scope(|list: Handle<'_, Nested>| {
            let (_one, pair, _three) = list.split();
            let (_two, empty) = pair.split();
            empty.split();
            assert!(DROPPED.with_borrow(std::vec::Vec::is_empty));
            7
        });
        assert_eq!((kept, DROPPED.take()), (7, std::vec![1, 2, 3]));
    }
}

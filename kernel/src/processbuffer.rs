//! Memory that a process shares with a driver.
//!
//! Owns the way from (address, length, process) to bytes. A buffer grants nothing while the kernel
//! holds it: `enter` finds the process alive first, and then shows cells, because the process may
//! alias its buffers and nothing here assumes otherwise. Who makes a buffer has checked that the
//! range is the process's own (`Process::build_*_process_buffer`).

use crate::capabilities::ExternalProcessCapability;
use crate::process::Error;
use crate::{ErrorCode, ProcessId};
use core::cell::Cell;
use core::marker::PhantomData;
use core::ops::{Deref, Index, Range, RangeFrom, RangeTo};

/// A buffer that can be read.
///
/// # Safety
/// An implementation enters only memory of a living process.
pub unsafe trait ReadableProcessBuffer {
    /// Bytes; 0 when the process is gone.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Address; null when the process is gone.
    fn ptr(&self) -> *const u8;
    /// Calls `fun` with the bytes.
    ///
    /// # Errors
    /// `NoSuchApp` when the process is gone.
    fn enter<F, R>(&self, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&ReadableProcessSlice) -> R;
}

/// A buffer that can be written.
///
/// # Safety
/// As [`ReadableProcessBuffer`], for memory that the process may write.
pub unsafe trait WriteableProcessBuffer: ReadableProcessBuffer {
    /// Address; null when the process is gone.
    fn mut_ptr(&self) -> *mut u8 {
        self.ptr().cast_mut()
    }
    /// Calls `fun` with the bytes.
    ///
    /// # Errors
    /// `NoSuchApp` when the process is gone.
    fn mut_enter<F, R>(&self, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&WriteableProcessSlice) -> R;
}

/// The bytes behind (`ptr`, `len`).
///
/// # Safety
/// For `len > 0` the range is memory of a living process and stays so during `'a`.
unsafe fn cells<'a>(ptr: *const u8, len: usize) -> &'a [Cell<u8>] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller vouches for the range; `Cell<u8>` has a byte's layout and allows aliasing.
    unsafe { core::slice::from_raw_parts(ptr.cast(), len) }
}

fn alive(process_id: Option<ProcessId>) -> bool {
    process_id.is_some_and(|id| id.is_alive())
}

macro_rules! buffer {
    ($(#[$doc:meta])* $name:ident, $refname:ident, $ptr:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            ptr: $ptr,
            len: usize,
            process_id: Option<ProcessId>,
        }

        impl $name {
            /// # Safety
            /// Unless `len` is 0, the range is memory that this process may access in the way this
            /// type offers, for as long as it lives.
            pub(crate) unsafe fn new(ptr: $ptr, len: usize, process_id: ProcessId) -> Self {
                Self {
                    ptr,
                    len,
                    process_id: Some(process_id),
                }
            }

            /// For process types outside the kernel crate.
            ///
            /// # Safety
            /// Unless `len` is 0, the range is memory that this process may access in the way this
            /// type offers, for as long as it lives.
            pub unsafe fn new_external(
                ptr: $ptr,
                len: usize,
                process_id: ProcessId,
                _cap: &dyn ExternalProcessCapability,
            ) -> Self {
                // SAFETY: the same contract.
                unsafe { Self::new(ptr, len, process_id) }
            }

            /// Address and length as the process gave them.
            pub(crate) fn consume(self) -> ($ptr, usize) {
                (self.ptr, self.len)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    ptr: core::ptr::null_mut(),
                    len: 0,
                    process_id: None,
                }
            }
        }

        // SAFETY: `enter` finds the process alive first; who made the buffer checked the range.
        unsafe impl ReadableProcessBuffer for $name {
            fn len(&self) -> usize {
                if alive(self.process_id) { self.len } else { 0 }
            }
            fn ptr(&self) -> *const u8 {
                if alive(self.process_id) && self.len > 0 {
                    self.ptr.cast()
                } else {
                    core::ptr::null()
                }
            }
            fn enter<F, R>(&self, fun: F) -> Result<R, Error>
            where
                F: FnOnce(&ReadableProcessSlice) -> R,
            {
                if !alive(self.process_id) {
                    return Err(Error::NoSuchApp);
                }
                // SAFETY: the process lives, and `new` demanded that the range is its own.
                let cells = unsafe { cells(self.ptr.cast(), self.len) };
                Ok(fun(ReadableProcessSlice::wrap(cells)))
            }
        }

        /// The same, borrowed from a grant: it cannot outlive the closure that entered the grant.
        #[derive(Debug)]
        pub struct $refname<'a> {
            buf: $name,
            _phantom: PhantomData<&'a ()>,
        }

        impl $refname<'_> {
            /// # Safety
            /// As the owned buffer's.
            pub(crate) unsafe fn new(ptr: $ptr, len: usize, process_id: ProcessId) -> Self {
                Self {
                    // SAFETY: the same contract.
                    buf: unsafe { $name::new(ptr, len, process_id) },
                    _phantom: PhantomData,
                }
            }
        }

        impl Deref for $refname<'_> {
            type Target = $name;
            fn deref(&self) -> &$name {
                &self.buf
            }
        }
    };
}

buffer!(
    /// Shared by Read-Only Allow.
    ReadOnlyProcessBuffer,
    ReadOnlyProcessBufferRef,
    *const u8
);
buffer!(
    /// Shared by Read-Write Allow or Userspace-Readable Allow.
    ReadWriteProcessBuffer,
    ReadWriteProcessBufferRef,
    *mut u8
);

impl ReadWriteProcessBuffer {
    /// An empty one, in constants.
    pub const fn const_default() -> Self {
        Self {
            ptr: core::ptr::null_mut(),
            len: 0,
            process_id: None,
        }
    }
}

// SAFETY: as for reading; a read-write buffer's range is the process's own RAM.
unsafe impl WriteableProcessBuffer for ReadWriteProcessBuffer {
    fn mut_enter<F, R>(&self, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&WriteableProcessSlice) -> R,
    {
        if !alive(self.process_id) {
            return Err(Error::NoSuchApp);
        }
        // SAFETY: the process lives, and `new` demanded that the range is its own.
        let cells = unsafe { cells(self.ptr, self.len) };
        Ok(fun(WriteableProcessSlice::wrap(cells)))
    }
}

/// Shared by Userspace-Readable Allow.
pub type UserspaceReadableProcessBuffer = ReadWriteProcessBuffer;

/// A byte that the kernel may only read.
#[repr(transparent)]
pub struct ReadableProcessByte {
    cell: Cell<u8>,
}

impl ReadableProcessByte {
    /// Its value now.
    pub fn get(&self) -> u8 {
        self.cell.get()
    }
}

/// Bytes of a process that the kernel may read.
#[repr(transparent)]
pub struct ReadableProcessSlice {
    slice: [ReadableProcessByte],
}

/// Bytes of a process that the kernel may read and write.
#[repr(transparent)]
pub struct WriteableProcessSlice {
    slice: [Cell<u8>],
}

impl ReadableProcessSlice {
    fn wrap(cells: &[Cell<u8>]) -> &ReadableProcessSlice {
        // SAFETY: both are transparent around a slice of transparent bytes.
        unsafe { &*(core::ptr::from_ref(cells) as *const ReadableProcessSlice) }
    }
    fn wrap_bytes(bytes: &[ReadableProcessByte]) -> &ReadableProcessSlice {
        // SAFETY: transparent around just this slice.
        unsafe { &*(core::ptr::from_ref(bytes) as *const ReadableProcessSlice) }
    }
    /// The bytes.
    pub fn iter(&self) -> core::slice::Iter<'_, ReadableProcessByte> {
        self.slice.iter()
    }
    /// Pieces of `chunk_len` bytes, the last one maybe shorter.
    pub fn chunks(&self, chunk_len: usize) -> impl Iterator<Item = &ReadableProcessSlice> {
        self.slice.chunks(chunk_len).map(Self::wrap_bytes)
    }
    /// Copies all of it.
    ///
    /// # Panics
    /// When the lengths differ; use the other form.
    pub fn copy_to_slice(&self, dest: &mut [u8]) {
        assert!(self.copy_to_slice_or_err(dest).is_ok(), "lengths differ");
    }
    /// Copies all of it.
    ///
    /// # Errors
    /// `SIZE` when the lengths differ.
    pub fn copy_to_slice_or_err(&self, dest: &mut [u8]) -> Result<(), ErrorCode> {
        if self.slice.len() != dest.len() {
            return Err(ErrorCode::SIZE);
        }
        for (d, s) in dest.iter_mut().zip(self.iter()) {
            *d = s.get();
        }
        Ok(())
    }
}

impl WriteableProcessSlice {
    fn wrap(cells: &[Cell<u8>]) -> &WriteableProcessSlice {
        // SAFETY: transparent around just this slice.
        unsafe { &*(core::ptr::from_ref(cells) as *const WriteableProcessSlice) }
    }
    /// The bytes.
    pub fn iter(&self) -> core::slice::Iter<'_, Cell<u8>> {
        self.slice.iter()
    }
    /// Pieces of `chunk_len` bytes, the last one maybe shorter.
    pub fn chunks(&self, chunk_len: usize) -> impl Iterator<Item = &WriteableProcessSlice> {
        self.slice.chunks(chunk_len).map(Self::wrap)
    }
    /// Copies all of it.
    ///
    /// # Panics
    /// When the lengths differ; use the other form.
    pub fn copy_to_slice(&self, dest: &mut [u8]) {
        assert!(self.copy_to_slice_or_err(dest).is_ok(), "lengths differ");
    }
    /// Copies all of it.
    ///
    /// # Errors
    /// `SIZE` when the lengths differ.
    pub fn copy_to_slice_or_err(&self, dest: &mut [u8]) -> Result<(), ErrorCode> {
        ReadableProcessSlice::wrap(&self.slice).copy_to_slice_or_err(dest)
    }
    /// Overwrites all of it.
    ///
    /// # Panics
    /// When the lengths differ; use the other form.
    pub fn copy_from_slice(&self, src: &[u8]) {
        assert!(self.copy_from_slice_or_err(src).is_ok(), "lengths differ");
    }
    /// Overwrites all of it.
    ///
    /// # Errors
    /// `SIZE` when the lengths differ.
    pub fn copy_from_slice_or_err(&self, src: &[u8]) -> Result<(), ErrorCode> {
        if self.slice.len() != src.len() {
            return Err(ErrorCode::SIZE);
        }
        for (d, s) in self.iter().zip(src) {
            d.set(*s);
        }
        Ok(())
    }
}

impl<'a> From<&'a [u8]> for &'a ReadableProcessSlice {
    fn from(val: &'a [u8]) -> Self {
        // SAFETY: a readable byte has a byte's layout and only ever reads it.
        unsafe { &*(core::ptr::from_ref(val) as *const ReadableProcessSlice) }
    }
}
impl<'a> From<&'a mut [u8]> for &'a ReadableProcessSlice {
    fn from(val: &'a mut [u8]) -> Self {
        ReadableProcessSlice::wrap(Cell::from_mut(val).as_slice_of_cells())
    }
}
impl<'a> From<&'a mut [u8]> for &'a WriteableProcessSlice {
    fn from(val: &'a mut [u8]) -> Self {
        WriteableProcessSlice::wrap(Cell::from_mut(val).as_slice_of_cells())
    }
}

/// What `get` and indexing accept.
pub trait ProcessSliceIndex<S: ?Sized> {
    /// What it selects.
    type Output: ?Sized;
    /// Selects.
    fn get(self, slice: &S) -> Option<&Self::Output>;
}

macro_rules! slice_common {
    ($slice:ident, $byte:ty, $wrap:path) => {
        impl $slice {
            /// Bytes.
            pub fn len(&self) -> usize {
                self.slice.len()
            }
            /// Whether there are none.
            pub fn is_empty(&self) -> bool {
                self.slice.is_empty()
            }
            /// A byte or a part, if it is there.
            pub fn get<I: ProcessSliceIndex<Self>>(&self, index: I) -> Option<&I::Output> {
                index.get(self)
            }
            /// Use `get`.
            #[deprecated = "`get` takes every range"]
            pub fn get_from(&self, range: RangeFrom<usize>) -> Option<&$slice> {
                self.get(range)
            }
            /// Use `get`.
            #[deprecated = "`get` takes every range"]
            pub fn get_to(&self, range: RangeTo<usize>) -> Option<&$slice> {
                self.get(range)
            }
        }
        impl ProcessSliceIndex<$slice> for usize {
            type Output = $byte;
            fn get(self, slice: &$slice) -> Option<&$byte> {
                slice.slice.get(self)
            }
        }
        slice_common!(@range $slice, $wrap, Range<usize>);
        slice_common!(@range $slice, $wrap, RangeFrom<usize>);
        slice_common!(@range $slice, $wrap, RangeTo<usize>);
        impl<I: ProcessSliceIndex<$slice>> Index<I> for $slice {
            type Output = I::Output;
            fn index(&self, index: I) -> &I::Output {
                match index.get(self) {
                    Some(v) => v,
                    None => panic!("process slice index"),
                }
            }
        }
    };
    (@range $slice:ident, $wrap:path, $range:ty) => {
        impl ProcessSliceIndex<$slice> for $range {
            type Output = $slice;
            fn get(self, slice: &$slice) -> Option<&$slice> {
                slice.slice.get(self).map($wrap)
            }
        }
    };
}

slice_common!(
    ReadableProcessSlice,
    ReadableProcessByte,
    ReadableProcessSlice::wrap_bytes
);
slice_common!(WriteableProcessSlice, Cell<u8>, WriteableProcessSlice::wrap);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_select_and_copy_without_reaching_outside() {
        let mut bytes = [1u8, 2, 3, 4, 5];
        let s: &WriteableProcessSlice = (&mut bytes[..]).into();
        assert_eq!(s.get(1..3).map(|p| p.len()), Some(2));
        assert!(s.get(4..6).is_none());
        assert!(s.get(6..).is_none());
        assert!(s.get(5).is_none());
        assert_eq!(s.copy_from_slice_or_err(&[0; 4]), Err(ErrorCode::SIZE));
        s[1..3].copy_from_slice(&[9, 8]);
        let mut out = [0; 5];
        s.copy_to_slice(&mut out);
        assert_eq!(out, [1, 9, 8, 4, 5]);
        assert_eq!(s.chunks(2).map(|c| c.len()).collect::<Vec<_>>(), [2, 2, 1]);
    }

    #[test]
    fn a_buffer_without_a_process_is_empty_and_cannot_be_entered() {
        let b = ReadWriteProcessBuffer::default();
        assert_eq!(b.len(), 0);
        assert!(b.ptr().is_null());
        assert_eq!(b.mut_enter(|_| ()), Err(Error::NoSuchApp));
    }
}

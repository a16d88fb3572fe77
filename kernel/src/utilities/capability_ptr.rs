//! A pointer that userspace gave us; holding one proves nothing about it.

use core::fmt;
use core::ops::AddAssign;

/// What a pointer lets its holder do, where the architecture enforces that; a note elsewhere.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CapabilityPtrPermissions {
    None,
    Read,
    Write,
    ReadWrite,
    Execute,
}

/// An address from userspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct CapabilityPtr {
    ptr: *const (),
}

impl CapabilityPtr {
    /// A pointer to `ptr` within `[base, base + length)`. No bounds are kept here: the MPU has them.
    ///
    /// # Safety
    /// The holder may use it as `perms` says.
    pub unsafe fn new_with_authority(
        ptr: *const (),
        _base: usize,
        _length: usize,
        _perms: CapabilityPtrPermissions,
    ) -> Self {
        CapabilityPtr { ptr }
    }

    /// As a typed pointer.
    pub fn as_ptr<T>(self) -> *const T {
        self.ptr.cast()
    }

    /// The address.
    pub fn addr(self) -> usize {
        self.ptr.addr()
    }

    /// Whether it is address 0.
    pub fn is_null(self) -> bool {
        self.ptr.is_null()
    }

    /// `f(self)`, or `default` when null.
    pub fn map_or<U, F: FnOnce(&Self) -> U>(&self, default: U, f: F) -> U {
        if self.is_null() { default } else { f(self) }
    }

    /// `f(self)`, or what `default` makes when null.
    pub fn map_or_else<U, D: FnOnce() -> U, F: FnOnce(&Self) -> U>(&self, default: D, f: F) -> U {
        if self.is_null() { default() } else { f(self) }
    }
}

impl From<usize> for CapabilityPtr {
    fn from(addr: usize) -> Self {
        CapabilityPtr {
            ptr: core::ptr::with_exposed_provenance(addr),
        }
    }
}

impl<T> From<*const T> for CapabilityPtr {
    fn from(ptr: *const T) -> Self {
        CapabilityPtr { ptr: ptr.cast() }
    }
}

impl From<CapabilityPtr> for usize {
    fn from(p: CapabilityPtr) -> usize {
        p.addr()
    }
}

impl AddAssign<usize> for CapabilityPtr {
    fn add_assign(&mut self, bytes: usize) {
        self.ptr = self.ptr.wrapping_byte_add(bytes);
    }
}

impl fmt::LowerHex for CapabilityPtr {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::LowerHex::fmt(&self.addr(), f)
    }
}

impl fmt::UpperHex for CapabilityPtr {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::UpperHex::fmt(&self.addr(), f)
    }
}

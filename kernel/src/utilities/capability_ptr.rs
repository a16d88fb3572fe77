//! A pointer that userspace gave us; holding one proves nothing about it.

/// An address from userspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct CapabilityPtr {
    ptr: *const (),
}

impl Default for CapabilityPtr {
    fn default() -> Self {
        CapabilityPtr {
            ptr: core::ptr::null(),
        }
    }
}

impl CapabilityPtr {
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

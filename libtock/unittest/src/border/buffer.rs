//! Buffers that the process lent to a fake driver.
//!
//! Owns the two buffer types. Dropping one, or handing it back through a swap, ends the share.

use libtock_platform::Register;

/// A read-only share.
#[derive(Debug)]
pub struct RoAllowBuffer {
    pub(crate) address: Register,
    pub(crate) len: usize,
}

/// A read-write share.
#[derive(Debug)]
pub struct RwAllowBuffer {
    pub(crate) address: Register,
    pub(crate) len: usize,
}

impl Default for RoAllowBuffer {
    fn default() -> Self {
        RoAllowBuffer {
            address: 0u32.into(),
            len: 0,
        }
    }
}

impl Default for RwAllowBuffer {
    fn default() -> Self {
        RwAllowBuffer {
            address: 0u32.into(),
            len: 0,
        }
    }
}

impl AsRef<[u8]> for RoAllowBuffer {
    fn as_ref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the process lent these bytes and has not taken them back (it would hold this
        // value again); it only reads them meanwhile.
        unsafe { core::slice::from_raw_parts(<*mut u8>::from(self.address), self.len) }
    }
}

impl AsRef<[u8]> for RwAllowBuffer {
    fn as_ref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: as below; shared.
        unsafe { core::slice::from_raw_parts(<*mut u8>::from(self.address), self.len) }
    }
}

impl AsMut<[u8]> for RwAllowBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the process lent these bytes for writing and has not taken them back; nobody
        // else reaches them (overlapping writable shares are refused).
        unsafe { core::slice::from_raw_parts_mut(<*mut u8>::from(self.address), self.len) }
    }
}

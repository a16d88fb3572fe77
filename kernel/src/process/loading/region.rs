//! A stretch of flash, and the scan for binaries in it.
//!
//! Owns the rule of what follows what (`reference/tock.md` §2.4); not which binary becomes a process.

use super::*;

/// A stretch of memory-mapped flash with binaries. Holds no reference to its bytes, since they may
/// be written: a slice is made each time that something is looked at.
#[derive(Clone, Copy)]
pub struct FlashRegion {
    base: *const u8,
    len: usize,
    stride: usize,
}

impl FlashRegion {
    /// Of `len` bytes at `base`. Where the list ends, look again at the next multiple of `stride`
    /// bytes; 0: do not.
    ///
    /// # Safety
    /// Readable for ever, and written only by [`crate::dynamic_binary_storage`], which writes to no
    /// object that a process is made of, and only while no binary is being loaded from it; and where
    /// [`Process::may_write_flash`] allows it, after all binaries were loaded.
    pub const unsafe fn new(base: *const u8, len: usize, stride: usize) -> Self {
        FlashRegion { base, len, stride }
    }

    /// Of flash that nobody writes.
    pub const fn read_only(flash: &'static [u8], stride: usize) -> Self {
        FlashRegion {
            base: flash.as_ptr(),
            len: flash.len(),
            stride,
        }
    }

    /// Its bytes as they are now; not to be kept over a write.
    pub(crate) fn bytes(&self) -> &'static [u8] {
        // SAFETY: readable for ever, and nobody writes while the slice is used (`new`).
        unsafe { core::slice::from_raw_parts(self.base, self.len) }
    }

    pub(crate) fn base_address(&self) -> usize {
        self.base.addr()
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The bytes `address .. address + len`, if they lie here.
    pub(crate) fn view(&self, address: usize, len: usize) -> Option<&'static [u8]> {
        let start = address.checked_sub(self.base.addr())?;
        self.bytes().get(start..start.checked_add(len)?)
    }
}

/// What a scan finds next.
pub(super) enum Found {
    /// The region's end.
    End,
    /// Something that is no usable binary; go on at the offset.
    Bad(usize, ProcessBinaryError),
    /// A binary; go on at the offset.
    Binary(usize, ProcessBinary),
}

/// Looks at `offset`. Every answer but `End` moves on, so that a scan ends.
pub(super) fn scan(region: &FlashRegion, offset: usize) -> Found {
    let end_of_list = || {
        // Rows of a pool: a gap, or a size that lies, hides only what is before the next row.
        let next = offset.checked_add(1).and_then(|o| {
            (region.stride > 0).then(|| o.checked_next_multiple_of(region.stride))?
        });
        match next {
            Some(n) if n < region.len => Found::Bad(n, ProcessBinaryError::TbfHeaderNotFound),
            _ => Found::End,
        }
    };
    let Some(rest) = region.bytes().get(offset..) else {
        return Found::End;
    };
    let Some(start) = rest.first_chunk::<8>() else {
        return Found::End;
    };
    let (version, header_size, total_size) = match tock_tbf::parse::parse_tbf_header_lengths(start)
    {
        Ok(lengths) => lengths,
        Err(InitialTbfParseError::UnableToParse) => return end_of_list(),
        Err(InitialTbfParseError::InvalidHeader(size)) => {
            return match offset.checked_add(size as usize) {
                Some(next) if next < region.len => Found::Bad(
                    next,
                    ProcessBinaryError::TbfHeaderParseFailure(
                        tock_tbf::types::TbfParseError::InternalError,
                    ),
                ),
                _ => end_of_list(),
            };
        }
    };
    let Some(flash) = rest.get(..total_size as usize) else {
        // Padding of a list that goes on in the next region.
        let header = rest.get(..BASE_HEADER).unwrap_or(&[]);
        if usize::from(header_size) == BASE_HEADER
            && tock_tbf::parse::parse_tbf_header(header, version).is_ok()
        {
            return Found::Bad(region.len, ProcessBinaryError::Padding);
        }
        let next = match end_of_list() {
            Found::Bad(next, _) => next,
            _ => region.len,
        };
        return Found::Bad(next, ProcessBinaryError::NotEnoughFlash);
    };
    let next = offset + flash.len();
    match ProcessBinary::create(flash, usize::from(header_size), version) {
        Ok(binary) => Found::Binary(next, binary),
        Err(e) => Found::Bad(next, e),
    }
}

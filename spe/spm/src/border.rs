//! The border: what a caller of the other world alleges, and what is left of it once checked.
//!
//! Owns the vector checks of a `psa_call` and their order (TF-M, `reference/tfm.md` §A.4 6–9).
//! Does not own the range check itself: only the board knows the attribution units.
//!
//! Invariants: a descriptor is copied once and never read again; nothing is served before every
//! vector has passed; arithmetic on alleged addresses cannot wrap.

use crate::message::{Input, Output};
#[cfg(feature = "weakened")]
use crate::weakened::{Defence, off};
use core::cell::Cell;
use psa_interface::Status;
use psa_interface::service::MAX_IOVEC;

/// What a caller must be allowed to do with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}

/// The range check of a board.
pub trait Border {
    /// The bytes of `[base, base + len)` when all of them are memory that the calling world may
    /// access so, and not a byte of it is secure; `None` otherwise, and whenever the range wraps.
    /// `len` is not 0.
    fn cells(&self, base: u32, len: u32, access: Access) -> Option<&[Cell<u8>]>;

    /// The bytes of a range that nobody has looked at, for `Defence::CopyOnce` turned off.
    #[cfg(feature = "weakened")]
    fn unchecked(&self, _base: u32, _len: u32) -> Option<&[Cell<u8>]> {
        None
    }
}

/// `psa_invec` or `psa_outvec` as alleged: 8 bytes, base then length.
#[derive(Debug, Clone, Copy, Default)]
struct Descriptor {
    base: u32,
    len: u32,
}

impl Descriptor {
    const SIZE: u32 = 8;

    /// First address past the range, or `None` when it wraps.
    fn end(self) -> Option<u32> {
        self.base.checked_add(self.len)
    }

    /// TF-M's rule: an empty range strictly inside another one overlaps it too.
    fn overlaps(self, other: Descriptor) -> bool {
        match (self.end(), other.end()) {
            (Some(end), Some(other_end)) => self.base < other_end && other.base < end,
            _ => true,
        }
    }
}

/// An array of descriptors, copied.
#[derive(Debug, Clone, Copy, Default)]
struct Descriptors {
    all: [Descriptor; MAX_IOVEC],
    count: usize,
}

impl Descriptors {
    fn copy_from(cells: &[Cell<u8>]) -> Self {
        let mut bytes = [0u8; MAX_IOVEC * Descriptor::SIZE as usize];
        crate::copy::from_cells(cells, &mut bytes);
        let mut all = [Descriptor::default(); MAX_IOVEC];
        for (d, b) in all.iter_mut().zip(bytes.chunks_exact(8)) {
            if let [b0, b1, b2, b3, l0, l1, l2, l3] = *b {
                d.base = u32::from_le_bytes([b0, b1, b2, b3]);
                d.len = u32::from_le_bytes([l0, l1, l2, l3]);
            }
        }
        Descriptors {
            all,
            count: cells.len() / Descriptor::SIZE as usize,
        }
    }

    fn used(&self) -> &[Descriptor] {
        self.all.get(..self.count).unwrap_or(&[])
    }
}

/// The vectors of one call after every check.
pub(crate) struct Vectors<'b> {
    inputs: [Input<'b>; MAX_IOVEC],
    /// Inputs up to the last that is not empty.
    pub(crate) input_count: usize,
    pub(crate) outputs: [Output<'b>; MAX_IOVEC],
    /// Outputs up to the last that is not empty.
    pub(crate) output_count: usize,
    out_array: Option<&'b [Cell<u8>]>,
}

impl<'b> Vectors<'b> {
    /// Checks and copies descriptors, then checks what they name. The counts together are at
    /// most four.
    ///
    /// # Errors
    /// PROGRAMMER_ERROR, whatever the fault.
    pub(crate) fn admit(
        border: &'b impl Border,
        in_vec: (u32, u8),
        out_vec: (u32, u8),
    ) -> Result<Self, Status> {
        let refused = Status::PROGRAMMER_ERROR;
        let array = |(base, count): (u32, u8), access| match u32::from(count) * Descriptor::SIZE {
            0 => Ok(None),
            size => border.cells(base, size, access).map(Some).ok_or(refused),
        };
        let in_array = array(in_vec, Access::Read)?;
        let out_array = array(out_vec, Access::ReadWrite)?;
        let ins = in_array.map(Descriptors::copy_from).unwrap_or_default();
        let outs = out_array.map(Descriptors::copy_from).unwrap_or_default();

        let mut vectors = Vectors {
            inputs: [Input::own(&[]); MAX_IOVEC],
            input_count: 0,
            outputs: [const { Output::none() }; MAX_IOVEC],
            output_count: 0,
            out_array,
        };
        for (i, (d, input)) in ins.used().iter().zip(&mut vectors.inputs).enumerate() {
            if d.len != 0 {
                d.end().ok_or(refused)?;
                let cells = border.cells(d.base, d.len, Access::Read).ok_or(refused)?;
                *input = Input::foreign(cells);
                vectors.input_count = i + 1;
            }
        }
        for (i, (d, output)) in outs.used().iter().zip(&mut vectors.outputs).enumerate() {
            if d.len != 0 {
                d.end().ok_or(refused)?;
                let cells = border
                    .cells(d.base, d.len, Access::ReadWrite)
                    .ok_or(refused)?;
                *output = Output::foreign(cells);
                vectors.output_count = i + 1;
            }
        }
        for (i, a) in ins.used().iter().enumerate() {
            if ins.used().iter().skip(i + 1).any(|b| a.overlaps(*b)) {
                return Err(refused);
            }
        }
        #[cfg(feature = "weakened")]
        if off(Defence::CopyOnce) {
            vectors.fetch_again(border, in_array);
        }
        Ok(vectors)
    }

    /// What a border does that keeps pointers to descriptors instead of copies.
    #[cfg(feature = "weakened")]
    fn fetch_again(&mut self, border: &'b impl Border, in_array: Option<&[Cell<u8>]>) {
        let ins = in_array.map(Descriptors::copy_from).unwrap_or_default();
        for (d, input) in ins.used().iter().zip(&mut self.inputs) {
            if let Some(cells) = border.unchecked(d.base, d.len) {
                *input = Input::foreign(cells);
            }
        }
    }

    /// Inputs (trailing empty ones are absent) and outputs (likewise).
    pub(crate) fn split(&mut self) -> (&[Input<'b>], &mut [Output<'b>]) {
        (
            self.inputs.get(..self.input_count).unwrap_or(&[]),
            self.outputs.get_mut(..self.output_count).unwrap_or(&mut []),
        )
    }

    /// Tells the caller how much was written: the length of each output that was not empty.
    pub(crate) fn report_lengths(&self) {
        let Some(array) = self.out_array else { return };
        for (output, descriptor) in self.outputs.iter().zip(array.chunks_exact(8)) {
            if output.capacity() != 0
                && let Some(len) = descriptor.get(4..)
            {
                crate::copy::to_cells(&(output.written() as u32).to_le_bytes(), len);
            }
        }
    }
}

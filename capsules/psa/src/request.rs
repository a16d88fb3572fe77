//! A call as a process asks for it, and the vectors it is made of.
//!
//! Owns the decoding of the command's arguments, what the kernel looks at before a call (always a
//! copy: the process's memory is read once for it), and the walk that turns allowed buffers into
//! vectors. A buffer goes to the secure side where it lies; only in_vec 0 of crypto, whose fields
//! decide policy, goes from the kernel's copy.

use kernel::ErrorCode;
use kernel::grant::GrantKernelData;
use kernel::process::Error;
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use psa_interface::service::MAX_IOVEC;
use psa_interface::{CryptoIovec, KeyAttributes};
use tfm_psa_driver::{InVec, OutVec};

/// Service, request type and counts of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Static handle.
    pub handle: u32,
    /// Request type, not negative.
    pub call_type: i16,
    /// Input vectors.
    pub in_len: usize,
    /// Output vectors; at most four with the inputs.
    pub out_len: usize,
}

impl Shape {
    /// From a command's arguments: type, and `in_len | out_len << 8`.
    pub fn parse(handle: u32, call_type: usize, counts: usize) -> Option<Self> {
        let (in_len, out_len) = (counts & 0xFF, counts >> 8);
        if out_len > MAX_IOVEC || in_len + out_len > MAX_IOVEC {
            return None;
        }
        Some(Shape {
            handle,
            call_type: i16::try_from(call_type).ok()?,
            in_len,
            out_len,
        })
    }
}

/// What the kernel knows of a crypto call before it is made.
#[derive(Debug)]
pub struct Request {
    /// in_vec 0, the kernel's copy: what the secure side is given.
    pub iovec: [u8; CryptoIovec::SIZE],
    /// Bytes of all vectors together.
    pub total: usize,
}

impl Request {
    /// Nothing read.
    pub const fn new() -> Self {
        Request {
            iovec: [0; CryptoIovec::SIZE],
            total: 0,
        }
    }

    /// Reads the buffers behind `shape`. INVAL when in_vec 0 is no crypto iovec.
    pub fn read(&mut self, shape: Shape, kernel_data: &GrantKernelData) -> Result<(), ErrorCode> {
        let first = kernel_data.get_readonly_processbuffer(0)?;
        if shape.in_len == 0 || first.len() != self.iovec.len() {
            return Err(ErrorCode::INVAL);
        }
        first
            .enter(|data| data.copy_to_slice_or_err(&mut self.iovec))?
            .map_err(|_| ErrorCode::INVAL)?;
        for i in 0..shape.in_len {
            let length = kernel_data.get_readonly_processbuffer(i)?.len();
            self.total = self.total.saturating_add(length);
        }
        for i in 0..shape.out_len {
            let length = kernel_data.get_readwrite_processbuffer(i)?.len();
            self.total = self.total.saturating_add(length);
        }
        Ok(())
    }
}

/// Key attributes in in_vec 1, if it has their size.
pub fn attributes(kernel_data: &GrantKernelData) -> Option<KeyAttributes> {
    let buffer = kernel_data.get_readonly_processbuffer(1).ok()?;
    let mut bytes = [0; KeyAttributes::SIZE];
    buffer
        .enter(|data| data.copy_to_slice_or_err(&mut bytes).ok())
        .ok()??;
    Some(KeyAttributes::decode(&bytes))
}

/// Makes the vectors of `shape`, the first input vectors from `own` if given, and hands them to `call`.
pub fn with_vectors(
    shape: Shape,
    own: [Option<&[u8]>; 2],
    kernel_data: &GrantKernelData,
    call: &mut dyn FnMut(&[InVec<'_>], &mut [OutVec<'_>]),
) -> Result<(), Error> {
    let vectors = [InVec::EMPTY; MAX_IOVEC];
    inputs(kernel_data, own, 0, shape.in_len, &vectors, &mut |ins| {
        let mut vectors = [const { OutVec::EMPTY }; MAX_IOVEC];
        outputs(kernel_data, 0, shape.out_len, &mut vectors, &mut |outs| {
            call(ins, outs)
        })
    })
}

// One level of recursion a vector, at most four: a buffer's slice lives only inside its `enter`.
fn inputs(
    kernel_data: &GrantKernelData,
    own_vectors: [Option<&[u8]>; 2],
    i: usize,
    n: usize,
    vectors: &[InVec<'_>; MAX_IOVEC],
    then: &mut dyn FnMut(&[InVec<'_>]) -> Result<(), Error>,
) -> Result<(), Error> {
    if i >= n {
        return then(vectors.get(..n).unwrap_or(&[]));
    }
    let mut vectors = *vectors;
    if let (Some(Some(own)), Some(vector)) = (own_vectors.get(i), vectors.get_mut(i)) {
        *vector = InVec::new(own);
        return inputs(kernel_data, own_vectors, i + 1, n, &vectors, then);
    }
    kernel_data.get_readonly_processbuffer(i)?.enter(|data| {
        let mut vectors = vectors;
        if let Some(vector) = vectors.get_mut(i) {
            *vector = InVec::new(data.iter().as_slice());
        }
        inputs(kernel_data, own_vectors, i + 1, n, &vectors, then)
    })?
}

fn outputs(
    kernel_data: &GrantKernelData,
    i: usize,
    n: usize,
    vectors: &mut [OutVec<'_>; MAX_IOVEC],
    then: &mut dyn FnMut(&mut [OutVec<'_>]),
) -> Result<(), Error> {
    if i >= n {
        then(vectors.get_mut(..n).unwrap_or(&mut []));
        return Ok(());
    }
    kernel_data
        .get_readwrite_processbuffer(i)?
        .mut_enter(|data| {
            let mut vectors = vectors.each_mut().map(OutVec::reborrow);
            if let Some(vector) = vectors.get_mut(i) {
                *vector = OutVec::new(data.iter().as_slice());
            }
            outputs(kernel_data, i + 1, n, &mut vectors, then)
        })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_bounded() {
        let shape = |t, c| Shape::parse(1, t, c).map(|s| (s.call_type, s.in_len, s.out_len));
        assert_eq!(shape(1001, 3 | 1 << 8), Some((1001, 3, 1)));
        assert_eq!(shape(0x7FFF, 0), Some((0x7FFF, 0, 0)));
        assert_eq!(shape(0x8000, 0), None);
        assert_eq!(shape(usize::MAX, 0), None);
        assert_eq!(shape(0, 5), None);
        assert_eq!(shape(0, 5 << 8), None);
        assert_eq!(shape(0, 3 | 2 << 8), None);
        assert_eq!(shape(0, 1 << 16), None);
        assert_eq!(shape(0, usize::MAX), None);
    }
}

//! A call as a process asks for it, and the vectors it is made of.
//!
//! Owns the decoding of the command's arguments, what the kernel looks at before a call (always a
//! copy: the process's memory is read once for it), and the walk that turns allowed buffers into
//! vectors. A buffer goes to the secure side where it lies; only in_vec 0 of crypto, whose fields
//! decide policy, goes from the kernel's copy.

use kernel::ErrorCode;
use kernel::grant::GrantKernelData;
use kernel::process::Error;
use kernel::processbuffer::{ReadableProcessBuffer, ReadableProcessSlice, WriteableProcessBuffer};
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

/// What the kernel knows of a call before it is made.
#[derive(Debug)]
pub struct Request {
    /// Its shape.
    pub shape: Shape,
    /// Length of each in_vec, bytes.
    pub in_lengths: [usize; MAX_IOVEC],
    /// Bytes of all vectors together.
    pub total: usize,
    /// in_vec 0, when it has the size of a crypto iovec.
    pub iovec: Option<[u8; CryptoIovec::SIZE]>,
    /// in_vec 1, when it has the size of key attributes.
    pub attributes: Option<KeyAttributes>,
}

impl Request {
    /// Reads the buffers behind `shape`. RESERVE when there are inputs, but no first one.
    pub fn read(shape: Shape, kernel_data: &GrantKernelData) -> Result<Self, ErrorCode> {
        let mut request = Request {
            shape,
            in_lengths: [0; MAX_IOVEC],
            total: 0,
            iovec: None,
            attributes: None,
        };
        for i in 0..shape.in_len {
            let buffer = kernel_data.get_readonly_processbuffer(i)?;
            let length = buffer.len();
            if let Some(to) = request.in_lengths.get_mut(i) {
                *to = length;
            }
            request.total = request.total.saturating_add(length);
            match i {
                0 if length == 0 => return Err(ErrorCode::RESERVE),
                0 => request.iovec = buffer.enter(copy)?,
                1 => {
                    request.attributes = buffer
                        .enter(copy)?
                        .map(|bytes| KeyAttributes::decode(&bytes));
                }
                _ => {}
            }
        }
        for i in 0..shape.out_len {
            let length = kernel_data.get_readwrite_processbuffer(i)?.len();
            request.total = request.total.saturating_add(length);
        }
        Ok(request)
    }

    /// Makes the vectors, in_vec 0 from `own` if given, and hands them to `call`.
    pub fn with_vectors(
        &self,
        own: Option<&[u8]>,
        kernel_data: &GrantKernelData,
        call: &mut dyn FnMut(&[InVec<'_>], &mut [OutVec<'_>]),
    ) -> Result<(), Error> {
        let (in_len, out_len) = (self.shape.in_len, self.shape.out_len);
        let mut vectors = [InVec::EMPTY; MAX_IOVEC];
        let mut first = 0;
        if let (Some(own), Some(vector)) = (own, vectors.first_mut()) {
            *vector = InVec::new(own);
            first = 1;
        }
        inputs(kernel_data, first, in_len, vectors, &mut |ins| {
            let vectors = [const { OutVec::EMPTY }; MAX_IOVEC];
            outputs(kernel_data, 0, out_len, vectors, &mut |outs| {
                if let Some(ins) = ins.get(..in_len) {
                    call(ins, outs);
                }
            })
        })
    }
}

/// Exactly `N` bytes, or nothing.
fn copy<const N: usize>(data: &ReadableProcessSlice) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    data.copy_to_slice_or_err(&mut bytes).ok().map(|()| bytes)
}

// One level of recursion a vector, at most four: a buffer's slice lives only inside its `enter`.
fn inputs(
    kernel_data: &GrantKernelData,
    i: usize,
    n: usize,
    vectors: [InVec<'_>; MAX_IOVEC],
    then: &mut dyn FnMut(&[InVec<'_>]) -> Result<(), Error>,
) -> Result<(), Error> {
    if i >= n {
        return then(&vectors);
    }
    kernel_data.get_readonly_processbuffer(i)?.enter(|data| {
        let mut vectors = vectors;
        if let Some(vector) = vectors.get_mut(i) {
            *vector = InVec::new(data.iter().as_slice());
        }
        inputs(kernel_data, i + 1, n, vectors, then)
    })?
}

fn outputs(
    kernel_data: &GrantKernelData,
    i: usize,
    n: usize,
    mut vectors: [OutVec<'_>; MAX_IOVEC],
    then: &mut dyn FnMut(&mut [OutVec<'_>]),
) -> Result<(), Error> {
    if i >= n {
        if let Some(vectors) = vectors.get_mut(..n) {
            then(vectors);
        }
        return Ok(());
    }
    kernel_data
        .get_readwrite_processbuffer(i)?
        .mut_enter(|data| {
            let mut vectors = vectors;
            if let Some(vector) = vectors.get_mut(i) {
                *vector = OutVec::new(data.iter().as_slice());
            }
            outputs(kernel_data, i + 1, n, vectors, then)
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

//! Reading a call's vectors and writing its outputs, with PSA's statuses for what is wrong.

use psa_interface::{KeyAttributes, Status};
use spm::{Call, Input, Output};
use symmetric::{Erased, erase};

use crate::primitives::hash::Hash;

/// Private copy through which bulk data passes, bytes. A multiple of every block length.
pub const CHUNK: usize = 256;

/// Output `i`.
///
/// # Errors
/// PROGRAMMER_ERROR when the caller gave none.
pub fn output<'a, 'b>(call: &'a mut Call<'_, 'b>, i: usize) -> Result<&'a mut Output<'b>, Status> {
    call.outputs.get_mut(i).ok_or(Status::PROGRAMMER_ERROR)
}

/// What output `i` holds, bytes; 0 when absent.
pub fn capacity(call: &Call<'_, '_>, i: usize) -> usize {
    call.outputs.get(i).map_or(0, Output::capacity)
}

/// Checks, before anything is done, that output `i` can take a fixed-size structure.
///
/// # Errors
/// PROGRAMMER_ERROR when it is absent or too small.
pub fn require_word_output(call: &Call<'_, '_>, i: usize, size: usize) -> Result<(), Status> {
    if capacity(call, i) < size {
        Err(Status::PROGRAMMER_ERROR)
    } else {
        Ok(())
    }
}

/// Checks that output `i` can take a result of `size` bytes.
///
/// # Errors
/// BUFFER_TOO_SMALL when it cannot.
pub fn require_room(call: &Call<'_, '_>, i: usize, size: usize) -> Result<(), Status> {
    if capacity(call, i) < size {
        Err(Status::BUFFER_TOO_SMALL)
    } else {
        Ok(())
    }
}

/// Appends a result to output `i`.
///
/// # Errors
/// BUFFER_TOO_SMALL when it does not fit.
pub fn put(call: &mut Call<'_, '_>, i: usize, bytes: &[u8]) -> Result<(), Status> {
    if bytes.is_empty() {
        return Ok(());
    }
    let out = call.outputs.get_mut(i).ok_or(Status::BUFFER_TOO_SMALL)?;
    if out.append(bytes) {
        Ok(())
    } else {
        Err(Status::BUFFER_TOO_SMALL)
    }
}

/// Key attributes in input 1.
///
/// # Errors
/// PROGRAMMER_ERROR unless it has exactly their size.
pub fn attributes(call: &Call<'_, '_>) -> Result<KeyAttributes, Status> {
    let bytes = call.input(1).array().ok_or(Status::PROGRAMMER_ERROR)?;
    Ok(KeyAttributes::decode(&bytes))
}

/// An input of at most `N` bytes, fetched once.
pub struct Small<const N: usize> {
    bytes: Erased<N>,
    len: usize,
}

impl<const N: usize> Small<N> {
    /// Fetches `input`; `None` when it is longer than `N`.
    pub fn read(input: Input<'_>) -> Option<Self> {
        if input.len() > N {
            return None;
        }
        let mut bytes = Erased::new([0; N]);
        let len = input.read(0, &mut bytes[..]);
        Some(Small { bytes, len })
    }
}

impl<const N: usize> Small<N> {
    /// Copies `bytes`; `None` when they are more than `N`.
    pub fn copy(from: &[u8]) -> Option<Self> {
        let mut bytes = Erased::new([0; N]);
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        Some(Small {
            bytes,
            len: from.len(),
        })
    }
}

impl<const N: usize> core::ops::Deref for Small<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Hands an input to `f` in private chunks, and erases them.
pub fn each_chunk(input: Input<'_>, mut f: impl FnMut(&mut [u8])) {
    let mut buffer = [0; CHUNK];
    let mut at = 0;
    while at < input.len() {
        let n = input.read(at, &mut buffer);
        match buffer.get_mut(..n) {
            Some(chunk) if n > 0 => f(chunk),
            _ => break,
        }
        at += n;
    }
    // No more was ever filled.
    erase(buffer.get_mut(..input.len().min(CHUNK)).unwrap_or_default());
}

/// Feeds an input to a hash.
pub fn hash_input(hash: &mut Hash, input: Input<'_>) {
    each_chunk(input, |chunk| hash.update(chunk));
}

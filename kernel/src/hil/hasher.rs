//! Hashes that are not for cryptography.

use crate::ErrorCode;
use crate::utilities::leasable_buffer::{SubSlice, SubSliceMut};

/// Learns of data and hashes. `L`: bytes of a hash.
pub trait Client<const L: usize> {
    /// Immutable data was absorbed.
    fn add_data_done(&self, result: Result<(), ErrorCode>, data: SubSlice<'static, u8>);
    /// Mutable data was absorbed.
    fn add_mut_data_done(&self, result: Result<(), ErrorCode>, data: SubSliceMut<'static, u8>);
    /// The hash.
    fn hash_done(&self, result: Result<(), ErrorCode>, hash: &'static mut [u8; L]);
}

/// Hashes. `L`: bytes of a hash.
pub trait Hasher<'a, const L: usize> {
    /// Whom to tell.
    fn set_client(&'a self, client: &'a dyn Client<L>);
    /// Absorbs data; tells how many bytes it takes.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, with the data.
    fn add_data(
        &self,
        data: SubSlice<'static, u8>,
    ) -> Result<usize, (ErrorCode, SubSlice<'static, u8>)>;
    /// Absorbs data; tells how many bytes it takes.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, with the data.
    fn add_mut_data(
        &self,
        data: SubSliceMut<'static, u8>,
    ) -> Result<usize, (ErrorCode, SubSliceMut<'static, u8>)>;
    /// Finishes; `hash_done` follows.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, with the buffer.
    fn run(&'a self, hash: &'static mut [u8; L]) -> Result<(), (ErrorCode, &'static mut [u8; L])>;
    /// Forgets all.
    fn clear_data(&self);
}

/// The SipHash family: keyed.
pub trait SipHash {
    /// Sets the key, before data.
    ///
    /// # Errors
    /// `BUSY`, `ALREADY`, `INVAL`, `NOSUPPORT`.
    fn set_keys(&self, k0: u64, k1: u64) -> Result<(), ErrorCode>;
}

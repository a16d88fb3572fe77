//! Message digests, split-phase.

use crate::ErrorCode;
use crate::utilities::leasable_buffer::{SubSlice, SubSliceMut};

/// Learns that data was absorbed.
pub trait ClientData<const L: usize> {
    /// Immutable data was absorbed, but for what the window still shows.
    fn add_data_done(&self, result: Result<(), ErrorCode>, data: SubSlice<'static, u8>);
    /// Mutable data was absorbed, but for what the window still shows.
    fn add_mut_data_done(&self, result: Result<(), ErrorCode>, data: SubSliceMut<'static, u8>);
}

/// Learns of a digest.
pub trait ClientHash<const L: usize> {
    /// Done.
    fn hash_done(&self, result: Result<(), ErrorCode>, digest: &'static mut [u8; L]);
}

/// Learns of a comparison.
pub trait ClientVerify<const L: usize> {
    /// Done.
    fn verification_done(&self, result: Result<bool, ErrorCode>, compare: &'static mut [u8; L]);
}

/// All three.
pub trait Client<const L: usize>: ClientData<L> + ClientHash<L> + ClientVerify<L> {}
impl<T: ClientData<L> + ClientHash<L> + ClientVerify<L>, const L: usize> Client<L> for T {}

/// Absorbs data.
pub trait DigestData<'a, const L: usize> {
    /// Whom to tell.
    fn set_data_client(&'a self, client: &'a dyn ClientData<L>);
    /// Absorbs.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, `OFF`, with the data.
    fn add_data(
        &self,
        data: SubSlice<'static, u8>,
    ) -> Result<(), (ErrorCode, SubSlice<'static, u8>)>;
    /// Absorbs.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, `OFF`, with the data.
    fn add_mut_data(
        &self,
        data: SubSliceMut<'static, u8>,
    ) -> Result<(), (ErrorCode, SubSliceMut<'static, u8>)>;
    /// Forgets all.
    fn clear_data(&self);
}

/// Produces the digest.
pub trait DigestHash<'a, const L: usize>: DigestData<'a, L> {
    /// Whom to tell.
    fn set_hash_client(&'a self, client: &'a dyn ClientHash<L>);
    /// Finishes.
    ///
    /// # Errors
    /// `BUSY`, `OFF`, with the buffer.
    fn run(&'a self, digest: &'static mut [u8; L])
    -> Result<(), (ErrorCode, &'static mut [u8; L])>;
}

/// Compares the digest.
pub trait DigestVerify<'a, const L: usize>: DigestData<'a, L> {
    /// Whom to tell.
    fn set_verify_client(&'a self, client: &'a dyn ClientVerify<L>);
    /// Finishes and compares.
    ///
    /// # Errors
    /// `BUSY`, `OFF`, with the buffer.
    fn verify(
        &'a self,
        compare: &'static mut [u8; L],
    ) -> Result<(), (ErrorCode, &'static mut [u8; L])>;
}

/// Both.
pub trait Digest<'a, const L: usize>: DigestHash<'a, L> + DigestVerify<'a, L> {
    /// One client for all.
    fn set_client(&'a self, client: &'a dyn Client<L>);
}

/// Makes the next digest a SHA-256.
pub trait Sha256 {
    /// # Errors
    /// `BUSY`, `NOSUPPORT`.
    fn set_mode_sha256(&self) -> Result<(), ErrorCode>;
}

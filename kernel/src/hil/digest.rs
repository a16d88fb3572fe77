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

/// Data and digest.
pub trait ClientDataHash<const L: usize>: ClientData<L> + ClientHash<L> {}
impl<T: ClientData<L> + ClientHash<L>, const L: usize> ClientDataHash<L> for T {}

/// Data and comparison.
pub trait ClientDataVerify<const L: usize>: ClientData<L> + ClientVerify<L> {}
impl<T: ClientData<L> + ClientVerify<L>, const L: usize> ClientDataVerify<L> for T {}

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

/// Data and digest.
pub trait DigestDataHash<'a, const L: usize>: DigestData<'a, L> + DigestHash<'a, L> {
    /// One client for both.
    fn set_client(&'a self, client: &'a dyn ClientDataHash<L>);
}

/// Data and comparison.
pub trait DigestDataVerify<'a, const L: usize>: DigestData<'a, L> + DigestVerify<'a, L> {
    /// One client for both.
    fn set_client(&'a self, client: &'a dyn ClientDataVerify<L>);
}

macro_rules! modes {
    ($($trait:ident $method:ident $name:literal),* $(,)?) => {$(
        #[doc = concat!("Makes the next digest a ", $name, ".")]
        pub trait $trait {
            /// # Errors
            /// `BUSY`, `NOSUPPORT`.
            fn $method(&self) -> Result<(), ErrorCode>;
        }
    )*};
}
macro_rules! keyed_modes {
    ($($trait:ident $method:ident $name:literal),* $(,)?) => {$(
        #[doc = concat!("Makes the next digest an HMAC with ", $name, ".")]
        pub trait $trait {
            /// With this key.
            ///
            /// # Errors
            /// `BUSY`, `INVAL` (the key), `NOSUPPORT`.
            fn $method(&self, key: &[u8]) -> Result<(), ErrorCode>;
        }
    )*};
}

modes! {
    Md5 set_mode_md5 "MD5", Sha1 set_mode_sha1 "SHA-1", Sha224 set_mode_sha224 "SHA-224",
    Sha256 set_mode_sha256 "SHA-256", Sha384 set_mode_sha384 "SHA-384",
    Sha512 set_mode_sha512 "SHA-512",
}
keyed_modes! {
    HmacMd5 set_mode_hmacmd5 "MD5", HmacSha1 set_mode_hmacsha1 "SHA-1",
    HmacSha224 set_mode_hmacsha224 "SHA-224", HmacSha256 set_mode_hmacsha256 "SHA-256",
    HmacSha384 set_mode_hmacsha384 "SHA-384", HmacSha512 set_mode_hmacsha512 "SHA-512",
}

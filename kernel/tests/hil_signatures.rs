//! Signatures of traits that upstream's capsules and chips use: a drift fails the build.
//!
//! Each line takes a trait's method as a function of upstream's type (`reference/tock.md` §4.8).

use kernel::ErrorCode;
use kernel::hil::digest::{self, ClientData, ClientHash, ClientVerify};
use kernel::hil::kv::{KV, KVClient, KVPermissions};
use kernel::hil::symmetric_encryption::{
    AES, AES_BLOCK_SIZE, AES128, AES192, AES256, AESCBC, AESCCM, AESCtr, AESECB, AESGCM,
    AESKeySize, CCM_NONCE_LENGTH, CCMClient, Client, GCMClient,
};
use kernel::storage_permissions::StoragePermissions;
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};

type R = Result<(), ErrorCode>;
type Sb = &'static mut [u8];
type Buffer = SubSliceMut<'static, u8>;
type Pair = Result<(), (Buffer, Buffer, ErrorCode)>;
type Kept<T> = Result<(), (ErrorCode, T)>;

#[allow(clippy::type_complexity)]
pub fn aes<K: AESKeySize, T: AES<'static, K> + AESCtr + AESCBC + AESECB + 'static>() {
    let _: fn(&T) = T::enable;
    let _: fn(&T) = T::disable;
    let _: fn(&'static T, &'static dyn Client<'static>) = T::set_client;
    let _: fn(&T, &[u8]) -> R = T::set_key;
    let _: fn(&T, &[u8]) -> R = T::set_iv;
    let _: fn(&T) = T::start_message;
    let _: fn(&T, Option<Sb>, Sb, usize, usize) -> Option<(R, Option<Sb>, Sb)> = T::crypt;
    let _: fn(&T, bool) -> R = T::set_mode_aesctr;
    let _: fn(&T, bool) -> R = T::set_mode_aescbc;
    let _: fn(&T, bool) -> R = T::set_mode_aesecb;
}

#[allow(clippy::type_complexity)]
pub fn aead<K: AESKeySize, C: AESCCM<'static, K> + 'static, G: AESGCM<'static, K> + 'static>() {
    let _: fn(&'static C, &'static dyn CCMClient) = C::set_client;
    let _: fn(&C, &[u8]) -> R = C::set_nonce;
    let _: fn(&C, Sb, usize, usize, usize, usize, bool, bool) -> Kept<Sb> = C::crypt;
    let _: fn(&'static G, &'static dyn GCMClient) = G::set_client;
    let _: fn(&G, &[u8]) -> R = G::set_iv;
    let _: fn(&G, Sb, usize, usize, usize, usize, bool) -> Kept<Sb> = G::crypt;
}

#[allow(clippy::type_complexity)]
pub fn kv<P: KVPermissions<'static>, T: KV<'static>>() {
    let _: fn(&P, &'static dyn KVClient) = P::set_client;
    for _method in [P::get, P::set, P::add, P::update] {
        let _: fn(&P, Buffer, Buffer, StoragePermissions) -> Pair = _method;
    }
    let _: fn(&P, Buffer, StoragePermissions) -> Result<(), (Buffer, ErrorCode)> = P::delete;
    let _: fn(&P) -> R = P::garbage_collect;
    let _: fn(&P) -> usize = P::header_size;
    for _method in [T::get, T::set, T::add, T::update] {
        let _: fn(&T, Buffer, Buffer) -> Pair = _method;
    }
    let _: fn(&T, Buffer) -> Result<(), (Buffer, ErrorCode)> = T::delete;
    let _: fn(&T) -> R = T::garbage_collect;
}

pub fn digests<
    T: digest::Digest<'static, 32>
        + digest::Sha224
        + digest::Sha256
        + digest::Sha384
        + digest::Sha512
        + digest::HmacSha256
        + digest::HmacSha384
        + digest::HmacSha512
        + 'static,
    H: digest::DigestDataHash<'static, 32> + 'static,
    V: digest::DigestDataVerify<'static, 32> + 'static,
>() {
    let _: fn(&'static T, &'static dyn digest::Client<32>) = T::set_client;
    let _: fn(&'static H, &'static dyn digest::ClientDataHash<32>) = H::set_client;
    let _: fn(&'static V, &'static dyn digest::ClientDataVerify<32>) = V::set_client;
    let _: fn(&'static T, &'static dyn ClientData<32>) = T::set_data_client;
    let _: fn(&'static T, &'static dyn ClientHash<32>) = T::set_hash_client;
    let _: fn(&'static T, &'static dyn ClientVerify<32>) = T::set_verify_client;
    let _: fn(&T, SubSlice<'static, u8>) -> Kept<SubSlice<'static, u8>> = T::add_data;
    let _: fn(&T, Buffer) -> Kept<Buffer> = T::add_mut_data;
    let _: fn(&T) = T::clear_data;
    let _: fn(&'static T, &'static mut [u8; 32]) -> Kept<&'static mut [u8; 32]> = T::run;
    let _: fn(&'static T, &'static mut [u8; 32]) -> Kept<&'static mut [u8; 32]> = T::verify;
    let _: fn(&T) -> R = T::set_mode_sha224;
    let _: fn(&T) -> R = T::set_mode_sha256;
    let _: fn(&T) -> R = T::set_mode_sha384;
    let _: fn(&T) -> R = T::set_mode_sha512;
    let _: fn(&T, &[u8]) -> R = T::set_mode_hmacsha256;
    let _: fn(&T, &[u8]) -> R = T::set_mode_hmacsha384;
    let _: fn(&T, &[u8]) -> R = T::set_mode_hmacsha512;
}

/// Fields of each signature are checked by the compiler; sizes here.
#[test]
fn sizes_are_upstreams() {
    assert_eq!((AES_BLOCK_SIZE, CCM_NONCE_LENGTH), (16, 13));
    assert_eq!(
        (AES128::LENGTH, AES192::LENGTH, AES256::LENGTH),
        (16, 24, 32)
    );
}

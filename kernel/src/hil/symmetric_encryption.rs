//! Block ciphers and authenticated encryption with AES, split-phase.
//!
//! Owns upstream's traits (`reference/tock.md` §4.8), generic over the key's size.

use crate::ErrorCode;

/// Bytes of a block; ciphers take whole blocks.
pub const AES_BLOCK_SIZE: usize = 16;
/// Bytes of an AES-128 key.
pub const AES128_KEY_SIZE: usize = 16;
/// Bytes of an AES-256 key.
pub const AES256_KEY_SIZE: usize = 32;
/// Bytes of an initialisation vector or first counter.
pub const AES_IV_SIZE: usize = 16;
/// Bytes of a CCM nonce.
pub const CCM_NONCE_LENGTH: usize = 13;

mod sealed {
    pub trait Sealed {}
}

/// Size of a key, as a type.
pub trait AESKeySize: sealed::Sealed {
    /// Bytes.
    const LENGTH: usize;
}

macro_rules! sizes {
    ($($name:ident $length:literal),*) => {$(
        #[doc = concat!("Keys of ", $length, " bytes.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl AESKeySize for $name {
            const LENGTH: usize = $length;
        }
    )*};
}
sizes!(AES128 16, AES192 24, AES256 32);

/// Learns that data went through a cipher.
pub trait Client<'a> {
    /// The buffers come back.
    fn crypt_done(&'a self, source: Option<&'static mut [u8]>, dest: &'static mut [u8]);
}

/// What a refused `crypt` gives back.
pub type Refused = (
    Result<(), ErrorCode>,
    Option<&'static mut [u8]>,
    &'static mut [u8],
);

/// A cipher. A mode trait chooses the mode first.
pub trait AES<'a, K: AESKeySize> {
    /// Powers it; before anything else.
    fn enable(&self);
    /// Unpowers it, and forgets key and state.
    fn disable(&self);
    /// Whom to tell.
    fn set_client(&'a self, client: &'a dyn Client<'a>);
    /// Sets the key.
    ///
    /// # Errors
    /// `INVAL`: not of `K`'s length.
    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode>;
    /// Sets the initialisation vector or first counter.
    ///
    /// # Errors
    /// `INVAL`: not a block.
    fn set_iv(&self, iv: &[u8]) -> Result<(), ErrorCode>;
    /// Makes the next `crypt` begin at the initialisation vector.
    fn start_message(&self);
    /// Ciphers `source`, or the range of `dest` itself, into `dest[start_index..stop_index]`.
    /// `None`: accepted. `Some`: `INVAL` (range, length) or `BUSY`, with the buffers.
    fn crypt(
        &self,
        source: Option<&'static mut [u8]>,
        dest: &'static mut [u8],
        start_index: usize,
        stop_index: usize,
    ) -> Option<Refused>;
}

/// Counter mode.
pub trait AESCtr {
    /// Chooses it.
    ///
    /// # Errors
    /// `NOSUPPORT`, `BUSY`.
    fn set_mode_aesctr(&self, encrypting: bool) -> Result<(), ErrorCode>;
}

/// Cipher block chaining.
pub trait AESCBC {
    /// Chooses it.
    ///
    /// # Errors
    /// `NOSUPPORT`, `BUSY`.
    fn set_mode_aescbc(&self, encrypting: bool) -> Result<(), ErrorCode>;
}

/// Electronic code book.
pub trait AESECB {
    /// Chooses it.
    ///
    /// # Errors
    /// `NOSUPPORT`, `BUSY`.
    fn set_mode_aesecb(&self, encrypting: bool) -> Result<(), ErrorCode>;
}

/// Learns of a message in CCM.
pub trait CCMClient {
    /// Done. `tag_is_valid` when encrypting means that it worked.
    fn crypt_done(&self, buf: &'static mut [u8], res: Result<(), ErrorCode>, tag_is_valid: bool);
}

/// Counter with CBC-MAC, one message at a time, in place.
pub trait AESCCM<'a, K: AESKeySize> {
    /// Whom to tell.
    fn set_client(&'a self, client: &'a dyn CCMClient);
    /// Sets the key.
    ///
    /// # Errors
    /// `INVAL`: not of `K`'s length.
    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode>;
    /// Sets the nonce.
    ///
    /// # Errors
    /// `INVAL`: not of [`CCM_NONCE_LENGTH`].
    fn set_nonce(&self, nonce: &[u8]) -> Result<(), ErrorCode>;
    /// Ciphers the message at `m_off`; additional data lies at `a_off` before it, the tag behind it.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, `INVAL`, with the buffer.
    #[allow(clippy::too_many_arguments)]
    fn crypt(
        &self,
        buf: &'static mut [u8],
        a_off: usize,
        m_off: usize,
        m_len: usize,
        mic_len: usize,
        confidential: bool,
        encrypting: bool,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}

/// Learns of a message in GCM.
pub trait GCMClient {
    /// Done. `tag_is_valid` when encrypting means that it worked.
    fn crypt_done(&self, buf: &'static mut [u8], res: Result<(), ErrorCode>, tag_is_valid: bool);
}

/// Galois/counter mode, one message at a time, in place.
pub trait AESGCM<'a, K: AESKeySize> {
    /// Whom to tell.
    fn set_client(&'a self, client: &'a dyn GCMClient);
    /// Sets the key.
    ///
    /// # Errors
    /// `INVAL`: not of `K`'s length.
    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode>;
    /// Sets the initialisation vector, at most 12 bytes.
    ///
    /// # Errors
    /// `INVAL`: longer.
    fn set_iv(&self, nonce: &[u8]) -> Result<(), ErrorCode>;
    /// Ciphers the message; additional data lies at `aad_offset` before it, the tag behind it.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, with the buffer.
    fn crypt(
        &self,
        buf: &'static mut [u8],
        aad_offset: usize,
        message_offset: usize,
        message_len: usize,
        tag_len: usize,
        encrypting: bool,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}

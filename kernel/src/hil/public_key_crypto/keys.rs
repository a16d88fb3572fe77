//! Keys that somebody keeps: imported, generated, chosen by number or set by their bytes.
//!
//! A keeper holds one key of one length. Buffers come in two kinds, in flash (`&'static`) and in RAM
//! (`&'static mut`), hence the pairs of traits.

use crate::ErrorCode;
use crate::hil::entropy;

macro_rules! keepers {
    ($public:ident $private:ident $rsa:ident $rsa_private:ident $buffer:ty, $closure:ty, $kind:literal) => {
        #[doc = concat!("Keeps a public key in ", $kind, ".")]
        #[allow(clippy::len_without_is_empty)]
        pub trait $public {
            /// Takes a key.
            ///
            /// # Errors
            /// `BUSY` there is one, `INVAL`, `SIZE`, with the key.
            fn import_public_key(&self, public_key: $buffer) -> Result<(), (ErrorCode, $buffer)>;
            /// Gives the key.
            ///
            /// # Errors
            /// `NODEVICE` there is none.
            fn pub_key(&self) -> Result<$buffer, ErrorCode>;
            /// Its bytes, 0 without one.
            fn len(&self) -> usize;
        }

        #[doc = concat!("Keeps a private key too, in ", $kind, ".")]
        #[allow(clippy::len_without_is_empty)]
        pub trait $private: $public {
            /// Takes a key.
            ///
            /// # Errors
            /// `BUSY` there is one, `INVAL`, `SIZE`, with the key.
            fn import_private_key(&self, private_key: $buffer) -> Result<(), (ErrorCode, $buffer)>;
            /// Gives the key.
            ///
            /// # Errors
            /// `NODEVICE` there is none.
            fn priv_key(&self) -> Result<$buffer, ErrorCode>;
            /// Its bytes, 0 without one.
            fn len(&self) -> usize;
        }

        #[doc = concat!("An RSA public key in ", $kind, "; numbers are big-endian.")]
        pub trait $rsa: $public {
            /// Calls `closure` with the modulus, if there is one.
            fn map_modulus(&self, closure: $closure) -> Option<()>;
            /// Takes the modulus out; importing it puts it back.
            fn take_modulus(&self) -> Option<$buffer>;
            /// The public exponent.
            fn public_exponent(&self) -> Option<u32>;
        }

        #[doc = concat!("An RSA private key in ", $kind, "; numbers are big-endian.")]
        pub trait $rsa_private: $private + $rsa {
            /// Calls `closure` with the private exponent, if there is one.
            fn map_exponent(&self, closure: $closure) -> Option<()>;
            /// Takes the private exponent out; importing it puts it back.
            fn take_exponent(&self) -> Option<$buffer>;
        }
    };
}

keepers!(PubKey PubPrivKey RsaKey RsaPrivKey &'static [u8], &dyn Fn(&[u8]), "flash");
keepers!(PubKeyMut PubPrivKeyMut RsaKeyMut RsaPrivKeyMut &'static mut [u8], &dyn Fn(&mut [u8]), "RAM");

/// Learns of generation.
pub trait PubPrivKeyGenerateClient<'a> {
    /// Done, or not, with the buffers.
    #[allow(clippy::type_complexity)]
    fn generation_complete(
        &'a self,
        result: Result<(), (ErrorCode, &'static mut [u8], &'static mut [u8])>,
    );
}

/// Generates key pairs.
pub trait PubPrivKeyGenerate<'a>: PubPrivKey {
    /// Whom to tell.
    fn set_client(&'a self, client: &'a dyn PubPrivKeyGenerateClient<'a>);
    /// Makes a pair in these buffers; `generation_complete` follows.
    ///
    /// # Errors
    /// `BUSY`, `OFF` (no entropy), `SIZE`, with the buffers.
    #[allow(clippy::type_complexity)]
    fn generate(
        &'a self,
        trng: &'a dyn entropy::Entropy32<'a>,
        public_key_buffer: &'static mut [u8],
        private_key_buffer: &'static mut [u8],
    ) -> Result<(), (ErrorCode, &'static mut [u8], &'static mut [u8])>;
}

/// Learns of choices.
pub trait SelectKeyClient {
    /// So many keys there are.
    fn get_key_count_done(&self, count: usize);
    /// This key is the active one, or not (`INVAL` no such key, `FAIL`). `metadata` is the
    /// keeper's own about the key.
    fn select_key_done(&self, index: usize, metadata: usize, error: Result<(), ErrorCode>);
}

/// Chooses among keys, numbered from 0 without gaps.
pub trait SelectKey<'a> {
    /// Asks how many there are.
    ///
    /// # Errors
    /// `FAIL`: no callback follows.
    fn get_key_count(&self) -> Result<(), ErrorCode>;
    /// Makes one the active key.
    ///
    /// # Errors
    /// `INVAL` no such key, `BUSY`.
    fn select_key(&self, index: usize) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn SelectKeyClient);
}

/// Learns of keys set. `KL`: bytes of a key.
pub trait SetKeyBySliceClient<const KL: usize> {
    /// It was copied, or not; the caller's buffer comes back.
    fn set_key_done(&self, previous_key: &'static mut [u8; KL], error: Result<(), ErrorCode>);
}

/// Sets a key by its bytes, which are copied. `KL`: bytes of a key.
pub trait SetKeyBySlice<'a, const KL: usize> {
    /// Sets it; `set_key_done` follows.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`, with the key.
    fn set_key(&self, key: &'static mut [u8; KL])
    -> Result<(), (ErrorCode, &'static mut [u8; KL])>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn SetKeyBySliceClient<KL>);
}

//! RSA's arithmetic: exponentiation modulo a number, split-phase. Numbers are big-endian.

use crate::ErrorCode;

macro_rules! rsa {
    ($client:ident $rsa:ident $key:ty, $kind:literal) => {
        #[doc = concat!("Learns of results; numbers of the key are in ", $kind, ".")]
        pub trait $client<'a> {
            /// `result` holds message ^ exponent mod modulus, or not.
            fn mod_exponent_done(
                &'a self,
                status: Result<bool, ErrorCode>,
                message: &'static mut [u8],
                modulus: $key,
                exponent: $key,
                result: &'static mut [u8],
            );
        }

        #[doc = concat!("Exponentiates; numbers of the key are in ", $kind, ".")]
        pub trait $rsa<'a> {
            /// Whom to tell.
            fn set_client(&'a self, client: &'a dyn $client<'a>);
            /// Forgets what is secret.
            fn clear_data(&self);
            /// Computes message ^ exponent mod modulus; `mod_exponent_done` follows.
            ///
            /// # Errors
            /// `BUSY`, `ALREADY`, `INVAL`, `SIZE`, `NOSUPPORT`, with the buffers.
            #[allow(clippy::type_complexity)]
            fn mod_exponent(
                &self,
                message: &'static mut [u8],
                modulus: $key,
                exponent: $key,
                result: &'static mut [u8],
            ) -> Result<(), (ErrorCode, &'static mut [u8], $key, $key, &'static mut [u8])>;
        }
    };
}

rsa!(Client RsaCryptoBase &'static [u8], "flash");
rsa!(ClientMut RsaCryptoBaseMut &'static mut [u8], "RAM");

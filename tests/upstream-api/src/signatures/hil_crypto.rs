//! Entropy, randomness, digests, ciphers, public keys, hashes, checks.

use super::{Kept, R, Sb};
use kernel::ErrorCode;
use kernel::hil::public_key_crypto::{keys, rsa_math, signature};
use kernel::hil::{crc, digest, entropy, hasher, rng, symmetric_encryption as aes};
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};

type Read = SubSlice<'static, u8>;
type Write = SubSliceMut<'static, u8>;
type Arr<const N: usize> = &'static mut [u8; N];

pub fn random<
    E: entropy::Entropy32<'static> + 'static,
    C: entropy::Client32,
    B: entropy::Entropy8<'static> + 'static,
    G: rng::Rng<'static> + 'static,
    D: rng::Client,
    P: rng::Random<'static> + 'static,
>() {
    let _: [fn(&E) -> R; 2] = [E::get, E::cancel];
    let _: fn(&'static E, &'static dyn entropy::Client32) = E::set_client;
    let _: fn(&C, &mut dyn Iterator<Item = u32>, R) -> entropy::Continue = C::entropy_available;
    let _: fn(&'static B, &'static dyn entropy::Client8) = B::set_client;
    let _: [fn(&G) -> R; 2] = [G::get, G::cancel];
    let _: fn(&'static G, &'static dyn rng::Client) = G::set_client;
    let _: fn(&D, &mut dyn Iterator<Item = u32>, R) -> rng::Continue = D::randomness_available;
    let _: fn(&'static P) = P::initialize;
    let _: fn(&P, u32) = P::reseed;
    let _: fn(&P) -> u32 = P::random;
    let _ = (rng::Continue::More, entropy::Continue::Done);
}

pub fn digests<
    T: digest::Digest<'static, 32>
        + digest::Md5
        + digest::Sha1
        + digest::Sha224
        + digest::Sha256
        + digest::Sha384
        + digest::Sha512
        + digest::HmacSha256
        + 'static,
    C: digest::Client<32>,
>() {
    let _: [fn(&T) -> R; 6] = [
        T::set_mode_md5,
        T::set_mode_sha1,
        T::set_mode_sha224,
        T::set_mode_sha256,
        T::set_mode_sha384,
        T::set_mode_sha512,
    ];
    let _: fn(&T, &[u8]) -> R = T::set_mode_hmacsha256;
    let _: fn(&T, Read) -> Kept<Read> = T::add_data;
    let _: fn(&T, Write) -> Kept<Write> = T::add_mut_data;
    let _: [fn(&'static T, Arr<32>) -> Kept<Arr<32>>; 2] = [T::run, T::verify];
    let _: fn(&T) = T::clear_data;
    let _: fn(&C, R, Read) = C::add_data_done;
    let _: fn(&C, R, Write) = C::add_mut_data_done;
    let _: fn(&C, R, Arr<32>) = C::hash_done;
    let _: fn(&C, Result<bool, ErrorCode>, Arr<32>) = C::verification_done;
}

pub fn ciphers<K: aes::AESKeySize, T: aes::AES<'static, K> + 'static, C: aes::CCMClient>() {
    const _: usize = aes::AES_BLOCK_SIZE - 16;
    fn size<K: aes::AESKeySize>() {}
    let _ = [
        size::<aes::AES128>,
        size::<aes::AES192>,
        size::<aes::AES256>,
    ];
    let _: fn(&T, Option<Sb>, Sb, usize, usize) -> Option<(R, Option<Sb>, Sb)> = T::crypt;
    let _: fn(&C, Sb, R, bool) = C::crypt_done;
}

pub fn public_keys<
    P: keys::PubPrivKey,
    M: keys::PubPrivKeyMut,
    K: keys::RsaPrivKey,
    Q: keys::RsaPrivKeyMut,
    G: keys::PubPrivKeyGenerate<'static> + 'static,
    S: keys::SelectKey<'static>,
    C: keys::SelectKeyClient,
    B: keys::SetKeyBySlice<'static, 64>,
    V: signature::SignatureVerify<'static, 32, 64>,
    W: signature::SignatureSign<'static, 32, 64>,
    D: signature::ClientVerify<32, 64> + signature::ClientSign<32, 64>,
    X: rsa_math::RsaCryptoBase<'static> + 'static,
    Y: rsa_math::RsaCryptoBaseMut<'static> + 'static,
>() {
    type Ro = &'static [u8];
    use keys::{PubKey, PubKeyMut, RsaKey, RsaKeyMut};
    let _: fn(&P, Ro) -> Kept<Ro> = P::import_public_key;
    let _: fn(&P, Ro) -> Kept<Ro> = P::import_private_key;
    let _: [fn(&P) -> Result<Ro, ErrorCode>; 2] = [P::pub_key, P::priv_key];
    let _: fn(&P) -> usize = <P as PubKey>::len;
    let _: fn(&M, Sb) -> Kept<Sb> = M::import_public_key;
    let _: fn(&M) -> usize = <M as PubKeyMut>::len;
    let _: fn(&K, &dyn Fn(&[u8])) -> Option<()> = <K as RsaKey>::map_modulus;
    let _: [fn(&K) -> Option<Ro>; 2] = [K::take_modulus, K::take_exponent];
    let _: fn(&K) -> Option<u32> = K::public_exponent;
    let _: fn(&Q, &dyn Fn(&mut [u8])) -> Option<()> = <Q as RsaKeyMut>::map_modulus;
    let _: fn(&'static G, &'static dyn keys::PubPrivKeyGenerateClient<'static>) = G::set_client;
    let _: fn(&S) -> R = S::get_key_count;
    let _: fn(&S, usize) -> R = S::select_key;
    let _: fn(&S, &'static dyn keys::SelectKeyClient) = S::set_client;
    let _: fn(&C, usize) = C::get_key_count_done;
    let _: fn(&C, usize, usize, R) = C::select_key_done;
    let _: fn(&B, Arr<64>) -> Kept<Arr<64>> = B::set_key;
    let _: fn(&V, &'static dyn signature::ClientVerify<32, 64>) = V::set_verify_client;
    let _: fn(&V, Arr<32>, Arr<64>) -> Result<(), (ErrorCode, Arr<32>, Arr<64>)> = V::verify;
    let _: fn(&W, Arr<32>, Arr<64>) -> Result<(), (ErrorCode, Arr<32>, Arr<64>)> = W::sign;
    let _: fn(&D, Result<bool, ErrorCode>, Arr<32>, Arr<64>) = D::verification_done;
    let _: fn(&D, R, Arr<32>, Arr<64>) = D::signing_done;
    let _: fn(&X, Sb, Ro, Ro, Sb) -> Result<(), (ErrorCode, Sb, Ro, Ro, Sb)> = X::mod_exponent;
    let _: fn(&Y, Sb, Sb, Sb, Sb) -> Result<(), (ErrorCode, Sb, Sb, Sb, Sb)> = Y::mod_exponent;
}

pub fn hashes<H: hasher::Hasher<'static, 8> + hasher::SipHash + 'static, C: crc::Crc<'static>>() {
    let _: fn(&'static H, &'static dyn hasher::Client<8>) = H::set_client;
    let _: fn(&H, Read) -> Result<usize, (ErrorCode, Read)> = H::add_data;
    let _: fn(&H, u64, u64) -> R = H::set_keys;
    let _: fn(&C, crc::CrcAlgorithm) -> bool = C::algorithm_supported;
    let _: fn(&C, Write) -> Kept<Write> = C::input;
    let _: fn(&C) -> R = C::compute;
}

//! The kernel's cipher: the secure world's AES, as `hil::symmetric_encryption`.
//!
//! Owns one volatile key and one operation under the kernel's own client id, both gone when the
//! cipher is disabled or another key or mode is set. A key exists in the kernel only while
//! `set_key` runs. A cipher's call into the secure world is made inside `crypt`, whose HIL has no
//! other way to tell that it failed, and its end is told from a deferred call; a message in CCM or
//! GCM is made from the deferred call.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::symmetric_encryption::{
    AES, AES_BLOCK_SIZE, AES_IV_SIZE, AESCBC, AESCCM, AESCtr, AESECB, AESGCM, AESKeySize,
    CCM_NONCE_LENGTH, CCMClient, Client, GCMClient, Refused,
};
use kernel::utilities::cells::{MapCell, OptionalCell, TakeCell};
use psa_client::crypto::{CipherOperation, aead_decrypt, aead_encrypt, destroy_key, import_key};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use tfm_psa_driver::{Gate, KernelClient, Spe};

use crate::digest::error;

/// Shortest tag that a key's policy allows, bytes: CCM's and GCM's own.
const SHORTEST_TAG: u8 = 4;
/// Shortest nonce of CCM, bytes; the HIL's is the longest.
const SHORTEST_CCM_NONCE: usize = 7;
/// Longest nonce of [`AESGCM`], bytes.
const GCM_NONCE_LENGTH: usize = 12;

/// A message in CCM or GCM.
struct Message {
    buffer: &'static mut [u8],
    alg: Algorithm,
    additional_data: usize,
    text: usize,
    length: usize,
    tag: usize,
    encrypting: bool,
}

/// What the deferred call is for.
enum Due {
    /// A cipher's piece is done.
    Crypted(Option<&'static mut [u8]>, &'static mut [u8]),
    /// A message is to be made.
    Message(Message),
}

/// AES from the secure world.
pub struct PsaAes<'a, G: Gate> {
    spe: &'a Spe<G>,
    mode: Cell<Option<(Algorithm, bool)>>,
    key: Cell<Option<u32>>,
    iv: Cell<[u8; AES_IV_SIZE]>,
    nonce_length: Cell<usize>,
    operation: MapCell<CipherOperation<KernelClient<'a, G>>>,
    due: MapCell<Due>,
    /// The secure world does not write where it reads.
    copy: TakeCell<'static, [u8]>,
    client: OptionalCell<&'a dyn Client<'a>>,
    ccm_client: OptionalCell<&'a dyn CCMClient>,
    gcm_client: OptionalCell<&'a dyn GCMClient>,
    deferred: DeferredCall,
}

impl<'a, G: Gate> PsaAes<'a, G> {
    /// Over the secure world `spe`; no message with its tag is longer than `copy`. The board
    /// registers the deferred call.
    pub fn new(spe: &'a Spe<G>, copy: &'static mut [u8]) -> Self {
        PsaAes {
            spe,
            mode: Cell::new(None),
            key: Cell::new(None),
            iv: Cell::new([0; AES_IV_SIZE]),
            nonce_length: Cell::new(0),
            operation: MapCell::empty(),
            due: MapCell::empty(),
            copy: TakeCell::new(copy),
            client: OptionalCell::empty(),
            ccm_client: OptionalCell::empty(),
            gcm_client: OptionalCell::empty(),
            deferred: DeferredCall::new_slow(),
        }
    }

    fn spe(&self) -> KernelClient<'a, G> {
        KernelClient(self.spe)
    }

    fn forget(&self) {
        // An operation that is dropped is aborted.
        drop(self.operation.take());
        if let Some(key) = self.key.take() {
            // It is volatile and ours: a failure leaves at worst a slot until reset.
            let _ = destroy_key(&self.spe(), key);
        }
    }

    fn set_mode(&self, alg: Algorithm, encrypting: bool) -> Result<(), ErrorCode> {
        if self.due.is_some() {
            return Err(ErrorCode::BUSY);
        }
        self.forget();
        self.mode.set(Some((alg, encrypting)));
        Ok(())
    }

    fn load_key(&self, alg: Algorithm, length: usize, key: &[u8]) -> Result<(), ErrorCode> {
        if self.due.is_some() {
            return Err(ErrorCode::BUSY);
        }
        if key.len() != length {
            return Err(ErrorCode::INVAL);
        }
        self.forget();
        let flags = usage::ENCRYPT | usage::DECRYPT;
        let attributes = KeyAttributes::volatile(KeyType::AES, 0, flags, alg);
        let key = import_key(&self.spe(), &attributes, key).map_err(error)?;
        self.key.set(Some(key));
        Ok(())
    }

    /// The operation of a message that begins.
    fn begin(&self) -> Result<(), ErrorCode> {
        if self.operation.is_some() {
            return Ok(());
        }
        let (alg, encrypting) = self.mode.get().ok_or(ErrorCode::OFF)?;
        let key = self.key.get().ok_or(ErrorCode::OFF)?;
        let mut operation = match encrypting {
            true => CipherOperation::encrypt_setup(self.spe(), key, alg),
            false => CipherOperation::decrypt_setup(self.spe(), key, alg),
        }
        .map_err(error)?;
        if alg != Algorithm::ECB_NO_PADDING {
            operation.set_iv(&self.iv.get()).map_err(error)?;
        }
        self.operation.put(operation);
        Ok(())
    }

    fn update(&self, from: &[u8], to: &mut [u8]) -> Result<(), ErrorCode> {
        let length = from.len();
        let done = self
            .operation
            .map(|operation| operation.update(from, to))
            .unwrap_or(Err(Status::BAD_STATE));
        match done.map_err(error) {
            Ok(n) if n == length => Ok(()),
            // Blocks that are not whole: the caller is told, and begins anew.
            Ok(_) => Err(ErrorCode::INVAL),
            Err(error) => Err(error),
        }
    }

    fn cipher(
        &self,
        source: Option<&[u8]>,
        dest: &mut [u8],
        start: usize,
        stop: usize,
    ) -> Result<(), ErrorCode> {
        let to = dest.get_mut(start..stop).ok_or(ErrorCode::INVAL)?;
        if source.is_some_and(|source| source.len() != to.len()) {
            return Err(ErrorCode::INVAL);
        }
        self.begin()?;
        if let Some(source) = source {
            return self.update(source, to);
        }
        self.copy
            .map(|copy| {
                let whole = copy.len() - copy.len() % AES_BLOCK_SIZE;
                if whole == 0 {
                    return Err(ErrorCode::SIZE);
                }
                to.chunks_mut(whole).try_for_each(|to| {
                    let from = copy.get_mut(..to.len()).ok_or(ErrorCode::SIZE)?;
                    from.copy_from_slice(to);
                    let result = self.update(from, to);
                    wipe(from);
                    result
                })
            })
            .unwrap_or(Err(ErrorCode::FAIL))
    }

    fn accept_message(&self, message: Message) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let end = message
            .text
            .checked_add(message.length)
            .and_then(|end| end.checked_add(message.tag));
        let refused = if self.due.is_some() {
            Some(ErrorCode::BUSY)
        } else if self.key.get().is_none() || self.nonce_length.get() == 0 {
            Some(ErrorCode::OFF)
        } else if message.additional_data > message.text {
            Some(ErrorCode::INVAL)
        } else if end.is_none_or(|end| end > message.buffer.len()) {
            Some(ErrorCode::SIZE)
        } else {
            None
        };
        if let Some(error) = refused {
            return Err((error, message.buffer));
        }
        self.due.put(Due::Message(message));
        self.deferred.set();
        Ok(())
    }

    /// Makes a message in place; whether its tag is right.
    fn make(&self, message: &mut Message) -> Result<bool, ErrorCode> {
        let key = self.key.get().ok_or(ErrorCode::OFF)?;
        let nonce = self.iv.get();
        let nonce = nonce
            .get(..self.nonce_length.get())
            .ok_or(ErrorCode::INVAL)?;
        let (before, rest) = message
            .buffer
            .split_at_mut_checked(message.text)
            .ok_or(ErrorCode::SIZE)?;
        if message.alg == Algorithm::CCM && message.tag == 0 {
            let text = rest.get_mut(..message.length).ok_or(ErrorCode::SIZE)?;
            return self.untagged(key, nonce, text);
        }
        let tag = u8::try_from(message.tag).map_err(|_| ErrorCode::INVAL)?;
        let alg = message.alg.with_tag_length(tag);
        let ad = before
            .get(message.additional_data..)
            .ok_or(ErrorCode::INVAL)?;
        let both = rest
            .get_mut(..message.length + message.tag)
            .ok_or(ErrorCode::SIZE)?;
        self.copy
            .map(|copy| {
                let length = match message.encrypting {
                    true => message.length,
                    false => both.len(),
                };
                let from = copy.get_mut(..length).ok_or(ErrorCode::SIZE)?;
                from.copy_from_slice(both.get(..length).ok_or(ErrorCode::SIZE)?);
                let crypt = match message.encrypting {
                    true => aead_encrypt,
                    false => aead_decrypt,
                };
                let result = crypt(&self.spe(), key, alg, nonce, ad, from, both);
                wipe(from);
                match result {
                    Ok(_) => Ok(true),
                    Err(Status::INVALID_SIGNATURE) => Ok(false),
                    Err(status) => Err(error(status)),
                }
            })
            .unwrap_or(Err(ErrorCode::FAIL))
    }

    /// CCM* without a tag, either way: what CCM adds to a text does not depend on it.
    fn untagged(&self, key: u32, nonce: &[u8], text: &mut [u8]) -> Result<bool, ErrorCode> {
        let alg = Algorithm::CCM.with_tag_length(SHORTEST_TAG);
        self.copy
            .map(|copy| {
                let to = copy
                    .get_mut(..text.len() + usize::from(SHORTEST_TAG))
                    .ok_or(ErrorCode::SIZE)?;
                let result = aead_encrypt(&self.spe(), key, alg, nonce, &[], text, to);
                if let (Ok(_), Some(made)) = (result, to.get(..text.len())) {
                    text.copy_from_slice(made);
                }
                wipe(to);
                result.map(|_| true).map_err(error)
            })
            .unwrap_or(Err(ErrorCode::FAIL))
    }
}

fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Not optimised away, since `black_box` sees the zeros.
    core::hint::black_box(bytes);
}

impl<G: Gate> DeferredCallClient for PsaAes<'_, G> {
    fn handle_deferred_call(&self) {
        match self.due.take() {
            Some(Due::Crypted(source, dest)) => {
                if let Some(client) = self.client.get() {
                    client.crypt_done(source, dest);
                }
            }
            Some(Due::Message(mut message)) => {
                let result = self.make(&mut message);
                let (status, valid) = (result.map(|_| ()), result == Ok(true));
                if message.alg == Algorithm::CCM {
                    if let Some(client) = self.ccm_client.get() {
                        client.crypt_done(message.buffer, status, valid);
                    }
                } else if let Some(client) = self.gcm_client.get() {
                    client.crypt_done(message.buffer, status, valid);
                }
            }
            None => {}
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<'a, G: Gate, K: AESKeySize> AES<'a, K> for PsaAes<'a, G> {
    fn enable(&self) {}

    fn disable(&self) {
        self.forget();
        self.mode.set(None);
        self.iv.set([0; AES_IV_SIZE]);
        self.nonce_length.set(0);
    }

    fn set_client(&'a self, client: &'a dyn Client<'a>) {
        self.client.set(client);
    }

    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode> {
        let (alg, _) = self.mode.get().ok_or(ErrorCode::OFF)?;
        self.load_key(alg, K::LENGTH, key)
    }

    fn set_iv(&self, iv: &[u8]) -> Result<(), ErrorCode> {
        self.iv.set(iv.try_into().map_err(|_| ErrorCode::INVAL)?);
        Ok(())
    }

    fn start_message(&self) {
        if self.due.is_none() {
            drop(self.operation.take());
        }
    }

    fn crypt(
        &self,
        source: Option<&'static mut [u8]>,
        dest: &'static mut [u8],
        start_index: usize,
        stop_index: usize,
    ) -> Option<Refused> {
        if self.due.is_some() {
            return Some((Err(ErrorCode::BUSY), source, dest));
        }
        if let Err(error) = self.cipher(source.as_deref(), dest, start_index, stop_index) {
            // What the secure world made of it so far is of no use.
            drop(self.operation.take());
            return Some((Err(error), source, dest));
        }
        self.due.put(Due::Crypted(source, dest));
        self.deferred.set();
        None
    }
}

macro_rules! modes {
    ($($mode:ident $set:ident $alg:ident),*) => {$(
        impl<G: Gate> $mode for PsaAes<'_, G> {
            fn $set(&self, encrypting: bool) -> Result<(), ErrorCode> {
                self.set_mode(Algorithm::$alg, encrypting)
            }
        }
    )*};
}
modes! {
    AESCtr set_mode_aesctr CTR,
    AESCBC set_mode_aescbc CBC_NO_PADDING,
    AESECB set_mode_aesecb ECB_NO_PADDING
}

impl<G: Gate> PsaAes<'_, G> {
    fn set_nonce_bytes(&self, nonce: &[u8]) {
        let mut iv = [0; AES_IV_SIZE];
        for (to, from) in iv.iter_mut().zip(nonce) {
            *to = *from;
        }
        self.iv.set(iv);
        self.nonce_length.set(nonce.len());
    }
}

impl<'a, G: Gate, K: AESKeySize> AESCCM<'a, K> for PsaAes<'a, G> {
    fn set_client(&'a self, client: &'a dyn CCMClient) {
        self.ccm_client.set(client);
    }

    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode> {
        let alg = Algorithm::CCM.at_least_this_length(SHORTEST_TAG);
        self.load_key(alg, K::LENGTH, key)
    }

    fn set_nonce(&self, nonce: &[u8]) -> Result<(), ErrorCode> {
        if !(SHORTEST_CCM_NONCE..=CCM_NONCE_LENGTH).contains(&nonce.len()) {
            return Err(ErrorCode::INVAL);
        }
        self.set_nonce_bytes(nonce);
        Ok(())
    }

    fn crypt(
        &self,
        buf: &'static mut [u8],
        a_off: usize,
        m_off: usize,
        m_len: usize,
        mic_len: usize,
        confidential: bool,
        encrypting: bool,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if !confidential && m_len != 0 {
            // A tag over a text in the clear is not CCM's, and PSA Crypto has none.
            return Err((ErrorCode::NOSUPPORT, buf));
        }
        self.accept_message(Message {
            buffer: buf,
            alg: Algorithm::CCM,
            additional_data: a_off,
            text: m_off,
            length: m_len,
            tag: mic_len,
            encrypting,
        })
    }
}

impl<'a, G: Gate, K: AESKeySize> AESGCM<'a, K> for PsaAes<'a, G> {
    fn set_client(&'a self, client: &'a dyn GCMClient) {
        self.gcm_client.set(client);
    }

    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode> {
        let alg = Algorithm::GCM.at_least_this_length(SHORTEST_TAG);
        self.load_key(alg, K::LENGTH, key)
    }

    fn set_iv(&self, nonce: &[u8]) -> Result<(), ErrorCode> {
        if nonce.is_empty() || nonce.len() > GCM_NONCE_LENGTH {
            return Err(ErrorCode::INVAL);
        }
        self.set_nonce_bytes(nonce);
        Ok(())
    }

    fn crypt(
        &self,
        buf: &'static mut [u8],
        aad_offset: usize,
        message_offset: usize,
        message_len: usize,
        tag_len: usize,
        encrypting: bool,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.accept_message(Message {
            buffer: buf,
            alg: Algorithm::GCM,
            additional_data: aad_offset,
            text: message_offset,
            length: message_len,
            tag: tag_len,
            encrypting,
        })
    }
}

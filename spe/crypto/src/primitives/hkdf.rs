//! HKDF (RFC 5869): extract, and expand as a stream.

use psa_interface::Status;

use super::hash::{Digest, HashAlg};
use super::hmac::{Hmac, hmac};

/// Longest info that [`Expand`] keeps, bytes. A TLS 1.3 HkdfLabel (RFC 8446 §7.1) has at most
/// 2 + 1 + 18 + 1 + 64.
pub const MAX_INFO: usize = 128;

/// HKDF-Extract: an empty salt counts as a hash-length run of zeros.
pub fn extract(alg: HashAlg, salt: &[u8], secret: &[u8]) -> Digest {
    // HMAC pads a short key with zeros: nothing to do for the empty salt.
    hmac(alg, salt, &[secret])
}

/// HKDF-Expand in one call.
///
/// # Errors
/// INSUFFICIENT_DATA when `out` is longer than 255 hash lengths, INSUFFICIENT_MEMORY when `info`
/// is longer than [`MAX_INFO`].
pub fn expand(alg: HashAlg, prk: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Status> {
    if out.len() > 255 * alg.len() {
        return Err(Status::INSUFFICIENT_DATA);
    }
    let mut stream = Expand::new(alg, prk);
    stream.info(info)?;
    stream.read(out);
    Ok(())
}

/// HKDF-Expand as a stream of at most 255 blocks; the caller counts.
pub struct Expand {
    alg: HashAlg,
    prk: Digest,
    info: [u8; MAX_INFO],
    info_len: usize,
    block: Digest,
    used: usize,
    counter: u8,
}

impl Expand {
    /// From a pseudorandom key (at most a hash length of it is used).
    pub fn new(alg: HashAlg, prk: &[u8]) -> Self {
        Expand {
            alg,
            prk: Digest::copy(prk),
            info: [0; MAX_INFO],
            info_len: 0,
            block: Digest::zero(0),
            used: 0,
            counter: 0,
        }
    }

    /// Appends to info, before the first read.
    ///
    /// # Errors
    /// INSUFFICIENT_MEMORY when there is more than [`MAX_INFO`] of it.
    pub fn info(&mut self, part: &[u8]) -> Result<(), Status> {
        let end = self.info_len.saturating_add(part.len());
        let to = self
            .info
            .get_mut(self.info_len..end)
            .ok_or(Status::INSUFFICIENT_MEMORY)?;
        to.copy_from_slice(part);
        self.info_len = end;
        Ok(())
    }

    /// The next bytes of the stream.
    pub fn read(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == self.block.len() {
                self.next_block();
            }
            *byte = self.block.get(self.used).copied().unwrap_or_default();
            self.used += 1;
        }
    }

    fn next_block(&mut self) {
        self.counter = self.counter.wrapping_add(1);
        let mut mac = Hmac::new(self.alg, &self.prk);
        mac.update(&self.block);
        mac.update(self.info.get(..self.info_len).unwrap_or_default());
        mac.update(&[self.counter]);
        self.block = mac.finish();
        self.used = 0;
    }
}

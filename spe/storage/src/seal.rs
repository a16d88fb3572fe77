//! Keys and authenticated encryption of Protected Storage, in streaming form.
//!
//! Owns key derivation (HKDF-SHA256 of the HUK) and ChaCha20-Poly1305 (RFC 8439) piece by piece.
//! Does not own what is authenticated beside the data. Invariant required of the caller: a
//! generation is used for one write only, ever; it is the nonce.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use hkdf::Hkdf;
use poly1305::Poly1305;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use psa_interface::Status;
use sha2::Sha256;

/// Bytes of an authentication tag.
pub(crate) const TAG: usize = 16;

/// Derives everything from the HUK.
pub(crate) struct Keys(Hkdf<Sha256>);

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    pub fn new(huk: &[u8; 32]) -> Self {
        Keys(Hkdf::new(Some(b"Tockstone protected storage"), huk))
    }

    /// Seals or opens one object: its own key, its generation as nonce.
    pub fn object(&self, client: i32, uid: u64, generation: u32) -> Result<Sealer, Status> {
        let (client, uid) = (client.to_le_bytes(), uid.to_le_bytes());
        Sealer::new(&self.key(&[b"object", &client, &uid])?, generation)
    }

    /// Authenticates the table of one generation.
    pub fn table(&self, generation: u32) -> Result<Poly1305, Status> {
        Ok(Sealer::new(&self.key(&[b"table"])?, generation)?.mac)
    }

    fn key(&self, info: &[&[u8]]) -> Result<[u8; 32], Status> {
        let mut key = [0; 32];
        self.0
            .expand_multi_info(info, &mut key)
            .map_err(|_| Status::GENERIC_ERROR)?;
        Ok(key)
    }
}

/// One ChaCha20-Poly1305 message in progress: additional data, then data in order, then the tag.
pub(crate) struct Sealer {
    cipher: ChaCha20,
    mac: Poly1305,
    lengths: [u64; 2],
}

impl Sealer {
    fn new(key: &[u8; 32], generation: u32) -> Result<Self, Status> {
        let mut nonce = [0; 12];
        for (n, b) in nonce.iter_mut().zip(generation.to_le_bytes()) {
            *n = b;
        }
        let mut cipher = ChaCha20::new(key.into(), &nonce.into());
        let mut first = [0; 64];
        cipher
            .try_apply_keystream(&mut first)
            .map_err(|_| Status::GENERIC_ERROR)?;
        let (mac_key, _) = first
            .split_first_chunk::<32>()
            .ok_or(Status::GENERIC_ERROR)?;
        Ok(Sealer {
            cipher,
            mac: Poly1305::new(mac_key.into()),
            lengths: [0; 2],
        })
    }

    /// Takes the additional data in, all of it.
    pub fn aad(&mut self, aad: &[u8]) {
        self.mac.update_padded(aad);
        self.lengths[0] = aad.len() as u64;
    }

    /// Encrypts a piece in place; all but the last are multiples of 16 bytes.
    pub fn seal(&mut self, piece: &mut [u8]) -> Result<(), Status> {
        self.cipher
            .try_apply_keystream(piece)
            .map_err(|_| Status::GENERIC_ERROR)?;
        self.authenticate(piece);
        Ok(())
    }

    /// Takes a piece of ciphertext in without decrypting it; sizes as in [`Sealer::seal`].
    pub fn authenticate(&mut self, piece: &[u8]) {
        self.mac.update_padded(piece);
        self.lengths[1] += piece.len() as u64;
    }

    /// Places decryption at plaintext offset `at`.
    pub fn seek(&mut self, at: u32) -> Result<(), Status> {
        self.cipher
            .try_seek(64 + u64::from(at))
            .map_err(|_| Status::GENERIC_ERROR)
    }

    /// Decrypts in place, from where the last piece ended. Only after the tag was checked.
    pub fn open(&mut self, piece: &mut [u8]) -> Result<(), Status> {
        self.cipher
            .try_apply_keystream(piece)
            .map_err(|_| Status::GENERIC_ERROR)
    }

    /// The tag over everything taken in.
    pub fn tag(&self) -> [u8; TAG] {
        self.finished().finalize().into()
    }

    /// Compares the tag in constant time.
    pub fn verify(&self, tag: &[u8; TAG]) -> Result<(), Status> {
        self.finished()
            .verify(tag.into())
            .map_err(|_| Status::INVALID_SIGNATURE)
    }

    fn finished(&self) -> Poly1305 {
        let mut mac = self.mac.clone();
        let [a, d] = self.lengths;
        let mut block = [0; 16];
        let bytes = a.to_le_bytes().into_iter().chain(d.to_le_bytes());
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = from;
        }
        mac.update_padded(&block);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::ChaCha20Poly1305;
    use chacha20poly1305::aead::{Aead, Payload};

    #[test]
    fn equals_the_one_shot_aead() {
        for len in (0..300).chain([1023, 1024, 1025, 4096]) {
            let keys = Keys::new(&[len as u8; 32]);
            let data: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
            let mut sealer = keys.object(-2, 77, 5).unwrap();
            sealer.aad(b"twenty-one bytes aad.");
            let mut mine = data.clone();
            for piece in mine.chunks_mut(64) {
                sealer.seal(piece).unwrap();
            }
            mine.extend(sealer.tag());

            let (client, uid) = ((-2i32).to_le_bytes(), 77u64.to_le_bytes());
            let key = keys.key(&[b"object", &client, &uid]).unwrap();
            let oracle = ChaCha20Poly1305::new(&key.into());
            let nonce = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let payload = Payload {
                msg: &data,
                aad: b"twenty-one bytes aad.",
            };
            assert_eq!(mine, oracle.encrypt(&nonce.into(), payload).unwrap());

            let mut opener = keys.object(-2, 77, 5).unwrap();
            opener.aad(b"twenty-one bytes aad.");
            opener.authenticate(&mine[..len as usize]);
            let mut tag: [u8; 16] = mine[len as usize..].try_into().unwrap();
            opener.verify(&tag).unwrap();
            let from = (len / 3) as usize;
            opener.seek(from as u32).unwrap();
            opener.open(&mut mine[from..len as usize]).unwrap();
            assert_eq!(mine[from..len as usize], data[from..]);
            tag[15] ^= 0x80;
            assert_eq!(opener.verify(&tag), Err(Status::INVALID_SIGNATURE));
        }
    }

    #[test]
    fn keys_differ_by_client_uid_and_huk() {
        let tag = |huk: u8, client, uid, generation| {
            let mut s = Keys::new(&[huk; 32])
                .object(client, uid, generation)
                .unwrap();
            s.aad(b"");
            s.tag()
        };
        let base = tag(1, -2, 3, 4);
        for other in [
            tag(2, -2, 3, 4),
            tag(1, -3, 3, 4),
            tag(1, -2, 4, 4),
            tag(1, -2, 3, 5),
        ] {
            assert_ne!(base, other);
        }
    }
}

//! Keys and authenticated encryption of Protected Storage, in streaming form.
//!
//! Owns key derivation (HKDF-SHA256 of the HUK) and ChaCha20-Poly1305 (RFC 8439) piece by piece.
//! Does not own what is authenticated beside the data. Invariant required of the caller: a
//! generation is used for one write only, ever; it is the nonce.

use psa_interface::Status;
use subtle::ConstantTimeEq;
use symmetric::chacha20::ChaCha20;
use symmetric::poly1305::Poly1305;
use symmetric::sha256::hmac;
use symmetric::{Blocks, Padded};
use zeroize::Zeroizing;

/// Bytes of an authentication tag.
pub(crate) const TAG: usize = 16;

/// Derives everything from the HUK; holds HKDF's pseudorandom key.
pub(crate) struct Keys(Zeroizing<[u8; 32]>);

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    pub fn new(huk: &[u8; 32]) -> Self {
        Keys(Zeroizing::new(hmac(SALT, &[huk])))
    }

    /// Seals or opens one object: its own key, its generation as nonce.
    pub fn object(&self, client: i32, uid: u64, generation: u32) -> Sealer {
        let (client, uid) = (client.to_le_bytes(), uid.to_le_bytes());
        let key = self.key(&[b"object", &client, &uid, FIRST]);
        Sealer::new(key, generation)
    }

    /// Authenticates the table of one generation.
    pub fn table(&self, generation: u32) -> Padded<Poly1305> {
        Sealer::new(self.key(&[b"table", FIRST]), generation).mac
    }

    /// The first block of HKDF-Expand (RFC 5869 §2.3); `info` ends with [`FIRST`].
    fn key(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(hmac(&self.0[..], info))
    }
}

const SALT: &[u8] = b"Tockstone protected storage";
/// HKDF's counter of its first block.
const FIRST: &[u8] = &[1];

/// One ChaCha20-Poly1305 message in progress: additional data, then data in order, then the tag.
pub(crate) struct Sealer {
    key: Zeroizing<[u8; 32]>,
    nonce: [u8; 12],
    cipher: ChaCha20,
    mac: Padded<Poly1305>,
    lengths: [u64; 2],
}

impl Sealer {
    fn new(key: Zeroizing<[u8; 32]>, generation: u32) -> Self {
        let mut nonce = [0; 12];
        for (n, b) in nonce.iter_mut().zip(generation.to_le_bytes()) {
            *n = b;
        }
        let mut cipher = ChaCha20::new(&key, &nonce, 0);
        let mut one_time = Zeroizing::new([[0; 32]; 2]);
        cipher.apply(one_time.as_flattened_mut());
        Sealer {
            key,
            nonce,
            cipher,
            mac: Padded::new(Poly1305::new(&one_time[0])),
            lengths: [0; 2],
        }
    }

    /// Takes the additional data in, all of it.
    pub fn aad(&mut self, aad: &[u8]) {
        self.mac.update(aad);
        self.mac.pad();
        self.lengths[0] = aad.len() as u64;
    }

    /// Encrypts the next piece in place.
    pub fn seal(&mut self, piece: &mut [u8]) {
        self.cipher.apply(piece);
        self.authenticate(piece);
    }

    /// Takes a piece of ciphertext in without decrypting it.
    pub fn authenticate(&mut self, piece: &[u8]) {
        self.mac.update(piece);
        self.lengths[1] += piece.len() as u64;
    }

    /// Places decryption at plaintext offset `at`.
    pub fn seek(&mut self, at: u32) {
        self.cipher = ChaCha20::new(&self.key, &self.nonce, 1 + at / 64);
        let mut skipped = Zeroizing::new([0; 64]);
        if let Some(skipped) = skipped.get_mut(..(at % 64) as usize) {
            self.cipher.apply(skipped);
        }
    }

    /// Decrypts in place, from where the last piece ended. Only after the tag was checked.
    pub fn open(&mut self, piece: &mut [u8]) {
        self.cipher.apply(piece);
    }

    /// The tag over everything taken in.
    pub fn tag(&self) -> [u8; TAG] {
        let mut mac = self.mac.clone().into_inner();
        let [a, d] = self.lengths.map(u64::to_le_bytes);
        let mut block = [0; 16];
        block.copy_from_slice([a, d].as_flattened());
        mac.blocks(&[block]);
        mac.finish()
    }

    /// Compares the tag in constant time.
    pub fn verify(&self, tag: &[u8; TAG]) -> Result<(), Status> {
        if same_tag(&self.tag(), tag) {
            Ok(())
        } else {
            Err(Status::INVALID_SIGNATURE)
        }
    }
}

/// Compares tags in constant time.
pub(crate) fn same_tag(a: &[u8; TAG], b: &[u8; TAG]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::aead::{Aead, Payload};
    use chacha20poly1305::{ChaCha20Poly1305, KeyInit};

    #[test]
    fn equals_the_one_shot_aead() {
        for len in (0..300).chain([1023, 1024, 1025, 4096]) {
            let keys = Keys::new(&[len as u8; 32]);
            let data: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
            let mut sealer = keys.object(-2, 77, 5);
            sealer.aad(b"twenty-one bytes aad.");
            let mut mine = data.clone();
            for piece in mine.chunks_mut(64) {
                sealer.seal(piece);
            }
            mine.extend(sealer.tag());

            let (client, uid) = ((-2i32).to_le_bytes(), 77u64.to_le_bytes());
            let mut key = [0; 32];
            hkdf::Hkdf::<sha2::Sha256>::new(Some(b"Tockstone protected storage"), &[len as u8; 32])
                .expand_multi_info(&[b"object", &client, &uid], &mut key)
                .unwrap();
            let oracle = ChaCha20Poly1305::new(&key.into());
            let nonce = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let payload = Payload {
                msg: &data,
                aad: b"twenty-one bytes aad.",
            };
            assert_eq!(mine, oracle.encrypt(&nonce.into(), payload).unwrap());

            let mut opener = keys.object(-2, 77, 5);
            opener.aad(b"twenty-one bytes aad.");
            opener.authenticate(&mine[..len as usize]);
            let mut tag: [u8; 16] = mine[len as usize..].try_into().unwrap();
            opener.verify(&tag).unwrap();
            let from = (len / 3) as usize;
            opener.seek(from as u32);
            opener.open(&mut mine[from..len as usize]);
            assert_eq!(mine[from..len as usize], data[from..]);
            tag[15] ^= 0x80;
            assert_eq!(opener.verify(&tag), Err(Status::INVALID_SIGNATURE));
        }
    }

    #[test]
    fn keys_differ_by_client_uid_and_huk() {
        let tag = |huk: u8, client, uid, generation| {
            let mut s = Keys::new(&[huk; 32]).object(client, uid, generation);
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

//! Keys: volatile slots, persistent blobs, and who may use which for what.
//!
//! Every key belongs to (owner, id). Another owner's key, a key that does not exist and a key
//! that was destroyed look the same: INVALID_HANDLE. Volatile ids carry a generation, so that an
//! old id never names a newer key.

use psa_interface::key::{self, usage};
use psa_interface::{Algorithm, KeyAttributes, KeyType, Lifetime, Status};
use symmetric::erase;

use crate::material::{MAX_KEY, MAX_SINGLE};

/// Where persistent keys live. The board glues this onto internal trusted storage.
pub trait KeyStore {
    /// Stores `blob` under (owner, id), replacing what was there, atomically.
    ///
    /// # Errors
    /// INSUFFICIENT_STORAGE, STORAGE_FAILURE.
    fn set(&mut self, owner: i32, id: u32, blob: &[u8]) -> Result<(), Status>;

    /// Reads the blob into `out` and returns its length; `out` holds [`MAX_BLOB`] bytes.
    ///
    /// # Errors
    /// DOES_NOT_EXIST, STORAGE_FAILURE, DATA_CORRUPT; BUFFER_TOO_SMALL when it is longer.
    fn get(&mut self, owner: i32, id: u32, out: &mut [u8]) -> Result<usize, Status>;

    /// Removes the blob.
    ///
    /// # Errors
    /// DOES_NOT_EXIST, STORAGE_FAILURE.
    fn remove(&mut self, owner: i32, id: u32) -> Result<(), Status>;
}

impl<K: KeyStore + ?Sized> KeyStore for &mut K {
    fn set(&mut self, owner: i32, id: u32, blob: &[u8]) -> Result<(), Status> {
        (**self).set(owner, id, blob)
    }

    fn get(&mut self, owner: i32, id: u32, out: &mut [u8]) -> Result<usize, Status> {
        (**self).get(owner, id, out)
    }

    fn remove(&mut self, owner: i32, id: u32) -> Result<(), Status> {
        (**self).remove(owner, id)
    }
}

/// First bytes of a stored key: what it is, and the version of its layout.
const BLOB_MAGIC: [u8; 4] = *b"TSK1";
const BLOB_HEADER: usize = 4 + KeyAttributes::SIZE;
/// Longest blob of a persistent key, bytes: magic, attributes, key.
pub const MAX_BLOB: usize = BLOB_HEADER + MAX_KEY;

/// Slots for volatile keys of up to [`SMALL_KEY`] bytes.
const SMALL_SLOTS: usize = 24;
/// Holds a P-384 point.
const SMALL_KEY: usize = 104;
/// Slots for longer volatile keys (RSA public keys of a certificate chain).
const LARGE_SLOTS: usize = 3;
/// Slots for volatile keys of any length: one RSA key pair, where those are offered.
const LONGEST_SLOTS: usize = (MAX_KEY > MAX_SINGLE) as usize;
/// Ids of volatile keys: VENDOR_MIN | generation << 8 | slot.
const GENERATION_MASK: u32 = 0x000F_FFFF;

struct Slot<const N: usize> {
    /// 0 (no client) marks a free slot.
    owner: i32,
    attributes: KeyAttributes,
    len: u16,
    data: [u8; N],
}

impl<const N: usize> Slot<N> {
    const fn new() -> Self {
        Slot {
            owner: 0,
            attributes: KeyAttributes::volatile(KeyType::NONE, 0, 0, Algorithm::NONE),
            len: 0,
            data: [0; N],
        }
    }

    fn put(&mut self, owner: i32, attributes: KeyAttributes, data: &[u8]) -> Result<(), Status> {
        let to = self
            .data
            .get_mut(..data.len())
            .ok_or(Status::INSUFFICIENT_MEMORY)?;
        to.copy_from_slice(data);
        self.len = data.len() as u16;
        self.attributes = attributes;
        self.owner = owner;
        Ok(())
    }

    fn erase(&mut self) {
        erase(&mut self.data);
        self.owner = 0;
        self.len = 0;
        self.attributes = KeyAttributes::default();
    }

    fn bytes(&self) -> &[u8] {
        self.data.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A key that may be used.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// Its attributes, with its id.
    pub attributes: KeyAttributes,
    /// Its bytes in PSA's export format.
    pub data: &'a [u8],
}

impl Key<'_> {
    /// Checks the policy: all of `flags`, and `alg`.
    ///
    /// # Errors
    /// NOT_PERMITTED; INVALID_ARGUMENT for a wildcard or no algorithm.
    pub fn permit(&self, flags: u32, alg: Algorithm) -> Result<(), Status> {
        if self.attributes.usage & flags != flags {
            return Err(Status::NOT_PERMITTED);
        }
        if alg.is_wildcard() || alg == Algorithm::NONE {
            return Err(Status::INVALID_ARGUMENT);
        }
        let a = &self.attributes;
        if a.alg.permits(alg, a.key_type) || a.alg2.permits(alg, a.key_type) {
            Ok(())
        } else {
            Err(Status::NOT_PERMITTED)
        }
    }
}

/// All keys.
pub struct Keys<K> {
    store: K,
    small: [Slot<SMALL_KEY>; SMALL_SLOTS],
    large: [Slot<MAX_SINGLE>; LARGE_SLOTS],
    longest: [Slot<MAX_KEY>; LONGEST_SLOTS],
    generation: u32,
    /// The persistent key in use; erased at the end of each call.
    loaded: [u8; MAX_BLOB],
    loaded_len: usize,
}

impl<K: KeyStore> Keys<K> {
    pub const fn new(store: K) -> Self {
        Keys {
            store,
            small: [const { Slot::new() }; SMALL_SLOTS],
            large: [const { Slot::new() }; LARGE_SLOTS],
            longest: [const { Slot::new() }; LONGEST_SLOTS],
            generation: 0,
            loaded: [0; MAX_BLOB],
            loaded_len: 0,
        }
    }

    pub fn store_mut(&mut self) -> &mut K {
        &mut self.store
    }

    /// Looks up a key of `owner`, whatever its policy.
    ///
    /// # Errors
    /// INVALID_HANDLE when `owner` has no such key, or what storage says.
    pub fn get(&mut self, owner: i32, id: u32) -> Result<Key<'_>, Status> {
        match id {
            key::KEY_ID_USER_MIN..=key::KEY_ID_USER_MAX => self.load(owner, id),
            key::KEY_ID_VENDOR_MIN..=key::KEY_ID_VENDOR_MAX => self.volatile(owner, id),
            _ => Err(Status::INVALID_HANDLE),
        }
    }

    /// Looks up a key of `owner` for a use.
    ///
    /// # Errors
    /// As [`Keys::get`] and [`Key::permit`].
    pub fn get_for(
        &mut self,
        owner: i32,
        id: u32,
        flags: u32,
        alg: Algorithm,
    ) -> Result<Key<'_>, Status> {
        let key = self.get(owner, id)?;
        key.permit(flags, alg)?;
        Ok(key)
    }

    fn volatile(&self, owner: i32, id: u32) -> Result<Key<'_>, Status> {
        let index = (id & 0xFF) as usize;
        let (slot_owner, attributes, data) = if let Some(slot) = self.small.get(index) {
            (slot.owner, slot.attributes, slot.bytes())
        } else if let Some(slot) = self.large.get(index - SMALL_SLOTS) {
            (slot.owner, slot.attributes, slot.bytes())
        } else if let Some(slot) = self.longest.get(index - SMALL_SLOTS - LARGE_SLOTS) {
            (slot.owner, slot.attributes, slot.bytes())
        } else {
            return Err(Status::INVALID_HANDLE);
        };
        if slot_owner == 0 || slot_owner != owner || attributes.id != id {
            return Err(Status::INVALID_HANDLE);
        }
        Ok(Key { attributes, data })
    }

    fn load(&mut self, owner: i32, id: u32) -> Result<Key<'_>, Status> {
        self.forget_loaded();
        self.loaded_len = MAX_BLOB;
        let len = match self.store.get(owner, id, &mut self.loaded) {
            Err(Status::DOES_NOT_EXIST) => Err(Status::INVALID_HANDLE),
            other => other,
        }?;
        let blob = self.loaded.get(..len).ok_or(Status::DATA_CORRUPT)?;
        let (header, data) = blob
            .split_first_chunk::<BLOB_HEADER>()
            .ok_or(Status::DATA_INVALID)?;
        let (magic, attributes) = header.split_at(4);
        let attributes: &[u8; KeyAttributes::SIZE] =
            attributes.try_into().map_err(|_| Status::DATA_INVALID)?;
        let attributes = KeyAttributes::decode(attributes);
        if magic != BLOB_MAGIC || attributes.id != id {
            return Err(Status::DATA_INVALID);
        }
        Ok(Key { attributes, data })
    }

    /// Erases the persistent key that the call has used.
    pub fn forget_loaded(&mut self) {
        if self.loaded_len != 0 {
            erase(&mut self.loaded);
            self.loaded_len = 0;
        }
    }

    /// Creates a key from checked attributes and material; returns its id.
    ///
    /// # Errors
    /// ALREADY_EXISTS, INSUFFICIENT_MEMORY, or what storage says.
    pub fn create(
        &mut self,
        owner: i32,
        attributes: KeyAttributes,
        data: &[u8],
    ) -> Result<u32, Status> {
        if attributes.lifetime.is_volatile() {
            return self.create_volatile(owner, attributes, data);
        }
        match self.load(owner, attributes.id) {
            Ok(_) => return Err(Status::ALREADY_EXISTS),
            Err(Status::INVALID_HANDLE) => {}
            Err(other) => return Err(other),
        }
        self.replace(owner, attributes, data)?;
        Ok(attributes.id)
    }

    /// Stores a persistent key, whether or not one is there.
    ///
    /// # Errors
    /// What storage says; INVALID_ARGUMENT when the key is too long.
    pub fn replace(
        &mut self,
        owner: i32,
        attributes: KeyAttributes,
        data: &[u8],
    ) -> Result<(), Status> {
        self.forget_loaded();
        let len = BLOB_HEADER + data.len();
        self.loaded_len = MAX_BLOB;
        let blob = self.loaded.get_mut(..len).ok_or(Status::INVALID_ARGUMENT)?;
        let (header, body) = blob.split_at_mut(BLOB_HEADER);
        let (magic, to) = header.split_at_mut(4);
        magic.copy_from_slice(&BLOB_MAGIC);
        to.copy_from_slice(&attributes.encode());
        body.copy_from_slice(data);
        let result = self.store.set(owner, attributes.id, blob);
        self.forget_loaded();
        result
    }

    fn create_volatile(
        &mut self,
        owner: i32,
        mut attributes: KeyAttributes,
        data: &[u8],
    ) -> Result<u32, Status> {
        let generation = (self.generation + 1) & GENERATION_MASK;
        let id = |index: usize| key::KEY_ID_VENDOR_MIN | generation << 8 | index as u32;
        if data.len() <= SMALL_KEY
            && let Some((i, slot)) = free(&mut self.small)
        {
            attributes.id = id(i);
            slot.put(owner, attributes, data)?;
        } else if data.len() <= MAX_SINGLE
            && let Some((i, slot)) = free(&mut self.large)
        {
            attributes.id = id(SMALL_SLOTS + i);
            slot.put(owner, attributes, data)?;
        } else if let Some((i, slot)) = free(&mut self.longest) {
            attributes.id = id(SMALL_SLOTS + LARGE_SLOTS + i);
            slot.put(owner, attributes, data)?;
        } else {
            return Err(Status::INSUFFICIENT_MEMORY);
        }
        self.generation = generation;
        Ok(attributes.id)
    }

    /// Destroys a key; no key at all (id 0) is a success.
    ///
    /// # Errors
    /// INVALID_HANDLE, NOT_PERMITTED for a read-only key, or what storage says.
    pub fn destroy(&mut self, owner: i32, id: u32) -> Result<(), Status> {
        if id == key::KEY_ID_NULL {
            return Ok(());
        }
        let lifetime = self.get(owner, id)?.attributes.lifetime;
        if lifetime.persistence() == Lifetime::PERSISTENCE_READ_ONLY {
            return Err(Status::NOT_PERMITTED);
        }
        if !lifetime.is_volatile() {
            self.forget_loaded();
            return self.store.remove(owner, id);
        }
        let index = (id & 0xFF) as usize;
        if let Some(slot) = self.small.get_mut(index) {
            slot.erase();
        } else if let Some(slot) = self.large.get_mut(index - SMALL_SLOTS) {
            slot.erase();
        } else if let Some(slot) = self.longest.get_mut(index - SMALL_SLOTS - LARGE_SLOTS) {
            slot.erase();
        }
        Ok(())
    }

    /// Destroys every volatile key of `owner`: it died.
    pub fn destroy_volatile_of(&mut self, owner: i32) {
        self.small
            .iter_mut()
            .filter(|s| s.owner == owner)
            .for_each(Slot::erase);
        self.large
            .iter_mut()
            .filter(|s| s.owner == owner)
            .for_each(Slot::erase);
        self.longest
            .iter_mut()
            .filter(|s| s.owner == owner)
            .for_each(Slot::erase);
    }

    /// Volatile keys in use, of all owners.
    pub fn volatile_count(&self) -> usize {
        self.small.iter().filter(|s| s.owner != 0).count()
            + self.large.iter().filter(|s| s.owner != 0).count()
            + self.longest.iter().filter(|s| s.owner != 0).count()
    }
}

impl<K> Drop for Keys<K> {
    fn drop(&mut self) {
        self.small.iter_mut().for_each(Slot::erase);
        self.large.iter_mut().for_each(Slot::erase);
        self.longest.iter_mut().for_each(Slot::erase);
        erase(&mut self.loaded);
    }
}

fn free<const N: usize>(slots: &mut [Slot<N>]) -> Option<(usize, &mut Slot<N>)> {
    slots
        .iter_mut()
        .enumerate()
        .find(|(_, slot)| slot.owner == 0)
}

/// Checks the attributes of a request to create a key, and adds implied usage flags.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn check_new(mut attributes: KeyAttributes) -> Result<KeyAttributes, Status> {
    if attributes.lifetime.location() != 0 || attributes.usage & !usage::ALL != 0 {
        return Err(Status::INVALID_ARGUMENT);
    }
    if attributes.lifetime.is_volatile() {
        if attributes.id != key::KEY_ID_NULL {
            return Err(Status::INVALID_ARGUMENT);
        }
    } else if attributes.lifetime.persistence() == Lifetime::PERSISTENCE_READ_ONLY
        || !(key::KEY_ID_USER_MIN..=key::KEY_ID_USER_MAX).contains(&attributes.id)
    {
        return Err(Status::INVALID_ARGUMENT);
    }
    attributes.usage = usage::with_implied(attributes.usage);
    Ok(attributes)
}

/// The algorithm that two policies have in common.
pub fn intersect(a: Algorithm, b: Algorithm, key_type: KeyType) -> Option<Algorithm> {
    if a == b || a.permits(b, key_type) {
        Some(b)
    } else if b.permits(a, key_type) {
        Some(a)
    } else {
        None
    }
}

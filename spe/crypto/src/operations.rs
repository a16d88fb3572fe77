//! Multi-part operations: a pool of slots, each bound to its owner and to one kind.
//!
//! A handle is generation << 8 | slot + 1, so that an old handle never reaches a newer
//! operation. Whoever is not the owner, or uses another kind of call, gets BAD_STATE and changes
//! nothing.

use psa_interface::Status;

use crate::aead_parts::AeadOperation;
#[cfg(feature = "psa-cipher")]
use crate::cipher::CipherOperation;
use crate::derivation::Derivation;
use crate::mac::MacOperation;
use crate::primitives::hash::Hash;

/// Operations under way at once, of all clients.
pub const SLOTS: usize = 12;

/// What a slot is for.
#[allow(clippy::large_enum_variant)] // Slots have one size: the largest.
pub enum Operation {
    /// `psa_hash_*`.
    Hash(Hash),
    /// `psa_mac_*`.
    Mac(MacOperation),
    /// `psa_cipher_*`.
    #[cfg(feature = "psa-cipher")]
    Cipher(CipherOperation),
    /// `psa_aead_*`.
    Aead(AeadOperation),
    /// `psa_key_derivation_*`.
    Derivation(Derivation),
}

/// One kind of operation, found inside [`Operation`].
pub trait Kind: Sized {
    /// The operation, if it is of this kind.
    fn of(operation: &mut Operation) -> Option<&mut Self>;

    /// The operation itself, if it is of this kind.
    fn from(operation: Operation) -> Option<Self>;
}

macro_rules! kind {
    ($variant:ident, $type:ty) => {
        impl Kind for $type {
            fn of(operation: &mut Operation) -> Option<&mut Self> {
                match operation {
                    Operation::$variant(inner) => Some(inner),
                    _ => None,
                }
            }

            fn from(operation: Operation) -> Option<Self> {
                match operation {
                    Operation::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        }
    };
}

kind!(Hash, Hash);
kind!(Mac, MacOperation);
#[cfg(feature = "psa-cipher")]
kind!(Cipher, CipherOperation);
kind!(Aead, AeadOperation);
kind!(Derivation, Derivation);

struct Slot {
    owner: i32,
    generation: u16,
    operation: Option<Operation>,
}

/// The pool.
pub struct Operations {
    slots: [Slot; SLOTS],
}

impl Operations {
    pub const fn new() -> Self {
        Operations {
            slots: [const {
                Slot {
                    owner: 0,
                    generation: 0,
                    operation: None,
                }
            }; SLOTS],
        }
    }

    /// Puts a new operation into a free slot; returns its handle.
    ///
    /// # Errors
    /// NOT_PERMITTED when all are taken (TF-M's answer).
    pub fn add(&mut self, owner: i32, operation: Operation) -> Result<u32, Status> {
        let (i, slot) = self
            .slots
            .iter_mut()
            .enumerate()
            .find(|(_, slot)| slot.operation.is_none())
            .ok_or(Status::NOT_PERMITTED)?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.owner = owner;
        slot.operation = Some(operation);
        Ok(u32::from(slot.generation) << 8 | (i as u32 + 1))
    }

    /// The operation behind a handle.
    ///
    /// # Errors
    /// BAD_STATE when there is none of that kind for this owner.
    pub fn get<T: Kind>(&mut self, owner: i32, handle: u32) -> Result<&mut T, Status> {
        self.slot(owner, handle)
            .and_then(|slot| slot.operation.as_mut())
            .and_then(T::of)
            .ok_or(Status::BAD_STATE)
    }

    /// Frees the slot of an operation of kind `T`, erasing its state; no such one is no error.
    pub fn release<T: Kind>(&mut self, owner: i32, handle: u32) {
        if let Some(slot) = self.slot(owner, handle)
            && slot
                .operation
                .as_mut()
                .is_some_and(|operation| T::of(operation).is_some())
        {
            slot.operation = None;
            slot.owner = 0;
        }
    }

    /// Takes an operation out of its slot, which is free then.
    ///
    /// # Errors
    /// BAD_STATE when there is none of that kind for this owner; nothing changes.
    pub fn take<T: Kind>(&mut self, owner: i32, handle: u32) -> Result<T, Status> {
        self.get::<T>(owner, handle)?;
        let slot = self.slot(owner, handle).ok_or(Status::BAD_STATE)?;
        slot.owner = 0;
        let operation = slot.operation.take();
        operation.and_then(T::from).ok_or(Status::BAD_STATE)
    }

    /// Frees every slot of `owner`: it died.
    pub fn release_of(&mut self, owner: i32) {
        for slot in self.slots.iter_mut().filter(|slot| slot.owner == owner) {
            slot.operation = None;
            slot.owner = 0;
        }
    }

    /// Slots in use.
    pub fn count(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.operation.is_some())
            .count()
    }

    fn slot(&mut self, owner: i32, handle: u32) -> Option<&mut Slot> {
        let index = (handle & 0xFF).checked_sub(1)? as usize;
        let slot = self.slots.get_mut(index)?;
        let live = slot.operation.is_some()
            && slot.owner == owner
            && u32::from(slot.generation) == handle >> 8;
        live.then_some(slot)
    }
}

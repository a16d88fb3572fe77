//! Keeping processes apart where the secure side does not: a TF-M without client ids.
//!
//! Such a TF-M takes every call for the kernel's (`TFM_NS_MANAGE_NSID` is off). Here each client gets
//! a part of the kernel's names instead: of the 64-bit uids those whose upper 16 bits are 0x5000 + its
//! number, of the persistent key ids those whose bits 20 to 29 are its number + 1. What has a number
//! of the secure side's choice (volatile keys, operations) must be on record as the client's. Owns
//! these names and what is refused; does not own the record (`handles`), nor who is which client
//! (`identity`).
//!
//! What no kernel can keep apart, docs/porting.md tells.

use crate::handles::{Handles, operation};
use psa_interface::crypto::function as f;
use psa_interface::key::{KEY_ID_NULL, KEY_ID_USER_MAX};
use psa_interface::{CryptoIovec, KeyAttributes, Status};
use tfm_psa_driver::ClientId;

/// Upper half word of the uids of the client with number 0. The kernel's own uids begin with "TO",
/// those of key-value pairs with a set bit.
const UIDS: u64 = 0x5000;
const UID_BITS: u32 = 48;
/// A client's persistent keys.
const KEY_BITS: u32 = 20;
/// Clients there can be: the ids of `identity`, from −2 down.
const CLIENTS: i32 = 64;

/// The place of a client that can own what persists.
fn number(client: ClientId) -> Option<u32> {
    let number = -2 - client.get();
    (0..CLIENTS).contains(&number).then_some(number as u32)
}

/// The kernel's name of a client's object.
///
/// # Errors
/// INVALID_ARGUMENT: 0, or a uid of more than 48 bits.
pub fn uid(client: ClientId, uid: u64) -> Result<u64, Status> {
    let number = number(client).ok_or(Status::NOT_PERMITTED)?;
    if uid == 0 || uid >> UID_BITS != 0 {
        return Err(Status::INVALID_ARGUMENT);
    }
    Ok((UIDS + u64::from(number)) << UID_BITS | uid)
}

/// The kernel's name of a client's persistent key.
///
/// # Errors
/// INVALID_ARGUMENT: 0, or an id of more than 20 bits.
pub fn key(client: ClientId, id: u32) -> Result<u32, Status> {
    let number = number(client).ok_or(Status::NOT_PERMITTED)?;
    if id == KEY_ID_NULL || id >> KEY_BITS != 0 {
        return Err(Status::INVALID_ARGUMENT);
    }
    Ok((number + 1) << KEY_BITS | id)
}

/// The client's own name of a key whose name to the kernel is `id`; others stay as they are.
pub fn own_key(id: u32) -> u32 {
    if id > KEY_ID_USER_MAX {
        id
    } else {
        id & ((1 << KEY_BITS) - 1)
    }
}

/// Puts the kernel's names in the place of the client's in a crypto call. `attributes` are in_vec 1
/// of a call that makes a key.
///
/// # Errors
/// INVALID_HANDLE for a key, BAD_STATE for an operation that is not the client's; otherwise as
/// [`key`].
pub fn crypto(
    client: ClientId,
    handles: &Handles,
    iovec: &mut CryptoIovec,
    attributes: Option<&mut KeyAttributes>,
) -> Result<(), Status> {
    if let Some(operation) = operation(iovec.function_id)
        && iovec.op_handle != 0
        && !handles.holds(client, operation, iovec.op_handle)
    {
        return Err(Status::BAD_STATE);
    }
    if iovec.key_id > KEY_ID_USER_MAX {
        // The secure side's built-in keys, too, are nobody's: what is derived from them would be the
        // same for all.
        if !handles.holds_key(client, iovec.key_id) {
            return Err(Status::INVALID_HANDLE);
        }
    } else if iovec.key_id != KEY_ID_NULL {
        iovec.key_id = key(client, iovec.key_id).map_err(|_| Status::INVALID_HANDLE)?;
    }
    if let Some(attributes) = attributes
        && !attributes.lifetime.is_volatile()
    {
        attributes.id = key(client, attributes.id)?;
    }
    Ok(())
}

/// Whether in_vec 1 of the call is a number of the secure side's: only 0 is nobody else's.
pub fn names_target(iovec: &CryptoIovec) -> bool {
    iovec.function_id == f::HASH_CLONE
}

/// What of out_vec 0 is a key's name: its offset.
pub fn key_in_output(iovec: &CryptoIovec) -> Option<usize> {
    match iovec.function_id {
        f::GET_KEY_ATTRIBUTES => Some(20),
        id if crate::service::makes_key(id) => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use psa_interface::{Algorithm, KeyType};

    fn client(id: i32) -> ClientId {
        ClientId::new(id).unwrap()
    }

    #[test]
    fn no_two_clients_share_a_name() {
        let (first, last) = (client(-2), client(-65));
        assert_eq!(uid(first, 5), Ok(0x5000_0000_0000_0005));
        assert_eq!(uid(last, (1 << 48) - 1), Ok(0x503F_FFFF_FFFF_FFFF));
        assert_eq!(uid(first, 1 << 48), Err(Status::INVALID_ARGUMENT));
        assert_eq!(uid(first, 0), Err(Status::INVALID_ARGUMENT));
        assert_eq!(key(first, 1), Ok(0x0010_0001));
        assert_eq!(key(last, 0xF_FFFF), Ok(0x040F_FFFF));
        assert_eq!(key(first, 0x10_0000), Err(Status::INVALID_ARGUMENT));
        for no_owner in [-1, -66, -0x1000] {
            assert_eq!(uid(client(no_owner), 5), Err(Status::NOT_PERMITTED));
            assert_eq!(key(client(no_owner), 5), Err(Status::NOT_PERMITTED));
        }
        for id in [1, 0x20, 0xF_FFFF] {
            assert_eq!(own_key(key(last, id).unwrap()), id);
            // The kernel's own.
            assert!(key(first, id).unwrap() >> KEY_BITS != 0);
        }
        assert_eq!(own_key(0x7FFF_FFE1), 0x7FFF_FFE1);
    }

    #[test]
    fn numbers_of_the_secure_side_must_be_on_record() {
        let handles = Handles::new();
        let mut finish = CryptoIovec::new(f::HASH_FINISH);
        finish.op_handle = 1;
        let refused = |iovec: &CryptoIovec| {
            let mut iovec = *iovec;
            crypto(client(-2), &handles, &mut iovec, None)
        };
        assert_eq!(refused(&finish), Err(Status::BAD_STATE));
        let mut sign = CryptoIovec::new(f::SIGN_HASH);
        for id in [
            0x7FFF_815C,
            0x7FFF_FFE1,
            0x4000_0000,
            0x3FFF_FFFF,
            0x10_0001,
        ] {
            sign.key_id = id;
            assert_eq!(refused(&sign), Err(Status::INVALID_HANDLE), "{id:x}");
        }
        sign.key_id = 1;
        let mut named = sign;
        assert_eq!(crypto(client(-3), &handles, &mut named, None), Ok(()));
        assert_eq!(named.key_id, 0x0020_0001);
    }

    #[test]
    fn a_key_that_persists_gets_the_kernels_name() {
        let handles = Handles::new();
        let aes = KeyAttributes::volatile(KeyType::AES, 128, 0, Algorithm(0));
        let mut iovec = CryptoIovec::new(f::GENERATE_KEY);
        let mut attributes = aes.persistent(7);
        let result = crypto(client(-2), &handles, &mut iovec, Some(&mut attributes));
        assert_eq!((result, attributes.id), (Ok(()), 0x0010_0007));
        let mut attributes = aes;
        let result = crypto(client(-0x1000), &handles, &mut iovec, Some(&mut attributes));
        assert_eq!((result, attributes.id), (Ok(()), 0));
    }
}

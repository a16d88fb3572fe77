//! Internal trusted storage and protected storage.
//!
//! Owns the vectors of the two services, which are the same (tfm.md §D.1); [`its`] and [`ps`]
//! name the four calls of each.

use crate::{Status, Transport, call, call_exact, call_out};
use psa_interface::StorageInfo;
use psa_interface::storage::{GET, GET_INFO, REMOVE, SET};

fn set(
    transport: &impl Transport,
    handle: u32,
    uid: u64,
    data: &[u8],
    flags: u32,
) -> Result<(), Status> {
    let vectors: [&[u8]; 3] = [&uid.to_le_bytes(), data, &flags.to_le_bytes()];
    call(transport, handle, SET, &vectors).map(|_| ())
}

fn get(
    transport: &impl Transport,
    handle: u32,
    uid: u64,
    offset: u32,
    out: &mut [u8],
) -> Result<usize, Status> {
    let vectors: [&[u8]; 2] = [&uid.to_le_bytes(), &offset.to_le_bytes()];
    call_out(transport, handle, GET, &vectors, out)
}

fn get_info(transport: &impl Transport, handle: u32, uid: u64) -> Result<StorageInfo, Status> {
    call_exact(transport, handle, GET_INFO, &[&uid.to_le_bytes()]).map(|b| StorageInfo::decode(&b))
}

fn remove(transport: &impl Transport, handle: u32, uid: u64) -> Result<(), Status> {
    call(transport, handle, REMOVE, &[&uid.to_le_bytes()]).map(|_| ())
}

macro_rules! service {
    ($(#[$doc:meta])* $name:ident $handle:ident) => {
        $(#[$doc])*
        pub mod $name {
            use crate::{Status, Transport};
            use psa_interface::StorageInfo;
            use psa_interface::service::$handle;

            /// Stores an object, replacing the former. Flags: `psa_interface::storage::FLAG_*`.
            ///
            /// # Errors
            /// NOT_PERMITTED: the object is write-once; INSUFFICIENT_STORAGE;
            /// INVALID_ARGUMENT: uid 0, or too long.
            pub fn set(
                transport: &impl Transport,
                uid: u64,
                data: &[u8],
                flags: u32,
            ) -> Result<(), Status> {
                super::set(transport, $handle, uid, data, flags)
            }

            /// Reads an object from `offset` on, as much as `out` holds; the number of bytes.
            ///
            /// # Errors
            /// DOES_NOT_EXIST; INVALID_ARGUMENT: an offset past the end.
            pub fn get(
                transport: &impl Transport,
                uid: u64,
                offset: u32,
                out: &mut [u8],
            ) -> Result<usize, Status> {
                super::get(transport, $handle, uid, offset, out)
            }

            /// Size and flags of an object.
            ///
            /// # Errors
            /// DOES_NOT_EXIST.
            pub fn get_info(transport: &impl Transport, uid: u64) -> Result<StorageInfo, Status> {
                super::get_info(transport, $handle, uid)
            }

            /// Removes an object.
            ///
            /// # Errors
            /// DOES_NOT_EXIST; NOT_PERMITTED: it is write-once.
            pub fn remove(transport: &impl Transport, uid: u64) -> Result<(), Status> {
                super::remove(transport, $handle, uid)
            }
        }
    };
}

service! {
    /// Internal trusted storage: small, fast, inside the secure flash.
    its ITS_HANDLE
}
service! {
    /// Protected storage: encrypted, authenticated, protected against replay.
    ps PS_HANDLE
}

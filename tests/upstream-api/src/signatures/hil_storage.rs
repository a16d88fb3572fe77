//! Flash, non-volatile storage, key-value stores, permissions.

use super::{Buffer, R, Sb};
use kernel::ErrorCode;
use kernel::capabilities::{ApplicationStorageCapability, KerneluserStorageCapability};
use kernel::hil::{flash, kv, nonvolatile_storage as nvm};
use kernel::storage_permissions::StoragePermissions;
use std::num::NonZeroU32;

pub fn flashes<
    F: flash::Flash + flash::HasClient<'static, C> + 'static,
    C: flash::Client<F> + 'static,
>() {
    type Page<F> = &'static mut <F as flash::Flash>::Page;
    let _: fn(&'static F, &'static C) = F::set_client;
    let _: [fn(&F, usize, Page<F>) -> Result<(), (ErrorCode, Page<F>)>; 2] =
        [F::read_page, F::write_page];
    let _: fn(&F, usize) -> R = F::erase_page;
    let _: [fn(&C, Page<F>, Result<(), flash::Error>); 2] = [C::read_complete, C::write_complete];
    let _: fn(&C, Result<(), flash::Error>) = C::erase_complete;
    let _ = [
        flash::Error::FlashError,
        flash::Error::FlashMemoryProtectionError,
    ];
}

pub fn stores<
    N: nvm::NonvolatileStorage<'static>,
    C: nvm::NonvolatileStorageClient,
    P: kv::KVPermissions<'static>,
    K: kv::KV<'static>,
    D: kv::KVClient,
>() {
    let _: fn(&N, &'static dyn nvm::NonvolatileStorageClient) = N::set_client;
    let _: [fn(&N, Sb, usize, usize) -> R; 2] = [N::read, N::write];
    let _: [fn(&C, Sb, usize); 2] = [C::read_done, C::write_done];
    type Pair = Result<(), (Buffer, Buffer, ErrorCode)>;
    let _: [fn(&P, Buffer, Buffer, StoragePermissions) -> Pair; 4] =
        [P::get, P::set, P::add, P::update];
    let _: fn(&P) -> usize = P::header_size;
    let _: [fn(&K, Buffer, Buffer) -> Pair; 4] = [K::get, K::set, K::add, K::update];
    let _: [fn(&D, R, Buffer, Buffer); 4] = [
        D::get_complete,
        D::set_complete,
        D::add_complete,
        D::update_complete,
    ];
    let _: fn(&D, R, Buffer) = D::delete_complete;
    let _: fn(&D, R) = D::garbage_collection_complete;
}

pub fn permissions(p: &StoragePermissions) {
    type Cap<'a> = &'a dyn ApplicationStorageCapability;
    let _: fn(NonZeroU32, Cap) -> StoragePermissions = StoragePermissions::new_self_only;
    let _: fn(NonZeroU32, bool, bool, usize, [u32; 8], usize, [u32; 8], Cap) -> StoragePermissions =
        StoragePermissions::new_fixed_size;
    let _: fn(NonZeroU32, bool, bool, &'static [u32], &'static [u32], Cap) -> StoragePermissions =
        StoragePermissions::new_listed;
    let _: fn(&dyn KerneluserStorageCapability) -> StoragePermissions =
        StoragePermissions::new_kernel;
    let _: fn() -> StoragePermissions = StoragePermissions::new_null;
    let _: [bool; 2] = [p.check_read_permission(1), p.check_modify_permission(1)];
    let _: Option<u32> = p.get_write_id();
}

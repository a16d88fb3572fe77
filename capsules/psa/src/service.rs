//! What the kernel decides about each service's calls.
//!
//! Owns three questions per call: may a process without a fixed ShortId make it, does it complete
//! by upcall, does it make something in the secure world that dies with the process. The tables
//! are those of docs/syscalls/a000x.

use crate::handles::Handles;
use crate::request::Shape;
use psa_interface::crypto::function as f;
use psa_interface::key::KEY_ID_USER_MAX;
use psa_interface::{CryptoIovec, KeyAttributes, fwu, platform, service, storage};

/// More than this in all vectors of a crypto call makes it split-phase, bytes.
pub const SPLIT_TOTAL: usize = 8192;

/// One of the drivers.
#[derive(Clone, Copy)]
pub enum Service<'a> {
    /// 0xA0000; keeps what processes hold in the given record.
    Crypto(&'a Handles),
    /// 0xA0001.
    Storage,
    /// 0xA0002.
    FirmwareUpdate,
    /// 0xA0003.
    Platform,
}

/// What the kernel decides about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Completes by upcall.
    pub split: bool,
    /// Touches what outlives the process: needs a fixed ShortId.
    pub persists: bool,
    /// Makes an operation or a volatile key.
    pub allocates: bool,
}

impl Service<'_> {
    /// Static handle behind a command, `None` when there is no such command.
    pub fn handle(&self, command: usize) -> Option<u32> {
        Some(match (self, command) {
            (Service::Crypto(_), 1) => service::CRYPTO_HANDLE,
            (Service::Storage, 1) => service::ITS_HANDLE,
            (Service::Storage, 2) => service::PS_HANDLE,
            (Service::FirmwareUpdate, 1) => service::FWU_HANDLE,
            (Service::Platform, 1) => service::PLATFORM_HANDLE,
            (Service::Platform, 2) => service::ATTESTATION_HANDLE,
            _ => return None,
        })
    }

    /// Decides for every service but crypto.
    pub fn classify(&self, shape: Shape) -> Class {
        let call_type = shape.call_type;
        let split = match self {
            // Its own function decides.
            Service::Crypto(_) => true,
            Service::Storage => matches!(call_type, storage::SET | storage::REMOVE),
            Service::FirmwareUpdate => call_type != fwu::REQUEST_REBOOT,
            Service::Platform => {
                shape.handle == service::ATTESTATION_HANDLE
                    || call_type == platform::NV_COUNTER_INCREMENT
            }
        };
        Class {
            split,
            persists: true,
            allocates: false,
        }
    }
}

/// Decides for a crypto call with `total` bytes in all vectors. `attributes` are asked for only
/// when it makes a key; missing or mis-sized ones are refused by the service, and make nothing.
pub fn crypto(
    iovec: &CryptoIovec,
    total: usize,
    attributes: impl FnOnce() -> Option<KeyAttributes>,
) -> Class {
    let id = iovec.function_id;
    let makes_key = makes_key(id);
    let attributes = if makes_key { attributes() } else { None };
    let persists = attributes.is_some_and(|a| !a.lifetime.is_volatile());
    let asymmetric = attributes.is_some_and(|a| a.key_type.is_asymmetric());
    let split = match id {
        f::SIGN_MESSAGE
        | f::VERIFY_MESSAGE
        | f::SIGN_HASH
        | f::VERIFY_HASH
        | f::ASYMMETRIC_ENCRYPT
        | f::ASYMMETRIC_DECRYPT
        | f::RAW_KEY_AGREEMENT
        | f::KEY_DERIVATION_KEY_AGREEMENT
        | f::EXPORT_PUBLIC_KEY => true,
        f::DESTROY_KEY => iovec.key_id <= KEY_ID_USER_MAX,
        _ => persists || asymmetric || total > SPLIT_TOTAL,
    };
    Class {
        split,
        persists,
        allocates: !persists && (makes_key || makes_operation(id)),
    }
}

/// Functions whose out_vec 0 is a new key id.
pub fn makes_key(function_id: u16) -> bool {
    matches!(
        function_id,
        f::IMPORT_KEY | f::COPY_KEY | f::GENERATE_KEY | f::KEY_DERIVATION_OUTPUT_KEY
    )
}

/// Functions whose out_vec 0 is a new operation handle.
pub fn makes_operation(function_id: u16) -> bool {
    matches!(
        function_id,
        f::HASH_SETUP
            | f::HASH_CLONE
            | f::MAC_SIGN_SETUP
            | f::MAC_VERIFY_SETUP
            | f::CIPHER_ENCRYPT_SETUP
            | f::CIPHER_DECRYPT_SETUP
            | f::AEAD_ENCRYPT_SETUP
            | f::AEAD_DECRYPT_SETUP
            | f::KEY_DERIVATION_SETUP
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use psa_interface::{Algorithm, KeyAttributes, KeyType};

    fn class(function_id: u16, attributes: Option<KeyAttributes>, total: usize) -> Class {
        let mut iovec = CryptoIovec::new(function_id);
        iovec.key_id = 0x4000_0001;
        crypto(&iovec, total, || attributes)
    }

    /// Every function of the service, as the page says.
    #[test]
    fn the_crypto_table() {
        let split = [
            f::SIGN_MESSAGE,
            f::VERIFY_MESSAGE,
            f::SIGN_HASH,
            f::VERIFY_HASH,
            f::ASYMMETRIC_ENCRYPT,
            f::ASYMMETRIC_DECRYPT,
            f::RAW_KEY_AGREEMENT,
            f::KEY_DERIVATION_KEY_AGREEMENT,
            f::EXPORT_PUBLIC_KEY,
        ];
        let allocates = [
            0x203, 0x208, 0x209, 0x302, 0x304, 0x402, 0x403, 0x502, 0x503, 0x602, 0x603, 0x901,
            0x909,
        ];
        for (id, name) in f::ALL {
            let c = class(*id, None, 100);
            assert_eq!(c.split, split.contains(id), "{name}");
            assert_eq!(c.allocates, allocates.contains(id), "{name}");
            assert!(!c.persists, "{name}");
            assert!(
                class(*id, None, SPLIT_TOTAL + 1).split || *id == f::DESTROY_KEY,
                "{name}"
            );
        }
    }

    #[test]
    fn a_key_is_classified_by_its_attributes() {
        let aes = KeyAttributes::volatile(KeyType::AES, 128, 0, Algorithm(0));
        let ecc = KeyAttributes::volatile(KeyType::ECC_KEY_PAIR_SECP_R1, 256, 0, Algorithm(0));
        for id in [0x203, 0x208, 0x209, 0x909] {
            let c = class(id, Some(aes), 100);
            assert_eq!((c.split, c.persists, c.allocates), (false, false, true));
            let c = class(id, Some(ecc), 100);
            assert_eq!((c.split, c.persists, c.allocates), (true, false, true));
            let c = class(id, Some(aes.persistent(5)), 100);
            assert_eq!((c.split, c.persists, c.allocates), (true, true, false));
        }
        // 24 bytes of data are not attributes.
        let c = class(f::HASH_COMPUTE, Some(aes.persistent(5)), 100);
        assert_eq!((c.split, c.persists), (false, false));
    }

    #[test]
    fn destroying_is_split_where_flash_is_written() {
        for (key_id, split) in [(1, true), (KEY_ID_USER_MAX, true), (0x4000_0000, false)] {
            let mut iovec = CryptoIovec::new(f::DESTROY_KEY);
            iovec.key_id = key_id;
            assert_eq!(crypto(&iovec, 56, || None).split, split);
        }
    }

    #[test]
    fn the_other_tables() {
        let split = |s: Service<'_>, command, call_type| {
            let class = s.classify(Shape {
                handle: s.handle(command).unwrap(),
                call_type,
                in_len: 0,
                out_len: 0,
            });
            assert!(class.persists && !class.allocates);
            class.split
        };
        for command in [1, 2] {
            for (t, expected) in [
                (1001, true),
                (1002, false),
                (1003, false),
                (1004, true),
                (1005, false),
            ] {
                assert_eq!(split(Service::Storage, command, t), expected);
            }
        }
        for t in 1001..=1010 {
            assert_eq!(split(Service::FirmwareUpdate, 1, t), t != 1008);
        }
        for (t, expected) in [(1010, false), (1011, true), (1012, false), (1013, false)] {
            assert_eq!(split(Service::Platform, 1, t), expected);
        }
        assert!(split(Service::Platform, 2, 1001) && split(Service::Platform, 2, 1002));
        assert_eq!(Service::Storage.handle(3), None);
        assert_eq!(Service::FirmwareUpdate.handle(2), None);
    }
}

//! Secure services: ids, static handles, and the packed second argument of `psa_call`.
//!
//! Owns TF-M's numbers (stable over all 2.x releases) and those of PSA Firmware Framework-M 1.1.

/// `psa_framework_version()`: 1.1.
pub const FRAMEWORK_VERSION: u32 = 0x0101;
/// `PSA_VERSION_NONE`: the service does not exist, or not for this caller.
pub const VERSION_NONE: u32 = 0;
/// `PSA_IPC_CALL`: the default request type; the only one of the crypto service.
pub const IPC_CALL: i16 = 0;
/// `PSA_MAX_IOVEC`: input and output vectors together.
pub const MAX_IOVEC: usize = 4;
/// Client id of the only non-secure client where the secure side has no NSID management, as
/// services see it (TF-M 2.1 and later: −0x3C000000).
pub const NS_DEFAULT_CLIENT: i32 = -0x3C00_0000;
/// Marks a handle as static (PSA FF-M 1.1 stateless service).
pub const STATIC_HANDLE: u32 = 0x4000_0000;

/// One service: id, static handle, version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceId {
    /// The manifest's name.
    pub name: &'static str,
    /// `sid` of `psa_version` and `psa_connect`.
    pub sid: u32,
    /// Static handle for `psa_call`.
    pub handle: u32,
    /// Version, policy STRICT.
    pub version: u32,
}

const fn service(name: &'static str, sid: u32, index: u32) -> ServiceId {
    ServiceId {
        name,
        sid,
        handle: STATIC_HANDLE | (1 << 8) | index,
        version: 1,
    }
}

/// Crypto.
pub const CRYPTO: ServiceId = service("TFM_CRYPTO", 0x80, 0);
/// Protected storage.
pub const PROTECTED_STORAGE: ServiceId = service("TFM_PROTECTED_STORAGE_SERVICE", 0x60, 1);
/// Internal trusted storage.
pub const INTERNAL_TRUSTED_STORAGE: ServiceId =
    service("TFM_INTERNAL_TRUSTED_STORAGE_SERVICE", 0x70, 2);
/// Initial attestation.
pub const ATTESTATION: ServiceId = service("TFM_ATTESTATION_SERVICE", 0x20, 3);
/// Firmware update.
pub const FIRMWARE_UPDATE: ServiceId = service("TFM_FIRMWARE_UPDATE_SERVICE", 0xA0, 4);
/// Platform.
pub const PLATFORM: ServiceId = service("TFM_PLATFORM_SERVICE", 0x40, 5);

/// All services, in order of their handle's index.
pub const SERVICES: [ServiceId; 6] = [
    CRYPTO,
    PROTECTED_STORAGE,
    INTERNAL_TRUSTED_STORAGE,
    ATTESTATION,
    FIRMWARE_UPDATE,
    PLATFORM,
];

/// Static handle of the crypto service.
pub const CRYPTO_HANDLE: u32 = CRYPTO.handle;
/// Static handle of protected storage.
pub const PS_HANDLE: u32 = PROTECTED_STORAGE.handle;
/// Static handle of internal trusted storage.
pub const ITS_HANDLE: u32 = INTERNAL_TRUSTED_STORAGE.handle;
/// Static handle of initial attestation.
pub const ATTESTATION_HANDLE: u32 = ATTESTATION.handle;
/// Static handle of firmware update.
pub const FWU_HANDLE: u32 = FIRMWARE_UPDATE.handle;
/// Static handle of the platform service.
pub const PLATFORM_HANDLE: u32 = PLATFORM.handle;

/// What a static handle names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticHandle {
    /// Index of the service, bits 4:0.
    pub index: u8,
    /// Version asked for, bits 15:8.
    pub version: u8,
}

impl StaticHandle {
    /// `None` when the static bit is missing or the handle is not positive.
    pub const fn parse(handle: u32) -> Option<Self> {
        if handle & STATIC_HANDLE == 0 || handle & 0x8000_0000 != 0 {
            return None;
        }
        Some(StaticHandle {
            index: (handle & 0x1F) as u8,
            version: (handle >> 8) as u8,
        })
    }
}

/// `ctrl_param`, r1 of the `psa_call` veneer (TF-M 2.1: type 15:0 signed, outputs 18:16,
/// inputs 26:24). The flag bits 19, 27 and 31 belong to the secure side and are not represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CtrlParam {
    /// Request type.
    pub call_type: i16,
    /// Number of input vectors, 0 to 7.
    pub in_len: u8,
    /// Number of output vectors, 0 to 7.
    pub out_len: u8,
}

impl CtrlParam {
    /// Packs; `None` when the client must answer PROGRAMMER_ERROR without a call (type negative,
    /// or more than four vectors of a kind).
    pub const fn pack(self) -> Option<u32> {
        if self.call_type < 0 || self.in_len > 4 || self.out_len > 4 {
            return None;
        }
        Some(self.call_type as u32 | (self.out_len as u32) << 16 | (self.in_len as u32) << 24)
    }

    /// Unpacks what came from the other side, untrusted bits dropped.
    pub const fn unpack(word: u32) -> Self {
        CtrlParam {
            call_type: word as u16 as i16,
            in_len: (word >> 24 & 7) as u8,
            out_len: (word >> 16 & 7) as u8,
        }
    }

    /// Whether the secure side may go on: type not negative and at most four vectors together.
    pub const fn is_acceptable(self) -> bool {
        self.call_type >= 0 && self.in_len as usize + self.out_len as usize <= MAX_IOVEC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_tfms() {
        let handles: Vec<u32> = SERVICES.iter().map(|s| s.handle).collect();
        assert_eq!(
            handles,
            [
                0x40000100, 0x40000101, 0x40000102, 0x40000103, 0x40000104, 0x40000105
            ]
        );
        for (i, s) in SERVICES.iter().enumerate() {
            assert_eq!(
                StaticHandle::parse(s.handle),
                Some(StaticHandle {
                    index: i as u8,
                    version: 1
                })
            );
        }
        assert_eq!(StaticHandle::parse(0x100), None);
        assert_eq!(StaticHandle::parse(0xC000_0100), None);
    }

    #[test]
    fn ctrl_param_round_trips() {
        for call_type in [0, 1, 1001, i16::MAX] {
            for in_len in 0..=4 {
                for out_len in 0..=4 {
                    let p = CtrlParam {
                        call_type,
                        in_len,
                        out_len,
                    };
                    let word = p.pack().unwrap();
                    assert_eq!(word & 0x88F8_0000, 0);
                    assert_eq!(CtrlParam::unpack(word), p);
                    assert_eq!(CtrlParam::unpack(word | 0x8888_0000 & !0x0700_0000), p);
                    assert_eq!(p.is_acceptable(), in_len + out_len <= 4);
                }
            }
        }
        assert_eq!(
            CtrlParam {
                call_type: -1,
                in_len: 0,
                out_len: 0
            }
            .pack(),
            None
        );
        assert_eq!(
            CtrlParam {
                call_type: 0,
                in_len: 5,
                out_len: 0
            }
            .pack(),
            None
        );
        assert!(!CtrlParam::unpack(0xFFFF).is_acceptable());
        assert_eq!(
            CtrlParam {
                call_type: 1001,
                in_len: 3,
                out_len: 1
            }
            .pack(),
            Some(0x0301_03E9)
        );
    }
}

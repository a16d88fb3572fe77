//! Types and constants of PKCS#11 2.40 (OASIS, `pkcs11t.h`), under their own names.
//!
//! Owns the numbers. A CK_ULONG is 32 bits, as on the Cortex-M that corePKCS11 runs on; in a
//! template it is little-endian bytes.

use core::fmt;

/// `CK_RV`: a return code other than CKR_OK, or that.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CkRv(pub u32);

macro_rules! codes {
    ($($name:ident = $value:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: CkRv = CkRv($value);
        )*

        impl CkRv {
            /// Every code that is returned here, with its name.
            pub const NAMED: &'static [(CkRv, &'static str)] =
                &[$((CkRv($value), stringify!($name)),)*];
        }
    };
}

codes! {
    CKR_OK = 0x00;
    CKR_HOST_MEMORY = 0x02;
    CKR_SLOT_ID_INVALID = 0x03;
    CKR_FUNCTION_FAILED = 0x06;
    CKR_ARGUMENTS_BAD = 0x07;
    CKR_ATTRIBUTE_SENSITIVE = 0x11;
    CKR_ATTRIBUTE_TYPE_INVALID = 0x12;
    CKR_ATTRIBUTE_VALUE_INVALID = 0x13;
    CKR_ACTION_PROHIBITED = 0x1B;
    CKR_DATA_INVALID = 0x20;
    CKR_DATA_LEN_RANGE = 0x21;
    CKR_DEVICE_ERROR = 0x30;
    CKR_DEVICE_MEMORY = 0x31;
    CKR_KEY_HANDLE_INVALID = 0x60;
    CKR_KEY_TYPE_INCONSISTENT = 0x63;
    CKR_KEY_FUNCTION_NOT_PERMITTED = 0x68;
    CKR_MECHANISM_INVALID = 0x70;
    CKR_MECHANISM_PARAM_INVALID = 0x71;
    CKR_OBJECT_HANDLE_INVALID = 0x82;
    CKR_OPERATION_ACTIVE = 0x90;
    CKR_OPERATION_NOT_INITIALIZED = 0x91;
    CKR_SESSION_COUNT = 0xB1;
    CKR_SESSION_HANDLE_INVALID = 0xB3;
    CKR_SESSION_PARALLEL_NOT_SUPPORTED = 0xB4;
    CKR_SESSION_READ_ONLY = 0xB5;
    CKR_SESSION_EXISTS = 0xB6;
    CKR_SIGNATURE_INVALID = 0xC0;
    CKR_SIGNATURE_LEN_RANGE = 0xC1;
    CKR_TEMPLATE_INCOMPLETE = 0xD0;
    CKR_TEMPLATE_INCONSISTENT = 0xD1;
    CKR_USER_TYPE_INVALID = 0x103;
    CKR_BUFFER_TOO_SMALL = 0x150;
    CKR_CRYPTOKI_NOT_INITIALIZED = 0x190;
    CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191;
}

impl CkRv {
    /// The standard's name, if it is one of [`CkRv::NAMED`].
    pub fn name(self) -> Option<&'static str> {
        let named = Self::NAMED.iter().find(|(code, _)| *code == self);
        named.map(|(_, name)| *name)
    }
}

impl fmt::Debug for CkRv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "CKR {:#x}", self.0),
        }
    }
}

impl fmt::Display for CkRv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

macro_rules! constants {
    ($($name:ident = $value:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: u32 = $value;
        )*
    };
}

constants! {
    CKO_CERTIFICATE = 1;
    CKO_PUBLIC_KEY = 2;
    CKO_PRIVATE_KEY = 3;
    CKK_RSA = 0;
    CKK_EC = 3;
    CKC_X_509 = 0;
    CKA_CLASS = 0x000;
    CKA_TOKEN = 0x001;
    CKA_PRIVATE = 0x002;
    CKA_LABEL = 0x003;
    CKA_VALUE = 0x011;
    CKA_CERTIFICATE_TYPE = 0x080;
    CKA_KEY_TYPE = 0x100;
    CKA_SUBJECT = 0x101;
    CKA_SENSITIVE = 0x103;
    CKA_SIGN = 0x108;
    CKA_VERIFY = 0x10A;
    CKA_EXTRACTABLE = 0x162;
    CKA_MODULUS = 0x120;
    CKA_PUBLIC_EXPONENT = 0x122;
    CKA_PRIVATE_EXPONENT = 0x123;
    CKA_PRIME_1 = 0x124;
    CKA_PRIME_2 = 0x125;
    CKA_EXPONENT_1 = 0x126;
    CKA_EXPONENT_2 = 0x127;
    CKA_COEFFICIENT = 0x128;
    CKA_PUBLIC_KEY_INFO = 0x129;
    CKA_ALLOWED_MECHANISMS = 0x4000_0600;
    CKA_EC_PARAMS = 0x180;
    CKA_EC_POINT = 0x181;
    CKM_RSA_PKCS = 0x0001;
    CKM_RSA_X_509 = 0x0003;
    CKM_RSA_PKCS_PSS = 0x000D;
    CKM_SHA256 = 0x0250;
    CKM_EC_KEY_PAIR_GEN = 0x1040;
    CKM_ECDSA = 0x1041;
    CKG_MGF1_SHA256 = 0x2;
    CKF_HW = 0x1;
    CKF_SIGN = 0x800;
    CKF_VERIFY = 0x2000;
    CKF_DIGEST = 0x400;
    CKF_GENERATE_KEY_PAIR = 0x1_0000;
    CKF_RW_SESSION = 0x2;
    CKF_SERIAL_SESSION = 0x4;
    CKF_RNG = 0x1;
    CKF_TOKEN_INITIALIZED = 0x400;
    CKU_SO = 0;
    CKU_USER = 1;
    CK_UNAVAILABLE_INFORMATION = 0xFFFF_FFFF;
}

/// `CK_SLOT_ID`: there is one slot.
pub const SLOT: u32 = 1;
/// The token's PIN in the reference; login needs none here, since access is by client id.
pub const DEFAULT_PIN: &[u8] = b"0000";
/// `CKA_EC_PARAMS` of P-256: the curve's OID in DER.
pub const P256_PARAMS: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// Sessions at one time.
pub const MAX_SESSIONS: usize = 10;
/// Longest label, bytes.
pub const MAX_LABEL: usize = 32;

/// `CK_SESSION_HANDLE`; never 0.
pub type SessionHandle = u32;
/// `CK_OBJECT_HANDLE`; never 0.
pub type ObjectHandle = u32;

/// `CK_RSA_PKCS_PSS_PARAMS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RsaPkcsPssParams {
    /// `hashAlg`, CKM_*.
    pub hash_alg: u32,
    /// `mgf`, CKG_*.
    pub mgf: u32,
    /// `sLen`, bytes.
    pub salt_len: u32,
}

impl RsaPkcsPssParams {
    /// Those that TLS 1.3 signs with, and the only ones here: SHA-256, a salt as long.
    pub const SHA256: RsaPkcsPssParams = RsaPkcsPssParams {
        hash_alg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        salt_len: 32,
    };
}

/// `CK_MECHANISM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mechanism {
    /// `mechanism`, CKM_*.
    pub mechanism: u32,
    /// `pParameter`, of the one mechanism that has one.
    pub parameter: Option<RsaPkcsPssParams>,
}

impl Mechanism {
    /// CKM_RSA_PKCS_PSS with [`RsaPkcsPssParams::SHA256`].
    pub const PSS_SHA256: Mechanism = Mechanism {
        mechanism: CKM_RSA_PKCS_PSS,
        parameter: Some(RsaPkcsPssParams::SHA256),
    };

    /// A mechanism without a parameter.
    #[must_use]
    pub const fn plain(mechanism: u32) -> Mechanism {
        Mechanism {
            mechanism,
            parameter: None,
        }
    }
}

impl From<u32> for Mechanism {
    fn from(mechanism: u32) -> Mechanism {
        Mechanism::plain(mechanism)
    }
}

/// `CK_ATTRIBUTE` of a template that is searched by or created from.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// `type`.
    pub kind: u32,
    /// `pValue` and `ulValueLen`.
    pub value: &'a [u8],
}

/// `CK_ATTRIBUTE` that [`crate::Pkcs11::C_GetAttributeValue`] fills.
#[derive(Debug)]
pub struct Query<'a> {
    /// `type`.
    pub kind: u32,
    /// `pValue`; `None` asks for the length only.
    pub value: Option<&'a mut [u8]>,
    /// `ulValueLen`: set to the value's length, or to CK_UNAVAILABLE_INFORMATION.
    pub len: u32,
}

impl<'a> Query<'a> {
    /// Asks for a value.
    pub fn new(kind: u32, value: &'a mut [u8]) -> Self {
        Query {
            kind,
            value: Some(value),
            len: 0,
        }
    }

    /// Asks for a length.
    pub fn len_of(kind: u32) -> Self {
        Query {
            kind,
            value: None,
            len: 0,
        }
    }
}

/// `CK_TOKEN_INFO`, as far as it says anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenInfo {
    /// Padded with blanks.
    pub label: [u8; 32],
    /// CKF_*.
    pub flags: u32,
    /// `ulMaxSessionCount`.
    pub max_sessions: u32,
    /// `ulSessionCount`.
    pub sessions: u32,
}

/// `CK_MECHANISM_INFO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MechanismInfo {
    /// Bits.
    pub min_key_size: u32,
    /// Bits.
    pub max_key_size: u32,
    /// CKF_*.
    pub flags: u32,
}

/// `CK_FUNCTION_LIST`: what there is behind a non-null pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionList {
    /// Cryptoki version: major, minor.
    pub version: (u8, u8),
    /// Names of the functions.
    pub functions: &'static [&'static str],
}

//! Initial attestation: request types, sizes and claim labels (PSA Attestation API; TF-M numbers).
//!
//! Owns the labels of profile `PSA_IOT_PROFILE_1` (draft-tschofenig-rats-psa-token, TF-M's
//! default) and the values of the security life cycle.

/// `psa_initial_attest_get_token`: in 0 challenge, out 0 token.
pub const GET_TOKEN: i16 = 1001;
/// `psa_initial_attest_get_token_size`: in 0 challenge size (u32), out 0 token size (u32).
pub const GET_TOKEN_SIZE: i16 = 1002;
/// Permitted challenge sizes, bytes.
pub const CHALLENGE_SIZES: [usize; 3] = [32, 48, 64];
/// `PSA_INITIAL_ATTEST_MAX_TOKEN_SIZE`, bytes.
pub const MAX_TOKEN_SIZE: usize = 0x250;
/// Value of the profile claim.
pub const PROFILE: &str = "PSA_IOT_PROFILE_1";
/// First byte of an instance id: the rest is a hash of the public key (EAT UEID type RAND).
pub const UEID_TYPE_RAND: u8 = 1;

/// Labels of the claims.
pub mod claim {
    pub const PROFILE: i32 = -75000;
    pub const CLIENT_ID: i32 = -75001;
    pub const SECURITY_LIFECYCLE: i32 = -75002;
    pub const IMPLEMENTATION_ID: i32 = -75003;
    pub const BOOT_SEED: i32 = -75004;
    pub const CERTIFICATE_REFERENCE: i32 = -75005;
    pub const SW_COMPONENTS: i32 = -75006;
    /// 1, in the place of [`SW_COMPONENTS`] when there is none.
    pub const NO_SW_COMPONENTS: i32 = -75007;
    pub const NONCE: i32 = -75008;
    pub const INSTANCE_ID: i32 = -75009;
    pub const VERIFICATION_SERVICE: i32 = -75010;
}

/// Keys of a software component's map.
pub mod component {
    pub const MEASUREMENT_TYPE: u8 = 1;
    pub const MEASUREMENT_VALUE: u8 = 2;
    pub const VERSION: u8 = 4;
    pub const SIGNER_ID: u8 = 5;
    pub const MEASUREMENT_DESCRIPTION: u8 = 6;
}

/// Values of [`claim::SECURITY_LIFECYCLE`].
pub mod lifecycle {
    pub const UNKNOWN: u16 = 0x0000;
    pub const ASSEMBLY_AND_TEST: u16 = 0x1000;
    pub const PSA_ROT_PROVISIONING: u16 = 0x2000;
    pub const SECURED: u16 = 0x3000;
    pub const DECOMMISSIONED: u16 = 0x6000;
}

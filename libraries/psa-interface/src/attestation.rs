//! Initial attestation: request types and sizes (PSA Attestation API; TF-M numbers).

/// `psa_initial_attest_get_token`: in 0 challenge, out 0 token.
pub const GET_TOKEN: i16 = 1001;
/// `psa_initial_attest_get_token_size`: in 0 challenge size (u32), out 0 token size (u32).
pub const GET_TOKEN_SIZE: i16 = 1002;
/// Permitted challenge sizes, bytes.
pub const CHALLENGE_SIZES: [usize; 3] = [32, 48, 64];
/// `PSA_INITIAL_ATTEST_MAX_TOKEN_SIZE`, bytes.
pub const MAX_TOKEN_SIZE: usize = 0x250;

//! Secure partition manager: border checks, client identity, dispatch of psa_call.
#![cfg_attr(not(test), no_std)]

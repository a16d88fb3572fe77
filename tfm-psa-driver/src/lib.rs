//! Non-secure client of TF-M: veneers, psa_call, typed PSA API.
#![cfg_attr(not(test), no_std)]

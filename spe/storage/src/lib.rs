//! Internal Trusted Storage and Protected Storage on NOR flash.
#![cfg_attr(not(test), no_std)]

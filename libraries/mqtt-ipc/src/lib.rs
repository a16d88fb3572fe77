//! Layout of the 8 KiB mailbox page shared with the tockstone.mqtt service.
#![cfg_attr(not(test), no_std)]

//! The TLS/MQTT client process: smoltcp, rustls over PSA, minimq.
#![cfg_attr(not(test), no_std)]

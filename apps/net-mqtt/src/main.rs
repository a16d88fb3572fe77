//! The TLS/MQTT client process: smoltcp, rustls over PSA, minimq.
#![no_std]
#![no_main]

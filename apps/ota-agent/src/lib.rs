//! The OTA agent process: AWS IoT Jobs and MQTT file streams.
#![cfg_attr(not(test), no_std)]

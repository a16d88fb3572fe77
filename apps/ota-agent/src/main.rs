//! The OTA agent process: AWS IoT Jobs and MQTT file streams.
#![no_std]
#![no_main]

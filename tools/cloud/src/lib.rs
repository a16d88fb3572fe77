//! Local AWS IoT stand-in over a real mosquitto: registry, Jobs, Streams, OTA updates.

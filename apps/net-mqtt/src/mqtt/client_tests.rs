//! The session against a scripted broker.

//! Driver numbers.
//!
//! Owns the list (`reference/tock.md` §5.1); the 0xA0000 row is this project's.

/// Driver number of a syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum NUM {
    /// One alarm per process.
    Alarm = 0x0,
    /// Console.
    Console = 0x1,
    /// LEDs.
    Led = 0x2,
    /// Buttons.
    Button = 0x3,
    /// Debug words without an allow.
    LowLevelDebug = 0x8,
    /// Counters that a process reads without a call.
    ReadOnlyState = 0x9,
    /// Inter-process communication.
    Ipc = 0x10000,
    /// Installing applications.
    AppLoader = 0x10001,
    /// Processes seen by a process.
    ProcessInfo = 0x10002,
    /// Raw Ethernet frames.
    EthernetTap = 0x30007,
    /// Random bytes.
    Rng = 0x40001,
    /// Keyed hashes.
    Hmac = 0x40003,
    /// Hashes.
    Sha = 0x40005,
    /// Block ciphers.
    Aes = 0x40006,
    /// Non-volatile storage, one piece for all.
    NvmStorage = 0x50001,
    /// Key-value store.
    Kv = 0x50003,
    /// Non-volatile storage, a region for each application.
    IsolatedNvmStorage = 0x50004,
    /// Wall clock.
    DateTime = 0x90007,
    /// PSA crypto service.
    PsaCrypto = 0xA0000,
    /// PSA storage services.
    PsaStorage = 0xA0001,
    /// PSA firmware update service.
    PsaFwu = 0xA0002,
    /// Platform and attestation services.
    PsaPlatform = 0xA0003,
    /// Clips in the audio ROM.
    AudioRom = 0xA0004,
    /// Crash reports and states of processes.
    Supervision = 0xA0005,
}

//! The rows: budget (ARCHITECTURE §9), unit, and how each is measured.

/// A group of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Area {
    Kernel,
    Spe,
    Loader,
    Cloud,
}

impl Area {
    /// As the report and `bench AREA` name it.
    pub fn name(self) -> &'static str {
        match self {
            Area::Kernel => "kernel",
            Area::Spe => "spe",
            Area::Loader => "loader",
            Area::Cloud => "cloud",
        }
    }
}

/// A row before it is measured.
pub struct Kind {
    pub area: Area,
    pub name: &'static str,
    pub unit: &'static str,
    /// At most this much, or at least for a rate; `None` where the architecture names none for
    /// what is measured.
    pub budget: Option<u64>,
    pub method: &'static str,
}

const INSTRUCTIONS: &str = "instructions";
/// The unit in which more is better.
pub const RATE: &str = "bytes/s";
const OTA_RATE: &str = "kernel update over the link, first block request (half a round trip before \
    it comes to the broker) to the last block's line on the console, per second of the host; no \
    -icount: a figure of this host";

const CALLS: &str = "thousandths of a call";
const STACK: &str = "lowest byte that is not zero after a life with handshakes, diagnostics, an app's \
    update, a refused and a good update of both images up to the reset and the trial behind it; `brk` \
    zeroes a stack";
const HEAP: &str = "net-mqtt's own count, asked for in the same life (diagnostics)";
const NO_HEAP: &str = "room for a heap in its ELF: no allocator is linked";

const fn kind(area: Area, name: &'static str, budget: u64, method: &'static str) -> Kind {
    Kind {
        area,
        name,
        unit: INSTRUCTIONS,
        budget: Some(budget),
        method,
    }
}

const fn reported(name: &'static str, method: &'static str) -> Kind {
    Kind {
        area: Area::Kernel,
        name,
        unit: INSTRUCTIONS,
        budget: None,
        method,
    }
}

const fn figure(name: &'static str, unit: &'static str, method: &'static str) -> Kind {
    Kind {
        area: Area::Cloud,
        name,
        unit,
        budget: None,
        method,
    }
}

pub const KINDS: [Kind; 59] = [
    kind(
        Area::Kernel,
        "null_command",
        250,
        "command 0 of low-level debug (a capsule that only says success), in a loop",
    ),
    reported("allow", "read-only allow of 32 bytes in place of 32 others"),
    reported("subscribe", "subscribe in place of another"),
    reported(
        "yield_wait_upcall",
        "a command that queues an upcall, yield-wait, and the upcall",
    ),
    kind(
        Area::Kernel,
        "process_switch",
        400,
        "half of: command that queues an upcall for a process that waits, yield-wait, the same \
         there and back, less twice yield_wait_upcall",
    ),
    reported(
        "ipc_round_trip",
        "notify a service, yield-wait; it notifies the client back; nothing shared",
    ),
    reported(
        "systick_interrupt",
        "what a loop of known length takes longer than its instructions, for each slice of 10 ms",
    ),
    reported(
        "alarm_latency_worst",
        "how late a 10 ms alarm comes to its process at worst while another process generates keys, \
         signs and verifies in a loop",
    ),
    reported(
        "app_load",
        "kernel's start to its first process: one app of 4 KiB, its ECDSA credential checked; \
         set-up of all capsules and three printed lines are in it",
    ),
    kind(
        Area::Kernel,
        "psa_noop_process",
        1_500,
        "platform call of unknown type, no vectors, refused by the service; the attestation \
         handle of the definition is split-phase for a process",
    ),
    kind(
        Area::Kernel,
        "psa_noop_kernel",
        600,
        "psa_call on the attestation handle, unknown type, no vectors, refused by the service; a loop in \
         a driver of the kernel with the drivers of tests/rules, which is never released",
    ),
    kind(
        Area::Kernel,
        "its_get64_kernel",
        3_000,
        "psa_its_get of 64 bytes as the kernel's own, from the kernel and back, as the TF-M figure beside \
         the budget was measured; the loop as for psa_noop_kernel, one set and one remove in it",
    ),
    kind(
        Area::Spe,
        "p256_sign",
        200_000,
        "psa_sign_hash, volatile key; the budget is for the inside of the SPE",
    ),
    kind(
        Area::Spe,
        "p256_verify",
        500_000,
        "psa_verify_hash, volatile public key; the budget is for the inside of the SPE",
    ),
    kind(
        Area::Spe,
        "rsa3072_verify",
        2_400_000,
        "psa_verify_hash, RSA-PSS over SHA-256, exponent 65537, volatile public key; the budget is for \
         the loader's verification at boot, which is other code and in boot_to_first_process",
    ),
    kind(
        Area::Spe,
        "sha256_kib",
        24_000,
        "psa_hash_compute of 1,024 bytes",
    ),
    kind(
        Area::Spe,
        "chacha20poly1305_kib",
        26_000,
        "psa_aead_encrypt of 1,024 bytes, no additional data",
    ),
    kind(
        Area::Spe,
        "aes128gcm_kib",
        120_000,
        "psa_aead_encrypt of 1,024 bytes, no additional data; key schedule in each call",
    ),
    kind(
        Area::Spe,
        "its_set64",
        20_000,
        "psa_its_set of 64 new bytes under one uid, flash and its clean-up included",
    ),
    kind(Area::Spe, "its_get64", 3_000, "psa_its_get of 64 bytes"),
    kind(
        Area::Spe,
        "ps_set64",
        150_000,
        "psa_ps_set of 64 new bytes under one uid, flash and its clean-up included",
    ),
    kind(Area::Spe, "ps_get64", 60_000, "psa_ps_get of 64 bytes"),
    kind(
        Area::Spe,
        "attest_token",
        500_000,
        "psa_initial_attest_get_token over 32 bytes, two images measured",
    ),
    kind(
        Area::Loader,
        "boot_to_first_process",
        12_000_000,
        "counter at the kernel's line `first process`, second boot of a provisioned device with \
         the product's three apps; one boot",
    ),
    kind(
        Area::Cloud,
        "tls13_handshake",
        5_000_000,
        "ClientHello to our Finished by net-mqtt's clock, its sleep subtracted; local broker, \
         mutual, one handshake; no other process in flash, whose work would be counted too",
    ),
    figure(
        "psa_calls_per_handshake",
        "calls",
        "net-mqtt's own count from ClientHello to our Finished, in the same handshake",
    ),
    figure(
        "tls12_handshake",
        INSTRUCTIONS,
        "as tls13_handshake, the same image and key, with a broker that has nothing newer than TLS 1.2; \
         to the server's Finished",
    ),
    figure(
        "psa_calls_per_tls12_handshake",
        "calls",
        "net-mqtt's own count in the same handshake",
    ),
    figure(
        "psa_calls_per_kib",
        CALLS,
        "all calls of TLS between two requests for diagnostics, by net-mqtt's own count, for all \
         application data of both directions: a download of the kernel, labels, one answer",
    ),
    figure(
        "psa_calls_per_kib_received",
        CALLS,
        "the same, calls that opened records, for what was received; a block of 4 KiB is a message",
    ),
    figure(
        "psa_calls_per_kib_sent",
        CALLS,
        "the same, calls that sealed records, for what was sent: short messages, and an answer of some \
         3 KiB",
    ),
    Kind {
        area: Area::Cloud,
        name: "net_mqtt_heap_peak",
        unit: "bytes",
        budget: Some(32 * 1024),
        method: HEAP,
    },
    figure(
        "net_mqtt_heap_peak_connected",
        "bytes",
        "net-mqtt's own count when it has connected",
    ),
    figure("ota_agent_heap_peak", "bytes", NO_HEAP),
    figure("inference_heap_peak", "bytes", NO_HEAP),
    figure("net_mqtt_stack_peak", "bytes", STACK),
    figure("ota_agent_stack_peak", "bytes", STACK),
    figure("inference_stack_peak", "bytes", STACK),
    figure(
        "connect_round_trips",
        "round trips",
        "SYN to CONNACK, from the frames at the device's plug: one of TCP, one of MQTT, the rest TLS \
         1.3's",
    ),
    figure(
        "tls13_round_trips",
        "round trips",
        "behind SYN's, until net-mqtt has the line of its handshake, in the same connection",
    ),
    figure(
        "tls12_connect_round_trips",
        "round trips",
        "as connect_round_trips, with a broker that has nothing newer than TLS 1.2",
    ),
    figure(
        "tls12_round_trips",
        "round trips",
        "as tls13_round_trips, in the connection of tls12_connect_round_trips",
    ),
    figure(
        "publish_latency",
        "µs",
        "inference's line on the console to its message at the broker, median of 9, no delay, no \
         -icount: a figure of this host",
    ),
    figure(
        "reset_to_session",
        "ms",
        "reset of the whole device to `mqtt connected`, time of the host: loader's checks, DHCP, TLS",
    ),
    figure(
        "crash_to_session",
        "ms",
        "`fault net-mqtt` at the process console: its fault to `mqtt connected`, time of the host; the \
         session is present, no label is missing; the kernel's back-off before a first restart, 10 ms, \
         DHCP and TLS are in it",
    ),
    figure("ota_rate_0ms", RATE, OTA_RATE),
    figure("ota_rate_20ms", RATE, OTA_RATE),
    Kind {
        area: Area::Cloud,
        name: "ota_rate_100ms",
        unit: RATE,
        budget: Some(120_000),
        method: OTA_RATE,
    },
    figure("ota_rate_300ms", RATE, OTA_RATE),
    figure("ota_rate_0ms_loss1", RATE, OTA_RATE),
    figure("ota_rate_20ms_loss1", RATE, OTA_RATE),
    figure("ota_rate_100ms_loss1", RATE, OTA_RATE),
    figure("ota_rate_300ms_loss1", RATE, OTA_RATE),
    figure("ota_rate_0ms_loss5", RATE, OTA_RATE),
    figure("ota_rate_20ms_loss5", RATE, OTA_RATE),
    figure("ota_rate_100ms_loss5", RATE, OTA_RATE),
    figure("ota_rate_300ms_loss5", RATE, OTA_RATE),
    figure(
        "ota_messages_per_mib",
        "messages",
        "MQTT messages of the stream, requests and blocks, in the run of ota_rate_100ms",
    ),
    figure(
        "ota_wire_per_kib",
        "bytes",
        "Ethernet frames of both directions, without preamble and check sequence, for 1,024 bytes of \
         the image, in the run of ota_rate_100ms",
    ),
];

/// Why some budgets are out of reach.
pub const CALIBRATION: &str = "\nThe budgets of p256, sha256, chacha20poly1305, aes128gcm, rsa3072 and \
    tls13 stand on figures of crates that were read off the FPGAIO's counter as if it ran at 32 MHz. \
    QEMU's runs at 20 MHz: 2,000,000 instructions at `-icount shift=0` are 40,000 of its ticks. So the \
    crates' own figures are 1.6 times what is written there: SHA-256 37.4 k, ChaCha20-Poly1305 39.7 k \
    and AES-128-GCM 189 k for a KiB, P-256 267 k to sign and 702 k to verify, RSA-3072 3.6 M.\n";

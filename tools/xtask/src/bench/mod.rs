//! `cargo xtask bench`: what things cost, measured on the built images.
//!
//! Owns the table of rows: budget (ARCHITECTURE §9), unit and how each is measured, and the
//! committed copy of a run in `docs/bench.md`. Every value comes from the device in the run that
//! writes it. A row that this machine cannot measure is not in the report; the document lists it.

mod cloud;
mod watch;

use crate::alone::{Alone, Process};
use crate::system::Scratch;
use crate::test::kernel;
use crate::{build, counts, paths, setup, shell};
use anyhow::{Context, Result, bail};
use qemu_harness::Device;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What `bench` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Measure one area only
    #[arg(value_enum)]
    area: Option<Area>,
    /// Write the report to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measure the images that are built already
    #[arg(long)]
    no_build: bool,
    /// Area `cloud`: the rates at every round trip and loss, too
    #[arg(long)]
    long: bool,
    /// Write the table to docs/bench.md: all areas, of the checkout as it is
    #[arg(long, conflicts_with_all = ["area", "no_build"])]
    write: bool,
}

/// A group of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Area {
    Kernel,
    Spe,
    Loader,
    Cloud,
}

impl Area {
    fn name(self) -> &'static str {
        match self {
            Area::Kernel => "kernel",
            Area::Spe => "spe",
            Area::Loader => "loader",
            Area::Cloud => "cloud",
        }
    }
}

/// A row before it is measured.
struct Kind {
    area: Area,
    name: &'static str,
    unit: &'static str,
    /// At most this much, or at least for a rate; `None` where the architecture names none for
    /// what is measured.
    budget: Option<u64>,
    method: &'static str,
}

const INSTRUCTIONS: &str = "instructions";
/// The unit in which more is better.
const RATE: &str = "bytes/s";
const OTA_RATE: &str = "kernel update over the link, first block request (half a round trip before \
    it comes to the broker) to the last block's line on the console, per second of the host; no \
    -icount: a figure of this host";

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

const KINDS: [Kind; 41] = [
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
    Kind {
        area: Area::Cloud,
        name: "net_mqtt_heap_peak",
        unit: "bytes",
        budget: Some(32 * 1024),
        method: "net-mqtt's own count when it has connected; a download may need more",
    },
    figure(
        "connect_round_trips",
        "round trips",
        "SYN to CONNACK, from the frames at the device's plug: one of TCP, one of MQTT, the rest TLS \
         1.3's",
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
const CALIBRATION: &str = "\nThe budgets of p256, sha256, chacha20poly1305, aes128gcm, rsa3072 and \
    tls13 stand on figures of crates that were read off the FPGAIO's counter as if it ran at 32 MHz. \
    QEMU's runs at 20 MHz: 2,000,000 instructions at `-icount shift=0` are 40,000 of its ticks. So the \
    crates' own figures are 1.6 times what is written there: SHA-256 37.4 k, ChaCha20-Poly1305 39.7 k \
    and AES-128-GCM 189 k for a KiB, P-256 267 k to sign and 702 k to verify, RSA-3072 3.6 M.\n";

/// What §9 or §8 name and no row measures yet, and why.
const NOT_MEASURED: [(&str, &str); 4] = [
    ("psa_noop_kernel", "needs a bench build of the kernel"),
    (
        "rsa3072_verify",
        "happens inside boot_to_first_process; the loader does not print it alone",
    ),
    (
        "net_mqtt_stack_peak",
        "the runtime does not fill a stack with a pattern; the heap's peak has a row",
    ),
    (
        "crash_to_session",
        "nothing in a release image crashes net-mqtt on demand; reset_to_session is the whole device's",
    ),
];

/// The process that measures (its build script says the same sizes).
const PROCESS: Process = Process {
    package: "bench",
    short_id: 0x1BE0,
    flash_size: 0x1_0000,
    ram_size: 0x8000,
};

/// A measured row.
struct Row {
    kind: &'static Kind,
    value: u64,
    method: String,
}

/// Measures, prints, writes.
///
/// # Errors
/// When something cannot be built, or a row does not come. A missed budget is shown, not an error.
pub fn run(options: &Options) -> Result<()> {
    if options.no_build {
        setup::everything()?;
    } else {
        build::all()?;
    }
    let wanted = |area| options.area.is_none_or(|a| a == area);
    let mut rows = Vec::new();
    if wanted(Area::Kernel) || wanted(Area::Spe) {
        process_rows(&mut rows)?;
    }
    if wanted(Area::Kernel) {
        kernel_rows(&mut rows)?;
    }
    if wanted(Area::Loader) || wanted(Area::Cloud) {
        let counted = counts::run()?;
        for (name, value) in [
            ("boot_to_first_process", counted.boot_to_first_process),
            ("tls13_handshake", counted.tls13_handshake),
            ("psa_calls_per_handshake", counted.psa_calls_per_handshake),
            ("net_mqtt_heap_peak", counted.net_mqtt_heap_peak),
        ] {
            println!("bench: {name} {value}");
            rows.push(row(name, value, "-icount shift=5")?);
        }
    }
    if wanted(Area::Cloud) {
        cloud_rows(&mut rows, options.long)?;
    }
    rows.retain(|r| wanted(r.kind.area));
    rows.sort_by_key(|r| KINDS.iter().position(|k| k.name == r.kind.name));
    let table = table(&rows);
    print!("{table}");
    if let Some(file) = &options.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        std::fs::write(file, serde_json::to_vec_pretty(&json!({"rows": rows}))?)?;
    }
    if options.write {
        let file = paths::root().join("docs/bench.md");
        std::fs::write(&file, document(&table)?)?;
        println!("bench: table in {}", file.display());
    }
    Ok(())
}

impl Row {
    fn verdict(&self) -> &'static str {
        let Some(budget) = self.kind.budget else {
            return "–";
        };
        let met = match self.kind.unit {
            RATE => self.value >= budget,
            _ => self.value <= budget,
        };
        if met { "met" } else { "**missed**" }
    }

    fn json(&self) -> Value {
        json!({
            "area": self.kind.area.name(), "name": self.kind.name, "value": self.value,
            "unit": self.kind.unit, "budget": self.kind.budget, "method": self.method,
        })
    }
}

fn row(name: &str, value: u64, how: &str) -> Result<Row> {
    let kind = KINDS.iter().find(|k| k.name == name);
    let kind = kind.with_context(|| format!("no row `{name}`"))?;
    Ok(Row {
        kind,
        value,
        method: format!("{}; {how}", kind.method),
    })
}

/// Runs tests/apps/bench alone on the board and reads its lines.
fn process_rows(rows: &mut Vec<Row>) -> Result<()> {
    let mut alone = Alone::new(&PROCESS)?;
    alone.config.icount = Some("shift=5".into());
    let device = Device::start(&alone.config)?;
    let mut position = 0;
    loop {
        let bench = |l: &str| l.starts_with("bench: ") || l.contains(" faulted: ");
        let limit = Duration::from_secs(300);
        let (next, line) = device
            .console
            .wait_from(position, limit, bench, "a line of bench")?;
        position = next;
        if line.text == "bench: done" {
            return Ok(());
        }
        let words: Vec<&str> = line.text.split(' ').collect();
        let [_, name, microseconds, "us", repetitions] = words[..] else {
            bail!("{}", line.text);
        };
        let (microseconds, repetitions): (u64, u64) = (microseconds.parse()?, repetitions.parse()?);
        // The alarm's microsecond is 32 ticks of the counter.
        let all = counts::instructions(microseconds * 32);
        let value = (all + repetitions / 2) / repetitions;
        println!("bench: {name} {value}");
        rows.push(row(
            name,
            value,
            &format!(
                "mean of {}, asked by a process through a capsule, nothing subtracted; \
                 -icount shift=5",
                grouped(repetitions)
            ),
        )?);
    }
}

/// Runs tests/apps/kernel_bench on a kernel with the drivers of tests/rules, and loads one app.
fn kernel_rows(rows: &mut Vec<Row>) -> Result<()> {
    let map = paths::map()?;
    let scratch = Scratch::new("bench")?;
    let guest = |name, flash, ram| kernel::Guest {
        name,
        flash,
        ram,
        ram_size: 0x4000,
    };
    let pair = [
        guest("kernel_bench/kernel_bench", 0, 0),
        guest("kernel_bench/kernel_peer", 0x1_0000, 0x4000),
    ];
    let flash = kernel::device_flash(&scratch, &map, &kernel::tested_kernel(&map)?, &pair)?;
    let device = kernel::start(&flash, Some("shift=5"))?;
    let limit = Duration::from_secs(120);
    device.console.wait("bench: done", limit)?;
    let lines = device.console.lines();
    // Instructions and repetitions of a row.
    let measured = |name: &str| -> Result<(f64, f64)> {
        let prefix = format!("bench: {name} ");
        let line = lines.iter().find_map(|l| l.text.strip_prefix(&prefix));
        let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
        let [microseconds, "us", repetitions] = words[..] else {
            bail!("no row `{name}`: {lines:?}");
        };
        let ticks = microseconds.parse::<u64>()? * 32;
        Ok((counts::instructions(ticks) as f64, repetitions.parse()?))
    };
    let each = |name: &str| measured(name).map(|(all, n)| all / n);
    let how = "mean of 10,000 on a kernel with the drivers of tests/rules; -icount shift=5";
    for name in ["allow", "subscribe", "yield_wait_upcall", "ipc_round_trip"] {
        rows.push(row(name, each(name)?.round() as u64, how)?);
    }
    let switch = each("two_hops")? / 2.0 - each("yield_wait_upcall")?;
    rows.push(row("process_switch", switch.round() as u64, how)?);
    let (all, alone) = measured("spin")?;
    // A slice is 320,000 ticks of the 32 MHz counter.
    let slices = all / counts::instructions(320_000) as f64;
    let each = ((all - alone) / slices).round() as u64;
    rows.push(row("systick_interrupt", each, "1.5 s; -icount shift=5")?);
    drop(device);
    let latency = kernel::latency::measure()?;
    let how = format!(
        "worst of {}; the longest call alone is {}, {} instructions with its system calls; \
         -icount shift=5",
        latency.alarms,
        latency.call,
        grouped(counts::instructions(latency.alone_us * 32))
    );
    let worst = counts::instructions(latency.worst_us * 32);
    rows.push(row("alarm_latency_worst", worst, &how)?);
    let scratch = Scratch::new("bench")?;
    let released = paths::build().join("kernel_signed.bin");
    let flash = kernel::device_flash(&scratch, &map, &released, &[guest("hello", 0, 0)])?;
    let device = kernel::start(&flash, Some("shift=5"))?;
    let number = |what: &str, before: &str, after: &str| -> Result<u64> {
        let text = device.console.wait(what, limit)?.text;
        let text = text.split(before).nth(1).unwrap_or_default();
        Ok(text.split(after).next().unwrap_or_default().parse()?)
    };
    let boot = number("kernel: tockstone", ", boot ", " ")?;
    let first = number("kernel: first process", "at ", " ")?;
    let load = counts::instructions(first - boot);
    rows.push(row("app_load", load, "first boot; -icount shift=5")?);
    Ok(())
}

/// Rows of the link; with losses when `long`.
fn cloud_rows(rows: &mut Vec<Row>, long: bool) -> Result<()> {
    let mut add = |name: &str, value: u64, how: &str| -> Result<()> {
        println!("bench: {name} {value}");
        rows.push(row(name, value, how)?);
        Ok(())
    };
    add(
        "connect_round_trips",
        cloud::round_trips()?,
        "one connection",
    )?;
    add(
        "publish_latency",
        cloud::publish_latency()?,
        "link, no delay",
    )?;
    add(
        "reset_to_session",
        cloud::reset_to_session()?,
        "link, no delay, one reset",
    )?;
    let losses: &[u32] = if long { &[0, 1, 5] } else { &[0] };
    for loss in losses {
        for rtt in [0, 20, 100, 300] {
            let name = match loss {
                0 => format!("ota_rate_{rtt}ms"),
                _ => format!("ota_rate_{rtt}ms_loss{loss}"),
            };
            let download = cloud::download(rtt, *loss)?;
            let how = format!(
                "{rtt} ms round trip, {loss} % loss each way, seed {}; {} of 1,000 bytes were sent again",
                crate::system::SEED,
                download.repeated
            );
            add(&name, download.rate, &how)?;
            if name == "ota_rate_100ms" {
                add("ota_messages_per_mib", download.messages, &how)?;
                add("ota_wire_per_kib", download.wire, &how)?;
            }
        }
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| area | row | value | unit | budget | | method |\n|---|---|---:|---|---:|---|---|\n",
    );
    for row in rows {
        let Kind {
            area, name, unit, ..
        } = row.kind;
        let budget = row.kind.budget.map_or("–".into(), grouped);
        let _ = writeln!(
            text,
            "| {} | {name} | {} | {unit} | {budget} | {} | {} |",
            area.name(),
            grouped(row.value),
            row.verdict(),
            row.method
        );
    }
    text
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn document(table: &str) -> Result<String> {
    let commit = shell::run(
        Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .current_dir(paths::root()),
    )?;
    let qemu = shell::run(Command::new("qemu-system-arm").arg("--version"))?;
    let qemu = qemu.lines().next().unwrap_or_default();
    let mut text = format!(
        "# What things cost\n\nWritten by `cargo xtask bench --write` on {qemu}, checkout {}. \
         Not to be edited.\n\nInstructions: QEMU with `-icount shift=5`, differences of the \
         64-bit counter of the subsystem (31.25 ns a tick), × 125/128. Rows of a process are read \
         by its alarm driver, which counts microseconds of the same counter, around at least \
         1,000 repetitions; the loop, system calls, copies, timer interrupts and, for a deferred \
         answer, the kernel's main loop are in them. Budgets: ARCHITECTURE §9. Each is an upper \
         bound.\n\n",
        commit.trim()
    );
    text.push_str(table);
    text.push_str(CALIBRATION);
    text.push_str("\nNot measured, and so in no report:\n\n");
    for (name, why) in NOT_MEASURED {
        let _ = writeln!(text, "- `{name}`: {why}.");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12345678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_missed_budget_is_shown_as_missed() {
        let verdict = |value| row("null_command", value, "").map(|r| r.verdict()).ok();
        assert_eq!(verdict(250), Some("met"));
        assert_eq!(verdict(251), Some("**missed**"));
        let rate = |value| row("ota_rate_100ms", value, "").map(|r| r.verdict()).ok();
        assert_eq!(rate(119_999), Some("**missed**"));
        assert_eq!(rate(120_000), Some("met"));
        assert!(row("no_such_row", 1, "").is_err());
    }
}

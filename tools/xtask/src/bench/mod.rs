//! `cargo xtask bench`: what things cost, measured on the built images.
//!
//! Owns how the rows ([`kinds`]) are measured, and the committed copy of a run in `docs/bench.md`. Every
//! value comes from the device in the run that writes it.

mod cloud;
mod kinds;
mod memory;
mod watch;

use self::kinds::{Area, CALIBRATION, KINDS, Kind, RATE};
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
    paths::check_report(options.json.as_deref())?;
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
            ("tls12_handshake", counted.tls12_handshake),
            (
                "psa_calls_per_tls12_handshake",
                counted.psa_calls_per_tls12_handshake,
            ),
            ("net_mqtt_heap_peak_connected", counted.net_mqtt_heap_peak),
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
    for name in [
        "allow",
        "subscribe",
        "yield_wait_upcall",
        "ipc_round_trip",
        "psa_noop_kernel",
        "its_get64_kernel",
    ] {
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
    let (tls13, tls12) = (cloud::round_trips(false)?, cloud::round_trips(true)?);
    for (name, value) in [
        ("connect_round_trips", tls13.connect),
        ("tls13_round_trips", tls13.tls),
        ("tls12_connect_round_trips", tls12.connect),
        ("tls12_round_trips", tls12.tls),
    ] {
        add(name, value, "one connection, 100 ms round trip")?;
    }
    let calls = cloud::psa_calls()?;
    let how = format!(
        "{} bytes received, {} sent",
        grouped(calls.bytes.0),
        grouped(calls.bytes.1)
    );
    for (name, value) in [
        ("psa_calls_per_kib", calls.all),
        ("psa_calls_per_kib_received", calls.received),
        ("psa_calls_per_kib_sent", calls.sent),
    ] {
        add(name, value, &how)?;
    }
    for peak in memory::peaks()? {
        let name = peak.process.replace('-', "_");
        let how = format!(
            "stack of {}; {} as the kernel saw the stack pointer",
            grouped(peak.stack.1),
            grouped(peak.seen)
        );
        add(&format!("{name}_stack_peak"), peak.stack.0, &how)?;
        let how = format!("heap of {}", grouped(peak.heap.1));
        add(&format!("{name}_heap_peak"), peak.heap.0, &how)?;
    }
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
    add(
        "crash_to_session",
        cloud::crash_to_session()?,
        "link, no delay, one crash",
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

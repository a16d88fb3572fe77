//! `cargo xtask demo`: from reset to an over-the-air update, shown and checked from outside.
//!
//! Owns the story and its checks. Each step counts only when it was seen from outside the device:
//! on a UART, at the broker, or in the job's state. The report has the shape that the project's
//! architecture fixes.

use crate::build::{FACTORY, UPDATE};
use crate::system::{System, loader};
use crate::view::View;
use crate::{build, console, counts, flash, paths, setup, sign, updates};
use anyhow::{Context, Result, bail};
use cloud::OtaFile;
use cloud::jobs::{Execution, Status};
use qemu_harness::{Config, Device, FlashFile};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const BOOT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(90);
const UPDATE_LIMIT: Duration = Duration::from_secs(300);

/// What `demo` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Write the report to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Leave the system running at the end, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Open the web console, and leave the system running at the end, until Enter
    #[arg(long)]
    pub console: bool,
    /// Show what is built already
    #[arg(long)]
    pub no_build: bool,
}

/// Runs the demo.
///
/// # Errors
/// The first step that was not observed, and what was seen instead.
pub fn run(options: &Options) -> Result<()> {
    paths::check_report(options.json.as_deref())?;
    let start = Instant::now();
    let (_, downloads) = setup::everything()?;
    if !options.no_build {
        build::all()?;
    }
    let built = start.elapsed().saturating_sub(downloads);

    let view = View::new();
    let mut report = json!({
        "versions": {}, "tls": {}, "messages": [], "jobs": [], "refusals": [], "counts": {},
    });
    view.title("a local cloud, and a device that is registered there");
    let mut system = System::new("tockstone-demo")?;
    view.line(&format!(
        "broker on 127.0.0.1:{}, mutual TLS; thing {}",
        system.cloud.broker.port, system.thing
    ));
    let server = match options.console {
        true => Some(console::serve(&system.cloud, None)?),
        false => None,
    };
    if let Some(url) = server.as_ref().map(console::url) {
        view.line(&format!("console {url}"));
        console::browse(&url);
    }

    view.title("reset to cloud");
    let mut device = system.boot()?;
    report["versions"] = boot(&view, &device)?;
    report["tls"] = connect(&view, &device, 0)?;
    report["messages"] = inference(&view, &system)?;

    view.title("update of one app alone, beside the others");
    report["jobs"] = json!([app_update(&view, &mut system, &device, "inference")?]);
    view.title("update of the non-secure image, over the air");
    let kernel = paths::build().join("kernel-update_signed.bin");
    push(
        &mut report,
        "jobs",
        update(&view, &mut system, &device, "non_secure image", &kernel)?,
    );
    view.title("update of the secure image, over the air");
    let secure = paths::build().join("secure-update_signed.bin");
    push(
        &mut report,
        "jobs",
        update(&view, &mut system, &device, "secure image", &secure)?,
    );
    view.title("a job with the running version");
    push(
        &mut report,
        "jobs",
        not_newer(&view, &mut system, &device, &kernel)?,
    );
    device.check()?;

    view.title("refusals, each on a copy of the flash");
    drop(device);
    let (job, refusal) = forged_update(&view, &mut system)?;
    push(&mut report, "jobs", job);
    push(&mut report, "refusals", refusal);
    for refusal in loader_refusals(&view)? {
        push(&mut report, "refusals", refusal);
    }

    view.title("counted under -icount shift=5");
    report["counts"] = counts(&view)?;

    let total = start.elapsed();
    view.title("summary");
    view.line(&format!("versions {}", report["versions"]));
    view.line(&format!("tls {}", report["tls"]));
    for job in report["jobs"].as_array().into_iter().flatten() {
        view.line(&format!(
            "job {}: {} -> {}, {}",
            job["id"], job["from"], job["to"], job["history"]
        ));
    }
    view.line(&format!(
        "{} s in all, of which build {} s, and {} s to install and download tools",
        total.as_secs(),
        built.as_secs(),
        downloads.as_secs()
    ));
    report["seconds"] =
        json!({"total": total.as_secs(), "build": built.as_secs(), "setup": downloads.as_secs()});
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
        view.line(&format!("report in {}", file.display()));
    }
    if let Some(server) = &server {
        let mut device = system.boot()?;
        view.line(&format!("left running; console {}", console::url(server)));
        view.line("Enter or Ctrl-C ends it");
        return console::until_enter(&mut device);
    }
    if options.keep {
        let mut device = system.boot()?;
        view.line("left running; Ctrl-C ends it");
        loop {
            device.check()?;
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    Ok(())
}

fn push(report: &mut Value, list: &str, value: Value) {
    if let Some(list) = report[list].as_array_mut() {
        list.push(value);
    }
}

/// Loader verdicts and versions.
fn boot(view: &View, device: &Device) -> Result<Value> {
    let mut versions = json!({});
    for image in ["secure", "non-secure"] {
        let line = device
            .secure
            .wait(&format!("loader: {image} image"), BOOT)?
            .text;
        view.line(&line);
        let version = line
            .strip_prefix(&format!("loader: {image} image "))
            .and_then(|rest| rest.split_once(" verified"))
            .with_context(|| format!("the loader does not boot: {line}"))?
            .0;
        versions[image] = version.into();
    }
    for app in paths::map()?.app {
        let line = device
            .console
            .wait(&format!(" {} flash", app.name), BOOT)?
            .text;
        view.line(&line);
        versions["processes"][&app.name] = line.into();
    }
    Ok(versions)
}

/// The TLS connection that was made after `position` of the console.
fn connect(view: &View, device: &Device, position: usize) -> Result<Value> {
    let (next, tls) = device.console.wait_from(
        position,
        CONNECT,
        |l| l.starts_with("net-mqtt: tls "),
        "net-mqtt: tls",
    )?;
    view.line(&tls.text);
    let (_, mqtt) = device.console.wait_from(
        next,
        CONNECT,
        |l| l.starts_with("net-mqtt: mqtt connected"),
        "net-mqtt: mqtt connected",
    )?;
    view.line(&mqtt.text);
    let mut words = tls.text.trim_start_matches("net-mqtt: tls ").splitn(3, ' ');
    let mut word = || {
        words
            .next()
            .unwrap_or_default()
            .trim_end_matches(',')
            .to_owned()
    };
    Ok(json!({"version": word(), "suite": word(), "key": word()}))
}

/// Inference results as the broker has them: until both words were heard.
fn inference(view: &View, system: &System) -> Result<Value> {
    let topic = format!("{}/ml/inference", system.thing);
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut shown = 0;
    loop {
        let messages: Vec<Value> = system
            .cloud
            .messages()
            .iter()
            .filter(|m| m.topic == topic)
            .map(|m| {
                let t =
                    m.at.duration_since(std::time::UNIX_EPOCH)
                        .map_or(0.0, |d| d.as_secs_f64());
                json!({"topic": m.topic, "payload": String::from_utf8_lossy(&m.payload), "t": t})
            })
            .collect();
        for message in &messages[shown..] {
            view.line(&format!("broker: {topic} = {}", message["payload"]));
        }
        shown = messages.len();
        let heard = |word: &str| messages.iter().any(|m| m["payload"] == word);
        if heard("yes") && heard("no") {
            return Ok(messages.into());
        }
        if Instant::now() > deadline {
            bail!("the broker did not get both `yes` and `no` on {topic} in 120 s: {messages:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One update from job to SUCCEEDED, with the reboot seen on the UART.
fn update(
    view: &View,
    system: &mut System,
    device: &Device,
    path: &str,
    file: &Path,
) -> Result<Value> {
    let from = image_version(device, path)?;
    let before = device.secure.position();
    let (bytes, signature) = (std::fs::read(file)?, sign::update_signature(file)?);
    // A job id may hold neither blanks nor dots.
    let id = format!("{path}-{UPDATE}").replace([' ', '_', '.'], "-");
    let job = system.cloud.create_ota_update(
        &system.thing,
        &id,
        &[OtaFile::rsa(path, bytes, &signature)],
    )?;
    view.line(&format!("job {job} created"));
    let done = follow(view, system, device, &job)?;
    if done.status != Status::Succeeded {
        bail!("job {job} ended {}: {:?}", done.status.name(), done.details);
    }
    let image = if path.starts_with("non") {
        "non-secure"
    } else {
        "secure"
    };
    let wanted = format!("loader: {image} image {UPDATE}");
    let (_, line) = device
        .secure
        .wait_from(before, BOOT, |l| l.starts_with(&wanted), &wanted)?;
    view.line(&line.text);
    let to = image_version(device, path)?;
    Ok(job_report(&done, path, &from, &to))
}

/// One app's update, seen on the console: no other boot, no other connection than before.
fn app_update(view: &View, system: &mut System, device: &Device, name: &str) -> Result<Value> {
    let path = updates::filepath(name);
    let file = updates::file(name);
    let (bytes, signature) = (std::fs::read(&file)?, sign::update_signature(&file)?);
    let id = format!("app-{name}-{}", updates::UPDATE);
    let files = [OtaFile::rsa(&path, bytes, &signature)];
    let seen = || {
        let lines = device.console.lines();
        let count = |prefix: &str| lines.iter().filter(|l| l.text.starts_with(prefix)).count();
        (
            count("kernel: tockstone "),
            count("net-mqtt: mqtt connected"),
        )
    };
    let before = seen();
    let job = system.cloud.create_ota_update(&system.thing, &id, &files)?;
    view.line(&format!("job {job} created"));
    let done = follow(view, system, device, &job)?;
    if done.status != Status::Succeeded {
        bail!("job {job} ended {}: {:?}", done.status.name(), done.details);
    }
    if seen() != before {
        bail!("boots and connections were {before:?} and are {:?}", seen());
    }
    view.line("the kernel and net-mqtt's connection are the same as before");
    Ok(job_report(&done, &path, "1", &updates::UPDATE.to_string()))
}

/// Waits for a job's end; shows blocks and states on the way.
fn follow(view: &View, system: &System, device: &Device, job: &str) -> Result<Execution> {
    let mut position = device.console.position();
    let mut states = 0;
    let bar = view.bar(job);
    let deadline = Instant::now() + UPDATE_LIMIT;
    loop {
        let lines = device.console.lines();
        for line in lines.get(position..).unwrap_or_default() {
            if let Some((done, total)) = blocks(&line.text, job) {
                bar.blocks(done, total);
            } else if line.text.starts_with("ota-agent: ") {
                bar.line(&line.text);
            }
        }
        position = lines.len();
        let execution = system
            .cloud
            .execution(&system.thing, job)
            .context("the job is gone")?;
        for change in &execution.history[states..] {
            let details = change
                .details
                .as_ref()
                .map(Value::to_string)
                .unwrap_or_default();
            bar.line(&format!("job {} {details}", change.status.name()));
        }
        states = execution.history.len();
        if execution.status.is_terminal() {
            return Ok(execution);
        }
        if Instant::now() > deadline {
            let tail: Vec<&str> = lines
                .iter()
                .rev()
                .take(20)
                .rev()
                .map(|l| l.text.as_str())
                .collect();
            bail!(
                "job {job} did not end: {:?}\nthe console ends with\n{}",
                execution.history,
                tail.join("\n")
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `ota-agent: job ID: n/total blocks`.
pub fn blocks(line: &str, job: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("ota-agent: job ")?.strip_prefix(job)?;
    let (done, total) = rest
        .strip_prefix(": ")?
        .strip_suffix(" blocks")?
        .split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

fn not_newer(view: &View, system: &mut System, device: &Device, file: &Path) -> Result<Value> {
    let path = "non_secure image";
    let from = image_version(device, path)?;
    let (bytes, signature) = (std::fs::read(file)?, sign::update_signature(file)?);
    let job = system.cloud.create_ota_update(
        &system.thing,
        "again",
        &[OtaFile::rsa(path, bytes, &signature)],
    )?;
    let done = follow(view, system, device, &job)?;
    expect_failed(&done, "not newer")?;
    Ok(job_report(
        &done,
        path,
        &from,
        &image_version(device, path)?,
    ))
}

/// A newer image whose job carries the signature of another file: refused, and the old one runs.
fn forged_update(view: &View, system: &mut System) -> Result<(Value, Value)> {
    let path = "non_secure image";
    let copy = system.copy_flash("forged-update.bin")?;
    let device = Device::start(&system.config_for(&copy))?;
    connect(view, &device, 0)?;
    let from = image_version(&device, path)?;
    let file = system.scratch.path().join("newer_signed.bin");
    sign::image(&system.map, sign::Image::NonSecure, "1.0.2", &file)?;
    let other = system.scratch.path().join("other.bin");
    std::fs::write(&other, b"not the update")?;
    let signature = sign::update_signature(&other)?;
    let files = [OtaFile::rsa(path, std::fs::read(&file)?, &signature)];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "forged", &files)?;
    let done = follow(view, system, &device, &job)?;
    expect_failed(&done, "signature does not verify")?;
    // What a reset boots is what counts.
    let (secure, console) = (device.secure.position(), device.console.position());
    let mut device = device;
    device.reset()?;
    let wanted = format!("loader: non-secure image {from}");
    let (_, line) = device
        .secure
        .wait_from(secure, BOOT, |l| l.starts_with(&wanted), &wanted)?;
    connect(view, &device, console)?;
    let refusal = json!({"what": "an update file whose job signature is wrong", "uart": line.text});
    Ok((
        job_report(&done, path, &from, &image_version(&device, path)?),
        refusal,
    ))
}

fn expect_failed(execution: &Execution, reason: &str) -> Result<()> {
    let details = execution
        .details
        .as_ref()
        .map(Value::to_string)
        .unwrap_or_default();
    if execution.status != Status::Failed || !details.contains(reason) {
        bail!(
            "job {} should be FAILED with `{reason}`; it is {} {details}",
            execution.job,
            execution.status.name()
        );
    }
    Ok(())
}

fn job_report(execution: &Execution, path: &str, from: &str, to: &str) -> Value {
    let history: Vec<Value> = execution
        .history
        .iter()
        .map(|c| json!({"status": c.status.name(), "details": c.details, "version": c.version, "at": c.at}))
        .collect();
    json!({"id": execution.job, "file": path, "history": history, "from": from, "to": to})
}

/// The version that the loader verified last.
fn image_version(device: &Device, path: &str) -> Result<String> {
    let image = if path.starts_with("non") {
        "non-secure"
    } else {
        "secure"
    };
    let prefix = format!("loader: {image} image ");
    let lines = device.secure.lines();
    let line = lines
        .iter()
        .rev()
        .find_map(|l| l.text.strip_prefix(&prefix))
        .context("no loader verdict")?;
    Ok(line.split(' ').next().unwrap_or_default().into())
}

/// A flipped byte, and a wrong key: the loader stops and says which image and why.
fn loader_refusals(view: &View) -> Result<Vec<Value>> {
    let system = System::new("tockstone-refusal")?;
    let header = system.map.image_header;
    let flipped = system.copy_flash("flipped.bin")?;
    let byte = flipped.read("ns-primary", header + 0x1234, 1)?;
    flipped.write("ns-primary", header + 0x1234, &[byte[0] ^ 0x10])?;
    let forged = system.copy_flash("forged.bin")?;
    let file = system.scratch.path().join("forged_signed.bin");
    let key = paths::keys().join("wrong.pem");
    sign::image_with(&system.map, sign::Image::Secure, FACTORY, &key, &file)?;
    forged.erase("s-primary")?;
    flash::install(&forged, "s-primary", &file)?;
    [
        (
            "a byte flipped in the non-secure primary slot, the secondary empty",
            "non-secure",
            &flipped,
        ),
        ("a secure image signed by a wrong key", "secure", &forged),
    ]
    .into_iter()
    .map(|(what, image, flash)| {
        let line = refused(flash, image)?;
        view.line(&format!("{what}: {line}"));
        Ok(json!({"what": what, "uart": line}))
    })
    .collect()
}

/// The loader's refusal of an image; nothing may have booted.
fn refused(flash: &FlashFile, image: &str) -> Result<String> {
    let device = Device::start(&Config::new(&loader(), flash.path()))?;
    let line = device
        .secure
        .wait(&format!("loader: {image} image refused: "), BOOT)?
        .text;
    device.secure.wait("loader: nothing boots", BOOT)?;
    std::thread::sleep(Duration::from_millis(300));
    if device.console.position() != 0 {
        bail!(
            "after `{line}` something booted all the same: {:?}",
            device.console.lines()
        );
    }
    Ok(line)
}

/// Instructions to the first process and of a TLS handshake, in a boot of their own.
fn counts(view: &View) -> Result<Value> {
    let counted = counts::run()?;
    let mut out = json!({});
    for (name, instructions) in [
        ("boot_to_first_process", counted.boot_to_first_process),
        ("tls13_handshake", counted.tls13_handshake),
    ] {
        view.line(&format!("{name}: {instructions} instructions"));
        out[name] = instructions.into();
    }
    Ok(out)
}

//! `cargo xtask run`: boots a device without a script, its consoles on the terminal.
//! Of its own, with a cloud; or one that a person has flashed and provisioned.
//!
//! Owns the pairing of UART lines and terminal; keys go to the non-secure console.

use crate::system::{System, loader};
use crate::{build, paths, setup};
use anyhow::{Result, bail};
use qemu_harness::{Config, Device, FlashFile, Uart};
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `run`'s options.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Flash file of a device (`flash`, `provision`) to boot instead: without a cloud of its own, on
    /// QEMU's user network, where this machine is 10.0.2.2; what it writes stays in the file
    pub file: Option<PathBuf>,
    /// Start what is built already
    #[arg(long)]
    pub no_build: bool,
    /// QEMU's user network instead of the link: the device reaches the internet
    #[arg(long)]
    pub user_net: bool,
}

/// Boots and shows until Ctrl-C.
///
/// # Errors
/// Of the system; when QEMU ends by itself, its output.
pub fn run(options: &Options) -> Result<()> {
    if let Some(file) = &options.file {
        setup::everything()?;
        let (device, _kept) = boot(file)?;
        say_when_blank(&device, file);
        return shown(device);
    }
    if !options.no_build {
        build::all()?;
    }
    let mut system = System::new("tockstone-run")?;
    if options.user_net {
        system.link = None;
    }
    println!(
        "run: broker on 127.0.0.1:{} (mutual TLS) and :{} (plain, for mosquitto_sub); Ctrl-C ends it",
        system.cloud.broker.port, system.cloud.broker.plain_port
    );
    // Where `ota push` and docs/ look for it, unless another cloud is there.
    let server = crate::console::serve(&system.cloud, Some(cloud::http::PORT))
        .or_else(|_| crate::console::serve(&system.cloud, None))?;
    println!("run: console {}", crate::console::url(&server));
    println!(
        "run: updates by `cargo xtask ota push FILE --path PATH --endpoint {}`",
        server.url()
    );
    shown(system.boot()?)
}

/// Boots the device of a person's flash file, which is kept from others meanwhile.
///
/// # Errors
/// When it is none of the board's, or the loader has not been built.
pub fn boot(file: &Path) -> Result<(Device, File)> {
    let flash = FlashFile::open(file, &paths::map()?)?;
    if !loader().is_file() {
        bail!("no {} (cargo xtask build)", loader().display());
    }
    let kept = flash.keep()?;
    let device = Device::start(&Config::new(&loader(), flash.path()))?;
    Ok((device, kept))
}

/// The loader says that it has no identity, and waits for ever.
fn say_when_blank(device: &Device, file: &Path) {
    let (secure, file) = (device.secure.clone(), file.display().to_string());
    std::thread::spawn(move || {
        let line = secure.wait("loader: not provisioned", Duration::from_secs(60));
        if line.is_ok() {
            println!(
                "run: {file} has no identity: Ctrl-C, then `cargo xtask provision {file} …`; \
                 `cargo xtask cloud NAME` prints the whole line"
            );
        }
    });
}

/// Shows both consoles for as long as the device lives.
fn shown(mut device: Device) -> Result<()> {
    show("secure  | ", device.secure.clone());
    show("console | ", device.console.clone());
    keys_to(device.console.clone());
    loop {
        device.check()?;
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Lines from the terminal go to this UART.
pub fn keys_to(uart: Uart) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if uart.send(&format!("{line}\n")).is_err() {
                return;
            }
        }
    });
}

/// Lines of this UART go to the terminal.
pub fn show(prefix: &'static str, uart: Uart) {
    std::thread::spawn(move || {
        let mut position = 0;
        while !uart.is_closed() || position < uart.position() {
            let limit = Duration::from_secs(60);
            if let Ok((next, line)) = uart.wait_from(position, limit, |_| true, "a line") {
                if writeln!(std::io::stdout(), "{prefix}{}", line.text).is_err() {
                    crate::reader_gone();
                }
                position = next;
            }
        }
    });
}

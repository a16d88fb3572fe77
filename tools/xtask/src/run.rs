//! `cargo xtask run`: boots a device without a script, its consoles on the terminal.
//!
//! Owns the pairing of UART lines and terminal; keys go to the non-secure console.

use crate::system::System;
use anyhow::Result;
use qemu_harness::Uart;
use std::io::BufRead;
use std::time::Duration;

/// Boots and shows until Ctrl-C; with QEMU's network instead of the link when `user_net`.
///
/// # Errors
/// Of the system; when QEMU ends by itself, its output.
pub fn run(user_net: bool) -> Result<()> {
    let mut system = System::new("tockstone-run")?;
    if user_net {
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
    let mut device = system.boot()?;
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
        while let Ok((next, line)) =
            uart.wait_from(position, Duration::from_secs(3600), |_| true, "a line")
        {
            println!("{prefix}{}", line.text);
            position = next;
        }
    });
}

//! The web console of a cloud that runs here: its URL, and a browser on it.
//!
//! Owns how `run`, `demo` and `cloud` show it. The pages are `tools/cloud`'s.

use crate::shell;
use anyhow::Result;
use cloud::Cloud;
use cloud::http::Server;
use qemu_harness::Device;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Serves a cloud's console and control plane; on a free port when none is given.
///
/// # Errors
/// When the port is taken.
pub fn serve(cloud: &Cloud, port: Option<u16>) -> Result<Server> {
    cloud::console::serve(cloud.core(), port)
}

/// Where its pages begin.
pub fn url(server: &Server) -> String {
    format!("{}/ui/", server.url())
}

/// Opens a browser where there is a display; the URL has been printed in any case.
pub fn browse(url: &str) {
    let display = ["DISPLAY", "WAYLAND_DISPLAY"];
    if display.iter().all(|name| std::env::var_os(name).is_none()) || !shell::on_path("xdg-open") {
        return;
    }
    let mut command = Command::new("xdg-open");
    let quiet = command.arg(url).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(e) = quiet.spawn() {
        eprintln!("console: xdg-open: {e}");
    }
}

/// Keeps a device running until Enter, or the end of the input.
///
/// # Errors
/// When the device ends by itself.
pub fn until_enter(device: &mut Device) -> Result<()> {
    let (pressed, enter) = channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_line(&mut String::new());
        let _ = pressed.send(());
    });
    while let Err(RecvTimeoutError::Timeout) = enter.recv_timeout(Duration::from_millis(500)) {
        device.check()?;
    }
    Ok(())
}

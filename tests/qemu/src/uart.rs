//! A UART of the device as lines with the time at which they came.
//!
//! Owns the reader thread and the lines; waiting never misses a line that came before the call.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// For QEMU to open its sockets, on a machine that is busy with others.
const START: Duration = Duration::from_secs(60);

/// One line, without its end.
#[derive(Debug, Clone)]
pub struct Line {
    /// When its last byte came.
    pub at: Instant,
    /// The text; bytes that are no UTF-8 are replaced.
    pub text: String,
}

#[derive(Default)]
struct Log {
    lines: Vec<Line>,
    partial: Vec<u8>,
    closed: bool,
}

/// One UART. Clones share the lines.
#[derive(Clone)]
pub struct Uart {
    name: &'static str,
    log: Arc<(Mutex<Log>, Condvar)>,
    writer: Arc<Mutex<UnixStream>>,
}

impl Uart {
    /// Connects to QEMU's socket, which opens a moment after QEMU starts.
    pub(crate) fn connect(qemu: &mut Child, path: &Path, name: &'static str) -> Result<Uart> {
        let stream = connect(qemu, path)?;
        let reader = stream.try_clone()?;
        let log = Arc::new((Mutex::new(Log::default()), Condvar::new()));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || read_lines(reader, &shared));
        Ok(Uart {
            name,
            log,
            writer: Arc::new(Mutex::new(stream)),
        })
    }

    /// Types `text`.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn send(&self, text: &str) -> Result<()> {
        let mut writer = self.writer.lock().expect("no panic while held");
        writer
            .write_all(text.as_bytes())
            .context("the UART is closed")
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.log
            .0
            .lock()
            .expect("no panic while held")
            .lines
            .clone()
    }

    /// Number of lines so far: a position for [`Uart::wait_from`].
    pub fn position(&self) -> usize {
        self.log.0.lock().expect("no panic while held").lines.len()
    }

    /// Whether QEMU has closed it: no further line comes.
    pub fn is_closed(&self) -> bool {
        self.log.0.lock().expect("no panic while held").closed
    }

    /// The first line, ever, that contains `what`.
    ///
    /// # Errors
    /// See [`Uart::wait_from`].
    pub fn wait(&self, what: &str, limit: Duration) -> Result<Line> {
        self.wait_from(0, limit, |l| l.contains(what), what)
            .map(|(_, l)| l)
    }

    /// The first line at or after `position` that `wanted` accepts, and the position behind it.
    ///
    /// # Errors
    /// After `limit`, or when QEMU closed the UART: what was waited for and the last lines.
    pub fn wait_from(
        &self,
        position: usize,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
        what: &str,
    ) -> Result<(usize, Line)> {
        let deadline = Instant::now() + limit;
        let (lock, changed) = &*self.log;
        let mut log = lock.lock().expect("no panic while held");
        let mut next = position;
        loop {
            while let Some(line) = log.lines.get(next) {
                next += 1;
                if wanted(&line.text) {
                    return Ok((next, line.clone()));
                }
            }
            let now = Instant::now();
            if log.closed || now >= deadline {
                let why = if log.closed {
                    "the device stopped"
                } else {
                    "it did not come"
                };
                let texts: Vec<&str> = log.lines.iter().map(|l| l.text.as_str()).collect();
                // The start tells as much as the end: what a device that now repeats itself did.
                let (start, rest) = texts.split_at(texts.len().min(15));
                let end = rest.split_at(rest.len().saturating_sub(25)).1;
                let dots: &[&str] = if end.len() < rest.len() {
                    &["…"]
                } else {
                    &[]
                };
                let shown = [start, dots, end].concat();
                bail!(
                    "waited {} s for `{what}` on the {} UART: {why}; it says\n  {}",
                    limit.as_secs(),
                    self.name,
                    shown.join("\n  ")
                );
            }
            log = changed
                .wait_timeout(log, deadline - now)
                .expect("no panic while held")
                .0;
        }
    }
}

fn read_lines(mut reader: UnixStream, shared: &(Mutex<Log>, Condvar)) {
    let mut buf = [0; 4096];
    loop {
        let n = reader.read(&mut buf).unwrap_or(0);
        let mut log = shared.0.lock().expect("no panic while held");
        if n == 0 {
            log.closed = true;
            shared.1.notify_all();
            return;
        }
        for &byte in &buf[..n] {
            match byte {
                b'\n' => {
                    let text = String::from_utf8_lossy(&log.partial).into_owned();
                    log.partial.clear();
                    log.lines.push(Line {
                        at: Instant::now(),
                        text,
                    });
                }
                b'\r' => {}
                _ => log.partial.push(byte),
            }
        }
        shared.1.notify_all();
    }
}

/// Connects to a socket of QEMU's that may not be there yet.
pub(crate) fn connect(qemu: &mut Child, path: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + START;
    loop {
        let ended = qemu.try_wait()?.is_some();
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(e) if ended || Instant::now() >= deadline => {
                let log = path.with_file_name("qemu.log");
                let log = std::fs::read_to_string(log).unwrap_or_default();
                return Err(e).with_context(|| format!("QEMU opened no {}\n{log}", path.display()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

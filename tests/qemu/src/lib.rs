//! Runs a board image under QEMU: flash file, UARTs, QMP, memory dumps.
//!
//! Owns the QEMU process and what leaves it (UART lines, memory); a [`Device`] that is dropped
//! takes its process with it. Does not own what a flash file holds: that is `xtask`'s to write.

mod flash_file;
mod qmp;
mod uart;

pub use flash_file::{FlashFile, keep};
pub use uart::{Line, Uart};

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What `process` says in a line: the process console's prompt and the echo of what is typed may
/// stand before it, since both share the UART.
pub fn said_by<'a>(process: &str, line: &'a str) -> Option<&'a str> {
    let start = line.find(&format!("{process}: "))?;
    line.get(start + process.len() + 2..)
}

static MACHINE: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Chooses QEMU's machine for every [`Config::new`] of this process; `mps3-an547` otherwise.
pub fn select_machine(name: &str) {
    let _ = MACHINE.set(name.to_owned());
}

/// How to start a device.
#[derive(Debug, Clone)]
pub struct Config {
    /// QEMU's name of the machine.
    pub machine: String,
    /// Loader ELF, QEMU's `-kernel`; it stands for the mask ROM.
    pub loader: PathBuf,
    /// Flash file; written by the device, survives it.
    pub flash: PathBuf,
    /// `-icount` argument, e.g. `shift=5` to count instructions.
    pub icount: Option<String>,
    /// `-rtc base=` argument; host time when absent.
    pub rtc: Option<String>,
    /// Network on or off.
    pub network: bool,
    /// Socket of the link that it is plugged into; QEMU's user network when absent.
    pub link: Option<PathBuf>,
    /// Further arguments.
    pub extra: Vec<String>,
}

impl Config {
    /// A device with network and host time.
    pub fn new(loader: &Path, flash: &Path) -> Config {
        Config {
            machine: MACHINE
                .get()
                .map_or("mps3-an547", String::as_str)
                .to_owned(),
            loader: loader.to_owned(),
            flash: flash.to_owned(),
            icount: None,
            rtc: None,
            network: true,
            link: None,
            extra: Vec::new(),
        }
    }
}

/// A running device.
pub struct Device {
    child: Child,
    dir: PathBuf,
    /// Secure log (UART0).
    pub secure: Uart,
    /// Non-secure console (UART1).
    pub console: Uart,
    qmp: qmp::Qmp,
    started: Instant,
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

impl Device {
    /// Starts QEMU and connects to its UARTs and monitor.
    ///
    /// # Errors
    /// When QEMU is missing, ends, or does not open its sockets within a minute.
    pub fn start(config: &Config) -> Result<Device> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("tockstone-{}-{serial}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        track::add_folder(&dir);
        let socket = |name: &str| dir.join(name);
        let mut command = Command::new("qemu-system-arm");
        command
            .args([
                "-M",
                &format!("{},memory-backend=flash", config.machine),
                "-object",
            ])
            .arg(format!(
                "memory-backend-file,id=flash,size={},mem-path={},share=on",
                // The file is as large as the memory behind which it stands.
                std::fs::metadata(&config.flash)?.len(),
                config.flash.display()
            ))
            .arg("-kernel")
            .arg(&config.loader)
            .args(["-display", "none", "-monitor", "none"]);
        for name in ["u0", "u1"] {
            command.args(["-chardev"]).arg(format!(
                "socket,id={name},path={},server=on,wait=on",
                socket(name).display()
            ));
            command.args(["-serial", &format!("chardev:{name}")]);
        }
        command.arg("-qmp").arg(format!(
            "unix:{},server=on,wait=off",
            socket("qmp").display()
        ));
        if let Some(icount) = &config.icount {
            command.args(["-icount", icount]);
        }
        if let Some(rtc) = &config.rtc {
            command.args(["-rtc", &format!("base={rtc}")]);
        }
        match &config.link {
            _ if !config.network => command.args(["-nic", "none"]),
            None => command.args(["-nic", "user,model=lan9118"]),
            // 7.2's `-nic stream` does not take an address in parts.
            Some(socket) => command
                .args(["-net", "nic,netdev=link,model=lan9118", "-netdev"])
                .arg(format!(
                    "stream,id=link,server=off,addr.type=unix,addr.path={}",
                    socket.display()
                )),
        };
        command.args(&config.extra);
        let log = std::fs::File::create(dir.join("qemu.log"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("qemu-system-arm does not start (Debian package qemu-system-arm)")?;
        track::add(child.id());
        let mut guard = Unstarted(Some(child), dir.clone());
        let qemu = guard.0.as_mut().expect("taken below");
        let secure = Uart::connect(qemu, &socket("u0"), "secure")?;
        let console = Uart::connect(qemu, &socket("u1"), "console")?;
        let qmp = qmp::Qmp::connect(qemu, &socket("qmp")).with_context(|| guard.log())?;
        let child = guard.0.take().expect("taken once");
        Ok(Device {
            child,
            dir,
            secure,
            console,
            qmp,
            started: Instant::now(),
        })
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Process id of QEMU.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads physical memory, as the debugger sees it.
    ///
    /// # Errors
    /// When the monitor does not answer or refuses the range.
    pub fn read_memory(&mut self, address: u32, size: u32) -> Result<Vec<u8>> {
        let file = self.dir.join("memory.bin");
        self.qmp.execute(
            "pmemsave",
            serde_json::json!({"val": address, "size": size, "filename": file}),
        )?;
        let bytes = std::fs::read(&file)?;
        std::fs::remove_file(&file)?;
        if bytes.len() != size as usize {
            bail!(
                "pmemsave gave {} of {size} bytes at 0x{address:08x}",
                bytes.len()
            );
        }
        Ok(bytes)
    }

    /// Reads memory as the processor sees it where it happens to be: the way to non-secure SRAM,
    /// of which `pmemsave` gives zeros (its accesses carry no security attribute, and the MPC
    /// model answers them with 0 [measured, QEMU 7.2]). Waits for a moment at which the kernel
    /// runs or idles, when the MPU hides nothing.
    ///
    /// # Errors
    /// When no such moment comes, or the range is not memory of the non-secure world.
    pub fn read_memory_as_processor(&mut self, address: u32, size: u32) -> Result<Vec<u8>> {
        let file = self.dir.join("memory.bin");
        let arguments = serde_json::json!({"val": address, "size": size, "filename": file});
        let mut last = None;
        for _ in 0..100 {
            self.pause(true)?;
            let saved = self.qmp.execute("memsave", arguments.clone());
            self.pause(false)?;
            let bytes = std::fs::read(&file).unwrap_or_default();
            let _ = std::fs::remove_file(&file);
            match saved {
                Ok(_) if bytes.len() == size as usize => return Ok(bytes),
                Ok(_) => {}
                Err(e) => last = Some(e),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("memsave gave less than {size} bytes at 0x{address:08x}: {last:?}")
    }

    /// From now on a reset that the device asks for halts it instead, with memory as it was; or no
    /// longer.
    ///
    /// # Errors
    /// When the monitor does not answer.
    pub fn halt_at_reset(&mut self, halt: bool) -> Result<()> {
        let actions = match halt {
            true => serde_json::json!({"reboot": "shutdown", "shutdown": "pause"}),
            false => serde_json::json!({"reboot": "reset", "shutdown": "poweroff"}),
        };
        self.qmp.execute("set-action", actions).map(drop)
    }

    /// Whether [`Device::halt_at_reset`] has halted it.
    ///
    /// # Errors
    /// When the monitor does not answer.
    pub fn is_halted(&mut self) -> Result<bool> {
        let status = self.qmp.execute("query-status", serde_json::json!({}))?;
        Ok(status["status"] == "shutdown")
    }

    /// As [`Device::read_memory_as_processor`], of a device that is halted.
    ///
    /// # Errors
    /// See there.
    pub fn read_halted(&mut self, address: u32, size: u32) -> Result<Vec<u8>> {
        let file = self.dir.join("memory.bin");
        let arguments = serde_json::json!({"val": address, "size": size, "filename": file});
        self.qmp.execute("memsave", arguments)?;
        let bytes = std::fs::read(&file)?;
        std::fs::remove_file(&file)?;
        if bytes.len() != size as usize {
            bail!("memsave gave {} bytes at 0x{address:08x}", bytes.len());
        }
        Ok(bytes)
    }

    /// Makes the reset at which it halted.
    ///
    /// # Errors
    /// When the monitor does not answer.
    pub fn go_on(&mut self) -> Result<()> {
        self.halt_at_reset(false)?;
        self.reset()?;
        self.pause(false)
    }

    /// Holds or continues the processor.
    ///
    /// # Errors
    /// When the monitor does not answer.
    pub fn pause(&mut self, hold: bool) -> Result<()> {
        self.qmp
            .execute(if hold { "stop" } else { "cont" }, serde_json::json!({}))
            .map(drop)
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// When the monitor does not answer.
    pub fn reset(&mut self) -> Result<()> {
        self.qmp
            .execute("system_reset", serde_json::json!({}))
            .map(drop)
    }

    /// Cuts the power: SIGKILL.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether QEMU still runs; with its output when it does not.
    ///
    /// # Errors
    /// QEMU's exit status and log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = std::fs::read_to_string(self.dir.join("qemu.log")).unwrap_or_default();
                bail!("QEMU ended: {status}\n{log}")
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        track::remove(self.child.id());
        track::remove_folder(&self.dir);
    }
}

/// Takes a QEMU down that did not come up.
struct Unstarted(Option<Child>, PathBuf);

impl Unstarted {
    fn log(&self) -> String {
        std::fs::read_to_string(self.1.join("qemu.log")).unwrap_or_default()
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
            track::remove(child.id());
            track::remove_folder(&self.1);
        }
    }
}

/// What must not outlive the tool: processes and folders.
pub mod track {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    static PIDS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

    /// Remembers a child.
    pub fn add(pid: u32) {
        lock(&PIDS).insert(pid);
    }

    /// Forgets a child that has ended.
    pub fn remove(pid: u32) {
        lock(&PIDS).remove(&pid);
    }

    /// Remembers a folder for temporary files.
    pub fn add_folder(path: &Path) {
        lock(&FOLDERS).insert(path.to_owned());
    }

    /// Removes a folder and forgets it.
    pub fn remove_folder(path: &Path) {
        let _ = std::fs::remove_dir_all(path);
        lock(&FOLDERS).remove(path);
    }

    /// Kills every remembered child and removes every folder; for the end by a signal.
    pub fn clean_up() {
        for pid in lock(&PIDS).clone() {
            // And its group, where it leads one.
            let (group, pid) = (format!("-{pid}"), pid.to_string());
            let _ = std::process::Command::new("kill")
                .args(["-9", "--", &group, &pid])
                .stderr(std::process::Stdio::null())
                .status();
        }
        for folder in lock(&FOLDERS).clone() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

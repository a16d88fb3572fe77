//! Installs what the machine lacks.
//!
//! Owns the list of packages and tool versions. Works as root or with sudo; where neither is
//! there, it names the command that a person has to run.

use crate::{paths, shell};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Program on the PATH → Debian package that holds it.
const PACKAGES: [(&str, &str); 5] = [
    ("qemu-system-arm", "qemu-system-arm"),
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("espeak-ng", "espeak-ng"),
    ("openssl", "openssl"),
];
const IMGTOOL: &str = "imgtool==2.5.0";
const TOCKLOADER: &str = "tockloader==1.19.0";
/// AWS's own clients, which the local cloud is tried with.
const AWS: [&str; 3] = ["boto3==1.44.5", "awscli==1.46.3", "awsiotsdk==1.31.0"];
const ELF2TAB: &str = "0.13.0";
pub const TARGET: &str = "thumbv8m.main-none-eabi";

/// What firmware is compiled with.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// `cargo` and `rustc` to call.
    pub cargo: PathBuf,
    pub rustc: PathBuf,
    /// Linker that speaks GNU ld's language.
    pub linker: PathBuf,
    /// Whether `core` is built from source.
    pub build_std: bool,
}

impl Toolchain {
    /// `cargo build` for the device with these flags of rustc's; what and where is the caller's to
    /// add. `core` is built along where it has to be.
    pub fn build(&self, flags: &str) -> Command {
        self.cargo("build", flags)
    }

    /// As [`Toolchain::build`], but looked at by clippy only, for which a warning is an error.
    ///
    /// # Errors
    /// Names the package that is missing and the command that installs it.
    pub fn lint(&self, flags: &str) -> Result<Command> {
        let driver = match self.build_std {
            false => PathBuf::from("clippy-driver"),
            true => PathBuf::from("/usr/bin/clippy-driver"),
        };
        if self.build_std && !driver.is_file() {
            install(&["rust-web-clippy"])?;
        }
        let mut command = self.cargo("check", flags);
        // What `cargo clippy` says to the driver.
        command
            .env("RUSTC_WORKSPACE_WRAPPER", driver)
            .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
        Ok(command)
    }

    fn cargo(&self, verb: &str, flags: &str) -> Command {
        let mut command = Command::new(&self.cargo);
        command
            .args([verb, "--quiet", "--target", TARGET])
            .env("RUSTC", &self.rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "RUSTFLAGS",
                format!(
                    "-C linker={} -C linker-flavor=ld.lld{flags}",
                    self.linker.display()
                ),
            )
            .env_remove("RUSTUP_TOOLCHAIN");
        if self.build_std {
            command.args([
                "-Zbuild-std=core,alloc",
                "-Zbuild-std-features=compiler-builtins-mem",
            ]);
        }
        command
    }
}

/// Installs everything; returns the firmware toolchain and the time that downloads took.
///
/// # Errors
/// Names the package that is missing and the command that installs it.
pub fn everything() -> Result<(Toolchain, Duration)> {
    let start = Instant::now();
    let toolchain = compiler()?;
    python()?;
    aws()?;
    elf2tab()?;
    // Downloads are told apart from compiling.
    let mut fetch = Command::new(env!("CARGO"));
    shell::run(fetch.args(["fetch", "--locked"]).current_dir(paths::root()))?;
    Ok((toolchain, start.elapsed()))
}

/// The firmware toolchain alone, and the packages.
///
/// # Errors
/// Names the package that is missing and the command that installs it.
pub fn compiler() -> Result<Toolchain> {
    packages()?;
    toolchain()
}

/// The browser that the console is tried with, and its driver; for that case alone.
///
/// # Errors
/// Names the packages and the command that installs them.
pub fn browser() -> Result<()> {
    let programs = ["chromium", "chromedriver", "fc-match"];
    match programs.iter().all(|program| present(program)) {
        true => Ok(()),
        false => install(&[
            "chromium",
            "chromium-driver",
            "fontconfig",
            "fonts-dejavu-core",
        ]),
    }
}

fn packages() -> Result<()> {
    let mut missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(p, _)| !present(p))
        .map(|(_, package)| *package)
        .collect();
    if !have_venv() {
        missing.push("python3-venv");
    }
    if !rustup_has_target() && !PathBuf::from("/usr/lib/rustlib/src/rust/library").is_dir() {
        missing.extend(["rustc-web", "cargo-web", "rust-web-src"]);
    }
    if rustup_lld().is_none() && !shell::on_path("ld.lld-22") {
        missing.push("lld-22");
    }
    install(&missing)
}

/// Debian puts daemons where a user's PATH does not look.
fn present(program: &str) -> bool {
    shell::on_path(program) || PathBuf::from("/usr/sbin").join(program).is_file()
}

fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    println!("setup: installing {}", packages.join(" "));
    let root = shell::run(Command::new("id").arg("-u"))?.trim() == "0";
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if !shell::on_path("apt-get") || (!root && !shell::on_path("sudo")) {
        bail!("missing packages, and no way to install them here; run: {by_hand}");
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
        shell::run(&mut command)
    };
    apt(&["update", "-q"])?;
    let mut args = vec!["install", "-qy", "--no-install-recommends"];
    args.extend(packages);
    apt(&args)?;
    Ok(())
}

fn have_venv() -> bool {
    Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .output()
        .is_ok_and(|o| o.status.success())
}

fn python() -> Result<()> {
    if paths::python_tool("imgtool").is_file() && paths::python_tool("tockloader").is_file() {
        return Ok(());
    }
    println!("setup: installing {IMGTOOL} and {TOCKLOADER} into build/tools");
    let environment = paths::tools().join("python");
    shell::run(
        Command::new("python3")
            .arg("-m")
            .arg("venv")
            .arg(&environment),
    )?;
    let pip = paths::python_tool("pip");
    shell::run(Command::new(pip).args([
        "install",
        "-q",
        "--disable-pip-version-check",
        IMGTOOL,
        TOCKLOADER,
    ]))?;
    Ok(())
}

fn aws() -> Result<()> {
    let environment = paths::tools().join("python");
    let mark = environment.join("aws-clients.txt");
    let wanted = AWS.join("\n");
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    println!("setup: installing {} into build/tools", AWS.join(", "));
    // By module: the script's first line names the folder that the environment was made in.
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"];
    let python = paths::python_tool("python3");
    shell::run(Command::new(python).args(pip).args(AWS))?;
    std::fs::write(mark, wanted)?;
    Ok(())
}

fn elf2tab() -> Result<()> {
    if paths::elf2tab().is_file() {
        return Ok(());
    }
    println!("setup: building elf2tab {ELF2TAB} into build/tools");
    shell::run(
        Command::new(env!("CARGO"))
            .args([
                "install",
                "-q",
                "elf2tab",
                "--locked",
                "--version",
                ELF2TAB,
                "--root",
            ])
            .arg(paths::tools())
            .env("CARGO_TARGET_DIR", paths::root().join("target/elf2tab"))
            .env_remove("RUSTFLAGS"),
    )?;
    Ok(())
}

fn rustup_has_target() -> bool {
    let libdir = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    libdir.is_ok_and(|o| {
        let dir = PathBuf::from(String::from_utf8_lossy(&o.stdout).trim());
        o.status.success() && std::fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some())
    })
}

fn rustup_lld() -> Option<PathBuf> {
    let sysroot = shell::run(Command::new("rustc").args(["--print", "sysroot"])).ok()?;
    let lib = PathBuf::from(sysroot.trim()).join("lib/rustlib");
    std::fs::read_dir(lib)
        .ok()?
        .filter_map(Result::ok)
        .map(|host| host.path().join("bin/rust-lld"))
        .find(|lld| lld.is_file())
}

/// The user's toolchain where the target is installed, else Debian's with `core` from source.
fn toolchain() -> Result<Toolchain> {
    let linker = rustup_lld().unwrap_or_else(|| PathBuf::from("ld.lld-22"));
    if rustup_has_target() {
        let (cargo, rustc) = (PathBuf::from(env!("CARGO")), PathBuf::from("rustc"));
        return Ok(Toolchain {
            cargo,
            rustc,
            linker,
            build_std: false,
        });
    }
    Ok(Toolchain {
        cargo: "/usr/bin/cargo".into(),
        rustc: "/usr/bin/rustc".into(),
        linker,
        build_std: true,
    })
}

//! Where things lie in the checkout.
//!
//! Owns the names of the build folder's parts; nothing outside `build/` and `target/` is written.

use anyhow::{Context, Result, anyhow};
use memory_map::Map;
use std::path::{Path, PathBuf};

/// Root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the crate is there")
}

/// `build/`, made if it is not there.
fn shared() -> PathBuf {
    let dir = root().join("build");
    let _ = std::fs::create_dir_all(&dir);
    dir
}

/// Where the board's images and apps go: `build/`, for another board than the first a folder in it.
pub fn build() -> PathBuf {
    let dir = if build_name() == BOARDS[0] {
        shared()
    } else {
        shared().join(build_name())
    };
    let _ = std::fs::create_dir_all(&dir);
    dir
}

/// Keys and registry of the cloud that `cargo xtask cloud` runs.
pub fn cloud() -> PathBuf {
    shared().join("cloud")
}

/// Refuses, before long work, the file that its report could not be written to.
///
/// # Errors
/// Names the file.
pub fn check_report(file: Option<&Path>) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let new = !file.exists();
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    if new {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// Tools that xtask installs for itself.
pub fn tools() -> PathBuf {
    shared().join("tools")
}

/// A Python tool of the private environment.
pub fn python_tool(name: &str) -> PathBuf {
    tools().join("python/bin").join(name)
}

/// elf2tab.
pub fn elf2tab() -> PathBuf {
    tools().join("bin/elf2tab")
}

/// Development signing keys, made by the first build.
pub fn keys() -> PathBuf {
    let dir = shared().join("keys");
    let _ = std::fs::create_dir_all(&dir);
    dir
}

/// The boards there are; the first is the default.
pub const BOARDS: [&str; 2] = ["mps3-an547", "mps2-an521"];

static BOARD: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Chooses the board of this run, once, before anything asks for it.
pub fn select_board(name: &str) {
    let _ = BOARD.set(name.to_owned());
    qemu_harness::select_machine(name);
}

/// Name of the chosen board.
pub fn board_name() -> &'static str {
    BOARD.get().map_or(BOARDS[0], String::as_str)
}

static TFM: std::sync::OnceLock<()> = std::sync::OnceLock::new();

/// The board's memory map beside a stock TF-M; not every board has one.
pub fn tfm_map() -> PathBuf {
    board().join("memory-tfm.toml")
}

/// Chooses that map for this run, once, before anything asks for one.
///
/// # Errors
/// When the board has none.
pub fn select_tfm() -> Result<()> {
    let file = tfm_map();
    if !file.is_file() {
        let board = board_name();
        anyhow::bail!(
            "{board} has no memory map beside a stock TF-M ({})",
            file.display()
        );
    }
    let _ = TFM.set(());
    Ok(())
}

/// Name of the board's map.
pub fn map_file() -> &'static str {
    if TFM.get().is_some() {
        "memory-tfm.toml"
    } else {
        memory_map::MAP_FILE
    }
}

/// Name of what is built: the board's, and for its other map one of its own.
pub fn build_name() -> String {
    let suffix = if TFM.get().is_some() { "-tfm" } else { "" };
    format!("{}{suffix}", board_name())
}

/// The board's folder.
pub fn board() -> PathBuf {
    root().join("boards").join(board_name())
}

/// The board's memory map.
///
/// # Errors
/// Every rule that the map breaks.
pub fn map() -> Result<Map> {
    Map::load(&board().join(map_file())).map_err(|e| anyhow!(e))
}

/// A file name in `build/` that no other call of this process or another gives.
pub fn temporary(name: &str) -> PathBuf {
    static SERIAL: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    build().join(format!("{name}-{}-{serial}.tmp", std::process::id()))
}

//! Reads a board's memory.toml and derives constants and linker scripts.
//!
//! Owns the schema, its consistency checks, and what build scripts and host tools take from it.
//! Does not own what an address means: that is the board's `memory.toml`.
//!
//! Invariants of a [`Map`] that [`Map::load`] returned: no two regions share a byte (aliases
//! included), every region lies in its store, flash regions are whole sectors, no region
//! straddles an attribution edge, and what SAU and MPC call non-secure is what `world` says.

mod build;
mod check;

pub use build::{constants, emit, fill_template};

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Security attribution of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum World {
    /// Secure.
    S,
    /// Non-secure.
    NS,
    /// Secure, non-secure callable (veneers).
    NSC,
}

/// A physical memory; `base` is its non-secure address.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Store {
    pub base: u32,
    pub size: u32,
    /// Secure alias = non-secure address | this bit; 0 where there is no alias.
    pub alias_bit: u32,
    /// Base of the MPC's registers (secure), where the memory has one.
    pub mpc: Option<u32>,
    #[serde(default)]
    pub file_backed: bool,
}

/// A named range, at the address of its own world's view.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub store: String,
    pub world: World,
    pub base: u32,
    pub size: u32,
}

impl Region {
    /// First address past the region (64 bit, so that it cannot wrap).
    pub fn end(&self) -> u64 {
        u64::from(self.base) + u64::from(self.size)
    }
}

/// One SAU region; `limit` is inclusive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sau {
    pub base: u32,
    pub limit: u32,
    pub world: World,
}

/// The non-secure part of a gated store, as byte offsets; `limit` is inclusive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mpc {
    pub store: String,
    pub base: u32,
    pub limit: u32,
}

/// A process of the product and the regions that it is linked to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    pub name: String,
    pub flash: String,
    pub ram: String,
}

/// Whose secure side stands behind the map's borders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureSide {
    /// Ours.
    #[default]
    Own,
    /// A stock TF-M.
    Tfm,
}

/// A checked memory map.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Map {
    pub board: String,
    /// QEMU machine name.
    pub machine: String,
    /// Whether the processor has the DSP extension.
    #[serde(default = "yes")]
    pub dsp: bool,
    /// Whether there is a real-time clock.
    #[serde(default = "yes")]
    pub rtc: bool,
    /// Whose secure side it is for.
    #[serde(default)]
    pub secure: SecureSide,
    /// Number of the kernel's UART, 0 or 1; the other one is the secure log.
    #[serde(default = "one")]
    pub console_uart: u32,
    /// Architecture name of TAB members, e.g. `cortex-m55`.
    pub tbf_arch: String,
    /// MCUboot header size, bytes.
    pub image_header: u32,
    /// Erase size, bytes.
    pub sector: u32,
    /// Program unit, bytes.
    pub write_unit: u32,
    /// Per store: the granule on which attribution may change.
    pub mpc_edge: BTreeMap<String, u32>,
    pub store: BTreeMap<String, Store>,
    pub region: BTreeMap<String, Region>,
    #[serde(default)]
    pub sau: Vec<Sau>,
    #[serde(default)]
    pub mpc: Vec<Mpc>,
    #[serde(default)]
    pub app: Vec<App>,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

/// Environment variable that names the board a build is for; build scripts of what is linked to a
/// board's rows ask it (see [`Map::for_build`]).
pub const BOARD_VARIABLE: &str = "TOCKSTONE_BOARD";

/// Environment variable that names another map of the board than [`MAP_FILE`]: a file beside it.
pub const MAP_VARIABLE: &str = "TOCKSTONE_MAP";
/// A board's own map.
pub const MAP_FILE: &str = "memory.toml";

/// The file of [`MAP_VARIABLE`], for a build script.
fn map_file() -> String {
    println!("cargo:rerun-if-env-changed={MAP_VARIABLE}");
    std::env::var(MAP_VARIABLE).unwrap_or_else(|_| MAP_FILE.into())
}

impl Map {
    /// For a build script: reads the map of the board that [`BOARD_VARIABLE`] names, `path` being
    /// the default board's (`…/boards/<name>/memory.toml`), and tells cargo on what it depends.
    /// [`MAP_VARIABLE`] may name another map of that board.
    ///
    /// # Errors
    /// See [`Map::load`].
    pub fn for_build(path: &str) -> Result<Map, String> {
        println!("cargo:rerun-if-env-changed={BOARD_VARIABLE}");
        let default = Path::new(path);
        let chosen = match (std::env::var(BOARD_VARIABLE), default.ancestors().nth(2)) {
            (Ok(board), Some(boards)) => boards.join(board).join(map_file()),
            _ => default.to_owned(),
        };
        println!("cargo:rerun-if-changed={}", chosen.display());
        Map::load(&chosen)
    }

    /// Reads and checks a map.
    ///
    /// # Errors
    /// One message naming the file and every rule that it breaks.
    pub fn load(path: &Path) -> Result<Map, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Map::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// As [`Map::load`], from text.
    ///
    /// # Errors
    /// See [`Map::load`].
    pub fn parse(text: &str) -> Result<Map, String> {
        let map: Map = toml::from_str(text).map_err(|e| e.to_string())?;
        let faults = check::faults(&map);
        if faults.is_empty() {
            Ok(map)
        } else {
            Err(faults.join("\n  "))
        }
    }

    /// The named region.
    ///
    /// # Errors
    /// A message that lists the names there are.
    pub fn region(&self, name: &str) -> Result<&Region, String> {
        self.region.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.region.keys().map(String::as_str).collect();
            format!(
                "no region `{name}` in the map of {}; there are {}",
                self.board,
                names.join(", ")
            )
        })
    }

    /// Offset of a region in the flash file.
    ///
    /// # Errors
    /// Names a region that is not in a file-backed store.
    pub fn flash_offset(&self, name: &str) -> Result<u64, String> {
        let region = self.region(name)?;
        let store = &self.store[&region.store];
        if !store.file_backed {
            return Err(format!(
                "region `{name}` lies in {}, which no file backs",
                region.store
            ));
        }
        Ok(u64::from(region.base - store.base))
    }

    /// The file-backed store: (base address, size in bytes).
    ///
    /// # Errors
    /// When the board has none.
    pub fn flash_file(&self) -> Result<(u32, u64), String> {
        self.store
            .values()
            .find(|s| s.file_backed)
            .map(|s| (s.base, u64::from(s.size)))
            .ok_or_else(|| format!("board {} has no file-backed store", self.board))
    }

    /// The link row of an app: (flash region, RAM region).
    ///
    /// # Errors
    /// Names the apps that have a row.
    pub fn app_row(&self, name: &str) -> Result<(&Region, &Region), String> {
        let app = self.app.iter().find(|a| a.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.app.iter().map(|a| a.name.as_str()).collect();
            format!(
                "no app `{name}` on {}; there are {}",
                self.board,
                names.join(", ")
            )
        })?;
        Ok((self.region(&app.flash)?, self.region(&app.ram)?))
    }
}

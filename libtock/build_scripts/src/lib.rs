//! Build-script helper that places an application in flash and RAM.
//!
//! Owns the linker script (`libtock_layout.ld`), where its five numbers come from, and the
//! arguments of elf2tab that must agree with it. A build script calls one of
//! - [`board_layout`]: a row of the board's memory map (ours);
//! - [`auto_layout`]: libtock-rs's environment variables, for boards without a map.
//!
//! Invariant: a build script that cannot place its application stops the build with a message.

mod tbf;

pub use tbf::{GRANT_RESERVE, TbfOptions, elf_symbol, elf2tab_arguments};

pub use memory_map::{Map, constants};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Bytes in front of the binary that header and credentials reserve may take: rows are linked at
/// `+ 0x100` so that the header stays under tockloader's 200 bytes with room to spare
/// (ARCHITECTURE §6).
pub const TBF_HEADER_SIZE: u32 = 0x100;

/// libtock-rs's default for [`auto_layout`].
const AUTO_TBF_HEADER_SIZE: u32 = 0x80;
const AUTO_FLASH_LENGTH: u32 = 0xD_0000;
const AUTO_RAM_LENGTH: u32 = 46 * 1024;

/// Where a process lives. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Address of the TBF object.
    pub flash_start: u32,
    /// Room for it.
    pub flash_length: u32,
    /// First byte of RAM.
    pub ram_start: u32,
    /// Room in RAM, the kernel's part included.
    pub ram_length: u32,
    /// From the TBF object to the binary.
    pub tbf_header_size: u32,
}

impl Layout {
    /// The linker script.
    pub fn script(&self) -> String {
        let mut s = String::new();
        for (name, value) in [
            ("FLASH_START", self.flash_start),
            ("FLASH_LENGTH", self.flash_length),
            ("RAM_START", self.ram_start),
            ("RAM_LENGTH", self.ram_length),
            ("TBF_HEADER_SIZE", self.tbf_header_size),
        ] {
            let _ = writeln!(s, "{name} = 0x{value:08x};");
        }
        s + include_str!("../libtock_layout.ld")
    }

    /// The whole row of an app of the map.
    ///
    /// # Errors
    /// Names the apps that have a row.
    pub fn of_row(map: &Map, app: &str) -> Result<Layout, String> {
        let (flash, ram) = map.app_row(app)?;
        Ok(Layout {
            flash_start: flash.base,
            flash_length: flash.size,
            ram_start: ram.base,
            ram_length: ram.size,
            tbf_header_size: TBF_HEADER_SIZE,
        })
    }

    /// A part of the pools for test and third-party apps, `offset` bytes into each.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn in_pool(
        map: &Map,
        flash_offset: u32,
        flash_length: u32,
        ram_offset: u32,
        ram_length: u32,
    ) -> Result<Layout, String> {
        let part = |name: &str, offset: u32, length: u32| {
            let region = map.region(name)?;
            match offset.checked_add(length) {
                Some(end) if end <= region.size => Ok(region.base + offset),
                _ => Err(format!(
                    "0x{offset:x}+0x{length:x} does not fit in `{name}`"
                )),
            }
        };
        Ok(Layout {
            flash_start: part("flash-pool", flash_offset, flash_length)?,
            flash_length,
            ram_start: part("ram-pool", ram_offset, ram_length)?,
            ram_length,
            tbf_header_size: TBF_HEADER_SIZE,
        })
    }
}

/// For a build script: links the package's binaries into the app row `app` of the map at `map`,
/// a path relative to the package.
///
/// # Panics
/// With a message, when the map is unsound or has no such row.
pub fn board_layout(map: &str, app: &str) {
    emit(&Layout::of_row(&load(map), app).unwrap_or_else(|e| panic!("{e}")));
    if let Some(out) = firmware_out() {
        // What the linker was given, so that host tools link the same code for another place
        // without compiling it again.
        let archive = out.join(LINK_ARCHIVE);
        println!(
            "cargo:rustc-link-arg-bins=--reproduce={}",
            archive.display()
        );
    }
}

/// In `OUT_DIR` of a product app: ld.lld's `--reproduce` archive of its last link.
pub const LINK_ARCHIVE: &str = "link.tar";

/// For a build script: links the package's binaries into a part of the pools of the map at `map`
/// (see [`Layout::in_pool`]).
///
/// # Panics
/// With a message, when the map is unsound or the part does not fit.
pub fn pool_layout(
    map: &str,
    flash_offset: u32,
    flash_length: u32,
    ram_offset: u32,
    ram_length: u32,
) {
    let layout = Layout::in_pool(
        &load(map),
        flash_offset,
        flash_length,
        ram_offset,
        ram_length,
    );
    emit(&layout.unwrap_or_else(|e| panic!("{e}")));
}

/// For a build script: links by environment variables, as libtock-rs does: `LIBTOCK_PLATFORM`
/// (a row of its table) or `LIBTOCK_LINKER_FLASH` with `LIBTOCK_LINKER_RAM`; optional
/// `LIBTOCK_LINKER_FLASH_LENGTH`, `LIBTOCK_LINKER_RAM_LENGTH`, `LIBTOCK_TBF_HEADER_SIZE`.
///
/// # Panics
/// With a message, unless exactly one of the two ways is chosen.
pub fn auto_layout() {
    for name in [
        "LIBTOCK_PLATFORM",
        "LIBTOCK_LINKER_FLASH",
        "LIBTOCK_LINKER_RAM",
        "LIBTOCK_LINKER_FLASH_LENGTH",
        "LIBTOCK_LINKER_RAM_LENGTH",
        "LIBTOCK_TBF_HEADER_SIZE",
    ] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let layout = auto(&|name| std::env::var(name).ok());
    let layout = layout.unwrap_or_else(|e| panic!("{e}"));
    // Examples too, where libtock-rs's programs are.
    emit_as("", "libtock_layout", &layout);
}

fn auto(env: &dyn Fn(&str) -> Option<String>) -> Result<Layout, String> {
    let number = |name: &str| env(name).map(|text| parse(name, &text)).transpose();
    let tbf_header_size = number("LIBTOCK_TBF_HEADER_SIZE")?.unwrap_or(AUTO_TBF_HEADER_SIZE);
    let addresses = (
        number("LIBTOCK_LINKER_FLASH")?,
        number("LIBTOCK_LINKER_RAM")?,
    );
    match (env("LIBTOCK_PLATFORM"), addresses) {
        (Some(platform), (None, None)) => {
            let (_, flash_start, flash_length, ram_start, ram_length) = *PLATFORMS
                .iter()
                .find(|row| row.0 == platform)
                .ok_or_else(|| format!("LIBTOCK_PLATFORM: no `{platform}` in the table"))?;
            Ok(Layout {
                flash_start,
                flash_length,
                ram_start,
                ram_length,
                tbf_header_size,
            })
        }
        (None, (Some(flash_start), Some(ram_start))) => Ok(Layout {
            flash_start,
            flash_length: number("LIBTOCK_LINKER_FLASH_LENGTH")?.unwrap_or(AUTO_FLASH_LENGTH),
            ram_start,
            ram_length: number("LIBTOCK_LINKER_RAM_LENGTH")?.unwrap_or(AUTO_RAM_LENGTH),
            tbf_header_size,
        }),
        _ => {
            Err("set LIBTOCK_PLATFORM, or both LIBTOCK_LINKER_FLASH and LIBTOCK_LINKER_RAM".into())
        }
    }
}

/// The rows of libtock-rs's table that tock.md §7.4 gives in full: name, flash, RAM.
const PLATFORMS: &[(&str, u32, u32, u32, u32)] = &[
    ("nrf52840", 0x0004_0000, 768 * 1024, 0x2001_0000, 128 * 1024),
    ("psc3m5_evk", 0x3202_0000, 0x2_0000, 0x3400_6000, 0x5800),
    (
        "raspberry_pi_pico",
        0x1004_0000,
        256 * 1024,
        0x2001_2000,
        192 * 1024,
    ),
];

/// A number as linkers write it: decimal, 0x, with K or M.
fn parse(name: &str, text: &str) -> Result<u32, String> {
    let t = text.trim();
    let (digits, unit) = match t.strip_suffix(['K', 'k']) {
        Some(d) => (d, 1024),
        None => t.strip_suffix('M').map_or((t, 1), |d| (d, 1024 * 1024)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    value
        .ok()
        .and_then(|v| v.checked_mul(unit))
        .ok_or_else(|| format!("{name}: `{text}` is no number"))
}

fn load(map: &str) -> Map {
    Map::for_build(map).unwrap_or_else(|e| panic!("{e}"))
}

/// For a build script: links all binaries of the package by `layout`. The host's linker is told
/// nothing: there is no process there.
fn emit(layout: &Layout) {
    emit_as("-bins", "libtock_layout", layout);
}

/// For a build script of a package with several binaries, each with a place of its own: links the
/// binary `name` by `layout`.
///
/// # Panics
/// Outside of a build script.
pub fn emit_for(name: &str, layout: &Layout) {
    emit_as(&format!("-bin={name}"), name, layout);
}

/// `OUT_DIR`, when the package is built for a device.
fn firmware_out() -> Option<PathBuf> {
    let device = std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none");
    device.then(|| PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")))
}

fn emit_as(which: &str, script: &str, layout: &Layout) {
    let Some(out) = firmware_out() else {
        return;
    };
    let path = out.join(format!("{script}.ld"));
    std::fs::write(&path, layout.script()).expect("OUT_DIR is writable");
    for argument in [
        format!("-T{}", path.display()),
        "-zmax-page-size=4096".into(),
        "--icf=all".into(),
    ] {
        println!("cargo:rustc-link-arg{which}={argument}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &str = include_str!("../../../boards/mps3-an547/memory.toml");

    #[test]
    fn rows_and_pools_come_from_the_map() {
        let map = Map::parse(BOARD).unwrap();
        let row = Layout::of_row(&map, "net-mqtt").unwrap();
        assert_eq!((row.flash_start, row.ram_start), (0x6020_0000, 0x2104_0000));
        assert!(row.script().starts_with("FLASH_START = 0x60200000;\n"));
        assert!(
            Layout::of_row(&map, "nobody")
                .unwrap_err()
                .contains("there are net-mqtt")
        );
        let part = Layout::in_pool(&map, 0x1_0000, 0x1_0000, 0x4000, 0x4000).unwrap();
        assert_eq!(
            (part.flash_start, part.ram_start),
            (0x6031_0000, 0x2109_C000)
        );
        assert!(Layout::in_pool(&map, 0xF_0000, 0x2_0000, 0, 0x4000).is_err());
    }

    #[test]
    fn the_environment_decides_one_way_only() {
        let with = |pairs: &'static [(&str, &str)]| {
            auto(&|n| {
                pairs
                    .iter()
                    .find(|(k, _)| *k == n)
                    .map(|(_, v)| (*v).to_owned())
            })
        };
        let l = with(&[
            ("LIBTOCK_LINKER_FLASH", "0x40000"),
            ("LIBTOCK_LINKER_RAM", "0x20010000"),
        ])
        .unwrap();
        assert_eq!(
            (l.flash_length, l.ram_length, l.tbf_header_size),
            (0xD_0000, 47104, 0x80)
        );
        let l = with(&[
            ("LIBTOCK_PLATFORM", "nrf52840"),
            ("LIBTOCK_TBF_HEADER_SIZE", "256"),
        ]);
        assert_eq!(l.unwrap().tbf_header_size, 256);
        assert!(with(&[]).is_err());
        assert!(with(&[("LIBTOCK_LINKER_FLASH", "0")]).is_err());
        assert!(
            with(&[("LIBTOCK_PLATFORM", "x")])
                .unwrap_err()
                .contains("no `x`")
        );
        assert_eq!(parse("x", "48K"), Ok(49152));
        assert!(parse("x", "4G").is_err());
    }
}

//! Gives each binary a slot of its own in the pools, so that one flash image holds them all.
//!
//! Slot i: 16 KiB of flash from flash-pool + 0x10000 on, 16 KiB of RAM from ram-pool + 0x4000 on,
//! behind `tests/apps/hello`, in the alphabetical order of the binaries' names. The stages have
//! the same places once more, with twice the flash: no device holds both.

use libtock_build_scripts::{Layout, Map, constants, emit_for};
use std::fmt::Write as _;
use std::path::PathBuf;

const MAP: &str = "../../boards/mps3-an547/memory.toml";
const FIRST_FLASH: u32 = 0x1_0000;
const FIRST_RAM: u32 = 0x4000;
const SIZE: u32 = 0x4000;

fn main() {
    println!("cargo:rerun-if-changed=src/bin");
    let map = Map::for_build(MAP).unwrap_or_else(|e| panic!("{e}"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(out.join("memory.rs"), constants(&map)).expect("OUT_DIR is writable");
    let mut names: Vec<String> = std::fs::read_dir("src/bin")
        .expect("src/bin is there")
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    let (stages, cases): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|n| n.starts_with("stage_"));
    let table = table("CASES", &cases, SIZE, &map) + &table("STAGES", &stages, 2 * SIZE, &map);
    std::fs::write(out.join("cases.rs"), table).expect("OUT_DIR is writable");
}

/// Places binaries, and returns the table of where they are.
fn table(title: &str, names: &[String], flash_size: u32, map: &Map) -> String {
    let mut cases = String::new();
    for (i, name) in (0..).zip(names) {
        let layout = Layout::in_pool(
            map,
            FIRST_FLASH + i * flash_size,
            flash_size,
            FIRST_RAM + i * SIZE,
            SIZE,
        );
        let layout = layout.unwrap_or_else(|e| panic!("{name}: {e}"));
        emit_for(name, &layout);
        let (flash, ram) = (FIRST_FLASH + i * flash_size, FIRST_RAM + i * SIZE);
        let _ = writeln!(
            cases,
            "Case {{ name: \"{name}\", flash: {flash:#x}, ram: {ram:#x}, flash_size: {flash_size:#x}, ram_size: {SIZE:#x} }},"
        );
    }
    let doc = "/// Binaries and their places.";
    format!(
        "{doc}\npub const {title}: [Case; {}] = [\n{cases}];\n",
        names.len()
    )
}

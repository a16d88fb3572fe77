//! What build scripts take from a map: Rust constants and filled-in linker scripts.
//!
//! Owns the text that is generated; the names in it derive from the region names.

use crate::{Map, SecureSide, World, map_file};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Bytes at the end of the region `kernel-ram` that belong to the fault mailbox.
const FAULT_MAILBOX_SIZE: u32 = 64;

/// Regions that a board may lack: its constants are 0 then.
const OPTIONAL: [&str; 7] = [
    "audio-rom",
    "flash-pic",
    "state-journal",
    "s-primary",
    "s-secondary",
    "ns-primary",
    "ns-secondary",
];

/// For a build script: reads the map (or the one beside it that [`MAP_VARIABLE`](crate::MAP_VARIABLE)
/// names), writes `memory.rs` (see [`constants`]) to `OUT_DIR`, fills
/// the linker template, and tells cargo to link binaries with it.
///
/// # Panics
/// With a message, when the map or the template is unsound: a build script has no other way out.
pub fn emit(map_path: &str, template: &str) {
    let map_path = Path::new(map_path).with_file_name(map_file());
    println!("cargo:rerun-if-changed={}", map_path.display());
    println!("cargo:rerun-if-changed={template}");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let map = Map::load(&map_path).unwrap_or_else(|e| panic!("{e}"));
    let text = std::fs::read_to_string(template).unwrap_or_else(|e| panic!("{template}: {e}"));
    let script = fill_template(&map, &text).unwrap_or_else(|e| panic!("{template}: {e}"));
    let path = out.join("link.ld");
    std::fs::write(&path, script).expect("OUT_DIR is writable");
    std::fs::write(out.join("memory.rs"), constants(&map)).expect("OUT_DIR is writable");
    println!("cargo:rustc-link-arg-bins=-T{}", path.display());
}

/// Rust constants: `<REGION>_BASE` and `<REGION>_SIZE` (`u32`, bytes) for each region,
/// `STOCK_TFM` (the secure side is TF-M), `CONSOLE_UART`, `FAULT_MAILBOX_BASE` and `_SIZE`, `SAU_REGIONS` (base, inclusive limit, is NSC), `MPC_RANGES` (registers, offset, inclusive
/// limit), `IMAGE_HEADER`, `SECTOR`, `DDR_BASE` and `DDR_SIZE`-like pairs for each store, and
/// `APPS` (name, flash base, flash size, RAM base, RAM size).
pub fn constants(map: &Map) -> String {
    let mut s = String::from("// Generated from memory.toml.\n");
    let mut pair = |name: &str, base: u32, size: u32| {
        let name = name.to_uppercase().replace('-', "_");
        let _ = writeln!(s, "pub const {name}_BASE: u32 = 0x{base:08x};");
        let _ = writeln!(s, "pub const {name}_SIZE: u32 = 0x{size:x};");
    };
    for (name, region) in &map.region {
        pair(name, region.base, region.size);
    }
    for name in OPTIONAL {
        if !map.region.contains_key(name) {
            pair(name, 0, 0);
        }
    }
    for (name, store) in &map.store {
        pair(&format!("store-{name}"), store.base, store.size);
    }
    // Where the secure world tells the kernel of a process's fault: the kernel's last 64 bytes.
    if let Some(ram) = map.region.get("kernel-ram") {
        let base = ram.end() as u32 - FAULT_MAILBOX_SIZE;
        let _ = writeln!(s, "pub const FAULT_MAILBOX_BASE: u32 = 0x{base:08x};");
        let _ = writeln!(
            s,
            "pub const FAULT_MAILBOX_SIZE: u32 = 0x{FAULT_MAILBOX_SIZE:x};"
        );
    }
    let stock = map.secure == SecureSide::Tfm;
    let _ = writeln!(s, "pub const STOCK_TFM: bool = {stock};");
    let uart = map.console_uart;
    let _ = writeln!(s, "pub const CONSOLE_UART: u32 = {uart};");
    let _ = writeln!(s, "pub const IMAGE_HEADER: u32 = 0x{:x};", map.image_header);
    let _ = writeln!(s, "pub const SECTOR: u32 = 0x{:x};", map.sector);
    let _ = writeln!(
        s,
        "pub const SAU_REGIONS: [(u32, u32, bool); {}] = [",
        map.sau.len()
    );
    for r in &map.sau {
        let nsc = r.world == World::NSC;
        let _ = writeln!(s, "    (0x{:08x}, 0x{:08x}, {nsc}),", r.base, r.limit);
    }
    let _ = writeln!(
        s,
        "];\npub const MPC_RANGES: [(u32, u32, u32); {}] = [",
        map.mpc.len()
    );
    for r in &map.mpc {
        let regs = map.store[&r.store].mpc.unwrap_or(0);
        let _ = writeln!(s, "    (0x{regs:08x}, 0x{:x}, 0x{:x}),", r.base, r.limit);
    }
    let _ = writeln!(
        s,
        "];\npub const APPS: [(&str, u32, u32, u32, u32); {}] = [",
        map.app.len()
    );
    for app in &map.app {
        if let Ok((f, r)) = map.app_row(&app.name) {
            let _ = writeln!(
                s,
                "    (\"{}\", 0x{:08x}, 0x{:x}, 0x{:08x}, 0x{:x}),",
                app.name, f.base, f.size, r.base, r.size
            );
        }
    }
    s.push_str("];\n");
    s
}

/// Replaces `@region.base@`, `@region.size@`, `@region.end@` and `@image-header@`.
///
/// # Errors
/// Names the placeholder that the map has no value for.
pub fn fill_template(map: &Map, template: &str) -> Result<String, String> {
    let mut out = String::new();
    for (i, part) in template.split('@').enumerate() {
        if i % 2 == 0 {
            out.push_str(part);
            continue;
        }
        if part == "image-header" {
            let _ = write!(out, "0x{:x}", map.image_header);
            continue;
        }
        let (name, field) = part
            .rsplit_once('.')
            .ok_or_else(|| format!("placeholder `@{part}@` is unknown"))?;
        let region = map.region(name)?;
        let value = match field {
            "base" => u64::from(region.base),
            "size" => u64::from(region.size),
            "end" => region.end(),
            _ => return Err(format!("placeholder `@{part}@`: no field `{field}`")),
        };
        let _ = write!(out, "0x{value:08x}");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Map {
        Map::parse(include_str!("../../../boards/mps3-an547/memory.toml")).unwrap()
    }

    #[test]
    fn template_is_filled_and_unknown_names_are_refused() {
        let t = "A = @loader-code.base@; B = @spe-ram.end@; H = @image-header@;";
        let filled = fill_template(&board(), t).unwrap();
        assert_eq!(filled, "A = 0x10000000; B = 0x31020000; H = 0x400;");
        assert!(
            fill_template(&board(), "@loader.base@")
                .unwrap_err()
                .contains("no region `loader`")
        );
        assert!(
            fill_template(&board(), "@its.width@")
                .unwrap_err()
                .contains("no field `width`")
        );
    }

    #[test]
    fn what_a_board_lacks_has_no_bytes() {
        let map = include_str!("../../../boards/mps2-an521/memory-tfm.toml");
        let text = constants(&Map::parse(map).unwrap());
        assert!(text.contains("pub const AUDIO_ROM_BASE: u32 = 0x00000000;"));
        assert!(text.contains("pub const AUDIO_ROM_SIZE: u32 = 0x0;"));
        assert!(text.contains("pub const S_SECONDARY_SIZE: u32 = 0x0;"));
        assert!(text.contains("pub const STOCK_TFM: bool = true;"));
        assert!(text.contains("pub const CONSOLE_UART: u32 = 0;"));
    }

    #[test]
    fn constants_name_every_region() {
        let text = constants(&board());
        assert!(text.contains("pub const S_PRIMARY_BASE: u32 = 0x70000000;"));
        assert!(text.contains("(0x1103fc00, 0x1103ffff, true),"));
        assert!(text.contains("pub const FAULT_MAILBOX_BASE: u32 = 0x2103ffc0;"));
        assert!(text.contains("pub const STOCK_TFM: bool = false;"));
        assert!(text.contains("pub const CONSOLE_UART: u32 = 1;"));
    }
}

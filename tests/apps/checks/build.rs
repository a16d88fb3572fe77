//! Links the two binaries behind `tests/hostile` in the pools.

use libtock_build_scripts::{Layout, Map, emit_for};

const MAP: &str = "../../../boards/mps3-an547/memory.toml";

fn main() {
    let map = Map::for_build(MAP).unwrap_or_else(|e| panic!("{e}"));
    // Name, flash offset and size, RAM offset and size.
    let rows = [
        ("api_check", 0x8_0000, 0x1_0000, 0x5_4000, 0x8000),
        ("echo", 0x9_0000, 0x4000, 0x5_C000, 0x4000),
    ];
    for (name, flash, flash_size, ram, ram_size) in rows {
        let layout = Layout::in_pool(&map, flash, flash_size, ram, ram_size);
        emit_for(name, &layout.unwrap_or_else(|e| panic!("{name}: {e}")));
    }
}

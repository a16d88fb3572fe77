//! Links each pair of binaries into the first rows of the pools, where `cargo xtask bench kernel`
//! puts them.

use libtock_build_scripts::{Layout, Map, emit_for};

const MAP: &str = "../../../boards/mps3-an547/memory.toml";

fn main() {
    let map = Map::for_build(MAP).unwrap_or_else(|e| panic!("{e}"));
    // Name, flash offset, RAM offset.
    for (name, flash, ram) in [
        ("kernel_bench", 0, 0),
        ("kernel_peer", 0x1_0000, 0x4000),
        ("latency_alarm", 0, 0),
        ("latency_signer", 0x1_0000, 0x4000),
    ] {
        let layout = Layout::in_pool(&map, flash, 0x1_0000, ram, 0x4000);
        emit_for(name, &layout.unwrap_or_else(|e| panic!("{name}: {e}")));
    }
}

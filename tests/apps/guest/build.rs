//! Links the binary into the row that `GUEST_ROW` names: `a` in the flash pool, `b` at the same
//! offset of the second copies; both run in the same part of the RAM pool, one at a time.

use libtock_build_scripts::{Layout, Map, emit_for};

const MAP: &str = "../../../boards/mps3-an547/memory.toml";

fn main() {
    for name in ["GUEST_ROW", "GUEST_VERSION", "GUEST_FAULTS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let map = Map::for_build(MAP).unwrap_or_else(|e| panic!("{e}"));
    let layout = Layout::in_pool(&map, 0x1_0000, 0x1_0000, 0x4000, 0x4000);
    let mut layout = layout.unwrap_or_else(|e| panic!("{e}"));
    if std::env::var("GUEST_ROW").as_deref() == Ok("b") {
        let base = |name: &str| map.region(name).map(|r| r.base);
        let (pool, second) = (base("flash-pool"), base("flash-b"));
        layout.flash_start +=
            second.unwrap_or_else(|e| panic!("{e}")) - pool.unwrap_or_else(|e| panic!("{e}"));
    }
    emit_for("guest", &layout);
}

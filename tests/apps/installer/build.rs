//! Links the binary behind the guest in the pools.

fn main() {
    let map = "../../../boards/mps3-an547/memory.toml";
    libtock_build_scripts::pool_layout(map, 0x2_0000, 0x1_0000, 0x8000, 0x4000);
}

//! Links the binary into the first 32 KiB of the flash pool and 16 KiB of the RAM pool.

fn main() {
    let map = "../../../boards/mps3-an547/memory.toml";
    libtock_build_scripts::pool_layout(map, 0, 0x8000, 0, 0x4000);
}

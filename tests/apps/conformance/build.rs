//! Links the binary into the first 128 KiB of the flash pool and 16 KiB of the RAM pool, where
//! `cargo xtask test kernel` puts it.

fn main() {
    let map = "../../../boards/mps3-an547/memory.toml";
    libtock_build_scripts::pool_layout(map, 0, 0x2_0000, 0, 0x4000);
}

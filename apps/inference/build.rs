//! Links the binary into its row of the board's memory map.

fn main() {
    libtock_build_scripts::board_layout("../../boards/mps3-an547/memory.toml", "inference");
}

//! Link script and constants of the secure image, from the board's memory map.

fn main() {
    memory_map::emit("../memory.toml", "../../corstone/secure/link.ld.in");
}

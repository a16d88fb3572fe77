//! Links the loader where memory.toml puts it.
fn main() {
    memory_map::emit("../memory.toml", "../../corstone/loader/link.ld.in");
}

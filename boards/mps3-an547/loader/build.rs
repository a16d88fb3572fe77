//! Links the loader where memory.toml puts it.
fn main() {
    memory_map::emit("../memory.toml", "link.ld.in");
}

//! Link script, constants and the secure image's entry points.

fn main() {
    memory_map::emit("../memory.toml", "../../corstone/kernel/link.ld.in");
    // A stock TF-M's veneers can stand in: name the object here.
    println!("cargo:rerun-if-env-changed=TOCKSTONE_VENEERS");
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../s_veneers.o");
    let veneers = std::env::var("TOCKSTONE_VENEERS").unwrap_or_else(|_| default.to_owned());
    println!("cargo:rerun-if-changed={veneers}");
    println!("cargo:rustc-link-arg-bins={veneers}");
}

//! Links the binary for no place: flash at elf2tab's mark for "anywhere", RAM at 0, relocations kept.

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rerun-if-changed=layout.ld");
    println!("cargo:rustc-link-arg-bins=-T{here}/layout.ld");
    println!("cargo:rustc-link-arg-bins=--emit-relocs");
}

//! Builds the images and apps, and signs them.
//!
//! Owns what is built with which flags, and the file names under `build/`:
//! `loader.elf`, `secure.bin`, `kernel.bin` (bare), `*_signed.bin` (MCUboot), `apps/*.tbf`.

use crate::release::Release;
use crate::setup::{self, Toolchain};
use crate::{apps, paths, products, shell, sign, updates, veneers};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which set of flags an image is built with; each set costs one build of `core`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Loader and secure image: with the DSP extension, which the P-256 assembler needs, where the
    /// processor has it.
    Secure,
    /// Kernel and processes.
    NonSecure,
}

pub use crate::release::{FACTORY, UPDATE};

/// Builds and signs everything, updates included.
///
/// # Errors
/// Of the compiler, the linker and the tools, with their output.
pub fn all() -> Result<()> {
    release(&Release::default())
}

/// As [`all`], with versions of the caller's.
///
/// # Errors
/// Of the compiler, the linker and the tools, with their output.
pub fn release(release: &Release) -> Result<()> {
    let map = paths::map()?;
    let (toolchain, _) = setup::everything()?;
    let out = paths::build();
    println!("build: loader, secure image, kernel, apps");

    let image = |role: &str| format!("{}-{role}", paths::board_name());
    let loader = firmware(&toolchain, World::Secure, &image("loader"), &[])?;
    std::fs::copy(&loader, out.join("loader.elf"))?;

    let secure = firmware(&toolchain, World::Secure, &image("secure"), &[])?;
    std::fs::copy(&secure, out.join("secure.elf"))?;
    check_veneers(&map, &secure)?;
    let base = map.region("spe-exec").map_err(|e| anyhow!(e))?.base + map.image_header;
    std::fs::write(out.join("secure.bin"), flatten(&secure, base)?)?;

    let kernel = firmware(&toolchain, World::NonSecure, &image("kernel"), &[])?;
    std::fs::copy(&kernel, out.join("kernel.elf"))?;
    let base = map.region("kernel-exec").map_err(|e| anyhow!(e))?.base + map.image_header;
    std::fs::write(out.join("kernel.bin"), flatten(&kernel, base)?)?;

    sign::keys()?;
    for (image, version, name) in [
        (sign::Image::Secure, &release.factory, "secure_signed.bin"),
        (
            sign::Image::NonSecure,
            &release.factory,
            "kernel_signed.bin",
        ),
        (
            sign::Image::Secure,
            &release.update,
            "secure-update_signed.bin",
        ),
        (
            sign::Image::NonSecure,
            &release.update,
            "kernel-update_signed.bin",
        ),
    ] {
        sign::image(
            &map,
            image,
            (version.as_str(), release.counter),
            &out.join(name),
        )?;
    }
    for app in &map.app {
        apps::product(&toolchain, &map, &app.name)?;
        updates::build(&toolchain, &map, &app.name, release.app)?;
    }
    products::write()
}

/// Builds one firmware binary and returns its ELF.
///
/// # Errors
/// With the compiler's output.
pub fn firmware(
    toolchain: &Toolchain,
    world: World,
    package: &str,
    env: &[(&str, String)],
) -> Result<PathBuf> {
    firmware_with(toolchain, world, package, "device", env)
}

/// As [`firmware`], with these features of the package.
///
/// # Errors
/// With the compiler's output.
pub fn firmware_with(
    toolchain: &Toolchain,
    world: World,
    package: &str,
    features: &str,
    env: &[(&str, String)],
) -> Result<PathBuf> {
    compile(toolchain, world, package, &["--features", features], env)
}

/// The secure image with TF-M's Medium set and nothing else, signed: for its size, and for a test.
/// Returns the signed image.
///
/// # Errors
/// Of the compiler, the linker and imgtool.
pub fn medium() -> Result<PathBuf> {
    let map = paths::map()?;
    let (toolchain, _) = setup::everything()?;
    let package = format!("{}-secure", paths::board_name());
    // As small as TF-M's own figures, which are MinSizeRel's: primitives, too.
    let arguments = [
        "--no-default-features",
        "--features",
        "device,medium",
        "--config",
        "profile.firmware.package.symmetric.opt-level='z'",
        "--config",
        "profile.firmware.package.p256-cm4.opt-level='z'",
    ];
    let env = [("CARGO_PROFILE_FIRMWARE_OPT_LEVEL", "z".to_owned())];
    let elf = compile(&toolchain, World::Secure, &package, &arguments, &env)?;
    let out = |ending: &str| paths::build().join(format!("secure-medium{ending}"));
    std::fs::copy(&elf, out(".elf"))?;
    check_veneers(&map, &elf)?;
    let base = map.region("spe-exec").map_err(|e| anyhow!(e))?.base + map.image_header;
    std::fs::write(out(".bin"), flatten(&elf, base)?)?;
    sign::keys()?;
    let image = sign::Image::Secure;
    let signed = out("_signed.bin");
    sign::image_of(&map, image, &out(".bin"), FACTORY, &image.key(), &signed)?;
    Ok(signed)
}

/// Clippy over the binaries of the device: what of them is for the device only is seen by no host
/// build. With the features of the product, in the folders of its build.
///
/// # Errors
/// With what clippy says.
pub fn lint() -> Result<()> {
    let toolchain = setup::compiler()?;
    let board = paths::board_name();
    for (world, package) in [
        (World::NonSecure, format!("{board}-kernel")),
        (World::NonSecure, "net-mqtt".into()),
        (World::NonSecure, "hostile".into()),
        (World::Secure, format!("{board}-secure")),
        (World::Secure, format!("{board}-loader")),
    ] {
        let (flags, target_dir) = flags(&toolchain, world)?;
        let mut command = toolchain.lint(&flags)?;
        cargo_of(
            &mut command,
            &package,
            &["--features", "device"],
            &target_dir,
        );
        shell::show(&mut command)?;
    }
    Ok(())
}

/// Compiles with these arguments of cargo that choose features and profile.
fn compile(
    toolchain: &Toolchain,
    world: World,
    package: &str,
    arguments: &[&str],
    env: &[(&str, String)],
) -> Result<PathBuf> {
    let (flags, target_dir) = flags(toolchain, world)?;
    let mut command = toolchain.build(&flags);
    cargo_of(&mut command, package, arguments, &target_dir);
    command.envs(env.iter().map(|(k, v)| (k, v)));
    shell::show(&mut command)?;
    Ok(target_dir
        .join(setup::TARGET)
        .join("firmware")
        .join(package))
}

/// Which package, with which features and for which board.
fn cargo_of(command: &mut Command, package: &str, arguments: &[&str], target_dir: &Path) {
    command
        .args(["--locked", "--profile", "firmware"])
        .args(["--package", package])
        .args(arguments)
        .arg("--target-dir")
        .arg(target_dir)
        .current_dir(paths::root())
        .env(memory_map::BOARD_VARIABLE, paths::board_name())
        .env(memory_map::MAP_VARIABLE, paths::map_file());
}

/// Flags of rustc's for code of this world, and the folder that it is built in.
fn flags(toolchain: &Toolchain, world: World) -> Result<(String, PathBuf)> {
    let (folder, feature) = match world {
        World::Secure if paths::map()?.dsp => ("secure", " -C target-feature=+dsp"),
        World::Secure => ("secure", ""),
        World::NonSecure => ("nonsecure", ""),
    };
    // One folder a map: what is linked to addresses is built once for each.
    let mut target_dir = paths::root().join("target/firmware");
    if paths::build_name() != paths::BOARDS[0] {
        target_dir.push(paths::build_name());
    }
    target_dir.push(folder);
    // Secure code carries no panic strings and no file names: a panic is a trap, and the fault
    // handler records where. Needs a core built the same way.
    let silent = match world {
        World::Secure if toolchain.build_std => {
            " -Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none"
        }
        World::Secure => " -Zlocation-detail=none",
        // Marked functions are built for speed, the rest of the kernel for size.
        World::NonSecure => " --cfg optimize_attribute",
    };
    Ok((format!("{feature}{silent}"), target_dir))
}

/// The bytes of an ELF's loadable segments by load address, from `base` on.
///
/// # Errors
/// Names a segment that lies below `base` or over 4 MiB above it.
pub fn flatten(elf: &Path, base: u32) -> Result<Vec<u8>> {
    let bytes = std::fs::read(elf)?;
    let file = object::read::elf::ElfFile32::<object::Endianness>::parse(&*bytes)
        .with_context(|| elf.display().to_string())?;
    let mut flat = Vec::new();
    for header in file.elf_program_headers() {
        use object::read::elf::ProgramHeader as _;
        let endian = file.endian();
        let (load, size) = (
            header.p_paddr.get(endian),
            header.p_filesz.get(endian) as usize,
        );
        if header.p_type(endian) != object::elf::PT_LOAD || size == 0 {
            continue;
        }
        if header.p_offset(endian) == 0 {
            // The linker maps the ELF's own headers where the image's header will be.
            continue;
        }
        let at = load
            .checked_sub(base)
            .map(|o| o as usize)
            .filter(|o| *o < 0x40_0000);
        let Some(at) = at else {
            bail!(
                "{}: a segment loads at 0x{load:08x}, outside the image at 0x{base:08x}",
                elf.display()
            );
        };
        let data = header
            .data(endian, &*bytes)
            .map_err(|()| anyhow!("{}: truncated segment", elf.display()))?;
        if flat.len() < at + size {
            flat.resize(at + size, 0xFF);
        }
        flat[at..at + size].copy_from_slice(data);
    }
    if flat.is_empty() {
        bail!("{}: nothing to load", elf.display());
    }
    Ok(flat)
}

/// The emitted import library must be the committed one: it is an ABI.
fn check_veneers(map: &memory_map::Map, secure: &Path) -> Result<()> {
    let emitted = veneers::emit(map, secure)?;
    let path = paths::board().join("s_veneers.o");
    let committed = std::fs::read(&path).unwrap_or_default();
    if emitted != committed {
        let new = paths::build().join("s_veneers.o");
        std::fs::write(&new, &emitted)?;
        bail!(
            "the veneers of the secure image are not those of {}: they keep their place and order \
             for ever; what this build emits is in {}",
            path.display(),
            new.display()
        );
    }
    Ok(())
}

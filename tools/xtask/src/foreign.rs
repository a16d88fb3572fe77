//! Apps that are no packages of this workspace: libtock-rs's programs above all.
//!
//! Owns how such an app gets here unchanged. A source file alone gets a package around it, whose
//! dependency lines are ours; a package of its own has them already. Either is linked by the
//! environment, as libtock-rs's are (`auto_layout`), to the start of both pools.

use crate::setup::Toolchain;
use crate::{paths, setup, shell};
use anyhow::{Context, Result, bail};
use libtock_build_scripts::TBF_HEADER_SIZE;
use memory_map::Map;
use std::path::{Path, PathBuf};

/// An app by its path.
pub struct Foreign {
    /// Its binary, which is what it is called on the device.
    pub name: String,
    manifest: PathBuf,
}

impl Foreign {
    /// What `path` names: a `.rs` file, a package's folder, or its `Cargo.toml`. `None` when it is
    /// no path but the name of a package.
    ///
    /// # Errors
    /// Of the file system; when a folder has no `Cargo.toml`.
    pub fn at(path: &str) -> Result<Option<Foreign>> {
        let given = Path::new(path);
        if !given.exists() && (path.contains('/') || path.ends_with(".rs")) {
            bail!("no file or folder {path}");
        }
        if !given.exists() || given.components().count() == 1 && !given.is_file() {
            return Ok(None);
        }
        let given = given.canonicalize()?;
        if given.extension().is_some_and(|e| e == "rs") {
            return around(&given).map(Some);
        }
        let manifest = match given.is_dir() {
            true => given.join("Cargo.toml"),
            false => given,
        };
        if manifest.file_name().is_none_or(|name| name != "Cargo.toml") {
            bail!("{path} is neither a source file (.rs) nor a package");
        }
        let name = manifest.display();
        let text = std::fs::read_to_string(&manifest).with_context(|| name.to_string())?;
        let parsed: toml::Table = text.parse().with_context(|| name.to_string())?;
        let name = parsed
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(toml::Value::as_str)
            .with_context(|| format!("{}: no [package] name", manifest.display()))?
            .to_owned();
        Ok(Some(Foreign { name, manifest }))
    }

    /// Builds it; its ELF.
    ///
    /// # Errors
    /// With the compiler's output.
    pub fn build(&self, toolchain: &Toolchain, map: &Map) -> Result<PathBuf> {
        let region = |name: &str| map.region(name).map_err(anyhow::Error::msg);
        let (flash, ram) = (region("flash-pool")?, region("ram-pool")?);
        let target_dir = paths::root().join("target/foreign");
        let mut command = toolchain.build("");
        command
            .args(["--release", "--bin", &self.name, "--manifest-path"])
            .arg(&self.manifest)
            .arg("--target-dir")
            .arg(&target_dir)
            // Its manifest knows no profile of ours.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
            .env("CARGO_PROFILE_RELEASE_LTO", "fat")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
            .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
            .env("LIBTOCK_LINKER_FLASH", hex(flash.base))
            .env("LIBTOCK_LINKER_FLASH_LENGTH", hex(flash.size))
            .env("LIBTOCK_LINKER_RAM", hex(ram.base))
            .env("LIBTOCK_LINKER_RAM_LENGTH", hex(ram.size))
            .env("LIBTOCK_TBF_HEADER_SIZE", hex(TBF_HEADER_SIZE))
            .env_remove("LIBTOCK_PLATFORM");
        shell::show(&mut command)?;
        Ok(target_dir
            .join(setup::TARGET)
            .join("release")
            .join(&self.name))
    }
}

/// A package around one source file, which stays where and as it is.
fn around(source: &Path) -> Result<Foreign> {
    let name = source
        .file_stem()
        .and_then(|stem| stem.to_str())
        .context("the file's name is not text")?
        .to_owned();
    let folder = paths::build().join("foreign").join(&name);
    std::fs::create_dir_all(&folder)?;
    let libtock = paths::root().join("libtock");
    let crates: String = [
        ("libtock", ""),
        ("libtock_platform", "platform"),
        ("libtock_runtime", "runtime"),
    ]
    .iter()
    .map(|(name, at)| format!("{name} = {{ path = {:?} }}\n", libtock.join(at)))
    .collect();
    write(
        &folder.join("Cargo.toml"),
        &format!(
            "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
             [[bin]]\nname = {name:?}\npath = {source:?}\n\n\
             [dependencies]\n{crates}\n\
             [build-dependencies]\nlibtock_build_scripts = {{ path = {:?} }}\n\n[workspace]\n",
            libtock.join("build_scripts")
        ),
    )?;
    write(
        &folder.join("build.rs"),
        "fn main() {\n    libtock_build_scripts::auto_layout();\n}\n",
    )?;
    // The versions that this workspace is tested with, and nothing to ask the registry for.
    std::fs::copy(paths::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(Foreign {
        name,
        manifest: folder.join("Cargo.toml"),
    })
}

/// Writes what has changed: a newer file would be compiled again.
fn write(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("{}", path.display()))
}

fn hex(value: u32) -> String {
    format!("0x{value:x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_packages_and_paths_are_apps() {
        for name in ["blink", "no-such-package"] {
            assert!(Foreign::at(name).unwrap().is_none(), "{name}");
        }
        let package = paths::root().join("tests/apps/blink");
        for path in [package.clone(), package.join("Cargo.toml")] {
            let foreign = Foreign::at(path.to_str().unwrap()).unwrap().unwrap();
            assert_eq!(foreign.name, "blink");
            assert_eq!(foreign.manifest, package.join("Cargo.toml"));
        }
        for (path, named) in [
            ("tests", "Cargo.toml"),
            ("README.md", "neither a source file"),
            ("tests/no.rs", "no file or folder"),
            ("no/where", "no file or folder"),
        ] {
            let path = paths::root().join(path);
            let refused = Foreign::at(path.to_str().unwrap()).err().unwrap();
            assert!(format!("{refused:#}").contains(named), "{refused:#}");
        }
    }
}

//! Development keys and signatures: imgtool for images, openssl for the update.
//!
//! Owns which key signs what: secure image ECDSA-P256, non-secure image RSA-3072, update jobs
//! RSA-3072 (PSS, SHA-256), app credentials ECDSA-P256 (and RSA-3072, RSA-4096: `credentials.rs`).
//! The keys are made once, under `build/keys`, and never committed; a product brings its own.

use crate::{paths, release, shell};
use anyhow::{Result, bail};
use memory_map::Map;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The two images that the loader boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Image 0.
    Secure,
    /// Image 1.
    NonSecure,
}

impl Image {
    fn name(self) -> &'static str {
        match self {
            Image::Secure => "secure",
            Image::NonSecure => "kernel",
        }
    }

    /// Its signing key, PEM.
    pub fn key(self) -> PathBuf {
        paths::keys().join(match self {
            Image::Secure => "secure-image.pem",
            Image::NonSecure => "non-secure-image.pem",
        })
    }
}

/// The key that signs update jobs, PEM.
pub fn update_key() -> PathBuf {
    paths::keys().join("update.pem")
}

/// The key that signs apps, PEM; `app.der` beside it is what elf2tab reads.
pub fn app_key() -> PathBuf {
    paths::keys().join("app.pem")
}

/// The RSA key of so many bits that signs apps, PEM.
pub fn app_key_rsa(bits: usize) -> PathBuf {
    paths::keys().join(format!("app-rsa{bits}.pem"))
}

/// Makes the keys that are missing.
///
/// # Errors
/// Of imgtool and openssl.
pub fn keys() -> Result<()> {
    generate(&Image::Secure.key(), "ecdsa-p256")?;
    generate(&Image::NonSecure.key(), "rsa-3072")?;
    generate(&update_key(), "rsa-3072")?;
    generate(&app_key(), "ecdsa-p256")?;
    generate(&paths::keys().join("wrong.pem"), "ecdsa-p256")?;
    for bits in [3072, 4096] {
        let path = app_key_rsa(bits);
        if !path.is_file() {
            println!("build: new development key {} (RSA)", path.display());
            let size = format!("rsa_keygen_bits:{bits}");
            shell::run(
                Command::new("openssl")
                    .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &size, "-out"])
                    .arg(path),
            )?;
        }
    }
    let der = app_key().with_extension("der");
    if !der.is_file() {
        shell::run(
            Command::new("openssl")
                .args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"])
                .arg(app_key())
                .arg("-out")
                .arg(der),
        )?;
    }
    Ok(())
}

/// Whether these development keys are there: what is built is signed with them, so that no step
/// after the build makes them anew.
///
/// # Errors
/// Names the one that is missing.
pub fn made(keys: &[PathBuf]) -> Result<()> {
    match keys.iter().find(|key| !key.is_file()) {
        None => Ok(()),
        Some(key) => bail!(
            "no development key {} (`cargo xtask build` makes it)",
            key.display()
        ),
    }
}

/// Makes a key of imgtool's `kind` if it is not there.
///
/// # Errors
/// Of imgtool.
pub fn generate(path: &Path, kind: &str) -> Result<()> {
    if !path.is_file() {
        println!("build: new development key {} ({kind})", path.display());
        shell::run(
            imgtool()
                .arg("keygen")
                .arg("-k")
                .arg(path)
                .args(["-t", kind]),
        )?;
    }
    Ok(())
}

/// What stands in an image beside its code: version and security counter.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    version: &'a str,
    counter: u32,
}

impl<'a> From<&'a str> for Stamp<'a> {
    fn from(version: &'a str) -> Self {
        (version, release::COUNTER).into()
    }
}

impl<'a> From<(&'a str, u32)> for Stamp<'a> {
    fn from((version, counter): (&'a str, u32)) -> Self {
        Stamp { version, counter }
    }
}

/// Signs a bare image of `build/` as that version.
///
/// # Errors
/// Of imgtool.
pub fn image<'a>(map: &Map, image: Image, stamp: impl Into<Stamp<'a>>, out: &Path) -> Result<()> {
    image_with(map, image, stamp, &image.key(), out)
}

/// As [`image`], with a key of the caller's.
///
/// # Errors
/// Of imgtool.
pub fn image_with<'a>(
    map: &Map,
    image: Image,
    stamp: impl Into<Stamp<'a>>,
    key: &Path,
    out: &Path,
) -> Result<()> {
    let bare = paths::build().join(format!("{}.bin", image.name()));
    image_of(map, image, &bare, stamp, key, out)
}

/// As [`image_with`], from a bare image elsewhere.
///
/// # Errors
/// Of imgtool.
pub fn image_of<'a>(
    map: &Map,
    image: Image,
    bare: &Path,
    stamp: impl Into<Stamp<'a>>,
    key: &Path,
    out: &Path,
) -> Result<()> {
    let Stamp { version, counter } = stamp.into();
    let slot = match image {
        Image::Secure => "s-primary",
        Image::NonSecure => "ns-primary",
    };
    let slot = map.region(slot).map_err(|e| anyhow::anyhow!(e))?.size;
    let record = match image {
        Image::Secure => "SPE",
        Image::NonSecure => "NSPE",
    };
    shell::run(
        imgtool()
            .arg("sign")
            .arg("--key")
            .arg(key)
            .args([
                "--public-key-format",
                "full",
                "--pad-header",
                "--security-counter",
                &counter.to_string(),
            ])
            .args(["--header-size", &format!("0x{:x}", map.image_header)])
            .args(["--align", &map.write_unit.to_string()])
            .args(["--slot-size", &format!("0x{slot:x}")])
            .args(["--version", version, "--boot-record", record])
            .arg(bare)
            .arg(out),
    )?;
    Ok(())
}

/// The signature of an update file as a job carries it: RSA-3072-PSS over SHA-256, base64 in
/// one line (reference: aws-iot §3.2, `sig-sha256-rsa`).
///
/// # Errors
/// Of openssl.
pub fn update_signature(file: &Path) -> Result<String> {
    let signature = paths::temporary("signature");
    shell::run(
        Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(update_key())
            .args([
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:32",
                "-out",
            ])
            .arg(&signature)
            .arg(file),
    )?;
    let text = shell::run(
        Command::new("openssl")
            .args(["base64", "-A", "-in"])
            .arg(&signature),
    )?;
    std::fs::remove_file(&signature)?;
    Ok(text.trim().to_owned())
}

/// SHA-256 over a public key as imgtool puts it into an image: what provisioning stores.
///
/// # Errors
/// Of imgtool and openssl.
pub fn key_hash(key: &Path) -> Result<[u8; 32]> {
    let raw = paths::temporary("key-hash");
    shell::run(
        imgtool()
            .args(["getpubhash", "-e", "raw", "-k"])
            .arg(key)
            .arg("-o")
            .arg(&raw),
    )?;
    let bytes = std::fs::read(&raw)?;
    std::fs::remove_file(&raw)?;
    bytes
        .try_into()
        .map_err(|b: Vec<u8>| anyhow::anyhow!("imgtool gave a hash of {} bytes", b.len()))
}

fn imgtool() -> Command {
    Command::new(paths::python_tool("imgtool"))
}

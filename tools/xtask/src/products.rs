//! What a build leaves for an operator: update files, their digests and signatures.
//!
//! Owns the names, which are the reference's (aws-iot.md §5.6): `<image>-update_signed.bin`, the
//! file that goes to S3; `update-digest.bin`, `update-signature.bin` and `update-signature.txt` of
//! the non-secure one, the last being the text that the console's "Use my custom signed file"
//! takes; the same with `secure-` in front for the secure one, and `<app>-` for an app's. Invariant: an update file differs
//! from what the factory flashes in its version, and in what is computed over it, alone.

use crate::{paths, sign, updates};
use anyhow::{Context, Result, ensure};
use mcuboot_image::Image;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// An update file and the texts beside it.
struct Product {
    /// "Path name of file on device".
    filepath: &'static str,
    image: &'static str,
    prefix: &'static str,
}

const PRODUCTS: [Product; 2] = [
    Product {
        filepath: "secure image",
        image: "secure",
        prefix: "secure-",
    },
    Product {
        filepath: "non_secure image",
        image: "kernel",
        prefix: "",
    },
];

/// Writes digests and signatures of the update files, and says what an OTA job takes.
///
/// # Errors
/// Of openssl; names an update file that differs in more than its version.
pub fn write() -> Result<()> {
    let out = paths::build();
    for Product {
        filepath,
        image,
        prefix,
    } in PRODUCTS
    {
        let file = out.join(format!("{image}-update_signed.bin"));
        differs_in_version_only(&out.join(format!("{image}_signed.bin")), &file)?;
        sign_for_job(&file, filepath, prefix)?;
    }
    for app in &paths::map()?.app {
        let (name, path) = (&app.name, updates::filepath(&app.name));
        sign_for_job(&updates::file(name), &path, &format!("{name}-"))?;
    }
    Ok(())
}

/// Writes digest and signature beside an update file, and says them.
fn sign_for_job(file: &Path, filepath: &str, prefix: &str) -> Result<()> {
    let out = paths::build();
    let digest = Sha256::digest(std::fs::read(file)?);
    std::fs::write(out.join(format!("{prefix}update-digest.bin")), digest)?;
    let signature = sign::update_signature(file)?;
    std::fs::write(
        out.join(format!("{prefix}update-signature.bin")),
        base64(&signature)?,
    )?;
    std::fs::write(
        out.join(format!("{prefix}update-signature.txt")),
        format!("{signature}\n"),
    )?;
    println!("build: {} for `{filepath}`", name(file));
    println!("build: RSA-3072-PSS, SHA-256. Use this base 64 encoded signature in OTA job:");
    println!("{signature}");
    Ok(())
}

fn name(file: &Path) -> String {
    let file: PathBuf = file.strip_prefix(paths::root()).unwrap_or(file).into();
    file.display().to_string()
}

/// Header but for the version, payload, and the kinds of TLV.
fn differs_in_version_only(factory: &Path, update: &Path) -> Result<()> {
    let (old, new) = (std::fs::read(factory)?, std::fs::read(update)?);
    let parse = |bytes| Image::parse(bytes).map_err(|e| anyhow::anyhow!("{e:?}"));
    let (a, b) = (parse(&old)?, parse(&new)?);
    let mut header = *a.header();
    header.version = b.version();
    let context = || format!("{} and {}", factory.display(), update.display());
    ensure!(a.version() < b.version(), "{}: no newer", context());
    ensure!(header == *b.header(), "{}: headers", context());
    ensure!(a.payload() == b.payload(), "{}: payloads", context());
    Ok(())
}

/// The signature's bytes, as openssl reads its own text.
fn base64(text: &str) -> Result<Vec<u8>> {
    let (file, raw) = (paths::temporary("text"), paths::temporary("raw"));
    std::fs::write(&file, text)?;
    crate::shell::run(
        std::process::Command::new("openssl")
            .args(["base64", "-d", "-A", "-in"])
            .arg(&file)
            .arg("-out")
            .arg(&raw),
    )?;
    let bytes = std::fs::read(&raw).context("openssl base64")?;
    std::fs::remove_file(&file)?;
    std::fs::remove_file(&raw)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcuboot_image::{Header, ImageVersion};

    fn image(name: &str, major: u8, payload: &[u8]) -> PathBuf {
        let header = Header {
            load_addr: 0,
            hdr_size: 32,
            protect_tlv_size: 0,
            img_size: payload.len() as u32,
            flags: 0,
            version: ImageVersion {
                major,
                ..ImageVersion::default()
            },
        };
        let mut bytes = header.emit().to_vec();
        bytes.extend(payload);
        bytes.extend([0x07, 0x69, 4, 0]);
        let file = paths::temporary(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    #[test]
    fn an_update_differs_in_its_version_alone() {
        let factory = image("factory", 1, &[1, 2, 3]);
        for (major, payload, good) in [
            (2, &[1, 2, 3][..], true),
            (1, &[1, 2, 3], false),
            (2, &[1, 2, 4], false),
            (2, &[1, 2], false),
        ] {
            let update = image("update", major, payload);
            assert_eq!(differs_in_version_only(&factory, &update).is_ok(), good);
            std::fs::remove_file(update).unwrap();
        }
        std::fs::remove_file(factory).unwrap();
    }
}

//! `cargo xtask attest`: a token from a running device, verified on the host.
//!
//! Owns the conversation with tests/apps/attest over the console, and the comparison of what the
//! token says with the images that the factory flashed. The token itself is judged by
//! `attestation-verifier`, which shares no code with the device.

use crate::alone::{Alone, Process};
use crate::{build, paths, provision, setup, sign};
use anyhow::{Context, Result, anyhow, bail};
use attestation_verifier::{Claims, hex};
use mcuboot_image::Image;
use qemu_harness::{Device, said_by};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The process that answers challenges.
pub const PROCESS: Process = Process {
    package: "attest",
    short_id: 0x1A77,
    flash_size: 0x8000,
    ram_size: 0x4000,
};

/// What `attest` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Challenge: 32, 48 or 64 bytes in hexadecimal digits; 32 random ones when absent
    #[arg(long)]
    nonce: Option<String>,
    /// Use the images that are built already
    #[arg(long)]
    no_build: bool,
    /// Write the token (COSE_Sign1) to this file
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Boots a device of its own, asks it, verifies the answer and prints the claims.
///
/// # Errors
/// What the device refused, or why its token is not believed.
pub fn run(options: &Options) -> Result<()> {
    paths::check_report(options.out.as_deref())?;
    let nonce = match &options.nonce {
        Some(digits) => bytes(digits)
            .filter(|nonce| [32, 48, 64].contains(&nonce.len()))
            .context("--nonce takes 64, 96 or 128 hexadecimal digits")?,
        None => provision::random::<32>()?.to_vec(),
    };
    if options.no_build {
        setup::everything()?;
    } else {
        build::all()?;
    }
    let alone = Alone::new(&PROCESS)?;
    let device = Device::start(&alone.config)?;
    device.console.wait("attest: ready", LIMIT)?;
    let token = ask(&device, &nonce)?.map_err(|status| anyhow!("the device refused: {status}"))?;
    let claims = attestation_verifier::verify(&token, &nonce, &alone.issued.attestation_key)?;
    compare(&claims)?;
    print!("{claims}");
    println!(
        "attest: {} bytes, signed by the device's key; measurements are those of the built images",
        token.len()
    );
    if let Some(file) = &options.out {
        std::fs::write(file, &token)?;
    }
    Ok(())
}

/// Sends a challenge to the process; its token, or the PSA status that it answers with.
///
/// # Errors
/// When there is no answer, or the size that was told before is not that of the token.
pub fn ask(device: &Device, nonce: &[u8]) -> Result<Result<Vec<u8>, i32>> {
    let mut position = device.console.position();
    device.console.send(&format!("{}\n", hex(nonce)))?;
    let mut token = Vec::new();
    loop {
        let ours = |l: &str| said_by("attest", l).is_some() || l.contains(" faulted: ");
        let (next, line) = device
            .console
            .wait_from(position, LIMIT, ours, "a line of attest")?;
        position = next;
        let words = said_by("attest", &line.text).unwrap_or_default();
        let words: Vec<&str> = words.split(' ').collect();
        match words[..] {
            ["token", digits] => token.extend(bytes(digits).context("digits of a token")?),
            ["refused", status] => return Ok(Err(status.parse()?)),
            ["done", told, size] => {
                let (told, size): (usize, usize) = (told.parse()?, size.parse()?);
                if told != size || size != token.len() {
                    bail!("{} bytes came; {}", token.len(), line.text);
                }
                return Ok(Ok(token));
            }
            _ => bail!("{}", line.text),
        }
    }
}

/// The components must be the two images that the factory flashed, by digest, version and signer.
///
/// # Errors
/// Names what differs.
pub fn compare(claims: &Claims) -> Result<()> {
    let images = [
        ("SPE", sign::Image::Secure, "secure_signed.bin"),
        ("NSPE", sign::Image::NonSecure, "kernel_signed.bin"),
    ];
    if claims.components.len() != images.len() {
        bail!("{} components", claims.components.len());
    }
    for (component, (kind, key, file)) in claims.components.iter().zip(images) {
        let bytes = std::fs::read(paths::build().join(file))?;
        let image = Image::parse(&bytes).map_err(|e| anyhow!("{file}: {e:?}"))?;
        let v = image.version();
        let differs = [
            ("type", component.kind.as_deref() != Some(kind)),
            (
                "version",
                component.version != Some(format!("{}.{}.{}", v.major, v.minor, v.revision)),
            ),
            (
                "measurement",
                component.measurement != Sha256::digest(image.hashed()).as_slice(),
            ),
            (
                "signer",
                component.signer.as_deref() != Some(&sign::key_hash(&key.key())?[..]),
            ),
        ];
        if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
            bail!("{file}: the token says another {what}: {component:?}");
        }
    }
    Ok(())
}

/// Bytes of hexadecimal digits.
pub fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => {
                let digit = |c: u8| char::from(c).to_digit(16);
                u8::try_from(digit(high)? << 4 | digit(low)?).ok()
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_pairs() {
        assert_eq!(bytes("00ffA5"), Some(vec![0, 0xFF, 0xA5]));
        assert_eq!(bytes(""), Some(vec![]));
        for bad in ["0", "0g", "000", "é0"] {
            assert_eq!(bytes(bad), None);
        }
    }
}

//! `image`: what an image says of itself, and what the loader says of it.
//!
//! Owns the words. The format is `mcuboot-image`'s; the judgement is `ota_loader::verify`, the same
//! code that runs at reset, against each key in turn and a device whose counters are 0.

use crate::sign::{self, Image as Kind};
use anyhow::{Context, Result, bail};
use mcuboot_image::{Image, TlvArea, kind};
use ota_loader::crypto::{Digest256, Software};
use ota_loader::{Evidence, Refusal};
use std::fmt::Write;
use std::path::PathBuf;

/// What `image` is given.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Signed images, such as build/kernel-update_signed.bin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Key to verify with, PEM, private or public; several times for several. Without it the two
    /// development keys of images under build/keys
    #[arg(long, value_name = "PEM")]
    key: Vec<PathBuf>,
}

/// Shows each file.
///
/// # Errors
/// Names the file that cannot be read, and those that are no image or that no key verifies.
pub fn run(options: &Options) -> Result<()> {
    let mut keys = options.key.clone();
    if keys.is_empty() {
        keys = [Kind::Secure.key(), Kind::NonSecure.key()].into();
        sign::made(&keys)?;
    }
    let keys = keys
        .into_iter()
        .map(|file| {
            let name = file.display();
            let pem = std::fs::read_to_string(&file).with_context(|| name.to_string())?;
            if !pem.contains("-----BEGIN") {
                bail!("--key {name}: no key in PEM");
            }
            let hash = sign::key_hash(&file).with_context(|| format!("--key {name}"))?;
            Ok((file.display().to_string(), hash))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut refused = Vec::new();
    for file in &options.files {
        let name = file.display();
        let bytes = std::fs::read(file).with_context(|| name.to_string())?;
        let verified = match Image::parse(&bytes) {
            Ok(image) => {
                let (words, verified) = judge(&image, &keys);
                println!("{name}\n{}{words}", describe(&image));
                verified
            }
            Err(e) => {
                let words = instead(&bytes).map_or_else(|| e.to_string(), str::to_owned);
                println!("{name}\n  no image          {words}");
                false
            }
        };
        if !verified {
            refused.push(name.to_string());
        }
    }
    if !refused.is_empty() {
        bail!("the loader would refuse {}", refused.join(", "));
    }
    Ok(())
}

/// What a file that is no image may be.
fn instead(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        Some("the file is empty")
    } else if bytes.get(257..262) == Some(b"ustar") {
        Some("a TAB, which holds apps, not an image")
    } else if bytes.starts_with(&[2, 0]) {
        Some("an app (TBF), not an image")
    } else {
        None
    }
}

fn describe(image: &Image<'_>) -> String {
    let header = image.header();
    let mut text = format!(
        "  version           {}\n  bytes             {}: header {}, payload {}, flags {:#x}\n",
        image.version(),
        image.bytes().len(),
        header.hdr_size,
        header.img_size,
        header.flags
    );
    if let Some(counter) = image.security_counter() {
        let _ = writeln!(text, "  security counter  {counter}");
    }
    for needed in image.dependencies() {
        let (id, minimum) = (needed.image_id, needed.minimum);
        let _ = writeln!(text, "  needs             image {id}, {minimum} or newer");
    }
    let _ = writeln!(text, "  under the hash    {}", names(image.protected()));
    let _ = writeln!(text, "  behind it         {}", names(image.unprotected()));
    if let Some(hash) = image.unprotected().find(kind::SHA256) {
        let _ = writeln!(text, "  sha256            {}", hex(hash));
    }
    text
}

/// A line for the first key that verifies; else one for each key.
fn judge(image: &Image<'_>, keys: &[(String, Digest256)]) -> (String, bool) {
    let verdict = |hash| ota_loader::verify(&mut Software::default(), image, hash, 0);
    let mut lines = Vec::new();
    for (key, hash) in keys {
        match verdict(hash) {
            Ok(Evidence { algorithm, .. }) => {
                let line = format!("  verified          {} by {key}", algorithm.name());
                return (line, true);
            }
            Err(refusal @ (Refusal::UnknownKey | Refusal::BadSignature)) => {
                lines.push(format!("  refused           {refusal} ({key})"));
            }
            // Whatever the key.
            Err(refusal) => return (format!("  refused           {refusal}"), false),
        }
    }
    (lines.join("\n"), false)
}

fn names(area: TlvArea<'_>) -> String {
    let names = area.iter().map(|tlv| match tlv.kind {
        kind::KEYHASH => "KEYHASH".to_owned(),
        kind::PUBKEY => "PUBKEY".to_owned(),
        kind::KEYID => "KEYID".to_owned(),
        kind::SHA256 => "SHA256".to_owned(),
        kind::RSA2048_PSS => "RSA2048_PSS".to_owned(),
        kind::ECDSA_SIG => "ECDSA_SIG".to_owned(),
        kind::RSA3072_PSS => "RSA3072_PSS".to_owned(),
        kind::ED25519 => "ED25519".to_owned(),
        kind::DEPENDENCY => "DEPENDENCY".to_owned(),
        kind::SEC_CNT => "SEC_CNT".to_owned(),
        kind::BOOT_RECORD => "BOOT_RECORD".to_owned(),
        other => format!("{other:#06x}"),
    });
    let names = names.collect::<Vec<_>>();
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.join(", ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &[u8] = include_bytes!("../../../ota-loader/tests/fixtures/s-ecdsa.bin");
    const UNSIGNED: &[u8] = include_bytes!("../../../ota-loader/tests/fixtures/s-unsigned.bin");
    const ECDSA: &Digest256 = include_bytes!("../../../ota-loader/tests/fixtures/ecdsa.keyhash");
    const RSA: &Digest256 = include_bytes!("../../../ota-loader/tests/fixtures/rsa.keyhash");

    fn judged(bytes: &[u8]) -> (String, bool) {
        let keys = [("rsa".to_owned(), *RSA), ("ecdsa".to_owned(), *ECDSA)];
        judge(&Image::parse(bytes).unwrap(), &keys)
    }

    #[test]
    fn what_is_no_image_is_named() {
        let mut tab = vec![b'x'; 512];
        tab[257..262].copy_from_slice(b"ustar");
        for (bytes, other) in [(&[][..], "empty"), (&[2, 0, 52, 0], "TBF"), (&tab, "TAB")] {
            assert!(Image::parse(bytes).is_err());
            assert!(instead(bytes).is_some_and(|said| said.contains(other)));
        }
        assert_eq!(instead(b"text"), None);
    }

    #[test]
    fn an_image_is_described_and_judged_by_each_key() {
        let text = describe(&Image::parse(SIGNED).unwrap());
        assert!(text.contains("security counter  3\n"), "{text}");
        assert!(text.contains("PUBKEY, ECDSA_SIG"), "{text}");
        let verified = "  verified          ECDSA-P256 by ecdsa".to_owned();
        assert_eq!(judged(SIGNED), (verified, true));
        let (words, verified) = judged(UNSIGNED);
        assert!(words.contains("refused"), "{words}");
        assert!(!verified);
        let mut damaged = SIGNED.to_vec();
        damaged[40] ^= 1;
        let refused = "  refused           hash does not match".to_owned();
        assert_eq!(judged(&damaged), (refused, false));
    }
}

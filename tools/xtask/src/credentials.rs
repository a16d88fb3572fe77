//! Credentials of app binaries: `cargo xtask sign FILE.tbf --credential KIND…`.
//!
//! Owns the footers of a TBF (reference/tock.md §2.5): digests, RSA-3072 and RSA-4096 (PKCS#1 v1.5 over
//! SHA-512, the modulus in front), ECDSA-P256 (over SHA-256). Everything is computed by openssl, with the
//! keys under `build/keys`. The device's opinion of them is `boards/corstone/kernel/src/processes.rs`.

use crate::{paths, shell, sign};
use anyhow::{Context, Result, anyhow, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use tock_tbf::parse::{parse_tbf_header, parse_tbf_header_lengths};

/// A kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Sha256,
    Sha384,
    Sha512,
    Rsa3072,
    Rsa4096,
    Ecdsa,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::Sha256,
        Kind::Sha384,
        Kind::Sha512,
        Kind::Rsa3072,
        Kind::Rsa4096,
        Kind::Ecdsa,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Sha256 => "sha256",
            Kind::Sha384 => "sha384",
            Kind::Sha512 => "sha512",
            Kind::Rsa3072 => "rsa3072",
            Kind::Rsa4096 => "rsa4096",
            Kind::Ecdsa => "ecdsa",
        }
    }

    /// Whether it tells who signed.
    pub fn is_signature(self) -> bool {
        matches!(self, Kind::Rsa3072 | Kind::Rsa4096 | Kind::Ecdsa)
    }

    fn format(self) -> u32 {
        match self {
            Kind::Rsa3072 => 1,
            Kind::Rsa4096 => 2,
            Kind::Sha256 => 3,
            Kind::Sha384 => 4,
            Kind::Sha512 => 5,
            Kind::Ecdsa => 6,
        }
    }

    /// Bytes of its data.
    fn len(self) -> usize {
        match self {
            Kind::Sha256 => 32,
            Kind::Sha384 => 48,
            Kind::Sha512 | Kind::Ecdsa => 64,
            Kind::Rsa3072 => 2 * 384,
            Kind::Rsa4096 => 2 * 512,
        }
    }
}

/// Type, length and format of a footer.
const FOOTER: usize = 8;
const TLV_CREDENTIALS: u16 = 128;
/// Where a header says how long the object is, and its checksum.
const TOTAL: std::ops::Range<usize> = 4..8;
const CHECKSUM: std::ops::Range<usize> = 12..16;
/// Smallest object, as elf2tab makes them.
const LEAST: usize = 512;

/// `sign`: what a TBF's credentials shall be.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// TBF to sign
    file: PathBuf,
    /// Credential to put behind the binary, in this order; several times for several
    #[arg(long, value_enum, required = true)]
    credential: Vec<Kind>,
    /// File to write, instead of the TBF itself
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Replaces a TBF's credentials.
///
/// # Errors
/// No TBF, or of openssl.
pub fn run(options: &Options) -> Result<()> {
    let file = &options.file;
    let tbf = std::fs::read(file).with_context(|| file.display().to_string())?;
    sign::keys()?;
    let signed =
        credentialed(&tbf, &options.credential).with_context(|| file.display().to_string())?;
    let out = options.out.as_ref().unwrap_or(file);
    std::fs::write(out, &signed).with_context(|| out.display().to_string())?;
    let names: Vec<&str> = options.credential.iter().map(|k| k.name()).collect();
    println!(
        "sign: {} ({} bytes): {}",
        out.display(),
        signed.len(),
        names.join(", ")
    );
    Ok(())
}

/// A TBF with these credentials and no others; longer where they need it.
///
/// # Errors
/// No TBF, or of openssl.
pub fn credentialed(tbf: &[u8], kinds: &[Kind]) -> Result<Vec<u8>> {
    const OTHER: &str = "not an app binary (TBF); a TAB is a tar file of them";
    let start = tbf.first_chunk::<8>().context(OTHER)?;
    let (version, header_len, _) = parse_tbf_header_lengths(start).map_err(|_| anyhow!(OTHER))?;
    let header_len = usize::from(header_len);
    let header = tbf.get(..header_len).context("the TBF is cut off")?;
    let end = parse_tbf_header(header, version)
        .map_err(|e| anyhow!("its header: {e:?}"))?
        .get_binary_end() as usize;
    let mut out = tbf.get(..end).context("the TBF is cut off")?.to_vec();
    let footers: usize = kinds.iter().map(|k| FOOTER + k.len()).sum();
    let total = (end + footers)
        .next_power_of_two()
        .max(LEAST)
        .max(tbf.len());
    // The length is part of what is signed: first of all.
    set(&mut out, TOTAL, u32::try_from(total)?)?;
    set(&mut out, CHECKSUM, 0)?;
    let words = out.get(..header_len).context("no header")?.chunks_exact(4);
    let sum = words
        .filter_map(|w| w.try_into().ok())
        .fold(0, |sum, w| sum ^ u32::from_le_bytes(w));
    set(&mut out, CHECKSUM, sum)?;
    let scratch = paths::temporary("credential");
    std::fs::write(&scratch, &out)?;
    let data: Result<Vec<Vec<u8>>> = kinds.iter().map(|k| data(*k, &scratch)).collect();
    std::fs::remove_file(&scratch)?;
    for (kind, data) in kinds.iter().zip(data?) {
        ensure!(data.len() == kind.len(), "openssl's {}", kind.name());
        footer(&mut out, kind.format(), &data)?;
    }
    let rest = total - out.len();
    if rest >= FOOTER {
        footer(&mut out, 0, &vec![0; rest - FOOTER])?;
    }
    out.resize(total, 0);
    Ok(out)
}

fn set(out: &mut [u8], at: std::ops::Range<usize>, value: u32) -> Result<()> {
    let place = out.get_mut(at).context("no TBF")?;
    place.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

fn footer(out: &mut Vec<u8>, format: u32, data: &[u8]) -> Result<()> {
    out.extend(TLV_CREDENTIALS.to_le_bytes());
    out.extend(u16::try_from(4 + data.len())?.to_le_bytes());
    out.extend(format.to_le_bytes());
    out.extend(data);
    Ok(())
}

/// A credential's data over the file.
fn data(kind: Kind, file: &Path) -> Result<Vec<u8>> {
    match kind {
        Kind::Sha256 => openssl(&["-sha256", "-binary"], None, file),
        Kind::Sha384 => openssl(&["-sha384", "-binary"], None, file),
        Kind::Sha512 => openssl(&["-sha512", "-binary"], None, file),
        Kind::Rsa3072 | Kind::Rsa4096 => {
            let bits = kind.len() * 4;
            let key = sign::app_key_rsa(bits);
            let mut data = modulus(&key)?;
            data.extend(openssl(&["-sha512"], Some(&key), file)?);
            Ok(data)
        }
        Kind::Ecdsa => {
            let der = openssl(&["-sha256"], Some(&sign::app_key()), file)?;
            let mut raw = vec![0; 64];
            ecdsa_der::to_raw(&der, &mut raw).context("openssl's signature")?;
            Ok(raw)
        }
    }
}

fn openssl(options: &[&str], key: Option<&Path>, file: &Path) -> Result<Vec<u8>> {
    let out = paths::temporary("digest");
    let mut command = Command::new("openssl");
    command.arg("dgst").args(options);
    if let Some(key) = key {
        command.arg("-sign").arg(key);
    }
    shell::run(command.arg("-out").arg(&out).arg(file))?;
    let bytes = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    Ok(bytes)
}

/// An RSA key's modulus, big-endian.
fn modulus(key: &Path) -> Result<Vec<u8>> {
    let text = shell::run(
        Command::new("openssl")
            .args(["rsa", "-noout", "-modulus", "-in"])
            .arg(key),
    )?;
    let hex = text.trim().strip_prefix("Modulus=").context("no modulus")?;
    let pairs = hex.as_bytes().chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair)?;
        Ok(u8::from_str_radix(pair, 16)?)
    });
    pairs.collect()
}

//! `cargo xtask enrol`: a device that makes its key itself, from certificate request to connection.
//!
//! Owns the factory's side of the conversation with net-mqtt over the console. The device's key
//! is made in its secure world and is never anywhere else; the record has neither key nor
//! certificate.

use crate::attest::bytes;
use crate::system::System;
use crate::{build, setup};
use anyhow::{Context, Result};
use attestation_verifier::hex;
use qemu_harness::{Device, said_by};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// What `enrol` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Thing name
    #[arg(long, default_value = "tockstone-enrol")]
    thing: String,
    /// Use the images that are built already
    #[arg(long)]
    no_build: bool,
}

/// Bytes of a line: the device's kernel keeps 256 characters between two reads.
const LINE: usize = 24;

/// Enrols a device with a local cloud, and sees it connect.
///
/// # Errors
/// What did not come, or was refused.
pub fn run(options: &Options) -> Result<()> {
    if options.no_build {
        setup::everything()?;
    } else {
        build::all()?;
    }
    let system = without_key(&options.thing)?;
    let device = system.boot()?;
    let request = request(&device)?;
    println!("{request}");
    let certificate = system.cloud.core().enrol(&options.thing, &request)?;
    answer(&device, &certificate)?;
    let line = device.console.wait("net-mqtt: certificate", LIMIT)?;
    println!("{}", line.text);
    let line = device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    println!("{}", line.text);
    Ok(())
}

/// A device that is provisioned but for its key and certificate.
///
/// # Errors
/// See [`System::new`].
pub fn without_key(thing: &str) -> Result<System> {
    System::with(thing, |identity| identity.certificate.clear(), None)
}

/// The device's certificate request, PEM.
///
/// # Errors
/// When it does not come.
pub fn request(device: &Device) -> Result<String> {
    const PREFIX: &str = "request ";
    let mut der = Vec::new();
    let mut position = 0;
    loop {
        let ours = |l: &str| said_by("net-mqtt", l).is_some_and(|l| l.starts_with(PREFIX));
        let (next, line) =
            device
                .console
                .wait_from(position, LIMIT, ours, "a certificate request")?;
        position = next;
        match said_by("net-mqtt", &line.text).and_then(|l| l.strip_prefix(PREFIX)) {
            Some("end") => break,
            digits => der.extend(digits.and_then(bytes).context("digits of a request")?),
        }
    }
    let mut pem = String::from("-----BEGIN CERTIFICATE REQUEST-----\n");
    for line in der.chunks(48) {
        pem.push_str(&base64(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE REQUEST-----\n");
    Ok(pem)
}

/// Types a certificate, a line at a time, as fast as the device takes it.
///
/// # Errors
/// When the device is gone.
pub fn answer(device: &Device, certificate: &[u8]) -> Result<()> {
    let mut position = device.console.position();
    for (i, line) in certificate.chunks(LINE).enumerate() {
        device.console.send(&format!("{}\n", hex(line)))?;
        let have = format!("have {}", i * LINE + line.len());
        let came = |l: &str| said_by("net-mqtt", l) == Some(&have);
        (position, _) = device.console.wait_from(position, LIMIT, came, &have)?;
    }
    device.console.send(".\n")
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0, |w, i| {
            w << 8 | u32::from(three.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            match i <= three.len() {
                true => out.push(char::from(DIGITS[(word >> (18 - 6 * i) & 63) as usize])),
                false => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }
}

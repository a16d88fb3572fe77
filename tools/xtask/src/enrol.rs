//! `cargo xtask enrol`: a device that makes its key itself, from certificate request to connection.
//!
//! Owns the factory's side of the conversation with net-mqtt over the console, and a fleet's claim
//! and template. The device's key is made in its secure world and is never anywhere else; the
//! record has neither key nor certificate of the device's own.

use crate::attest::bytes;
use crate::provision::{self, Identity};
use crate::system::System;
use crate::{build, setup};
use anyhow::{Context, Result};
use attestation_verifier::hex;
use cloud::pki;
use qemu_harness::{Device, said_by};
use serde_json::json;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// What `enrol` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Thing name
    #[arg(long, default_value = "tockstone-enrol")]
    thing: String,
    /// Over MQTT with a claim that devices share, as a fleet does, and not over the console; the
    /// thing is then `fleet-NAME`
    #[arg(long)]
    claim: bool,
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
    if options.claim {
        return by_claim(&options.thing);
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

fn by_claim(serial: &str) -> Result<()> {
    let system = with_claim(serial)?;
    let device = system.boot()?;
    for step in [
        "net-mqtt: claiming",
        "net-mqtt: claimed",
        "net-mqtt: mqtt connected",
    ] {
        println!("{}", device.console.wait(step, LIMIT)?.text);
    }
    Ok(())
}

/// Name of the template of [`with_claim`].
pub const TEMPLATE: &str = "fleet";

/// A device with a claim for [`TEMPLATE`], which makes things `fleet-<serial number>`.
///
/// # Errors
/// See [`System::new`].
pub fn with_claim(serial: &str) -> Result<System> {
    let system = System::new(serial)?;
    let core = system.cloud.core();
    let certificate = json!({"Ref": "AWS::IoT::Certificate::Id"});
    let body = json!({
        "Parameters": {
            "SerialNumber": {"Type": "String"},
            "AWS::IoT::Certificate::Id": {"Type": "String"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {
                "ThingName": {"Fn::Join": ["", ["fleet-", {"Ref": "SerialNumber"}]]}}},
            "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
                "CertificateId": certificate, "Status": "Active"}},
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {
                "PolicyName": cloud::DEVICE_POLICY}}}});
    core.create_template(TEMPLATE, &body.to_string(), None)?;
    let (certificate, key) = core.create_claim(TEMPLATE)?;
    // In place of the record that has not been read yet.
    let identity = Identity {
        thing: serial.into(),
        host: crate::system::HOST.into(),
        port: system.cloud.broker.port,
        address: Some(crate::system::HOST_ADDRESS),
        certificate: pki::der(&certificate)?,
        key: pki::scalar(&key)?,
        roots: pki::der(&system.cloud.broker.authority().certificate())?,
        rsa_key: None,
        template: Some(TEMPLATE.into()),
        assembly: false,
        station: None,
        made: provision::now(),
    };
    provision::write(&system.flash, &system.map, &identity)?;
    Ok(system)
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
    let mut pem = String::new();
    pkcs11::pem::armour("CERTIFICATE REQUEST", &der, &mut pem)?;
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

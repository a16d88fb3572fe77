//! A device whose key is RSA-2048: provisioned, and used in the handshake, without leaving the SPE.

use super::Case;
use crate::system::{Scratch, System};
use crate::{provision, shell};
use anyhow::{Result, ensure};
use qemu_harness::said_by;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// The cases.
pub const CASES: [Case; 1] = [Case {
    id: "tls-rsa-client",
    run: rsa_client,
}];

/// The broker, which demands a certificate, takes the RSA one; both protocol versions.
fn rsa_client() -> Result<()> {
    let thing = "e2e-rsa";
    let mut of_device = None;
    let mut system = System::with(thing, |identity| of_device = Some(identity.clone()), None)?;
    let scratch = Scratch::new("rsa")?;
    let path = |name: &str| scratch.path().join(name);
    let mut request = Command::new("openssl");
    let subject = format!("/CN={thing}");
    request.args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj"]);
    request.arg(subject).arg("-keyout").arg(path("key"));
    shell::run(request.arg("-out").arg(path("csr")))?;
    let mut key = Command::new("openssl");
    key.args(["rsa", "-traditional", "-outform", "DER", "-in"]);
    shell::run(key.arg(path("key")).arg("-out").arg(path("der")))?;
    let core = system.cloud.core();
    let request = std::fs::read_to_string(path("csr"))?;
    if let Some(identity) = &mut of_device {
        identity.certificate = core.enrol(thing, &request)?;
        identity.rsa_key = Some(std::fs::read(path("der"))?);
        // In place of the record that has not been read yet.
        provision::write(&system.flash, &system.map, identity)?;
    }
    for (settings, openssl, version) in [
        ("", "", "tls TLSv1.3"),
        (
            "tls_version tlsv1.2\n",
            "MaxProtocol = TLSv1.2\n",
            "tls TLSv1.2",
        ),
    ] {
        if !settings.is_empty() {
            system.cloud.broker.restrict(settings, openssl)?;
        }
        let device = system.boot()?;
        device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
        let lines = device.console.lines();
        let spoken = lines.iter().filter_map(|l| said_by("net-mqtt", &l.text));
        let took = spoken.clone().find(|l| l.starts_with("handshake took"));
        ensure!(
            spoken.clone().any(|l| l.starts_with(version)),
            "not {version}"
        );
        println!("      {version}: {}", took.unwrap_or_default());
    }
    Ok(())
}

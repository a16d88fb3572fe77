//! A local certificate authority, made with the openssl command.
//!
//! Owns the files of the authority and of the certificates that it signs: EC P-256 throughout.
//! Keys stay in the folder that the caller names.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// `openssl ca` keeps a database in the folder: one at a time.
static SIGNING: Mutex<()> = Mutex::new(());

/// What a certificate is for, and how long it holds.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Common name; a device's is its thing name.
    pub name: &'a str,
    /// DNS names of a server; empty for a device.
    pub dns: &'a [&'a str],
    /// First and last day, as openssl's `YYYYMMDDHHMMSSZ`; the CA's defaults when absent.
    pub validity: Option<(&'a str, &'a str)>,
}

/// An authority in a folder.
#[derive(Debug, Clone)]
pub struct Authority {
    dir: PathBuf,
}

impl Authority {
    /// Opens the authority in `dir`, or makes one.
    ///
    /// # Errors
    /// Of openssl (Debian package openssl).
    pub fn open(dir: &Path, name: &str) -> Result<Authority> {
        std::fs::create_dir_all(dir)?;
        let authority = Authority {
            dir: dir.to_owned(),
        };
        if !authority.certificate().is_file() {
            key(&dir.join("ca.key"))?;
            openssl(
                Command::new("openssl")
                    .args(["req", "-x509", "-new", "-sha256", "-days", "7300", "-subj"])
                    .arg(format!("/CN={name}"))
                    .args(["-addext", "basicConstraints=critical,CA:TRUE"])
                    .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-key"])
                    .arg(dir.join("ca.key"))
                    .arg("-out")
                    .arg(authority.certificate()),
            )?;
        }
        Ok(authority)
    }

    /// Its own certificate, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Makes a key and a certificate as `file.key` and `file.pem` in the authority's folder.
    ///
    /// # Errors
    /// Of openssl.
    pub fn issue(&self, file: &str, subject: &Subject<'_>) -> Result<(PathBuf, PathBuf)> {
        let path = |ending: &str| self.dir.join(format!("{file}.{ending}"));
        key(&path("key"))?;
        let mut extensions =
            String::from("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n");
        if subject.dns.is_empty() {
            extensions.push_str("extendedKeyUsage=clientAuth\n");
        } else {
            let names: Vec<String> = subject.dns.iter().map(|n| format!("DNS:{n}")).collect();
            extensions.push_str(&format!(
                "extendedKeyUsage=serverAuth\nsubjectAltName={}\n",
                names.join(",")
            ));
        }
        std::fs::write(path("ext"), extensions)?;
        openssl(
            Command::new("openssl")
                .args(["req", "-new", "-sha256", "-subj"])
                .arg(format!("/CN={}", subject.name))
                .arg("-key")
                .arg(path("key"))
                .arg("-out")
                .arg(path("csr")),
        )?;
        self.sign(&path("csr"), &path("ext"), subject.validity, &path("pem"))?;
        Ok((path("pem"), path("key")))
    }

    /// A certificate with a new key: both PEM; no file is left.
    ///
    /// # Errors
    /// Of openssl.
    pub fn issue_pem(&self, subject: &Subject<'_>) -> Result<(String, String)> {
        let file = format!("new-{}", crate::uuid());
        let (certificate, key) = self.issue(&file, subject)?;
        let out = (
            std::fs::read_to_string(&certificate)?,
            std::fs::read_to_string(&key)?,
        );
        self.forget(&file);
        Ok(out)
    }

    /// Signs a request of a device, PEM; its common name and key are kept, the rest is the
    /// authority's.
    ///
    /// # Errors
    /// Of openssl: a request that is none, whose signature is wrong, or without a common name.
    pub fn sign_request(&self, request: &str) -> Result<String> {
        let file = format!("csr-{}", crate::uuid());
        let path = |ending: &str| self.dir.join(format!("{file}.{ending}"));
        std::fs::write(path("csr"), request)?;
        std::fs::write(
            path("ext"),
            "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n\
             extendedKeyUsage=clientAuth\n",
        )?;
        let signed = self
            .sign(&path("csr"), &path("ext"), None, &path("pem"))
            .and_then(|()| Ok(std::fs::read_to_string(path("pem"))?));
        self.forget(&file);
        signed
    }

    fn forget(&self, file: &str) {
        for ending in ["key", "csr", "ext", "pem"] {
            let _ = std::fs::remove_file(self.dir.join(format!("{file}.{ending}")));
        }
    }

    fn sign(
        &self,
        csr: &Path,
        ext: &Path,
        validity: Option<(&str, &str)>,
        out: &Path,
    ) -> Result<()> {
        let _one_at_a_time = SIGNING.lock();
        // `openssl ca` is the one verb that takes both dates; it wants a database of its own.
        let database = self.dir.join("index.txt");
        std::fs::write(&database, "")?;
        let config = self.dir.join("ca.cnf");
        std::fs::write(
            &config,
            format!(
                "[ca]\ndefault_ca=x\n[x]\ndatabase={}\nnew_certs_dir={}\nrand_serial=yes\n\
                 default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n",
                database.display(),
                self.dir.display()
            ),
        )?;
        let mut command = Command::new("openssl");
        command
            .args(["ca", "-batch", "-notext", "-config"])
            .arg(&config);
        match validity {
            Some((from, to)) => command.args(["-startdate", from, "-enddate", to]),
            None => command.args(["-days", "3650"]),
        };
        command
            .arg("-cert")
            .arg(self.certificate())
            .arg("-keyfile")
            .arg(self.dir.join("ca.key"));
        command
            .arg("-in")
            .arg(csr)
            .arg("-extfile")
            .arg(ext)
            .arg("-out")
            .arg(out);
        openssl(&mut command)
    }
}

/// DER of the first certificate in PEM text.
pub fn der_of(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok().filter(|der| !der.is_empty())
}

/// A certificate's id: SHA-256 of its DER, in hex.
pub fn certificate_id(der: &[u8]) -> String {
    let digest = Sha256::digest(der);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Public key of a private one, both PEM.
///
/// # Errors
/// Of openssl.
pub fn public_key(dir: &Path, key: &str) -> Result<String> {
    let file = dir.join(format!("{}.key", crate::uuid()));
    std::fs::write(&file, key)?;
    let out = file.with_extension("pub");
    let made = openssl(
        Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&file)
            .arg("-out")
            .arg(&out),
    );
    std::fs::remove_file(&file)?;
    made?;
    let text = std::fs::read_to_string(&out)?;
    std::fs::remove_file(&out)?;
    Ok(text)
}

/// Puts a self-signed certificate among those that the broker trusts, under the name by which
/// OpenSSL looks for it.
///
/// # Errors
/// When it is no certificate, or not self-signed.
pub fn trust(dir: &Path, pem: &str) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let file = dir.join(format!("{}.new", crate::uuid()));
    std::fs::write(&file, pem)?;
    let result = (|| {
        openssl(
            Command::new("openssl")
                .arg("verify")
                .arg("-CAfile")
                .arg(&file)
                .arg(&file),
        )
        .context("the certificate is not self-signed, and its authority is unknown here")?;
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-subject_hash", "-in"])
            .arg(&file)
            .output()?;
        let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let free = (0..100)
            .map(|n| dir.join(format!("{hash}.{n}")))
            .find(|path| !path.exists())
            .context("too many certificates of one name")?;
        Ok(std::fs::copy(&file, free).map(drop)?)
    })();
    std::fs::remove_file(&file)?;
    result
}

/// Whether `authority` signed the certificate.
pub fn is_signed_by(dir: &Path, pem: &str, authority: &Path) -> bool {
    let file = dir.join(format!("{}.check", crate::uuid()));
    let good = std::fs::write(&file, pem).is_ok()
        && openssl(
            Command::new("openssl")
                .arg("verify")
                .arg("-CAfile")
                .arg(authority)
                .arg(&file),
        )
        .is_ok();
    let _ = std::fs::remove_file(&file);
    good
}

/// DER of the first certificate in a PEM file.
///
/// # Errors
/// Names the file that cannot be read, or holds none.
pub fn der(pem: &Path) -> Result<Vec<u8>> {
    let mut command = Command::new("openssl");
    command.args(["x509", "-outform", "DER", "-in"]).arg(pem);
    of_file(pem, &mut command, "no certificate in PEM")
}

/// Private scalar of a P-256 key, big endian: the octet string of its SEC 1 structure.
///
/// # Errors
/// Names the file that cannot be read, or holds no P-256 key without a passphrase.
pub fn scalar(key: &Path) -> Result<[u8; 32]> {
    let mut command = Command::new("openssl");
    // An empty passphrase, so that nobody is asked for one.
    command.args(["ec", "-passin", "pass:", "-outform", "DER", "-in"]);
    let der = of_file(key, command.arg(key), "no P-256 private key in PEM")?;
    // SEQUENCE { INTEGER 1, OCTET STRING (32), … }, RFC 5915 §3
    let scalar = der
        .get(2..7)
        .filter(|head| *head == [2, 1, 1, 4, 32])
        .and_then(|_| der.get(7..39));
    scalar
        .and_then(|s| s.try_into().ok())
        .with_context(|| format!("{}: no P-256 private key in PEM", key.display()))
}

/// What openssl makes of a file; nothing is left beside the file, which may be a person's.
fn of_file(file: &Path, command: &mut Command, otherwise: &str) -> Result<Vec<u8>> {
    std::fs::File::open(file).with_context(|| file.display().to_string())?;
    let output = command
        .output()
        .context("openssl does not start (Debian package openssl)")?;
    if !output.status.success() {
        bail!("{}: {otherwise}", file.display());
    }
    Ok(output.stdout)
}

fn key(path: &Path) -> Result<()> {
    openssl(
        Command::new("openssl")
            .args([
                "ecparam",
                "-genkey",
                "-noout",
                "-name",
                "prime256v1",
                "-out",
            ])
            .arg(path),
    )
}

fn openssl(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .context("openssl does not start (Debian package openssl)")?;
    if !output.status.success() {
        bail!("openssl: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

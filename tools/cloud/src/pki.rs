//! A local certificate authority, made with the openssl command.
//!
//! Owns the files of the authority and of the certificates that it signs: EC P-256 throughout.
//! Keys stay in the folder that the caller names.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

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

    fn sign(
        &self,
        csr: &Path,
        ext: &Path,
        validity: Option<(&str, &str)>,
        out: &Path,
    ) -> Result<()> {
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

/// DER of the first certificate in a PEM file.
///
/// # Errors
/// Of openssl.
pub fn der(pem: &Path) -> Result<Vec<u8>> {
    let out = pem.with_extension("der");
    openssl(
        Command::new("openssl")
            .args(["x509", "-outform", "DER", "-in"])
            .arg(pem)
            .arg("-out")
            .arg(&out),
    )?;
    Ok(std::fs::read(out)?)
}

/// Private scalar of a P-256 key, big endian: the octet string of its SEC 1 structure.
///
/// # Errors
/// Of openssl, or when the key is none of P-256.
pub fn scalar(key: &Path) -> Result<[u8; 32]> {
    let out = key.with_extension("sec1");
    openssl(
        Command::new("openssl")
            .args(["ec", "-outform", "DER", "-in"])
            .arg(key)
            .arg("-out")
            .arg(&out),
    )?;
    let der = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    // SEQUENCE { INTEGER 1, OCTET STRING (32), … }, RFC 5915 §3
    let scalar = der
        .get(2..7)
        .filter(|head| *head == [2, 1, 1, 4, 32])
        .and_then(|_| der.get(7..39));
    scalar
        .and_then(|s| s.try_into().ok())
        .with_context(|| format!("{}: no P-256 key", key.display()))
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

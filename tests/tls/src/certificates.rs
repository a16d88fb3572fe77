//! Certificates with one fault each, by the openssl command line, for one key.

use std::path::Path;
use std::process::Command;

/// What a good leaf's extensions say, but the names.
const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\n";
/// What a good issuer's say.
const ISSUER: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n";
const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// Runs openssl in `dir`.
///
/// # Panics
/// With its output, when it fails.
pub fn openssl(dir: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("openssl; this test needs it: apt-get install openssl");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes NAME.key and NAME.csr.
pub fn request(dir: &Path, name: &str, new_key: &[&str]) {
    let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
    let subject = format!("/CN={name}");
    let mut arguments = vec!["req", "-new", "-nodes", "-subj", &subject];
    arguments.extend(new_key);
    arguments.extend(["-keyout", &key, "-out", &csr]);
    openssl(dir, &arguments);
}

/// Signs CSR.csr with ISSUER into OUT.crt; returns its DER.
pub fn sign(
    dir: &Path,
    out: &str,
    csr: &str,
    issuer: &str,
    extensions: &str,
    more: &[&str],
) -> Vec<u8> {
    let (ext, crt) = (format!("{out}.ext"), format!("{out}.crt"));
    let (csr, ca, key) = (
        format!("{csr}.csr"),
        format!("{issuer}.crt"),
        format!("{issuer}.key"),
    );
    std::fs::write(dir.join(&ext), extensions).unwrap();
    let mut arguments = vec![
        "x509",
        "-req",
        "-in",
        &csr,
        "-CA",
        &ca,
        "-CAkey",
        &key,
        "-CAcreateserial",
        "-out",
        &crt,
    ];
    if !extensions.is_empty() {
        arguments.extend(["-extfile", &ext]);
    }
    if !more.contains(&"-days") {
        arguments.extend(["-days", "365"]);
    }
    arguments.extend(more);
    openssl(dir, &arguments);
    der(dir, out)
}

/// The DER of NAME.crt.
pub fn der(dir: &Path, name: &str) -> Vec<u8> {
    let (crt, out) = (format!("{name}.crt"), format!("{name}.der"));
    openssl(dir, &["x509", "-in", &crt, "-outform", "DER", "-out", &out]);
    std::fs::read(dir.join(out)).unwrap()
}

/// Every faulty chain, by name, leaf first. The leaves are for the key `server` unless a fault
/// wants another; `ca` is the trusted root; both, with server.csr, are in `dir` already.
pub fn faulty(dir: &Path, host: &str) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let named = format!("{LEAF}extendedKeyUsage=serverAuth\nsubjectAltName=DNS:{host}\n");
    let leaf = |out: &str, issuer: &str, extensions: &str, more: &[&str]| {
        sign(dir, out, "server", issuer, extensions, more)
    };
    let issuer = |out: &str, by: &str, more: &str, days: &str| {
        request(dir, out, &EC);
        let extensions = format!("{ISSUER}{more}");
        sign(dir, out, out, by, &extensions, &["-days", days])
    };
    let mut all = Vec::new();
    for (name, names) in [
        ("wrong-name", "DNS:other.test".to_string()),
        ("name-below", format!("DNS:sub.{host}")),
        ("wildcard-below", format!("DNS:*.{host}")),
        ("wildcard-within", "DNS:br*.test".to_string()),
        ("wildcard-alone", "DNS:*".to_string()),
        ("address-only", "IP:127.0.0.1".to_string()),
        ("name-with-zero", format!("DNS:{host}.evil.test")),
    ] {
        let extensions = format!("{LEAF}extendedKeyUsage=serverAuth\nsubjectAltName={names}\n");
        all.push((name, vec![leaf(name, "ca", &extensions, &[])]));
    }
    all.push(("no-names", vec![leaf("no-names", "ca", LEAF, &[])]));
    all.push(("version-1", vec![leaf("version-1", "ca", "", &[])]));
    let client_only = named.replace("serverAuth", "clientAuth");
    all.push((
        "client-only",
        vec![leaf("client-only", "ca", &client_only, &[])],
    ));
    let authority = named.replace("CA:FALSE", "CA:TRUE");
    all.push((
        "authority-as-leaf",
        vec![leaf("authority-as-leaf", "ca", &authority, &[])],
    ));
    let critical = format!("{named}1.2.3.4.5=critical,ASN1:UTF8String:x\n");
    all.push((
        "critical-extension",
        vec![leaf("critical-extension", "ca", &critical, &[])],
    ));
    all.push(("sha1", vec![leaf("sha1", "ca", &named, &["-sha1"])]));

    let good = leaf("plain", "ca", &named, &[]);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    all.push(("bad-signature", vec![flipped]));
    let mut flipped = good.clone();
    // A name inside the signed part.
    let at = good.windows(host.len()).rposition(|w| w == host.as_bytes());
    let at = at.unwrap();
    flipped[at] ^= 0x20;
    all.push(("changed-after-signing", vec![flipped]));
    all.push((
        "truncated-certificate",
        vec![good[..good.len() / 2].to_vec()],
    ));
    all.push(("garbage-certificate", vec![vec![0x5A; 300]]));

    openssl(
        dir,
        &[
            &[
                "req",
                "-x509",
                "-nodes",
                "-days",
                "3650",
                "-subj",
                "/CN=stranger",
            ][..],
            &EC,
            &["-keyout", "stranger.key", "-out", "stranger.crt"],
        ]
        .concat(),
    );
    all.push((
        "unknown-root",
        vec![leaf("unknown-root", "stranger", &named, &[])],
    ));
    let stranger = der(dir, "stranger");
    all.push((
        "unknown-root-sent",
        vec![leaf("unknown-root-sent", "stranger", &named, &[]), stranger],
    ));
    // A root of the right name with another key.
    openssl(
        dir,
        &[
            &["req", "-x509", "-nodes", "-days", "3650", "-subj", "/CN=ca"][..],
            &EC,
            &["-keyout", "impostor.key", "-out", "impostor.crt"],
        ]
        .concat(),
    );
    all.push((
        "impostor-root",
        vec![leaf("impostor-root", "impostor", &named, &[])],
    ));

    let middle = issuer("middle", "ca", "", "30");
    let under = leaf("under", "middle", &named, &[]);
    all.push(("missing-middle", vec![under.clone()]));
    // Good for thirty days; the case moves the clock past them.
    all.push(("middle-of-30-days", vec![under.clone(), middle.clone()]));
    let not_authority = sign(dir, "plain-middle", "middle", "ca", LEAF, &[]);
    std::fs::copy(dir.join("middle.key"), dir.join("plain-middle.key")).unwrap();
    all.push(("middle-is-no-authority", vec![under, not_authority]));
    let short = issuer("short", "ca", "", "365");
    let short = {
        let _ = short;
        let extensions = ISSUER.replace("CA:TRUE", "CA:TRUE,pathlen:0");
        sign(dir, "short", "short", "ca", &extensions, &[])
    };
    let below = issuer("below-short", "short", "", "365");
    all.push((
        "path-length",
        vec![
            leaf("path-length", "below-short", &named, &[]),
            below,
            short,
        ],
    ));
    let constrained = issuer(
        "constrained",
        "ca",
        "nameConstraints=critical,permitted;DNS:other.test\n",
        "365",
    );
    all.push((
        "name-constraints",
        vec![
            leaf("name-constraints", "constrained", &named, &[]),
            constrained,
        ],
    ));
    let excluded = issuer(
        "excluded",
        "ca",
        &format!("nameConstraints=critical,excluded;DNS:{host}\n"),
        "365",
    );
    all.push((
        "excluded-name",
        vec![leaf("excluded-name", "excluded", &named, &[]), excluded],
    ));
    let narrow = issuer("narrow", "ca", "extendedKeyUsage=clientAuth\n", "365");
    all.push((
        "middle-for-clients",
        vec![leaf("middle-for-clients", "narrow", &named, &[]), narrow],
    ));
    request(dir, "rsa1024", &["-newkey", "rsa:1024"]);
    let weak = sign(dir, "rsa1024", "rsa1024", "ca", ISSUER, &[]);
    all.push((
        "weak-middle",
        vec![leaf("under-weak", "rsa1024", &named, &[]), weak],
    ));
    all.push((
        "weak-leaf",
        vec![sign(dir, "weak-leaf", "rsa1024", "ca", &named, &[])],
    ));
    request(
        dir,
        "p521",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    );
    all.push((
        "p521-leaf",
        vec![sign(dir, "p521-leaf", "p521", "ca", &named, &[])],
    ));
    request(dir, "ed25519", &["-newkey", "ed25519"]);
    all.push((
        "ed25519-leaf",
        vec![sign(dir, "ed25519-leaf", "ed25519", "ca", &named, &[])],
    ));
    let mut chain = Vec::new();
    let mut by = "ca".to_string();
    for depth in 0..8 {
        let name = format!("deep{depth}");
        chain.insert(0, issuer(&name, &by, "", "365"));
        by = name;
    }
    chain.insert(0, leaf("deep-leaf", &by, &named, &[]));
    all.push(("too-deep", chain));
    all.push(("oversized-chain", vec![good; 48]));
    all
}

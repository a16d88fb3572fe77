//! The device's client against openssl's server: version × suite × group × server key × chain
//! length × client key. An independent implementation of all of it.

#[path = "../../../apps/net-mqtt/tests/common/mod.rs"]
mod common;

use common::{HOST, Pki, Running, Server, free_port, start};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType};
use std::process::Stdio;
use tls_hostile::certificates::{openssl, request, sign};

const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\n\
                    extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:broker.test\n";
const ISSUER: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n";

const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];

/// Suites: openssl's name, its option, ours, and whether TLS 1.2's needs an RSA key.
const SUITES: [(&str, &str, &str, Option<bool>); 9] = [
    (
        "-ciphersuites",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS13_CHACHA20_POLY1305_SHA256",
        None,
    ),
    (
        "-ciphersuites",
        "TLS_AES_128_GCM_SHA256",
        "TLS13_AES_128_GCM_SHA256",
        None,
    ),
    (
        "-ciphersuites",
        "TLS_AES_256_GCM_SHA384",
        "TLS13_AES_256_GCM_SHA384",
        None,
    ),
    (
        "-cipher",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(false),
    ),
    (
        "-cipher",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(true),
    ),
    (
        "-cipher",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        Some(false),
    ),
    (
        "-cipher",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        Some(true),
    ),
    (
        "-cipher",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        Some(false),
    ),
    (
        "-cipher",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        Some(true),
    ),
];

/// A server's chain: files NAME.key, NAME.crt (leaf) and NAME.chain (what is sent with it), and
/// the root that the device trusts.
struct Chain {
    name: &'static str,
    root: &'static str,
    rsa: bool,
}

fn root(pki: &Pki, name: &str, key: &[&str], hash: &str) {
    let (subject, out, crt) = (
        format!("/CN={name}"),
        format!("{name}.key"),
        format!("{name}.crt"),
    );
    let mut arguments = vec![
        "req", "-x509", "-nodes", "-days", "3650", "-subj", &subject, hash,
    ];
    arguments.extend(key);
    arguments.extend(["-keyout", &out, "-out", &crt]);
    openssl(&pki.dir, &arguments);
}

/// Issues `name` by `by`; the options are openssl's for the signature.
fn issue(pki: &Pki, name: &str, key: &[&str], by: &str, extensions: &str, signature: &[&str]) {
    request(&pki.dir, name, key);
    sign(&pki.dir, name, name, by, extensions, signature);
}

/// The chains: AWS's kinds (RSA-2048, P-256), its reserve roots' (RSA-4096, P-384), each
/// signature algorithm, one to four certificates, and a root cross-signed by another.
fn chains(pki: &Pki) -> Vec<Chain> {
    let bits = |bits: &'static str| ["-newkey", bits];
    let pss = [
        "-sigopt",
        "rsa_padding_mode:pss",
        "-sigopt",
        "rsa_pss_saltlen:digest",
    ];
    root(pki, "r2048", &bits("rsa:2048"), "-sha256");
    root(pki, "r4096", &bits("rsa:4096"), "-sha512");
    root(pki, "e384", P384, "-sha384");
    let mut all = Vec::new();
    let mut done = |name, root, rsa, middles: &[&str]| {
        let text: String = middles
            .iter()
            .map(|m| std::fs::read_to_string(pki.dir.join(format!("{m}.crt"))).unwrap())
            .collect();
        std::fs::write(pki.dir.join(format!("{name}.chain")), text).unwrap();
        all.push(Chain { name, root, rsa });
    };
    // One certificate.
    issue(pki, "ec-1", P256, "ca", LEAF, &["-sha256"]);
    done("ec-1", "ca", false, &[]);
    issue(pki, "rsa-1", &bits("rsa:2048"), "r2048", LEAF, &["-sha256"]);
    done("rsa-1", "r2048", true, &[]);
    // Two: P-256 under P-384; RSA-2048 under RSA-4096 with SHA-384.
    issue(pki, "m384", P384, "e384", ISSUER, &["-sha384"]);
    issue(pki, "ec-2", P256, "m384", LEAF, &["-sha384"]);
    done("ec-2", "e384", false, &["m384"]);
    issue(
        pki,
        "m4096",
        &bits("rsa:4096"),
        "r4096",
        ISSUER,
        &["-sha512"],
    );
    issue(pki, "rsa-2", &bits("rsa:2048"), "m4096", LEAF, &["-sha384"]);
    done("rsa-2", "r4096", true, &["m4096"]);
    // Three, with RSA-PSS signatures and a P-384 leaf under a P-256 issuer.
    let pss_sha256 = [&["-sha256"][..], &pss].concat();
    let pss_sha384 = [&["-sha384"][..], &pss].concat();
    issue(
        pki,
        "pss-m1",
        &bits("rsa:2048"),
        "r2048",
        ISSUER,
        &pss_sha256,
    );
    issue(
        pki,
        "pss-m2",
        &bits("rsa:2048"),
        "pss-m1",
        ISSUER,
        &pss_sha384,
    );
    issue(pki, "rsa-3", &bits("rsa:3072"), "pss-m2", LEAF, &pss_sha256);
    done("rsa-3", "r2048", true, &["pss-m2", "pss-m1"]);
    issue(pki, "m256", P256, "m384", ISSUER, &["-sha256"]);
    issue(pki, "ec-3", P384, "m256", LEAF, &["-sha384"]);
    done("ec-3", "e384", false, &["m256", "m384"]);
    // Four: a new root (P-256) cross-signed by the old RSA one that the device trusts.
    root(pki, "new", P256, "-sha256");
    openssl(
        &pki.dir,
        &[
            "req",
            "-new",
            "-key",
            "new.key",
            "-subj",
            "/CN=new",
            "-out",
            "crossed.csr",
        ],
    );
    sign(
        &pki.dir,
        "crossed",
        "crossed",
        "r2048",
        ISSUER,
        &["-sha256"],
    );
    issue(pki, "under-new", P256, "new", ISSUER, &["-sha256"]);
    issue(pki, "below", P256, "under-new", ISSUER, &["-sha384"]);
    issue(pki, "ec-4", P256, "below", LEAF, &["-sha256"]);
    done("ec-4", "r2048", false, &["below", "under-new", "crossed"]);
    all
}

/// Gives the device an RSA key and certificate in place of its EC ones.
fn rsa_client(pki: &Pki) -> Vec<u8> {
    issue(
        pki,
        "rsa-device",
        &["-newkey", "rsa:2048"],
        "ca",
        LEAF,
        &["-sha256"],
    );
    openssl(
        &pki.dir,
        &[
            "rsa",
            "-in",
            "rsa-device.key",
            "-traditional",
            "-outform",
            "DER",
            "-out",
            "rsa-device.der",
        ],
    );
    pki.read("rsa-device.der")
}

fn s_server(pki: &Pki, port: u16, chain: &str, more: &[&str]) -> Server {
    let (accept, cert, key, middles) = (
        format!("127.0.0.1:{port}"),
        format!("{chain}.crt"),
        format!("{chain}.key"),
        format!("{chain}.chain"),
    );
    let mut arguments = vec![
        "s_server",
        "-accept",
        &accept,
        "-cert",
        &cert,
        "-key",
        &key,
        "-CAfile",
        "ca.crt",
        "-Verify",
        "2",
        "-verify_return_error",
        "-quiet",
    ];
    if std::fs::metadata(pki.dir.join(&middles)).is_ok_and(|file| file.len() > 0) {
        arguments.extend(["-cert_chain", &middles]);
    }
    arguments.extend(more);
    start("openssl", &arguments, port, &pki.dir, Stdio::piped())
}

/// One connection; panics unless the device says `expected`.
fn connects(pki: &Pki, chain: &Chain, client: Option<&[u8]>, options: &[&str], expected: &str) {
    let port = free_port();
    let _server = s_server(pki, port, chain.name, options);
    let roots = format!("{}.crt", chain.root);
    let mut device = match client {
        None => Running::new(pki, &roots, HOST, port, 0),
        Some(der) => {
            let alg = match options.contains(&"RSA+SHA256") {
                true => Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_256),
                false => Algorithm::rsa_pss(Algorithm::SHA_256),
            };
            let attributes =
                KeyAttributes::volatile(KeyType::RSA_KEY_PAIR, 2048, usage::SIGN_HASH, alg);
            Running::with_identity(pki, &roots, HOST, port, 0, "rsa-device", (attributes, der))
        }
    };
    device.expect(expected, 1);
    assert_eq!(device.crypto.in_use().1, 0);
}

#[test]
fn every_combination_connects() {
    let pki = Pki::new();
    let chains = chains(&pki);
    let rsa = rsa_client(&pki);
    let mut count = 0;
    // Suites × groups, on the chain of one that fits; both kinds of client key.
    for (option, theirs, ours, wants_rsa) in SUITES {
        let version = match option {
            "-cipher" => "-tls1_2",
            _ => "-tls1_3",
        };
        // For EC certificates, the client's too, openssl's TLS 1.2 wants their curve listed.
        let second = match wants_rsa {
            Some(_) => "X25519:P-256",
            _ => "X25519",
        };
        for group in ["P-256", second] {
            for client in [None, Some(&rsa[..])] {
                let name = match wants_rsa {
                    Some(true) => "rsa-1",
                    _ => "ec-1",
                };
                let chain = chains.iter().find(|chain| chain.name == name).unwrap();
                let said = format!("{ours}, key in SPE (id 1)");
                connects(
                    &pki,
                    chain,
                    client,
                    &[version, option, theirs, "-groups", group, "-serverpref"],
                    &said,
                );
                println!(
                    "{ours} {group} {name} client {}",
                    client.map_or("EC", |_| "RSA")
                );
                count += 1;
            }
        }
    }
    // Chains × versions.
    for chain in &chains {
        for version in ["-tls1_3", "-tls1_2"] {
            // TLS 1.2 wants a leaf's curve among the client's groups (RFC 8422 §5.1): no P-384.
            if (chain.name, version) == ("ec-3", "-tls1_2") {
                continue;
            }
            let kind = match (version, chain.rsa) {
                ("-tls1_3", _) => "tls TLSv1.3 ",
                (_, true) => "tls TLSv1.2 TLS_ECDHE_RSA_",
                (_, false) => "tls TLSv1.2 TLS_ECDHE_ECDSA_",
            };
            connects(&pki, chain, None, &[version], kind);
            println!("chain {} {version}", chain.name);
            count += 1;
        }
    }
    // Each scheme that an RSA server may sign with; and an RSA client that PSS is not asked of.
    let rsa_chain = chains.iter().find(|chain| chain.name == "rsa-1").unwrap();
    for scheme in [
        "RSA-PSS+SHA256",
        "RSA-PSS+SHA384",
        "RSA-PSS+SHA512",
        "RSA+SHA256",
        "RSA+SHA384",
        "RSA+SHA512",
    ] {
        let client = ["-client_sigalgs", "ECDSA+SHA256:RSA+SHA256"];
        let options = [&["-tls1_2", "-sigalgs", scheme][..], &client].concat();
        connects(
            &pki,
            rsa_chain,
            None,
            &options,
            "tls TLSv1.2 TLS_ECDHE_RSA_",
        );
        println!("server signs {scheme}");
        count += 1;
    }
    let options = ["-tls1_2", "-client_sigalgs", "RSA+SHA256"];
    connects(&pki, rsa_chain, Some(&rsa), &options, "tls TLSv1.2 ");
    println!("RSA client signs PKCS#1 v1.5 in TLS 1.2");
    count += 1;
    println!("{count} connections with openssl s_server");
    assert!(count >= 55);
}

/// An endpoint that is an address: checked against iPAddress, never against a name.
#[test]
fn an_address_is_an_endpoint_too() {
    let pki = Pki::new();
    let extensions = LEAF.replace("DNS:broker.test", "IP:127.0.0.1");
    issue(&pki, "address", P256, "ca", &extensions, &["-sha256"]);
    let port = free_port();
    let _server = s_server(&pki, port, "address", &[]);
    let mut device = Running::new(&pki, "ca.crt", "127.0.0.1", port, 0);
    device.expect("tls TLSv1.3 ", 1);
    let port = free_port();
    let _server = s_server(&pki, port, "address", &[]);
    let mut device = Running::new(&pki, "ca.crt", "127.0.0.2", port, 0);
    device.expect("connect failed: host name does not match", 1);
}

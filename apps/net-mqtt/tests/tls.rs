//! TLS with servers that are wrong in one way each, and with each suite and kind of chain.

mod common;

use common::{HOST, Pki, Running, free_port, mosquitto, start};
use std::io::Write;
use std::process::Stdio;

const DAY: i64 = 86_400;

/// The failure is named, tried again, and cured when its cause goes away.
#[test]
fn expired_and_not_yet_valid_certificates_are_refused_until_the_clock_is_right() {
    let pki = Pki::new();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
    device.bench().wall_offset.set(366 * DAY);
    device.expect(
        "net-mqtt: connect failed: server certificate expired, retry in ",
        2,
    );
    device.bench().wall_offset.set(-2 * DAY);
    device.expect(
        "net-mqtt: connect failed: server certificate not yet valid, retry in ",
        1,
    );
    assert_eq!(device.bench().count("tls TLSv1.3"), 0);
    device.bench().wall_offset.set(0);
    device.expect("mqtt connected", 1);
    assert_eq!(device.crypto.in_use().1, 0);
}

#[test]
fn wrong_host_name_is_refused() {
    let pki = Pki::new();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", "other.test", port, 0);
    device.expect(
        "net-mqtt: connect failed: host name does not match, retry in ",
        2,
    );
    assert_eq!(device.bench().count("tls TLSv1.3"), 0);
}

#[test]
fn untrusted_root_is_refused() {
    let pki = Pki::new();
    pki.authority("stranger");
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "stranger.crt", HOST, port, 0);
    device.expect(
        "net-mqtt: connect failed: server certificate: unknown issuer, retry in ",
        2,
    );
    assert_eq!(device.bench().count("tls TLSv1.3"), 0);
}

/// The broker does not know our CA: it says so after our handshake is complete (TLS 1.3).
#[test]
fn a_broker_that_refuses_our_certificate_is_named() {
    let pki = Pki::new();
    pki.authority("stranger");
    // The broker verifies clients with a CA that did not sign ours.
    std::fs::copy(pki.dir.join("ca.crt"), pki.dir.join("real-ca.crt")).unwrap();
    std::fs::copy(pki.dir.join("stranger.crt"), pki.dir.join("ca.crt")).unwrap();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "real-ca.crt", HOST, port, 0);
    device.expect("net-mqtt: connect failed: server alert: ", 1);
    assert_eq!(device.bench().count("mqtt connected"), 0);
}

fn s_server(pki: &Pki, port: u16, name: &str, more: &[&str]) -> common::Server {
    let (accept, cert, key) = (
        format!("127.0.0.1:{port}"),
        format!("{name}.crt"),
        format!("{name}.key"),
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
    arguments.extend(more);
    start("openssl", &arguments, port, &pki.dir, Stdio::piped())
}

#[test]
fn every_suite_works_against_openssl() {
    let pki = Pki::new();
    for (openssl, ours) in [
        (
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS13_CHACHA20_POLY1305_SHA256",
        ),
        ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256"),
        ("TLS_AES_256_GCM_SHA384", "TLS13_AES_256_GCM_SHA384"),
    ] {
        let port = free_port();
        let _server = s_server(&pki, port, "server", &["-ciphersuites", openssl]);
        let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
        device.expect(&format!("tls TLSv1.3 {ours}, key in SPE (id 1)"), 1);
    }
}

/// RSA chains: the certificate signature is PKCS#1 v1.5, the handshake's RSA-PSS.
#[test]
fn rsa_chains_are_verified() {
    let pki = Pki::new();
    for bits in ["2048", "3072"] {
        let (ca, server) = (format!("rsa-ca-{bits}"), format!("rsa-{bits}"));
        pki.rsa_authority(&ca, bits);
        pki.issue(&server, &ca, &["-newkey", &format!("rsa:{bits}")], HOST);
        let port = free_port();
        let _server = s_server(&pki, port, &server, &[]);
        let mut device = Running::new(&pki, &format!("{ca}.crt"), HOST, port, 0);
        device.expect("tls TLSv1.3 TLS13_CHACHA20_POLY1305_SHA256", 1);
    }
}

/// A server that speaks TLS 1.2 only, with each suite; one of 1.1 has nothing in common with us.
#[test]
fn tls12_works_and_older_is_named() {
    let pki = Pki::new();
    for (openssl, ours) in [
        (
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ),
        (
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        ),
        (
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ),
    ] {
        let port = free_port();
        let _server = s_server(&pki, port, "server", &["-tls1_2", "-cipher", openssl]);
        let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
        device.expect(&format!("tls TLSv1.2 {ours}, key in SPE (id 1)"), 1);
    }
    let port = free_port();
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let _server = s_server(&pki, port, "server", &old);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
    device.expect("connect failed: server alert: protocol version", 1);
}

/// What a broker may send after a good handshake: anything. The device names it and tries again.
#[test]
fn garbage_instead_of_mqtt_is_survived() {
    let pki = Pki::new();
    let mut x = 0x5DEE_CE66_D123_4567_u64;
    for round in 0..24 {
        let port = free_port();
        let mut server = s_server(&pki, port, "server", &[]);
        let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
        device.expect("tls TLSv1.3", 1);
        // Half of the rounds begin with an acceptable CONNACK, so that the noise meets the session.
        let mut bytes = match round % 2 {
            0 => vec![0x20, 3, 0, 0, 0],
            _ => Vec::new(),
        };
        for _ in 0..400 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            // Packet types and small lengths, more often than chance would have it.
            bytes.push(if x & 3 == 0 {
                (x >> 8) as u8 & 0xF3
            } else {
                (x >> 8) as u8 & 0x1F
            });
        }
        server.0.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
        let failed = device.run(3, |it| {
            it.bench().count("connect failed") + it.bench().count("connection lost") > 0
        });
        // A packet that promises more than came keeps us waiting: that is no failure.
        drop(server);
        if !failed {
            device.run(15, |it| {
                it.bench().count("connect failed") + it.bench().count("connection lost") > 0
            });
        }
        let lines = device.bench().lines.borrow().clone();
        assert!(
            lines.iter().any(|line| line.contains("retry in")),
            "{round}: {lines:#?}"
        );
        assert_eq!(device.crypto.in_use().1, 0);
    }
}

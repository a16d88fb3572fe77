//! TLS_*: what the device offers, takes and refuses.

use crate::Verdict::{self, Pass, Warnings};
use crate::common::{HOST, Pki, Running, free_port};
use crate::endpoint::Endpoint;
use mqtt_ipc::Qos;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tls_hostile::certificates::{der, faulty, sign};
use tls_hostile::server::{Order, Server, Step, Version, listen};

fn until_established(server: &mut Server, step: Step) {
    server.stop |= step == Step::Established;
}

/// A device, and a server that presents this chain.
fn against(pki: &Pki, version: Version, chain: Vec<Vec<u8>>) -> Running {
    let key = pki.scalar("server");
    let order = Order {
        version,
        chain,
        key,
        hook: until_established,
    };
    let port = listen(Arc::new(Mutex::new(order)));
    Running::new(pki, "ca.crt", HOST, port, 0)
}

/// The device completes a handshake.
pub fn connect() -> Verdict {
    let pki = Pki::new();
    for (version, said) in [(Version::V13, "tls TLSv1.3"), (Version::V12, "tls TLSv1.2")] {
        against(&pki, version, vec![der(&pki.dir, "server")]).expect(said, 1);
    }
    Pass("TLS 1.3 and 1.2".into())
}

/// Suites of the default policy (reference/aws-iot.md §1.2).
const TAKEN: [u16; 21] = [
    0x1301, 0x1302, 0x1303, 0xC02F, 0xC027, 0xC013, 0xC030, 0xC028, 0xC014, 0xC02B, 0xC023, 0xC009,
    0xC02C, 0xC024, 0xC00A, 0x009C, 0x003C, 0x002F, 0x009D, 0x003D, 0x0035,
];
/// ECDHE-ECDSA and ECDHE-RSA with AES128-GCM-SHA256.
const RECOMMENDED: [u16; 2] = [0xC02B, 0xC02F];
/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV: a signal, no suite.
const SIGNAL: u16 = 0x00FF;

/// At least one recommended suite, and none that AWS does not know (else a warning).
pub fn suites() -> Verdict {
    let pki = Pki::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
    let hello = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut header = [0; 5];
        stream.read_exact(&mut header).unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        stream.read_exact(&mut hello).unwrap();
        hello
    });
    device.run(60, |_| hello.is_finished());
    let hello = hello.join().unwrap();
    assert_eq!(hello[0], 1, "ClientHello");
    // RFC 8446 §4.1.2: header, version and random, session id, suites.
    let rest = &hello[39 + usize::from(hello[38])..];
    let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
    let offered: Vec<u16> = rest[2..2 + len]
        .chunks(2)
        .map(|b| u16::from_be_bytes([b[0], b[1]]))
        .collect();
    assert!(
        offered.iter().any(|suite| TAKEN.contains(suite)),
        "{offered:04x?}"
    );
    assert!(
        RECOMMENDED.iter().all(|suite| offered.contains(suite)),
        "{offered:04x?}"
    );
    let strange: Vec<&u16> = offered
        .iter()
        .filter(|s| !TAKEN.contains(s) && **s != SIGNAL)
        .collect();
    match strange.is_empty() {
        true => Pass(format!("{offered:04x?}")),
        false => Warnings(format!(
            "both recommended suites; AWS does not know {strange:04x?} (TLS 1.2 ChaCha20)"
        )),
    }
}

/// Passes bytes between the device and a server, and remembers the longest record for the device.
fn watched(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let longest = Arc::new(AtomicUsize::new(0));
    let seen = longest.clone();
    std::thread::spawn(move || {
        let device = listener.accept().unwrap().0;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).unwrap();
        let (mut from, mut into) = (device.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut into));
        let (mut server, mut device, mut header) = (server, device, [0; 5]);
        while server.read_exact(&mut header).is_ok() {
            let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            if server.read_exact(&mut body).is_err() {
                break;
            }
            seen.fetch_max(body.len(), Ordering::Relaxed);
            let _ = device
                .write_all(&header)
                .and_then(|()| device.write_all(&body));
        }
    });
    (port, longest)
}

/// Subscribed at QoS 1, the device takes a large payload in records of 16 KiB, and lives on.
pub fn fragments() -> Verdict {
    const MESSAGES: usize = 8;
    let pki = Pki::new();
    let port = free_port();
    let mut endpoint = Endpoint::open(&pki, port);
    let (port, longest) = watched(port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
    endpoint.accept(&mut device);
    device.ask(0, |client| {
        client.subscribe("TRIGGER_TOPIC", Qos::AtLeastOnce)
    });
    let subscribe = endpoint.packet(&mut device);
    assert_eq!((subscribe[0], *subscribe.last().unwrap() & 3), (0x82, 1));
    endpoint.say(&[0x90, 4, subscribe[2], subscribe[3], 0, 1]);
    let mut stream = Vec::new();
    for id in 1..=MESSAGES as u8 {
        let len = 2 + 13 + 2 + 1 + 6144;
        stream.extend([0x32, len as u8 | 0x80, (len >> 7) as u8, 0, 13]);
        stream.extend(b"TRIGGER_TOPIC");
        stream.extend([0, id, 0]);
        stream.extend(std::iter::repeat_n(id, 6144));
    }
    endpoint.say(&stream);
    let mut whole = 0;
    device.run(60, |it| {
        if let Some(crate::common::Heard::Message(_, payload)) = it.take(0) {
            whole += 1;
            assert_eq!(payload, [whole as u8; 6144]);
        }
        whole == MESSAGES
    });
    assert_eq!(whole, MESSAGES);
    for id in 1..=MESSAGES as u8 {
        assert_eq!(endpoint.packet(&mut device)[..4], [0x40, 2, 0, id]);
    }
    let longest = longest.load(Ordering::Relaxed);
    assert!(longest > 16_384, "records of {longest} bytes only");
    let query = device.ask(0, |client| client.query());
    assert_eq!(device.result(0, query).0, mqtt_ipc::Status::Ok);
    Pass(format!(
        "{} KiB in records of up to {longest} bytes, each message acknowledged",
        stream.len() / 1024
    ))
}

/// A chain a fifth larger than AWS's 5 KB.
pub fn large_certificate() -> Verdict {
    let pki = Pki::new();
    let names: String = (0..190)
        .map(|n| format!("DNS:endpoint-{n:03}.iot.eu-west-1.test,"))
        .collect();
    let extensions = format!(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n\
         subjectAltName={names}DNS:{HOST}\n"
    );
    let chain = vec![sign(&pki.dir, "large", "server", "ca", &extensions, &[])];
    let len = chain[0].len();
    assert!(len > 6_000, "{len}");
    for (version, said) in [(Version::V13, "tls TLSv1.3"), (Version::V12, "tls TLSv1.2")] {
        against(&pki, version, chain.clone()).expect(said, 1);
    }
    Pass(format!("a certificate of {len} bytes"))
}

/// The handshake must end in this refusal, and a good server must be taken.
fn refused(fault: &str, why: &str) -> Verdict {
    let pki = Pki::new();
    let chain = faulty(&pki.dir, HOST)
        .into_iter()
        .find(|(name, _)| *name == fault)
        .unwrap()
        .1;
    for version in [Version::V13, Version::V12] {
        let mut device = against(&pki, version, chain.clone());
        device.expect(&format!("connect failed: {why}"), 2);
        assert_eq!(device.bench().count("net-mqtt: tls TLSv"), 0);
    }
    Pass(why.into())
}

pub fn untrusted() -> Verdict {
    refused("unknown-root", "server certificate: unknown issuer")
}

pub fn wrong_name() -> Verdict {
    refused("wrong-name", "host name does not match")
}

pub fn expired() -> Verdict {
    let pki = Pki::new();
    let mut device = against(&pki, Version::V13, vec![der(&pki.dir, "server")]);
    device.bench().wall_offset.set(366 * 86_400);
    device.expect("connect failed: server certificate expired", 2);
    assert_eq!(device.bench().count("net-mqtt: tls TLSv"), 0);
    // And the same certificate in its time.
    device.bench().wall_offset.set(0);
    device.expect("net-mqtt: tls TLSv", 1);
    Pass("server certificate expired".into())
}

//! The control plane from outside: who gets in, and what anything gets that is no request.

use cloud::http::{Server, request};
use cloud::{Cloud, broker};
use minicbor::Decoder;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

fn start(name: &str) -> (std::path::PathBuf, Cloud, Server) {
    let dir = std::env::temp_dir().join(format!("tockstone-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let cloud = Cloud::start(&broker::Config {
        dir: &dir,
        host: "iot.tockstone.test",
        validity: None,
        port: None,
    })
    .unwrap();
    let server = Server::start(cloud.core(), None).unwrap();
    (dir, cloud, server)
}

fn raw(server: &Server, text: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(text).unwrap();
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn only_signed_requests_are_answered_and_anything_is_survived() {
    let (dir, _cloud, server) = start("http");
    let get = |authorization: &str| {
        let text =
            format!("GET /things HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{authorization}\r\n");
        raw(&server, text.as_bytes())
    };
    let signature = "0".repeat(64);
    let scope = "Credential=A/20260101/eu-west-1";
    let good = format!(
        "authorization: AWS4-HMAC-SHA256 {scope}/iot/aws4_request, SignedHeaders=host, \
         Signature={signature}\r\n"
    );
    assert!(get("").contains("MissingAuthenticationTokenException"));
    assert!(get("authorization: Basic eDp5\r\n").contains("IncompleteSignatureException"));
    assert!(get(&good.replace(&signature, "0")).contains("IncompleteSignatureException"));
    assert!(get(&good.replace("/iot/", "/ec2/")).contains("UnknownOperationException"));
    assert!(get(&good).ends_with("{\"things\":[]}"), "{}", get(&good));

    // Bodies and paths of every shape, signed: an answer each time, and never the server's end.
    let paths = [
        "/things/%",
        "/things/%ff/jobs/x/y/z",
        "/jobs/%2f",
        "/otaUpdates/x",
        "/streams/x",
        "/policies/x",
        "/certificate/register-no-ca",
        "/certificates",
        "/endpoint",
        "/provisioning-templates",
        "/topics/%23",
        "/",
        "//",
        "/target-policies/x",
        "/buck/key",
    ];
    let bodies: [&[u8]; 5] = [
        b"",
        b"{",
        b"[]",
        b"{\"files\":7,\"targets\":{}}",
        &[0xFF; 64],
    ];
    for service in ["iot", "iotdata", "iot-jobs-data", "s3", "sts"] {
        for path in paths {
            for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
                for body in bodies {
                    let _ = request::send(&server.url(), service, method, path, body);
                }
            }
        }
    }
    assert!(get(&good).contains("200 OK"), "it still answers");
    std::fs::remove_dir_all(dir).unwrap();
}

/// A certificate from a request of the device's own, in CBOR from end to end.
#[test]
fn a_request_becomes_a_certificate_over_cbor() {
    let (dir, cloud, server) = start("csr");
    let (key, csr) = (dir.join("d.key"), dir.join("d.csr"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-subj", "/CN=anything", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&csr)
        .output()
        .unwrap();
    assert!(made.status.success());
    let options = MqttOptions::new("test", "127.0.0.1", cloud.broker.plain_port);
    let (client, mut connection) = Client::new(options, 10);
    let base = "$aws/certificates/create-from-csr/cbor";
    client
        .subscribe(format!("{base}/+"), QoS::AtLeastOnce)
        .unwrap();
    let mut next = || {
        for event in connection.iter() {
            match event.unwrap() {
                Event::Incoming(Packet::SubAck(_)) => return (String::new(), Vec::new()),
                Event::Incoming(Packet::Publish(p)) => return (p.topic, p.payload.to_vec()),
                _ => {}
            }
        }
        unreachable!("the connection stays")
    };
    next();
    let ask = |text: &str| {
        let mut e = minicbor::Encoder::new(Vec::new());
        e.map(1).unwrap().str("certificateSigningRequest").unwrap();
        e.str(text).unwrap();
        client
            .publish(base, QoS::AtLeastOnce, false, e.into_writer())
            .unwrap();
    };
    ask("no request");
    assert!(next().0.ends_with("/rejected"));
    ask(&std::fs::read_to_string(&csr).unwrap());
    let (topic, payload) = next();
    assert!(topic.ends_with("/accepted"), "{topic}");
    let mut d = Decoder::new(&payload);
    let mut members = Vec::new();
    for _ in 0..d.map().unwrap().unwrap() {
        members.push((d.str().unwrap().to_owned(), d.str().unwrap().to_owned()));
    }
    let names: Vec<&str> = members.iter().map(|(n, _)| n.as_str()).collect();
    let wanted = [
        "certificateId",
        "certificatePem",
        "certificateOwnershipToken",
    ];
    assert_eq!(names, wanted);
    let der = cloud::pki::der_of(&members[1].1).unwrap();
    assert_eq!(cloud::pki::certificate_id(&der), members[0].1);
    let path = format!("/certificates/{}", members[0].1);
    let seen = request::send(&server.url(), "iot", "GET", &path, b"").unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("PENDING_ACTIVATION"));
    std::fs::remove_dir_all(dir).unwrap();
}

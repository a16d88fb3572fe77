//! A claim against a cloud that the test plays, packet by packet, over the real crypto service:
//! what is stored when, every refusal by name, and the power gone at every change of the storage.

use super::*;
use crate::POOL;
use crate::config;
use crate::mqtt::{Incoming, parse, split};
use crate::world::World;
use mqtt_ipc::Page;

/// A device with a claim.
fn world() -> World {
    let claim = [
        (UID_CLAIM_CERTIFICATE, &[0x30, 0][..]),
        (UID_TEMPLATE, b"fleet"),
        (UID_SERIAL, b"7"),
    ];
    World::with(CLAIM_KEY, &claim)
}

/// What a start finds, as `main.rs` does it.
fn boot(world: &World) -> Result<Config, Claim> {
    match Config::load(world) {
        Ok(config) => {
            // At the next start, if the power goes.
            let _ = Claim::forget(world);
            Ok(config)
        }
        Err(ConfigError::NoCertificate(_) | ConfigError::Read(UID_THING, _)) => {
            Err(Claim::load(world).unwrap().unwrap().1)
        }
        Err(error) => panic!("{error}"),
    }
}

/// How the cloud answers.
#[derive(Clone, Copy, Default)]
struct Cloud {
    /// SUBACK's and PUBACK's reason for the claim's policy.
    suback: u8,
    puback: u8,
    /// Answers instead of its own: to the certificate's and to the thing's request.
    certificate: Option<(&'static str, &'static [u8])>,
    thing: Option<(&'static str, &'static [u8])>,
    /// Says nothing at all to requests.
    mute: bool,
}

const TOKEN: &str = "proof";

impl Cloud {
    /// Packets that answer one of the device's.
    fn answer(&self, packet: &[u8]) -> Vec<u8> {
        match packet[0] {
            0x10 => vec![0x20, 3, 0, 0, 0],
            0x82 => {
                let at = 2;
                vec![0x90, 4, packet[at], packet[at + 1], 0, self.suback.max(1)]
            }
            0x32 => {
                let Ok(Incoming::Publish(publish)) = parse(packet) else {
                    panic!("{packet:02x?}");
                };
                let [high, low] = publish.id.to_be_bytes();
                let mut out = vec![0x40, 3, high, low, self.puback];
                if self.puback < 0x80 && !self.mute {
                    out.extend(self.request(publish.topic, publish.payload));
                }
                out
            }
            _ => Vec::new(),
        }
    }

    fn request(&self, topic: &str, payload: &[u8]) -> Vec<u8> {
        let (last, body) = match topic {
            CERTIFICATES => match self.certificate {
                Some((last, body)) => (last, body.to_vec()),
                None => {
                    let [csr] = fields(payload, ["certificateSigningRequest"]).unwrap();
                    let csr = csr.unwrap();
                    assert!(csr.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
                    ("accepted", certificate(csr))
                }
            },
            "$aws/provisioning-templates/fleet/provision/cbor" => match self.thing {
                Some((last, body)) => (last, body.to_vec()),
                None => {
                    let [token] = fields(payload, ["certificateOwnershipToken"]).unwrap();
                    assert_eq!(token, Some(TOKEN));
                    let serial = [b"\x6CSerialNumber".as_slice(), b"\x617"].concat();
                    assert!(payload.windows(serial.len()).any(|w| w == serial));
                    // Indefinite, the configuration first, as AWS may.
                    let mut e = Encoder::new(Vec::new());
                    e.begin_map().unwrap();
                    e.str("deviceConfiguration").unwrap().begin_map().unwrap();
                    e.str("a").unwrap().u8(1).unwrap().end().unwrap();
                    e.str("thingName").unwrap().str("lamp-7").unwrap();
                    e.end().unwrap();
                    ("accepted", e.into_writer())
                }
            },
            other => panic!("{other}"),
        };
        let topic = format!("{topic}/{last}");
        let mut left = topic.len() + body.len() + 3;
        let mut out = vec![0x30];
        while left >= 128 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.extend([left as u8, 0, topic.len() as u8]);
        [out, topic.into_bytes(), vec![0], body].concat()
    }
}

/// An accepted answer whose certificate is the request itself in a SEQUENCE: it has the key in it,
/// which is what the token looks for.
fn certificate(csr: &str) -> Vec<u8> {
    let body = csr.replace(" REQUEST", "");
    let mut request = [0; 2048];
    let len = pkcs11::pem::decode(body.as_bytes(), &mut request).unwrap();
    let [high, low] = (len as u16).to_be_bytes();
    let der = [&[0x30, 0x82, high, low], &request[..len]].concat();
    let mut pem = String::new();
    pkcs11::pem::armour("CERTIFICATE", &der, &mut pem).unwrap();
    object(
        &[
            ("certificateId", "x"),
            ("certificateOwnershipToken", TOKEN),
            ("certificatePem", &pem),
        ],
        None,
    )
}

/// One connection of a device with `claim`; how it ends, and the name.
fn connection(world: &World, claim: Claim, cloud: Cloud) -> Result<String, Why> {
    let (mut receive, mut send) = (vec![0; 6656], vec![0; 6144]);
    let mut claiming = Claiming::new(claim, world, &mut receive, &mut send);
    let mut service = Service::<&Page>::new(vec![0; POOL].leak());
    let mut now = 1;
    claiming.connect(now);
    for _ in 0..100 {
        let turned = claiming.turn(&mut service, now);
        let mut bytes = Vec::new();
        loop {
            let output = claiming.output(now).to_vec();
            if output.is_empty() {
                break;
            }
            claiming.wrote(output.len(), now);
            bytes.extend(output);
        }
        if turned? || !bytes.is_empty() {
        } else if !claiming.is_over() {
            now += 1_000_000;
        }
        if claiming.is_over() {
            assert_eq!(bytes[0], 0xE0, "a connection that is over is left politely");
            claiming.disconnected(&mut service, now);
            return Ok(claiming.thing().into());
        }
        while !bytes.is_empty() {
            let len = split(&bytes).unwrap().unwrap();
            let packet: Vec<u8> = bytes.drain(..len).collect();
            let answer = cloud.answer(&packet);
            claiming.room()[..answer.len()].copy_from_slice(&answer);
            claiming.arrived(answer.len(), now);
        }
    }
    panic!("nothing comes of it");
}

fn refused(cloud: Cloud) -> String {
    let world = world();
    let claim = boot(&world).unwrap_err();
    let before = world.ps.borrow().clone();
    let why = connection(&world, claim.clone(), cloud).unwrap_err();
    assert_eq!(*world.ps.borrow(), before, "{why}: something was stored");
    // Whatever it was: when it is mended, the next connection succeeds.
    let mended = connection(&world, boot(&world).unwrap_err(), Cloud::default());
    assert_eq!(mended.as_deref(), Ok("lamp-7"));
    why.to_string()
}

#[test]
fn a_claim_becomes_an_identity_and_is_dropped() {
    let world = world();
    let claim = boot(&world).unwrap_err();
    assert_eq!(
        (claim.template.as_str(), claim.serial.as_str()),
        ("fleet", "7")
    );
    let thing = connection(&world, claim, Cloud::default()).unwrap();
    assert_eq!(thing, "lamp-7");
    let config = boot(&world).unwrap();
    assert_eq!(config.thing, "lamp-7");
    assert_dropped(&world);
    // Nothing more changes at later starts.
    let changes = world.changes.get();
    boot(&world).unwrap();
    assert_eq!(world.changes.get(), changes);
}

fn assert_dropped(world: &World) {
    let ps = world.ps.borrow();
    for uid in [UID_CLAIM_CERTIFICATE, UID_TEMPLATE, UID_SERIAL] {
        assert!(!ps.contains_key(&uid), "PS {uid} is left");
    }
    drop(ps);
    let mut token = Token::open(world).unwrap();
    assert_eq!(token.find(CLAIM_PRIVATE_KEY), Ok(None));
}

#[test]
fn refusals_are_named_and_nothing_is_stored() {
    let rejected: &[u8] = &object(
        &[
            ("errorCode", "InvalidParameters"),
            ("errorMessage", "no\n\u{1b}[2J"),
        ],
        None,
    );
    let rejected: &'static [u8] = rejected.to_vec().leak();
    let cloud = Cloud::default();
    let table = [
        (
            Cloud {
                certificate: Some(("rejected", rejected)),
                ..cloud
            },
            "refused: InvalidParameters: no\\n\\u{1b}[2J",
        ),
        (
            Cloud {
                thing: Some(("rejected", rejected)),
                ..cloud
            },
            "refused: InvalidParameters: no\\n\\u{1b}[2J",
        ),
        (
            Cloud {
                thing: Some(("rejected", b"?")),
                ..cloud
            },
            "refused",
        ),
        (
            Cloud {
                certificate: Some(("accepted", &[0xA0])),
                ..cloud
            },
            "the cloud's certificate is malformed",
        ),
        (
            Cloud {
                thing: Some(("accepted", &[0xA0])),
                ..cloud
            },
            "the template names no thing",
        ),
        (
            Cloud {
                thing: Some(("accepted", b"\xA1\x69thingName\x63a/b")),
                ..cloud
            },
            "the template names no thing",
        ),
        (
            Cloud {
                thing: Some(("accepted", b"\xA1\x69thingName\x6Fdummy_thingname")),
                ..cloud
            },
            "the template's thing name is a placeholder: dummy_thingname",
        ),
        (
            Cloud {
                suback: 0x87,
                ..cloud
            },
            "the claim's policy: its answers may not be subscribed to (not authorized)",
        ),
        (
            Cloud {
                puback: 0x87,
                ..cloud
            },
            "the claim's policy: a certificate may not be asked for (not authorized)",
        ),
        (
            Cloud {
                mute: true,
                ..cloud
            },
            "certificate for the claim timed out",
        ),
    ];
    for (cloud, wanted) in table {
        assert_eq!(refused(cloud), wanted);
    }
}

/// In every way of provisioning: a claim's names and, of a device with its key or without one, its
/// own. The device says which name it is, and does not connect.
#[test]
fn placeholders_are_refused_by_name() {
    let claimed = |uid, text: &str| {
        let world = world();
        world.ps.borrow_mut().insert(uid, text.into());
        Claim::load(&world).unwrap_err().to_string()
    };
    let own = |uid, text: &str, certificate: bool| {
        let world = world();
        let mut ps = world.ps.borrow_mut();
        ps.insert(UID_THING, b"lamp-7".to_vec());
        ps.insert(uid, text.into());
        if certificate {
            ps.insert(config::UID_CERTIFICATE, vec![0x30, 0]);
        }
        drop(ps);
        Config::load(&world).unwrap_err().to_string()
    };
    let dummy = "dummy.endpointid.amazonaws.com:8883";
    let endpoint = format!("endpoint (PS 8) is a placeholder: `{dummy}`");
    let thing = "thing name (PS 9) is a placeholder: `dummy_thingname`";
    assert_eq!(claimed(config::UID_ENDPOINT, dummy), endpoint);
    assert_eq!(
        claimed(UID_TEMPLATE, "<template>"),
        "provisioning template (PS 12) is a placeholder: `<template>`"
    );
    assert_eq!(
        claimed(UID_SERIAL, "Dummy_thingname"),
        "serial number (PS 13) is a placeholder: `Dummy_thingname`"
    );
    for certificate in [false, true] {
        assert_eq!(own(UID_THING, "dummy_thingname", certificate), thing);
        assert_eq!(own(config::UID_ENDPOINT, dummy, certificate), endpoint);
    }
}

/// Each is the first thing that does not happen; what it leaves is a claim or an identity, never
/// less, and the next starts make an identity of it.
#[test]
fn power_may_go_at_every_change() {
    let mut cut = 0;
    loop {
        let world = world();
        world.power.set(cut);
        let mut starts = 0;
        let config = loop {
            starts += 1;
            assert!(starts < 4, "cut {cut} is not survived");
            let whole = world.power.get() > 100;
            match boot_or_dark(&world) {
                Some(Ok(config)) if whole => break config,
                Some(Err(claim)) => {
                    let end = connection(&world, claim, Cloud::default());
                    assert!(end.is_ok() || world.power.get() == 0, "{end:?}");
                }
                _ => {}
            }
            world.power.set(u32::MAX);
        };
        assert_eq!(config.thing, "lamp-7");
        assert_dropped(&world);
        if world.changes.get() <= cut {
            // Key, name, certificate; key, certificate, serial number and template of the claim.
            assert_eq!(world.changes.get(), 7);
            break;
        }
        cut += 1;
    }
}

fn boot_or_dark(world: &World) -> Option<Result<Config, Claim>> {
    (world.power.get() > 0).then(|| boot(world))
}

#[test]
fn any_answer_is_survived() {
    let mut x = 0x0123_4567_89AB_CDEF_u64;
    let mut base = object(
        &[("certificatePem", "-"), ("certificateOwnershipToken", "t")],
        Some(("parameters", &[("a", "b")])),
    );
    base.extend([0xBF, 0x61, b'a', 0x9F, 0xFF, 0xFF]);
    for _ in 0..100_000 {
        let mut bytes = base.clone();
        for _ in 0..3 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let at = (x % bytes.len() as u64) as usize;
            bytes[at] = (x >> 40) as u8;
            bytes.truncate(1 + (x >> 8) as usize % base.len());
        }
        let _ = fields(&bytes, ["certificatePem", "certificateOwnershipToken"]);
        let _ = rejection(&bytes);
    }
}

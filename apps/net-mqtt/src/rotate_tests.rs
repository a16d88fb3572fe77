//! A change of certificate against a cloud that the test plays over the real crypto service: what is
//! stored when, each refusal, and the power gone at every change of the storage.
//!
//! The packets are `exchange.rs`'s and the broker's (`tests/life.rs`, the case `rotate` on the device);
//! here are the record, the starts and the token.

use super::*;
use crate::identity::Refused;
use crate::rotation::{keep, parse};
use crate::world::World;

const OLD: &[u8] = &[0x30, 3, 2, 1, 5];

/// A device with key and certificate.
fn world() -> World {
    let own = [
        (config::UID_THING, &b"lamp-7"[..]),
        (config::UID_CERTIFICATE, OLD),
    ];
    World::with(config::DEVICE_KEY, &own)
}

fn command(world: &World, id: &str) -> Result<(), Status> {
    let mut record = Record::read(world)?;
    record.state = State::Requested;
    record.id = id.into();
    record.template = "rotate".into();
    record.write(world)
}

/// What the turns over a connection do with the cloud's good answers: key, request, certificate
/// (the request in a SEQUENCE: it has the key in it, which is what the token looks for), record.
fn asked(world: &World) -> Result<Vec<u8>, String> {
    let token = Token::open(world).map_err(|code| code.to_string());
    let request = token?.request(&NEXT, "lamp-7");
    let request = request.map_err(|code| code.to_string())?;
    let [high, low] = (request.len() as u16).to_be_bytes();
    let certificate = [&[0x30, 0x82, high, low], &request[..]].concat();
    keep(world, &certificate)?;
    let mut record = Record::read(world).map_err(|s| s.to_string())?;
    record.state = State::Trying(TRIES);
    record.write(world).map_err(|s| s.to_string())?;
    Ok(certificate)
}

/// The identity that a start connects with: it has to be whole. `None`: the power went.
fn boot(world: &World) -> Option<Config> {
    let started = start(world);
    if world.power.get() == 0 {
        return None;
    }
    match started.unwrap() {
        Start::Device => Some(Config::load(world).unwrap()),
        Start::Next => Some(Config::next(world).unwrap()),
    }
}

use crate::config::Config;

fn certificate(config: &Config) -> &[u8] {
    config.certificates[0].as_ref()
}

/// Whether a signature can be made with the identity's key.
fn signs(world: &World, config: &Config) -> bool {
    let mut token = Token::open(world).unwrap();
    let ecdsa = pkcs11::types::Mechanism::plain(pkcs11::types::CKM_ECDSA);
    token.sign(config.key, ecdsa, &[7; 32]).is_ok()
}

fn left(world: &World) -> (bool, bool) {
    let mut token = Token::open(world).unwrap();
    let mut find = |label| token.find(label).unwrap().is_some();
    (find(NEXT.private), find(NEXT.certificate))
}

#[test]
fn a_change_ends_with_one_identity_the_new_one() {
    let world = world();
    assert_eq!(certificate(&boot(&world).unwrap()), OLD);
    assert_eq!(
        world.changes.get(),
        0,
        "a device that never changed writes nothing"
    );
    // Twice: there and back.
    let mut before = OLD.to_vec();
    for (n, key) in [(1, config::SECOND_KEY), (2, config::DEVICE_KEY)] {
        command(&world, &format!("execution-{n}")).unwrap();
        let new = asked(&world).unwrap();
        let trial = boot(&world).unwrap();
        assert!(trial.trial && certificate(&trial) == new && signs(&world, &trial));
        assert_eq!(key_id(&world, true), key);
        // The old one stands until the broker has said yes.
        assert_eq!(certificate(&Config::load(&world).unwrap()), before);
        accepted(&world).unwrap();
        let device = boot(&world).unwrap();
        assert!(!device.trial && certificate(&device) == new && signs(&world, &device));
        assert_eq!(key_id(&world, false), key);
        assert_eq!(left(&world), (false, false));
        assert_eq!(Record::read(&world).unwrap().state, State::Changed);
        before = new;
    }
}

#[test]
fn a_new_identity_that_does_not_connect_is_given_up() {
    for refused in [false, true] {
        let world = world();
        command(&world, "execution").unwrap();
        asked(&world).unwrap();
        for _ in 0..TRIES {
            assert!(boot(&world).unwrap().trial);
            if refused {
                give_up(&world, Reason::Refused).unwrap();
                break;
            }
        }
        let device = boot(&world).unwrap();
        assert!(!device.trial && certificate(&device) == OLD && signs(&world, &device));
        assert_eq!(left(&world), (false, false));
        let reason = match refused {
            true => Reason::Refused,
            false => Reason::NotConnected,
        };
        assert_eq!(Record::read(&world).unwrap().state, State::Failed(reason));
        // The next one may be better.
        command(&world, "again").unwrap();
        let new = asked(&world).unwrap();
        assert_eq!(certificate(&boot(&world).unwrap()), new);
    }
}

#[test]
fn another_keys_certificate_is_not_kept() {
    let world = world();
    command(&world, "execution").unwrap();
    let mut token = Token::open(&world).unwrap();
    token.request(&NEXT, "lamp-7").unwrap();
    assert_eq!(token.accept(&NEXT, OLD), Err(Refused::OtherKey));
    assert!(keep(&world, OLD).is_err());
    assert_eq!(left(&world), (true, false));
}

/// Each is the first change that does not happen. Whatever it leaves, the next start has an
/// identity that is whole, and the change can be made.
#[test]
fn power_may_go_at_every_change() {
    let mut cut = 0;
    loop {
        let world = world();
        world.power.set(cut);
        let mut starts = 0;
        let mut commands = 0;
        let new = loop {
            starts += 1;
            assert!(starts < 9, "cut {cut} is not survived");
            if let Some(config) = boot(&world) {
                assert!(signs(&world, &config) || world.power.get() == 0);
                let record = Record::read(&world);
                if config.trial {
                    let _ = accepted(&world);
                } else if let Ok(record) = record {
                    match record.state {
                        State::Changed => {
                            // Answered.
                            let mut done = record;
                            done.state = State::Idle;
                            done.template.clear();
                            if done.write(&world).is_ok() {
                                break certificate(&config).to_vec();
                            }
                        }
                        State::Requested => drop(asked(&world)),
                        State::Idle => {
                            commands += 1;
                            let _ = command(&world, &format!("execution-{commands}"));
                        }
                        other => panic!("{other:?} after cut {cut}"),
                    }
                }
            }
            if world.power.get() == 0 {
                world.power.set(u32::MAX);
            }
        };
        world.power.set(u32::MAX);
        assert_ne!(new, OLD);
        let device = boot(&world).unwrap();
        assert!(!device.trial && certificate(&device) == new && signs(&world, &device));
        assert_eq!(left(&world), (false, false));
        if world.changes.get() <= cut {
            // Command; key, certificate, record; trial; accepted; key and certificate of the old
            // one; answered.
            assert_eq!(world.changes.get(), 9);
            break;
        }
        cut += 1;
    }
}

#[test]
fn records_round_trip_and_any_bytes_are_survived() {
    let mut records = vec![Record::idle(false), Record::idle(true)];
    for state in [
        State::Requested,
        State::Trying(0),
        State::Trying(TRIES),
        State::Changed,
        State::Failed(Reason::Token),
    ] {
        records.push(Record {
            second: true,
            state,
            id: "0a1b-2c".into(),
            template: "rotate".into(),
        });
    }
    let mut x = 0x0123_4567_89AB_CDEF_u64;
    for record in records {
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes).as_ref(), Some(&record));
        for _ in 0..20_000 {
            let mut bad = bytes.clone();
            for _ in 0..2 {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                let at = (x % bad.len() as u64) as usize;
                bad[at] = (x >> 40) as u8;
                bad.truncate(1 + (x >> 8) as usize % bytes.len());
            }
            if let Some(record) = Record::decode(&bad) {
                assert_eq!(record.encode(), bad);
            }
        }
    }
    // One that makes no sense is said, and the first place counts.
    let world = world();
    world.ps.borrow_mut().insert(SLOT_UID, vec![0, 77, 0, 0]);
    assert_eq!(start(&world), Err(Status::DATA_CORRUPT));
    assert_eq!(certificate(&Config::load(&world).unwrap()), OLD);
}

#[test]
fn commands_are_read_or_refused() {
    let good = r#" {"operation": "rotate-certificate", "template":"fleet-rotate"} "#;
    assert_eq!(parse(good.as_bytes()), Some("fleet-rotate"));
    let swapped = r#"{"template":"a","operation":"rotate-certificate"}"#;
    assert_eq!(parse(swapped.as_bytes()), Some("a"));
    for bad in [
        "",
        "{}",
        r#"{"operation":"rotate-certificate"}"#,
        r#"{"template":"a"}"#,
        r#"{"operation":"reboot","template":"a"}"#,
        r#"{"operation":"rotate-certificate","template":"a","template":"b"}"#,
        r#"{"operation":"rotate-certificate","template":"a","more":"b"}"#,
        r#"{"operation":"rotate-certificate","template":"a/b"}"#,
        r#"{"operation":"rotate-certificate","template":""}"#,
        r#"{"operation":"rotate-certificate","template":"placeholder"}"#,
        r#"{"operation":"rotate-certificate","template":7}"#,
        r#"{"operation":"rotate-certificate","template":"a\"b"}"#,
        r#"{"operation":"rotate-certificate","template":"a"}x"#,
        r#"["operation","rotate-certificate"]"#,
    ] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(parse(&[0xFF; 9]), None);
    let mut x = 5u64;
    for _ in 0..50_000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..3 {
            x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let at = (x >> 33) as usize % bytes.len();
            bytes[at] = b"{}\":, a"[(x >> 20) as usize % 7];
        }
        let _ = parse(&bytes);
    }
}

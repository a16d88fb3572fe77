//! The service against independent readers: coset for COSE, ciborium for CBOR, RustCrypto's
//! p256 for the signature; and every refusal.

use crate::{AttestationService, Constants, Device};
use boot_data::{AREA_SIZE, BootData, BootDataWriter};
use coset::cbor::value::Value;
use coset::{CborSerializable, CoseSign1, TaggedCborSerializable};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use provisioning::Lifecycle;
use spe_crypto::primitives::hash::HashAlg;
use spm::{Call, ClientId, Input, Output, Service};
use std::cell::Cell;
use symmetric::sha256::Sha256;

/// TF-M's dummy attestation key (`reference/tfm.md` §F.1) and what follows from it.
const IAK: [u8; 32] = [
    0xa9, 0xb4, 0x54, 0xb2, 0x6d, 0x6f, 0x90, 0xa4, 0xea, 0x31, 0x19, 0x35, 0x64, 0xcb, 0xa9, 0x1f,
    0xec, 0x6f, 0x9a, 0x00, 0x2a, 0x7d, 0xc0, 0x50, 0x4b, 0x92, 0xa1, 0x93, 0x71, 0x34, 0x58, 0x5f,
];
const INSTANCE_ID: &str = "01078c18f110f432ff780cd8dae58069a2a0d82277cbc66450c8581dd47d96a22e";

struct Board {
    lifecycle: Option<Lifecycle>,
    key: Option<[u8; 32]>,
    signed: Cell<u32>,
}

impl Device for &Board {
    fn lifecycle(&self) -> Option<Lifecycle> {
        self.lifecycle
    }
    fn public_key(&self) -> Option<[u8; 65]> {
        spe_crypto::primitives::p256::public_key(&self.key?)
    }
    fn sign(&self, digest: &[u8; 32]) -> Option<[u8; 64]> {
        self.signed.set(self.signed.get() + 1);
        spe_crypto::primitives::p256::sign(HashAlg::Sha256, &self.key?, digest, &[])
    }
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        parts.iter().for_each(|p| hash.update(p));
        hash.finish()
    }
}

fn board() -> Board {
    Board {
        lifecycle: Some(Lifecycle::Provisioned),
        key: Some(IAK),
        signed: Cell::new(0),
    }
}

fn constants() -> Constants {
    Constants {
        implementation_id: [0xAA; 32],
        boot_seed: core::array::from_fn(|i| 0xA0 + i as u8),
        verification_service: None,
        certificate_reference: None,
    }
}

/// Two images, as the loader writes them.
fn area(components: u8) -> [u8; AREA_SIZE] {
    let mut area = [0; AREA_SIZE];
    let mut w = BootDataWriter::new(&mut area).unwrap();
    for image in 0..components {
        let mut record = vec![0xA5, 1, 0x64];
        record.extend(b"NSPE");
        record.extend([4, 0x65]);
        record.extend(b"1.2.3");
        record.extend([5, 0x58, 0x20]);
        record.extend([0x50 + image; 32]);
        record.extend([6, 0x66]);
        record.extend(b"SHA256");
        record.extend([2, 0x58, 0x20]);
        record.extend([0xD0 + image; 32]);
        w.boot_record(image, &record).unwrap();
        w.fwu_version(image, &[1, 2, 3, 0, 0, 0, 0, 0]).unwrap();
    }
    area
}

fn call(
    service: &mut impl Service,
    client: i32,
    call_type: i16,
    inputs: &[&[u8]],
    out: &mut [u8],
) -> (i32, usize) {
    let inputs: Vec<Input<'_>> = inputs.iter().map(|i| Input::own(i)).collect();
    let mut outputs = [Output::own(out)];
    let status = service.call(&mut Call {
        client: ClientId(client),
        call_type,
        inputs: &inputs,
        outputs: &mut outputs,
    });
    (status, outputs[0].written())
}

fn token(board: &Board, area: &[u8], constants: Constants, client: i32, nonce: &[u8]) -> Vec<u8> {
    let data = BootData::parse(area).unwrap();
    let mut s = AttestationService::new(board, constants, Some(data));
    let mut size = [0; 4];
    let asked = (nonce.len() as u32).to_le_bytes();
    assert_eq!(call(&mut s, client, 1002, &[&asked], &mut size), (0, 4));
    let mut out = [0; 592];
    let (status, n) = call(&mut s, client, 1001, &[nonce], &mut out);
    assert_eq!(status, 0);
    assert_eq!(
        n,
        u32::from_le_bytes(size) as usize,
        "the size is told exactly"
    );
    // Exactly that much room is enough, one byte less is not.
    assert_eq!(
        call(&mut s, client, 1001, &[nonce], &mut vec![0; n]),
        (0, n)
    );
    let mut short = vec![7; n - 1];
    assert_eq!(call(&mut s, client, 1001, &[nonce], &mut short), (-138, 0));
    assert!(short.iter().all(|b| *b == 7));
    out[..n].to_vec()
}

/// The claims in the order of the token, after every check of the envelope.
fn claims(token: &[u8]) -> Vec<(i64, Value)> {
    let sign1 = CoseSign1::from_tagged_slice(token).unwrap();
    assert_eq!(
        sign1.protected.header.alg,
        Some(coset::RegisteredLabelWithPrivate::Assigned(
            coset::iana::Algorithm::ES256
        ))
    );
    assert_eq!(sign1.protected.header.to_owned().to_vec().unwrap().len(), 3);
    assert!(sign1.unprotected.is_empty());
    let key = p256::SecretKey::from_slice(&IAK).unwrap();
    let key = VerifyingKey::from(key.public_key());
    sign1
        .verify_signature(&[], |signature, data| {
            key.verify(data, &Signature::from_slice(signature).unwrap())
        })
        .expect("the signature is the attestation key's");
    let Value::Map(map) = Value::from_slice(sign1.payload.as_deref().unwrap()).unwrap() else {
        panic!("the payload is no map");
    };
    map.into_iter()
        .map(|(k, v)| {
            let label = k.into_integer().unwrap();
            (i64::try_from(i128::from(label)).unwrap(), v)
        })
        .collect()
}

#[test]
fn a_token_says_what_the_reference_says() {
    for size in [32, 48, 64] {
        let nonce: Vec<u8> = (0..size).map(|i| i as u8 ^ 0x5A).collect();
        let board = board();
        let found = claims(&token(&board, &area(2), constants(), -3, &nonce));
        let labels: Vec<i64> = found.iter().map(|(l, _)| *l).collect();
        assert_eq!(
            labels,
            [
                -75008, -75004, -75009, -75003, -75001, -75002, -75006, -75000
            ]
        );
        let instance: Vec<u8> = (0..33)
            .map(|i| u8::from_str_radix(&INSTANCE_ID[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let component = |image: u8| {
            Value::Map(vec![
                (1.into(), Value::Text("NSPE".into())),
                (4.into(), Value::Text("1.2.3".into())),
                (5.into(), Value::Bytes(vec![0x50 + image; 32])),
                (6.into(), Value::Text("SHA256".into())),
                (2.into(), Value::Bytes(vec![0xD0 + image; 32])),
            ])
        };
        let values: Vec<Value> = found.into_iter().map(|(_, v)| v).collect();
        assert_eq!(
            values,
            [
                Value::Bytes(nonce),
                Value::Bytes((0xA0..=0xBF).collect()),
                Value::Bytes(instance),
                Value::Bytes(vec![0xAA; 32]),
                (-3).into(),
                0x3000.into(),
                Value::Array(vec![component(0), component(1)]),
                Value::Text("PSA_IOT_PROFILE_1".into()),
            ]
        );
    }
}

/// The envelope to the byte.
#[test]
fn head_and_tail_are_tfms() {
    let board = board();
    let token = token(&board, &area(2), constants(), -1, &[0; 32]);
    assert_eq!(token[..7], [0xD2, 0x84, 0x43, 0xA1, 0x01, 0x26, 0xA0]);
    let payload = usize::from(u16::from_be_bytes([token[8], token[9]]));
    assert_eq!(token[7], 0x59);
    assert_eq!(token[10..17], [0xA8, 0x3A, 0x00, 0x01, 0x24, 0xFF, 0x58]);
    assert_eq!(token[10 + payload..][..2], [0x58, 0x40]);
    assert_eq!(token.len(), 10 + payload + 66);
    // RFC 6979: the same claims give the same token.
    assert_eq!(
        token,
        super::tests::token(&board, &area(2), constants(), -1, &[0; 32])
    );
}

#[test]
fn optional_claims_come_last() {
    let board = board();
    let with = Constants {
        verification_service: Some("www.trustedfirmware.org"),
        certificate_reference: Some("0604565272829-10010"),
        ..constants()
    };
    // With both and the longest nonce, TF-M's own maximum is enough.
    let found = claims(&token(&board, &area(1), with, -1, &[1; 64]));
    assert_eq!(found.len(), 10);
    assert_eq!(
        found[8..],
        [
            (-75010, Value::Text("www.trustedfirmware.org".into())),
            (-75005, Value::Text("0604565272829-10010".into()))
        ]
    );
}

#[test]
fn no_component_is_said_and_too_many_are_refused() {
    let board = board();
    let found = claims(&token(&board, &area(0), constants(), -1, &[1; 32]));
    assert_eq!(found[6], (-75007, 1.into()));
    let area = area(4);
    let data = BootData::parse(&area).unwrap();
    let mut s = AttestationService::new(&board, constants(), Some(data));
    let signed = board.signed.get();
    assert_eq!(
        call(&mut s, -1, 1001, &[&[1; 32]], &mut [0; 2000]),
        (-138, 0)
    );
    assert_eq!(board.signed.get(), signed);
}

#[test]
fn each_life_cycle_has_its_value() {
    for (lifecycle, value) in [
        (None, 0),
        (Some(Lifecycle::Blank), 0x1000),
        (Some(Lifecycle::Assembly), 0x1000),
        (Some(Lifecycle::Fused), 0x2000),
        (Some(Lifecycle::Provisioned), 0x3000),
    ] {
        let board = Board {
            lifecycle,
            ..board()
        };
        let found = claims(&token(&board, &area(2), constants(), -1, &[1; 32]));
        assert_eq!(found[5], (-75002, value.into()));
    }
}

#[test]
fn bad_calls_are_refused_by_name() {
    let board = board();
    let area = area(2);
    let data = BootData::parse(&area).ok();
    let mut s = AttestationService::new(&board, constants(), data);
    let mut out = [9; 592];
    for size in [0, 1, 31, 33, 47, 49, 63, 65, 592] {
        let nonce = vec![1; size];
        assert_eq!(call(&mut s, -1, 1001, &[&nonce], &mut out), (-135, 0));
        let asked = (size as u32).to_le_bytes();
        assert_eq!(call(&mut s, -1, 1002, &[&asked], &mut [0; 4]), (-135, 0));
    }
    let huge = u32::MAX.to_le_bytes();
    assert_eq!(call(&mut s, -1, 1002, &[&huge], &mut [0; 4]), (-135, 0));
    assert_eq!(call(&mut s, -1, 1001, &[], &mut out), (-135, 0));
    assert_eq!(call(&mut s, -1, 1001, &[&[1; 32]], &mut []), (-135, 0));
    for room in [1, 31, 32, 300] {
        let (status, n) = call(&mut s, -1, 1001, &[&[1; 32]], &mut out[..room]);
        assert_eq!((status, n), (-138, 0));
    }
    for (asked, room) in [(&[32, 0, 0][..], 4), (&[32, 0, 0, 0, 0], 4), (&[], 4)] {
        assert_eq!(
            call(&mut s, -1, 1002, &[asked], &mut out[..room]),
            (-135, 0)
        );
    }
    for room in [0, 3, 5, 8] {
        let asked = 32u32.to_le_bytes();
        assert_eq!(
            call(&mut s, -1, 1002, &[&asked], &mut out[..room]),
            (-135, 0)
        );
    }
    for t in [0, 99, 1000, 1003, -1, i16::MAX] {
        assert_eq!(call(&mut s, -1, t, &[&[1; 32]], &mut out), (-134, 0));
    }
    assert_eq!(out, [9; 592]);
    assert_eq!(board.signed.get(), 0);
}

#[test]
fn what_is_missing_gives_no_token() {
    let mut out = [9; 592];
    let whole = board();
    let mut s = AttestationService::new(&whole, constants(), None);
    assert_eq!(call(&mut s, -1, 1001, &[&[1; 32]], &mut out), (-132, 0));
    let keyless = Board {
        key: None,
        ..board()
    };
    let area = area(2);
    let data = BootData::parse(&area).ok();
    let mut s = AttestationService::new(&keyless, constants(), data);
    assert_eq!(call(&mut s, -1, 1001, &[&[1; 32]], &mut out), (-132, 0));
    assert_eq!(out, [9; 592]);
}

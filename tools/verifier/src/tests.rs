//! Tokens of the real service: good ones are believed, and no change of one is.

use super::*;
use boot_data::{AREA_SIZE, BootData, BootDataWriter};
use coset::{CoseSign1Builder, HeaderBuilder};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer;
use provisioning::Lifecycle;
use spe_attestation::{AttestationService, Constants, Device};
use spe_crypto::primitives::{hash::HashAlg, p256 as curve};
use spm::{Call, ClientId, Input, Output, Service};

const KEY: [u8; 32] = [0x42; 32];
const NONCE: [u8; 32] = [9; 32];

struct Board;
impl Device for Board {
    fn lifecycle(&self) -> Option<Lifecycle> {
        Some(Lifecycle::Provisioned)
    }
    fn public_key(&self) -> Option<[u8; 65]> {
        curve::public_key(&KEY)
    }
    fn sign(&self, digest: &[u8; 32]) -> Option<[u8; 64]> {
        curve::sign(HashAlg::Sha256, &KEY, digest, &[])
    }
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        Sha256::digest(parts.concat()).into()
    }
}

fn public() -> [u8; 65] {
    curve::public_key(&KEY).unwrap()
}

fn token() -> Vec<u8> {
    let mut area = [0; AREA_SIZE];
    let mut w = BootDataWriter::new(&mut area).unwrap();
    // {1: "SPE", 2: 32 bytes}
    let mut record = b"\xA2\x01\x63SPE\x02\x58\x20".to_vec();
    record.extend([0xDD; 32]);
    w.boot_record(0, &record).unwrap();
    let constants = Constants {
        implementation_id: [0xAA; 32],
        boot_seed: [0xBB; 32],
        verification_service: None,
        certificate_reference: None,
    };
    let mut service = AttestationService::new(Board, constants, BootData::parse(&area).ok());
    let mut bytes = [0; 592];
    let mut outputs = [Output::own(&mut bytes)];
    let status = service.call(&mut Call {
        client: ClientId(-2),
        call_type: 1001,
        inputs: &[Input::own(&NONCE)],
        outputs: &mut outputs,
    });
    assert_eq!(status, 0);
    let n = outputs[0].written();
    bytes[..n].to_vec()
}

#[test]
fn a_good_token_is_believed_and_told() {
    let claims = verify(&token(), &NONCE, &public()).unwrap();
    assert_eq!((claims.client, claims.lifecycle), (-2, 0x3000));
    assert_eq!(claims.components.len(), 1);
    assert_eq!(claims.components[0].measurement, [0xDD; 32]);
    let text = claims.to_string();
    assert!(text.contains("life cycle         0x3000 secured"), "{text}");
    assert!(text.contains("component          SPE - - dddd"), "{text}");
}

#[test]
fn any_changed_or_missing_byte_is_noticed() {
    let token = token();
    for at in 0..token.len() {
        let mut bad = token.clone();
        bad[at] ^= 1;
        assert!(verify(&bad, &NONCE, &public()).is_err(), "byte {at}");
        assert!(verify(&token[..at], &NONCE, &public()).is_err());
    }
    let mut longer = token.clone();
    longer.push(0);
    assert_eq!(verify(&longer, &NONCE, &public()), Err(Refused::Envelope));
}

#[test]
fn another_challenge_key_or_device_is_named() {
    let token = token();
    assert_eq!(verify(&token, &[8; 32], &public()), Err(Refused::Nonce));
    let other = curve::public_key(&[7; 32]).unwrap();
    assert_eq!(verify(&token, &NONCE, &other), Err(Refused::Signature));
    assert_eq!(verify(&token, &NONCE, &[4; 65]), Err(Refused::Key));
    assert_eq!(verify(&[], &NONCE, &public()), Err(Refused::Envelope));
}

/// What a device with the key could sign, if it were wrong.
fn signed(algorithm: Algorithm, change: impl FnOnce(&mut Vec<(Value, Value)>)) -> Vec<u8> {
    let good = CoseSign1::from_tagged_slice(&token()).unwrap();
    let Value::Map(mut map) = Value::from_slice(&good.payload.unwrap()).unwrap() else {
        panic!("the payload is a map");
    };
    change(&mut map);
    let key = SigningKey::from_slice(&KEY).unwrap();
    CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(algorithm).build())
        .payload(Value::Map(map).to_vec().unwrap())
        .create_signature(&[], |data| {
            let signature: Signature = key.sign(data);
            signature.to_bytes().to_vec()
        })
        .build()
        .to_tagged_vec()
        .unwrap()
}

#[test]
fn a_signed_token_must_still_say_what_it_should() {
    let check = |token: Vec<u8>| verify(&token, &NONCE, &public()).map(|_| ());
    assert_eq!(check(signed(Algorithm::ES256, |_| ())), Ok(()));
    assert_eq!(
        check(signed(Algorithm::ES384, |_| ())),
        Err(Refused::Algorithm)
    );
    for at in 0..7 {
        let mut label = 0;
        let token = signed(Algorithm::ES256, |map| {
            let (key, _) = map.remove(at);
            label = i128::from(key.into_integer().unwrap()) as i64;
        });
        assert_eq!(check(token), Err(Refused::Claim(label)));
        let token = signed(Algorithm::ES256, |map| map[at].1 = Value::Null);
        assert_eq!(check(token), Err(Refused::Claim(label)));
    }
    let twice = signed(Algorithm::ES256, |map| map.push(map[4].clone()));
    assert_eq!(check(twice), Err(Refused::Payload));
    let stranger = signed(Algorithm::ES256, |map| map[2].1 = Value::Bytes(vec![1; 33]));
    assert_eq!(check(stranger), Err(Refused::Instance));
    let unmeasured = signed(Algorithm::ES256, |map| {
        map[6].1 = Value::Array(vec![Value::Map(vec![])]);
    });
    assert_eq!(check(unmeasured), Err(Refused::Component));
}

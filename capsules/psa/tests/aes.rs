//! The kernel's cipher on a fake secure world: which calls it makes, and that it leaves nothing.

mod fake_gate;

use capsules_psa::PsaAes;
use fake_gate::{CIPHER, FakeGate, TAG};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::symmetric_encryption::{
    AES, AES128, AES256, AESCBC, AESCCM, AESCtr, AESECB, AESGCM, CCMClient, Client, GCMClient,
};
use psa_interface::crypto::function as f;
use psa_interface::{Algorithm, CryptoIovec};
use std::cell::RefCell;
use tfm_psa_driver::Spe;

type Aes = PsaAes<'static, FakeGate>;

fn leak<T>(t: T) -> &'static mut T {
    Box::leak(Box::new(t))
}

/// Whose, the buffer, the result, whether the tag is right.
type Message = (&'static str, Vec<u8>, Result<(), ErrorCode>, bool);

#[derive(Default)]
struct Told {
    pieces: RefCell<Vec<Vec<u8>>>,
    messages: RefCell<Vec<Message>>,
}

impl Client<'static> for Told {
    fn crypt_done(&self, source: Option<&'static mut [u8]>, dest: &'static mut [u8]) {
        assert!(source.is_none());
        self.pieces.borrow_mut().push(dest.to_vec());
    }
}
impl CCMClient for Told {
    fn crypt_done(&self, buf: &'static mut [u8], res: Result<(), ErrorCode>, valid: bool) {
        let told = ("ccm", buf.to_vec(), res, valid);
        self.messages.borrow_mut().push(told);
    }
}
impl GCMClient for Told {
    fn crypt_done(&self, buf: &'static mut [u8], res: Result<(), ErrorCode>, valid: bool) {
        let told = ("gcm", buf.to_vec(), res, valid);
        self.messages.borrow_mut().push(told);
    }
}

fn board() -> (&'static Spe<FakeGate>, &'static Aes, &'static Told) {
    let spe: &Spe<FakeGate> = leak(Spe::new(FakeGate::default()));
    let aes: &Aes = leak(PsaAes::new(spe, leak([0; 64])));
    aes.register();
    let told: &Told = leak(Told::default());
    AES::<AES128>::set_client(aes, told);
    AESCCM::<AES128>::set_client(aes, told);
    AESGCM::<AES128>::set_client(aes, told);
    (spe, aes, told)
}

fn run() {
    while DeferredCall::service_next_pending().is_some() {}
}

/// Functions called since, and the keys and operations that live.
fn calls(spe: &Spe<FakeGate>) -> (Vec<u16>, usize) {
    let seen = spe.gate().seen.take();
    assert!(
        seen.iter().all(|call| call.client == -1),
        "the kernel's own"
    );
    let ids = seen.iter().map(|call| call.function_id).collect();
    (ids, spe.gate().live.borrow().len())
}

fn crypt(aes: &'static Aes, n: usize) -> Result<(), ErrorCode> {
    match AES::<AES128>::crypt(aes, None, leak([1; 48]), 0, n) {
        None => Ok(()),
        Some((result, _, buffer)) => {
            assert_eq!(buffer.len(), 48);
            assert!(result.is_err());
            result
        }
    }
}

#[test]
fn a_stream_is_one_operation() {
    let (spe, aes, told) = board();
    assert_eq!(AES::<AES128>::set_key(aes, &[7; 16]), Err(ErrorCode::OFF));
    aes.set_mode_aesctr(true).unwrap();
    for bad in [15, 17, 32] {
        let refused = AES::<AES128>::set_key(aes, &vec![7; bad]);
        assert_eq!(refused, Err(ErrorCode::INVAL));
    }
    assert_eq!(AES::<AES128>::set_iv(aes, &[7; 12]), Err(ErrorCode::INVAL));
    AES::<AES128>::set_key(aes, &[7; 16]).unwrap();
    AES::<AES128>::set_iv(aes, &[9; 16]).unwrap();
    AES::<AES128>::start_message(aes);
    calls(spe);
    crypt(aes, 40).unwrap();
    assert_eq!(crypt(aes, 8), Err(ErrorCode::BUSY));
    let busy = aes.set_mode_aesecb(true);
    assert_eq!(busy, Err(ErrorCode::BUSY));
    assert_eq!(told.pieces.borrow().len(), 0, "never from inside a call");
    run();
    let piece = told.pieces.take().remove(0);
    assert_eq!(piece[..40], [1 ^ CIPHER; 40]);
    assert_eq!(piece[40..], [1; 8]);
    crypt(aes, 8).unwrap();
    run();
    let (ids, live) = calls(spe);
    let expected = [
        f::CIPHER_ENCRYPT_SETUP,
        f::CIPHER_SET_IV,
        f::CIPHER_UPDATE,
        f::CIPHER_UPDATE,
    ];
    assert_eq!((ids, live), (expected.to_vec(), 2));
    AES::<AES128>::disable(aes);
    let (ids, live) = calls(spe);
    assert_eq!((ids, live), (vec![f::CIPHER_ABORT, f::DESTROY_KEY], 0));
    assert_eq!(crypt(aes, 8), Err(ErrorCode::OFF));
}

#[test]
fn modes_and_keys_take_each_other_s_place() {
    let (spe, aes, _) = board();
    aes.set_mode_aesecb(false).unwrap();
    AES::<AES256>::set_key(aes, &[7; 32]).unwrap();
    crypt(aes, 32).unwrap();
    run();
    let (ids, live) = calls(spe);
    let expected = [f::IMPORT_KEY, f::CIPHER_DECRYPT_SETUP, f::CIPHER_UPDATE];
    assert_eq!((ids, live), (expected.to_vec(), 2), "ECB has no IV");
    aes.set_mode_aescbc(true).unwrap();
    assert_eq!(calls(spe).1, 0);
    AES::<AES128>::set_key(aes, &[7; 16]).unwrap();
    AES::<AES128>::set_key(aes, &[8; 16]).unwrap();
    assert_eq!(calls(spe).1, 1);
    // Ranges that are none.
    for (source, start, stop) in [(None, 0, 49), (None, 20, 10), (Some(8), 0, 16)] {
        let source = source.map(|n: usize| vec![0; n].leak());
        let refused = AES::<AES128>::crypt(aes, source, leak([1; 48]), start, stop);
        assert_eq!(refused.unwrap().0, Err(ErrorCode::INVAL));
    }
}

#[test]
fn a_secure_world_that_fails_is_told_at_once() {
    let (spe, aes, told) = board();
    aes.set_mode_aesctr(true).unwrap();
    AES::<AES128>::set_key(aes, &[7; 16]).unwrap();
    spe.gate().failing_ciphers.set(true);
    assert_eq!(crypt(aes, 16), Err(ErrorCode::FAIL));
    run();
    assert_eq!(told.pieces.borrow().len(), 0);
    assert_eq!(calls(spe).1, 1, "the operation is gone, the key is not");
    spe.gate().failing_ciphers.set(false);
    crypt(aes, 16).unwrap();
    run();
    assert_eq!(told.pieces.borrow().len(), 1);
}

#[test]
fn messages_are_made_in_place_with_their_tags() {
    let (spe, aes, told) = board();
    for ccm in [true, false] {
        let crypt = |aes: &'static Aes, buffer: &'static mut [u8], encrypt, length| match ccm {
            true => AESCCM::<AES128>::crypt(aes, buffer, 1, 4, length, 8, true, encrypt),
            false => AESGCM::<AES128>::crypt(aes, buffer, 1, 4, length, 8, encrypt),
        };
        let refused = crypt(aes, leak([0; 32]), true, 10).unwrap_err();
        assert_eq!(refused.0, ErrorCode::OFF, "no key yet");
        if ccm {
            AESCCM::<AES128>::set_key(aes, &[7; 16]).unwrap();
            for bad in [6, 14] {
                let refused = AESCCM::<AES128>::set_nonce(aes, &vec![3; bad]);
                assert_eq!(refused, Err(ErrorCode::INVAL));
            }
            AESCCM::<AES128>::set_nonce(aes, &[3; 13]).unwrap();
        } else {
            AESGCM::<AES128>::set_key(aes, &[7; 16]).unwrap();
            for bad in [0, 13] {
                let refused = AESGCM::<AES128>::set_iv(aes, &vec![3; bad]);
                assert_eq!(refused, Err(ErrorCode::INVAL));
            }
            AESGCM::<AES128>::set_iv(aes, &[3; 12]).unwrap();
        }
        for length in [21, usize::MAX - 8] {
            let refused = crypt(aes, leak([0; 32]), true, length).unwrap_err();
            assert_eq!(refused.0, ErrorCode::SIZE);
        }
        spe.gate().seen.take();
        crypt(aes, leak([1; 32]), true, 10).unwrap();
        assert!(told.messages.borrow().is_empty());
        run();
        let (who, sealed, result, valid) = told.messages.take().remove(0);
        assert_eq!(
            (who, result, valid),
            (if ccm { "ccm" } else { "gcm" }, Ok(()), true)
        );
        assert_eq!(sealed[..4], [1; 4]);
        assert_eq!(sealed[4..14], [1 ^ CIPHER; 10]);
        assert_eq!(sealed[14..22], [TAG; 8]);
        assert_eq!(sealed[22..], [1; 10]);
        let seen = spe.gate().seen.take();
        let iovec = CryptoIovec::decode(seen[0].inputs[0][..].try_into().unwrap());
        let base = if ccm { Algorithm::CCM } else { Algorithm::GCM };
        assert_eq!(iovec.alg, base.with_tag_length(8).0);
        assert_eq!(iovec.nonce(), Some(&[3; 13][..if ccm { 13 } else { 12 }]));
        assert_eq!(seen[0].inputs[1..], [vec![1; 10], vec![1; 3]]);
        // And back; then with another tag.
        let mut forged = sealed.clone();
        forged[20] ^= 1;
        crypt(aes, sealed.leak(), false, 10).unwrap();
        run();
        let (_, open, result, valid) = told.messages.take().remove(0);
        assert_eq!((&open[..14], result, valid), (&[1; 14][..], Ok(()), true));
        crypt(aes, forged.leak(), false, 10).unwrap();
        run();
        let (_, _, result, valid) = told.messages.take().remove(0);
        assert_eq!((result, valid), (Ok(()), false));
        AES::<AES128>::disable(aes);
        assert_eq!(calls(spe).1, 0);
    }
    let clear = AESCCM::<AES128>::crypt(aes, leak([0; 32]), 0, 0, 8, 8, false, true);
    assert_eq!(clear.unwrap_err().0, ErrorCode::NOSUPPORT);
}

#[test]
fn ccm_without_a_text_or_without_a_tag() {
    let (spe, aes, told) = board();
    AESCCM::<AES128>::set_key(aes, &[7; 16]).unwrap();
    AESCCM::<AES128>::set_nonce(aes, &[3; 7]).unwrap();
    // A tag over additional data alone needs no confidence.
    AESCCM::<AES128>::crypt(aes, leak([1; 32]), 0, 4, 0, 8, false, true).unwrap();
    run();
    let (_, sealed, result, valid) = told.messages.take().remove(0);
    assert_eq!((result, valid), (Ok(()), true));
    assert_eq!(sealed, [&[1; 4][..], &[TAG; 8], &[1; 20]].concat());
    // Without a tag a text is turned in place, and what follows it stays.
    for encrypting in [true, false] {
        spe.gate().seen.take();
        AESCCM::<AES128>::crypt(aes, leak([1; 32]), 0, 4, 10, 0, true, encrypting).unwrap();
        run();
        let (_, made, result, valid) = told.messages.take().remove(0);
        assert_eq!((result, valid), (Ok(()), true));
        assert_eq!(made, [&[1; 4][..], &[1 ^ CIPHER; 10], &[1; 18]].concat());
        let ids: Vec<_> = spe
            .gate()
            .seen
            .take()
            .iter()
            .map(|c| c.function_id)
            .collect();
        assert_eq!(ids, [f::AEAD_ENCRYPT]);
    }
}

#[test]
fn a_piece_may_be_longer_than_the_copy_and_is_not_begun_anew_under_way() {
    let (spe, aes, told) = board();
    aes.set_mode_aescbc(true).unwrap();
    AES::<AES128>::set_key(aes, &[7; 16]).unwrap();
    calls(spe);
    let refused = AES::<AES128>::crypt(aes, None, leak([1; 176]), 16, 160);
    assert!(refused.is_none());
    AES::<AES128>::start_message(aes);
    run();
    let made = told.pieces.take().remove(0);
    let expected = [&[1; 16][..], &[1 ^ CIPHER; 144], &[1; 16]].concat();
    assert_eq!(made, expected);
    let (ids, live) = calls(spe);
    let pieces = [f::CIPHER_UPDATE; 3];
    let begun = [f::CIPHER_ENCRYPT_SETUP, f::CIPHER_SET_IV];
    assert_eq!(
        (ids, live),
        ([&begun[..], &pieces].concat(), 2),
        "not aborted"
    );
}

//! The AES driver as processes see it, on the real kernel with a fake cipher.
//!
//! The fake adds to each byte the key's first byte and the byte's place in the message, so that
//! what it gives says key, IV and state; a tag is the sum of all it saw.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::symmetric_encryption::aes::AesDriver;
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::symmetric_encryption::{
    AES, AES128, AESCBC, AESCCM, AESCtr, AESECB, AESGCM, AESKeySize, CCMClient, Client, GCMClient,
    Refused,
};
use kernel::syscall::SyscallReturn::{Failure, Success};
use kernel::testing::TestKernel;
use kernel::utilities::cells::{MapCell, OptionalCell};
use std::cell::Cell;

const N: usize = 0x40006;
const KEY: usize = 0;
const IV: usize = 64;
const SOURCE: usize = 256;
const OUT: usize = 1024;
/// Longest message, and piece of a stream.
const BUFFER: usize = 64;
const PIECE: usize = 32;

enum Work {
    Piece(&'static mut [u8]),
    Message {
        ccm: bool,
        buffer: &'static mut [u8],
        result: Result<(), ErrorCode>,
        valid: bool,
    },
}

#[derive(Default)]
struct State {
    mode: Cell<u8>,
    encrypting: Cell<bool>,
    key: Cell<u8>,
    bits: Cell<usize>,
    iv: Cell<u8>,
    at: Cell<u8>,
    enabled: Cell<bool>,
    refuses: Cell<Option<ErrorCode>>,
    pieces: Cell<usize>,
}

struct Fake {
    state: State,
    client: OptionalCell<&'static dyn Client<'static>>,
    ccm: OptionalCell<&'static dyn CCMClient>,
    gcm: OptionalCell<&'static dyn GCMClient>,
    work: MapCell<Work>,
    deferred: DeferredCall,
}

impl Fake {
    fn set_mode(&self, mode: u8, encrypting: bool) -> Result<(), ErrorCode> {
        self.state.mode.set(mode);
        self.state.encrypting.set(encrypting);
        Ok(())
    }

    fn load_key(&self, length: usize, key: &[u8]) -> Result<(), ErrorCode> {
        if let Some(error) = self.state.refuses.get() {
            return Err(error);
        }
        assert_eq!(key.len(), length);
        self.state.key.set(key[0]);
        self.state.bits.set(8 * length);
        Ok(())
    }

    fn change(&self, bytes: &mut [u8], encrypting: bool) {
        for byte in bytes {
            let add = self.state.key.get() + self.state.at.get();
            self.state.at.set(self.state.at.get() + 1);
            *byte = match encrypting {
                true => byte.wrapping_add(add),
                false => byte.wrapping_sub(add),
            };
        }
    }

    fn message(
        &self,
        ccm: bool,
        buffer: &'static mut [u8],
        [ad, text, length, tag]: [usize; 4],
        encrypting: bool,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if text + length + tag > buffer.len() {
            return Err((ErrorCode::SIZE, buffer));
        }
        self.state.at.set(self.state.iv.get());
        let sum = |bytes: &[u8]| bytes.iter().fold(tag as u8, |a, b| a.wrapping_add(*b));
        let valid = if encrypting {
            self.change(&mut buffer[text..text + length], true);
            let tag_byte = sum(&buffer[ad..text + length]);
            buffer[text + length..][..tag].fill(tag_byte);
            true
        } else {
            let tag_byte = sum(&buffer[ad..text + length]);
            self.change(&mut buffer[text..text + length], false);
            buffer[text + length..][..tag]
                .iter()
                .all(|b| *b == tag_byte)
        };
        let result = match self.state.refuses.get() {
            Some(error) => Err(error),
            None => Ok(()),
        };
        self.work.put(Work::Message {
            ccm,
            buffer,
            result,
            valid,
        });
        self.deferred.set();
        Ok(())
    }
}

impl DeferredCallClient for Fake {
    fn handle_deferred_call(&self) {
        match self.work.take().unwrap() {
            Work::Piece(buffer) => self.client.get().unwrap().crypt_done(None, buffer),
            Work::Message {
                ccm: true,
                buffer,
                result,
                valid,
            } => self.ccm.get().unwrap().crypt_done(buffer, result, valid),
            Work::Message {
                buffer,
                result,
                valid,
                ..
            } => self.gcm.get().unwrap().crypt_done(buffer, result, valid),
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<K: AESKeySize> AES<'static, K> for Fake {
    fn enable(&self) {
        self.state.enabled.set(true);
    }
    fn disable(&self) {
        self.state.enabled.set(false);
        self.state.key.set(0);
    }
    fn set_client(&'static self, client: &'static dyn Client<'static>) {
        self.client.set(client);
    }
    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode> {
        self.load_key(K::LENGTH, key)
    }
    fn set_iv(&self, iv: &[u8]) -> Result<(), ErrorCode> {
        assert_eq!(iv.len(), 16);
        self.state.iv.set(iv[0]);
        Ok(())
    }
    fn start_message(&self) {
        let ecb = self.state.mode.get() == 2;
        self.state.at.set(if ecb { 0 } else { self.state.iv.get() });
    }
    fn crypt(
        &self,
        source: Option<&'static mut [u8]>,
        dest: &'static mut [u8],
        start: usize,
        stop: usize,
    ) -> Option<Refused> {
        assert!(source.is_none() && stop - start <= PIECE && self.state.enabled.get());
        if let Some(error) = self.state.refuses.get() {
            return Some((Err(error), source, dest));
        }
        self.state.pieces.set(self.state.pieces.get() + 1);
        self.change(&mut dest[start..stop], self.state.encrypting.get());
        self.work.put(Work::Piece(dest));
        self.deferred.set();
        None
    }
}

impl AESCtr for Fake {
    fn set_mode_aesctr(&self, encrypting: bool) -> Result<(), ErrorCode> {
        self.set_mode(0, encrypting)
    }
}
impl AESCBC for Fake {
    fn set_mode_aescbc(&self, encrypting: bool) -> Result<(), ErrorCode> {
        self.set_mode(1, encrypting)
    }
}
impl AESECB for Fake {
    fn set_mode_aesecb(&self, encrypting: bool) -> Result<(), ErrorCode> {
        self.set_mode(2, encrypting)
    }
}

impl<K: AESKeySize> AESCCM<'static, K> for Fake {
    fn set_client(&'static self, client: &'static dyn CCMClient) {
        self.ccm.set(client);
    }
    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode> {
        self.load_key(K::LENGTH, key)
    }
    fn set_nonce(&self, nonce: &[u8]) -> Result<(), ErrorCode> {
        assert_eq!(nonce.len(), 13);
        self.state.iv.set(nonce[0]);
        Ok(())
    }
    fn crypt(
        &self,
        buf: &'static mut [u8],
        a_off: usize,
        m_off: usize,
        m_len: usize,
        mic_len: usize,
        confidential: bool,
        encrypting: bool,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if !confidential {
            return Err((ErrorCode::NOSUPPORT, buf));
        }
        self.message(true, buf, [a_off, m_off, m_len, mic_len], encrypting)
    }
}

impl<K: AESKeySize> AESGCM<'static, K> for Fake {
    fn set_client(&'static self, client: &'static dyn GCMClient) {
        self.gcm.set(client);
    }
    fn set_key(&self, key: &[u8]) -> Result<(), ErrorCode> {
        self.load_key(K::LENGTH, key)
    }
    fn set_iv(&self, nonce: &[u8]) -> Result<(), ErrorCode> {
        assert_eq!(nonce.len(), 12);
        self.state.iv.set(nonce[0]);
        Ok(())
    }
    fn crypt(
        &self,
        buf: &'static mut [u8],
        aad_offset: usize,
        message_offset: usize,
        message_len: usize,
        tag_len: usize,
        encrypting: bool,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let parts = [aad_offset, message_offset, message_len, tag_len];
        self.message(false, buf, parts, encrypting)
    }
}

struct Board {
    kernel: TestKernel,
    memory: &'static Memory,
    fake: &'static Fake,
}

fn board() -> Board {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let fake: &'static Fake = leak(Fake {
        state: State::default(),
        client: OptionalCell::empty(),
        ccm: OptionalCell::empty(),
        gcm: OptionalCell::empty(),
        work: MapCell::empty(),
        deferred: DeferredCall::new(),
    });
    fake.register();
    let grant = kernel.kernel().create_grant(N, &kernel.memory_capability());
    let driver: &'static AesDriver<'static, Fake> =
        leak(AesDriver::new(fake, leak([0; BUFFER]), PIECE, grant));
    driver.register();
    AES::<AES128>::set_client(fake, driver);
    AESCCM::<AES128>::set_client(fake, driver);
    AESGCM::<AES128>::set_client(fake, driver);
    kernel.driver(N, driver);
    Board {
        kernel,
        memory,
        fake,
    }
}

/// A process with a key (first byte `key`), an IV (first byte 1), and 40 bytes of 0.
fn app<'a>(board: &'a Board, name: &str, key: u8) -> App<'a> {
    let app = App::new(&board.kernel, board.memory, name);
    app.put(KEY, &[key]);
    app.put(IV, &[1]);
    app.allow_ro(N, 0, KEY, 16);
    app.allow_ro(N, 1, IV, 16);
    app.allow_ro(N, 2, SOURCE, 40);
    app.allow_rw(N, 0, OUT, 40);
    app.subscribe(N, 0);
    app
}

/// What the fake makes of zeros.
fn made(key: u8, from: u8, n: usize) -> Vec<u8> {
    (0..n as u8).map(|i| key + from + i).collect()
}

#[test]
fn a_stream_goes_in_pieces_and_on_where_it_ended() {
    let board = board();
    let a = app(&board, "a", 10);
    assert_eq!(a.command(N, 0, 0, 0), Success);
    assert_eq!(a.command(N, 1, 0, 1), Success);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(a.get(OUT, 40), made(10, 1, 40));
    assert_eq!(board.fake.state.pieces.get(), 2);
    assert_eq!(board.fake.state.bits.get(), 128);
    // Without key and IV: they are loaded.
    a.allow_ro(N, 0, KEY, 0);
    a.allow_ro(N, 1, IV, 0);
    a.allow_ro(N, 2, SOURCE, 5);
    assert_eq!(a.command(N, 3, 0, 0), Success);
    assert_eq!(a.upcalls(), [(N, 0, [0, 5, 0])]);
    assert_eq!(a.get(OUT, 5), made(10, 41, 5));
    assert_eq!(a.command(N, 4, 0, 0), Success);
    assert!(!board.fake.state.enabled.get());
    assert_eq!(a.command(N, 4, 0, 0), Failure(ErrorCode::OFF));
    assert_eq!(a.command(N, 3, 0, 0), Failure(ErrorCode::OFF));
    // And back, with the longer key.
    a.allow_ro(N, 0, KEY, 32);
    a.allow_ro(N, 1, IV, 16);
    a.put(SOURCE, &made(10, 1, 40));
    a.allow_ro(N, 2, SOURCE, 40);
    assert_eq!(a.command(N, 1, 0, 0), Success);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(a.get(OUT, 40), [0; 40]);
    assert_eq!(board.fake.state.bits.get(), 256);
}

#[test]
fn as_much_as_fits_is_written() {
    let board = board();
    let a = app(&board, "a", 10);
    a.put(OUT, &[0xEE; 40]);
    a.allow_rw(N, 0, OUT, 35);
    assert_eq!(a.command(N, 1, 0, 1), Success);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(a.get(OUT, 35), made(10, 1, 35));
    assert_eq!(a.get(OUT + 35, 5), [0xEE; 5]);
    // No source is an empty one.
    a.allow_ro(N, 2, SOURCE, 0);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(N, 0, [0, 0, 0])]);
}

#[test]
fn what_a_set_up_wants() {
    let board = board();
    let a = app(&board, "a", 10);
    let refused = |error| {
        assert_eq!(a.command(N, 2, 0, 0), Failure(error));
        assert_eq!(a.command(N, 4, 0, 0), Failure(ErrorCode::OFF));
    };
    refused(ErrorCode::INVAL);
    for mode in [5, 6, usize::MAX] {
        assert_eq!(a.command(N, 1, mode, 1), Failure(ErrorCode::NOSUPPORT));
    }
    assert_eq!(a.command(N, 9, 0, 0), Failure(ErrorCode::NOSUPPORT));
    // Mode; bytes of key, IV, source; answer.
    let (inval, reserve) = (Some(ErrorCode::INVAL), Some(ErrorCode::RESERVE));
    for (mode, key, iv, source, expected) in [
        (0, 0, 16, 40, reserve),
        (0, 15, 16, 40, inval),
        (0, 24, 16, 40, inval),
        (0, 33, 16, 40, inval),
        (0, 16, 0, 40, reserve),
        (0, 16, 15, 40, inval),
        (0, 16, 20, 40, None),
        (1, 16, 16, 40, inval),
        (1, 16, 0, 32, reserve),
        (1, 16, 16, 32, None),
        (2, 16, 0, 40, inval),
        (2, 16, 0, 32, None),
        (3, 16, 12, 40, inval),
        (3, 16, 13, 40, None),
        (4, 16, 11, 40, inval),
        (4, 32, 12, 40, None),
        (4, 32, 12, 49, Some(ErrorCode::SIZE)),
    ] {
        assert_eq!(a.command(N, 1, mode, 1), Success);
        a.allow_ro(N, 0, KEY, key);
        a.allow_ro(N, 1, IV, iv);
        a.allow_ro(N, 2, SOURCE, source);
        match expected {
            Some(error) => refused(error),
            None => {
                assert_eq!(a.command(N, 2, 0, 0), Success, "{mode} {key} {iv} {source}");
                assert_eq!(a.upcalls().len(), 1);
                assert_eq!(a.command(N, 4, 0, 0), Success);
            }
        }
    }
}

#[test]
fn a_request_is_one_and_its_choices_stay() {
    let board = board();
    let a = app(&board, "a", 10);
    assert_eq!(a.command(N, 1, 0, 1), Success);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert_eq!(a.command(N, 2, 0, 0), Failure(ErrorCode::NOMEM));
    assert_eq!(a.command(N, 3, 0, 0), Failure(ErrorCode::NOMEM));
    assert_eq!(a.command(N, 4, 0, 0), Failure(ErrorCode::BUSY));
    assert_eq!(a.command(N, 1, 2, 1), Failure(ErrorCode::BUSY));
    assert_eq!(a.command(N, 7, 99, 0), Failure(ErrorCode::BUSY));
    assert_eq!(a.upcalls(), [(N, 0, [0, 40, 0])]);
    // A cipher that refuses gives itself back.
    board.fake.state.refuses.set(Some(ErrorCode::FAIL));
    assert_eq!(a.command(N, 3, 0, 0), Success);
    let fail = ErrorCode::FAIL as usize;
    assert_eq!(a.upcalls(), [(N, 0, [fail, 0, 0])]);
    assert_eq!(a.command(N, 4, 0, 0), Failure(ErrorCode::OFF));
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(N, 0, [fail, 0, 0])]);
    board.fake.state.refuses.set(None);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(N, 0, [0, 40, 0])]);
}

#[test]
fn processes_wait_for_each_other_s_finish() {
    let board = board();
    let apps = [("a", 10), ("b", 20), ("c", 30)].map(|(name, key)| app(&board, name, key));
    for app in &apps {
        assert_eq!(app.command(N, 1, 0, 1), Success);
        assert_eq!(app.command(N, 2, 0, 0), Success);
        assert_eq!(app.command(N, 2, 0, 0), Failure(ErrorCode::NOMEM));
    }
    assert_eq!(apps[0].upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(apps[1].upcalls(), []);
    assert_eq!(apps[1].command(N, 3, 0, 0), Failure(ErrorCode::OFF));
    // What b shares is looked at when its turn comes.
    apps[1].allow_ro(N, 0, KEY, 0);
    assert_eq!(apps[0].command(N, 4, 0, 0), Success);
    let reserve = ErrorCode::RESERVE as usize;
    assert_eq!(apps[1].upcalls(), [(N, 0, [reserve, 0, 0])]);
    assert_eq!(apps[2].upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(apps[2].get(OUT, 40), made(30, 1, 40));
}

#[test]
fn a_process_that_dies_gives_the_cipher_back() {
    let board = board();
    let a = app(&board, "a", 10);
    let b = app(&board, "b", 20);
    for app in [&a, &b] {
        assert_eq!(app.command(N, 1, 0, 1), Success);
        assert_eq!(app.command(N, 2, 0, 0), Success);
    }
    assert_eq!(a.upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(b.upcalls(), [], "a has the cipher");
    a.process.process().terminate(None);
    // Any command finds out.
    let c = app(&board, "c", 30);
    assert_eq!(c.command(N, 0, 0, 0), Success);
    assert_eq!(b.upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(b.get(OUT, 40), made(20, 1, 40));
    // In the middle of its request: the next is served at once.
    assert_eq!(c.command(N, 1, 0, 1), Success);
    assert_eq!(c.command(N, 2, 0, 0), Success);
    assert_eq!(b.command(N, 3, 0, 0), Success);
    b.process.process().terminate(None);
    assert_eq!(c.upcalls(), [(N, 0, [0, 40, 0])]);
    assert_eq!(c.get(OUT, 40), made(30, 1, 40));
}

#[test]
fn buffers_may_change_meanwhile() {
    let board = board();
    let a = app(&board, "a", 10);
    assert_eq!(a.command(N, 1, 0, 1), Success);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    a.allow_ro(N, 2, SOURCE, 3);
    a.allow_rw(N, 0, OUT, 0);
    assert_eq!(a.upcalls(), [(N, 0, [0, 3, 0])]);
    assert_eq!(a.get(OUT, 40), [0; 40]);
    assert_eq!(a.command(N, 4, 0, 0), Success);
    a.allow_ro(N, 2, SOURCE, 40);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    a.allow_ro(N, 0, KEY, 40);
    let inval = ErrorCode::INVAL as usize;
    assert_eq!(a.upcalls(), [(N, 0, [inval, 0, 0])]);
}

#[test]
fn a_message_is_sealed_and_opened_at_its_offsets() {
    let board = board();
    for (mode, nonce, tag) in [(3, 13, 8), (4, 12, 16)] {
        let a = app(&board, "a", 10);
        a.allow_ro(N, 1, IV, nonce);
        a.put(SOURCE, b"xxhead");
        a.put(SOURCE + 6, &[0; 10]);
        a.allow_ro(N, 2, SOURCE, 16);
        assert_eq!(a.command(N, 5, 2, 0), Success);
        assert_eq!(a.command(N, 6, 6, 0), Success);
        if mode == 3 {
            assert_eq!(a.command(N, 7, tag, 0), Success);
        }
        assert_eq!(a.command(N, 1, mode, 1), Success);
        assert_eq!(a.command(N, 2, 0, 0), Success);
        assert_eq!(a.upcalls(), [(N, 0, [0, 16 + tag, 1])]);
        let sealed = a.get(OUT, 16 + tag);
        assert_eq!(sealed[..6], *b"xxhead");
        assert_eq!(sealed[6..16], made(10, 1, 10)[..]);
        assert_eq!(a.command(N, 3, 0, 0), Failure(ErrorCode::NOSUPPORT));
        assert_eq!(a.command(N, 4, 0, 0), Success);

        a.put(SOURCE, &sealed);
        a.allow_ro(N, 2, SOURCE, 16 + tag);
        a.put(OUT, &[0xEE; 40]);
        assert_eq!(a.command(N, 1, mode, 0), Success);
        assert_eq!(a.command(N, 2, 0, 0), Success);
        assert_eq!(a.upcalls(), [(N, 0, [0, 16, 1])]);
        assert_eq!(a.get(OUT, 18), b"xxhead\0\0\0\0\0\0\0\0\0\0\xEE\xEE");
        // Changed: nothing of it is shown.
        a.put(SOURCE + 3, b"X");
        a.put(OUT, &[0xEE; 40]);
        assert_eq!(a.command(N, 2, 0, 0), Success);
        assert_eq!(a.upcalls(), [(N, 0, [0, 16, 0])]);
        assert_eq!(a.get(OUT, 40), [0xEE; 40]);
        // Offsets outside of it.
        for (command, offset) in [(5, 7), (6, 17), (6, usize::MAX)] {
            assert_eq!(a.command(N, 4, 0, 0), Success);
            assert_eq!(a.command(N, command, offset, 0), Success);
            assert_eq!(a.command(N, 2, 0, 0), Failure(ErrorCode::INVAL));
            assert_eq!(a.command(N, 5, 0, 0), Success);
            assert_eq!(a.command(N, 6, 0, 0), Success);
            assert_eq!(a.command(N, 2, 0, 0), Success);
            a.upcalls();
        }
        assert_eq!(a.command(N, 7, usize::MAX, 0), Success);
        assert_eq!(a.command(N, 2, 0, 0), Failure(ErrorCode::INVAL));
        assert_eq!(a.command(N, 1, mode, 1), Success);
        assert_eq!(a.command(N, 2, 0, 0), Failure(ErrorCode::SIZE));
        a.process.process().terminate(None);
    }
}

#[test]
fn a_text_in_the_clear_is_refused() {
    let board = board();
    let a = app(&board, "a", 10);
    assert_eq!(a.command(N, 1, 3, 1), Success);
    assert_eq!(a.command(N, 7, 4, 0), Success);
    assert_eq!(a.command(N, 8, 0, 0), Success);
    assert_eq!(a.command(N, 2, 0, 0), Success);
    let no = ErrorCode::NOSUPPORT as usize;
    assert_eq!(a.upcalls(), [(N, 0, [no, 0, 0])]);
}

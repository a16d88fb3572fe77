//! AES for processes, driver 0x40006.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 set algorithm | 0 CTR, 1 CBC, 2 ECB, 3 CCM, 4 GCM; not 0: encrypt | plain | NOSUPPORT: other |
//! | 2 set up and crypt | – | plain; then upcall 0 | NOMEM: own request outstanding · [`Refusal`]s |
//! | 3 crypt next | – | plain; then upcall 0 | OFF: not set up · NOMEM · NOSUPPORT: CCM, GCM · INVAL |
//! | 4 finish | – | plain | OFF: not set up · BUSY: a crypt is outstanding |
//! | 5–7 | offset of additional data, of message; length of tag | plain | |
//! | 8 confidential | not 0: yes | plain | |
//!
//! RO 0: key. RO 1: IV or nonce. RO 2: source. RW 0: destination, as much as fits. Upcall 0:
//! (status, bytes, 1 if the tag is right). Owns whose turn it is: from set-up to finish one
//! process's; others' set-ups wait, one each, and the end of a process gives the cipher back. Data
//! goes in pieces, each looked up anew in what the process shares by then.

use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::symmetric_encryption::{
    AES, AES_BLOCK_SIZE, AES_IV_SIZE, AES128, AES128_KEY_SIZE, AES256, AES256_KEY_SIZE, AESCBC,
    AESCCM, AESCtr, AESECB, AESGCM, CCM_NONCE_LENGTH, CCMClient, Client, GCMClient,
};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::{ErrorCode, ProcessId, errorcode};

use core::cell::Cell;

/// Driver number.
pub const DRIVER_NUM: usize = 0x40006;

const RO_KEY: usize = 0;
const RO_IV: usize = 1;
const RO_SOURCE: usize = 2;
const RW_DESTINATION: usize = 0;
/// Length of a GCM nonce.
const GCM_NONCE_LENGTH: usize = 12;
/// Of a GCM tag, where command 7 was not used.
const FULL_TAG: usize = 16;

type AppGrant = Grant<App, UpcallCount<1>, AllowRoCount<3>, AllowRwCount<1>>;

/// All that the driver asks of a cipher.
pub trait Cipher<'a>:
    AES<'a, AES128>
    + AES<'a, AES256>
    + AESCtr
    + AESCBC
    + AESECB
    + AESCCM<'a, AES128>
    + AESCCM<'a, AES256>
    + AESGCM<'a, AES128>
    + AESGCM<'a, AES256>
{
}

impl<'a, T> Cipher<'a> for T where
    T: AES<'a, AES128>
        + AES<'a, AES256>
        + AESCtr
        + AESCBC
        + AESECB
        + AESCCM<'a, AES128>
        + AESCCM<'a, AES256>
        + AESGCM<'a, AES128>
        + AESGCM<'a, AES256>
{
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Ctr,
    Cbc,
    Ecb,
    Ccm,
    Gcm,
}

impl Mode {
    fn parse(number: usize) -> Option<Self> {
        Some(match number {
            0 => Mode::Ctr,
            1 => Mode::Cbc,
            2 => Mode::Ecb,
            3 => Mode::Ccm,
            4 => Mode::Gcm,
            _ => return None,
        })
    }

    /// Bytes of the IV or nonce that are used.
    fn iv(self) -> usize {
        match self {
            Mode::Ctr | Mode::Cbc => AES_IV_SIZE,
            Mode::Ecb => 0,
            Mode::Ccm => CCM_NONCE_LENGTH,
            Mode::Gcm => GCM_NONCE_LENGTH,
        }
    }

    fn authenticates(self) -> bool {
        matches!(self, Mode::Ccm | Mode::Gcm)
    }

    fn whole_blocks(self) -> bool {
        matches!(self, Mode::Cbc | Mode::Ecb)
    }
}

/// Why a set-up is refused, at once or, when it had to wait, by upcall: INVAL when no algorithm was
/// set, the key is not of 16 or 32 bytes, the IV or nonce is too short, a block mode's source is no
/// whole number of blocks, or the offsets do not lie inside the source; RESERVE when key or IV is
/// not shared; SIZE when a message with its tag is longer than the driver's buffer.
pub type Refusal = ErrorCode;

/// A process's choices and request.
pub struct App {
    mode: Option<Mode>,
    encrypting: bool,
    waits: bool,
    additional_data: usize,
    message: usize,
    tag: usize,
    confidential: bool,
}

impl Default for App {
    fn default() -> Self {
        App {
            mode: None,
            encrypting: false,
            waits: false,
            additional_data: 0,
            message: 0,
            tag: 0,
            // Upstream's own test encrypts without saying so.
            confidential: true,
        }
    }
}

/// What happens next to the owner's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing: it is answered.
    Rest,
    /// Key and mode go to the cipher.
    Key,
    /// The IV does.
    Iv,
    /// Data does, from this offset on.
    Piece(usize),
    /// The cipher has the buffer, with this many bytes from that offset.
    InFlight(usize, usize),
}

/// What goes to the cipher next, and how.
struct Plan {
    mode: Mode,
    n: usize,
    additional_data: usize,
    message: usize,
    length: usize,
    tag: usize,
    confidential: bool,
    encrypting: bool,
}

/// AES for all processes, from one cipher.
pub struct AesDriver<'a, A: Cipher<'a>> {
    aes: &'a A,
    apps: AppGrant,
    owner: OptionalCell<ProcessId>,
    step: Cell<Step>,
    buffer: TakeCell<'static, [u8]>,
    capacity: usize,
    /// Most bytes at a time of what need not be whole.
    piece: usize,
    deferred: DeferredCall,
}

impl<'a, A: Cipher<'a>> AesDriver<'a, A> {
    /// On `aes`, whose clients the board makes this; data goes through `buffer`, of CTR, CBC and
    /// ECB at most `piece` bytes (whole blocks) at a time. The board registers the deferred call.
    pub fn new(aes: &'a A, buffer: &'static mut [u8], piece: usize, grant: AppGrant) -> Self {
        let capacity = buffer.len();
        AesDriver {
            aes,
            apps: grant,
            owner: OptionalCell::empty(),
            step: Cell::new(Step::Rest),
            buffer: TakeCell::new(buffer),
            capacity,
            piece: piece.min(capacity) / AES_BLOCK_SIZE * AES_BLOCK_SIZE,
            deferred: DeferredCall::new(),
        }
    }

    fn next(&self, step: Step) {
        self.step.set(step);
        self.deferred.set();
    }

    /// Command 2.
    fn set_up(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        match self.owner.get() {
            Some(owner) if owner != process_id => self.apps.enter(process_id, |app, _| {
                if app.waits {
                    return Err(ErrorCode::NOMEM);
                }
                app.waits = true;
                Ok(())
            })?,
            Some(_) if self.step.get() != Step::Rest => Err(ErrorCode::NOMEM),
            owner => {
                let result = self.begin(process_id);
                if result.is_err() && owner.is_some() {
                    self.release();
                    self.serve_queue();
                }
                result
            }
        }
    }

    /// Gives the process the cipher, if it shares what a set-up needs.
    fn begin(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            let mode = app.mode.ok_or(ErrorCode::INVAL)?;
            match kernel_data.get_readonly_processbuffer(RO_KEY)?.len() {
                0 => return Err(ErrorCode::RESERVE),
                AES128_KEY_SIZE | AES256_KEY_SIZE => {}
                _ => return Err(ErrorCode::INVAL),
            }
            match kernel_data.get_readonly_processbuffer(RO_IV)?.len() {
                n if n >= mode.iv() => {}
                0 => return Err(ErrorCode::RESERVE),
                _ => return Err(ErrorCode::INVAL),
            }
            self.check_source(app, mode, kernel_data).map(|_| ())
        })??;
        self.owner.set(process_id);
        self.next(Step::Key);
        Ok(())
    }

    /// Length of the source, which suits the mode.
    fn check_source(
        &self,
        app: &App,
        mode: Mode,
        kernel_data: &GrantKernelData,
    ) -> Result<usize, ErrorCode> {
        let length = kernel_data.get_readonly_processbuffer(RO_SOURCE)?.len();
        if mode.whole_blocks() && !length.is_multiple_of(AES_BLOCK_SIZE) {
            return Err(ErrorCode::INVAL);
        }
        if mode.authenticates() {
            message(app, mode, length)?;
            let tag = if app.encrypting { tag(app, mode) } else { 0 };
            if length.saturating_add(tag) > self.capacity {
                return Err(ErrorCode::SIZE);
            }
        }
        Ok(length)
    }

    /// Command 3.
    fn crypt_next(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        if self.owner.get() != Some(process_id) {
            return Err(ErrorCode::OFF);
        }
        if self.step.get() != Step::Rest {
            return Err(ErrorCode::NOMEM);
        }
        self.apps.enter(process_id, |app, kernel_data| {
            let mode = app.mode.ok_or(ErrorCode::INVAL)?;
            if mode.authenticates() {
                // A nonce is for one message.
                return Err(ErrorCode::NOSUPPORT);
            }
            self.check_source(app, mode, kernel_data).map(|_| ())
        })??;
        self.next(Step::Piece(0));
        Ok(())
    }

    /// Command 4.
    fn finish(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        if self.owner.get() != Some(process_id) {
            return Err(ErrorCode::OFF);
        }
        if self.step.get() != Step::Rest {
            return Err(ErrorCode::BUSY);
        }
        self.release();
        self.serve_queue();
        Ok(())
    }

    /// Mode and key to the cipher.
    fn load_key(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            let mode = app.mode.ok_or(ErrorCode::INVAL)?;
            AES::<AES128>::enable(self.aes);
            match mode {
                Mode::Ctr => self.aes.set_mode_aesctr(app.encrypting)?,
                Mode::Cbc => self.aes.set_mode_aescbc(app.encrypting)?,
                Mode::Ecb => self.aes.set_mode_aesecb(app.encrypting)?,
                Mode::Ccm | Mode::Gcm => {}
            }
            with_copy::<AES256_KEY_SIZE>(kernel_data, RO_KEY, usize::MAX, |key| {
                match (mode, key.len()) {
                    (Mode::Ccm, AES128_KEY_SIZE) => AESCCM::<AES128>::set_key(self.aes, key),
                    (Mode::Ccm, _) => AESCCM::<AES256>::set_key(self.aes, key),
                    (Mode::Gcm, AES128_KEY_SIZE) => AESGCM::<AES128>::set_key(self.aes, key),
                    (Mode::Gcm, _) => AESGCM::<AES256>::set_key(self.aes, key),
                    (_, AES128_KEY_SIZE) => AES::<AES128>::set_key(self.aes, key),
                    _ => AES::<AES256>::set_key(self.aes, key),
                }
            })
        })?
    }

    /// The IV to the cipher.
    fn load_iv(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            let mode = app.mode.ok_or(ErrorCode::INVAL)?;
            with_copy::<AES_IV_SIZE>(kernel_data, RO_IV, mode.iv(), |iv| {
                if iv.len() < mode.iv() {
                    return Err(ErrorCode::INVAL);
                }
                match mode {
                    Mode::Ctr | Mode::Cbc => AES::<AES128>::set_iv(self.aes, iv)?,
                    Mode::Ecb => {}
                    Mode::Ccm => AESCCM::<AES128>::set_nonce(self.aes, iv)?,
                    Mode::Gcm => AESGCM::<AES128>::set_iv(self.aes, iv)?,
                }
                if !mode.authenticates() {
                    AES::<AES128>::start_message(self.aes);
                }
                Ok(())
            })
        })?
    }

    /// The next piece, or all of a message, to the cipher; `false` when there is none.
    fn feed(&self, process_id: ProcessId, at: usize) -> Result<bool, ErrorCode> {
        let buffer = self.buffer.take().ok_or(ErrorCode::FAIL)?;
        let planned = self.apps.enter(process_id, |app, kernel_data| {
            let mode = app.mode.ok_or(ErrorCode::INVAL)?;
            let length = self.check_source(app, mode, kernel_data)?;
            let most = match mode.authenticates() {
                true => self.capacity,
                false => self.piece,
            };
            let n = length.saturating_sub(at).min(most);
            let to = buffer.get_mut(..n).ok_or(ErrorCode::SIZE)?;
            if n > 0 {
                kernel_data
                    .get_readonly_processbuffer(RO_SOURCE)?
                    .enter(|from| {
                        let from = from.get(at..at.saturating_add(n));
                        from.ok_or(ErrorCode::SIZE)?.copy_to_slice_or_err(to)
                    })??;
            }
            let parts = match mode.authenticates() {
                true => message(app, mode, n)?,
                false => (0, 0),
            };
            Ok::<_, ErrorCode>(Plan {
                mode,
                n,
                additional_data: app.additional_data,
                message: parts.0,
                length: parts.1,
                tag: tag(app, mode),
                confidential: app.confidential,
                encrypting: app.encrypting,
            })
        });
        let plan = match planned.map_err(ErrorCode::from).flatten() {
            Ok(plan) => plan,
            Err(error) => {
                self.buffer.replace(buffer);
                return Err(error);
            }
        };
        let refused = match plan.mode {
            Mode::Ccm => AESCCM::<AES128>::crypt(
                self.aes,
                buffer,
                plan.additional_data,
                plan.message,
                plan.length,
                plan.tag,
                plan.confidential,
                plan.encrypting,
            )
            .err(),
            Mode::Gcm => AESGCM::<AES128>::crypt(
                self.aes,
                buffer,
                plan.additional_data,
                plan.message,
                plan.length,
                plan.tag,
                plan.encrypting,
            )
            .err(),
            Mode::Ctr | Mode::Cbc | Mode::Ecb if plan.n == 0 => {
                self.buffer.replace(buffer);
                return Ok(false);
            }
            Mode::Ctr | Mode::Cbc | Mode::Ecb => {
                AES::<AES128>::crypt(self.aes, None, buffer, 0, plan.n)
                    .map(|(result, _, buffer)| (result.err().unwrap_or(ErrorCode::FAIL), buffer))
            }
        };
        if let Some((error, buffer)) = refused {
            self.buffer.replace(buffer);
            return Err(error);
        }
        self.step.set(Step::InFlight(at, plan.n));
        Ok(true)
    }

    /// As much of `bytes` as the process's destination holds from `at` on.
    fn deliver(&self, process_id: ProcessId, at: usize, bytes: &[u8]) {
        let _ = self.apps.enter(process_id, |_, kernel_data| {
            kernel_data
                .get_readwrite_processbuffer(RW_DESTINATION)
                .and_then(|to| {
                    to.mut_enter(|to| {
                        let n = to.len().saturating_sub(at).min(bytes.len());
                        if let (Some(to), Some(from)) = (to.get(at..at + n), bytes.get(..n)) {
                            let _ = to.copy_from_slice_or_err(from);
                        }
                    })
                })
        });
    }

    /// Ends a request; the cipher stays with its process unless it failed.
    fn answer(&self, process_id: ProcessId, result: Result<usize, ErrorCode>, tag: bool) {
        self.step.set(Step::Rest);
        let words = (
            errorcode::into_statuscode(result.map(|_| ())),
            result.unwrap_or(0),
            usize::from(tag),
        );
        let told = self.apps.enter(process_id, |_, kernel_data| {
            // A full queue loses the upcall; the kernel counts that.
            let _ = kernel_data.schedule_upcall(0, words);
        });
        if result.is_err() || told.is_err() {
            self.release();
            self.serve_queue();
        }
    }

    fn release(&self) {
        AES::<AES128>::disable(self.aes);
        self.owner.clear();
        self.step.set(Step::Rest);
    }

    /// The cipher back from a process that is gone, unless its callback is due.
    fn release_the_dead(&self) {
        if let Some(owner) = self.owner.get()
            && self.buffer.is_some()
            && self.apps.enter(owner, |_, _| ()).is_err()
        {
            self.release();
            self.serve_queue();
        }
    }

    fn serve_queue(&self) {
        while self.owner.is_none() {
            let next = self.apps.iter().find_map(|app| {
                let process_id = app.processid();
                app.enter(|app, _| core::mem::take(&mut app.waits).then_some(process_id))
            });
            let Some(process_id) = next else { return };
            if let Err(error) = self.begin(process_id) {
                // It was accepted, so the refusal comes as an upcall.
                let status = errorcode::into_statuscode(Err(error));
                let _ = self.apps.enter(process_id, |_, kernel_data| {
                    kernel_data.schedule_upcall(0, (status, 0, 0))
                });
            }
        }
    }

    /// A whole message is done.
    fn message_done(
        &self,
        buffer: &'static mut [u8],
        result: Result<(), ErrorCode>,
        tag_is_valid: bool,
    ) {
        if let (Some(owner), Step::InFlight(_, n)) = (self.owner.get(), self.step.get()) {
            let length = self.apps.enter(owner, |app, _| {
                let mode = app.mode.unwrap_or(Mode::Ccm);
                match app.encrypting {
                    true => n.saturating_add(tag(app, mode)),
                    false => n.saturating_sub(tag(app, mode)),
                }
            });
            let length = length.unwrap_or(0);
            // What did not prove genuine never reaches the process.
            if result.is_ok() && tag_is_valid {
                self.deliver(owner, 0, buffer.get(..length).unwrap_or_default());
            }
            wipe(buffer);
            self.buffer.replace(buffer);
            self.answer(owner, result.map(|()| length), tag_is_valid);
        } else {
            wipe(buffer);
            self.buffer.replace(buffer);
        }
    }
}

/// Length of a tag.
fn tag(app: &App, mode: Mode) -> usize {
    match (mode, app.tag) {
        (Mode::Gcm, 0) => FULL_TAG,
        (_, n) => n,
    }
}

/// Offset and length of the message in a source of `length` bytes.
fn message(app: &App, mode: Mode, length: usize) -> Result<(usize, usize), ErrorCode> {
    let end = match app.encrypting {
        true => Some(length),
        false => length.checked_sub(tag(app, mode)),
    };
    let text = end.and_then(|end| end.checked_sub(app.message));
    match text {
        Some(text) if app.additional_data <= app.message => Ok((app.message, text)),
        _ => Err(ErrorCode::INVAL),
    }
}

/// Calls `f` with a copy of at most `most` bytes that the process shares, which is wiped.
fn with_copy<const N: usize>(
    kernel_data: &GrantKernelData,
    number: usize,
    most: usize,
    f: impl FnOnce(&[u8]) -> Result<(), ErrorCode>,
) -> Result<(), ErrorCode> {
    let mut copy = [0; N];
    let buffer = kernel_data.get_readonly_processbuffer(number)?;
    let n = buffer.len().min(most);
    let to = copy.get_mut(..n).ok_or(ErrorCode::INVAL)?;
    if n > 0 {
        buffer.enter(|from| {
            let from = from.get(..n).ok_or(ErrorCode::SIZE)?;
            from.copy_to_slice_or_err(to)
        })??;
    }
    let result = f(to);
    wipe(&mut copy);
    result
}

fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Not optimised away, since `black_box` sees the zeros.
    core::hint::black_box(bytes);
}

impl<'a, A: Cipher<'a>> DeferredCallClient for AesDriver<'a, A> {
    /// One step, so that processes run between two.
    fn handle_deferred_call(&self) {
        let Some(owner) = self.owner.get() else {
            return;
        };
        let done = match self.step.get() {
            Step::Rest | Step::InFlight(..) => return,
            Step::Key => self.load_key(owner).map(|()| Some(Step::Iv)),
            Step::Iv => self.load_iv(owner).map(|()| Some(Step::Piece(0))),
            Step::Piece(at) => match self.feed(owner, at) {
                Ok(true) => return,
                Ok(false) => {
                    self.answer(owner, Ok(at), false);
                    return;
                }
                Err(error) => Err(error),
            },
        };
        match done {
            Ok(Some(step)) => self.next(step),
            Ok(None) => {}
            Err(error) => self.answer(owner, Err(error), false),
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<'a, A: Cipher<'a>> Client<'a> for AesDriver<'a, A> {
    fn crypt_done(&'a self, _: Option<&'static mut [u8]>, buffer: &'static mut [u8]) {
        if let (Some(owner), Step::InFlight(at, n)) = (self.owner.get(), self.step.get()) {
            self.deliver(owner, at, buffer.get(..n).unwrap_or_default());
            self.next(Step::Piece(at + n));
        }
        wipe(buffer);
        self.buffer.replace(buffer);
    }
}

impl<'a, A: Cipher<'a>> CCMClient for AesDriver<'a, A> {
    fn crypt_done(&self, buf: &'static mut [u8], res: Result<(), ErrorCode>, tag_is_valid: bool) {
        self.message_done(buf, res, tag_is_valid);
    }
}

impl<'a, A: Cipher<'a>> GCMClient for AesDriver<'a, A> {
    fn crypt_done(&self, buf: &'static mut [u8], res: Result<(), ErrorCode>, tag_is_valid: bool) {
        self.message_done(buf, res, tag_is_valid);
    }
}

impl<'a, A: Cipher<'a>> SyscallDriver for AesDriver<'a, A> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        self.release_the_dead();
        let set = |f: &dyn Fn(&mut App)| {
            // The choices of a request stay as they are until it is answered.
            if self.owner.get() == Some(process_id) && self.step.get() != Step::Rest {
                return CommandReturn::failure(ErrorCode::BUSY);
            }
            self.apps
                .enter(process_id, |app, _| f(app))
                .map_err(ErrorCode::from)
                .into()
        };
        match command_num {
            0 => CommandReturn::success(),
            1 => match Mode::parse(r2) {
                Some(mode) => set(&|app| {
                    app.mode = Some(mode);
                    app.encrypting = r3 != 0;
                }),
                None => CommandReturn::failure(ErrorCode::NOSUPPORT),
            },
            2 => self.set_up(process_id).into(),
            3 => self.crypt_next(process_id).into(),
            4 => self.finish(process_id).into(),
            5 => set(&|app| app.additional_data = r2),
            6 => set(&|app| app.message = r2),
            7 => set(&|app| app.tag = r2),
            8 => set(&|app| app.confidential = r2 != 0),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

//! What the hash drivers share: one hasher, many processes, data in pieces.
//!
//! Owns whose turn it is, the queue (one request a process) and the walk of a request: data goes
//! through a kernel buffer piece by piece, then the digest is taken or compared. The hasher is split
//! phase, so between two pieces the kernel loop runs. A process's buffers are looked up again for
//! each piece. Does not own which command or buffer number means what ([`Layout`]).

use kernel::grant::{AllowRoSize, AllowRwSize, Grant, GrantKernelData, UpcallSize};
use kernel::hil::digest::Digest;
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};
use kernel::{ErrorCode, ProcessId, errorcode};

/// Hash function that a process chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// 32 bytes.
    #[default]
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

impl Algorithm {
    fn length(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }
}

/// What a process asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// All data, then the digest.
    Run,
    /// More data; the hasher stays the process's.
    Update,
    /// The digest of what was added.
    Finish,
    /// All data, then a comparison.
    Verify,
    /// Comparison of what was added.
    VerifyFinish,
}

impl Operation {
    /// Which upcall tells its end.
    fn upcall(self) -> usize {
        match self {
            Operation::Verify | Operation::VerifyFinish => 1,
            Operation::Run | Operation::Update | Operation::Finish => 0,
        }
    }
}

/// A process's choice and request.
#[derive(Default)]
pub struct App {
    algorithm: Algorithm,
    operation: Option<Operation>,
    offset: usize,
}

/// Numbers of the driver's buffers, and what readies the hasher for a process.
pub struct Layout<H> {
    /// Read-only buffer with the data.
    pub data: usize,
    /// Read-only buffer with the digest to compare.
    pub compare: usize,
    /// Read-write buffer for the digest.
    pub destination: usize,
    /// Both must be as long as the digest, or the request ends with NOMEM; else the one gets what
    /// fits and the other may be longer.
    pub exact: bool,
    /// Sets the mode.
    pub start: fn(&H, Algorithm, &GrantKernelData) -> Result<(), ErrorCode>,
}

/// The sessions of one driver. `L` is the longest digest; a shorter one fills the front.
pub struct Sessions<
    'a,
    H: Digest<'a, L>,
    U: UpcallSize,
    RO: AllowRoSize,
    RW: AllowRwSize,
    const L: usize,
> {
    hasher: &'a H,
    layout: Layout<H>,
    apps: Grant<App, U, RO, RW>,
    /// Who has the hasher.
    owner: OptionalCell<ProcessId>,
    data: TakeCell<'static, [u8]>,
    digest: TakeCell<'static, [u8; L]>,
}

impl<'a, H: Digest<'a, L>, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize, const L: usize>
    Sessions<'a, H, U, RO, RW, L>
{
    pub(crate) fn new(
        hasher: &'a H,
        data: &'static mut [u8],
        digest: &'static mut [u8; L],
        apps: Grant<App, U, RO, RW>,
        layout: Layout<H>,
    ) -> Self {
        Sessions {
            hasher,
            layout,
            apps,
            owner: OptionalCell::empty(),
            data: TakeCell::new(data),
            digest: TakeCell::new(digest),
        }
    }

    pub(crate) fn allocate_grant(
        &self,
        process_id: ProcessId,
    ) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }

    pub(crate) fn set_algorithm(
        &self,
        process_id: ProcessId,
        algorithm: Algorithm,
    ) -> Result<(), ErrorCode> {
        if algorithm.length() > L {
            return Err(ErrorCode::NOSUPPORT);
        }
        self.apps
            .enter(process_id, |app, _| app.algorithm = algorithm)?;
        Ok(())
    }

    /// A command. OFF: nothing was added before; NOMEM: the process has a request already.
    pub(crate) fn request(
        &self,
        process_id: ProcessId,
        operation: Operation,
    ) -> Result<(), ErrorCode> {
        self.release_the_dead();
        let idle = self
            .apps
            .enter(process_id, |app, _| app.operation.is_none())?;
        if !idle {
            return Err(ErrorCode::NOMEM);
        }
        let finish = matches!(operation, Operation::Finish | Operation::VerifyFinish);
        let owner = self.owner.get();
        if finish && owner != Some(process_id) {
            return Err(ErrorCode::OFF);
        }
        self.apps.enter(process_id, |app, _| {
            app.operation = Some(operation);
            app.offset = 0;
        })?;
        let goes_on = finish || operation == Operation::Update;
        let result = match owner {
            Some(owner) if owner != process_id => return Ok(()),
            Some(_) if goes_on => self.go_on(process_id),
            Some(_) => {
                self.hasher.clear_data();
                self.begin(process_id)
            }
            None => self.begin(process_id),
        };
        if result.is_err() {
            let _ = self.apps.enter(process_id, |app, _| app.operation = None);
            self.release();
            self.serve_queue();
        }
        result
    }

    /// Gives the process the hasher.
    fn begin(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        self.owner.set(process_id);
        self.apps.enter(process_id, |app, kernel_data| {
            (self.layout.start)(self.hasher, app.algorithm, kernel_data)
        })??;
        self.go_on(process_id)
    }

    /// The next step of the owner's request.
    fn go_on(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        let operation = self
            .apps
            .enter(process_id, |app, _| app.operation)?
            .ok_or(ErrorCode::FAIL)?;
        if !matches!(operation, Operation::Finish | Operation::VerifyFinish)
            && self.feed(process_id)?
        {
            return Ok(());
        }
        match operation {
            Operation::Update => {
                self.answer(process_id, Ok(()), 0);
                Ok(())
            }
            Operation::Run | Operation::Finish => {
                let digest = self.digest.take().ok_or(ErrorCode::FAIL)?;
                self.hasher.run(digest).map_err(|(error, digest)| {
                    self.digest.replace(digest);
                    error
                })
            }
            Operation::Verify | Operation::VerifyFinish => {
                let digest = self.digest.take().ok_or(ErrorCode::FAIL)?;
                if let Err(error) = self.expected(process_id, digest) {
                    self.digest.replace(digest);
                    return Err(error);
                }
                self.hasher.verify(digest).map_err(|(error, digest)| {
                    self.digest.replace(digest);
                    error
                })
            }
        }
    }

    /// Gives the hasher the next piece; `false` when there is none.
    fn feed(&self, process_id: ProcessId) -> Result<bool, ErrorCode> {
        let buffer = self.data.take().ok_or(ErrorCode::FAIL)?;
        let copied = self.apps.enter(process_id, |app, kernel_data| {
            let number = self.layout.data;
            let copied = kernel_data
                .get_readonly_processbuffer(number)
                .and_then(|data| {
                    data.enter(|data| {
                        let n = data.len().saturating_sub(app.offset).min(buffer.len());
                        let from = data.get(app.offset..app.offset.saturating_add(n));
                        match (from, buffer.get_mut(..n)) {
                            (Some(from), Some(to)) => {
                                from.copy_to_slice_or_err(to).map_or(0, |()| n)
                            }
                            _ => 0,
                        }
                    })
                })
                // Nothing is shared any more: nothing more to add.
                .unwrap_or(0);
            app.offset += copied;
            copied
        });
        match copied {
            Ok(n) if n > 0 => {
                let mut piece = SubSliceMut::new(buffer);
                piece.slice(..n);
                match self.hasher.add_mut_data(piece) {
                    Ok(()) => Ok(true),
                    Err((error, piece)) => {
                        self.data.replace(piece.take());
                        Err(error)
                    }
                }
            }
            other => {
                self.data.replace(buffer);
                other?;
                Ok(false)
            }
        }
    }

    /// The digest to compare with. SIZE when what the process shares is shorter, or NOMEM.
    fn expected(&self, process_id: ProcessId, digest: &mut [u8; L]) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            let length = app.algorithm.length().min(L);
            kernel_data
                .get_readonly_processbuffer(self.layout.compare)?
                .enter(|from| {
                    if self.layout.exact && from.len() != length {
                        return Err(ErrorCode::NOMEM);
                    }
                    match (from.get(..length), digest.get_mut(..length)) {
                        (Some(from), Some(to)) => from.copy_to_slice_or_err(to),
                        _ => Err(ErrorCode::SIZE),
                    }
                })?
        })?
    }

    /// Ends a request; the hasher stays with who only added.
    fn answer(&self, process_id: ProcessId, result: Result<(), ErrorCode>, word: usize) {
        let stays = self.apps.enter(process_id, |app, kernel_data| {
            let stays = app.operation == Some(Operation::Update) && result.is_ok();
            let upcall = app.operation.take().map_or(0, Operation::upcall);
            let status = errorcode::into_statuscode(result);
            // A full queue loses the upcall; the kernel counts that.
            let _ = kernel_data.schedule_upcall(upcall, (status, word, 0));
            stays
        });
        if stays != Ok(true) {
            self.release();
        }
        self.serve_queue();
    }

    fn release(&self) {
        self.hasher.clear_data();
        self.owner.clear();
    }

    /// The hasher back from a process that is gone, unless a callback is due.
    fn release_the_dead(&self) {
        if let Some(owner) = self.owner.get()
            && self.data.is_some()
            && self.digest.is_some()
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
                app.enter(|app, _| app.operation.map(|_| process_id))
            });
            let Some(process_id) = next else { return };
            if let Err(error) = self.begin(process_id) {
                // It was accepted, so the refusal comes as an upcall.
                let _ = self.apps.enter(process_id, |app, kernel_data| {
                    let upcall = app.operation.take().map_or(0, Operation::upcall);
                    let status = errorcode::into_statuscode(Err(error));
                    let _ = kernel_data.schedule_upcall(upcall, (status, 0, 0));
                });
                self.release();
            }
        }
    }

    /// A piece was added.
    pub(crate) fn data_added(&self, result: Result<(), ErrorCode>, data: SubSliceMut<'static, u8>) {
        self.data.replace(data.take());
        let Some(owner) = self.owner.get() else {
            return;
        };
        if let Err(error) = result.and_then(|()| self.go_on(owner)) {
            self.answer(owner, Err(error), 0);
        }
    }

    /// Not used here: the drivers add mutable buffers only.
    pub(crate) fn other_data_added(&self, _: Result<(), ErrorCode>, _: SubSlice<'static, u8>) {}

    /// The digest is there.
    pub(crate) fn digest_done(&self, result: Result<(), ErrorCode>, digest: &'static mut [u8; L]) {
        let Some(owner) = self.owner.get() else {
            self.digest.replace(digest);
            return;
        };
        let copied = result.and_then(|()| {
            self.apps.enter(owner, |app, kernel_data| {
                let to = kernel_data.get_readwrite_processbuffer(self.layout.destination)?;
                to.mut_enter(|to| {
                    let length = app.algorithm.length().min(L);
                    if self.layout.exact && to.len() != length {
                        return Err(ErrorCode::NOMEM);
                    }
                    let n = length.min(to.len());
                    match (to.get(..n), digest.get(..n)) {
                        (Some(to), Some(from)) => to.copy_from_slice_or_err(from),
                        _ => Err(ErrorCode::FAIL),
                    }
                })?
            })?
        });
        *digest = [0; L];
        self.digest.replace(digest);
        self.answer(owner, copied, 0);
    }

    /// The comparison is done.
    pub(crate) fn compared(&self, result: Result<bool, ErrorCode>, digest: &'static mut [u8; L]) {
        self.digest.replace(digest);
        let Some(owner) = self.owner.get() else {
            return;
        };
        let equal = usize::from(result == Ok(true));
        self.answer(owner, result.map(|_| ()), equal);
    }
}

/// The hasher's callbacks, for a driver whose sessions are in `sessions`.
macro_rules! delegate {
    ($driver:ident: $($bound:tt)*) => {
        impl<'a, H: Digest<'a, L> + $($bound)*, const L: usize> ClientData<L> for $driver<'a, H, L> {
            fn add_data_done(&self, result: Result<(), ErrorCode>, data: SubSlice<'static, u8>) {
                self.sessions.other_data_added(result, data);
            }
            fn add_mut_data_done(&self, result: Result<(), ErrorCode>, data: SubSliceMut<'static, u8>) {
                self.sessions.data_added(result, data);
            }
        }
        impl<'a, H: Digest<'a, L> + $($bound)*, const L: usize> ClientHash<L> for $driver<'a, H, L> {
            fn hash_done(&self, result: Result<(), ErrorCode>, digest: &'static mut [u8; L]) {
                self.sessions.digest_done(result, digest);
            }
        }
        impl<'a, H: Digest<'a, L> + $($bound)*, const L: usize> ClientVerify<L> for $driver<'a, H, L> {
            fn verification_done(&self, result: Result<bool, ErrorCode>, compare: &'static mut [u8; L]) {
                self.sessions.compared(result, compare);
            }
        }
    };
}
pub(crate) use delegate;

//! The engine of the four drivers: decode, decide, call, answer.
//!
//! Owns the syscall protocol (docs/syscalls/README.md). A call that completes by upcall waits in
//! the process's grant; a deferred call makes one of them at a time and the kernel loop runs
//! between two. Whatever is decided is decided again when the call is made, from the buffers as they
//! are then; the process does not run meanwhile.

use crate::identity::Identities;
use crate::request::{Request, Shape};
use crate::service::{Class, Service};
use core::cell::Cell;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::process::ShortId;
use kernel::processbuffer::ReadableProcessBuffer;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};
use psa_interface::{CryptoIovec, Status};
use tfm_psa_driver::{ClientId, Gate, OutVec, Spe};

/// A process's outstanding call.
#[derive(Default)]
pub struct App {
    pending: Option<Shape>,
}

type AppGrant = Grant<App, UpcallCount<1>, AllowRoCount<4>, AllowRwCount<4>>;

/// What a call answers: status, and length of out_vec 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    status: i32,
    lengths: [u32; 2],
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        Answer {
            status: status.0,
            lengths: [0; 2],
        }
    }
}

/// One of the drivers 0xA0000–0xA0003.
pub struct PsaDriver<'a, G: Gate> {
    service: Service<'a>,
    spe: &'a Spe<G>,
    identities: &'a Identities,
    apps: AppGrant,
    reap: Cell<bool>,
    deferred: DeferredCall,
}

impl<'a, G: Gate> PsaDriver<'a, G> {
    /// The driver of `service`. The board registers the deferred call.
    pub fn new(
        service: Service<'a>,
        spe: &'a Spe<G>,
        identities: &'a Identities,
        grant: AppGrant,
    ) -> Self {
        PsaDriver {
            service,
            spe,
            identities,
            apps: grant,
            reap: Cell::new(false),
            deferred: DeferredCall::new(),
        }
    }

    /// Releases what dead processes hold in the secure world, from the next deferred call. For a
    /// board's fault hook; it is done before each allocation anyway.
    pub fn reap_soon(&self) {
        self.reap.set(true);
        self.deferred.set();
    }

    fn reap(&self) {
        if let Service::Crypto(handles) = self.service {
            handles.reap(self.spe, |p| self.apps.enter(p, |_, _| ()).is_ok());
        }
    }

    fn call(&self, process_id: ProcessId, shape: Shape) -> Result<Option<Answer>, ErrorCode> {
        let (request, class) = self.apps.enter(process_id, |app, kernel_data| {
            if app.pending.is_some() {
                return Err(ErrorCode::BUSY);
            }
            let request = Request::read(shape, kernel_data)?;
            let class = self.service.classify(&request)?;
            Ok((request, class))
        })??;
        let client = self.admit(process_id, class)?;
        match client {
            Some(client) if !class.split => {
                self.make(process_id, client, &request, class).map(Some)
            }
            _ => {
                self.apps
                    .enter(process_id, |app, _| app.pending = Some(shape))?;
                self.deferred.set();
                Ok(None)
            }
        }
    }

    /// Whether the process may make such a call, and as whom; `None` when its id must be resolved.
    fn admit(&self, process_id: ProcessId, class: Class) -> Result<Option<ClientId>, ErrorCode> {
        if class.allocates {
            self.reap();
        }
        if let (Service::Crypto(handles), true) = (self.service, class.allocates)
            && !handles.has_room(process_id)
        {
            return Err(ErrorCode::NOMEM);
        }
        match (process_id.short_app_id(), self.service) {
            (ShortId::Fixed(short_id), _) => Ok(self.identities.lookup(short_id)),
            (ShortId::LocallyUnique, Service::Crypto(handles)) if !class.persists => {
                handles.volatile_client(process_id).map(Some)
            }
            (ShortId::LocallyUnique, _) => Err(ErrorCode::NOSUPPORT),
        }
    }

    /// Makes the call for `process_id` as `client`.
    fn make(
        &self,
        process_id: ProcessId,
        client: ClientId,
        request: &Request,
        class: Class,
    ) -> Result<Answer, ErrorCode> {
        self.apps.enter(process_id, |_, kernel_data| {
            let own = match self.service {
                Service::Crypto(_) => request.iovec.as_ref().map(|iovec| &iovec[..]),
                _ => None,
            };
            let answer = Cell::new(Answer::from(Status::GENERIC_ERROR));
            request.with_vectors(own, kernel_data, &mut |inputs, outputs| {
                let shape = request.shape;
                let status =
                    self.spe
                        .psa_call(client, shape.handle, shape.call_type, inputs, outputs);
                answer.set(answer_of(status, outputs));
            })?;
            let answer = answer.get();
            if answer.status >= 0
                && let (Service::Crypto(handles), Some(iovec)) = (self.service, &request.iovec)
            {
                let iovec = CryptoIovec::decode(iovec);
                let out0 = (answer.lengths[0] == 4)
                    .then(|| first_word(kernel_data))
                    .flatten();
                handles.note(process_id, client, &iovec, !class.persists, out0);
            }
            Ok(answer)
        })?
    }

    /// The outstanding call of `process_id`, made.
    fn complete(&self, process_id: ProcessId, shape: Shape) -> Answer {
        let attempt = || {
            let (request, class) = self.apps.enter(process_id, |_, kernel_data| {
                let request = Request::read(shape, kernel_data)?;
                let class = self.service.classify(&request)?;
                Ok::<_, ErrorCode>((request, class))
            })??;
            Ok::<_, ErrorCode>(match self.admit(process_id, class)? {
                Some(client) => self.make(process_id, client, &request, class)?,
                None => {
                    let ShortId::Fixed(short_id) = process_id.short_app_id() else {
                        return Err(ErrorCode::NOSUPPORT);
                    };
                    match self.identities.resolve(self.spe, short_id) {
                        Ok(client) => self.make(process_id, client, &request, class)?,
                        Err(status) => Answer::from(status),
                    }
                }
            })
        };
        // The command was accepted, so a refusal now is told as a status.
        attempt().unwrap_or_else(|error| {
            Answer::from(match error {
                ErrorCode::NOMEM => Status::INSUFFICIENT_MEMORY,
                ErrorCode::NOSUPPORT => Status::NOT_PERMITTED,
                _ => Status::PROGRAMMER_ERROR,
            })
        })
    }

    fn next_pending(&self) -> Option<(ProcessId, Shape)> {
        self.apps.iter().find_map(|app| {
            let process_id = app.processid();
            app.enter(|app, _| app.pending.map(|shape| (process_id, shape)))
        })
    }
}

/// Status, and the lengths written. A refusal before dispatch leaves the offered lengths, and a
/// failure writes nothing: both are 0 to the process.
fn answer_of(status: i32, outputs: &[OutVec<'_>]) -> Answer {
    let length = |i| match outputs.get(i).map(OutVec::len) {
        Some(length) if status >= 0 => length as u32,
        _ => 0,
    };
    Answer {
        status,
        lengths: [length(0), length(1)],
    }
}

/// The word in RW 0, where the service wrote a handle; the process has not run since.
fn first_word(kernel_data: &GrantKernelData) -> Option<u32> {
    let buffer = kernel_data.get_readwrite_processbuffer(0).ok()?;
    let mut bytes = [0; 4];
    buffer
        .enter(|data| data.get(..4)?.copy_to_slice_or_err(&mut bytes).ok())
        .ok()??;
    Some(u32::from_le_bytes(bytes))
}

impl<G: Gate> DeferredCallClient for PsaDriver<'_, G> {
    fn handle_deferred_call(&self) {
        if self.reap.take() {
            self.reap();
        }
        let Some((process_id, shape)) = self.next_pending() else {
            return;
        };
        let answer = self.complete(process_id, shape);
        let _ = self.apps.enter(process_id, |app, kernel_data| {
            app.pending = None;
            let [out0, out1] = answer.lengths;
            let words = (answer.status as usize, out0 as usize, out1 as usize);
            // A full queue loses the upcall; the kernel counts that.
            let _ = kernel_data.schedule_upcall(0, words);
        });
        // One at a time: the rest waits for the next pass of the kernel loop.
        if self.next_pending().is_some() {
            self.deferred.set();
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<G: Gate> SyscallDriver for PsaDriver<'_, G> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        if command_num == 0 {
            return CommandReturn::success();
        }
        let Some(handle) = self.service.handle(command_num) else {
            return CommandReturn::failure(ErrorCode::NOSUPPORT);
        };
        let Some(shape) = Shape::parse(handle, r2, r3) else {
            return CommandReturn::failure(ErrorCode::INVAL);
        };
        match self.call(process_id, shape) {
            Ok(Some(answer)) => {
                let [out0, out1] = answer.lengths;
                CommandReturn::success_u32_u32_u32(answer.status as u32, out0, out1)
            }
            Ok(None) => CommandReturn::success(),
            Err(error) => CommandReturn::failure(error),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

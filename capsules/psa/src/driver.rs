//! The engine of the four drivers: decode, decide, call, answer.
//!
//! Owns the syscall protocol (docs/syscalls/README.md). A call that completes by upcall waits in
//! the process's grant; a slow deferred call makes one of them at a time, and the scheduler lets
//! processes run between two. Whatever is decided is decided again when the call is made, from the buffers as they
//! are then; the process does not run meanwhile.

use crate::handles::Handles;
use crate::identity::Identities;
use crate::ownership;
use crate::request::{Request, Shape, attributes, with_vectors};
use crate::service::{Class, Service, crypto, makes_key};
use core::cell::Cell;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::process::ShortId;
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};
use psa_interface::service::PLATFORM_HANDLE;
use psa_interface::{CryptoIovec, Status, platform};
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

/// When a call is attempted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// In the command.
    Now,
    /// In the deferred call: whatever takes long may be done.
    Deferred,
}

/// What becomes of a call.
enum Admission {
    /// It is made by this client.
    Call(ClientId),
    /// It waits for the deferred call.
    Wait,
    /// The caller's identity cannot be had.
    Refuse(Status),
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
            deferred: DeferredCall::new_slow(),
        }
    }

    /// Releases what dead processes hold in the secure world, from the next deferred call. For a
    /// board's fault hook; it is done before each allocation anyway.
    pub fn reap_soon(&self) {
        self.reap.set(true);
        self.deferred.set();
    }

    /// `entered` is the process whose grant is entered: it lives, and cannot be entered again.
    fn reap(&self, entered: Option<ProcessId>) {
        if let Service::Crypto(handles) = self.service {
            handles.reap(self.spe, |p| {
                Some(p) == entered || self.apps.enter(p, |_, _| ()).is_ok()
            });
        }
    }

    /// A command. `None`: it completes by upcall.
    fn call(&self, process_id: ProcessId, shape: Shape) -> Result<Option<Answer>, ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            if app.pending.is_some() {
                return Err(ErrorCode::BUSY);
            }
            let answer = self.attempt(process_id, shape, kernel_data, Attempt::Now)?;
            if answer.is_none() {
                app.pending = Some(shape);
                self.deferred.set();
            }
            Ok(answer)
        })?
    }

    /// An outstanding call. It was accepted, so a refusal now is told as a status.
    fn complete(
        &self,
        process_id: ProcessId,
        shape: Shape,
        kernel_data: &GrantKernelData,
    ) -> Answer {
        match self.attempt(process_id, shape, kernel_data, Attempt::Deferred) {
            Ok(Some(answer)) => answer,
            Ok(None) => Status::GENERIC_ERROR.into(),
            Err(ErrorCode::NOMEM) => Status::INSUFFICIENT_MEMORY.into(),
            Err(ErrorCode::NOSUPPORT) => Status::NOT_PERMITTED.into(),
            Err(_) => Status::PROGRAMMER_ERROR.into(),
        }
    }

    /// Decides and makes the call; `None` when it must wait for a deferred call.
    fn attempt(
        &self,
        process_id: ProcessId,
        shape: Shape,
        kernel_data: &GrantKernelData,
        attempt: Attempt,
    ) -> Result<Option<Answer>, ErrorCode> {
        let Service::Crypto(handles) = self.service else {
            if shape.in_len > 0 && kernel_data.get_readonly_processbuffer(0)?.len() == 0 {
                return Err(ErrorCode::RESERVE);
            }
            let class = self.service.classify(shape);
            return match self.admit(process_id, class, attempt)? {
                Admission::Call(client) => self.make(client, shape, None, kernel_data).map(Some),
                Admission::Refuse(status) => Ok(Some(status.into())),
                Admission::Wait => Ok(None),
            };
        };
        if shape.in_len > 0 && kernel_data.get_readonly_processbuffer(0)?.len() == 0 {
            return Err(ErrorCode::RESERVE);
        }
        let mut request = Request::new();
        request.read(shape, kernel_data)?;
        let iovec = CryptoIovec::decode(&request.iovec);
        let class = crypto(&iovec, request.total, || attributes(kernel_data));
        if class.allocates {
            self.reap(Some(process_id));
            if !handles.has_room(process_id) {
                return Err(ErrorCode::NOMEM);
            }
        }
        let client = match self.admit(process_id, class, attempt)? {
            Admission::Call(client) => client,
            Admission::Refuse(status) => return Ok(Some(status.into())),
            Admission::Wait => return Ok(None),
        };
        let answer = self.make(client, shape, Some(&request.iovec), kernel_data)?;
        if answer.status >= 0 {
            let out0 = match answer.lengths {
                [4, _] if class.allocates => first_word(kernel_data),
                _ => None,
            };
            handles.note(process_id, client, &iovec, out0);
        }
        Ok(Some(answer))
    }

    /// Whether the process may make such a call now, and as whom.
    fn admit(
        &self,
        process_id: ProcessId,
        class: Class,
        attempt: Attempt,
    ) -> Result<Admission, ErrorCode> {
        let wait = class.split && attempt == Attempt::Now;
        match (process_id.short_app_id(), self.service) {
            (ShortId::Fixed(_), _) if wait => Ok(Admission::Wait),
            (ShortId::Fixed(short_id), _) => {
                Ok(match (self.identities.lookup(short_id), attempt) {
                    (Some(client), _) => Admission::Call(client),
                    // Its id must be read, or made, first: that may write flash.
                    (None, Attempt::Now) => Admission::Wait,
                    (None, Attempt::Deferred) => self
                        .identities
                        .resolve(self.spe, short_id)
                        .map_or_else(Admission::Refuse, Admission::Call),
                })
            }
            (ShortId::LocallyUnique, Service::Crypto(handles)) if !class.persists => {
                let client = handles.volatile_client(process_id)?;
                Ok(if wait {
                    Admission::Wait
                } else {
                    Admission::Call(client)
                })
            }
            (ShortId::LocallyUnique, _) => Err(ErrorCode::NOSUPPORT),
        }
    }

    /// Makes the call of `client`, in_vec 0 from `own` if given.
    fn make(
        &self,
        client: ClientId,
        shape: Shape,
        own: Option<&[u8; CryptoIovec::SIZE]>,
        kernel_data: &GrantKernelData,
    ) -> Result<Answer, ErrorCode> {
        if self.spe.manages_clients() {
            let own = own.map(|iovec| &iovec[..]);
            return self.make_as(client, shape, [own, None], kernel_data);
        }
        match (self.service, own) {
            (Service::Crypto(handles), Some(own)) => {
                self.make_crypto(client, handles, shape, own, kernel_data)
            }
            (Service::Storage, _) if shape.in_len > 0 => {
                let Some(uid) = double_word(kernel_data) else {
                    return Ok(Status::PROGRAMMER_ERROR.into());
                };
                let uid = match ownership::uid(client, uid) {
                    Ok(uid) => uid.to_le_bytes(),
                    Err(status) => return Ok(status.into()),
                };
                self.make_as(ClientId::KERNEL, shape, [Some(&uid), None], kernel_data)
            }
            // It never comes down again: the kernel's alone.
            (Service::Platform, _)
                if shape.handle == PLATFORM_HANDLE
                    && shape.call_type == platform::NV_COUNTER_INCREMENT =>
            {
                Ok(Status(platform::SYSTEM_ERROR).into())
            }
            _ => self.make_as(ClientId::KERNEL, shape, [None, None], kernel_data),
        }
    }

    /// A crypto call under the kernel's names.
    fn make_crypto(
        &self,
        client: ClientId,
        handles: &Handles,
        shape: Shape,
        own: &[u8; CryptoIovec::SIZE],
        kernel_data: &GrantKernelData,
    ) -> Result<Answer, ErrorCode> {
        let mut iovec = CryptoIovec::decode(own);
        let mut attributes = match makes_key(iovec.function_id) {
            true => attributes(kernel_data),
            false => None,
        };
        if ownership::names_target(&iovec) && input_word(kernel_data, 1) != Some(0) {
            return Ok(Status::BAD_STATE.into());
        }
        if let Err(status) = ownership::crypto(client, handles, &mut iovec, attributes.as_mut()) {
            return Ok(status.into());
        }
        let (own, attributes) = (iovec.encode(), attributes.map(|a| a.encode()));
        let own = [Some(&own[..]), attributes.as_ref().map(|a| &a[..])];
        let answer = self.make_as(ClientId::KERNEL, shape, own, kernel_data)?;
        if let (true, Some(at)) = (answer.status >= 0, ownership::key_in_output(&iovec)) {
            rename(kernel_data, at);
        }
        Ok(answer)
    }

    /// Makes the call as `client`, the first input vectors from `own` if given.
    fn make_as(
        &self,
        client: ClientId,
        shape: Shape,
        own: [Option<&[u8]>; 2],
        kernel_data: &GrantKernelData,
    ) -> Result<Answer, ErrorCode> {
        let mut answer = Answer::from(Status::GENERIC_ERROR);
        with_vectors(shape, own, kernel_data, &mut |inputs, outputs| {
            let (handle, call_type) = (shape.handle, shape.call_type);
            let status = self
                .spe
                .psa_call(client, handle, call_type, inputs, outputs);
            answer = answer_of(status, outputs);
        })?;
        Ok(answer)
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

/// in_vec 0, if it is a uid.
fn double_word(kernel_data: &GrantKernelData) -> Option<u64> {
    let mut bytes = [0; 8];
    let buffer = kernel_data.get_readonly_processbuffer(0).ok()?;
    buffer
        .enter(|data| data.copy_to_slice_or_err(&mut bytes).ok())
        .ok()??;
    Some(u64::from_le_bytes(bytes))
}

/// An input vector, if it is a word.
fn input_word(kernel_data: &GrantKernelData, i: usize) -> Option<u32> {
    let mut bytes = [0; 4];
    let buffer = kernel_data.get_readonly_processbuffer(i).ok()?;
    buffer
        .enter(|data| data.copy_to_slice_or_err(&mut bytes).ok())
        .ok()??;
    Some(u32::from_le_bytes(bytes))
}

/// Puts the client's own name of a key in the place of the kernel's, in RW 0; the process has not
/// run since.
fn rename(kernel_data: &GrantKernelData, at: usize) {
    let Ok(buffer) = kernel_data.get_readwrite_processbuffer(0) else {
        return;
    };
    // Too short a buffer holds no name.
    let _ = buffer.mut_enter(|data| {
        let mut bytes = [0; 4];
        let place = data.get(at..at + 4)?;
        place.copy_to_slice_or_err(&mut bytes).ok()?;
        let own = ownership::own_key(u32::from_le_bytes(bytes));
        place.copy_from_slice_or_err(&own.to_le_bytes()).ok()
    });
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
            self.reap(None);
        }
        let Some((process_id, shape)) = self.next_pending() else {
            return;
        };
        let _ = self.apps.enter(process_id, |app, kernel_data| {
            let answer = self.complete(process_id, shape, kernel_data);
            app.pending = None;
            let [out0, out1] = answer.lengths;
            let words = (answer.status as usize, out0 as usize, out1 as usize);
            // A full queue loses the upcall; the kernel counts that.
            let _ = kernel_data.schedule_upcall(0, words);
        });
        // One at a time: the scheduler says when the next one's turn is.
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

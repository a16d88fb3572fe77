//! Calls into the secure world, one at a time, each under a chosen client id.
//!
//! Owns `ctrl_param`, the client id in force, and re-entry: a call made while another is inside
//! is refused here, before the hardware would fault it. Calls `load_ctx` only when the id
//! changes (ARCHITECTURE §4).

use crate::{InVec, OutVec};
use core::cell::Cell;
use psa_client::Transport;
use psa_interface::service::MAX_IOVEC;
use psa_interface::{CtrlParam, Status};

/// A non-secure PSA client id: negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId(i32);

impl ClientId {
    /// The kernel itself.
    pub const KERNEL: ClientId = ClientId(-1);

    /// `id` as a non-secure client; `None` unless it is negative.
    pub const fn new(id: i32) -> Option<Self> {
        if id < 0 { Some(ClientId(id)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// The secure side keeps no client ids of ours (no `TFM_NS_MANAGE_NSID`), or refused this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectError;

/// The way into the secure world: what the veneers do.
pub trait Gate {
    /// `tfm_psa_framework_version_veneer`.
    fn framework_version(&self) -> u32;
    /// `tfm_psa_version_veneer`: version of the service `sid`, 0 when there is none.
    fn version(&self, sid: u32) -> u32;
    /// `tfm_psa_call_veneer`; `ctrl` counts the vectors in both arrays. Sets output lengths.
    fn call(&self, handle: u32, ctrl: u32, inputs: &[InVec<'_>], outputs: &mut [OutVec<'_>])
    -> i32;
    /// `tfm_nsce_init` and `tfm_nsce_acquire_ctx`: a token, if the secure side keeps client ids.
    fn acquire_context(&self) -> Result<u32, SelectError>;
    /// `tfm_nsce_load_ctx`: the calls that follow are made by `client`.
    fn load_context(&self, token: u32, client: ClientId) -> Result<(), SelectError>;
}

#[derive(Clone, Copy)]
enum Context {
    Unknown,
    /// Secure side without client ids: everything is the kernel's.
    Single,
    Selected {
        token: u32,
        client: Option<ClientId>,
    },
}

/// The secure world as one caller at a time sees it.
pub struct Spe<G> {
    gate: G,
    context: Cell<Context>,
    inside: Cell<bool>,
}

impl<G: Gate> Spe<G> {
    /// Over `gate`; makes no call yet.
    pub const fn new(gate: G) -> Self {
        Spe {
            gate,
            context: Cell::new(Context::Unknown),
            inside: Cell::new(false),
        }
    }

    /// PSA framework version of the secure side (0x0101 expected).
    pub fn framework_version(&self) -> u32 {
        self.gate.framework_version()
    }

    /// Version of the service `sid`, 0 when it is absent.
    pub fn version(&self, sid: u32) -> u32 {
        self.gate.version(sid)
    }

    /// The way in, for tests to look behind.
    pub fn gate(&self) -> &G {
        &self.gate
    }

    /// Whether the secure side keeps client ids of ours apart; where it does not, whatever is called
    /// must be called as the kernel.
    pub fn manages_clients(&self) -> bool {
        !matches!(self.known_context(), Context::Single)
    }

    fn known_context(&self) -> Context {
        let context = match self.context.get() {
            Context::Unknown => match self.gate.acquire_context() {
                Ok(token) => Context::Selected {
                    token,
                    client: None,
                },
                Err(SelectError) => Context::Single,
            },
            known => known,
        };
        self.context.set(context);
        context
    }

    /// Makes `client` the caller of what follows; costs nothing when it already is.
    /// `Err` when the secure side keeps no client ids and `client` is not the kernel.
    pub fn select_client(&self, client: ClientId) -> Result<(), SelectError> {
        match self.known_context() {
            Context::Selected {
                client: Some(current),
                ..
            } if current == client => Ok(()),
            Context::Selected { token, .. } => {
                // Unknown until the load succeeds: a failed one must not pass for selected.
                self.context.set(Context::Selected {
                    token,
                    client: None,
                });
                self.gate.load_context(token, client)?;
                self.context.set(Context::Selected {
                    token,
                    client: Some(client),
                });
                Ok(())
            }
            _ if client == ClientId::KERNEL => Ok(()),
            _ => Err(SelectError),
        }
    }

    /// One `psa_call` by `client`. Answers the service's status; −129 for counts, types or
    /// re-entry that a client must refuse itself, −133 when `client` cannot be selected.
    pub fn psa_call(
        &self,
        client: ClientId,
        handle: u32,
        call_type: i16,
        inputs: &[InVec<'_>],
        outputs: &mut [OutVec<'_>],
    ) -> i32 {
        let Some(ctrl) = ctrl_param(call_type, inputs.len(), outputs.len()) else {
            return Status::PROGRAMMER_ERROR.0;
        };
        if self.inside.replace(true) {
            return Status::PROGRAMMER_ERROR.0;
        }
        let status = match self.select_client(client) {
            Ok(()) => self.gate.call(handle, ctrl, inputs, outputs),
            Err(SelectError) => Status::NOT_PERMITTED.0,
        };
        self.inside.set(false);
        status
    }
}

/// The kernel as a PSA client: the typed API of `psa-client` over a [`Spe`].
pub struct KernelClient<'a, G>(pub &'a Spe<G>);

impl<G: Gate> Transport for KernelClient<'_, G> {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [psa_client::OutVec<'_>],
    ) -> i32 {
        if in_vecs.len() + out_vecs.len() > MAX_IOVEC {
            return Status::PROGRAMMER_ERROR.0;
        }
        let mut inputs = [InVec::EMPTY; MAX_IOVEC];
        for (to, from) in inputs.iter_mut().zip(in_vecs) {
            *to = InVec::new(from);
        }
        let mut outputs = [const { OutVec::EMPTY }; MAX_IOVEC];
        let (ins, outs) = (in_vecs.len(), out_vecs.len());
        let (status, written) = {
            let mut written = [0; MAX_IOVEC];
            for (to, from) in outputs.iter_mut().zip(out_vecs.iter_mut()) {
                *to = OutVec::own(from.buf);
            }
            let (Some(inputs), Some(outputs)) = (inputs.get(..ins), outputs.get_mut(..outs)) else {
                return Status::PROGRAMMER_ERROR.0;
            };
            let status = self
                .0
                .psa_call(ClientId::KERNEL, handle, call_type, inputs, outputs);
            for (to, from) in written.iter_mut().zip(outputs.iter()) {
                *to = from.len();
            }
            (status, written)
        };
        for (to, len) in out_vecs.iter_mut().zip(written) {
            // A refusal before dispatch leaves the offered lengths: nothing was written then.
            to.len = if status < 0 { 0 } else { len.min(to.buf.len()) };
        }
        status
    }
}

/// `ctrl_param` of a call; `None` where a client must refuse: a negative type, more than four
/// vectors.
fn ctrl_param(call_type: i16, in_len: usize, out_len: usize) -> Option<u32> {
    let param = CtrlParam {
        call_type,
        in_len: u8::try_from(in_len).ok()?,
        out_len: u8::try_from(out_len).ok()?,
    };
    param.pack().filter(|_| param.is_acceptable())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[derive(Debug, PartialEq)]
    enum Event {
        Acquire,
        Load(i32),
        Call(u32, u32),
    }

    struct Fake {
        events: RefCell<Vec<Event>>,
        managed: bool,
    }

    impl Fake {
        fn new(managed: bool) -> Self {
            Fake {
                events: RefCell::new(Vec::new()),
                managed,
            }
        }
    }

    impl Gate for Fake {
        fn framework_version(&self) -> u32 {
            0x0101
        }
        fn version(&self, _: u32) -> u32 {
            1
        }
        fn call(&self, handle: u32, ctrl: u32, _: &[InVec<'_>], outs: &mut [OutVec<'_>]) -> i32 {
            self.events.borrow_mut().push(Event::Call(handle, ctrl));
            for out in outs {
                out.set_len(2);
            }
            0
        }
        fn acquire_context(&self) -> Result<u32, SelectError> {
            self.events.borrow_mut().push(Event::Acquire);
            self.managed.then_some(0x0001_0101).ok_or(SelectError)
        }
        fn load_context(&self, _: u32, client: ClientId) -> Result<(), SelectError> {
            self.events.borrow_mut().push(Event::Load(client.get()));
            (client.get() > -100).then_some(()).ok_or(SelectError)
        }
    }

    fn id(n: i32) -> ClientId {
        ClientId::new(n).unwrap()
    }

    #[test]
    fn a_context_is_loaded_only_when_it_changes() {
        let spe = Spe::new(Fake::new(true));
        for n in [-1, -1, -2, -2, -1] {
            assert_eq!(spe.psa_call(id(n), 7, 0, &[], &mut []), 0);
        }
        let loads: Vec<_> = spe
            .gate()
            .events
            .borrow()
            .iter()
            .filter_map(|e| match e {
                Event::Load(n) => Some(*n),
                _ => None,
            })
            .collect();
        assert_eq!(loads, [-1, -2, -1]);
    }

    #[test]
    fn a_failed_load_never_calls_and_is_not_remembered() {
        let spe = Spe::new(Fake::new(true));
        assert_eq!(spe.psa_call(id(-2), 7, 0, &[], &mut []), 0);
        assert_eq!(spe.psa_call(id(-200), 7, 0, &[], &mut []), -133);
        assert_eq!(spe.psa_call(id(-2), 7, 0, &[], &mut []), 0);
        assert_eq!(
            *spe.gate().events.borrow(),
            [
                Event::Acquire,
                Event::Load(-2),
                Event::Call(7, 0),
                Event::Load(-200),
                Event::Load(-2),
                Event::Call(7, 0)
            ]
        );
    }

    #[test]
    fn without_management_only_the_kernel_calls() {
        let spe = Spe::new(Fake::new(false));
        assert_eq!(spe.psa_call(ClientId::KERNEL, 7, 0, &[], &mut []), 0);
        assert_eq!(spe.psa_call(id(-2), 7, 0, &[], &mut []), -133);
        assert!(!spe.manages_clients());
        assert!(Spe::new(Fake::new(true)).manages_clients());
    }

    #[test]
    fn ctrl_param_packs_and_refuses() {
        assert_eq!(ctrl_param(1001, 3, 1), Some(0x0301_03E9));
        assert_eq!(ctrl_param(0, 0, 4), Some(0x0004_0000));
        assert_eq!(ctrl_param(-1, 0, 0), None);
        assert_eq!(ctrl_param(0, 3, 2), None);
    }

    #[test]
    fn the_kernel_is_a_transport() {
        let spe = Spe::new(Fake::new(true));
        let mut buf = [0; 5];
        let mut outs = [psa_client::OutVec::new(&mut buf)];
        let status = KernelClient(&spe).psa_call(9, 0, &[b"in"], &mut outs);
        assert_eq!((status, outs[0].len), (0, 2));
        assert_eq!(
            spe.gate().events.borrow().last(),
            Some(&Event::Call(9, 0x0101_0000))
        );
    }
}

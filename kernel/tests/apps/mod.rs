//! What tests of loading share: credentials that say by themselves whether they are good, names by
//! a byte of the binary, and TBF objects.
#![allow(dead_code)]

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::process::{
    FaultAction, Process, ProcessBinary, ProcessCheckerMachine, ProcessFaultPolicy, ShortId,
};
use kernel::process_checker::{
    AppCredentialsPolicy, AppCredentialsPolicyClient, AppUniqueness, CheckResult, Compress,
};
use kernel::utilities::cells::OptionalCell;
use tock_tbf::types::{TbfFooterV2Credentials, TbfFooterV2CredentialsType};

/// A checker over [`Policy`].
pub fn machine(require: bool) -> &'static ProcessCheckerMachine {
    let policy: &'static Policy = Box::leak(Box::new(Policy {
        require,
        client: OptionalCell::empty(),
        waiting: OptionalCell::empty(),
        call: DeferredCall::new(),
    }));
    policy.register();
    let machine: &'static ProcessCheckerMachine =
        Box::leak(Box::new(ProcessCheckerMachine::new(policy)));
    machine.register();
    machine
}

pub struct Stop;
impl ProcessFaultPolicy for Stop {
    fn action(&self, _: &dyn Process) -> FaultAction {
        FaultAction::Stop
    }
}

/// Accepts an ECDSA credential whose first byte is 1, rejects 2, passes over the rest.
struct Policy {
    require: bool,
    client: OptionalCell<&'static dyn AppCredentialsPolicyClient<'static>>,
    waiting: OptionalCell<(TbfFooterV2Credentials, &'static [u8])>,
    call: DeferredCall,
}
impl AppCredentialsPolicy<'static> for Policy {
    fn set_client(&self, c: &'static dyn AppCredentialsPolicyClient<'static>) {
        self.client.set(c);
    }
    fn require_credentials(&self) -> bool {
        self.require
    }
    fn check_credentials(
        &self,
        c: TbfFooterV2Credentials,
        region: &'static [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'static [u8])> {
        if c.format() != TbfFooterV2CredentialsType::EcdsaNistP256 {
            return Err((ErrorCode::NOSUPPORT, c, region));
        }
        self.waiting.set((c, region));
        self.call.set();
        Ok(())
    }
}
impl DeferredCallClient for Policy {
    fn handle_deferred_call(&self) {
        let (c, region) = self.waiting.take().unwrap();
        let verdict = match c.data()[0] {
            1 => CheckResult::Accept(None),
            2 => CheckResult::Reject,
            _ => CheckResult::Pass,
        };
        self.client.map(|k| k.check_done(Ok(verdict), c, region));
    }
    fn register(&'static self) {
        self.call.register(self);
    }
}

/// Names an application by the byte behind its header, if its credential was accepted.
pub struct Names;
impl Compress for Names {
    fn to_short_id(&self, b: &ProcessBinary) -> ShortId {
        let n = b.flash[b.header.get_protected_size() as usize];
        match (b.get_credential(), core::num::NonZeroU32::new(n.into())) {
            (Some(_), Some(n)) => ShortId::Fixed(n),
            _ => ShortId::LocallyUnique,
        }
    }
}
impl AppUniqueness for Names {
    fn different_identifier(&self, a: &ProcessBinary, b: &ProcessBinary) -> bool {
        self.to_short_id(a) != self.to_short_id(b)
    }
    fn different_identifier_process(&self, a: &ProcessBinary, b: &dyn Process) -> bool {
        self.to_short_id(a) != b.short_app_id()
    }
    fn different_identifier_processes(&self, a: &dyn Process, b: &dyn Process) -> bool {
        a.short_app_id() != b.short_app_id()
    }
    fn may_become_same(&self, unchecked: &ProcessBinary, checked: &ProcessBinary) -> bool {
        let id = |b: &ProcessBinary| b.flash[b.header.get_protected_size() as usize];
        id(unchecked) == id(checked)
    }
}

/// An object: name, version, id byte, footers by the first byte of their signature.
pub fn object(
    name: &str,
    version: u32,
    id: u8,
    credentials: &[u8],
    edit: impl Fn(&mut Vec<u8>),
) -> Vec<u8> {
    object_of(1024, name, version, id, credentials, edit)
}

/// As [`object`], of `size` bytes; the binary ends 512 before.
pub fn object_of(
    size: u32,
    name: &str,
    version: u32,
    id: u8,
    credentials: &[u8],
    edit: impl Fn(&mut Vec<u8>),
) -> Vec<u8> {
    let end = size - 512;
    let mut body = vec![];
    let mut tlv = |kind: u16, value: &[u8]| {
        body.extend(kind.to_le_bytes());
        body.extend((value.len() as u16).to_le_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    };
    let program: Vec<u8> = [0u32, 0, 4096, end, version]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    tlv(9, &program);
    tlv(3, name.as_bytes());
    if id != 0 {
        tlv(10, &u32::from(id).to_le_bytes());
    }
    tlv(8, &[2, 0, 3, 0]);
    let mut out = vec![2, 0];
    out.extend((16 + body.len() as u16).to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(&body);
    edit(&mut out);
    let sum = out
        .chunks_exact(4)
        .fold(0, |s, w| s ^ u32::from_le_bytes(w.try_into().unwrap()));
    out[12..16].copy_from_slice(&sum.to_le_bytes());
    out.push(id);
    out.resize(end as usize, id);
    for first in credentials {
        out.extend(128u16.to_le_bytes());
        out.extend(68u16.to_le_bytes());
        out.extend(6u32.to_le_bytes());
        out.push(*first);
        out.extend([0; 63]);
    }
    // The rest is a Reserved credential, as elf2tab writes it.
    let rest = size as usize - out.len();
    out.extend(128u16.to_le_bytes());
    out.extend((rest as u16 - 4).to_le_bytes());
    out.resize(size as usize, 0);
    out
}

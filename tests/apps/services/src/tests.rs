//! The rules and vectors on a host: services linked in, flash simulated.

use super::{rules, vectors};
use core::cell::RefCell;
use flash::sim::{Power, SimFlash};
use provisioning::OtpCounters;
use psa_client::{OutVec, Status, Transport};
use psa_interface::service::{CRYPTO_HANDLE, ITS_HANDLE, PS_HANDLE};
use spe_crypto::host::HostCrypto;
use spe_storage::{Its, ItsService, Ps, PsService};
use spm::{Call, ClientId, Input, Output, Service};
use std::collections::HashSet;

/// Crypto and both storages.
struct Host {
    crypto: HostCrypto,
    its: RefCell<Its<SimFlash>>,
    ps: RefCell<Ps<SimFlash, OtpCounters<SimFlash>>>,
}

impl Host {
    fn new() -> Self {
        let power = Power::new(1);
        let region = |size| SimFlash::on(&power, size, 4096, 1);
        let counters = OtpCounters::mount(region(8 * 4096)).unwrap();
        Host {
            crypto: HostCrypto::new(1),
            its: RefCell::new(Its::new(region(0x2_0000))),
            ps: RefCell::new(Ps::new(region(0x4_0000), counters, &[7; 32])),
        }
    }
}

impl Transport for Host {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32 {
        if handle == CRYPTO_HANDLE {
            return self.crypto.psa_call(handle, call_type, in_vecs, out_vecs);
        }
        let inputs: Vec<Input<'_>> = in_vecs.iter().map(|v| Input::own(v)).collect();
        let (status, lengths): (i32, Vec<usize>) = {
            let outputs = out_vecs.iter_mut().map(|v| Output::own(v.buf));
            let mut outputs: Vec<Output<'_>> = outputs.collect();
            let mut call = Call {
                client: ClientId(-2),
                call_type,
                inputs: &inputs,
                outputs: &mut outputs,
            };
            let status = match handle {
                ITS_HANDLE => ItsService(&self.its).call(&mut call),
                PS_HANDLE => PsService(&self.ps).call(&mut call),
                _ => Status::CONNECTION_REFUSED.0,
            };
            (status, outputs.iter().map(Output::written).collect())
        };
        for (out, len) in out_vecs.iter_mut().zip(lengths) {
            out.len = len;
        }
        status
    }
}

#[test]
fn every_rule_holds() {
    let host = Host::new();
    let mut broken = Vec::new();
    for rule in rules().filter(|r| !r.id.starts_with("attest-")) {
        if let Err(e) = (rule.run)(&host) {
            broken.push(format!("{}: {e:?}", rule.id));
        }
        assert_eq!(host.crypto.in_use(), (0, 0), "{} leaves something", rule.id);
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn ids_are_unique() {
    let mut seen = HashSet::new();
    assert!(rules().all(|r| seen.insert(r.id)));
}

#[test]
fn every_vector_holds() {
    let host = Host::new();
    let mut counts = [0; vectors::KINDS.len()];
    for vector in vectors::all() {
        assert_eq!(vectors::run(&host, &vector), Ok(true), "{vector:?}");
        counts[vector.kind] += 1;
    }
    println!("{counts:?}");
    assert!(counts.iter().all(|n| *n > 60), "{counts:?}");
}

//! Transcript hashes: PSA multi-part hashes, forked with `psa_hash_clone`.

use crate::psa::{HashOperation, Psa};
use alloc::boxed::Box;
use psa_interface::{Algorithm, Status};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};

/// One hash algorithm of the service.
pub(crate) struct PsaHash {
    pub(crate) psa: &'static Psa,
    pub(crate) alg: Algorithm,
    tls: HashAlgorithm,
    pub(crate) len: usize,
}

impl PsaHash {
    /// A hash of `len` bytes, allocated for ever.
    pub(crate) fn leak(
        psa: &'static Psa,
        alg: Algorithm,
        tls: HashAlgorithm,
        len: usize,
    ) -> &'static PsaHash {
        Box::leak(Box::new(PsaHash { psa, alg, tls, len }))
    }

    /// The digest of the right length, or, after a failure, zeroes and a remembered fault.
    fn output(&self, result: Result<usize, Status>, bytes: &[u8; Output::MAX_LEN]) -> Output {
        let status = match result {
            Ok(written) if written == self.len => {
                return Output::new(bytes.get(..self.len).unwrap_or_default());
            }
            Ok(_) => Status::COMMUNICATION_FAILURE,
            Err(status) => status,
        };
        self.psa.note(status);
        let zeroes = [0; Output::MAX_LEN];
        Output::new(zeroes.get(..self.len).unwrap_or_default())
    }
}

impl Hash for PsaHash {
    fn start(&self) -> Box<dyn Context> {
        let operation = self.psa.hash_setup(self.alg);
        Box::new(Running::new(self, operation))
    }

    fn hash(&self, data: &[u8]) -> Output {
        let mut bytes = [0; Output::MAX_LEN];
        let result = self.psa.hash(self.alg, data, &mut bytes);
        self.output(result, &bytes)
    }

    fn output_len(&self) -> usize {
        self.len
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.tls
    }
}

/// A hash that runs; `None` after a PSA failure (the fault is remembered).
struct Running {
    hash: PsaHash,
    operation: Option<HashOperation>,
}

impl Running {
    fn new(hash: &PsaHash, operation: Result<HashOperation, Status>) -> Self {
        Running {
            hash: PsaHash { ..*hash },
            operation: operation.map_err(|status| hash.psa.note(status)).ok(),
        }
    }

    fn duplicate(&self) -> Running {
        let copy = match &self.operation {
            Some(operation) => operation.duplicate(),
            None => Err(Status::BAD_STATE),
        };
        Running::new(&self.hash, copy)
    }

    fn digest(self) -> Output {
        let mut bytes = [0; Output::MAX_LEN];
        let result = match self.operation {
            Some(operation) => operation.finish(&mut bytes),
            None => Err(Status::BAD_STATE),
        };
        self.hash.output(result, &bytes)
    }
}

impl Context for Running {
    fn fork_finish(&self) -> Output {
        self.duplicate().digest()
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(self.duplicate())
    }

    fn finish(self: Box<Self>) -> Output {
        self.digest()
    }

    fn update(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if let Some(operation) = &mut self.operation
            && let Err(status) = operation.update(data)
        {
            self.hash.psa.note(status);
            self.operation = None;
        }
    }
}

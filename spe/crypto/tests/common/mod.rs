//! A thin client for the tests: vectors in, status and outputs back.
#![allow(dead_code)] // Each test binary uses its own part.

use psa_client::{OutVec, Transport};
use psa_interface::crypto::function as f;
use psa_interface::{Algorithm, CryptoIovec, KeyAttributes, KeyType, Status, service};
use spe_crypto::host::HostCrypto;

pub const SHA: Algorithm = Algorithm::SHA_256;
pub const NONE: Algorithm = Algorithm::NONE;

/// One call; outputs of the offered sizes, cut to what was written.
pub fn call(
    crypto: &HostCrypto,
    iov: CryptoIovec,
    inputs: &[&[u8]],
    sizes: &[usize],
) -> Result<Vec<Vec<u8>>, Status> {
    let (status, out) = call_raw(crypto, &iov.encode(), inputs, sizes);
    if status == Status::SUCCESS {
        return Ok(out);
    }
    assert!(
        out.iter().all(Vec::is_empty),
        "a failed call reports no output"
    );
    Err(status)
}

/// The same with any bytes as vector 0; what was written even when it failed.
pub fn call_raw(
    crypto: &HostCrypto,
    iov: &[u8],
    inputs: &[&[u8]],
    sizes: &[usize],
) -> (Status, Vec<Vec<u8>>) {
    let mut all = vec![iov];
    all.extend(inputs);
    let mut buffers: Vec<Vec<u8>> = sizes.iter().map(|n| vec![0; *n]).collect();
    let (status, lengths) = {
        let mut outs: Vec<OutVec<'_>> = buffers.iter_mut().map(|b| OutVec::new(b)).collect();
        let status = crypto.psa_call(service::CRYPTO_HANDLE, 0, &all, &mut outs);
        (
            Status(status),
            outs.iter().map(|o| o.len).collect::<Vec<_>>(),
        )
    };
    for (buffer, len) in buffers.iter_mut().zip(lengths) {
        if !status.is_success() {
            assert!(
                buffer.iter().all(|b| *b == 0),
                "a failed call leaves nothing"
            );
        }
        buffer.truncate(len);
    }
    (status, buffers)
}

pub fn iov(function: u16) -> CryptoIovec {
    CryptoIovec::new(function)
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

pub fn attributes(key_type: KeyType, bits: u16, usage: u32, alg: Algorithm) -> KeyAttributes {
    KeyAttributes::volatile(key_type, bits, usage, alg)
}

pub fn p256(flags: u32, alg: Algorithm) -> KeyAttributes {
    attributes(KeyType::ECC_KEY_PAIR_SECP_R1, 256, flags, alg)
}

pub fn import(crypto: &HostCrypto, attributes: KeyAttributes, data: &[u8]) -> Result<u32, Status> {
    call(
        crypto,
        iov(f::IMPORT_KEY),
        &[&attributes.encode(), data],
        &[4],
    )
    .map(|o| word(&o[0]))
}

pub fn generate(crypto: &HostCrypto, attributes: KeyAttributes) -> Result<u32, Status> {
    call(crypto, iov(f::GENERATE_KEY), &[&attributes.encode()], &[4]).map(|o| word(&o[0]))
}

pub fn with_key(
    crypto: &HostCrypto,
    function: u16,
    key_id: u32,
    alg: Algorithm,
    inputs: &[&[u8]],
    out: usize,
) -> Result<Vec<u8>, Status> {
    let iov = CryptoIovec {
        key_id,
        alg: alg.0,
        ..iov(function)
    };
    let sizes: &[usize] = if out == 0 { &[] } else { &[out] };
    call(crypto, iov, inputs, sizes).map(|mut o| o.pop().unwrap_or_default())
}

pub fn destroy(crypto: &HostCrypto, key_id: u32) -> Result<(), Status> {
    with_key(crypto, f::DESTROY_KEY, key_id, Algorithm::NONE, &[], 0).map(|_| ())
}

pub fn setup(
    crypto: &HostCrypto,
    function: u16,
    key_id: u32,
    alg: Algorithm,
) -> Result<u32, Status> {
    with_key(crypto, function, key_id, alg, &[], 4).map(|o| word(&o))
}

/// A call on an operation.
pub fn on(
    crypto: &HostCrypto,
    function: u16,
    op_handle: u32,
    inputs: &[&[u8]],
    sizes: &[usize],
) -> Result<Vec<Vec<u8>>, Status> {
    call(
        crypto,
        CryptoIovec {
            op_handle,
            ..iov(function)
        },
        inputs,
        sizes,
    )
}

pub fn step(crypto: &HostCrypto, op_handle: u32, step: u16, data: &[u8]) -> Result<(), Status> {
    let iov = CryptoIovec {
        op_handle,
        step,
        ..iov(f::KEY_DERIVATION_INPUT_BYTES)
    };
    call(crypto, iov, &[data], &[]).map(|_| ())
}

pub fn step_key(crypto: &HostCrypto, op_handle: u32, step: u16, key_id: u32) -> Result<(), Status> {
    let iov = CryptoIovec {
        op_handle,
        step,
        key_id,
        ..iov(f::KEY_DERIVATION_INPUT_KEY)
    };
    call(crypto, iov, &[], &[]).map(|_| ())
}

pub fn aead(
    crypto: &HostCrypto,
    function: u16,
    (key_id, alg): (u32, Algorithm),
    nonce: &[u8],
    text: &[u8],
    ad: &[u8],
    out: usize,
) -> Result<Vec<u8>, Status> {
    let iov = CryptoIovec {
        key_id,
        alg: alg.0,
        ..iov(function)
    }
    .with_nonce(nonce)?;
    let sizes: &[usize] = if out == 0 { &[] } else { &[out] };
    call(crypto, iov, &[text, ad], sizes).map(|mut o| o.pop().unwrap_or_default())
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// xorshift64*.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

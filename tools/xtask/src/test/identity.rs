//! Cases of the device's identity: attestation, and how it is provisioned.
//!
//! Owns what a relying party or a factory must see, and each way in which it must not work.

use super::Case;
use crate::alone::Alone;
use crate::attest;
use anyhow::{Result, bail};
use qemu_harness::Device;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The cases.
pub const CASES: [Case; 1] = [Case {
    id: "attest-token",
    run: attest_token,
}];

/// Tokens over each size of challenge are verified and say what was flashed; sizes that the API
/// does not know are refused; the next boot is the same device with another boot seed.
fn attest_token() -> Result<()> {
    let alone = Alone::new(&attest::PROCESS)?;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let device = Device::start(&alone.config)?;
        device.console.wait("attest: ready", LIMIT)?;
        for size in [32, 48, 64] {
            let nonce: Vec<u8> = (0..size).map(|i| i ^ size).collect();
            let Ok(token) = attest::ask(&device, &nonce)? else {
                bail!("a challenge of {size} bytes was refused");
            };
            let key = &alone.issued.attestation_key;
            let claims = attestation_verifier::verify(&token, &nonce, key)?;
            attest::compare(&claims)?;
            // SECURED, and the process's own client id: behind the product's apps.
            if claims.lifecycle != 0x3000 || claims.client >= -1 {
                bail!("the token says {claims}");
            }
            if attestation_verifier::verify(&token, &[0; 32], key).is_ok() {
                bail!("a token is believed for another challenge");
            }
            seen.push(claims);
        }
        for size in [0, 1, 31, 33, 47, 63, 65, 96] {
            match attest::ask(&device, &vec![7; size])? {
                Err(-135) => {}
                other => bail!("a challenge of {size} bytes: {other:?}"),
            }
        }
    }
    let [first, same_boot, _, next_boot, ..] = &seen[..] else {
        bail!("{} tokens", seen.len());
    };
    if first.instance_id != next_boot.instance_id {
        bail!("the device changed with a boot");
    }
    if first.boot_seed != same_boot.boot_seed || first.boot_seed == next_boot.boot_seed {
        bail!("the boot seed is not one of a boot");
    }
    Ok(())
}

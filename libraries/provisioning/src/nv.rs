//! The entropy seed in the first two sectors of `nv`.
//!
//! Owns the rule that no random byte is served before the seed behind it can never come back:
//! read, derive, write the advanced seed, destroy the old one, only then hand out. QEMU models
//! no TRNG, so this seed is all the entropy there is; a board with a TRNG mixes it in.
//! Sectors from 2 on belong to the loader.
//!
//! Seed record, little endian: magic · sequence number · seed 64 · first 16 bytes of SHA-256 over
//! all of it. The valid record with the highest number counts; there are two only inside a cut.

use crate::word;
use flash::{Flash, FlashError};
use symmetric::sha256::Sha256;

const MAGIC: u32 = u32::from_le_bytes(*b"TSSD");
const RECORD: usize = 88;

/// Bytes of seed, stored and handed out.
pub const SEED: usize = 64;

/// Why there is no seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedError {
    /// No valid record: never provisioned, or damaged. The device must not serve.
    NoSeed,
    /// The flash failed; nothing was handed out.
    Flash(FlashError),
}

impl From<FlashError> for SeedError {
    fn from(e: FlashError) -> Self {
        SeedError::Flash(e)
    }
}

/// A boot's own seed, and how many boots took one before.
#[derive(Clone, PartialEq, Eq)]
pub struct BootSeed {
    /// Key material for a DRBG; unrelated to what flash holds now.
    pub seed: [u8; SEED],
    /// Boots since provisioning, this one included.
    pub boot_count: u32,
}

impl core::fmt::Debug for BootSeed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BootSeed")
            .field("boot_count", &self.boot_count)
            .finish_non_exhaustive()
    }
}

/// Writes the factory's seed, unless the region holds a valid one already.
///
/// # Errors
/// [`FlashError`] of the device.
pub fn provision<F: Flash>(flash: &mut F, seed: &[u8; SEED]) -> Result<(), FlashError> {
    if newest(flash)?.is_some() {
        return Ok(());
    }
    flash.erase(0, 2 * flash.erase_size())?;
    flash.program(0, &record(1, seed))
}

/// Takes this boot's seed. `mix` is anything that differs between devices and boots (device id,
/// a TRNG's output); it may be public.
///
/// # Errors
/// [`SeedError`]; nothing was handed out then, and the next call may succeed.
pub fn take_seed<F: Flash>(flash: &mut F, mix: &[u8]) -> Result<BootSeed, SeedError> {
    let (sector, sequence, seed) = newest(flash)?.ok_or(SeedError::NoSeed)?;
    let next = sequence.checked_add(1).ok_or(SeedError::NoSeed)?;
    let size = flash.erase_size();
    let other = (1 - sector) * size;
    let advanced = derive(b"next", sequence, &seed, mix);
    flash.erase(other, size)?;
    flash.program(other, &record(next, &advanced))?;
    // What reads back is what the next boot will start from.
    match newest(flash)? {
        Some((s, n, _)) if (s, n) == (1 - sector, next) => {}
        _ => return Err(SeedError::Flash(FlashError::Device)),
    }
    flash.erase(sector * size, size)?;
    Ok(BootSeed {
        seed: derive(b"boot", sequence, &seed, mix),
        boot_count: sequence,
    })
}

/// Sector, sequence number and seed of the record that counts.
fn newest<F: Flash>(flash: &F) -> Result<Option<(u32, u32, [u8; SEED])>, FlashError> {
    let mut best = None;
    for sector in 0..2 {
        let mut buf = [0; RECORD];
        flash.read(sector * flash.erase_size(), &mut buf)?;
        let sequence = word(&buf, 4);
        let mut seed = [0; SEED];
        for (s, b) in seed.iter_mut().zip(buf.iter().skip(8)) {
            *s = *b;
        }
        if buf == record(sequence, &seed) && best.is_none_or(|(_, n, _)| n < sequence) {
            best = Some((sector, sequence, seed));
        }
    }
    Ok(best)
}

fn record(sequence: u32, seed: &[u8; SEED]) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    let (magic, number) = (MAGIC.to_le_bytes(), sequence.to_le_bytes());
    let body = magic.iter().chain(&number).chain(seed);
    for (o, b) in out.iter_mut().zip(body) {
        *o = *b;
    }
    let mut h = Sha256::new();
    h.update(b"Tockstone seed record");
    h.update(&out);
    for (o, b) in out.iter_mut().skip(8 + SEED).zip(h.finish()) {
        *o = b;
    }
    out
}

fn derive(label: &[u8; 4], sequence: u32, seed: &[u8; SEED], mix: &[u8]) -> [u8; SEED] {
    let mut out = [0; SEED];
    for (half, to) in out.chunks_exact_mut(32).enumerate() {
        let mut h = Sha256::new();
        h.update(seed);
        h.update(label);
        h.update(&[half as u8]);
        h.update(&sequence.to_le_bytes());
        h.update(mix);
        to.copy_from_slice(&h.finish());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use flash::sim::{Power, SimFlash, Tear};
    use std::collections::HashSet;

    #[test]
    fn no_seed_is_served_twice_whatever_is_cut() {
        for tear in Tear::ALL {
            let mut served = HashSet::new();
            let power = Power::new(11);
            let mut f = SimFlash::on(&power, 0x10000, 0x1000, 1);
            provision(&mut f, &[7; SEED]).unwrap();
            let mut cuts = 0;
            for boot in 0..600 {
                power.cut_after(boot % 5, tear);
                match take_seed(&mut f, b"same mix") {
                    Ok(taken) => {
                        assert!(served.insert(taken.seed));
                        // Neither it nor the one it came from is in flash any more.
                        for sector in f.data().chunks(0x1000).take(2) {
                            assert!(!sector.windows(32).any(|w| w == &taken.seed[..32]));
                        }
                        let valid = (0..2)
                            .filter(|s| f.data()[s * 0x1000..][..4] == MAGIC.to_le_bytes())
                            .count();
                        assert_eq!(valid, 1);
                    }
                    Err(e) => {
                        assert!(matches!(e, SeedError::Flash(_)));
                        cuts += 1;
                    }
                }
                power.power_on();
            }
            assert_eq!(cuts, 360);
            // The device always came up again.
            assert_eq!(served.len(), 240);
            take_seed(&mut f, b"").unwrap();
        }
    }

    #[test]
    fn no_seed_no_service() {
        let mut f = SimFlash::new(0x2000, 0x1000, 1);
        assert_eq!(take_seed(&mut f, b""), Err(SeedError::NoSeed));
        f.data_mut().fill(0);
        assert_eq!(take_seed(&mut f, b""), Err(SeedError::NoSeed));
        provision(&mut f, &[9; SEED]).unwrap();
        let mut damaged = f.clone();
        damaged.data_mut()[20] ^= 4;
        assert_eq!(take_seed(&mut damaged, b""), Err(SeedError::NoSeed));
        let mut other = f.clone();
        let a = take_seed(&mut f, b"a").unwrap();
        assert_ne!(a.seed, take_seed(&mut other, b"b").unwrap().seed);
        assert_eq!(a.boot_count, 1);
        // Provisioning again does not bring the old seed back.
        provision(&mut f, &[9; SEED]).unwrap();
        assert_eq!(take_seed(&mut f, b"a").unwrap().boot_count, 2);
    }

    #[test]
    fn provisioning_survives_cuts() {
        for tear in Tear::ALL {
            for cut in 0..4 {
                let mut f = SimFlash::on(&Power::new(cut + 1), 0x2000, 0x1000, 1);
                f.power().cut_after(cut, tear);
                let _ = provision(&mut f, &[3; SEED]);
                f.power().power_on();
                provision(&mut f, &[3; SEED]).unwrap();
                take_seed(&mut f, b"").unwrap();
            }
        }
    }
}

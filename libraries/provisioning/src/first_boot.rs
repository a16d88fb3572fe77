//! The first boot: from record to provisioned device.
//!
//! Owns the order, which makes a cut anywhere harmless: loader fuses the root of trust · SPE
//! writes the seed, then each object (a repeated one replaces itself) · life cycle PROVISIONED ·
//! record erased. A record found after that is never read, only erased. Does not own what
//! storing an object means.

use crate::nv;
use crate::otp::{self, Lifecycle, RootOfTrust};
use crate::record::{Object, Reader, Record, RecordError};
use flash::{Flash, FlashError};

/// Why the first boot stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBootError {
    /// No acceptable record in the region.
    Record(RecordError),
    /// The flash failed.
    Flash(FlashError),
    /// The provisioning region is not memory mapped: the record cannot be borrowed.
    NotMapped,
    /// The SPE runs, but nobody fused the root of trust.
    NotFused,
    /// The root of trust stands, but its CRC is wrong: damaged fuses.
    Damaged,
    /// Storing an object failed with this PSA status.
    Store(i32),
}

impl From<FlashError> for FirstBootError {
    fn from(e: FlashError) -> Self {
        FirstBootError::Flash(e)
    }
}

impl From<RecordError> for FirstBootError {
    fn from(e: RecordError) -> Self {
        FirstBootError::Record(e)
    }
}

/// What [`consume`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Provisioned long ago, nothing in the region.
    Nothing,
    /// This boot consumed the record.
    Provisioned,
    /// A record lay in the region of a provisioned device: erased unread (the rest of a cut first
    /// boot, or somebody's attempt to provision again).
    Erased,
}

/// Stores what a record holds, with the first boot's authority.
pub trait Sink {
    /// Stores thing name and endpoint. `Err` is a PSA status. May be called again after a cut.
    ///
    /// # Errors
    /// The PSA status that stops the first boot.
    fn settings(&mut self, record: &Record<'_>) -> Result<(), i32>;
    /// Stores one object for its owner, replacing one with its name: a cut first boot comes back.
    ///
    /// # Errors
    /// The PSA status that stops the first boot.
    fn object(&mut self, object: &Object<'_>) -> Result<(), i32>;
}

/// Loader: the root of trust, taken from the record if the device is blank.
///
/// # Errors
/// [`FirstBootError`]; without a root of trust nothing can be verified, and nothing may boot.
pub fn root_of_trust<P: Flash, O: Flash>(
    provisioning: &P,
    otp: &mut O,
) -> Result<RootOfTrust, FirstBootError> {
    if otp::lifecycle(otp)? == Lifecycle::Blank {
        let region = provisioning.mapped().ok_or(FirstBootError::NotMapped)?;
        let record = Reader::parse(region)?.record();
        otp::fuse(
            otp,
            &RootOfTrust {
                huk: *record.huk,
                iak: *record.iak,
                key_hashes: [*record.secure_key_hash, *record.non_secure_key_hash],
            },
        )?;
    }
    otp::root_of_trust(otp)?.ok_or(FirstBootError::Damaged)
}

/// SPE: stores what the record holds and erases it, or only erases it when the device is
/// provisioned already.
///
/// # Errors
/// [`FirstBootError`]; the record then still stands, and the next boot tries again.
pub fn consume<P: Flash, O: Flash, N: Flash>(
    provisioning: &mut P,
    otp: &mut O,
    nv: &mut N,
    sink: &mut impl Sink,
) -> Result<Outcome, FirstBootError> {
    let outcome = match otp::lifecycle(otp)? {
        Lifecycle::Blank => return Err(FirstBootError::NotFused),
        Lifecycle::Provisioned if is_erased(provisioning)? => return Ok(Outcome::Nothing),
        Lifecycle::Provisioned => Outcome::Erased,
        Lifecycle::Fused => {
            let region = provisioning.mapped().ok_or(FirstBootError::NotMapped)?;
            let reader = Reader::parse(region)?;
            let root = otp::root_of_trust(otp)?.ok_or(FirstBootError::Damaged)?;
            let record = reader.record();
            // The record of another device must not finish what this one's began.
            if *record.huk != root.huk {
                return Err(FirstBootError::Record(RecordError::OutOfRange));
            }
            nv::provision(nv, record.seed)?;
            sink.settings(&record).map_err(FirstBootError::Store)?;
            for object in reader.objects() {
                sink.object(&object).map_err(FirstBootError::Store)?;
            }
            otp::set_provisioned(otp)?;
            Outcome::Provisioned
        }
    };
    // From the end: the frame goes last, so that a cut erase is seen and repeated.
    let size = provisioning.erase_size().max(1);
    let mut at = provisioning.size();
    while at >= size {
        at -= size;
        provisioning.erase(at, size)?;
    }
    Ok(outcome)
}

fn is_erased<P: Flash>(provisioning: &P) -> Result<bool, FlashError> {
    let mut buf = [0; 64];
    let mut at = 0;
    // The whole first sector: a half-erased one counts as not erased.
    while at < provisioning.erase_size() {
        let n = (provisioning.erase_size() - at).min(64);
        let Some(part) = buf.get_mut(..n as usize) else {
            return Ok(false);
        };
        provisioning.read(at, part)?;
        if part.iter().any(|b| *b != 0xFF) {
            return Ok(false);
        }
        at += n;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Encoder, Endpoint, Item};
    use flash::sim::{Power, SimFlash, Tear};
    use std::collections::BTreeMap;

    struct Store(SimFlash, BTreeMap<u64, Vec<u8>>);
    impl Sink for Store {
        fn settings(&mut self, record: &Record<'_>) -> Result<(), i32> {
            self.object(&Object {
                owner: -1,
                item: Item::Its { uid: 99, flags: 0 },
                data: record.thing_name.as_bytes(),
            })
        }
        fn object(&mut self, object: &Object<'_>) -> Result<(), i32> {
            // Stands for a real store: takes power, and may be cut.
            self.0.program(0, &[0]).map_err(|_| -146)?;
            if let Item::Its { uid, .. } = object.item {
                self.1.insert(uid, object.data.to_vec());
            }
            Ok(())
        }
    }

    fn write_record(f: &mut SimFlash, huk: u8) {
        let record = Record {
            huk: &[huk; 32],
            iak: &[2; 32],
            seed: &[3; 64],
            secure_key_hash: &[4; 32],
            non_secure_key_hash: &[5; 32],
            thing_name: "thing",
            endpoint: Endpoint {
                host: "broker.example",
                port: 8883,
                address: Some([10, 0, 2, 2]),
            },
        };
        f.data_mut().fill(0xFF);
        let mut e = Encoder::new(f.data_mut(), &record, 3).unwrap();
        for uid in 1..=3 {
            e.object(&Object {
                owner: -2,
                item: Item::Its { uid, flags: 0 },
                data: &[uid as u8; 20],
            })
            .unwrap();
        }
        e.finish().unwrap();
    }

    #[test]
    fn every_cut_ends_in_a_provisioned_device() {
        for tear in Tear::ALL {
            let mut cut = 0;
            loop {
                let power = Power::new(cut + 5);
                let sim = |size| SimFlash::on(&power, size, 0x1000, 1).mapped_too();
                let (mut p, mut otp, mut nv) = (sim(0x4000), sim(0x4000), sim(0x4000));
                let mut store = Store(sim(0x1000), BTreeMap::new());
                write_record(&mut p, 1);
                power.cut_after(cut, tear);
                let mut boots = 0;
                let mut failures = 0;
                loop {
                    boots += 1;
                    assert!(boots < 4);
                    let result = root_of_trust(&p, &mut otp)
                        .and_then(|_| consume(&mut p, &mut otp, &mut nv, &mut store));
                    match result {
                        Ok(Outcome::Nothing) => break,
                        Ok(_) => {}
                        Err(_) => {
                            failures += 1;
                            power.power_on();
                        }
                    }
                }
                power.power_on();
                assert_eq!(store.1.len(), 4);
                assert!(p.data().iter().all(|b| *b == 0xFF));
                assert_eq!(root_of_trust(&p, &mut otp).unwrap().huk, [1; 32]);
                assert_eq!(nv::take_seed(&mut nv, b"").unwrap().boot_count, 1);
                // A second record is refused, and does not stay.
                write_record(&mut p, 6);
                assert_eq!(root_of_trust(&p, &mut otp).unwrap().huk, [1; 32]);
                let again = consume(&mut p, &mut otp, &mut nv, &mut store);
                assert_eq!(again, Ok(Outcome::Erased));
                assert!(p.data().iter().all(|b| *b == 0xFF));
                if failures == 0 {
                    assert!(cut > 10);
                    break;
                }
                cut += 1;
            }
        }
    }

    #[test]
    fn nothing_boots_without_a_record() {
        let p = SimFlash::new(0x4000, 0x1000, 1).mapped_too();
        let mut otp = SimFlash::new(0x4000, 0x1000, 1);
        assert_eq!(
            root_of_trust(&p, &mut otp).unwrap_err(),
            FirstBootError::Record(RecordError::Blank)
        );
    }

    #[test]
    fn another_devices_record_does_not_finish_a_cut_first_boot() {
        let sim = || SimFlash::new(0x4000, 0x1000, 1).mapped_too();
        let (mut p, mut otp, mut nv) = (sim(), sim(), sim());
        write_record(&mut p, 1);
        root_of_trust(&p, &mut otp).unwrap();
        write_record(&mut p, 2);
        let mut store = Store(sim(), BTreeMap::new());
        let result = consume(&mut p, &mut otp, &mut nv, &mut store);
        assert_eq!(result, Err(FirstBootError::Record(RecordError::OutOfRange)));
        assert!(store.1.is_empty());
    }
}

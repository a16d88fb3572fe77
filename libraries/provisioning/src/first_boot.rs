//! The first boot: from record to provisioned device.
//!
//! Owns the order, which makes a cut anywhere harmless: loader fuses the root of trust · SPE
//! writes the seed, then each object (a repeated one replaces itself) · life cycle PROVISIONED ·
//! record erased. A record found after that is never read, only erased. A record may leave the
//! life cycle at assembly and test; only such a device obeys an order to wipe, which lies in the
//! place of a record, stands until the wipe is through, and leaves the root of trust: fuses do not
//! come back. Does not own what storing an object means.

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

/// What may lie in the place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Forget every object: the device may be provisioned anew.
    Wipe,
    /// Leave assembly and test, for good.
    Secure,
}

impl Order {
    /// Every order.
    pub const ALL: [Order; 2] = [Order::Wipe, Order::Secure];

    /// The region's first bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        match self {
            Order::Wipe => *b"TSOR wipe 000001",
            Order::Secure => *b"TSOR secure 0001",
        }
    }

    fn read<P: Flash>(provisioning: &P) -> Result<Option<Order>, FlashError> {
        let mut start = [0; 16];
        provisioning.read(0, &mut start)?;
        Ok(Order::ALL.into_iter().find(|order| order.bytes() == start))
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
    /// An order to wipe lay there, and the life cycle does not allow it: erased.
    WipeRefused,
    /// Every object is gone, and the device waits for a record.
    Wiped,
    /// The life cycle is secured from now on, if it was not before.
    Secured,
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
    /// Forgets every object of every owner. May be called again after a cut.
    ///
    /// # Errors
    /// The PSA status that stops the wipe; the order then stands.
    fn wipe(&mut self) -> Result<(), i32>;
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
    let order = Order::read(provisioning)?;
    let outcome = match (otp::lifecycle(otp)?, order) {
        (Lifecycle::Blank, _) => return Err(FirstBootError::NotFused),
        (Lifecycle::Provisioned, Some(Order::Wipe)) => Outcome::WipeRefused,
        (Lifecycle::Provisioned | Lifecycle::Assembly, Some(Order::Secure)) => {
            otp::set_provisioned(otp)?;
            Outcome::Secured
        }
        (lifecycle @ (Lifecycle::Assembly | Lifecycle::Fused), Some(Order::Wipe)) => {
            sink.wipe().map_err(FirstBootError::Store)?;
            if lifecycle == Lifecycle::Assembly {
                otp::next_cycle(otp)?;
            }
            Outcome::Wiped
        }
        (Lifecycle::Provisioned | Lifecycle::Assembly, None) if is_erased(provisioning)? => {
            return Ok(Outcome::Nothing);
        }
        (Lifecycle::Provisioned | Lifecycle::Assembly, None) => Outcome::Erased,
        (Lifecycle::Fused, _) => {
            let region = provisioning.mapped().ok_or(FirstBootError::NotMapped)?;
            let reader = Reader::parse(region)?;
            let root = otp::root_of_trust(otp)?.ok_or(FirstBootError::Damaged)?;
            let record = reader.record();
            if otp::cycles(otp)? > 0 {
                // Wiped before: its root of trust stays, whatever the record says of one, and
                // what an earlier record may have begun goes.
                sink.wipe().map_err(FirstBootError::Store)?;
            } else if *record.huk != root.huk {
                // The record of another device must not finish what this one's began.
                return Err(FirstBootError::Record(RecordError::OutOfRange));
            }
            nv::provision(nv, record.seed)?;
            sink.settings(&record).map_err(FirstBootError::Store)?;
            for object in reader.objects() {
                sink.object(&object).map_err(FirstBootError::Store)?;
            }
            match record.assembly {
                true => otp::next_cycle(otp)?,
                false => otp::set_provisioned(otp)?,
            }
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
        if !flash::erased(part) {
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
        fn wipe(&mut self) -> Result<(), i32> {
            self.0.program(0, &[0]).map_err(|_| -146)?;
            self.1.clear();
            self.0.program(0, &[0]).map_err(|_| -146)
        }
    }

    fn write_record(f: &mut SimFlash, huk: u8) {
        write_record_for(f, huk, false);
    }

    fn write_record_for(f: &mut SimFlash, huk: u8, assembly: bool) {
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
            assembly,
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

    /// One start: what the loader does, then the SPE.
    fn start(
        p: &mut SimFlash,
        otp: &mut SimFlash,
        nv: &mut SimFlash,
        store: &mut Store,
    ) -> Result<Outcome, FirstBootError> {
        root_of_trust(p, otp)?;
        consume(p, otp, nv, store)
    }

    #[test]
    fn a_wipe_needs_the_life_cycle_to_allow_it_and_survives_every_cut() {
        for tear in Tear::ALL {
            let mut cut = 0;
            loop {
                let power = Power::new(cut + 9);
                let sim = |size| SimFlash::on(&power, size, 0x1000, 1).mapped_too();
                let (mut p, mut otp, mut nv) = (sim(0x4000), sim(0x4000), sim(0x4000));
                let mut store = Store(sim(0x1000), BTreeMap::new());
                write_record_for(&mut p, 1, true);
                let first = start(&mut p, &mut otp, &mut nv, &mut store);
                assert_eq!(first, Ok(Outcome::Provisioned));
                assert_eq!(otp::lifecycle(&otp), Ok(Lifecycle::Assembly));
                // Another record is refused as on any device: the wipe comes first.
                write_record_for(&mut p, 7, true);
                let again = start(&mut p, &mut otp, &mut nv, &mut store);
                assert_eq!(again, Ok(Outcome::Erased));

                p.data_mut()[..16].copy_from_slice(&Order::Wipe.bytes());
                power.cut_after(cut, tear);
                let mut failures = 0;
                while failures < 3
                    && start(&mut p, &mut otp, &mut nv, &mut store).is_err()
                    && !power.is_on()
                {
                    failures += 1;
                    power.power_on();
                }
                power.power_on();
                assert!(store.1.is_empty());
                // A torn order is no order and no record; the factory erases before it writes.
                assert!(failures > 0 || p.data().iter().all(|b| *b == 0xFF));
                assert_eq!(otp::lifecycle(&otp), Ok(Lifecycle::Fused));
                // The chip is the same one, whatever the next record says.
                write_record(&mut p, 9);
                let second = start(&mut p, &mut otp, &mut nv, &mut store);
                assert_eq!(second, Ok(Outcome::Provisioned));
                assert_eq!(root_of_trust(&p, &mut otp).unwrap().huk, [1; 32]);
                assert_eq!(store.1.len(), 4);
                // This one was secured: no wipe any more.
                p.data_mut()[..16].copy_from_slice(&Order::Wipe.bytes());
                let refused = start(&mut p, &mut otp, &mut nv, &mut store);
                assert_eq!(refused, Ok(Outcome::WipeRefused));
                assert_eq!(store.1.len(), 4);
                assert!(p.data().iter().all(|b| *b == 0xFF));
                if failures == 0 {
                    assert!(cut > 3);
                    break;
                }
                cut += 1;
            }
        }
    }

    #[test]
    fn an_assembly_line_ends_secured_and_has_an_end() {
        let sim = || SimFlash::new(0x4000, 0x1000, 1).mapped_too();
        let (mut p, mut otp, mut nv) = (sim(), sim(), sim());
        let mut store = Store(sim(), BTreeMap::new());
        for _ in 0..8 {
            write_record_for(&mut p, 1, true);
            let made = start(&mut p, &mut otp, &mut nv, &mut store);
            assert_eq!(made, Ok(Outcome::Provisioned));
            p.data_mut()[..16].copy_from_slice(&Order::Wipe.bytes());
            let wiped = start(&mut p, &mut otp, &mut nv, &mut store);
            assert_eq!(wiped, Ok(Outcome::Wiped));
        }
        // No mark is left for assembly; a device can still be made for good.
        write_record_for(&mut p, 1, true);
        let end = start(&mut p, &mut otp, &mut nv, &mut store);
        assert_eq!(end, Err(FirstBootError::Flash(FlashError::OutOfBounds)));
        write_record(&mut p, 1);
        let made = start(&mut p, &mut otp, &mut nv, &mut store);
        assert_eq!(made, Ok(Outcome::Provisioned));

        let (mut p, mut otp, mut nv) = (sim(), sim(), sim());
        write_record_for(&mut p, 1, true);
        start(&mut p, &mut otp, &mut nv, &mut store).unwrap();
        p.data_mut()[..16].copy_from_slice(&Order::Secure.bytes());
        let secured = start(&mut p, &mut otp, &mut nv, &mut store);
        assert_eq!(secured, Ok(Outcome::Secured));
        assert_eq!(otp::lifecycle(&otp), Ok(Lifecycle::Provisioned));
        assert_eq!(store.1.len(), 4);
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

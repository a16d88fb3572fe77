//! The device's own Ethernet station address.
//!
//! Owns the object that the factory provisions for the kernel: client −1, [`UID`], six bytes. A
//! device without one has the address of its controller's EEPROM, which on QEMU is every device's.

use psa_client::its;
use tfm_psa_driver::{KernelClient, Spe, Veneers};

/// `uid` of the address in ITS: "TOCK", 3.
const UID: u64 = 0x544F_434B_0000_0003;

/// The provisioned address, if there is one and it is a single station's.
pub fn provisioned(spe: &'static Spe<Veneers>) -> Option<[u8; 6]> {
    let mut bytes = [0; 7];
    let Ok(6) = its::get(&KernelClient(spe), UID, 0, &mut bytes) else {
        return None;
    };
    let (station, _) = bytes.split_first_chunk::<6>()?;
    let group = station[0] & 1 != 0;
    (!group && station.iter().any(|b| *b != 0)).then_some(*station)
}

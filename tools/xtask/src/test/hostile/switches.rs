//! The switches of both weakened images as one number: the kernel's below, the secure image's above.
//!
//! Owns their bits, their names, and where in flash the images look for them.

use anyhow::{Result, anyhow};
use kernel::weakened::Defence;
use memory_map::Map;
use qemu_harness::FlashFile;

pub use spm::weakened::Defence as Wall;

/// The kernel's half.
pub const KERNEL: u64 = u32::MAX as u64;

/// A defence of the kernel.
pub const fn kernel(defence: Defence) -> u64 {
    defence as u64
}

/// A defence of the secure image.
pub const fn secure(wall: Wall) -> u64 {
    (wall as u64) << 32
}

const NAMES: [(u64, &str); 28] = [
    (kernel(Defence::Mpu), "Mpu"),
    (kernel(Defence::Unprivileged), "Unprivileged"),
    (kernel(Defence::RamNeverExecuted), "RamNeverExecuted"),
    (kernel(Defence::FlashReadOnly), "FlashReadOnly"),
    (kernel(Defence::BufferRange), "BufferRange"),
    (kernel(Defence::UpcallRange), "UpcallRange"),
    (kernel(Defence::StackRange), "StackRange"),
    (kernel(Defence::BreakRange), "BreakRange"),
    (kernel(Defence::TimeSlice), "TimeSlice"),
    (kernel(Defence::InterruptReturn), "InterruptReturn"),
    (kernel(Defence::UniqueShortId), "UniqueShortId"),
    (kernel(Defence::Credential), "Credential"),
    (kernel(Defence::Coprocessor), "Coprocessor"),
    (kernel(Defence::SliceFloor), "SliceFloor"),
    (kernel(Defence::SecureReturn), "SecureReturn"),
    (kernel(Defence::WriteableFlash), "WriteableFlash"),
    (secure(Wall::Sau), "Sau"),
    (secure(Wall::Mpc), "Mpc"),
    (secure(Wall::Ppc), "Ppc"),
    (secure(Wall::VeneerPrivilege), "VeneerPrivilege"),
    (secure(Wall::VeneerMode), "VeneerMode"),
    (secure(Wall::ClientMode), "ClientMode"),
    (secure(Wall::VectorRange), "VectorRange"),
    (secure(Wall::CopyOnce), "CopyOnce"),
    (secure(Wall::ClientId), "ClientId"),
    (secure(Wall::KeyPolicy), "KeyPolicy"),
    (secure(Wall::FaultForward), "FaultForward"),
    (secure(Wall::StackSeal), "StackSeal"),
];

/// Their names, for people.
pub fn names(switches: u64) -> String {
    let off = NAMES.iter().filter(|(bit, _)| switches & bit != 0);
    let names: Vec<&str> = off.map(|(_, name)| *name).collect();
    names.join("+")
}

/// Leaves the switches for the weakened images, where their boards look for them: the last four
/// words of the clips' flash.
pub fn set(flash: &FlashFile, map: &Map, switches: u64) -> Result<()> {
    let rom = map.region("audio-rom").map_err(|e| anyhow!(e))?;
    let mut words = *b"WEAS\0\0\0\0WEAK\0\0\0\0";
    words[4..8].copy_from_slice(&((switches >> 32) as u32).to_le_bytes());
    words[12..].copy_from_slice(&(switches as u32).to_le_bytes());
    flash.write("audio-rom", rom.size - 16, &words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_has_one_bit_and_a_name() {
        let all = NAMES.iter().fold(0, |all, (bit, _)| {
            assert_eq!(bit.count_ones(), 1);
            assert_eq!(all & bit, 0);
            all | bit
        });
        assert_eq!(all, 0xFFF_0000_FFFF);
        assert_eq!(
            names(kernel(Defence::Mpu) | secure(Wall::StackSeal)),
            "Mpu+StackSeal"
        );
    }
}

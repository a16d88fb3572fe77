//! A crash report: which process, what the core said of it, what ran, what follows.
//!
//! Owns the 168 bytes. [`CrashReport::emit`] is the inverse of [`CrashReport::parse`].

use crate::wire::{Reader, Text, Writer};
use boot_data::crc32;

/// `TSCR`, and with it this layout: another layout takes another word.
const MAGIC: u32 = u32::from_le_bytes(*b"TSCR");
const BEFORE_RESET: u32 = 1;
/// For [`CrashReport::restart_in_ms`].
const STAYS_STOPPED: u32 = u32::MAX;

/// Fault status and the program's place, by the manual's names (DDI 0553); 0 where nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// Configurable fault status; the secure world's bits are merged in.
    pub cfsr: u32,
    /// Hard fault status, from the secure world.
    pub hfsr: u32,
    /// Address of a memory management fault, while CFSR says that it is valid.
    pub mmfar: u32,
    /// Address of a bus fault, while CFSR says that it is valid.
    pub bfar: u32,
    /// Secure fault status.
    pub sfsr: u32,
    /// Program counter.
    pub pc: u32,
    /// Link register.
    pub lr: u32,
    /// Stack pointer.
    pub sp: u32,
    /// Program status.
    pub psr: u32,
}

/// Version of an image, as its header has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageVersion {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Revision.
    pub revision: u16,
    /// Build number.
    pub build: u32,
}

/// What is kept of a process's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashReport {
    /// Number of the report; grows with each, over resets too as long as a report is kept.
    pub serial: u32,
    /// Wall time, seconds since 1970; 0 without a clock.
    pub time: u64,
    /// Slot of the process.
    pub slot: u32,
    /// ShortId; 0 without one.
    pub short_id: u32,
    /// Version of the app; 0 without one.
    pub app_version: u32,
    /// Restarts of the process before this fault.
    pub restarts: u32,
    /// When it starts again, milliseconds; `None`: not at all.
    pub restart_in_ms: Option<u32>,
    /// The core's registers.
    pub registers: Registers,
    /// Version of the secure image that ran.
    pub secure: ImageVersion,
    /// Version of the kernel's image.
    pub non_secure: ImageVersion,
    /// The system was reset after this report was written.
    pub before_reset: bool,
    /// Package name of the process.
    pub name: Text<32>,
    /// What happened, in words.
    pub reason: Text<40>,
}

impl CrashReport {
    /// Length of the wire form, bytes.
    pub const SIZE: usize = 168;

    /// Reads a report at the start of `bytes`; `None` unless magic and check value are right.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::SIZE] = bytes.first_chunk()?;
        let (body, check) = bytes.split_last_chunk::<4>()?;
        let mut r = Reader(body);
        // First: the kernel looks at every free place at every boot.
        if r.word()? != MAGIC || u32::from_le_bytes(*check) != crc32(body) {
            return None;
        }
        let serial = r.word()?;
        let time = u64::from_le_bytes(r.bytes()?);
        let (slot, short_id, app_version) = (r.word()?, r.word()?, r.word()?);
        let (restarts, restart_in) = (r.word()?, r.word()?);
        let registers = Registers {
            cfsr: r.word()?,
            hfsr: r.word()?,
            mmfar: r.word()?,
            bfar: r.word()?,
            sfsr: r.word()?,
            pc: r.word()?,
            lr: r.word()?,
            sp: r.word()?,
            psr: r.word()?,
        };
        Some(CrashReport {
            serial,
            time,
            slot,
            short_id,
            app_version,
            restarts,
            restart_in_ms: (restart_in != STAYS_STOPPED).then_some(restart_in),
            registers,
            secure: version(&mut r)?,
            non_secure: version(&mut r)?,
            before_reset: r.word()? & BEFORE_RESET != 0,
            name: r.text()?,
            reason: r.text()?,
        })
    }

    /// The wire form.
    pub fn emit(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let (body, check) = out.split_at_mut(Self::SIZE - 4);
        let mut w = Writer(body);
        w.word(MAGIC);
        w.word(self.serial);
        w.bytes(&self.time.to_le_bytes());
        let c = &self.registers;
        for word in [
            self.slot,
            self.short_id,
            self.app_version,
            self.restarts,
            self.restart_in_ms.unwrap_or(STAYS_STOPPED),
            c.cfsr,
            c.hfsr,
            c.mmfar,
            c.bfar,
            c.sfsr,
            c.pc,
            c.lr,
            c.sp,
            c.psr,
        ] {
            w.word(word);
        }
        for v in [&self.secure, &self.non_secure] {
            w.bytes(&[v.major, v.minor]);
            w.bytes(&v.revision.to_le_bytes());
            w.word(v.build);
        }
        w.word(if self.before_reset { BEFORE_RESET } else { 0 });
        w.text(&self.name);
        w.text(&self.reason);
        let value = crc32(body);
        Writer(check).word(value);
        out
    }
}

fn version(r: &mut Reader<'_>) -> Option<ImageVersion> {
    let [major, minor] = r.bytes()?;
    Some(ImageVersion {
        major,
        minor,
        revision: u16::from_le_bytes(r.bytes()?),
        build: r.word()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator of its own: the crate has no dependencies to test with.
    fn random(seed: &mut u64) -> u32 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed as u32
    }

    fn any(seed: &mut u64) -> CrashReport {
        let mut next = || random(seed);
        let mut registers = Registers::default();
        for field in [&mut registers.cfsr, &mut registers.pc, &mut registers.psr] {
            *field = next();
        }
        let mut image = || ImageVersion {
            major: next() as u8,
            minor: next() as u8,
            revision: next() as u16,
            build: next(),
        };
        CrashReport {
            secure: image(),
            non_secure: image(),
            serial: next(),
            time: u64::from(next()) << 4,
            slot: next() % 10,
            short_id: next(),
            app_version: next(),
            restarts: next(),
            restart_in_ms: next().is_multiple_of(2).then(|| next() >> 1),
            registers,
            before_reset: next().is_multiple_of(2),
            name: Text::new(&"é".repeat(next() as usize % 20)),
            reason: Text::new(&"x".repeat(next() as usize % 45)),
        }
    }

    #[test]
    fn what_is_emitted_is_parsed() {
        let mut seed = 0x5EED;
        for _ in 0..1_000 {
            let report = any(&mut seed);
            assert_eq!(CrashReport::parse(&report.emit()), Some(report));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut seed = 0xBAD;
        let bytes = any(&mut seed).emit();
        for at in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[at / 8] ^= 1 << (at % 8);
            assert_eq!(CrashReport::parse(&bytes), None, "bit {at}");
        }
        for len in 0..bytes.len() {
            assert_eq!(CrashReport::parse(&bytes[..len]), None);
        }
        assert_eq!(CrashReport::parse(&[0; 200]), None);
        assert_eq!(CrashReport::parse(&[0xFF; 200]), None);
        // A sound check value over another layout.
        let mut other = bytes;
        other[0] ^= 1;
        let check = crc32(&other[..CrashReport::SIZE - 4]).to_le_bytes();
        other[CrashReport::SIZE - 4..].copy_from_slice(&check);
        assert_eq!(CrashReport::parse(&other), None);
    }
}

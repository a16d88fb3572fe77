//! NOR simulator for host tests: counts operations and cuts power before or inside any of them.
//!
//! Owns simulated arrays and their common [`Power`]. Does not own what survives a cut: that is the
//! caller's test. One operation = one `program` call, or one erase block of an `erase` call.
//!
//! Invariants: NOR rules hold (erase sets 0xFF, programming only clears bits, anything else is
//! [`FlashError::NotErased`]); after a cut every operation of every array on that power fails with
//! [`FlashError::Device`] until [`Power::power_on`]; the same seed gives the same damage.

use crate::{Flash, FlashError};
use std::cell::RefCell;
use std::rc::Rc;

/// What the operation that loses power leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// Nothing: power goes just before it.
    Before,
    /// A prefix is done. Program: the byte after it has only some of its bits cleared. Erase: the
    /// rest of the block keeps its old content.
    Prefix,
    /// Any byte may be in between. Program: each byte has some of its bits cleared. Erase: each
    /// byte has some of its bits set (a half-erased block).
    Indeterminate,
}

impl Tear {
    /// All kinds, for loops.
    pub const ALL: [Tear; 3] = [Tear::Before, Tear::Prefix, Tear::Indeterminate];
}

/// The power supply shared by the arrays of one simulated device.
#[derive(Debug, Clone)]
pub struct Power(Rc<RefCell<Supply>>);

#[derive(Debug)]
struct Supply {
    on: bool,
    ops: u64,
    cut: Option<(u64, Tear)>,
    random: u64,
}

impl Power {
    /// Power that is on, with no cut planned. `seed` decides the damage of torn operations.
    pub fn new(seed: u64) -> Self {
        Power(Rc::new(RefCell::new(Supply {
            on: true,
            ops: 0,
            cut: None,
            // xorshift must not start at 0.
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        })))
    }

    /// Plans the cut at the `nth` operation from now (0 = the next one).
    pub fn cut_after(&self, nth: u64, tear: Tear) {
        let mut s = self.0.borrow_mut();
        s.cut = Some((s.ops + nth, tear));
    }

    /// Turns power on again and forgets the planned cut.
    pub fn power_on(&self) {
        let mut s = self.0.borrow_mut();
        s.on = true;
        s.cut = None;
    }

    /// Whether power is on.
    pub fn is_on(&self) -> bool {
        self.0.borrow().on
    }

    /// Programs and block erases since creation, the torn one included.
    pub fn ops(&self) -> u64 {
        self.0.borrow().ops
    }

    /// Counts one operation; `Some` when it is the one that tears.
    fn step(&self) -> Result<Option<Tear>, FlashError> {
        let mut s = self.0.borrow_mut();
        if !s.on {
            return Err(FlashError::Device);
        }
        let now = s.ops;
        s.ops += 1;
        match s.cut {
            Some((at, tear)) if at == now => {
                s.on = false;
                Ok(Some(tear))
            }
            _ => Ok(None),
        }
    }

    fn random(&self) -> u64 {
        let mut s = self.0.borrow_mut();
        s.random ^= s.random << 13;
        s.random ^= s.random >> 7;
        s.random ^= s.random << 17;
        s.random
    }
}

/// One simulated NOR array.
#[derive(Debug, Clone)]
pub struct SimFlash {
    data: Vec<u8>,
    erase_size: u32,
    write_size: u32,
    mapped: bool,
    power: Power,
}

impl SimFlash {
    /// An erased array on a power supply of its own (seed 1).
    pub fn new(size: u32, erase_size: u32, write_size: u32) -> Self {
        SimFlash::on(&Power::new(1), size, erase_size, write_size)
    }

    /// An erased array that shares `power` with others.
    ///
    /// # Panics
    /// If the geometry is inconsistent: a mistake in the test.
    pub fn on(power: &Power, size: u32, erase_size: u32, write_size: u32) -> Self {
        assert!(write_size > 0 && erase_size.is_multiple_of(write_size));
        assert!(size.is_multiple_of(erase_size));
        SimFlash {
            data: vec![0xFF; size as usize],
            erase_size,
            write_size,
            mapped: false,
            power: power.clone(),
        }
    }

    /// Makes [`Flash::mapped`] give the content, as memory-mapped flash does.
    pub fn mapped_too(mut self) -> Self {
        self.mapped = true;
        self
    }

    /// The power supply.
    pub fn power(&self) -> &Power {
        &self.power
    }

    /// The content, whether power is on or not.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The content, for preparing or damaging it behind the driver's back.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    fn range(&self, offset: u32, len: usize) -> Result<core::ops::Range<usize>, FlashError> {
        let start = offset as usize;
        let end = start.checked_add(len).ok_or(FlashError::OutOfBounds)?;
        if end > self.data.len() {
            return Err(FlashError::OutOfBounds);
        }
        Ok(start..end)
    }
}

impl Flash for SimFlash {
    fn size(&self) -> u32 {
        self.data.len() as u32
    }

    fn erase_size(&self) -> u32 {
        self.erase_size
    }

    fn write_size(&self) -> u32 {
        self.write_size
    }

    fn read(&self, offset: u32, buf: &mut [u8]) -> Result<(), FlashError> {
        let range = self.range(offset, buf.len())?;
        if !self.power.is_on() {
            return Err(FlashError::Device);
        }
        buf.copy_from_slice(&self.data[range]);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        let range = self.range(offset, data.len())?;
        if !offset.is_multiple_of(self.write_size)
            || !(data.len() as u32).is_multiple_of(self.write_size)
        {
            return Err(FlashError::Misaligned);
        }
        if data.is_empty() {
            return Ok(());
        }
        if !self.power.is_on() {
            return Err(FlashError::Device);
        }
        let cells = &mut self.data[range];
        if cells.iter().zip(data).any(|(old, new)| new & !old != 0) {
            return Err(FlashError::NotErased);
        }
        match self.power.step()? {
            None => {
                cells.copy_from_slice(data);
                return Ok(());
            }
            Some(Tear::Before) => {}
            Some(Tear::Prefix) => {
                let done = (self.power.random() % data.len() as u64) as usize;
                cells[..done].copy_from_slice(&data[..done]);
                cells[done] &= data[done] | self.power.random() as u8;
            }
            Some(Tear::Indeterminate) => {
                for (cell, new) in cells.iter_mut().zip(data) {
                    *cell &= new | self.power.random() as u8;
                }
            }
        }
        Err(FlashError::Device)
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), FlashError> {
        let range = self.range(offset, len as usize)?;
        if !offset.is_multiple_of(self.erase_size) || !len.is_multiple_of(self.erase_size) {
            return Err(FlashError::Misaligned);
        }
        for block in self.data[range].chunks_exact_mut(self.erase_size as usize) {
            match self.power.step()? {
                None => {
                    block.fill(0xFF);
                    continue;
                }
                Some(Tear::Before) => {}
                Some(Tear::Prefix) => {
                    let done = (self.power.random() % block.len() as u64) as usize;
                    block[..done].fill(0xFF);
                }
                Some(Tear::Indeterminate) => {
                    for cell in block {
                        *cell |= self.power.random() as u8;
                    }
                }
            }
            return Err(FlashError::Device);
        }
        Ok(())
    }

    fn mapped(&self) -> Option<&[u8]> {
        (self.mapped && self.power.is_on()).then_some(&self.data[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nor_rules_hold() {
        let mut f = SimFlash::new(0x2000, 0x1000, 4);
        assert_eq!(f.program(0, &[0x0F, 0, 0, 0]), Ok(()));
        assert_eq!(f.program(0, &[0x07, 0, 0, 0]), Ok(()));
        assert_eq!(f.program(0, &[0x17, 0, 0, 0]), Err(FlashError::NotErased));
        assert_eq!(f.program(2, &[0; 4]), Err(FlashError::Misaligned));
        assert_eq!(f.program(0, &[0; 3]), Err(FlashError::Misaligned));
        assert_eq!(f.program(0x1FFC, &[0; 8]), Err(FlashError::OutOfBounds));
        assert_eq!(f.erase(0x800, 0x1000), Err(FlashError::Misaligned));
        assert_eq!(f.erase(0x1000, 0x2000), Err(FlashError::OutOfBounds));
        assert_eq!(f.erase(0, 0x2000), Ok(()));
        assert!(f.data().iter().all(|b| *b == 0xFF));
        // Refused calls are no operations: two programs, two block erases.
        assert_eq!(f.power().ops(), 4);
        assert_eq!(f.read(0x2000, &mut [0]), Err(FlashError::OutOfBounds));
    }

    #[test]
    fn power_is_common_and_stays_off() {
        let power = Power::new(7);
        let mut a = SimFlash::on(&power, 0x1000, 0x1000, 1);
        let mut b = SimFlash::on(&power, 0x1000, 0x1000, 1).mapped_too();
        power.cut_after(1, Tear::Before);
        assert_eq!(a.program(0, &[1]), Ok(()));
        assert_eq!(b.program(0, &[1]), Err(FlashError::Device));
        assert_eq!(b.data()[0], 0xFF);
        assert_eq!(a.program(1, &[1]), Err(FlashError::Device));
        assert_eq!(a.read(0, &mut [0]), Err(FlashError::Device));
        assert_eq!(b.erase(0, 0x1000), Err(FlashError::Device));
        assert!(b.mapped().is_none());
        power.power_on();
        assert_eq!(b.program(0, &[1]), Ok(()));
        assert_eq!(b.mapped().map(|m| m[0]), Some(1));
    }

    #[test]
    fn torn_operations_lie_between_old_and_new() {
        for seed in 0..200 {
            for tear in [Tear::Prefix, Tear::Indeterminate] {
                let mut f = SimFlash::on(&Power::new(seed), 0x100, 0x100, 1);
                f.power().cut_after(0, tear);
                assert_eq!(f.program(0, &[0x55; 64]), Err(FlashError::Device));
                assert!(f.data().iter().all(|b| b & 0x55 == 0x55));
                f.power().power_on();
                f.data_mut().fill(0x33);
                f.power().cut_after(0, tear);
                assert_eq!(f.erase(0, 0x100), Err(FlashError::Device));
                assert!(f.data().iter().all(|b| b & 0x33 == 0x33));
                assert!(f.data().iter().any(|b| *b != 0xFF));
            }
        }
    }
}

//! Which blocks of a file are there.
//!
//! Owns the bitmap of one file. Bit order is the wire's: block k is bit k & 7 of byte k >> 3
//! (reference/aws-iot.md §4.3).

use crate::{BLOCK, MAX_BLOCKS};

/// Bytes of a bitmap.
pub const MAP: usize = MAX_BLOCKS / 8;

/// Why a block was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is there already.
    Duplicate,
    /// The file has no such block.
    OutOfRange,
    /// Its length is not that of the block.
    Length,
}

/// The blocks of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    have: [u8; MAP],
    size: u32,
    count: u32,
    done: u32,
}

impl Blocks {
    /// For a file of `size` bytes; `None` if it has more than [`MAX_BLOCKS`].
    pub fn new(size: u32) -> Option<Blocks> {
        let count = size.div_ceil(BLOCK);
        (count as usize <= MAX_BLOCKS && size > 0).then_some(Blocks {
            have: [0; MAP],
            size,
            count,
            done: 0,
        })
    }

    /// Takes over what an earlier run had; bits past the end mean nothing.
    pub fn restore(&mut self, have: &[u8; MAP]) {
        let bit = |b: u32| {
            have.get(b as usize >> 3)
                .is_some_and(|byte| byte & 1 << (b & 7) != 0)
        };
        for block in (0..self.count).filter(|b| bit(*b)) {
            self.set(block);
        }
    }

    /// The bitmap.
    pub fn map(&self) -> &[u8; MAP] {
        &self.have
    }

    /// Blocks that are there.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// Blocks in all.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether nothing is missing.
    pub fn complete(&self) -> bool {
        self.done == self.count
    }

    /// Whether a block is there.
    pub fn has(&self, block: u32) -> bool {
        self.have
            .get(block as usize >> 3)
            .is_some_and(|byte| byte & 1 << (block & 7) != 0)
    }

    /// Checks that a block of `length` bytes is wanted; returns its offset in the file.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, block: u32, length: usize) -> Result<u32, Refused> {
        if block >= self.count {
            return Err(Refused::OutOfRange);
        }
        let offset = block * BLOCK;
        if length != (self.size - offset).min(BLOCK) as usize {
            return Err(Refused::Length);
        }
        if self.has(block) {
            Err(Refused::Duplicate)
        } else {
            Ok(offset)
        }
    }

    /// Notes that a block which [`Blocks::check`] took has been written.
    pub fn set(&mut self, block: u32) {
        if !self.has(block)
            && let Some(byte) = self.have.get_mut(block as usize >> 3)
        {
            *byte |= 1 << (block & 7);
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_once_and_at_their_size() {
        let mut blocks = Blocks::new(20 * BLOCK + 7).unwrap();
        assert_eq!(blocks.count(), 21);
        for b in [0, 1, 3] {
            blocks.set(b);
            blocks.set(b);
        }
        assert_eq!(blocks.done(), 3);
        assert_eq!(blocks.check(20, 7), Ok(20 * BLOCK));
        assert_eq!(blocks.check(20, 8), Err(Refused::Length));
        assert_eq!(blocks.check(21, 7), Err(Refused::OutOfRange));
        assert_eq!(blocks.check(3, 4096), Err(Refused::Duplicate));
        (0..21).for_each(|b| blocks.set(b));
        assert!(blocks.complete());
    }

    #[test]
    fn a_map_is_taken_over_up_to_the_last_block() {
        let mut blocks = Blocks::new(10 * BLOCK).unwrap();
        blocks.restore(&[0xFF; MAP]);
        assert!(blocks.complete());
        assert_eq!(blocks.map()[..3], [0xFF, 3, 0]);
        let mut some = Blocks::new(10 * BLOCK).unwrap();
        some.restore(&[0x21; MAP]);
        assert_eq!((some.done(), some.has(5), some.has(6)), (3, true, false));
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(Blocks::new(0).is_none());
        assert!(Blocks::new(MAX_BLOCKS as u32 * BLOCK).is_some());
        assert!(Blocks::new(MAX_BLOCKS as u32 * BLOCK + 1).is_none());
    }
}

//! The clock's floor: the latest time that was trusted, in Internal Trusted Storage.
//!
//! Owns when it is written. A time is trusted once a server has proved itself with certificates
//! that are valid at it: whoever answers for a time server, or sets the RTC, cannot move the floor
//! past the end of a genuine certificate, so that no genuine server is ever refused because of
//! it. It only goes up, and is written when it has to go up by [`STEP_S`] or more: at most once a
//! day of trusted time. One write takes 48 bytes of a journal of 128 KiB, which is erased block by
//! block as it fills: ten years of it are hardly more than one erase of each block.

use core::cell::Cell;
use psa_client::{Transport, its};

/// ITS uid of the floor: seconds since 1970, eight bytes, little endian.
pub const UID_FLOOR: u64 = 14;
/// The floor is raised by no less, seconds.
pub const STEP_S: u64 = 86_400;

/// The floor, as it is stored.
pub struct Floor<'a> {
    psa: &'a dyn Transport,
    kept: Cell<u64>,
}

impl<'a> Floor<'a> {
    /// What an earlier life stored; 0 when there is nothing sound.
    pub fn load(psa: &'a dyn Transport) -> Self {
        let mut bytes = [0; 8];
        let kept = match its::get(&psa, UID_FLOOR, 0, &mut bytes) {
            Ok(8) => u64::from_le_bytes(bytes),
            _ => 0,
        };
        Floor {
            psa,
            kept: Cell::new(kept),
        }
    }

    /// Seconds since 1970; 0 while nothing is known.
    pub fn get(&self) -> u64 {
        self.kept.get()
    }

    /// It was this time, seconds since 1970, when a server proved itself; whether that was written.
    pub fn learn(&self, unix_seconds: u64) -> bool {
        if unix_seconds < self.kept.get().saturating_add(STEP_S) {
            return false;
        }
        let stored = its::set(&self.psa, UID_FLOOR, &unix_seconds.to_le_bytes(), 0).is_ok();
        if stored {
            self.kept.set(unix_seconds);
        }
        stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use psa_client::OutVec;
    use psa_interface::service::ITS_HANDLE;
    use psa_interface::{Status, storage};
    use std::cell::RefCell;

    /// One object of ITS, and how often it was written.
    #[derive(Default)]
    struct Its(RefCell<Option<Vec<u8>>>, Cell<u32>);

    impl Transport for Its {
        fn psa_call(
            &self,
            handle: u32,
            call_type: i16,
            ins: &[&[u8]],
            outs: &mut [OutVec<'_>],
        ) -> i32 {
            assert_eq!((handle, ins[0]), (ITS_HANDLE, &UID_FLOOR.to_le_bytes()[..]));
            if call_type == storage::SET {
                self.1.set(self.1.get() + 1);
                *self.0.borrow_mut() = Some(ins[1].to_vec());
                return 0;
            }
            match &*self.0.borrow() {
                None => Status::DOES_NOT_EXIST.0,
                Some(data) => {
                    let n = data.len().min(outs[0].buf.len());
                    outs[0].buf[..n].copy_from_slice(&data[..n]);
                    outs[0].len = n;
                    0
                }
            }
        }
    }

    /// A thousand connections a day for ten years: one write a day, and never down.
    #[test]
    fn it_goes_up_only_and_once_a_day() {
        const START: u64 = 1_800_000_000;
        let its = Its::default();
        let floor = Floor::load(&its);
        assert_eq!(floor.get(), 0);
        for minute in 0..3650 * 1440 {
            floor.learn(START + minute * 60);
            assert!(floor.get() <= START + minute * 60);
        }
        assert_eq!(its.1.get(), 3650);
        let last = floor.get();
        assert!(!floor.learn(0) && !floor.learn(last));
        assert_eq!(Floor::load(&its).get(), last);
    }

    #[test]
    fn what_is_no_floor_is_none() {
        let its = Its::default();
        for bytes in [&[][..], &[1; 7]] {
            *its.0.borrow_mut() = Some(bytes.to_vec());
            assert_eq!(Floor::load(&its).get(), 0);
        }
    }
}

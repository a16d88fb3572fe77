//! The `otp` region as flash, while the counters in it are shared.
//!
//! Owns nothing: each access borrows the counters for as long as it takes.

use crate::services::Counters;
use chip::ddr_flash::DdrFlash;
use core::cell::RefMut;
use flash::{Flash, FlashError};
use provisioning::OtpCounters;

/// The region behind the counters.
pub struct Otp(pub &'static Counters);

impl Otp {
    fn counters(&self) -> Result<RefMut<'static, OtpCounters<DdrFlash>>, FlashError> {
        self.0.try_borrow_mut().map_err(|_| FlashError::Device)
    }

    fn number(&self, f: impl FnOnce(&DdrFlash) -> u32) -> u32 {
        self.counters().map_or(0, |mut c| f(c.flash()))
    }
}

impl Flash for Otp {
    fn size(&self) -> u32 {
        self.number(Flash::size)
    }

    fn erase_size(&self) -> u32 {
        self.number(Flash::erase_size)
    }

    fn write_size(&self) -> u32 {
        self.number(Flash::write_size)
    }

    fn read(&self, offset: u32, buf: &mut [u8]) -> Result<(), FlashError> {
        self.counters()?.flash().read(offset, buf)
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        self.counters()?.flash().program(offset, data)
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), FlashError> {
        self.counters()?.flash().erase(offset, len)
    }
}

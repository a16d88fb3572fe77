//! The services of this image, by index of their static handle.
//!
//! Owns the table and the glue between services. A call from the other world ends up here after
//! every check; state lives in one value that one call at a time holds.

use psa_interface::service::SERVICES;
use spm::{Call, Description, Services, Version};

/// Everything that answers calls.
pub struct Partition {}

impl Partition {
    /// Before start-up.
    pub const fn new() -> Self {
        Partition {}
    }

    fn present(&self, _index: u8) -> bool {
        false
    }
}

impl Services for Partition {
    fn describe(&self, index: u8) -> Option<Description> {
        let id = SERVICES.get(usize::from(index))?;
        self.present(index).then_some(Description {
            sid: id.sid,
            version: Version::Strict(id.version as u8),
            non_secure: true,
        })
    }

    fn call(&mut self, _index: u8, _call: &mut Call<'_, '_>) -> i32 {
        psa_interface::Status::PROGRAMMER_ERROR.as_i32()
    }
}

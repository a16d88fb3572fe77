//! A process's binary in flash, parsed but not yet running.

use super::BinaryVersion;
use crate::process_checker::AcceptedCredential;
use crate::utilities::cells::OptionalCell;
use crate::{KERNEL_MAJOR_VERSION, KERNEL_MINOR_VERSION};
use core::num::NonZeroU32;
use tock_tbf::types::{TbfHeader, TbfParseError};

/// Why a binary does not become a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessBinaryError {
    /// The end of the list.
    TbfHeaderNotFound,
    /// A malformed header.
    TbfHeaderParseFailure(TbfParseError),
    /// The object is cut off.
    NotEnoughFlash,
    /// It asks for another kernel, or for none.
    IncompatibleKernelVersion {
        /// What it asks for.
        version: Option<(u16, u16)>,
    },
    /// It is linked for another place.
    IncorrectFlashAddress {
        /// Where its binary lies.
        actual_address: u32,
        /// Where it should.
        expected_address: u32,
    },
    /// It is disabled.
    NotEnabledProcess,
    /// It is no application.
    Padding,
    /// The same application is there already, or comes in a newer version. Here and not in
    /// `ProcessLoadError`, which upstream's capsules match to the last variant.
    Superseded,
}

impl From<TbfParseError> for ProcessBinaryError {
    fn from(e: TbfParseError) -> Self {
        ProcessBinaryError::TbfHeaderParseFailure(e)
    }
}

/// A binary that may become a process.
pub struct ProcessBinary {
    /// The whole object.
    pub flash: &'static [u8],
    /// Its header.
    pub header: TbfHeader<'static>,
    /// Its footers: what the integrity region does not cover.
    pub footers: &'static [u8],
    /// The credential that was accepted, once checked.
    pub credential: OptionalCell<AcceptedCredential>,
    /// How far the loader got with it.
    pub(super) progress: Progress,
}

impl Clone for ProcessBinary {
    fn clone(&self) -> Self {
        ProcessBinary {
            credential: self
                .credential
                .get()
                .map_or_else(OptionalCell::empty, OptionalCell::new),
            ..*self
        }
    }
}

/// A binary on its way to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its credentials are not known to be good.
    Unchecked,
    /// They are.
    Checked,
    /// It had its chance to become a process.
    Done,
}

impl ProcessBinary {
    /// Parses the object `flash`, which begins with a header of `header_length` bytes.
    ///
    /// # Errors
    /// [`ProcessBinaryError`].
    pub fn create(
        flash: &'static [u8],
        header_length: usize,
        tbf_version: u16,
    ) -> Result<Self, ProcessBinaryError> {
        let header_bytes = flash
            .get(..header_length)
            .ok_or(ProcessBinaryError::NotEnoughFlash)?;
        let header = tock_tbf::parse::parse_tbf_header(header_bytes, tbf_version)?;
        if !header.is_app() {
            return Err(ProcessBinaryError::Padding);
        }
        if !header.enabled() {
            return Err(ProcessBinaryError::NotEnabledProcess);
        }
        let version = header.get_kernel_version();
        if !version.is_some_and(|(major, minor)| {
            major == KERNEL_MAJOR_VERSION && minor <= KERNEL_MINOR_VERSION
        }) {
            return Err(ProcessBinaryError::IncompatibleKernelVersion { version });
        }
        if let Some(expected_address) = header.get_fixed_address_flash() {
            let actual = flash.as_ptr().addr() + header.get_protected_size() as usize;
            if actual != expected_address as usize {
                return Err(ProcessBinaryError::IncorrectFlashAddress {
                    actual_address: actual as u32,
                    expected_address,
                });
            }
        }
        let footers = flash
            .get(header.get_binary_end() as usize..)
            .ok_or(ProcessBinaryError::NotEnoughFlash)?;
        Ok(ProcessBinary {
            flash,
            header,
            footers,
            credential: OptionalCell::empty(),
            progress: Progress::Unchecked,
        })
    }

    /// Its name.
    pub fn get_process_name(&self) -> &'static str {
        self.header.get_package_name().unwrap_or("")
    }

    /// The credential that was accepted, once checked.
    pub fn get_credential(&self) -> Option<AcceptedCredential> {
        self.credential.get()
    }

    /// What credentials cover.
    pub fn get_integrity_region_slice(&self) -> &'static [u8] {
        self.flash
            .get(..self.header.get_binary_end() as usize)
            .unwrap_or(&[])
    }

    /// Its version.
    pub fn binary_version(&self) -> Option<BinaryVersion> {
        NonZeroU32::new(self.header.get_binary_version()).map(BinaryVersion::new)
    }

    /// Its version; 0 without one.
    pub(super) fn version(&self) -> u32 {
        self.header.get_binary_version()
    }

    /// The RAM it is linked for, if it is linked.
    pub(super) fn ram(&self) -> Option<core::ops::Range<usize>> {
        let start = self.header.get_fixed_address_ram()? as usize;
        let size = self.header.get_minimum_app_ram_size() as usize;
        Some(start..start.saturating_add(size))
    }
}

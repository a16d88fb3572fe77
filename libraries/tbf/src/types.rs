//! What a parsed TBF says.
//!
//! A header borrows its flash; list-like TLVs are kept as their bytes and decoded when asked.

use core::num::NonZeroU32;

/// Why a base header could not even say how long its object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialTbfParseError {
    /// No TBF here: the end of the list.
    UnableToParse,
    /// A header that contradicts itself, in an object of so many bytes: skip them.
    InvalidHeader(u32),
}

/// Why a header or footer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TbfParseError {
    /// The object or a value is cut off.
    NotEnoughFlash,
    /// Not version 2.
    UnsupportedVersion(u16),
    /// Stored and computed checksum differ.
    ChecksumMismatch(u32, u32),
    /// A TLV of this type is malformed.
    BadTlvEntry(usize),
    /// The package name is no UTF-8.
    BadProcessName,
    /// The header contradicts itself.
    InternalError,
    /// A list is longer than is supported.
    TooManyEntries(usize),
}

/// Credential formats (footer TLV 128).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TbfFooterV2CredentialsType {
    /// Space for later credentials.
    Reserved = 0,
    /// Key and signature, 384 bytes each.
    Rsa3072Key = 1,
    /// Modulus and signature, 512 bytes each.
    Rsa4096Key = 2,
    /// Digest, 32 bytes.
    SHA256 = 3,
    /// Digest, 48 bytes.
    SHA384 = 4,
    /// Digest, 64 bytes.
    SHA512 = 5,
    /// `r` and `s`, 32 bytes each, big-endian, over SHA-256.
    EcdsaNistP256 = 6,
}

impl TbfFooterV2CredentialsType {
    /// From its number, with the bytes of its data.
    pub fn from_number(n: u32) -> Option<(Self, usize)> {
        Some(match n {
            0 => (Self::Reserved, 0),
            1 => (Self::Rsa3072Key, 768),
            2 => (Self::Rsa4096Key, 1024),
            3 => (Self::SHA256, 32),
            4 => (Self::SHA384, 48),
            5 => (Self::SHA512, 64),
            6 => (Self::EcdsaNistP256, 64),
            _ => return None,
        })
    }
}

/// A credential of a footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TbfFooterV2Credentials {
    pub(crate) format: TbfFooterV2CredentialsType,
    pub(crate) data: &'static [u8],
}

impl TbfFooterV2Credentials {
    /// Its format.
    pub fn format(&self) -> TbfFooterV2CredentialsType {
        self.format
    }
    /// Its data, as long as the format says (empty for Reserved).
    pub fn data(&self) -> &'static [u8] {
        self.data
    }
}

/// Commands of a driver that a process may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandPermissions {
    /// The binary lists no permissions: everything is allowed.
    NoPermsAtAll,
    /// The binary lists permissions, but not this driver.
    NoPermsThisDriver,
    /// Bit `i` allows command `64 * offset + i`.
    Mask(u64),
}

/// Kernel version that a binary asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TbfHeaderV2KernelVersion {
    /// Must be equal.
    pub major: u16,
    /// Must not be newer.
    pub minor: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program {
    pub init_fn_offset: u32,
    pub protected_trailer_size: u32,
    pub minimum_ram_size: u32,
    pub binary_end: u32,
    pub version: u32,
}

/// A parsed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TbfHeader<'a> {
    /// An application.
    App(TbfApp<'a>),
    /// Nothing: skip so many bytes.
    Padding {
        /// Bytes of the object.
        total_size: u32,
    },
}

/// An application's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TbfApp<'a> {
    pub(crate) header_size: u16,
    pub(crate) total_size: u32,
    pub(crate) flags: u32,
    pub(crate) program: Program,
    /// The TLVs: everything behind the base header.
    pub(crate) tlvs: &'a [u8],
    pub(crate) name: Option<&'a str>,
    pub(crate) fixed: Option<(u32, u32)>,
    pub(crate) permissions: Option<&'a [u8]>,
    pub(crate) storage: Option<&'a [u8]>,
    pub(crate) kernel_version: Option<TbfHeaderV2KernelVersion>,
    pub(crate) short_id: Option<NonZeroU32>,
}

pub(crate) fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    let bytes = b.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}
pub(crate) fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    let bytes = b.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// TLVs of a header, as (type, value).
pub(crate) fn tlvs(b: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), TbfParseError>> {
    let mut at = 0usize;
    core::iter::from_fn(move || {
        let (kind, len) = (u16_at(b, at)?, u16_at(b, at + 2)?);
        let start = at + 4;
        let end = start + usize::from(len);
        match b.get(start..end) {
            Some(value) => {
                at = end.next_multiple_of(4);
                Some(Ok((kind, value)))
            }
            None => {
                at = b.len();
                Some(Err(TbfParseError::NotEnoughFlash))
            }
        }
    })
}

pub(crate) const TLV_WRITEABLE_FLASH: u16 = 2;

impl<'a> TbfHeader<'a> {
    fn app(&self) -> Option<&TbfApp<'a>> {
        match self {
            TbfHeader::App(a) => Some(a),
            TbfHeader::Padding { .. } => None,
        }
    }

    /// Bytes of the whole object.
    pub fn length(&self) -> u32 {
        match self {
            TbfHeader::App(a) => a.total_size,
            TbfHeader::Padding { total_size } => *total_size,
        }
    }
    /// Whether it is an application.
    pub fn is_app(&self) -> bool {
        self.app().is_some()
    }
    /// Whether it is an application that may start.
    pub fn enabled(&self) -> bool {
        self.app().is_some_and(|a| a.flags & 1 != 0)
    }
    /// RAM that the application asks for, in bytes.
    pub fn get_minimum_app_ram_size(&self) -> u32 {
        self.app().map_or(0, |a| a.program.minimum_ram_size)
    }
    /// Bytes from the object's start that the application must never write.
    pub fn get_protected_size(&self) -> u32 {
        self.app().map_or(0, |a| {
            u32::from(a.header_size).saturating_add(a.program.protected_trailer_size)
        })
    }
    /// Offset of the binary proper from the object's start.
    pub fn get_app_start_offset(&self) -> u32 {
        self.get_protected_size()
    }
    /// Offset of the entry point from the object's start.
    pub fn get_init_function_offset(&self) -> u32 {
        self.app().map_or(0, |a| {
            u32::from(a.header_size).saturating_add(a.program.init_fn_offset)
        })
    }
    /// Name.
    pub fn get_package_name(&self) -> Option<&'a str> {
        self.app().and_then(|a| a.name)
    }

    fn writeable_flash(&self) -> impl Iterator<Item = (usize, usize)> + 'a {
        // elf2tab writes one TLV for each region; upstream's kernel sees only the last.
        let bytes: &'a [u8] = self.app().map_or(&[], |a| a.tlvs);
        tlvs(bytes)
            .filter_map(Result::ok)
            .filter(|(kind, _)| *kind == TLV_WRITEABLE_FLASH)
            .flat_map(|(_, value)| value.as_chunks::<8>().0)
            .map(|region| {
                let word = |at| u32_at(region, at).unwrap_or(0) as usize;
                (word(0), word(4))
            })
    }
    /// How many regions of its flash the application writes.
    pub fn number_writeable_flash_regions(&self) -> usize {
        self.writeable_flash().count()
    }
    /// Offset from the object's start and size of one; (0, 0) when absent.
    pub fn get_writeable_flash_region(&self, index: usize) -> (usize, usize) {
        self.writeable_flash().nth(index).unwrap_or((0, 0))
    }
    /// RAM address that it is linked for.
    pub fn get_fixed_address_ram(&self) -> Option<u32> {
        let (ram, _) = self.app()?.fixed?;
        (ram != u32::MAX).then_some(ram)
    }
    /// Flash address that its binary is linked for.
    pub fn get_fixed_address_flash(&self) -> Option<u32> {
        let (_, flash) = self.app()?.fixed?;
        (flash != u32::MAX).then_some(flash)
    }
    /// Which of a driver's commands `64 * offset ..` it may call.
    pub fn get_command_permissions(&self, driver_num: usize, offset: usize) -> CommandPermissions {
        let Some(list) = self.app().and_then(|a| a.permissions) else {
            return CommandPermissions::NoPermsAtAll;
        };
        let mut known = false;
        let mut mask = 0u64;
        for entry in list.as_chunks::<16>().0 {
            let word = |at| u32_at(entry, at).unwrap_or(0);
            if word(0) as usize == driver_num {
                known = true;
                if word(4) as usize == offset {
                    mask |= u64::from(word(8)) | u64::from(word(12)) << 32;
                }
            }
        }
        if known {
            CommandPermissions::Mask(mask)
        } else {
            CommandPermissions::NoPermsThisDriver
        }
    }

    fn storage_ids(&self, second: bool) -> Option<([u32; 8], usize)> {
        let b = self.app()?.storage?;
        let mut at = 4;
        let mut lists = [([0u32; 8], 0usize); 2];
        for (ids, count) in &mut lists {
            *count = usize::from(u16_at(b, at)?);
            at += 2;
            for id in ids.get_mut(..*count)? {
                *id = u32_at(b, at)?;
                at += 4;
            }
        }
        let [read, modify] = lists;
        Some(if second { modify } else { read })
    }
    /// Id under which it writes to storage.
    pub fn get_storage_write_id(&self) -> Option<u32> {
        u32_at(self.app()?.storage?, 0).filter(|id| *id != 0)
    }
    /// Ids whose data it may read, and how many.
    pub fn get_storage_read_ids(&self) -> Option<([u32; 8], usize)> {
        self.storage_ids(false)
    }
    /// Ids whose data it may change, and how many.
    pub fn get_storage_modify_ids(&self) -> Option<([u32; 8], usize)> {
        self.storage_ids(true)
    }
    /// Kernel version that it asks for.
    pub fn get_kernel_version(&self) -> Option<(u16, u16)> {
        let v = self.app()?.kernel_version?;
        Some((v.major, v.minor))
    }
    /// End of the integrity region: footers begin here.
    pub fn get_binary_end(&self) -> u32 {
        self.app().map_or(0, |a| a.program.binary_end)
    }
    /// Application version.
    pub fn get_binary_version(&self) -> u32 {
        self.app().map_or(0, |a| a.program.version)
    }
    /// Short id.
    pub fn get_fixed_short_id(&self) -> Option<NonZeroU32> {
        self.app()?.short_id
    }
}

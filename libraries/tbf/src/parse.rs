//! From bytes to headers and footers.

use crate::types::*;
use core::num::NonZeroU32;

/// Bytes of the base header, and of a padding object's whole header.
pub const BASE_HEADER: usize = 16;

// Header TLV types.
const TLV_MAIN: u16 = 1;
const TLV_PACKAGE_NAME: u16 = 3;
const TLV_FIXED_ADDRESSES: u16 = 5;
const TLV_PERMISSIONS: u16 = 6;
const TLV_STORAGE_PERMISSIONS: u16 = 7;
const TLV_KERNEL_VERSION: u16 = 8;
const TLV_PROGRAM: u16 = 9;
const TLV_SHORT_ID: u16 = 10;
// Footer TLV type.
const TLV_CREDENTIALS: u16 = 128;

/// Version, header size and total size of the object that starts with these bytes.
///
/// # Errors
/// [`InitialTbfParseError`]; a size of zero counts as no object, so that a scan always moves on.
pub fn parse_tbf_header_lengths(app: &[u8; 8]) -> Result<(u16, u16, u32), InitialTbfParseError> {
    let [v0, v1, h0, h1, t0, t1, t2, t3] = *app;
    let version = u16::from_le_bytes([v0, v1]);
    let header_size = u16::from_le_bytes([h0, h1]);
    let total_size = u32::from_le_bytes([t0, t1, t2, t3]);
    if version != 2 || total_size == 0 {
        return Err(InitialTbfParseError::UnableToParse);
    }
    if usize::from(header_size) < BASE_HEADER || u32::from(header_size) > total_size {
        return Err(InitialTbfParseError::InvalidHeader(total_size));
    }
    Ok((version, header_size, total_size))
}

/// Header of a padding object of `total_size` bytes: what host tools put between applications.
pub fn padding_header(total_size: u32) -> [u8; BASE_HEADER] {
    let lengths = 2 | (BASE_HEADER as u32) << 16;
    let words = [lengths, total_size, 0, lengths ^ total_size];
    let mut header = [0; BASE_HEADER];
    for (to, word) in header.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
    header
}

fn checksum(header: &[u8]) -> u32 {
    let words = header.as_chunks::<4>().0.iter().enumerate();
    words
        .filter(|(i, _)| *i != 3)
        .fold(0, |sum, (_, w)| sum ^ u32::from_le_bytes(*w))
}

/// Parses a header. `header` holds at least the header's bytes.
///
/// # Errors
/// [`TbfParseError`]. Beyond upstream's rules, an application without Main or Program TLV, a
/// permissions list that is cut off, and a binary end outside the object are refused.
pub fn parse_tbf_header(header: &[u8], version: u16) -> Result<TbfHeader<'_>, TbfParseError> {
    if version != 2 {
        return Err(TbfParseError::UnsupportedVersion(version));
    }
    let short = TbfParseError::NotEnoughFlash;
    let word = |at| u32_at(header, at).ok_or(short);
    let header_size = u16_at(header, 2).ok_or(short)?;
    let (total_size, flags, stored) = (word(4)?, word(8)?, word(12)?);
    let header = header.get(..usize::from(header_size)).ok_or(short)?;
    if header.len() < BASE_HEADER || u32::from(header_size) > total_size || header_size % 4 != 0 {
        return Err(TbfParseError::InternalError);
    }
    let computed = checksum(header);
    if computed != stored {
        return Err(TbfParseError::ChecksumMismatch(stored, computed));
    }
    if header.len() == BASE_HEADER {
        return Ok(TbfHeader::Padding { total_size });
    }

    let bytes = header.get(BASE_HEADER..).unwrap_or(&[]);
    let (mut main, mut program) = (None, None);
    let mut app = TbfApp {
        header_size,
        total_size,
        flags,
        program: Program {
            init_fn_offset: 0,
            protected_trailer_size: 0,
            minimum_ram_size: 0,
            binary_end: total_size,
            version: 0,
        },
        tlvs: bytes,
        name: None,
        fixed: None,
        permissions: None,
        storage: None,
        kernel_version: None,
        short_id: None,
    };
    for entry in tlvs(bytes) {
        let (kind, value) = entry?;
        let bad = TbfParseError::BadTlvEntry(usize::from(kind));
        let exactly = |n: usize| if value.len() == n { Ok(()) } else { Err(bad) };
        let word = |at| u32_at(value, at).ok_or(bad);
        match kind {
            TLV_MAIN => {
                exactly(12)?;
                let parsed = Program {
                    init_fn_offset: word(0)?,
                    protected_trailer_size: word(4)?,
                    minimum_ram_size: word(8)?,
                    binary_end: total_size,
                    version: 0,
                };
                main = main.or(Some(parsed));
            }
            TLV_PROGRAM => {
                exactly(20)?;
                let parsed = Program {
                    init_fn_offset: word(0)?,
                    protected_trailer_size: word(4)?,
                    minimum_ram_size: word(8)?,
                    binary_end: word(12)?,
                    version: word(16)?,
                };
                program = program.or(Some(parsed));
            }
            TLV_WRITEABLE_FLASH if value.len() % 8 != 0 => return Err(bad),
            TLV_PACKAGE_NAME => {
                let name = core::str::from_utf8(value);
                app.name = Some(name.map_err(|_| TbfParseError::BadProcessName)?);
            }
            TLV_FIXED_ADDRESSES => {
                exactly(8)?;
                app.fixed = Some((word(0)?, word(4)?));
            }
            TLV_PERMISSIONS => {
                let count = usize::from(u16_at(value, 0).ok_or(bad)?);
                // A list that is cut off must not read as "everything is allowed".
                app.permissions = Some(value.get(2..2 + 16 * count).ok_or(bad)?);
            }
            TLV_STORAGE_PERMISSIONS => app.storage = Some(value),
            TLV_KERNEL_VERSION => {
                exactly(4)?;
                app.kernel_version = Some(TbfHeaderV2KernelVersion {
                    major: u16_at(value, 0).ok_or(bad)?,
                    minor: u16_at(value, 2).ok_or(bad)?,
                });
            }
            TLV_SHORT_ID => {
                exactly(4)?;
                app.short_id = Some(NonZeroU32::new(word(0)?).ok_or(bad)?);
            }
            _ => {}
        }
    }
    app.program = program
        .or(main)
        .ok_or(TbfParseError::BadTlvEntry(usize::from(TLV_PROGRAM)))?;
    let parsed = TbfHeader::App(app);
    // The protected region, the entry point and the footers all lie inside the object.
    let end = app.program.binary_end;
    if end > total_size
        || parsed.get_protected_size() > end
        || parsed.get_init_function_offset() >= end
    {
        return Err(TbfParseError::InternalError);
    }
    Ok(parsed)
}

/// Parses the footer at the start of `footers`; also tells how long its value is, so that the next
/// one starts at `4 +` that.
///
/// # Errors
/// [`TbfParseError`]: the walk ends here (unknown formats are not skipped).
pub fn parse_tbf_footer(
    footers: &'static [u8],
) -> Result<(TbfFooterV2Credentials, u32), TbfParseError> {
    let short = TbfParseError::NotEnoughFlash;
    let kind = u16_at(footers, 0).ok_or(short)?;
    let len = usize::from(u16_at(footers, 2).ok_or(short)?);
    let bad = TbfParseError::BadTlvEntry(usize::from(kind));
    if kind != TLV_CREDENTIALS {
        return Err(bad);
    }
    let value = footers.get(4..4 + len).ok_or(short)?;
    let number = u32_at(value, 0).ok_or(bad)?;
    let (format, data_len) = TbfFooterV2CredentialsType::from_number(number).ok_or(bad)?;
    let data = value.get(4..4 + data_len).ok_or(bad)?;
    Ok((TbfFooterV2Credentials { format, data }, len as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = kind.to_le_bytes().to_vec();
        out.extend((value.len() as u16).to_le_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn words(w: &[u32]) -> Vec<u8> {
        w.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    /// A header of these TLVs in an object of `total` bytes.
    fn header(total: u32, tlvs: &[Vec<u8>]) -> Vec<u8> {
        let body: Vec<u8> = tlvs.concat();
        let mut h = vec![2, 0];
        h.extend(((BASE_HEADER + body.len()) as u16).to_le_bytes());
        h.extend(words(&[total, 1, 0]));
        h.extend(body);
        let sum = checksum(&h);
        h[12..16].copy_from_slice(&sum.to_le_bytes());
        h
    }

    fn program() -> Vec<u8> {
        tlv(TLV_PROGRAM, &words(&[0x40, 0x10, 4096, 0x800, 7]))
    }

    #[test]
    fn every_field_reads_back() {
        let mut perms = vec![2, 0];
        perms.extend(words(&[1, 0, 0b110, 1 << 31, 1, 1, 5, 0]));
        let mut storage = words(&[0x11]);
        storage.extend([1, 0]);
        storage.extend(words(&[0x22]));
        storage.extend([2, 0]);
        storage.extend(words(&[0x33, 0x44]));
        let h = header(
            0x1000,
            &[
                program(),
                tlv(TLV_MAIN, &words(&[1, 2, 3])),
                tlv(TLV_PACKAGE_NAME, b"hello"),
                tlv(TLV_WRITEABLE_FLASH, &words(&[0x100, 0x20])),
                tlv(TLV_WRITEABLE_FLASH, &words(&[0x200, 0x40])),
                tlv(TLV_FIXED_ADDRESSES, &words(&[0x2104_0000, u32::MAX])),
                tlv(TLV_PERMISSIONS, &perms),
                tlv(TLV_STORAGE_PERMISSIONS, &storage),
                tlv(TLV_KERNEL_VERSION, &[2, 0, 1, 0]),
                tlv(TLV_SHORT_ID, &words(&[0xABCD])),
                tlv(0x7777, b"unknown"),
            ],
        );
        let p = parse_tbf_header(&h, 2).unwrap();
        let size = h.len() as u32;
        assert!(p.is_app() && p.enabled());
        assert_eq!(p.length(), 0x1000);
        assert_eq!(p.get_protected_size(), size + 0x10);
        assert_eq!(p.get_init_function_offset(), size + 0x40);
        assert_eq!(p.get_minimum_app_ram_size(), 4096);
        assert_eq!((p.get_binary_end(), p.get_binary_version()), (0x800, 7));
        assert_eq!(p.get_package_name(), Some("hello"));
        assert_eq!(p.number_writeable_flash_regions(), 2);
        assert_eq!(p.get_writeable_flash_region(1), (0x200, 0x40));
        assert_eq!(p.get_writeable_flash_region(2), (0, 0));
        assert_eq!(p.get_fixed_address_ram(), Some(0x2104_0000));
        assert_eq!(p.get_fixed_address_flash(), None);
        let mask = 0b110 | 1 << 63;
        assert_eq!(
            p.get_command_permissions(1, 0),
            CommandPermissions::Mask(mask)
        );
        assert_eq!(p.get_command_permissions(1, 1), CommandPermissions::Mask(5));
        assert_eq!(p.get_command_permissions(1, 2), CommandPermissions::Mask(0));
        assert_eq!(
            p.get_command_permissions(9, 0),
            CommandPermissions::NoPermsThisDriver
        );
        assert_eq!(p.get_storage_write_id(), Some(0x11));
        assert_eq!(
            p.get_storage_read_ids().map(|(i, n)| (i[0], n)),
            Some((0x22, 1))
        );
        assert_eq!(
            p.get_storage_modify_ids().map(|(i, n)| (i[0], i[1], n)),
            Some((0x33, 0x44, 2))
        );
        assert_eq!(p.get_kernel_version(), Some((2, 1)));
        assert_eq!(p.get_fixed_short_id().map(NonZeroU32::get), Some(0xABCD));
    }

    #[test]
    fn padding_is_padding() {
        let header = padding_header(0x7_0000);
        assert_eq!(
            parse_tbf_header(&header, 2),
            Ok(TbfHeader::Padding {
                total_size: 0x7_0000
            })
        );
    }

    #[test]
    fn malformed_headers_are_named() {
        let parse = |tlvs: &[Vec<u8>]| parse_tbf_header(&header(0x1000, tlvs), 2).map(|_| ());
        let bad = |kind: u16| Err(TbfParseError::BadTlvEntry(usize::from(kind)));
        assert_eq!(parse(&[tlv(TLV_SHORT_ID, &[0; 4])]), bad(TLV_SHORT_ID));
        assert_eq!(parse(&[program(), tlv(TLV_MAIN, &[0; 8])]), bad(TLV_MAIN));
        assert_eq!(
            parse(&[program(), tlv(TLV_PERMISSIONS, &[2, 0, 1, 0, 0, 0])]),
            bad(TLV_PERMISSIONS)
        );
        assert_eq!(
            parse(&[program(), tlv(TLV_WRITEABLE_FLASH, &[0; 12])]),
            bad(TLV_WRITEABLE_FLASH)
        );
        assert_eq!(
            parse(&[program(), tlv(TLV_PACKAGE_NAME, &[0xff, 0xfe])]),
            Err(TbfParseError::BadProcessName)
        );
        assert_eq!(parse(&[tlv(TLV_PACKAGE_NAME, b"x")]), bad(TLV_PROGRAM));
        let past = tlv(TLV_PROGRAM, &words(&[0, 0, 0, 0x1001, 0]));
        assert_eq!(parse(&[past]), Err(TbfParseError::InternalError));
        assert_eq!(
            parse(&[program(), vec![3, 0, 40, 0]]),
            Err(TbfParseError::NotEnoughFlash)
        );
        let mut h = header(0x1000, &[program()]);
        h[20] ^= 1;
        assert!(matches!(
            parse_tbf_header(&h, 2),
            Err(TbfParseError::ChecksumMismatch(..))
        ));
    }

    #[test]
    fn lengths_end_or_skip_the_list_as_the_scan_rule_says() {
        let at = |b: [u8; 8]| parse_tbf_header_lengths(&b);
        assert_eq!(at([0xff; 8]), Err(InitialTbfParseError::UnableToParse));
        assert_eq!(
            at([2, 0, 16, 0, 0, 0, 0, 0]),
            Err(InitialTbfParseError::UnableToParse)
        );
        assert_eq!(
            at([2, 0, 15, 0, 0, 1, 0, 0]),
            Err(InitialTbfParseError::InvalidHeader(256))
        );
        assert_eq!(
            at([2, 0, 0, 2, 0, 1, 0, 0]),
            Err(InitialTbfParseError::InvalidHeader(256))
        );
        assert_eq!(at([2, 0, 16, 0, 0, 1, 0, 0]), Ok((2, 16, 256)));
    }

    fn leak(b: Vec<u8>) -> &'static [u8] {
        Box::leak(b.into_boxed_slice())
    }

    #[test]
    fn footers_walk_and_stop() {
        let mut value = words(&[6]);
        value.extend([0x5A; 64]);
        let mut area = tlv(TLV_CREDENTIALS, &value);
        area.extend(tlv(TLV_CREDENTIALS, &words(&[0, 0, 0])));
        area.extend(tlv(TLV_CREDENTIALS, &words(&[99])));
        let area = leak(area);
        let (c, len) = parse_tbf_footer(area).unwrap();
        assert_eq!(c.format(), TbfFooterV2CredentialsType::EcdsaNistP256);
        assert_eq!(c.data(), &[0x5A; 64]);
        let rest = &area[4 + len as usize..];
        let (c, len) = parse_tbf_footer(rest).unwrap();
        assert_eq!(c.format(), TbfFooterV2CredentialsType::Reserved);
        let rest = &rest[4 + len as usize..];
        assert!(parse_tbf_footer(rest).is_err());
        assert!(parse_tbf_footer(&[]).is_err());
        let short = leak(tlv(TLV_CREDENTIALS, &words(&[3, 0])));
        assert_eq!(
            parse_tbf_footer(short),
            Err(TbfParseError::BadTlvEntry(128))
        );
    }

    /// Whatever the bytes, a walk over footers ends, and reads nothing beyond them.
    #[test]
    fn total_on_mutated_footers() {
        let mut area = Vec::new();
        for (format, size) in [
            (3, 32),
            (4, 48),
            (5, 64),
            (6, 64),
            (1, 768),
            (2, 1024),
            (0, 40),
        ] {
            let mut value = words(&[format]);
            value.resize(4 + size, format as u8);
            area.extend(tlv(TLV_CREDENTIALS, &value));
        }
        let (mut whole, mut x) = (0, 0x2545_F491_4F6C_DD1Du64);
        for _ in 0..2_000 {
            let mut bytes = area.clone();
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (x >> 40) as usize % bytes.len();
            bytes[at] = (x >> 32) as u8;
            bytes.truncate((x >> 20) as usize % (2 * area.len()));
            let mut rest = leak(bytes);
            let mut found = 0;
            while let Ok((credential, length)) = parse_tbf_footer(rest) {
                assert!(credential.data().len() + 4 <= length as usize);
                rest = &rest[4 + length as usize..];
                found += 1;
            }
            whole += usize::from(found == 7);
        }
        assert!(whole > 500, "the mutations must leave some whole: {whole}");
    }

    /// Whatever the bytes, parsing answers, and what it answers stays inside the object.
    #[test]
    fn total_on_mutated_headers() {
        let good = header(
            0x1000,
            &[
                program(),
                tlv(TLV_PACKAGE_NAME, b"mutated"),
                tlv(TLV_WRITEABLE_FLASH, &words(&[1, 2])),
                tlv(
                    TLV_PERMISSIONS,
                    &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                ),
                tlv(
                    TLV_STORAGE_PERMISSIONS,
                    &[1, 0, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0],
                ),
                tlv(TLV_KERNEL_VERSION, &[2, 0, 0, 0]),
                tlv(TLV_MAIN, &words(&[1, 2, 3])),
                tlv(TLV_FIXED_ADDRESSES, &words(&[0x2104_0000, 0x6020_0100])),
                tlv(TLV_SHORT_ID, &words(&[5])),
            ],
        );
        let mut x = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as usize
        };
        let mut accepted = 0;
        for _ in 0..200_000 {
            let mut h = good.clone();
            for _ in 0..1 + next() % 4 {
                let at = next() % h.len();
                h[at] = next() as u8;
            }
            h.truncate(next() % (2 * h.len()));
            if h.len() >= BASE_HEADER && next() % 4 != 0 {
                let size = usize::from(u16_at(&h, 2).unwrap()).min(h.len());
                let sum = checksum(&h[..size]);
                h[12..16].copy_from_slice(&sum.to_le_bytes());
            }
            if let Ok(p) = parse_tbf_header(&h, 2) {
                accepted += 1;
                if p.is_app() {
                    assert!(p.get_protected_size() <= p.get_binary_end());
                    assert!(p.get_init_function_offset() < p.get_binary_end());
                    assert!(p.get_binary_end() <= p.length());
                }
                for i in 0..p.number_writeable_flash_regions() {
                    let _ = p.get_writeable_flash_region(i);
                }
                let _ = (p.get_storage_read_ids(), p.get_storage_modify_ids());
                let _ = p.get_command_permissions(next(), next() % 3);
            }
        }
        assert!(
            accepted > 1_000,
            "the mutations must reach the accepting path"
        );
    }
}

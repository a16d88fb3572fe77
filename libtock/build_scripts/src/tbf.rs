//! From a linked ELF to a TAB: the arguments of elf2tab.
//!
//! Owns the agreement between the linker script and elf2tab 0.13 (tock.md §2.6): RAM from the
//! script's own symbol, the protected region, room for the credential (QUIRK-8), and the name
//! of the TAB's member.

use crate::Layout;
use std::path::{Path, PathBuf};

/// Bytes of the process's RAM that the kernel's grants may grow into.
pub const GRANT_RESERVE: u32 = 4096;
/// The ECDSA credential: 4 bytes of TLV, 4 of format, 64 of signature.
const CREDENTIAL: u32 = 72;

/// What is not in the ELF.
#[derive(Clone, Debug)]
pub struct TbfOptions {
    /// Package name, by which IPC finds it.
    pub name: String,
    /// ShortId that the process asks for; 0 for none.
    pub short_id: u32,
    /// App version.
    pub version: u32,
    /// First part of the TAB member's name, e.g. `cortex-m55`.
    pub arch: String,
    /// PKCS#8 DER private key of the ECDSA-P256 credential; `None`: no credential.
    pub key: Option<PathBuf>,
    /// TAB to write.
    pub output: PathBuf,
}

/// The arguments of elf2tab for an ELF linked by [`Layout`].
///
/// # Errors
/// When the ELF cannot be read or lacks the script's symbols, or does not fit its row.
pub fn elf2tab_arguments(
    elf: &Path,
    layout: &Layout,
    options: &TbfOptions,
) -> Result<Vec<String>, String> {
    let bytes = std::fs::read(elf).map_err(|e| format!("{}: {e}", elf.display()))?;
    let symbol = |name: &str| {
        elf_symbol(&bytes, name).ok_or_else(|| format!("{}: no symbol `{name}`", elf.display()))
    };
    let origin = symbol("_flash_origin")?;
    if origin != layout.flash_start + layout.tbf_header_size {
        return Err(format!(
            "{}: linked for 0x{origin:08x}, the row starts at 0x{:08x}",
            elf.display(),
            layout.flash_start
        ));
    }
    let own_ram = symbol("_app_ram_size")?;
    let ram = own_ram + GRANT_RESERVE;
    if ram > layout.ram_length {
        return Err(format!(
            "{}: needs 0x{ram:x} bytes of RAM, the row has 0x{:x}",
            elf.display(),
            layout.ram_length
        ));
    }
    let mut a: Vec<String> = Vec::new();
    let mut pair = |name: &str, value: String| a.extend([name.to_owned(), value]);
    pair("-n", options.name.clone());
    // elf2tab 0.13.0 takes --minimum-ram-size and ignores it; the three it adds up work.
    pair("--stack", ram.to_string());
    pair("--app-heap", "0".into());
    pair("--kernel-heap", "0".into());
    pair(
        "--protected-region-size",
        layout.tbf_header_size.to_string(),
    );
    pair("--kernel-major", "2".into());
    pair("--kernel-minor", "2".into());
    pair("--app-version", options.version.to_string());
    if options.short_id != 0 {
        pair("--short-id", options.short_id.to_string());
    }
    if let Some(key) = &options.key {
        pair("--minimum-footer-size", CREDENTIAL.to_string());
        pair("--ecdsa-nist-p256-private", key.display().to_string());
    }
    pair("-o", options.output.display().to_string());
    a.push("--deterministic".into());
    a.push(format!(
        "{},{}.0x{:08x}.0x{:08x}",
        elf.display(),
        options.arch,
        layout.flash_start,
        layout.ram_start
    ));
    Ok(a)
}

/// Value of a symbol of a little-endian 32-bit ELF; `None` if it is not there or the file is not
/// such an ELF. Total.
pub fn elf_symbol(elf: &[u8], name: &str) -> Option<u32> {
    const SHT_SYMTAB: u32 = 2;
    let half = |at: usize| {
        Some(u16::from_le_bytes(
            elf.get(at..at.checked_add(2)?)?.try_into().ok()?,
        ))
    };
    let word = |at: usize| {
        Some(u32::from_le_bytes(
            elf.get(at..at.checked_add(4)?)?.try_into().ok()?,
        ))
    };
    if elf.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let (table, entry, count) = (
        word(0x20)? as usize,
        half(0x2E)? as usize,
        half(0x30)? as usize,
    );
    let section = |i: usize| table.checked_add(i.checked_mul(entry)?);
    for i in 0..count {
        let header = section(i)?;
        if word(header + 4)? != SHT_SYMTAB {
            continue;
        }
        let (start, size) = (word(header + 16)? as usize, word(header + 20)? as usize);
        let strings = section(word(header + 24)? as usize)?;
        let strings = word(strings + 16)? as usize;
        for at in (start..start.checked_add(size)?).step_by(16) {
            let text = elf.get(strings.checked_add(word(at)? as usize)?..)?;
            if text
                .strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&0))
            {
                return word(at + 4);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One section of symbols, one of strings.
    fn elf(symbols: &[(&str, u32)]) -> Vec<u8> {
        let mut strings = vec![0u8];
        let mut table = vec![0u8; 16];
        for (name, value) in symbols {
            table.extend((strings.len() as u32).to_le_bytes());
            table.extend(value.to_le_bytes());
            table.extend([0; 8]);
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        let mut e = b"\x7fELF\x01\x01".to_vec();
        e.resize(52, 0);
        let symbols_at = e.len() as u32;
        e.extend(&table);
        let strings_at = e.len() as u32;
        e.extend(&strings);
        let headers = e.len() as u32;
        for (kind, offset, size, link) in [
            (2u32, symbols_at, table.len() as u32, 1u32),
            (3, strings_at, strings.len() as u32, 0),
        ] {
            let mut h = [0u8; 40];
            for (at, v) in [(4, kind), (16, offset), (20, size), (24, link)] {
                h[at..at + 4].copy_from_slice(&v.to_le_bytes());
            }
            e.extend(h);
        }
        e[0x20..0x24].copy_from_slice(&headers.to_le_bytes());
        e[0x2E..0x32].copy_from_slice(&[40, 0, 2, 0]);
        e
    }

    #[test]
    fn symbols_are_found_whole() {
        let e = elf(&[
            ("_app_ram_size_x", 1),
            ("_app_ram_size", 0x2400),
            ("start", 3),
        ]);
        assert_eq!(elf_symbol(&e, "_app_ram_size"), Some(0x2400));
        assert_eq!(elf_symbol(&e, "_app_ram"), None);
        assert_eq!(elf_symbol(b"no elf", "start"), None);
    }

    #[test]
    fn damaged_files_are_refused_without_harm() {
        let good = elf(&[("a", 1), ("start", 3)]);
        let mut x = 0x1234_5678_9ABC_DEFFu64;
        for _ in 0..20_000 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let mut e = good.clone();
            let at = x as usize % e.len();
            e[at] = (x >> 40) as u8;
            e.truncate((x >> 20) as usize % (e.len() * 4));
            let _ = elf_symbol(&e, "start");
        }
    }
}

//! The import library of the secure image: `s_veneers.o`, which the kernel links.
//!
//! Owns the veneers' names and order, which are an ABI (append only, 8 bytes each, from the start
//! of the map's `veneers` region), the check that an image keeps it, and the object that says so:
//! a relocatable ELF of absolute Thumb function symbols and nothing else, byte for byte the same
//! for the same addresses.

use anyhow::{Context, Result, anyhow, bail, ensure};
use memory_map::Map;
use object::read::{Object as _, ObjectSection as _, ObjectSymbol as _};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, FileFlags, SymbolFlags, SymbolKind, SymbolScope,
};
use std::path::Path;

/// Names in order of their slots (TF-M's; `reference/tfm.md` §A.1).
pub const VENEERS: [&str; 10] = [
    "tfm_psa_framework_version_veneer",
    "tfm_psa_version_veneer",
    "tfm_psa_call_veneer",
    "tfm_psa_connect_veneer",
    "tfm_psa_close_veneer",
    "tfm_nsce_init",
    "tfm_nsce_acquire_ctx",
    "tfm_nsce_release_ctx",
    "tfm_nsce_load_ctx",
    "tfm_nsce_save_ctx",
];
/// Bytes from one veneer to the next.
const STRIDE: u32 = 8;
/// `sg`, as it lies in memory.
const SG: [u8; 4] = [0x7F, 0xE9, 0x7F, 0xE9];

/// The import library of a secure image.
///
/// # Errors
/// Names the veneer that is missing or not in its place, or the stray secure gateway.
pub fn emit(map: &Map, elf: &Path) -> Result<Vec<u8>> {
    write(&symbols(map, elf)?)
}

/// The veneers of a secure image and their addresses, in order.
///
/// # Errors
/// See [`emit`].
pub fn symbols(map: &Map, elf: &Path) -> Result<Vec<(&'static str, u32)>> {
    let bytes = std::fs::read(elf).with_context(|| elf.display().to_string())?;
    let page = map.region("veneers").map_err(|e| anyhow!(e))?;
    check(&bytes, page.base, page.size).with_context(|| elf.display().to_string())
}

/// Each veneer's address, in order, after every check.
fn check(elf: &[u8], base: u32, size: u32) -> Result<Vec<(&'static str, u32)>> {
    let file = object::File::parse(elf)?;
    let section = file
        .section_by_name(".veneers")
        .context("there is no section .veneers")?;
    ensure!(
        section.address() == u64::from(base),
        "section .veneers lies at 0x{:08x}, its page at 0x{base:08x}",
        section.address()
    );
    let code = section.data()?;
    ensure!(
        code.len() <= size as usize,
        "section .veneers is larger than its page"
    );
    let mut symbols = Vec::new();
    for (slot, name) in VENEERS.into_iter().enumerate() {
        let offset = slot as u32 * STRIDE;
        let symbol = file
            .symbols()
            .find(|s| s.name() == Ok(name))
            .with_context(|| format!("there is no {name}"))?;
        let wanted = u64::from(base + offset);
        if symbol.address() & !1 != wanted {
            bail!(
                "{name} lies at 0x{:08x}, its slot at 0x{wanted:08x}",
                symbol.address() & !1
            );
        }
        let at = offset as usize;
        ensure!(
            code.get(at..at + 4) == Some(&SG[..]),
            "{name} does not begin with sg"
        );
        symbols.push((name, base + offset));
    }
    // A gateway anywhere else in the page would be an entrance that nobody checks.
    for at in (0..code.len().saturating_sub(3)).step_by(2) {
        let is_slot = at % STRIDE as usize == 0 && at / (STRIDE as usize) < VENEERS.len();
        ensure!(
            code[at..at + 4] != SG || is_slot,
            "a stray secure gateway at 0x{:08x}",
            base as usize + at
        );
    }
    Ok(symbols)
}

/// The relocatable object with the symbols.
///
/// # Errors
/// Of the object writer.
pub fn write(symbols: &[(&str, u32)]) -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Arm, Endianness::Little);
    object.flags = FileFlags::Elf {
        os_abi: object::elf::ELFOSABI_NONE,
        abi_version: 0,
        e_flags: object::elf::EF_ARM_EABI_VER5,
    };
    for (name, address) in symbols {
        object.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value: u64::from(address | 1),
            size: u64::from(STRIDE),
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Absolute,
            flags: SymbolFlags::None,
        });
    }
    Ok(object.write()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::write::{Object, StandardSection};

    const BASE: u32 = 0x1103_FC00;

    /// An object that looks like a secure image, with `edit` applied to its veneers.
    fn image(edit: impl FnOnce(&mut Vec<u8>, &mut Vec<(String, u32)>)) -> Vec<u8> {
        let mut code = Vec::new();
        let mut symbols = Vec::new();
        for (slot, name) in VENEERS.into_iter().enumerate() {
            symbols.push((name.to_string(), slot as u32 * STRIDE));
            code.extend_from_slice(&SG);
            code.extend_from_slice(&[0xC0, 0xF7, 0x01, 0xB8]);
        }
        edit(&mut code, &mut symbols);
        let mut object = Object::new(BinaryFormat::Elf, Architecture::Arm, Endianness::Little);
        let _ = object.section_id(StandardSection::Text);
        let id = object.add_section(vec![], b".veneers".to_vec(), object::SectionKind::Text);
        object.append_section_data(id, &code, 8);
        for (name, offset) in symbols {
            object.add_symbol(Symbol {
                name: name.into_bytes(),
                value: u64::from(offset),
                size: 8,
                kind: SymbolKind::Text,
                scope: SymbolScope::Dynamic,
                weak: false,
                section: SymbolSection::Section(id),
                flags: SymbolFlags::None,
            });
        }
        object.write().unwrap()
    }

    #[test]
    fn the_object_is_deterministic_and_holds_the_symbols() {
        let all: Vec<(&str, u32)> = VENEERS
            .into_iter()
            .zip((BASE..).step_by(STRIDE as usize))
            .collect();
        let bytes = write(&all).unwrap();
        assert_eq!(bytes, write(&all).unwrap());
        let file = object::File::parse(&*bytes).unwrap();
        let call = file
            .symbols()
            .find(|s| s.name() == Ok("tfm_psa_call_veneer"))
            .unwrap();
        assert_eq!(call.address(), u64::from(BASE + 0x10) | 1);
        assert!(call.is_definition() || call.is_global());
    }

    // Sections of a relocatable file lie at 0, so that is where the page is in these tests.
    #[test]
    fn a_sound_image_passes() {
        let symbols = check(&image(|_, _| {}), 0, 0x400).unwrap();
        assert_eq!(symbols[8], ("tfm_nsce_load_ctx", 64));
    }

    #[test]
    fn a_missing_or_moved_veneer_is_named() {
        let e = check(&image(|_, s| drop(s.remove(2))), 0, 0x400).unwrap_err();
        assert!(e.to_string().contains("no tfm_psa_call_veneer"), "{e}");
        let e = check(&image(|_, s| s[3].1 += 8), 0, 0x400).unwrap_err();
        assert!(
            e.to_string().contains("tfm_psa_connect_veneer lies at"),
            "{e}"
        );
        let e = check(&image(|c, _| c[8] = 0), 0, 0x400).unwrap_err();
        assert!(
            e.to_string()
                .contains("tfm_psa_version_veneer does not begin"),
            "{e}"
        );
    }

    #[test]
    fn a_stray_gateway_is_refused() {
        let e = check(&image(|c, _| c[12..16].copy_from_slice(&SG)), 0, 0x400).unwrap_err();
        assert!(
            e.to_string().contains("stray secure gateway at 0x0000000a"),
            "{e}"
        );
        let e = check(&image(|c, _| c.extend_from_slice(&SG)), 0, 0x400).unwrap_err();
        assert!(e.to_string().contains("stray"), "{e}");
    }
}

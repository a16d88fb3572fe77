//! TF-M's import library: where its veneers are.
//!
//! Owns what such a file must hold before a kernel is linked for it: an ELF object for Arm with the
//! five veneers of every TF-M as absolute Thumb functions inside of the secure image's partition.
//! Those of client id management are TF-M's option (`TFM_NS_MANAGE_NSID`): all that the kernel calls,
//! or none. Nothing but names and addresses is taken from the file.

use crate::veneers::VENEERS;
use anyhow::{Context, Result, bail, ensure};
use memory_map::Map;
use object::read::{Object as _, ObjectSymbol as _};
use object::{Architecture, SymbolKind};
use std::ops::Range;
use std::path::Path;

/// How many of [`VENEERS`] every TF-M has.
pub const CORE: usize = 5;
/// Client id management as the kernel uses it.
const NSID: [&str; 3] = ["tfm_nsce_init", "tfm_nsce_acquire_ctx", "tfm_nsce_load_ctx"];

/// Names and addresses, in the order of [`VENEERS`].
pub type Symbols = Vec<(&'static str, u32)>;

/// Reads the import library of the secure image that `map` says.
///
/// # Errors
/// Names the file, and the symbol that is missing or out of place.
pub fn read(map: &Map, file: &Path) -> Result<Symbols> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let region = |name: &str| map.region(name).map_err(|e| anyhow::anyhow!(e));
    let (first, last) = (region("spe-exec")?, region("spe-trailer")?);
    let place = first.base..u32::try_from(last.end())?;
    parse(&bytes, &place).with_context(|| {
        format!(
            "{} is no import library of a TF-M for {}",
            file.display(),
            map.board
        )
    })
}

fn parse(bytes: &[u8], place: &Range<u32>) -> Result<Symbols> {
    let file = object::File::parse(bytes).context("it is no object file")?;
    ensure!(
        file.architecture() == Architecture::Arm && !file.is_64() && file.is_little_endian(),
        "it is for {:?}, not for Arm",
        file.architecture()
    );
    let find = |name: &str| {
        file.symbols()
            .find(|s| s.name() == Ok(name) && !s.is_undefined())
    };
    let mut missing: Vec<&str> = VENEERS[..CORE]
        .iter()
        .copied()
        .filter(|name| find(name).is_none())
        .collect();
    if NSID.iter().any(|name| find(name).is_some()) {
        missing.extend(NSID.iter().filter(|name| find(name).is_none()));
    }
    if !missing.is_empty() {
        bail!("it has no {}", missing.join(", no "));
    }
    let mut symbols = Symbols::new();
    for name in VENEERS {
        let Some(symbol) = find(name) else { continue };
        let address = u32::try_from(symbol.address())?;
        ensure!(
            symbol.section() == object::SymbolSection::Absolute,
            "{name} is not absolute: this is not what the linker's --out-implib writes"
        );
        ensure!(
            symbol.kind() == SymbolKind::Text && address & 1 == 1,
            "{name} is no Thumb function"
        );
        ensure!(
            place.contains(&address),
            "{name} lies at 0x{:08x}, the secure image at 0x{:08x}..0x{:08x}",
            address & !1,
            place.start,
            place.end
        );
        symbols.push((name, address & !1));
    }
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::veneers;

    const PLACE: Range<u32> = 0x1008_0000..0x1010_0000;

    /// Veneers 32 bytes apart, as no image of ours has them.
    fn symbols(n: usize) -> Vec<(&'static str, u32)> {
        let addresses = (0x1009_1240..).step_by(32);
        VENEERS.into_iter().zip(addresses).take(n).collect()
    }

    fn refused(symbols: &[(&str, u32)]) -> String {
        parse(&veneers::write(symbols).unwrap(), &PLACE)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_stock_library_is_read_with_and_without_client_ids() {
        for n in [CORE, VENEERS.len()] {
            let wanted = symbols(n);
            let bytes = veneers::write(&wanted).unwrap();
            assert_eq!(parse(&bytes, &PLACE).unwrap(), wanted);
        }
    }

    #[test]
    fn every_missing_symbol_is_named() {
        for gone in 0..CORE {
            let mut some = symbols(CORE);
            let (name, _) = some.remove(gone);
            assert_eq!(refused(&some), format!("it has no {name}"));
        }
        let nothing = refused(&[]);
        assert_eq!(nothing.matches("no tfm_").count(), CORE, "{nothing}");
        let mut some = symbols(VENEERS.len());
        some.retain(|(name, _)| *name != "tfm_nsce_load_ctx");
        assert_eq!(refused(&some), "it has no tfm_nsce_load_ctx");
    }

    #[test]
    fn what_lies_elsewhere_is_refused() {
        let mut some = symbols(CORE);
        some[2].1 = 0x3800_0410;
        let e = refused(&some);
        assert!(
            e.contains("tfm_psa_call_veneer lies at 0x38000410, the secure image at 0x10080000"),
            "{e}"
        );
    }

    #[test]
    fn other_files_are_refused() {
        let e = parse(b"int main(void) { return 0; }", &PLACE).unwrap_err();
        assert!(e.to_string().contains("no object file"), "{e}");
        let host = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let e = parse(&host, &PLACE).unwrap_err();
        assert!(e.to_string().contains("not for Arm"), "{e}");
    }

    #[test]
    fn damaged_files_do_not_panic() {
        let good = veneers::write(&symbols(VENEERS.len())).unwrap();
        let mut random = 7u32;
        for _ in 0..2000 {
            let mut bad = good.clone();
            for _ in 0..4 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (random >> 8) as usize % bad.len();
                bad[at] ^= random as u8;
            }
            bad.truncate(good.len() - (random >> 4) as usize % good.len());
            let _ = parse(&bad, &PLACE);
        }
    }
}

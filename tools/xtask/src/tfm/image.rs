//! The kernel as TF-M's BL2 boots it.
//!
//! Owns imgtool's arguments for a non-secure image of TF-M (`reference/tfm.md` §I.9), and the one
//! entry that imgtool of PyPI cannot write: KEYID, which BL2 of 2.3 and later demands in front of the
//! signature, and that of 2.1 and 2.2 refuses.

use crate::{paths, shell};
use anyhow::{Context, Result, anyhow, ensure};
use mcuboot_image::trailer;
use mcuboot_image::{Image, UNPROTECTED_MAGIC, kind};
use memory_map::Map;
use std::path::Path;
use std::process::Command;

/// TF-M's built-in key of the non-secure image (`TFM_BUILTIN_KEY_ID_PLAT_SPECIFIC_MIN` + 1).
const NON_SECURE_KEY_ID: u32 = 0x7FFF_816C;
/// Signs `bare` with `key` as that version with that security counter, and fills the slot with it: for
/// BL2 of TF-M 2.1 and 2.2 as the first file, for 2.3 and later as the second.
///
/// # Errors
/// Of imgtool.
pub fn sign(
    map: &Map,
    bare: &Path,
    key: &Path,
    (version, counter): (&str, u32),
    [out, out_keyid]: [&Path; 2],
) -> Result<()> {
    let region = |name: &str| map.region(name).map_err(|e| anyhow!(e));
    let slot = region("kernel-exec")?.size + region("kernel-trailer")?.size;
    let file = paths::temporary("signed");
    shell::run(
        Command::new(paths::python_tool("imgtool"))
            .arg("sign")
            .arg("--key")
            .arg(key)
            .args(["--public-key-format", "hash", "--align", "1"])
            .args(["--pad-header", "--overwrite-only"])
            .args(["--header-size", &format!("0x{:x}", map.image_header)])
            .args(["--slot-size", &format!("0x{slot:x}")])
            .args([
                "--version",
                version,
                "--security-counter",
                &counter.to_string(),
            ])
            .args(["--dependencies", "(0,0.0.0+0)", "--boot-record", "NSPE"])
            .arg(bare)
            .arg(&file),
    )?;
    let signed = std::fs::read(&file)?;
    std::fs::remove_file(&file)?;
    std::fs::write(out, padded(&signed, slot)?)?;
    let with_id = with_key_id(&signed, NON_SECURE_KEY_ID)?;
    std::fs::write(out_keyid, padded(&with_id, slot)?)?;
    Ok(())
}

/// The image in a slot of erased flash, to be booted.
fn padded(image: &[u8], slot: u32) -> Result<Vec<u8>> {
    let room = (slot as usize).checked_sub(trailer::MAGIC.len());
    let room = room.filter(|room| image.len() <= *room);
    let room = room.context("the kernel does not fit TF-M's non-secure slot")?;
    let mut bytes = image.to_vec();
    bytes.resize(room, 0xFF);
    bytes.extend(trailer::MAGIC);
    Ok(bytes)
}

/// The image with KEYID right before its signature; nothing that is signed changes.
fn with_key_id(signed: &[u8], id: u32) -> Result<Vec<u8>> {
    let image = Image::parse(signed).map_err(|e| anyhow!("imgtool's image: {e:?}"))?;
    let mut entries = Vec::new();
    let mut put = |kind: u16, data: &[u8]| {
        entries.extend(kind.to_le_bytes());
        entries.extend((data.len() as u16).to_le_bytes());
        entries.extend(data);
    };
    let mut signatures = 0;
    for tlv in image.unprotected().iter() {
        if tlv.kind == kind::ECDSA_SIG {
            put(kind::KEYID, &id.to_le_bytes());
            signatures += 1;
        }
        put(tlv.kind, tlv.data);
    }
    ensure!(
        signatures == 1,
        "{signatures} ECDSA signatures: TF-M's an521 boots EC-P256 images, is the key one?"
    );
    let mut bytes = image.hashed().to_vec();
    bytes.extend(UNPROTECTED_MAGIC.to_le_bytes());
    bytes.extend(u16::try_from(entries.len() + 4)?.to_le_bytes());
    bytes.extend(entries);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcuboot_image::{Header, ImageVersion};

    fn image(kinds: &[(u16, usize)]) -> Vec<u8> {
        let header = Header {
            load_addr: 0,
            hdr_size: 32,
            protect_tlv_size: 0,
            img_size: 3,
            flags: 0,
            version: ImageVersion::default(),
        };
        let mut bytes = header.emit().to_vec();
        bytes.extend([1, 2, 3]);
        let total = 4 + kinds.iter().map(|(_, n)| n + 4).sum::<usize>();
        bytes.extend(UNPROTECTED_MAGIC.to_le_bytes());
        bytes.extend((total as u16).to_le_bytes());
        for (kind, n) in kinds {
            bytes.extend(kind.to_le_bytes());
            bytes.extend((*n as u16).to_le_bytes());
            bytes.extend(vec![0xA5; *n]);
        }
        bytes
    }

    #[test]
    fn the_key_id_stands_before_the_signature() {
        let old = image(&[
            (kind::SHA256, 32),
            (kind::KEYHASH, 32),
            (kind::ECDSA_SIG, 71),
        ]);
        let new = with_key_id(&old, NON_SECURE_KEY_ID).unwrap();
        assert_eq!(new.len(), old.len() + 8);
        let image = Image::parse(&new).unwrap();
        assert_eq!(image.hashed(), Image::parse(&old).unwrap().hashed());
        let kinds: Vec<u16> = image.unprotected().iter().map(|t| t.kind).collect();
        assert_eq!(
            kinds,
            [kind::SHA256, kind::KEYHASH, kind::KEYID, kind::ECDSA_SIG]
        );
        let id = image.unprotected().find(kind::KEYID).unwrap();
        assert_eq!(id, [0x6C, 0x81, 0xFF, 0x7F]);
    }

    #[test]
    fn another_kind_of_signature_is_refused() {
        let rsa = image(&[(kind::SHA256, 32), (kind::RSA3072_PSS, 384)]);
        assert!(with_key_id(&rsa, 1).is_err());
    }

    #[test]
    fn a_slot_is_filled_and_never_overrun() {
        let slot = padded(&[1, 2, 3], 0x100).unwrap();
        assert_eq!((slot.len(), &slot[..4]), (0x100, &[1, 2, 3, 0xFF][..]));
        assert_eq!(slot[0xF0..], trailer::MAGIC);
        assert!(padded(&[0; 0xF1], 0x100).is_err());
    }
}

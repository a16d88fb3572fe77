//! Our TBF parser against Tock's own tools: elf2tab 0.13 writes, tockloader 1.19 edits and reads.
//!
//! Owns the matrix of options and edits, and the comparison: what `inspect-tab` prints of a file and
//! what our parser reads in it are brought into one form and must be equal, nothing missing on either
//! side. A combination that a tool itself cannot do is skipped by name.

use super::Case;
use super::tockloader::tool;
use crate::build::{World, firmware};
use crate::system::Scratch;
use crate::{paths, setup, shell, sign};
use anyhow::{Context, Result, anyhow, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use tock_tbf::parse::{parse_tbf_footer, parse_tbf_header, parse_tbf_header_lengths};
use tock_tbf::types::{CommandPermissions, TbfFooterV2CredentialsType as Format};

pub const CASES: [Case; 1] = [Case {
    id: "tbf-tools-agree",
    run: agree,
}];

/// Options of elf2tab, each a file. `KEY` and `RSA` stand for private keys.
const WRITTEN: [&str; 16] = [
    "",
    "-n hello",
    "-n a-name-of-several-words --disable",
    "-n h --kernel-major 2 --kernel-minor 2",
    "-n h --kernel-major 65535 --kernel-minor 0 --app-version 4294967295",
    "-n h --short-id 1",
    "-n h --short-id 4294967295 --app-version 7",
    "-n h --permissions 1,0 1,1 1,63 1,64 1,65 2,3 1048578,0",
    "-n h --write_id 7",
    "-n h --write_id 7 --read_ids 7 8 --access_ids 9",
    "-n h --read_ids 1 2 3 4 5 6 7 8 --access_ids 1 2 3 4 5 6 7 8",
    "-n h --stack 512 --app-heap 256 --kernel-heap 128",
    "-n h --minimum-footer-size 900 --sha256 --sha384 --sha512",
    "-n h --minimum-footer-size 100 --ecdsa-nist-p256-private KEY",
    "-n h --minimum-footer-size 3000 --rsa4096-private RSA --sha256",
    "-n h --minimum-footer-size 3000 --sha512 --ecdsa-nist-p256-private KEY --write_id 1 --short-id 2 --kernel-major 2 --kernel-minor 3 --permissions 0,2",
];

/// What tockloader does to a file of elf2tab, one edit behind the other; each result is compared.
const EDITED: [&[&str]; 3] = [
    &[
        "tlv modify program app_version 9",
        "tlv modify kernel_version kernel_minor 1",
        "credential add sha256",
        "credential add sha384",
        "credential add sha512",
        "credential delete sha384",
    ],
    &[
        "tlv delete short_id",
        "tlv delete kernel_version",
        "tlv delete name",
    ],
    &[
        "tlv add permissions 5 70",
        "tlv add short_id 77",
        "tlv modify base flags 0",
    ],
];
const EDITED_FROM: &str =
    "-n edited --kernel-major 2 --kernel-minor 2 --short-id 3 --minimum-footer-size 1500";

/// One form for both sides: what is said, under its name.
type Facts = BTreeMap<String, Vec<String>>;

fn agree() -> Result<()> {
    let (toolchain, _) = setup::everything()?;
    let scratch = Scratch::new("tbf")?;
    let folder = scratch.path();
    let elf = firmware(&toolchain, World::NonSecure, "hello", &[])?;
    std::fs::copy(&elf, folder.join("app.elf"))?;
    let (key, rsa) = (folder.join("rsa.pem"), folder.join("rsa.der"));
    shell::run(
        Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA"])
            .args(["-pkeyopt", "rsa_keygen_bits:4096", "-out"])
            .arg(&key),
    )?;
    shell::run(
        Command::new("openssl")
            .args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"])
            .arg(&key)
            .arg("-out")
            .arg(&rsa),
    )?;
    // Its first caller makes it.
    sign::app_key();
    let mut compared = 0;
    for options in WRITTEN {
        write(folder, options, &rsa)?;
        same(folder).with_context(|| format!("elf2tab {options}"))?;
        compared += 1;
    }
    for edits in EDITED {
        write(folder, EDITED_FROM, &rsa)?;
        for edit in edits {
            let mut words = vec!["tbf"];
            words.extend(edit.split_whitespace());
            words.push("app.tab");
            tool(folder, &words)?;
            same(folder).with_context(|| format!("tockloader tbf {edit}"))?;
            compared += 1;
        }
    }
    println!("      {compared} files of elf2tab and tockloader read alike");
    Ok(())
}

fn write(folder: &Path, options: &str, rsa: &Path) -> Result<()> {
    let words = options.split_whitespace().map(|word| match word {
        "KEY" => sign::app_key().with_extension("der"),
        "RSA" => rsa.to_owned(),
        other => other.into(),
    });
    let mut command = Command::new(paths::elf2tab());
    // A list takes every word up to the next option.
    command
        .args(words)
        .args(["--deterministic", "-o", "app.tab", "app.elf,cortex-m33"])
        .current_dir(folder);
    shell::run(&mut command).map(drop)
}

fn same(folder: &Path) -> Result<()> {
    shell::run(
        Command::new("tar")
            .args(["-xf", "app.tab"])
            .current_dir(folder),
    )?;
    let mut member = std::fs::read(folder.join("cortex-m33.tbf"))?;
    // `credential delete` leaves the file shorter than its header says; what lies behind it in flash
    // is erased.
    let total = member.get(4..8).and_then(|b| b.try_into().ok());
    let total = u32::from_le_bytes(total.context("no header")?) as usize;
    ensure!(member.len() <= total, "longer than its header says");
    member.resize(total, 0xFF);
    let theirs = theirs(&tool(folder, &["inspect-tab", "app.tab"])?);
    let ours = ours(member.leak(), &theirs)?;
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let (ours, theirs) = (ours.get(name), theirs.get(name));
        ensure!(ours == theirs, "{name}: {ours:?}, tockloader {theirs:?}");
    }
    Ok(())
}

/// From the text of `inspect-tab`.
fn theirs(text: &str) -> Facts {
    const SINGLE: [&str; 15] = [
        "TBF version",
        "header_size",
        "total_size",
        "flags",
        "init_fn_offset",
        "protected_size",
        "minimum_ram_size",
        "binary_end_offset",
        "app_version",
        "package_name",
        "fixed_address_ram",
        "fixed_address_flash",
        "kernel_major",
        "kernel_minor",
        "short_id",
    ];
    let mut facts = Facts::new();
    let mut list = String::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.split_whitespace().next().unwrap_or_default();
        let name = name.trim();
        let mut add = |name: &str| {
            facts
                .entry(name.to_owned())
                .or_default()
                .push(value.to_owned());
        };
        let start = name.split(" (").next().unwrap_or(name);
        match start {
            // Program comes behind Main, and holds.
            single if SINGLE.contains(&single) => {
                facts.insert(single.to_owned(), vec![value.to_owned()]);
            }
            "Write ID" => add(start),
            "Read IDs" | "Modify IDs" => {
                start.clone_into(&mut list);
                if !value.is_empty() {
                    add(start);
                }
            }
            "" if !value.is_empty() => add(&list),
            "Driver Number" => list = format!("driver {}", hex(value)),
            "Allowed Command" => add(&list),
            "Type" => {
                let number = line.split(['(', ')']).nth(1).unwrap_or_default();
                facts
                    .entry("credentials".into())
                    .or_default()
                    .push(number.to_owned());
            }
            "Length" => add("lengths"),
            _ => {}
        }
    }
    facts
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(u32::MAX)
}

/// From our parser; `theirs` says which drivers to ask for, since it cannot list them.
fn ours(object: &'static [u8], theirs: &Facts) -> Result<Facts> {
    let start = object.first_chunk::<8>().context("no header")?;
    let (version, size, total) = parse_tbf_header_lengths(start).map_err(|e| anyhow!("{e:?}"))?;
    ensure!(total as usize == object.len(), "not the file's length");
    let header = object.get(..usize::from(size)).context("header")?;
    let h = parse_tbf_header(header, version).map_err(|e| anyhow!("{e:?}"))?;
    let mut facts = Facts::new();
    let mut say = |name: &str, value: String| facts.entry(name.to_owned()).or_default().push(value);
    let size = u32::from(size);
    say("TBF version", version.to_string());
    say("header_size", size.to_string());
    say("total_size", h.length().to_string());
    say("flags", u32::from(h.enabled()).to_string());
    say(
        "init_fn_offset",
        (h.get_init_function_offset() - size).to_string(),
    );
    say(
        "protected_size",
        (h.get_protected_size() - size).to_string(),
    );
    say("minimum_ram_size", h.get_minimum_app_ram_size().to_string());
    say("binary_end_offset", h.get_binary_end().to_string());
    say("app_version", h.get_binary_version().to_string());
    if let Some(name) = h.get_package_name() {
        say("package_name", name.to_owned());
    }
    if let Some(address) = h.get_fixed_address_ram() {
        say("fixed_address_ram", address.to_string());
    }
    if let Some(address) = h.get_fixed_address_flash() {
        say("fixed_address_flash", address.to_string());
    }
    if let Some((major, minor)) = h.get_kernel_version() {
        say("kernel_major", major.to_string());
        say("kernel_minor", minor.to_string());
    }
    if let Some(id) = h.get_fixed_short_id() {
        say("short_id", id.to_string());
    }
    if theirs.contains_key("Write ID") {
        say(
            "Write ID",
            h.get_storage_write_id().unwrap_or(0).to_string(),
        );
    }
    for (name, list) in [
        ("Read IDs", h.get_storage_read_ids()),
        ("Modify IDs", h.get_storage_modify_ids()),
    ] {
        let (ids, count) = list.unwrap_or_default();
        for id in ids.iter().take(count) {
            say(name, id.to_string());
        }
    }
    for name in theirs.keys() {
        let Some(driver) = name.strip_prefix("driver ") else {
            continue;
        };
        let driver = driver.parse()?;
        for offset in 0..32 {
            let CommandPermissions::Mask(bits) = h.get_command_permissions(driver, offset) else {
                continue;
            };
            for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
                say(name, (64 * offset + bit).to_string());
            }
        }
    }
    let mut rest = object.get(h.get_binary_end() as usize..).unwrap_or(&[]);
    while let Ok((credential, length)) = parse_tbf_footer(rest) {
        let number = credential.format() as u32;
        say("credentials", number.to_string());
        let data = match credential.format() {
            Format::Reserved => length as usize - 4,
            _ => credential.data().len(),
        };
        say("lengths", data.to_string());
        rest = rest.get(4 + length as usize..).unwrap_or(&[]);
    }
    // `tlv add` of tockloader 1.19 moves the binary's end into the footers when a header grows into its
    // protected region: neither side finds any footer then.
    let whole = rest.len() < 8 || rest.iter().all(|b| *b == 0xFF);
    ensure!(
        whole || !facts.contains_key("credentials"),
        "{} bytes behind the footers",
        rest.len()
    );
    Ok(facts)
}

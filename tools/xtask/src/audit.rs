//! `cargo xtask audit`: unsafe code, dependency rules, file lengths, module docs.
//!
//! Owns the list of crates that may hold `unsafe`, each with its reason, and the rules of who may
//! know whom. A finding fails the audit.

use crate::{paths, shell};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `audit` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Write the findings to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Folders whose crates may hold `unsafe`, and why.
const UNSAFE: [(&str, &str); 10] = [
    (
        "arch/cortex-v8m",
        "switches contexts, programs the MPU and the NVIC",
    ),
    (
        "boards",
        "statics and capabilities of the kernel; veneers, faults and jumps of the others",
    ),
    ("chips", "touch registers and memory-mapped flash"),
    (
        "kernel",
        "process memory, grants, and traits that are unsafe upstream",
    ),
    (
        "libtock/platform",
        "the system call traits are unsafe upstream",
    ),
    ("libraries/p256-cm4", "calls its own assembler: P-256"),
    (
        "libraries/symmetric",
        "calls its own assembler: SHA-256, ChaCha20, Poly1305, AES, GHASH; memcpy and memset",
    ),
    ("libtock/runtime", "system calls, start code, heap"),
    ("tfm-psa-driver", "calls the veneers"),
    (
        "tools/cloud/plugin",
        "speaks mosquitto's C plugin interface",
    ),
];

/// Runs the audit.
///
/// # Errors
/// When there is a finding.
pub fn run(options: &Options) -> Result<()> {
    paths::check_report(options.json.as_deref())?;
    let mut findings = Vec::new();
    let mut count = Counts::default();
    let files = shell::run(
        Command::new("git")
            .args(["ls-files", "*.rs"])
            .current_dir(paths::root()),
    )?;
    for file in files.lines() {
        let text = std::fs::read_to_string(paths::root().join(file))?;
        count.file(file, &text, &mut findings);
    }
    let (images, weakened) = crate::test::hostile::release::with_switches()?;
    let switches = weakened
        .iter()
        .map(|image| format!("{image} holds the switches of the weakened build"));
    findings.extend(switches);
    let violations = dependencies()?;
    findings.extend(violations.iter().cloned());
    let percent = (count.documented * 100)
        .checked_div(count.files)
        .unwrap_or(100);
    let report = json!({
        "unsafe_blocks": count.blocks,
        "unsafe_notes": count.notes,
        "crates_allowed_unsafe": UNSAFE.iter().map(|(c, _)| *c).collect::<Vec<_>>(),
        "dependency_violations": violations,
        "files_over_800": count.long,
        "module_docs_percent": percent,
        // Of the last build, if there is one.
        "release_images_looked_into": images,
        "release_images_with_switches": weakened,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    if !findings.is_empty() {
        bail!("{} findings:\n{}", findings.len(), findings.join("\n"));
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    files: usize,
    documented: usize,
    blocks: usize,
    notes: usize,
    long: Vec<String>,
}

impl Counts {
    fn file(&mut self, file: &str, text: &str, findings: &mut Vec<String>) {
        let lines: Vec<&str> = text.lines().collect();
        self.files += 1;
        let first = lines
            .iter()
            .find(|l| !l.is_empty() && !l.starts_with("// "));
        if first.is_some_and(|l| l.starts_with("//!")) {
            self.documented += 1;
        } else {
            findings.push(format!("{file}: no module doc"));
        }
        if lines.len() > 800 {
            self.long.push(file.to_owned());
        }
        for (i, line) in lines.iter().enumerate() {
            if !opens_unsafe(line) {
                continue;
            }
            self.blocks += 1;
            if lines[i.saturating_sub(10)..(i + 3).min(lines.len())]
                .iter()
                .any(|l| l.contains("SAFETY"))
            {
                self.notes += 1;
            } else {
                findings.push(format!("{file}:{}: unsafe without a SAFETY note", i + 1));
            }
            if !UNSAFE
                .iter()
                .any(|(folder, _)| file.starts_with(&format!("{folder}/")))
            {
                findings.push(format!("{file}:{}: unsafe in a crate that may not", i + 1));
            }
        }
    }
}

/// A block or an impl; not a declaration, an attribute, a comment or a string.
fn opens_unsafe(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with("//") || line.contains("\"unsafe") {
        return false;
    }
    line.contains(concat!("unsafe", " {")) || line.starts_with("unsafe impl")
}

/// The rules of who may know whom, on the workspace's own crates.
fn dependencies() -> Result<Vec<String>> {
    let text = shell::run(
        Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--no-deps",
                "--offline",
            ])
            .current_dir(paths::root()),
    )?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let folder = |package: &Value| -> String {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let dir = manifest.parent().unwrap_or(manifest);
        dir.strip_prefix(paths::root())
            .unwrap_or(dir)
            .display()
            .to_string()
    };
    let mut out = Vec::new();
    for package in &packages {
        let from = folder(package);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // Tests may look from anywhere.
            if dependency["kind"] == "dev" {
                continue;
            }
            let Some(target) = packages.iter().find(|p| p["name"] == dependency["name"]) else {
                continue;
            };
            let to = folder(target);
            if !allowed(&from, &to) {
                out.push(format!("{from} may not know {to}"));
            }
        }
    }
    Ok(out)
}

fn allowed(from: &str, to: &str) -> bool {
    let in_any = |folders: &[&str]| {
        folders
            .iter()
            .any(|f| to == *f || to.starts_with(&format!("{f}/")))
    };
    let area = from.split('/').next().unwrap_or(from);
    match area {
        // One chip may take over the blocks that it shares with another.
        "chips" => in_any(&["kernel", "libraries", "chips"]),
        "arch" => in_any(&["kernel", "libraries"]),
        "capsules" => in_any(&["kernel", "tfm-psa-driver", "libraries", "capsules"]),
        "apps" => in_any(&["libtock", "libraries"]),
        "libtock" => in_any(&["libtock", "libraries"]),
        "spe" => in_any(&["spe", "libraries"]),
        // The mailbox page comes with a connection over libtock's IPC, behind a feature.
        "libraries" => in_any(&["libraries", "libtock"]),
        "ota-loader" | "tfm-psa-driver" | "kernel" => in_any(&["libraries"]),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_for_areas() {
        assert!(allowed("capsules/psa", "tfm-psa-driver"));
        assert!(!allowed("capsules/psa", "chips/sse300"));
        assert!(!allowed("spe/crypto", "chips/sse300"));
        assert!(!allowed("apps/net-mqtt", "kernel"));
        assert!(allowed("boards/mps3-an547/kernel", "chips/sse300"));
    }

    #[test]
    fn a_block_without_a_note_is_found() {
        let mut findings = Vec::new();
        let mut counts = Counts::default();
        let opening = ["unsafe", "{ f() }"].join(" ");
        counts.file(
            "kernel/src/x.rs",
            &format!("//! Doc.\nfn g() {{ {opening} }}\n"),
            &mut findings,
        );
        assert_eq!((counts.blocks, counts.notes, findings.len()), (1, 0, 1));
        counts.file(
            "kernel/src/y.rs",
            &format!("//! Doc.\n// SAFETY: so.\n{opening}\n"),
            &mut findings,
        );
        assert_eq!((counts.blocks, counts.notes, findings.len()), (2, 1, 1));
        counts.file(
            "libraries/z.rs",
            &format!("//! Doc.\n// SAFETY: so.\n{opening}\n"),
            &mut findings,
        );
        assert_eq!(findings.len(), 2);
    }
}

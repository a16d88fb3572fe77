//! The tockloader layer: the real tool on a provisioned device's flash file, then the device.
//!
//! Owns that README's command lines work and do no harm: the lines are read from README, each runs as
//! it stands there but for this board's addresses, and whatever a line is not about must be the same
//! bytes afterwards. The tool gets a settings folder of its own, since it keeps its boards in the
//! user's.

use super::Case;
use crate::apps::{self, Packing};
use crate::build::{World, firmware};
use crate::provision::{self, Identity};
use crate::system::{Scratch, loader};
use crate::{flash, paths, setup, shell};
use anyhow::{Context, Result, anyhow, ensure};
use memory_map::Map;
use qemu_harness::{Config, Device, FlashFile};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tock_tbf::types::TbfFooterV2CredentialsType as Format;

const LIMIT: Duration = Duration::from_secs(60);
const HELLO: u32 = 0x101;
const GUEST: u32 = 0x140;
/// As the guest's build script places it in both pools.
const GUEST_ROW: u32 = 0x1_0000;
const GUEST_RAM: u32 = 0x4000;
const ROW_RAM: u32 = 0x4000;

pub const CASES: [Case; 4] = [
    Case {
        id: "tockloader-readme",
        run: readme,
    },
    Case {
        id: "tockloader-flags",
        run: flags,
    },
    Case {
        id: "tockloader-tbf-edits",
        run: edits,
    },
    Case {
        id: "tockloader-position-independent",
        run: relocatable,
    },
];

/// TABs of the test apps, by file name.
struct Tabs {
    hello: PathBuf,
    guests: [PathBuf; 2],
}

/// Builds them once, however many cases run.
fn tabs() -> Result<&'static Tabs> {
    static TABS: OnceLock<std::result::Result<Tabs, String>> = OnceLock::new();
    let built = TABS.get_or_init(|| build().map_err(|e| format!("{e:#}")));
    built.as_ref().map_err(|e| anyhow!(e.clone()))
}

fn build() -> Result<Tabs> {
    let (toolchain, _) = setup::everything()?;
    let map = paths::map()?;
    let base = |name: &str| map.region(name).map_err(|e| anyhow!(e)).map(|r| r.base);
    let (pool, ram) = (base("flash-pool")?, base("ram-pool")?);
    let tab = |name, file: &str, version, short_id, env: &[(&str, String)], row| {
        let elf = firmware(&toolchain, World::NonSecure, name, env)?;
        let packing = Packing {
            name,
            file,
            version,
            short_id,
        };
        let tbf = apps::pack_as(&map, &packing, &elf, row)?;
        anyhow::Ok(tbf.with_extension("tab"))
    };
    let guest = |version: u32| {
        let env = [
            ("GUEST_VERSION", version.to_string()),
            ("GUEST_ROW", "a".into()),
        ];
        let row = (pool + GUEST_ROW, ram + GUEST_RAM, ROW_RAM);
        let file = format!("guest-tockloader-{version}");
        tab("guest", &file, version, GUEST, &env, row)
    };
    Ok(Tabs {
        hello: tab("hello", "hello", 1, HELLO, &[], (pool, ram, ROW_RAM))?,
        guests: [guest(1)?, guest(2)?],
    })
}

/// An object of the list.
struct Object {
    /// `None`: padding.
    name: Option<String>,
    bytes: Vec<u8>,
}

struct Board {
    scratch: Scratch,
    flash: FlashFile,
    map: Map,
    product: Vec<String>,
}

impl Board {
    /// A device as the factory leaves it, provisioned.
    fn new() -> Result<Board> {
        let (map, scratch) = (paths::map()?, Scratch::new("tockloader")?);
        let flash = flash::factory(&scratch.path().join("device.bin"), &map)?;
        provision::write(&flash, &map, &Identity::offline("tockloader"))?;
        let tabs = tabs()?;
        let [one, two] = &tabs.guests;
        for (tab, name) in [
            (&tabs.hello, "hello.tab"),
            (one, "guest.tab"),
            (two, "guest-2.tab"),
        ] {
            std::fs::copy(tab, scratch.path().join(name))?;
        }
        let mut rows: Vec<_> = map.app.iter().collect();
        rows.sort_by_key(|app| map.region[&app.flash].base);
        let product = rows.iter().map(|app| app.name.clone()).collect();
        let board = Board {
            scratch,
            flash,
            map,
            product,
        };
        Ok(board)
    }

    /// As [`Board::new`], and tockloader knows it as its local board.
    fn local() -> Result<Board> {
        let board = Board::new()?;
        let lines = readme_lines()?;
        let set = lines.iter().find(|l| l.contains("local-board set"));
        board.line(set.context("README sets no local board")?)?;
        Ok(board)
    }

    /// Runs a command line of README beside the files that it names, with this board's addresses.
    fn line(&self, line: &str) -> Result<String> {
        let base = self.map.flash_file().map_err(|e| anyhow!(e))?.0;
        let app = self.region("flash-net-mqtt")?.base;
        let independent = self.region("flash-pic")?.base;
        let words = line.split_whitespace().skip(1).map(|word| match word {
            "cortex-m55" => self.map.tbf_arch.clone(),
            "0x60000000" => format!("0x{base:x}"),
            "0x60200000" => format!("0x{app:x}"),
            "0x60600000" => format!("0x{independent:x}"),
            other => other.to_owned(),
        });
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        tool(self.scratch.path(), &words)
    }

    fn region(&self, name: &str) -> Result<&memory_map::Region> {
        self.map.region(name).map_err(|e| anyhow!(e))
    }

    /// The list as tools and kernel walk it, from the first app to its end.
    fn objects(&self) -> Result<Vec<Object>> {
        let mut bytes = Vec::new();
        for app in &self.product {
            let app = self.map.app_row(app).map_err(|e| anyhow!(e))?.0;
            bytes.extend(self.flash_at(app.base, app.size)?);
        }
        for name in ["flash-pool", "flash-b"] {
            let region = self.region(name)?;
            bytes.extend(self.flash_at(region.base, region.size)?);
        }
        let (mut at, mut found) = (0, Vec::new());
        while let Some(Ok((version, header, total))) = bytes
            .get(at..)
            .and_then(|b| b.first_chunk::<8>())
            .map(tock_tbf::parse::parse_tbf_header_lengths)
        {
            let whole = bytes.get(at..at + total as usize);
            let whole = whole.with_context(|| format!("object at 0x{at:x} leaves flash"))?;
            let parsed = tock_tbf::parse::parse_tbf_header(&whole[..usize::from(header)], version)
                .map_err(|e| anyhow!("object at 0x{at:x}: {e:?}"))?;
            let name = parsed.get_package_name().unwrap_or_default();
            found.push(Object {
                name: parsed.is_app().then(|| name.to_owned()),
                bytes: whole.to_vec(),
            });
            at += total as usize;
        }
        Ok(found)
    }

    fn flash_at(&self, base: u32, size: u32) -> Result<Vec<u8>> {
        let found = self.map.region.iter().find(|(_, r)| r.base == base);
        let (name, _) = found.with_context(|| format!("no region at 0x{base:x}"))?;
        self.flash.read(name, 0, size as usize)
    }

    /// Names of the apps, in the order of the list.
    fn names(&self) -> Result<Vec<String>> {
        Ok(self.objects()?.into_iter().filter_map(|o| o.name).collect())
    }

    /// Everything that a line about `subject` must leave as it is: the other apps, both images,
    /// the secure flash, the kernel's attributes, the audio.
    fn others(&self, subject: Option<&str>) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut all = BTreeMap::new();
        let rows = |name: &str| name == "flash-pool" || name == "flash-b";
        let apps: Vec<&str> = self.map.app.iter().map(|a| a.flash.as_str()).collect();
        for (name, region) in &self.map.region {
            let kept = self.map.store[&region.store].file_backed
                && !rows(name)
                && !apps.contains(&name.as_str());
            if kept {
                let bytes = self.flash.read(name, 0, region.size as usize)?;
                all.insert(name.clone(), bytes);
            }
        }
        for object in self.objects()? {
            if let Some(name) = object.name
                && Some(name.as_str()) != subject
            {
                all.insert(format!("app {name}"), object.bytes);
            }
        }
        Ok(all)
    }

    /// Runs a line that may change `subject` only.
    fn harmless(&self, line: &str, subject: Option<&str>) -> Result<String> {
        let before = self.others(subject)?;
        let output = self.line(line);
        let after = self.others(subject)?;
        for (name, bytes) in &before {
            ensure!(after.get(name) == Some(bytes), "`{line}` changed {name}");
        }
        ensure!(after.len() == before.len(), "`{line}` added something else");
        output
    }

    /// Starts the device; each of the product's apps and of `more` is loaded, no other.
    fn boot(&self, more: &[&str]) -> Result<Device> {
        let mut config = Config::new(&loader(), self.flash.path());
        config.network = false;
        let device = Device::start(&config)?;
        let product = self.product.iter().map(String::as_str);
        let wanted: Vec<&str> = product.chain(more.iter().copied()).collect();
        // Their order is the loader's own.
        for name in wanted {
            let loaded = |text: &str| {
                text.starts_with("kernel: process ") && text.contains(&format!(" {name} flash "))
            };
            device.console.wait_from(0, LIMIT, loaded, name)?;
        }
        Ok(device)
    }
}

/// Runs the tool in a folder that is also its settings'; what it prints. An empty line answers what it
/// asks: its own default.
pub fn tool(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut child = Command::new(paths::python_tool("tockloader"))
        .args(arguments)
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // It may end without asking.
        let _ = input.write_all(b"\n");
    }
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(
        output.status.success(),
        "tockloader {}: {}\n{text}",
        arguments.join(" "),
        output.status
    );
    Ok(text)
}

/// The command lines of README's section on tockloader.
fn readme_lines() -> Result<Vec<String>> {
    lines_of("README.md")
}

/// The lines of a document that run the tool.
fn lines_of(document: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(paths::root().join(document))?;
    let lines: Vec<String> = text
        .lines()
        .filter(|l| l.starts_with("tockloader "))
        .map(|l| l.split(" #").next().unwrap_or(l).trim().to_owned())
        .collect();
    ensure!(!lines.is_empty(), "{document} gives no command line");
    Ok(lines)
}

/// Names in what `list` and `info` print.
fn listed(output: &str) -> Vec<String> {
    let names = output
        .lines()
        .filter_map(|l| l.trim().strip_prefix("Name:"));
    names.map(|n| n.trim().to_owned()).collect()
}

/// Every line of README in its order, on one device; it boots after each that changed anything.
fn readme() -> Result<()> {
    let board = Board::new()?;
    let mut installed: Vec<String> = Vec::new();
    let mut verbs = Vec::new();
    // Up to here the device has not run: this is the factory's flash.
    for line in readme_lines()? {
        let words: Vec<&str> = line.split_whitespace().collect();
        let verb = words.get(1).copied().unwrap_or_default();
        let last = words.last().copied().unwrap_or_default();
        let subject = match last {
            "hello.tab" => "hello",
            "guest.tab" | "guest-2.tab" => "guest",
            other => other,
        };
        let output = board.harmless(&line, Some(subject))?;
        verbs.push(verb.to_owned());
        let all: Vec<String> = board.product.iter().chain(&installed).cloned().collect();
        match verb {
            "list" => ensure!(listed(&output) == all, "`{line}` lists:\n{output}"),
            "info" => {
                ensure!(listed(&output) == all, "`{line}` lists:\n{output}");
                let version = "2.3.0";
                ensure!(output.contains(version), "no kernel {version}:\n{output}");
            }
            "install" if !installed.iter().any(|n| n == subject) => {
                installed.push(subject.to_owned());
            }
            "uninstall" => installed.retain(|n| n != subject),
            _ => {}
        }
        let all: Vec<String> = board.product.iter().chain(&installed).cloned().collect();
        ensure!(
            board.names()? == all,
            "after `{line}`: {:?}",
            board.names()?
        );
        if ["local-board", "list", "info", "tbf", "inspect-tab"].contains(&verb) {
            continue;
        }
        let running: Vec<&str> = installed
            .iter()
            .map(String::as_str)
            .filter(|n| !(verb == "disable-app" && *n == subject))
            .collect();
        let device = board.boot(&running).with_context(|| line.clone())?;
        for app in &running {
            let says = match (*app, last) {
                ("hello", _) => "hello: tick 103",
                ("guest", "guest-2.tab") => "guest: version 2 tick 1",
                ("guest", _) => "guest: version ",
                _ => continue,
            };
            device
                .console
                .wait(says, LIMIT)
                .with_context(|| line.clone())?;
        }
        let lines = device.console.lines();
        ensure!(
            running.contains(&"guest") || !lines.iter().any(|l| l.text.contains("guest: ")),
            "`{line}`: it runs all the same"
        );
    }
    for verb in [
        "install",
        "list",
        "info",
        "uninstall",
        "enable-app",
        "disable-app",
        "sticky-app",
        "tbf",
    ] {
        ensure!(verbs.iter().any(|v| v == verb), "README shows no `{verb}`");
    }
    Ok(())
}

/// Flags lie under the signature: one that is set takes the app's name, cleared it comes back.
fn flags() -> Result<()> {
    let board = Board::local()?;
    let on = |verb: &str| {
        board.harmless(
            &format!("tockloader {verb} --local-board guest"),
            Some("guest"),
        )
    };
    board.harmless("tockloader install --local-board guest.tab", Some("guest"))?;
    let installed = board.others(None)?;
    let named = format!("ShortId 0x{GUEST:x}");
    let loaded = |device: &Device| -> Result<String> {
        let line = device.console.wait(" guest flash ", LIMIT)?;
        Ok(line.text)
    };
    let text = loaded(&board.boot(&["guest"])?)?;
    ensure!(text.ends_with(&named), "not {named}: {text}");
    on("sticky-app")?;
    ensure!(on("uninstall").is_err(), "a sticky app was removed");
    ensure!(board.names()?.iter().any(|n| n == "guest"));
    let sticky = loaded(&board.boot(&["guest"])?)?;
    ensure!(
        sticky.ends_with("ShortId Unique"),
        "a changed flag went unnoticed: {sticky}"
    );
    on("unsticky-app")?;
    ensure!(loaded(&board.boot(&["guest"])?)? == text);
    on("disable-app")?;
    on("enable-app")?;
    let again = board.others(None)?;
    ensure!(
        again.get("app guest") == installed.get("app guest"),
        "flags do not come back"
    );
    Ok(())
}

/// TABs edited by `tbf`: what it writes is installed, and is what the kernel's parser says it is.
fn edits() -> Result<()> {
    let board = Board::local()?;
    let tbf = |words: &str| board.line(&format!("tockloader tbf {words} guest.tab"));
    tbf("credential delete ecdsap256")?;
    tbf("tlv modify program app_version 7")?;
    tbf("credential add sha256")?;
    board.harmless("tockloader install --local-board guest.tab", Some("guest"))?;
    let edited = board
        .objects()?
        .into_iter()
        .find(|o| o.name.as_deref() == Some("guest"));
    let edited = edited.context("no guest")?.bytes.leak();
    let header = usize::from(u16::from_le_bytes([edited[2], edited[3]]));
    let parsed =
        tock_tbf::parse::parse_tbf_header(&edited[..header], 2).map_err(|e| anyhow!("{e:?}"))?;
    ensure!(parsed.get_binary_version() == 7, "not the edited version");
    let (signed, footers) = edited.split_at(parsed.get_binary_end() as usize);
    let credential = tock_tbf::parse::parse_tbf_footer(footers)
        .map_err(|e| anyhow!("{e:?}"))?
        .0;
    ensure!(
        credential.format() == Format::SHA256
            && credential.data() == Sha256::digest(signed).as_slice(),
        "not the digest of what is installed"
    );
    let device = board.boot(&["guest"])?;
    device.console.wait("guest: version 1 tick 1", LIMIT)?;
    let line = device.console.wait(" guest flash ", LIMIT)?;
    ensure!(
        !line.text.ends_with(&format!("ShortId 0x{GUEST:x}")),
        "a digest gave a name: {}",
        line.text
    );
    Ok(())
}

/// The C program of docs/apps.md, as far as the tools and the kernel see it: the lines there, with a
/// TAB made as libtock-c makes one. It has no place of its own, and runs where it was put.
fn relocatable() -> Result<()> {
    let board = Board::local()?;
    let (toolchain, _) = setup::everything()?;
    let elf = firmware(&toolchain, World::NonSecure, "relocatable", &[])?;
    let folder = board.scratch.path();
    std::fs::copy(&elf, folder.join("app.elf"))?;
    // libtock-c's arguments; the second is the same program, which then has another place.
    for (name, tab) in [("c_hello", "c_hello.tab"), ("another", "another.tab")] {
        let mut command = Command::new(paths::elf2tab());
        command
            .args(["-n", name, "--stack", "1024", "--app-heap", "1024"])
            .args(["--kernel-heap", "1024", "--kernel-major", "2"])
            .args(["--kernel-minor", "0", "-o", tab])
            .arg(format!("app.elf,{}", board.map.tbf_arch))
            .current_dir(folder);
        shell::run(&mut command)?;
    }
    let outside = || -> Result<BTreeMap<String, Vec<u8>>> {
        let mut all = board.others(None)?;
        all.remove("flash-pic");
        Ok(all)
    };
    let before = outside()?;
    let refused = board.line("tockloader install --local-board c_hello.tab");
    let text = refused.unwrap_or_else(|e| format!("{e:#}"));
    ensure!(
        text.contains("Mixing fixed address and position-independent apps"),
        "one list of both kinds: docs/apps.md says no\n{text}"
    );
    let lines: Vec<String> = lines_of("docs/apps.md")?
        .into_iter()
        .filter(|l| l.contains("0x60600000") && !l.contains("local-board set"))
        .collect();
    let line = |verb: &str| {
        let found = lines.iter().find(|l| l.split(' ').nth(1) == Some(verb));
        found.with_context(|| format!("docs/apps.md shows no `{verb}`"))
    };
    let install = line("install")?;
    board.line(install)?;
    board.line(&install.replace("c_hello", "another"))?;
    let mut names = listed(&board.line(line("list")?)?);
    names.sort();
    ensure!(names == ["another", "c_hello"], "{names:?}");
    let device = board.boot(&["c_hello", "another"])?;
    for name in ["c_hello", "another"] {
        let line = device.console.wait(&format!(" {name} flash "), LIMIT)?;
        for (word, region) in [("flash", "flash-pic"), ("ram", "ram-pool")] {
            let region = board.region(region)?;
            let place = range_behind(&line.text, word);
            let place = place.with_context(|| line.text.clone())?;
            ensure!(
                place.start >= region.base && u64::from(place.end) <= region.end(),
                "{}: not in its region",
                line.text
            );
        }
    }
    let said = |text: &str| {
        let lines = device.console.lines();
        lines.iter().filter(|l| l.text.contains(text)).count()
    };
    let end = std::time::Instant::now() + LIMIT;
    let both = |text: &str| said(text) >= 2;
    while said("relocatable: tick") < 6
        || !both("relocatable: runs where it was put")
        || !both("relocatable: heap to the grants")
    {
        ensure!(said("relocatable: FAILED") == 0 && said(" faulted") == 0);
        ensure!(std::time::Instant::now() < end, "too few ticks");
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(said("relocatable: runs where it was put") == 2);
    ensure!(said("relocatable: heap to the grants") == 2);
    drop(device);
    board.line(line("uninstall")?)?;
    let names = listed(&board.line(line("list")?)?);
    ensure!(names == ["another"], "{names:?}");
    let mut after = outside()?;
    // The kernel wrote them when it ran.
    after.remove("kernel-attributes");
    for (name, bytes) in &after {
        let secure = board
            .region(name)
            .is_ok_and(|r| r.world != memory_map::World::NS);
        ensure!(secure || before.get(name) == Some(bytes), "{name} changed");
    }
    Ok(())
}

/// The range in `WORD 0xSTART+0xLENGTH`.
fn range_behind(line: &str, word: &str) -> Option<std::ops::Range<u32>> {
    let mut words = line.split(' ');
    words.find(|w| *w == word)?;
    let (start, length) = words.next()?.split_once('+')?;
    let number = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let start = number(start)?;
    Some(start..start.checked_add(number(length)?)?)
}

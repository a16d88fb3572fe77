//! The case `beside-tfm`: the kernel of `build --secure tfm` on the closest to a TF-M that there is.
//!
//! Owns how the stand-in, kernel and apps come into memory without a loader of ours, and what they
//! must say. No PSRAM is used, and the two UARTs are the other way round than in our own build:
//! UART0 is the kernel's.

use super::{beside, region, stand_in};
use crate::build::{World, firmware};
use crate::provision::{self, Guests, Identity, KERNEL};
use crate::release::Release;
use crate::system::{self, Scratch};
use crate::test::Case;
use crate::veneers::VENEERS;
use crate::{apps, paths, setup};
use anyhow::{Result, anyhow, bail, ensure};
use cloud::{Cloud, broker};
use link::Link;
use memory_map::Map;
use object::read::{Object as _, ObjectSymbol as _};
use provisioning::Item;
use qemu_harness::{Config, Device, Uart};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const THING: &str = "beside-tfm";
/// A process that calls drivers that stand on the secure world.
const GUEST: &str = "capsule-check";
const GUEST_SHORT_ID: u32 = 0xCA95;
const GUEST_RAM: u32 = 0x4000;
/// Those of its cases that the secure world has a part in; others expect that it is alone.
const GUEST_DRIVERS: [&str; 9] = [
    "sha",
    "hmac",
    "hmac-parts",
    "aes",
    "aes-parts",
    "aes-messages",
    "kv",
    "kv-limits",
    "kv-boot",
];

/// The case, on a board that has such a memory map.
pub fn cases() -> &'static [Case] {
    const CASES: [Case; 1] = [Case {
        id: "beside-tfm",
        run: apart,
    }];
    if paths::tfm_map().is_file() {
        &CASES
    } else {
        &[]
    }
}

/// In a process of its own: a process knows one memory map.
fn apart() -> Result<()> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--board", paths::board_name(), "beside-tfm"])
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        bail!("{said}\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// What the case does.
///
/// # Errors
/// Of the build; names the line that did not come.
pub fn play() -> Result<()> {
    paths::select_tfm()?;
    stand_in()?;
    let out = paths::build();
    beside(&out.join("stand-in_veneers.o"), None, &Release::default())?;
    let map = paths::map()?;
    only_through_the_library(&map, &out.join("kernel.elf"))?;

    let scratch = Scratch::new("beside-tfm")?;
    let mut cloud = Cloud::start(&broker::Config {
        dir: scratch.path(),
        host: system::HOST,
        validity: None,
        port: None,
    })?;
    let link = Link::start(system::link(scratch.path(), cloud.broker.port))?;
    let registered = cloud.create_thing(THING)?;
    let identity = Identity {
        thing: THING.into(),
        port: cloud.broker.port,
        certificate: registered.certificate,
        key: registered.key,
        roots: registered.root,
        ..Identity::offline(THING)
    };
    let mut config = config(&map, &scratch, &identity)?;
    config.link = Some(link.socket().to_owned());
    let device = Device::start(&config)?;
    let (kernel, secure) = (&device.secure, &device.console);
    let played = converse(kernel, secure);
    println!(
        "secure log:\n{}\n\nconsole:\n{}",
        text(secure),
        text(kernel)
    );
    played
}

fn converse(kernel: &Uart, secure: &Uart) -> Result<()> {
    secure.wait("spe: services crypto its ps attestation platform", LIMIT)?;
    kernel.wait("kernel: tockstone ", LIMIT)?;
    for app in ["net-mqtt", "inference", "ota-agent", GUEST] {
        let loaded = move |l: &str| l.starts_with("kernel: process ") && l.contains(app);
        kernel.wait_from(0, LIMIT, loaded, app)?;
    }
    kernel.wait("capsules: done", LIMIT)?;
    let lines = kernel.lines();
    for driver in GUEST_DRIVERS {
        let line = format!("capsules: {driver} ok");
        ensure!(lines.iter().any(|l| l.text == line), "no `{line}`");
    }
    // Keys, certificates and trust under the kernel's names, each process with its own.
    for said in [
        "net-mqtt: time ",
        "net-mqtt: tls TLSv1.3 ",
        "net-mqtt: mqtt connected",
    ] {
        kernel.wait(said, LIMIT)?;
    }
    // Only the secure side can reset, and the kernel asks it by TF-M's platform service.
    kernel.send("reset\r")?;
    secure.wait("spe: reset on request", LIMIT)?;
    let again = |l: &str| l.starts_with("kernel: tockstone ");
    kernel.wait_from(lines.len(), LIMIT, again, "the kernel, after its reset")?;
    Ok(())
}

/// The kernel's veneers are the library's, which are at other places than our own secure image's.
fn only_through_the_library(map: &Map, kernel: &Path) -> Result<()> {
    let bytes = std::fs::read(kernel)?;
    let file = object::File::parse(&*bytes)?;
    let address = |name: &str| {
        let symbol = file.symbols().find(|s| s.name() == Ok(name));
        symbol.map(|s| s.address() as u32 & !1)
    };
    let call = VENEERS[2];
    let wanted = region(map, "veneers")?.base + 0x10;
    ensure!(
        address(call) == Some(wanted),
        "the kernel's {call} is {:x?}",
        address(call)
    );
    let own = Map::load(&paths::board().join("memory.toml")).map_err(|e| anyhow!(e))?;
    ensure!(region(&own, "veneers")?.base + 0x10 != wanted);
    Ok(())
}

/// Stand-in, kernel and apps in memory as a debugger, or TF-M's own instructions for QEMU, put them.
fn config(map: &Map, scratch: &Scratch, identity: &Identity) -> Result<Config> {
    let out = paths::build();
    let file = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let path = scratch.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    };
    let secure = out.join("secure.elf");
    let base = region(map, "spe-exec")?.base + map.image_header;
    let vectors = crate::build::flatten(&secure, base)?;
    let stores = region(map, "ps")?.base;
    let kernel = region(map, "kernel-exec")?.base + map.image_header;
    let pool = region(map, "flash-pool")?.base;
    let placed = [
        // What BL2 does last: the secure image's stack and entry.
        (region(map, "bl2")?.base, file("bl2.bin", &vectors[..8])?),
        (stores, file("stores.bin", &stored(map, stores, identity)?)?),
        (kernel, out.join("kernel.bin")),
        (region(map, "kernel-attributes")?.base, out.join("apps.bin")),
        (pool, file("pool.bin", &guest(map)?)?),
    ];
    let psram = scratch.path().join("psram.bin");
    std::fs::File::create(&psram)?.set_len(16 << 20)?;
    let mut config = Config::new(&secure, &psram);
    for (address, file) in placed {
        config.extra.push("-device".into());
        config.extra.push(format!(
            "loader,file={},addr=0x{address:08x},force-raw=on",
            file.display()
        ));
    }
    Ok(config)
}

/// The pools' flash with the guest in it, erased behind it.
fn guest(map: &Map) -> Result<Vec<u8>> {
    let (toolchain, _) = setup::everything()?;
    let elf = firmware(&toolchain, World::NonSecure, GUEST, &[])?;
    let (pool, second) = (region(map, "flash-pool")?, region(map, "flash-b")?);
    let row = (pool.base, region(map, "ram-pool")?.base, GUEST_RAM);
    let mut bytes = std::fs::read(apps::pack(map, GUEST, GUEST_SHORT_ID, &elf, row)?)?;
    bytes.resize((pool.size + second.size) as usize, 0xFF);
    Ok(bytes)
}

/// The stand-in's stores: erased, but for a record of what this device is.
fn stored(map: &Map, start: u32, identity: &Identity) -> Result<Vec<u8>> {
    let (record, _) = provision::record(map, identity, &Guests::default(), kernels_name)?;
    let place = region(map, "provisioning")?;
    let mut bytes = vec![0xFF; (place.end() - u64::from(start)) as usize];
    let at = (place.base - start) as usize;
    bytes.splice(at..at + record.len(), record);
    Ok(bytes)
}

/// A client's object as the kernel's, under the name that it has then (`capsules-psa`, ownership).
fn kernels_name(owner: i32, item: Item) -> (i32, Item) {
    let Ok(number) = u32::try_from(-2 - owner) else {
        return (owner, item);
    };
    let uid = |uid: u64| (0x5000 + u64::from(number)) << 48 | uid;
    let item = match item {
        Item::Key { id, attributes } => Item::Key {
            id: (number + 1) << 20 | id,
            attributes,
        },
        Item::Its { uid: own, flags } => Item::Its {
            uid: uid(own),
            flags,
        },
        Item::Ps { uid: own, flags } => Item::Ps {
            uid: uid(own),
            flags,
        },
    };
    (KERNEL, item)
}

fn text(uart: &Uart) -> String {
    let lines = uart.lines();
    let lines: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    lines.join("\n")
}

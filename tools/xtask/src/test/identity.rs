//! Cases of the device's identity: attestation, and how it is provisioned.
//!
//! Owns what a relying party or a factory must see, and each way in which it must not work.

use super::Case;
use crate::alone::Alone;
use crate::provision::{self, Identity};
use crate::system::{Scratch, System, loader};
use crate::{attest, enrol, flash, paths};
use anyhow::{Result, anyhow, bail};
use memory_map::Map;
use provisioning::first_boot::Order;
use qemu_harness::{Config, Device, FlashFile};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// The cases.
pub const CASES: [Case; 6] = [
    Case {
        id: "attest-token",
        run: attest_token,
    },
    Case {
        id: "provision-csr",
        run: provision_csr,
    },
    Case {
        id: "provision-twice-refused",
        run: provision_twice,
    },
    Case {
        id: "provision-placeholder-refused",
        run: provision_placeholder,
    },
    Case {
        id: "provision-wipe-needs-lifecycle",
        run: wipe,
    },
    Case {
        id: "two-devices-one-network",
        run: two_devices,
    },
];

/// Tokens over each size of challenge are verified and say what was flashed; sizes that the API
/// does not know are refused; the next boot is the same device with another boot seed.
fn attest_token() -> Result<()> {
    let alone = Alone::new(&attest::PROCESS)?;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let device = Device::start(&alone.config)?;
        device.console.wait("attest: ready", LIMIT)?;
        for size in [32, 48, 64] {
            let nonce: Vec<u8> = (0..size).map(|i| i ^ size).collect();
            let Ok(token) = attest::ask(&device, &nonce)? else {
                bail!("a challenge of {size} bytes was refused");
            };
            let key = &alone.issued.attestation_key;
            let claims = attestation_verifier::verify(&token, &nonce, key)?;
            attest::compare(&claims)?;
            // SECURED, and the process's own client id: behind the product's apps.
            if claims.lifecycle != 0x3000 || claims.client >= -1 {
                bail!("the token says {claims}");
            }
            if attestation_verifier::verify(&token, &[0; 32], key).is_ok() {
                bail!("a token is believed for another challenge");
            }
            seen.push(claims);
        }
        for size in [0, 1, 31, 33, 47, 63, 65, 96] {
            match attest::ask(&device, &vec![7; size])? {
                Err(-135) => {}
                other => bail!("a challenge of {size} bytes: {other:?}"),
            }
        }
    }
    let [first, same_boot, _, next_boot, ..] = &seen[..] else {
        bail!("{} tokens", seen.len());
    };
    if first.instance_id != next_boot.instance_id {
        bail!("the device changed with a boot");
    }
    if first.boot_seed != same_boot.boot_seed || first.boot_seed == next_boot.boot_seed {
        bail!("the boot seed is not one of a boot");
    }
    Ok(())
}

/// Key made in the device, request out, certificate in. A certificate for another key and bytes
/// that are none are refused first; after a reset nobody is asked again.
fn provision_csr() -> Result<()> {
    let thing = "e2e-csr";
    let system = enrol::without_key(thing)?;
    let mut device = system.boot()?;
    let request = enrol::request(&device)?;
    // The thing's own certificate of the registry is genuine, and for another key.
    let other = system.cloud.core().create_device(thing)?.certificate;
    for (answer, why) in [
        (&other[..], "it certifies another key"),
        (b"text", "no DER certificate"),
    ] {
        let position = device.console.position();
        enrol::answer(&device, answer)?;
        let refused = format!("certificate refused: {why}");
        let wanted = |l: &str| qemu_harness::said_by("net-mqtt", l) == Some(&refused);
        device
            .console
            .wait_from(position, LIMIT, wanted, &refused)?;
    }
    if enrol::request(&device)? != request {
        bail!("the device asks for another key after a refusal");
    }
    let certificate = system.cloud.core().enrol(thing, &request)?;
    enrol::answer(&device, &certificate)?;
    let what = "net-mqtt: certificate accepted";
    let accepted = |l: &str| l.ends_with(what);
    device.console.wait_from(0, LIMIT, accepted, what)?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    let position = device.console.position();
    device.reset()?;
    let connected = |l: &str| l.starts_with("net-mqtt: mqtt connected");
    let (end, _) = device
        .console
        .wait_from(position, LIMIT, connected, "mqtt connected")?;
    let lines = device.console.lines();
    if lines[position..end]
        .iter()
        .any(|l| l.text.contains("request"))
    {
        bail!("the device asks again");
    }
    Ok(())
}

/// A provisioned device finds another record: it is erased unread, and the device stays who it is.
fn provision_twice() -> Result<()> {
    let system = System::new("e2e-twice")?;
    let device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    drop(device);
    let mut other = Identity::offline("somebody-else");
    other.host = "elsewhere.example".into();
    provision::write(&system.flash, &system.map, &other)?;
    let device = system.boot()?;
    let refused = "provisioning record refused: already provisioned; erased";
    device.secure.wait(refused, LIMIT)?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    heard(&system, &[&system.thing])
}

/// A secured device refuses to be wiped and stays who it is; one in assembly and test obeys, is
/// nobody, and can be made somebody else, this time for good.
fn wipe() -> Result<()> {
    let connected = |system: &System, thing: &str| -> Result<Device> {
        let device = system.boot()?;
        let line = format!("net-mqtt: mqtt connected as {thing}");
        device.console.wait(&line, LIMIT)?;
        Ok(device)
    };
    let refused = |system: &System, thing: &str| -> Result<()> {
        provision::order(&system.flash, Order::Wipe)?;
        let device = connected(system, thing)?;
        let line = "wipe refused: the life cycle is secured; order erased";
        device.secure.wait(line, LIMIT).map(drop)
    };
    let secured = System::new("e2e-secured")?;
    drop(connected(&secured, "e2e-secured")?);
    refused(&secured, "e2e-secured")?;

    let mut of_device = None;
    let change = |identity: &mut Identity| {
        identity.assembly = true;
        of_device = Some(identity.clone());
    };
    let system = System::with("e2e-assembly", change, None)?;
    drop(connected(&system, "e2e-assembly")?);
    // A record alone does not do it.
    provision::write(&system.flash, &system.map, &Identity::offline("other"))?;
    let device = connected(&system, "e2e-assembly")?;
    let erased = "provisioning record refused: already provisioned; erased";
    device.secure.wait(erased, LIMIT)?;
    drop(device);
    provision::order(&system.flash, Order::Wipe)?;
    for line in [
        "wiped: keys, certificates and settings are gone",
        "not provisioned",
    ] {
        system.boot()?.secure.wait(line, LIMIT)?;
    }
    let its = system.map.region("its").map_err(|e| anyhow!(e))?;
    let left = system.flash.read("its", 0, its.size as usize)?;
    let key = of_device.as_ref().map(|identity| identity.key);
    let key = key.ok_or_else(|| anyhow!("no identity was written"))?;
    if left.windows(key.len()).any(|w| w == key) {
        bail!("the device's key is still in the flash");
    }
    let registered = system.cloud.core().create_device("e2e-second")?;
    let identity = Identity {
        thing: "e2e-second".into(),
        certificate: registered.certificate,
        key: registered.key,
        assembly: true,
        ..of_device.ok_or_else(|| anyhow!("no identity was written"))?
    };
    provision::write(&system.flash, &system.map, &identity)?;
    drop(connected(&system, "e2e-second")?);
    provision::order(&system.flash, Order::Secure)?;
    let device = connected(&system, "e2e-second")?;
    device.secure.wait("the life cycle is secured", LIMIT)?;
    drop(device);
    refused(&system, "e2e-second")
}

/// Two devices on one wire and one cloud: each has the station address that the factory derived
/// for it, and so an IP address and a connection of its own; both outlive a reset.
fn two_devices() -> Result<()> {
    let system = System::for_two("e2e-one")?;
    let (flash, issued) = system.another("e2e-two")?;
    let stations = [provision::station(&system.attestation_key), issued.station];
    if stations[0] == stations[1] || stations.iter().any(|s| s[0] & 3 != 2) {
        bail!("station addresses {stations:02x?}");
    }
    let mut devices = [system.boot()?, Device::start(&system.config_for(&flash))?];
    let mut addresses = Vec::new();
    for (device, station) in devices.iter().zip(stations) {
        addresses.push(on_the_network(device, 0, station)?);
    }
    if addresses[0] == addresses[1] {
        bail!("both devices: {}", addresses[0]);
    }
    let things = ["e2e-one", "e2e-two"];
    for (device, thing) in devices.iter().zip(things) {
        let line = format!("net-mqtt: mqtt connected as {thing}");
        device.console.wait(&line, LIMIT)?;
    }
    heard(&system, &things)?;
    // One starts anew, the other goes on.
    let before = devices[0].console.position();
    let other = devices[1].console.position();
    devices[0].reset()?;
    let again = on_the_network(&devices[0], before, stations[0])?;
    if again != addresses[0] {
        bail!("{} became {again} by a reset", addresses[0]);
    }
    heard(&system, &things)?;
    let lines = devices[1].console.lines();
    let left = lines[other..].iter().find(|l| l.text.contains("retry"));
    if let Some(line) = left {
        bail!("the other device lost its connection: {}", line.text);
    }
    Ok(())
}

/// What net-mqtt says of the address that DHCP gave a device; its kernel has to have `station`.
fn on_the_network(device: &Device, position: usize, station: [u8; 6]) -> Result<String> {
    let station = station.map(|byte| format!("{byte:02x}")).join(":");
    let line = format!("kernel: ethernet {station}");
    let ours = |l: &str| l == line;
    let (position, _) = device.console.wait_from(position, LIMIT, ours, &line)?;
    let dhcp = |l: &str| l.starts_with("net-mqtt: dhcp ");
    let (_, line) = device
        .console
        .wait_from(position, LIMIT, dhcp, "an address")?;
    Ok(line.text)
}

/// Waits for a message of each thing from now on.
fn heard(system: &System, things: &[&str]) -> Result<()> {
    let before = system.cloud.messages().len();
    let deadline = Instant::now() + LIMIT;
    for thing in things {
        let topic = format!("{thing}/ml/inference");
        while !system.cloud.messages()[before..]
            .iter()
            .any(|m| m.topic == topic)
        {
            if Instant::now() > deadline {
                bail!("nothing came on {topic}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// What templates ship for somebody to replace is refused by name in each way of provisioning: by
/// the factory's tool; by the loader, which fuses nothing, when another tool wrote it; and by the
/// process that would use it, when only its own object says so.
fn provision_placeholder() -> Result<()> {
    let scratch = Scratch::new("placeholder")?;
    let map = paths::map()?;
    let flash = flash::factory(&scratch.path().join("flash.bin"), &map)?;
    let endpoint = "dummy.endpointid.amazonaws.com";
    for (thing, host, named) in [
        ("dummy_thingname", crate::system::HOST, "dummy_thingname"),
        ("e2e-thing", endpoint, endpoint),
    ] {
        for way in Way::ALL {
            let mut identity = way.identity(thing);
            identity.host = host.into();
            match provision::write(&flash, &map, &identity) {
                Err(e) if e.to_string().contains(named) => {}
                other => bail!("{named}, {way:?}: {other:?}"),
            }
        }
    }
    let mut identity = Way::Claim.identity("e2e-thing");
    identity.template = Some("<template>".into());
    match provision::write(&flash, &map, &identity) {
        Err(e) if e.to_string().contains("template is a placeholder") => {}
        other => bail!("the template: {other:?}"),
    }
    for (thing, host, from, to, what) in [
        (
            "dummx_thingname",
            crate::system::HOST,
            "dummx_",
            "dummy_",
            "the thing name",
        ),
        (
            "e2e-thing",
            "dummx.endpointid.amazonaws.com",
            "dummx.",
            "dummy.",
            "the endpoint",
        ),
    ] {
        for way in Way::ALL {
            let mut identity = way.identity(thing);
            identity.host = host.into();
            provision::write(&flash, &map, &identity)?;
            rename(&flash, &map, from, to, 0)?;
            let config = Config::new(&loader(), flash.path());
            let device = Device::start(&config)?;
            let refused = format!("provisioning record refused: {what} is a placeholder");
            device.secure.wait(&refused, LIMIT)?;
            device.secure.wait("not provisioned", LIMIT)?;
        }
    }
    // Nothing was fused: a good record is taken.
    provision::write(&flash, &map, &Identity::offline("e2e-thing"))?;
    let device = Device::start(&Config::new(&loader(), flash.path()))?;
    device.secure.wait("provisioned as e2e-thing", LIMIT)?;
    drop(device);
    // The record's own name is good, a process's object is not.
    let dummy = "dummx.endpointid.amazonaws.com";
    let mut claim = Way::Claim.identity("e2e-thing");
    claim.template = Some("placeholdex".into());
    for (mut identity, host, from, to, names, said) in [
        (
            Way::Bundle.identity("dummx_thingname"),
            None,
            "dummx_",
            "dummy_",
            1,
            "thing name (PS 9) is a placeholder: `dummy_thingname`",
        ),
        (
            Way::Request.identity("e2e-thing"),
            Some(dummy),
            "dummx.",
            "dummy.",
            1,
            "endpoint (PS 8) is a placeholder: `dummy.endpointid.amazonaws.com:8883`",
        ),
        (
            claim,
            None,
            "placeholdex",
            "placeholder",
            0,
            "provisioning template (PS 12) is a placeholder: `placeholder`",
        ),
    ] {
        let flash = flash::factory(&scratch.path().join("flash.bin"), &map)?;
        if let Some(host) = host {
            identity.host = host.into();
        }
        provision::write(&flash, &map, &identity)?;
        rename(&flash, &map, from, to, names)?;
        let device = Device::start(&Config::new(&loader(), flash.path()))?;
        device.console.wait(&format!("net-mqtt: {said}"), LIMIT)?;
    }
    Ok(())
}

/// The three ways of provisioning, as the record knows them.
#[derive(Debug, Clone, Copy)]
enum Way {
    Bundle,
    Request,
    Claim,
}

impl Way {
    const ALL: [Way; 3] = [Way::Bundle, Way::Request, Way::Claim];

    fn identity(self, thing: &str) -> Identity {
        let mut identity = Identity::offline(thing);
        match self {
            Way::Bundle => {}
            Way::Request => identity.certificate.clear(),
            Way::Claim => identity.template = Some("fleet".into()),
        }
        identity
    }
}

/// Changes a name in a record as a tool without the check would write it, CRC included; the first
/// `keep` places stay as they are.
fn rename(flash: &FlashFile, map: &Map, from: &str, to: &str, keep: usize) -> Result<()> {
    let region = map.region("provisioning").map_err(|e| anyhow!(e))?;
    let mut record = flash.read("provisioning", 0, region.size as usize)?;
    let name = from.as_bytes();
    let (mut at, mut place) = (0, 0);
    while let Some(found) = record[at..].windows(name.len()).position(|w| w == name) {
        if place >= keep {
            record[at + found..][..name.len()].copy_from_slice(to.as_bytes());
        }
        at += found + name.len();
        place += 1;
    }
    let frame = provisioning::record::FRAME;
    let len = u32::from_le_bytes(record[4..8].try_into()?) as usize;
    let crc = provisioning::crc::crc32(&record[frame..frame + len]);
    record[8..12].copy_from_slice(&crc.to_le_bytes());
    flash.write("provisioning", 0, &record)
}

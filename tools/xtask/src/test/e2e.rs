//! The end-to-end layer: device, network, real broker, cloud.
//!
//! Owns the cases that need all of them, and each way in which the connection can go wrong.

use super::Case;
use crate::system::{HOST, HOST_ADDRESS, Scratch, System};
use crate::verbs::{self, FlashOptions, LifecycleOptions, ProvisionOptions};
use anyhow::{Result, anyhow, bail};
use cloud::jobs::Status;
use cloud::{Cloud, OtaFile, broker};
use memory_map::{Sau, Store, World};
use qemu_harness::Device;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// The layer's cases.
pub const CASES: [Case; 13] = [
    Case {
        id: "connects-and-publishes",
        run: connects,
    },
    Case {
        id: "device-of-ones-own",
        run: of_ones_own,
    },
    Case {
        id: "tls12-broker",
        run: tls12,
    },
    Case {
        id: "tls13-x25519",
        run: x25519,
    },
    Case {
        id: "expired-server-certificate",
        run: expired,
    },
    Case {
        id: "untrusted-server-certificate",
        run: untrusted,
    },
    Case {
        id: "wrong-host-name",
        run: wrong_host,
    },
    Case {
        id: "broker-away-and-back",
        run: broker_away,
    },
    Case {
        id: "device-key-is-in-no-non-secure-memory",
        run: key_search,
    },
    Case {
        id: "device-certificate-of-another-authority",
        run: other_authority,
    },
    Case {
        id: "unknown-thing",
        run: unknown_thing,
    },
    Case {
        id: "oversized-image",
        run: oversized,
    },
    Case {
        id: "malformed-job",
        run: malformed_job,
    },
];

/// The verbs by hand: flash, provision for a cloud that runs, boot. What is wrong is refused
/// before anything is written; a device that runs is kept from both.
fn of_ones_own() -> Result<()> {
    let scratch = Scratch::new("e2e-own")?;
    let file = scratch.path().join("lamp.bin");
    let mut cloud = Cloud::start(&broker::Config {
        dir: scratch.path(),
        host: HOST,
        validity: None,
        port: None,
    })?;
    let lamp = cloud.create_thing("lamp")?;
    let other = cloud.create_thing("other")?;
    let flash = FlashOptions { file: file.clone() };
    verbs::flash(&flash)?;
    let (certificate, key) = lamp.files;
    let [a, b, c, d] = HOST_ADDRESS;
    let good = ProvisionOptions {
        file: file.clone(),
        thing: "lamp".into(),
        endpoint: format!("{HOST}:{}:{a}.{b}.{c}.{d}", cloud.broker.port),
        claim: None,
        assembly: false,
        station: None,
        certificate,
        key,
        root: vec![cloud.broker.authority().certificate()],
    };
    let text = scratch.path().join("notes.txt");
    std::fs::write(&text, "of somebody's")?;
    let wrong = |change: fn(&mut ProvisionOptions)| {
        let mut options = good.clone();
        change(&mut options);
        options
    };
    let mut others_key = good.clone();
    others_key.key = other.files.1;
    let mut no_device = good.clone();
    no_device.file = text.clone();
    let mut no_certificate = good.clone();
    no_certificate.certificate = text.clone();
    for (options, named) in [
        (others_key, "is not the key of"),
        (no_device, "notes.txt is no flash file"),
        (no_certificate, "notes.txt: no certificate"),
        (wrong(|o| o.thing = "a lamp".into()), "`a lamp`"),
        (wrong(|o| o.endpoint = "host:0".into()), "port `0`"),
    ] {
        refused(verbs::provision(&options), named)?;
    }
    let wipe = |file: &Path| {
        let (order, file) = ("wipe".into(), file.to_owned());
        verbs::lifecycle(&LifecycleOptions { order, file })
    };
    refused(wipe(&text), "notes.txt is no flash file")?;
    if std::fs::read_to_string(&text)? != "of somebody's" {
        bail!("a file that is no device's was written");
    }
    verbs::provision(&good)?;
    let (device, _kept) = crate::run::boot(&file)?;
    device
        .console
        .wait("net-mqtt: mqtt connected as lamp", LIMIT)?;
    refused(verbs::provision(&good), "a device runs from it")?;
    refused(wipe(&file), "a device runs from it")?;
    refused(verbs::flash(&flash), "a device runs from it")
}

fn refused(result: Result<()>, named: &str) -> Result<()> {
    match result.map_err(|e| format!("{e:#}")) {
        Err(e) if e.contains(named) => Ok(()),
        other => bail!("`{named}` was expected, not {other:?}"),
    }
}

/// Connects to a broker with less to offer; the device must say `expected` of its connection.
fn connects_to(settings: &str, openssl: &str, expected: &str) -> Result<()> {
    let mut system = System::new("e2e-tls")?;
    system.cloud.broker.restrict(settings, openssl)?;
    let device = system.boot()?;
    device.console.wait(expected, LIMIT)?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    Ok(())
}

fn tls12() -> Result<()> {
    connects_to(
        "tls_version tlsv1.2\n",
        "MaxProtocol = TLSv1.2\n",
        "net-mqtt: tls TLSv1.2 TLS_ECDHE_ECDSA_WITH_",
    )
}

/// One group, which is not the one that the device's first hello has a share of.
fn x25519() -> Result<()> {
    connects_to("", "Groups = X25519\n", "net-mqtt: tls TLSv1.3 TLS13_")
}

fn connects() -> Result<()> {
    let system = System::new("e2e-connects")?;
    let device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    let topic = format!("{}/ml/inference", system.thing);
    let deadline = std::time::Instant::now() + LIMIT;
    while !system.cloud.messages().iter().any(|m| m.topic == topic) {
        if std::time::Instant::now() > deadline {
            bail!("nothing came on {topic}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The device must name what is wrong, and go on: the retry line proves that it does.
fn refuses(system: &System, why: &str) -> Result<()> {
    let device = system.boot()?;
    let failed = |l: &str| l.starts_with("net-mqtt: connect failed: ") && l.contains(why);
    let (next, _) = device.console.wait_from(0, LIMIT, failed, why)?;
    device.console.wait_from(next, LIMIT, failed, why)?;
    if device
        .console
        .lines()
        .iter()
        .any(|l| l.text.contains("mqtt connected"))
    {
        bail!("the device connected all the same");
    }
    Ok(())
}

fn expired() -> Result<()> {
    let system = System::with(
        "e2e-expired",
        |_| {},
        Some(("20200101000000Z", "20210101000000Z")),
    )?;
    refuses(&system, "expired")
}

fn untrusted() -> Result<()> {
    let other = crate::system::Scratch::new("other-root")?;
    let authority = cloud::pki::Authority::open(other.path(), "Another root")?;
    let root = cloud::pki::der(&authority.certificate())?;
    let system = System::with("e2e-untrusted", |identity| identity.roots = root, None)?;
    refuses(&system, "unknown issuer")
}

fn wrong_host() -> Result<()> {
    let system = System::with(
        "e2e-host",
        |identity| identity.host = "other.tockstone.test".into(),
        None,
    )?;
    refuses(&system, "host name")
}

fn broker_away() -> Result<()> {
    let mut system = System::new("e2e-away")?;
    let device = system.boot()?;
    let connected = |l: &str| l.starts_with("net-mqtt: mqtt connected");
    let (next, _) = device
        .console
        .wait_from(0, LIMIT, connected, "mqtt connected")?;
    system.cloud.broker.stop();
    let (next, _) = device.console.wait_from(
        next,
        LIMIT,
        |l| l.contains("retry in"),
        "net-mqtt: … retry in",
    )?;
    system.cloud.broker.resume()?;
    device
        .console
        .wait_from(next, LIMIT, connected, "mqtt connected")?;
    Ok(())
}

/// A key's forms in memory: name and bytes.
fn needles(key: &[u8; 32]) -> Vec<(&'static str, Vec<u8>)> {
    let mut reversed = *key;
    reversed.reverse();
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    // SEC 1 ECPrivateKey: SEQUENCE, version 1, OCTET STRING of 32 bytes.
    let mut der = vec![0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
    der.extend(key);
    vec![
        ("raw", key.to_vec()),
        ("reversed", reversed.to_vec()),
        ("hex", hex(key).into_bytes()),
        ("upper-case hex", hex(key).to_uppercase().into_bytes()),
        ("reversed hex", hex(&reversed).into_bytes()),
        (
            "reversed upper-case hex",
            hex(&reversed).to_uppercase().into_bytes(),
        ),
        ("DER", der),
    ]
}

/// All non-secure memory as the processor sees it: store and bytes.
fn non_secure_memory(system: &System, device: &mut Device) -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    let open = |sau: &&Sau| sau.world == World::NS;
    for sau in system.map.sau.iter().filter(open) {
        let holds = |s: &Store| sau.base.checked_sub(s.base).is_some_and(|o| o < s.size);
        // Devices lie in no store.
        if let Some((store, _)) = system.map.store.iter().find(|(_, s)| holds(s)) {
            let bytes = device.read_memory_as_processor(sau.base, sau.limit - sau.base + 1)?;
            all.push((store.clone(), bytes));
        }
    }
    Ok(all)
}

fn holds(memory: &[u8], needle: &[u8]) -> bool {
    let first = needle.first().copied().unwrap_or_default();
    memory
        .windows(needle.len())
        .any(|w| w[0] == first && w == needle)
}

/// Searches after the handshake, in which the key was used; a dump that misses what must be in
/// each memory (the kernel's code, an app's binary, the planted key) would prove nothing.
fn key_search() -> Result<()> {
    let mut key = [0; 32];
    let system = System::with("e2e-key", |identity| key = identity.key, None)?;
    super::hostile::install_guest(&system.flash, &system.map, "plant_key")?;
    let mut device = system.boot()?;
    device.console.wait("hostile: plant_key alive", LIMIT)?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    let memory = non_secure_memory(&system, &mut device)?;

    let part = |file: &str| -> Result<Vec<u8>> {
        let bytes = std::fs::read(crate::paths::build().join(file))?;
        let middle = bytes.len() / 2;
        Ok(bytes[middle..middle + 64].to_vec())
    };
    let store = |region: &str| {
        let region = system.map.region(region).map_err(|e| anyhow!(e));
        region.map(|r| r.store.as_str())
    };
    let mut controls = vec![
        (
            store("kernel-exec")?,
            "the kernel's code",
            part("kernel.bin")?,
        ),
        (
            store("flash-net-mqtt")?,
            "net-mqtt's binary",
            part("apps/net-mqtt.tbf")?,
        ),
    ];
    let planted = ["raw", "reversed", "hex", "DER"];
    for (form, needle) in needles(&::hostile::PLANTED_KEY) {
        if planted.contains(&form) {
            controls.push((store("ram-pool")?, form, needle));
        }
    }
    for (store, what, needle) in &controls {
        let found = |(name, bytes): &(String, Vec<u8>)| name == store && holds(bytes, needle);
        if !memory.iter().any(found) {
            bail!("the search is blind: it does not find {what} in {store}");
        }
    }
    for (store, bytes) in &memory {
        for (form, needle) in needles(&key) {
            if holds(bytes, &needle) {
                bail!("the device key ({form}) lies in non-secure {store}");
            }
        }
    }
    let searched: usize = memory.iter().map(|(_, bytes)| bytes.len()).sum();
    println!(
        "      searched {searched} bytes of non-secure memory in {} forms; {} controls found",
        needles(&key).len(),
        controls.len()
    );
    Ok(())
}

/// The broker refuses the device's certificate; the device says so and tries again.
fn other_authority() -> Result<()> {
    let other = crate::system::Scratch::new("other-authority")?;
    let authority = cloud::pki::Authority::open(other.path(), "Another root")?;
    let thing = "e2e-stranger";
    let subject = cloud::pki::Subject {
        name: thing,
        dns: &[],
        validity: None,
    };
    let (certificate, key) = authority.issue("stranger", &subject)?;
    let (certificate, key) = (cloud::pki::der(&certificate)?, cloud::pki::scalar(&key)?);
    let change = |identity: &mut crate::provision::Identity| {
        identity.certificate = certificate;
        identity.key = key;
    };
    let system = System::with(thing, change, None)?;
    // As AWS: a certificate that is not registered connects, and is cut off before CONNACK. Once may
    // be the network's doing; after the second time it waits half a minute and more, which is not
    // waited for.
    let device = system.boot()?;
    let what = "net-mqtt: connect failed: broker closed before CONNACK";
    let mut from = 0;
    for long in [false, true] {
        let (next, line) = device.console.wait_from(
            from,
            LIMIT,
            |l| l.starts_with(what) && l.contains("retry in"),
            what,
        )?;
        let pause = line.text.split("retry in ").nth(1).unwrap_or_default();
        let pause: u32 = pause.trim_end_matches(" ms").parse()?;
        if long != (pause >= 30_000) {
            bail!("`{}`, after the first time: {long}", line.text);
        }
        from = next;
    }
    Ok(())
}

/// A certificate of one thing and the name of another, which nobody registered: the broker lets
/// it connect and do nothing.
fn unknown_thing() -> Result<()> {
    let change = |identity: &mut crate::provision::Identity| identity.thing = "e2e-nobody".into();
    let system = System::with("e2e-somebody", change, None)?;
    let device = system.boot()?;
    // Its certificate's policy names another client.
    device.console.wait(
        "net-mqtt: connect failed: broker refused: not authorized (0x87)",
        LIMIT,
    )?;
    if let Some(m) = system.cloud.messages().first() {
        bail!("a message came on {}", m.topic);
    }
    Ok(())
}

/// The job must end FAILED for this reason; then another one, to see that the device goes on.
fn fails(name: &str, reason: &str, job: impl FnOnce(&mut System) -> Result<String>) -> Result<()> {
    let mut system = System::new(name)?;
    let device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    let job = job(&mut system)?;
    failed(&system, &job, reason)?;
    let (bytes, signature) = image("kernel_signed.bin")?;
    let files = [OtaFile::rsa("non_secure image", bytes, &signature)];
    let next = system
        .cloud
        .create_ota_update(&system.thing, "next", &files)?;
    failed(&system, &next, "not newer")?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    Ok(())
}

fn failed(system: &System, job: &str, reason: &str) -> Result<()> {
    let ended = system
        .cloud
        .wait_job(&system.thing, job, LIMIT, |e| e.status.is_terminal())?;
    let details = ended.details.as_ref().map(ToString::to_string);
    let details = details.unwrap_or_default();
    if ended.status != Status::Failed || !details.contains(reason) {
        bail!(
            "job {job} should be FAILED with `{reason}`; it is {} {details}",
            ended.status.name()
        );
    }
    Ok(())
}

fn image(file: &str) -> Result<(Vec<u8>, String)> {
    let path = crate::paths::build().join(file);
    Ok((std::fs::read(&path)?, crate::sign::update_signature(&path)?))
}

fn oversized() -> Result<()> {
    fails("e2e-oversized", "image too large", |system| {
        let slot = system
            .map
            .region("ns-secondary")
            .map_err(anyhow::Error::msg)?;
        let (mut bytes, signature) = image("kernel-update_signed.bin")?;
        bytes.resize(slot.size as usize + 1, 0xFF);
        let files = [OtaFile::rsa("non_secure image", bytes, &signature)];
        let thing = system.thing.clone();
        system.cloud.create_ota_update(&thing, "oversized", &files)
    })
}

fn malformed_job() -> Result<()> {
    fails("e2e-malformed", "malformed job document", |system| {
        let document = serde_json::json!({"afr_ota": {"protocols": 7, "files": "none"}});
        let (thing, job) = (system.thing.clone(), "AFR_OTA-malformed");
        system.cloud.create_job(&thing, job, document)?;
        Ok(job.into())
    })
}

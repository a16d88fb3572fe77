//! A device and its cloud: what `run`, `demo` and the end-to-end tests start from.
//!
//! Owns the folder that a system lives in, its stand-in cloud, its flash file and the link between
//! them. A system that is dropped takes its processes and its folder with it.

use crate::provision::{self, Identity, Issued};
use crate::{flash, paths};
use anyhow::{Context, Result};
use cloud::{Cloud, broker};
use link::{Answer, Link, Lookup, Service};
use memory_map::Map;
use qemu_harness::{Config, Device, FlashFile};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Name in the broker's certificate; the link's name server knows it.
pub const HOST: &str = "iot.tockstone.test";
/// Where the link and QEMU's user network show the broker.
pub const HOST_ADDRESS: [u8; 4] = [10, 0, 2, 2];

/// Decides what the link does to frames, once it is told to.
pub const SEED: u64 = 7;

/// A folder that goes when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new folder in the system's place for temporary files.
    ///
    /// # Errors
    /// Of the file system.
    pub fn new(name: &str) -> Result<Scratch> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("tockstone-{name}-{}-{serial}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        qemu_harness::track::add_folder(&dir);
        Ok(Scratch(dir))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        qemu_harness::track::remove_folder(&self.0);
    }
}

/// A device, not yet started, and the cloud that it belongs to.
pub struct System {
    /// The cloud.
    pub cloud: Cloud,
    /// The network between them; absent with QEMU's user network.
    pub link: Option<Link>,
    /// The device's flash.
    pub flash: FlashFile,
    /// The board.
    pub map: Map,
    /// Its attestation key, as the factory told it to the cloud: a point of P-256.
    pub attestation_key: Vec<u8>,
    /// Thing name.
    pub thing: String,
    /// Dropped last, when nothing uses its files any more.
    pub scratch: Scratch,
}

impl System {
    /// A provisioned device with the factory's images, and a cloud that knows it.
    ///
    /// # Errors
    /// Names what has not been built or cannot start.
    pub fn new(thing: &str) -> Result<System> {
        System::with(thing, |_| {}, None)
    }

    /// As [`System::new`], with a link that records its frames.
    ///
    /// # Errors
    /// See [`System::new`].
    pub fn recording(thing: &str) -> Result<System> {
        let mut system = System::new(thing)?;
        // One socket: the first link has to go before the second comes.
        system.link = None;
        let mut config = link(system.scratch.path(), system.cloud.broker.port);
        config.record = true;
        system.link = Some(Link::start(config)?);
        Ok(system)
    }

    /// As [`System::new`]; `identity` may change what the device is provisioned with, `validity`
    /// what the broker's certificate says.
    ///
    /// # Errors
    /// See [`System::new`].
    pub fn with(
        thing: &str,
        identity: impl FnOnce(&mut Identity),
        validity: Option<(&str, &str)>,
    ) -> Result<System> {
        let map = paths::map()?;
        let scratch = Scratch::new("system")?;
        let config = broker::Config {
            dir: scratch.path(),
            host: HOST,
            validity,
            port: None,
        };
        let mut cloud = Cloud::start(&config)?;
        let link = Link::start(link(scratch.path(), cloud.broker.port))?;
        let registered = cloud.create_thing(thing)?;
        cloud.core().create_rotation()?;
        let mut of_device = Identity {
            thing: thing.into(),
            host: HOST.into(),
            port: cloud.broker.port,
            address: Some(HOST_ADDRESS),
            certificate: registered.certificate,
            key: registered.key,
            roots: registered.root,
            rsa_key: None,
            template: None,
            assembly: false,
            station: None,
            made: provision::now(),
        };
        identity(&mut of_device);
        let flash = flash::factory(&scratch.path().join("flash.bin"), &map)?;
        let issued = provision::write(&flash, &map, &of_device)?;
        // As a factory tells the relying party; AWS's registry has no other place for it.
        let key = attestation_verifier::hex(&issued.attestation_key);
        let attribute = cloud::console::ATTESTATION_KEY;
        cloud.core().set_attribute(thing, attribute, &key)?;
        Ok(System {
            cloud,
            link: Some(link),
            flash,
            map,
            attestation_key: issued.attestation_key.to_vec(),
            thing: thing.into(),
            scratch,
        })
    }

    /// Another device of the same cloud and network: its flash file, and what the factory keeps.
    /// The link has to have room for it ([`System::for_two`]).
    ///
    /// # Errors
    /// See [`System::new`].
    pub fn another(&self, thing: &str) -> Result<(FlashFile, Issued)> {
        let registered = self.cloud.core().create_device(thing)?;
        let identity = Identity {
            certificate: registered.certificate,
            key: registered.key,
            roots: registered.root,
            port: self.cloud.broker.port,
            address: Some(HOST_ADDRESS),
            ..Identity::offline(thing)
        };
        let file = self.scratch.path().join(format!("{thing}.bin"));
        let flash = flash::factory(&file, &self.map)?;
        let issued = provision::write(&flash, &self.map, &identity)?;
        Ok((flash, issued))
    }

    /// As [`System::new`], with room for another device on the link.
    ///
    /// # Errors
    /// See [`System::new`].
    pub fn for_two(thing: &str) -> Result<System> {
        let mut system = System::new(thing)?;
        // One socket: the first link has to go before the second comes.
        system.link = None;
        let mut config = link(system.scratch.path(), system.cloud.broker.port);
        config.devices = 2;
        system.link = Some(Link::start(config)?);
        Ok(system)
    }

    /// Powers the device.
    ///
    /// # Errors
    /// Of QEMU.
    pub fn boot(&self) -> Result<Device> {
        Device::start(&self.config())
    }

    /// How [`System::boot`] starts it.
    pub fn config(&self) -> Config {
        self.config_for(&self.flash)
    }

    /// As [`System::config`], with another flash file.
    pub fn config_for(&self, flash: &FlashFile) -> Config {
        let mut config = Config::new(&loader(), flash.path());
        config.link = self.link.as_ref().map(|link| link.socket().to_owned());
        config
    }

    /// The link, for what a test does to it.
    ///
    /// # Errors
    /// When the system has none.
    pub fn link(&self) -> Result<&Link> {
        self.link.as_ref().context("a system without a link")
    }

    /// A sparse copy of the flash, for a refusal that must not touch the device.
    ///
    /// # Errors
    /// Of the file system.
    pub fn copy_flash(&self, name: &str) -> Result<FlashFile> {
        self.flash.copy_to(&self.scratch.path().join(name))
    }
}

/// The network of a device whose broker listens on `port`: reached by name and by address.
pub fn link(folder: &Path, port: u16) -> link::Config {
    let mut config = link::Config::new(&folder.join("link"));
    config.seed = SEED;
    let address = Ipv4Addr::from(HOST_ADDRESS);
    let settings = &mut config.settings;
    settings
        .names
        .insert(HOST.into(), Lookup::Addresses(vec![address]));
    settings.services.push(Service {
        address: None,
        port,
        answer: Answer::Proxy((Ipv4Addr::LOCALHOST, port).into()),
    });
    config
}

/// The built loader.
pub fn loader() -> PathBuf {
    paths::build().join("loader.elf")
}

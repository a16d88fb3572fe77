//! A whole device around the agent: the real loader, FWU, PS and crypto services on one simulated
//! flash, whose power can be cut at any operation.
//!
//! Owns time (steps of 50 ms), reboots and the composition. Images and the loader's quick
//! signatures are those of `ota-loader`'s own tests.
#![allow(dead_code)]

pub mod apps;
pub mod cloud;
pub mod job;
#[path = "../../../../ota-loader/tests/support/mod.rs"]
pub mod loader;

use self::apps::Apps;
use self::cloud::{Fake, THING};
use flash::sim::{Power, SimFlash};
use loader::{Geometry, Make};
use ota_agent::{Agent, Input, Outlet, VERIFY_KEY};
use provisioning::OtpCounters;
use psa_client::{Algorithm, KeyType, OutVec, Status, Transport};
use psa_interface::fwu::FwuVersion;
use psa_interface::key::usage;
use psa_interface::{KeyAttributes, Lifetime, service};
use spe_crypto::host::HostCrypto;
use spe_fwu::{FwuService, Reset, Slots, Watchdog};
use spe_storage::{Its, ItsService, Ps, PsService};
use spm::{Call, ClientId, Input as In, Output, Service};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Arguments;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::OnceLock;

/// Room for 32 blocks less the trailer: four windows.
pub const GEOMETRY: Geometry = Geometry {
    slot: 32 * 4096,
    scratch: 8 * 4096,
    block: 4096,
};
const STEP: u64 = 50;
/// The loader's watchdog over a trial (ARCHITECTURE §5).
const WATCHDOG: u64 = 180_000;

#[derive(Default)]
pub struct Board {
    reset: Cell<bool>,
    stopped: Cell<bool>,
}

impl Reset for &'static Board {
    fn reset(&mut self) {
        self.reset.set(true);
    }
}

impl Watchdog for &'static Board {
    fn stop(&mut self) {
        self.stopped.set(true);
    }
}

type Fwu = FwuService<SimFlash, &'static Board, &'static Board>;
type Store = Ps<SimFlash, OtpCounters<SimFlash>>;

/// The secure world while it runs.
pub struct Secure {
    pub fwu: RefCell<Fwu>,
    pub ps: RefCell<Store>,
    pub its: RefCell<Its<SimFlash>>,
    pub crypto: HostCrypto,
}

#[derive(Clone)]
pub struct Wire(pub Rc<Secure>);

impl Transport for Wire {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32 {
        if handle == service::CRYPTO_HANDLE {
            return self.0.crypto.psa_call(handle, call_type, in_vecs, out_vecs);
        }
        let inputs: Vec<In<'_>> = in_vecs.iter().map(|v| In::own(v)).collect();
        let mut outputs: Vec<Output<'_>> =
            out_vecs.iter_mut().map(|v| Output::own(v.buf)).collect();
        let mut call = Call {
            client: ClientId(-3),
            call_type,
            inputs: &inputs,
            outputs: &mut outputs,
        };
        let status = match handle {
            service::FWU_HANDLE => self.0.fwu.borrow_mut().call(&mut call),
            service::PS_HANDLE => PsService(&self.0.ps).call(&mut call),
            service::ITS_HANDLE => ItsService(&self.0.its).call(&mut call),
            _ => Status::CONNECTION_REFUSED.0,
        };
        let lengths: Vec<usize> = outputs.iter().map(Output::written).collect();
        for (out, len) in out_vecs.iter_mut().zip(lengths) {
            out.len = len;
        }
        status
    }
}

struct Running {
    agent: Agent<Wire, Apps>,
    secure: Rc<Secure>,
    results: VecDeque<(u32, bool)>,
    linked: bool,
    booted: u64,
    trial: bool,
}

/// Everything.
pub struct World {
    pub power: Power,
    pub cloud: Fake,
    pub now: u64,
    /// Every line of the agent, boots included.
    pub log: Vec<String>,
    /// Whether the broker can be reached.
    pub reachable: bool,
    /// Whether it can be reached by an image on trial.
    pub reachable_on_trial: bool,
    /// Mailbox full for one request in this many; 0: never.
    pub busy: u64,
    /// Major versions that run.
    pub majors: [u8; 2],
    pub boots: u32,
    /// The kernel's app loader.
    pub apps: Apps,
    device: loader::Device,
    storage: Option<(SimFlash, OtpCounters<SimFlash>, SimFlash)>,
    crypto: HostCrypto,
    board: &'static Board,
    running: Option<Running>,
    requests: u32,
    random: u64,
}

impl World {
    /// A device from the factory: versions 1 of both images, booted.
    pub fn new(seed: u64) -> World {
        World::with_signer(seed, &Signer::pss())
    }

    /// A device that verifies this operator's updates.
    pub fn with_signer(seed: u64, signer: &Signer) -> World {
        let mut device = loader::Device::new(&GEOMETRY, seed);
        device.put_primary(0, &image(0, 1).build());
        device.put_primary(1, &image(1, 1).build());
        let power = device.power.clone();
        let region = |blocks: u32| SimFlash::on(&power, blocks * 4096, 4096, 1).mapped_too();
        let counters = OtpCounters::mount(region(8)).unwrap();
        let crypto = HostCrypto::new(seed);
        let attributes = KeyAttributes {
            key_type: signer.key_type,
            bits: signer.bits,
            lifetime: Lifetime::PERSISTENT,
            id: VERIFY_KEY,
            usage: usage::VERIFY_HASH,
            alg: signer.alg,
            ..KeyAttributes::default()
        };
        crypto
            .install_key(attributes, &signer.public)
            .expect("the update key");
        let mut world = World {
            storage: Some((region(16), counters, region(8))),
            power,
            cloud: Fake::new(),
            now: 1_000,
            log: Vec::new(),
            reachable: true,
            reachable_on_trial: true,
            busy: 0,
            majors: [0; 2],
            boots: 0,
            apps: Apps::new(),
            device,
            crypto,
            board: Box::leak(Box::default()),
            running: None,
            requests: 0,
            random: seed | 1,
        };
        world.boot();
        world
    }

    /// Reset, by whatever cause: what is not in flash is gone.
    pub fn reboot(&mut self) {
        if let Some(running) = self.running.take() {
            let Running { agent, secure, .. } = running;
            drop(agent);
            let secure = Rc::try_unwrap(secure).ok().expect("the agent is gone");
            let slots = secure.fwu.into_inner().into_slots();
            for (mine, theirs) in self.device.loader.slots.iter_mut().zip(slots) {
                mine.primary = theirs.primary;
                mine.secondary = theirs.secondary;
            }
            let its = secure.its.into_inner().into_flash();
            let (flash, mut counters) = secure.ps.into_inner().into_parts();
            self.power.power_on();
            let counters = OtpCounters::mount(counters.flash().clone()).unwrap();
            self.storage = Some((flash, counters, its));
        }
        self.power.power_on();
        self.apps.reset();
        self.cloud.disconnect(true);
        self.boot();
    }

    fn boot(&mut self) {
        self.boots += 1;
        let (_, booted) = self.device.boot_through();
        self.majors = loader::majors(&booted);
        self.log.push(format!("boot {:?}", self.majors));
        let versions = booted.images.map(|image| FwuVersion {
            major: image.version.major,
            minor: image.version.minor,
            patch: image.version.revision,
            build: image.version.build,
        });
        self.board.reset.set(false);
        self.board.stopped.set(false);
        let mut location = 0;
        let slots = [0, 1].map(|i| {
            location += 1;
            let slots = &self.device.loader.slots[i];
            Slots {
                primary: slots.primary.clone(),
                secondary: slots.secondary.clone(),
                location,
            }
        });
        let fwu = FwuService::new(slots, versions, self.board, self.board).unwrap();
        let trial = fwu.on_trial();
        assert_eq!(trial, booted.trial());
        let (flash, counters, its) = self.storage.take().expect("storage is parked at a boot");
        let secure = Rc::new(Secure {
            fwu: RefCell::new(fwu),
            ps: RefCell::new(Ps::new(flash, counters, &[7; 32])),
            its: RefCell::new(Its::new(its)),
            crypto: self.crypto.clone(),
        });
        self.running = Some(Running {
            agent: Agent::new(
                Wire(secure.clone()),
                self.apps.clone(),
                THING.try_into().unwrap(),
                self.now,
            ),
            secure,
            results: VecDeque::new(),
            linked: false,
            booted: self.now,
            trial,
        });
    }

    pub fn secure(&self) -> Wire {
        Wire(self.running.as_ref().unwrap().secure.clone())
    }

    pub fn is_busy(&self) -> bool {
        self.running.as_ref().unwrap().agent.is_busy()
    }

    pub fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) % below
    }

    /// One input, straight to the agent.
    pub fn input(&mut self, input: Input<'_>) {
        let mut running = self.running.take().unwrap();
        let mut outlet = Out {
            world: self,
            results: &mut running.results,
            linked: running.linked,
        };
        let now = outlet.world.now;
        running.agent.input(input, now, &mut outlet);
        self.running = Some(running);
    }

    /// A step of time: what has arrived, what is due, and what a reset or a cut demands.
    pub fn step(&mut self) {
        self.now += STEP;
        let running = self.running.as_mut().unwrap();
        let late =
            running.trial && !self.board.stopped.get() && self.now >= running.booted + WATCHDOG;
        if late || self.board.reset.get() || !self.power.is_on() {
            self.reboot();
            return;
        }
        let up = self.reachable
            && (self.reachable_on_trial || !running.trial)
            && self.now >= running.booted + 500;
        if up != running.linked {
            running.linked = up;
            if !up {
                self.cloud.disconnect(false);
                running.results.clear();
            }
            self.input(Input::Link(up));
        }
        while let Some((topic, payload)) = self.cloud.arrived(self.now) {
            self.input(Input::Message {
                topic: &topic,
                payload: &payload,
            });
        }
        while let Some((number, ok)) = self.running.as_mut().unwrap().results.pop_front() {
            self.input(Input::Result(number, ok));
        }
        let mut running = self.running.take().unwrap();
        let mut outlet = Out {
            world: self,
            results: &mut running.results,
            linked: running.linked,
        };
        let now = outlet.world.now;
        running.agent.tick(now, &mut outlet);
        let died = self.apps.0.borrow().died;
        if died {
            // The successor begins with nothing but what is stored.
            self.apps.0.borrow_mut().died = false;
            self.log.push("agent replaced".into());
            let wire = Wire(running.secure.clone());
            let thing = THING.try_into().unwrap();
            running.agent = Agent::new(wire, self.apps.clone(), thing, now);
            running.results.clear();
            running.linked = false;
        }
        self.running = Some(running);
    }

    /// Steps until `done`; false when `seconds` are over.
    pub fn until(&mut self, seconds: u64, mut done: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.now + seconds * 1000;
        while self.now < end {
            if done(self) {
                return true;
            }
            self.step();
        }
        done(self)
    }

    /// Steps until the job has ended; its status and detail.
    pub fn job(&mut self, job: &str, seconds: u64) -> (&'static str, String) {
        let ended = self.until(seconds, |w| {
            !["QUEUED", "IN_PROGRESS"].contains(&w.cloud.state(job).0)
        });
        assert!(
            ended,
            "{job} is {:?} after {seconds} s: {:#?}",
            self.cloud.state(job),
            self.log
        );
        self.cloud.state(job)
    }

    pub fn said(&self, text: &str) -> usize {
        self.log.iter().filter(|l| l.contains(text)).count()
    }
}

struct Out<'a> {
    world: &'a mut World,
    results: &'a mut VecDeque<(u32, bool)>,
    linked: bool,
}

impl Out<'_> {
    fn number(&mut self) -> Option<u32> {
        // Without power nothing leaves the device.
        if !self.world.power.is_on() || self.world.board.reset.get() {
            return None;
        }
        if self.world.busy > 0 && self.world.random(self.world.busy) == 0 {
            return None;
        }
        self.world.requests += 1;
        self.results.push_back((self.world.requests, self.linked));
        Some(self.world.requests)
    }
}

impl Outlet for Out<'_> {
    fn publish(&mut self, topic: &str, payload: &[u8], _: bool) -> Option<u32> {
        let number = self.number()?;
        if self.linked {
            self.world.cloud.publish(topic, payload, self.world.now);
        }
        Some(number)
    }

    fn subscribe(&mut self, filter: &str) -> Option<u32> {
        let number = self.number()?;
        if self.linked {
            self.world.cloud.subscribe(filter);
        }
        Some(number)
    }

    fn log(&mut self, line: Arguments<'_>) {
        self.world.log.push(line.to_string());
    }
}

/// An image of 21 blocks, the last one short.
pub fn image(which: u8, major: u8) -> Make {
    Make {
        payload: 20 * 4096 + 100 + usize::from(major),
        ..loader::make(which, major)
    }
}

/// An operator's key pair, made once a run, and how the device is told to verify it.
#[derive(Clone)]
pub struct Signer {
    key: PathBuf,
    /// As PSA wants it: PKCS#1 DER, or the point.
    public: Vec<u8>,
    key_type: KeyType,
    bits: u16,
    alg: Algorithm,
    /// The name of its member in a job.
    pub member: &'static str,
    options: &'static [&'static str],
}

impl Signer {
    /// RSA-3072, PSS, salt of 32.
    pub fn pss() -> Signer {
        let (key, public) = rsa();
        Signer {
            key,
            public,
            key_type: KeyType::RSA_PUBLIC_KEY,
            bits: 3072,
            alg: Algorithm::rsa_pss(Algorithm::SHA_256),
            member: "sig-sha256-rsa",
            options: &[
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:32",
            ],
        }
    }

    /// The same key for PSS with any salt, as the reference's; signs with a salt of 17.
    pub fn pss_any_salt() -> Signer {
        Signer {
            alg: Algorithm::rsa_pss_any_salt(Algorithm::SHA_256),
            options: &[
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:17",
            ],
            ..Signer::pss()
        }
    }

    /// The same key for PKCS#1 v1.5.
    pub fn pkcs1() -> Signer {
        Signer {
            alg: Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_256),
            options: &[],
            ..Signer::pss()
        }
    }

    /// A key that no device knows.
    pub fn stranger() -> Signer {
        let key = key_file("stranger");
        openssl(&["genrsa", "-out", key.to_str().unwrap(), "3072"]);
        Signer {
            key,
            ..Signer::pss()
        }
    }

    /// ECDSA P-256.
    pub fn ecdsa() -> Signer {
        let (key, public) = p256();
        Signer {
            key,
            public,
            key_type: KeyType::ECC_PUBLIC_KEY_SECP_R1,
            bits: 256,
            alg: Algorithm::ecdsa(Algorithm::SHA_256),
            member: "sig-sha256-ecdsa",
            options: &[],
        }
    }

    /// The signature as the operator pastes it: base64 of what openssl makes.
    pub fn sign(&self, file: &[u8]) -> String {
        use base64::Engine;
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder().join(format!("file-{}-{number}", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let mut arguments = vec!["dgst", "-sha256", "-sign", self.key.to_str().unwrap()];
        arguments.extend(self.options);
        arguments.push(path.to_str().unwrap());
        let signature = openssl(&arguments);
        let _ = std::fs::remove_file(path);
        let mut text = vec![0; 2 * signature.len()];
        let length = base64::engine::general_purpose::STANDARD
            .encode_slice(signature, &mut text)
            .unwrap();
        text.truncate(length);
        String::from_utf8(text).unwrap()
    }
}

fn folder() -> PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("ota-agent");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A key of this process alone: test binaries run side by side.
fn key_file(name: &str) -> PathBuf {
    folder().join(format!("{name}-{}.pem", std::process::id()))
}

fn rsa() -> (PathBuf, Vec<u8>) {
    static KEY: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| {
        let key = key_file("rsa");
        let path = key.to_str().unwrap();
        openssl(&["genrsa", "-out", path, "3072"]);
        let public = openssl(&["rsa", "-in", path, "-RSAPublicKey_out", "-outform", "DER"]);
        (key, public)
    })
    .clone()
}

fn p256() -> (PathBuf, Vec<u8>) {
    static KEY: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| {
        let key = key_file("p256");
        let path = key.to_str().unwrap();
        openssl(&[
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            path,
        ]);
        let public = openssl(&["ec", "-in", path, "-pubout", "-outform", "DER"]);
        // SubjectPublicKeyInfo ends with the uncompressed point.
        (key, public[public.len() - 65..].to_vec())
    })
    .clone()
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl (Debian package `openssl`)");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// The signature of the operator that every device knows.
pub fn sign(file: &[u8]) -> String {
    Signer::pss().sign(file)
}

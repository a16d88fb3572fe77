//! What the host tests stand on: certificates, a broker, a device made of the real libraries.
//!
//! Certificates come from the openssl command line, the broker is mosquitto; a missing tool fails
//! the test and names its package. The device is the whole library over a `std` socket, with the
//! real PSA crypto service linked in; its private key is imported there as key 1.
#![allow(dead_code)]

use mqtt_ipc::{Client, MESSAGE_BUFFER, Page, Qos, Status};
use net_mqtt::config::{DEVICE_KEY, UID_CERTIFICATE, UID_ENDPOINT, UID_ROOTS, UID_THING};
use net_mqtt::rotate;
use net_mqtt::{
    Config, Endpoint, Environment, INCOMING, Memory, MqttBuffers, OUTGOING, POOL, Shared, Stream,
    StreamState, TlsBuffers, Why, pem,
};
use psa_client::{OutVec, Transport};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, service};
use rustls_psa::Provider;
use spe_crypto::host::{HostCrypto, Objects, protected_storage};
use std::cell::{Cell, RefCell};
use std::fmt::Arguments;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Name in the server's certificate.
pub const HOST: &str = "broker.test";
/// mosquitto picks by its own order: this one lets it take what the device prefers.
const SUITES: &str = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
/// Name of the thing.
pub const THING: &str = "thing-1";

/// Runs a tool and panics with its output, or with the package that has it.
pub fn tool(program: &str, arguments: &[&str], dir: &Path) {
    let output = command(program)
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap_or_else(|error| panic!("{}", missing(program, &error)));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // Debian keeps the broker where users do not look.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    match program {
        "mosquitto" if Path::new("/usr/sbin/mosquitto").exists() => {
            Command::new("/usr/sbin/mosquitto")
        }
        _ => command,
    }
}

fn missing(program: &str, error: &std::io::Error) -> String {
    let package = match program {
        "mosquitto_pub" | "mosquitto_sub" => "mosquitto-clients",
        other => other,
    };
    format!("{program}: {error}; this test needs it: apt-get install {package}")
}

/// For what must come, on a machine that is busy with others, seconds.
const SECONDS: u64 = 60;
/// The same.
pub const LIMIT: Duration = Duration::from_secs(SECONDS);

/// A directory of certificates, removed when dropped.
pub struct Pki {
    pub dir: PathBuf,
}

impl Pki {
    /// A CA, a server certificate for [`HOST`] and a device certificate, EC P-256, 365 days.
    pub fn new() -> Pki {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("net-mqtt-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let pki = Pki { dir };
        pki.authority("ca");
        pki.issue(
            "server",
            "ca",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            HOST,
        );
        pki.issue(
            "device",
            "ca",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            THING,
        );
        pki
    }

    /// A self-signed CA, EC P-256.
    pub fn authority(&self, name: &str) {
        let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
        let subject = format!("/CN={name}");
        let curve = "ec_paramgen_curve:P-256";
        let request = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-sha256", "-days",
            "3650", "-subj", &subject, "-keyout", &key, "-out", &crt,
        ];
        tool("openssl", &request, &self.dir);
    }

    /// A self-signed RSA CA.
    pub fn rsa_authority(&self, name: &str, bits: &str) {
        let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
        let (subject, rsa) = (format!("/CN={name}"), format!("rsa:{bits}"));
        let request = [
            "req", "-x509", "-newkey", &rsa, "-nodes", "-sha256", "-days", "3650", "-subj",
            &subject, "-keyout", &key, "-out", &crt,
        ];
        tool("openssl", &request, &self.dir);
    }

    /// A certificate for DNS name `dns`, signed by `ca`.
    pub fn issue(&self, name: &str, ca: &str, new_key: &[&str], dns: &str) {
        let (key, csr, ext) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.ext"),
        );
        let subject = format!("/CN={dns}");
        let mut request = vec!["req", "-new", "-nodes", "-sha256", "-subj", &subject];
        request.extend(new_key);
        request.extend(["-keyout", &key, "-out", &csr]);
        tool("openssl", &request, &self.dir);
        let extensions = format!(
            "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:{dns}\n\
             extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n"
        );
        std::fs::write(self.dir.join(&ext), extensions).unwrap();
        let (ca_crt, ca_key) = (format!("{ca}.crt"), format!("{ca}.key"));
        let crt = format!("{name}.crt");
        let sign = [
            "x509",
            "-req",
            "-in",
            &csr,
            "-CA",
            &ca_crt,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "365",
            "-sha256",
            "-extfile",
            &ext,
            "-out",
            &crt,
        ];
        tool("openssl", &sign, &self.dir);
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_string()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.join(name)).unwrap()
    }

    /// The 32-byte private scalar of an EC P-256 key.
    pub fn scalar(&self, name: &str) -> [u8; 32] {
        let (key, der) = (format!("{name}.key"), format!("{name}.sec1"));
        tool(
            "openssl",
            &["ec", "-in", &key, "-outform", "DER", "-out", &der],
            &self.dir,
        );
        let der = self.read(&der);
        // RFC 5915: SEQUENCE, INTEGER 1, OCTET STRING of 32 bytes.
        assert_eq!(der[2..7], [2, 1, 1, 4, 32]);
        der[7..39].try_into().unwrap()
    }
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A port on loopback that nobody listens on, and no connection is given for its own end.
pub fn free_port() -> u16 {
    cloud::broker::free_port().unwrap()
}

/// A server process, killed when dropped.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and waits until it listens.
pub fn start(program: &str, arguments: &[&str], port: u16, dir: &Path, input: Stdio) -> Server {
    let log = std::fs::File::create(dir.join(format!("{program}-{port}.log"))).unwrap();
    let child = command(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(input)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{}", missing(program, &error)));
    let mut server = Server(child);
    let end = Instant::now() + LIMIT;
    // Looking at /proc instead of connecting: `openssl s_server` serves one client at a time.
    while !listens(port) {
        if let Some(status) = server.0.try_wait().unwrap() {
            let log = std::fs::read_to_string(dir.join(format!("{program}-{port}.log"))).unwrap();
            panic!("{program} ended with {status}: {log}");
        }
        assert!(Instant::now() < end, "{program} does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    server
}

/// Whether somebody listens on `port` of loopback; asks without connecting.
pub fn listens(port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        std::fs::read_to_string(table)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                Some((words.next()?, words.nth(1)?))
            })
            .any(|(local, state)| local.ends_with(&wanted) && state == "0A")
    })
}

/// mosquitto with mutual TLS on `port`.
pub fn mosquitto(pki: &Pki, port: u16) -> Server {
    mosquitto_with(pki, port, "")
}

/// The same, which keeps its sessions on disk at each change.
pub fn persistent_mosquitto(pki: &Pki, port: u16) -> Server {
    let dir = pki.dir.display();
    let more = format!(
        "persistence true\npersistence_location {dir}/\nautosave_on_changes true\nautosave_interval 1\n"
    );
    mosquitto_with(pki, port, &more)
}

fn mosquitto_with(pki: &Pki, port: u16, more: &str) -> Server {
    let config = format!(
        "user root\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
         require_certificate true\nuse_identity_as_username true\nallow_anonymous true\n\
         ciphers_tls1.3 {SUITES}\nmax_queued_messages 1000\nlog_type all\n{more}",
        pki.path("ca.crt"),
        pki.path("server.crt"),
        pki.path("server.key"),
    );
    let name = format!("mosquitto-{port}.conf");
    std::fs::write(pki.dir.join(&name), config).unwrap();
    start("mosquitto", &["-c", &name], port, &pki.dir, Stdio::null())
}

/// Publishes with mosquitto_pub: an observer apart from the device.
pub fn publish(pki: &Pki, port: u16, topic: &str, payload: &[u8], qos: &str) {
    let file = pki.path(&format!("payload-{port}"));
    std::fs::write(&file, payload).unwrap();
    let mut arguments = observer(pki, port);
    arguments.extend(["-t", topic, "-q", qos, "-f", &file].map(String::from));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    tool("mosquitto_pub", &arguments, &pki.dir);
}

/// Starts mosquitto_sub; each message becomes a line `topic payload` in its log.
pub fn subscribe(pki: &Pki, port: u16, filter: &str) -> (Server, PathBuf) {
    let log = pki.dir.join(format!("sub-{port}.log"));
    let mut arguments = observer(pki, port);
    arguments.extend(["-t", filter, "-q", "1", "-v", "-d"].map(String::from));
    // Line by line into the log: coreutils' stdbuf.
    let child = command("stdbuf")
        .args(["-oL", "mosquitto_sub"])
        .args(arguments)
        .stdout(std::fs::File::create(&log).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}", missing("mosquitto_sub", &error)));
    let server = Server(child);
    let end = Instant::now() + LIMIT;
    while !std::fs::read_to_string(&log).unwrap().contains("SUBACK") {
        assert!(Instant::now() < end, "mosquitto_sub does not subscribe");
        std::thread::sleep(Duration::from_millis(5));
    }
    (server, log)
}

fn observer(pki: &Pki, port: u16) -> Vec<String> {
    let port = port.to_string();
    let (ca, crt, key) = (
        pki.path("ca.crt"),
        pki.path("server.crt"),
        pki.path("server.key"),
    );
    [
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "--cafile",
        &ca,
        "--cert",
        &crt,
        "--key",
        &key,
        "--insecure",
    ]
    .map(String::from)
    .to_vec()
}

/// [`Stream`] over a socket of the host.
#[derive(Default)]
pub struct Socket {
    stream: Option<TcpStream>,
    ended: bool,
    waiting: Vec<u8>,
    /// Bytes received so far.
    pub received: usize,
}

/// What [`Socket`] keeps for the device at most, and reads at once, bytes.
const WAITING: usize = 16 * 1024;
const READ: usize = 2048;

impl Socket {
    fn fill(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let mut bytes = [0; READ];
        while self.waiting.len() < WAITING && !self.ended {
            match stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(len) => {
                    self.received += len;
                    self.waiting.extend_from_slice(&bytes[..len]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.ended = true,
            }
        }
    }
}

impl Stream for Socket {
    fn poll(&mut self, _: u64) -> Option<u64> {
        self.fill();
        None
    }

    fn address(&self) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::LOCALHOST)
    }

    fn connect(&mut self, to: Ipv4Addr, port: u16, _: u16) -> Result<(), Why> {
        self.abort();
        // All at once: what grows with the way in which segments happen to arrive together is not
        // the device's, and would be counted as its heap.
        self.waiting.reserve(WAITING + READ);
        let stream = TcpStream::connect((to, port)).map_err(|_| Why::Refused)?;
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        self.stream = Some(stream);
        self.ended = false;
        Ok(())
    }

    fn state(&self) -> StreamState {
        match &self.stream {
            Some(_) if !self.ended || !self.waiting.is_empty() => StreamState::Open,
            _ => StreamState::Closed,
        }
    }

    fn receive(&mut self, buf: &mut [u8]) -> usize {
        self.fill();
        let len = buf.len().min(self.waiting.len());
        buf[..len].copy_from_slice(&self.waiting[..len]);
        self.waiting.drain(..len);
        len
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        match self.stream.as_mut().map(|stream| stream.write(bytes)) {
            Some(Ok(len)) => len,
            _ => 0,
        }
    }

    fn abort(&mut self) {
        self.stream = None;
        self.waiting.clear();
        self.ended = true;
    }
}

/// Time (with an offset that a test sets) and a console that remembers.
pub struct Bench {
    start: Instant,
    /// Added to the wall clock, seconds.
    pub wall_offset: Cell<i64>,
    /// Added to the monotonic clock, microseconds: a test can skip waiting.
    pub skipped_us: Cell<u64>,
    pub lines: RefCell<Vec<String>>,
}

impl Environment for Bench {
    fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64 + self.skipped_us.get()
    }

    fn unix_seconds(&self) -> Option<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Some((now.as_secs() as i64 + self.wall_offset.get()) as u64)
    }

    fn line(&self, text: Arguments<'_>) {
        self.lines.borrow_mut().push(text.to_string());
    }
}

impl Bench {
    /// Number of lines with `text` in them.
    pub fn count(&self, text: &str) -> usize {
        self.lines
            .borrow()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }
}

pub type Device = Shared<'static, Socket, Bench, &'static Page>;
pub type IpcClient = Client<&'static Page, fn()>;

/// The secure world: crypto, and Protected Storage as a map.
pub struct World {
    pub crypto: HostCrypto,
    pub ps: Mutex<Objects>,
}

impl World {
    /// Nothing is stored.
    pub fn new(crypto: &HostCrypto) -> World {
        World {
            crypto: crypto.clone(),
            ps: Mutex::default(),
        }
    }

    /// A provisioned device: thing, endpoint, roots, certificate, key.
    pub fn provisioned(port: u16, roots: &[u8], certificate: &[u8], key: &[u8]) -> World {
        let world = World::new(&HostCrypto::new(7));
        let sign = KeyAttributes::volatile(
            KeyType::ECC_KEY_PAIR_SECP_R1,
            256,
            usage::SIGN_HASH,
            Algorithm::ecdsa(Algorithm::SHA_256),
        );
        let key = world
            .crypto
            .install_key(sign.persistent(DEVICE_KEY), key)
            .unwrap();
        assert_eq!(key, DEVICE_KEY);
        let endpoint = format!("{HOST}:{port}:127.0.0.1");
        for (uid, data) in [
            (UID_THING, THING.as_bytes()),
            (UID_ENDPOINT, endpoint.as_bytes()),
            (UID_ROOTS, roots),
            (UID_CERTIFICATE, certificate),
        ] {
            world.ps.lock().unwrap().insert(uid, data.to_vec());
        }
        world
    }
}

impl Transport for World {
    fn psa_call(&self, handle: u32, call_type: i16, ins: &[&[u8]], outs: &mut [OutVec<'_>]) -> i32 {
        if handle != service::PS_HANDLE {
            return self.crypto.psa_call(handle, call_type, ins, outs);
        }
        protected_storage(&mut self.ps.lock().unwrap(), call_type, ins, outs)
    }
}

/// A running device.
pub struct Running {
    pub device: &'static Device,
    pub crypto: &'static HostCrypto,
    session: Pin<Box<dyn Future<Output = ()>>>,
    pub clients: Vec<IpcClient>,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    State(bool),
    Result(u32, Status),
    Message(String, Vec<u8>),
    Missed(u16),
}

impl Running {
    /// A device with `clients` IPC clients that trusts `roots` and calls `host:port`.
    pub fn new(pki: &Pki, roots: &str, host: &str, port: u16, clients: usize) -> Running {
        let attributes = KeyAttributes::volatile(
            KeyType::ECC_KEY_PAIR_SECP_R1,
            256,
            usage::SIGN_HASH,
            Algorithm::ecdsa(Algorithm::SHA_256),
        );
        let key = (attributes, &pki.scalar("device")[..]);
        Running::with_identity(pki, roots, host, port, clients, "device", key)
    }

    /// The same with certificate NAME.crt and its key: attributes (but the id) and material.
    pub fn with_identity(
        pki: &Pki,
        roots: &str,
        host: &str,
        port: u16,
        clients: usize,
        name: &str,
        (attributes, key): (KeyAttributes, &[u8]),
    ) -> Running {
        let crypto: &'static HostCrypto = Box::leak(Box::new(HostCrypto::new(7)));
        let id = crypto
            .install_key(attributes.persistent(DEVICE_KEY), key)
            .unwrap();
        assert_eq!(id, DEVICE_KEY);
        let config = Config {
            endpoint: Endpoint::parse(&format!("{host}:{port}:127.0.0.1")).unwrap(),
            thing: THING.into(),
            key: net_mqtt::identity::DEVICE.private,
            trial: false,
            time_server: None,
            certificates: pem::certificates(&pki.read(&format!("{name}.crt"))).unwrap(),
            roots: pem::certificates(&pki.read(roots)).unwrap(),
        };
        Running::of(Box::leak(Box::new(World::new(crypto))), config, clients)
    }

    /// A start of the device that `world` has in its storage, as `main.rs` makes it.
    pub fn start(world: &'static World, clients: usize) -> Running {
        let config = match rotate::start(world).unwrap() {
            rotate::Start::Device => Config::load(world),
            rotate::Start::Next => Config::next(world),
        };
        Running::of(world, config.unwrap_or_else(|e| panic!("{e}")), clients)
    }

    fn of(world: &'static World, config: Config, clients: usize) -> Running {
        let trial = config.trial;
        let bench = Bench {
            start: Instant::now(),
            wall_offset: Cell::new(0),
            skipped_us: Cell::new(0),
            lines: RefCell::default(),
        };
        let memory = Memory {
            tls: TlsBuffers {
                incoming: vec![0; INCOMING].leak(),
                plain: vec![0; INCOMING].leak(),
                outgoing: vec![0; OUTGOING].leak(),
            },
            pool: vec![0; POOL].leak(),
        };
        let provider = Provider::new(world);
        let device: &'static Device = Box::leak(Box::new(
            Shared::new(
                config,
                rotate::key_id(world, trial),
                1_735_689_600,
                provider,
                Socket::default(),
                bench,
                memory,
            )
            .unwrap_or_else(|error| panic!("{error}")),
        ));
        let buffers = MqttBuffers {
            receive: vec![0; 6656].leak(),
            send: vec![0; 6144].leak(),
        };
        let clients = (0..clients)
            .map(|index| {
                let page: &'static Page = Box::leak(Box::new(Page::new()));
                assert!(device.service().borrow_mut().attach(index, page));
                Client::new(page, (|| ()) as fn())
            })
            .collect();
        Running {
            device,
            crypto: &world.crypto,
            session: Box::pin(device.session(buffers)),
            clients,
        }
    }

    pub fn bench(&self) -> &'static Bench {
        self.device.environment()
    }

    /// Runs until `done` or for `seconds`; whether it was done.
    pub fn run(&mut self, seconds: u64, mut done: impl FnMut(&mut Running) -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let sleep = self.device.step(self.session.as_mut());
            if done(self) {
                return true;
            }
            // A test wants it quicker than a device; never longer than the device asks for.
            std::thread::sleep(Duration::from_micros(sleep.min(500)));
        }
        false
    }

    /// Runs until a console line has `text` in it `times` times; panics after a minute.
    pub fn expect(&mut self, text: &str, times: usize) {
        let seen = self.run(SECONDS, |it| it.bench().count(text) >= times);
        assert!(
            seen,
            "no {times} × {text:?} in {:#?}",
            self.bench().lines.borrow()
        );
    }

    /// What client `index` is told next; panics after a minute.
    pub fn hear(&mut self, index: usize) -> Heard {
        let mut heard = None;
        self.run(SECONDS, |it| {
            heard = it.take(index);
            heard.is_some()
        });
        heard.unwrap_or_else(|| {
            panic!(
                "client {index} hears nothing: {:#?}",
                self.bench().lines.borrow()
            )
        })
    }

    /// What waits for client `index` now.
    pub fn take(&mut self, index: usize) -> Option<Heard> {
        let mut buf = vec![0; MESSAGE_BUFFER];
        let event = self.clients[index].poll(&mut buf).unwrap()?;
        Some(match event {
            mqtt_ipc::Event::State(link) => Heard::State(link == mqtt_ipc::Link::Online),
            mqtt_ipc::Event::Result { seq, status } => Heard::Result(seq, status),
            mqtt_ipc::Event::Missed(count) => Heard::Missed(count),
            mqtt_ipc::Event::Message { topic, payload, .. } => {
                Heard::Message(topic.into(), payload.into())
            }
        })
    }

    /// Hears until a result for `seq` comes; what else was heard is returned with its status.
    pub fn result(&mut self, index: usize, seq: u32) -> (Status, Vec<Heard>) {
        let mut others = Vec::new();
        loop {
            match self.hear(index) {
                Heard::Result(number, status) if number == seq => return (status, others),
                other => others.push(other),
            }
        }
    }

    /// Makes a request as soon as the mailbox is free.
    pub fn ask(
        &mut self,
        index: usize,
        mut request: impl FnMut(&mut IpcClient) -> Result<u32, mqtt_ipc::Error>,
    ) -> u32 {
        let mut seq = None;
        self.run(10, |it| match request(&mut it.clients[index]) {
            Ok(number) => {
                seq = Some(number);
                true
            }
            Err(mqtt_ipc::Error::Busy) => false,
            Err(error) => panic!("{error:?}"),
        });
        seq.expect("mailbox stays full")
    }

    /// Publishes and waits for the result.
    pub fn publish(&mut self, index: usize, topic: &str, payload: &[u8], qos: Qos) -> Status {
        let seq = self.ask(index, |client| client.publish(topic, payload, qos));
        self.result(index, seq).0
    }

    /// Subscribes and waits for the result.
    pub fn subscribe(&mut self, index: usize, filter: &str) -> Status {
        let seq = self.ask(index, |client| client.subscribe(filter, Qos::AtLeastOnce));
        self.result(index, seq).0
    }
}

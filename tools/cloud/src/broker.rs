//! A real mosquitto with mutual TLS on loopback.
//!
//! Owns the broker's process and configuration. Two listeners: mutual TLS for devices, judged by
//! the plugin of `tools/cloud/plugin` (certificate, thing, policies), and a plain one, for the
//! service itself and for whoever watches, not judged; both on 127.0.0.1 only.

use crate::pki::{Authority, Subject};
use anyhow::{Context, Result, bail};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// mosquitto picks a suite by its own order, OpenSSL's being AES-256 first; this one takes what the
/// device prefers.
const SUITES: &str = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";

/// For mosquitto to listen, on a machine that is busy with others.
const START: Duration = Duration::from_secs(60);

/// What mosquitto says of a port that is not free.
const TAKEN: &str = "Address already in use";

/// How the broker shows itself.
#[derive(Debug, Clone)]
pub struct Config<'a> {
    /// Folder for keys, certificates and state.
    pub dir: &'a Path,
    /// Name in the server's certificate.
    pub host: &'a str,
    /// First and last day of the server's certificate; see [`Subject`].
    pub validity: Option<(&'a str, &'a str)>,
    /// Port of the TLS listener; a free one when absent.
    pub port: Option<u16>,
}

/// A running broker; it stops when dropped.
pub struct Broker {
    child: Option<Child>,
    config: PathBuf,
    authority: Authority,
    host: String,
    /// TLS port, for devices.
    pub port: u16,
    /// Plain port, for this machine's tools.
    pub plain_port: u16,
}

impl Broker {
    /// Makes what is missing of authority and server certificate, and starts mosquitto.
    ///
    /// # Errors
    /// When mosquitto is missing (Debian package mosquitto), ends, or does not listen within a
    /// minute; with its log.
    pub fn start(config: &Config<'_>) -> Result<Broker> {
        let dir = config.dir;
        let authority = Authority::open(&dir.join("ca"), "Tockstone local root")?;
        let (certificate, key) = server(&authority, config.host, config.validity)?;
        if let Some(port) = config.port {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .with_context(|| format!("broker on port {port} of 127.0.0.1"))?;
        }
        std::fs::create_dir_all(trusted(dir))?;
        // Somebody else may take a port before mosquitto does; later they are its own.
        for _ in 0..5 {
            let ports = (config.port.map_or_else(free_port, Ok)?, free_port()?);
            match Broker::on(config, &authority, (&certificate, &key), ports) {
                Err(e) if config.port.is_none() && format!("{e:#}").contains(TAKEN) => {}
                result => return result,
            }
        }
        bail!("no port stays free until mosquitto has it")
    }

    fn on(
        config: &Config<'_>,
        authority: &Authority,
        (certificate, key): (&Path, &Path),
        (port, plain_port): (u16, u16),
    ) -> Result<Broker> {
        let dir = config.dir;
        let mut text = format!(
            "log_type all\nset_tcp_nodelay true\nlog_dest file {log}\npersistence true\n\
             persistence_location {dir}/\nmax_inflight_messages 100\nmax_keepalive 1200\n\
             allow_anonymous true\nplugin {plugin}\nplugin_opt_registry {registry}\n\
             plugin_opt_log {log}\n\
             listener {port} 127.0.0.1\ncafile {ca}\ncapath {trusted}\ncertfile {certificate}\n\
             keyfile {key}\nciphers_tls1.3 {SUITES}\nrequire_certificate true\nmax_qos 1\n\
             listener {plain_port} 127.0.0.1\n",
            log = dir.join("mosquitto.log").display(),
            dir = dir.display(),
            plugin = plugin()?.display(),
            registry = access(dir).display(),
            trusted = trusted(dir).display(),
            ca = authority.certificate().display(),
            certificate = certificate.display(),
            key = key.display(),
        );
        if Command::new("id").arg("-u").output()?.stdout == b"0\n" {
            // Started by root, mosquitto would change to a user that cannot read the keys.
            text.push_str("user root\n");
        }
        let path = dir.join("mosquitto.conf");
        std::fs::write(&path, text)?;
        let mut broker = Broker {
            child: None,
            config: path,
            authority: authority.clone(),
            host: config.host.to_owned(),
            port,
            plain_port,
        };
        broker.resume()?;
        Ok(broker)
    }

    /// The authority that devices' certificates come from.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Gives the server another certificate and restarts the broker: every connection is cut, and
    /// the next handshake shows the new one; see [`Subject`] for the dates.
    ///
    /// # Errors
    /// Of openssl and the broker.
    pub fn reissue(&mut self, validity: Option<(&str, &str)>) -> Result<()> {
        server(&self.authority, &self.host, validity)?;
        self.resume()
    }

    /// Takes the broker away, as a failing network would; see [`Broker::resume`].
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            qemu_harness::track::remove(child.id());
        }
    }

    /// Ends the broker as an operator does: it closes its connections and keeps its sessions on
    /// disk, for [`Broker::resume`].
    pub fn shut_down(&mut self) {
        if let Some(child) = &mut self.child {
            let pid = child.id().to_string();
            // If that fails, `stop` ends it all the same, without what it would have kept.
            if Command::new("kill").args(["-TERM", &pid]).status().is_ok() {
                let _ = child.wait();
            }
        }
        self.stop();
    }

    /// What it has logged.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(
            self.config.with_file_name("mosquitto.log"),
        )?)
    }

    /// How often it has come up.
    fn starts(&self) -> usize {
        let log = self.log().unwrap_or_default();
        let up = |l: &&str| l.contains(": mosquitto version ") && l.ends_with(" running");
        log.lines().filter(up).count()
    }

    /// Restarts it with less than it can: `settings` are further lines of the TLS listener,
    /// `openssl` the defaults of OpenSSL's contexts (`Groups = …`).
    ///
    /// # Errors
    /// See [`Broker::start`].
    pub fn restrict(&mut self, settings: &str, openssl: &str) -> Result<()> {
        let mark = "require_certificate true\n";
        let text = std::fs::read_to_string(&self.config)?;
        let text = text.replacen(mark, &format!("{mark}{settings}"), 1);
        std::fs::write(&self.config, text)?;
        let defaults = format!(
            "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = defaults\n\
             [defaults]\n{openssl}"
        );
        std::fs::write(self.config.with_file_name("openssl.cnf"), defaults)?;
        self.resume()
    }

    /// Starts it again on the same ports.
    ///
    /// # Errors
    /// See [`Broker::start`].
    pub fn resume(&mut self) -> Result<()> {
        let before = self.starts();
        if before == 0 {
            return self.run();
        }
        // A connection of somebody's may have had a port for its own while the broker was away.
        let deadline = Instant::now() + START;
        loop {
            match self.run() {
                Err(e) if Instant::now() < deadline && format!("{e:#}").contains(TAKEN) => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                result => return result,
            }
        }
    }

    /// Starts mosquitto and waits until it listens.
    fn run(&mut self) -> Result<()> {
        self.stop();
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
            .into_iter()
            .find(|p| Path::new(p).is_file())
            .unwrap_or("mosquitto");
        let mut command = Command::new(program);
        let openssl = self.config.with_file_name("openssl.cnf");
        if openssl.is_file() {
            command.env("OPENSSL_CONF", openssl);
        }
        let (before, said) = (self.starts(), self.log().unwrap_or_default().len());
        let mut child = command
            .arg("-c")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("mosquitto does not start (Debian package mosquitto)")?;
        qemu_harness::track::add(child.id());
        let deadline = Instant::now() + START;
        // Its own word, which comes when it has all its ports: one that answers may be another's.
        while self.starts() == before {
            let ended = child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let _ = child.kill();
                qemu_harness::track::remove(child.id());
                let output = child.wait_with_output()?;
                let log = self.log().unwrap_or_default();
                bail!(
                    "mosquitto does not listen: {}{}",
                    String::from_utf8_lossy(&output.stderr),
                    // What it said in this start.
                    log.get(said..).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the registry tells the plugin what it holds.
pub(crate) fn access(dir: &Path) -> PathBuf {
    dir.join("access.json")
}

/// Self-signed certificates that were registered without an authority.
pub(crate) fn trusted(dir: &Path) -> PathBuf {
    dir.join("trusted")
}

fn server(
    authority: &Authority,
    host: &str,
    validity: Option<(&str, &str)>,
) -> Result<(PathBuf, PathBuf)> {
    // `localhost` is for other clients on this machine, the SDKs' among them.
    let subject = Subject {
        name: host,
        dns: &[host, "localhost"],
        validity,
    };
    authority.issue("server", &subject)
}

/// The plugin lies where cargo put it when it built this program.
fn plugin() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let dir = program.parent().context("a program lies in a folder")?;
    let name = "libmosquitto_iot.so";
    [dir.join("deps").join(name), dir.join(name)]
        .into_iter()
        .filter(|file| file.is_file())
        .max_by_key(|file| file.metadata().and_then(|m| m.modified()).ok())
        .with_context(|| {
            format!(
                "no {name} beside {}; cargo build makes it",
                program.display()
            )
        })
}

/// A TCP port on loopback that nobody uses now, and that no connection is given for its own end: it
/// is still free when a broker that was away comes back to it.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    use std::hash::{BuildHasher, Hasher};
    // Linux's default where it does not say.
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range
        .ok()
        .and_then(|r| r.split_whitespace().next()?.parse().ok());
    let room = u64::from(first.unwrap_or(32_768_u16).saturating_sub(FIRST_PORT));
    let random = std::hash::RandomState::new();
    for n in 0..room.min(1000) {
        let mut hasher = random.build_hasher();
        hasher.write_u64(n);
        let port = FIRST_PORT + (hasher.finish() % room) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Below it lie the ports that services are known by.
const FIRST_PORT: u16 = 10_240;

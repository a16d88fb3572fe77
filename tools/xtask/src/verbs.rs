//! The small verbs: a flash file, a provisioning record, a cloud without a device.
//!
//! Owns their options. Each is one step of what `run` and `demo` do, for use by hand.

use crate::provision::{self, Identity};
use crate::{flash, paths, shell};
use anyhow::{Context, Result, bail};
use cloud::{Cloud, broker, pki};
use provisioning::first_boot::Order;
use qemu_harness::FlashFile;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `flash`: a factory flash file.
#[derive(Debug, Clone, clap::Args)]
pub struct FlashOptions {
    /// File to write
    pub file: PathBuf,
}

/// `provision`: a record into a flash file.
#[derive(Debug, Clone, clap::Args)]
pub struct ProvisionOptions {
    /// Flash file of the device
    pub file: PathBuf,
    /// Thing name
    #[arg(long)]
    pub thing: String,
    /// Broker: HOST:PORT, or HOST:PORT:IPV4 to save the look-up
    #[arg(long)]
    pub endpoint: String,
    /// The certificate is a claim's, which the device exchanges for its own by this provisioning
    /// template; the thing's name is then the template's SerialNumber
    #[arg(long, value_name = "TEMPLATE")]
    pub claim: Option<String>,
    /// Leave the life cycle at assembly and test, so that `lifecycle wipe` works
    #[arg(long)]
    pub assembly: bool,
    /// Ethernet station address, aa:bb:cc:dd:ee:ff; without it one that is locally administered,
    /// from a digest of the device's attestation key
    #[arg(long)]
    pub station: Option<String>,
    /// Device certificate, PEM
    #[arg(long)]
    pub certificate: PathBuf,
    /// Its private key (EC P-256), PEM
    #[arg(long)]
    pub key: PathBuf,
    /// Root certificate of the broker, PEM; several times for several
    #[arg(long, required = true)]
    pub root: Vec<PathBuf>,
}

/// `lifecycle`: an order for the next boot of a device.
#[derive(Debug, Clone, clap::Args)]
pub struct LifecycleOptions {
    /// wipe: forget who it is, refused unless it is in assembly and test; secure: leave assembly
    /// and test, for good
    #[arg(value_parser = ["wipe", "secure"])]
    pub order: String,
    /// Flash file of the device
    pub file: PathBuf,
}

/// `cloud`: the stand-in alone.
#[derive(Debug, Clone, clap::Args)]
pub struct CloudOptions {
    /// Folder for keys and registry, kept; build/cloud of the checkout when absent
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Port for devices, mutual TLS
    #[arg(long)]
    pub port: Option<u16>,
    /// Port of the control plane, in AWS's shapes over HTTP
    #[arg(long, default_value_t = cloud::http::PORT)]
    pub http_port: u16,
    /// What goes wrong: seed=7,drop=20,… (docs/cloud-api.md)
    #[arg(long)]
    pub mischief: Option<cloud::Mischief>,
    /// Things to register
    pub things: Vec<String>,
}

/// Writes a factory flash file.
///
/// # Errors
/// Names what has not been built.
pub fn flash(options: &FlashOptions) -> Result<()> {
    let file = &options.file;
    let name = file.display();
    if file.exists() && !file.is_file() {
        bail!("{name} is no file");
    }
    if file.exists() {
        qemu_harness::keep(file)?;
    }
    // A device that is there stays as it is until the new one is whole.
    let mut new = file.clone().into_os_string();
    new.push(".new");
    let made = flash::factory(new.as_ref(), &paths::map()?)
        .and_then(|_| std::fs::rename(&new, file).with_context(|| name.to_string()));
    if made.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    made?;
    println!("flash: {name} (not provisioned)");
    Ok(())
}

/// Six bytes between colons.
fn station(text: &str) -> Result<[u8; 6]> {
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16));
    let bytes = bytes.collect::<Result<Vec<u8>, _>>().ok();
    let station = bytes.and_then(|bytes| bytes.try_into().ok());
    station.with_context(|| format!("--station `{text}` is no aa:bb:cc:dd:ee:ff"))
}

/// A key that is not the certificate's would be told by the broker only.
fn same_key(certificate: &Path, key: &Path) -> Result<()> {
    let public =
        |args: &[&str], file: &Path| shell::run(Command::new("openssl").args(args).arg(file));
    let certified = public(&["x509", "-noout", "-pubkey", "-in"], certificate)?;
    if certified != public(&["pkey", "-pubout", "-passin", "pass:", "-in"], key)? {
        bail!(
            "{} is not the key of {}",
            key.display(),
            certificate.display()
        );
    }
    Ok(())
}

/// Writes a provisioning record.
///
/// # Errors
/// Names the option that is wrong.
pub fn provision(options: &ProvisionOptions) -> Result<()> {
    let mut parts = options.endpoint.splitn(3, ':');
    let host = parts.next().unwrap_or_default().to_owned();
    let port = parts.next().context("--endpoint is HOST:PORT[:IPV4]")?;
    let address = match parts.next() {
        None => None,
        Some(text) => {
            let address: std::net::Ipv4Addr = text
                .parse()
                .with_context(|| format!("`{text}` in --endpoint"))?;
            Some(address.octets())
        }
    };
    if !cloud::is_thing_name(&options.thing) {
        bail!(
            "--thing `{}` is not 1 to 128 of [a-zA-Z0-9:_-]",
            options.thing
        );
    }
    let map = paths::map()?;
    let flash = FlashFile::open(&options.file, &map)?;
    let mut roots = Vec::new();
    for root in &options.root {
        roots.extend(pki::der(root)?);
        let text = std::fs::read_to_string(root)?;
        if text.matches("BEGIN CERTIFICATE").count() > 1 {
            bail!(
                "{} holds several certificates: one --root, and one file, for each",
                root.display()
            );
        }
    }
    let identity = Identity {
        thing: options.thing.clone(),
        host,
        port: port
            .parse()
            .map(NonZeroU16::get)
            .with_context(|| format!("port `{port}` in --endpoint"))?,
        address,
        certificate: pki::der(&options.certificate)?,
        key: pki::scalar(&options.key)?,
        roots,
        rsa_key: None,
        template: options.claim.clone(),
        assembly: options.assembly,
        station: options.station.as_deref().map(station).transpose()?,
        made: provision::now(),
    };
    same_key(&options.certificate, &options.key)?;
    provision::write(&flash, &map, &identity)?;
    let (file, name) = (options.file.display(), &identity.thing);
    match &identity.template {
        None => println!("provision: {file} is {name} from its next boot on"),
        Some(template) => println!(
            "provision: {file} claims its identity of template {template} as {name} at its next boot"
        ),
    }
    Ok(())
}

/// Leaves an order where a provisioning record would lie.
///
/// # Errors
/// Of the flash file.
pub fn lifecycle(options: &LifecycleOptions) -> Result<()> {
    let flash = FlashFile::open(&options.file, &paths::map()?)?;
    let order = match options.order.as_str() {
        "wipe" => Order::Wipe,
        _ => Order::Secure,
    };
    provision::order(&flash, order)?;
    println!(
        "lifecycle: the next boot of {} is told to {}; its secure log says what came of it",
        options.file.display(),
        options.order
    );
    Ok(())
}

/// Runs the stand-in until Ctrl-C.
///
/// # Errors
/// Of the broker; names an illegal thing.
pub fn cloud(options: &CloudOptions) -> Result<()> {
    let dir = options.dir.clone().unwrap_or_else(paths::cloud);
    let dir = std::fs::create_dir_all(&dir)
        .and_then(|()| dir.canonicalize())
        .with_context(|| format!("--dir {}", dir.display()))?;
    let config = broker::Config {
        dir: &dir,
        host: crate::system::HOST,
        validity: None,
        port: options.port,
    };
    let mut cloud = Cloud::start(&config)?;
    println!(
        "cloud: {}:{} (mutual TLS), 127.0.0.1:{} (plain)",
        config.host, cloud.broker.port, cloud.broker.plain_port
    );
    println!(
        "cloud: root {}",
        cloud.broker.authority().certificate().display()
    );
    for name in &options.things {
        let thing = cloud.create_thing(name)?;
        println!(
            "cloud: thing {name}: cargo xtask provision {name}.bin --thing {name} --endpoint \
             {}:{}:{} --certificate {} --key {} --root {}",
            config.host,
            cloud.broker.port,
            std::net::Ipv4Addr::from(crate::system::HOST_ADDRESS),
            thing.files.0.display(),
            thing.files.1.display(),
            cloud.broker.authority().certificate().display()
        );
    }
    cloud.core().create_rotation()?;
    let server = crate::console::serve(&cloud, Some(options.http_port))
        .context("--http-port N takes another")?;
    let url = server.url();
    println!("cloud: console {}", crate::console::url(&server));
    println!(
        "cloud: control plane {url} (iot, iot-data, iot-jobs-data, s3, sts; docs/cloud-api.md)"
    );
    println!(
        "cloud: AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1 \
         aws --endpoint-url {url} iot list-things"
    );
    println!(
        "cloud: boto3.client('iot', endpoint_url='{url}', region_name='us-east-1', \
         aws_access_key_id='x', aws_secret_access_key='x').list_things()"
    );
    println!("cloud: cargo xtask ota push FILE --path \"non_secure image\" --endpoint {url}");
    if let Some(mischief) = options.mischief {
        cloud.set_mischief(mischief);
    }
    let core = cloud.core();
    let mut shown = 0;
    loop {
        let messages = core.messages_from(shown);
        for message in &messages {
            println!(
                "{} {}",
                message.topic,
                String::from_utf8_lossy(&message.payload)
            );
        }
        shown += messages.len();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

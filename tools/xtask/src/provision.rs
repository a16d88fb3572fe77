//! The factory: writes the provisioning record of a device.
//!
//! Owns which object belongs to which client. Owners: -1 is the kernel; a product app's client id
//! is -1 less its ShortId (apps.rs), which the ShortId table that is provisioned for the kernel
//! says too. Key ids and PS uids are the reference's: device key 1, update key 0x11, device
//! certificate PS 5, roots PS 7; ours beside them: endpoint PS 8, thing name PS 9; of a claim, key 2,
//! certificate PS 11, template PS 12, serial number PS 13; the floor of the clock, ITS 14.

use crate::{apps, paths, shell, sign};
use anyhow::{Context, Result, anyhow, bail};
use memory_map::Map;
use p256::elliptic_curve::sec1::ToSec1Point;
use provisioning::first_boot::Order;
use provisioning::{Encoder, Endpoint, Item, KeyAttributes, Object, Record};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyType};
use qemu_harness::FlashFile;
use sha2::Digest;
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// Client id of the kernel itself.
pub const KERNEL: i32 = -1;
/// The kernel's ITS object that maps ShortIds to client ids (docs/syscalls).
pub const SHORT_ID_TABLE: u64 = 0x544F_434B_0000_0001;
/// The kernel's ITS object with the Ethernet station address: six bytes.
const STATION: u64 = 0x544F_434B_0000_0003;
/// The kernel's key that verifies app credentials.
pub const APP_KEY: u32 = 0x20;
/// The same, RSA: bits and id.
pub const APP_KEYS_RSA: [(u16, u32); 2] = [(3072, 0x21), (4096, 0x22)];
/// Private key for TLS client authentication.
pub const DEVICE_KEY: u32 = 1;
/// Private key of a claim.
const CLAIM_KEY: u32 = 2;
/// Public key that verifies update jobs.
pub const UPDATE_KEY: u32 = 0x11;
const PS_DEVICE_CERTIFICATE: u64 = 5;
const PS_ROOTS: u64 = 7;
const PS_ENDPOINT: u64 = 8;
const PS_THING: u64 = 9;
const PS_CLAIM_CERTIFICATE: u64 = 11;
const PS_TEMPLATE: u64 = 12;
const PS_SERIAL: u64 = 13;
/// Floor of net-mqtt's clock.
const ITS_FLOOR: u64 = 14;

/// What makes a device this device.
#[derive(Debug, Clone)]
pub struct Identity {
    /// AWS IoT thing name.
    pub thing: String,
    /// Host name of the broker: SNI and the certificate check use it.
    pub host: String,
    /// TCP port of the broker.
    pub port: u16,
    /// Address that saves the look-up.
    pub address: Option<[u8; 4]>,
    /// Device certificate, DER; empty: the device makes its key and asks for one.
    pub certificate: Vec<u8>,
    /// Its private key: P-256 scalar, big endian.
    pub key: [u8; 32],
    /// In place of it, an RSA-2048 key: PKCS#1, DER. It signs by RSA-PSS.
    pub rsa_key: Option<Vec<u8>>,
    /// Trusted roots, DER, one behind the other.
    pub roots: Vec<u8>,
    /// Provisioning template: certificate and key are a claim's, the thing's name is the serial
    /// number that goes with it, and the device gets its own of the cloud.
    pub template: Option<String>,
    /// The life cycle stays at assembly and test: the device can be wiped.
    pub assembly: bool,
    /// Ethernet station address, for a factory with numbers of its own; none: it follows from the
    /// device's attestation key ([`station`]).
    pub station: Option<[u8; 6]>,
    /// When the record was made, seconds since 1970: the device never takes it to be earlier. 0: not
    /// said.
    pub made: u64,
}

impl Identity {
    /// A device that never reaches a broker: its certificate and key are not used.
    pub fn offline(thing: &str) -> Identity {
        Identity {
            thing: thing.into(),
            host: crate::system::HOST.into(),
            port: 8883,
            address: None,
            certificate: vec![0x30, 0],
            key: [1; 32],
            rsa_key: None,
            roots: vec![0x30, 0],
            template: None,
            assembly: false,
            station: None,
            made: now(),
        }
    }
}

/// Seconds since 1970, for [`Identity::made`].
pub fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs())
}

/// What a device that tests attacks holds besides the product's objects.
#[derive(Debug, Clone, Default)]
pub struct Guests {
    /// ShortIds that get the client ids behind the product's.
    pub short_ids: Vec<u32>,
    /// The one of these that is given the device key, too.
    pub key_user: Option<u32>,
}

/// What the factory keeps of a device.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Public half of its attestation key: uncompressed point, 65 bytes. Verifiers need it.
    pub attestation_key: Vec<u8>,
    /// Its Ethernet station address.
    pub station: [u8; 6],
}

/// The station address of the device with this attestation key: a digest of it, marked as locally
/// administered and as a single station's (IEEE 802 §8.2).
pub fn station(attestation_key: &[u8]) -> [u8; 6] {
    let mut hash = sha2::Sha256::new_with_prefix(b"station address");
    hash.update(attestation_key);
    let mut station = [0; 6];
    station.copy_from_slice(&hash.finalize()[..6]);
    station[0] = station[0] & !1 | 2;
    station
}

/// Writes the record for `identity` into the flash file, for the next boot to consume.
///
/// # Errors
/// Names what is a placeholder, too large, or not to be had.
pub fn write(flash: &FlashFile, map: &Map, identity: &Identity) -> Result<Issued> {
    write_with(flash, map, identity, &Guests::default())
}

/// As [`write`], with the objects that `guests` need.
///
/// # Errors
/// See [`write`].
pub fn write_with(
    flash: &FlashFile,
    map: &Map,
    identity: &Identity,
    guests: &Guests,
) -> Result<Issued> {
    write_where(flash, map, identity, guests, |_| true)
}

/// As [`write_with`], with those objects alone that are to be kept: an image with fewer algorithms
/// takes no keys of the others.
///
/// # Errors
/// See [`write`].
pub fn write_where(
    flash: &FlashFile,
    map: &Map,
    identity: &Identity,
    guests: &Guests,
    keep: impl Fn(&Item) -> bool,
) -> Result<Issued> {
    let (record, issued) = record_where(map, identity, guests, |o, i| (o, i), keep)?;
    flash.erase("provisioning")?;
    flash.write("provisioning", 0, &record)?;
    Ok(issued)
}

/// The record that [`write_with`] writes; `names` may give an object another owner and name.
///
/// # Errors
/// See [`write`].
pub fn record(
    map: &Map,
    identity: &Identity,
    guests: &Guests,
    names: impl Fn(i32, Item) -> (i32, Item),
) -> Result<(Vec<u8>, Issued)> {
    record_where(map, identity, guests, names, |_| true)
}

fn record_where(
    map: &Map,
    identity: &Identity,
    guests: &Guests,
    names: impl Fn(i32, Item) -> (i32, Item),
    keep: impl Fn(&Item) -> bool,
) -> Result<(Vec<u8>, Issued)> {
    refuse_placeholders(identity)?;
    sign::made(&[
        sign::Image::Secure.key(),
        sign::Image::NonSecure.key(),
        sign::update_key(),
        sign::app_key(),
    ])?;
    let client = |app: &str| apps::short_id(map, app).map(|id| KERNEL - id as i32);
    let (net, agent, inference) = (
        client("net-mqtt")?,
        client("ota-agent")?,
        client("inference")?,
    );
    let table: Vec<u32> = (1..=map.app.len() as u32)
        .chain(guests.short_ids.iter().copied())
        .collect();
    let short_ids: Vec<u8> = table.iter().flat_map(|id| id.to_le_bytes()).collect();
    let mut endpoint = format!("{}:{}", identity.host, identity.port);
    if let Some([a, b, c, d]) = identity.address {
        endpoint.push_str(&format!(":{a}.{b}.{c}.{d}"));
    }
    let app_key = public_point(&sign::app_key())?;
    let app_keys_rsa =
        APP_KEYS_RSA.map(|(bits, _)| rsa_public_key(&sign::app_key_rsa(bits.into())));
    let [app_rsa_3072, app_rsa_4096] = app_keys_rsa;
    let app_keys_rsa = [app_rsa_3072?, app_rsa_4096?];
    let update_key = rsa_public_key(&sign::update_key())?;
    let ecdsa = Algorithm::ecdsa(Algorithm::SHA_256);
    let key = |id, key_type: KeyType, bits, usage, algorithm: Algorithm| Item::Key {
        id,
        attributes: KeyAttributes {
            key_type: key_type.0,
            bits,
            usage,
            algorithm: algorithm.0,
        },
    };
    let ps = |uid| Item::Ps { uid, flags: 0 };
    let thing = identity.thing.as_bytes();
    let signing_key = |id| {
        key(
            id,
            KeyType::ECC_KEY_PAIR_SECP_R1,
            256,
            usage::SIGN_HASH,
            ecdsa,
        )
    };
    let iak = scalar()?;
    let attestation_key = p256::SecretKey::from_slice(&iak)?.public_key();
    let attestation_key = attestation_key.to_sec1_point(false).as_bytes().to_vec();
    let station = match identity.station {
        Some(station) if station[0] & 1 != 0 || station == [0; 6] => {
            bail!("the station address is no single station's");
        }
        Some(station) => station,
        None => station(&attestation_key),
    };
    let mut objects: Vec<(i32, Item, &[u8])> = vec![
        (
            KERNEL,
            Item::Its {
                uid: STATION,
                flags: 0,
            },
            &station,
        ),
        (
            KERNEL,
            Item::Its {
                uid: SHORT_ID_TABLE,
                flags: 0,
            },
            &short_ids,
        ),
        (
            KERNEL,
            key(
                APP_KEY,
                KeyType::ECC_PUBLIC_KEY_SECP_R1,
                256,
                usage::VERIFY_HASH,
                ecdsa,
            ),
            &app_key,
        ),
        (net, ps(PS_ROOTS), &identity.roots),
        (net, ps(PS_ENDPOINT), endpoint.as_bytes()),
        (
            agent,
            key(
                UPDATE_KEY,
                KeyType::RSA_PUBLIC_KEY,
                3072,
                usage::VERIFY_HASH,
                Algorithm::rsa_pss(Algorithm::SHA_256),
            ),
            &update_key,
        ),
    ];
    for ((bits, id), data) in APP_KEYS_RSA.into_iter().zip(&app_keys_rsa) {
        let algorithm = Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_512);
        let kind = KeyType::RSA_PUBLIC_KEY;
        let item = key(id, kind, bits, usage::VERIFY_HASH, algorithm);
        objects.push((KERNEL, item, data));
    }
    let made = identity.made.to_le_bytes();
    if identity.made > 0 {
        let (uid, flags) = (ITS_FLOOR, 0);
        objects.push((net, Item::Its { uid, flags }, &made));
    }
    if let Some(template) = &identity.template {
        objects.push((net, signing_key(CLAIM_KEY), &identity.key));
        objects.push((net, ps(PS_CLAIM_CERTIFICATE), &identity.certificate));
        objects.push((net, ps(PS_TEMPLATE), template.as_bytes()));
        objects.push((net, ps(PS_SERIAL), thing));
    } else {
        objects.extend([net, agent, inference].map(|app| (app, ps(PS_THING), thing)));
        if !identity.certificate.is_empty() {
            objects.push(match &identity.rsa_key {
                None => (net, signing_key(DEVICE_KEY), &identity.key),
                Some(der) => {
                    let pss = Algorithm::rsa_pss(Algorithm::SHA_256);
                    let (pair, sign) = (KeyType::RSA_KEY_PAIR, usage::SIGN_HASH);
                    (net, key(DEVICE_KEY, pair, 2048, sign, pss), der)
                }
            });
            objects.push((net, ps(PS_DEVICE_CERTIFICATE), &identity.certificate));
        }
    }
    if let Some(user) = guests.key_user {
        let place = table.iter().position(|id| *id == user);
        let place = place.with_context(|| format!("ShortId {user} is no guest's"))?;
        // As the kernel counts: -2 is the first of the table.
        let owner = KERNEL - 1 - place as i32;
        objects.push((owner, signing_key(DEVICE_KEY), &identity.key));
    }
    objects.retain(|(_, item, _)| keep(item));

    let mut region = vec![0; map.region("provisioning").map_err(|e| anyhow!(e))?.size as usize];
    let record = Record {
        huk: &random()?,
        iak: &iak,
        seed: &random()?,
        secure_key_hash: &sign::key_hash(&sign::Image::Secure.key())?,
        non_secure_key_hash: &sign::key_hash(&sign::Image::NonSecure.key())?,
        thing_name: &identity.thing,
        endpoint: Endpoint {
            host: &identity.host,
            port: identity.port,
            address: identity.address,
        },
        assembly: identity.assembly,
    };
    let fault = |e| anyhow!("provisioning record: {e:?}");
    let mut encoder = Encoder::new(&mut region, &record, objects.len()).map_err(fault)?;
    for (owner, item, data) in objects {
        let (owner, item) = names(owner, item);
        encoder
            .object(&Object { owner, item, data })
            .map_err(fault)?;
    }
    let size = encoder.finish().map_err(fault)?;
    region.truncate(size);
    let issued = Issued {
        attestation_key,
        station,
    };
    Ok((region, issued))
}

/// Leaves an order for the next boot where a record would lie.
///
/// # Errors
/// Of the flash file.
pub fn order(flash: &FlashFile, order: Order) -> Result<()> {
    flash.erase("provisioning")?;
    flash.write("provisioning", 0, &order.bytes())
}

/// The placeholders that the reference ships must never reach a device.
fn refuse_placeholders(identity: &Identity) -> Result<()> {
    let thing = match identity.template {
        None => "thing name",
        Some(_) => "serial number",
    };
    let names = [(thing, &identity.thing), ("endpoint", &identity.host)];
    let template = identity.template.iter().map(|name| ("template", name));
    for (what, name) in names.into_iter().chain(template) {
        if name.is_empty() {
            bail!("the {what} is empty");
        }
        if placeholder::is_placeholder(name) {
            bail!("the {what} is a placeholder: `{name}`");
        }
    }
    Ok(())
}

/// Random bytes of the host.
///
/// # Errors
/// When it has none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut out)?;
    Ok(out)
}

/// A fresh P-256 private scalar.
fn scalar() -> Result<[u8; 32]> {
    let mut bytes: [u8; 32] = random()?;
    // Below the group's order, which starts with 32 one-bits; and not zero.
    bytes[0] &= 0x7F;
    bytes[31] |= 1;
    Ok(bytes)
}

/// Uncompressed point of an EC public key: the last 65 bytes of its SubjectPublicKeyInfo.
///
/// # Errors
/// Of openssl; names a key of another kind.
pub fn public_point(key: &Path) -> Result<Vec<u8>> {
    let der = public_der(key, &["-outform", "DER"])?;
    let at = der.len().checked_sub(65).filter(|at| der[*at] == 4);
    at.map(|at| der[at..].to_vec())
        .with_context(|| format!("{}: no P-256 key", key.display()))
}

/// PKCS#1 RSAPublicKey, as `psa_import_key` takes it.
fn rsa_public_key(key: &Path) -> Result<Vec<u8>> {
    let out = paths::temporary("public-key");
    shell::run(
        Command::new("openssl")
            .args(["rsa", "-RSAPublicKey_out", "-outform", "DER", "-in"])
            .arg(key)
            .arg("-out")
            .arg(&out),
    )?;
    let der = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    Ok(der)
}

fn public_der(key: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let out = paths::temporary("public-key");
    shell::run(
        Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(key)
            .args(args)
            .arg("-out")
            .arg(&out),
    )?;
    let der = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    Ok(der)
}

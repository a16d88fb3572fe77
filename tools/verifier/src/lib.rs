//! Verifies PSA attestation tokens, and says what they say.
//!
//! Owns the relying party's side of profile `PSA_IOT_PROFILE_1`: signature first, then nonce and
//! instance id, then every mandatory claim by type and size. Shares no code with the device.
//! Does not own whether a measurement is a good one: who knows the images compares.
#![forbid(unsafe_code)]

use coset::cbor::value::Value;
use coset::iana::Algorithm;
use coset::{CborSerializable, CoseSign1, RegisteredLabelWithPrivate, TaggedCborSerializable};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;

/// A software component, as the loader measured it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Component {
    /// Which image, e.g. `SPE`.
    pub kind: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Digest.
    pub measurement: Vec<u8>,
    /// Hash of the key that signed it.
    pub signer: Option<Vec<u8>>,
    /// How it was measured, e.g. `SHA256`.
    pub description: Option<String>,
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub nonce: Vec<u8>,
    pub boot_seed: [u8; 32],
    pub instance_id: [u8; 33],
    pub implementation_id: [u8; 32],
    pub client: i32,
    pub lifecycle: u16,
    pub components: Vec<Component>,
    pub profile: Option<String>,
    pub verification_service: Option<String>,
    pub certificate_reference: Option<String>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The key is no point of P-256.
    Key,
    /// No tagged COSE_Sign1, or bytes behind it.
    Envelope,
    /// Protected header: not exactly ES256.
    Algorithm,
    /// Not signed by this key, or changed since.
    Signature,
    /// The payload is no map with integer labels, or names a label twice.
    Payload,
    /// It answers another challenge.
    Nonce,
    /// It names another device than the one whose key signed it.
    Instance,
    /// A mandatory claim is missing or of the wrong type or size.
    Claim(i64),
    /// A software component without a measurement, or with a field of the wrong type.
    Component,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Key => f.write_str("the key is no point of P-256"),
            Refused::Envelope => f.write_str("no tagged COSE_Sign1"),
            Refused::Algorithm => f.write_str("the algorithm is not ES256"),
            Refused::Signature => f.write_str("not signed by this key"),
            Refused::Payload => f.write_str("the payload is no map of claims"),
            Refused::Nonce => f.write_str("it answers another challenge"),
            Refused::Instance => f.write_str("it names another device"),
            Refused::Claim(label) => write!(f, "claim {label} is missing or malformed"),
            Refused::Component => f.write_str("a software component is malformed"),
        }
    }
}

impl std::error::Error for Refused {}

const PROFILE: i64 = -75000;
const CLIENT_ID: i64 = -75001;
const SECURITY_LIFECYCLE: i64 = -75002;
const IMPLEMENTATION_ID: i64 = -75003;
const BOOT_SEED: i64 = -75004;
const CERTIFICATE_REFERENCE: i64 = -75005;
const SW_COMPONENTS: i64 = -75006;
const NO_SW_COMPONENTS: i64 = -75007;
const NONCE: i64 = -75008;
const INSTANCE_ID: i64 = -75009;
const VERIFICATION_SERVICE: i64 = -75010;

/// Verifies `token` as the answer to `nonce` of the device whose attestation key is `public`
/// (uncompressed point, 65 bytes).
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(token: &[u8], nonce: &[u8], public: &[u8]) -> Result<Claims, Refused> {
    let key = VerifyingKey::from_sec1_bytes(public).map_err(|_| Refused::Key)?;
    let sign1 = CoseSign1::from_tagged_slice(token).map_err(|_| Refused::Envelope)?;
    let es256 = RegisteredLabelWithPrivate::Assigned(Algorithm::ES256);
    if sign1.protected.header.alg != Some(es256) {
        return Err(Refused::Algorithm);
    }
    sign1
        .verify_signature(&[], |signature, data| {
            key.verify(data, &Signature::from_slice(signature)?)
        })
        .map_err(|_| Refused::Signature)?;
    let payload = sign1.payload.as_deref().ok_or(Refused::Payload)?;
    let map = Map::parse(payload)?;
    if map.bytes(NONCE)? != nonce {
        return Err(Refused::Nonce);
    }
    let instance_id: [u8; 33] = map.fixed(INSTANCE_ID)?;
    if instance_id != instance(public) {
        return Err(Refused::Instance);
    }
    let components = match (map.get(SW_COMPONENTS), map.get(NO_SW_COMPONENTS)) {
        (Some(Value::Array(all)), None) if !all.is_empty() => {
            all.iter().map(component).collect::<Result<_, _>>()?
        }
        (None, Some(Value::Integer(one))) if i128::from(*one) == 1 => Vec::new(),
        _ => return Err(Refused::Claim(SW_COMPONENTS)),
    };
    Ok(Claims {
        nonce: nonce.to_vec(),
        boot_seed: map.fixed(BOOT_SEED)?,
        instance_id,
        implementation_id: map.fixed(IMPLEMENTATION_ID)?,
        client: map.number(CLIENT_ID)?,
        lifecycle: map.number(SECURITY_LIFECYCLE)?,
        components,
        profile: map.text(PROFILE)?,
        verification_service: map.text(VERIFICATION_SERVICE)?,
        certificate_reference: map.text(CERTIFICATE_REFERENCE)?,
    })
}

/// Instance id of the device with this attestation key: 0x01 ‖ SHA-256 of its COSE_Key.
pub fn instance(public: &[u8]) -> [u8; 33] {
    let (x, y) = public.get(1..65).unwrap_or(&[0; 64]).split_at(32);
    let key = Value::Map(vec![
        (1.into(), 2.into()),
        ((-1).into(), 1.into()),
        ((-2).into(), Value::Bytes(x.to_vec())),
        ((-3).into(), Value::Bytes(y.to_vec())),
    ]);
    let mut id = [1; 33];
    // Writing to memory cannot fail.
    let encoded = key.to_vec().unwrap_or_default();
    id[1..].copy_from_slice(&Sha256::digest(encoded));
    id
}

struct Map(Vec<(i64, Value)>);

impl Map {
    fn parse(payload: &[u8]) -> Result<Map, Refused> {
        let Ok(Value::Map(entries)) = Value::from_slice(payload) else {
            return Err(Refused::Payload);
        };
        let mut map = Map(Vec::new());
        for (label, value) in entries {
            let label = label.into_integer().map_err(|_| Refused::Payload)?;
            let label = i64::try_from(i128::from(label)).map_err(|_| Refused::Payload)?;
            if map.get(label).is_some() {
                return Err(Refused::Payload);
            }
            map.0.push((label, value));
        }
        Ok(map)
    }

    fn get(&self, label: i64) -> Option<&Value> {
        self.0.iter().find(|(l, _)| *l == label).map(|(_, v)| v)
    }

    fn bytes(&self, label: i64) -> Result<&[u8], Refused> {
        match self.get(label) {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            _ => Err(Refused::Claim(label)),
        }
    }

    fn fixed<const N: usize>(&self, label: i64) -> Result<[u8; N], Refused> {
        let bytes = self.bytes(label)?;
        bytes.try_into().map_err(|_| Refused::Claim(label))
    }

    fn number<T: TryFrom<i128>>(&self, label: i64) -> Result<T, Refused> {
        match self.get(label) {
            Some(Value::Integer(n)) => {
                T::try_from(i128::from(*n)).map_err(|_| Refused::Claim(label))
            }
            _ => Err(Refused::Claim(label)),
        }
    }

    fn text(&self, label: i64) -> Result<Option<String>, Refused> {
        match self.get(label) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refused::Claim(label)),
        }
    }
}

fn component(value: &Value) -> Result<Component, Refused> {
    let Value::Map(entries) = value else {
        return Err(Refused::Component);
    };
    let mut found = Component::default();
    let mut measured = false;
    for (key, value) in entries {
        let Value::Integer(key) = key else {
            return Err(Refused::Component);
        };
        match (i128::from(*key), value) {
            (1, Value::Text(text)) => found.kind = Some(text.clone()),
            (2, Value::Bytes(bytes)) => {
                measured = true;
                found.measurement.clone_from(bytes);
            }
            (4, Value::Text(text)) => found.version = Some(text.clone()),
            (5, Value::Bytes(bytes)) => found.signer = Some(bytes.clone()),
            (6, Value::Text(text)) => found.description = Some(text.clone()),
            (1 | 2 | 4 | 5 | 6, _) => return Err(Refused::Component),
            _ => {}
        }
    }
    measured.then_some(found).ok_or(Refused::Component)
}

/// Name of a security life cycle.
pub fn lifecycle_name(value: u16) -> &'static str {
    match value >> 12 {
        0 => "unknown",
        1 => "assembly and test",
        2 => "PSA RoT provisioning",
        3 => "secured",
        4 => "non-PSA RoT debug",
        5 => "recoverable PSA RoT debug",
        6 => "decommissioned",
        _ => "not defined",
    }
}

impl fmt::Display for Claims {
    /// A claim a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = self.profile.as_deref().unwrap_or("-");
        writeln!(f, "profile            {profile}")?;
        writeln!(f, "nonce              {}", hex(&self.nonce))?;
        writeln!(f, "instance id        {}", hex(&self.instance_id))?;
        let id = &self.implementation_id;
        write!(f, "implementation id  {}", hex(id))?;
        // Ours is text.
        match std::str::from_utf8(id).map(|text| text.trim_end_matches('\0')) {
            Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => writeln!(f, " \"{text}\"")?,
            _ => writeln!(f)?,
        }
        writeln!(f, "boot seed          {}", hex(&self.boot_seed))?;
        writeln!(f, "client id          {}", self.client)?;
        let name = lifecycle_name(self.lifecycle);
        writeln!(f, "life cycle         0x{:04x} {name}", self.lifecycle)?;
        for c in &self.components {
            let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".into());
            writeln!(
                f,
                "component          {} {} {} {} signed by {}",
                text(&c.kind),
                text(&c.version),
                text(&c.description),
                hex(&c.measurement),
                c.signer.as_deref().map_or_else(|| "-".into(), hex)
            )?;
        }
        for (what, text) in [
            ("verification       ", &self.verification_service),
            ("certification      ", &self.certificate_reference),
        ] {
            if let Some(text) = text {
                writeln!(f, "{what}{text}")?;
            }
        }
        Ok(())
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;

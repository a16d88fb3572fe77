//! The provisioning record: CBOR in a frame, as the host tool writes and the device reads it.
//!
//! Owns field numbers, limits, and both directions; `Encoder` is the exact inverse of `Reader`.
//! `Reader` is total over any bytes, borrows everything, and has walked every object before it
//! hands out the first. It does not judge whether a key type or a PSA id makes sense.
//!
//! Frame, at the start of the region, little endian: magic `TSPR` · CBOR length u32 · CRC-32 of
//! the CBOR · reserved 0xFFFFFFFF; the CBOR follows at offset 16. One definite map, keys in
//! ascending order, each present exactly once:
//!
//! | key | value |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 | HUK, bstr 32 |
//! | 2 | IAK, bstr 32 (P-256 private scalar, big endian) |
//! | 3 | entropy seed, bstr 64 |
//! | 4 | `[secure, non-secure]` image key hashes, bstr 32 each (as in imgtool's KEYHASH TLV) |
//! | 5 | thing name, tstr 1..=128 |
//! | 6 | `[host tstr 1..=253, port 1..=65535, IPv4 bstr 4 or null]` |
//! | 7 | array of objects |
//! | 8 | only in a record for a device that stays in assembly and test: true |
//!
//! Object: `[owner i32, kind, id, attributes, data bstr]`, where kind 0 = key (id u32, attributes
//! `[type u16, bits u16, usage u32, algorithm u32]`, lifetime persistent), 1 = ITS and
//! 2 = PS (id u64, attributes = create flags u32).

use crate::cbor::Decoder;
use crate::crc::crc32;
use minicbor::encode::write::Cursor;

/// First word of the region.
pub const MAGIC: u32 = u32::from_le_bytes(*b"TSPR");
/// Bytes before the CBOR.
pub const FRAME: usize = 16;
/// The only version.
pub const VERSION: u32 = 1;
/// Longest thing name, bytes (AWS IoT).
pub const MAX_THING: usize = 128;
/// Longest host name, bytes (RFC 1035).
pub const MAX_HOST: usize = 253;

/// Why a region holds no usable record, or why a record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// The region is erased, or zero: nothing was provisioned, or it was consumed.
    Blank,
    /// The region starts with something else.
    BadMagic,
    /// The length runs past the region.
    BadLength,
    /// The CRC does not match: torn or damaged.
    BadCheck,
    /// Not the CBOR of this module's table.
    Malformed,
    /// A version that this code does not know.
    UnsupportedVersion,
    /// A string or a number is outside its limits.
    OutOfRange,
    /// Bytes after the map.
    TrailingBytes,
    /// The thing name is one that a template ships for somebody to replace.
    PlaceholderThing,
    /// The endpoint is one that a template ships for somebody to replace.
    PlaceholderEndpoint,
    /// Encoding: the buffer is too small.
    NoSpace,
    /// Encoding: another number of objects than announced.
    ObjectCount,
}

fn not_placeholders(thing: &str, host: &str) -> Result<(), RecordError> {
    if placeholder::is_placeholder(thing) {
        return Err(RecordError::PlaceholderThing);
    }
    if placeholder::is_placeholder(host) {
        return Err(RecordError::PlaceholderEndpoint);
    }
    Ok(())
}

/// Where the device connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Name for SNI and the certificate check.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
    /// Address that saves the look-up.
    pub address: Option<[u8; 4]>,
}

/// Everything but the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Hardware unique key.
    pub huk: &'a [u8; 32],
    /// Initial attestation key, P-256 private scalar, big endian.
    pub iak: &'a [u8; 32],
    /// Entropy seed.
    pub seed: &'a [u8; 64],
    /// SHA-256 of the public key that signs the secure image, as in imgtool's KEYHASH TLV.
    pub secure_key_hash: &'a [u8; 32],
    /// The same for the non-secure image.
    pub non_secure_key_hash: &'a [u8; 32],
    /// AWS IoT thing name.
    pub thing_name: &'a str,
    /// Broker.
    pub endpoint: Endpoint<'a>,
    /// The life cycle stays at assembly and test, so that the device can be wiped.
    pub assembly: bool,
}

/// Attributes of a provisioned key; its lifetime is persistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAttributes {
    /// `psa_key_type_t`.
    pub key_type: u16,
    /// Key size, bits.
    pub bits: u16,
    /// `psa_key_usage_t`.
    pub usage: u32,
    /// `psa_algorithm_t`.
    pub algorithm: u32,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A persistent PSA key; the data is what `psa_import_key` takes.
    Key {
        /// `psa_key_id_t`.
        id: u32,
        /// Policy.
        attributes: KeyAttributes,
    },
    /// An object of Internal Trusted Storage.
    Its {
        /// `psa_storage_uid_t`.
        uid: u64,
        /// `psa_storage_create_flags_t`.
        flags: u32,
    },
    /// An object of Protected Storage.
    Ps {
        /// `psa_storage_uid_t`.
        uid: u64,
        /// `psa_storage_create_flags_t`.
        flags: u32,
    },
}

/// One provisioned object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// Client id that owns it: negative for non-secure clients.
    pub owner: i32,
    /// What it is.
    pub item: Item,
    /// Its content.
    pub data: &'a [u8],
}

/// A record that has been checked to its last byte.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    record: Record<'a>,
    objects: &'a [u8],
    count: u64,
}

impl<'a> Reader<'a> {
    /// Checks a region (frame first, anything behind the record is ignored).
    ///
    /// # Errors
    /// Any [`RecordError`] but the encoder's.
    pub fn parse(region: &'a [u8]) -> Result<Self, RecordError> {
        let word = |at: usize| -> Result<u32, RecordError> {
            let bytes = region.get(at..at + 4).ok_or(RecordError::BadLength)?;
            Ok(bytes.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b)))
        };
        match word(0)? {
            MAGIC => {}
            0 | u32::MAX => return Err(RecordError::Blank),
            _ => return Err(RecordError::BadMagic),
        }
        let cbor = region
            .get(FRAME..)
            .and_then(|rest| rest.get(..usize::try_from(word(4).ok()?).ok()?))
            .ok_or(RecordError::BadLength)?;
        if crc32(cbor) != word(8)? {
            return Err(RecordError::BadCheck);
        }
        Self::parse_cbor(cbor)
    }

    /// Checks the CBOR alone.
    ///
    /// # Errors
    /// [`RecordError::Malformed`], [`RecordError::UnsupportedVersion`],
    /// [`RecordError::OutOfRange`], [`RecordError::TrailingBytes`].
    pub fn parse_cbor(cbor: &'a [u8]) -> Result<Self, RecordError> {
        let mut d = Decoder::new(cbor);
        let entries = d.map()?;
        if !(8..=9).contains(&entries) {
            return Err(RecordError::Malformed);
        }
        key(&mut d, 0)?;
        if d.u32()? != VERSION {
            return Err(RecordError::UnsupportedVersion);
        }
        key(&mut d, 1)?;
        let huk = fixed(&mut d)?;
        key(&mut d, 2)?;
        let iak = fixed(&mut d)?;
        key(&mut d, 3)?;
        let seed = fixed(&mut d)?;
        key(&mut d, 4)?;
        expect(d.array()?, 2)?;
        let secure_key_hash = fixed(&mut d)?;
        let non_secure_key_hash = fixed(&mut d)?;
        key(&mut d, 5)?;
        let thing_name = text(&mut d, MAX_THING)?;
        key(&mut d, 6)?;
        expect(d.array()?, 3)?;
        let host = text(&mut d, MAX_HOST)?;
        let port = d.u16()?;
        if port == 0 {
            return Err(RecordError::OutOfRange);
        }
        not_placeholders(thing_name, host)?;
        let address = if d.null() {
            None
        } else {
            Some(*fixed::<4>(&mut d)?)
        };
        key(&mut d, 7)?;
        let count = d.array()?;
        let objects = d.rest();
        for _ in 0..count {
            object(&mut d)?;
        }
        let assembly = entries == 9;
        if assembly {
            key(&mut d, 8)?;
            if !d.bool()? {
                return Err(RecordError::OutOfRange);
            }
        }
        if !d.rest().is_empty() {
            return Err(RecordError::TrailingBytes);
        }
        Ok(Reader {
            record: Record {
                huk,
                iak,
                seed,
                secure_key_hash,
                non_secure_key_hash,
                thing_name,
                endpoint: Endpoint {
                    host,
                    port,
                    address,
                },
                assembly,
            },
            objects,
            count,
        })
    }

    /// Everything but the objects.
    #[must_use]
    pub fn record(&self) -> Record<'a> {
        self.record
    }

    /// The objects, in the order of the record.
    pub fn objects(&self) -> impl Iterator<Item = Object<'a>> + use<'a> {
        let mut d = Decoder::new(self.objects);
        let mut left = self.count;
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            object(&mut d).ok()
        })
    }
}

fn expect(found: u64, wanted: u64) -> Result<(), RecordError> {
    (found == wanted)
        .then_some(())
        .ok_or(RecordError::Malformed)
}

fn key(d: &mut Decoder<'_>, wanted: u32) -> Result<(), RecordError> {
    (d.u32()? == wanted)
        .then_some(())
        .ok_or(RecordError::Malformed)
}

fn fixed<'a, const N: usize>(d: &mut Decoder<'a>) -> Result<&'a [u8; N], RecordError> {
    d.bytes()?.try_into().map_err(|_| RecordError::Malformed)
}

fn text<'a>(d: &mut Decoder<'a>, max: usize) -> Result<&'a str, RecordError> {
    let s = d.str()?;
    (1..=max)
        .contains(&s.len())
        .then_some(s)
        .ok_or(RecordError::OutOfRange)
}

fn object<'a>(d: &mut Decoder<'a>) -> Result<Object<'a>, RecordError> {
    expect(d.array()?, 5)?;
    let owner = d.i32()?;
    let item = match d.u32()? {
        0 => {
            let id = d.u32()?;
            expect(d.array()?, 4)?;
            Item::Key {
                id,
                attributes: KeyAttributes {
                    key_type: d.u16()?,
                    bits: d.u16()?,
                    usage: d.u32()?,
                    algorithm: d.u32()?,
                },
            }
        }
        1 => Item::Its {
            uid: d.u64()?,
            flags: d.u32()?,
        },
        2 => Item::Ps {
            uid: d.u64()?,
            flags: d.u32()?,
        },
        _ => return Err(RecordError::Malformed),
    };
    Ok(Object {
        owner,
        item,
        data: d.bytes()?,
    })
}

/// Writes a record into a buffer, frame included.
#[derive(Debug)]
pub struct Encoder<'a> {
    frame: &'a mut [u8],
    cbor: minicbor::Encoder<Cursor<&'a mut [u8]>>,
    left: usize,
    assembly: bool,
}

impl<'a> Encoder<'a> {
    /// Starts a record of exactly `objects` objects at the start of `region`.
    ///
    /// # Errors
    /// [`RecordError::NoSpace`]; [`RecordError::OutOfRange`] for a name or port outside its limits.
    pub fn new(
        region: &'a mut [u8],
        record: &Record<'_>,
        objects: usize,
    ) -> Result<Self, RecordError> {
        let endpoint = &record.endpoint;
        if !(1..=MAX_THING).contains(&record.thing_name.len())
            || !(1..=MAX_HOST).contains(&endpoint.host.len())
            || endpoint.port == 0
        {
            return Err(RecordError::OutOfRange);
        }
        not_placeholders(record.thing_name, endpoint.host)?;
        let (frame, body) = region
            .split_at_mut_checked(FRAME)
            .ok_or(RecordError::NoSpace)?;
        let mut cbor = minicbor::Encoder::new(Cursor::new(body));
        (|| {
            cbor.map(8 + u64::from(record.assembly))?;
            cbor.u32(0)?.u32(VERSION)?;
            cbor.u32(1)?.bytes(record.huk)?;
            cbor.u32(2)?.bytes(record.iak)?;
            cbor.u32(3)?.bytes(record.seed)?;
            cbor.u32(4)?.array(2)?;
            cbor.bytes(record.secure_key_hash)?;
            cbor.bytes(record.non_secure_key_hash)?;
            cbor.u32(5)?.str(record.thing_name)?;
            cbor.u32(6)?.array(3)?.str(endpoint.host)?;
            cbor.u16(endpoint.port)?;
            match endpoint.address {
                Some(address) => cbor.bytes(&address)?,
                None => cbor.null()?,
            };
            cbor.u32(7)?.array(objects as u64)?;
            Ok(())
        })()
        .map_err(no_space)?;
        Ok(Encoder {
            frame,
            cbor,
            left: objects,
            assembly: record.assembly,
        })
    }

    /// Appends an object.
    ///
    /// # Errors
    /// [`RecordError::NoSpace`]; [`RecordError::ObjectCount`] when all announced were written.
    pub fn object(&mut self, object: &Object<'_>) -> Result<&mut Self, RecordError> {
        self.left = self.left.checked_sub(1).ok_or(RecordError::ObjectCount)?;
        let cbor = &mut self.cbor;
        (|| {
            cbor.array(5)?.i32(object.owner)?;
            match object.item {
                Item::Key { id, attributes: a } => {
                    cbor.u32(0)?.u32(id)?.array(4)?;
                    cbor.u16(a.key_type)?.u16(a.bits)?;
                    cbor.u32(a.usage)?.u32(a.algorithm)?
                }
                Item::Its { uid, flags } => cbor.u32(1)?.u64(uid)?.u32(flags)?,
                Item::Ps { uid, flags } => cbor.u32(2)?.u64(uid)?.u32(flags)?,
            }
            .bytes(object.data)?;
            Ok(())
        })()
        .map_err(no_space)?;
        Ok(self)
    }

    /// Writes the frame; returns the record's length in the region, bytes.
    ///
    /// # Errors
    /// [`RecordError::ObjectCount`] when fewer objects were written than announced;
    /// [`RecordError::NoSpace`].
    pub fn finish(mut self) -> Result<usize, RecordError> {
        if self.left != 0 {
            return Err(RecordError::ObjectCount);
        }
        if self.assembly {
            let ended = self.cbor.u32(8).and_then(|e| e.bool(true));
            ended.map(drop).map_err(no_space)?;
        }
        let cursor = self.cbor.into_writer();
        let len = cursor.position();
        let body = cursor.into_inner();
        let cbor = body.get(..len).ok_or(RecordError::NoSpace)?;
        let words = [MAGIC, len as u32, crc32(cbor), u32::MAX];
        for (to, word) in self.frame.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Ok(FRAME + len)
    }
}

fn no_space(_: minicbor::encode::Error<minicbor::encode::write::EndOfSlice>) -> RecordError {
    RecordError::NoSpace
}

#[cfg(test)]
mod tests {
    use super::*;

    struct XorShift(u64);
    impl XorShift {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }
        fn below(&mut self, n: usize) -> usize {
            (self.next() % n as u64) as usize
        }
        fn bytes<const N: usize>(&mut self) -> [u8; N] {
            core::array::from_fn(|_| self.next() as u8)
        }
    }

    fn random_text(r: &mut XorShift, max: usize) -> String {
        (0..1 + r.below(max))
            .map(|_| (b'a' + r.below(26) as u8) as char)
            .collect()
    }

    fn encode(r: &mut XorShift, region: &mut [u8]) -> usize {
        let (huk, iak, s, ns) = (r.bytes(), r.bytes(), r.bytes(), r.bytes());
        let seed = r.bytes();
        let (thing, host) = (random_text(r, MAX_THING), random_text(r, MAX_HOST));
        let record = Record {
            huk: &huk,
            iak: &iak,
            seed: &seed,
            secure_key_hash: &s,
            non_secure_key_hash: &ns,
            thing_name: &thing,
            endpoint: Endpoint {
                host: &host,
                port: 1 + r.below(65535) as u16,
                address: (r.below(2) == 0).then(|| r.bytes()),
            },
            assembly: r.below(2) == 0,
        };
        let data: Vec<Vec<u8>> = (0..r.below(9))
            .map(|_| (0..r.below(600)).map(|_| r.next() as u8).collect())
            .collect();
        let objects: Vec<Object<'_>> = data
            .iter()
            .map(|data| Object {
                owner: r.next() as i32,
                item: match r.below(3) {
                    0 => Item::Key {
                        id: r.next() as u32,
                        attributes: KeyAttributes {
                            key_type: r.next() as u16,
                            bits: r.next() as u16,
                            usage: r.next() as u32,
                            algorithm: r.next() as u32,
                        },
                    },
                    1 => Item::Its {
                        uid: r.next(),
                        flags: r.below(8) as u32,
                    },
                    _ => Item::Ps {
                        uid: r.next(),
                        flags: r.below(8) as u32,
                    },
                },
                data,
            })
            .collect();
        let mut e = Encoder::new(region, &record, objects.len()).unwrap();
        for o in &objects {
            e.object(o).unwrap();
        }
        let len = e.finish().unwrap();
        let reader = Reader::parse(region).unwrap();
        assert_eq!(reader.record(), record);
        assert_eq!(reader.objects().collect::<Vec<_>>(), objects);
        len
    }

    #[test]
    fn round_trip() {
        let mut r = XorShift(0x5EED_0001);
        for _ in 0..500 {
            encode(&mut r, &mut [0xFF; 8192]);
        }
    }

    #[test]
    fn mutated_records_never_panic_and_bad_frames_are_named() {
        let mut r = XorShift(0x5EED_0002);
        for _ in 0..2_000 {
            let mut region = [0xFF; 8192];
            let len = encode(&mut r, &mut region);
            // Past the CRC, straight into the CBOR parser.
            let mut cbor = region[FRAME..len].to_vec();
            for _ in 0..1 + r.below(4) {
                let at = r.below(cbor.len().min(400));
                cbor[at] = r.next() as u8;
            }
            if let Ok(reader) = Reader::parse_cbor(&cbor) {
                let _ = reader.objects().count();
            }
            let cut = r.below(cbor.len());
            assert!(Reader::parse_cbor(&region[FRAME..][..cut]).is_err());
            // Through the frame: any change of a bit is noticed.
            let at = 4 + r.below(len - 4);
            let mut bad = region;
            bad[at] ^= 1 << r.below(8);
            if !(12..16).contains(&at) {
                let error = Reader::parse(&bad).unwrap_err();
                assert!(matches!(
                    error,
                    RecordError::BadLength | RecordError::BadCheck
                ));
            }
        }
        assert_eq!(Reader::parse(&[0xFF; 64]).unwrap_err(), RecordError::Blank);
        assert_eq!(Reader::parse(&[0; 64]).unwrap_err(), RecordError::Blank);
        assert_eq!(Reader::parse(&[1; 64]).unwrap_err(), RecordError::BadMagic);
        assert_eq!(Reader::parse(&[]).unwrap_err(), RecordError::BadLength);
    }

    #[test]
    fn encoder_reports_what_does_not_fit() {
        let record = Record {
            huk: &[1; 32],
            iak: &[2; 32],
            seed: &[3; 64],
            secure_key_hash: &[4; 32],
            non_secure_key_hash: &[5; 32],
            thing_name: "t",
            endpoint: Endpoint {
                host: "h",
                port: 8883,
                address: None,
            },
            assembly: false,
        };
        for len in 0..256 {
            let mut region = vec![0; len];
            match Encoder::new(&mut region, &record, 0).and_then(Encoder::finish) {
                Ok(n) => assert!(n <= len),
                Err(e) => assert_eq!(e, RecordError::NoSpace),
            }
        }
        let object = Object {
            owner: -2,
            item: Item::Its { uid: 1, flags: 0 },
            data: b"x",
        };
        let mut region = [0; 512];
        let mut e = Encoder::new(&mut region, &record, 1).unwrap();
        e.object(&object).unwrap();
        assert_eq!(e.object(&object).unwrap_err(), RecordError::ObjectCount);
        let mut region = [0; 512];
        let e = Encoder::new(&mut region, &record, 1).unwrap();
        assert_eq!(e.finish().unwrap_err(), RecordError::ObjectCount);
        for (thing_name, host, expected) in [
            ("dummy_thingname", "h", RecordError::PlaceholderThing),
            ("My_Placeholder1", "h", RecordError::PlaceholderThing),
            (
                "t",
                "dummy.endpointid.amazonaws.com",
                RecordError::PlaceholderEndpoint,
            ),
            (
                "t",
                "YOUR_ENDPOINT.example",
                RecordError::PlaceholderEndpoint,
            ),
            ("t", "<endpoint>", RecordError::PlaceholderEndpoint),
        ] {
            let endpoint = Endpoint {
                host,
                ..record.endpoint
            };
            let bad = Record {
                thing_name,
                endpoint,
                ..record
            };
            let refused = Encoder::new(&mut region, &bad, 0).unwrap_err();
            assert_eq!(refused, expected);
        }
        // The device refuses one that another tool wrote.
        let good = Record {
            thing_name: "dummx_thingname",
            ..record
        };
        let len = Encoder::new(&mut region, &good, 0)
            .and_then(Encoder::finish)
            .unwrap();
        let at = region.windows(5).position(|w| w == b"dummx").unwrap();
        region[at + 4] = b'y';
        let refused = Reader::parse_cbor(&region[FRAME..len]).unwrap_err();
        assert_eq!(refused, RecordError::PlaceholderThing);
        let bad = Record {
            thing_name: "",
            ..record
        };
        assert_eq!(
            Encoder::new(&mut region, &bad, 0).unwrap_err(),
            RecordError::OutOfRange
        );
    }
}

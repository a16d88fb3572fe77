//! A simulated device: four slots, scratch, counters, and images made on the spot.
//!
//! Images are signed for [`Quick`], whose hash is real and whose "ECDSA" is a keyed hash, so that
//! thousands of boots take seconds. Real signatures are tested in `signatures.rs`.
#![allow(dead_code)]

use flash::FlashError;
use flash::sim::{Power, SimFlash};
use mcuboot_image::{Header, ImageVersion, PROTECTED_MAGIC, UNPROTECTED_MAGIC, kind};
use ota_loader::crypto::{Digest256, Software, Verify};
use ota_loader::{BootError, Booted, Event, Execution, Loader, SecurityCounters, Slots};

pub struct Quick;

impl Verify for Quick {
    fn sha256(&mut self, data: &[u8]) -> Digest256 {
        Software::default().sha256(data)
    }
    fn ecdsa_p256(&mut self, key: &[u8; 64], digest: &Digest256, signature: &[u8; 64]) -> bool {
        quick_signature(key, digest) == *signature
    }
    fn rsa3072_pss(&mut self, _: &[u8; 384], _: &Digest256, _: &[u8; 384]) -> bool {
        false
    }
}

fn quick_signature(key: &[u8; 64], digest: &Digest256) -> [u8; 64] {
    let mut half = Software::default().sha256(&[&key[..], digest].concat());
    half[0] = 0x7F;
    let mut out = [0; 64];
    out[..32].copy_from_slice(&half);
    out[32..].copy_from_slice(&half);
    out
}

/// Public key of an image, or of a stranger (any other number).
pub fn spki(who: u8) -> Vec<u8> {
    let mut out = vec![
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    out.extend([who; 64]);
    out
}

/// Recipe of an image.
#[derive(Clone)]
pub struct Make {
    pub image: u8,
    pub signer: u8,
    pub version: ImageVersion,
    pub counter: Option<u32>,
    pub dependencies: Vec<(u8, ImageVersion)>,
    pub payload: usize,
    pub flags: u32,
    pub stack_pointer: u32,
    pub reset_vector: u32,
}

pub fn version(major: u8) -> ImageVersion {
    ImageVersion {
        major,
        ..ImageVersion::default()
    }
}

const BASE: [u32; 2] = [0x1100_0000, 0x0108_0000];
pub const RAM_END: u32 = 0x3000;
const HEADER: u32 = 32;

pub fn make(image: u8, major: u8) -> Make {
    Make {
        image,
        signer: image,
        version: version(major),
        counter: Some(1),
        dependencies: Vec::new(),
        payload: 700 + 200 * usize::from(major),
        flags: 0,
        stack_pointer: RAM_END,
        reset_vector: BASE[usize::from(image)] + HEADER + 9,
    }
}

impl Make {
    pub fn build(&self) -> Vec<u8> {
        let tlv = |kind: u16, data: &[u8]| {
            let mut out = kind.to_le_bytes().to_vec();
            out.extend((data.len() as u16).to_le_bytes());
            out.extend(data);
            out
        };
        let area = |magic: u16, entries: Vec<u8>| {
            let mut out = magic.to_le_bytes().to_vec();
            out.extend((entries.len() as u16 + 4).to_le_bytes());
            out.extend(entries);
            out
        };
        let mut entries = Vec::new();
        if let Some(counter) = self.counter {
            entries.extend(tlv(kind::SEC_CNT, &counter.to_le_bytes()));
        }
        for (id, minimum) in &self.dependencies {
            let mut data = vec![*id, 0, 0, 0];
            data.extend(minimum.emit());
            entries.extend(tlv(kind::DEPENDENCY, &data));
        }
        let protected = if entries.is_empty() {
            Vec::new()
        } else {
            area(PROTECTED_MAGIC, entries)
        };
        let header = Header {
            load_addr: 0,
            hdr_size: HEADER as u16,
            protect_tlv_size: protected.len() as u16,
            img_size: self.payload as u32,
            flags: self.flags,
            version: self.version,
        };
        let mut out = header.emit().to_vec();
        out.extend(self.stack_pointer.to_le_bytes());
        out.extend(self.reset_vector.to_le_bytes());
        // Content that differs between images and versions, with an erased-looking stretch.
        out.extend((8..self.payload).map(|i| match i {
            100..300 => 0xFF,
            _ => (i as u8) ^ (self.image << 6) ^ self.version.major.wrapping_mul(37),
        }));
        out.extend(protected);
        let digest = Software::default().sha256(&out);
        let signature = quick_signature(&[self.signer; 64], &digest);
        let mut der = vec![0x30, 68, 2, 32];
        der.extend(&signature[..32]);
        der.extend([2, 32]);
        der.extend(&signature[32..]);
        let mut entries = tlv(kind::SHA256, &digest);
        entries.extend(tlv(kind::PUBKEY, &spki(self.signer)));
        entries.extend(tlv(kind::ECDSA_SIG, &der));
        out.extend(area(UNPROTECTED_MAGIC, entries));
        out
    }
}

#[derive(Clone, Default)]
pub struct MemCounters(pub [u32; 2]);

impl SecurityCounters for MemCounters {
    fn get(&self, image: usize) -> Result<u32, FlashError> {
        Ok(self.0[image])
    }
    fn raise(&mut self, image: usize, value: u32) -> Result<(), FlashError> {
        self.0[image] = self.0[image].max(value);
        Ok(())
    }
}

pub struct Geometry {
    pub slot: u32,
    pub scratch: u32,
    pub block: u32,
}

/// 5 blocks a slot (4 for the image), 3 of scratch (2 for data).
pub const SMALL: Geometry = Geometry {
    slot: 5 * 512,
    scratch: 3 * 512,
    block: 512,
};

pub const BOARD: Geometry = Geometry {
    slot: 0x80000,
    scratch: 0x10000,
    block: 0x1000,
};

pub struct Device<V = Quick> {
    pub power: Power,
    pub loader: Loader<SimFlash, V, MemCounters>,
    pub exec: [Vec<u8>; 2],
    pub boot_data: Vec<u8>,
    pub events: Vec<Event>,
}

impl Device<Quick> {
    pub fn new(geometry: &Geometry, seed: u64) -> Self {
        let hashes = [0, 1].map(|who| Software::default().sha256(&spki(who)));
        Device::with(geometry, seed, Quick, hashes)
    }

    /// Versions 1 of both images in the primaries, as from the factory.
    pub fn factory(geometry: &Geometry, seed: u64) -> Self {
        let mut d = Device::new(geometry, seed);
        d.put_primary(0, &make(0, 1).build());
        d.put_primary(1, &make(1, 1).build());
        d
    }
}

impl<V: Verify> Device<V> {
    pub fn with(geometry: &Geometry, seed: u64, crypto: V, key_hashes: [Digest256; 2]) -> Self {
        let power = Power::new(seed);
        let area = |size| SimFlash::on(&power, size, geometry.block, 1).mapped_too();
        let slots = || Slots {
            primary: area(geometry.slot),
            secondary: area(geometry.slot),
        };
        Device {
            loader: Loader {
                slots: [slots(), slots()],
                scratch: area(geometry.scratch),
                key_hashes,
                counters: MemCounters::default(),
                crypto,
            },
            exec: [0, 1].map(|_| vec![0; geometry.slot as usize]),
            boot_data: vec![0; 0x400],
            events: Vec::new(),
            power,
        }
    }

    pub fn put_primary(&mut self, image: usize, bytes: &[u8]) {
        self.loader.slots[image].primary.data_mut()[..bytes.len()].copy_from_slice(bytes);
    }

    pub fn put_secondary(&mut self, image: usize, bytes: &[u8]) {
        self.loader.slots[image].secondary.data_mut()[..bytes.len()].copy_from_slice(bytes);
    }

    pub fn primary(&self, image: usize) -> &[u8] {
        self.loader.slots[image].primary.data()
    }

    pub fn secondary(&self, image: usize) -> &[u8] {
        self.loader.slots[image].secondary.data()
    }

    pub fn boot(&mut self) -> Result<Booted, BootError> {
        self.boot_with_ram(0x2000..RAM_END)
    }

    pub fn boot_with_ram(&mut self, ram: std::ops::Range<u32>) -> Result<Booted, BootError> {
        self.events.clear();
        let [secure, non_secure] = &mut self.exec;
        let limit = secure.len();
        let execution =
            [(secure, BASE[0]), (non_secure, BASE[1])].map(|(memory, base)| Execution {
                memory,
                base,
                limit,
                ram: ram.clone(),
            });
        let events = &mut self.events;
        self.loader
            .boot(execution, &mut self.boot_data, None, &mut |e| {
                events.push(e)
            })
    }

    /// Boots until power stays on, at most twice (one planned cut).
    pub fn boot_through(&mut self) -> (u32, Booted) {
        for reboots in 0..3 {
            match self.boot() {
                Ok(booted) => return (reboots, booted),
                Err(error) => {
                    assert_eq!(error, BootError::Flash(FlashError::Device), "bricked");
                    assert!(!self.power.is_on(), "device error without a cut");
                    self.power.power_on();
                }
            }
        }
        panic!("bricked");
    }

    pub fn snapshot(&self) -> [Vec<u8>; 5] {
        let [a, b] = &self.loader.slots;
        [
            &a.primary,
            &a.secondary,
            &b.primary,
            &b.secondary,
            &self.loader.scratch,
        ]
        .map(|f| f.data().to_vec())
    }

    pub fn restore(&mut self, snapshot: &[Vec<u8>; 5]) {
        let [a, b] = &mut self.loader.slots;
        let areas = [
            &mut a.primary,
            &mut a.secondary,
            &mut b.primary,
            &mut b.secondary,
            &mut self.loader.scratch,
        ];
        for (area, bytes) in areas.into_iter().zip(snapshot) {
            area.data_mut().copy_from_slice(bytes);
        }
    }
}

pub fn majors(booted: &Booted) -> [u8; 2] {
    booted.images.map(|i| i.version.major)
}

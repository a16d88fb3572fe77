//! Internal trusted storage and protected storage: the same rules for both.

use crate::{Outcome, Rule};
use psa_client::{Status, Transport, its, ps};
use psa_interface::StorageInfo;
use psa_interface::storage::{
    FLAG_NO_CONFIDENTIALITY, FLAG_NO_REPLAY_PROTECTION, FLAG_NONE, FLAG_WRITE_ONCE,
};

/// The rules.
pub const RULES: [Rule; 24] = [
    rule("its-absent", |t| absent(&its(t))),
    rule("its-write-once-later", |t| write_once_later(&its(t))),
    rule("its-write-once", |t| write_once(&its(t))),
    rule("its-full-twice", |t| full_twice(&its(t))),
    rule("its-replace", |t| replace(&its(t))),
    rule("its-info", |t| info(&its(t))),
    rule("its-flags", |t| flags(&its(t))),
    rule("its-lengths", |t| lengths(&its(t))),
    rule("its-offsets", |t| offsets(&its(t))),
    rule("its-empty", |t| empty(&its(t))),
    rule("its-uid-zero", |t| uid_zero(&its(t))),
    rule("its-too-long", |t| too_long(&its(t))),
    rule("ps-absent", |t| absent(&ps(t))),
    rule("ps-write-once-later", |t| write_once_later(&ps(t))),
    rule("ps-write-once", |t| write_once(&ps(t))),
    rule("ps-full-twice", |t| full_twice(&ps(t))),
    rule("ps-replace", |t| replace(&ps(t))),
    rule("ps-info", |t| info(&ps(t))),
    rule("ps-flags", |t| flags(&ps(t))),
    rule("ps-lengths", |t| lengths(&ps(t))),
    rule("ps-offsets", |t| offsets(&ps(t))),
    rule("ps-empty", |t| empty(&ps(t))),
    rule("ps-uid-zero", |t| uid_zero(&ps(t))),
    rule("ps-too-long", |t| too_long(&ps(t))),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

/// One of the two, with what differs.
struct Store<'a> {
    transport: &'a dyn Transport,
    protected: bool,
    /// Longest object.
    longest: usize,
}

fn its(transport: &dyn Transport) -> Store<'_> {
    Store {
        transport,
        protected: false,
        longest: 2048,
    }
}

fn ps(transport: &dyn Transport) -> Store<'_> {
    Store {
        transport,
        protected: true,
        longest: 4096,
    }
}

impl Store<'_> {
    fn set(&self, uid: u64, data: &[u8], flags: u32) -> Result<(), Status> {
        match self.protected {
            false => its::set(&self.transport, uid, data, flags),
            true => ps::set(&self.transport, uid, data, flags),
        }
    }

    fn get(&self, uid: u64, offset: u32, out: &mut [u8]) -> Result<usize, Status> {
        match self.protected {
            false => its::get(&self.transport, uid, offset, out),
            true => ps::get(&self.transport, uid, offset, out),
        }
    }

    fn info(&self, uid: u64) -> Result<StorageInfo, Status> {
        match self.protected {
            false => its::get_info(&self.transport, uid),
            true => ps::get_info(&self.transport, uid),
        }
    }

    fn remove(&self, uid: u64) -> Result<(), Status> {
        match self.protected {
            false => its::remove(&self.transport, uid),
            true => ps::remove(&self.transport, uid),
        }
    }
}

const UID: u64 = 0x5E55_0000_0001;

/// Thirty bytes of no pattern.
const TEXT: [u8; 30] = *b"\x00\x81\xFE what is stored is found.\xFF\x00";

fn text(length: usize) -> &'static [u8] {
    TEXT.get(..length).unwrap_or_default()
}

/// What was never set, and what was removed, is not there; a neighbour does not matter.
fn absent(s: &Store<'_>) -> Outcome {
    let nothing = |uid: u64| -> Outcome {
        let mut out = [0xA5; 16];
        refused!(s.get(uid, 0, &mut out), DOES_NOT_EXIST);
        same!(out, [0xA5; 16]);
        refused!(s.info(uid), DOES_NOT_EXIST);
        refused!(s.remove(uid), DOES_NOT_EXIST);
        Ok(())
    };
    nothing(UID)?;
    need!(s.set(UID, text(16), FLAG_NONE));
    need!(s.set(UID + 1, text(16), FLAG_NONE));
    need!(s.remove(UID));
    nothing(UID)?;
    need!(s.set(UID, text(16), FLAG_NONE));
    nothing(UID - 1)?;
    nothing(UID + (1 << 32))?;
    need!(s.remove(UID));
    need!(s.remove(UID + 1));
    Ok(())
}

/// An object may become write-once with a later set, and then is.
fn write_once_later(s: &Store<'_>) -> Outcome {
    let uid = UID + 0x101;
    let mut out = [0; 8];
    need!(s.set(uid, text(8), FLAG_NONE));
    same!(need!(s.info(uid)).flags, FLAG_NONE);
    need!(s.set(uid, &[0xFF; 4], FLAG_WRITE_ONCE));
    let info = need!(s.info(uid));
    same!((info.size, info.flags), (4, FLAG_WRITE_ONCE));
    want!(s.get(uid, 0, &mut out[..4]), Ok(4));
    same!(out[..4], [0xFF; 4]);
    refused!(s.remove(uid), NOT_PERMITTED);
    Ok(())
}

/// Nobody changes or removes a write-once object, whatever flags they give.
fn write_once(s: &Store<'_>) -> Outcome {
    let uid = UID + 0x102;
    need!(s.set(uid, text(16), FLAG_WRITE_ONCE));
    for (length, flags) in [
        (17, FLAG_WRITE_ONCE),
        (15, FLAG_NONE),
        (16, FLAG_WRITE_ONCE),
    ] {
        refused!(s.remove(uid), NOT_PERMITTED);
        refused!(s.set(uid, &TEXT[30 - length..], flags), NOT_PERMITTED);
        let info = need!(s.info(uid));
        same!((info.size, info.flags), (16, FLAG_WRITE_ONCE));
        let mut out = [0; 16];
        want!(s.get(uid, 0, &mut out), Ok(16));
        same!(out, text(16));
    }
    refused!(s.remove(uid), NOT_PERMITTED);
    Ok(())
}

/// A store that is full says so, and takes as many objects again when they were removed.
fn full_twice(s: &Store<'_>) -> Outcome {
    let data = [0x5A; 512];
    let mut counts = [0; 2];
    for count in &mut counts {
        let full = loop {
            match s.set(UID + 0x200 + *count, &data, FLAG_NONE) {
                Ok(()) => *count += 1,
                Err(status) => break status,
            }
        };
        want!(Err::<(), _>(full), Err(Status::INSUFFICIENT_STORAGE));
        // The refused one is not there; the last one is.
        refused!(s.info(UID + 0x200 + *count), DOES_NOT_EXIST);
        for i in 0..*count {
            need!(s.remove(UID + 0x200 + i));
        }
    }
    same!(counts[0], counts[1]);
    same!(counts[0] >= 10, true);
    Ok(())
}

/// A later set replaces all: a shorter object does not show the longer one's rest.
fn replace(s: &Store<'_>) -> Outcome {
    let mut out = [0; 20];
    need!(s.set(UID, text(20), FLAG_NONE));
    want!(s.get(UID, 0, &mut out), Ok(20));
    same!(out, text(20));
    need!(s.set(UID, text(10), FLAG_NONE));
    let mut out = [0xEE; 20];
    want!(s.get(UID, 0, &mut out), Ok(10));
    same!(out[..10], *text(10));
    same!(out[10..], [0xEE; 10]);
    need!(s.remove(UID));
    Ok(())
}

/// Size and flags are those of the last set.
fn info(s: &Store<'_>) -> Outcome {
    for length in [0, 15, 30, 1] {
        need!(s.set(UID, text(length), FLAG_NONE));
        let mut out = [0; 30];
        want!(s.get(UID, 0, &mut out[..length]), Ok(length));
        same!(out[..length], *text(length));
        let info = need!(s.info(UID));
        same!((info.size as usize, info.flags), (length, FLAG_NONE));
        same!(info.capacity >= info.size, true);
    }
    need!(s.remove(UID));
    Ok(())
}

/// Flags that are taken are told word for word; those that do not exist are refused.
fn flags(s: &Store<'_>) -> Outcome {
    for flags in [
        FLAG_NONE,
        FLAG_NO_CONFIDENTIALITY,
        FLAG_NO_REPLAY_PROTECTION,
        FLAG_NO_CONFIDENTIALITY | FLAG_NO_REPLAY_PROTECTION,
    ] {
        need!(s.set(UID, text(30), flags));
        same!(need!(s.info(UID)).flags, flags);
        need!(s.remove(UID));
    }
    for bit in 3..32 {
        refused!(s.set(UID, text(30), 1 << bit), NOT_SUPPORTED);
        refused!(s.remove(UID), DOES_NOT_EXIST);
    }
    Ok(())
}

/// Reading with the length of before, a shorter and a longer one.
fn lengths(s: &Store<'_>) -> Outcome {
    need!(s.set(UID, text(15), FLAG_NONE));
    need!(s.set(UID, text(30), FLAG_NONE));
    for length in [15, 7] {
        let mut out = [0; 30];
        want!(s.get(UID, 0, &mut out[..length]), Ok(length));
        same!(out[..length], *text(length));
    }
    need!(s.set(UID, text(7), FLAG_NONE));
    for length in [15, 30, 7] {
        let mut out = [0; 30];
        want!(s.get(UID, 0, &mut out[..length]), Ok(7));
        same!(out[..7], *text(7));
        same!(out[7..], [0; 23]);
    }
    need!(s.remove(UID));
    Ok(())
}

/// Every offset inside; at the end nothing; behind it a refusal that shows nothing.
fn offsets(s: &Store<'_>) -> Outcome {
    need!(s.set(UID, text(20), FLAG_NONE));
    for offset in 0..=20 {
        for length in [0, 1, 20 - offset, 30] {
            let mut out = [0; 30];
            let expected = length.min(20 - offset);
            let got = s.get(UID, offset as u32, &mut out[..length]);
            want!(got, Ok(expected));
            same!(out[..expected], TEXT[offset..offset + expected]);
            same!(out[expected..].iter().all(|b| *b == 0), true);
        }
    }
    for offset in [21, 0x7FFF_FFFF, u32::MAX] {
        let mut out = [0xA5; 10];
        refused!(s.get(UID, offset, &mut out), INVALID_ARGUMENT);
        refused!(s.get(UID, offset, &mut []), INVALID_ARGUMENT);
        same!(out, [0xA5; 10]);
    }
    need!(s.remove(UID));
    Ok(())
}

/// An object without bytes exists.
fn empty(s: &Store<'_>) -> Outcome {
    need!(s.set(UID, &[], FLAG_NONE));
    same!(need!(s.info(UID)).size, 0);
    want!(s.get(UID, 0, &mut []), Ok(0));
    want!(s.get(UID, 0, &mut [0; 4]), Ok(0));
    refused!(s.get(UID, 1, &mut []), INVALID_ARGUMENT);
    need!(s.remove(UID));
    refused!(s.info(UID), DOES_NOT_EXIST);
    need!(s.set(UID, &[], FLAG_NONE));
    need!(s.set(UID, text(20), FLAG_NONE));
    same!(need!(s.info(UID)).size, 20);
    need!(s.remove(UID));
    Ok(())
}

/// Uid 0 is no uid.
fn uid_zero(s: &Store<'_>) -> Outcome {
    refused!(s.set(0, text(1), FLAG_NONE), INVALID_ARGUMENT);
    refused!(s.get(0, 0, &mut [0; 1]), INVALID_ARGUMENT);
    refused!(s.info(0), INVALID_ARGUMENT);
    refused!(s.remove(0), INVALID_ARGUMENT);
    Ok(())
}

/// The longest object is taken whole; one byte more is refused, and the old one stands.
fn too_long(s: &Store<'_>) -> Outcome {
    let data = [0xC3; 4097];
    need!(s.set(UID, text(3), FLAG_NONE));
    let more = data.get(..=s.longest).unwrap_or_default();
    refused!(s.set(UID, more, FLAG_NONE), INVALID_ARGUMENT);
    same!(need!(s.info(UID)).size, 3);
    let most = data.get(..s.longest).unwrap_or_default();
    need!(s.set(UID, most, FLAG_NONE));
    let mut out = [0; 4097];
    want!(s.get(UID, 0, &mut out), Ok(s.longest));
    same!(out[..s.longest], *most);
    need!(s.remove(UID));
    Ok(())
}

//! A kernel's app loader as far as an agent sees it, and the files that it takes.
//!
//! Owns places, versions and the one open trial. What the real one does to flash, and what a power
//! cut leaves of it, is tried in `kernel/tests/dynamic.rs`; a reset here is what remains of it there:
//! the copy on trial is gone, everything confirmed stays.

use libtock::platform::ErrorCode;
use ota_agent::{Installed, Loader};
use std::cell::RefCell;
use std::rc::Rc;

/// ShortId of the app.
pub const APP: u32 = 2;
/// Its two places.
pub const PLACES: [u32; 2] = [0x6028_0000, 0x6048_0000];

#[derive(Default)]
pub struct State {
    /// What is confirmed: version and place.
    pub stays: (u32, usize),
    /// What is on trial.
    pub trial: Option<(u32, usize)>,
    /// Being written: place and bytes.
    writing: Option<(usize, Vec<Option<u8>>)>,
    finished: bool,
    /// The kernel accepts no credential.
    pub refuses: bool,
    /// What was started faults.
    pub faults: bool,
    /// The agent itself is what is replaced: it is gone when load returns.
    pub of_agent: bool,
    pub died: bool,
    /// Places that were written, in their order.
    pub places: Vec<usize>,
}

#[derive(Clone)]
pub struct Apps(pub Rc<RefCell<State>>);

impl Apps {
    pub fn new() -> Apps {
        Apps(Rc::new(RefCell::new(State {
            stays: (1, 0),
            ..State::default()
        })))
    }

    /// What a reset leaves.
    pub fn reset(&self) {
        let mut state = self.0.borrow_mut();
        (state.trial, state.writing, state.finished) = (None, None, false);
        state.died = false;
    }

    pub fn runs(&self) -> u32 {
        let state = self.0.borrow();
        state.trial.unwrap_or(state.stays).0
    }
}

impl Loader for Apps {
    fn installed(&self, short_id: u32) -> Option<Installed> {
        let mut state = self.0.borrow_mut();
        if state.faults {
            state.trial = None;
        }
        (short_id == APP).then(|| Installed {
            version: state.trial.unwrap_or(state.stays).0,
            trial: state.trial.is_some(),
        })
    }

    fn begin(&self, address: u32, size: u32) -> Result<(), ErrorCode> {
        let mut state = self.0.borrow_mut();
        assert!(state.writing.is_none(), "the last one was never given up");
        let place = PLACES.iter().position(|p| *p == address);
        let place = place.ok_or(ErrorCode::Invalid)?;
        if state.trial.is_some() || state.stays.1 == place {
            return Err(ErrorCode::Busy);
        }
        state.places.push(place);
        state.writing = Some((place, vec![None; size as usize]));
        Ok(())
    }

    fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), ErrorCode> {
        let mut state = self.0.borrow_mut();
        let (_, there) = state.writing.as_mut().ok_or(ErrorCode::Invalid)?;
        let offset = offset as usize;
        let cells = there.get_mut(offset..offset + bytes.len());
        for (cell, byte) in cells.ok_or(ErrorCode::Invalid)?.iter_mut().zip(bytes) {
            assert_eq!(cell.replace(*byte), None, "written twice");
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), ErrorCode> {
        let mut state = self.0.borrow_mut();
        let (place, bytes) = state.writing.as_ref().ok_or(ErrorCode::Invalid)?;
        let bytes: Option<Vec<u8>> = bytes.iter().copied().collect();
        let bytes = bytes.ok_or(ErrorCode::Invalid)?;
        // Whole, and the member that belongs there.
        assert_eq!(bytes, tbf("app", version_of(&bytes), *place, bytes.len()));
        state.finished = true;
        Ok(())
    }

    fn load(&self, trial_ms: u32) -> Result<(), ErrorCode> {
        assert_eq!(trial_ms, 120_000);
        let mut state = self.0.borrow_mut();
        assert!(state.finished);
        state.finished = false;
        let (place, bytes) = state.writing.take().ok_or(ErrorCode::Invalid)?;
        if state.refuses {
            return Err(ErrorCode::Fail);
        }
        let bytes: Vec<u8> = bytes.into_iter().flatten().collect();
        state.trial = Some((version_of(&bytes), place));
        state.died = state.of_agent;
        Ok(())
    }

    fn abort(&self) {
        let mut state = self.0.borrow_mut();
        (state.writing, state.finished) = (None, false);
    }

    fn confirm(&self, short_id: u32) -> Result<(), ErrorCode> {
        let mut state = self.0.borrow_mut();
        assert_eq!(short_id, APP);
        state.stays = state.trial.take().ok_or(ErrorCode::Invalid)?;
        Ok(())
    }

    fn roll_back(&self, _: u32) {
        self.0.borrow_mut().trial = None;
    }
}

fn version_of(tbf: &[u8]) -> u32 {
    u32::from_le_bytes(*tbf[16 + 4 + 16..].first_chunk().unwrap())
}

/// A TBF for a place; its protected region ends at 0x100.
pub fn tbf(name: &str, version: u32, place: usize, size: usize) -> Vec<u8> {
    let mut tlvs = Vec::new();
    let mut tlv = |kind: u16, value: &[u8]| {
        tlvs.extend(kind.to_le_bytes());
        tlvs.extend((value.len() as u16).to_le_bytes());
        tlvs.extend(value);
        tlvs.resize(tlvs.len().next_multiple_of(4), 0);
    };
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let header = 16 + 24 + 4 + name.len().next_multiple_of(4) + 12 + 8;
    let protected = (0x100 - header) as u32;
    tlv(
        9,
        &words(&[protected, protected, 4096, size as u32, version]),
    );
    tlv(3, name.as_bytes());
    tlv(5, &words(&[0x2107_0000, PLACES[place] + 0x100]));
    tlv(10, &words(&[APP]));
    let mut out = Vec::new();
    out.extend(2u16.to_le_bytes());
    out.extend((header as u16).to_le_bytes());
    out.extend(words(&[size as u32, 1, 0]));
    out.extend(tlvs);
    assert_eq!(out.len(), header);
    let sum = out
        .chunks(4)
        .fold(0, |sum, w| sum ^ u32::from_le_bytes(w.try_into().unwrap()));
    out[12..16].copy_from_slice(&sum.to_le_bytes());
    let rest = out.len()..size;
    out.extend(rest.map(|i| (i * 7 + place + version as usize) as u8));
    out
}

/// An archive of these members.
pub fn tar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in members {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(header);
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// The file of an update: both links, as elf2tab packs them.
pub fn tab(version: u32) -> Vec<u8> {
    tar(&[
        ("metadata.toml", b"tab-version = 1\n".to_vec()),
        (
            "cortex-m55.0x60280000.0x21070000.tbf",
            tbf("app", version, 0, 20_000),
        ),
        (
            "cortex-m55.0x60480000.0x21070000.tbf",
            tbf("app", version, 1, 20_004),
        ),
    ])
}

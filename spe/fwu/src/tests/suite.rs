//! What TF-M's own suite (1001–1006) asks, in its order: candidates of which nothing was written
//! but the header's first 28 bytes, the protected TLVs and the first bytes behind them.

use super::*;

const GENERIC_ERROR: i32 = -132;
const DEPENDENCY_NEEDED: i32 = -156;
const DOES_NOT_EXIST: i32 = -140;
const BAD_STATE: i32 = -137;
const TRAILER: u32 = 4096;

/// A version in the header's and the TLV's form.
fn version(major: u8, minor: u8, revision: u16) -> [u8; 8] {
    let [low, high] = revision.to_le_bytes();
    [major, minor, low, high, 0, 0, 0, 0]
}

/// Header and TLVs of such a candidate, and where the TLVs go.
fn parts(of: [u8; 8], on: u8, least: [u8; 8], record: usize) -> ([u8; 28], Vec<u8>, u32) {
    let mut tlvs = vec![0x50, 0, 4, 0, 0, 0, 3, 1, 0x60, 0, record as u8, 0];
    tlvs.resize(tlvs.len() + record, 0xA5);
    tlvs.extend([0x40, 0, 12, 0, on, 0, 0, 0]);
    tlvs.extend(least);
    let size = tlvs.len() as u8 + 4;
    tlvs.splice(0..0, [0x08, 0x69, size, 0]);
    // An area of 0x150 bytes begins, and no more.
    tlvs.extend([0x07, 0x69, 0x50, 0x01, 0x10]);
    let mut header = [0; 28];
    header[..4].copy_from_slice(&0x96F3_B83Du32.to_le_bytes());
    header[8..12].copy_from_slice(&[0, 4, size, 0]);
    let at = SLOT - TRAILER - tlvs.len() as u32;
    header[12..16].copy_from_slice(&(at - 0x400).to_le_bytes());
    header[20..].copy_from_slice(&of);
    (header, tlvs, at)
}

fn state(s: &mut Fwu<'_>, c: u8) -> FwuState {
    query(s, c).state
}

fn back_to_ready(s: &mut Fwu<'_>, c: u8) {
    assert_eq!(one(s, CANCEL, c), 0);
    assert_eq!(state(s, c), FAILED);
    assert_eq!(one(s, CLEAN, c), 0);
    assert_eq!(state(s, c), READY);
}

#[test]
fn a_candidate_of_its_ends_alone_is_staged_and_rejected() {
    let board = Board::default();
    let mut s = in_state(&board, 0, READY);
    let (header, tlvs, at) = parts(version(0, 0, 0), 1, version(0, 0, 0), 0x5B);
    assert_eq!(tlvs.len(), 128);
    for of in [version(0, 0, 0), version(9, 9, 9)] {
        let mut header = header;
        header[20..].copy_from_slice(&of);
        assert_eq!(start(&mut s, 0), 0);
        assert_eq!(write(&mut s, 0, 0, &header), 0);
        assert_eq!(state(&mut s, 0), WRITING);
        assert_eq!(write(&mut s, 0, at, &tlvs), 0);
        assert_eq!(one(&mut s, FINISH, 0), 0);
        assert_eq!(state(&mut s, 0), CANDIDATE);
        assert_eq!(install(&mut s), 1);
        assert_eq!(state(&mut s, 0), STAGED);
        assert_eq!(reject(&mut s, GENERIC_ERROR), 0);
        let info = query(&mut s, 0);
        assert_eq!((info.state, info.error), (FAILED, GENERIC_ERROR));
        assert_eq!(one(&mut s, CLEAN, 0), 0);
        assert_eq!(state(&mut s, 0), READY);
    }
    assert_eq!(start(&mut s, 0), 0);
    assert_eq!(state(&mut s, 0), WRITING);
    // A block that lies nowhere changes nothing.
    assert!(write(&mut s, 0, u32::MAX, &[0; 16]) < 0);
    back_to_ready(&mut s, 0);
}

#[test]
fn no_third_component() {
    let board = Board::default();
    let mut s = in_state(&board, 0, READY);
    assert_eq!(start(&mut s, 2), DOES_NOT_EXIST);
    assert_eq!(write(&mut s, 2, 0, &[1; 28]), DOES_NOT_EXIST);
    for call in [FINISH, CANCEL, CLEAN] {
        assert_eq!(one(&mut s, call, 2), DOES_NOT_EXIST);
    }
    let status = raw(&mut s, 1010, &[&[2]], &mut [0; 60]);
    assert_eq!(status, DOES_NOT_EXIST);
    assert_eq!(install(&mut s), BAD_STATE);
    assert_eq!(reject(&mut s, GENERIC_ERROR), BAD_STATE);
    assert_eq!(accept(&mut s), BAD_STATE);
}

#[test]
fn a_dependency_is_met_by_a_candidate_and_not_by_a_download() {
    let board = Board::default();
    let mut s = in_state(&board, 0, READY);
    let newer = version(query(&mut s, 1).version.major + 1, 0, 0);
    let (header, tlvs, at) = parts(version(9, 9, 9), 1, newer, 0x5B);
    assert_eq!(start(&mut s, 0), 0);
    assert_eq!(write(&mut s, 0, 0, &header), 0);
    assert_eq!(write(&mut s, 0, at, &tlvs), 0);
    assert_eq!(one(&mut s, FINISH, 0), 0);
    assert_eq!(install(&mut s), DEPENDENCY_NEEDED);
    assert_eq!(state(&mut s, 0), CANDIDATE);
    // The other's header is there; the other is not.
    let (header, tlvs, at) = parts(newer, 0, version(9, 9, 9), 0x5C);
    assert_eq!(start(&mut s, 1), 0);
    assert_eq!(write(&mut s, 1, 0, &header), 0);
    assert_eq!(install(&mut s), DEPENDENCY_NEEDED);
    // One byte less of what begins behind them.
    assert_eq!(write(&mut s, 1, at, &tlvs[..tlvs.len() - 1]), 0);
    assert_eq!(one(&mut s, FINISH, 1), 0);
    assert_eq!(install(&mut s), 1);
    for c in 0..2 {
        assert_eq!(state(&mut s, c), STAGED);
    }
    assert_eq!(reject(&mut s, -133), 0);
    for c in 0..2 {
        assert_eq!(state(&mut s, c), FAILED);
        assert_eq!(one(&mut s, CLEAN, c), 0);
        assert_eq!(state(&mut s, c), READY);
    }
}

/// What is missing at the end of such a candidate is told at install.
#[test]
fn a_candidate_cut_off_in_its_tlvs_fails() {
    let (header, tlvs, at) = parts(version(1, 0, 0), 1, version(0, 0, 0), 0x5B);
    for length in 1..tlvs.len() {
        let board = Board::default();
        let mut s = in_state(&board, 0, WRITING);
        assert_eq!(write(&mut s, 0, 0, &header), 0);
        assert_eq!(write(&mut s, 0, at, &tlvs[..length]), 0);
        assert_eq!(one(&mut s, FINISH, 0), 0);
        let whole = length >= 0x7B + 2;
        assert_eq!(install(&mut s), if whole { 1 } else { -153 }, "{length}");
        assert_eq!(state(&mut s, 0), if whole { STAGED } else { FAILED });
    }
}

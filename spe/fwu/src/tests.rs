//! All ten calls in all states; real images and dependencies; a cut at every flash operation.

use crate::{FwuService, MAX_WRITE_SIZE, Reset, Slots, Watchdog};
use core::cell::Cell;
use flash::sim::{Power, SimFlash, Tear};
use mcuboot_image::{Header, ImageVersion, SwapType, kind, swap_type, trailer};
use psa_interface::fwu::{FwuComponentInfo, FwuState, FwuVersion};
use sha2::{Digest, Sha256};
use spm::{Call, ClientId, Input, Output, Service};

mod suite;

const SLOT: u32 = 16 * 4096;
const READY: FwuState = FwuState::Ready;
const WRITING: FwuState = FwuState::Writing;
const CANDIDATE: FwuState = FwuState::Candidate;
const STAGED: FwuState = FwuState::Staged;
const FAILED: FwuState = FwuState::Failed;
const TRIAL: FwuState = FwuState::Trial;
const REJECTED: FwuState = FwuState::Rejected;
const UPDATED: FwuState = FwuState::Updated;

#[derive(Default)]
struct Board {
    resets: Cell<u32>,
    stops: Cell<u32>,
}
impl Reset for &Board {
    fn reset(&mut self) {
        self.resets.set(self.resets.get() + 1);
    }
}
impl Watchdog for &Board {
    fn stop(&mut self) {
        self.stops.set(self.stops.get() + 1);
    }
}

type Fwu<'a> = FwuService<SimFlash, &'a Board, &'a Board>;

fn slots(power: &Power) -> [Slots<SimFlash>; 2] {
    let sim = || SimFlash::on(power, SLOT, 4096, 1).mapped_too();
    [1, 2].map(|location| Slots {
        primary: sim(),
        secondary: sim(),
        location,
    })
}

fn fwu<'a>(slots: [Slots<SimFlash>; 2], board: &'a Board) -> Fwu<'a> {
    let version = |major| FwuVersion {
        major,
        minor: 2,
        patch: 3,
        build: 4,
    };
    FwuService::new(slots, [version(1), version(5)], board, board).unwrap()
}

/// What the loader leaves when it swapped a test image in.
fn put_on_trial(primary: &mut SimFlash) {
    trailer::write_swap_info(primary, SwapType::Test, 0).unwrap();
    trailer::write_magic(primary).unwrap();
    trailer::set_copy_done(primary).unwrap();
}

/// A well-formed image of `major`.0.0 with dependencies (image, major).
fn image(major: u8, payload: usize, dependencies: &[(u8, u8)]) -> Vec<u8> {
    let mut protected = Vec::new();
    for (id, minimum) in dependencies {
        protected.extend(kind::DEPENDENCY.to_le_bytes());
        protected.extend(12u16.to_le_bytes());
        protected.extend([*id, 0, 0, 0, *minimum, 0, 0, 0, 0, 0, 0, 0]);
    }
    if !protected.is_empty() {
        let total = (protected.len() as u16 + 4).to_le_bytes();
        protected.splice(0..0, [0x08, 0x69, total[0], total[1]]);
    }
    let header = Header {
        load_addr: 0,
        hdr_size: 32,
        protect_tlv_size: protected.len() as u16,
        img_size: payload as u32,
        flags: 0,
        version: ImageVersion {
            major,
            ..Default::default()
        },
    };
    let mut out = header.emit().to_vec();
    out.extend((0..payload).map(|i| (i * 13) as u8));
    out.extend(protected);
    out.extend([0x07, 0x69, 4, 0]);
    out
}

fn raw(s: &mut Fwu<'_>, call_type: i16, inputs: &[&[u8]], out: &mut [u8]) -> i32 {
    let inputs: Vec<Input<'_>> = inputs.iter().map(|i| Input::own(i)).collect();
    s.call(&mut Call {
        client: ClientId(-1),
        call_type,
        inputs: &inputs,
        outputs: &mut [Output::own(out)],
    })
}

fn start(s: &mut Fwu<'_>, c: u8) -> i32 {
    raw(s, 1001, &[&[c], &[]], &mut [])
}
fn write(s: &mut Fwu<'_>, c: u8, at: u32, data: &[u8]) -> i32 {
    raw(s, 1002, &[&[c], &at.to_le_bytes(), data], &mut [])
}
fn one(s: &mut Fwu<'_>, call_type: i16, c: u8) -> i32 {
    raw(s, call_type, &[&[c]], &mut [])
}
const FINISH: i16 = 1003;
const CANCEL: i16 = 1004;
const CLEAN: i16 = 1006;
fn install(s: &mut Fwu<'_>) -> i32 {
    raw(s, 1005, &[], &mut [])
}
fn reject(s: &mut Fwu<'_>, error: i32) -> i32 {
    raw(s, 1007, &[&error.to_le_bytes()], &mut [])
}
fn accept(s: &mut Fwu<'_>) -> i32 {
    raw(s, 1009, &[], &mut [])
}
fn query(s: &mut Fwu<'_>, c: u8) -> FwuComponentInfo {
    let mut out = [0xEE; 60];
    assert_eq!(raw(s, 1010, &[&[c]], &mut out), 0);
    FwuComponentInfo::decode(&out).unwrap()
}

fn download(s: &mut Fwu<'_>, c: u8, bytes: &[u8]) {
    assert_eq!(start(s, c), 0);
    for (i, block) in bytes.chunks(MAX_WRITE_SIZE).enumerate() {
        assert_eq!(write(s, c, (i * MAX_WRITE_SIZE) as u32, block), 0);
    }
    assert_eq!(one(s, FINISH, c), 0);
}

/// A service whose component `c` is in `state`.
fn in_state<'a>(board: &'a Board, c: usize, state: FwuState) -> Fwu<'a> {
    in_state_on(&Power::new(1), board, c, state)
}

fn in_state_on<'a>(power: &Power, board: &'a Board, c: usize, state: FwuState) -> Fwu<'a> {
    let mut slots = slots(power);
    if matches!(state, TRIAL | REJECTED | UPDATED) {
        put_on_trial(&mut slots[c].primary);
    }
    let mut s = fwu(slots, board);
    let id = c as u8;
    match state {
        READY | TRIAL => {}
        WRITING => assert_eq!(start(&mut s, id), 0),
        CANDIDATE => download(&mut s, id, &image(9, 5000, &[])),
        STAGED => {
            download(&mut s, id, &image(9, 5000, &[]));
            assert_eq!(install(&mut s), 1);
        }
        FAILED => {
            assert_eq!(start(&mut s, id), 0);
            assert_eq!(one(&mut s, CANCEL, id), 0);
        }
        REJECTED => assert_eq!(reject(&mut s, -7), 1),
        UPDATED => assert_eq!(accept(&mut s), 0),
    }
    assert_eq!(query(&mut s, id).state, state);
    s
}

fn loader_would(s: &mut Fwu<'_>, c: usize) -> SwapType {
    let slots = s.components[c].slots();
    swap_type(
        &trailer::read(&slots.primary).unwrap(),
        &trailer::read(&slots.secondary).unwrap(),
    )
}

#[test]
fn every_call_in_every_state() {
    let states = [
        READY, WRITING, CANDIDATE, STAGED, FAILED, TRIAL, REJECTED, UPDATED,
    ];
    // Per state: status and next state of each call.
    type Row = (i32, FwuState);
    let bad = |s: FwuState| (-137, s);
    let table = |s: FwuState| -> [Row; 8] {
        let only = |states: &[FwuState], row: Row| if states.contains(&s) { row } else { bad(s) };
        [
            only(&[READY], (0, WRITING)),
            only(&[WRITING], (0, WRITING)),
            only(&[WRITING], (0, CANDIDATE)),
            only(&[WRITING, CANDIDATE], (0, FAILED)),
            only(&[CANDIDATE], (1, STAGED)),
            only(&[FAILED, UPDATED], (0, READY)),
            match s {
                STAGED => (0, FAILED),
                TRIAL => (1, REJECTED),
                _ => bad(s),
            },
            only(&[TRIAL], (0, UPDATED)),
        ]
    };
    for c in 0..2 {
        for state in states {
            for (call, (status, next)) in table(state).into_iter().enumerate() {
                let board = Board::default();
                let mut s = in_state(&board, c, state);
                let before = query(&mut s, 1 - c as u8);
                let stops = board.stops.get();
                let id = c as u8;
                let got = match call {
                    0 => start(&mut s, id),
                    1 => write(&mut s, id, 0, &[1, 2, 3]),
                    2 => one(&mut s, FINISH, id),
                    3 => one(&mut s, CANCEL, id),
                    4 => install(&mut s),
                    5 => one(&mut s, CLEAN, id),
                    6 => reject(&mut s, -1234),
                    _ => accept(&mut s),
                };
                assert_eq!(got, status, "{state:?} call {call}");
                let info = query(&mut s, id);
                assert_eq!(info.state, next, "{state:?} call {call}");
                let expected_error = match (state, next) {
                    (_, FAILED | REJECTED) if call == 6 && got >= 0 => -1234,
                    (REJECTED, REJECTED) => -7,
                    _ => 0,
                };
                assert_eq!(info.error, expected_error);
                assert_eq!(info.candidate_digest == [0; 32], next != CANDIDATE);
                assert_eq!(before, query(&mut s, 1 - id), "the other component");
                let stopped = u32::from(call == 7 && status == 0);
                assert_eq!(board.stops.get() - stops, stopped);
                // What the loader will do follows the state.
                let expected = match next {
                    STAGED => SwapType::Test,
                    TRIAL | REJECTED => SwapType::Revert,
                    _ => SwapType::None,
                };
                assert_eq!(loader_would(&mut s, c), expected, "{state:?} call {call}");
                // Reboot is always possible, and does nothing by itself.
                assert_eq!(raw(&mut s, 1008, &[], &mut []), -132);
                assert_eq!(board.resets.get(), 1);
            }
        }
    }
}

#[test]
fn shapes_and_ids() {
    let board = Board::default();
    let mut s = in_state(&board, 0, READY);
    for call in [1001, 1002, 1003, 1004, 1006, 1010] {
        let wrong: [&[u8]; 2] = [&[], &[0, 0]];
        for id in wrong {
            let status = raw(&mut s, call, &[id, &[0; 4], &[1]], &mut [0; 60]);
            assert_eq!(status, -129, "{call}");
        }
        for id in [2u8, 3, 255] {
            let status = raw(&mut s, call, &[&[id], &[], &[1]], &mut [0; 60]);
            assert_eq!(status, -140, "{call}");
        }
    }
    assert_eq!(raw(&mut s, 1001, &[&[0], &[1]], &mut []), -134);
    assert_eq!(raw(&mut s, 1007, &[&[0; 3]], &mut []), -129);
    assert_eq!(raw(&mut s, 1010, &[&[0]], &mut [0; 59]), -129);
    for call in [0, 1000, 1011, -1] {
        assert_eq!(raw(&mut s, call, &[&[0]], &mut []), -134);
    }
    let info = query(&mut s, 1);
    assert_eq!((info.version.major, info.version.build), (5, 4));
    assert_eq!(
        (info.max_size, info.flags, info.location),
        (SLOT - 4096, 0, 2)
    );
}

#[test]
fn blocks_in_any_order_make_the_downloaded_file() {
    let board = Board::default();
    let file = image(9, 30_000, &[]);
    for seed in 1..20u64 {
        let mut s = in_state(&board, 1, WRITING);
        let mut blocks: Vec<_> = file.chunks(1000).enumerate().collect();
        let mut x = seed;
        for i in (1..blocks.len()).rev() {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            blocks.swap(i, (x % (i as u64 + 1)) as usize);
        }
        for (i, block) in &blocks {
            assert_eq!(write(&mut s, 1, *i as u32 * 1000, block), 0);
        }
        // A block that comes twice changes nothing.
        let (i, block) = blocks[3];
        assert_eq!(write(&mut s, 1, i as u32 * 1000, block), 0);
        assert_eq!(one(&mut s, FINISH, 1), 0);
        let digest: [u8; 32] = Sha256::digest(&file).into();
        assert_eq!(query(&mut s, 1).candidate_digest, digest);
        assert_eq!(query(&mut s, 1).candidate_digest, digest);
    }
    let mut s = in_state(&board, 1, WRITING);
    let room = SLOT - 4096;
    assert_eq!(write(&mut s, 1, room - 1, &[0]), 0);
    for (at, len) in [
        (room, 1),
        (room - 1, 2),
        (SLOT, 1),
        (u32::MAX, 1),
        (u32::MAX - 3, 4096),
        (0, 0),
        (0, MAX_WRITE_SIZE + 1),
    ] {
        assert_eq!(write(&mut s, 1, at, &vec![0; len]), -135, "{at} {len}");
    }
    // Other bytes over written ones: flash says no, and the old ones stand.
    assert_eq!(write(&mut s, 1, 0, &[0x0F]), 0);
    assert_eq!(write(&mut s, 1, 0, &[0xF0]), -146);
    assert_eq!(raw(&mut s, 1002, &[&[1], &[0; 3], &[1]], &mut []), -129);
}

#[test]
fn dependencies_and_malformed_candidates() {
    type Case<'a> = (&'a [(usize, Vec<u8>)], i32);
    let cases: [Case<'_>; 9] = [
        (&[(1, image(6, 100, &[(0, 1)]))], 1),
        (&[(1, image(6, 100, &[(0, 2)]))], -156),
        // Met by the other candidate, not by the running image.
        (&[(1, image(6, 100, &[(0, 2)])), (0, image(2, 100, &[]))], 1),
        // Spoilt by the other candidate.
        (
            &[(1, image(6, 100, &[(0, 1)])), (0, image(0, 100, &[]))],
            -156,
        ),
        (&[(0, image(2, 100, &[(1, 5)]))], 1),
        (&[(0, image(2, 100, &[(1, 5), (1, 6)]))], -156),
        (&[(0, image(2, 100, &[(2, 0)]))], -156),
        (&[(0, vec![0x55; 3000])], -153),
        (
            &[
                (1, image(6, 100, &[])),
                (0, image(2, 4000, &[])[..2000].to_vec()),
            ],
            -153,
        ),
    ];
    for (candidates, expected) in cases {
        let board = Board::default();
        let mut s = in_state(&board, 0, READY);
        for (c, bytes) in candidates {
            download(&mut s, *c as u8, bytes);
        }
        assert_eq!(install(&mut s), expected);
        for (c, bytes) in candidates {
            let info = query(&mut s, *c as u8);
            let broken = mcuboot_image::Manifest::parse(bytes).is_err();
            let state = match expected {
                1 => STAGED,
                -153 if broken => FAILED,
                _ => CANDIDATE,
            };
            assert_eq!(info.state, state);
            assert_eq!(info.error, if broken { -153 } else { 0 });
            let would = loader_would(&mut s, *c);
            assert_eq!(would == SwapType::Test, expected == 1);
        }
    }
}

/// Reboots: RAM state is gone, flash and power stay.
fn reboot<'a>(s: Fwu<'a>, board: &'a Board) -> Fwu<'a> {
    let [a, b] = s.components.map(|mut c| {
        let slots = c.slots();
        Slots {
            primary: slots.primary.clone(),
            secondary: slots.secondary.clone(),
            location: slots.location,
        }
    });
    fwu([a, b], board)
}

#[test]
fn a_cut_anywhere_leaves_before_or_after() {
    type Step = (FwuState, fn(&mut Fwu<'_>) -> i32, [SwapType; 2]);
    let steps: [Step; 6] = [
        (READY, |s| start(s, 1), [SwapType::None, SwapType::None]),
        (CANDIDATE, install, [SwapType::None, SwapType::Test]),
        (STAGED, |s| reject(s, -1), [SwapType::Test, SwapType::None]),
        (TRIAL, accept, [SwapType::Revert, SwapType::None]),
        (
            TRIAL,
            |s| reject(s, -1),
            [SwapType::Revert, SwapType::Revert],
        ),
        (
            UPDATED,
            |s| one(s, CLEAN, 1),
            [SwapType::None, SwapType::None],
        ),
    ];
    let mut cuts = 0;
    for (state, step, outcomes) in steps {
        for tear in Tear::ALL {
            for seed in 0..40 {
                let mut nth = 0;
                loop {
                    let board = Board::default();
                    // The seed decides what is torn how.
                    let power = Power::new(seed);
                    let mut s = in_state_on(&power, &board, 1, state);
                    if state == READY || state == UPDATED {
                        // A worst case for an erase: an old image behind an old request.
                        let old = &mut s.components[1].slots().secondary;
                        old.data_mut()[..9000].fill(0x21);
                    }
                    power.cut_after(nth, tear);
                    let done = step(&mut s) >= 0;
                    power.power_on();
                    let would = loader_would(&mut s, 1);
                    if done {
                        assert_eq!(would, outcomes[1]);
                        break;
                    }
                    cuts += 1;
                    assert!(outcomes.contains(&would), "{state:?} {would:?}");
                    let mut s = reboot(s, &board);
                    assert_eq!(s.on_trial(), would == SwapType::Revert);
                    // And the device takes the next update, or accepts after all.
                    if s.on_trial() {
                        assert_eq!(accept(&mut s), 0);
                        assert_eq!(one(&mut s, CLEAN, 1), 0);
                    }
                    give_up(&mut s, 1);
                    download(&mut s, 1, &image(9, 9000, &[]));
                    assert_eq!(install(&mut s), 1);
                    assert_eq!(loader_would(&mut s, 1), SwapType::Test);
                    nth += 1;
                }
            }
        }
    }
    assert!(cuts > 500, "{cuts}");
}

/// What a client does with whatever it finds after a reset.
fn give_up(s: &mut Fwu<'_>, c: u8) {
    match query(s, c).state {
        WRITING | CANDIDATE => assert_eq!(one(s, CANCEL, c), 0),
        STAGED => assert_eq!(reject(s, 0), 0),
        READY => return,
        other => panic!("{other:?}"),
    }
    assert_eq!(one(s, CLEAN, c), 0);
}

#[test]
fn downloads_and_candidates_survive_a_reset() {
    let board = Board::default();
    let file = image(9, 9000, &[]);
    let mut s = in_state(&board, 1, WRITING);
    assert_eq!(write(&mut s, 1, 4096, &file[4096..8192]), 0);
    let mut s = reboot(s, &board);
    assert_eq!(query(&mut s, 1).state, WRITING);
    assert_eq!(query(&mut s, 0).state, READY);
    // It goes on where it was; only what is missing is sent.
    assert_eq!(write(&mut s, 1, 0, &file[..4096]), 0);
    let mut s = reboot(s, &board);
    assert_eq!(write(&mut s, 1, 8192, &file[8192..]), 0);
    let mut s = reboot(s, &board);
    assert_eq!(one(&mut s, FINISH, 1), 0);
    for _ in 0..2 {
        assert_eq!(query(&mut s, 1).state, CANDIDATE);
        let digest: [u8; 32] = Sha256::digest(&file).into();
        assert_eq!(query(&mut s, 1).candidate_digest, digest);
        s = reboot(s, &board);
    }
    assert_eq!(install(&mut s), 1);
    // Should the loader hold it back, it can be taken back.
    let mut s = reboot(s, &board);
    assert_eq!(query(&mut s, 1).state, STAGED);
    assert_eq!(reject(&mut s, -3), 0);
    assert_eq!(query(&mut s, 1).error, -3);
    let mut s = reboot(s, &board);
    assert_eq!(query(&mut s, 1).state, READY);
    // What was given up does not come back.
    download(&mut s, 1, &file);
    assert_eq!(one(&mut s, CANCEL, 1), 0);
    let mut s = reboot(s, &board);
    assert_eq!(query(&mut s, 1).state, READY);
    assert_eq!(start(&mut s, 1), 0);
}

/// Power goes at every program and erase of a download, torn; the client writes again only what
/// was not acknowledged, and the candidate is the file.
#[test]
fn a_download_resumes_after_a_cut_anywhere() {
    let file = image(9, 6000, &[]);
    let blocks: Vec<_> = file.chunks(1024).enumerate().collect();
    let mut cuts = 0;
    for tear in Tear::ALL {
        for seed in 1..=30 {
            let mut nth = 0;
            loop {
                let board = Board::default();
                let power = Power::new(seed);
                let mut s = in_state_on(&power, &board, 1, READY);
                let old = &mut s.components[1].slots().secondary;
                old.data_mut()[..12_000].fill(0x21);
                power.cut_after(nth, tear);
                let mut durable = vec![false; blocks.len()];
                let mut begun = false;
                let mut resets = 0;
                'run: loop {
                    if !power.is_on() {
                        power.power_on();
                        resets += 1;
                        s = reboot(s, &board);
                        let state = query(&mut s, 1).state;
                        // Nothing that was acknowledged is lost.
                        assert!(
                            !begun || state == WRITING || state == CANDIDATE,
                            "{state:?}"
                        );
                        begun |= state == WRITING;
                        if state == CANDIDATE {
                            break;
                        }
                    }
                    if !begun {
                        if start(&mut s, 1) != 0 {
                            continue;
                        }
                        begun = true;
                    }
                    for (i, block) in &blocks {
                        if !durable[*i] && write(&mut s, 1, *i as u32 * 1024, block) != 0 {
                            continue 'run;
                        }
                        durable[*i] = true;
                    }
                    if one(&mut s, FINISH, 1) == 0 {
                        break;
                    }
                }
                let digest: [u8; 32] = Sha256::digest(&file).into();
                assert_eq!(query(&mut s, 1).candidate_digest, digest, "{nth} {tear:?}");
                power.power_on();
                assert_eq!(install(&mut s), 1);
                if resets == 0 {
                    break;
                }
                cuts += 1;
                nth += 1;
            }
        }
    }
    println!("cut_points {cuts}");
    assert!(cuts > 2_000, "{cuts}");
}

/// Either both requests stand for the loader, or none does; and so with the acceptance.
#[test]
fn both_images_are_staged_and_accepted_as_one() {
    use mcuboot_image::pair;
    let mut cuts = 0;
    for tear in Tear::ALL {
        for seed in 1..=20 {
            let mut nth = 0;
            loop {
                let board = Board::default();
                let power = Power::new(seed);
                let mut s = in_state_on(&power, &board, 0, READY);
                download(&mut s, 0, &image(2, 100, &[]));
                download(&mut s, 1, &image(6, 200, &[]));
                power.cut_after(nth, tear);
                let done = install(&mut s) == 1;
                power.power_on();
                let mut s = reboot(s, &board);
                let states = [0, 1].map(|c| query(&mut s, c).state);
                match states {
                    [STAGED, STAGED] => {}
                    // Candidates again, whatever of the request got through; a torn trailer may
                    // have taken one, whose download begins anew.
                    [a, b] => {
                        assert!(!done && [a, b].iter().all(|s| [CANDIDATE, READY].contains(s)));
                        for c in 0..2 {
                            assert_eq!(loader_would(&mut s, c), SwapType::None);
                            give_up(&mut s, c as u8);
                        }
                        download(&mut s, 0, &image(2, 100, &[]));
                        download(&mut s, 1, &image(6, 200, &[]));
                        assert_eq!(install(&mut s), 1);
                    }
                }
                for c in &mut s.components {
                    let request = trailer::read(&c.slots().secondary).unwrap();
                    assert!(pair::is_requested(&request));
                }
                if done {
                    break;
                }
                cuts += 1;
                nth += 1;
            }
            nth = 0;
            loop {
                let board = Board::default();
                let power = Power::new(seed);
                let mut slots = slots(&power);
                for (i, s) in slots.iter_mut().enumerate() {
                    let number = i as u8 | pair::PAIRED;
                    trailer::write_swap_info(&mut s.primary, SwapType::Test, number).unwrap();
                    trailer::write_magic(&mut s.primary).unwrap();
                    trailer::set_copy_done(&mut s.primary).unwrap();
                }
                let mut s = fwu(slots, &board);
                power.cut_after(nth, tear);
                let _ = accept(&mut s);
                let whole = power.is_on();
                power.power_on();
                // What the loader does first.
                let [a, b] = &mut s.components;
                pair::settle([a.primary(), b.primary()]).unwrap();
                let would = [0, 1].map(|c| loader_would(&mut s, c));
                assert_eq!(would[0], would[1], "{nth} {tear:?}");
                if whole {
                    assert_eq!(would[0], SwapType::None);
                    break;
                }
                cuts += 1;
                nth += 1;
            }
        }
    }
    assert!(cuts > 400, "{cuts}");
}

#[test]
fn a_failed_install_takes_every_request_back() {
    for nth in 0..12 {
        let board = Board::default();
        let mut s = in_state(&board, 0, READY);
        download(&mut s, 0, &image(2, 100, &[]));
        download(&mut s, 1, &image(6, 100, &[]));
        let power = s.components[0].slots().primary.power().clone();
        // The flash fails from some operation on; later it works again, without a reboot.
        power.cut_after(nth, Tear::Before);
        let status = install(&mut s);
        power.power_on();
        if status == 1 {
            assert!(nth >= 4);
            return;
        }
        assert_eq!(status, -146);
        assert_eq!(query(&mut s, 0).state, CANDIDATE);
        assert_eq!(install(&mut s), 1);
        for c in 0..2 {
            assert_eq!(loader_would(&mut s, c), SwapType::Test);
        }
    }
    panic!("install never got through");
}

#[test]
fn trials_of_both_are_accepted_together() {
    let board = Board::default();
    let mut slots = slots(&Power::new(1));
    for s in &mut slots {
        put_on_trial(&mut s.primary);
    }
    let mut s = fwu(slots, &board);
    assert!(s.on_trial());
    assert_eq!(install(&mut s), -137);
    assert_eq!(accept(&mut s), 0);
    assert_eq!(board.stops.get(), 1);
    for c in 0..2 {
        assert_eq!(query(&mut s, c).state, UPDATED);
        assert_eq!(loader_would(&mut s, c.into()), SwapType::None);
    }
    assert_eq!(accept(&mut s), -137);
}

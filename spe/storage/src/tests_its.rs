//! ITS against a model: every cut, torn and twice, churn, damage, and the PSA table.

use crate::{ITS_MAX_SIZE, Its, ItsService, MAX_OBJECTS, Storage};
use core::cell::RefCell;
use flash::sim::{Power, SimFlash, Tear};
use psa_interface::Status;
use psa_interface::storage::{GET, GET_INFO, REMOVE, SET};
use spm::{Call, ClientId, Input, Output, Service};
use std::collections::BTreeMap;

pub(crate) struct XorShift(pub u64);
impl XorShift {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What must be stored: bytes and flags by (client, uid).
pub(crate) type Model = BTreeMap<(i32, u64), (Vec<u8>, u32)>;
/// A change that power interrupted: name, and what would be there now.
pub(crate) type Open = ((i32, u64), Option<(Vec<u8>, u32)>);

pub(crate) fn read<S: Storage>(s: &mut S, name: (i32, u64)) -> Result<(Vec<u8>, u32), Status> {
    let info = s.info(ClientId(name.0), name.1)?;
    let mut data = vec![0; info.size as usize + 1];
    let n = s.get_bytes(ClientId(name.0), name.1, &mut data)?;
    assert_eq!(n, info.size as usize);
    data.truncate(n);
    Ok((data, info.flags))
}

const CLIENTS: [i32; 3] = [-1, -2, 259];

/// One random change, on the store and, if it was done, on the model. `Err` = power is gone.
pub(crate) fn change<S: Storage>(
    r: &mut XorShift,
    s: &mut S,
    model: &mut Model,
    uids: u64,
    max: u64,
) -> Result<(), Open> {
    let name = (CLIENTS[r.below(3) as usize], 1 + r.below(uids));
    let client = ClientId(name.0);
    if r.below(4) == 0 {
        match s.remove(client, name.1) {
            Ok(()) => assert!(model.remove(&name).is_some()),
            Err(Status::DOES_NOT_EXIST) => assert!(!model.contains_key(&name)),
            Err(_) => return Err((name, None)),
        }
        return Ok(());
    }
    let len = if r.below(8) == 0 {
        r.below(max)
    } else {
        r.below(100)
    };
    let (data, flags) = (r.bytes(len as usize), [0, 2, 4, 6][r.below(4) as usize]);
    match s.set_bytes(client, name.1, &data, flags) {
        Ok(()) => {
            model.insert(name, (data, flags));
        }
        Err(Status::INSUFFICIENT_STORAGE) => {}
        Err(_) => return Err((name, Some((data, flags)))),
    }
    Ok(())
}

/// The store equals the model; the interrupted object may be new instead.
pub(crate) fn check<S: Storage>(s: &mut S, model: &mut Model, uids: u64, open: Option<Open>) {
    for client in CLIENTS {
        for uid in 1..=uids {
            let name = (client, uid);
            let got = match read(s, name) {
                Ok(found) => Some(found),
                Err(Status::DOES_NOT_EXIST) => None,
                Err(e) => panic!("{name:?}: {e}"),
            };
            if let Some((n, new)) = &open
                && *n == name
                && got == *new
            {
                match new {
                    Some(v) => model.insert(name, v.clone()),
                    None => model.remove(&name),
                };
                continue;
            }
            assert_eq!(got.as_ref(), model.get(&name), "{name:?}");
        }
    }
}

#[test]
fn every_cut_leaves_old_or_new() {
    let mut cuts = 0u64;
    for tear in Tear::ALL {
        for seed in 1..=60u64 {
            let power = Power::new(seed);
            // Four blocks: compaction all the time.
            let mut flash = SimFlash::on(&power, 4 * 8192, 4096, 1);
            if seed % 2 == 0 {
                flash = flash.mapped_too();
            }
            let mut r = XorShift(seed * 0x9E37_79B9);
            let mut its = Its::new(flash);
            let mut model = Model::new();
            for _ in 0..120 {
                power.cut_after(r.below(40), tear);
                let open = loop {
                    if let Err(open) = change(&mut r, &mut its, &mut model, 6, ITS_MAX_SIZE.into())
                    {
                        break open;
                    }
                };
                // Recovery is cut too, up to three times.
                for _ in 0..r.below(4) {
                    power.power_on();
                    power.cut_after(r.below(4), Tear::ALL[r.below(3) as usize]);
                    let _ = its.mount();
                    its = Its::new(its.into_flash());
                    cuts += 1;
                }
                power.power_on();
                cuts += 1;
                // Half the time without a reboot: the index is read again by itself.
                if r.below(2) == 0 {
                    its = Its::new(its.into_flash());
                }
                check(&mut its, &mut model, 6, Some(open));
            }
        }
    }
    assert!(cuts > 40_000, "{cuts}");
}

#[test]
fn every_operation_of_a_churn_is_cut_once() {
    for tear in Tear::ALL {
        let mut cut = 0;
        loop {
            let power = Power::new(cut + 1);
            let mut its = Its::new(SimFlash::on(&power, 3 * 8192, 8192, 4));
            let mut r = XorShift(77);
            let mut model = Model::new();
            power.cut_after(cut, tear);
            let mut open = None;
            for _ in 0..150 {
                if let Err(o) = change(&mut r, &mut its, &mut model, 4, 1500) {
                    open = Some(o);
                    break;
                }
            }
            let done = open.is_none();
            power.power_on();
            let mut its = Its::new(its.into_flash());
            check(&mut its, &mut model, 4, open);
            for _ in 0..40 {
                change(&mut r, &mut its, &mut model, 4, 1500).unwrap();
            }
            check(&mut Its::new(its.into_flash()), &mut model, 4, None);
            if done {
                assert!(cut > 500, "{cut}");
                break;
            }
            cut += 1;
        }
    }
}

#[test]
fn churn_keeps_everything() {
    let mut its = Its::new(SimFlash::new(16 * 8192, 4096, 1).mapped_too());
    let mut model = Model::new();
    let mut r = XorShift(5);
    for i in 0..20_000 {
        change(&mut r, &mut its, &mut model, 20, ITS_MAX_SIZE.into()).unwrap();
        if i % 500 == 0 {
            its = Its::new(its.into_flash());
            check(&mut its, &mut model, 20, None);
        }
    }
    assert!(model.len() > 30);
}

#[test]
fn removed_and_replaced_secrets_are_gone_at_once() {
    let mut its = Its::new(SimFlash::new(16 * 8192, 4096, 1));
    let client = ClientId(259);
    let secret = |n: u8| -> Vec<u8> { (0..300u32).map(|i| (i * 7) as u8 ^ n).collect() };
    let seen =
        |its: &Its<SimFlash>, s: &[u8]| its.flash().data().windows(24).any(|w| w == &s[100..124]);
    its.set_bytes(client, 1, &secret(1), 0).unwrap();
    assert!(seen(&its, &secret(1)));
    its.set_bytes(client, 1, &secret(2), 0).unwrap();
    assert!(!seen(&its, &secret(1)) && seen(&its, &secret(2)));
    its.remove(client, 1).unwrap();
    assert!(!seen(&its, &secret(2)));
    // A set that power interrupted leaves nothing after the next mount either.
    for cut in 0..6 {
        its.flash().power().cut_after(cut, Tear::Prefix);
        let done = its.set_bytes(client, 2, &secret(3), 0).is_ok();
        assert_eq!(done, cut == 5);
        its.flash().power().power_on();
        its.mount().unwrap();
        if its.info(client, 2).is_ok() {
            its.remove(client, 2).unwrap();
        }
        assert!(!seen(&its, &secret(3)), "{cut}");
    }
}

#[test]
fn damage_is_reported_and_never_panics() {
    let mut its = Its::new(SimFlash::new(16 * 8192, 4096, 1));
    its.set_bytes(ClientId(-1), 7, b"precious bytes", 0)
        .unwrap();
    let at = its
        .flash()
        .data()
        .windows(8)
        .position(|w| w == b"precious")
        .unwrap();
    let mut flash = its.into_flash();
    flash.data_mut()[at] ^= 1;
    let mut its = Its::new(flash);
    let mut to = [0; 16];
    assert_eq!(
        its.get_bytes(ClientId(-1), 7, &mut to),
        Err(Status::DATA_CORRUPT)
    );
    assert_eq!(to, [0; 16]);
    its.set_bytes(ClientId(-1), 7, b"again", 0).unwrap();
    assert_eq!(its.get_bytes(ClientId(-1), 7, &mut to), Ok(5));

    let mut r = XorShift(99);
    for round in 0..400 {
        for _ in 0..40 {
            let (client, uid) = (ClientId(-(r.below(3) as i32)), r.below(9));
            let len = r.below(700) as usize;
            let _ = its.set_bytes(client, uid, &r.bytes(len), 0);
            let _ = its.remove(client, r.below(9));
        }
        let mut flash = its.into_flash();
        let size = flash.data().len() as u64;
        for _ in 0..1 + r.below(60) {
            let at = r.below(if round % 2 == 0 { size } else { 9000 }) as usize;
            flash.data_mut()[at] = r.next() as u8;
        }
        if round % 40 == 0 {
            let noise = r.bytes(size as usize);
            flash.data_mut().copy_from_slice(&noise);
        }
        its = Its::new(flash);
        its.mount().unwrap();
        for uid in 0..9 {
            for client in -3..0 {
                match read(&mut its, (client, uid)) {
                    Ok(_) | Err(Status::DOES_NOT_EXIST | Status::DATA_CORRUPT) => {}
                    Err(e) => assert_eq!((uid, e), (0, Status::INVALID_ARGUMENT)),
                }
            }
        }
    }
}

/// One call over the wire.
pub(crate) fn wire(
    service: &mut impl Service,
    client: i32,
    call_type: i16,
    inputs: &[&[u8]],
    out: Option<&mut [u8]>,
) -> (i32, usize) {
    let inputs: Vec<Input<'_>> = inputs.iter().map(|i| Input::own(i)).collect();
    let mut outputs: Vec<Output<'_>> = out.into_iter().map(Output::own).collect();
    let status = service.call(&mut Call {
        client: ClientId(client),
        call_type,
        inputs: &inputs,
        outputs: &mut outputs,
    });
    (status, outputs.first().map_or(0, Output::written))
}

/// The table of PSA Secure Storage as TF-M answers it, for either service.
pub(crate) fn psa_table(service: &mut impl Service, max: usize, unknown: i32) {
    let uid = |n: u64| n.to_le_bytes();
    let word = |n: u32| n.to_le_bytes();
    let set = |s: &mut _, c, u, data: &[u8], flags| {
        wire(s, c, SET, &[&uid(u), data, &word(flags)], None).0
    };
    let mut buf = vec![0xEE; 4200];
    // uid 0
    assert_eq!(set(service, -1, 0, b"x", 0), -135);
    assert_eq!(
        wire(service, -1, GET, &[&uid(0), &word(0)], Some(&mut buf)),
        (-135, 0)
    );
    assert_eq!(
        wire(service, -1, GET_INFO, &[&uid(0)], Some(&mut [0; 12])),
        (-135, 0)
    );
    assert_eq!(wire(service, -1, REMOVE, &[&uid(0)], None).0, -135);
    // absent
    assert_eq!(
        wire(service, -1, GET, &[&uid(5), &word(0)], Some(&mut buf)),
        (-140, 0)
    );
    assert_eq!(
        wire(service, -1, GET_INFO, &[&uid(5)], Some(&mut [0; 12])),
        (-140, 0)
    );
    assert_eq!(wire(service, -1, REMOVE, &[&uid(5)], None).0, -140);
    // flags, limits
    for bit in 3..32 {
        assert_eq!(set(service, -1, 5, b"x", 1 << bit), -134);
    }
    assert_eq!(set(service, -1, 5, &vec![1; max + 1], 0), -135);
    assert_eq!(set(service, -1, 5, &vec![1; 70_000], 0), -135);
    assert_eq!(set(service, -1, 5, &vec![1; max], 6), 0);
    assert_eq!(
        wire(service, -1, GET, &[&uid(5), &word(0)], Some(&mut buf)),
        (0, max)
    );
    assert_eq!(&buf[..max], &vec![1; max]);
    let mut info = [0; 12];
    assert_eq!(
        wire(service, -1, GET_INFO, &[&uid(5)], Some(&mut info)),
        (0, 12)
    );
    assert_eq!(info[..8], [word(max as u32), word(max as u32)].concat());
    assert_eq!(info[8..], word(6));
    // owner
    assert_eq!(
        wire(service, -2, GET, &[&uid(5), &word(0)], Some(&mut buf)),
        (-140, 0)
    );
    assert_eq!(wire(service, -2, REMOVE, &[&uid(5)], None).0, -140);
    assert_eq!(set(service, -2, 5, b"mine", 0), 0);
    // smaller, offsets, truncation
    assert_eq!(set(service, -1, 5, b"hello", 0), 0);
    assert_eq!(
        wire(service, -1, GET, &[&uid(5), &word(1)], Some(&mut buf[..3])),
        (0, 3)
    );
    assert_eq!(&buf[..3], b"ell");
    assert_eq!(
        wire(service, -1, GET, &[&uid(5), &word(2)], Some(&mut buf)),
        (0, 3)
    );
    assert_eq!(
        wire(service, -1, GET, &[&uid(5), &word(5)], Some(&mut buf)),
        (0, 0)
    );
    assert_eq!(
        wire(service, -1, GET, &[&uid(5), &word(6)], Some(&mut buf)),
        (-135, 0)
    );
    assert_eq!(
        wire(
            service,
            -1,
            GET,
            &[&uid(5), &word(u32::MAX)],
            Some(&mut buf)
        ),
        (-135, 0)
    );
    assert_eq!(wire(service, -1, GET, &[&uid(5), &word(0)], None), (0, 0));
    // empty
    assert_eq!(set(service, -1, 6, b"", 0), 0);
    assert_eq!(
        wire(service, -1, GET, &[&uid(6), &word(0)], Some(&mut buf)),
        (0, 0)
    );
    assert_eq!(wire(service, -1, REMOVE, &[&uid(6)], None).0, 0);
    // WRITE_ONCE
    assert_eq!(set(service, -1, 7, b"fixed", 1), 0);
    assert_eq!(set(service, -1, 7, b"other", 0), -133);
    assert_eq!(wire(service, -1, REMOVE, &[&uid(7)], None).0, -133);
    assert_eq!(
        wire(service, -1, GET, &[&uid(7), &word(0)], Some(&mut buf)),
        (0, 5)
    );
    // shapes
    assert_eq!(
        wire(service, -1, SET, &[&[1; 7], b"", &word(0)], None).0,
        -129
    );
    assert_eq!(
        wire(service, -1, SET, &[&uid(9), b"", &[0; 3]], None).0,
        -129
    );
    assert_eq!(wire(service, -1, SET, &[&uid(9), b"x"], None).0, -129);
    assert_eq!(wire(service, -1, GET, &[&uid(7)], Some(&mut buf)).0, -129);
    assert_eq!(
        wire(service, -1, GET_INFO, &[&uid(7)], Some(&mut [0; 11])).0,
        -129
    );
    assert_eq!(wire(service, -1, GET_INFO, &[&uid(7)], None).0, -129);
    assert_eq!(wire(service, -1, GET_INFO, &[], Some(&mut [0; 12])).0, -129);
    for unknown_type in [0, 1000, 1006, -1] {
        assert_eq!(wire(service, -1, unknown_type, &[], None).0, unknown);
    }
    // another's is still there
    assert_eq!(
        wire(service, -2, GET, &[&uid(5), &word(0)], Some(&mut buf)),
        (0, 4)
    );
    assert_eq!(&buf[..4], b"mine");
}

#[test]
fn answers_as_the_table_says() {
    let its = RefCell::new(Its::new(SimFlash::new(16 * 8192, 4096, 1).mapped_too()));
    psa_table(&mut ItsService(&its), ITS_MAX_SIZE as usize, -134);
    assert_eq!(
        wire(&mut ItsService(&its), -1, 1005, &[], Some(&mut [0; 4])).0,
        -134
    );
    let _held = its.borrow_mut();
    let busy = wire(
        &mut ItsService(&its),
        -1,
        GET_INFO,
        &[&[1; 8]],
        Some(&mut [0; 12]),
    );
    assert_eq!(busy.0, -131);
}

#[test]
fn full_is_full_and_room_comes_back() {
    let mut its = Its::new(SimFlash::new(16 * 8192, 4096, 1));
    for uid in 1..=MAX_OBJECTS as u64 {
        its.set_bytes(ClientId(-3), uid, &[uid as u8; 64], 0)
            .unwrap();
    }
    let full = its.set_bytes(ClientId(-3), 1000, b"x", 0);
    assert_eq!(full, Err(Status::INSUFFICIENT_STORAGE));
    its.set_bytes(ClientId(-3), 1, b"replacing is possible", 0)
        .unwrap();
    let mut big = 0;
    for uid in 1..=MAX_OBJECTS as u64 {
        match its.set_bytes(ClientId(-3), uid, &[uid as u8; ITS_MAX_SIZE as usize], 0) {
            Ok(()) => big += 1,
            Err(e) => {
                assert_eq!(e, Status::INSUFFICIENT_STORAGE);
                let (old, _) = read(&mut its, (-3, uid)).unwrap();
                assert!(old.len() < 2048 && !old.is_empty());
            }
        }
    }
    // 14 of 16 blocks, three large objects each, is what a person would call full.
    assert!(big >= 40, "{big}");
    for uid in 1..=MAX_OBJECTS as u64 {
        its.remove(ClientId(-3), uid).unwrap();
    }
    assert_eq!(its.uids(ClientId(-3)).unwrap().count(), 0);
    its.set_bytes(ClientId(-3), 1, &[3; ITS_MAX_SIZE as usize], 0)
        .unwrap();
}

#[test]
fn unusable_flash_is_a_storage_failure() {
    for (size, erase, write) in [(8192, 8192, 1), (65536, 16384, 1), (65536, 4096, 8)] {
        let mut its = Its::new(SimFlash::new(size, erase, write));
        assert_eq!(its.mount(), Err(Status::STORAGE_FAILURE));
        let set = its.set_bytes(ClientId(-1), 1, b"x", 0);
        assert_eq!(set, Err(Status::STORAGE_FAILURE));
    }
}

#[test]
fn a_wipe_leaves_no_trace_and_can_be_cut_anywhere() {
    let client = ClientId(-5);
    for tear in Tear::ALL {
        for cut in 0..8 {
            let power = Power::new(cut + 1);
            let mut its = Its::new(SimFlash::on(&power, 4 * 8192, 4096, 1));
            for uid in 1..=5u64 {
                its.set_bytes(client, uid, &[0x5A; 40], (uid % 2) as u32)
                    .unwrap();
            }
            power.cut_after(cut, tear);
            let _ = its.wipe();
            power.power_on();
            let mut its = Its::new(its.into_flash());
            let _ = its.mount();
            its.wipe().unwrap();
            assert!(!its.flash().data().windows(8).any(|w| w == [0x5A; 8]));
            for uid in 1..=5 {
                assert_eq!(its.info(client, uid), Err(Status::DOES_NOT_EXIST));
                its.set_bytes(client, uid, b"new", 0).unwrap();
            }
        }
    }
}

//! PS against a model: every cut of flash and counters, replay, forgery, damage, the PSA table.

use crate::tests_its::{Model, XorShift, change, check, psa_table, read, wire};
use crate::{PS_MAX_SIZE, Ps, PsFault, PsService, Storage};
use core::cell::RefCell;
use flash::sim::{Power, SimFlash, Tear};
use provisioning::OtpCounters;
use psa_interface::Status;
use spm::ClientId;

const HUK: [u8; 32] = [0x42; 32];
type Otp = OtpCounters<SimFlash>;

fn otp(power: &Power) -> Otp {
    OtpCounters::mount(SimFlash::on(power, 8 * 4096, 4096, 1)).unwrap()
}

fn ps(blocks: u32) -> Ps<SimFlash, Otp> {
    let power = Power::new(3);
    let flash = SimFlash::on(&power, blocks * 8192, 4096, 1).mapped_too();
    Ps::new(flash, otp(&power), &HUK)
}

fn reboot(ps: Ps<SimFlash, Otp>) -> Ps<SimFlash, Otp> {
    let (flash, mut counters) = ps.into_parts();
    let counters = OtpCounters::mount(counters.flash().clone()).unwrap();
    Ps::new(flash, counters, &HUK)
}

fn restore(ps: Ps<SimFlash, Otp>, dump: &[u8]) -> Ps<SimFlash, Otp> {
    let mut ps = reboot(ps);
    let (mut flash, counters) = ps.into_parts();
    flash.data_mut().copy_from_slice(dump);
    ps = Ps::new(flash, counters, &HUK);
    ps
}

fn dump(ps: &Ps<SimFlash, Otp>) -> Vec<u8> {
    ps.flash().data().to_vec()
}

#[test]
fn every_cut_leaves_old_or_new_and_never_locks() {
    let mut cuts = 0u64;
    for tear in Tear::ALL {
        for seed in 1..=40u64 {
            let power = Power::new(seed);
            let flash = SimFlash::on(&power, 4 * 8192, 4096, 1);
            let flash = if seed % 2 == 0 {
                flash.mapped_too()
            } else {
                flash
            };
            let mut r = XorShift(seed * 0x51ED_2701);
            let mut ps = Ps::new(flash, otp(&power), &HUK);
            let mut model = Model::new();
            for _ in 0..80 {
                power.cut_after(r.below(50), tear);
                let open = loop {
                    if let Err(open) = change(&mut r, &mut ps, &mut model, 5, 2500) {
                        break open;
                    }
                };
                for _ in 0..r.below(4) {
                    power.power_on();
                    ps = reboot(ps);
                    power.cut_after(r.below(5), Tear::ALL[r.below(3) as usize]);
                    let _ = ps.mount();
                    cuts += 1;
                }
                power.power_on();
                cuts += 1;
                if r.below(2) == 0 {
                    ps = reboot(ps);
                }
                check(&mut ps, &mut model, 5, Some(open));
            }
        }
    }
    assert!(cuts > 20_000, "{cuts}");
}

#[test]
fn every_operation_of_a_churn_is_cut_once() {
    for tear in Tear::ALL {
        let mut cut = 0;
        loop {
            let power = Power::new(cut + 1);
            let flash = SimFlash::on(&power, 3 * 8192, 8192, 4);
            let mut ps = Ps::new(flash, otp(&power), &HUK);
            let mut r = XorShift(78);
            let mut model = Model::new();
            power.cut_after(cut, tear);
            let mut open = None;
            for _ in 0..60 {
                if let Err(o) = change(&mut r, &mut ps, &mut model, 4, 1500) {
                    open = Some(o);
                    break;
                }
            }
            let done = open.is_none();
            power.power_on();
            let mut ps = reboot(ps);
            check(&mut ps, &mut model, 4, open);
            for _ in 0..10 {
                change(&mut r, &mut ps, &mut model, 4, 1500).unwrap();
            }
            check(&mut reboot(ps), &mut model, 4, None);
            if done {
                assert!(cut > 400, "{cut}");
                break;
            }
            cut += 1;
        }
    }
}

#[test]
fn an_old_dump_is_refused() {
    let client = ClientId(-2);
    let mut p = ps(8);
    let blank = dump(&p);
    p.set_bytes(client, 1, b"first", 0).unwrap();
    let one = dump(&p);
    p.set_bytes(client, 1, b"second", 0).unwrap();
    p.set_bytes(client, 2, b"other", 0).unwrap();
    let two = dump(&p);
    p.remove(client, 2).unwrap();
    let removed = dump(&p);
    // Control: the present dump is taken, as is a reboot.
    let mut p = restore(p, &removed);
    assert_eq!(read(&mut p, (-2, 1)).unwrap().0, b"second");
    for old in [&blank, &one, &two] {
        p = restore(p, old);
        let mut to = [0; 8];
        assert_eq!(
            p.get_bytes(client, 1, &mut to),
            Err(Status::INVALID_SIGNATURE)
        );
        assert_eq!(
            p.set_bytes(client, 1, b"x", 0),
            Err(Status::INVALID_SIGNATURE)
        );
        assert_eq!(p.info(client, 1), Err(Status::INVALID_SIGNATURE));
        assert_eq!(p.remove(client, 1), Err(Status::INVALID_SIGNATURE));
        assert_eq!(p.fault(), Some(PsFault::Replayed));
        assert_eq!(to, [0; 8]);
    }
    let mut p = restore(p, &removed);
    assert_eq!(read(&mut p, (-2, 1)).unwrap().0, b"second");
}

#[test]
fn a_cut_change_cannot_be_brought_back_later() {
    // Both outcomes of a cut change are possible at the next boot, but only once.
    for outcome_first in [false, true] {
        let client = ClientId(-2);
        let mut p = ps(8);
        p.set_bytes(client, 1, b"old", 0).unwrap();
        let before = dump(&p);
        let power = p.flash().power().clone();
        // One counter write, then header, data, CRC, commit; cut at the second counter write.
        power.cut_after(1 + 4, Tear::Before);
        p.set_bytes(client, 1, b"new", 0).unwrap_err();
        power.power_on();
        let mut committed = None;
        for extra in 0..4 {
            let mut q = reboot(p);
            if read(&mut q, (-2, 1)).unwrap().0 == b"new" {
                committed = Some(dump(&q));
                p = q;
                break;
            }
            power.cut_after(1 + 4 + extra, Tear::Before);
            q.set_bytes(client, 1, b"new", 0).unwrap_err();
            power.power_on();
            p = q;
        }
        let after = committed.unwrap();
        if outcome_first {
            // The new state was seen: the old one is gone for good.
            let mut p = restore(p, &before);
            assert_eq!(p.mount(), Err(Status::INVALID_SIGNATURE));
        } else {
            p.set_bytes(client, 1, b"newer", 0).unwrap();
            let mut p = restore(p, &after);
            assert_eq!(p.mount(), Err(Status::INVALID_SIGNATURE));
        }
    }
    // The fork: commit, cut before FINISHED, keep a copy, go back to the old state, go on.
    let client = ClientId(-2);
    let mut p = ps(8);
    p.set_bytes(client, 1, b"old", 0).unwrap();
    let old = dump(&p);
    let power = p.flash().power().clone();
    let mut fork = None;
    for nth in 0..12 {
        let (flash, mut counters) = p.into_parts();
        let counters_before = counters.flash().clone();
        p = Ps::new(flash, counters, &HUK);
        power.cut_after(nth, Tear::Before);
        let cut = p.set_bytes(client, 1, b"fork", 0).is_err();
        power.power_on();
        let state = dump(&p);
        let (_, mut counters) = p.into_parts();
        let counters_now = counters.flash().clone();
        // Committed in flash, BEGUN raised, FINISHED not?
        let mut probe = Ps::new(
            flash_with(&power, &state),
            OtpCounters::mount(counters_now.clone()).unwrap(),
            &HUK,
        );
        if cut && read(&mut probe, (-2, 1)).unwrap().0 == b"fork" {
            fork = Some((state, counters_now));
            break;
        }
        p = Ps::new(
            flash_with(&power, &old),
            OtpCounters::mount(counters_before).unwrap(),
            &HUK,
        );
    }
    let (fork, counters) = fork.unwrap();
    let mut p = Ps::new(
        flash_with(&power, &old),
        OtpCounters::mount(counters).unwrap(),
        &HUK,
    );
    // To the device this looks like a change cut before its commit: taken.
    assert_eq!(read(&mut p, (-2, 1)).unwrap().0, b"old");
    // But then the copy is worth nothing any more.
    let mut p = restore(p, &fork);
    assert_eq!(p.mount(), Err(Status::INVALID_SIGNATURE));
}

fn flash_with(power: &Power, content: &[u8]) -> SimFlash {
    let mut flash = SimFlash::on(power, content.len() as u32, 4096, 1).mapped_too();
    flash.data_mut().copy_from_slice(content);
    flash
}

#[test]
fn forgery_and_damage_are_noticed() {
    let client = ClientId(-2);
    let mut p = ps(8);
    for uid in 1..=6 {
        p.set_bytes(client, uid, &[uid as u8; 150], 0).unwrap();
    }
    p.set_bytes(client, 3, b"again", 0).unwrap();
    let good = dump(&p);
    // No plaintext in flash.
    assert!(!good.windows(16).any(|w| w == [2; 16]));
    // A plain bit flip anywhere in what is used: wrong for some object or for all, never taken.
    let used = good.iter().rposition(|b| *b != 0xFF).unwrap();
    let mut r = XorShift(4);
    let mut noticed = 0;
    for _ in 0..3_000 {
        let mut bad = good.clone();
        bad[r.below(used as u64 + 1) as usize] ^= 1 << r.below(8);
        p = restore(p, &bad);
        for uid in 1..=6u64 {
            let expected = if uid == 3 {
                b"again".to_vec()
            } else {
                vec![uid as u8; 150]
            };
            let mut to = [0; 200];
            match p.get_bytes(client, uid, &mut to) {
                Ok(n) => assert_eq!(&to[..n], expected),
                Err(e) => {
                    assert_eq!(e, Status::INVALID_SIGNATURE);
                    assert_eq!(to, [0; 200]);
                    noticed += 1;
                }
            }
        }
    }
    assert!(noticed > 1_000, "{noticed}");
    // Another device's flash.
    let (flash, counters) = restore(p, &good).into_parts();
    let mut q = Ps::new(flash, counters, &[0x43; 32]);
    assert_eq!(q.mount(), Err(Status::INVALID_SIGNATURE));
    assert_eq!(q.fault(), Some(PsFault::Table));
    // Noise.
    let mut p = reboot(q);
    for _ in 0..100 {
        let noise = r.bytes(good.len());
        p = restore(p, &noise);
        assert_eq!(p.mount(), Err(Status::INVALID_SIGNATURE));
    }
}

#[test]
fn one_old_object_among_new_ones_is_refused() {
    // Exchange single records between generations: an attacker who knows the format.
    let client = ClientId(-2);
    let mut p = ps(8);
    p.set_bytes(client, 1, b"v1", 0).unwrap();
    let v1 = dump(&p);
    p.set_bytes(client, 2, b"x", 0).unwrap();
    p.set_bytes(client, 1, b"v2", 0).unwrap();
    let now = dump(&p);
    // v1's record lies first in the block; put it back in place of its scrubbed remains, and
    // drop v2's (find it by being the last record: kill its commit word).
    let record = 16..16 + 32 + 40 + 8;
    let mut forged = now.clone();
    forged[record.clone()].copy_from_slice(&v1[record]);
    let mut p = restore(p, &forged);
    assert_eq!(read(&mut p, (-2, 1)).unwrap().0, b"v2");
    let end = now.iter().rposition(|b| *b != 0xFF).unwrap();
    forged[end - 3..=end].fill(0);
    let mut p = restore(p, &forged);
    assert_eq!(p.mount(), Err(Status::INVALID_SIGNATURE));
    assert_eq!(p.fault(), Some(PsFault::Replayed));
}

#[test]
fn answers_as_the_table_says() {
    let p = RefCell::new(ps(32));
    let mut service = PsService(&p);
    psa_table(&mut service, PS_MAX_SIZE as usize, -129);
    let mut word = [9; 4];
    assert_eq!(wire(&mut service, -1, 1005, &[], Some(&mut word)), (0, 4));
    assert_eq!(word, [0; 4]);
    assert_eq!(wire(&mut service, -1, 1005, &[], Some(&mut [0; 3])).0, -129);
    assert_eq!(wire(&mut service, -1, 1005, &[], None).0, -129);
}

#[test]
fn full_can_always_be_emptied() {
    let client = ClientId(-5);
    let mut p = ps(4);
    let mut r = XorShift(6);
    for _ in 0..20 {
        let mut kept = Vec::new();
        for uid in 1..=60u64 {
            let len = 1 + r.below(PS_MAX_SIZE.into()) as usize;
            match p.set_bytes(client, uid, &vec![uid as u8; len], 0) {
                Ok(()) => kept.push(uid),
                Err(e) => assert_eq!(e, Status::INSUFFICIENT_STORAGE),
            }
        }
        assert!(kept.len() < 60);
        p = reboot(p);
        for uid in kept {
            p.remove(client, uid).unwrap();
        }
    }
}

/// Write-once objects go too, whatever is cut; then the store is as good as new.
#[test]
fn a_wipe_leaves_nothing_and_can_be_cut_anywhere() {
    let client = ClientId(-5);
    for tear in Tear::ALL {
        let mut cut = 0;
        loop {
            let mut p = ps(4);
            for uid in 1..=5u64 {
                p.set_bytes(client, uid, &[uid as u8; 40], (uid % 2) as u32)
                    .unwrap();
            }
            let power = p.flash().power().clone();
            power.cut_after(cut, tear);
            let whole = p.wipe().is_ok();
            power.power_on();
            p = reboot(p);
            p.wipe().unwrap();
            p = reboot(p);
            for uid in 1..=5 {
                assert_eq!(p.info(client, uid), Err(Status::DOES_NOT_EXIST));
                p.set_bytes(client, uid, b"new", 0).unwrap();
            }
            if whole {
                assert!(cut > 10);
                break;
            }
            cut += 1;
        }
    }
}

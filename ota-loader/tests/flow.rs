//! Decisions of a boot: swaps, reverts, refusals, dependencies, counters.

mod support;

use flash::FlashError;
use mcuboot_image::trailer;
use mcuboot_image::{Flag, MagicState, SwapType};
use ota_loader::{BootError, Event, Refusal};
use support::{Device, MemCounters, SMALL, majors, make, version};

fn lines(d: &Device) -> Vec<String> {
    d.events.iter().map(ToString::to_string).collect()
}

fn stage(d: &mut Device, image: usize, bytes: &[u8], permanent: bool) {
    let slot = &mut d.loader.slots[image].secondary;
    trailer::erase_slot(slot).unwrap();
    d.put_secondary(image, bytes);
    trailer::set_pending(&mut d.loader.slots[image].secondary, image as u8, permanent).unwrap();
}

#[test]
fn test_swap_then_revert_then_test_swap_then_confirm() {
    let (old, new) = (make(1, 1).build(), make(1, 2).build());
    let mut d = Device::factory(&SMALL, 1);
    stage(&mut d, 1, &new, false);
    let booted = d.boot().unwrap();
    assert_eq!(majors(&booted), [1, 2]);
    assert!(booted.images[1].trial && !booted.images[0].trial);
    assert_eq!(
        lines(&d),
        [
            "image 1 swap begin (test)",
            "image 1 swap end",
            "secure image 1.0.0+0 verified (ECDSA-P256)",
            "non-secure image 2.0.0+0 verified (ECDSA-P256)",
        ]
    );
    assert_eq!(d.primary(1)[..new.len()], new);
    assert_eq!(d.secondary(1)[..old.len()], old);
    assert_eq!(d.exec[1][..new.len()], new);
    // Not confirmed: back to the old one, for good.
    for n in 0..2 {
        let booted = d.boot().unwrap();
        assert_eq!(majors(&booted), [1, 1]);
        assert!(!booted.trial());
        assert_eq!(n == 0, lines(&d)[0] == "image 1 swap begin (revert)");
    }
    assert_eq!(d.primary(1)[..old.len()], old);
    // The same image again, confirmed this time.
    stage(&mut d, 1, &new, false);
    assert!(d.boot().unwrap().trial());
    trailer::set_confirmed(&mut d.loader.slots[1].primary).unwrap();
    for _ in 0..2 {
        let booted = d.boot().unwrap();
        assert_eq!(majors(&booted), [1, 2]);
        assert!(!booted.trial());
        assert_eq!(d.events.len(), 2);
    }
}

#[test]
fn permanent_swap_of_both() {
    let mut d = Device::factory(&SMALL, 1);
    stage(&mut d, 0, &make(0, 2).build(), true);
    stage(&mut d, 1, &make(1, 3).build(), true);
    for _ in 0..2 {
        let booted = d.boot().unwrap();
        assert_eq!(majors(&booted), [2, 3]);
        assert!(!booted.trial());
    }
    let state = trailer::read(&d.loader.slots[0].primary).unwrap();
    assert_eq!((state.image_ok, state.copy_done), (Flag::Set, Flag::Set));
}

#[test]
fn trial_of_both_reverts_both() {
    let mut d = Device::factory(&SMALL, 1);
    stage(&mut d, 0, &make(0, 2).build(), false);
    stage(&mut d, 1, &make(1, 2).build(), false);
    assert_eq!(majors(&d.boot().unwrap()), [2, 2]);
    assert_eq!(majors(&d.boot().unwrap()), [1, 1]);
}

#[test]
fn refused_candidates_are_erased_and_the_old_image_stays() {
    let mut good = make(1, 2);
    good.counter = Some(4);
    let mut flipped = good.build();
    flipped[200] ^= 1;
    let with = |f: fn(&mut support::Make)| {
        let mut m = good.clone();
        f(&mut m);
        m.build()
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (flipped, "hash does not match"),
        (with(|m| m.signer = 9), "signed by an unknown key"),
        (with(|m| m.signer = 0), "signed by an unknown key"),
        (with(|m| m.counter = None), "security counter is missing"),
        (
            with(|m| m.counter = Some(2)),
            "security counter 2 is below 4",
        ),
        (with(|m| m.flags = 0x10), "image is marked not bootable"),
        (
            with(|m| m.flags = 0x4),
            "encrypted or compressed images are not supported",
        ),
        (
            with(|m| m.reset_vector = 0x2000_0001),
            "reset vector lies outside the image",
        ),
        (
            with(|m| m.reset_vector &= !1),
            "reset vector lies outside the image",
        ),
        (
            with(|m| m.stack_pointer = 0x2000),
            "initial stack pointer lies outside its RAM",
        ),
        (vec![0xFF; 100], "slot is empty"),
        (vec![0x00; 100], "image magic is wrong"),
        (
            good.build()[..800].to_vec(),
            "protected TLV area is malformed",
        ),
    ];
    for (bytes, why) in cases {
        for permanent in [false, true] {
            let mut d = Device::factory(&SMALL, 1);
            d.loader.counters = MemCounters([1, 4]);
            d.put_primary(1, &{
                let mut m = make(1, 1);
                m.counter = Some(4);
                m.build()
            });
            stage(&mut d, 1, &bytes, permanent);
            assert_eq!(majors(&d.boot().unwrap()), [1, 1], "{why}");
            assert_eq!(lines(&d)[0], format!("non-secure update refused: {why}"));
            let state = trailer::read(&d.loader.slots[1].secondary).unwrap();
            assert_eq!(state.magic, MagicState::Unset);
            assert!(d.secondary(1)[..512].iter().all(|b| *b == 0xFF));
            // And that was that.
            assert_eq!(majors(&d.boot().unwrap()), [1, 1]);
            assert_eq!(d.events.len(), 2);
        }
    }
}

#[test]
fn if_either_image_is_refused_nothing_boots() {
    for image in 0..2 {
        let mut d = Device::factory(&SMALL, 1);
        d.loader.slots[image].primary.data_mut()[100] ^= 4;
        let why = Refusal::HashMismatch;
        assert_eq!(d.boot(), Err(BootError::Refused { image, why }));
        assert!(d.events.contains(&Event::Refused { image, why }));
        // No boot data of a boot that did not happen.
        assert!(boot_data::BootData::parse(&d.boot_data).is_err());
    }
    let mut d = Device::factory(&SMALL, 1);
    d.loader.slots[1].primary.data_mut().fill(0xFF);
    assert_eq!(
        d.boot().unwrap_err().to_string(),
        "non-secure image: slot is empty"
    );
    let mut d = Device::factory(&SMALL, 1);
    d.loader.counters = MemCounters([0, 2]);
    assert_eq!(
        d.boot().unwrap_err().to_string(),
        "non-secure image: security counter 1 is below 2"
    );
}

#[test]
fn a_broken_trial_reverts_at_the_next_boot() {
    let mut d = Device::factory(&SMALL, 1);
    stage(&mut d, 0, &make(0, 2).build(), false);
    stage(&mut d, 1, &make(1, 2).build(), false);
    // Let both swaps happen, then lose power before control is given.
    let before = d.snapshot();
    d.boot().unwrap();
    let ops = d.power.ops();
    d.restore(&before);
    d.boot().unwrap();
    let per_boot = d.power.ops() - ops;
    d.restore(&before);
    // The last two operations mark the trials begun.
    d.power.cut_after(per_boot - 2, flash::sim::Tear::Before);
    assert_eq!(d.boot(), Err(BootError::Flash(FlashError::Device)));
    d.power.power_on();
    d.loader.slots[1].primary.data_mut()[100] ^= 4;
    assert!(d.boot().is_err());
    // Nothing booted; the next reset brings back what worked.
    assert_eq!(majors(&d.boot().unwrap()), [1, 1]);
}

#[test]
fn a_trial_with_nothing_to_go_back_to_is_kept() {
    let mut d = Device::factory(&SMALL, 1);
    stage(&mut d, 1, &make(1, 2).build(), false);
    d.boot().unwrap();
    d.loader.slots[1].secondary.data_mut()[100] ^= 4;
    let booted = d.boot().unwrap();
    assert_eq!(majors(&booted), [1, 2]);
    assert!(!booted.trial());
    assert_eq!(
        lines(&d)[0],
        "non-secure update refused: hash does not match"
    );
}

#[test]
fn a_stray_pad_trailer_on_a_factory_image_is_no_trial() {
    // `imgtool --pad` on the primary: magic and nothing else.
    let mut d = Device::factory(&SMALL, 1);
    trailer::write_magic(&mut d.loader.slots[0].primary).unwrap();
    for _ in 0..2 {
        let booted = d.boot().unwrap();
        assert!(!booted.trial());
        assert_eq!(d.events.len(), 2);
    }
    // `imgtool --pad --confirm` on the secondary: for good.
    let new = make(1, 2).build();
    d.put_secondary(1, &new);
    trailer::set_image_ok(&mut d.loader.slots[1].secondary).unwrap();
    trailer::write_magic(&mut d.loader.slots[1].secondary).unwrap();
    assert_eq!(majors(&d.boot().unwrap()), [1, 2]);
    assert_eq!(
        d.events[0],
        Event::SwapBegin {
            image: 1,
            swap: SwapType::Permanent
        }
    );
}

#[test]
fn counters_rise_only_with_confirmed_images() {
    let counted = |image, major, counter| {
        let mut m = make(image, major);
        m.counter = Some(counter);
        m.build()
    };
    let mut d = Device::new(&SMALL, 1);
    d.put_primary(0, &counted(0, 1, 3));
    d.put_primary(1, &counted(1, 1, 4));
    d.boot().unwrap();
    assert_eq!(d.loader.counters.0, [3, 4]);
    stage(&mut d, 1, &counted(1, 2, 9), false);
    d.boot().unwrap();
    assert_eq!(d.loader.counters.0, [3, 4], "on trial");
    d.boot().unwrap();
    assert_eq!(d.loader.counters.0, [3, 4], "reverted");
    stage(&mut d, 1, &counted(1, 2, 9), false);
    d.boot().unwrap();
    trailer::set_confirmed(&mut d.loader.slots[1].primary).unwrap();
    d.boot().unwrap();
    assert_eq!(d.loader.counters.0, [3, 9], "confirmed");
    stage(&mut d, 1, &counted(1, 3, 8), true);
    assert_eq!(majors(&d.boot().unwrap()), [1, 2], "downgrade");
    stage(&mut d, 1, &counted(1, 3, 9), true);
    assert_eq!(majors(&d.boot().unwrap()), [1, 3], "equal is fine");
    stage(&mut d, 0, &counted(0, 2, 7), true);
    d.boot().unwrap();
    assert_eq!(d.loader.counters.0, [7, 9], "permanent at once");
}

/// (new secure needs ns ≥, new non-secure needs s ≥, staged, expected majors). Both run 1, updates
/// are 2.
#[test]
fn dependency_matrix() {
    let rows: &[(u8, u8, [bool; 2], [u8; 2])] = &[
        (0, 0, [true, true], [2, 2]),
        (0, 0, [true, false], [2, 1]),
        (0, 0, [false, true], [1, 2]),
        (1, 1, [true, false], [2, 1]),
        (1, 1, [false, true], [1, 2]),
        (2, 2, [true, true], [2, 2]),
        (2, 0, [true, false], [1, 1]),
        (0, 2, [false, true], [1, 1]),
        (3, 0, [true, true], [1, 1]),
        (0, 3, [true, true], [1, 1]),
        (2, 0, [true, true], [2, 2]),
        (0, 2, [true, true], [2, 2]),
    ];
    for (n, (s_needs, ns_needs, staged, expected)) in rows.iter().enumerate() {
        let mut d = Device::factory(&SMALL, 1);
        for (image, needs) in [(0u8, *s_needs), (1, *ns_needs)] {
            let mut m = make(image, 2);
            m.dependencies = vec![(1 - image, version(needs))];
            if staged[usize::from(image)] {
                stage(&mut d, image.into(), &m.build(), false);
            }
        }
        assert_eq!(majors(&d.boot().unwrap()), *expected, "row {n}");
        let held = d
            .events
            .iter()
            .any(|e| matches!(e, Event::DependencyUnmet { .. }));
        assert_eq!(held, *expected == [1, 1], "row {n}");
    }
}

#[test]
fn a_held_update_goes_in_when_its_dependency_arrives() {
    let mut d = Device::factory(&SMALL, 1);
    let mut m = make(1, 2);
    m.dependencies = vec![(0, version(2))];
    stage(&mut d, 1, &m.build(), false);
    assert_eq!(majors(&d.boot().unwrap()), [1, 1]);
    assert_eq!(
        lines(&d)[0],
        "update held back: non-secure image needs secure image 2.0.0+0, finds 1.0.0+0"
    );
    stage(&mut d, 0, &make(0, 2).build(), false);
    assert_eq!(majors(&d.boot().unwrap()), [2, 2]);
}

#[test]
fn an_image_may_not_reach_into_its_trailer() {
    let mut d = Device::factory(&SMALL, 1);
    let mut m = make(1, 2);
    let overhead = m.build().len() - m.payload;
    m.payload = 4 * 512 - overhead;
    stage(&mut d, 1, &m.build(), true);
    assert_eq!(majors(&d.boot().unwrap()), [1, 2]);
    m.payload += 1;
    m.version = version(3);
    let bytes = m.build();
    let slot = &mut d.loader.slots[1].secondary;
    trailer::erase_slot(slot).unwrap();
    slot.data_mut()[..bytes.len()].copy_from_slice(&bytes);
    trailer::write_magic(slot).unwrap();
    assert_eq!(majors(&d.boot().unwrap()), [1, 2]);
    assert_eq!(
        lines(&d)[0],
        "non-secure update refused: a TLV runs past its area"
    );
}

//! Trailer layout against imgtool's, and its writers against power cuts.

use flash::Flash;
use flash::sim::{Power, SimFlash, Tear};
use mcuboot_image::trailer::{self, *};
use mcuboot_image::{Flag, MagicState, SlotState, SwapType, swap_type};

fn slot(power: &Power) -> SimFlash {
    SimFlash::on(power, 0x4000, 0x1000, 1)
}

#[test]
fn layout_is_mcuboots() {
    // align 1, 128 sectors: 128 × 3 + 4 × 8 + 16.
    assert_eq!(trailer_size(1), 432);
    assert_eq!(trailer_size(8), 128 * 3 * 8 + 48);
    assert_eq!(status_offset(0x80000, 1, 0, 1), 0x80000 - 432);
    assert_eq!(status_offset(0x80000, 1, 127, 3) + 1, 0x80000 - 48);
    let mut f = SimFlash::new(0x80000, 0x1000, 1);
    assert_eq!(max_image_size(&f), 0x7F000);
    assert_eq!(trailer::read(&f), Ok(SlotState::ERASED));
    set_pending(&mut f, 1, true).unwrap();
    // The last 48 bytes that `imgtool sign --pad --confirm` writes, plus swap_info.
    let mut expected = [0xFF; 48];
    expected[8] = 0x13;
    expected[24] = 0x01;
    expected[32..].copy_from_slice(&MAGIC);
    assert_eq!(f.data()[0x80000 - 48..], expected);
}

#[test]
fn write_sizes_up_to_eight() {
    for write_size in [1, 2, 4, 8] {
        let mut f = SimFlash::new(0x8000, 0x1000, write_size);
        set_pending(&mut f, 0, false).unwrap();
        let state = trailer::read(&f).unwrap();
        assert_eq!(state.swap_info, Some((SwapType::Test, 0)));
        assert_eq!(swap_type(&SlotState::ERASED, &state), SwapType::Test);
        set_image_ok(&mut f).unwrap();
        set_copy_done(&mut f).unwrap();
        let state = trailer::read(&f).unwrap();
        assert_eq!((state.image_ok, state.copy_done), (Flag::Set, Flag::Set));
        clear_pending(&mut f).unwrap();
        assert_eq!(trailer::read(&f), Ok(SlotState::ERASED));
    }
}

#[test]
fn confirming_needs_a_good_magic() {
    let mut f = SimFlash::new(0x4000, 0x1000, 1);
    set_confirmed(&mut f).unwrap();
    assert_eq!(f.power().ops(), 0);
    write_magic(&mut f).unwrap();
    set_confirmed(&mut f).unwrap();
    set_confirmed(&mut f).unwrap();
    assert_eq!(trailer::read(&f).unwrap().image_ok, Flag::Set);
    assert_eq!(f.power().ops(), 2);
}

/// Cuts `act` at each operation in each way. `during` sees what a loader would find; then the
/// action is repeated on whatever was left, and must end as if never cut.
fn cut_everywhere(
    prepare: impl Fn(&mut SimFlash),
    act: impl Fn(&mut SimFlash) -> Result<(), flash::FlashError>,
    during: impl Fn(&SimFlash),
    after: impl Fn(&SimFlash),
) {
    for tear in Tear::ALL {
        for seed in 0..40 {
            let mut cuts = 0;
            loop {
                let power = Power::new(seed);
                let mut f = slot(&power);
                prepare(&mut f);
                power.cut_after(cuts, tear);
                let result = act(&mut f);
                power.power_on();
                if result.is_ok() {
                    after(&f);
                    break;
                }
                during(&f);
                act(&mut f).unwrap();
                after(&f);
                cuts += 1;
            }
            assert!(cuts > 0);
        }
    }
}

#[test]
fn set_pending_is_all_or_nothing() {
    for permanent in [false, true] {
        for dirty in [false, true] {
            let wanted = if permanent {
                SwapType::Permanent
            } else {
                SwapType::Test
            };
            let type_of = |f: &SimFlash| swap_type(&SlotState::ERASED, &trailer::read(f).unwrap());
            cut_everywhere(
                |f| {
                    if dirty {
                        // A trailer that lost its magic, as a primary leaves it after a swap.
                        f.data_mut()[0x4000 - 432..0x4000 - 16].fill(0x01);
                        f.data_mut()[0x4000 - 16..].fill(0);
                    }
                },
                |f| set_pending(f, 1, permanent),
                |f| assert!([SwapType::None, wanted].contains(&type_of(f))),
                |f| assert_eq!(type_of(f), wanted),
            );
        }
    }
}

#[test]
fn a_cancelled_request_never_comes_back_as_another() {
    let blank = |f: &SimFlash| assert!(f.data().iter().all(|b| *b == 0xFF));
    cut_everywhere(
        |f| {
            f.program(0, &[0x42; 0x2000]).unwrap();
            set_pending(f, 0, true).unwrap();
        },
        erase_slot,
        |f| {
            // Either nothing happened yet, or the request is gone.
            let state = trailer::read(f).unwrap();
            let whole = f.data()[..0x2000].iter().all(|b| *b == 0x42);
            assert!(state.magic != MagicState::Good || (whole && state.image_ok == Flag::Set));
        },
        blank,
    );
}

#[test]
fn confirming_survives_a_cut() {
    cut_everywhere(
        |f| {
            write_swap_info(f, SwapType::Test, 0).unwrap();
            write_magic(f).unwrap();
            set_copy_done(f).unwrap();
        },
        set_confirmed,
        |f| {
            let state = trailer::read(f).unwrap();
            let kind = swap_type(&state, &SlotState::ERASED);
            let kept = state.image_ok == Flag::Set;
            assert_eq!(
                kind,
                if kept {
                    SwapType::None
                } else {
                    SwapType::Revert
                }
            );
            assert_eq!(state.is_trial(), !kept);
        },
        |f| assert_eq!(trailer::read(f).unwrap().image_ok, Flag::Set),
    );
}

//! Both images together: whatever is cut, never one new image beside one old one.

mod support;

use flash::sim::Tear;
use mcuboot_image::{SwapType, pair, trailer};
use ota_loader::Event;
use support::{Device, SMALL, majors, make};

/// How the trial ends.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Accept,
    Revert,
}

/// What the update service does to install both; `Err` when power is gone.
fn request(d: &mut Device) -> Result<(), flash::FlashError> {
    for (image, slots) in d.loader.slots.iter_mut().enumerate() {
        trailer::set_pending(&mut slots.secondary, image as u8 | pair::PAIRED, false)?;
    }
    Ok(())
}

/// What it does to accept both.
fn accept(d: &mut Device) -> Result<(), flash::FlashError> {
    for slots in &mut d.loader.slots {
        trailer::set_confirmed(&mut slots.primary)?;
    }
    let [a, b] = &mut d.loader.slots;
    pair::settle([&mut a.primary, &mut b.primary])
}

/// Boots, again while power goes; both images must be of one kind.
fn boot(d: &mut Device) -> u8 {
    let (_, booted) = d.boot_through();
    let [secure, non_secure] = majors(&booted);
    assert_eq!(secure, non_secure, "{:?}", d.events);
    assert_eq!(booted.images[0].trial, booted.images[1].trial);
    secure
}

fn fresh(seed: u64) -> Device {
    let mut d = Device::factory(&SMALL, seed);
    for image in 0..2 {
        let mut new = make(image as u8, 2);
        new.payload = 900 + 300 * image;
        d.put_secondary(image, &new.build());
    }
    d
}

/// Install, trial, end, one more boot; the number of flash operations, and what ran last.
fn story(d: &mut Device, end: End) -> u8 {
    if request(d).is_err() {
        d.power.power_on();
    }
    let running = boot(d);
    if running == 2 && end == End::Accept && accept(d).is_err() {
        d.power.power_on();
    }
    boot(d);
    boot(d)
}

#[test]
fn a_cut_anywhere_leaves_both_old_or_both_new() {
    let mut cuts = 0;
    for end in [End::Accept, End::Revert] {
        let mut whole = fresh(1);
        let before = whole.power.ops();
        assert_eq!(
            story(&mut whole, end),
            if end == End::Accept { 2 } else { 1 }
        );
        let total = whole.power.ops() - before;
        for at in 0..total {
            for tear in Tear::ALL {
                for seed in 1..=12 {
                    let mut d = fresh(seed);
                    d.power.cut_after(at, tear);
                    let last = story(&mut d, end);
                    assert!(end == End::Accept || last == 1, "{at} {tear:?}");
                    // Another pair follows, whatever is left of the first.
                    d.power.power_on();
                    for (image, slots) in d.loader.slots.iter_mut().enumerate() {
                        trailer::erase_slot(&mut slots.secondary).unwrap();
                        let file = make(image as u8, 3).build();
                        slots.secondary.data_mut()[..file.len()].copy_from_slice(&file);
                    }
                    request(&mut d).unwrap();
                    assert_eq!(boot(&mut d), 3);
                    accept(&mut d).unwrap();
                    assert_eq!(boot(&mut d), 3);
                    cuts += 1;
                }
            }
        }
    }
    println!("cut_points {cuts} bricks 0");
    assert!(cuts > 3_000, "{cuts}");
}

#[test]
fn a_refused_half_holds_the_other_back() {
    for bad in 0..2usize {
        let mut d = fresh(3);
        let mut stranger = make(bad as u8, 2);
        stranger.signer = 9;
        d.put_secondary(bad, &[0xFF; 2000]);
        d.put_secondary(bad, &stranger.build());
        request(&mut d).unwrap();
        assert_eq!(boot(&mut d), 1);
        let held = Event::HalfOfPair { image: 1 - bad };
        assert!(d.events.contains(&held), "{:?}", d.events);
        assert!(held.to_string().contains("half of a pair"));
        assert_eq!(boot(&mut d), 1);
    }
}

#[test]
fn without_the_mark_each_goes_its_own_way() {
    // The control: the same cut that the mark survives splits two plain requests.
    let mut d = fresh(4);
    let slots = &mut d.loader.slots[0];
    trailer::set_pending(&mut slots.secondary, 0, false).unwrap();
    let (_, booted) = d.boot_through();
    assert_eq!(majors(&booted), [2, 1]);
    let state = trailer::read(&d.loader.slots[0].primary).unwrap();
    assert_eq!(state.swap_info, Some((SwapType::Test, 0)));
}

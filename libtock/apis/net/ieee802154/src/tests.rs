//! The radio against the fake driver.

use super::*;
use libtock_platform::Upcall;
use libtock_platform::subscribe::AnyId;
use libtock_unittest::fake::{self, Ieee802154Phy, ieee802154::Frame};
use std::rc::Rc;

type Radio = Ieee802154<fake::Syscalls>;
type Operator<'a, const N: usize> = RxSingleBufferOperator<'a, N, fake::Syscalls>;

/// Another driver, whose upcall is the moment at which what is in the air comes in.
const TIME: u32 = 99;

struct ComesIn;

impl Upcall<AnyId> for ComesIn {
    fn upcall(&self, _: u32, _: u32, _: u32) {
        let radio = Ieee802154Phy::instance().unwrap();
        radio.driver_receive_pending_frames();
        if radio.has_pending_rx_frames() {
            radio.trigger_rx_upcall();
        }
    }
}

fn on_air() -> (fake::Kernel, Rc<Ieee802154Phy>, Rc<fake::Scripted>) {
    let kernel = fake::Kernel::new();
    let (radio, time) = (
        Ieee802154Phy::new(),
        fake::Scripted::new(TIME, |_| libtock_unittest::command_return::success()),
    );
    kernel.add_driver(&radio);
    kernel.add_driver(&time);
    fake::Syscalls::subscribe_static::<AnyId, _>(TIME, 0, &ComesIn).unwrap();
    (kernel, radio, time)
}

#[test]
fn settings_come_back_as_they_were_set() {
    let kernel = fake::Kernel::new();
    assert!(!Radio::exists());
    assert_eq!(Radio::get_pan(), Err(ErrorCode::NoDevice));
    kernel.add_driver(&Ieee802154Phy::new());
    assert!(Radio::exists() && !Radio::is_on());
    assert_eq!((Radio::radio_on(), Radio::is_on()), (Ok(()), true));
    assert_eq!((Radio::radio_off(), Radio::is_on()), (Ok(()), false));
    for (short, long) in [(0, 0), (0xFFFF, u64::MAX), (0xDEAD, 0x0DEA_DDAD_CAFE_F00D)] {
        Radio::set_address_short(short);
        Radio::set_pan(!short);
        Radio::set_address_long(long);
        Radio::commit_config();
        assert_eq!(Radio::get_address_short(), Ok(short));
        assert_eq!(Radio::get_pan(), Ok(!short));
        assert_eq!(Radio::get_address_long(), Ok(long));
    }
    for power in [-66, 0, 5] {
        assert_eq!(Radio::set_tx_power(power), Ok(()));
        assert_eq!(Radio::get_tx_power(), Ok(power));
    }
    assert_eq!(
        (Radio::set_channel(26), Radio::get_channel()),
        (Ok(()), Ok(26))
    );
}

#[test]
fn frames_go() {
    let (_kernel, radio, _) = on_air();
    assert_eq!(Radio::transmit_frame(b"first"), Ok(()));
    assert_eq!(Radio::transmit_frame(b"second"), Ok(()));
    let sent: [&[u8]; 2] = [b"first", b"second"];
    assert_eq!(radio.take_transmitted_frames(), sent);
}

#[test]
fn frames_come_in_order_and_the_oldest_go_when_there_are_too_many() {
    let (_kernel, radio, time) = on_air();
    let mut ring = RxRingBuffer::<4>::new();
    let mut operator = Operator::new(&mut ring);
    for burst in [1u8, 2, 3, 7] {
        for n in 0..burst {
            radio.radio_receive_frame(Frame::with_body(&[burst, n]));
        }
        time.schedule(0, (0, 0, 0));
        for n in burst.saturating_sub(3)..burst {
            let frame = operator.receive_frame().unwrap();
            assert_eq!(
                (frame.header_len, frame.payload_len, frame.mic_len),
                (0, 2, 0)
            );
            assert_eq!(frame.body[..2], [burst, n]);
        }
    }
    radio.radio_receive_frame(Frame::with_body(&[7; 127]));
    time.schedule(0, (0, 0, 0));
    assert_eq!(operator.receive_frame().unwrap().body, [7; 127]);
}

#[test]
fn a_ring_without_slots_cannot_receive() {
    let (_kernel, _radio, _) = on_air();
    let mut ring = RxRingBuffer::<0>::new();
    let mut operator = Operator::new(&mut ring);
    assert_eq!(operator.receive_frame().err(), Some(ErrorCode::Size));
}

#[test]
fn no_byte_of_the_ring_is_believed() {
    let (_kernel, _radio, _) = on_air();
    let mut refused = 0;
    for (at, value) in (0..8).flat_map(|at| (0..=255).map(move |v| (at, v))) {
        let mut ring = RxRingBuffer::<3>::new();
        // One frame of two bytes, then the damage.
        for (at, value) in [(1, 1), (3, 2), (5, b'h'), (6, b'i')] {
            ring.damage(at, value);
        }
        ring.damage(at, value);
        if (at, value) == (1, 0) {
            // Equal indices: empty, and it would wait for ever.
            continue;
        }
        if at == 0 && value == 1 {
            continue;
        }
        match Operator::new(&mut ring).receive_frame() {
            Ok(frame) => assert!(frame.payload_len <= 127),
            Err(e) => {
                assert_eq!(e, ErrorCode::Fail);
                refused += 1;
            }
        }
    }
    // Read index over 2, write index over 2, length over 127.
    assert_eq!(refused, 253 + 253 + 128);
}

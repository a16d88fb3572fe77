//! The Ethernet tap against a fake driver.

use super::*;
use libtock_unittest::{command_return, fake};
use std::rc::Rc;

use std::cell::RefCell;
use std::vec::Vec;

type Sent = Rc<RefCell<Vec<Vec<u8>>>>;

fn tap() -> (Rc<fake::Scripted>, Sent) {
    let sent: Sent = Rc::default();
    let sink = sent.clone();
    let driver = fake::Scripted::new(DRIVER_NUM, move |call| match call.command {
        command::RX_STATS => command_return::success_3_u32(1, 2, 3),
        command::TX_STATS => command_return::success_2_u32(4, 5),
        command::STATION => command_return::success_2_u32(0xDDCC_BB02, 0xFFEE),
        command::TRANSMIT if call.arg0 as usize > MAX_FRAME => {
            command_return::failure(ErrorCode::Size)
        }
        command::TRANSMIT => {
            sink.borrow_mut()
                .push(call.ro(0)[..call.arg0 as usize].to_vec());
            // A late answer of an earlier transmission must not end this one.
            call.schedule(1, (0, 0, call.arg1.wrapping_sub(1)));
            call.schedule(1, (0, call.arg0, call.arg1));
            command_return::success()
        }
        _ => command_return::failure(ErrorCode::NoSupport),
    });
    (driver, sent)
}

/// What the kernel does with a frame that arrives.
fn arrive(driver: &fake::Scripted, frame: &[u8]) {
    let first = driver.with_rw(0, |b| {
        let at = u32::from_ne_bytes(b[4..8].try_into().unwrap()) as usize;
        let start = 8 + at;
        let end = start + 12 + frame.len();
        b[start..start + 12].fill(0);
        b[start + 2..start + 4].copy_from_slice(&(frame.len() as u16).to_ne_bytes());
        b[start + 12..end].copy_from_slice(frame);
        b[4..8].copy_from_slice(&((end - 8) as u32).to_ne_bytes());
        at == 0
    });
    if first {
        driver.schedule(0, (0, 0, 0));
    }
}

#[test]
fn frames_arrive_in_order_through_swaps() {
    static A: StaticBuffer<4096> = StaticBuffer::new();
    static B: StaticBuffer<4096> = StaticBuffer::new();
    static EVENT: Event = Event::new();
    let kernel = fake::Kernel::new();
    let (driver, _) = tap();
    kernel.add_driver(&driver);
    let (a, b) = (A.take().unwrap(), B.take().unwrap());
    let mut eth = Ethernet::<fake::Syscalls>::start(a, b, &EVENT).unwrap();
    assert_eq!(eth.receive(), Ok(None));
    arrive(&driver, b"one");
    arrive(&driver, b"two");
    fake::Syscalls::yield_wait();
    assert!(EVENT.take().is_some());
    assert_eq!(eth.receive().unwrap().as_deref(), Some(&b"one"[..]));
    // Arrives in the other buffer while this one is being read.
    arrive(&driver, b"three");
    assert_eq!(eth.receive().unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(eth.receive().unwrap().as_deref(), Some(&b"three"[..]));
    for _ in 0..3 {
        assert_eq!(eth.receive(), Ok(None));
    }
    arrive(&driver, b"four");
    assert_eq!(eth.receive().unwrap().as_deref(), Some(&b"four"[..]));
}

#[test]
fn the_station_address_is_the_kernels() {
    let kernel = fake::Kernel::new();
    let station = Ethernet::<fake::Syscalls>::station;
    assert_eq!(station(), Err(ErrorCode::NoDevice));
    let (driver, _) = tap();
    kernel.add_driver(&driver);
    assert_eq!(station(), Ok([0x02, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF]));
}

#[test]
fn transmit_waits_for_its_own_answer() {
    static A: StaticBuffer<2048> = StaticBuffer::new();
    static B: StaticBuffer<2048> = StaticBuffer::new();
    static EVENT: Event = Event::new();
    let kernel = fake::Kernel::new();
    let (driver, sent) = tap();
    kernel.add_driver(&driver);
    let (a, b) = (A.take().unwrap(), B.take().unwrap());
    let mut eth = Ethernet::<fake::Syscalls>::start(a, b, &EVENT).unwrap();
    eth.transmit(b"frame 1").unwrap();
    eth.transmit(b"frame 2").unwrap();
    assert_eq!(*sent.borrow(), [b"frame 1".to_vec(), b"frame 2".to_vec()]);
    assert_eq!(eth.transmit(&[0; 1600]), Err(ErrorCode::Size));
    assert_eq!(driver.shares(), (0, 1));
    let stats = Ethernet::<fake::Syscalls>::stats().unwrap();
    assert_eq!((stats.rx_dropped, stats.tx_bytes), (3, 5));
}

#[test]
fn a_buffer_too_small_for_one_frame_is_refused() {
    static A: StaticBuffer<2048> = StaticBuffer::new();
    static B: StaticBuffer<1024> = StaticBuffer::new();
    static EVENT: Event = Event::new();
    let _kernel = fake::Kernel::new();
    let (a, b) = (A.take().unwrap(), B.take().unwrap());
    let started = Ethernet::<fake::Syscalls>::start(a, b, &EVENT);
    assert_eq!(started.map(|_| ()).err(), Some(ErrorCode::Size));
}

//! A client's connection over the fake kernel: net-mqtt late, restarted, silent.

use libtock_ipc::{IpcInbox, StaticBuffer};
use libtock_unittest::{command_return, fake};
use mqtt_ipc::{
    Connection, Error, Event, Link, MAX_REQUEST, Memory, PACKAGE, PAGE_SIZE, Port, Qos, Request,
    Status,
};
use std::cell::Cell;
use std::rc::Rc;

const IPC: u32 = 0x10000;
const SLOT: u32 = 2;

/// The page as net-mqtt sees it.
struct Theirs(Rc<fake::Scripted>);

impl Memory for Theirs {
    fn load(&self, index: usize) -> u32 {
        self.0.with_rw(SLOT, |b| {
            u32::from_le_bytes(b[index * 4..][..4].try_into().unwrap())
        })
    }
    fn store(&self, index: usize, value: u32) {
        let bytes = value.to_le_bytes();
        self.0
            .with_rw(SLOT, |b| b[index * 4..][..4].copy_from_slice(&bytes));
    }
}

struct Service {
    port: Port<Theirs>,
}

impl Service {
    fn takes(&mut self, request: Request<'_>) -> u32 {
        let mut buf = [0; MAX_REQUEST];
        let (seq, taken) = self.port.take(&mut buf).expect("a request");
        assert_eq!(taken, Ok(request));
        seq
    }
}

#[test]
fn net_mqtt_may_come_late_restart_and_fall_silent() {
    static PAGE: StaticBuffer<PAGE_SIZE> = StaticBuffer::new();
    static INBOX: IpcInbox = IpcInbox::new();
    let kernel = fake::Kernel::new();
    let up = Rc::new(Cell::new(false));
    let there = up.clone();
    let driver = fake::Scripted::new(IPC, move |call| match call.command {
        1 if there.get() && call.ro(0) == PACKAGE.as_bytes() => command_return::success_u32(SLOT),
        1 => command_return::failure(libtock_platform::ErrorCode::NoDevice),
        _ => command_return::success(),
    });
    kernel.add_driver(&driver);
    let mut connection: Connection<fake::Syscalls> = Connection::new(PAGE.take().unwrap(), &INBOX);
    let mut buf = [0; 64];

    // Not there yet.
    connection.step(0).unwrap();
    let refused = connection.publish("t", b"x", Qos::AtLeastOnce);
    assert_eq!(refused, Err(Error::Busy));
    assert_eq!(connection.poll(&mut buf), Ok(None));
    up.set(true);
    // It looks twice a second, not always.
    connection.step(499).unwrap();
    assert_eq!(driver.shares(), (0, 0));
    connection.step(500).unwrap();
    let mut service = Service {
        port: Port::new(Theirs(driver.clone())),
    };
    let open = service.takes(Request::Open);
    service.port.send_result(open, Status::Ok).unwrap();
    let seq = open;
    let status = Status::Ok;
    assert_eq!(
        connection.poll(&mut buf),
        Ok(Some(Event::Result { seq, status }))
    );
    let online = Ok(Some(Event::State(Link::Online)));
    let offline = Ok(Some(Event::State(Link::Offline)));
    service.port.send_state(Link::Online, "thing").unwrap();
    assert_eq!(connection.poll(&mut buf), online);

    // A query each 5 s; its answer is no news.
    connection.step(5_499).unwrap();
    assert!(!service.port.has_request());
    connection.step(5_500).unwrap();
    let seq = service.takes(Request::Query);
    service.port.send_result(seq, Status::Ok).unwrap();
    assert!(matches!(
        connection.poll(&mut buf),
        Ok(Some(Event::Result { .. }))
    ));
    service.port.send_state(Link::Online, "thing").unwrap();
    assert_eq!(connection.poll(&mut buf), Ok(None));

    // Restarted: it knows nothing of us, although it is online.
    connection.step(10_500).unwrap();
    let seq = service.takes(Request::Query);
    service.port.send_result(seq, Status::Lost).unwrap();
    assert_eq!(connection.poll(&mut buf), offline);
    assert_eq!(
        connection.subscribe("t", Qos::AtLeastOnce),
        Err(Error::Busy)
    );
    service.port.send_state(Link::Online, "thing").unwrap();
    assert_eq!(connection.poll(&mut buf), Ok(None));
    connection.step(10_501).unwrap();
    service.takes(Request::Open);
    service.port.send_state(Link::Online, "thing").unwrap();
    assert_eq!(connection.poll(&mut buf), online);
    assert!(connection.subscribe("t", Qos::AtLeastOnce).is_ok());

    // Silent: the subscription stays in the mailbox, and queries find it full.
    for now in [15_500, 20_500, 25_500] {
        assert_eq!(connection.poll(&mut buf), Ok(None));
        connection.step(now).unwrap();
    }
    assert_eq!(connection.poll(&mut buf), offline);
    assert_eq!(connection.poll(&mut buf), Ok(None));
    service.takes(Request::Subscribe {
        filter: "t",
        qos: Qos::AtLeastOnce,
    });
    service.port.send_state(Link::Online, "thing").unwrap();
    assert_eq!(connection.poll(&mut buf), online);
}

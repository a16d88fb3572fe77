//! The whole link with a guest in the test's process, no QEMU: servers, connections, faults.

mod common;

use common::{Guest, ROUTER};
use link::{Answer, Conditions, Config, Counters, Cut, Direction, Link, Lookup, Service, Time};
use smoltcp::socket::tcp::State;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Somewhere behind the router.
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const PORT: u16 = 8883;

fn socket() -> PathBuf {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("link-test-{}-{serial}", std::process::id()))
}

fn service(answer: Answer) -> Service {
    Service {
        address: None,
        port: PORT,
        answer,
    }
}

/// A link to a listener of this test.
fn start(change: impl FnOnce(&mut Config)) -> (Link, Guest, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut config = Config::new(&socket());
    let to = Answer::Proxy(listener.local_addr().unwrap());
    config.settings.services = vec![service(to)];
    change(&mut config);
    let link = Link::start(config).unwrap();
    let guest = Guest::plug_in(link.socket());
    (link, guest, listener)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[test]
fn a_connection_carries_bytes_and_half_closes_both_ways() {
    let (_link, mut guest, listener) = start(|_| {});
    for (port, to) in [(40_000, ROUTER), (40_001, FAR)] {
        let handle = guest.connect((to, PORT), port, 8192);
        let mut host = accept(&listener);
        guest.tcp(handle).send_slice(b"from the guest").unwrap();
        guest.tcp(handle).close();
        let (mut host, all) = guest.meanwhile(move || {
            let mut all = Vec::new();
            host.read_to_end(&mut all).unwrap();
            (host, all)
        });
        assert_eq!(all, b"from the guest");
        // The guest has ended, and the host goes on.
        host.write_all(&pattern(5000)).unwrap();
        let mut got = Vec::new();
        guest.until("5000 bytes", |g| {
            let socket = g.tcp(handle);
            while socket.can_recv() {
                socket
                    .recv(|bytes| (bytes.len(), got.extend_from_slice(bytes)))
                    .unwrap();
            }
            (got.len() == 5000).then_some(())
        });
        assert_eq!(got, pattern(5000));
        assert_eq!(guest.state(handle), State::FinWait2);
        drop(host);
        guest.until("the end", |g| {
            (g.state(handle) == State::TimeWait).then_some(())
        });
    }
}

/// Two devices on one wire: each has its own connections, and one that goes leaves the other's be.
#[test]
fn two_devices_are_served_at_once() {
    let (link, first, listener) = start(|config| config.devices = 2);
    drop(first);
    let address = |last| Ipv4Addr::new(10, 0, 2, last);
    let mut guests = [1, 2].map(|n| Guest::plug_in_as(link.socket(), n, address(14 + n)));
    // The leases are handed out by stations, which DHCP's own tests show; here they are by hand.
    let mut hosts = Vec::new();
    for (n, guest) in guests.iter_mut().enumerate() {
        // The same port on both: the address tells them apart.
        let handle = guest.connect((FAR, PORT), 40_000, 8192);
        let mut host = accept(&listener);
        guest.tcp(handle).send_slice(&[b'a' + n as u8; 4]).unwrap();
        let (host, four) = guest.meanwhile(move || {
            let mut four = [0; 4];
            host.read_exact(&mut four).unwrap();
            (host, four)
        });
        assert_eq!(four, [b'a' + n as u8; 4]);
        hosts.push((handle, host));
    }
    assert_eq!(link.plugged(), 2);
    let [mut first, second] = guests;
    drop(second);
    let (handle, host) = &mut hosts[0];
    host.write_all(b"still here").unwrap();
    let mut got = Vec::new();
    first.until("the bytes", |g| {
        let socket = g.tcp(*handle);
        while socket.can_recv() {
            socket
                .recv(|bytes| (bytes.len(), got.extend_from_slice(bytes)))
                .unwrap();
        }
        (got == b"still here").then_some(())
    });
    // The one that went has its connection ended, and another may come.
    assert!(!matches!(hosts[1].1.read(&mut [0; 8]), Ok(1..)));
    assert_eq!(link.plugged(), 1);
    let mut third = Guest::plug_in_as(link.socket(), 2, address(16));
    third.connect((FAR, PORT), 40_001, 8192);
}

#[test]
fn the_host_may_end_first() {
    let (_link, mut guest, listener) = start(|_| {});
    let handle = guest.connect((FAR, PORT), 40_000, 8192);
    let mut host = accept(&listener);
    host.shutdown(Shutdown::Write).unwrap();
    guest.until("the host's end", |g| {
        (g.state(handle) == State::CloseWait).then_some(())
    });
    guest.tcp(handle).send_slice(b"last words").unwrap();
    guest.tcp(handle).close();
    guest.until("closed", |g| {
        (g.state(handle) == State::Closed).then_some(())
    });
    let mut all = Vec::new();
    host.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"last words");
}

#[test]
fn a_reset_is_a_reset_on_the_other_side() {
    let (_link, mut guest, listener) = start(|_| {});
    let handle = guest.connect((FAR, PORT), 40_000, 8192);
    let mut host = accept(&listener);
    guest.tcp(handle).abort();
    let error = guest.meanwhile(move || host.read(&mut [0; 8]).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let handle = guest.connect((FAR, PORT), 40_001, 8192);
    let host = accept(&listener);
    // Bytes that nobody reads make the close a reset.
    guest.tcp(handle).send_slice(b"unread").unwrap();
    let host = guest.meanwhile(move || {
        host.peek(&mut [0; 8]).unwrap();
        host
    });
    drop(host);
    guest.until("a reset", |g| {
        (g.state(handle) == State::Closed).then_some(())
    });
}

#[test]
fn a_guest_that_does_not_read_holds_the_host_back() {
    let (_link, mut guest, listener) = start(|_| {});
    let handle = guest.connect((FAR, PORT), 40_000, 8192);
    let mut host = accept(&listener);
    host.set_nonblocking(true).unwrap();
    let (chunk, mut sent, mut quiet) = (vec![0x55; 65_536], 0, 0);
    // Until nothing has moved for 100 ms.
    while quiet < 100 {
        guest.run_for(Duration::from_millis(1));
        match host.write(&chunk) {
            Ok(n) => (sent, quiet) = (sent + n, 0),
            Err(e) if e.kind() == ErrorKind::WouldBlock => quiet += 1,
            Err(e) => panic!("{e}"),
        }
        assert!(sent < 64 << 20, "nothing holds it back");
    }
    let mut got = 0;
    let whole = sent;
    guest.until("all of it", |g| {
        let socket = g.tcp(handle);
        while socket.can_recv() {
            got += socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap();
        }
        (got == whole).then_some(())
    });
}

#[test]
fn connections_are_refused_swallowed_and_cut() {
    let (link, mut guest, listener) = start(|_| {});
    // Nobody's port, and a listener that is gone.
    let handle = guest.open((FAR, PORT + 1), 40_000, 8192);
    guest.until("a refusal", |g| {
        (g.state(handle) == State::Closed).then_some(())
    });
    let handle = guest.connect((FAR, PORT), 40_001, 8192);
    let mut host = accept(&listener);
    link.cut(Cut::Reset);
    guest.until("a cut", |g| {
        (g.state(handle) == State::Closed).then_some(())
    });
    assert_eq!(
        host.read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );

    let handle = guest.connect((FAR, PORT), 40_002, 8192);
    let _host = accept(&listener);
    link.cut(Cut::Silence);
    guest.tcp(handle).send_slice(b"anybody?").unwrap();
    guest.run_for(Duration::from_millis(1500));
    assert_eq!(guest.state(handle), State::Established);
    assert_eq!(guest.tcp(handle).send_queue(), 8, "it was acknowledged");

    link.change(|s| s.services = vec![service(Answer::Blackhole)]);
    let handle = guest.open((FAR, PORT), 40_003, 8192);
    guest.run_for(Duration::from_millis(300));
    assert_eq!(guest.state(handle), State::SynSent);

    let gone = listener.local_addr().unwrap();
    drop(listener);
    link.change(|s| s.services = vec![service(Answer::Proxy(gone))]);
    let handle = guest.open((FAR, PORT), 40_004, 8192);
    guest.until("a refusal", |g| {
        (g.state(handle) == State::Closed).then_some(())
    });
}

/// A DNS question for `name`, type A.
fn question(name: &str) -> Vec<u8> {
    let mut out = vec![0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.extend([0, 0, 1, 0, 1]);
    out
}

#[test]
fn names_and_time_are_answered_from_the_script() {
    let long = Duration::from_secs(20);
    let (link, mut guest, _listener) = start(|config| {
        let addresses = Lookup::Addresses(vec![FAR, ROUTER]);
        config.settings.names.insert("iot.test".into(), addresses);
    });
    let out = guest
        .ask((ROUTER, 53), &question("IoT.test"), long)
        .unwrap();
    assert_eq!((out[..2].to_vec(), out[7]), (vec![0xAB, 0xCD], 2));
    assert_eq!(out[out.len() - 4..], ROUTER.octets());
    let out = guest.ask((ROUTER, 53), &question("no.test"), long).unwrap();
    assert_eq!(out[3] & 15, 3);
    link.change(|s| drop(s.names.insert("iot.test".into(), Lookup::Silence)));
    let silence = Duration::from_millis(200);
    assert_eq!(
        guest.ask((ROUTER, 53), &question("iot.test"), silence),
        None
    );

    let mut request = vec![0; 48];
    request[0] = 0x23;
    // Any address is a time server.
    let out = guest.ask((FAR, 123), &request, long).unwrap();
    let seconds = u32::from_be_bytes(out[40..44].try_into().unwrap());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 2_208_988_800;
    assert!(now.abs_diff(seconds.into()) < 3);
    link.change(|s| s.time = Time::Kiss(*b"DENY"));
    let out = guest.ask((FAR, 123), &request, long).unwrap();
    assert_eq!((out[1], &out[12..16]), (0, &b"DENY"[..]));
}

/// Sends 300,000 bytes to the guest over a bad wire; the counters and how long it took.
fn download(seed: u64, conditions: Conditions) -> ([Counters; 2], Duration) {
    let (link, mut guest, listener) = start(|config| {
        config.seed = seed;
        config.settings.conditions = conditions;
    });
    let begin = Instant::now();
    let handle = guest.connect((FAR, PORT), 40_000, 32_768);
    let mut host = accept(&listener);
    let all = pattern(300_000);
    let of_host = all.clone();
    let writer = std::thread::spawn(move || {
        host.write_all(&of_host).unwrap();
        host
    });
    let mut got = Vec::new();
    guest.until("the download", |g| {
        let socket = g.tcp(handle);
        while socket.can_recv() {
            socket
                .recv(|bytes| (bytes.len(), got.extend_from_slice(bytes)))
                .unwrap();
        }
        (got.len() >= all.len()).then_some(())
    });
    assert_eq!(got, all);
    let took = begin.elapsed();
    drop(writer.join().unwrap());
    (
        [Direction::Up, Direction::Down].map(|d| link.counters(d)),
        took,
    )
}

#[test]
fn a_download_arrives_whole_whatever_the_wire_does() {
    let bad = Conditions {
        rtt: Duration::from_millis(4),
        loss: Conditions::percent(1),
        duplicate: Conditions::percent(5),
        reorder: Conditions::percent(5),
        late_by: Duration::from_millis(2),
        down: false,
    };
    let ([up, down], _) = download(3, bad);
    assert!(
        down.lost > 0 && down.duplicated > 0 && down.late > 0,
        "{down:?}"
    );
    assert!(up.frames > 0);
}

#[test]
fn the_delay_is_the_round_trip_time() {
    let far = Conditions {
        rtt: Duration::from_millis(60),
        ..Conditions::default()
    };
    let (_, took) = download(1, far);
    // ARP, the handshake, and nine windows of 32 KiB and a part.
    assert!(took >= Duration::from_millis(60 * 11), "{took:?}");
    // No more of them than that: the best of a few, since the machine may have others to serve.
    let few = Duration::from_millis(60 * 30);
    let soon = took < few || (2..8).any(|seed| download(seed, far).1 < few);
    assert!(soon, "{took:?}");
}

#[test]
fn a_wire_that_is_down_comes_up_again() {
    let (link, mut guest, listener) = start(|_| {});
    let handle = guest.connect((FAR, PORT), 40_000, 8192);
    let mut host = accept(&listener);
    link.set_down(true);
    guest.tcp(handle).send_slice(b"held").unwrap();
    guest.run_for(Duration::from_millis(300));
    assert_eq!(guest.tcp(handle).send_queue(), 4);
    link.set_down(false);
    guest.until("the acknowledgement", |g| {
        (g.tcp(handle).send_queue() == 0).then_some(())
    });
    let mut got = [0; 4];
    host.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"held");
    assert!(link.counters(Direction::Up).lost > 0);
}

#[test]
fn garbage_on_the_plug_harms_nobody() {
    let (_link, mut guest, listener) = start(|_| {});
    let mut word = 0x1234_5678_9ABC_DEF1u64;
    let mut next = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word
    };
    for n in 0..3000 {
        let mut frame: Vec<u8> = (0..next() % 200).map(|_| next() as u8).collect();
        if let (0..14, true) = (n % 16, frame.len() > 34) {
            // As far as IPv4 to the router, with any protocol inside.
            frame[..6].copy_from_slice(&[0x52, 0x55, 0x0A, 0, 2, 2]);
            frame[12..15].copy_from_slice(&[8, 0, 0x45]);
            frame[23] = [1, 6, 17, 2][n % 4];
        }
        guest.plug.send(&frame);
        guest.poll();
    }
    guest.connect((FAR, PORT), 40_000, 8192);
    accept(&listener);
}

#[test]
fn another_device_takes_the_plug() {
    let (link, mut guest, listener) = start(|_| {});
    guest.connect((FAR, PORT), 40_000, 8192);
    let mut host = accept(&listener);
    drop(guest);
    // As with QEMU's own network: the connections of a device that is gone end.
    assert!(!matches!(host.read(&mut [0; 8]), Ok(1..)));
    let mut guest = Guest::plug_in(link.socket());
    guest.connect((FAR, PORT), 40_000, 8192);
    accept(&listener);
}

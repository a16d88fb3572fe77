//! Device Advisor's endpoint: openssl ends TLS, the test is the broker behind it.
//!
//! One connection each: what the device wrote comes packet by packet, what the test says goes out
//! in records as openssl makes them. Dropped, it closes the connection without a word.

use crate::common::{LIMIT, Pki, Running, Server, THING, listens};
use net_mqtt::Environment;
use net_mqtt::mqtt::split;
use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// CONNACK: accepted, no session, no properties.
pub const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];

pub struct Endpoint {
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    waiting: Vec<u8>,
    _server: Server,
}

impl Endpoint {
    /// Listens on `port`.
    pub fn open(pki: &Pki, port: u16) -> Endpoint {
        let address = format!("127.0.0.1:{port}");
        let arguments = [
            "s_server",
            "-accept",
            &address,
            "-cert",
            "server.crt",
            "-key",
            "server.key",
            "-CAfile",
            "ca.crt",
            "-Verify",
            "2",
            "-verify_return_error",
            "-quiet",
        ];
        let mut server = Server(
            Command::new("openssl")
                .args(arguments)
                .current_dir(&pki.dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("openssl; this test needs it: apt-get install openssl"),
        );
        let (input, mut stdout) = (
            server.0.stdin.take().unwrap(),
            server.0.stdout.take().unwrap(),
        );
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = stdout.read(&mut bytes) {
                if sender.send(bytes[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        let end = Instant::now() + LIMIT;
        while !listens(port) {
            assert!(Instant::now() < end, "openssl does not listen");
            std::thread::sleep(Duration::from_millis(2));
        }
        Endpoint {
            input,
            output,
            waiting: Vec::new(),
            _server: server,
        }
    }

    /// The device's next packet, while it runs; panics after a minute.
    pub fn packet(&mut self, device: &mut Running) -> Vec<u8> {
        let mut packet = None;
        device.run(60, |_| {
            self.waiting.extend(self.output.try_iter().flatten());
            packet = match split(&self.waiting) {
                Ok(Some(len)) if len <= self.waiting.len() => {
                    Some(self.waiting.drain(..len).collect())
                }
                Ok(_) => None,
                Err(_) => panic!("no MQTT: {:02x?}", self.waiting),
            };
            packet.is_some()
        });
        packet.unwrap_or_else(|| {
            panic!(
                "the device says nothing: {:#?}",
                device.bench().lines.borrow()
            )
        })
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.input.write_all(bytes).unwrap();
        self.input.flush().unwrap();
    }

    /// CONNECT, CONNACK, the presence message and the device's two subscriptions of its own acknowledged.
    pub fn accept(&mut self, device: &mut Running) {
        assert_eq!(self.packet(device)[0], 0x10, "CONNECT first");
        self.say(&ACCEPTED);
        let online = self.packet(device);
        assert_eq!((online[0], online.ends_with(b"online")), (0x32, true));
        // Fixed header of two bytes, then the topic; the identifier follows it.
        let at = 4 + usize::from(online[3]);
        self.say(&[0x40, 2, online[at], online[at + 1]]);
        for filter in [
            format!("{THING}/diagnostics/request\u{1}"),
            format!("$aws/commands/things/{THING}/executions/+/request/json\u{1}"),
        ] {
            let own = self.packet(device);
            assert!(own[0] == 0x82 && own.ends_with(filter.as_bytes()));
            self.say(&[0x90, 4, own[2], own[3], 0, 1]);
        }
        turn(device);
    }
}

/// Lets the device read what it was sent, which shows nowhere: 1000 turns, half a second.
pub fn turn(device: &mut Running) {
    let mut turns = 0;
    device.run(60, |_| {
        turns += 1;
        turns > 1000
    });
}

/// Skips `ms` of the device's time.
pub fn skip(device: &Running, ms: u64) {
    let skipped = &device.bench().skipped_us;
    skipped.set(skipped.get() + ms * 1000);
}

/// The device's time, milliseconds.
pub fn now(device: &Running) -> u64 {
    device.bench().now_us() / 1000
}

/// The pause that the device announces next after a line with `why` in it, milliseconds; the
/// console is empty then.
pub fn pause(device: &mut Running, why: &str) -> u64 {
    device.expect(why, 1);
    let lines = std::mem::take(&mut *device.bench().lines.borrow_mut());
    let line = lines.iter().find(|line| line.contains(why)).unwrap();
    let pause = line
        .split_once("retry in ")
        .and_then(|(_, rest)| rest.strip_suffix(" ms"));
    pause.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
}

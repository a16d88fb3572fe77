//! Names: questions, answers good and bad, servers that fail, addresses in turn.

use super::*;
use std::collections::VecDeque;

const NAME: &str = "iot.tockstone.test";

fn asked(id: u16) -> Vec<u8> {
    let mut buf = [0; MESSAGE];
    let len = question(id, NAME, &mut buf).unwrap();
    buf[..len].to_vec()
}

/// An answer with `records`, each (owner as bytes, type, ttl, data).
fn answered(id: u16, code: u8, records: &[(&[u8], u16, u32, &[u8])]) -> Vec<u8> {
    let mut message = asked(id);
    message[2] = 0x81;
    message[3] = 0x80 | code;
    message[7] = records.len() as u8;
    for (owner, kind, ttl, data) in records {
        message.extend_from_slice(owner);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&IN.to_be_bytes());
        message.extend_from_slice(&ttl.to_be_bytes());
        message.extend_from_slice(&(data.len() as u16).to_be_bytes());
        message.extend_from_slice(data);
    }
    message
}

/// The question's name.
const OWNER: &[u8] = &[0xC0, 12];

fn list(addresses: &Addresses) -> Vec<[u8; 4]> {
    addresses.iter().map(|address| address.octets()).collect()
}

#[test]
fn a_question_is_what_the_standard_says() {
    let bytes = asked(0x1234);
    assert_eq!(bytes[..12], [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[12..], b"\x03iot\x09tockstone\x04test\0\0\x01\0\x01");
    let mut buf = [0; MESSAGE];
    for bad in ["", ".", "a..b", &"x".repeat(64), &"x.".repeat(130)] {
        assert_eq!(question(1, bad, &mut buf), Err(DnsError::BadName), "{bad}");
    }
    assert!(question(1, &"x".repeat(63), &mut buf).is_ok());
}

#[test]
fn all_addresses_of_an_answer_are_kept_with_the_shortest_time() {
    let records: Vec<(&[u8], u16, u32, &[u8])> = vec![
        (OWNER, A, 300, &[10, 0, 0, 1]),
        (OWNER, A, 60, &[10, 0, 0, 2]),
        (OWNER, 28, 1, &[0; 16]),
        (OWNER, A, 120, &[10, 0, 0, 3]),
    ];
    let found = answer(7, NAME, &answered(7, 0, &records)).unwrap().unwrap();
    assert_eq!(list(&found), [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]]);
    assert_eq!(found.ttl(), 60);
}

#[test]
fn aliases_are_followed_in_any_order() {
    // The alias is another name, written out; the address belongs to that.
    let alias = b"\x04edge\x03aws\0";
    let owner: &[u8] = alias;
    let records: [(&[u8], u16, u32, &[u8]); 2] =
        [(owner, A, 60, &[10, 9, 8, 7]), (OWNER, CNAME, 30, alias)];
    let found = answer(7, NAME, &answered(7, 0, &records)).unwrap().unwrap();
    assert_eq!((list(&found), found.ttl()), (vec![[10, 9, 8, 7]], 30));
}

#[test]
fn aliases_in_a_circle_end() {
    let other = b"\x01a\0";
    let records: [(&[u8], u16, u32, &[u8]); 2] =
        [(OWNER, CNAME, 30, other), (other, CNAME, 30, OWNER)];
    let end = answer(7, NAME, &answered(7, 0, &records));
    assert_eq!(end, Some(Err(DnsError::NoAddress)));
}

#[test]
fn addresses_of_other_names_are_not_taken() {
    let records: [(&[u8], u16, u32, &[u8]); 1] = [(b"\x04evil\0", A, 60, &[6, 6, 6, 6])];
    let end = answer(7, NAME, &answered(7, 0, &records));
    assert_eq!(end, Some(Err(DnsError::NoAddress)));
}

#[test]
fn response_codes_have_names() {
    for (code, error) in [
        (1, DnsError::Code(1)),
        (2, DnsError::ServerFailure),
        (3, DnsError::NoSuchName),
        (5, DnsError::Refused),
    ] {
        assert_eq!(answer(7, NAME, &answered(7, code, &[])), Some(Err(error)));
    }
    let none = answer(7, NAME, &answered(7, 0, &[]));
    assert_eq!(none, Some(Err(DnsError::NoAddress)));
}

#[test]
fn an_answer_to_another_question_is_none() {
    let good = answered(7, 0, &[(OWNER, A, 60, &[10, 0, 0, 1])]);
    assert!(answer(8, NAME, &good).is_none(), "identifier");
    assert!(answer(7, "iot.tockstone.tess", &good).is_none(), "name");
    assert!(answer(7, NAME, &asked(7)).is_none(), "a question");
    let mut other = good.clone();
    other[2] |= 0x08;
    assert!(answer(7, NAME, &other).is_none(), "operation");
    let mut other = good.clone();
    let at = asked(7).len() - 3;
    other[at] = 28;
    assert!(answer(7, NAME, &other).is_none(), "type");
    // Case does not matter.
    let mut other = good;
    other[13] = b'I';
    assert!(answer(7, NAME, &other).is_some());
}

#[test]
fn a_cut_answer_gives_what_is_left_of_it() {
    let records: [(&[u8], u16, u32, &[u8]); 2] = [
        (OWNER, A, 60, &[10, 0, 0, 1]),
        (OWNER, A, 60, &[10, 0, 0, 2]),
    ];
    let mut message = answered(7, 0, &records);
    message[2] |= 0x02;
    message.truncate(message.len() - 3);
    let found = answer(7, NAME, &message).unwrap().unwrap();
    assert_eq!(list(&found), [[10, 0, 0, 1]]);
}

#[test]
fn a_negative_time_to_live_is_zero_and_a_long_one_a_day() {
    for (ttl, taken) in [(0xFFFF_FFFF, 0), (0x7FFF_FFFF, 86_400), (0, 0)] {
        let message = answered(7, 0, &[(OWNER, A, ttl, &[10, 0, 0, 1])]);
        let found = answer(7, NAME, &message).unwrap().unwrap();
        assert_eq!(found.ttl(), taken);
    }
}

/// Pointers that lead in circles, lengths that lie, bits that flip.
#[test]
fn anything_is_survived() {
    let owner = b"\x01a\xC0\x10";
    let records: [(&[u8], u16, u32, &[u8]); 3] = [
        (OWNER, CNAME, 30, owner),
        (owner, A, 60, &[10, 0, 0, 1]),
        (OWNER, A, 60, &[10, 0, 0, 1]),
    ];
    let good = answered(7, 0, &records);
    let mut x = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as usize
    };
    let (mut found, mut failed, mut none) = (0, 0, 0);
    for round in 0..200_000 {
        let mut bytes = good.clone();
        for _ in 0..next() % 4 {
            let at = next() % bytes.len();
            bytes[at] = match next() % 3 {
                0 => bytes[at] ^ 1 << (next() % 8),
                1 => 0xC0,
                _ => next() as u8,
            };
        }
        if round % 4 == 0 {
            bytes.truncate(next() % (bytes.len() + 1));
        }
        match answer(7, NAME, &bytes) {
            Some(Ok(_)) => found += 1,
            Some(Err(_)) => failed += 1,
            None => none += 1,
        }
    }
    assert!(
        found > 1000 && failed > 1000 && none > 1000,
        "{found} {failed} {none}"
    );
}

/// A network of name servers: what was sent, what will come.
#[derive(Default)]
struct Wire {
    sent: Vec<(Ipv4Addr, Vec<u8>)>,
    coming: VecDeque<(Vec<u8>, Ipv4Addr, u16)>,
    words: u32,
}

impl Datagrams for Wire {
    fn random(&mut self) -> u32 {
        self.words = self
            .words
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.words >> 8
    }

    fn send(&mut self, to: Ipv4Addr, port: u16, bytes: &[u8]) -> bool {
        assert_eq!(port, PORT);
        self.sent.push((to, bytes.to_vec()));
        true
    }

    fn receive(&mut self, buf: &mut [u8]) -> Option<(usize, Ipv4Addr, u16)> {
        let (bytes, from, port) = self.coming.pop_front()?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some((bytes.len(), from, port))
    }
}

impl Wire {
    /// Identifier of the last question.
    fn id(&self) -> u16 {
        let bytes = &self.sent.last().unwrap().1;
        u16::from_be_bytes([bytes[0], bytes[1]])
    }

    fn answers(&mut self, from: Ipv4Addr, code: u8, addresses: &[[u8; 4]]) {
        let records: Vec<(&[u8], u16, u32, &[u8])> = addresses
            .iter()
            .map(|address| (OWNER, A, 60, &address[..]))
            .collect();
        self.coming
            .push_back((answered(self.id(), code, &records), from, PORT));
    }
}

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 4);

fn both() -> Servers {
    Servers::new([FIRST, SECOND].into_iter())
}

#[test]
fn a_silent_server_is_followed_by_the_next_and_silence_has_an_end() {
    let (mut wire, mut lookup) = (Wire::default(), Lookup::new(NAME));
    let mut now = 0;
    let end = loop {
        match lookup.poll(&mut wire, both(), now) {
            Some(end) => break end,
            None => now += 100_000,
        }
    };
    assert_eq!(end, Err(DnsError::Silent));
    assert_eq!(now, 8_000_000);
    let order: Vec<Ipv4Addr> = wire.sent.iter().map(|sent| sent.0).collect();
    assert_eq!(order, [FIRST, SECOND, FIRST, SECOND]);
    let ids: std::collections::BTreeSet<Vec<u8>> =
        wire.sent.iter().map(|sent| sent.1[..2].to_vec()).collect();
    assert_eq!(ids.len(), 4, "each question has its own identifier");
}

#[test]
fn a_failing_server_is_followed_by_the_next_at_once() {
    let (mut wire, mut lookup) = (Wire::default(), Lookup::new(NAME));
    assert_eq!(lookup.poll(&mut wire, both(), 0), None);
    wire.answers(FIRST, 2, &[]);
    assert_eq!(lookup.poll(&mut wire, both(), 1), None);
    assert_eq!(wire.sent.len(), 2);
    wire.answers(SECOND, 0, &[[10, 0, 0, 1]]);
    let found = lookup.poll(&mut wire, both(), 2).unwrap().unwrap();
    assert_eq!(list(&found), [[10, 0, 0, 1]]);
}

#[test]
fn that_a_name_does_not_exist_is_believed_at_once() {
    let (mut wire, mut lookup) = (Wire::default(), Lookup::new(NAME));
    lookup.poll(&mut wire, both(), 0);
    wire.answers(FIRST, 3, &[]);
    let end = lookup.poll(&mut wire, both(), 1);
    assert_eq!(end, Some(Err(DnsError::NoSuchName)));
}

#[test]
fn only_the_server_that_was_asked_answers() {
    let (mut wire, mut lookup) = (Wire::default(), Lookup::new(NAME));
    lookup.poll(&mut wire, both(), 0);
    wire.answers(SECOND, 0, &[[6, 6, 6, 6]]);
    let id = wire.id();
    let forged = answered(id, 0, &[(OWNER, A, 60, &[6, 6, 6, 6])]);
    wire.coming.push_back((forged, FIRST, 5353));
    let guessed = answered(id ^ 1, 0, &[(OWNER, A, 60, &[6, 6, 6, 6])]);
    wire.coming.push_back((guessed, FIRST, PORT));
    assert_eq!(lookup.poll(&mut wire, both(), 1), None);
    wire.answers(FIRST, 0, &[[10, 0, 0, 1]]);
    let found = lookup.poll(&mut wire, both(), 2).unwrap().unwrap();
    assert_eq!(list(&found), [[10, 0, 0, 1]]);
}

#[test]
fn without_a_server_there_is_no_lookup() {
    let mut wire = Wire::default();
    let end = Lookup::new(NAME).poll(&mut wire, Servers::default(), 0);
    assert_eq!(end, Some(Err(DnsError::NoServer)));
}

#[test]
fn addresses_take_turns_and_last_as_long_as_the_server_says() {
    let records: [(&[u8], u16, u32, &[u8]); 2] = [
        (OWNER, A, 60, &[10, 0, 0, 1]),
        (OWNER, A, 60, &[10, 0, 0, 2]),
    ];
    let found = answer(7, NAME, &answered(7, 0, &records)).unwrap().unwrap();
    let mut cache = Cache::default();
    assert!(cache.is_stale(0) && cache.take_turn().is_none());
    cache.learn(found, 1_000_000);
    let turns: Vec<u8> = (0..5)
        .map(|_| cache.take_turn().unwrap().octets()[3])
        .collect();
    assert_eq!(turns, [1, 2, 1, 2, 1]);
    assert!(!cache.is_stale(60_999_999));
    assert!(cache.is_stale(61_000_000));
    // The same answer again: it goes on where it was.
    cache.learn(found, 61_000_000);
    assert_eq!(cache.take_turn(), Some(Ipv4Addr::new(10, 0, 0, 2)));
    cache.forget();
    assert!(cache.is_stale(61_000_001));
}

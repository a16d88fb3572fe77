//! The router's name server: answers from a script.
//!
//! Owns the wire format, as much as a resolver's questions need (RFC 1035 §4). Parsing is total:
//! what is no question gets no answer. Does not own sockets, nor who is asked.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What is said of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// These addresses, in this order.
    Addresses(Vec<Ipv4Addr>),
    /// There is no such name.
    NoSuchName,
    /// SERVFAIL.
    Failure,
    /// Nothing at all.
    Silence,
    /// The answer to another question: the id is wrong, then the right one does not come.
    WrongId(Vec<Ipv4Addr>),
}

/// Names in lower case, and what is said of them; of all others, that they do not exist.
pub type Zone = BTreeMap<String, Lookup>;

/// Time to live of an answer, seconds.
const TTL: u32 = 60;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const HEADER: usize = 12;
/// Longest name in the text form that is looked up.
const MAX_NAME: usize = 253;

/// RCODE (RFC 1035 §4.1.1).
mod rcode {
    pub const OK: u8 = 0;
    pub const SERVER_FAILURE: u8 = 2;
    pub const NAME_ERROR: u8 = 3;
}

/// A question, and where in the message it ends.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    id: u16,
    recursion: bool,
    name: String,
    kind: u16,
    class: u16,
    end: usize,
}

/// The answer to a message, or `None` when it is none that one answers, or the script is silent.
pub fn answer(zone: &Zone, message: &[u8]) -> Option<Vec<u8>> {
    let question = parse(message)?;
    let known = zone.get(&question.name).unwrap_or(&Lookup::NoSuchName);
    let (mut id, none) = (question.id, Vec::new());
    let (code, addresses) = match known {
        Lookup::Addresses(addresses) => (rcode::OK, addresses),
        Lookup::NoSuchName => (rcode::NAME_ERROR, &none),
        Lookup::Failure => (rcode::SERVER_FAILURE, &none),
        Lookup::Silence => return None,
        Lookup::WrongId(addresses) => {
            id ^= 0x5555;
            (rcode::OK, addresses)
        }
    };
    let wanted = question.kind == TYPE_A && question.class == CLASS_IN;
    let addresses = if wanted { addresses } else { &none };
    let mut out = Vec::with_capacity(question.end + 16 * addresses.len());
    out.extend(id.to_be_bytes());
    // Answer, authoritative, recursion desired as asked, recursion available.
    out.extend([0x84 | u8::from(question.recursion), 0x80 | code]);
    out.extend([0, 1]);
    out.extend((addresses.len() as u16).to_be_bytes());
    out.extend([0; 4]);
    out.extend(message.get(HEADER..question.end)?);
    for address in addresses {
        // The name is the question's: a pointer to it.
        out.extend([0xC0, HEADER as u8]);
        out.extend(TYPE_A.to_be_bytes());
        out.extend(CLASS_IN.to_be_bytes());
        out.extend(TTL.to_be_bytes());
        out.extend([0, 4]);
        out.extend(address.octets());
    }
    Some(out)
}

fn parse(message: &[u8]) -> Option<Question> {
    let word = |at: usize| -> Option<u16> {
        let bytes = message.get(at..at + 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let flags = word(2)?;
    // A standard query (QR 0, OPCODE 0) with one question.
    if flags & 0xF800 != 0 || word(4)? != 1 {
        return None;
    }
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // Two bits set is a pointer: nothing lies before the question that it could point to.
        if length > 63 {
            return None;
        }
        let label = message.get(at..at + length)?;
        at += length;
        if !name.is_empty() {
            name.push('.');
        }
        if name.len() + length > MAX_NAME {
            return None;
        }
        name.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
    }
    Some(Question {
        id: word(0)?,
        recursion: flags & 0x0100 != 0,
        name,
        kind: word(at)?,
        class: word(at + 2)?,
        end: at + 4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut out = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|l| !l.is_empty()) {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.push(0);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out
    }

    fn zone() -> Zone {
        let two = vec![Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 2, 4)];
        Zone::from([
            ("a.test".into(), Lookup::Addresses(two.clone())),
            ("fail.test".into(), Lookup::Failure),
            ("still.test".into(), Lookup::Silence),
            ("wrong.test".into(), Lookup::WrongId(two)),
        ])
    }

    #[test]
    fn every_answer_of_the_script() {
        let (zone, question) = (zone(), query("A.Test", 1));
        let out = answer(&zone, &question).unwrap();
        assert_eq!(out[..4], [0x12, 0x34, 0x85, 0x80]);
        assert_eq!(out[4..12], [0, 1, 0, 2, 0, 0, 0, 0]);
        assert_eq!(out[12..question.len()], question[12..]);
        let record = |last| [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 2, last];
        assert_eq!(
            out[question.len()..],
            [record(2), record(4)].concat(),
            "two records"
        );
        // No AAAA, and no error either.
        let out = answer(&zone, &query("a.test", 28)).unwrap();
        assert_eq!((out[3], out[7]), (0x80, 0));
        assert_eq!(answer(&zone, &query("b.test", 1)).unwrap()[3], 0x83);
        assert_eq!(answer(&zone, &query("fail.test", 1)).unwrap()[3], 0x82);
        assert_eq!(answer(&zone, &query("still.test", 1)), None);
        let wrong = answer(&zone, &query("wrong.test", 1)).unwrap();
        assert_ne!(wrong[..2], [0x12, 0x34]);
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let zone = zone();
        let mut response = query("a.test", 1);
        response[2] |= 0x80;
        assert_eq!(answer(&zone, &response), None);
        let mut two = query("a.test", 1);
        two[5] = 2;
        assert_eq!(answer(&zone, &two), None);
        for end in 0..query("a.test", 1).len() {
            assert_eq!(answer(&zone, &query("a.test", 1)[..end]), None);
        }
    }

    #[test]
    fn no_bytes_make_it_fall() {
        let (zone, mut random) = (zone(), Random(0x5EED));
        for _ in 0..50_000 {
            let bytes = random.damage(&query("a.test", 1));
            if let Some(out) = answer(&zone, &bytes) {
                // It answers the question that it was asked.
                assert!(out.len() >= HEADER && out[2] & 0x80 != 0);
                assert_eq!(out[..2], bytes[..2]);
            }
        }
    }
}

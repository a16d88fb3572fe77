//! Another key and certificate for a device in the field, while the old ones go on working: what is
//! kept of it, and what a start makes of that.
//!
//! Owns the record (PS [`SLOT_UID`]), which says after any cut what is to be done. A command is
//! taken; a new identity is made beside the one in use (`rotation.rs`); the process starts anew and
//! connects with it. Only when the broker has accepted it is it the device's, by one write, and the
//! old key and certificate go.
//!
//! Invariants: the identity in use is whole in every state of the storage; what is not in use is
//! either on its way by the record or swept at the next start. A new identity that is refused, or
//! does not connect in [`TRIES`] starts, is given up, and the command answered FAILED.
//!
//! Does not own what is asked of the cloud (`rotation.rs`), the connection (`session.rs`) or the
//! token (`pkcs11`).

use crate::config;
use crate::identity::{NEXT, Token};
use alloc::string::String;
use alloc::vec::Vec;
use pkcs11::objects::SLOT_UID;
use pkcs11::types::CkRv;
use psa_client::{Transport, ps};
use psa_interface::Status;

/// Starts in which a new identity may fail to connect for reasons that may pass.
pub const TRIES: u8 = 3;
/// Longest execution id, bytes.
const MAX_ID: usize = 64;
/// Longest template name (AWS), bytes.
const MAX_TEMPLATE: usize = 36;
/// Bytes in front of id and template.
const HEAD: usize = 4;
/// Longest record, bytes.
const MAX_RECORD: usize = HEAD + MAX_ID + MAX_TEMPLATE;

/// Why a change failed, as the command's answer has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The new certificate did not connect in [`TRIES`] starts.
    NotConnected,
    /// The broker refused the new certificate.
    Refused,
    /// The cloud gave no certificate, or would not attach it.
    Rejected,
    /// The token took no key or not this certificate.
    Token,
}

impl Reason {
    const ALL: [(Reason, &'static str); 4] = [
        (Reason::NotConnected, "NEW_CERTIFICATE_DID_NOT_CONNECT"),
        (Reason::Refused, "NEW_CERTIFICATE_REFUSED"),
        (Reason::Rejected, "CLOUD_REJECTED"),
        (Reason::Token, "TOKEN_REFUSED"),
    ];

    pub(crate) fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(reason, _)| *reason == self);
        named.map_or("", |(_, name)| name)
    }
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Idle,
    /// The command was taken.
    Requested,
    /// The new identity is whole, and may be tried so many times.
    Trying(u8),
    /// It is the device's.
    Changed,
    /// It was given up.
    Failed(Reason),
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which of the two places holds the identity in use: byte 0, which `pkcs11` reads too.
    pub second: bool,
    /// Where a change stands.
    pub state: State,
    /// Execution id of the command.
    pub id: String,
    /// Provisioning template that it names.
    pub template: String,
}

impl Record {
    pub(crate) fn idle(second: bool) -> Record {
        Record {
            second,
            state: State::Idle,
            id: String::new(),
            template: String::new(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let (state, number) = match self.state {
            State::Idle => (0, 0),
            State::Requested => (1, 0),
            State::Trying(left) => (2, left),
            State::Changed => (3, 0),
            State::Failed(reason) => {
                let place = Reason::ALL.iter().position(|(r, _)| *r == reason);
                (4, place.unwrap_or_default() as u8)
            }
        };
        let mut out = Vec::with_capacity(MAX_RECORD);
        out.extend([self.second.into(), state, number, self.id.len() as u8]);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.template.as_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Record> {
        let (&[second @ 0..=1, state, number, id], rest) = bytes.split_first_chunk::<HEAD>()?
        else {
            return None;
        };
        let state = match (state, number) {
            (0, 0) => State::Idle,
            (1, 0) => State::Requested,
            (2, left @ 0..=TRIES) => State::Trying(left),
            (3, 0) => State::Changed,
            (4, place) => State::Failed(Reason::ALL.get(usize::from(place))?.0),
            _ => return None,
        };
        let (id, template) = rest.split_at_checked(id.into())?;
        let record = Record {
            second: second == 1,
            state,
            id: String::from(core::str::from_utf8(id).ok()?),
            template: String::from(core::str::from_utf8(template).ok()?),
        };
        let of_command = is_id(&record.id) && is_template(&record.template);
        // Of the last command, so that it is not followed twice.
        let rest = record.template.is_empty() && (record.id.is_empty() || is_id(&record.id));
        match record.state {
            State::Idle => rest.then_some(record),
            _ => of_command.then_some(record),
        }
    }

    pub(crate) fn read(psa: &dyn Transport) -> Result<Record, Status> {
        let mut bytes = [0; MAX_RECORD + 1];
        match ps::get(&psa, SLOT_UID, 0, &mut bytes) {
            Ok(len) => {
                let record = bytes.get(..len).and_then(Record::decode);
                record.ok_or(Status::DATA_CORRUPT)
            }
            Err(Status::DOES_NOT_EXIST) => Ok(Record::idle(false)),
            Err(status) => Err(status),
        }
    }

    pub(crate) fn write(&self, psa: &dyn Transport) -> Result<(), Status> {
        ps::set(&psa, SLOT_UID, &self.encode(), 0)
    }
}

/// AWS: letters, digits, `_` and `-`.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && legal(id)
}

pub(crate) fn is_template(name: &str) -> bool {
    (1..=MAX_TEMPLATE).contains(&name.len()) && legal(name) && !placeholder::is_placeholder(name)
}

fn legal(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Which identity a start connects with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The device's.
    Device,
    /// The new one, on trial.
    Next,
}

/// What the record says about this start: a trial counts itself before it is made, and what nobody
/// needs any more goes.
///
/// # Errors
/// Of the storage or the token; the device's identity is to be used then.
pub fn start(psa: &dyn Transport) -> Result<Start, Status> {
    if ps::get_info(&psa, SLOT_UID) == Err(Status::DOES_NOT_EXIST) {
        return Ok(Start::Device);
    }
    let mut record = Record::read(psa)?;
    match record.state {
        State::Trying(0) => {
            record.state = State::Failed(Reason::NotConnected);
            record.write(psa)?;
        }
        State::Trying(left) => {
            record.state = State::Trying(left - 1);
            record.write(psa)?;
            return Ok(Start::Next);
        }
        State::Requested => return Ok(Start::Device),
        State::Idle | State::Changed | State::Failed(_) => {}
    }
    sweep(psa).map_err(|_| Status::STORAGE_FAILURE)?;
    Ok(Start::Device)
}

/// Destroys what is in the place that is not in use: the key first, so that what a cut leaves signs
/// nothing.
pub(crate) fn sweep(psa: &dyn Transport) -> Result<(), CkRv> {
    let mut token = Token::open(psa)?;
    token.destroy(NEXT.private)?;
    token.destroy(NEXT.certificate)
}

/// The broker has accepted the new identity: it is the device's from this write on.
///
/// # Errors
/// Of the storage; the trial then stands as it was.
pub(crate) fn accepted(psa: &dyn Transport) -> Result<(), Status> {
    let mut record = Record::read(psa)?;
    record.second = !record.second;
    record.state = State::Changed;
    record.write(psa)
}

/// The new identity is given up.
///
/// # Errors
/// Of the storage; the trial then stands as it was, and ends by its count.
pub fn give_up(psa: &dyn Transport, reason: Reason) -> Result<(), Status> {
    let mut record = Record::read(psa)?;
    record.state = State::Failed(reason);
    record.write(psa)
}

/// Id of the key that a start uses, for the console.
pub fn key_id(psa: &dyn Transport, trial: bool) -> u32 {
    let second = Record::read(psa).is_ok_and(|record| record.second);
    match second != trial {
        true => config::SECOND_KEY,
        false => config::DEVICE_KEY,
    }
}

#[cfg(test)]
#[path = "rotate_tests.rs"]
mod tests;

//! The answer to a request for diagnostics, as the cloud reads it.
//!
//! Owns the JSON documents (docs/observe.md): the answer, with an attestation token that is bound to the
//! request's nonce, and the refusal. Does not own when they are sent: `desk.rs`.

use crate::app::{Environment, Shared};
use crate::desk::Counts;
use crate::json::{Base64, Hex, Quoted};
use crate::request::{Nonce, Refusal};
use crate::{Stream, crash};
use alloc::string::String;
use alloc::vec;
use core::fmt::{self, Write};
use mqtt_ipc::Memory;
use psa_client::Status;
use psa_client::attestation::MAX_TOKEN_SIZE;
use supervision::ImageVersion;

/// Processes that are named at most.
const MAX_PROCESSES: u32 = 10;
/// Room for all but the token, bytes: the usual document, not the longest.
const DOCUMENT: usize = 2048;
/// What the token adds to a document, bytes: base64, name, quotes.
pub(crate) const TOKEN: usize = MAX_TOKEN_SIZE.div_ceil(3) * 4 + 20;

/// An image, for the member `ota`.
pub struct Image {
    /// Its version.
    pub version: ImageVersion,
    /// What the update service says of it (PSA FWU 1.0 §4.1).
    pub state: &'static str,
}

/// All of the answer but the token and the end: [`finish`] adds them.
pub(crate) fn begin<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    counts: &Counts,
    nonce: &Nonce,
) -> String {
    let mut text = String::with_capacity(DOCUMENT + TOKEN);
    // Writing to a String does not fail.
    let _ = write(&mut text, shared, counts, nonce);
    text
}

/// Adds the token over the nonce.
///
/// # Errors
/// Why the secure world gives none.
pub(crate) fn finish<E: Environment>(
    environment: &E,
    nonce: &Nonce,
    text: &mut String,
) -> Result<(), Status> {
    let mut token = vec![0; MAX_TOKEN_SIZE];
    let len = environment.attest(nonce.bytes(), &mut token)?;
    let token = Base64(token.get(..len).unwrap_or_default());
    let _ = write!(text, ",\"attestation\":\"{token}\"}}");
    Ok(())
}

/// A request that is not answered, and why.
pub(crate) fn refused(refusal: Refusal) -> String {
    error(refusal.name(), format_args!("{refusal}"))
}

/// The secure world gave no token.
pub(crate) fn not_attested(status: Status) -> String {
    error("AttestationFailed", format_args!("PSA {status}"))
}

fn error(name: &str, message: fmt::Arguments<'_>) -> String {
    alloc::format!("{{\"error\":\"{name}\",\"message\":\"{message}\"}}")
}

fn write<S: Stream, E: Environment, M: Memory>(
    w: &mut String,
    shared: &Shared<'_, S, E, M>,
    counts: &Counts,
    nonce: &Nonce,
) -> fmt::Result {
    let environment = &shared.environment;
    write!(
        w,
        "{{\"nonce\":\"{}\",\"time\":{},\"uptimeS\":{},\"processes\":[",
        Hex(nonce.bytes()),
        shared.wall_time(),
        shared.now_us() / 1_000_000
    )?;
    for index in 0..MAX_PROCESSES {
        let Some(p) = environment.process(index) else {
            break;
        };
        if index > 0 {
            w.write_char(',')?;
        }
        write!(
            w,
            "{{\"name\":{},\"state\":\"{}\",\"version\":{},\"restarts\":{},\"ram\":{},\"app\":{},\
             \"grants\":{},\"stack\":{},\"stackUsed\":{},\"syscalls\":{},\"droppedUpcalls\":{}}}",
            Quoted(p.name.as_str()),
            p.state.name(),
            p.version,
            p.restarts,
            p.ram,
            p.app,
            p.grants,
            p.stack,
            p.stack_used,
            p.syscalls,
            p.dropped_upcalls
        )?;
    }
    let [used, peak, size] = environment.heap();
    let service = shared.service.borrow();
    write!(
        w,
        "],\"memory\":{{\"heapUsed\":{used},\"heapPeak\":{peak},\"heap\":{size}}},\
         \"mqtt\":{{\"connections\":{},\"resumed\":{},\"published\":{},\"refused\":{},\
         \"received\":{},\"clients\":{},\"dropped\":{},\"unwanted\":{}}},",
        counts.connections,
        counts.resumed,
        counts.published,
        counts.refused,
        counts.received,
        service.clients(),
        service.dropped(),
        service.unwanted()
    )?;
    let tls = shared.provider.psa().counters();
    write!(
        w,
        "\"tls\":{{\"handshakes\":{},\"failures\":{},\"secureCalls\":{},\
         \"sent\":{{\"records\":{},\"bytes\":{}}},\"received\":{{\"records\":{},\"bytes\":{}}}}},\
         \"ota\":{{\"blocks\":{},\"updates\":{}",
        shared.handshakes.get(),
        shared.failures.get(),
        tls.calls,
        tls.sent.records,
        tls.sent.bytes,
        tls.received.records,
        tls.received.bytes,
        counts.blocks,
        counts.updates
    )?;
    for (name, component) in [("secure", 0), ("nonSecure", 1)] {
        if let Some(image) = environment.image(component) {
            let version = crash::Version(&image.version);
            write!(
                w,
                ",\"{name}\":{{\"version\":\"{version}\",\"state\":\"{}\"}}",
                image.state
            )?;
        }
    }
    let (kept, lost) = environment.crashes();
    write!(w, "}},\"crashes\":{{\"kept\":{kept},\"lost\":{lost}}}")
}

//! Goes through the drivers one by one, on the board.
//!
//! Owns no figure: what it needs to know (random bytes, a hash, a reply) it checks by itself.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use checks::{ECHO, report};
use libtock::alarm::{Alarm, Clock, Milliseconds};
use libtock::audio_rom::AudioRom;
use libtock::date_time::DateTime;
use libtock::ethernet::{Ethernet, StaticBuffer};
use libtock::ipc::{Ipc, IpcInbox};
use libtock::platform::{ErrorCode, Event};
use libtock::psa::Psa;
use libtock::rng::Rng;
use libtock::runtime::{TockSyscalls, heap};
use libtock::{println, set_main, stack_size};
use psa_client::crypto::{self, HashOperation};
use psa_client::{Algorithm, KeyAttributes, KeyType, Status, fwu, its, ps};
use psa_interface::key::usage;

extern crate alloc;

set_main! { main }
stack_size! { 0x1800 }
heap! { 0x800 }

fn main() {
    report("heap", check_heap());
    report("alarm", check_alarm());
    report("rng", check_rng());
    report("date_time", check_date_time());
    report("audio_rom", check_audio_rom());
    report("ethernet", check_ethernet());
    report("ipc", check_ipc());
    let psa = Psa::new();
    report("psa random", check_random(&psa));
    report("psa hash", check_hash(&psa));
    report("psa aead", check_aead(&psa));
    report("psa ecdh", check_ecdh(&psa));
    report("psa persistent key", check_persistent(&psa));
    report("psa its", check_its(&psa));
    report("psa ps", check_ps(&psa));
    report("psa fwu", check_fwu(&psa));
    println!("check: done");
}

/// `failed` without more to say.
const WRONG: ErrorCode = ErrorCode::Fail;

fn ensure(condition: bool) -> Result<(), ErrorCode> {
    if condition { Ok(()) } else { Err(WRONG) }
}

fn check_heap() -> Result<(), ErrorCode> {
    let before = heap::stats().used;
    let text = alloc::format!("{}-{}", 12, 34);
    ensure(text == "12-34" && heap::stats().used > before)?;
    drop(text);
    ensure(heap::stats().used == before && heap::stats().peak > 0)
}

fn check_alarm() -> Result<(), ErrorCode> {
    let mut clock = Clock::new::<TockSyscalls>()?;
    Alarm::sleep_for(Milliseconds(50))?;
    let slept = clock.now_ms::<TockSyscalls>();
    ensure((50..5000).contains(&slept))
}

fn check_rng() -> Result<(), ErrorCode> {
    let (mut a, mut b) = ([0; 24], [0; 24]);
    Rng::get_bytes_sync(&mut a, 24)?;
    Rng::get_bytes_sync(&mut b, 24)?;
    ensure(a != b)
}

fn check_date_time() -> Result<(), ErrorCode> {
    // After 2024, before 2100.
    ensure((1_704_067_200..4_102_444_800).contains(&DateTime::unix_seconds()?))
}

fn check_audio_rom() -> Result<(), ErrorCode> {
    let size = AudioRom::size()?;
    let mut b = [0; 16];
    ensure(AudioRom::read(size.saturating_sub(4), &mut b)? == 4)?;
    ensure(AudioRom::read(size.saturating_add(1), &mut b) == Err(ErrorCode::Invalid))
}

static RX: [StaticBuffer<2048>; 2] = [const { StaticBuffer::new() }; 2];
static RECEIVED: Event = Event::new();

/// Asks the user network's gateway (10.0.2.2) for its address.
fn check_ethernet() -> Result<(), ErrorCode> {
    let [a, b] = &RX;
    let (Some(a), Some(b)) = (a.take(), b.take()) else {
        return Err(WRONG);
    };
    let mut ethernet = Ethernet::start(a, b, &RECEIVED)?;
    let me = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
    let mut frame = [0u8; 60];
    let fields: [(usize, &[u8]); 6] = [
        (0, &[0xFF; 6]),
        (6, &me),
        // Ethernet type ARP; Ethernet, IPv4, lengths 6 and 4, request.
        (12, &[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]),
        (22, &me),
        (28, &[10, 0, 2, 15]),
        (38, &[10, 0, 2, 2]),
    ];
    for (at, bytes) in fields {
        if let Some(to) = frame.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
    ethernet.transmit(&frame)?;
    for _ in 0..20 {
        Alarm::wait(Milliseconds(100), || RECEIVED.is_raised())?;
        RECEIVED.take();
        while let Some(frame) = ethernet.receive()? {
            // An ARP reply from 10.0.2.2.
            let reply = frame.get(12..14) == Some(&[8, 6]) && frame.get(20..22) == Some(&[0, 2]);
            if reply && frame.get(28..32) == Some(&[10, 0, 2, 2]) {
                return Ok(());
            }
        }
    }
    Err(ErrorCode::NoAck)
}

static SHARED: StaticBuffer<1024> = StaticBuffer::new();
static INBOX: IpcInbox = IpcInbox::new();

fn check_ipc() -> Result<(), ErrorCode> {
    ensure(Ipc::discover("no such process") == Err(ErrorCode::NoDevice))?;
    let service = Ipc::discover(ECHO)?;
    Ipc::register_client(service, &INBOX)?;
    let memory = Ipc::share(service, SHARED.take().ok_or(WRONG)?)?;
    memory.write(0, b"0123456789abcdef")?;
    Ipc::notify_service(service)?;
    if !Alarm::wait(Milliseconds(2000), || INBOX.is_pending())? {
        return Err(ErrorCode::NoAck);
    }
    ensure(INBOX.take().map(|n| n.sender) == Some(service.index()))?;
    let mut answer = [0; 16];
    memory.read(16, &mut answer)?;
    ensure(&answer == b"fedcba9876543210")
}

fn must(condition: bool) -> Result<(), Status> {
    if condition {
        Ok(())
    } else {
        Err(Status::GENERIC_ERROR)
    }
}

fn check_random(psa: &Psa) -> Result<(), Status> {
    let (mut a, mut b) = ([0; 32], [0; 32]);
    crypto::generate_random(psa, &mut a)?;
    crypto::generate_random(psa, &mut b)?;
    must(a != b)
}

fn check_hash(psa: &Psa) -> Result<(), Status> {
    let (mut once, mut parts) = ([0; 48], [0; 48]);
    let data = [0x61; 200];
    must(crypto::hash_compute(psa, Algorithm::SHA_384, &data, &mut once)? == 48)?;
    let mut operation = HashOperation::setup(psa, Algorithm::SHA_384)?;
    operation.update(&data[..77])?;
    let mut clone = operation.try_clone()?;
    drop(operation);
    clone.update(&data[77..])?;
    must(clone.finish(&mut parts)? == 48 && once == parts)
}

fn check_aead(psa: &Psa) -> Result<(), Status> {
    let alg = Algorithm::CHACHA20_POLY1305;
    let both = usage::ENCRYPT | usage::DECRYPT;
    let attributes = KeyAttributes::volatile(KeyType::CHACHA20, 256, both, alg);
    let key = crypto::generate_key(psa, &attributes)?;
    let (mut sealed, mut opened) = ([0; 27], [0; 11]);
    crypto::aead_encrypt(psa, key, alg, &[1; 12], b"ad", b"hello world", &mut sealed)?;
    crypto::aead_decrypt(psa, key, alg, &[1; 12], b"ad", &sealed, &mut opened)?;
    must(&opened == b"hello world")?;
    sealed[3] ^= 1;
    let forged = crypto::aead_decrypt(psa, key, alg, &[1; 12], b"ad", &sealed, &mut opened);
    must(forged == Err(Status::INVALID_SIGNATURE))?;
    crypto::destroy_key(psa, key)
}

fn check_ecdh(psa: &Psa) -> Result<(), Status> {
    let attributes = KeyAttributes::volatile(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        usage::DERIVE,
        Algorithm::ECDH,
    );
    let (a, b) = (
        crypto::generate_key(psa, &attributes)?,
        crypto::generate_key(psa, &attributes)?,
    );
    let agree = |own: u32, other: u32| {
        let (mut public, mut secret) = ([0; 65], [0; 32]);
        crypto::export_public_key(psa, other, &mut public)?;
        crypto::raw_key_agreement(psa, Algorithm::ECDH, own, &public, &mut secret)?;
        Ok::<_, Status>(secret)
    };
    must(agree(a, b)? == agree(b, a)?)?;
    crypto::destroy_key(psa, a)?;
    crypto::destroy_key(psa, b)
}

const UID: u64 = 0x5445_5354;

fn check_persistent(psa: &Psa) -> Result<(), Status> {
    const ID: u32 = 0x99;
    let attributes = KeyAttributes::volatile(
        KeyType::HMAC,
        256,
        usage::SIGN_MESSAGE,
        Algorithm::HMAC_SHA_256,
    )
    .persistent(ID);
    // Left over by an earlier run that was cut short.
    let _ = crypto::destroy_key(psa, ID);
    must(crypto::generate_key(psa, &attributes)? == ID)?;
    let again = crypto::generate_key(psa, &attributes);
    must(again == Err(Status::ALREADY_EXISTS))?;
    let mut mac = [0; 32];
    crypto::mac_compute(psa, ID, Algorithm::HMAC_SHA_256, b"m", &mut mac)?;
    crypto::destroy_key(psa, ID)?;
    must(crypto::get_key_attributes(psa, ID).is_err())
}

fn check_its(psa: &Psa) -> Result<(), Status> {
    its::set(psa, UID, b"small and safe", 0)?;
    let mut b = [0; 32];
    must(its::get(psa, UID, 6, &mut b)? == 8 && b.starts_with(b"and safe"))?;
    must(its::get_info(psa, UID)?.size == 14)?;
    its::remove(psa, UID)?;
    must(its::get_info(psa, UID) == Err(Status::DOES_NOT_EXIST))
}

fn check_ps(psa: &Psa) -> Result<(), Status> {
    ps::set(psa, UID, &[0xC5; 700], 0)?;
    let mut b = [0; 700];
    must(ps::get(psa, UID, 0, &mut b)? == 700 && b == [0xC5; 700])?;
    ps::remove(psa, UID)
}

fn check_fwu(psa: &Psa) -> Result<(), Status> {
    must(fwu::query(psa, fwu::COMPONENT_NONSECURE)?.max_size > 0)?;
    must(fwu::query(psa, 9) == Err(Status::DOES_NOT_EXIST))?;
    must(fwu::write(psa, fwu::COMPONENT_NONSECURE, 0, b"x") == Err(Status::BAD_STATE))
}

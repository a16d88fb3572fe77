//! Attacks on the border of the secure world: veneers, vectors, client ids, keys.
//!
//! Owns how each is made. Most need a process that is privileged, or one that may call a veneer,
//! which a device gives nobody: they are made where the kernel's or the veneers' own defence is off,
//! and ask what the secure world does about a caller like that.

use crate::memory::{
    KERNEL_EXEC_BASE, KERNEL_RAM_BASE, SPE_EXEC_BASE, SPE_RAM_BASE, SPE_RESERVE_BASE, VENEERS_BASE,
};
use crate::plan::{Entry, Op};
use crate::{attack, call_works, say};
use libtock::runtime::forge;
use psa_client::{OutVec, Status, Transport, crypto, its};
use psa_interface::service::{
    ATTESTATION_HANDLE, CRYPTO_HANDLE, CtrlParam, FRAMEWORK_VERSION, FWU_HANDLE, ITS_HANDLE,
    PLATFORM_HANDLE,
};
use psa_interface::storage::{GET, SET};

/// Bytes from one veneer to the next (ARCHITECTURE §4).
const STRIDE: usize = 8;
const VERSION: usize = 0;
const CALL: usize = 2;
const CONNECT: usize = 3;
const ACQUIRE: usize = 6;
const LOAD: usize = 8;
/// Where what it reads and writes lies in internal trusted storage.
const OBJECT: u64 = 0xB0DE;
/// Bytes of it.
const LENGTH: u32 = 16;
/// No service knows it.
const NO_REQUEST: i16 = 77;
const REFUSED: i32 = Status::PROGRAMMER_ERROR.as_i32();

fn veneer(number: usize) -> usize {
    (VENEERS_BASE as usize + STRIDE * number) | 1
}

fn control_of(call_type: i16, in_len: u8, out_len: u8) -> u32 {
    let packed = CtrlParam {
        call_type,
        in_len,
        out_len,
    };
    packed.pack().unwrap_or(0)
}

/// `psa_call` by the veneer itself.
fn psa_call(handle: u32, ctrl: u32, in_vec: u32, out_vec: u32) -> i32 {
    attack::call(veneer(CALL), [handle, ctrl, in_vec, out_vec]) as i32
}

/// Carries calls straight to the veneer, past the kernel.
struct Direct;

impl Transport for Direct {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32 {
        let mut ins = [[0u32; 2]; 4];
        let mut outs = [[0u32; 2]; 4];
        for (d, v) in ins.iter_mut().zip(in_vecs) {
            *d = [v.as_ptr() as u32, v.len() as u32];
        }
        for (d, v) in outs.iter_mut().zip(out_vecs.iter()) {
            *d = [v.buf.as_ptr() as u32, v.buf.len() as u32];
        }
        let ctrl = control_of(call_type, in_vecs.len() as u8, out_vecs.len() as u8);
        let (ins_at, outs_at) = (&raw mut ins as u32, &raw mut outs as u32);
        let status = psa_call(handle, ctrl, ins_at, outs_at);
        core::hint::black_box((&mut ins, &mut outs));
        for (d, v) in outs.iter().zip(out_vecs) {
            core::hint::black_box(&mut *v.buf);
            v.len = d[1] as usize;
        }
        status
    }
}

/// Makes one of this module's attacks.
pub fn make(op: Op, a: usize, entry: &Entry) {
    let (name, n) = (entry.name(), entry.n);
    match op {
        Op::Veneer => {
            control(name, call_works());
            let answer = attack::call(a | 1, [0; 4]);
            say(name, format_args!("breached answered {answer:#x}"));
        }
        Op::VeneerInHandler => in_handler(name, n as usize),
        Op::SelectClient => {
            control(name, answers());
            let token = attack::call(veneer(ACQUIRE), [1, 1, 0, 0]);
            let loaded = attack::call(veneer(LOAD), [token, -7i32 as u32, 0, 0]);
            match loaded {
                0 => say(name, format_args!("breached selected, token {token:#x}")),
                _ => say(name, format_args!("refused {token} {loaded}")),
            }
        }
        Op::VectorIn => {
            let own = [0x5Au8; LENGTH as usize];
            control(name, store_from(own.as_ptr() as usize) == 0);
            match store_from(a) {
                0 => {
                    let word = stored().map_or(0, |[word, ..]| word);
                    say(name, format_args!("breached {a:#010x} holds {word:#x}"));
                }
                status => refused(name, status),
            }
        }
        Op::VectorOut => {
            let mut own = [0u32; LENGTH as usize / 4];
            let stored =
                store_from(&raw const FILLING as usize) == 0 && load_to(&raw mut own as usize) == 0;
            control(name, stored && own == FILLING);
            match load_to(a) {
                0 => say(name, format_args!("breached {a:#010x} written")),
                status => refused(name, status),
            }
        }
        Op::VectorsAt => {
            // A request that nobody knows is answered by the service, once the vectors have passed.
            let ask = |at: usize| {
                psa_call(
                    ATTESTATION_HANDLE,
                    control_of(NO_REQUEST, 2, 0),
                    at as u32,
                    0,
                )
            };
            let own = [[0u32; 2]; 2];
            control(name, ask(&raw const own as usize) != REFUSED);
            core::hint::black_box(&own);
            match ask(a) {
                REFUSED => say(name, format_args!("refused {REFUSED}")),
                status => say(name, format_args!("breached taken, {status}")),
            }
        }
        Op::Redirect => redirect(name, a, n),
        Op::SecureCalls => {
            control(name, forge::control() & 1 == 1 && answers());
            for _ in 0..n {
                let mut random = [0u8; 256];
                if let Err(e) = crypto::generate_random(&Direct, &mut random) {
                    return say(name, format_args!("breached the call was lost: {e}"));
                }
                if forge::control() & 1 == 0 {
                    let word = attack::read(KERNEL_RAM_BASE as usize);
                    return say(name, format_args!("breached kernel RAM holds {word:#x}"));
                }
            }
            say(name, format_args!("refused unprivileged"));
        }
        Op::FuzzVeneers => {
            fuzz(name, a as u32, n);
            // For who wants to look at the other world from inside.
            loop {
                let mut random = [0u8; 1024];
                let _ = crypto::generate_random(&Direct, &mut random);
            }
        }
        _ => {}
    }
}

static FILLING: [u32; LENGTH as usize / 4] = [0x5AFE_0001, 0x5AFE_0002, 0x5AFE_0003, 0x5AFE_0004];

fn control(name: &str, works: bool) {
    if works {
        say(name, format_args!("control-ok"));
    } else {
        say(name, format_args!("the control failed"));
    }
}

fn refused(name: &str, status: i32) {
    if status == REFUSED {
        say(name, format_args!("refused {status}"));
    } else {
        say(name, format_args!("answered otherwise {status}"));
    }
}

/// Whether the page of veneers serves it: the control of what must not be served.
fn answers() -> bool {
    attack::call(veneer(VERSION), [0; 4]) == FRAMEWORK_VERSION
}

/// ITS set, of 16 bytes at any address.
fn store_from(a: usize) -> i32 {
    let (uid, flags) = (OBJECT.to_le_bytes(), [0u8; 4]);
    let ins = [
        [uid.as_ptr() as u32, 8],
        [a as u32, LENGTH],
        [flags.as_ptr() as u32, 4],
    ];
    let ins_at = &raw const ins as u32;
    let status = psa_call(ITS_HANDLE, control_of(SET, 3, 0), ins_at, 0);
    core::hint::black_box((&ins, &uid, &flags));
    status
}

/// ITS get, of 16 bytes to any address.
fn load_to(a: usize) -> i32 {
    let (uid, offset) = (OBJECT.to_le_bytes(), [0u8; 4]);
    let ins = [[uid.as_ptr() as u32, 8], [offset.as_ptr() as u32, 4]];
    let mut outs = [a as u32, LENGTH];
    let (ins_at, outs_at) = (&raw const ins as u32, &raw mut outs as u32);
    let status = psa_call(ITS_HANDLE, control_of(GET, 2, 1), ins_at, outs_at);
    core::hint::black_box((&ins, &mut outs, &uid, &offset));
    status
}

fn stored() -> Result<[u32; 4], Status> {
    let mut words = [0; 4];
    let mut bytes = [0; LENGTH as usize];
    its::get(&Direct, OBJECT, 0, &mut bytes)?;
    for (word, b) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*b);
    }
    Ok(words)
}

/// Calls a PSA veneer as a handler.
fn in_handler(name: &str, number: usize) {
    let arguments = match number {
        CALL => [ATTESTATION_HANDLE, control_of(NO_REQUEST, 0, 0), 0, 0],
        // A service that there is not: refused, too, with another status.
        CONNECT => [0xABCD, 1, 0, 0],
        _ => [psa_interface::service::CRYPTO.sid, 1, 0, 0],
    };
    let thread = attack::call(veneer(number), arguments);
    let refusal = match number {
        CALL | CONNECT => REFUSED as u32,
        _ => 0,
    };
    control(name, thread != refusal);
    let handler = forge::call_in_handler(veneer(number), arguments);
    match handler {
        h if h == refusal => say(name, format_args!("refused {h:#x}, thread {thread:#x}")),
        h => say(name, format_args!("breached answered {h:#x}")),
    }
}

/// Has an interrupt send a descriptor elsewhere, a tick later each time.
fn redirect(name: &str, a: usize, times: u32) {
    let own = FILLING;
    control(name, store_from(&raw const own as usize) == 0);
    let (uid, flags) = (OBJECT.to_le_bytes(), [0u8; 4]);
    let ctrl = control_of(SET, 3, 0);
    let mut moved = 0;
    for tick in 1..=times {
        let mut ins = [
            [uid.as_ptr() as u32, 8],
            [&raw const own as u32, LENGTH],
            [flags.as_ptr() as u32, 4],
        ];
        let ins_at = &raw mut ins as usize;
        let arguments = [ITS_HANDLE, ctrl, ins_at as u32, 0];
        let status =
            forge::write_during(tick, ins_at + 8, a as u32, veneer(CALL), arguments) as i32;
        core::hint::black_box((&mut ins, &uid, &flags, &own));
        moved += u32::from(attack::read(ins_at + 8) == a as u32);
        match (status, stored()) {
            // Before the descriptor was copied: it was seen to be foreign.
            (REFUSED, _) => {}
            (0, Ok(w)) if w == FILLING => {}
            (0, Ok([word, ..])) => {
                return say(
                    name,
                    format_args!("breached {a:#010x} holds {word:#x}, tick {tick}"),
                );
            }
            (status, found) => {
                return say(name, format_args!("answered otherwise {status}, {found:?}"));
            }
        }
    }
    if moved == times {
        say(name, format_args!("refused {times} times"));
    } else {
        say(
            name,
            format_args!("the interrupt missed: {moved} of {times}"),
        );
    }
}

/// Vectors of one call, and what they lend.
#[derive(Default)]
struct Lent {
    buffer: [u32; 32],
    vectors: [[u32; 2]; 8],
}

/// xorshift32.
struct Dice(u32);

impl Dice {
    fn roll(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn of<const N: usize>(&mut self, choices: [u32; N]) -> u32 {
        let i = self.roll() as usize % N;
        choices.get(i).copied().unwrap_or(0)
    }

    /// An address that no caller of the other world may name.
    fn foreign(&mut self) -> u32 {
        match self.roll() & 3 {
            0 | 1 => self.of([
                SPE_RAM_BASE,
                SPE_EXEC_BASE,
                SPE_RESERVE_BASE,
                VENEERS_BASE,
                SPE_RAM_BASE ^ ALIAS,
                SPE_EXEC_BASE ^ ALIAS,
                KERNEL_RAM_BASE - 4,
                KERNEL_EXEC_BASE - 4,
                0xE000_ED00,
                0,
                u32::MAX - 3,
            ]),
            2 => self.roll() | ALIAS,
            _ => 0x4000_0000 | self.roll() & 0x0FFF_FFFC,
        }
    }
}

/// What tells the secure alias of an address.
const ALIAS: u32 = 1 << 28;

/// Calls veneers with registers and vectors that are random, or just so. What a service may write
/// to is its own buffer: who is privileged may lend all else that is not secure.
fn fuzz(name: &str, seed: u32, count: u32) {
    control(name, answers());
    let mut dice = Dice(seed.max(1));
    let mut lent = Lent::default();
    let (mut served, mut refused, mut made) = (0u32, 0u32, 0u32);
    // FNV-1a of every call made, so that two runs can be compared.
    let mut digest = 0xCBF2_9CE4_8422_2325_u64;
    while made < count {
        let registers = call_of(&mut dice, &mut lent);
        let number = match dice.roll() & 31 {
            other if other < 10 => other as usize,
            _ => CALL,
        };
        made += 1;
        for word in [number as u32].into_iter().chain(registers) {
            digest = (digest ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        let answer = attack::call(veneer(number), registers);
        core::hint::black_box(&mut lent);
        if number == CALL {
            match answer as i32 {
                0 => served += 1,
                REFUSED => refused += 1,
                _ => {}
            }
        }
        if forge::control() & 1 != 0 {
            return say(name, format_args!("breached CONTROL changed"));
        }
    }
    let mut random = [0; 16];
    let works = crypto::generate_random(&Direct, &mut random).is_ok() && answers();
    if works {
        say(
            name,
            format_args!(
                "alive {made} calls, {served} served, {refused} refused, digest {digest:016x}"
            ),
        );
    } else {
        say(name, format_args!("breached the services are gone"));
    }
}

/// Registers of a call of `psa_call`, and what its vectors name.
fn call_of(dice: &mut Dice, lent: &mut Lent) -> [u32; 4] {
    let (buffer_at, vectors_at) = (
        &raw const lent.buffer as u32,
        &raw const lent.vectors as u32,
    );
    let handle = match dice.roll() & 7 {
        0 => dice.roll(),
        1 => 0x4000_0000 | dice.roll() & 0xFFFF,
        _ => CRYPTO_HANDLE + dice.roll() % 6,
    };
    for word in &mut lent.buffer {
        // Small numbers name the same few objects again and again, so that no store fills.
        *word = dice.roll() & 7;
    }
    for v in &mut lent.vectors {
        let offset = dice.roll() & 0x7F;
        let length = match dice.roll() & 7 {
            0 => 0,
            1 => 4,
            2 => 8,
            3 => 56,
            _ => dice.roll() & 0x7F,
        };
        *v = match dice.roll() & 7 {
            0 => [dice.foreign(), dice.of([1, 8, 56, 0x1000, u32::MAX])],
            1..=4 => [buffer_at, length.min(128)],
            _ => [buffer_at + offset, length.min(128 - offset)],
        };
    }
    let index = handle & 0x1F;
    let call_type = match index {
        _ if dice.roll() & 7 == 0 => dice.roll() & 0xFFFF,
        i if i == CRYPTO_HANDLE & 0x1F => 0,
        // Not: a reset, an image's installation, counters that only go up.
        i if i == FWU_HANDLE & 0x1F => dice.of([1002, 1003, 1004, 1010]),
        i if i == PLATFORM_HANDLE & 0x1F => dice.of([1010, 1013]),
        _ => 1001 + dice.roll() % 5,
    };
    let spared = matches!(call_type, 1001 | 1005..=1009) && index == FWU_HANDLE & 0x1F
        || matches!(call_type, 1011 | 1012) && index == PLATFORM_HANDLE & 0x1F;
    if index == CRYPTO_HANDLE & 0x1F {
        // A function that it has, most of the time.
        let function = ((1 + dice.roll() % 9) << 8) | (dice.roll() % 10);
        if let Some(word) = lent.buffer.get_mut(10) {
            *word = function;
        }
        if let Some(v) = lent.vectors.first_mut()
            && dice.roll() & 7 != 0
        {
            *v = [buffer_at, 56];
        }
    }
    let counts = match dice.roll() & 7 {
        0 => dice.roll() & 0xFFFF_0000,
        _ => dice.of([1, 2, 3]) << 24 | dice.of([0, 1, 1]) << 16,
    };
    let mut at = |first: u32| match dice.roll() & 15 {
        0 => dice.foreign(),
        1 => vectors_at + 8 * (dice.roll() & 3),
        _ => vectors_at + first,
    };
    let (in_vec, out_vec) = (at(0), at(32));
    let call_type = if spared { 0 } else { call_type };
    [handle, counts | call_type, in_vec, out_vec]
}

//! Every row of the check order (`reference/tfm.md` §A.4) against a fake world of 4 KiB.

use super::*;
use crate::border::Access;
use crate::message::Output;
use core::cell::Cell;
use std::cell::RefCell;

const NS: u32 = 0x2000_0000;
const READ_ONLY: u32 = 0x2000_0C00;
const SIZE: u32 = 0x1000;
const BAD: i32 = -129;

/// One range of memory; its last KiB may only be read.
struct World {
    memory: Vec<Cell<u8>>,
}

impl World {
    fn new() -> Self {
        World {
            memory: (0..SIZE).map(|i| Cell::new(i as u8)).collect(),
        }
    }

    fn put(&self, at: u32, words: &[u32]) {
        for (i, byte) in words.iter().flat_map(|w| w.to_le_bytes()).enumerate() {
            self.memory[(at - NS) as usize + i].set(byte);
        }
    }

    fn word(&self, at: u32) -> u32 {
        let at = (at - NS) as usize;
        u32::from_le_bytes(core::array::from_fn(|i| self.memory[at + i].get()))
    }
}

impl Border for World {
    fn cells(&self, base: u32, len: u32, access: Access) -> Option<&[Cell<u8>]> {
        assert_ne!(len, 0, "the border is never asked about nothing");
        let end = base.checked_add(len)?;
        if access == Access::ReadWrite && end > READ_ONLY {
            return None;
        }
        let start = base.checked_sub(NS)? as usize;
        self.memory.get(start..start + len as usize)
    }
}

/// Service, client, type, inputs, capacities of the outputs.
type Seen = (u8, ClientId, i16, Vec<Vec<u8>>, Vec<usize>);

#[derive(Default)]
struct Fake {
    seen: RefCell<Vec<Seen>>,
    status: i32,
    write: Vec<Vec<u8>>,
}

impl Services for Fake {
    fn describe(&self, index: u8) -> Option<Description> {
        let (sid, version, non_secure) = match index {
            0 => (0x80, Version::Strict(1), true),
            1 => (0x60, Version::Relaxed(3), true),
            2 => (0x70, Version::Strict(1), false),
            _ => return None,
        };
        Some(Description {
            sid,
            version,
            non_secure,
        })
    }

    fn call(&mut self, index: u8, call: &mut Call<'_, '_>) -> i32 {
        let inputs = call.inputs.iter().map(|i| {
            let mut all = vec![0; i.len()];
            i.read(0, &mut all);
            all
        });
        self.seen.borrow_mut().push((
            index,
            call.client,
            call.call_type,
            inputs.collect(),
            call.outputs.iter().map(Output::capacity).collect(),
        ));
        for (output, bytes) in call.outputs.iter_mut().zip(&self.write) {
            assert!(output.append(bytes));
        }
        self.status
    }
}

const CRYPTO: u32 = 0x4000_0100;

fn ctrl(call_type: i16, inputs: u32, outputs: u32) -> u32 {
    u32::from(call_type as u16) | outputs << 16 | inputs << 24
}

/// in_vec at NS, out_vec at NS + 0x40.
fn run(world: &World, fake: &mut Fake, handle: u32, ctrl: u32) -> i32 {
    let raw = RawCall {
        handle,
        ctrl,
        in_vec: NS,
        out_vec: NS + 0x40,
    };
    call(world, fake, ClientId(-2), raw)
}

/// The status of a call with these vectors, and whether the service saw it.
fn vectors(inputs: &[(u32, u32)], outputs: &[(u32, u32)]) -> (i32, bool) {
    let world = World::new();
    let flat = |v: &[(u32, u32)]| v.iter().flat_map(|(b, l)| [*b, *l]).collect::<Vec<_>>();
    world.put(NS, &flat(inputs));
    world.put(NS + 0x40, &flat(outputs));
    let mut fake = Fake::default();
    let ctrl = ctrl(0, inputs.len() as u32, outputs.len() as u32);
    let status = run(&world, &mut fake, CRYPTO, ctrl);
    let seen = !fake.seen.borrow().is_empty();
    (status, seen)
}

const REFUSED: (i32, bool) = (BAD, false);
const SERVED: (i32, bool) = (0, true);

#[test]
fn steps_1_and_2_the_handle() {
    let world = World::new();
    for (handle, wanted) in [
        (0, BAD),
        (0x100, BAD),
        (9, BAD),
        (0x4000_011F, BAD),
        (0x4000_0103, BAD),
        (0xC000_0100, BAD),
        (0xFFFF_FFFF, BAD),
        (0x4000_0102, -130),
        // Not for the non-secure world whatever the version.
        (0x4000_0702, -130),
        (0x4000_0200, BAD),
        (0x4000_0000, BAD),
        (0x4000_0401, BAD),
        (0x4000_0301, 0),
        (0x4000_0101, 0),
        (0x4000_0100, 0),
    ] {
        let mut fake = Fake::default();
        assert_eq!(run(&world, &mut fake, handle, 0), wanted, "{handle:x}");
        assert_eq!(fake.seen.borrow().len(), usize::from(wanted == 0));
    }
}

#[test]
fn the_handle_comes_before_the_type_and_the_type_before_the_vectors() {
    let world = World::new();
    let mut fake = Fake::default();
    assert_eq!(run(&world, &mut fake, 0x4000_0102, ctrl(-1, 7, 7)), -130);
    let raw = RawCall {
        handle: CRYPTO,
        ctrl: ctrl(-1, 0, 0),
        in_vec: 0,
        out_vec: 0,
    };
    assert_eq!(call(&world, &mut fake, ClientId(-1), raw), BAD);
    assert!(fake.seen.borrow().is_empty());
}

#[test]
fn step_4_without_vectors_pointers_are_ignored_and_untrusted_bits_dropped() {
    let world = World::new();
    let mut fake = Fake {
        status: -144,
        ..Fake::default()
    };
    let raw = RawCall {
        handle: CRYPTO,
        ctrl: ctrl(1001, 0, 0) | 0x88F8_0000,
        in_vec: 0xFFFF_FFFF,
        out_vec: 1,
    };
    // Also: the service's status goes through as it is.
    assert_eq!(call(&world, &mut fake, ClientId(-5), raw), -144);
    assert_eq!(
        fake.seen.borrow()[0],
        (0, ClientId(-5), 1001, vec![], vec![])
    );
}

#[test]
fn step_5_at_most_four_vectors() {
    for inputs in 0..8 {
        for outputs in 0..8 {
            let world = World::new();
            world.put(NS, &[0; 32]);
            let status = run(
                &world,
                &mut Fake::default(),
                CRYPTO,
                ctrl(0, inputs, outputs),
            );
            assert_eq!(status == 0, inputs + outputs <= 4, "{inputs} {outputs}");
            assert!(status == 0 || status == BAD);
        }
    }
}

#[test]
fn step_6_the_arrays() {
    let world = World::new();
    for (in_vec, out_vec) in [
        (0, NS),
        (NS, 0),
        (NS - 4, NS),
        (NS, NS - 4),
        (NS + SIZE - 4, NS),
        (NS, READ_ONLY),
        (NS, READ_ONLY - 4),
        (0xFFFF_FFFC, NS),
        (NS, 0xFFFF_FFF8),
        (0x3000_0000, NS),
    ] {
        world.put(NS, &[0; 32]);
        let raw = RawCall {
            handle: CRYPTO,
            ctrl: ctrl(0, 1, 1),
            in_vec,
            out_vec,
        };
        let mut fake = Fake::default();
        assert_eq!(call(&world, &mut fake, ClientId(-1), raw), BAD);
        assert!(fake.seen.borrow().is_empty());
    }
    // An unaligned array is no fault, and inputs may lie in read-only memory.
    world.put(READ_ONLY + 1, &[NS, 4]);
    let raw = RawCall {
        handle: CRYPTO,
        ctrl: ctrl(0, 1, 0),
        in_vec: READ_ONLY + 1,
        out_vec: 0,
    };
    assert_eq!(call(&world, &mut Fake::default(), ClientId(-1), raw), 0);
}

#[test]
fn step_8_wrap_null_and_foreign_memory() {
    assert_eq!(vectors(&[(0xFFFF_FFF0, 0x20)], &[]), REFUSED);
    assert_eq!(vectors(&[(NS, 0xFFFF_FFFF)], &[]), REFUSED);
    assert_eq!(vectors(&[(0xFFFF_FFFF, 1)], &[]), REFUSED);
    assert_eq!(vectors(&[], &[(0xFFFF_FFFF, 1)]), REFUSED);
    assert_eq!(vectors(&[(0, 1)], &[]), REFUSED);
    assert_eq!(vectors(&[], &[(0, 1)]), REFUSED);
    assert_eq!(vectors(&[(0, 0)], &[(0, 0)]), SERVED);
    assert_eq!(vectors(&[(0x3000_0000, 0)], &[(0x3000_0000, 0)]), SERVED);
    assert_eq!(vectors(&[(0x3000_0000, 4)], &[]), REFUSED);
    assert_eq!(vectors(&[(NS - 1, 4)], &[]), REFUSED);
    assert_eq!(vectors(&[(NS + SIZE - 3, 4)], &[]), REFUSED);
    assert_eq!(vectors(&[(NS + SIZE - 4, 4)], &[]), SERVED);
    assert_eq!(vectors(&[], &[(READ_ONLY - 1, 2)]), REFUSED);
    assert_eq!(vectors(&[(READ_ONLY, 16)], &[]), SERVED);
    // Each position counts, not the first alone.
    for bad in 0..4 {
        let mut inputs = [(NS + 0x100, 4), (NS + 0x110, 4), (NS + 0x120, 4), (0, 0)];
        inputs[bad].0 = 0x3000_0000;
        inputs[bad].1 = 4;
        assert_eq!(vectors(&inputs, &[]), REFUSED);
    }
}

#[test]
fn step_9_inputs_must_not_overlap() {
    let at = NS + 0x100;
    assert_eq!(vectors(&[(at, 8), (at + 7, 8)], &[]), REFUSED);
    assert_eq!(vectors(&[(at + 7, 8), (at, 8)], &[]), REFUSED);
    assert_eq!(vectors(&[(at, 8), (at, 8)], &[]), REFUSED);
    assert_eq!(
        vectors(&[(at, 32), (at + 64, 4), (at + 4, 4)], &[]),
        REFUSED
    );
    assert_eq!(vectors(&[(at, 8), (at + 8, 8)], &[]), SERVED);
    // An empty one strictly inside another counts; at its edge, or NULL, it does not.
    assert_eq!(vectors(&[(at, 8), (at + 4, 0)], &[]), REFUSED);
    assert_eq!(vectors(&[(at + 4, 0), (at, 8)], &[]), REFUSED);
    assert_eq!(vectors(&[(at, 8), (at, 0)], &[]), SERVED);
    assert_eq!(vectors(&[(at, 8), (at + 8, 0)], &[]), SERVED);
    assert_eq!(vectors(&[(at, 8), (0, 0)], &[]), SERVED);
    // Outputs may overlap each other and inputs.
    assert_eq!(vectors(&[(at, 8)], &[(at, 8), (at + 4, 8)]), SERVED);
}

#[test]
fn the_service_sees_what_the_caller_gave_and_the_caller_what_was_written() {
    let world = World::new();
    world.put(
        NS,
        &[NS + 0x200, 3, NS + 0x300, 0], // the second is empty: absent
    );
    world.put(NS + 0x40, &[NS + 0x400, 16, NS + 0x500, 8]);
    let mut fake = Fake {
        write: vec![vec![0xAA; 5]],
        status: -132,
        ..Fake::default()
    };
    assert_eq!(run(&world, &mut fake, CRYPTO, ctrl(7, 2, 2)), -132);
    assert_eq!(
        fake.seen.borrow()[0],
        (0, ClientId(-2), 7, vec![vec![0, 1, 2]], vec![16, 8])
    );
    // Lengths are told on error too.
    assert_eq!((world.word(NS + 0x44), world.word(NS + 0x4C)), (5, 0));
    assert_eq!(world.word(NS + 0x400), 0xAAAA_AAAA);
    assert_eq!(world.word(NS + 0x40), NS + 0x400);
}

#[test]
fn empty_outputs_and_refused_calls_leave_lengths_alone() {
    let world = World::new();
    world.put(NS + 0x40, &[0x1234, 0, NS + 0x500, 8]);
    let mut fake = Fake::default();
    assert_eq!(run(&world, &mut fake, CRYPTO, ctrl(0, 0, 2)), 0);
    assert_eq!((world.word(NS + 0x44), world.word(NS + 0x4C)), (0, 0));
    world.put(NS + 0x40, &[NS + 0x500, 8, 0x3000_0000, 8]);
    assert_eq!(run(&world, &mut fake, CRYPTO, ctrl(0, 0, 2)), BAD);
    assert_eq!((world.word(NS + 0x44), world.word(NS + 0x4C)), (8, 8));
}

#[test]
fn a_service_that_rewrites_the_descriptors_changes_nothing() {
    // The output is the descriptor array itself: addresses were taken before.
    let world = World::new();
    world.put(NS + 0x40, &[NS + 0x40, 8]);
    let mut fake = Fake {
        write: vec![vec![0xFF; 8]],
        ..Fake::default()
    };
    assert_eq!(run(&world, &mut fake, CRYPTO, ctrl(0, 0, 1)), 0);
    assert_eq!(
        (world.word(NS + 0x40), world.word(NS + 0x44)),
        (u32::MAX, 8)
    );
}

#[test]
fn versions_and_connections() {
    let fake = Fake::default();
    assert_eq!(
        [0x80, 0x60, 0x70, 0x1234].map(|sid| version(&fake, sid)),
        [1, 3, 0, 0]
    );
    assert_eq!(
        [0x80, 0x60, 0x70, 0x1234].map(|sid| connect(&fake, sid)),
        [BAD, BAD, -130, -130]
    );
}

/// Random descriptors, biased to edges: nothing panics, and what the service sees lies in the
/// memory that the caller may touch.
#[test]
fn random_calls_are_refused_or_sound() {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    };
    let (mut served, mut refused) = (0, 0);
    for _ in 0..100_000 {
        let world = World::new();
        let address = |r: u32| match r % 8 {
            0 => r,
            1 => 0,
            2 => u32::MAX - (r >> 8) % 16,
            3 => NS + SIZE - (r >> 8) % 16,
            4 => READ_ONLY - (r >> 8) % 16,
            _ => NS + (r >> 8) % SIZE,
        };
        let len = |r: u32| match r % 8 {
            0 => r,
            1 | 2 => 0,
            3 => u32::MAX - (r >> 8) % 16,
            _ => (r >> 8) % 64,
        };
        for i in 0..32 {
            let word = if i % 2 == 0 {
                address(random())
            } else {
                len(random())
            };
            world.put(NS + 4 * i, &[word]);
        }
        let handle = match random() % 4 {
            0 => random(),
            _ => CRYPTO,
        };
        let mut ctrl = random();
        if random() % 4 != 0 {
            ctrl &= 0x0101_7FFF | (random() & 0x0303_0000);
        }
        let (mut in_vec, mut out_vec) = (NS, NS + 0x40);
        if random() % 8 == 0 {
            in_vec = address(random());
            out_vec = address(random());
        }
        let raw = RawCall {
            handle,
            ctrl,
            in_vec,
            out_vec,
        };
        let mut fake = Fake::default();
        match call(&world, &mut fake, ClientId(-1), raw) {
            0 => {
                served += 1;
                assert_eq!(fake.seen.borrow().len(), 1);
            }
            status => {
                refused += 1;
                assert!(status == BAD || status == -130);
                assert!(fake.seen.borrow().is_empty());
            }
        }
    }
    assert!(served > 5_000 && refused > 5_000, "{served} {refused}");
}

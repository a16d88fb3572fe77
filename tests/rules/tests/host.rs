//! Every rule of the table, against the kernel with a fake process.

use kernel::process::{FunctionCallSource, State};
use kernel::testing::{After, End, Everything, TestKernel, TestProcess};
use std::collections::{BTreeSet, VecDeque};
use syscall_rules::driver::{GrantlessDriver, OtherDriver, RulesDriver, Timer};
use syscall_rules::{Failure, Machine, RULES, Word, numbers, of_place, place, play};

/// What the process opens in its start code.
const OPENED: usize = 8192;
/// Its buffer.
const BUFFER: usize = 1024;

/// Time passes when the process waits.
struct WhenItWaits;
impl Timer for WhenItWaits {
    fn start(&self) {}
}

struct Fake<'a> {
    process: TestProcess<'a>,
    driver: &'static RulesDriver<Everything>,
    upcalls: VecDeque<[u32; 5]>,
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

impl Fake<'_> {
    fn note(&mut self, after: &After) {
        let [first, second] = [0, 1].map(|f| self.resolve(Word::Function(f)));
        for call in &after.calls {
            if call.source == FunctionCallSource::Kernel {
                continue;
            }
            let which = match call.pc.addr() {
                a if a == first => 0,
                a if a == second => 1,
                other => panic!("called at {other:#x}"),
            };
            let word = |w: usize| w as u32;
            self.upcalls.push_back([
                which,
                word(call.argument0),
                word(call.argument1),
                word(call.argument2),
                word(call.argument3.as_usize()),
            ]);
        }
    }

    /// A new life: up to where `main` would begin.
    fn start(&mut self) {
        let after = self.process.resume([0; 4]);
        assert!(matches!(after.end, End::Returned(_)), "{after:?}");
        let end = self.process.ram(OPENED);
        let after = self.process.svc(5, [0, end, 0, 0]);
        assert!(matches!(after.end, End::Returned([128, ..])), "{after:?}");
    }
}

impl Machine for Fake<'_> {
    fn svc(&mut self, class: u8, registers: [usize; 4]) -> Option<[u32; 4]> {
        let mut after = self.process.svc(class, registers);
        loop {
            self.note(&after);
            match after.end {
                End::Returned(registers) => return Some(registers),
                End::Waits if self.driver.fire() => after = self.process.resume(registers),
                End::Waits => return None,
                End::Died => {
                    if self.process.process().get_state() == State::Terminated {
                        assert!(self.driver.fire(), "nobody revives it");
                        self.start();
                    } else {
                        // The restarted process stands at its first instruction.
                        let end = self.process.ram(OPENED);
                        self.process.svc(5, [0, end, 0, 0]);
                    }
                    return None;
                }
            }
        }
    }

    fn resolve(&mut self, word: Word) -> usize {
        let a = self.process.process().get_addresses();
        let from = |base: usize, offset: isize| base.wrapping_add_signed(offset);
        match word {
            Word::Value(n) => n as usize,
            Word::Minus(n) => 0usize.wrapping_sub(n),
            Word::Buffer(o) => from(a.sram_start + BUFFER, o),
            Word::RamStart(o) => from(a.sram_start, o),
            Word::Break(o) => from(a.sram_app_brk, o),
            Word::GrantFloor(o) => from(a.sram_grant_start & !31, o),
            Word::Grants(o) => from(a.sram_grant_start, o),
            Word::RamEnd(o) => from(a.sram_end, o),
            Word::FlashStart(o) => from(a.flash_start, o),
            Word::Code(o) => from(a.flash_non_protected_start, o),
            Word::FlashEnd(o) => from(a.flash_end, o),
            Word::Function(n) => a.flash_non_protected_start + 0x101 + 0x40 * usize::from(n),
        }
    }

    fn upcall(&mut self) -> Option<[u32; 5]> {
        self.upcalls.pop_front()
    }

    fn peek(&mut self, address: usize) -> u8 {
        self.process.peek(address).expect("memory of the process")
    }

    fn poke(&mut self, address: usize, value: u8) {
        let at = core::ptr::with_exposed_provenance_mut(address);
        assert!(self.process.process().set_byte(at, value));
    }
}

/// Plays a rule in a kernel of its own; `complete`: with all drivers that the rules name.
fn check(number: usize, complete: bool) -> Result<(), Failure> {
    let mut t = TestKernel::new();
    let cap = t.memory_capability();
    let driver = leak(RulesDriver::new(
        t.kernel(),
        Everything,
        t.kernel().create_grant(numbers::DRIVER as usize, &cap),
        &WhenItWaits,
    ));
    let grant = t.kernel().create_grant(numbers::OTHER as usize, &cap);
    t.driver(numbers::DRIVER as usize, driver);
    if complete {
        t.driver(numbers::OTHER as usize, leak(OtherDriver(grant)));
        t.driver(numbers::GRANTLESS as usize, &GrantlessDriver);
    }
    let mut fake = Fake {
        process: t.process("rules"),
        driver,
        upcalls: VecDeque::new(),
    };
    fake.start();
    play(&mut fake, number, 0)
}

#[test]
fn every_rule_holds_on_the_host() {
    let mut broken = Vec::new();
    for (number, rule) in RULES.iter().enumerate() {
        if let Err(failure) = check(number, true) {
            broken.push(format!("{}: {failure:x?}", rule.id));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    println!("{} rules", RULES.len());
}

#[test]
fn the_table_can_be_told_apart_and_is_long_enough() {
    let ids: BTreeSet<&str> = RULES.iter().map(|r| r.id).collect();
    assert_eq!(ids.len(), RULES.len());
    assert!(RULES.len() >= 120, "{}", RULES.len());
    for (number, rule) in RULES.iter().enumerate() {
        assert!(rule.steps.len() < 256);
        assert_eq!(of_place(place(number, 3)), (number, 3));
    }
}

/// A rule can fail: those that need a driver do where it is not there, and no others.
#[test]
fn rules_fail_on_a_kernel_that_lacks_their_driver() {
    let failed: Vec<&str> = (0..RULES.len())
        .filter(|number| check(*number, false).is_err())
        .map(|number| RULES[number].id)
        .collect();
    let needs_one = |id: &&str| {
        id.ends_with("-driver-without-grant")
            || id.ends_with("-no-room-for-the-grant")
            || ["command-needs-no-grant", "readable-driver-that-takes-none"].contains(id)
    };
    let expected: Vec<&str> = RULES.iter().map(|r| r.id).filter(needs_one).collect();
    assert_eq!(failed, expected);
}

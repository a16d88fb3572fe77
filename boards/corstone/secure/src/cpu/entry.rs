//! The veneers and what stands behind them.
//!
//! Owns the page at the veneers' fixed address: 8 bytes each, `sg` and a branch, in an order that
//! is an ABI; append only. A process (unprivileged thread) that calls one is faulted; PSA calls
//! from handler mode are refused, and the client id functions take handler mode only.
//!
//! On the way back r1–r3, r12 and the flags are cleared; r4–r11 are the caller's own.

use super::{Exclusive, NonSecure};
use crate::record::{Cause, Fault, reset};
use crate::services::Partition;
use core::arch::{global_asm, naked_asm};
use core::sync::atomic::{AtomicBool, Ordering};
use psa_interface::Status;
use psa_interface::service::FRAMEWORK_VERSION;
use spm::weakened::{Defence, off};
use spm::{ClientId, Contexts, RawCall};

global_asm!(
    ".macro veneer name target",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "sg",
    "b.w \\target",
    ".size \\name, 8",
    ".endm",
    ".section .veneers, \"ax\", %progbits",
    ".balign 32",
    "veneer tfm_psa_framework_version_veneer, {framework_version}",
    "veneer tfm_psa_version_veneer, {version}",
    "veneer tfm_psa_call_veneer, {call}",
    "veneer tfm_psa_connect_veneer, {connect}",
    "veneer tfm_psa_close_veneer, {close}",
    "veneer tfm_nsce_init, {init}",
    "veneer tfm_nsce_acquire_ctx, {acquire}",
    "veneer tfm_nsce_release_ctx, {release}",
    "veneer tfm_nsce_load_ctx, {load}",
    "veneer tfm_nsce_save_ctx, {save}",
    ".text",
    framework_version = sym framework_version_entry,
    version = sym version_entry,
    call = sym call_entry,
    connect = sym connect_entry,
    close = sym close_entry,
    init = sym init_entry,
    acquire = sym acquire_entry,
    release = sym release_entry,
    load = sym load_entry,
    save = sym save_entry,
);

/// A PSA function: thread mode and privileged only. `$refused` is the answer in handler mode.
#[cfg(not(feature = "weakened"))]
macro_rules! thread_entry {
    ($entry:ident, $target:ident, $refused:literal) => {
        #[unsafe(naked)]
        extern "C" fn $entry() {
            naked_asm!(
                "mrs r12, ipsr",
                "cmp r12, #0",
                "bne 2f",
                "mrs r12, control_ns",
                "tst r12, #1",
                "bne {refuse}",
                "push {{r4, lr}}",
                "bl {target}",
                "pop {{r4, lr}}",
                "b {leave}",
                concat!("2: mvn r0, #", $refused),
                "b {leave}",
                target = sym $target,
                refuse = sym refuse,
                leave = sym leave,
            )
        }
    };
}

/// The same, where a switch can turn either look at the caller off.
#[cfg(feature = "weakened")]
macro_rules! thread_entry {
    ($entry:ident, $target:ident, $refused:literal) => {
        #[unsafe(naked)]
        extern "C" fn $entry() {
            naked_asm!(
                "mrs r12, ipsr",
                "cmp r12, #0",
                "beq 3f",
                "ldr r12, ={switches}",
                "ldr r12, [r12]",
                "tst r12, #{mode}",
                "beq 2f",
                "b 4f",
                "3: mrs r12, control_ns",
                "tst r12, #1",
                "beq 4f",
                "ldr r12, ={switches}",
                "ldr r12, [r12]",
                "tst r12, #{privilege}",
                "beq {refuse}",
                "4: push {{r4, lr}}",
                "bl {target}",
                "pop {{r4, lr}}",
                "b {leave}",
                concat!("2: mvn r0, #", $refused),
                "b {leave}",
                ".ltorg",
                switches = sym spm::weakened::TOCKSTONE_WEAKENED_SECURE,
                mode = const Defence::VeneerMode as u32,
                privilege = const Defence::VeneerPrivilege as u32,
                target = sym $target,
                refuse = sym refuse,
                leave = sym leave,
            )
        }
    };
}

/// A client id function: the third argument tells the mode. A process is faulted.
#[cfg(not(feature = "weakened"))]
macro_rules! handler_entry {
    ($entry:ident, $target:ident) => {
        #[unsafe(naked)]
        extern "C" fn $entry() {
            naked_asm!(
                "mrs r2, ipsr",
                "cbnz r2, 2f",
                "mrs r12, control_ns",
                "tst r12, #1",
                "bne {refuse}",
                "2: push {{r4, lr}}",
                "bl {target}",
                "pop {{r4, lr}}",
                "b {leave}",
                target = sym $target,
                refuse = sym refuse,
                leave = sym leave,
            )
        }
    };
}

/// The same, where a switch can turn the look at the caller off.
#[cfg(feature = "weakened")]
macro_rules! handler_entry {
    ($entry:ident, $target:ident) => {
        #[unsafe(naked)]
        extern "C" fn $entry() {
            naked_asm!(
                "mrs r2, ipsr",
                "cbnz r2, 2f",
                "mrs r12, control_ns",
                "tst r12, #1",
                "beq 2f",
                "ldr r12, ={switches}",
                "ldr r12, [r12]",
                "tst r12, #{privilege}",
                "beq {refuse}",
                "2: push {{r4, lr}}",
                "bl {target}",
                "pop {{r4, lr}}",
                "b {leave}",
                ".ltorg",
                switches = sym spm::weakened::TOCKSTONE_WEAKENED_SECURE,
                privilege = const Defence::VeneerPrivilege as u32,
                target = sym $target,
                refuse = sym refuse,
                leave = sym leave,
            )
        }
    };
}

// In handler mode: no framework, no version, PROGRAMMER_ERROR (−129 = !128).
thread_entry!(framework_version_entry, framework_version, "0xFFFFFFFF");
thread_entry!(version_entry, version, "0xFFFFFFFF");
thread_entry!(call_entry, call, "128");
thread_entry!(connect_entry, connect, "128");
thread_entry!(close_entry, close, "0xFFFFFFFF");
handler_entry!(init_entry, nsce_init);
handler_entry!(acquire_entry, nsce_acquire);
handler_entry!(release_entry, nsce_release);
handler_entry!(load_entry, nsce_load);
handler_entry!(save_entry, nsce_save);

/// Back to the caller with r0 alone.
#[unsafe(naked)]
extern "C" fn leave() {
    naked_asm!(
        "movs r1, #0",
        "movs r2, #0",
        "movs r3, #0",
        "mov r12, r1",
        concat!("msr ", super::apsr!(), ", r1"),
        "bxns lr",
    )
}

/// A process at a veneer: it goes on at a secure address, in its own world, and so takes the
/// fault that any process takes which branches into secure memory. lr still tells where from.
#[unsafe(naked)]
extern "C" fn refuse() {
    naked_asm!(
        "ldr r12, ={poison}",
        "movs r0, #0",
        "movs r1, #0",
        "movs r2, #0",
        "movs r3, #0",
        concat!("msr ", super::apsr!(), ", r0"),
        "bxns r12",
        poison = const super::fault::REFUSED,
    )
}

/// What answers calls, one at a time. A second thread that comes in while the first is preempted
/// finds it taken, and the system resets: `Exclusive` does what CCR.TRD would, which QEMU 7.2
/// takes amiss (it wants CONTROL_S.nPRIV set) and the Cortex-M33 lacks.
pub(super) static PARTITION: Exclusive<Partition> = Exclusive::new(Partition::new());
static CONTEXTS: Contexts = Contexts::new();
/// The PPC interrupt fired and was disarmed.
pub(super) static PPC_DISARMED: AtomicBool = AtomicBool::new(false);

fn with_partition<R>(f: impl FnOnce(&mut Partition) -> R) -> R {
    if PPC_DISARMED.load(Ordering::Relaxed) {
        PPC_DISARMED.store(false, Ordering::Relaxed);
        // SAFETY: secure code.
        unsafe { chip::protection::ppc_arm() };
    }
    match PARTITION.with(f) {
        Some(result) => result,
        None => reset(Cause::Invariant, &Fault::default()),
    }
}

extern "C" fn framework_version() -> u32 {
    FRAMEWORK_VERSION
}

extern "C" fn version(sid: u32) -> u32 {
    with_partition(|p| spm::version(p, sid))
}

extern "C" fn call(handle: u32, ctrl: u32, in_vec: u32, out_vec: u32) -> i32 {
    let raw = RawCall {
        handle,
        ctrl,
        in_vec,
        out_vec,
    };
    let client = match off(Defence::ClientId) {
        true => ClientId(-1),
        false => CONTEXTS.client(),
    };
    with_partition(|p| spm::call(&NonSecure, p, client, raw))
}

extern "C" fn connect(sid: u32, _version: u32) -> i32 {
    with_partition(|p| spm::connect(p, sid))
}

extern "C" fn close(_handle: u32) {}

/// Whether the caller counts as a handler.
fn handler(ipsr: u32) -> bool {
    ipsr != 0 || off(Defence::ClientMode)
}

extern "C" fn nsce_init(wanted: u32, _: u32, ipsr: u32) -> u32 {
    CONTEXTS.init(handler(ipsr), wanted)
}

extern "C" fn nsce_acquire(group: u32, thread: u32, ipsr: u32) -> u32 {
    CONTEXTS.acquire(handler(ipsr), group as u8, thread as u8)
}

extern "C" fn nsce_release(token: u32, _: u32, ipsr: u32) -> u32 {
    CONTEXTS.release(handler(ipsr), token) as u32
}

extern "C" fn nsce_load(token: u32, client: i32, ipsr: u32) -> u32 {
    CONTEXTS.load(handler(ipsr), token, client) as u32
}

extern "C" fn nsce_save(token: u32, _: u32, ipsr: u32) -> u32 {
    CONTEXTS.save(handler(ipsr), token) as u32
}

const _: () = assert!(Status::PROGRAMMER_ERROR.as_i32() == !128);

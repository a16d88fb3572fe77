//! The real way in: TF-M's veneers, and the exception from which identity is changed.
//!
//! TF-M takes `psa_call` from thread mode and the `nsce`
//! functions from handler mode only (reference tfm.md §A.1, §A.5). The kernel runs in privileged
//! thread mode, so a context change goes through PendSV: the request is left in statics, PendSV
//! is pended, and [`tfm_pendsv_handler`] (which the board's vector table names) makes the call.
//! PendSV is used for nothing else. Invariant: after the barrier the request has been served, or
//! is withdrawn; PendSV never stays pending into a process.
use crate::{ClientId, Gate, InVec, OutVec, SelectError};
use core::arch::asm;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering, compiler_fence};
use psa_interface::Status;

// SAFETY: the names, arguments and results are TF-M's (psa/client.h, tfm_nsce.h); the board links
// the object whose absolute symbols are the secure image's entry points. An entry follows AAPCS.
unsafe extern "C" {
    safe fn tfm_psa_framework_version_veneer() -> u32;
    safe fn tfm_psa_version_veneer(sid: u32) -> u32;
    fn tfm_psa_call_veneer(
        handle: u32,
        ctrl_param: u32,
        in_vec: *const InVec<'_>,
        out_vec: *mut OutVec<'_>,
    ) -> i32;
    safe fn tfm_nsce_init(ctx_requested: u32) -> u32;
    safe fn tfm_nsce_acquire_ctx(gid: u8, tid: u8) -> u32;
    safe fn tfm_nsce_load_ctx(token: u32, nsid: i32) -> u32;
}

/// Interrupt Control and State Register (ARMv8-M ARM D1.2.125); the non-secure one here.
const ICSR: *mut u32 = 0xE000_ED04 as *mut u32;
const PENDSVSET: u32 = 1 << 28;
const PENDSVCLR: u32 = 1 << 27;
/// `tfm_nsce_acquire_ctx`: no context.
const INVALID_TOKEN: u32 = 0xFFFF_FFFF;
/// From thread mode the secure side answers this instead of a token.
const INVALID_ACCESS: u32 = 3;

const REQUEST_NONE: u32 = 0;
const REQUEST_ACQUIRE: u32 = 1;
const REQUEST_LOAD: u32 = 2;
static REQUEST: AtomicU32 = AtomicU32::new(REQUEST_NONE);
static TOKEN: AtomicU32 = AtomicU32::new(0);
static CLIENT: AtomicI32 = AtomicI32::new(0);
static RESULT: AtomicU32 = AtomicU32::new(0);

/// Stands in the place of `tfm_nsce_*` where the secure side does not manage client ids
/// (`TFM_NS_MANAGE_NSID` is off): it then has no such veneers, and the board's linker script names
/// this instead. 0 is `tfm_nsce_init`'s answer where there are no contexts, so that nothing else is
/// ever asked.
// SAFETY: nothing else of the image has this name.
#[unsafe(no_mangle)]
pub extern "C" fn tfm_nsce_absent() -> u32 {
    0
}

/// The veneers of the secure image that the kernel is linked against.
#[derive(Debug)]
pub struct Veneers {
    _private: (),
}

impl Veneers {
    /// The one way in. The board makes it once, and names [`tfm_pendsv_handler`] for PendSV.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Veneers { _private: () }
    }
}

impl Gate for Veneers {
    fn framework_version(&self) -> u32 {
        tfm_psa_framework_version_veneer()
    }

    fn version(&self, sid: u32) -> u32 {
        tfm_psa_version_veneer(sid)
    }

    fn call(
        &self,
        handle: u32,
        ctrl: u32,
        inputs: &[InVec<'_>],
        outputs: &mut [OutVec<'_>],
    ) -> i32 {
        let counts = (outputs.len() as u32) << 16 | (inputs.len() as u32) << 24;
        // The counts in `ctrl` bound what the secure side reads and writes.
        if ctrl & 0xFFFF_0000 != counts || in_handler_mode() {
            return Status::PROGRAMMER_ERROR.0;
        }
        // SAFETY: both arrays are live for the call and as long as `ctrl` says; each descriptor
        // borrows the memory it names (see `vectors`), shared outputs as cells. The secure side
        // writes only the output memory and the output lengths, and returns before we go on.
        unsafe { tfm_psa_call_veneer(handle, ctrl, inputs.as_ptr(), outputs.as_mut_ptr()) }
    }

    fn acquire_context(&self) -> Result<u32, SelectError> {
        match from_handler_mode(REQUEST_ACQUIRE)? {
            INVALID_TOKEN | INVALID_ACCESS => Err(SelectError),
            token => Ok(token),
        }
    }

    fn load_context(&self, token: u32, client: ClientId) -> Result<(), SelectError> {
        TOKEN.store(token, Ordering::Relaxed);
        CLIENT.store(client.get(), Ordering::Relaxed);
        match from_handler_mode(REQUEST_LOAD)? {
            0 => Ok(()),
            _ => Err(SelectError),
        }
    }
}

/// PendSV of the non-secure vector table: serves the request that [`Veneers`] left.
pub extern "C" fn tfm_pendsv_handler() {
    let result = match REQUEST.load(Ordering::Relaxed) {
        REQUEST_ACQUIRE if tfm_nsce_init(1) >= 1 => tfm_nsce_acquire_ctx(1, 1),
        REQUEST_ACQUIRE => INVALID_TOKEN,
        REQUEST_LOAD => tfm_nsce_load_ctx(
            TOKEN.load(Ordering::Relaxed),
            CLIENT.load(Ordering::Relaxed),
        ),
        _ => return,
    };
    RESULT.store(result, Ordering::Relaxed);
    REQUEST.store(REQUEST_NONE, Ordering::Relaxed);
}

/// Runs `request` in PendSV; `Err` when the exception could not be taken here.
fn from_handler_mode(request: u32) -> Result<u32, SelectError> {
    if in_handler_mode() {
        return Err(SelectError);
    }
    REQUEST.store(request, Ordering::Relaxed);
    pendsv(PENDSVSET);
    if REQUEST.swap(REQUEST_NONE, Ordering::Relaxed) != REQUEST_NONE {
        // Interrupts are masked: withdraw, or it would be taken later in someone else's time.
        pendsv(PENDSVCLR);
        return Err(SelectError);
    }
    Ok(RESULT.load(Ordering::Relaxed))
}

fn pendsv(bit: u32) {
    compiler_fence(Ordering::SeqCst);
    // SAFETY: ICSR is a register of the System Control Space, always present and word-writable
    // from privileged mode; the two bits only pend or clear PendSV. The barriers order the write
    // before, and the exception it causes before what follows. The asm may read and write memory
    // (the handler touches the statics), which is the default for `asm!`.
    unsafe {
        ICSR.write_volatile(bit);
        asm!("dsb", "isb", options(nostack, preserves_flags));
    }
    compiler_fence(Ordering::SeqCst);
}

fn in_handler_mode() -> bool {
    let ipsr: u32;
    // SAFETY: reading IPSR has no side effect.
    unsafe { asm!("mrs {}, IPSR", out(reg) ipsr, options(nomem, nostack, preserves_flags)) };
    ipsr & 0x1FF != 0
}

//! Entering and leaving processes.
//!
//! Owns the exception handlers and the stacked frame of a process. The kernel enters a process by
//! `svc` from its own thread; SVCall, SysTick, an interrupt or a fault brings it back, by returning
//! from the exception to the kernel's frame on MSP instead of the process's on PSP.
//!
//! Invariants, one for each way in which kernels have left a process privileged:
//! - A handler looks at EXC_RETURN before it touches CONTROL. Only an exception taken from
//!   non-secure thread mode on PSP (bits S = 0, Mode = 1, SPSEL = 1) came from a process; any other
//!   returns as it came, with CONTROL as it was. So a second, tail-chained exception sees the
//!   return to the kernel that the first one decided, and an interrupt that lands in secure code
//!   changes nothing for the thread that called there.
//! - CONTROL.nPRIV is 0 exactly when the return goes to MSP and 1 exactly when it goes to PSP.
//! - SVCall enters a process only on the kernel's request (`ENTER`), which the handler consumes:
//!   an `svc` whose exception is taken after a fault of its own stacking enters nothing.
//! - SVCall, PendSV, SysTick and interrupts share one priority, and SVCall has the lowest number of
//!   them: a call is never overtaken by an interrupt, so it is never lost.
//! - Nothing of the kernel is in a register when a process runs: r0 to r3, r12, lr, pc and flags
//!   come from its frame, r4 to r11 from its saved state.

use crate::fault;
use core::fmt::Write;
use kernel::ErrorCode;
use kernel::process::{FaultRegisters, FaultReport, FunctionCall};
use kernel::syscall::{ContextSwitchReason, Syscall, SyscallReturn, UserspaceKernelBoundary};
use kernel::weakened::{Defence, off};

/// Bytes of the frame that hardware stacks without floating point.
const FRAME: usize = 32;
const FRAME_LR: usize = 5;
const FRAME_PC: usize = 6;
const FRAME_PSR: usize = 7;
const PSR_T: u32 = 1 << 24;
/// The frame was aligned by a word of padding.
const PSR_SPREALIGN: u32 = 1 << 9;

/// What is kept of a process while it does not run.
#[derive(Default)]
pub struct StoredState {
    regs: [u32; 8],
    yield_pc: u32,
    psr: u32,
    psp: usize,
    fault: Option<FaultReport>,
    /// What the core said of it, if the core did.
    status: Option<fault::Status>,
}

/// The boundary. One for the system.
pub struct Boundary(());

impl Boundary {
    /// The board makes it once.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Boundary(())
    }
}

/// A process's stacked frame, known to lie in its memory.
struct Frame(*mut u32);

impl Frame {
    /// The frame at `psp`, if it lies in `[start, brk)`. A stack pointer is a multiple of 4: bits 1
    /// and 0 of PSP are always 0.
    #[inline(always)]
    fn checked(psp: usize, start: *const u8, brk: *const u8) -> Option<Self> {
        // One comparison for both ends: an offset below the start wraps to a large one.
        let offset = psp.wrapping_sub(start.addr());
        if off(Defence::StackRange) {
            return Some(Self(start.wrapping_add(offset).cast_mut().cast()));
        }
        let last = brk.addr().checked_sub(start.addr())?.checked_sub(FRAME)?;
        if offset > last {
            return None;
        }
        Some(Frame(start.wrapping_add(offset).cast_mut().cast()))
    }

    #[inline(always)]
    fn get(&self, word: usize) -> u32 {
        // SAFETY: `checked` found the whole frame in the process's memory; words are below 8.
        unsafe { self.0.add(word % 8).read_volatile() }
    }

    #[inline(always)]
    fn set(&self, word: usize, value: u32) {
        // SAFETY: as for `get`; the process does not run.
        unsafe { self.0.add(word % 8).write_volatile(value) }
    }
}

const BAD_STACK: FaultReport = FaultReport {
    reason: "stack pointer outside its memory",
    pc: 0,
    address: None,
    registers: FaultRegisters::UNKNOWN,
};

/// `registers` with where the process stood.
fn place(frame: Option<&Frame>, psp: usize, registers: FaultRegisters) -> FaultRegisters {
    FaultRegisters {
        lr: frame.map_or(0, |f| f.get(FRAME_LR)),
        psr: frame.map_or(0, |f| f.get(FRAME_PSR)),
        sp: psp as u32,
        ..registers
    }
}

impl UserspaceKernelBoundary for Boundary {
    type StoredState = StoredState;

    fn initial_process_app_brk_size(&self) -> usize {
        FRAME
    }

    unsafe fn initialize_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut StoredState,
    ) -> Result<(), ()> {
        *state = StoredState {
            psp: accessible_memory_start.addr(),
            psr: PSR_T,
            ..StoredState::default()
        };
        let frame = Frame::checked(state.psp, accessible_memory_start, app_brk).ok_or(())?;
        for word in 0..FRAME_PSR {
            frame.set(word, 0);
        }
        frame.set(FRAME_PSR, PSR_T);
        Ok(())
    }

    #[inline]
    unsafe fn set_syscall_return_value(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut StoredState,
        return_value: SyscallReturn,
    ) -> Result<(), ()> {
        let Some(frame) = Frame::checked(state.psp, accessible_memory_start, app_brk) else {
            state.fault = Some(BAD_STACK);
            return Err(());
        };
        return_value.encode_trd104_with(|i, word| frame.set(i, word));
        Ok(())
    }

    unsafe fn set_process_function(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut StoredState,
        upcall: FunctionCall,
    ) -> Result<(), ()> {
        let Some(frame) = Frame::checked(state.psp, accessible_memory_start, app_brk) else {
            state.fault = Some(BAD_STACK);
            return Err(());
        };
        // The yield looks to the process like a call of this function.
        let resume = frame.get(FRAME_PC);
        frame.set(0, upcall.argument0 as u32);
        frame.set(1, upcall.argument1 as u32);
        frame.set(2, upcall.argument2 as u32);
        frame.set(3, upcall.argument3.as_usize() as u32);
        frame.set(FRAME_LR, resume | 1);
        frame.set(FRAME_PC, upcall.pc.addr() as u32 & !1);
        let psr = frame.get(FRAME_PSR) & PSR_SPREALIGN | PSR_T;
        frame.set(FRAME_PSR, psr);
        Ok(())
    }

    #[inline]
    unsafe fn switch_to_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut StoredState,
    ) -> (ContextSwitchReason, Option<*const u8>) {
        // SAFETY: the caller loaded the MPU for this process; the saved stack pointer and registers
        // are its own.
        let why = unsafe { core_switch::run(&mut state.psp, &mut state.regs) };
        let sp: *const u8 = core::ptr::without_provenance(state.psp);
        if why & core_switch::FAULTED != 0 {
            let frame = Frame::checked(state.psp, accessible_memory_start, app_brk);
            let pc = frame.as_ref().map_or(0, |f| f.get(FRAME_PC) as usize);
            let (report, status) = fault::collect(pc);
            state.fault = Some(FaultReport {
                registers: place(frame.as_ref(), state.psp, report.registers),
                ..report
            });
            state.status = Some(status);
            return (ContextSwitchReason::Fault, Some(sp));
        }
        let Some(frame) = Frame::checked(state.psp, accessible_memory_start, app_brk) else {
            state.fault = Some(BAD_STACK);
            return (ContextSwitchReason::Fault, None);
        };
        if why & core_switch::CALLED == 0 {
            return (ContextSwitchReason::Interrupted, Some(sp));
        }
        state.yield_pc = frame.get(FRAME_PC);
        state.psr = frame.get(FRAME_PSR);
        let number = core_switch::svc_number(state.yield_pc);
        let r = |i| frame.get(i) as usize;
        let syscall =
            Syscall::from_register_arguments(number, r(0), r(1).into(), r(2).into(), r(3).into());
        match syscall {
            Some(syscall) => (ContextSwitchReason::SyscallFired { syscall }, Some(sp)),
            None => {
                state.fault = Some(FaultReport {
                    reason: "unknown system call class",
                    pc: state.yield_pc as usize,
                    address: None,
                    registers: place(Some(&frame), state.psp, FaultRegisters::UNKNOWN),
                });
                (ContextSwitchReason::Fault, Some(sp))
            }
        }
    }

    unsafe fn print_context(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &StoredState,
        w: &mut dyn Write,
    ) {
        if let Some(status) = &state.status {
            status.print(w);
        }
        let frame = Frame::checked(state.psp, accessible_memory_start, app_brk);
        let stacked = |word| frame.as_ref().map_or(0, |f| f.get(word));
        if frame.is_none() {
            let _ = write!(w, " The stack pointer is outside its memory: no frame\r\n");
        }
        let left = [0, 1, 2, 3].map(stacked).into_iter();
        let [r4, r5, r6, r7, r8, r9, r10, r11] = state.regs;
        let left = left.chain([r4, r5]);
        let right = [r6, r7, r8, r9, r10, r11];
        for (i, (l, r)) in left.zip(right).enumerate() {
            let _ = write!(w, " R{i} : 0x{l:08x}    R{:<2}: 0x{r:08x}\r\n", i + 6);
        }
        let _ = write!(
            w,
            " R12: 0x{:08x}    SP : 0x{:08x}\r\n LR : 0x{:08x}    PC : 0x{:08x}\r\n",
            stacked(4),
            state.psp,
            stacked(FRAME_LR),
            stacked(FRAME_PC),
        );
        let psr = stacked(FRAME_PSR);
        let _ = write!(w, " xPSR: 0x{psr:08x}");
        for (bit, name) in [
            (31, 'N'),
            (30, 'Z'),
            (29, 'C'),
            (28, 'V'),
            (27, 'Q'),
            (24, 'T'),
        ] {
            if psr >> bit & 1 != 0 {
                let _ = write!(w, " {name}");
            }
        }
        let _ = write!(w, "    last call at 0x{:08x}\r\n", state.yield_pc);
    }

    fn fault_report(&self, state: &StoredState) -> Option<FaultReport> {
        state.fault
    }

    fn store_context(&self, state: &StoredState, out: &mut [u8]) -> Result<usize, ErrorCode> {
        let head = [
            1,
            44,
            u32::from_le_bytes(*b"ctxm"),
            state.yield_pc,
            state.psr,
            state.psp as u32,
        ];
        let words = head.iter().chain(&state.regs);
        let out = out.get_mut(..56).ok_or(ErrorCode::SIZE)?;
        for (to, word) in out.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Ok(56)
    }
}

/// The part that needs the core.
#[cfg(target_os = "none")]
pub mod core_switch {
    use core::arch::naked_asm;
    use core::sync::atomic::{AtomicU32, Ordering};

    /// The process called.
    pub(super) const CALLED: u32 = 1;
    /// The process faulted.
    pub(super) const FAULTED: u32 = 2;

    /// The kernel asks SVCall to enter a process.
    const ENTER: u32 = 4;

    /// `ENTER` until SVCall has entered the process, then why it stopped: handlers set bits, the
    /// kernel reads them.
    static REASON: AtomicU32 = AtomicU32::new(0);
    /// Some interrupt's top half ran since the bottom half last looked.
    static PENDED: AtomicU32 = AtomicU32::new(0);

    /// Whether any interrupt waits to be served.
    #[inline(always)]
    pub(crate) fn interrupt_waits() -> bool {
        PENDED.load(Ordering::Relaxed) != 0
    }

    /// Before the bottom half looks: what comes from here on is noticed again.
    #[inline(always)]
    pub(crate) fn forget_interrupts() {
        PENDED.store(0, Ordering::Relaxed);
        crate::registers::barrier();
    }

    /// Runs the process with this stack pointer and r4 to r11; returns the reason bits.
    ///
    /// # Safety
    /// The MPU is loaded for the process that they belong to.
    #[inline(always)]
    pub(super) unsafe fn run(psp: &mut usize, regs: &mut [u32; 8]) -> u32 {
        // SAFETY: `enter` keeps the AAPCS; it touches only the two arguments and the statics.
        *psp = unsafe { enter(*psp, regs) };
        REASON.load(Ordering::Relaxed)
    }

    /// The immediate of the `svc` that returns to `pc`.
    #[inline(always)]
    pub(super) fn svc_number(pc: u32) -> u8 {
        let at = (pc & !1).wrapping_sub(2) as *const u16;
        // SAFETY: the core has just executed the instruction there, in non-secure state, so the
        // address is readable code; the process does not run.
        (unsafe { at.read_volatile() }) as u8
    }

    #[unsafe(naked)]
    unsafe extern "C" fn enter(_psp: usize, _regs: *mut [u32; 8]) -> usize {
        naked_asm!(
            // Ten words keep the stack aligned; r1 is pushed for that.
            "push {{r1, r4-r11, lr}}",
            "msr psp, r0",
            "ldr r2, ={reason}",
            "movs r3, #{enter}",
            "str r3, [r2]",
            "ldm r1, {{r4-r11}}",
            "svc 0xff",
            // Back on MSP: r0-r3 are the kernel's again, r4-r11 are the process's.
            "stm r1, {{r4-r11}}",
            "mrs r0, psp",
            "pop {{r1, r4-r11, pc}}",
            reason = sym REASON,
            enter = const ENTER,
        )
    }

    /// The thread's CONTROL for a process.
    #[cfg(not(feature = "weakened"))]
    macro_rules! process_control {
        () => {
            "movs r1, #1"
        };
    }
    /// The thread's CONTROL for a process: `Defence::Unprivileged`, bit 1 of the word, decides.
    #[cfg(feature = "weakened")]
    macro_rules! process_control {
        () => {
            "ldr r1, =TOCKSTONE_WEAKENED\nldr r1, [r1]\nubfx r1, r1, #1, #1\neor r1, r1, #1"
        };
    }

    /// SVCall: the kernel enters a process, or a process calls.
    ///
    /// # Safety
    /// In its place of the vector table only.
    #[unsafe(naked)]
    pub unsafe extern "C" fn svcall() {
        naked_asm!(
            "ldr r0, ={reason}",
            "tst lr, #4",
            "beq 2f",
            "movs r1, #{called}",
            "str r1, [r0]",
            "movs r1, #0",
            "msr control, r1",
            "isb",
            "mvn lr, #0x47", // 0xFFFFFFB8: non-secure thread, MSP
            "bx lr",
            "2:",
            "ldr r1, [r0]",
            "cmp r1, #{enter}",
            "bne 3f",
            "movs r1, #0",
            "str r1, [r0]",
            process_control!(),
            "msr control, r1",
            "isb",
            "mvn lr, #0x43", // 0xFFFFFFBC: non-secure thread, PSP
            "3:",
            "bx lr",
            reason = sym REASON,
            enter = const ENTER,
            called = const CALLED,
        )
    }

    /// SysTick: the slice is over.
    ///
    /// # Safety
    /// In its place of the vector table only.
    #[cfg(not(feature = "weakened"))]
    #[unsafe(naked)]
    pub unsafe extern "C" fn systick() {
        naked_asm!("b {}", sym back_to_kernel)
    }

    /// SysTick, and the end of an interrupt, where switches can make them what they have been in
    /// kernels: privileged, and back to where it came from, whatever that is; or, of timers, to the
    /// kernel from any thread with a process stack, without a look at S: whose.
    ///
    /// # Safety
    /// In its place of the vector table only.
    #[cfg(feature = "weakened")]
    #[unsafe(naked)]
    pub unsafe extern "C" fn systick() {
        naked_asm!(
            "ldr r0, ={word}",
            "ldr r0, [r0]",
            "tst r0, #{secure_return}",
            "beq 2f",
            "mrs r1, ipsr",
            "cmp r1, #{timers}",
            "bhs 2f",
            "and r1, lr, #0x0C",
            "cmp r1, #0x0C",
            "bne 3f",
            "movs r1, #0",
            "msr control, r1",
            "isb",
            "mvn lr, #0x47",
            "bx lr",
            "2: tst r0, #{interrupt_return}",
            "beq {back}",
            "movs r0, #0",
            "msr control, r0",
            "isb",
            "3: bx lr",
            word = sym kernel::weakened::TOCKSTONE_WEAKENED,
            secure_return = const kernel::weakened::Defence::SecureReturn as u32,
            interrupt_return = const kernel::weakened::Defence::InterruptReturn as u32,
            // Devices that talk come behind, and would be heard while the system starts.
            timers = const 16 + 32,
            back = sym back_to_kernel,
        )
    }

    #[cfg(not(feature = "weakened"))]
    use back_to_kernel as interrupt_ends;
    #[cfg(feature = "weakened")]
    use systick as interrupt_ends;

    /// Any interrupt: quiet until the main loop has served it.
    ///
    /// # Safety
    /// In its place of the vector table only.
    #[unsafe(naked)]
    pub unsafe extern "C" fn interrupt() {
        naked_asm!(
            "mrs r0, ipsr",
            "subs r0, r0, #16",
            "lsrs r1, r0, #5",
            "and r0, r0, #31",
            "movs r2, #1",
            "lsls r2, r0",
            "ldr r3, =0xE000E180", // NVIC_ICER
            "str r2, [r3, r1, lsl #2]",
            "ldr r3, =0xE000E200", // NVIC_ISPR
            "str r2, [r3, r1, lsl #2]",
            "ldr r3, ={pended}",
            "str r2, [r3]",
            "dsb",
            "b {back}",
            pended = sym PENDED,
            back = sym interrupt_ends,
        )
    }

    /// Returns to the kernel's thread if the exception was taken from a process, else as it came.
    #[unsafe(naked)]
    unsafe extern "C" fn back_to_kernel() {
        naked_asm!(
            "and r0, lr, #0x4C", // S, Mode, SPSEL
            "cmp r0, #0x0C",
            "bne 2f",
            "movs r1, #0",
            "msr control, r1",
            "isb",
            "mvn lr, #0x47",
            "2:",
            "bx lr",
        )
    }

    /// MemManage and UsageFault: the process's, or one that the secure world passes on. A fault of
    /// the kernel goes to `kernel_fault`, which the board's crate defines.
    ///
    /// # Safety
    /// In its place of the vector table only.
    #[unsafe(naked)]
    pub unsafe extern "C" fn fault() {
        naked_asm!(
            "ldr r0, ={reason}",
            "ldr r1, [r0]",
            "and r2, lr, #0x4C",
            "cmp r2, #0x0C",
            "bne 2f",
            "orr r1, r1, #{faulted}",
            "str r1, [r0]",
            "movs r1, #0",
            "msr control, r1",
            "isb",
            "mvn lr, #0x47",
            "bx lr",
            // Tail-chained behind another fault of the same process: nothing to add.
            "2:",
            "tst r1, #{faulted}",
            "bne 3f",
            "mov r0, lr",
            "mov r1, sp",
            "b kernel_fault",
            "3:",
            "bx lr",
            reason = sym REASON,
            faulted = const FAULTED,
        )
    }

    /// HardFault, BusFault and exceptions that nobody expects: the kernel's own end.
    ///
    /// # Safety
    /// In its place of the vector table only.
    #[unsafe(naked)]
    pub unsafe extern "C" fn unexpected() {
        naked_asm!("mov r0, lr", "mov r1, sp", "b kernel_fault")
    }

    type Handler = unsafe extern "C" fn();

    /// An entry of the table.
    #[derive(Clone, Copy)]
    #[repr(C)]
    pub union Vector {
        /// Initial main stack pointer.
        pub stack: *const u32,
        /// A handler.
        pub handler: Handler,
        /// Nothing.
        pub reserved: usize,
    }

    // SAFETY: constants that only hardware reads.
    unsafe impl Sync for Vector {}

    /// The vector table of 16 exceptions and 128 interrupts.
    pub const fn vector_table(
        stack: *const u32,
        reset: Handler,
        pendsv: Handler,
    ) -> [Vector; 16 + 128] {
        let mut table = [Vector { handler: interrupt }; 16 + 128];
        table[0] = Vector { stack };
        table[1] = Vector { handler: reset };
        let mut i = 2;
        while i < 16 {
            table[i] = Vector {
                handler: match i {
                    4 | 6 => fault,
                    11 => svcall,
                    14 => pendsv,
                    15 => systick,
                    _ => unexpected,
                },
            };
            i += 1;
        }
        table
    }
}

/// Without the core there is nothing to run.
#[cfg(not(target_os = "none"))]
pub(crate) mod core_switch {
    pub(super) const CALLED: u32 = 1;
    pub(super) const FAULTED: u32 = 2;
    pub(super) unsafe fn run(_psp: &mut usize, _regs: &mut [u32; 8]) -> u32 {
        FAULTED
    }
    pub(super) fn svc_number(_pc: u32) -> u8 {
        0xff
    }
    pub(crate) fn interrupt_waits() -> bool {
        false
    }
    pub(crate) fn forget_interrupts() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::process::FunctionCallSource;

    #[repr(align(8))]
    struct Ram([u8; 256]);

    fn bounds(ram: &mut Ram) -> (*const u8, *const u8) {
        let r = ram.0.as_mut_ptr_range();
        (r.start, r.end)
    }

    #[test]
    fn a_frame_outside_the_process_is_never_touched() {
        let mut ram = Ram([0xA5; 256]);
        let (start, end) = bounds(&mut ram);
        let brk = start.wrapping_add(128);
        let boundary = Boundary::new();
        for psp in [
            0,
            start.addr() - 4,
            start.addr() + 100,
            start.addr() + 128,
            end.addr(),
            usize::MAX - 15,
        ] {
            let mut state = StoredState {
                psp,
                ..StoredState::default()
            };
            // SAFETY: the bounds are this test's array.
            let r = unsafe {
                boundary.set_syscall_return_value(start, brk, &mut state, SyscallReturn::Success)
            };
            assert_eq!(r, Err(()), "{psp:#x}");
        }
        assert!(ram.0.iter().all(|b| *b == 0xA5));
    }

    #[test]
    fn answers_leave_the_registers_their_variant_does_not_use() {
        let mut ram = Ram([0x77; 256]);
        let (start, end) = bounds(&mut ram);
        let boundary = Boundary::new();
        let mut state = StoredState {
            psp: start.addr() + 64,
            ..StoredState::default()
        };
        // SAFETY: the bounds are this test's array.
        unsafe {
            boundary
                .set_syscall_return_value(start, end, &mut state, SyscallReturn::SuccessU32(9))
                .unwrap();
        }
        assert_eq!(&ram.0[64..68], &129u32.to_le_bytes());
        assert_eq!(&ram.0[68..72], &9u32.to_le_bytes());
        assert!(ram.0[72..96].iter().all(|b| *b == 0x77));
    }

    #[test]
    fn an_upcall_looks_like_a_call_from_the_yield() {
        let mut ram = Ram([0; 256]);
        let (start, end) = bounds(&mut ram);
        let boundary = Boundary::new();
        let mut state = StoredState::default();
        let call = FunctionCall {
            source: FunctionCallSource::Kernel,
            argument0: 1,
            argument1: 2,
            argument2: 3,
            argument3: 4usize.into(),
            pc: 0x6020_0101usize.into(),
        };
        // SAFETY: the bounds are this test's array.
        let frame = unsafe {
            boundary.initialize_process(start, end, &mut state).unwrap();
            let frame = Frame::checked(state.psp, start, end).unwrap();
            frame.set(4, 0xCCCC);
            frame.set(FRAME_PC, 0x6020_0200);
            // Flags and IT state of the caller are not the callee's.
            frame.set(FRAME_PSR, 0xF900_0200);
            boundary
                .set_process_function(start, end, &mut state, call)
                .unwrap();
            frame
        };
        let words: Vec<u32> = (0..8).map(|i| frame.get(i)).collect();
        assert_eq!(
            words,
            [1, 2, 3, 4, 0xCCCC, 0x6020_0201, 0x6020_0100, 0x0100_0200]
        );
    }
}

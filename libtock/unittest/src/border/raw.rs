//! The fake system calls.
//!
//! Owns the decoding of registers into calls on the thread's [`crate::fake::Kernel`]. What the
//! process sees of the kernel is exactly what registers can carry.

use crate::border::{RoAllowBuffer, RwAllowBuffer};
use crate::fake::kernel;
use libtock_platform::{RawSyscalls, Register, exit_id, syscall_class, yield_id};

/// System calls to the fake kernel of this thread.
pub struct Syscalls;

/// An upcall as the process registered it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpcallPointer {
    pub(crate) function: Register,
    pub(crate) data: Register,
}

impl UpcallPointer {
    pub(crate) fn null() -> Self {
        UpcallPointer {
            function: 0u32.into(),
            data: 0u32.into(),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.function.0.is_null()
    }

    /// Calls it with three register values.
    pub(crate) fn call(self, arguments: [Register; 3]) {
        if self.is_null() {
            return;
        }
        type Function = unsafe extern "C" fn(Register, Register, Register, Register);
        let [a, b, c] = arguments;
        // SAFETY: the process subscribed this pointer, which by RawSyscalls' contract is a
        // function of the upcall ABI, sound to call with its data until unsubscribed.
        unsafe {
            let function: Function = core::mem::transmute(self.function.0);
            function(a, b, c, self.data);
        }
    }
}

fn words(values: [u32; 2]) -> [Register; 2] {
    values.map(Register::from)
}

// SAFETY: behaves as a kernel that keeps TRD104: pointers are used only while they are lent.
unsafe impl RawSyscalls for Syscalls {
    unsafe fn yield1([r0]: [Register; 1]) {
        assert_eq!(r0.as_u32(), yield_id::WAIT, "yield with one argument");
        kernel::yield_wait();
    }

    unsafe fn yield2([r0, r1]: [Register; 2]) {
        assert_eq!(r0.as_u32(), yield_id::NO_WAIT, "yield with two arguments");
        let ran = kernel::yield_no_wait();
        let flag: *mut u8 = r1.into();
        if !flag.is_null() {
            // SAFETY: yield-no-wait's parameter is a pointer to a writable byte.
            unsafe { flag.write(ran as u8) };
        }
    }

    unsafe fn yield3([r0, r1, r2]: [Register; 3]) -> [Register; 3] {
        assert_eq!(
            r0.as_u32(),
            yield_id::WAIT_FOR,
            "yield with three arguments"
        );
        kernel::yield_wait_for(r1.as_u32(), r2.as_u32())
    }

    unsafe fn syscall1<const CLASS: usize>([r0]: [Register; 1]) -> [Register; 2] {
        assert_eq!(CLASS, syscall_class::MEMOP, "one argument");
        words(kernel::memop(r0.as_u32(), 0))
    }

    unsafe fn syscall2<const CLASS: usize>([r0, r1]: [Register; 2]) -> [Register; 2] {
        match CLASS {
            syscall_class::MEMOP => words(kernel::memop(r0.as_u32(), usize::from(r1))),
            syscall_class::EXIT => {
                let kind = if r0.as_u32() == exit_id::RESTART {
                    "restart"
                } else {
                    "terminate"
                };
                panic!("exit-{kind}({})", r1.as_u32());
            }
            class => panic!("class {class} with two arguments"),
        }
    }

    unsafe fn syscall4<const CLASS: usize>([r0, r1, r2, r3]: [Register; 4]) -> [Register; 4] {
        let (driver, number) = (r0.as_u32(), r1.as_u32());
        match CLASS {
            syscall_class::SUBSCRIBE => {
                let upcall = UpcallPointer {
                    function: r2,
                    data: r3,
                };
                match kernel::subscribe(driver, number, upcall) {
                    Ok(former) => [130u32.into(), former.function, former.data, r3],
                    Err(e) => [2u32.into(), (e as u32).into(), r2, r3],
                }
            }
            syscall_class::COMMAND => {
                let answer = kernel::command(driver, number, r2.as_u32(), r3.as_u32());
                let (variant, a, b, c) = answer.raw_values();
                [u32::from(variant).into(), a.into(), b.into(), c.into()]
            }
            syscall_class::ALLOW_RW => {
                let buffer = RwAllowBuffer {
                    address: r2,
                    len: r3.into(),
                };
                match kernel::allow_rw(driver, number, buffer) {
                    Ok(former) => [130u32.into(), former.address, former.len.into(), r3],
                    Err((_, e)) => [2u32.into(), (e as u32).into(), r2, r3],
                }
            }
            syscall_class::ALLOW_RO => {
                let buffer = RoAllowBuffer {
                    address: r2,
                    len: r3.into(),
                };
                match kernel::allow_ro(driver, number, buffer) {
                    Ok(former) => [130u32.into(), former.address, former.len.into(), r3],
                    Err((_, e)) => [2u32.into(), (e as u32).into(), r2, r3],
                }
            }
            class => panic!("class {class} with four arguments"),
        }
    }
}

//! The process side of a fake kernel, for `libtock_unittest` alone (feature `fake`).
//!
//! Owns the decoding of registers into calls on a [`FakeKernel`], the call of an upcall, and the
//! buffers that a process lent to a fake driver. It is here, and not in `libtock_unittest`, so that
//! every pointer between process and kernel is made and used in this one module.
//!
//! Invariant that a [`FakeKernel`] must keep: it hands the former buffer back when a new one comes,
//! and uses it no more. What the process sees is exactly what registers can carry.

use crate::{CommandReturn, ErrorCode, RawSyscalls, Register, syscall_class, yield_id};
use core::marker::PhantomData;

/// What a fake kernel does about each call.
pub trait FakeKernel {
    /// Runs one upcall.
    fn yield_wait();
    /// Runs one upcall if there is one; was there?
    fn yield_no_wait() -> bool;
    /// The words of the next event of this number.
    fn yield_wait_for(driver_num: u32, subscribe_num: u32) -> [Register; 3];
    /// Registers an upcall; the former one.
    ///
    /// # Errors
    /// Why not.
    fn subscribe(
        driver_num: u32,
        subscribe_num: u32,
        upcall: UpcallPointer,
    ) -> Result<UpcallPointer, ErrorCode>;
    /// A command.
    fn command(driver_id: u32, command_id: u32, argument0: u32, argument1: u32) -> CommandReturn;
    /// A read-write share; the former one.
    ///
    /// # Errors
    /// The refused buffer and why.
    fn allow_rw(
        driver_num: u32,
        buffer_num: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)>;
    /// A read-only share; the former one.
    ///
    /// # Errors
    /// The refused buffer and why.
    fn allow_ro(
        driver_num: u32,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)>;
    /// A memory operation: the two answer words.
    fn memop(memop_num: u32, argument0: Register) -> [Register; 2];
    /// The process ends.
    fn exit(exit_num: u32, code: u32) -> !;
}

/// System calls to a fake kernel.
pub struct FakeSyscalls<K: FakeKernel>(PhantomData<K>);

/// An upcall as the process registered it.
#[derive(Clone, Copy, Debug)]
pub struct UpcallPointer {
    function: Register,
    data: Register,
}

impl UpcallPointer {
    /// None.
    pub fn null() -> Self {
        UpcallPointer {
            function: 0u32.into(),
            data: 0u32.into(),
        }
    }

    /// Is it none?
    pub fn is_null(&self) -> bool {
        self.function.0.is_null()
    }

    /// Calls it with three register values.
    pub fn call(self, arguments: [Register; 3]) {
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

/// A register's number; on the host a wider one is a fault of the caller.
fn number(register: Register, what: &str) -> u32 {
    register
        .try_into()
        .unwrap_or_else(|_| panic!("Too large {what}"))
}

fn yield_number(register: Register) -> u32 {
    register.try_into().expect("too-large Yield ID passed")
}

// SAFETY: behaves as a kernel that keeps TRD104: pointers are used only while they are lent.
unsafe impl<K: FakeKernel> RawSyscalls for FakeSyscalls<K> {
    unsafe fn yield1([r0]: [Register; 1]) {
        match yield_number(r0) {
            yield_id::WAIT => K::yield_wait(),
            yield_id::NO_WAIT => panic!("yield-no-wait called without an argument"),
            id => panic!("unknown yield ID {id} with one argument"),
        }
    }

    unsafe fn yield2([r0, r1]: [Register; 2]) {
        match yield_number(r0) {
            yield_id::NO_WAIT => {}
            yield_id::WAIT => panic!("yield-wait called with an argument"),
            id => panic!("unknown yield ID {id} with two arguments"),
        }
        let ran = K::yield_no_wait();
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
        K::yield_wait_for(r1.as_u32(), r2.as_u32())
    }

    unsafe fn syscall1<const CLASS: usize>([r0]: [Register; 1]) -> [Register; 2] {
        assert_eq!(CLASS, syscall_class::MEMOP, "one argument");
        K::memop(number(r0, "memop num"), 0u32.into())
    }

    unsafe fn syscall2<const CLASS: usize>([r0, r1]: [Register; 2]) -> [Register; 2] {
        match CLASS {
            syscall_class::MEMOP => K::memop(number(r0, "memop num"), r1),
            syscall_class::EXIT => K::exit(number(r0, "exit number"), number(r1, "exit code")),
            class => panic!("class {class} with two arguments"),
        }
    }

    unsafe fn syscall4<const CLASS: usize>([r0, r1, r2, r3]: [Register; 4]) -> [Register; 4] {
        let (driver_is, number_is) = match CLASS {
            syscall_class::COMMAND => ("driver ID", "command ID"),
            syscall_class::SUBSCRIBE => ("driver number", "subscribe number"),
            _ => ("driver number", "buffer number"),
        };
        let (driver, item) = (number(r0, driver_is), number(r1, number_is));
        match CLASS {
            syscall_class::SUBSCRIBE => {
                let upcall = UpcallPointer {
                    function: r2,
                    data: r3,
                };
                match K::subscribe(driver, item, upcall) {
                    Ok(former) => [130u32.into(), former.function, former.data, r3],
                    Err(e) => [2u32.into(), (e as u32).into(), r2, r3],
                }
            }
            syscall_class::COMMAND => {
                let answer = K::command(
                    driver,
                    item,
                    number(r2, "argument 0"),
                    number(r3, "argument 1"),
                );
                let (variant, a, b, c) = answer.raw_values();
                [u32::from(variant).into(), a.into(), b.into(), c.into()]
            }
            syscall_class::ALLOW_RW => {
                let buffer = RwAllowBuffer {
                    address: r2,
                    len: r3.into(),
                };
                match K::allow_rw(driver, item, buffer) {
                    Ok(former) => [130u32.into(), former.address, former.len.into(), r3],
                    Err((_, e)) => [2u32.into(), (e as u32).into(), r2, r3],
                }
            }
            syscall_class::ALLOW_RO => {
                let buffer = RoAllowBuffer {
                    address: r2,
                    len: r3.into(),
                };
                match K::allow_ro(driver, item, buffer) {
                    Ok(former) => [130u32.into(), former.address, former.len.into(), r3],
                    Err((_, e)) => [2u32.into(), (e as u32).into(), r2, r3],
                }
            }
            class => panic!("class {class} with four arguments"),
        }
    }
}

/// A read-only share.
#[derive(Debug)]
pub struct RoAllowBuffer {
    address: Register,
    len: usize,
}

/// A read-write share.
#[derive(Debug)]
pub struct RwAllowBuffer {
    address: Register,
    len: usize,
}

impl RoAllowBuffer {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is it the null share?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl RwAllowBuffer {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is it the null share?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of its first byte, to compare.
    pub fn start(&self) -> usize {
        self.address.into()
    }
}

impl Default for RoAllowBuffer {
    fn default() -> Self {
        RoAllowBuffer {
            address: 0u32.into(),
            len: 0,
        }
    }
}

impl Default for RwAllowBuffer {
    fn default() -> Self {
        RwAllowBuffer {
            address: 0u32.into(),
            len: 0,
        }
    }
}

impl AsRef<[u8]> for RoAllowBuffer {
    fn as_ref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the process lent these bytes and has not taken them back (it would hold this
        // value again); it only reads them meanwhile.
        unsafe { core::slice::from_raw_parts(<*mut u8>::from(self.address), self.len) }
    }
}

impl AsRef<[u8]> for RwAllowBuffer {
    fn as_ref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: as below; shared.
        unsafe { core::slice::from_raw_parts(<*mut u8>::from(self.address), self.len) }
    }
}

impl AsMut<[u8]> for RwAllowBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the process lent these bytes for writing and has not taken them back; nobody
        // else reaches them (overlapping writable shares are refused).
        unsafe { core::slice::from_raw_parts_mut(<*mut u8>::from(self.address), self.len) }
    }
}

impl core::ops::Deref for RoAllowBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl core::ops::Deref for RwAllowBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl core::ops::DerefMut for RwAllowBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.as_mut()
    }
}

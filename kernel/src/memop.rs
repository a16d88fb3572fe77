//! Memop: what a process asks of its own memory (`reference/tock.md` §1.9).

use crate::ErrorCode;
use crate::process::Process;
use crate::syscall::SyscallReturn;

/// Answers operation `op` with argument `r1`.
pub(crate) fn memop(process: &dyn Process, op: usize, r1: usize) -> SyscallReturn {
    let addr = SyscallReturn::SuccessAddr;
    let region = |end: bool| {
        let (offset, size) = process.get_writeable_flash_region(r1);
        if size == 0 {
            return SyscallReturn::Failure(ErrorCode::FAIL);
        }
        let start = process.get_addresses().flash_start + offset;
        addr(if end { start + size } else { start })
    };
    let nomem = SyscallReturn::Failure(ErrorCode::NOMEM);
    let ptr = || core::ptr::with_exposed_provenance::<u8>(r1);
    match op {
        0 => process.brk(ptr()).map_or(nomem, |_| SyscallReturn::Success),
        // The argument is a signed 32-bit number in a register.
        1 => process
            .sbrk(r1 as i32 as isize)
            .map_or(nomem, SyscallReturn::SuccessPtr),
        2 => addr(process.get_addresses().sram_start),
        3 => addr(process.get_addresses().sram_end),
        4 => addr(process.get_addresses().flash_start),
        5 => addr(process.get_addresses().flash_end),
        6 => addr(process.get_addresses().sram_grant_start),
        7 => SyscallReturn::SuccessU32(process.number_writeable_flash_regions() as u32),
        8 => region(false),
        9 => region(true),
        10 => {
            process.update_stack_start_pointer(ptr());
            SyscallReturn::Success
        }
        11 => {
            process.update_heap_start_pointer(ptr());
            SyscallReturn::Success
        }
        _ => SyscallReturn::Failure(ErrorCode::NOSUPPORT),
    }
}

//! What there is to know of a process, as text: state, counts, and a map of its memory.
//!
//! Reads only what the `Process` trait tells. The text comes in pieces of any size: each call
//! writes the same text and leaves out what was written before.

use core::fmt::{self, Write};
use kernel::process::{Process, ProcessPrinter, ProcessPrinterContext};
use kernel::utilities::binary_write::{BinaryWrite, WriteToBinaryOffsetWrapper};

/// Prints as text.
pub struct ProcessPrinterText {}

impl ProcessPrinterText {
    /// There is nothing to choose.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> ProcessPrinterText {
        ProcessPrinterText {}
    }
}

impl ProcessPrinter for ProcessPrinterText {
    fn print_overview(
        &self,
        process: &dyn Process,
        writer: &mut dyn BinaryWrite,
        context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext> {
        let mut w = WriteToBinaryOffsetWrapper::new(writer);
        w.set_offset(context.map_or(0, |c| c.offset));
        // Its only error is that the writer is full.
        let _ = overview(process, &mut w);
        w.bytes_remaining().then(|| ProcessPrinterContext {
            offset: w.get_index(),
        })
    }
}

fn overview(p: &dyn Process, w: &mut dyn Write) -> fmt::Result {
    write!(
        w,
        "\r\nApp: {}   -   [{:?}]\r\n",
        p.get_process_name(),
        p.get_state()
    )?;
    write!(
        w,
        " Process ID: {}   ShortId: {}   Version: {}\r\n",
        p.processid().id(),
        p.short_app_id(),
        p.binary_version().map_or(0, |v| v.get().get())
    )?;
    write!(
        w,
        " Events Queued: {}   Syscall Count: {}   Dropped Upcall Count: {}\r\n",
        p.pending_tasks(),
        p.debug_syscall_count(),
        p.debug_dropped_upcall_count()
    )?;
    write!(
        w,
        " Restart Count: {}   Timeslice Expirations: {}\r\n",
        p.get_restart_count(),
        p.debug_timeslice_expiration_count()
    )?;
    match p.get_completion_code() {
        Some(Some(code)) => write!(w, " Completion Code: {}\r\n", code as i32)?,
        Some(None) => write!(w, " Completion Code: none given\r\n")?,
        None => write!(w, " Completion Code: none yet\r\n")?,
    }
    memory(p, w)
}

/// The map, highest address first: a line with an address is an edge, the ones between name what
/// lies there.
fn memory(p: &dyn Process, w: &mut dyn Write) -> fmt::Result {
    let (a, sizes) = (p.get_addresses(), p.get_sizes());
    write!(
        w,
        "\r\n  Address   | Region        Used | Allocated (bytes)\r\n"
    )?;
    let edge = |w: &mut dyn Write, address: usize| write!(w, " 0x{address:08x}-+---\r\n");
    let region = |w: &mut dyn Write, name: &str, used: Option<usize>, size: usize| {
        write!(w, "            | {name:<11} ")?;
        match used {
            Some(used) => {
                let over = if used > size { "  EXCEEDED!" } else { "" };
                write!(w, "{used:>6} | {size:>6}{over}\r\n")
            }
            None => write!(w, "         {size:>6}\r\n"),
        }
    };
    let size = |from: usize, to: usize| to.saturating_sub(from);
    edge(w, a.sram_end)?;
    region(w, "Grant Ptrs", None, sizes.grant_pointers)?;
    region(w, "Upcalls", None, sizes.upcall_list)?;
    region(w, "Process", None, sizes.process_control_block)?;
    let kernel_part = sizes.grant_pointers + sizes.upcall_list + sizes.process_control_block;
    let grants = size(a.sram_grant_start, a.sram_end).saturating_sub(kernel_part);
    region(w, "Grant", None, grants)?;
    edge(w, a.sram_grant_start)?;
    region(w, "Unused", None, size(a.sram_app_brk, a.sram_grant_start))?;
    edge(w, a.sram_app_brk)?;
    match a.sram_heap_start {
        Some(heap) => {
            region(w, "Heap", None, size(heap, a.sram_app_brk))?;
            edge(w, heap)?;
        }
        None => write!(w, "            | Heap: the app did not say where\r\n")?,
    }
    match (a.sram_heap_start, a.sram_stack_top) {
        (Some(heap), Some(top)) => {
            // Data lies between stack and heap, on either side of the stack.
            let stack = size(a.sram_start, top);
            let used = a.sram_stack_bottom.map(|bottom| size(bottom, top));
            region(w, "Data", None, size(top, heap))?;
            edge(w, top)?;
            region(w, "Stack", used, stack)?;
        }
        (None, Some(top)) => {
            let used = a.sram_stack_bottom.map(|bottom| size(bottom, top));
            edge(w, top)?;
            region(w, "Stack", used, size(a.sram_start, top))?;
        }
        (_, None) => write!(w, "            | Stack: the app did not say where\r\n")?,
    }
    edge(w, a.sram_start)?;
    write!(w, "            .\r\n")?;
    edge(w, a.flash_end)?;
    let code = size(a.flash_non_protected_start, a.flash_end);
    region(w, "App Flash", None, code)?;
    edge(w, a.flash_non_protected_start)?;
    let protected = size(a.flash_start, a.flash_non_protected_start);
    region(w, "Protected", None, protected)?;
    edge(w, a.flash_start)
}

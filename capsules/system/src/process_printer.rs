//! What there is to know of a process, as text: state, counts, and a map of its memory.
//!
//! Reads only what the `Process` trait tells, and prints it in upstream's words and columns. The
//! text comes in pieces of any size: each call writes the same text and leaves out what was written
//! before.

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
        "\u{1d400}\u{1d429}\u{1d429}: {}   -   [{:?}]\r\n",
        p.get_process_name(),
        p.get_state()
    )?;
    write!(
        w,
        " Events Queued: {}   Syscall Count: {}   Dropped Upcall Count: {}\r\n Restart Count: {}\r\n",
        p.pending_tasks(),
        p.debug_syscall_count(),
        p.debug_dropped_upcall_count(),
        p.get_restart_count(),
    )?;
    // `ProcessStandard` keeps no last call, as upstream's without its debug records.
    w.write_str(" Last Syscall: None\r\n Completion Code: ")?;
    match p.get_completion_code() {
        Some(Some(code)) => write!(w, "{}", code as i32)?,
        Some(None) => w.write_str("Faulted")?,
        None => w.write_str("None")?,
    }
    // A line of this kernel's own, behind what upstream prints.
    write!(
        w,
        "\r\n Process ID: {:?}   ShortId: {:?}   Version: {}\r\n",
        p.processid(),
        p.short_app_id(),
        p.binary_version().map_or(0, |v| v.get().get())
    )?;
    memory(p, w)
}

/// An edge of a region: its address, if it is known, and a line across.
fn edge(w: &mut dyn Write, address: Option<usize>, knot: char, side: &str) -> fmt::Result {
    match address {
        Some(address) => write!(w, "\r\n  {address:#010X} {knot}")?,
        None => write!(w, "\r\n  ?????????? {knot}")?,
    }
    (0..43).try_for_each(|_| w.write_char('─'))?;
    w.write_str(side)
}

/// What lies between two edges, in bytes.
fn region(w: &mut dyn Write, name: &str, size: Option<usize>) -> fmt::Result {
    write!(w, "\r\n             │ {name:<12} ")?;
    match size {
        Some(size) => write!(w, "{size:>6}"),
        None => w.write_str("     ?"),
    }
}

/// As [`region`], with the bytes that it may have; nothing is known without both.
fn region_of(
    w: &mut dyn Write,
    name: &str,
    used_of: Option<(usize, usize)>,
    side: &str,
) -> fmt::Result {
    region(w, name, used_of.map(|(used, _)| used))?;
    match used_of {
        Some((used, size)) if used > size => write!(w, " | {size:>6} EXCEEDED!")?,
        Some((_, size)) => write!(w, " | {size:>6}          ")?,
        None if side.is_empty() => w.write_str(" |      ?")?,
        None => w.write_str(" |      ?          ")?,
    }
    w.write_str(side)
}

/// The map, highest address first.
fn memory(p: &dyn Process, w: &mut dyn Write) -> fmt::Result {
    let (a, sizes) = (p.get_addresses(), p.get_sizes());
    let size = |from: usize, to: usize| to.saturating_sub(from);
    let kernel_part = sizes.grant_pointers + sizes.upcall_list + sizes.process_control_block;
    let block = a.sram_end.saturating_sub(kernel_part);
    w.write_str("\r\n\r\n ╔═══════════╤")?;
    (0..42).try_for_each(|_| w.write_char('═'))?;
    w.write_str("╗\r\n ║  Address  │ Region Name    Used | Allocated (bytes)  ║")?;
    write!(w, "\r\n ╚{:#010X}═╪", a.sram_end)?;
    (0..42).try_for_each(|_| w.write_char('═'))?;
    w.write_str("╝")?;
    region(w, "Grant Ptrs", Some(sizes.grant_pointers))?;
    region(w, "Upcalls", Some(sizes.upcall_list))?;
    region(w, "Process", Some(sizes.process_control_block))?;
    edge(w, Some(block), '┼', "")?;
    region(w, "▼ Grant", Some(size(a.sram_grant_start, block)))?;
    edge(w, Some(a.sram_grant_start), '┼', "")?;
    w.write_str("\r\n             │ Unused")?;
    edge(w, Some(a.sram_app_brk), '┼', "")?;
    // What the app did not tell is not known.
    let (heap, top) = (a.sram_heap_start, a.sram_stack_top);
    let heap_size = heap.map(|h| (size(h, a.sram_app_brk), size(h, a.sram_grant_start)));
    region_of(w, "▲ Heap", heap_size, "     S")?;
    edge(w, heap, '┼', " R")?;
    let data = heap.zip(top).map(|(h, t)| (size(t, h), size(t, h)));
    region_of(w, "Data", data, "     A")?;
    let stack = top.zip(a.sram_stack_bottom);
    edge(w, stack.map(|(t, _)| t), '┼', " M")?;
    let stack = stack.map(|(t, bottom)| (size(bottom, t), size(a.sram_start, t)));
    region_of(w, "▼ Stack", stack, "")?;
    edge(w, Some(a.sram_stack_bottom.unwrap_or(0)), '┼', "")?;
    w.write_str("\r\n             │ Unused")?;
    edge(w, Some(a.sram_start), '┴', "")?;
    w.write_str("\r\n             .....")?;
    edge(w, Some(a.flash_end), '┬', " F")?;
    let side = "                        ";
    let code = size(a.flash_non_protected_start, a.flash_end);
    region(w, "App Flash", Some(code))?;
    write!(w, "{side}L")?;
    edge(w, Some(a.flash_non_protected_start), '┼', " A")?;
    let protected = size(a.flash_start, a.flash_non_protected_start);
    region(w, "Protected", Some(protected))?;
    write!(w, "{side}S")?;
    edge(w, Some(a.flash_start), '┴', " H")?;
    w.write_str("\r\n")
}

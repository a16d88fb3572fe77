//! What is printed of a process, line by line as upstream prints it.

use capsules_system::process_printer::ProcessPrinterText;
use kernel::debug::print_process;
use kernel::process::{Process, ProcessPrinter};
use kernel::testing::{Everything, TestKernel};
use kernel::utilities::binary_write::BinaryWrite;

/// Room for so many bytes at a time.
struct Piece<'a>(&'a mut Vec<u8>, usize);
impl BinaryWrite for Piece<'_> {
    fn write_buffer(&mut self, bytes: &[u8]) -> Result<usize, ()> {
        let n = bytes.len().min(self.1);
        self.0.extend(&bytes[..n]);
        self.1 -= n;
        Ok(n)
    }
}

/// The overview, printed `size` bytes at a time.
fn overview(process: &dyn Process, size: usize) -> String {
    let (mut all, mut context) = (Vec::new(), None);
    loop {
        let mut piece = Piece(&mut all, size);
        context = ProcessPrinterText::new().print_overview(process, &mut piece, context);
        if context.is_none() {
            return String::from_utf8(all).unwrap();
        }
    }
}

/// Expected lines of the map; `None` is what the app did not tell.
fn map(p: &dyn Process) -> Vec<String> {
    let (a, s) = (p.get_addresses(), p.get_sizes());
    let rule = "─".repeat(43);
    let or = |known: Option<String>, width: usize| known.unwrap_or(format!("{:>width$}", "?"));
    let kernel = s.grant_pointers + s.upcall_list + s.process_control_block;
    let heap = a.sram_heap_start;
    let top = a.sram_stack_top.filter(|_| a.sram_stack_bottom.is_some());
    let edge = |address: Option<usize>| match address {
        Some(address) => format!("  0x{address:08X} ┼{rule}"),
        None => format!("  ?????????? ┼{rule}"),
    };
    let row = |name: &str, used: Option<usize>, of: Option<usize>| {
        let (used, of) = (used.map(|n| format!("{n:6}")), of.map(|n| format!("{n:6}")));
        format!("             │ {name:<12} {} | {}", or(used, 6), or(of, 6))
    };
    let bottom = a.sram_stack_bottom.unwrap_or(0);
    let data = heap.zip(a.sram_stack_top).map(|(heap, top)| heap - top);
    vec![
        String::new(),
        String::new(),
        format!(" ╔{}╤{}╗", "═".repeat(11), "═".repeat(42)),
        " ║  Address  │ Region Name    Used | Allocated (bytes)  ║".into(),
        format!(" ╚0x{:08X}═╪{}╝", a.sram_end, "═".repeat(42)),
        format!("             │ Grant Ptrs   {:6}", s.grant_pointers),
        format!("             │ Upcalls      {:6}", s.upcall_list),
        format!("             │ Process      {:6}", s.process_control_block),
        edge(Some(a.sram_end - kernel)),
        format!(
            "             │ ▼ Grant      {:6}",
            a.sram_end - kernel - a.sram_grant_start
        ),
        edge(Some(a.sram_grant_start)),
        "             │ Unused".into(),
        edge(Some(a.sram_app_brk)),
        row(
            "▲ Heap",
            heap.map(|h| a.sram_app_brk - h),
            heap.map(|h| a.sram_grant_start - h),
        ) + "               S",
        edge(heap) + " R",
        row("Data", data, data) + "               A",
        edge(top) + " M",
        row(
            "▼ Stack",
            top.map(|t| t - bottom),
            top.map(|t| t - a.sram_start),
        ) + if top.is_some() { "          " } else { "" },
        edge(Some(bottom)),
        "             │ Unused".into(),
        edge(Some(a.sram_start)).replace('┼', "┴"),
        "             .....".into(),
        edge(Some(a.flash_end)).replace('┼', "┬") + " F",
        format!(
            "             │ App Flash    {:6}                        L",
            a.flash_end - a.flash_non_protected_start
        ),
        edge(Some(a.flash_non_protected_start)) + " A",
        format!(
            "             │ Protected    {:6}                        S",
            a.flash_non_protected_start - a.flash_start
        ),
        edge(Some(a.flash_start)).replace('┼', "┴") + " H",
        String::new(),
    ]
}

#[test]
fn the_overview_is_upstreams_line_by_line() {
    let k = TestKernel::new();
    let p = k.process("app");
    k.run();
    // Before and after it told where its stack and heap are.
    for told in [false, true] {
        if told {
            let break_ = p.process().get_addresses().sram_start + 0x400;
            p.memop(0, break_);
            p.memop(10, p.ram(0x100));
            p.memop(11, p.ram(0x180));
            k.run();
        }
        let text = overview(p.process(), usize::MAX);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "𝐀𝐩𝐩: app   -   [Yielded]");
        let calls = p.process().debug_syscall_count();
        assert_eq!(
            lines[1],
            format!(" Events Queued: 0   Syscall Count: {calls}   Dropped Upcall Count: 0")
        );
        assert_eq!(
            lines[2..5],
            [
                " Restart Count: 0",
                " Last Syscall: None",
                " Completion Code: None"
            ]
        );
        assert_eq!(lines[5], " Process ID: 0   ShortId: Unique   Version: 1");
        assert_eq!(lines[6..], map(p.process()));
    }
    for size in [1, 7, 100, 500] {
        assert_eq!(
            overview(p.process(), size),
            overview(p.process(), usize::MAX)
        );
    }
    p.process().terminate(Some(u32::MAX));
    assert!(overview(p.process(), 500).contains("[Terminated]\r\n"));
    assert!(overview(p.process(), 500).contains("\r\n Completion Code: -1\r\n"));
    p.process().start(&Everything);
    p.process().terminate(None);
    assert!(overview(p.process(), 500).contains("\r\n Completion Code: Faulted\r\n"));
    let mut whole = String::new();
    print_process(p.process(), &ProcessPrinterText::new(), &mut whole);
    assert!(whole.starts_with(&overview(p.process(), 500)));
}

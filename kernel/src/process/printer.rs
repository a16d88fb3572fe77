//! How a console prints processes.

use super::Process;
use crate::utilities::binary_write::BinaryWrite;

/// How far printing got.
#[derive(PartialEq, Eq, Copy, Clone, Debug)]
pub struct ProcessPrinterContext {
    /// Bytes printed.
    pub offset: usize,
}

/// Prints an overview of a process, in as many calls as the writer needs.
pub trait ProcessPrinter {
    /// Prints; `Some` when more is to come.
    fn print_overview(
        &self,
        process: &dyn Process,
        writer: &mut dyn BinaryWrite,
        context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext>;
}

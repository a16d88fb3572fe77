//! Low-level debug, driver 0x8: words printed by the kernel, without an allow.
//!
//! | command | arguments | success |
//! |---|---|---|
//! | 0 | – | exists |
//! | 1 alert code | code | plain |
//! | 2 print | word | plain |
//! | 3 print | word, word | plain |
//!
//! Fire and forget: four entries wait for each process, more are counted and reported as dropped.

use core::fmt::Write;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::uart::{Transmit, TransmitClient};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::TakeCell;
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = crate::driver::NUM::LowLevelDebug as usize;
/// Length of the longest line: the text and two words of ten characters, a process of ten.
pub const BUF_LEN: usize = 80;
const QUEUE_SIZE: usize = 4;

#[derive(Clone, Copy)]
enum Entry {
    Dropped(usize),
    AlertCode(usize),
    Print1(usize),
    Print2(usize, usize),
}

/// A process's waiting entries.
#[derive(Default)]
pub struct AppData {
    queue: [Option<Entry>; QUEUE_SIZE],
    dropped: usize,
}

impl AppData {
    fn push(&mut self, entry: Entry) {
        match self.queue.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(entry),
            None => self.dropped = self.dropped.saturating_add(1),
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.queue.first_mut().and_then(Option::take);
        self.queue.rotate_left(1);
        // Entries stay in order and without gaps: a gap at the front means empty.
        entry.or_else(|| match core::mem::take(&mut self.dropped) {
            0 => None,
            n => Some(Entry::Dropped(n)),
        })
    }
}

type AppGrant = Grant<AppData, UpcallCount<0>, AllowRoCount<0>, AllowRwCount<0>>;

/// The debug words of all processes, on one UART.
pub struct LowLevelDebug<'a, U: Transmit<'a>> {
    uart: &'a U,
    buffer: TakeCell<'static, [u8]>,
    grant: AppGrant,
}

impl<'a, U: Transmit<'a>> LowLevelDebug<'a, U> {
    /// On `uart`, whose client the board makes this; `buffer` of [`BUF_LEN`] bytes.
    pub fn new(buffer: &'static mut [u8], uart: &'a U, grant: AppGrant) -> Self {
        LowLevelDebug {
            uart,
            buffer: TakeCell::new(buffer),
            grant,
        }
    }

    fn push(&self, process_id: ProcessId, entry: Entry) -> CommandReturn {
        let result = self.grant.enter(process_id, |app, _| {
            if self.send(process_id, entry).is_err() {
                app.push(entry);
            }
        });
        match result {
            Ok(()) => CommandReturn::success(),
            Err(error) => error.into(),
        }
    }

    /// Prints now, or says that it cannot.
    fn send(&self, process_id: ProcessId, entry: Entry) -> Result<(), ErrorCode> {
        let buffer = self.buffer.take().ok_or(ErrorCode::BUSY)?;
        let length = format(buffer, process_id.id(), entry);
        self.uart
            .transmit_buffer(buffer, length)
            .map_err(|(error, buffer)| {
                self.buffer.replace(buffer);
                error
            })
    }
}

/// Writes the line of `entry` of process `id`; returns its length.
fn format(buffer: &mut [u8], id: usize, entry: Entry) -> usize {
    let mut line = Line { buffer, length: 0 };
    // A line that does not fit is cut: nothing here is longer than BUF_LEN.
    let _ = match entry {
        Entry::Dropped(n) => {
            writeln!(
                line,
                "LowLevelDebug: Dropped {n:#x} entries for app {id:#x}"
            )
        }
        Entry::AlertCode(code) => writeln!(line, "LowLevelDebug: App {id:#x} alert code {code:#x}"),
        Entry::Print1(a) => writeln!(line, "LowLevelDebug: App {id:#x} prints {a:#x}"),
        Entry::Print2(a, b) => writeln!(line, "LowLevelDebug: App {id:#x} prints {a:#x} {b:#x}"),
    };
    line.length
}

struct Line<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.length + text.len();
        self.buffer
            .get_mut(self.length..end)
            .ok_or(core::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl<'a, U: Transmit<'a>> TransmitClient for LowLevelDebug<'a, U> {
    fn transmitted_buffer(
        &self,
        buffer: &'static mut [u8],
        _length: usize,
        _result: Result<(), ErrorCode>,
    ) {
        self.buffer.replace(buffer);
        for app in self.grant.iter() {
            let process_id = app.processid();
            let entry = app.enter(|app, _| app.pop());
            if entry.is_some_and(|entry| self.send(process_id, entry).is_ok()) {
                return;
            }
        }
    }
}

impl<'a, U: Transmit<'a>> SyscallDriver for LowLevelDebug<'a, U> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => self.push(process_id, Entry::AlertCode(r2)),
            2 => self.push(process_id, Entry::Print1(r2)),
            3 => self.push(process_id, Entry::Print2(r2, r3)),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.grant.enter(process_id, |_, _| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: usize, entry: Entry) -> String {
        let mut buffer = [0; BUF_LEN];
        let n = format(&mut buffer, id, entry);
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }

    #[test]
    fn lines_are_the_protocols() {
        assert_eq!(
            line(1, Entry::AlertCode(2)),
            "LowLevelDebug: App 0x1 alert code 0x2\n"
        );
        assert_eq!(
            line(0x1a, Entry::Print1(0xBEEF)),
            "LowLevelDebug: App 0x1a prints 0xbeef\n"
        );
        assert_eq!(
            line(0xffff_ffff, Entry::Print2(0xffff_ffff, 0xffff_ffff)),
            "LowLevelDebug: App 0xffffffff prints 0xffffffff 0xffffffff\n"
        );
        assert_eq!(
            line(3, Entry::Dropped(2)),
            "LowLevelDebug: Dropped 0x2 entries for app 0x3\n"
        );
    }

    #[test]
    fn four_wait_and_the_rest_is_counted_once() {
        let mut app = AppData::default();
        for n in 0..7 {
            app.push(Entry::Print1(n));
        }
        for n in 0..4 {
            assert!(matches!(app.pop(), Some(Entry::Print1(m)) if m == n));
        }
        assert!(matches!(app.pop(), Some(Entry::Dropped(3))));
        assert!(app.pop().is_none());
        app.push(Entry::Print1(9));
        assert!(matches!(app.pop(), Some(Entry::Print1(9))));
    }
}

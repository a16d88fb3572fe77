//! What a process does and what it uses.
//!
//! Owns the 76 bytes.

use crate::wire::{Reader, Text, Writer};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ProcessState {
    /// It runs, or would if scheduled.
    Running = 0,
    /// It waits.
    Waiting = 1,
    /// Somebody stopped it, or it waits for its restart.
    Stopped = 2,
    /// It faulted for good.
    Faulted = 3,
    /// It ended.
    Terminated = 4,
}

impl ProcessState {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ProcessState::Running => "running",
            ProcessState::Waiting => "waiting",
            ProcessState::Stopped => "stopped",
            ProcessState::Faulted => "faulted",
            ProcessState::Terminated => "terminated",
        }
    }
}

/// One process. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessInfo {
    /// ShortId; 0 without one.
    pub short_id: u32,
    /// Version of the app; 0 without one.
    pub version: u32,
    /// What it does.
    pub state: ProcessState,
    /// Restarts so far.
    pub restarts: u32,
    /// Calls made.
    pub syscalls: u32,
    /// Upcalls lost because its queue was full.
    pub dropped_upcalls: u32,
    /// All of its RAM.
    pub ram: u32,
    /// What of it the app may touch: stack, data, heap.
    pub app: u32,
    /// What the kernel keeps there for it.
    pub grants: u32,
    /// Its stack; 0 when the app did not say where that is.
    pub stack: u32,
    /// The deepest that the kernel saw the stack pointer.
    pub stack_used: u32,
    /// Package name.
    pub name: Text<32>,
}

impl ProcessInfo {
    /// Length of the wire form, bytes.
    pub const SIZE: usize = 76;

    /// Reads it; `None` when `bytes` are too few or the state has no name.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        Some(ProcessInfo {
            short_id: r.word()?,
            version: r.word()?,
            state: match r.word()? {
                0 => ProcessState::Running,
                1 => ProcessState::Waiting,
                2 => ProcessState::Stopped,
                3 => ProcessState::Faulted,
                4 => ProcessState::Terminated,
                _ => return None,
            },
            restarts: r.word()?,
            syscalls: r.word()?,
            dropped_upcalls: r.word()?,
            ram: r.word()?,
            app: r.word()?,
            grants: r.word()?,
            stack: r.word()?,
            stack_used: r.word()?,
            name: r.text()?,
        })
    }

    /// The wire form.
    pub fn emit(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let mut w = Writer(&mut out);
        for word in [
            self.short_id,
            self.version,
            self.state as u32,
            self.restarts,
            self.syscalls,
            self.dropped_upcalls,
            self.ram,
            self.app,
            self.grants,
            self.stack,
            self.stack_used,
        ] {
            w.word(word);
        }
        w.text(&self.name);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_emitted_is_parsed() {
        let mut info = ProcessInfo {
            short_id: 1,
            version: 2,
            state: ProcessState::Running,
            restarts: 3,
            syscalls: u32::MAX,
            dropped_upcalls: 5,
            ram: 6,
            app: 7,
            grants: 8,
            stack: 9,
            stack_used: 10,
            name: Text::new("net-mqtt"),
        };
        for state in [
            ProcessState::Running,
            ProcessState::Waiting,
            ProcessState::Stopped,
            ProcessState::Faulted,
            ProcessState::Terminated,
        ] {
            info.state = state;
            assert_eq!(ProcessInfo::parse(&info.emit()), Some(info));
        }
        let mut bytes = info.emit();
        for len in 0..bytes.len() {
            assert_eq!(ProcessInfo::parse(&bytes[..len]), None);
        }
        bytes[8] = 5;
        assert_eq!(ProcessInfo::parse(&bytes), None);
    }
}

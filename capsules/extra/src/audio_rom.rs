//! Audio ROM, driver 0xA0004 (docs/syscalls/a0004_audio_rom.md).
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 size | – | u32 bytes | |
//! | 2 read | offset | u32 bytes copied | INVAL: offset past the end · RESERVE: no RW 0 |
//!
//! RW 0: destination. What the clips are is the processes' business.

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0xA0004;

type AppGrant = Grant<(), UpcallCount<0>, AllowRoCount<0>, AllowRwCount<1>>;

/// Read access to `rom` for every process.
pub struct AudioRom {
    rom: &'static [u8],
    apps: AppGrant,
}

impl AudioRom {
    /// Over the board's region `audio-rom`.
    pub const fn new(rom: &'static [u8], grant: AppGrant) -> Self {
        AudioRom { rom, apps: grant }
    }

    fn read(&self, process_id: ProcessId, offset: usize) -> Result<u32, ErrorCode> {
        let source = self.rom.get(offset..).ok_or(ErrorCode::INVAL)?;
        self.apps.enter(process_id, |_, kernel_data| {
            kernel_data
                .get_readwrite_processbuffer(0)
                .and_then(|buffer| {
                    if buffer.len() == 0 {
                        return Ok(Err(ErrorCode::RESERVE));
                    }
                    buffer.mut_enter(|to| copy(source, to))
                })?
        })?
    }
}

fn copy(
    source: &[u8],
    to: &kernel::processbuffer::WriteableProcessSlice,
) -> Result<u32, ErrorCode> {
    let length = source.len().min(to.len());
    let (Some(from), Some(to)) = (source.get(..length), to.get(..length)) else {
        return Err(ErrorCode::SIZE);
    };
    to.copy_from_slice_or_err(from)?;
    u32::try_from(length).map_err(|_| ErrorCode::SIZE)
}

impl SyscallDriver for AudioRom {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => CommandReturn::success_u32(self.rom.len() as u32),
            2 => match self.read(process_id, r2) {
                Ok(length) => CommandReturn::success_u32(length),
                Err(error) => CommandReturn::failure(error),
            },
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

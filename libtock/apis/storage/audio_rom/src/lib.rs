//! Audio ROM driver: read-only sound samples.
//!
//! Owns the protocol of driver 0xA0004 (ours): command 1 size in bytes; command 2 read(offset)
//! into RW 0, answered with the number of bytes copied, fewer at the end of the ROM.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::{AllowRw, DefaultConfig, ErrorCode, Syscalls, allow_rw, share};

/// The audio ROM.
pub struct AudioRom<S: Syscalls, C: allow_rw::Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: allow_rw::Config> AudioRom<S, C> {
    /// Is there such a driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, 0, 0, 0).is_success()
    }

    /// Size of the ROM, bytes.
    ///
    /// # Errors
    /// `NoDevice`.
    pub fn size() -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, 1, 0, 0).to_result()
    }

    /// Copies bytes from `offset` on; the number copied, fewer than asked for at the end.
    ///
    /// # Errors
    /// `Invalid` for an offset past the end; else the kernel's.
    pub fn read(offset: u32, into: &mut [u8]) -> Result<usize, ErrorCode> {
        let room = into.len();
        share::scope::<AllowRw<'_, S, DRIVER_NUM, 0>, _, _>(|allow| {
            S::allow_rw::<C, DRIVER_NUM, 0>(allow, into)?;
            S::command(DRIVER_NUM, 2, offset, 0).to_result::<u32, ErrorCode>()
        })
        .map(|n| (n as usize).min(room))
    }
}

const DRIVER_NUM: u32 = 0xA0004;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    #[test]
    fn reads_what_the_rom_holds() {
        const ROM: &[u8] = b"RIFFsamples";
        let kernel = fake::Kernel::new();
        let driver = fake::Scripted::new(DRIVER_NUM, |call| match call.command {
            1 => command_return::success_u32(ROM.len() as u32),
            2 => match ROM.get(call.arg0 as usize..) {
                None => command_return::failure(ErrorCode::Invalid),
                Some(rest) => call.with_rw(0, |b| {
                    let n = rest.len().min(b.len());
                    b[..n].copy_from_slice(&rest[..n]);
                    command_return::success_u32(n as u32)
                }),
            },
            _ => command_return::failure(ErrorCode::NoSupport),
        });
        kernel.add_driver(&driver);
        type Rom = AudioRom<fake::Syscalls>;
        assert_eq!(Rom::size(), Ok(11));
        let mut b = [0; 8];
        assert_eq!(Rom::read(0, &mut b), Ok(8));
        assert_eq!(&b, b"RIFFsamp");
        assert_eq!(Rom::read(8, &mut b), Ok(3));
        assert_eq!(Rom::read(12, &mut b), Err(ErrorCode::Invalid));
    }
}

//! Random bytes, driver 0x40001.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 get | bytes | plain; then upcall 0 | the generator's |
//!
//! RW 0: destination. Upcall 0: (status, bytes written, 0), when all are there or RW 0 is full. A
//! second request of a process takes the place of its first.

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::processbuffer::WriteableProcessBuffer;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId, errorcode};

/// Driver number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Rng as usize;

#[derive(Clone, Copy)]
struct Request {
    length: usize,
    written: usize,
}

/// A process's request.
#[derive(Default)]
pub struct App {
    request: Option<Request>,
}

type AppGrant = Grant<App, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<1>>;

/// Random bytes for all processes, from one generator.
pub struct RngDriver<'a, R: Rng<'a>> {
    rng: &'a R,
    apps: AppGrant,
}

impl<'a, R: Rng<'a>> RngDriver<'a, R> {
    /// On `rng`, whose client the board makes this.
    pub const fn new(rng: &'a R, grant: AppGrant) -> Self {
        RngDriver { rng, apps: grant }
    }

    fn get(&self, process_id: ProcessId, length: usize) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, _| {
            app.request = Some(Request { length, written: 0 });
        })?;
        self.rng.get().or_else(|error| match error {
            // Already on its way, for someone else: this request is served with it.
            ErrorCode::BUSY => Ok(()),
            error => {
                let _ = self.apps.enter(process_id, |app, _| app.request = None);
                Err(error)
            }
        })
    }
}

/// Fills what `request` still wants; `true` when nothing more goes into its buffer.
fn fill(
    request: &mut Request,
    kernel_data: &GrantKernelData,
    words: &mut dyn Iterator<Item = u32>,
) -> bool {
    kernel_data
        .get_readwrite_processbuffer(0)
        .and_then(|buffer| {
            buffer.mut_enter(|data| {
                let end = request.length.min(data.len());
                while request.written < end {
                    let Some(word) = words.next() else {
                        return false;
                    };
                    // What is left of a word is thrown away, never given to another process.
                    for byte in word.to_le_bytes() {
                        if request.written < end {
                            if let Some(to) = data.get(request.written) {
                                to.set(byte);
                            }
                            request.written += 1;
                        }
                    }
                }
                true
            })
        })
        .unwrap_or(true)
}

impl<'a, R: Rng<'a>> Client for RngDriver<'a, R> {
    fn randomness_available(
        &self,
        randomness: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue {
        let mut more = Continue::Done;
        self.apps.each(|_, app, kernel_data| {
            let Some(request) = app.request.as_mut() else {
                return;
            };
            if error.is_err() || fill(request, kernel_data, randomness) {
                let status = errorcode::into_statuscode(error);
                let _ = kernel_data.schedule_upcall(0, (status, request.written, 0));
                app.request = None;
            } else {
                more = Continue::More;
            }
        });
        more
    }
}

impl<'a, R: Rng<'a>> SyscallDriver for RngDriver<'a, R> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => self.get(process_id, r2).into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

//! Hashes, driver 0x40005.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 set algorithm | 0 SHA-256, 1 SHA-384, 2 SHA-512 | plain | NOSUPPORT: other, or longer than the hasher's |
//! | 2 hash | – | plain; then upcall 0 | NOMEM: own request outstanding · the hasher's |
//! | 3 verify | – | plain; then upcall 1 | as hash |
//!
//! RO 0: data. RO 1: digest to compare. RW 0: digest. Upcall 0: (status, 0, 0). Upcall 1: (status, 1
//! equal or 0, 0). Status NOMEM: RW 0 or RO 1 is not as long as the digest. One process at a time; others' requests wait.

pub use crate::digest_session::App;
use crate::digest_session::{Algorithm, Layout, Operation, Sessions, delegate};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::digest::{ClientData, ClientHash, ClientVerify, Digest, Sha256, Sha384, Sha512};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x40005;

type AppGrant = Grant<App, UpcallCount<2>, AllowRoCount<2>, AllowRwCount<1>>;

/// Hashes for all processes, from one hasher.
pub struct ShaDriver<'a, H: Digest<'a, L>, const L: usize> {
    sessions: Sessions<'a, H, UpcallCount<2>, AllowRoCount<2>, AllowRwCount<1>, L>,
}

impl<'a, H: Digest<'a, L> + Sha256 + Sha384 + Sha512, const L: usize> ShaDriver<'a, H, L> {
    /// On `sha`, whose client the board makes this. Data goes through `data_buffer`.
    pub fn new(
        sha: &'a H,
        data_buffer: &'static mut [u8],
        dest_buffer: &'static mut [u8; L],
        grant: AppGrant,
    ) -> Self {
        let layout = Layout {
            data: 0,
            compare: 1,
            destination: 0,
            exact: true,
            start: |sha: &H, algorithm, _: &_| match algorithm {
                Algorithm::Sha256 => sha.set_mode_sha256(),
                Algorithm::Sha384 => sha.set_mode_sha384(),
                Algorithm::Sha512 => sha.set_mode_sha512(),
            },
        };
        ShaDriver {
            sessions: Sessions::new(sha, data_buffer, dest_buffer, grant, layout),
        }
    }
}

delegate!(ShaDriver: Sha256 + Sha384 + Sha512);

impl<'a, H: Digest<'a, L> + Sha256 + Sha384 + Sha512, const L: usize> SyscallDriver
    for ShaDriver<'a, H, L>
{
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match (command_num, r2) {
            (0, _) => CommandReturn::success(),
            (1, 0) => (self.sessions.set_algorithm(process_id, Algorithm::Sha256)).into(),
            (1, 1) => (self.sessions.set_algorithm(process_id, Algorithm::Sha384)).into(),
            (1, 2) => (self.sessions.set_algorithm(process_id, Algorithm::Sha512)).into(),
            (2, _) => self.sessions.request(process_id, Operation::Run).into(),
            (3, _) => self.sessions.request(process_id, Operation::Verify).into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.sessions.allocate_grant(process_id)
    }
}

//! Keyed hashes, driver 0x40003.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 set algorithm | 0 SHA-256, 1 SHA-384, 2 SHA-512 | plain | NOSUPPORT: 3 SHA-224, 4 SHA-1, 5 MD5, others |
//! | 1 run | – | plain; then upcall 0 | NOMEM: own request outstanding · SIZE: key over 128 bytes |
//! | 2 update | – | plain; then upcall 0 | as run |
//! | 3 finish | – | plain; then upcall 0 | OFF: no update before · NOMEM |
//! | 4 verify | – | plain; then upcall 1 | as run |
//! | 5 verify finish | – | plain; then upcall 1 | OFF · NOMEM · SIZE: RO 2 too short |
//!
//! RO 0: key. RO 1: data. RO 2: code to compare. RW 2: code, as much as fits. Upcall 0: (status,
//! 0, 0). Upcall 1: (status, 1 equal or 0, 0). Command 0 is no existence check, as upstream; asked
//! like one (argument 0) it succeeds. Between update and finish the hasher is one process's, and
//! others' requests wait.

pub use crate::digest_session::App;
use crate::digest_session::{Algorithm, Layout, Operation, Sessions, delegate};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::digest::{
    ClientData, ClientHash, ClientVerify, Digest, HmacSha256, HmacSha384, HmacSha512,
};
use kernel::processbuffer::ReadableProcessBuffer;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x40003;
/// Longest key, bytes: a block of SHA-512. A longer one would be hashed first.
pub const MAX_KEY: usize = 128;

type AppGrant = Grant<App, UpcallCount<2>, AllowRoCount<3>, AllowRwCount<3>>;

/// Keyed hashes for all processes, from one hasher.
pub struct HmacDriver<'a, H: Digest<'a, L>, const L: usize> {
    sessions: Sessions<'a, H, UpcallCount<2>, AllowRoCount<3>, AllowRwCount<3>, L>,
}

impl<'a, H: Digest<'a, L> + HmacSha256 + HmacSha384 + HmacSha512, const L: usize>
    HmacDriver<'a, H, L>
{
    /// On `hmac`, whose client the board makes this. Data goes through `data_buffer`.
    pub fn new(
        hmac: &'a H,
        data_buffer: &'static mut [u8],
        dest_buffer: &'static mut [u8; L],
        grant: AppGrant,
    ) -> Self {
        let layout = Layout {
            data: 1,
            compare: 2,
            destination: 2,
            exact: false,
            start: |hmac: &H, algorithm, kernel_data: &GrantKernelData| {
                with_key(kernel_data, |key| match algorithm {
                    Algorithm::Sha256 => hmac.set_mode_hmacsha256(key),
                    Algorithm::Sha384 => hmac.set_mode_hmacsha384(key),
                    Algorithm::Sha512 => hmac.set_mode_hmacsha512(key),
                })
            },
        };
        HmacDriver {
            sessions: Sessions::new(hmac, data_buffer, dest_buffer, grant, layout),
        }
    }
}

/// Calls `f` with a copy of the process's key, which is wiped.
fn with_key(
    kernel_data: &GrantKernelData,
    f: impl FnOnce(&[u8]) -> Result<(), ErrorCode>,
) -> Result<(), ErrorCode> {
    let mut copy = [0; MAX_KEY];
    let buffer = kernel_data.get_readonly_processbuffer(0)?;
    let key = copy.get_mut(..buffer.len()).ok_or(ErrorCode::SIZE)?;
    if !key.is_empty() {
        buffer.enter(|from| from.copy_to_slice_or_err(key))??;
    }
    let result = f(key);
    copy = [0; MAX_KEY];
    // Not optimised away, since `black_box` sees the zeros.
    core::hint::black_box(&copy);
    result
}

delegate!(HmacDriver: HmacSha256 + HmacSha384 + HmacSha512);

impl<'a, H: Digest<'a, L> + HmacSha256 + HmacSha384 + HmacSha512, const L: usize> SyscallDriver
    for HmacDriver<'a, H, L>
{
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let request = |operation| self.sessions.request(process_id, operation).into();
        match (command_num, r2) {
            (0, 0) => (self.sessions.set_algorithm(process_id, Algorithm::Sha256)).into(),
            (0, 1) => (self.sessions.set_algorithm(process_id, Algorithm::Sha384)).into(),
            (0, 2) => (self.sessions.set_algorithm(process_id, Algorithm::Sha512)).into(),
            (1, _) => request(Operation::Run),
            (2, _) => request(Operation::Update),
            (3, _) => request(Operation::Finish),
            (4, _) => request(Operation::Verify),
            (5, _) => request(Operation::VerifyFinish),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.sessions.allocate_grant(process_id)
    }
}

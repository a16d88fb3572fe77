//! What a rule says of a call, and how it says that it was broken.

use crate::NO_STATUS;
use psa_client::Status;

/// Where a rule was broken, and by which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// File of the rule.
    pub file: &'static str,
    /// Line in it.
    pub line: u32,
    /// What the call answered; SUCCESS also stands for a value that is not the right one.
    pub status: i32,
}

/// Of a rule.
pub type Outcome = Result<(), Broken>;

/// `got` is what was wanted.
pub fn expect<T: PartialEq>(
    got: Result<T, Status>,
    want: Result<T, Status>,
    (file, line): (&'static str, u32),
) -> Outcome {
    if got == want {
        return Ok(());
    }
    let status = got.err().unwrap_or(NO_STATUS).0;
    Err(Broken { file, line, status })
}

/// The value of a call that must succeed.
pub fn need<T>(got: Result<T, Status>, (file, line): (&'static str, u32)) -> Result<T, Broken> {
    got.map_err(|status| Broken {
        file,
        line,
        status: status.0,
    })
}

/// The call fails with `want`.
pub fn refuse<T>(got: Result<T, Status>, want: Status, at: (&'static str, u32)) -> Outcome {
    expect(got.map(|_| ()), Err(want), at)
}

/// `want!(call, Ok(3))`, `want!(call, Err(Status::BAD_STATE))`.
macro_rules! want {
    ($got:expr, $want:expr $(,)?) => {
        $crate::check::expect($got, $want, (file!(), line!()))?
    };
}

/// `refused!(call, BAD_STATE)`: the call fails with that status.
macro_rules! refused {
    ($got:expr, $status:ident $(,)?) => {
        $crate::check::refuse($got, psa_client::Status::$status, (file!(), line!()))?
    };
}

/// `need!(call)`: its value.
macro_rules! need {
    ($got:expr $(,)?) => {
        $crate::check::need($got, (file!(), line!()))?
    };
}

/// `same!(a, b)`: equal values.
macro_rules! same {
    ($a:expr, $b:expr $(,)?) => {
        if ($a) != ($b) {
            return Err($crate::check::Broken {
                file: file!(),
                line: line!(),
                status: 0,
            });
        }
    };
}

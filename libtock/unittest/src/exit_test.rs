//! Tests of code that ends its process.
//!
//! Owns [`exit_test`]. A system call that does not return cannot return to a test either, so the
//! test case runs a second time in a process of its own, which says on its standard output how it
//! ended.

use std::panic::{Location, UnwindSafe, catch_unwind};
use std::process::Command;

/// In the second process: where the test that it is for calls [`exit_test`].
const CALLED_AT: &str = "LIBTOCK_EXIT_TEST_AT";
/// In front of what the second process says.
const RESULT: &str = "exit-test result: ";

/// How a process ended, and its completion code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExitCall {
    Terminate(u32),
    Restart(u32),
}

/// Runs `fcn`, which must end the process, in a second process, and says how it ended.
/// `test_name` is the calling test case's, as the test harness prints it (`module::case`).
///
/// # Panics
/// `fcn` returned or panicked, or there is no such test.
#[track_caller]
pub fn exit_test<F: FnOnce() + UnwindSafe>(test_name: &str, fcn: F) -> ExitCall {
    let here = Location::caller().to_string();
    match std::env::var(CALLED_AT) {
        Ok(at) => {
            if at == here {
                // What it says meanwhile is on the standard error.
                let _ = catch_unwind(fcn);
                println!("{RESULT}none");
            } else {
                println!("{RESULT}elsewhere");
            }
            std::process::exit(1)
        }
        Err(_) => second_process(test_name, &here),
    }
}

fn second_process(test_name: &str, here: &str) -> ExitCall {
    let this = std::env::current_exe().expect("a test has an executable");
    let output = Command::new(this)
        .args([test_name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CALLED_AT, here)
        .output()
        .expect("it runs a second time");
    let said = String::from_utf8_lossy(&output.stdout);
    // The harness prints the test's name in front of what the test prints.
    let result = said.lines().find_map(|line| line.split_once(RESULT));
    match result.map(|(_, result)| (result, parse(result))) {
        Some((_, Some(exit))) => exit,
        Some(("elsewhere", _)) => panic!("`{test_name}` is another test than the one that asks"),
        Some(_) => panic!(
            "`{test_name}` did not exit: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        None => panic!("is there a test `{test_name}`? It said: {said}"),
    }
}

fn parse(result: &str) -> Option<ExitCall> {
    let (kind, code) = result.split_once(' ')?;
    let code = code.parse().ok()?;
    match kind {
        "terminate" => Some(ExitCall::Terminate(code)),
        "restart" => Some(ExitCall::Restart(code)),
        _ => None,
    }
}

/// The process under test exits. Returns only outside of [`exit_test`].
pub(crate) fn exited(exit: ExitCall) {
    if std::env::var_os(CALLED_AT).is_some() {
        match exit {
            ExitCall::Terminate(code) => println!("{RESULT}terminate {code}"),
            ExitCall::Restart(code) => println!("{RESULT}restart {code}"),
        }
        std::process::exit(1);
    }
}

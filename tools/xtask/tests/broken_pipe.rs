//! What the program does when nobody reads what it says.

use std::io::Read;
use std::process::{Command, Stdio};

#[test]
fn a_verb_whose_reader_has_gone_ends_quietly() {
    // Of `audit`, the first lines come after it has read the whole checkout.
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("audit")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(xtask.stdout.take());
    let mut said = String::new();
    let mut errors = xtask.stderr.take().unwrap();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    assert!(xtask.wait().unwrap().success());
}

//! Runs other programs, and says what failed.
//!
//! Owns the one way in which a child is run to its end.

use crate::paths;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command quietly; its output is shown only when it fails.
///
/// # Errors
/// The command line, its status and output.
pub fn run(command: &mut Command) -> Result<String> {
    let (line, program) = (describe(command), command.get_program().to_owned());
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_start(&program, &line))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed ({}):\n{stdout}{stderr}", output.status);
    }
    Ok(stdout)
}

/// Runs a command with its output on the terminal.
///
/// # Errors
/// The command line and its status.
pub fn show(command: &mut Command) -> Result<()> {
    let (line, program) = (describe(command), command.get_program().to_owned());
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(&program, &line))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Whether a program is on the PATH.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

fn cannot_start(program: &OsStr, line: &str) -> String {
    let ours = Path::new(program).starts_with(paths::tools());
    let how = if ours { " (cargo xtask setup)" } else { "" };
    format!("cannot start `{line}`{how}")
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    let line = words.join(" ");
    if line.len() > 300 {
        format!("{}…", &line[..line.floor_char_boundary(300)])
    } else {
        line
    }
}

//! The other boards, in a run of everything.
//!
//! Owns which layers are run on them: all that a board decides about, and from end to end one case.
//! Each is a process of its own, since a process knows one board; what it counted comes back as its
//! JSON.

use crate::paths;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Command;

/// What `test` calls them all.
pub const LAYER: &str = "boards";
/// Layer, and its only case.
const RUNS: [(&str, Option<&str>); 7] = [
    ("kernel", None),
    ("capsule", None),
    ("hostile", None),
    ("spe", None),
    ("loader", None),
    ("tockloader", None),
    ("e2e", Some("connects-and-publishes")),
];

/// Runs them; an entry a layer, as in `--json`, with its board.
///
/// # Errors
/// When a layer does not come to an end.
pub fn run() -> Result<Vec<Value>> {
    let others = paths::BOARDS.iter().filter(|b| **b != paths::board_name());
    let mut layers = Vec::new();
    for board in others {
        for (layer, case) in RUNS {
            println!("== {layer} on {board}");
            layers.push(one(board, layer, case).with_context(|| format!("{layer} on {board}"))?);
        }
    }
    Ok(layers)
}

fn one(board: &str, layer: &str, case: Option<&str>) -> Result<Value> {
    let file = paths::temporary("layer");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--board", board, "test", layer, "--json"]);
    command.arg(&file);
    if let Some(case) = case {
        command.args(["--case", case]);
    }
    // It fails when a case does; then it has counted all the same.
    let status = command.status()?;
    let Ok(text) = std::fs::read(&file) else {
        bail!("it ended with {status}");
    };
    std::fs::remove_file(&file)?;
    let mut report: Value = serde_json::from_slice(&text)?;
    let entry = report.pointer_mut("/layers/0").map(Value::take);
    let Some(Value::Object(mut entry)) = entry else {
        bail!("it counted nothing");
    };
    entry.insert("board".into(), board.into());
    Ok(Value::Object(entry))
}

/// What `name` comes to in all of them.
pub fn sum(layers: &[Value], name: &str) -> usize {
    let counts = layers.iter().filter_map(|l| l.get(name)?.as_u64());
    counts.sum::<u64>() as usize
}

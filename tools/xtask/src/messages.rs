//! Every message that a device can print stands in the book.
//!
//! Reads the sources of what speaks on a console, takes each line and each reason up to its first
//! variable part, and looks for it in the code spans of `docs/*.md`. What it cannot see: text that is
//! put together from pieces without the name of a part in front.

use std::fs;
use std::path::{Path, PathBuf};

/// Names that lines begin with.
const PARTS: [&str; 6] = [
    "loader: ",
    "spe: ",
    "kernel: ",
    "net-mqtt: ",
    "ota-agent: ",
    "inference: ",
];

/// Folders whose string literals are searched for lines of a part.
const SPEAKERS: [&str; 4] = [
    "apps/net-mqtt/src",
    "apps/ota-agent/src",
    "apps/inference/src",
    "boards/corstone",
];

/// Files whose literals are all reasons.
const REASONS: [&str; 2] = ["apps/net-mqtt/src/why.rs", "ota-loader/src/refusal.rs"];

/// Folders, a call whose first argument is a line or a reason, and what is printed in front of it.
const CALLS: [(&str, &str, &str); 5] = [
    ("apps/ota-agent/src", "end_update(", ""),
    ("apps/ota-agent/src", "Err(", ""),
    ("apps/ota-agent/src", ".ok_or(", ""),
    ("boards/corstone/secure/src", "log::line(", "spe: "),
    ("boards/corstone/loader/src", "say(uart,", "loader: "),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// String literals of `code`, escapes left as they are but for a broken line.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut now: Option<String> = None;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        match (&mut now, c) {
            // A quote as a character literal opens no string.
            (None, '\'') if chars.peek() == Some(&'"') => drop(chars.next()),
            (None, '"') => now = Some(String::new()),
            (None, _) => {}
            (Some(text), '\\') => match chars.next() {
                Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                Some('r' | 'n') => text.push(' '),
                Some(other) => text.push(other),
                None => {}
            },
            (Some(_), '"') => found.extend(now.take()),
            (Some(text), c) => text.push(c),
        }
    }
    found
}

/// What is fixed at the front of a message.
fn stem(message: &str) -> &str {
    let fixed = message.split(['{', '(']).next().unwrap_or_default();
    let fixed = fixed.trim_end();
    fixed.strip_suffix("0x").unwrap_or(fixed).trim()
}

/// The code spans of all pages, one a line.
fn book() -> String {
    let mut spans = String::new();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "md") {
            let page = fs::read_to_string(path).unwrap();
            for span in page.split('`').skip(1).step_by(2) {
                spans.extend(span.split_whitespace().flat_map(|word| [word, " "]));
                spans.push('\n');
            }
        }
    }
    spans
}

fn messages() -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for folder in SPEAKERS {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        for file in files {
            let lines = literals(&code(&file)).into_iter();
            let lines = lines.filter(|text| {
                PARTS
                    .iter()
                    .any(|part| text.starts_with(part) && stem(text) != part.trim_end())
            });
            all.extend(lines.map(|text| (file.clone(), text)));
        }
    }
    for file in REASONS {
        let file = root().join(file);
        all.extend(
            literals(&code(&file))
                .into_iter()
                .map(|text| (file.clone(), text)),
        );
    }
    for (folder, call, part) in CALLS {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        for file in files {
            let text = code(&file);
            for rest in text.split(call).skip(1) {
                let rest = rest.trim_start();
                if rest.starts_with('"') {
                    let first = literals(rest).into_iter().next().unwrap_or_default();
                    all.push((file.clone(), format!("{part}{first}")));
                }
            }
        }
    }
    all
}

#[test]
fn every_message_is_in_the_book() {
    let book = book();
    let messages = messages();
    assert!(
        messages.len() > 150,
        "only {} messages found",
        messages.len()
    );
    let missing: Vec<_> = messages
        .iter()
        .filter(|(_, text)| !stem(text).is_empty() && !book.contains(stem(text)))
        .map(|(file, text)| format!("{}: {text}", file.display()))
        .collect();
    assert!(missing.is_empty(), "not in docs/:\n{}", missing.join("\n"));
}

#[test]
fn a_message_that_nobody_wrote_down_is_missed() {
    assert!(!book().contains(stem("net-mqtt: the moon is {phase}")));
    assert_eq!(stem("kernel: TBF at 0x{:08x}: {:?}"), "kernel: TBF at");
    assert_eq!(literals(r#"f('"', "a \"b\"", "c")"#), ["a \"b\"", "c"]);
}

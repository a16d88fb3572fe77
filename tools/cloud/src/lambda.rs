//! Functions that the cloud calls, in the place of AWS Lambda.
//!
//! Owns their folder, `lambda` in the cloud's: a function is the Python file of its name there, with
//! Lambda's `lambda_handler(event, context)`. Each call is a Python of its own. What a function
//! prints, and why it failed, is at the end of the log of its name.

use anyhow::{Context, Result, anyhow};
use mosquitto_iot::{ACCOUNT, REGION};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Calls the file's handler with what comes in; what it returns goes out, what it prints does not.
const CALL: &str = "import json, runpy, sys
out, sys.stdout = sys.stdout, sys.stderr
handler = runpy.run_path(sys.argv[1])['lambda_handler']
json.dump(handler(json.load(sys.stdin), None), out)";

/// The name in a function's ARN; a version or alias behind it is not known here.
pub(crate) fn name_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", "aws", "lambda", _, _, "function", name] = parts[..] else {
        return None;
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let good = (1..=64).contains(&name.len()) && name.chars().all(legal);
    good.then_some(name)
}

/// Puts a function there, or another in its place; returns its ARN.
pub(crate) fn put(dir: &Path, name: &str, source: &str) -> Result<String> {
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
    name_of(&arn).with_context(|| format!("`{name}` is no name of a function"))?;
    let folder = dir.join("lambda");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name).with_extension("py"), source)?;
    Ok(arn)
}

/// Calls a function.
///
/// # Errors
/// When there is no such function or no Python, and when it fails, or gives no answer in time.
pub(crate) fn call(dir: &Path, arn: &str, event: &Value, limit: Duration) -> Result<Value> {
    let name = name_of(arn).with_context(|| format!("`{arn}` is no function's ARN"))?;
    let file = dir.join("lambda").join(name).with_extension("py");
    let log = file.with_extension("log");
    let absent = || format!("there is no {}", file.display());
    file.is_file().then_some(()).with_context(absent)?;
    let mut child = Command::new("python3")
        .args(["-I", "-c", CALL])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(&log)?)
        .spawn()
        .context("python3")?;
    qemu_harness::track::add(child.id());
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let event = event.to_string();
    // Both in threads of their own: a function may neither read nor end.
    std::thread::spawn(move || input.map(|mut i| i.write_all(event.as_bytes())));
    let (sender, answer) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|mut o| o.read_to_end(&mut bytes));
        let _ = read;
        let _ = sender.send(bytes);
    });
    let answer = answer.recv_timeout(limit);
    let _ = child.kill();
    let _ = child.wait();
    qemu_harness::track::remove(child.id());
    let late = |_| anyhow!("no answer of {name} in {} s", limit.as_secs());
    let failed = || format!("{name} gave no answer; see {}", log.display());
    serde_json::from_slice(&answer.map_err(late)?).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_function_answers_or_the_caller_hears_why_not() {
        let dir = std::env::temp_dir().join(format!("tockstone-lambda-{}", std::process::id()));
        let call = |source: &str| {
            let arn = put(&dir, "f", source).unwrap();
            let event = json!({"parameters": {"a": "ü".repeat(50_000)}});
            call(&dir, &arn, &event, Duration::from_secs(60)).map_err(|e| format!("{e:#}"))
        };
        let good = "def lambda_handler(event, context):
    print('said')
    return {'length': len(event['parameters']['a'])}
";
        assert_eq!(call(good).unwrap(), json!({"length": 50_000}));
        let said = std::fs::read_to_string(dir.join("lambda/f.log")).unwrap();
        assert_eq!(said, "said\n");
        for bad in [
            "nonsense",
            "",
            "def lambda_handler(event, context): return event.nothing",
            "def lambda_handler(event, context): return {1, 2}",
            "import sys; sys.exit(0)",
        ] {
            let why = call(bad).unwrap_err();
            assert!(why.starts_with("f gave no answer; see "), "{why}");
        }
        let said = std::fs::read_to_string(dir.join("lambda/f.log")).unwrap();
        assert!(said.contains("AttributeError"), "{said}");
        let arn = put(&dir, "slow", "import time; time.sleep(60)").unwrap();
        let why = super::call(&dir, &arn, &json!({}), Duration::from_secs(1)).unwrap_err();
        assert_eq!(why.to_string(), "no answer of slow in 1 s");
        let gone = arn.replace("slow", "gone");
        assert!(super::call(&dir, &gone, &json!({}), Duration::from_secs(1)).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_name_is_no_path() {
        let arn = |name: &str| format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
        assert_eq!(name_of(&arn("a-B_7")), Some("a-B_7"));
        for bad in [
            "",
            "../x",
            "a/b",
            "a.py",
            "a:1",
            "a:$LATEST",
            &"x".repeat(65),
        ] {
            assert_eq!(name_of(&arn(bad)), None, "{bad}");
        }
        assert_eq!(name_of("arn:aws:s3:::bucket"), None);
        assert!(put(Path::new("/nowhere"), "..", "").is_err());
    }
}

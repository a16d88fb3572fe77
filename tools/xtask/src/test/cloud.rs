//! The cloud layer: AWS's own clients, and this program's verbs, against the local cloud, without a
//! device.
//!
//! Owns the cases' set-up. What the clients do and check is in `tools/cloud/tests`; each folder is
//! opened twice, so that the second half finds what the first one left.

use super::{Case, until};
use crate::{paths, shell, system};
use anyhow::{Result, bail, ensure};
use cloud::http::Server;
use cloud::{Cloud, broker};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

pub const CASES: [Case; 5] = [
    Case {
        id: "cloud-awscli",
        run: awscli,
    },
    Case {
        id: "cloud-boto3",
        run: boto3,
    },
    Case {
        id: "cloud-ota-push",
        run: ota_push,
    },
    Case {
        id: "cloud-awsiotsdk",
        run: awsiotsdk,
    },
    Case {
        id: "verb-whose-reader-has-gone",
        run: reader_gone,
    },
];

fn open(dir: &Path) -> Result<(Cloud, Server)> {
    let cloud = Cloud::start(&broker::Config {
        dir,
        host: system::HOST,
        validity: None,
        port: None,
    })?;
    let server = Server::start(cloud.core(), None)?;
    Ok((cloud, server))
}

fn script(name: &str) -> std::path::PathBuf {
    paths::root().join("tools/cloud/tests").join(name)
}

fn boto3() -> Result<()> {
    let scratch = system::Scratch::new("cloud-boto3")?;
    for phase in ["before", "after"] {
        let (cloud, server) = open(scratch.path())?;
        let mut command = Command::new(paths::python_tool("python3"));
        command.arg(script("boto3_flow.py")).arg(server.url());
        shell::run(command.arg(scratch.path()).arg(phase))?;
        if phase == "before" {
            until(LIMIT, "what boto3 published", || {
                Ok(cloud.messages().iter().any(|m| m.topic == "from/boto3"))
            })?;
        }
    }
    Ok(())
}

fn awscli() -> Result<()> {
    let scratch = system::Scratch::new("cloud-awscli")?;
    for phase in ["before", "after"] {
        let (_cloud, server) = open(scratch.path())?;
        let mut command = Command::new("sh");
        command
            .arg(script("awscli_flow.sh"))
            .arg(paths::python_tool("aws"))
            .arg(server.url());
        shell::run(command.arg(scratch.path()).arg(phase))?;
    }
    Ok(())
}

fn awsiotsdk() -> Result<()> {
    let scratch = system::Scratch::new("cloud-awsiotsdk")?;
    let (cloud, server) = open(scratch.path())?;
    let mut command = Command::new(paths::python_tool("python3"));
    command
        .arg(script("awsiotsdk_flow.py"))
        .arg(server.url())
        .arg(cloud.broker.port.to_string())
        .arg(cloud.broker.authority().certificate())
        .arg(scratch.path());
    shell::run(&mut command)?;
    let core = cloud.core();
    // The cloud hears of the end after the client.
    until(LIMIT, "the end of `fleet-7`", || {
        Ok(core.presence().get("fleet-7").is_some_and(|p| !p.connected))
    })?;
    let presence = core.presence();
    let Some(last) = presence.get("sdk") else {
        bail!("no presence of `sdk`: {presence:?}");
    };
    if last.connected || last.event["disconnectReason"] != "FORBIDDEN_ACCESS" {
        bail!("the last event of `sdk` is {}", last.event);
    }
    let left = presence.get("fleet-7").map(|p| p.event.clone());
    if left.as_ref().map(|e| &e["disconnectReason"]) != Some(&"CLIENT_INITIATED_DISCONNECT".into())
    {
        bail!("the last event of `fleet-7` is {left:?}");
    }
    let topics: Vec<String> = core.messages().into_iter().map(|m| m.topic).collect();
    if topics != ["fleet-7/hello"] {
        bail!("devices published {topics:?}");
    }
    Ok(())
}

/// As `cargo xtask audit | head -0`. Of `audit`, the first lines come after it has read the whole
/// checkout. (No integration test: those build this program anew under its own feet.)
fn reader_gone() -> Result<()> {
    let mut xtask = Command::new(std::env::current_exe()?)
        .arg("audit")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(xtask.stdout.take());
    let output = xtask.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.is_empty() && output.status.success(), "{said}");
    Ok(())
}

/// `cargo xtask ota` as a person calls it.
fn ota_push() -> Result<()> {
    let scratch = system::Scratch::new("cloud-ota-push")?;
    let (mut cloud, server) = open(scratch.path())?;
    let file = scratch.path().join("update_signed.bin");
    std::fs::write(&file, [0x5A; 5000])?;
    let ota = |words: &[&str]| {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("ota").args(words);
        shell::run(command.arg("--endpoint").arg(server.url()))
    };
    let path = file.display().to_string();
    let push = ["push", &path, "--path", "non_secure image", "--id", "one"];
    let refused = |result: Result<String>, words: &str| match result {
        Ok(_) => bail!("`{words}` was not refused"),
        Err(e) if format!("{e:#}").contains(words) => Ok(()),
        Err(e) => Err(e),
    };
    refused(ota(&push), "no --signature")?;
    std::fs::write(
        scratch.path().join("update-signature.txt"),
        "c2lnbmF0dXJl\n",
    )?;
    refused(ota(&push), "the cloud knows no thing")?;
    cloud.create_thing("lamp")?;
    ota(&push)?;
    refused(ota(&push), "ResourceAlreadyExistsException")?;
    let other = [&push[..], &["--thing", "nobody"]].concat();
    refused(ota(&other), "ResourceNotFoundException: no thing `nobody`")?;
    let bad = [&push[..5], &["two", "--signature", "not base64!"]].concat();
    refused(ota(&bad), "not the base64 text of a signature")?;
    let execution = cloud.execution("lamp", "AFR_OTA-one");
    let Some(execution) = execution else {
        bail!("no job AFR_OTA-one");
    };
    let entry = &execution.document["afr_ota"]["files"][0];
    if entry["filesize"] != 5000 || entry["sig-sha256-rsa"] != "c2lnbmF0dXJl" {
        bail!("the document is {}", execution.document);
    }
    let list = ota(&["list"])?;
    if !list.contains("one lamp QUEUED") {
        bail!("the list is {list}");
    }
    ota(&["cancel", "one"])?;
    refused(ota(&["watch", "one"]), "has not succeeded")?;
    drop(server);
    Ok(())
}

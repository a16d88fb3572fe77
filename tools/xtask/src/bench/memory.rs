//! How much of their memory the product's processes use: stacks, heaps.
//!
//! Owns the device's life in which that is looked at, and how a stack is read. The kernel zeroes what
//! a process gets by `brk`, so the lowest word of a stack that is not zero is the deepest that was
//! used; the 32 bytes at its bottom hold the frame of that `brk`. An array that is still zero hides
//! nothing: whatever is called or interrupts puts an address below it. What a process uses of
//! what it was never given counts in no row: an overflow faults.

use crate::demo::blocks;
use crate::sign;
use crate::system::System;
use crate::test::supervision;
use crate::{paths, updates};
use anyhow::{Context, Result, anyhow, bail, ensure};
use cloud::OtaFile;
use cloud::jobs::Status;
use libtock_build_scripts::elf_symbol;
use qemu_harness::Device;
use serde_json::Value;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(300);
/// What the start code's first call leaves at the bottom.
const START_FRAME: u32 = 32;
/// The linker script ends a process's RAM on this, with or without a heap.
const GRAIN: u32 = 1024;

/// What one process used at most, bytes.
#[derive(Debug, Clone)]
pub struct Peak {
    /// Its name.
    pub process: String,
    /// Stack: deepest use, and size.
    pub stack: (u64, u64),
    /// The same, as the kernel saw the stack pointer at calls and interrupts.
    pub seen: u64,
    /// Heap: most use, and size; 0 of 0 where none is linked.
    pub heap: (u64, u64),
}

/// Where a process's stack lies.
struct Stack {
    bottom: u32,
    top: u32,
}

/// Runs a device through what goes deep: handshake, requests for diagnostics, an update of an app, an
/// update of both images that is refused at its end, a crash and its report; then another update of
/// both images up to the reset, the trial behind it, and the next request.
///
/// # Errors
/// When something of this fails, or a stack was used to its end.
pub fn peaks() -> Result<Vec<Peak>> {
    let mut system = System::new("tockstone-memory")?;
    let mut device = system.boot()?;
    let online = |l: &str| l.contains("net-mqtt: mqtt connected");
    let (_, _) = device.console.wait_from(0, LIMIT, online, "connection")?;
    subscribed(&system, &device)?;
    supervision::ask(&system, &request(1))?;
    let app = "inference";
    let file = update(&updates::filepath(app), app)?;
    job(&mut system, &device, "app", &[file], Status::Succeeded)?;
    let [kernel, secure] = images()?;
    let refused = [
        kernel.clone(),
        OtaFile {
            signature: kernel.signature.clone(),
            ..secure.clone()
        },
    ];
    job(&mut system, &device, "refused", &refused, Status::Failed)?;
    let position = device.console.position();
    // Not the agent: what faults starts with a stack of zeroes.
    device.console.send("\rfault inference\r")?;
    let faulted = |l: &str| l.contains("inference now faulted");
    device
        .console
        .wait_from(position, LIMIT, faulted, "inference now faulted")?;
    let deadline = Instant::now() + LIMIT;
    while supervision::came(&system, "crash").is_empty() {
        ensure!(Instant::now() < deadline, "no crash report");
        std::thread::sleep(Duration::from_millis(50));
    }
    let first = supervision::ask(&system, &request(2))?;
    let mut peaks = Vec::new();
    for app in system.map.app.clone() {
        let (stack, heap) = placed(&app.name)?;
        let bytes = device.read_memory_as_processor(stack.bottom, stack.top - stack.bottom)?;
        peaks.push(Peak {
            stack: (depth(&bytes)?, bytes.len() as u64),
            seen: member(&first, &app.name, "stackUsed")?,
            heap: (0, u64::from(heap)),
            process: app.name,
        });
    }

    // Both images, and the memory of the moment before the reset.
    device.halt_at_reset(true)?;
    let thing = system.thing.clone();
    let both = [kernel, secure];
    let id = system.cloud.create_ota_update(&thing, "both", &both)?;
    let begun = |l: &str| blocks(l, &id).is_some();
    device.console.wait_from(0, LIMIT, begun, "a block")?;
    let deadline = Instant::now() + LIMIT;
    while !device.is_halted()? {
        ensure!(Instant::now() < deadline, "the update asks for no reset");
        std::thread::sleep(Duration::from_millis(20));
    }
    deepen(&mut peaks, |stack| {
        device.read_halted(stack.bottom, stack.top - stack.bottom)
    })?;
    let position = device.console.position();
    device.go_on()?;
    device
        .console
        .wait_from(position, LIMIT, online, "connection of the trial")?;
    let done = system
        .cloud
        .wait_job(&thing, &id, LIMIT, |e| e.status.is_terminal())?;
    ensure!(done.status == Status::Succeeded, "{:?}", done.details);
    let last = supervision::ask(&system, &request(3))?;
    deepen(&mut peaks, |stack| {
        device.read_memory_as_processor(stack.bottom, stack.top - stack.bottom)
    })?;
    for peak in &mut peaks {
        let seen = member(&last, &peak.process, "stackUsed")?;
        peak.seen = peak.seen.max(seen);
        // Only net-mqtt tells of a heap, and only it has one.
        match (peak.heap.1, peak.process.as_str()) {
            (0, _) => {}
            (size, "net-mqtt") => {
                for answer in [&first, &last] {
                    let memory = &answer["memory"];
                    ensure!(memory["heap"] == size, "{memory} is no heap of {size}");
                    let used = memory["heapPeak"].as_u64().context("no heapPeak")?;
                    peak.heap.0 = peak.heap.0.max(used);
                }
            }
            (_, name) => bail!("{name} has a heap that nobody counts"),
        }
    }
    Ok(peaks)
}

/// Raises each peak to what its stack holds now.
fn deepen(peaks: &mut [Peak], mut read: impl FnMut(&Stack) -> Result<Vec<u8>>) -> Result<()> {
    for peak in peaks {
        let (stack, _) = placed(&peak.process)?;
        peak.stack.0 = peak.stack.0.max(depth(&read(&stack)?)?);
    }
    Ok(())
}

/// Stack and size of the heap by the app's ELF.
fn placed(name: &str) -> Result<(Stack, u32)> {
    let file = paths::build().join("apps").join(format!("{name}.elf"));
    let elf = std::fs::read(&file)?;
    let symbol = |name: &str| {
        let value = elf_symbol(&elf, name);
        value.with_context(|| format!("{}: no symbol `{name}`", file.display()))
    };
    let heap = symbol("_initial_break")? - symbol("_heap_start")?;
    let stack = Stack {
        bottom: symbol("_sram_origin")?,
        top: symbol("_stack_top")?,
    };
    Ok((stack, heap / GRAIN * GRAIN))
}

/// Bytes from the deepest that was written to the top.
fn depth(stack: &[u8]) -> Result<u64> {
    let own = stack.get(START_FRAME as usize..).unwrap_or_default();
    match own.iter().position(|byte| *byte != 0) {
        None => bail!("a stack that nobody used"),
        Some(0) => bail!("a stack that was used to its end, or was not zero at the start"),
        Some(at) => Ok((own.len() - at) as u64),
    }
}

fn member(answer: &Value, process: &str, name: &str) -> Result<u64> {
    let processes = answer["processes"].as_array().context("no processes")?;
    let found = processes.iter().find(|p| p["name"] == process);
    let value = found.and_then(|p| p[name].as_u64());
    value.with_context(|| format!("no {name} of {process} in {answer}"))
}

/// A request with a nonce of 64 bytes.
fn request(number: u8) -> Vec<u8> {
    format!("{{\"nonce\":\"{}\"}}", format!("{number:02x}").repeat(64)).into_bytes()
}

fn subscribed(system: &System, device: &Device) -> Result<()> {
    let line = format!("{}/diagnostics/request (QoS 1)", system.thing);
    while !system.cloud.broker.log()?.contains(&line) {
        ensure!(device.uptime() < LIMIT, "no subscription to requests");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn update(path: &str, name: &str) -> Result<OtaFile> {
    let file = paths::build().join(format!("{name}-update_signed.bin"));
    let (bytes, signature) = (std::fs::read(&file)?, sign::update_signature(&file)?);
    Ok(OtaFile::rsa(path, bytes, &signature))
}

fn images() -> Result<[OtaFile; 2]> {
    Ok([
        update("non_secure image", "kernel")?,
        update("secure image", "secure")?,
    ])
}

/// A job that must end so.
fn job(
    system: &mut System,
    device: &Device,
    id: &str,
    files: &[OtaFile],
    wanted: Status,
) -> Result<()> {
    let thing = system.thing.clone();
    let job = system.cloud.create_ota_update(&thing, id, files)?;
    let ended = system
        .cloud
        .wait_job(&thing, &job, LIMIT, |e| e.status.is_terminal())?;
    if ended.status != wanted {
        let lines = device.console.lines();
        let last: Vec<&str> = lines
            .iter()
            .rev()
            .take(20)
            .map(|l| l.text.as_str())
            .collect();
        return Err(anyhow!("{job}: {:?}; {last:?}", ended.details));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_as_deep_as_its_lowest_byte_that_is_not_zero() {
        let mut stack = vec![0; 256];
        stack[..32].fill(1);
        assert!(depth(&stack).is_err());
        stack[255] = 1;
        assert_eq!(depth(&stack).ok(), Some(1));
        stack[40] = 1;
        assert_eq!(depth(&stack).ok(), Some(216));
        stack[32] = 1;
        assert!(depth(&stack).is_err());
    }
}

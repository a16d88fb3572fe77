//! A process that writes flash of its own, power that goes meanwhile, and journals that lie.
//!
//! Owns the region that its TBF declares, and what a cut leaves in the journal: the host writes both
//! into the device's flash.

use crate::alone::{Alone, Process};
use ::flash::journal::{Record, page_hash};
use anyhow::{Context, Result, ensure};
use qemu_harness::{Device, FlashFile};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const PAGE: usize = 0x1000;
const PROCESS: Process = Process {
    package: "state",
    short_id: 0x57A7,
    flash_size: 0x8000,
    ram_size: 0x4000,
};
/// Where its region begins, and how long that is; see tests/apps/state.
const NAME: &[u8; 16] = b"tockstone state\n";
const SIZE: usize = 600;

/// Saves and finds what it saved; an unfinished page is finished; a journal about others' pages does
/// nothing.
pub fn own_flash() -> Result<()> {
    let alone = Alone::new(&PROCESS)?;
    let map = crate::paths::map()?;
    let flash = FlashFile::open(&alone.config.flash, &map)?;
    let boot = |line: &str| -> Result<Device> {
        let device = Device::start(&alone.config)?;
        device.console.wait(line, LIMIT)?;
        Ok(device)
    };
    let mut tbf = flash.read("flash-pool", 0, PROCESS.flash_size)?;
    let region = tbf.windows(NAME.len()).position(|w| w == NAME);
    let region = region.context("the binary has no region")?;
    // As it is packed: no region, and a signature.
    drop(boot("state: failed: Invalid")?);
    declare(&mut tbf, region as u32)?;
    let put = |bytes: &[u8]| -> Result<()> {
        flash.erase("flash-pool")?;
        flash.write("flash-pool", 0, bytes)
    };
    put(&tbf)?;
    drop(boot("state: failed: NoSupport")?);
    let program = tlv(&tbf, PROGRAM)?;
    let end = word(&tbf, program + 12)? as usize;
    // Credentials become room for some.
    tbf.get_mut(end + 4..end + 8).context("footers")?.fill(0);
    put(&tbf)?;
    for count in 1..=3u8 {
        drop(boot(&format!("state: boot {count} saved"))?);
        let there = flash.read("flash-pool", 0, PROCESS.flash_size)?;
        let saved = tbf.get_mut(region..region + SIZE).context("region")?;
        saved[NAME.len()] = count;
        saved[SIZE - 1] = count;
        ensure!(there == tbf, "other bytes than the state's changed");
    }
    // Power went when the page of the count was half erased.
    let page = (region + NAME.len()) / PAGE * PAGE;
    let mut new = tbf.get(page..page + PAGE).context("page")?.to_vec();
    new[region + NAME.len() - page] = 41;
    let pool = map.region("flash-pool").map_err(anyhow::Error::msg)?.base;
    journal(&flash, pool + page as u32, &new)?;
    let mut cut = tbf.clone();
    cut[page..page + PAGE / 2].fill(0xFF);
    put(&cut)?;
    let device = boot("state: boot 42 saved")?;
    let said = |device: &Device| {
        let lines = device.console.lines();
        lines
            .iter()
            .any(|l| l.text.contains("kernel: app flash 0x"))
    };
    ensure!(said(&device), "it does not say that it finished a page");
    drop(device);
    // Whole journals, about what no app may write.
    let regions = [
        "kernel-attributes",
        "flash-net-mqtt",
        "audio-rom",
        "state-journal",
        "kernel-exec",
        "ns-primary",
    ];
    let mut count = 42;
    for name in regions {
        let region = map.region(name).map_err(anyhow::Error::msg)?;
        let inside = region.base.next_multiple_of(PAGE as u32);
        journal(&flash, inside, &[0xEE; PAGE])?;
        count += 1;
        let device = boot(&format!("state: boot {count} saved"))?;
        ensure!(!said(&device), "{name}: a page was written");
        drop(device);
        // What runs from RAM is not in the file; the journal is what was written there.
        if name != "state-journal"
            && let Ok(there) = flash.read(name, inside - region.base, PAGE)
        {
            ensure!(there != [0xEE; PAGE], "{name} was written");
        }
    }
    Ok(())
}

fn journal(flash: &FlashFile, address: u32, page: &[u8]) -> Result<()> {
    let hash = page_hash(page);
    flash.erase("state-journal")?;
    flash.write("state-journal", 0, page)?;
    flash.write(
        "state-journal",
        PAGE as u32,
        &Record { address, hash }.emit(),
    )
}

const MAIN: u16 = 1;
const PROGRAM: u16 = 9;

/// Where the value of a header's TLV of this kind begins.
fn tlv(tbf: &[u8], kind: u16) -> Result<usize> {
    let mut at = 16;
    loop {
        let head = word(tbf, at)?;
        ensure!(at < 0x100, "no TLV {kind}");
        if head as u16 == kind {
            return Ok(at + 4);
        }
        at += 4 + ((head >> 16) as usize).next_multiple_of(4);
    }
}

fn word(tbf: &[u8], at: usize) -> Result<u32> {
    let bytes = tbf.get(at..at + 4).and_then(|b| b.try_into().ok());
    bytes.map(u32::from_le_bytes).context("a short TBF")
}

/// Adds the region to the header, which grows into the protected trailer.
fn declare(tbf: &mut [u8], region: u32) -> Result<()> {
    const TLV: usize = 12;
    // elf2tab writes both, alike.
    let entries = [tlv(tbf, MAIN)?, tlv(tbf, PROGRAM)?];
    let header = usize::from(u16::from_le_bytes([tbf[2], tbf[3]]));
    let mut put = |at: usize, bytes: &[u8]| {
        tbf.get_mut(at..at + bytes.len())
            .into_iter()
            .for_each(|to| to.copy_from_slice(bytes));
    };
    put(header, &[2, 0, 8, 0]);
    put(header + 4, &region.to_le_bytes());
    put(header + 8, &(SIZE as u32).to_le_bytes());
    let header = header + TLV;
    put(2, &(header as u16).to_le_bytes());
    // Entry and trailer count from the header's end.
    for at in entries.into_iter().flat_map(|at| [at, at + 4]) {
        let shorter = word(tbf, at)?.checked_sub(TLV as u32);
        let shorter = shorter.context("no room behind the header")?;
        tbf[at..at + 4].copy_from_slice(&shorter.to_le_bytes());
    }
    tbf[12..16].fill(0);
    let mut sum = 0;
    for at in (0..header).step_by(4) {
        sum ^= word(tbf, at)?;
    }
    tbf[12..16].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

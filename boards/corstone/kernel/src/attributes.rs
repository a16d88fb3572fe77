//! What host tools learn of the kernel: the attributes that end where the first app begins.
//!
//! Owns the page's bytes (`reference/tock.md` §2.9). It is written when it differs, before any process
//! is loaded: erased flash in it only costs the tools what they would have learnt.

use crate::memory::*;
use flash::{Flash, FlashError};
use kernel::{
    KERNEL_MAJOR_VERSION, KERNEL_MINOR_VERSION, KERNEL_PATCH_VERSION, KERNEL_PRERELEASE_VERSION,
};

const APP_RAM: u16 = 0x0101;
const KERNEL_BINARY: u16 = 0x0102;
const KERNEL_VERSION: u16 = 0x0103;
/// Two attributes of two words, one of four half words, and the end: version 1, "TOCK".
const SIZE: usize = 3 * 12 + 8;

const fn attributes() -> [u8; SIZE] {
    let ram = RAM_POOL_BASE + RAM_POOL_SIZE - RAM_NET_MQTT_BASE;
    let words = [
        RAM_NET_MQTT_BASE,
        ram,
        pair(APP_RAM, 8),
        KERNEL_EXEC_BASE + IMAGE_HEADER,
        KERNEL_EXEC_SIZE - IMAGE_HEADER,
        pair(KERNEL_BINARY, 8),
        pair(KERNEL_MAJOR_VERSION, KERNEL_MINOR_VERSION),
        pair(KERNEL_PATCH_VERSION, KERNEL_PRERELEASE_VERSION),
        pair(KERNEL_VERSION, 8),
        0x0100_0000,
        u32::from_le_bytes(*b"TOCK"),
    ];
    let mut bytes = [0; SIZE];
    let mut i = 0;
    while i < SIZE {
        bytes[i] = words[i / 4].to_le_bytes()[i % 4];
        i += 1;
    }
    bytes
}

/// Two half words, the first at the lower address.
const fn pair(first: u16, second: u16) -> u32 {
    first as u32 | (second as u32) << 16
}

/// Writes them to the end of their page, unless they are there.
pub fn write(mut page: impl Flash) -> Result<(), FlashError> {
    const BYTES: [u8; SIZE] = attributes();
    let at = page.size().saturating_sub(SIZE as u32);
    let mut there = [0; SIZE];
    page.read(at, &mut there)?;
    if there == BYTES {
        return Ok(());
    }
    page.erase(0, page.size())?;
    page.program(at, &BYTES)
}

//! A crash report as the cloud reads it.
//!
//! Owns the JSON document (docs/observe.md). Does not own when it is sent: `desk.rs`.

use crate::json::Quoted;
use alloc::string::String;
use core::fmt::{self, Write};
use supervision::{CrashReport, ImageVersion};

/// Longest document, bytes.
pub(crate) const MAX_DOCUMENT: usize = 768;

/// The document. `clock_lacks_s` is what the clock that the kernel reads has to be corrected by,
/// `lost` how many reports gave way to newer ones since boot.
pub(crate) fn document(report: &CrashReport, clock_lacks_s: i64, lost: u32) -> String {
    let mut text = String::with_capacity(MAX_DOCUMENT);
    // Writing to a String does not fail.
    let _ = write(&mut text, report, clock_lacks_s, lost);
    text
}

fn write(w: &mut String, report: &CrashReport, clock_lacks_s: i64, lost: u32) -> fmt::Result {
    let r = &report.registers;
    write!(
        w,
        "{{\"report\":{},\"process\":{},\"slot\":{},\"reason\":{},\"registers\":{{",
        report.serial,
        Quoted(report.name.as_str()),
        report.slot,
        Quoted(report.reason.as_str())
    )?;
    let registers = [
        ("cfsr", r.cfsr),
        ("hfsr", r.hfsr),
        ("mmfar", r.mmfar),
        ("bfar", r.bfar),
        ("sfsr", r.sfsr),
        ("pc", r.pc),
        ("lr", r.lr),
        ("sp", r.sp),
        ("xpsr", r.psr),
    ];
    for (i, (name, value)) in registers.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(w, "{comma}\"{name}\":\"0x{value:08x}\"")?;
    }
    write!(w, "}},\"restarts\":{}", report.restarts)?;
    match report.restart_in_ms {
        Some(ms) => write!(w, ",\"restartInMs\":{ms}")?,
        None => w.write_str(",\"restartInMs\":null")?,
    }
    write!(
        w,
        ",\"versions\":{{\"secure\":\"{}\",\"nonSecure\":\"{}\",\"app\":{}}}",
        Version(&report.secure),
        Version(&report.non_secure),
        report.app_version
    )?;
    match report.time {
        0 => w.write_str(",\"time\":null")?,
        time => write!(w, ",\"time\":{}", time.saturating_add_signed(clock_lacks_s))?,
    }
    write!(
        w,
        ",\"beforeReset\":{},\"lost\":{lost}}}",
        report.before_reset
    )
}

/// `major.minor.revision+build`, as the loader writes it.
pub(crate) struct Version<'a>(pub(crate) &'a ImageVersion);

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(f, "{}.{}.{}+{}", v.major, v.minor, v.revision, v.build)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use supervision::{Registers, Text};

    #[test]
    fn the_document_is_json_and_fits() {
        let longest = ImageVersion {
            major: u8::MAX,
            minor: u8::MAX,
            revision: u16::MAX,
            build: u32::MAX,
        };
        let mut report = CrashReport {
            serial: u32::MAX,
            time: u64::MAX >> 1,
            slot: u32::MAX,
            short_id: 1,
            app_version: u32::MAX,
            restarts: u32::MAX,
            restart_in_ms: Some(u32::MAX - 1),
            registers: Registers {
                cfsr: 0x82,
                pc: 0x6020_0123,
                ..Registers::default()
            },
            secure: longest,
            non_secure: longest,
            before_reset: false,
            name: Text::new("a\"b"),
            reason: Text::new(&"x".repeat(40)),
        };
        let json = document(&report, 5, u32::MAX);
        let value: Value = serde_json::from_str(&json).expect(&json);
        assert_eq!(value["process"], "a\"b");
        assert_eq!(value["registers"]["cfsr"], "0x00000082");
        assert_eq!(value["registers"]["pc"], "0x60200123");
        assert_eq!(value["registers"].as_object().map(|o| o.len()), Some(9));
        assert_eq!(value["time"], (u64::MAX >> 1) + 5);
        assert_eq!(value["versions"]["secure"], "255.255.65535+4294967295");
        // A name and a reason of control characters would take six times their bytes.
        assert!(json.len() + 40 <= MAX_DOCUMENT, "{}", json.len());

        report.time = 0;
        report.restart_in_ms = None;
        report.before_reset = true;
        let value: Value = serde_json::from_str(&document(&report, 5, 0)).expect("JSON");
        assert!(value["time"].is_null() && value["restartInMs"].is_null());
        assert_eq!(value["beforeReset"], true);
    }
}

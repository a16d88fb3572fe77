//! Bootloader binary of the Corstone boards.
//!
//! Owns the composition: which memory is which slot, what is printed, and the way out. What is
//! decided, swapped and verified is `ota-loader`'s. Runs in ITCM as mask ROM would, with the SAU
//! off and every MPC secure, so that it sees both halves of every memory.
//!
//! Invariant: either both images were verified in the memory they run from and control goes to the
//! secure one, with the loader's RAM wiped; or one line says why not, and the processor sleeps.
#![no_std]
#![no_main]

mod hardware;

use boot_data::{ResetReason, ResetRecord};
use chip::ddr_flash::DdrFlash;
use chip::polled_uart::PolledUart;
use flash::FlashError;
use hardware::Hardware;
// Linked for its memcpy and memset.
use ota_loader::crypto::Software;
use ota_loader::{BootError, Event, Loader, SecurityCounters, Slots};
use provisioning::first_boot::{self, FirstBootError};
use provisioning::otp::{Counter, NvCounters, OtpCounters};
use provisioning::record::RecordError;
use symmetric as _;

/// Time that a trial has for confirming itself, seconds (ARCHITECTURE §5).
const TRIAL_SECONDS: u32 = 180;

/// Security counters in the `otp` region.
struct OtpSecurityCounters(OtpCounters<DdrFlash>);

impl SecurityCounters for OtpSecurityCounters {
    fn get(&self, image: usize) -> Result<u32, FlashError> {
        let counter = Counter::image(image).ok_or(FlashError::OutOfBounds)?;
        Ok(NvCounters::get(&self.0, counter))
    }

    fn raise(&mut self, image: usize, value: u32) -> Result<(), FlashError> {
        let counter = Counter::image(image).ok_or(FlashError::OutOfBounds)?;
        NvCounters::raise(&mut self.0, counter, value)
    }
}

/// Called by the reset handler, on the loader's own stack.
fn run(mut hardware: Hardware) -> ! {
    let uart = &mut hardware.uart;
    // A polled UART does not fail.
    say(
        uart,
        concat!("tockstone ota-loader ", env!("CARGO_PKG_VERSION")),
    );
    let memory = hardware.memory;
    let reset = ResetRecord::parse(memory.reset_record);
    memory.reset_record.fill(0);
    if let Some(reset) = &reset {
        say(uart, reset_line(reset.reason));
    }
    let mut otp = memory.otp;
    let root = match first_boot::root_of_trust(&memory.provisioning, &mut otp) {
        Ok(root) => root,
        Err(FirstBootError::Record(error)) => {
            match error {
                RecordError::Blank => {}
                RecordError::PlaceholderThing => {
                    say(
                        uart,
                        "provisioning record refused: the thing name is a placeholder",
                    );
                }
                RecordError::PlaceholderEndpoint => {
                    say(
                        uart,
                        "provisioning record refused: the endpoint is a placeholder",
                    );
                }
                _ => say(uart, "provisioning record refused: it is damaged"),
            }
            say(uart, "not provisioned");
            hardware::stop();
        }
        Err(_) => {
            say(uart, "root of trust is unusable");
            say(uart, "nothing boots");
            hardware::stop();
        }
    };
    let counters = match OtpCounters::mount(otp) {
        Ok(counters) => OtpSecurityCounters(counters),
        Err(_) => {
            say(uart, "security counters are unusable");
            say(uart, "nothing boots");
            hardware::stop();
        }
    };
    let [[s_primary, s_secondary], [ns_primary, ns_secondary]] = memory.slots;
    let mut loader = Loader {
        slots: [
            Slots {
                primary: s_primary,
                secondary: s_secondary,
            },
            Slots {
                primary: ns_primary,
                secondary: ns_secondary,
            },
        ],
        scratch: memory.scratch,
        key_hashes: root.key_hashes,
        counters,
        crypto: Software {
            #[cfg(target_feature = "dsp")]
            row: chip::montgomery::row,
            #[cfg(not(target_feature = "dsp"))]
            row: ota_loader::crypto::row,
        },
    };
    let result = loader.boot(
        memory.execution,
        memory.boot_data,
        reset,
        &mut |event: Event| {
            uart.write_bytes(b"loader: ");
            event.spell(&mut |piece| uart.write_bytes(piece.as_bytes()));
            uart.write_bytes(b"\r\n");
        },
    );
    match result {
        Ok(booted) => {
            if booted.trial() {
                hardware.watchdog.start(TRIAL_SECONDS);
            }
            let [secure, _] = booted.images;
            hardware::launch(secure.entry)
        }
        Err(error) => {
            // A refused image has had its line.
            if !matches!(error, BootError::Refused { .. }) {
                uart.write_bytes(b"loader: ");
                error.spell(&mut |piece| uart.write_bytes(piece.as_bytes()));
                uart.write_bytes(b"\r\n");
            }
            say(uart, "nothing boots");
            hardware::stop()
        }
    }
}

fn say(uart: &mut PolledUart, what: &str) {
    uart.write_bytes(b"loader: ");
    uart.write_bytes(what.as_bytes());
    uart.write_bytes(b"\r\n");
}

fn reset_line(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::SecureFault => "last reset: fault in the secure image",
        ResetReason::NonSecureAttack => "last reset: secure fault caused by the kernel",
        ResetReason::Watchdog => "last reset: the trial ran out of time",
        ResetReason::Panic => "last reset: broken invariant in the secure image",
        ResetReason::Request => "last reset: asked for",
    }
}

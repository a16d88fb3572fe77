//! The one entry point: build, sign, flash, run, test, demo.
//!
//! Owns the command line; each verb is a module. What a verb needs and the machine lacks, it
//! installs, and says so.

mod alone;
mod app;
mod apps;
mod attest;
mod audit;
mod bench;
mod build;
mod console;
mod counts;
mod credentials;
mod demo;
mod enrol;
mod flash;
mod foreign;
mod image;
#[cfg(test)]
mod messages;
mod ota;
mod paths;
mod products;
mod provision;
mod release;
mod run;
mod setup;
mod shell;
mod sign;
mod size;
mod system;
mod test;
mod tfm;
mod updates;
mod veneers;
mod verbs;
mod view;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Builds, runs and tests Tockstone")]
struct Cli {
    /// Board to build and run
    #[arg(long, global = true, default_value = paths::BOARDS[0], value_parser = paths::BOARDS)]
    board: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs what the machine lacks: packages, imgtool, tockloader, elf2tab
    Setup,
    /// Builds and signs the images and apps, and the updates
    Build(tfm::Options),
    /// What the test case of that name does, in a process that knows the other memory map
    #[command(hide = true)]
    BesideTfm,
    /// Builds an app of the pools and packs it as a TAB; boots it alone
    App(app::Options),
    /// Boots a device and a local cloud, consoles on the terminal; or the device of a flash file
    Run(run::Options),
    /// Writes a factory flash file
    Flash(verbs::FlashOptions),
    /// Writes a provisioning record into a flash file
    Provision(verbs::ProvisionOptions),
    /// Gives an app binary credentials: digests and signatures
    Sign(credentials::Options),
    /// What a signed image holds, and whether the loader's own check takes it
    Image(image::Options),
    /// Orders a device to forget who it is, or to leave assembly and test
    Lifecycle(verbs::LifecycleOptions),
    /// Runs the local cloud alone, until Ctrl-C
    Cloud(verbs::CloudOptions),
    /// Pushes, lists, watches and cancels updates over the local cloud's control plane
    Ota(ota::Options),
    /// From reset to an over-the-air update, shown and checked from outside
    Demo(demo::Options),
    /// A token from a running device, verified on the host
    Attest(attest::Options),
    /// A device that makes its own key: request, certificate, connection
    Enrol(enrol::Options),
    /// Instructions, bytes and rates against their budgets
    Bench(bench::Options),
    /// Flash and RAM of every image and app
    Size(size::Options),
    /// Unsafe code, dependency rules, module docs
    Audit(audit::Options),
    /// Runs all tests, or one layer of them
    Test(test::Options),
}

/// Whoever read the output has gone, as `head` does: there is nobody to work for.
fn reader_gone() -> ! {
    qemu_harness::track::clean_up();
    std::process::exit(0)
}

/// `print!` panics when nobody reads; here that ends the program quietly, whatever the verb.
fn end_with_the_reader() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to std") && text.contains("Broken pipe") {
            reader_gone();
        }
        others(panic);
    }));
}

fn main() -> ExitCode {
    end_with_the_reader();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            qemu_harness::track::clean_up();
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let cli = Cli::parse();
    paths::select_board(&cli.board);
    ctrlc::set_handler(|| {
        qemu_harness::track::clean_up();
        std::process::exit(130);
    })?;
    match cli.verb {
        Verb::Setup => setup::everything().map(drop),
        Verb::Build(options) => tfm::build(&options),
        Verb::BesideTfm => tfm::check::play(),
        Verb::Run(options) => run::run(&options),
        Verb::Flash(options) => verbs::flash(&options),
        Verb::Provision(options) => verbs::provision(&options),
        Verb::Sign(options) => credentials::run(&options),
        Verb::Image(options) => image::run(&options),
        Verb::Lifecycle(options) => verbs::lifecycle(&options),
        Verb::Cloud(options) => verbs::cloud(&options),
        Verb::Ota(options) => ota::run(&options),
        Verb::Demo(options) => demo::run(&options),
        Verb::Attest(options) => attest::run(&options),
        Verb::Enrol(options) => enrol::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Size(options) => size::run(&options),
        Verb::App(options) => app::run(&options),
        Verb::Audit(options) => audit::run(&options),
        Verb::Test(options) => test::run(&options),
    }
}

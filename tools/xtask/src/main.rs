//! The one entry point: build, sign, flash, run, test, demo.
//!
//! Owns the command line; each verb is a module. What a verb needs and the machine lacks, it
//! installs, and says so.

mod apps;
mod build;
mod demo;
mod flash;
mod paths;
mod provision;
mod run;
mod setup;
mod shell;
mod sign;
mod system;
mod test;
mod veneers;
mod view;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs and tests Tockstone")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs what the machine lacks: packages, imgtool, tockloader, elf2tab
    Setup,
    /// Builds and signs the images and apps, and the updates
    Build,
    /// Boots a device and a local cloud, consoles on the terminal
    Run,
    /// From reset to an over-the-air update, shown and checked from outside
    Demo(demo::Options),
    /// Runs all tests, or one layer of them
    Test(test::Options),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    ctrlc::set_handler(|| {
        qemu_harness::track::kill_all();
        std::process::exit(130);
    })?;
    match cli.verb {
        Verb::Setup => setup::everything().map(drop),
        Verb::Build => {
            setup::everything()?;
            build::all()
        }
        Verb::Run => {
            build::all()?;
            run::run()
        }
        Verb::Demo(options) => demo::run(&options),
        Verb::Test(options) => test::run(&options),
    }
}

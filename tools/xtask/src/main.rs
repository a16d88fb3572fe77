//! The one entry point: build, sign, flash, run, test, demo.

fn main() {}

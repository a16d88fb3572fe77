//! What a person sees: titles, lines, progress bars; plain lines where stdout is no terminal.
//!
//! Owns the choice between the two; callers say what happened, not how it looks.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Instant;

/// The live view.
pub struct View {
    terminal: bool,
    start: Instant,
}

impl View {
    /// For this process's stdout.
    pub fn new() -> View {
        View {
            terminal: std::io::stdout().is_terminal(),
            start: Instant::now(),
        }
    }

    /// Starts a chapter.
    pub fn title(&self, text: &str) {
        if self.terminal {
            println!("\n\x1b[1m{text}\x1b[0m");
        } else {
            println!("== {text}");
        }
    }

    /// Something that was seen.
    pub fn line(&self, text: &str) {
        println!("{:7.2}  {text}", self.start.elapsed().as_secs_f64());
    }

    /// A bar for a download.
    pub fn bar(&self, what: &str) -> Bar<'_> {
        let bar = if self.terminal {
            ProgressBar::new(1)
        } else {
            ProgressBar::hidden()
        };
        let style =
            ProgressStyle::with_template("         {msg} [{bar:40}] {pos}/{len} blocks {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Bar {
            view: self,
            bar,
            quarter: std::cell::Cell::new(0),
        }
    }
}

/// A progress bar; gone from the screen when dropped.
pub struct Bar<'a> {
    view: &'a View,
    bar: ProgressBar,
    quarter: std::cell::Cell<u64>,
}

impl Bar<'_> {
    /// So many of so many blocks are there.
    pub fn blocks(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        let quarter = (done * 4).checked_div(total).unwrap_or(0);
        if !self.view.terminal && quarter > self.quarter.replace(quarter) {
            self.view.line(&format!("{done}/{total} blocks"));
        }
    }

    /// Something that was seen meanwhile.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| self.view.line(text));
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

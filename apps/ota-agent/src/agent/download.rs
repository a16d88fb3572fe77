//! A job's download: description, blocks, and what its end leads to.
//!
//! Owns the requests to the stream and what its answers do to the job under way; which blocks are
//! missing is `update`'s.

use super::{Agent, Outlet, Phase, Stage};
use crate::BLOCK;
use crate::loader::Loader;
use crate::report::Report;
use crate::stream::{Format, REQUEST, Rejection};
use core::fmt::Write;
use heapless::String;
use psa_client::Transport;

/// Silences in a row, each longer than the last, after which the job fails (five minutes).
const MAX_SILENCES: u32 = 32;
/// Silence after which a stream is asked again for its description, and how often.
const DESCRIBE_TIMEOUT_MS: u64 = 3_000;
const MAX_DESCRIBES: u8 = 3;
/// Times that a stream may change under one job.
const MAX_CHANGES: u8 = 3;
/// Blocks between two lines of the log, and between two reports.
const LINE_BLOCKS: u32 = 8;
const REPORT_BLOCKS: u32 = 32;

impl<T: Transport, L: Loader> Agent<T, L> {
    pub(super) fn stream(&mut self, topic: &str, payload: &[u8], now: u64, out: &mut impl Outlet) {
        let Some((update, stage)) = &mut self.update else {
            return;
        };
        let ours = topic
            .strip_prefix(update.stream.as_str())
            .and_then(|t| t.strip_prefix('/'))
            .and_then(|t| t.split_once('/'));
        let Some((kind, format)) = ours.and_then(|(k, l)| Some((k, Format::of(l)?))) else {
            return;
        };
        match (kind, *stage) {
            // A service that does not know the one format may know the other.
            ("rejected", Stage::Describing(..))
                if format.rejection(payload) == Rejection::Refused => {}
            ("rejected", _) => match format.rejection(payload) {
                Rejection::Later => {}
                Rejection::Gone => self.end_update("the stream is not to be had", out),
                Rejection::Refused => self.end_update("the stream refuses our requests", out),
                Rejection::Changed => self.stream_changed(out),
            },
            ("description", Stage::Describing(1.., _)) => {
                let mut version = None;
                for part in &update.parts {
                    let Some(description) = format.description(payload, part.file.id) else {
                        return;
                    };
                    if description.size != Some(u64::from(part.file.size)) {
                        self.end_update("the stream has another file", out);
                        return;
                    }
                    version = Some(description.version);
                }
                update.format = format;
                self.open(version, out);
            }
            ("data", Stage::Fetching) => self.block(format, payload, now, out),
            _ => {}
        }
    }

    // Not in the frame of every message: it holds a block.
    #[inline(never)]
    fn block(&mut self, format: Format, payload: &[u8], now: u64, out: &mut impl Outlet) {
        let Some((update, _)) = &mut self.update else {
            return;
        };
        let mut room = [0; BLOCK as usize];
        // A block that makes no sense is as good as lost: the timeout asks again.
        let Some(data) = format.data(payload, &mut room) else {
            return;
        };
        let place = (data.file, data.index);
        match update.block(&self.transport, &self.loader, place, data.payload, now) {
            Ok(true) => self.progressed(out),
            Ok(false) => {}
            Err(reason) => self.end_update(reason, out),
        }
    }

    /// What was fetched is of another file: job and stream are asked for anew.
    fn stream_changed(&mut self, out: &mut impl Outlet) {
        self.changes += 1;
        if self.changes > MAX_CHANGES {
            self.end_update("the stream keeps changing", out);
            return;
        }
        if let Some((update, _)) = self.update.take() {
            out.log(format_args!(
                "ota-agent: the stream has changed: beginning anew"
            ));
            update.discard(&self.transport, &self.loader);
        }
        self.report = None;
        self.phase = Phase::Asking;
    }

    /// The stream is known, or will not say more: blocks are fetched from here on.
    #[inline(never)]
    fn open(&mut self, version: Option<u16>, out: &mut impl Outlet) {
        let (Some((update, stage)), Some((job, _))) = (&mut self.update, &self.job) else {
            return;
        };
        match update.open(&self.transport, &self.loader, job, version) {
            Ok(resumed) => {
                *stage = Stage::Fetching;
                let (done, count) = update.progress();
                if resumed {
                    out.log(format_args!(
                        "ota-agent: job {job}: resumed, {done} of {count} blocks are there"
                    ));
                }
                (self.said, self.reported) = (done, done);
                if done == count {
                    self.finish(out);
                }
            }
            Err(reason) => self.end_update(reason, out),
        }
    }

    /// Says how far it is, now and then; ends the download when all is there.
    fn progressed(&mut self, out: &mut impl Outlet) {
        let (Some((update, _)), Some((job, _))) = (&self.update, &self.job) else {
            return;
        };
        let (done, count) = update.progress();
        if done == count || done >= self.said + LINE_BLOCKS {
            self.said = done;
            out.log(format_args!("ota-agent: job {job}: {done}/{count} blocks"));
        }
        if done == count {
            self.finish(out);
        } else if (done == 1 || done >= self.reported + REPORT_BLOCKS) && self.report.is_none() {
            self.reported = done;
            self.report = Some(Report::progress(done, count));
        }
    }

    fn finish(&mut self, out: &mut impl Outlet) {
        if let Err(reason) = self.install() {
            self.end_update(reason, out);
        }
    }

    pub(super) fn request_blocks(&mut self, now: u64, out: &mut impl Outlet) {
        let Some((update, stage)) = &mut self.update else {
            return;
        };
        if self.phase != Phase::Settled {
            return;
        }
        let mut topic = String::<256>::new();
        let mut body = [0; REQUEST];
        if let Stage::Describing(askings, again) = *stage {
            if now < again {
                return;
            }
            if askings == MAX_DESCRIBES {
                // Not every service describes; a stream that is not there says so to `get`.
                self.open(None, out);
                return;
            }
            // In turn, so that a service that has only one of them is understood.
            let format = if askings % 2 == 0 {
                Format::Cbor
            } else {
                Format::Json
            };
            let length = format.describe(&mut body);
            let written = write!(
                topic,
                "$aws/things/{}/streams/{}/describe/{}",
                self.thing,
                update.stream,
                format.level()
            );
            let body = body.get(..length).unwrap_or_default();
            if written.is_ok() && out.publish(&topic, body, false).is_some() {
                *stage = Stage::Describing(askings + 1, now + DESCRIBE_TIMEOUT_MS);
            }
            return;
        }
        if update.window.expire(now) && update.window.silences() >= MAX_SILENCES {
            self.end_update("no blocks arrive", out);
            return;
        }
        let written = write!(
            topic,
            "$aws/things/{}/streams/{}/get/{}",
            self.thing,
            update.stream,
            update.format.level()
        );
        if written.is_err() {
            return;
        }
        while let Some((file, first, bits)) = update.request() {
            let length = update
                .format
                .request(update.version, file, first, bits, &mut body);
            let body = body.get(..length).unwrap_or_default();
            if out.publish(&topic, body, false).is_none() {
                return;
            }
            update.window.asked(first, bits, now);
        }
    }
}

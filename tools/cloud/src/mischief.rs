//! What goes wrong on purpose.
//!
//! Owns the hostile modes: given what the service would send, and a seed, what it sends instead.
//! Pure: the same seed and the same messages give the same faults. docs/cloud-api.md has the table.

use crate::jobs::Publish;
use crate::streams::{self, Format};
use serde_json::{Value, json};

/// Which faults, one in so many; 0 is never. The same seed gives the same faults for the same
/// requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mischief {
    pub seed: u32,
    /// Block is not sent.
    pub drop: u32,
    /// Block is sent twice.
    pub duplicate: u32,
    /// Block changes places with the next one.
    pub reorder: u32,
    /// A block that nobody asked for, far past the end.
    pub stray: u32,
    /// Pause before each block, milliseconds.
    pub delay_ms: u32,
    /// One bit of the block's payload is wrong.
    pub corrupt: u32,
    /// The block is longer than what was asked for, by half.
    pub oversize: u32,
    /// The block claims another file, as if of another stream.
    pub wrong_file: u32,
    /// A block that was sent for the stream before this one comes again, on this stream's topic.
    pub replay_stream: u32,
    /// Requests to streams in CBOR are not heard when this is 1.
    pub json_only: u32,
    /// After so many blocks no more is sent, until the mischief changes.
    pub stall_after: u32,
    /// Answer or notification of Jobs is not sent.
    pub drop_job: u32,
    /// It is sent twice.
    pub duplicate_job: u32,
    /// It comes late, milliseconds.
    pub delay_job_ms: u32,
    /// It is followed by the oldest one that was ever sent to this thing.
    pub replay_job: u32,
    /// It is followed by one whose job belongs to another thing.
    pub other_thing: u32,
    /// Its document is padded past every limit (128 KB).
    pub oversize_job: u32,
    /// The link is cut before the message of this number, 1 the first, after that no more: a
    /// sweep over it cuts in every state.
    pub cut_at: u32,
    /// The link is cut before a message.
    pub cut: u32,
}

impl std::str::FromStr for Mischief {
    type Err = String;

    /// Reads `seed=7,drop=20`: the members by name.
    fn from_str(text: &str) -> Result<Mischief, String> {
        let mut out = Mischief::default();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let member = match name {
                "seed" => &mut out.seed,
                "drop" => &mut out.drop,
                "duplicate" => &mut out.duplicate,
                "reorder" => &mut out.reorder,
                "stray" => &mut out.stray,
                "delay_ms" => &mut out.delay_ms,
                "corrupt" => &mut out.corrupt,
                "oversize" => &mut out.oversize,
                "wrong_file" => &mut out.wrong_file,
                "replay_stream" => &mut out.replay_stream,
                "json_only" => &mut out.json_only,
                "stall_after" => &mut out.stall_after,
                "drop_job" => &mut out.drop_job,
                "duplicate_job" => &mut out.duplicate_job,
                "delay_job_ms" => &mut out.delay_job_ms,
                "replay_job" => &mut out.replay_job,
                "other_thing" => &mut out.other_thing,
                "oversize_job" => &mut out.oversize_job,
                "cut_at" => &mut out.cut_at,
                "cut" => &mut out.cut,
                _ => return Err(format!("no mischief `{name}`")),
            };
            *member = value
                .parse()
                .map_err(|_| format!("`{part}` wants a number"))?;
        }
        Ok(out)
    }
}

/// A step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Pause(u32),
    /// QoS 1 or 0.
    Send(Publish, u8),
    /// The connection of this thing is closed.
    Cut(String),
}

/// Mischief with its memory.
#[derive(Debug, Default)]
pub(crate) struct Chaos {
    mischief: Mischief,
    random: u32,
    sent: u32,
    blocks: u32,
    first_job: Option<Publish>,
    /// Of the stream before the present one, and of that.
    old: Option<(String, Vec<u8>)>,
    last: Option<(String, Vec<u8>)>,
}

impl Chaos {
    pub(crate) fn set(&mut self, mischief: Mischief) {
        (self.sent, self.blocks) = (0, 0);
        self.random = mischief.seed.max(1);
        self.mischief = mischief;
    }

    /// One in `n`, by the seeded generator.
    fn chance(&mut self, n: u32) -> bool {
        n != 0 && self.draw().is_multiple_of(n)
    }

    fn draw(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }

    /// What becomes of answers and notifications of Jobs.
    pub(crate) fn jobs(&mut self, messages: Vec<Publish>) -> Vec<Step> {
        let m = self.mischief;
        let mut out = Vec::new();
        for message in messages {
            let oldest = self
                .first_job
                .get_or_insert_with(|| message.clone())
                .clone();
            if m.delay_job_ms > 0 {
                out.push(Step::Pause(m.delay_job_ms));
            }
            if self.chance(m.drop_job) {
                continue;
            }
            let again = self.chance(m.duplicate_job);
            let foreign = self.chance(m.other_thing).then(|| other_thing(&message));
            let replay = self.chance(m.replay_job);
            let message = if self.chance(m.oversize_job) {
                oversized(message)
            } else {
                message
            };
            if again {
                self.send(&mut out, message.clone(), 1);
            }
            self.send(&mut out, message, 1);
            if let Some(foreign) = foreign {
                self.send(&mut out, foreign, 1);
            }
            if replay {
                self.send(&mut out, oldest, 1);
            }
        }
        out
    }

    /// What becomes of the blocks of one request; `topic` is the stream's, with a slash at its end.
    pub(crate) fn blocks(&mut self, topic: &str, mut answers: Vec<streams::Answer>) -> Vec<Step> {
        let m = self.mischief;
        if m.json_only != 0 {
            answers.retain(|(suffix, _)| suffix.ends_with("/json"));
        }
        let mut out = Vec::new();
        let mut ready: Vec<Publish> = Vec::new();
        for (suffix, payload) in answers {
            if self.chance(m.drop) {
                continue;
            }
            let is_block = suffix.starts_with("data/");
            if is_block && self.last.as_ref().is_none_or(|(t, _)| t != topic) {
                self.old = self.last.replace((topic.into(), payload.clone()));
            }
            let mut payload = payload;
            if is_block {
                if self.chance(m.corrupt) {
                    // The payload is the last member: a bit near the end is its own.
                    let at = payload.len() - 8.min(payload.len());
                    let bit = self.draw() % 3;
                    if let Some(byte) = payload.get_mut(at) {
                        *byte = flip(*byte, bit, suffix);
                    }
                }
                if self.chance(m.oversize) {
                    payload = rewrite(suffix, &payload, |file, bytes| {
                        bytes.extend_from_within(..bytes.len() / 2);
                        file
                    });
                }
                if self.chance(m.wrong_file) {
                    payload = rewrite(suffix, &payload, |file, _| file ^ 1);
                }
                if self.chance(m.replay_stream)
                    && let Some((_, old)) = &self.old
                {
                    payload = old.clone();
                }
            }
            let message = |suffix: &str, payload| Publish {
                topic: format!("{topic}{suffix}"),
                payload,
            };
            if self.chance(m.duplicate) {
                ready.push(message(suffix, payload.clone()));
            }
            ready.push(message(suffix, payload));
            let last = ready.len() - 1;
            if last > 0 && self.chance(m.reorder) {
                ready.swap(last, last - 1);
            }
            if self.chance(m.stray) {
                let format = if suffix.ends_with("json") {
                    Format::Json
                } else {
                    Format::Cbor
                };
                let (suffix, stray) = streams::block(format, None, Some(0), 90_000, &[0; 4096]);
                ready.push(message(suffix, stray));
            }
        }
        for message in ready {
            self.blocks += 1;
            if m.stall_after != 0 && self.blocks > m.stall_after {
                break;
            }
            if m.delay_ms > 0 {
                out.push(Step::Pause(m.delay_ms));
            }
            self.send(&mut out, message, 0);
        }
        out
    }

    fn send(&mut self, out: &mut Vec<Step>, message: Publish, qos: u8) {
        self.sent += 1;
        let now = self.mischief.cut_at == self.sent;
        if now || self.chance(self.mischief.cut) {
            let thing = message.topic.strip_prefix("$aws/things/");
            let thing = thing.and_then(|t| t.split('/').next()).unwrap_or_default();
            out.push(Step::Cut(thing.into()));
        }
        out.push(Step::Send(message, qos));
    }
}

/// A bit of a CBOR payload's byte; in base64 another letter of the alphabet.
fn flip(byte: u8, bit: u32, suffix: &str) -> u8 {
    if suffix.ends_with("cbor") {
        byte ^ 1 << bit
    } else if byte == b'A' {
        b'B'
    } else {
        b'A'
    }
}

/// The block with other members; what is no block stays.
fn rewrite(suffix: &str, payload: &[u8], change: impl FnOnce(u64, &mut Vec<u8>) -> u64) -> Vec<u8> {
    let Some((format, block)) = streams::Block::parse(suffix, payload) else {
        return payload.to_vec();
    };
    let mut bytes = block.payload;
    let file = change(block.file, &mut bytes);
    let token = block.token.as_deref();
    streams::block(format, token, Some(file), block.index, &bytes).1
}

fn other_thing(message: &Publish) -> Publish {
    let mut body: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    if body["execution"].is_object() {
        body["execution"]["jobId"] = "of-another-thing".into();
        body["execution"]["thingName"] = "another-thing".into();
    } else {
        body["clientToken"] = "of-another-thing".into();
    }
    Publish {
        topic: message.topic.clone(),
        payload: body.to_string().into_bytes(),
    }
}

fn oversized(message: Publish) -> Publish {
    let mut body: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    let padding = json!("x".repeat(128 * 1024));
    match body["execution"]["jobDocument"].as_object_mut() {
        Some(document) => document.insert("padding".into(), padding),
        None => body
            .as_object_mut()
            .and_then(|b| b.insert("padding".into(), padding)),
    };
    Publish {
        payload: body.to_string().into_bytes(),
        ..message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Stream;

    fn blocks(mischief: Mischief) -> Vec<Step> {
        let mut chaos = Chaos::default();
        chaos.set(mischief);
        let stream = Stream::new(vec![(0..40_000u32).map(|i| i as u8).collect()]);
        let mut out = Vec::new();
        for (format, topic) in [(Format::Json, "old/"), (Format::Cbor, "s/")] {
            let answers = (0..4).flat_map(|o| {
                let request = json!({"f": 0, "l": 1024, "o": o * 10, "n": 10}).to_string();
                let answers = stream.get(Format::Json, request.as_bytes());
                answers.into_iter().map(move |(suffix, payload)| {
                    let block = streams::Block::parse(suffix, &payload).unwrap().1;
                    streams::block(format, None, Some(0), block.index, &block.payload)
                })
            });
            out.extend(chaos.blocks(topic, answers.collect()));
        }
        out
    }

    fn sent(steps: &[Step]) -> Vec<&Publish> {
        fn message(step: &Step) -> Option<&Publish> {
            match step {
                Step::Send(message, _) => Some(message),
                _ => None,
            }
        }
        steps.iter().filter_map(message).collect()
    }

    #[test]
    fn modes_are_read_by_name() {
        let read: Mischief = "seed=7,drop=20,cut_at=3".parse().unwrap();
        assert_eq!((read.seed, read.drop, read.cut_at, read.cut), (7, 20, 3, 0));
        assert!("drip=1".parse::<Mischief>().is_err());
        assert!("drop".parse::<Mischief>().is_err());
    }

    #[test]
    fn without_mischief_all_is_sent_in_order() {
        let plain = blocks(Mischief::default());
        assert_eq!(sent(&plain).len(), 80);
        assert_eq!(plain.len(), 80);
    }

    #[test]
    fn each_mode_does_what_it_says_and_the_seed_repeats_it() {
        let plain = blocks(Mischief::default());
        type Check = fn(&[&Publish], &[&Publish]) -> bool;
        let longer: Check = |out, plain| {
            let most = plain.iter().map(|p| p.payload.len()).max();
            out.iter().map(|p| p.payload.len()).max() > most
        };
        let other: Check = |out, plain| {
            out.len() == plain.len()
                && out.iter().zip(plain).any(|(a, b)| a.payload != b.payload)
                && out.iter().zip(plain).any(|(a, b)| a.payload == b.payload)
        };
        let seed = 7;
        let base = Mischief {
            seed,
            ..Mischief::default()
        };
        let modes: [(&str, Mischief, Check); 10] = [
            ("drop", Mischief { drop: 4, ..base }, |o, p| {
                o.len() < p.len() && !o.is_empty()
            }),
            (
                "duplicate",
                Mischief {
                    duplicate: 4,
                    ..base
                },
                |o, p| o.len() > p.len(),
            ),
            ("reorder", Mischief { reorder: 4, ..base }, |o, p| {
                o.len() == p.len() && o != p
            }),
            ("stray", Mischief { stray: 4, ..base }, |o, p| {
                o.len() > p.len()
            }),
            ("corrupt", Mischief { corrupt: 4, ..base }, other),
            (
                "oversize",
                Mischief {
                    oversize: 4,
                    ..base
                },
                longer,
            ),
            (
                "wrong file",
                Mischief {
                    wrong_file: 4,
                    ..base
                },
                other,
            ),
            (
                "replay",
                Mischief {
                    replay_stream: 4,
                    ..base
                },
                |o, p| {
                    o.iter()
                        .any(|m| m.topic.starts_with("s/") && m.payload == p[0].payload)
                },
            ),
            (
                "stall",
                Mischief {
                    stall_after: 9,
                    ..base
                },
                |o, _| o.len() == 9,
            ),
            (
                "delay",
                Mischief {
                    delay_ms: 3,
                    ..base
                },
                |o, p| o == p,
            ),
        ];
        for (name, mischief, check) in modes {
            let out = blocks(mischief);
            assert!(check(&sent(&out), &sent(&plain)), "{name}");
            assert_eq!(out, blocks(mischief), "{name}: the seed repeats it");
        }
        let others = blocks(Mischief {
            seed: 8,
            drop: 4,
            ..base
        });
        assert_ne!(
            others,
            blocks(Mischief { drop: 4, ..base }),
            "another seed, other faults"
        );
    }

    #[test]
    fn the_link_is_cut_where_it_was_asked_for() {
        for at in 1..=80 {
            let out = blocks(Mischief {
                cut_at: at,
                ..Mischief::default()
            });
            let place = out.iter().position(|s| matches!(s, Step::Cut(_)));
            assert_eq!(place, Some(at as usize - 1));
            assert_eq!(out.len(), 81);
        }
    }

    #[test]
    fn jobs_are_disturbed_too() {
        let message = |n: u32| Publish {
            topic: format!("$aws/things/t/jobs/start-next/accepted{n}"),
            payload: json!({"execution": {"jobId": n, "jobDocument": {}}})
                .to_string()
                .into_bytes(),
        };
        let run = |mischief| {
            let mut chaos = Chaos::default();
            chaos.set(mischief);
            (0..40)
                .flat_map(|n| chaos.jobs(vec![message(n)]))
                .collect::<Vec<_>>()
        };
        let base = Mischief {
            seed: 3,
            ..Mischief::default()
        };
        assert_eq!(sent(&run(base)).len(), 40);
        assert!(
            sent(&run(Mischief {
                drop_job: 3,
                ..base
            }))
            .len()
                < 40
        );
        assert!(
            sent(&run(Mischief {
                duplicate_job: 3,
                ..base
            }))
            .len()
                > 40
        );
        let foreign = run(Mischief {
            other_thing: 3,
            ..base
        });
        let is_foreign =
            |p: &&Publish| String::from_utf8_lossy(&p.payload).contains("another-thing");
        assert!(sent(&foreign).iter().any(is_foreign));
        let replay = run(Mischief {
            replay_job: 3,
            ..base
        });
        assert!(sent(&replay).iter().filter(|p| ***p == message(0)).count() > 1);
        let long = run(Mischief {
            oversize_job: 3,
            ..base
        });
        assert!(sent(&long).iter().any(|p| p.payload.len() > 128 * 1024));
        assert!(run(Mischief { cut: 5, ..base }).contains(&Step::Cut("t".into())));
        assert!(
            run(Mischief {
                delay_job_ms: 5,
                ..base
            })
            .contains(&Step::Pause(5))
        );
    }
}

//! A TAB as it arrives, into the app loader.
//!
//! Owns the archive's form (POSIX ustar; members `*.tbf`, the same app linked for several places),
//! which member is written (the first whose place is free), and the digest of the whole file. The
//! file is taken front to back, once. Total: any bytes are taken or refused with a reason.
//!
//! Invariant: what is written before the file's signature is verified is no object that could run
//! until [`Loader::finish`], and the kernel checks its credential besides.

use crate::document::NAME;
use crate::loader::Loader;
use crate::update::Reason;
use heapless::String;
use libtock::platform::ErrorCode;
use sha2::{Digest, Sha256};
use tock_tbf::parse::{parse_tbf_header, parse_tbf_header_lengths};

/// Bytes of an archive's unit, and of a member's header.
const UNIT: u32 = 512;

/// What of the app is being installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// ShortId in its header.
    pub short_id: u32,
    /// Version in its header.
    pub version: u32,
    /// Version that it replaces.
    pub running: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// A member's header, or the end.
    Header,
    /// Bytes of a member that are to be written, from this offset; bytes after it.
    Body { from: u32, left: u32, pad: u32 },
    /// Bytes that are passed over.
    Skip(u32),
    /// Behind the last member.
    End,
}

/// A file on its way into the app loader.
#[derive(Debug, Clone)]
pub struct Package {
    name: String<NAME>,
    digest: Sha256,
    at: At,
    chosen: Option<Chosen>,
}

impl Package {
    /// For the app of this name.
    pub fn new(name: String<NAME>) -> Package {
        Package {
            name,
            digest: Sha256::new(),
            at: At::Header,
            chosen: None,
        }
    }

    /// What is being installed, once its header is there.
    pub fn chosen(&self) -> Option<Chosen> {
        self.chosen
    }

    /// Takes the file's next bytes; a member's header must not be cut by their end.
    ///
    /// # Errors
    /// Why this file cannot be installed.
    pub fn take(&mut self, loader: &impl Loader, bytes: &[u8]) -> Result<(), Reason> {
        self.digest.update(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.at {
                At::End => return Ok(()),
                At::Header => {
                    let (header, rest) = rest.split_first_chunk().ok_or("no TAB")?;
                    self.at = self.member(loader, header, rest)?;
                    rest
                }
                At::Skip(left) => {
                    let (gone, rest) = split(rest, left);
                    self.at = skip(left - gone.len() as u32);
                    rest
                }
                At::Body { from, left, pad } => {
                    let (part, rest) = split(rest, left);
                    loader
                        .write(from, part)
                        .map_err(|_| "writing the app failed")?;
                    let length = part.len() as u32;
                    self.at = match left - length {
                        0 => skip(pad),
                        left => At::Body {
                            from: from + length,
                            left,
                            pad,
                        },
                    };
                    rest
                }
            };
        }
        Ok(())
    }

    /// The digest of the file, which is whole, and what of it was written.
    ///
    /// # Errors
    /// When nothing can be installed.
    pub fn seal(&self) -> Result<([u8; 32], Chosen), Reason> {
        let chosen = self.chosen.ok_or("no link of the app for a free place")?;
        match self.at {
            At::Body { .. } => Err("no TAB"),
            _ => Ok((self.digest.clone().finalize().into(), chosen)),
        }
    }

    /// What follows a member's header; `ahead` are bytes behind it.
    fn member(
        &mut self,
        loader: &impl Loader,
        header: &[u8; UNIT as usize],
        ahead: &[u8],
    ) -> Result<At, Reason> {
        if header.iter().all(|b| *b == 0) {
            return Ok(At::End);
        }
        let (is_tbf, size) = member(header).ok_or("no TAB")?;
        let padded = size.checked_next_multiple_of(UNIT).ok_or("no TAB")?;
        if !is_tbf || self.chosen.is_some() || !self.begin(loader, size, ahead)? {
            return Ok(skip(padded));
        }
        Ok(At::Body {
            from: 0,
            left: size,
            pad: padded - size,
        })
    }

    /// Judges a TBF of `size` bytes by its first ones and begins to install it; whether its place
    /// was free.
    fn begin(&mut self, loader: &impl Loader, size: u32, ahead: &[u8]) -> Result<bool, Reason> {
        const BAD: Reason = "malformed TBF";
        let base = ahead.first_chunk().ok_or(BAD)?;
        let (version, length, total) = parse_tbf_header_lengths(base).map_err(|_| BAD)?;
        let header = ahead.get(..usize::from(length)).ok_or(BAD)?;
        let header = parse_tbf_header(header, version).map_err(|_| BAD)?;
        if total != size || !header.is_app() {
            return Err(BAD);
        }
        if header.get_package_name() != Some(self.name.as_str()) {
            return Err("the file is of another app");
        }
        let short_id = header
            .get_fixed_short_id()
            .ok_or("the app has no ShortId")?;
        let installed = loader.installed(short_id.get()).ok_or("no such app here")?;
        let version = header.get_binary_version();
        newer(version, installed.version)?;
        let address = header
            .get_fixed_address_flash()
            .and_then(|binary| binary.checked_sub(header.get_protected_size()))
            .ok_or("the app is linked to no address")?;
        match loader.begin(address, size) {
            Ok(()) => {
                self.chosen = Some(Chosen {
                    short_id: short_id.get(),
                    version,
                    running: installed.version,
                });
                Ok(true)
            }
            Err(ErrorCode::Busy | ErrorCode::NoMem | ErrorCode::Invalid) => Ok(false),
            Err(_) => Err("the app loader refuses"),
        }
    }
}

/// # Errors
/// Unless a version is newer than what runs.
pub fn newer(version: u32, running: u32) -> Result<(), Reason> {
    match version.cmp(&running) {
        core::cmp::Ordering::Greater => Ok(()),
        core::cmp::Ordering::Equal => Err("not newer: it runs already"),
        core::cmp::Ordering::Less => Err("not newer: it is older"),
    }
}

fn skip(left: u32) -> At {
    if left == 0 {
        At::Header
    } else {
        At::Skip(left)
    }
}

fn split(bytes: &[u8], at: u32) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at as usize).unwrap_or((bytes, &[]))
}

/// Whether a member is a TBF, and its size; `None`: no header of a plain file.
fn member(header: &[u8; UNIT as usize]) -> Option<(bool, u32)> {
    let field = |from: usize, to: usize| {
        let bytes = header.get(from..to)?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        bytes.get(..end)
    };
    // The sum counts its own field as blanks.
    let sum = |(i, b): (usize, &u8)| u32::from(if (148..156).contains(&i) { b' ' } else { *b });
    let plain = matches!(header.get(156), Some(0 | b'0'));
    let whole = header.iter().enumerate().map(sum).sum::<u32>() == octal(field(148, 156)?)?;
    (plain && whole).then_some(())?;
    Some((field(0, 100)?.ends_with(b".tbf"), octal(field(124, 136)?)?))
}

/// A number in a header: octal digits, with blanks around them.
fn octal(text: &[u8]) -> Option<u32> {
    let digits = text.trim_ascii();
    (!digits.is_empty()).then_some(())?;
    digits.iter().try_fold(0u32, |n, d| {
        let digit = u32::from(d.checked_sub(b'0').filter(|d| *d < 8)?);
        n.checked_mul(8)?.checked_add(digit)
    })
}

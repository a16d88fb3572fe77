//! Encoders and decoders that know how far they came.
//!
//! Owns the result of one step, [`SResult`], the macros that chain steps from offset to offset, and
//! the steps for integers and bytes; upstream's capsules of the network import them from here. A step
//! sees the buffer from its own offset on. Numbers are big-endian; `_be` turns bytes round. A step
//! that does not fit answers [`SResult::Needed`], and changes nothing it was given.
//!
//! | macro | answers |
//! |---|---|
//! | `stream_done!(offset[, output])` | returns `Done` |
//! | `stream_len_cond!(buffer, bytes)` | returns `Needed(bytes)` if the buffer is shorter |
//! | `stream_err!([error])`, `stream_cond!(condition[, error])`, `stream_from_option!(option[, error])` | return `Error` |
//! | `enc_try!`, `dec_try!(buffer[, offset]; step[, arguments])` or `(…; object; method[, arguments])` | (offset behind the step, its output) |
//! | `enc_consume!`, `dec_consume!` | the same without the output |

/// How a step ended.
#[derive(Debug)]
pub enum SResult<Output = (), Error = ()> {
    /// The bytes that it took, and its output.
    Done(usize, Output),
    /// The buffer must have this many bytes.
    Needed(usize),
    /// What it refused.
    Error(Error),
}

impl<Output, Error> SResult<Output, Error> {
    /// Whether it came to its end.
    pub fn is_done(&self) -> bool {
        matches!(self, SResult::Done(..))
    }
    /// Whether the buffer was short.
    pub fn is_needed(&self) -> bool {
        matches!(self, SResult::Needed(_))
    }
    /// Whether it refused.
    pub fn is_err(&self) -> bool {
        matches!(self, SResult::Error(_))
    }
    /// Bytes taken and output.
    pub fn done(self) -> Option<(usize, Output)> {
        match self {
            SResult::Done(taken, output) => Some((taken, output)),
            _ => None,
        }
    }
    /// Bytes that it needs.
    pub fn needed(self) -> Option<usize> {
        match self {
            SResult::Needed(bytes) => Some(bytes),
            _ => None,
        }
    }
    /// Why it refused.
    pub fn err(self) -> Option<Error> {
        match self {
            SResult::Error(error) => Some(error),
            _ => None,
        }
    }
}

/// Returns from the step: done.
#[macro_export]
macro_rules! stream_done {
    ($taken:expr) => {
        $crate::stream_done!($taken, ())
    };
    ($taken:expr, $output:expr) => {
        return $crate::stream::SResult::Done($taken, $output)
    };
}

/// Returns from the step unless the buffer has this many bytes.
#[macro_export]
macro_rules! stream_len_cond {
    ($buf:expr, $bytes:expr) => {
        if $bytes > $buf.len() {
            return $crate::stream::SResult::Needed($bytes);
        }
    };
}

/// Returns from the step: refused.
#[macro_export]
macro_rules! stream_err {
    () => {
        $crate::stream_err!(())
    };
    ($error:expr) => {
        return $crate::stream::SResult::Error($error)
    };
}

/// Returns from the step unless the condition holds.
#[macro_export]
macro_rules! stream_cond {
    ($holds:expr) => {
        $crate::stream_cond!($holds, ())
    };
    ($holds:expr, $error:expr) => {
        if !$holds {
            $crate::stream_err!($error);
        }
    };
}

/// What is in the option, or returns from the step.
#[macro_export]
macro_rules! stream_from_option {
    ($option:expr) => {
        $crate::stream_from_option!($option, ())
    };
    ($option:expr, $error:expr) => {
        match $option {
            Some(value) => value,
            None => $crate::stream_err!($error),
        }
    };
}

/// What `$result`, a step at `$offset`, came to: offset and output, or returns from this one.
#[doc(hidden)]
#[macro_export]
macro_rules! stream_behind {
    ($result:expr, $offset:expr) => {
        match $result {
            $crate::stream::SResult::Done(taken, output) => ($offset + taken, output),
            $crate::stream::SResult::Needed(bytes) => {
                return $crate::stream::SResult::Needed($offset + bytes)
            }
            $crate::stream::SResult::Error(error) => return $crate::stream::SResult::Error(error),
        }
    };
}

/// Runs an encoder on the buffer from an offset on.
#[macro_export]
macro_rules! enc_try {
    ($result:expr) => { $crate::stream_behind!($result, 0) };
    ($result:expr, $offset:expr) => { $crate::stream_behind!($result, $offset) };
    ($buf:expr; $($step:tt)+) => { $crate::enc_try!($buf, 0; $($step)+) };
    ($buf:expr, $offset:expr; $step:expr $(, $argument:expr)*) => {
        match $buf.get_mut($offset..) {
            Some(rest) => $crate::stream_behind!($step(rest $(, $argument)*), $offset),
            None => return $crate::stream::SResult::Needed($offset),
        }
    };
    ($buf:expr, $offset:expr; $object:expr; $method:ident $(, $argument:expr)*) => {
        match $buf.get_mut($offset..) {
            Some(rest) => $crate::stream_behind!($object.$method(rest $(, $argument)*), $offset),
            None => return $crate::stream::SResult::Needed($offset),
        }
    };
}

/// [`enc_try!`] without the output.
#[macro_export]
macro_rules! enc_consume {
    ($($step:tt)*) => { $crate::enc_try!($($step)*).0 };
}

/// Runs a decoder on the buffer from an offset on.
#[macro_export]
macro_rules! dec_try {
    ($result:expr) => { $crate::stream_behind!($result, 0) };
    ($result:expr, $offset:expr) => { $crate::stream_behind!($result, $offset) };
    ($buf:expr; $($step:tt)+) => { $crate::dec_try!($buf, 0; $($step)+) };
    ($buf:expr, $offset:expr; $step:expr $(, $argument:expr)*) => {
        match $buf.get($offset..) {
            Some(rest) => $crate::stream_behind!($step(rest $(, $argument)*), $offset),
            None => return $crate::stream::SResult::Needed($offset),
        }
    };
    ($buf:expr, $offset:expr; $object:expr; $method:ident $(, $argument:expr)*) => {
        match $buf.get($offset..) {
            Some(rest) => $crate::stream_behind!($object.$method(rest $(, $argument)*), $offset),
            None => return $crate::stream::SResult::Needed($offset),
        }
    };
}

/// [`dec_try!`] without the output.
#[macro_export]
macro_rules! dec_consume {
    ($($step:tt)*) => { $crate::dec_try!($($step)*).0 };
}

fn put(buf: &mut [u8], bytes: impl ExactSizeIterator<Item = u8>) -> SResult {
    let len = bytes.len();
    match buf.get_mut(..len) {
        Some(to) => to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte),
        None => return SResult::Needed(len),
    }
    SResult::Done(len, ())
}

/// Writes a byte.
pub fn encode_u8(buf: &mut [u8], b: u8) -> SResult {
    encode_bytes(buf, &[b])
}
/// Writes two bytes.
pub fn encode_u16(buf: &mut [u8], b: u16) -> SResult {
    encode_bytes(buf, &b.to_be_bytes())
}
/// Writes four bytes.
pub fn encode_u32(buf: &mut [u8], b: u32) -> SResult {
    encode_bytes(buf, &b.to_be_bytes())
}
/// Writes bytes.
pub fn encode_bytes(buf: &mut [u8], bs: &[u8]) -> SResult {
    put(buf, bs.iter().copied())
}
/// Writes bytes, the last one first.
pub fn encode_bytes_be(buf: &mut [u8], bs: &[u8]) -> SResult {
    put(buf, bs.iter().rev().copied())
}

fn number<const N: usize, T>(buf: &[u8], of: fn([u8; N]) -> T) -> SResult<T> {
    match buf.first_chunk() {
        Some(bytes) => SResult::Done(N, of(*bytes)),
        None => SResult::Needed(N),
    }
}

/// Reads a byte.
pub fn decode_u8(buf: &[u8]) -> SResult<u8> {
    number(buf, u8::from_be_bytes)
}
/// Reads two bytes.
pub fn decode_u16(buf: &[u8]) -> SResult<u16> {
    number(buf, u16::from_be_bytes)
}
/// Reads four bytes.
pub fn decode_u32(buf: &[u8]) -> SResult<u32> {
    number(buf, u32::from_be_bytes)
}
/// Fills `out`.
pub fn decode_bytes(buf: &[u8], out: &mut [u8]) -> SResult {
    let len = out.len();
    match buf.get(..len) {
        Some(from) => out.copy_from_slice(from),
        None => return SResult::Needed(len),
    }
    SResult::Done(len, ())
}
/// Fills `out` from its end.
pub fn decode_bytes_be(buf: &[u8], out: &mut [u8]) -> SResult {
    let answer = decode_bytes(buf, out);
    if answer.is_done() {
        out.reverse();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Header {
        kind: u8,
        length: u16,
        tag: u32,
        name: [u8; 3],
    }

    impl Header {
        fn encode(&self, buf: &mut [u8], version: u8) -> SResult<&'static str> {
            stream_len_cond!(buf, 1);
            let off = enc_consume!(buf; encode_u8, version);
            let off = enc_consume!(buf, off; encode_u8, self.kind);
            let (off, ()) = enc_try!(buf, off; encode_u16, self.length);
            let off = enc_consume!(buf, off; encode_u32, self.tag);
            let off = enc_consume!(buf, off; encode_bytes_be, &self.name);
            stream_done!(off, "written");
        }
        fn decode(buf: &[u8]) -> SResult<Header, u8> {
            let (off, version) = match decode_u8(buf) {
                SResult::Done(off, version) => (off, version),
                _ => return SResult::Needed(1),
            };
            stream_cond!(version == 7, version);
            let (off, (kind, length, tag)) = match rest(buf, off) {
                SResult::Done(off, numbers) => (off, numbers),
                SResult::Needed(n) => return SResult::Needed(n),
                SResult::Error(()) => stream_err!(0),
            };
            let mut name = [0; 3];
            match decode_bytes_be(&buf[off..], &mut name) {
                SResult::Done(taken, ()) => stream_done!(
                    off + taken,
                    Header {
                        kind,
                        length,
                        tag,
                        name
                    }
                ),
                _ => SResult::Needed(off + 3),
            }
        }
    }

    fn rest(buf: &[u8], off: usize) -> SResult<(u8, u16, u32)> {
        let (off, kind) = dec_try!(buf, off; decode_u8);
        stream_cond!(kind != 0);
        let (off, length) = dec_try!(buf, off; decode_u16);
        let (off, tag) = dec_try!(buf, off; decode_u32);
        stream_done!(off, (kind, length, stream_from_option!(Some(tag))));
    }

    fn outer(buf: &mut [u8], header: &Header) -> SResult {
        let off = enc_consume!(buf, 2; header; encode, 7);
        stream_done!(off);
    }

    #[test]
    fn what_is_written_is_read_and_a_short_buffer_says_what_it_lacks() {
        let header = Header {
            kind: 1,
            length: 0x0203,
            tag: 0x0405_0607,
            name: *b"abc",
        };
        let mut buf = [0xff; 13];
        assert_eq!(outer(&mut buf, &header).done(), Some((13, ())));
        assert_eq!(buf, [0xff, 0xff, 7, 1, 2, 3, 4, 5, 6, 7, b'c', b'b', b'a']);
        assert_eq!(Header::decode(&buf[2..]).done(), Some((11, header)));
        for short in 0..11 {
            let needed = Header::decode(&buf[2..2 + short]).needed();
            assert!(needed.is_some_and(|n| n > short && n <= 11), "{short}");
        }
        for short in 0..13 {
            let header = Header {
                kind: 1,
                length: 0,
                tag: 0,
                name: [0; 3],
            };
            let needed = outer(&mut [0; 13][..short], &header).needed();
            assert!(needed.is_some_and(|n| n > short || n == 2), "{short}");
        }
        buf[2] = 9;
        assert_eq!(Header::decode(&buf[2..]).err(), Some(9));
        buf[2] = 7;
        buf[3] = 0;
        assert!(Header::decode(&buf[2..]).is_err());
    }

    #[test]
    fn a_step_that_does_not_fit_changes_nothing() {
        let mut two = [1, 2];
        assert!(encode_u32(&mut two, 0xffff_ffff).is_needed());
        assert_eq!(encode_bytes_be(&mut two, &[9; 3]).needed(), Some(3));
        assert_eq!(two, [1, 2]);
        assert_eq!(decode_bytes_be(&[3], &mut two).needed(), Some(2));
        assert_eq!(two, [1, 2]);
        assert_eq!(decode_bytes_be(&[3, 4], &mut two).done(), Some((2, ())));
        assert_eq!(two, [4, 3]);
        assert_eq!(decode_bytes(&[3, 4, 5], &mut two).done(), Some((2, ())));
        assert_eq!(two, [3, 4]);
    }
}

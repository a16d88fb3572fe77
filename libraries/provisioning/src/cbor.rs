//! As much of CBOR (RFC 8949) as the record is made of, read from borrowed bytes.
//!
//! In a sixth of the code that `minicbor`'s decoder takes in an image; `minicbor` writes, and is the
//! oracle in tests. Total: whatever the bytes, a value or an error. No item of indefinite length.

use crate::record::RecordError;

/// A position in a run of items.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

// Major types (RFC 8949 §3.1).
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
// Simple values with their major type (§3.3).
const FALSE: u8 = 0xF4;
const TRUE: u8 = 0xF5;
const NULL: u8 = 0xF6;

impl<'a> Decoder<'a> {
    /// At the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Decoder { rest: bytes }
    }

    /// What was not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], RecordError> {
        let (head, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or(RecordError::Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    /// Major type and argument of the next item (§3).
    fn head(&mut self) -> Result<(u8, u64), RecordError> {
        let first = self.take(1)?.iter().fold(0, |_, byte| *byte);
        let length = match first & 0x1F {
            value @ ..24 => return Ok((first >> 5, value.into())),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(RecordError::Malformed),
        };
        let argument = self.take(length)?;
        let argument = argument.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        Ok((first >> 5, argument))
    }

    fn expect(&mut self, major: u8) -> Result<u64, RecordError> {
        match self.head()? {
            (found, argument) if found == major => Ok(argument),
            _ => Err(RecordError::Malformed),
        }
    }

    fn narrow<T: TryFrom<u64>>(value: u64) -> Result<T, RecordError> {
        T::try_from(value).map_err(|_| RecordError::Malformed)
    }

    /// An unsigned integer.
    pub fn u64(&mut self) -> Result<u64, RecordError> {
        self.expect(UNSIGNED)
    }

    /// One that fits 32 bits.
    pub fn u32(&mut self) -> Result<u32, RecordError> {
        Self::narrow(self.u64()?)
    }

    /// One that fits 16 bits.
    pub fn u16(&mut self) -> Result<u16, RecordError> {
        Self::narrow(self.u64()?)
    }

    /// An integer of either sign that fits 32 bits.
    pub fn i32(&mut self) -> Result<i32, RecordError> {
        match self.head()? {
            (UNSIGNED, n) => Self::narrow(n),
            // It stands for −1 − n.
            (NEGATIVE, n) => Self::narrow::<i32>(n).map(|n| !n),
            _ => Err(RecordError::Malformed),
        }
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.expect(BYTES)?;
        self.take(Self::narrow(length)?)
    }

    /// A text string, which is UTF-8.
    pub fn str(&mut self) -> Result<&'a str, RecordError> {
        let length = self.expect(TEXT)?;
        let bytes = self.take(Self::narrow(length)?)?;
        core::str::from_utf8(bytes).map_err(|_| RecordError::Malformed)
    }

    /// The head of an array: its items.
    pub fn array(&mut self) -> Result<u64, RecordError> {
        self.expect(ARRAY)
    }

    /// The head of a map: its entries.
    pub fn map(&mut self) -> Result<u64, RecordError> {
        self.expect(MAP)
    }

    /// True or false.
    pub fn bool(&mut self) -> Result<bool, RecordError> {
        match self.take(1)? {
            [FALSE] => Ok(false),
            [TRUE] => Ok(true),
            _ => Err(RecordError::Malformed),
        }
    }

    /// Whether the next item is null, which is read then.
    pub fn null(&mut self) -> bool {
        let rest = self.rest.strip_prefix(&[NULL]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any bytes, read as every type: what `minicbor` says.
    #[test]
    fn agrees_with_minicbor_on_any_bytes() {
        let mut state = 0x5EED_0003_u64;
        let mut read = 0;
        for round in 0..300_000 {
            let mut bytes = [0; 12];
            for byte in &mut bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 24) as u8;
            }
            // Heads of every kind, short lengths, and long arguments that are small.
            bytes[0] = round as u8;
            if round % 3 == 0 {
                bytes[1..5].fill(0);
            }
            let bytes = &bytes[..1 + (state >> 40) as usize % 12];
            macro_rules! same {
                ($name:ident, $theirs:expr) => {
                    let (mut ours, mut theirs) =
                        (Decoder::new(bytes), minicbor::Decoder::new(bytes));
                    let (our, their) = (ours.$name().ok(), $theirs(&mut theirs));
                    assert_eq!(our, their, "{} {bytes:x?}", stringify!($name));
                    if our.is_some() {
                        assert_eq!(bytes.len() - ours.rest().len(), theirs.position());
                        read += 1;
                    }
                };
            }
            type Theirs<'a, 'b> = &'a mut minicbor::Decoder<'b>;
            fn of<'b, T>(read: impl Fn(Theirs<'_, 'b>) -> T) -> impl Fn(Theirs<'_, 'b>) -> T {
                read
            }
            same!(u64, |d: Theirs| d.u64().ok());
            same!(u32, |d: Theirs| d.u32().ok());
            same!(u16, |d: Theirs| d.u16().ok());
            same!(i32, |d: Theirs| d.i32().ok());
            same!(bool, |d: Theirs| d.bool().ok());
            same!(bytes, of(|d| d.bytes().ok()));
            same!(str, of(|d| d.str().ok()));
            // Those of indefinite length are none.
            same!(array, |d: Theirs| d.array().ok().flatten());
            same!(map, |d: Theirs| d.map().ok().flatten());
            let mut ours = Decoder::new(bytes);
            let null = minicbor::Decoder::new(bytes).null().is_ok();
            assert_eq!((ours.null(), ours.rest().len() < bytes.len()), (null, null));
        }
        assert!(read > 100_000, "{read}");
    }
}

//! A call as a service sees it: who calls, what for, and vectors that it may only copy.
//!
//! Owns the types between the border and the services. A vector may lie in memory that the caller
//! shares with others, and an output may overlap an input: so bytes are only ever copied, each
//! input byte is meant to be read once, and no reference to caller memory is handed out.

use core::cell::Cell;

/// Who calls: negative ids are non-secure clients, positive ids secure partitions (TF-M).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientId(pub i32);

#[derive(Debug, Clone, Copy)]
enum Bytes<'a> {
    Own(&'a [u8]),
    Foreign(&'a [Cell<u8>]),
}

/// An input vector.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(Bytes<'a>);

impl<'a> Input<'a> {
    /// Over memory that nobody else writes.
    pub fn own(bytes: &'a [u8]) -> Self {
        Input(Bytes::Own(bytes))
    }

    /// Over memory that the caller may share.
    pub fn foreign(bytes: &'a [Cell<u8>]) -> Self {
        Input(Bytes::Foreign(bytes))
    }

    /// Length, bytes.
    pub fn len(&self) -> usize {
        match self.0 {
            Bytes::Own(b) => b.len(),
            Bytes::Foreign(b) => b.len(),
        }
    }

    /// Whether the vector is empty (or absent: TF-M treats both alike).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies from `offset` as much as both sides hold; returns the number of bytes.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
        let offset = offset.min(self.len());
        let n = (self.len() - offset).min(to.len());
        match self.0 {
            Bytes::Own(b) => to[..n].copy_from_slice(&b[offset..offset + n]),
            Bytes::Foreign(b) => crate::copy::from_cells(&b[offset..offset + n], &mut to[..n]),
        }
        n
    }

    /// The whole vector in an array, if it has exactly that length.
    pub fn array<const N: usize>(&self) -> Option<[u8; N]> {
        let mut out = [0; N];
        (self.len() == N && self.read(0, &mut out) == N).then_some(out)
    }

    /// Hands the vector to `f` in order, in private copies of at most `N` bytes.
    pub fn chunks<const N: usize>(&self, mut f: impl FnMut(&[u8])) {
        let mut buf = [0; N];
        let mut at = 0;
        while at < self.len() {
            let n = self.read(at, &mut buf);
            f(&buf[..n]);
            at += n;
        }
    }
}

/// An output vector, and how much of it has been written.
#[derive(Debug)]
pub struct Output<'a> {
    bytes: &'a [Cell<u8>],
    written: usize,
}

impl<'a> Output<'a> {
    /// Over memory that the caller may share.
    pub fn foreign(bytes: &'a [Cell<u8>]) -> Self {
        Output { bytes, written: 0 }
    }

    /// An absent vector.
    pub const fn none() -> Self {
        Output {
            bytes: &[],
            written: 0,
        }
    }

    /// Over memory that is exclusively borrowed.
    pub fn own(bytes: &'a mut [u8]) -> Self {
        Output {
            bytes: Cell::from_mut(bytes).as_slice_of_cells(),
            written: 0,
        }
    }

    /// Size that the caller offers, bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes written so far; what the caller is told.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Appends `from`; `false`, and nothing written, when it does not fit.
    #[must_use]
    pub fn append(&mut self, from: &[u8]) -> bool {
        let Some(to) = self
            .bytes
            .get(self.written..self.written.saturating_add(from.len()))
        else {
            return false;
        };
        crate::copy::to_cells(from, to);
        self.written += from.len();
        true
    }

    /// Takes everything back: what was written becomes zero, and the length 0.
    pub fn clear(&mut self) {
        for cell in &self.bytes[..self.written] {
            cell.set(0);
        }
        self.written = 0;
    }
}

/// One `psa_call`, after the border has checked it. Trailing empty vectors are absent.
#[derive(Debug)]
pub struct Call<'a, 'b> {
    /// Who calls.
    pub client: ClientId,
    /// The service's request type.
    pub call_type: i16,
    /// Input vectors, at most four.
    pub inputs: &'a [Input<'b>],
    /// Output vectors, at most four together with the inputs.
    pub outputs: &'a mut [Output<'b>],
}

impl<'b> Call<'_, 'b> {
    /// Input `i`, empty when absent.
    pub fn input(&self, i: usize) -> Input<'b> {
        self.inputs.get(i).copied().unwrap_or(Input::own(&[]))
    }
}

/// A service behind a static handle. Answers with a `psa_status_t`.
pub trait Service {
    /// Serves one call.
    fn call(&mut self, call: &mut Call<'_, '_>) -> i32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_reads_are_bounded() {
        let mut memory = *b"hello";
        let input = Input::foreign(Cell::from_mut(&mut memory[..]).as_slice_of_cells());
        let mut to = [0; 8];
        assert_eq!((input.read(1, &mut to), &to[..4]), (4, &b"ello"[..]));
        assert_eq!(input.read(9, &mut to), 0);
        assert_eq!(input.array::<5>(), Some(*b"hello"));
        assert_eq!(input.array::<4>(), None);
        let mut seen = Vec::new();
        input.chunks::<2>(|c| seen.push(c.to_vec()));
        assert_eq!(seen, [b"he".to_vec(), b"ll".to_vec(), b"o".to_vec()]);
    }

    #[test]
    fn output_counts_and_takes_back() {
        let mut memory = [9; 4];
        let mut out = Output::own(&mut memory);
        assert!(out.append(&[1, 2, 3]));
        assert!(!out.append(&[4, 5]));
        assert_eq!(out.written(), 3);
        out.clear();
        assert_eq!(out.written(), 0);
        assert_eq!(memory, [0, 0, 0, 9]);
    }
}

//! A range that can be copied, for types that are `Copy`.

use core::ops::Range;

/// Twin of [`Range`].
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CopyRange<Idx> {
    /// First.
    pub start: Idx,
    /// Behind the last.
    pub end: Idx,
}

impl<Idx> From<Range<Idx>> for CopyRange<Idx> {
    fn from(Range { start, end }: Range<Idx>) -> Self {
        CopyRange { start, end }
    }
}

impl<Idx> From<CopyRange<Idx>> for Range<Idx> {
    fn from(CopyRange { start, end }: CopyRange<Idx>) -> Self {
        start..end
    }
}

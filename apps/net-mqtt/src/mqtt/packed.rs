//! Byte strings of different lengths, packed one after another in a buffer that somebody lent.
//!
//! Owns their order and place; each has a tag. Removal moves what follows, so that free space is
//! always one piece: no fragmentation, and no allocation beyond the list of tags.

use alloc::vec::Vec;

/// Tagged byte strings in a buffer of `B` bytes in all.
pub struct Packed<'b, T> {
    bytes: &'b mut [u8],
    items: Vec<(T, usize)>,
    most: usize,
    used: usize,
}

impl<'b, T> Packed<'b, T> {
    /// Nothing in `bytes` yet; at most `most` strings.
    pub fn new(bytes: &'b mut [u8], most: usize) -> Self {
        Packed {
            bytes,
            items: Vec::with_capacity(most),
            most,
            used: 0,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes that are free, 0 when no further string is allowed.
    pub fn room(&self) -> usize {
        match self.items.len() < self.most {
            true => self.bytes.len().saturating_sub(self.used),
            false => 0,
        }
    }

    /// Adds the concatenation of `parts` at the end; false, and nothing done, without room.
    pub fn push(&mut self, tag: T, parts: &[&[u8]]) -> bool {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if self.items.len() >= self.most {
            return false;
        }
        let Some(mut to) = self.bytes.get_mut(self.used..self.used.saturating_add(len)) else {
            return false;
        };
        for part in parts {
            let Some((here, rest)) = to.split_at_mut_checked(part.len()) else {
                return false;
            };
            here.copy_from_slice(part);
            to = rest;
        }
        self.used += len;
        self.items.push((tag, len));
        true
    }

    /// The tags in order.
    pub fn tags(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|(tag, _)| tag)
    }

    /// The tags in order, to change.
    pub fn tags_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().map(|(tag, _)| tag)
    }

    /// Tag number `index`.
    pub fn tag_mut(&mut self, index: usize) -> Option<&mut T> {
        self.items.get_mut(index).map(|(tag, _)| tag)
    }

    fn range(&self, index: usize) -> Option<core::ops::Range<usize>> {
        let (_, len) = self.items.get(index)?;
        let start: usize = self.items.iter().take(index).map(|(_, len)| len).sum();
        Some(start..start + len)
    }

    /// The bytes of number `index`.
    pub fn bytes(&self, index: usize) -> &[u8] {
        self.range(index)
            .and_then(|range| self.bytes.get(range))
            .unwrap_or_default()
    }

    /// The bytes of number `index`, to change.
    pub fn bytes_mut(&mut self, index: usize) -> &mut [u8] {
        match self.range(index) {
            Some(range) => self.bytes.get_mut(range).unwrap_or_default(),
            None => &mut [],
        }
    }

    /// Takes number `index` out.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        let range = self.range(index)?;
        if range.end <= self.used && self.used <= self.bytes.len() {
            self.bytes.copy_within(range.end..self.used, range.start);
        }
        self.used = self.used.saturating_sub(range.len());
        Some(self.items.remove(index).0)
    }
}

#[cfg(test)]
mod tests {
    use super::Packed;

    /// Against a list of vectors, through ten thousand random pushes and removals.
    #[test]
    fn behaves_as_a_list_of_strings() {
        let mut memory = [0; 100];
        let mut packed = Packed::new(&mut memory, 7);
        let mut model: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut x = 0x1234_5678_u32;
        let mut refused = 0;
        for round in 0..10_000 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            if x & 1 == 0 {
                let bytes = vec![x as u8; (x >> 8) as usize % 40];
                let fits = model.len() < 7
                    && model.iter().map(|(_, b)| b.len()).sum::<usize>() + bytes.len() <= 100;
                let (first, second) = bytes.split_at(bytes.len() / 2);
                assert_eq!(packed.push(round, &[first, second]), fits);
                match fits {
                    true => model.push((round, bytes)),
                    false => refused += 1,
                }
            } else if !model.is_empty() {
                let index = (x >> 8) as usize % model.len();
                assert_eq!(packed.remove(index), Some(model.remove(index).0));
            }
            assert_eq!(packed.len(), model.len());
            for (index, (tag, bytes)) in model.iter().enumerate() {
                assert_eq!(packed.bytes(index), bytes);
                assert_eq!(packed.tag_mut(index), Some(&mut tag.clone()));
            }
        }
        assert!(refused > 100, "{refused}");
        assert_eq!(packed.remove(99), None);
    }
}

//! `image_version`: four numbers, eight bytes.
//!
//! Owns order and wire form. [`Ord`] counts the build number; [`ImageVersion::satisfies`] does
//! not, as MCUboot's default for dependencies.

use crate::field;
use core::fmt;

/// Version of an image; the derived order is most significant field first, build included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageVersion {
    pub major: u8,
    pub minor: u8,
    pub revision: u16,
    pub build: u32,
}

impl ImageVersion {
    /// Length of the wire form, bytes.
    pub const SIZE: usize = 8;

    /// Reads the wire form at the start of `bytes`; `None` when there are fewer than 8.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [major, minor] = field::<2>(bytes, 0)?;
        Some(ImageVersion {
            major,
            minor,
            revision: u16::from_le_bytes(field(bytes, 2)?),
            build: u32::from_le_bytes(field(bytes, 4)?),
        })
    }

    /// The wire form.
    pub fn emit(&self) -> [u8; Self::SIZE] {
        let [r0, r1] = self.revision.to_le_bytes();
        let [b0, b1, b2, b3] = self.build.to_le_bytes();
        [self.major, self.minor, r0, r1, b0, b1, b2, b3]
    }

    /// Whether a dependency on `minimum` is met; the build number does not count.
    pub fn satisfies(&self, minimum: &ImageVersion) -> bool {
        let key = |v: &ImageVersion| (v.major, v.minor, v.revision);
        key(self) >= key(minimum)
    }
}

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageVersion {
            major,
            minor,
            revision,
            build,
        } = self;
        write!(f, "{major}.{minor}.{revision}+{build}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(major: u8, minor: u8, revision: u16, build: u32) -> ImageVersion {
        ImageVersion {
            major,
            minor,
            revision,
            build,
        }
    }

    #[test]
    fn order_is_most_significant_first() {
        let sorted = [
            v(0, 0, 0, 0),
            v(0, 0, 0, 9),
            v(0, 0, 300, 0),
            v(0, 255, 0, 1),
            v(1, 0, 0, 0),
            v(1, 2, 3, 4),
            v(255, 0, 0, 0),
        ];
        assert!(sorted.is_sorted());
        assert!(v(1, 2, 3, 0).satisfies(&v(1, 2, 3, 7)));
        assert!(!v(1, 2, 2, 9).satisfies(&v(1, 2, 3, 0)));
        assert!(v(2, 0, 0, 0).satisfies(&v(1, 9, 9, 0)));
    }

    #[test]
    fn emit_is_the_inverse_of_parse() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        let version = ImageVersion::parse(&bytes).unwrap();
        assert_eq!(version, v(1, 2, 0x0403, 0x0807_0605));
        assert_eq!(version.emit(), bytes);
        assert_eq!(version.to_string(), "1.2.1027+134678021");
        assert_eq!(ImageVersion::parse(&bytes[..7]), None);
    }
}

//! Enums from numbers.
//!
//! Owns the names that upstream's capsules import: [`enum_from_primitive!`] and [`cast::FromPrimitive`].
//! No capsule of this project needs it; another's may.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod cast {
    //! Conversions between numbers and enums.

    /// Made from a number, where it stands for something.
    pub trait FromPrimitive: Sized {
        /// From a signed number.
        fn from_i64(n: i64) -> Option<Self>;
        /// From an unsigned number.
        fn from_u64(n: u64) -> Option<Self>;
        /// From an address-sized number.
        fn from_usize(n: usize) -> Option<Self> {
            u64::try_from(n).ok().and_then(Self::from_u64)
        }
        /// From a signed address-sized number.
        fn from_isize(n: isize) -> Option<Self> {
            i64::try_from(n).ok().and_then(Self::from_i64)
        }
        /// From 32 bits.
        fn from_u32(n: u32) -> Option<Self> {
            Self::from_u64(n.into())
        }
        /// From 32 signed bits.
        fn from_i32(n: i32) -> Option<Self> {
            Self::from_i64(n.into())
        }
        /// From 16 bits.
        fn from_u16(n: u16) -> Option<Self> {
            Self::from_u64(n.into())
        }
        /// From 16 signed bits.
        fn from_i16(n: i16) -> Option<Self> {
            Self::from_i64(n.into())
        }
        /// From a byte.
        fn from_u8(n: u8) -> Option<Self> {
            Self::from_u64(n.into())
        }
        /// From a signed byte.
        fn from_i8(n: i8) -> Option<Self> {
            Self::from_i64(n.into())
        }
    }
}

/// Defines an enum of plain variants, and makes it from numbers.
#[macro_export]
macro_rules! enum_from_primitive {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$of:meta])* $variant:ident $(= $value:expr)?),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $name {
            $($(#[$of])* $variant $(= $value)?),+
        }

        impl $crate::cast::FromPrimitive for $name {
            fn from_i64(n: i64) -> Option<Self> {
                $(if n == $name::$variant as i64 {
                    return Some($name::$variant);
                })+
                None
            }
            fn from_u64(n: u64) -> Option<Self> {
                $(if n == $name::$variant as u64 {
                    return Some($name::$variant);
                })+
                None
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::cast::FromPrimitive;

    enum_from_primitive! {
        /// As a driver would have it.
        #[derive(Debug, PartialEq, Clone, Copy)]
        pub(crate) enum Command {
            /// Is it there?
            Exists,
            Read = 0x10,
            Write,
        }
    }

    #[test]
    fn a_number_is_its_variant_or_none() {
        assert_eq!(Command::from_usize(0), Some(Command::Exists));
        assert_eq!(Command::from_u8(0x10), Some(Command::Read));
        assert_eq!(Command::from_i32(0x11), Some(Command::Write));
        for none in [1, 0x12, u64::MAX] {
            assert_eq!(Command::from_u64(none), None);
        }
        assert_eq!(Command::from_i8(-1), None);
    }
}

//! Names from the TBF's ShortId TLV.

use core::num::NonZeroU32;
use kernel::process::{Process, ProcessBinary, ShortId};
use kernel::process_checker::{AppUniqueness, Compress};

/// Upstream's: an application is the ShortId of its TBF.
pub struct AppIdAssignerTbfHeader {}

/// An application is the ShortId of its TBF; without an accepted signature it has no name, so that
/// nobody can take another's by writing it into a header. (A digest anybody can compute.)
pub struct AppIdAssignerSignedTbfHeader {}

impl Compress for AppIdAssignerTbfHeader {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        in_header(process).into()
    }
}

impl Compress for AppIdAssignerSignedTbfHeader {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        let signed = process.get_credential().is_some_and(|c| c.is_signature());
        in_header(process).filter(|_| signed).into()
    }
}

fn in_header(process: &ProcessBinary) -> Option<NonZeroU32> {
    process.header.get_fixed_short_id()
}

macro_rules! by_name {
    ($($assigner:ident)*) => {$(
        impl AppUniqueness for $assigner {
            fn different_identifier(&self, a: &ProcessBinary, b: &ProcessBinary) -> bool {
                self.to_short_id(a) != self.to_short_id(b)
            }
            fn different_identifier_process(&self, a: &ProcessBinary, b: &dyn Process) -> bool {
                self.to_short_id(a) != b.short_app_id()
            }
            fn different_identifier_processes(&self, a: &dyn Process, b: &dyn Process) -> bool {
                a.short_app_id() != b.short_app_id()
            }
            // Whatever its credentials: it gets the name in its header, or none.
            fn may_become_same(&self, unchecked: &ProcessBinary, checked: &ProcessBinary) -> bool {
                let name = in_header(unchecked);
                name.is_some_and(|name| self.to_short_id(checked) == ShortId::Fixed(name))
            }
        }
    )*};
}
by_name! { AppIdAssignerTbfHeader AppIdAssignerSignedTbfHeader }

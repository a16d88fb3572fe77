//! Names from the TBF's ShortId TLV.

use kernel::process::{Process, ProcessBinary, ShortId};
use kernel::process_checker::{AppUniqueness, Compress};

/// An application is the ShortId of its TBF; without an accepted signature it has no name, so that
/// nobody can take another's by writing it into a header. (A digest anybody can compute.)
pub struct AppIdAssignerTbfHeader {
    /// Whether a name needs an accepted signature.
    pub require_signature: bool,
}

impl AppUniqueness for AppIdAssignerTbfHeader {
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
        let name = unchecked.header.get_fixed_short_id();
        name.is_some_and(|name| self.to_short_id(checked) == ShortId::Fixed(name))
    }
}

impl Compress for AppIdAssignerTbfHeader {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        let signed = process.credential.is_some_and(|c| c.is_signature());
        if self.require_signature && !signed {
            return ShortId::LocallyUnique;
        }
        process
            .header
            .get_fixed_short_id()
            .map_or(ShortId::LocallyUnique, ShortId::Fixed)
    }
}

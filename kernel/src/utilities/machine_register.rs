//! A register's worth of bits that the kernel stores and hands back without looking at it.

use super::capability_ptr::CapabilityPtr;
use core::fmt;

/// Opaque machine word (appdata of Subscribe, for one).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct MachineRegister {
    value: CapabilityPtr,
}

impl MachineRegister {
    /// Its bits.
    pub fn as_usize(self) -> usize {
        self.value.addr()
    }

    /// As a pointer-sized capability.
    pub fn as_capability_ptr(self) -> CapabilityPtr {
        self.value
    }
}

impl From<usize> for MachineRegister {
    fn from(v: usize) -> Self {
        MachineRegister {
            value: CapabilityPtr::from(v),
        }
    }
}

impl From<CapabilityPtr> for MachineRegister {
    fn from(value: CapabilityPtr) -> Self {
        MachineRegister { value }
    }
}

impl fmt::LowerHex for MachineRegister {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::LowerHex::fmt(&self.value, f)
    }
}
impl fmt::UpperHex for MachineRegister {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::UpperHex::fmt(&self.value, f)
    }
}

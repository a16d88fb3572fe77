//! Building blocks that capsules, chips and boards share.
pub mod arch_helpers;
pub mod binary_write;
pub mod capability_ptr;
pub mod cells;
pub mod copy_range;
pub mod copy_slice;
pub mod dma_slice;
pub mod helpers;
pub mod io_write;
pub mod kernel_static;
pub mod leasable_buffer;
pub mod machine_register;
pub mod math;
pub mod mut_imut_buffer;
pub mod numeric_cell;
pub mod peripheral_management;
pub mod single_thread_value;
pub mod slice_uninit;
pub mod static_init;
pub mod static_ref;
pub mod storage_volume;
pub mod streaming_process_slice;

pub use static_ref::StaticRef;

/// Register definitions, re-exported so that drivers need no dependency of their own.
pub mod registers {
    pub use tock_registers::fields::{Field, FieldValue};
    pub use tock_registers::registers::InMemoryRegister;
    pub use tock_registers::registers::{Aliased, ReadOnly, ReadWrite, WriteOnly};
    pub use tock_registers::{LocalRegisterCopy, RegisterLongName};
    pub use tock_registers::{interfaces, register_bitfields, register_structs};
}

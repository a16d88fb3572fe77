//! What tests of capsules share: a process with memory that the test can read and write.
//!
//! Owns the driver [`MEMORY`], which reaches a process's RAM as any capsule does: through a
//! Read-Write Allow. So tests need no `unsafe`.
#![allow(dead_code)]

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::process::{FunctionCallSource, ProcessId, ShortId};
use kernel::processbuffer::WriteableProcessBuffer;
use kernel::storage_permissions::StoragePermissions;
use kernel::syscall::{SyscallDriver, SyscallReturn};
use kernel::testing::{APP_RAM, Event, TestKernel, TestProcess, tbf};
use std::num::NonZeroU32;

/// Number of the driver that moves bytes for tests.
pub const MEMORY: usize = 0xF000_0000;
/// RAM that [`App::new`] opens, bytes.
pub const RAM: usize = 8192;

pub fn leak<T>(t: T) -> &'static mut T {
    Box::leak(Box::new(t))
}

pub struct Memory(Grant<(), UpcallCount<0>, AllowRoCount<0>, AllowRwCount<1>>);

impl Memory {
    /// Adds the driver; before any process.
    pub fn install(kernel: &mut TestKernel) -> &'static Memory {
        let cap = kernel.memory_capability();
        let memory: &Memory = leak(Memory(kernel.kernel().create_grant(MEMORY, &cap)));
        kernel.driver(MEMORY, memory);
        memory
    }
}

impl SyscallDriver for Memory {
    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.0.enter(process_id, |_, _| {})
    }
}

/// A binary's writeable flash regions (offset, size), and its footers.
pub struct Binary<'a> {
    pub writeable: &'a [(u32, u32)],
    pub footer: &'a [u8],
}

impl Binary<'_> {
    /// The TBF, of 4096 bytes.
    fn bytes(&self, name: &str) -> Vec<u8> {
        const TOTAL: usize = 4096;
        let mut bytes = tbf(name, APP_RAM, TOTAL as u32);
        let mut header = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
        let regions = self.writeable.iter().flat_map(|r| [r.0, r.1]);
        let value: Vec<u8> = regions.flat_map(u32::to_le_bytes).collect();
        let mut tlv = vec![2, 0, value.len() as u8, 0];
        tlv.extend(value);
        bytes[header..header + tlv.len()].copy_from_slice(&tlv);
        header += tlv.len();
        bytes[2..4].copy_from_slice(&(header as u16).to_le_bytes());
        let end = TOTAL - self.footer.len();
        bytes[end..].copy_from_slice(self.footer);
        // Program is the first: its fourth word.
        bytes[32..36].copy_from_slice(&(end as u32).to_le_bytes());
        bytes[12..16].fill(0);
        let words = bytes[..header].as_chunks().0.iter();
        let sum = words.fold(0, |sum, word| sum ^ u32::from_le_bytes(*word));
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

/// A process, as a test uses it.
pub struct App<'a> {
    kernel: &'a TestKernel,
    pub process: TestProcess<'a>,
    memory: &'static Memory,
}

impl<'a> App<'a> {
    pub fn new(kernel: &'a TestKernel, memory: &'static Memory, name: &str) -> Self {
        let app = App {
            kernel,
            process: kernel.process(name),
            memory,
        };
        app.open();
        app
    }

    /// With a ShortId.
    pub fn named(kernel: &'a TestKernel, memory: &'static Memory, name: &str, id: u32) -> Self {
        Self::storing(kernel, memory, name, id, None)
    }

    /// As [`App::named`], with these storage permissions.
    pub fn storing(
        kernel: &'a TestKernel,
        memory: &'static Memory,
        name: &str,
        id: u32,
        storage: Option<StoragePermissions>,
    ) -> Self {
        let id = NonZeroU32::new(id).map_or(ShortId::LocallyUnique, ShortId::Fixed);
        let app = App {
            kernel,
            process: kernel.process_storing(name, APP_RAM, id, storage),
            memory,
        };
        app.open();
        app
    }

    /// Of a binary with more than the usual.
    pub fn of_binary(
        kernel: &'a TestKernel,
        memory: &'static Memory,
        name: &str,
        binary: Binary<'_>,
    ) -> Self {
        let nobody = ShortId::LocallyUnique;
        let app = App {
            kernel,
            process: kernel.process_of(&binary.bytes(name), APP_RAM, nobody, None),
            memory,
        };
        app.open();
        app
    }

    /// Opens the RAM; again after a restart.
    pub fn open(&self) {
        let end = self.process.ram(RAM);
        assert_eq!(self.process.memop(0, end), SyscallReturn::Success);
    }

    pub fn id(&self) -> ProcessId {
        self.process.id()
    }

    pub fn put(&self, offset: usize, bytes: &[u8]) {
        self.with(offset, bytes.len(), |slice| slice.copy_from_slice(bytes));
    }

    pub fn get(&self, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.with(offset, length, |slice| slice.copy_to_slice(&mut bytes));
        bytes
    }

    fn with(
        &self,
        offset: usize,
        length: usize,
        f: impl FnOnce(&kernel::processbuffer::WriteableProcessSlice),
    ) {
        let allowed = self
            .process
            .allow_rw(MEMORY, 0, self.process.ram(offset), length);
        assert!(
            matches!(allowed, SyscallReturn::AllowReadWriteSuccess(..)),
            "{allowed:?}"
        );
        self.memory
            .0
            .enter(self.id(), |_, kernel_data| {
                kernel_data
                    .get_readwrite_processbuffer(0)
                    .unwrap()
                    .mut_enter(f)
                    .unwrap()
            })
            .unwrap();
    }

    pub fn allow_ro(&self, driver: usize, number: usize, offset: usize, length: usize) {
        let r = self
            .process
            .allow_ro(driver, number, self.process.ram(offset), length);
        assert!(
            matches!(r, SyscallReturn::AllowReadOnlySuccess(..)),
            "{r:?}"
        );
    }

    pub fn allow_rw(&self, driver: usize, number: usize, offset: usize, length: usize) {
        let r = self
            .process
            .allow_rw(driver, number, self.process.ram(offset), length);
        assert!(
            matches!(r, SyscallReturn::AllowReadWriteSuccess(..)),
            "{r:?}"
        );
    }

    pub fn command(&self, driver: usize, number: usize, a: usize, b: usize) -> SyscallReturn {
        self.process.command(driver, number, a, b)
    }

    /// Subscribes to `(driver, number)`; its function is never run, so any address in flash does.
    pub fn subscribe(&self, driver: usize, number: usize) {
        let f = self
            .process
            .process()
            .get_addresses()
            .flash_non_protected_start;
        let r = self.process.subscribe(driver, number, f, 0);
        assert!(matches!(r, SyscallReturn::SubscribeSuccess(..)), "{r:?}");
    }

    /// Lets the kernel come to rest; the upcalls delivered: (driver, number, words).
    pub fn upcalls(&self) -> Vec<(usize, usize, [usize; 3])> {
        self.kernel.run();
        let events = self.process.events();
        events
            .into_iter()
            .filter_map(|event| match event {
                Event::Called(call) => match call.source {
                    FunctionCallSource::Driver(id) => Some((
                        id.driver_num,
                        id.subscribe_num,
                        [call.argument0, call.argument1, call.argument2],
                    )),
                    FunctionCallSource::Kernel => None,
                },
                Event::Returned(_) => None,
            })
            .collect()
    }
}

//! The heap of a process, with counters.
//!
//! Owns the global allocator behind [`crate::heap!`] and what it measures. A process has one
//! thread and upcalls run only inside a yield, so an allocation is never interrupted by another.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use linked_list_allocator::Heap as FreeList;

/// The bytes that are handed out.
#[repr(C, align(16))]
pub struct HeapMemory<const N: usize>(UnsafeCell<MaybeUninit<[u8; N]>>);

// SAFETY: only the one `Heap` made from it reaches the bytes, and a process has one thread.
unsafe impl<const N: usize> Sync for HeapMemory<N> {}

impl<const N: usize> Default for HeapMemory<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> HeapMemory<N> {
    /// Uninitialised.
    pub const fn new() -> Self {
        HeapMemory(UnsafeCell::new(MaybeUninit::uninit()))
    }
}

/// A first-fit allocator over a [`HeapMemory`].
pub struct Heap {
    memory: *mut u8,
    size: usize,
    free: UnsafeCell<Option<FreeList>>,
}

// SAFETY: a process has one thread, and no allocation happens inside another.
unsafe impl Sync for Heap {}

impl Heap {
    /// Over `memory`, which must be used for nothing else ([`crate::heap!`] sees to it).
    pub const fn new<const N: usize>(memory: &'static HeapMemory<N>) -> Self {
        Heap {
            memory: memory.0.get().cast(),
            size: N,
            free: UnsafeCell::new(None),
        }
    }

    #[allow(clippy::mut_from_ref)]
    fn list(&self) -> &mut FreeList {
        // SAFETY: no other reference lives: each method below uses the list once and drops it.
        let slot = unsafe { &mut *self.free.get() };
        slot.get_or_insert_with(|| {
            SIZE.store(self.size, Relaxed);
            // SAFETY: the memory is static, in no other use, and initialised here once.
            unsafe { FreeList::new(self.memory, self.size) }
        })
    }
}

// SAFETY: blocks come from a free list over static memory and do not overlap.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let list = self.list();
        match list.allocate_first_fit(layout) {
            Ok(block) => {
                let used = list.used();
                USED.store(used, Relaxed);
                PEAK.store(PEAK.load(Relaxed).max(used), Relaxed);
                COUNT.store(COUNT.load(Relaxed).wrapping_add(1), Relaxed);
                block.as_ptr()
            }
            Err(()) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let list = self.list();
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller passes a block of ours with its layout (GlobalAlloc's contract).
            unsafe { list.deallocate(block, layout) };
            USED.store(list.used(), Relaxed);
        }
    }
}

static SIZE: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// What the heap has seen; all zero before the first allocation. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapStats {
    /// Size of the heap.
    pub size: usize,
    /// In use now, block headers and padding included.
    pub used: usize,
    /// Most that was ever in use.
    pub peak: usize,
    /// Allocations so far (wraps).
    pub allocations: usize,
}

/// The counters of the process's heap.
pub fn stats() -> HeapStats {
    HeapStats {
        size: SIZE.load(Relaxed),
        used: USED.load(Relaxed),
        peak: PEAK.load(Relaxed),
        allocations: COUNT.load(Relaxed),
    }
}

//! Deferred calls: a capsule's way to be called back after its caller has returned.
//!
//! Owns the pending bits and the table of at most 32 clients. On the device there is one table,
//! used by the kernel's one thread. With the `std` feature every host thread has its own, so that
//! tests in parallel threads do not see each other.

use core::cell::Cell;

/// Most deferred calls there can be.
pub const MAX_DEFERRED_CALLS: usize = 32;

/// Something that wants to be called later.
pub trait DeferredCallClient: Sized {
    /// Called from the main loop, with no capsule code below it on the stack.
    fn handle_deferred_call(&self);
    /// Registers `self` with its own [`DeferredCall`].
    fn register(&'static self);
}

trait Handler {
    fn run(&self);
}
impl<DC: DeferredCallClient> Handler for DC {
    fn run(&self) {
        self.handle_deferred_call();
    }
}

struct Table {
    created: Cell<usize>,
    pending: Cell<u32>,
    /// Which of them may take long.
    slow: Cell<u32>,
    clients: [Cell<Option<&'static dyn Handler>>; MAX_DEFERRED_CALLS],
}

impl Table {
    const fn new() -> Self {
        Table {
            created: Cell::new(0),
            pending: Cell::new(0),
            slow: Cell::new(0),
            clients: [const { Cell::new(None) }; MAX_DEFERRED_CALLS],
        }
    }
}

#[cfg(not(feature = "std"))]
fn with<R>(f: impl FnOnce(&Table) -> R) -> R {
    use crate::utilities::kernel_static::KernelStatic;
    static TABLE: KernelStatic<Table> = KernelStatic::new(Table::new());
    // SAFETY: without `std` this is the firmware's kernel: one thread, and no interrupt handler
    // calls capsule code.
    unsafe { TABLE.with(f) }
}

#[cfg(feature = "std")]
fn with<R>(f: impl FnOnce(&Table) -> R) -> R {
    std::thread_local! {
        static TABLE: Table = const { Table::new() };
    }
    TABLE.with(f)
}

/// Kept for boards written for upstream: the table needs no initialisation here.
pub fn initialize_deferred_call_state<P: crate::platform::chip::ThreadIdProvider>() {}

/// As [`initialize_deferred_call_state`], for chips without atomic operations.
///
/// # Safety
/// None is needed here; upstream's must not run twice at a time.
pub unsafe fn initialize_deferred_call_state_unsafe<P: crate::platform::chip::ThreadIdProvider>() {}

/// One client's handle.
pub struct DeferredCall {
    idx: usize,
}

impl Default for DeferredCall {
    fn default() -> Self {
        Self::new()
    }
}

impl DeferredCall {
    /// Takes the next free slot.
    ///
    /// # Panics
    /// When all are taken: a board that composes more than [`MAX_DEFERRED_CALLS`] cannot work.
    pub fn new() -> Self {
        with(|t| {
            let idx = t.created.get();
            assert!(idx < MAX_DEFERRED_CALLS, "too many deferred calls");
            t.created.set(idx + 1);
            DeferredCall { idx }
        })
    }

    /// As [`DeferredCall::new`], for one that may hold up everything for long, such as a call of
    /// the secure world: a scheduler may let processes run before it.
    ///
    /// # Panics
    /// As [`DeferredCall::new`].
    pub fn new_slow() -> Self {
        let call = Self::new();
        with(|t| t.slow.set(t.slow.get() | 1 << call.idx));
        call
    }

    /// Names the client that is called.
    pub fn register<DC: DeferredCallClient>(&self, client: &'static DC) {
        with(|t| {
            if let Some(c) = t.clients.get(self.idx) {
                c.set(Some(client));
            }
        });
    }

    /// Asks to be called.
    pub fn set(&self) {
        with(|t| t.pending.set(t.pending.get() | 1 << self.idx));
    }

    /// Whether the call is still to come.
    pub fn is_pending(&self) -> bool {
        with(|t| t.pending.get() & (1 << self.idx) != 0)
    }

    /// Makes the lowest-numbered pending call; tells which.
    pub fn service_next_pending() -> Option<usize> {
        Self::service(|t| t.pending.get())
    }

    /// As [`DeferredCall::service_next_pending`], of those that are not slow.
    pub fn service_next_prompt() -> Option<usize> {
        Self::service(|t| t.pending.get() & !t.slow.get())
    }

    /// Makes the lowest-numbered call of `choice`, a part of the pending ones.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn service(choice: impl FnOnce(&Table) -> u32) -> Option<usize> {
        let (idx, client) = with(|t| {
            let bits = choice(t);
            if bits == 0 {
                return None;
            }
            let idx = bits.trailing_zeros() as usize;
            t.pending.set(t.pending.get() & !(1 << idx));
            Some((idx, t.clients.get(idx).and_then(Cell::get)))
        })?;
        if let Some(client) = client {
            client.run();
        }
        Some(idx)
    }

    /// Whether any call is to come.
    pub fn has_tasks() -> bool {
        with(|t| t.pending.get() != 0)
    }

    /// Whether any is to come that is not slow.
    pub fn has_prompt_tasks() -> bool {
        with(|t| t.pending.get() & !t.slow.get() != 0)
    }

    /// Checks that each slot taken has its client.
    ///
    /// # Panics
    /// When one has not: its capsule would wait for ever.
    pub fn verify_setup() {
        with(|t| {
            let registered = t.clients.iter().filter(|c| c.get().is_some()).count();
            assert!(
                registered == t.created.get(),
                "a deferred call was created but not registered"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    struct Counter {
        call: DeferredCall,
        runs: Cell<u32>,
    }
    impl DeferredCallClient for Counter {
        fn handle_deferred_call(&self) {
            self.runs.set(self.runs.get() + 1);
            if self.runs.get() == 1 {
                self.call.set();
            }
        }
        fn register(&'static self) {
            self.call.register(self);
        }
    }

    #[test]
    fn runs_once_per_set_even_when_set_from_inside() {
        let c: &'static Counter = Box::leak(Box::new(Counter {
            call: DeferredCall::new(),
            runs: Cell::new(0),
        }));
        c.register();
        DeferredCall::verify_setup();
        assert_eq!(DeferredCall::service_next_pending(), None);
        c.call.set();
        c.call.set();
        assert!(DeferredCall::service_next_pending().is_some());
        assert_eq!(c.runs.get(), 1);
        assert!(DeferredCall::service_next_pending().is_some());
        assert!(!DeferredCall::has_tasks());
        assert_eq!(c.runs.get(), 2);
    }
}

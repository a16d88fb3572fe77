//! Grants: memory for drivers inside each process, which the process itself cannot reach.
//!
//! Owns the layout of one grant: a counters word (byte 0 upcalls, 1 read-only, 2 read-write), the
//! saved upcalls, read-only and read-write buffers as pairs of words, padding, and the driver's
//! `T`. Invariants: memory is handed out by the process only after zeroing its header, only one
//! borrow of a `T` exists at a time (the process's `entered` mark), and what is stored in the pairs
//! was checked by the process when it was stored.

use crate::capabilities::MemoryAllocationCapability;
use crate::kernel::Kernel;
use crate::process::{Error, Process, ProcessCustomGrantIdentifier, Task};
use crate::processbuffer::{
    ReadOnlyProcessBuffer, ReadOnlyProcessBufferRef, ReadWriteProcessBuffer,
    ReadWriteProcessBufferRef,
};
use crate::syscall::SyscallDriver;
use crate::upcall::{Upcall, UpcallError, UpcallId};
use crate::{ErrorCode, ProcessId};
use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// How many upcalls a driver has.
pub trait UpcallSize {
    /// The number.
    const COUNT: u8;
}
/// `NUM` upcalls.
pub struct UpcallCount<const NUM: u8>;
impl<const NUM: u8> UpcallSize for UpcallCount<NUM> {
    const COUNT: u8 = NUM;
}

/// How many read-only buffers a driver has.
pub trait AllowRoSize {
    /// The number.
    const COUNT: u8;
}
/// `NUM` read-only buffers.
pub struct AllowRoCount<const NUM: u8>;
impl<const NUM: u8> AllowRoSize for AllowRoCount<NUM> {
    const COUNT: u8 = NUM;
}

/// How many read-write buffers a driver has.
pub trait AllowRwSize {
    /// The number.
    const COUNT: u8;
}
/// `NUM` read-write buffers.
pub struct AllowRwCount<const NUM: u8>;
impl<const NUM: u8> AllowRwSize for AllowRwCount<NUM> {
    const COUNT: u8 = NUM;
}

/// Two words: (appdata, function) or (address, length).
#[repr(C)]
struct Pair(Cell<usize>, Cell<usize>);

/// The three kinds of pairs, in the order in which they lie.
#[derive(Clone, Copy)]
enum Kind {
    Upcall,
    AllowRo,
    AllowRw,
}

/// The kernel's part of one allocated grant: a counters word and the pairs behind it.
#[derive(Clone, Copy)]
struct KernelPart<'a> {
    counters: NonNull<usize>,
    _lives: PhantomData<&'a Pair>,
}

const fn kernel_part_size(up: u8, ro: u8, rw: u8) -> usize {
    size_of::<usize>() + (up as usize + ro as usize + rw as usize) * size_of::<Pair>()
}

const fn offset_of_t<T>(up: u8, ro: u8, rw: u8) -> usize {
    kernel_part_size(up, ro, rw).next_multiple_of(align_of::<T>())
}

impl<'a> KernelPart<'a> {
    /// Writes an empty kernel part.
    ///
    /// # Safety
    /// `ptr` is word-aligned, unshared and has `kernel_part_size(up, ro, rw)` bytes.
    unsafe fn initialize(ptr: NonNull<u8>, up: u8, ro: u8, rw: u8) {
        // SAFETY: the caller gives this many unshared bytes, aligned for the counters word.
        unsafe {
            ptr.as_ptr().write_bytes(0, kernel_part_size(up, ro, rw));
            let counters = usize::from(up) | usize::from(ro) << 8 | usize::from(rw) << 16;
            ptr.as_ptr().cast::<usize>().write(counters);
        }
    }

    /// Views the kernel part of an allocated grant.
    ///
    /// # Safety
    /// `ptr` came from `initialize` and its memory stays allocated during `'a`.
    unsafe fn from_ptr(ptr: NonNull<u8>) -> Self {
        KernelPart {
            counters: ptr.cast(),
            _lives: PhantomData,
        }
    }

    /// Where the pairs of a kind begin among all, and how many there are.
    #[inline(always)]
    fn place(self, kind: Kind) -> (usize, usize) {
        // SAFETY: `from_ptr`'s contract: `initialize` wrote the word, which nothing changes.
        let counters = unsafe { self.counters.read() };
        let count = |i: u32| (counters >> (8 * i)) & 0xff;
        match kind {
            Kind::Upcall => (0, count(0)),
            Kind::AllowRo => (count(0), count(1)),
            Kind::AllowRw => (count(0) + count(1), count(2)),
        }
    }

    /// All pairs of a kind.
    #[inline(always)]
    fn all(self, kind: Kind) -> &'a [Pair] {
        let (first, count) = self.place(kind);
        // SAFETY: as many pairs as the counters word says follow it; they are only ever reached
        // through shared cells.
        unsafe {
            let pairs: *const Pair = self.counters.as_ptr().add(1).cast();
            core::slice::from_raw_parts(pairs.add(first), count)
        }
    }

    /// One pair, if there is such a one.
    #[inline(always)]
    fn get(self, kind: Kind, i: usize) -> Option<&'a Pair> {
        self.all(kind).get(i)
    }
}

/// Prints what a process shared with a driver and subscribed to, a line each; nothing for what it
/// never did.
///
/// # Safety
/// `ptr` is a grant that [`ProcessGrant::new`] initialised, and stays allocated meanwhile.
pub(crate) unsafe fn print(ptr: NonNull<u8>, driver_num: usize, w: &mut dyn core::fmt::Write) {
    // SAFETY: the caller's promise.
    let part = unsafe { KernelPart::from_ptr(ptr) };
    let _ = write!(
        w,
        "  Driver 0x{driver_num:05x}  upcalls {} RO {} RW {}\r\n",
        part.all(Kind::Upcall).len(),
        part.all(Kind::AllowRo).len(),
        part.all(Kind::AllowRw).len()
    );
    let kinds = [
        ("upcall", part.all(Kind::Upcall)),
        ("RO allow", part.all(Kind::AllowRo)),
        ("RW allow", part.all(Kind::AllowRw)),
    ];
    for (kind, pairs) in kinds {
        for (i, Pair(first, second)) in pairs.iter().enumerate() {
            let (first, second) = (first.get(), second.get());
            if (first, second) == (0, 0) {
                continue;
            }
            let _ = match kind {
                "upcall" => write!(
                    w,
                    "    upcall {i}: function 0x{second:08x} data 0x{first:08x}\r\n"
                ),
                _ => write!(w, "    {kind} {i}: 0x{first:08x}, {second} bytes\r\n"),
            };
        }
    }
}

/// Runs `f` on the kernel part of the driver's grant in `process`, allocating it if need be.
#[cfg_attr(optimize_attribute, optimize(speed))]
fn with_kernel_part<R>(
    process: &dyn Process,
    driver: &dyn SyscallDriver,
    driver_num: usize,
    f: impl FnOnce(KernelPart<'_>) -> Result<R, ErrorCode>,
) -> Result<R, ErrorCode> {
    let grant_num = match process.lookup_grant_from_driver_num(driver_num) {
        Ok(n) => n,
        Err(_) => {
            driver
                .allocate_grant(process.processid())
                .map_err(|_| ErrorCode::NOMEM)?;
            process
                .lookup_grant_from_driver_num(driver_num)
                .map_err(|_| ErrorCode::NOSUPPORT)?
        }
    };
    let ptr = process
        .enter_grant(grant_num)
        .map_err(|_| ErrorCode::NOMEM)?;
    // SAFETY: the process only returns grants that `ProcessGrant::new` initialised, and no process
    // memory is released while the kernel runs this function.
    let r = f(unsafe { KernelPart::from_ptr(ptr) });
    process.leave_grant(grant_num);
    r
}

/// Swaps an upcall; returns the one before.
pub(crate) fn subscribe(
    process: &dyn Process,
    driver: &dyn SyscallDriver,
    upcall: Upcall,
) -> Result<Upcall, ErrorCode> {
    with_kernel_part(process, driver, upcall.upcall_id.driver_num, |part| {
        let saved = part
            .get(Kind::Upcall, upcall.upcall_id.subscribe_num)
            .ok_or(ErrorCode::NOSUPPORT)?;
        let appdata = saved.0.replace(upcall.appdata.as_usize());
        let fn_ptr = saved.1.replace(upcall.fn_ptr.addr());
        Ok(Upcall {
            upcall_id: upcall.upcall_id,
            appdata: appdata.into(),
            fn_ptr: fn_ptr.into(),
        })
    })
}

/// The function that a process subscribed with a driver, and its data, if it did.
pub(crate) fn upcall(process: &dyn Process, upcall_id: UpcallId) -> Option<Upcall> {
    let num = process.lookup_grant_from_driver_num(upcall_id.driver_num);
    let ptr = process.enter_grant(num.ok()?).ok()?;
    // SAFETY: as in `with_kernel_part`.
    let part = unsafe { KernelPart::from_ptr(ptr) };
    let saved = part.get(Kind::Upcall, upcall_id.subscribe_num);
    let upcall = saved.map(|saved| Upcall {
        upcall_id,
        appdata: saved.0.get().into(),
        fn_ptr: saved.1.get().into(),
    });
    process.leave_grant(num.ok()?);
    upcall.filter(|u| !u.fn_ptr.is_null())
}

/// Swaps a read-only buffer; returns the address and length before.
pub(crate) fn allow_ro(
    process: &dyn Process,
    driver: &dyn SyscallDriver,
    driver_num: usize,
    allow_num: usize,
    buffer: ReadOnlyProcessBuffer,
) -> Result<(*const u8, usize), ErrorCode> {
    with_kernel_part(process, driver, driver_num, |part| {
        let saved = part
            .get(Kind::AllowRo, allow_num)
            .ok_or(ErrorCode::NOSUPPORT)?;
        let (ptr, len) = buffer.consume();
        let ptr = saved.0.replace(ptr.expose_provenance());
        let len = saved.1.replace(len);
        Ok((core::ptr::with_exposed_provenance(ptr), len))
    })
}

/// Swaps a read-write buffer; returns the address and length before.
pub(crate) fn allow_rw(
    process: &dyn Process,
    driver: &dyn SyscallDriver,
    driver_num: usize,
    allow_num: usize,
    buffer: ReadWriteProcessBuffer,
) -> Result<(*mut u8, usize), ErrorCode> {
    with_kernel_part(process, driver, driver_num, |part| {
        let saved = part
            .get(Kind::AllowRw, allow_num)
            .ok_or(ErrorCode::NOSUPPORT)?;
        let (ptr, len) = buffer.consume();
        let ptr = saved.0.replace(ptr.expose_provenance());
        let len = saved.1.replace(len);
        Ok((core::ptr::with_exposed_provenance_mut(ptr), len))
    })
}

/// The driver's own part, borrowed.
pub struct GrantData<'a, T: 'a + ?Sized> {
    data: &'a mut T,
}
impl<T: ?Sized> Deref for GrantData<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.data
    }
}
impl<T: ?Sized> DerefMut for GrantData<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data
    }
}

/// The kernel's part as a driver may use it: schedule upcalls, reach shared buffers.
pub struct GrantKernelData<'a> {
    part: KernelPart<'a>,
    driver_num: usize,
    process: &'a dyn Process,
}

impl GrantKernelData<'_> {
    fn upcall_id(&self, subscribe_num: usize) -> UpcallId {
        UpcallId {
            driver_num: self.driver_num,
            subscribe_num,
        }
    }

    /// Queues an upcall with three words.
    ///
    /// # Errors
    /// [`UpcallError`]. With no function subscribed the event is queued for Yield-WaitFor alone.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    pub fn schedule_upcall(
        &self,
        subscribe_num: usize,
        r: (usize, usize, usize),
    ) -> Result<(), UpcallError> {
        let saved = self
            .part
            .get(Kind::Upcall, subscribe_num)
            .ok_or(UpcallError::InvalidSubscribeNum)?;
        Upcall {
            upcall_id: self.upcall_id(subscribe_num),
            appdata: saved.0.get().into(),
            fn_ptr: saved.1.get().into(),
        }
        .schedule(self.process, r)
    }

    /// Takes the oldest queued event of this subscription back.
    pub fn remove_upcall(&self, subscribe_num: usize) -> Option<Task> {
        self.process.remove_upcall(self.upcall_id(subscribe_num))
    }

    /// Takes all queued calls of this subscription back; returns how many.
    pub fn remove_pending_upcalls(&self, subscribe_num: usize) -> usize {
        self.process
            .remove_pending_upcalls(self.upcall_id(subscribe_num))
    }

    /// A buffer shared by Read-Only Allow; empty when none was.
    ///
    /// # Errors
    /// `AddressOutOfBounds`: the driver has no such buffer.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    pub fn get_readonly_processbuffer(
        &self,
        allow_ro_num: usize,
    ) -> Result<ReadOnlyProcessBufferRef<'_>, Error> {
        let saved = self
            .part
            .get(Kind::AllowRo, allow_ro_num)
            .ok_or(Error::AddressOutOfBounds)?;
        // SAFETY: the process checked the range when it was allowed and never gives it up (the
        // allow high-water mark); a reset forgets the grant together with it.
        Ok(unsafe {
            ReadOnlyProcessBufferRef::new(
                core::ptr::with_exposed_provenance(saved.0.get()),
                saved.1.get(),
                self.process.processid(),
            )
        })
    }

    /// A buffer shared by Read-Write Allow; empty when none was.
    ///
    /// # Errors
    /// `AddressOutOfBounds`: the driver has no such buffer.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    pub fn get_readwrite_processbuffer(
        &self,
        allow_rw_num: usize,
    ) -> Result<ReadWriteProcessBufferRef<'_>, Error> {
        let saved = self
            .part
            .get(Kind::AllowRw, allow_rw_num)
            .ok_or(Error::AddressOutOfBounds)?;
        // SAFETY: as for read-only buffers, and the range is the process's RAM.
        Ok(unsafe {
            ReadWriteProcessBufferRef::new(
                core::ptr::with_exposed_provenance_mut(saved.0.get()),
                saved.1.get(),
                self.process.processid(),
            )
        })
    }
}

/// A grant without its types: what entering it needs. The code that enters is one for all drivers.
#[derive(Clone, Copy)]
struct Untyped {
    driver_num: usize,
    grant_num: usize,
    layout: &'static Layout,
}

/// What a grant's types say of its memory.
struct Layout {
    upcalls: u8,
    allow_ro: u8,
    allow_rw: u8,
    /// Where the driver's part begins.
    offset: usize,
    /// All of it, bytes.
    size: usize,
    align: usize,
    /// Writes the driver's default part.
    ///
    /// # Safety
    /// The pointer is to unshared room for it, aligned.
    default: unsafe fn(NonNull<u8>),
}

/// A grant that was entered: whoever has this leaves it.
struct Entered<'a> {
    kernel_data: GrantKernelData<'a>,
    /// The driver's part.
    data: NonNull<u8>,
    grant_num: usize,
}

impl Entered<'_> {
    /// Calls `fun` with the grant, and leaves it.
    ///
    /// # Safety
    /// The driver's part is a `T`.
    #[inline]
    unsafe fn run<T, F, R>(self, fun: F) -> R
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData, &mut GrantRegionAllocator) -> R,
    {
        let process = self.kernel_data.process;
        // SAFETY: a `T` lies there, by the caller's promise, and the process refuses to enter the
        // grant again until it is left.
        let data = unsafe { &mut *self.data.cast::<T>().as_ptr() };
        let mut allocator = GrantRegionAllocator { process };
        let r = fun(&mut GrantData { data }, &self.kernel_data, &mut allocator);
        process.leave_grant(self.grant_num);
        r
    }
}

impl Untyped {
    /// Enters the grant, allocating it first if need be.
    fn enter_in<'a>(self, process: &'a dyn Process) -> Result<Entered<'a>, Error> {
        match self.open(process) {
            // Not allocated.
            Err(Error::KernelError) => {
                self.allocate(process)?;
                self.open(process)
            }
            done => done,
        }
    }

    /// As [`Self::enter_in`], in the process of that identity.
    #[inline(never)]
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn enter(self, kernel: &'static Kernel, id: ProcessId) -> Result<Entered<'static>, Error> {
        self.enter_in(kernel.process_ref(id).ok_or(Error::NoSuchApp)?)
    }

    /// Enters the grant if it is allocated; `KernelError` if it is not.
    #[inline(never)]
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn open<'a>(self, process: &'a dyn Process) -> Result<Entered<'a>, Error> {
        let ptr = process.enter_grant(self.grant_num)?;
        // SAFETY: `allocate` initialised the kernel's part and the driver's behind it, which lies in
        // the same allocation.
        let (part, data) = unsafe { (KernelPart::from_ptr(ptr), ptr.byte_add(self.layout.offset)) };
        Ok(Entered {
            kernel_data: GrantKernelData {
                part,
                driver_num: self.driver_num,
                process,
            },
            data,
            grant_num: self.grant_num,
        })
    }

    #[cold]
    fn allocate(self, process: &dyn Process) -> Result<(), Error> {
        let layout = self.layout;
        let ptr = process
            .allocate_grant(self.grant_num, self.driver_num, layout.size, layout.align)
            .map_err(|()| Error::OutOfMemory)?;
        // SAFETY: the process just gave out this many unshared bytes with this alignment; the
        // driver's part lies at its own alignment behind the kernel's.
        unsafe {
            KernelPart::initialize(ptr, layout.upcalls, layout.allow_ro, layout.allow_rw);
            (layout.default)(ptr.byte_add(layout.offset));
        }
        Ok(())
    }
}

/// One driver's grant in all processes.
pub struct Grant<T: Default, Upcalls: UpcallSize, AllowROs: AllowRoSize, AllowRWs: AllowRwSize> {
    pub(crate) kernel: &'static Kernel,
    untyped: Untyped,
    #[allow(clippy::type_complexity)]
    _phantom: PhantomData<(T, Upcalls, AllowROs, AllowRWs)>,
}

impl<T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize> Grant<T, U, RO, RW> {
    const LAYOUT: &'static Layout = &Layout {
        upcalls: U::COUNT,
        allow_ro: RO::COUNT,
        allow_rw: RW::COUNT,
        offset: offset_of_t::<T>(U::COUNT, RO::COUNT, RW::COUNT),
        size: offset_of_t::<T>(U::COUNT, RO::COUNT, RW::COUNT) + size_of::<T>(),
        align: if align_of::<T>() > align_of::<usize>() {
            align_of::<T>()
        } else {
            align_of::<usize>()
        },
        // SAFETY: the field's contract is `write`'s.
        default: |place| unsafe { place.cast::<T>().write(T::default()) },
    };

    pub(crate) fn new(kernel: &'static Kernel, driver_num: usize, grant_num: usize) -> Self {
        Grant {
            kernel,
            untyped: Untyped {
                driver_num,
                grant_num,
                layout: Self::LAYOUT,
            },
            _phantom: PhantomData,
        }
    }

    /// Calls `fun` with the grant in this process, allocating it first if need be.
    ///
    /// # Errors
    /// `NoSuchApp`, `InactiveApp`, `OutOfMemory`; `AlreadyInUse` when it is entered already
    /// (upstream panics there).
    pub fn enter<F, R>(&self, process_id: ProcessId, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData) -> R,
    {
        let entered = self.untyped.enter(self.kernel, process_id)?;
        // SAFETY: `LAYOUT` put a `T` there.
        Ok(unsafe { entered.run(|d, k, _| fun(d, k)) })
    }

    /// As [`Self::enter`], with an allocator of further grant memory.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn enter_with_allocator<F, R>(&self, process_id: ProcessId, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData, &mut GrantRegionAllocator) -> R,
    {
        let entered = self.untyped.enter(self.kernel, process_id)?;
        // SAFETY: `LAYOUT` put a `T` there.
        Ok(unsafe { entered.run(fun) })
    }

    /// Calls `fun` for every process in which the grant is allocated.
    pub fn each<F>(&self, mut fun: F)
    where
        F: FnMut(ProcessId, &mut GrantData<T>, &GrantKernelData),
    {
        for pg in self.iter() {
            let id = pg.processid();
            let _ = pg.access(|d, k, _| fun(id, d, k));
        }
    }

    /// The grant in every process in which it is allocated.
    pub fn iter(&self) -> Iter<'_, T, U, RO, RW> {
        Iter {
            grant: self,
            index: 0,
        }
    }
}

/// Iterator of [`Grant::iter`].
pub struct Iter<'a, T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize> {
    grant: &'a Grant<T, U, RO, RW>,
    index: usize,
}

impl<'a, T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize> Iterator
    for Iter<'a, T, U, RO, RW>
{
    type Item = ProcessGrant<'a, T, U, RO, RW>;
    fn next(&mut self) -> Option<Self::Item> {
        while self.index < self.grant.kernel.slots() {
            let process = self.grant.kernel.process_at(self.index);
            self.index += 1;
            if let Some(p) = process
                && p.grant_is_allocated(self.grant.untyped.grant_num) == Some(true)
            {
                return Some(ProcessGrant::known(self.grant, p));
            }
        }
        None
    }
}

/// One driver's grant in one process; it is allocated.
pub struct ProcessGrant<'a, T: 'a, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize> {
    process: &'a dyn Process,
    untyped: Untyped,
    #[allow(clippy::type_complexity)]
    _phantom: PhantomData<(T, U, RO, RW)>,
}

impl<'a, T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize>
    ProcessGrant<'a, T, U, RO, RW>
{
    fn known(grant: &Grant<T, U, RO, RW>, process: &'a dyn Process) -> Self {
        ProcessGrant {
            process,
            untyped: grant.untyped,
            _phantom: PhantomData,
        }
    }

    /// The process.
    pub fn processid(&self) -> ProcessId {
        self.process.processid()
    }

    /// Calls `fun` with the grant.
    ///
    /// # Panics
    /// When the grant is entered already: a driver's own mistake, as upstream.
    pub fn enter<F, R>(self, fun: F) -> R
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData) -> R,
    {
        match self.try_enter(fun) {
            Some(r) => r,
            None => panic!("grant entered twice"),
        }
    }

    /// Calls `fun` with the grant, unless it is entered already.
    pub fn try_enter<F, R>(self, fun: F) -> Option<R>
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData) -> R,
    {
        self.access(|d, k, _| fun(d, k)).ok()
    }

    /// As [`Self::enter`], with an allocator of further grant memory.
    ///
    /// # Panics
    /// As [`Self::enter`].
    pub fn enter_with_allocator<F, R>(self, fun: F) -> R
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData, &mut GrantRegionAllocator) -> R,
    {
        match self.access(fun) {
            Ok(r) => r,
            Err(_) => panic!("grant entered twice"),
        }
    }

    fn access<F, R>(self, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData, &mut GrantRegionAllocator) -> R,
    {
        let entered = self.untyped.open(self.process)?;
        // SAFETY: the grant's `LAYOUT` put a `T` there.
        Ok(unsafe { entered.run(fun) })
    }
}

/// Further grant memory, allocated while a grant is entered. Freed when the process resets.
pub struct CustomGrant<T> {
    identifier: ProcessCustomGrantIdentifier,
    process_id: ProcessId,
    /// While a closure has it.
    entered: Cell<bool>,
    _phantom: PhantomData<T>,
}

impl<T> CustomGrant<T> {
    /// The process.
    pub fn processid(&self) -> ProcessId {
        self.process_id
    }

    /// Calls `fun` with it.
    ///
    /// # Errors
    /// `NoSuchApp`, `InactiveApp`, `AlreadyInUse` from inside `fun`.
    pub fn enter<F, R>(&self, fun: F) -> Result<R, Error>
    where
        F: FnOnce(GrantData<'_, T>) -> R,
    {
        let process = self
            .process_id
            .kernel()
            .process_ref(self.process_id)
            .ok_or(Error::NoSuchApp)?;
        let ptr = process.enter_custom_grant(self.identifier)?;
        if self.entered.replace(true) {
            return Err(Error::AlreadyInUse);
        }
        // SAFETY: `alloc_with` wrote a `T` there; this value, which cannot be copied, is its only
        // owner, and `entered` keeps a second borrow from being made.
        let data = unsafe { &mut *ptr.cast::<T>() };
        let result = fun(GrantData { data });
        self.entered.set(false);
        Ok(result)
    }
}

/// Allocates further grant memory.
pub struct GrantRegionAllocator<'a> {
    process: &'a dyn Process,
}

impl GrantRegionAllocator<'_> {
    /// One element that `init` makes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn alloc_with<T, F: FnOnce() -> T>(&self, init: F) -> Result<CustomGrant<T>, Error> {
        let (identifier, ptr) = self
            .process
            .allocate_custom_grant(size_of::<T>(), align_of::<T>())
            .map_err(|()| Error::OutOfMemory)?;
        // SAFETY: the process just gave out room for a `T`, aligned and unshared.
        unsafe { ptr.as_ptr().cast::<T>().write(init()) };
        Ok(CustomGrant {
            identifier,
            process_id: self.process.processid(),
            entered: Cell::new(false),
            _phantom: PhantomData,
        })
    }

    /// `N` elements that `init` makes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn alloc_n_with<T, F: FnMut(usize) -> T, const N: usize>(
        &self,
        init: F,
    ) -> Result<CustomGrant<[T; N]>, Error> {
        self.alloc_with(|| core::array::from_fn(init))
    }
}

impl Kernel {
    /// Makes a driver's grant.
    ///
    /// # Panics
    /// After processes are loaded: their grant tables have no room for it.
    pub fn create_grant<T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize>(
        &'static self,
        driver_num: usize,
        _capability: &dyn MemoryAllocationCapability,
    ) -> Grant<T, U, RO, RW> {
        Grant::new(self, driver_num, self.next_grant_number())
    }
}

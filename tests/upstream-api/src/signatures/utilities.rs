//! §4.6: cells, leasable buffers, macros, registers, collections, capabilities, components.

use kernel::collections::list::{List, ListLink, ListNode};
use kernel::collections::queue::Queue;
use kernel::collections::ring_buffer::RingBuffer;
use kernel::component::Component;
use kernel::introspection::KernelInfo;
use kernel::utilities::binary_write::{BinaryWrite, WriteToBinaryOffsetWrapper};
use kernel::utilities::capability_ptr::CapabilityPtr;
use kernel::utilities::cells::{MapCell, NumericCellExt, OptionalCell, TakeCell};
use kernel::utilities::copy_range::CopyRange;
use kernel::utilities::copy_slice::CopyOrErr;
use kernel::utilities::dma_slice::{DmaSlice, DmaSliceMut, DmaSubSlice, DmaSubSliceMut};
use kernel::utilities::io_write::IoWrite;
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut, SubSliceMutImmut};
use kernel::utilities::machine_register::MachineRegister;
use kernel::utilities::math::{self, PowerOfTwo};
use kernel::utilities::mut_imut_buffer::MutImutBuffer;
use kernel::utilities::peripheral_management::{PeripheralManagement, PeripheralManager};
use kernel::utilities::registers::{
    Aliased, Field, FieldValue, InMemoryRegister, LocalRegisterCopy, ReadOnly, ReadWrite,
    RegisterLongName, WriteOnly, interfaces::ReadWriteable, interfaces::Readable,
    interfaces::Writeable, register_bitfields, register_structs,
};
use kernel::utilities::single_thread_value::SingleThreadValue;
use kernel::utilities::slice_uninit::mut_slice_as_maybeuninit;
use kernel::utilities::{StaticRef, helpers};
use kernel::{ErrorCode, ProcessId, capabilities};
use std::cell::Cell;
use std::ops::Range;

pub fn optional_cell(c: &OptionalCell<u32>) {
    const _: OptionalCell<&'static dyn Fn()> = OptionalCell::empty();
    let _: OptionalCell<u32> = OptionalCell::new(1);
    c.set(1);
    c.insert(None);
    let _: Option<u32> = c.replace(2);
    c.clear();
    let _: [bool; 3] = [c.is_some(), c.is_none(), c.contains(&1)];
    let _: [Option<u32>; 2] = [c.take(), c.get()];
    let _: Option<u8> = c.map(|v: u32| v as u8);
    let _: u8 = c.map_or(0, |v| v as u8);
    let _: u8 = c.map_or_else(|| 0, |v| v as u8);
    let _: Option<u8> = c.and_then(|v| u8::try_from(v).ok());
    let _: [u32; 3] = [c.unwrap_or(1), c.unwrap_or_else(|| 1), c.unwrap_or_panic()];
    let own = || OptionalCell::new(1u32);
    let _: Result<u32, ErrorCode> = own().ok_or(ErrorCode::FAIL);
    let _: Result<u32, ErrorCode> = own().ok_or_else(|| ErrorCode::FAIL);
    let _: Option<u8> = own().and(Some(1u8));
    let _: [Option<u32>; 3] = [
        own().or(None),
        own().or_else(|| None),
        own().filter(|v| *v > 0),
    ];
    let _: u32 = own().unwrap_or_default();
}

pub fn take_cell(c: &mut TakeCell<'static, [u8]>, buffer: &'static mut [u8]) {
    const _: TakeCell<'static, [u8]> = TakeCell::empty();
    let _: Option<&'static mut [u8]> = c.replace(buffer);
    let _: Option<&'static mut [u8]> = c.take();
    c.put(None);
    let _: [bool; 2] = [c.is_none(), c.is_some()];
    let _: Option<&mut [u8]> = c.get_mut();
    let _: Option<usize> = c.map(|b: &mut [u8]| b.len());
    let _: usize = c.map_or(0, |b| b.len());
    let _: usize = c.map_or_else(|| 0, |b| b.len());
    let _: Option<u8> = c.and_then(|b| b.first().copied());
    c.modify_or_replace(|b| b.fill(0), || &mut []);
    let _: fn(&'static mut [u8]) -> TakeCell<'static, [u8]> = TakeCell::new;
}

pub fn map_cell(c: &MapCell<u32>, n: &Cell<usize>) {
    const _: MapCell<[u8; 4]> = MapCell::empty();
    let _: MapCell<u32> = MapCell::new(1);
    c.put(1);
    let _: [Option<u32>; 3] = [c.take(), c.replace(2), c.get()];
    let _: [bool; 2] = [c.is_none(), c.is_some()];
    let _: Option<u32> = c.map(|v: &mut u32| *v);
    let _: u32 = c.map_or(0, |v| *v);
    let _: Option<u32> = c.and_then(|v| Some(*v));
    c.modify_or_replace(|v| *v += 1, || 1);
    n.add(1);
    n.subtract(1);
    n.increment();
    n.decrement();
    let _: [usize; 2] = [n.get_and_increment(), n.get_and_decrement()];
}

pub fn leased(bytes: &'static [u8], buffer: &'static mut [u8], other: &'static mut [u8]) {
    let mut s: SubSlice<'static, u8> = SubSlice::new(bytes);
    let copy = s;
    s.slice(1..);
    s.reset();
    let _: (usize, *const u8, bool, Range<usize>) =
        (s.len(), s.as_ptr(), s.is_sliced(), s.active_range());
    let _: (&'static [u8], &'static [u8], u8) = (s.as_slice(), copy.take(), s[0]);
    let mut m: SubSliceMut<'static, u8> = SubSliceMut::new(buffer);
    m.slice(..=2);
    m.reset();
    m[0] = 1;
    m.as_mut_slice().fill(2);
    let _: (usize, *const u8, bool, Range<usize>, u8) =
        (m.len(), m.as_ptr(), m.is_sliced(), m.active_range(), m[0]);
    let _: &[u8] = m.as_slice();
    let _: &'static mut [u8] = m.take();
    let mut either: SubSliceMutImmut<'static, u8> = SubSliceMut::new(other).into();
    either.slice(..1);
    either.map_mut(|m: &mut SubSliceMut<'_, u8>| m[0] = 1);
    either.reset();
    let _: (usize, *const u8, u8) = (either.len(), either.as_ptr(), either[0]);
    let _: [SubSliceMutImmut<'static, u8>; 2] = [bytes.into(), SubSliceMutImmut::Immutable(s)];
}

register_bitfields![u32,
    Control [
        ENABLE OFFSET(0) NUMBITS(1) [],
        MODE OFFSET(1) NUMBITS(2) [Fast = 1, Slow = 2]
    ]
];
register_structs! {
    pub Registers {
        (0x00 => control: ReadWrite<u32, Control::Register>),
        (0x04 => status: ReadOnly<u32>),
        (0x08 => data: Aliased<u32>),
        (0x0C => command: WriteOnly<u32>),
        (0x10 => @END),
    }
}

pub fn registers(r: StaticRef<Registers>) {
    let _: unsafe fn(*const Registers) -> StaticRef<Registers> = StaticRef::new;
    r.control.write(Control::ENABLE::SET + Control::MODE::Fast);
    r.control.modify(Control::ENABLE::CLEAR);
    let _: (bool, u32) = (
        r.control.is_set(Control::ENABLE),
        r.control.read(Control::MODE),
    );
    r.command.set(r.status.get() + r.data.get());
    let field: Field<u32, Control::Register> = Control::MODE;
    let value: FieldValue<u32, Control::Register> = Control::MODE::Slow;
    let mut copy: LocalRegisterCopy<u32, Control::Register> = r.control.extract();
    copy.modify(value);
    let memory: InMemoryRegister<u32, Control::Register> = InMemoryRegister::new(copy.get());
    let _: u32 = memory.read(field);
    fn long_name<T: RegisterLongName>() {}
    long_name::<Control::Register>();
}

pub struct Member<'a>(ListLink<'a, Member<'a>>);
impl<'a> ListNode<'a, Member<'a>> for Member<'a> {
    fn next(&'a self) -> &'a ListLink<'a, Member<'a>> {
        &self.0
    }
}

pub fn collections(ring: &'static mut [u8], first: &'static Member<'static>) {
    let list: List<'static, Member<'static>> = List::new();
    list.push_head(first);
    let _: (Option<&Member>, usize) = (list.head(), list.iter().count());
    let _: Option<&Member> = list.pop_head();
    list.push_tail(first);
    let _: fn() -> ListLink<'static, Member<'static>> = ListLink::empty;
    let ring: &'static mut [std::mem::MaybeUninit<u8>] = mut_slice_as_maybeuninit(ring);
    let mut ring: RingBuffer<'static, u8> = RingBuffer::new(ring);
    let _: [bool; 3] = [ring.enqueue(1), ring.has_elements(), ring.is_full()];
    let _: (usize, usize) = (ring.len(), ring.available_len());
    let _: [Option<u8>; 3] = [
        ring.push(1),
        ring.dequeue(),
        ring.remove_first_matching(|v| *v == 1),
    ];
    let _: (Option<&[u8]>, Option<&[u8]>) = ring.as_slices();
    ring.retain(|v| *v > 1);
    ring.empty();
}

pub fn others<C: kernel::platform::chip::ClockInterface, H: PeripheralManagement<C>>(
    peripheral: &H,
    writer: &mut dyn BinaryWrite,
    io: &mut dyn IoWrite,
) {
    let access: PeripheralManager<'_, H, C> = PeripheralManager::new(peripheral);
    let _: &H::RegisterType = access.registers;
    let _: Result<usize, ()> = writer.write_buffer(b"");
    let mut wrapper = WriteToBinaryOffsetWrapper::new(writer);
    wrapper.set_offset(1);
    let _: (usize, bool) = (wrapper.get_index(), wrapper.bytes_remaining());
    let _: usize = io.write(b"");
    let _: fn(&mut [u8], &[u8]) -> Result<(), ErrorCode> = |a, b| a.copy_from_slice_or_err(b);
    let _: fn(&mut [u16], &[u16]) -> Result<(), ErrorCode> = |a, b| a.copy_from_slice_or_err(b);
    let _: fn(&mut [usize], &[usize]) -> Result<(), ErrorCode> = |a, b| a.copy_from_slice_or_err(b);
    let _: fn(Range<usize>) -> CopyRange<usize> = CopyRange::from;
    let _: fn(CopyRange<usize>) -> Range<usize> = Range::from;
    let _: MutImutBuffer<'static, u8> = MutImutBuffer::Immutable(&[]);
    let _: fn(&[u8]) -> u32 = helpers::crc32_posix;
    let _: [fn(u32) -> u32; 2] = [math::closest_power_of_two, math::log_base_two];
    let _: fn(u64) -> u32 = math::log_base_two_u64;
    let _: u32 = PowerOfTwo::ceiling(5u32).as_num::<u32>() + PowerOfTwo::zero().exp::<u32>();
    let p = CapabilityPtr::from(4usize);
    let _: (*const u8, bool) = (p.as_ptr(), p.is_null());
    let _: usize = p.map_or_else(|| 0, |p| p.addr());
    let mut moved = p;
    moved += 4;
    fn word<T: Copy + Ord + std::hash::Hash + std::fmt::LowerHex + std::fmt::UpperHex>(_: T) {}
    word(moved);
    word(MachineRegister::from(moved));
    let _: usize = MachineRegister::from(p).as_usize();
    let _: MachineRegister = 4usize.into();
    static _SHARED: SingleThreadValue<Cell<u32>> = SingleThreadValue::new();
    let _: Option<&Cell<u32>> = _SHARED.get();
}

pub fn dma<F: kernel::platform::dma_fence::DmaFence>(fence: F, bytes: &'static mut [u8]) {
    let read: DmaSlice<'static, u8> = DmaSlice::from_slice_ref(b"bytes", fence);
    let _: (*const u8, usize, &'static [u8]) = (read.as_ptr(), read.len(), read.as_slice_ref());
    let window: DmaSubSlice<'static, u8> =
        DmaSubSlice::from_sub_slice(SubSlice::new(b"bytes"), fence);
    let _: (*const u8, SubSlice<'static, u8>) = (window.as_ptr(), window.as_sub_slice());
    let (a, b) = bytes.split_at_mut(4);
    let whole: DmaSliceMut<'static, u8> = DmaSliceMut::from_static_mut_slice_ref(a, fence);
    let _: (*mut u8, usize) = (whole.as_mut_ptr(), whole.len());
    let part: DmaSubSliceMut<'static, u8> =
        DmaSubSliceMut::from_static_sub_slice_mut(SubSliceMut::new(b), fence);
    let _: (*mut u8, usize) = (part.as_mut_ptr(), part.len());
}

pub struct Power;
impl Component for Power {
    type StaticInput = (
        &'static mut std::mem::MaybeUninit<u32>,
        &'static mut std::mem::MaybeUninit<[u8; 4]>,
    );
    type Output = &'static u32;
    fn finalize(self, static_memory: Self::StaticInput) -> Self::Output {
        let buffer: &'static mut [u8; 4] = static_memory.1.write([0; 4]);
        static_memory.0.write(buffer.len() as u32)
    }
}

#[macro_export]
macro_rules! power_component_static {
    () => {{ (kernel::static_buf!(u32), kernel::static_buf!([u8; 4])) }};
}

pub fn components() -> &'static u32 {
    let _: &'static mut u64 = kernel::static_init!(u64, 5);
    Power.finalize(power_component_static!())
}

pub fn info(i: &KernelInfo, app: ProcessId, cap: &dyn capabilities::ProcessManagementCapability) {
    let _: fn(&'static kernel::Kernel) -> KernelInfo = KernelInfo::new;
    let _: [usize; 4] = [
        i.number_loaded_processes(cap),
        i.number_active_processes(cap),
        i.number_inactive_processes(cap),
        i.timeslice_expirations(cap),
    ];
    let _: &'static str = i.process_name(app, cap);
    let _: [usize; 4] = [
        i.number_app_syscalls(app, cap),
        i.number_app_dropped_upcalls(app, cap),
        i.number_app_restarts(app, cap),
        i.number_app_timeslice_expirations(app, cap),
    ];
    let _: (usize, usize) = i.number_app_grant_uses(app, cap);
}

pub fn capability_names<
    T: capabilities::ProcessManagementCapability
        + capabilities::ProcessStartCapability
        + capabilities::MainLoopCapability
        + capabilities::MemoryAllocationCapability
        + capabilities::ExternalProcessCapability
        + capabilities::KerneluserStorageCapability
        + capabilities::ApplicationStorageCapability
        + capabilities::UdpDriverCapability
        + capabilities::CreatePortTableCapability
        + capabilities::NetworkCapabilityCreationCapability
        + capabilities::SetDebugWriterCapability,
>() {
}

pub fn debug(i: u32) {
    kernel::debug!("plain");
    kernel::debug!("{} and {i}", i);
    kernel::debug_verbose!();
    let _: u32 = kernel::debug_expr!(i);
    kernel::debug_gpio!(0, toggle);
    let _: usize = kernel::count_expressions!(1, 2, 3);
}

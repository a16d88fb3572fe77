//! PMSAv8 memory protection of the non-secure world.
//!
//! Owns the register encoding and each process's regions: 0 is its RAM below the break, 1 its flash,
//! 2 to 7 what others share with it. Regions are exact to 32 bytes and never overlap (overlap would
//! deny all access). The unit stays on while the kernel runs: the kernel works under the default
//! map, and process regions only add what it may do anyway.

use crate::registers::*;
use core::cell::Cell;
use core::fmt;
use kernel::platform::mpu::{MPU, Permissions, Region};
use kernel::weakened::{Defence, off};

/// Smallest region and alignment of both ends, in bytes.
pub const GRANULE: usize = 32;
/// Regions a process has: as many as the smallest core we run on.
const REGIONS: usize = 8;
const RAM_REGION: usize = 0;

/// Normal memory, non-cacheable, inner and outer.
const ATTR0: u32 = 0x44;
const CTRL_ENABLE: u32 = 1;
const CTRL_PRIVDEFENA: u32 = 1 << 2;
const RBAR_XN: u32 = 1;
const RBAR_RW_ANY: u32 = 0b01 << 1;
const RBAR_RO_ANY: u32 = 0b11 << 1;
const RLAR_ENABLE: u32 = 1;
/// Armv8.1-M: never executed by the kernel. Reserved, and ignored, before.
const RLAR_PXN: u32 = 1 << 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    start: usize,
    /// Exclusive.
    end: usize,
    permissions: Permissions,
}

impl Entry {
    fn overlaps(&self, start: usize, end: usize) -> bool {
        start < self.end && self.start < end
    }

    fn registers(&self) -> (u32, u32) {
        let access = match self.permissions {
            Permissions::ReadWriteExecute => RBAR_RW_ANY,
            Permissions::ReadWriteOnly if off(Defence::RamNeverExecuted) => RBAR_RW_ANY,
            Permissions::ReadWriteOnly => RBAR_RW_ANY | RBAR_XN,
            Permissions::ReadExecuteOnly if off(Defence::FlashReadOnly) => RBAR_RW_ANY,
            Permissions::ReadExecuteOnly | Permissions::ExecuteOnly => RBAR_RO_ANY,
            Permissions::ReadOnly => RBAR_RO_ANY | RBAR_XN,
        };
        let limit = (self.end - GRANULE) as u32;
        // The second wall behind these two: a process that is privileged executes nothing.
        let pxn = if off(Defence::Unprivileged) || off(Defence::InterruptReturn) {
            0
        } else {
            RLAR_PXN
        };
        (self.start as u32 | access, limit | pxn | RLAR_ENABLE)
    }
}

/// One process's regions.
pub struct Config {
    /// Never twice; 0 is nobody's.
    id: usize,
    regions: [Option<Entry>; REGIONS],
    /// RBAR and RLAR of each, and how many there are up to the last one that is on: what is loaded.
    registers: [(u32, u32); REGIONS],
    used: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, e) in self.regions.iter().enumerate() {
            let Some(e) = e else { continue };
            let (rbar, rlar) = e.registers();
            write!(
                f,
                "  {i}: 0x{:08x}..0x{:08x} {:?} (RBAR 0x{rbar:08x} RLAR 0x{rlar:08x})\r\n",
                e.start, e.end, e.permissions
            )?;
        }
        Ok(())
    }
}

impl Config {
    fn free(&self, start: usize, end: usize) -> Option<usize> {
        if self
            .regions
            .iter()
            .flatten()
            .any(|e| e.overlaps(start, end))
        {
            return None;
        }
        // RAM keeps its place.
        (RAM_REGION + 1..REGIONS).find(|i| self.regions.get(*i).is_some_and(Option::is_none))
    }

    /// Writes the first `count` regions.
    #[inline(never)]
    fn load(&self, count: usize) {
        for (group, registers) in self.registers.chunks(4).enumerate() {
            let first = 4 * group;
            if first >= count {
                break;
            }
            MPU_RNR.write(first as u32);
            for (i, (base, limit)) in registers.iter().enumerate().take(count - first) {
                let (rbar, rlar) = mpu_region(i);
                // Off before its base moves, so that no mixture of two regions ever exists.
                rlar.write(0);
                rbar.write(*base);
                rlar.write(*limit);
            }
        }
        barrier();
    }

    fn set(&mut self, index: usize, entry: Option<Entry>) {
        let places = (self.regions.get_mut(index), self.registers.get_mut(index));
        if let (Some(e), Some(r)) = places {
            *e = entry;
            *r = entry.map_or((0, 0), |e| e.registers());
            let last = self.regions.iter().rposition(Option::is_some);
            self.used = last.map_or(0, |i| i + 1);
        }
    }
}

/// The unit.
pub struct Pmsav8 {
    next_id: Cell<usize>,
    loaded: Cell<usize>,
    /// Regions up to the last one that is on.
    loaded_used: Cell<usize>,
    enabled: Cell<bool>,
}

impl Pmsav8 {
    /// Off, with nothing loaded.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Pmsav8 {
            next_id: Cell::new(1),
            loaded: Cell::new(0),
            loaded_used: Cell::new(REGIONS),
            enabled: Cell::new(false),
        }
    }

    /// What is loaded is not this configuration any more.
    fn changed(&self, config: &Config) {
        if self.loaded.get() == config.id {
            self.loaded.set(0);
        }
    }
}

// SAFETY: only the regions of the loaded configuration are enabled, each as `Entry::registers`
// says; with PRIVDEFENA the default map is the kernel's alone.
unsafe impl MPU for Pmsav8 {
    type MpuConfig = Config;

    #[inline]
    fn enable_app_mpu(&self) {
        if !self.enabled.get() {
            self.enabled.set(true);
            MPU_MAIR0.write(ATTR0);
            let on = if off(Defence::Mpu) { 0 } else { CTRL_ENABLE };
            MPU_CTRL.write(on | CTRL_PRIVDEFENA);
            barrier();
        }
    }

    #[inline]
    unsafe fn disable_app_mpu(&self) {
        // It stays on: see the module's doc.
    }

    fn number_total_regions(&self) -> usize {
        REGIONS
    }

    fn new_config(&self) -> Option<Config> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        Some(Config {
            id,
            regions: [None; REGIONS],
            registers: [(0, 0); REGIONS],
            used: 0,
        })
    }

    fn reset_config(&self, config: &mut Config) {
        config.regions = [None; REGIONS];
        config.registers = [(0, 0); REGIONS];
        config.used = 0;
        self.changed(config);
    }

    fn allocate_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
        permissions: Permissions,
        config: &mut Config,
    ) -> Option<Region> {
        let limit = unallocated_memory_start
            .addr()
            .checked_add(unallocated_memory_size)?;
        let start = unallocated_memory_start
            .addr()
            .checked_next_multiple_of(GRANULE)?;
        let size = min_region_size.max(1).checked_next_multiple_of(GRANULE)?;
        let end = start.checked_add(size)?;
        if end > limit {
            return None;
        }
        let index = config.free(start, end)?;
        self.changed(config);
        config.set(
            index,
            Some(Entry {
                start,
                end,
                permissions,
            }),
        );
        let offset = start - unallocated_memory_start.addr();
        Some(Region::new(
            unallocated_memory_start.wrapping_add(offset),
            size,
        ))
    }

    fn remove_memory_region(&self, region: Region, config: &mut Config) -> Result<(), ()> {
        let (start, end) = (
            region.start_address().addr(),
            region.start_address().addr() + region.size(),
        );
        let held = |e: &Option<Entry>| e.is_some_and(|e| e.start == start && e.end == end);
        let index = config.regions.iter().position(held).ok_or(())?;
        self.changed(config);
        config.set(index, None);
        Ok(())
    }

    fn allocate_app_memory_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_memory_size: usize,
        initial_app_memory_size: usize,
        initial_kernel_memory_size: usize,
        permissions: Permissions,
        config: &mut Config,
    ) -> Option<(*const u8, usize)> {
        let base = unallocated_memory_start.addr();
        let start = base.checked_next_multiple_of(GRANULE)?;
        let app = initial_app_memory_size
            .max(1)
            .checked_next_multiple_of(GRANULE)?;
        let size = min_memory_size
            .max(app.checked_add(initial_kernel_memory_size)?)
            .checked_next_multiple_of(GRANULE)?;
        if start.checked_add(size)? > base.checked_add(unallocated_memory_size)? {
            return None;
        }
        let end = start.checked_add(app)?;
        let others = config.regions.iter().skip(RAM_REGION + 1).flatten();
        if others.into_iter().any(|e| e.overlaps(start, start + size)) {
            return None;
        }
        self.changed(config);
        config.set(
            RAM_REGION,
            Some(Entry {
                start,
                end,
                permissions,
            }),
        );
        Some((unallocated_memory_start.wrapping_add(start - base), size))
    }

    fn update_app_memory_region(
        &self,
        app_memory_break: *const u8,
        kernel_memory_break: *const u8,
        permissions: Permissions,
        config: &mut Config,
    ) -> Result<(), ()> {
        let Some(Some(ram)) = config.regions.get(RAM_REGION).copied() else {
            return Err(());
        };
        let end = app_memory_break
            .addr()
            .max(ram.start + 1)
            .checked_next_multiple_of(GRANULE)
            .ok_or(())?;
        // Rounded up, the region must not reach what the kernel keeps there.
        if end > kernel_memory_break.addr() {
            return Err(());
        }
        let new = Entry {
            start: ram.start,
            end,
            permissions,
        };
        if new != ram {
            self.changed(config);
            config.set(RAM_REGION, Some(new));
        }
        Ok(())
    }

    #[inline]
    unsafe fn configure_mpu(&self, config: &Config) {
        if self.loaded.get() == config.id {
            return;
        }
        // Behind what either uses, everything is off already.
        config.load(config.used.max(self.loaded_used.get()));
        self.loaded_used.set(config.used);
        self.loaded.set(config.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(a: usize) -> *const u8 {
        core::ptr::without_provenance(a)
    }

    fn process(mpu: &Pmsav8) -> Config {
        let mut c = mpu.new_config().unwrap();
        let flash = mpu.allocate_region(
            at(0x6020_0000),
            0x8000,
            0x8000,
            Permissions::ReadExecuteOnly,
            &mut c,
        );
        assert!(flash.is_some());
        let ram = mpu.allocate_app_memory_region(
            at(0x2104_0000),
            0x3_0000,
            0x4000,
            32,
            0x500,
            Permissions::ReadWriteOnly,
            &mut c,
        );
        assert_eq!(ram, Some((at(0x2104_0000), 0x4000)));
        c
    }

    #[test]
    fn registers_are_the_manuals() {
        let mpu = Pmsav8::new();
        let c = process(&mpu);
        let regs: Vec<_> = c.regions.iter().flatten().map(Entry::registers).collect();
        // RAM: 32 bytes, read-write any, never executed. Flash: read-only any, executable.
        assert_eq!(
            regs,
            [
                (0x2104_0000 | 0b011, 0x2104_0000 | 0x11),
                (0x6020_0000 | 0b110, 0x6020_7FE0 | 0x11)
            ]
        );
    }

    #[test]
    fn the_break_opens_exactly_what_it_should() {
        let mpu = Pmsav8::new();
        let mut c = process(&mpu);
        let kernel_break = at(0x2104_3000);
        let mut set = |brk: usize| {
            mpu.update_app_memory_region(at(brk), kernel_break, Permissions::ReadWriteOnly, &mut c)
                .map(|()| c.regions[RAM_REGION].unwrap().end)
        };
        assert_eq!(set(0x2104_0800), Ok(0x2104_0800));
        assert_eq!(set(0x2104_0801), Ok(0x2104_0820));
        assert_eq!(set(0x2104_3000), Ok(0x2104_3000));
        assert_eq!(set(0x2104_3001), Err(()));
        assert_eq!(set(usize::MAX), Err(()));
    }

    #[test]
    fn shared_regions_are_exact_and_never_overlap() {
        let mpu = Pmsav8::new();
        let mut c = process(&mpu);
        let mut share = |start: usize, size: usize| {
            mpu.allocate_region(at(start), size, size, Permissions::ReadWriteOnly, &mut c)
        };
        assert_eq!(
            share(0x2107_0000, 8192),
            Some(Region::new(at(0x2107_0000), 8192))
        );
        assert_eq!(share(0x2107_0000, 32), None, "overlaps a shared region");
        assert_eq!(share(0x2104_0000, 32), None, "overlaps own RAM");
        assert_eq!(share(0x2108_0010, 64), None, "not aligned");
        assert_eq!(share(0x2108_0000, 33), None, "not whole granules");
        assert_eq!(share(usize::MAX - 30, 64), None, "wraps");
        for i in 0..5 {
            assert!(share(0x2109_0000 + 0x100 * i, 0x100).is_some());
        }
        assert_eq!(share(0x210A_0000, 32), None, "all eight are taken");
        let first = Region::new(at(0x2107_0000), 8192);
        assert_eq!(mpu.remove_memory_region(first, &mut c), Ok(()));
        assert_eq!(mpu.remove_memory_region(first, &mut c), Err(()));
    }
}

//! SAU, MPC, PPC, interrupt targets: the set-up of the wall between the worlds.
//!
//! Owns the order and the register values (`reference/qemu-an547.md` §1.2–1.4, §10.1); the tables
//! come from the board's memory map. Does not own policy: which device belongs to whom is the
//! board's [`Peripherals`].
//!
//! Every function is `unsafe`: what it writes decides who may touch what, so only start-up code
//! that runs once, in the secure world, may call it.

/// Secure privilege control block, secure alias.
const SACFG: usize = 0x5008_0000;
const SECRESPCFG: usize = SACFG + 0x10;
const NSCCFG: usize = SACFG + 0x14;
const SECPPCINTSTAT: usize = SACFG + 0x20;
const SECPPCINTCLR: usize = SACFG + 0x24;
const SECPPCINTEN: usize = SACFG + 0x28;
const AHBNSPPCEXP0: usize = SACFG + 0x60;
const APBNSPPC0: usize = SACFG + 0x70;
const APBNSPPCEXP1: usize = SACFG + 0x84;
const APBNSPPCEXP2: usize = SACFG + 0x88;
/// Every PPC that can report: APB 0–1, APBEXP 0–3, AHBEXP 0–3.
const PPC_ALL: u32 = 0x00F0_00F3;

const SAU_CTRL: usize = 0xE000_EDD0;
const SAU_RNR: usize = 0xE000_EDD8;
const SAU_RBAR: usize = 0xE000_EDDC;
const SAU_RLAR: usize = 0xE000_EDE0;
const NVIC_ISER: usize = 0xE000_E100;
const NVIC_ITNS: usize = 0xE000_E380;

/// The combined PPC interrupt.
pub const PPC_IRQ: u32 = 10;

/// Which peripherals the non-secure world gets, as port bits (`reference/qemu-an547.md` §1.3).
#[derive(Debug, Clone, Copy)]
pub struct Peripherals {
    /// APB PPC0: system timers.
    pub apb0: u32,
    /// APB expansion PPC1: UARTs of the SSE-200 images, I2C and SPI of the others.
    pub apb_exp1: u32,
    /// APB expansion PPC2: SCC, FPGAIO, and where they are there UARTs and RTC.
    pub apb_exp2: u32,
    /// AHB expansion PPC0: Ethernet.
    pub ahb_exp0: u32,
    /// Interrupts to target to the non-secure world.
    pub interrupts: &'static [u32],
}

#[inline]
unsafe fn write(address: usize, value: u32) {
    // SAFETY: the caller passes the address of a 32-bit register.
    unsafe { (address as *mut u32).write_volatile(value) }
}

#[inline]
unsafe fn read(address: usize) -> u32 {
    // SAFETY: the caller passes the address of a 32-bit register.
    unsafe { (address as *const u32).read_volatile() }
}

fn barrier() {
    #[cfg(target_arch = "arm")]
    // SAFETY: barriers touch no state of the program.
    unsafe {
        core::arch::asm!("dsb", "isb", options(nostack, preserves_flags));
    }
}

/// Programs and enables the SAU: (base, inclusive limit, is NSC), at most eight regions.
///
/// # Safety
/// Secure start-up code only; everything outside the regions is and stays secure.
pub unsafe fn sau(regions: &[(u32, u32, bool)]) {
    // SAFETY: SAU registers of the Armv8-M system control space; the caller is start-up code.
    unsafe {
        for (number, (base, limit, nsc)) in regions.iter().enumerate() {
            write(SAU_RNR, number as u32);
            write(SAU_RBAR, *base);
            write(SAU_RLAR, (limit & !31) | u32::from(*nsc) << 1 | 1);
        }
        write(SAU_CTRL, 1);
        // Code memory (0x1…) may hold non-secure callable regions.
        write(NSCCFG, 1);
    }
    barrier();
}

/// Opens `[first, last]` (byte offsets, inclusive) of one gated memory to the non-secure world,
/// answers violations with a bus error, and locks the controller until reset.
///
/// # Safety
/// `registers` is the base of an MPC (secure alias); secure start-up code only.
pub unsafe fn mpc(registers: u32, first: u32, last: u32) {
    const CTRL: usize = 0x00;
    const BLK_MAX: usize = 0x10;
    const BLK_CFG: usize = 0x14;
    const BLK_IDX: usize = 0x18;
    const BLK_LUT: usize = 0x1C;
    const SEC_RESP: u32 = 1 << 4;
    const AUTOINC: u32 = 1 << 8;
    const LOCKDOWN: u32 = 1 << 31;
    let base = registers as usize;
    // SAFETY: the caller vouches for the base; the offsets are those of the SIE-200 MPC.
    unsafe {
        let block_shift = (read(base + BLK_CFG) & 0xF) + 5;
        let block = |offset: u32| offset >> block_shift;
        write(base + CTRL, AUTOINC | SEC_RESP);
        let (from, to) = (block(first), block(last));
        write(base + BLK_IDX, from / 32);
        for word in from / 32..=(to / 32).min(read(base + BLK_MAX)) {
            let low = if word == from / 32 { from % 32 } else { 0 };
            let high = if word == to / 32 { to % 32 } else { 31 };
            let bits = (u32::MAX << low) & (u32::MAX >> (31 - high));
            write(base + BLK_LUT, bits);
        }
        write(base + CTRL, AUTOINC | SEC_RESP | LOCKDOWN);
    }
    barrier();
}

/// Hands peripherals and their interrupts over, and arms the violation interrupt.
///
/// # Safety
/// Secure start-up code only.
pub unsafe fn ppc(peripherals: &Peripherals) {
    // SAFETY: SACFG and NVIC registers; the caller is start-up code.
    unsafe {
        write(APBNSPPC0, peripherals.apb0);
        write(APBNSPPCEXP1, peripherals.apb_exp1);
        write(APBNSPPCEXP2, peripherals.apb_exp2);
        write(AHBNSPPCEXP0, peripherals.ahb_exp0);
        write(SECRESPCFG, 1);
        let mut targets = [0u32; 4];
        for irq in peripherals.interrupts {
            if let Some(word) = targets.get_mut(*irq as usize / 32) {
                *word |= 1 << (irq % 32);
            }
        }
        for (i, word) in targets.iter().enumerate() {
            write(NVIC_ITNS + 4 * i, *word);
        }
        write(SECPPCINTEN, PPC_ALL);
        write(NVIC_ISER, 1 << PPC_IRQ);
    }
    barrier();
}

/// Takes note of a PPC violation (which ports, SECPPCINTSTAT) and stops reporting: QEMU cannot
/// clear the latch, so an armed interrupt would come back for ever.
///
/// # Safety
/// From the handler of [`PPC_IRQ`] only.
pub unsafe fn ppc_disarm() -> u32 {
    // SAFETY: SACFG registers.
    unsafe {
        let ports = read(SECPPCINTSTAT);
        write(SECPPCINTEN, 0);
        ports
    }
}

/// Reports violations again, except on ports whose latch does not clear (QEMU's do not).
///
/// # Safety
/// Secure world only.
pub unsafe fn ppc_arm() {
    // SAFETY: SACFG registers.
    unsafe {
        write(SECPPCINTCLR, PPC_ALL);
        write(SECPPCINTEN, PPC_ALL & !read(SECPPCINTSTAT));
    }
}

//! The attacks that the secure image stops: on its memory, its devices, its veneers, its callers.
//!
//! Owns that part of the table. Where something besides a switched defence stops an attack (the
//! bus calls an address secure whatever the SAU says; a memory or device controller lets one world
//! alone have a block or a device), a control says so instead of getting through.

use super::switches::{Wall, kernel, secure};
use super::table::{ANY_FAULT, Attack, Control, EDGES, End, SEED, WAYS, attack};
use anyhow::{Context, Result, anyhow};
use hostile::plan::{Base, Op};
use kernel::weakened::Defence;
use memory_map::{Map, Region, Store, World};

/// The secure alias, by IDAU: what it marks is secure for the bus.
const ALIAS: u32 = 1 << 28;
const OPEN: u64 = kernel(Defence::Mpu);
const SAU: u64 = secure(Wall::Sau);
const MPC: u64 = secure(Wall::Mpc);
const PPC: u64 = secure(Wall::Ppc);
/// What makes a process a privileged program of the other world.
const PRIVILEGED: u64 = OPEN | kernel(Defence::Unprivileged);
const BY_SAU: End = End::Fault("secure");
const BY_MPU: End = End::Fault("outside its");
const BY_BUS: End = End::Fault("bus error");
/// Memory of this image that it leaves alone: the one whose block a controller can give away.
const RESERVE: &str = "spe-reserve";

/// Veneers of the page, in order (tfm.md §A.1).
const VENEERS: [&str; 10] = [
    "framework-version",
    "version",
    "call",
    "connect",
    "close",
    "nsce-init",
    "nsce-acquire",
    "nsce-release",
    "nsce-load",
    "nsce-save",
];
const STRIDE: u32 = 8;
/// Ticks after which an interrupt changes a descriptor: the border is through with it before.
const TICKS: u32 = 900;
/// Calls of a process that calls the secure world itself: many slices.
const SECURE_CALLS: u32 = 1500;

/// Every attack on the walls of this board.
///
/// # Errors
/// Names a region that the map lacks.
pub fn attacks(map: &Map, long: bool) -> Result<Vec<Attack>> {
    let mut all = memory(map)?;
    all.extend(devices(map));
    all.extend(veneers(map)?);
    all.extend(border(map, long)?);
    Ok(all)
}

fn with(name: &str, op: Op, address: u32, end: End, controls: &[Control]) -> Attack {
    Attack {
        controls: controls.to_vec(),
        ..attack(name, op, Base::Absolute, address, end, Control::None(""))
    }
}

/// Every secure region by its own address and by its other alias; the kernel's by its secure one.
fn memory(map: &Map) -> Result<Vec<Attack>> {
    let mut all = Vec::new();
    for (region, r) in &map.region {
        let store = map.store.get(&r.store).context("no such store")?;
        let kernels = matches!(region.as_str(), "kernel-ram" | "kernel-exec");
        for (edge, last) in EDGES {
            let address = if last { r.base + (r.size - 4) } else { r.base };
            for (way, op) in WAYS {
                if r.world != World::NS {
                    let name = format!("{way}-{region}-{edge}");
                    let end = if op == Op::Execute { ANY_FAULT } else { BY_SAU };
                    let mut controls = own_controls(r, op);
                    if name == "read-spe-ram-first" {
                        controls.push(Control::Resets(secure(Wall::FaultForward)));
                    }
                    all.push(with(&name, op, address, end, &controls));
                }
                if store.alias_bit != 0 && (r.world != World::NS || kernels) {
                    let name = format!("{way}-{region}-alias-{edge}");
                    let controls = alias_controls(map, region, r, store, op);
                    all.push(with(&name, op, address ^ ALIAS, BY_SAU, &controls));
                }
            }
        }
    }
    let spe_ram = map.region("spe-ram").map_err(|e| anyhow!(e))?.base;
    let reserve = map.region(RESERVE).map_err(|e| anyhow!(e))?.base;
    all.push(with(
        "svc-at-secure-ram",
        Op::SvcAt,
        spe_ram + 64,
        ANY_FAULT,
        // The kernel looks there, and takes the system along.
        &[Control::Resets(OPEN | kernel(Defence::StackRange))],
    ));
    all.push(with(
        "svc-at-reserve-alias",
        Op::SvcAt,
        (reserve + 64) ^ ALIAS,
        ANY_FAULT,
        &[Control::Without(
            SAU | MPC | OPEN | kernel(Defence::StackRange),
        )],
    ));
    Ok(all)
}

/// Of an address that the map calls secure.
fn own_controls(r: &Region, op: Op) -> Vec<Control> {
    if r.base & ALIAS != 0 {
        // With everything open that can be, the bus calls it secure; a process at a veneer is
        // another attack.
        return vec![Control::Doubled(SAU | OPEN, ANY_FAULT)];
    }
    let mut controls = vec![Control::Without(SAU | OPEN)];
    if op == Op::Read {
        controls.push(Control::Doubled(SAU, BY_MPU));
    }
    controls
}

fn alias_controls(map: &Map, region: &str, r: &Region, store: &Store, op: Op) -> Vec<Control> {
    let mut controls = Vec::new();
    if r.world == World::NS {
        return vec![Control::Doubled(SAU | OPEN, BY_SAU)];
    }
    let gated_by_subsystem = map.board == "mps2-an521" && r.store == "isram";
    if region == RESERVE {
        controls.push(Control::Without(SAU | MPC | OPEN));
        if op == Op::Read {
            controls.push(Control::Doubled(MPC | OPEN, BY_SAU));
        }
    }
    if store.mpc.is_some() {
        controls.push(Control::Doubled(SAU | OPEN, BY_BUS));
    } else if !gated_by_subsystem {
        controls.push(Control::Without(SAU | OPEN));
    }
    if op == Op::Read || gated_by_subsystem {
        controls.push(Control::Doubled(SAU, BY_MPU));
    }
    controls
}

/// Devices by their secure alias, and secure devices by the other one.
fn devices(map: &Map) -> Vec<Attack> {
    let mut all = Vec::new();
    for (name, address) in [
        ("secure-device-first", 0x5000_0000),
        ("secure-device-last", 0x5FFF_FFFC),
    ] {
        for (way, op) in WAYS {
            let controls = [Control::Doubled(SAU | PPC | OPEN, ANY_FAULT)];
            all.push(with(
                &format!("{way}-{name}"),
                op,
                address,
                ANY_FAULT,
                &controls,
            ));
        }
    }
    // UART2, which nobody drives, and UART0, which is the secure log's.
    let (spare, log) = match map.board.as_str() {
        "mps2-an521" => (0x4020_2000, 0x4020_0000),
        _ => (0x4930_5000, 0x4930_3000),
    };
    // First byte of what every UART of this kind says it is.
    const PID: u32 = 0xFE0;
    // QEMU's controllers answer with zero, not with an error.
    let by_ppc = Control::Doubled(PRIVILEGED, End::Says("refused reads zero"));
    all.push(with(
        "read-spare-uart",
        Op::ReadDevice,
        spare + PID,
        ANY_FAULT,
        &[Control::Without(PPC | PRIVILEGED), by_ppc],
    ));
    all.push(with(
        "read-log-uart-alias",
        Op::ReadDevice,
        log + PID,
        ANY_FAULT,
        &[by_ppc],
    ));
    all
}

/// A process at a veneer, and what the kernel makes of who is privileged after a call of its own.
fn veneers(map: &Map) -> Result<Vec<Attack>> {
    let page = map.region("veneers").map_err(|e| anyhow!(e))?.base;
    let open = secure(Wall::VeneerPrivilege);
    let refused = End::Fault("call into the secure world");
    let mut all: Vec<Attack> = (0..)
        .zip(VENEERS)
        .map(|(i, name)| {
            let name = format!("veneer-{name}");
            let through = [Control::Without(open)];
            with(&name, Op::Veneer, page + STRIDE * i, refused, &through)
        })
        .collect();
    all.push(Attack {
        n: SECURE_CALLS,
        given: open,
        ..with(
            "interrupt-in-own-secure-call",
            Op::SecureCalls,
            0,
            End::Says("refused unprivileged"),
            // Without `SecureReturn` the way back is lost: the system resets or the process faults, as
            // the moment has it, and a play needs one of them.
            &[Control::Without(open | kernel(Defence::InterruptReturn))],
        )
    });
    Ok(all)
}

/// A privileged program of the other world against the border.
fn border(map: &Map, long: bool) -> Result<Vec<Attack>> {
    let base = |name: &str| map.region(name).map(|r| r.base).map_err(|e| anyhow!(e));
    let refused = End::Says("refused ");
    let without = |wall| Control::Without(PRIVILEGED | secure(wall));
    let (ram, exec, reserve) = (base("spe-ram")?, base("spe-exec")?, base(RESERVE)?);
    let (kernel_ram, kernel_exec) = (base("kernel-ram")?, base("kernel-exec")?);
    let range = without(Wall::VectorRange);
    let no_register = Control::None("no register there");
    let wraps = Control::Doubled(PRIVILEGED | secure(Wall::VectorRange), refused);
    let mut all: Vec<Attack> = [
        ("vector-in-spe-ram", Op::VectorIn, ram, range),
        ("vector-in-spe-exec", Op::VectorIn, exec + 0x400, range),
        ("vector-in-veneers", Op::VectorIn, base("veneers")?, range),
        ("vector-in-spe-ram-alias", Op::VectorIn, ram ^ ALIAS, range),
        ("vector-in-over-edge", Op::VectorIn, kernel_ram - 8, range),
        ("vector-in-device", Op::VectorIn, 0x4000_0000, no_register),
        ("vector-in-wraps", Op::VectorIn, 0xFFFF_FFF8, wraps),
        ("vector-out-reserve", Op::VectorOut, reserve, range),
        (
            "vector-out-reserve-alias",
            Op::VectorOut,
            reserve ^ ALIAS,
            range,
        ),
        (
            "vector-out-over-edge",
            Op::VectorOut,
            kernel_exec - 8,
            range,
        ),
        ("vector-out-wraps", Op::VectorOut, 0xFFFF_FFF8, wraps),
        ("vectors-at-reserve", Op::VectorsAt, reserve + 64, range),
        (
            "vectors-at-reserve-alias",
            Op::VectorsAt,
            (reserve + 64) ^ ALIAS,
            range,
        ),
        (
            "client-from-thread",
            Op::SelectClient,
            0,
            without(Wall::ClientMode),
        ),
    ]
    .into_iter()
    .map(|(name, op, address, control)| with(name, op, address, refused, &[control]))
    .collect();
    for (i, name) in (0..).zip(VENEERS).take(4) {
        // A service would run on the handlers' stack, which is too small for it.
        let served = match name {
            "call" => Control::Resets(PRIVILEGED | secure(Wall::VeneerMode)),
            _ => without(Wall::VeneerMode),
        };
        let name = format!("handler-{name}");
        all.push(Attack {
            n: i,
            ..with(&name, Op::VeneerInHandler, 0, refused, &[served])
        });
    }
    all.push(Attack {
        n: TICKS,
        ..with(
            "descriptor-redirected",
            Op::Redirect,
            exec + 0x400,
            refused,
            &[without(Wall::CopyOnce)],
        )
    });
    let singles = Control::None("the single attacks have theirs");
    all.push(Attack {
        n: if long { 200_000 } else { 10_000 },
        ..with(
            "fuzz-veneers",
            Op::FuzzVeneers,
            SEED,
            End::Says("alive "),
            &[singles],
        )
    });
    for attack in &mut all {
        attack.given = PRIVILEGED;
    }
    Ok(all)
}

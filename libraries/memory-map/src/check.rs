//! The rules that a memory map must keep.
//!
//! Owns every consistency rule; each broken one is a sentence that names the regions.

use crate::{Map, Region, Store, World};

/// Every rule that the map breaks; empty when it is sound.
pub(crate) fn faults(map: &Map) -> Vec<String> {
    let mut out = Vec::new();
    if map.console_uart > 1 {
        out.push(format!(
            "console-uart {} is neither 0 nor 1",
            map.console_uart
        ));
    }
    for (name, region) in &map.region {
        match map.store.get(&region.store) {
            None => out.push(format!("region `{name}`: no store `{}`", region.store)),
            Some(store) => one_region(map, name, region, store, &mut out),
        }
    }
    if out.is_empty() {
        overlaps(map, &mut out);
        attribution(map, &mut out);
        apps(map, &mut out);
    }
    out
}

/// Byte offset of the region in its store, or `None` when it starts outside.
fn offset(region: &Region, store: &Store) -> Option<u64> {
    let physical = if store.alias_bit == 0 {
        region.base
    } else {
        region.base & !store.alias_bit
    };
    physical.checked_sub(store.base).map(u64::from)
}

fn one_region(map: &Map, name: &str, region: &Region, store: &Store, out: &mut Vec<String>) {
    let inside =
        offset(region, store).is_some_and(|o| o + u64::from(region.size) <= u64::from(store.size));
    if region.size == 0 || !inside {
        out.push(format!(
            "region `{name}` (0x{:08x}, 0x{:x} bytes) does not lie in store {}",
            region.base, region.size, region.store
        ));
    }
    if store.alias_bit != 0 {
        let secure_view = region.base & store.alias_bit != 0;
        if secure_view != (region.world != World::NS) {
            out.push(format!(
                "region `{name}`: 0x{:08x} is the other world's alias",
                region.base
            ));
        }
    }
    let grain = if store.file_backed { map.sector } else { 0x400 };
    if !region.base.is_multiple_of(grain) || !region.size.is_multiple_of(grain) {
        out.push(format!("region `{name}` is not a multiple of 0x{grain:x}"));
    }
}

fn overlaps(map: &Map, out: &mut Vec<String>) {
    let all: Vec<_> = map.region.iter().collect();
    for (i, (a_name, a)) in all.iter().enumerate() {
        for (b_name, b) in &all[i + 1..] {
            if a.store != b.store {
                continue;
            }
            let store = &map.store[&a.store];
            let (Some(ao), Some(bo)) = (offset(a, store), offset(b, store)) else {
                continue;
            };
            if ao < bo + u64::from(b.size) && bo < ao + u64::from(a.size) {
                out.push(format!("regions `{a_name}` and `{b_name}` overlap"));
            }
        }
    }
}

fn attribution(map: &Map, out: &mut Vec<String>) {
    for sau in &map.sau {
        if sau.base % 32 != 0 || sau.limit % 32 != 31 || sau.limit < sau.base {
            out.push(format!(
                "SAU region 0x{:08x}..0x{:08x} is misaligned",
                sau.base, sau.limit
            ));
        }
    }
    if map.sau.len() > 8 {
        out.push(format!("{} SAU regions; the hardware has 8", map.sau.len()));
    }
    for mpc in &map.mpc {
        let edge = map.mpc_edge.get(&mpc.store).copied().unwrap_or(0x100000);
        if mpc.base % edge != 0 || (u64::from(mpc.limit) + 1) % u64::from(edge) != 0 {
            out.push(format!(
                "MPC range of {} does not fall on its 0x{edge:x} edges",
                mpc.store
            ));
        }
        if map.store.get(&mpc.store).is_none_or(|s| s.mpc.is_none()) {
            out.push(format!("MPC range for `{}`, which has no MPC", mpc.store));
        }
    }
    if map.sau.is_empty() {
        return;
    }
    for (name, region) in &map.region {
        let by_sau = sau_world(map, region);
        if by_sau != Some(region.world) {
            out.push(format!(
                "region `{name}` says {:?}, the SAU says {by_sau:?}",
                region.world
            ));
        }
        let store = &map.store[&region.store];
        if store.mpc.is_none() {
            continue;
        }
        let start = offset(region, store).unwrap_or(0);
        let end = start + u64::from(region.size);
        let open = map
            .mpc
            .iter()
            .filter(|m| m.store == region.store)
            .any(|m| start >= u64::from(m.base) && end <= u64::from(m.limit) + 1);
        let touches = map
            .mpc
            .iter()
            .filter(|m| m.store == region.store)
            .any(|m| start <= u64::from(m.limit) && end > u64::from(m.base));
        let sound = if region.world == World::NS {
            open
        } else {
            !touches
        };
        if !sound {
            out.push(format!(
                "region `{name}` says {:?}, the MPC disagrees",
                region.world
            ));
        }
    }
}

/// What the SAU makes of a whole region; `None` when it is split.
fn sau_world(map: &Map, region: &Region) -> Option<World> {
    let (start, end) = (u64::from(region.base), region.end());
    for sau in &map.sau {
        let (low, high) = (u64::from(sau.base), u64::from(sau.limit) + 1);
        if start >= low && end <= high {
            return Some(sau.world);
        }
        if start < high && end > low {
            return None;
        }
    }
    Some(World::S)
}

fn apps(map: &Map, out: &mut Vec<String>) {
    let mut last = (0u32, 0u32);
    for app in &map.app {
        match map.app_row(&app.name) {
            Err(e) => out.push(e),
            Ok((flash, ram)) => {
                if flash.base < last.0 || ram.base < last.1 {
                    out.push(format!(
                        "app `{}`: flash order must equal RAM order",
                        app.name
                    ));
                }
                last = (flash.base, ram.base);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Map;

    const BOARD: &str = include_str!("../../../boards/mps3-an547/memory.toml");

    fn broken(from: &str, to: &str) -> String {
        let text = BOARD.replacen(from, to, 1);
        assert_ne!(text, BOARD, "the edit must change the map");
        Map::parse(&text).unwrap_err()
    }

    #[test]
    fn the_board_is_sound() {
        let map = Map::parse(BOARD).unwrap();
        assert_eq!(map.flash_offset("s-primary").unwrap(), 0x1000_0000);
        assert_eq!(map.app_row("ota-agent").unwrap().0.base, 0x602C_0000);
    }

    #[test]
    fn overlap_is_named() {
        let e = broken(
            "base = 0x70100000\nsize = 0x80000",
            "base = 0x70040000\nsize = 0x80000",
        );
        assert!(e.contains("`s-primary` and `s-secondary` overlap"), "{e}");
    }

    #[test]
    fn an_alias_of_one_byte_is_the_same_byte() {
        let e = broken(
            "base = 0x11040000\nsize = 0x40000",
            "base = 0x11040000\nsize = 0x50000",
        );
        assert!(e.contains("`kernel-exec` and `spe-reserve` overlap"), "{e}");
    }

    #[test]
    fn attribution_must_agree_with_the_world() {
        let e = broken("limit = 0x010FFFFF", "limit = 0x010EFFFF");
        assert!(
            e.contains("`kernel-exec` says NS, the SAU says None"),
            "{e}"
        );
        let e = broken(
            "base = 0x20000\nlimit = 0xFFFFF",
            "base = 0x24000\nlimit = 0xFFFFF",
        );
        assert!(e.contains("`kernel-ram` says NS, the MPC disagrees"), "{e}");
    }

    #[test]
    fn misalignment_is_named() {
        let e = broken(
            "base = 0x70400000\nsize = 0x10000",
            "base = 0x70400100\nsize = 0x10000",
        );
        assert!(e.contains("`scratch` is not a multiple of 0x1000"), "{e}");
        let e = broken(
            "base = 0x20000\nlimit = 0xFFFFF",
            "base = 0x1F000\nlimit = 0xFFFFF",
        );
        assert!(e.contains("does not fall on its 0x4000 edges"), "{e}");
    }

    #[test]
    fn app_order_is_kept() {
        let e = broken("ram = \"ram-inference\"", "ram = \"ram-pool\"");
        assert!(e.contains("flash order must equal RAM order"), "{e}");
    }
}

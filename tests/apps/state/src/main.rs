//! Counts its boots in flash of its own, through driver 0x50000.
//!
//! Owns the line `state: boot N saved`, or `state: failed: E, status S`. The harness declares
//! [`STATE`] in the TBF's header: no section of ours makes elf2tab do so.
#![no_main]
#![no_std]
#![forbid(unsafe_code)]

use libtock::platform::{AllowRo, DefaultConfig, ErrorCode, Syscalls, share};
use libtock::runtime::TockSyscalls as S;
use libtock::{println, set_main, stack_size};

set_main! { main }
stack_size! { 0x1000 }

const APP_FLASH: u32 = 0x50000;
/// Bytes of the region; its first are a name that the harness looks for, then the count.
const SIZE: usize = 600;
const NAME: &[u8; 16] = b"tockstone state\n";

#[repr(align(4))]
struct State([u8; SIZE]);

static STATE: State = {
    let mut bytes = [0; SIZE];
    let mut i = 0;
    while i < NAME.len() {
        bytes[i] = NAME[i];
        i += 1;
    }
    State(bytes)
};

fn main() {
    match run() {
        Ok((boots, 0)) => println!("state: boot {boots} saved"),
        Ok((_, status)) => println!("state: failed: status {status}"),
        Err(e) => println!("state: failed: {e:?}"),
    }
}

fn run() -> Result<(u8, u32), ErrorCode> {
    // What is there now: the compiler knows what it linked.
    let there = core::hint::black_box(&STATE);
    let mut state = [0; SIZE];
    state.copy_from_slice(&there.0);
    let count = state.get_mut(NAME.len()).ok_or(ErrorCode::Size)?;
    *count += 1;
    let boots = *count;
    // The last byte, too: all of it is written.
    state[SIZE - 1] = boots;
    let address = core::ptr::from_ref(there) as u32;
    share::scope::<AllowRo<'_, S, APP_FLASH, 0>, _, _>(|handle| {
        S::allow_ro::<DefaultConfig, APP_FLASH, 0>(handle, &state)?;
        S::command(APP_FLASH, 1, address, 0).to_result::<(), ErrorCode>()?;
        let (status, _, _) = S::yield_wait_for(APP_FLASH, 0);
        Ok((boots, status))
    })
}

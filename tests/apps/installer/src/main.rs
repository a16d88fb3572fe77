//! Installs and replaces apps as a script in the audio ROM says.
//!
//! Owns the script's form: magic `INST`, then steps of four little-endian words {what, a, b, length}
//! with as many bytes behind them, padded to four; what 0 ends it. One line a step:
//! `installer: step N ok`, or the error's name. Where the ROM holds no script it says so, and waits.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use libtock::alarm::{Alarm, Milliseconds};
use libtock::app_loader::AppLoader;
use libtock::audio_rom::AudioRom;
use libtock::platform::ErrorCode;
use libtock::{println, set_main, stack_size};

set_main! { main }
stack_size! { 0x1000 }

fn words(offset: u32) -> Result<[u32; 4], ErrorCode> {
    let mut bytes = [0; 16];
    AudioRom::read(offset, &mut bytes)?;
    let mut words = [0; 4];
    for (to, from) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *to = u32::from_le_bytes(*from);
    }
    Ok(words)
}

fn main() -> Result<(), ErrorCode> {
    if words(0)?[0] != u32::from_le_bytes(*b"INST") {
        println!("installer: no script");
        return Ok(());
    }
    let mut at = 4;
    for number in 0u32.. {
        let [what, a, b, length] = words(at)?;
        at += 16;
        if what == 0 {
            println!("installer: done");
            break;
        }
        match step(what, a, b, (at, length)) {
            Ok(()) => println!("installer: step {number} ok"),
            Err(e) => println!("installer: step {number} {e:?}"),
        }
        at += length.next_multiple_of(4);
    }
    Ok(())
}

fn step(what: u32, a: u32, b: u32, bytes: (u32, u32)) -> Result<(), ErrorCode> {
    match what {
        // Installs at address a (0: anywhere) with trial of b milliseconds.
        1 => {
            store(a, bytes)?;
            AppLoader::load(b)
        }
        2 => AppLoader::confirm(a),
        3 => AppLoader::roll_back(a),
        4 => AppLoader::unload(a).map(drop),
        5 => AppLoader::remove(a),
        6 => AppLoader::start(a),
        7 => Alarm::sleep_for(Milliseconds(a)),
        8 => {
            println!("installer: rolled back {}", AppLoader::wait_rolled_back());
            Ok(())
        }
        9 => {
            match AppLoader::installed(a) {
                Some(i) => println!(
                    "installer: {a} is version {} at 0x{:08x} running {} trial {}",
                    i.version, i.address, i.running, i.trial
                ),
                None => println!("installer: {a} is not installed"),
            }
            Ok(())
        }
        10 => AppLoader::probe(a, b),
        // As 1, up to and without load; b is where to stop: 1 after half of it, 2 before finalize.
        11 => store_until(a, bytes, b),
        12 => AppLoader::abort(),
        _ => Err(ErrorCode::NoSupport),
    }
}

fn store(address: u32, bytes: (u32, u32)) -> Result<(), ErrorCode> {
    store_until(address, bytes, 0)
}

fn store_until(address: u32, (from, length): (u32, u32), stop: u32) -> Result<(), ErrorCode> {
    match address {
        0 => AppLoader::setup(length)?,
        address => AppLoader::setup_at(address, length)?,
    }
    let mut buffer = [0; 1024];
    let mut done = 0;
    while done < length {
        if stop == 1 && done >= length / 2 {
            return Ok(());
        }
        let size = (length - done).min(buffer.len() as u32);
        let chunk = buffer.get_mut(..size as usize).ok_or(ErrorCode::Size)?;
        AudioRom::read(from + done, chunk)?;
        AppLoader::write(done, chunk)?;
        done += size;
    }
    if stop == 2 {
        return Ok(());
    }
    AppLoader::finalize()
}

//! Ethernet tap driver: whole frames in and out.
//!
//! Owns the protocol of driver 0x30007 (tock.md §5.12) on the process side: two receive buffers
//! that are swapped under the kernel's feet ([`Ethernet`]), the parser of the stream in them
//! ([`stream`]), and a transmit that waits until the frame is out.
//!
//! Frames are outsiders' bytes: the parser is total.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod stream;

use libtock_platform::{AllowRo, DefaultConfig, ErrorCode, Event, StaticAllowRw, Syscalls};
use libtock_platform::{allow_ro, share};

pub use libtock_platform::StaticBuffer;

#[cfg(test)]
mod tests;

/// Longest frame that can be sent, bytes without the check sequence (upstream's limit).
pub const MAX_FRAME: usize = 1518;

/// Frame counters: (frames, bytes, dropped) received, (frames, bytes) sent. They wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames that reached a buffer.
    pub rx_frames: u32,
    /// Bytes of those frames.
    pub rx_bytes: u32,
    /// Frames that found no room.
    pub rx_dropped: u32,
    /// Frames sent.
    pub tx_frames: u32,
    /// Bytes of those frames.
    pub tx_bytes: u32,
}

/// The interface, receiving. One buffer is with the kernel, the other is being read.
pub struct Ethernet<S: Syscalls, C: allow_ro::Config = DefaultConfig> {
    slot: StaticAllowRw<S, DRIVER_NUM, { allow_rw_num::RX }>,
    reading: Option<&'static mut [u8]>,
    offset: usize,
    next_id: u32,
    _config: core::marker::PhantomData<C>,
}

impl<S: Syscalls, C: allow_ro::Config> Ethernet<S, C> {
    /// Is there an Ethernet driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).is_success()
    }

    /// Starts to receive into `first` and `second` in turn (each must hold all that
    /// peers may send before the caller runs: a whole TCP window, or frames are lost). `event` is raised when the buffer with the kernel gets its first frame.
    ///
    /// # Errors
    /// `Size`: a buffer that cannot hold one full frame; else the kernel's refusal.
    pub fn start(
        first: &'static mut [u8],
        second: &'static mut [u8],
        event: &'static Event,
    ) -> Result<Self, ErrorCode> {
        const LEAST: usize = stream::HEADER_LEN + stream::CHUNK_HEADER_LEN + MAX_FRAME;
        if first.len() < LEAST || second.len() < LEAST {
            return Err(ErrorCode::Size);
        }
        S::subscribe_static(DRIVER_NUM, subscribe_num::RX, event)?;
        let mut slot = StaticAllowRw::new();
        stream::clear(first);
        stream::clear(second);
        slot.swap(first).map_err(|(e, _)| e)?;
        Ok(Ethernet {
            slot,
            reading: Some(second),
            offset: 0,
            next_id: 0,
            _config: core::marker::PhantomData,
        })
    }

    /// The next frame received, or `None` when there is none. Swaps buffers when the one at hand
    /// is read out; frames come in order.
    ///
    /// # Errors
    /// What the kernel says to the swap: receiving has stopped then.
    pub fn receive(&mut self) -> Result<Option<&mut [u8]>, ErrorCode> {
        // At most one swap a call: an empty buffer comes back when nothing was received.
        if !self.frame_at_hand() {
            self.swap()?;
            if !self.frame_at_hand() {
                return Ok(None);
            }
        }
        let Some(buffer) = self.reading.as_deref_mut() else {
            return Ok(None);
        };
        match stream::chunk_at(buffer, self.offset) {
            Some(range) => {
                self.offset = range.end;
                Ok(buffer.get_mut(range))
            }
            None => Ok(None),
        }
    }

    /// Has the stream marked frames as lost since the last swap?
    fn frame_at_hand(&self) -> bool {
        self.reading
            .as_deref()
            .is_some_and(|b| stream::chunk_at(b, self.offset).is_some())
    }

    fn swap(&mut self) -> Result<(), ErrorCode> {
        let Some(buffer) = self.reading.take() else {
            return Err(ErrorCode::Reserve);
        };
        stream::clear(buffer);
        self.offset = stream::HEADER_LEN;
        match self.slot.swap(buffer) {
            Ok(former) => {
                self.reading = former;
                Ok(())
            }
            Err((e, buffer)) => {
                self.reading = Some(buffer);
                Err(e)
            }
        }
    }

    /// Sends one frame (destination, source, type, payload); returns when the driver has it out.
    ///
    /// # Errors
    /// `Size` over [`MAX_FRAME`] bytes; else the driver's.
    pub fn transmit(&mut self, frame: &[u8]) -> Result<(), ErrorCode> {
        let length = u32::try_from(frame.len()).map_err(|_| ErrorCode::Size)?;
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        share::scope::<AllowRo<'_, S, DRIVER_NUM, { allow_ro_num::TX }>, _, _>(|allow| {
            S::allow_ro::<C, DRIVER_NUM, { allow_ro_num::TX }>(allow, frame)?;
            S::command(DRIVER_NUM, command::TRANSMIT, length, id).to_result::<(), ErrorCode>()?;
            loop {
                let (status, _, sent) = S::yield_wait_for(DRIVER_NUM, subscribe_num::TX);
                if sent == id {
                    return ErrorCode::from_status(status);
                }
            }
        })
    }

    /// The address that the adapter hears, and to send from.
    ///
    /// # Errors
    /// `NoDevice`: the board told none; `NoSupport`: another kernel's driver.
    pub fn station() -> Result<[u8; 6], ErrorCode> {
        let (first, last): (u32, u32) =
            S::command(DRIVER_NUM, command::STATION, 0, 0).to_result::<_, ErrorCode>()?;
        let [a, b, c, d] = first.to_le_bytes();
        let [e, f, ..] = last.to_le_bytes();
        Ok([a, b, c, d, e, f])
    }

    /// The driver's counters.
    ///
    /// # Errors
    /// `NoDevice`.
    pub fn stats() -> Result<Stats, ErrorCode> {
        let (rx_frames, rx_bytes, rx_dropped) =
            S::command(DRIVER_NUM, command::RX_STATS, 0, 0).to_result::<_, ErrorCode>()?;
        let (tx_frames, tx_bytes) =
            S::command(DRIVER_NUM, command::TX_STATS, 0, 0).to_result::<_, ErrorCode>()?;
        Ok(Stats {
            rx_frames,
            rx_bytes,
            rx_dropped,
            tx_frames,
            tx_bytes,
        })
    }
}

const DRIVER_NUM: u32 = 0x30007;

mod command {
    pub const EXISTS: u32 = 0;
    pub const RX_STATS: u32 = 1;
    pub const TX_STATS: u32 = 2;
    pub const TRANSMIT: u32 = 3;
    pub const STATION: u32 = 16;
}

mod subscribe_num {
    pub const RX: u32 = 0;
    pub const TX: u32 = 1;
}

mod allow_ro_num {
    pub const TX: u32 = 0;
}

mod allow_rw_num {
    pub const RX: u32 = 0;
}

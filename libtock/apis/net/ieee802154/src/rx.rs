//! Received frames: a ring that the kernel writes and the process reads.
//!
//! Owns the ring's layout: the index that the process reads at, the one that the kernel writes at,
//! then slots of three lengths (header, payload, MIC) and a frame. Equal indices mean empty, so one
//! slot is never used; a kernel that finds it full drops the oldest.
//!
//! Invariant: no byte of the ring is believed. An index or a length that is none is the kernel's
//! fault, told as [`ErrorCode::Fail`], never a panic or a loop.

use crate::{Config, DRIVER_NUM, RECEIVED, RING};
use core::cell::Cell;
use core::marker::PhantomData;
use libtock_platform::{AllowRw, DefaultConfig, ErrorCode, Subscribe, Syscalls, share};

/// Bytes of the longest frame.
const MAX_MTU: usize = 127;
/// The two indices.
const INDICES: usize = 2;
/// In front of a slot's frame.
const LENGTHS: usize = 3;
/// A slot as the kernel sees it.
const SLOT: usize = LENGTHS + MAX_MTU;

/// A received frame.
#[derive(Debug)]
#[repr(C)]
pub struct Frame {
    /// Bytes of the header, as far as the driver knows.
    pub header_len: u8,
    /// Bytes of `body` that came.
    pub payload_len: u8,
    /// Bytes of the message integrity code, as far as the driver knows.
    pub mic_len: u8,
    /// The frame.
    pub body: [u8; MAX_MTU],
}

/// Room for `N - 1` frames that come faster than they are fetched.
#[derive(Debug)]
pub struct RxRingBuffer<const N: usize> {
    // Two bytes a slot more than the kernel is lent: together they hold its two indices. So the
    // ring is plain bytes, of a length that stable Rust can express.
    bytes: [[u8; SLOT + INDICES]; N],
    /// What [`RxOperator::receive_frame`] handed out last.
    frame: Frame,
}

impl<const N: usize> Default for RxRingBuffer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> RxRingBuffer<N> {
    /// An empty one.
    pub const fn new() -> Self {
        RxRingBuffer {
            bytes: [[0; SLOT + INDICES]; N],
            frame: Frame {
                header_len: 0,
                payload_len: 0,
                mic_len: 0,
                body: [0; MAX_MTU],
            },
        }
    }

    /// What the kernel is lent; `None` without slots.
    fn ring(&mut self) -> Option<&mut [u8]> {
        self.bytes.as_flattened_mut().get_mut(..INDICES + N * SLOT)
    }

    fn is_empty(&mut self) -> bool {
        !matches!(self.ring(), Some([read, write, ..]) if read != write)
    }

    /// The oldest frame; `None` when there is none.
    fn next(&mut self) -> Result<Option<&mut Frame>, ErrorCode> {
        let ring = self.ring().ok_or(ErrorCode::Size)?;
        let (indices, slots) = ring.split_at_mut(INDICES);
        let [read, write] = indices else {
            return Err(ErrorCode::Fail);
        };
        if read == write {
            return Ok(None);
        }
        let slot = slots.chunks_exact(SLOT).nth(usize::from(*read));
        let (Some([header_len, payload_len, mic_len, body @ ..]), true) =
            (slot, usize::from(*write) < N)
        else {
            return Err(ErrorCode::Fail);
        };
        if usize::from(*payload_len) > MAX_MTU {
            return Err(ErrorCode::Fail);
        }
        let frame = Frame {
            header_len: *header_len,
            payload_len: *payload_len,
            mic_len: *mic_len,
            body: body.try_into().map_err(|_| ErrorCode::Fail)?,
        };
        *read = ((usize::from(*read) + 1) % N) as u8;
        self.frame = frame;
        Ok(Some(&mut self.frame))
    }
}

/// Something that frames come from.
pub trait RxOperator {
    /// The oldest frame that came; waits for one if there is none.
    ///
    /// # Errors
    /// The kernel's; `Fail`: what it wrote is no ring; `Size`: the ring has no slots.
    fn receive_frame(&mut self) -> Result<&mut Frame, ErrorCode>;
}

/// Receives into one ring. It is lent only while a frame is waited for: one that comes in between is
/// lost.
pub struct RxSingleBufferOperator<'buf, const N: usize, S: Syscalls, C: Config = DefaultConfig> {
    buf: &'buf mut RxRingBuffer<N>,
    _platform: PhantomData<(S, C)>,
}

impl<'buf, const N: usize, S: Syscalls, C: Config> RxSingleBufferOperator<'buf, N, S, C> {
    /// Over this ring.
    pub fn new(buf: &'buf mut RxRingBuffer<N>) -> Self {
        RxSingleBufferOperator {
            buf,
            _platform: PhantomData,
        }
    }

    /// Lends the ring until something came.
    fn wait(&mut self) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRw<'a, S, DRIVER_NUM, RING>,
            Subscribe<'a, S, DRIVER_NUM, RECEIVED>,
        );
        let came = Cell::new(false);
        let ring = self.buf.ring().ok_or(ErrorCode::Size)?;
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_rw::<C, DRIVER_NUM, RING>(allow, ring)?;
            S::subscribe::<_, _, C, DRIVER_NUM, RECEIVED>(subscribe, &came)?;
            while !came.get() {
                S::yield_wait();
            }
            Ok(())
        })
    }
}

impl<const N: usize, S: Syscalls, C: Config> RxOperator for RxSingleBufferOperator<'_, N, S, C> {
    fn receive_frame(&mut self) -> Result<&mut Frame, ErrorCode> {
        if self.buf.is_empty() {
            self.wait()?;
        }
        self.buf.next()?.ok_or(ErrorCode::Fail)
    }
}

#[cfg(test)]
impl<const N: usize> RxRingBuffer<N> {
    /// As a kernel might that means ill.
    pub(crate) fn damage(&mut self, at: usize, value: u8) {
        if let Some(byte) = self.ring().and_then(|r| r.get_mut(at)) {
            *byte = value;
        }
    }
}

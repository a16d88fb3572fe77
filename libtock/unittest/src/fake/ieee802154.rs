//! IEEE 802.15.4, raw frames: driver 0x30001.
//!
//! Owns the kernel's end of the receive ring: two index bytes (read, write), then slots of three
//! length bytes and a frame. One slot stays empty; a full ring loses its oldest frame.

use crate::command_return::{failure, success, success_u32, success_u64};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use crate::{RoAllowBuffer, RwAllowBuffer};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

/// Bytes of the longest frame.
const MAX_MTU: usize = 127;
/// In front of the ring's slots.
const INDICES: usize = 2;
/// In front of a slot's frame: lengths of header, payload and MIC.
const LENGTHS: usize = 3;

/// A frame in the air.
#[derive(Clone, Debug)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Frame {
    pub header_len: u8,
    pub payload_len: u8,
    pub mic_len: u8,
    pub body: [u8; MAX_MTU],
}

impl Frame {
    /// One with this payload.
    ///
    /// # Panics
    /// It is too long.
    pub fn with_body(payload: &[u8]) -> Self {
        let mut body = [0; MAX_MTU];
        body[..payload.len()].copy_from_slice(payload);
        Frame {
            header_len: 0,
            payload_len: payload.len() as u8,
            mic_len: 0,
            body,
        }
    }

    fn payload(&self) -> &[u8] {
        let n = usize::from(self.payload_len).min(MAX_MTU);
        &self.body[..n]
    }
}

thread_local! {
    static NEWEST: RefCell<Weak<Ieee802154Phy>> = const { RefCell::new(Weak::new()) };
}

/// The radio. What it sends is kept; what it hears, the test says.
#[derive(Default)]
pub struct Ieee802154Phy {
    pan: Cell<u32>,
    short_address: Cell<u32>,
    long_address: Cell<u64>,
    channel: Cell<u32>,
    power: Cell<u32>,
    on: Cell<bool>,
    sent: RefCell<Vec<Vec<u8>>>,
    heard: RefCell<VecDeque<Frame>>,
    send_buffer: RefCell<RoAllowBuffer>,
    ring: RefCell<RwAllowBuffer>,
    share_ref: DriverShareRef,
}

impl Ieee802154Phy {
    /// One that hears nothing.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Self> {
        Self::new_with_frames_to_be_received([])
    }

    /// One that has heard these.
    pub fn new_with_frames_to_be_received(frames: impl IntoIterator<Item = Frame>) -> Rc<Self> {
        let new = Rc::new(Ieee802154Phy {
            heard: RefCell::new(frames.into_iter().collect()),
            ..Self::default()
        });
        NEWEST.set(Rc::downgrade(&new));
        new
    }

    /// The newest of this thread, if it is still there: for platforms that wrap the fake's and
    /// want to let a frame in at a certain system call.
    pub fn instance() -> Option<Rc<Self>> {
        NEWEST.with_borrow(Weak::upgrade)
    }

    /// The frames sent since the last time.
    pub fn take_transmitted_frames(&self) -> Vec<Vec<u8>> {
        self.sent.take()
    }

    /// The radio hears a frame; the driver has not taken it yet.
    pub fn radio_receive_frame(&self, frame: Frame) {
        self.heard.borrow_mut().push_back(frame);
    }

    /// The driver takes what the radio heard into the process's ring.
    ///
    /// # Panics
    /// There is no ring, or it is not one.
    pub fn driver_receive_pending_frames(&self) {
        for frame in self.heard.take() {
            push(&mut self.ring.borrow_mut(), frame.payload());
        }
    }

    /// Are there frames in the ring?
    pub fn has_pending_rx_frames(&self) -> bool {
        matches!(self.ring.borrow().as_ref(), [read, write, ..] if read != write)
    }

    /// Tells the process of them.
    pub fn trigger_rx_upcall(&self) {
        self.share_ref.tell(0, (0, 0, 0));
    }
}

/// Appends a frame, as the kernel's driver does.
fn push(ring: &mut [u8], payload: &[u8]) {
    const SLOT: usize = LENGTHS + MAX_MTU;
    let (indices, slots) = ring
        .split_at_mut_checked(INDICES)
        .expect("the process lent a ring");
    let (slots, rest) = slots.as_chunks_mut::<SLOT>();
    assert!(
        !slots.is_empty() && rest.is_empty(),
        "a ring is two bytes and whole slots"
    );
    let (read, write) = (usize::from(indices[0]), usize::from(indices[1]));
    assert!(read < slots.len(), "read index {read}");
    let (lengths, body) = slots[write].split_at_mut(LENGTHS);
    lengths.copy_from_slice(&[0, payload.len() as u8, 0]);
    body[..payload.len()].copy_from_slice(payload);
    let next = (write + 1) % slots.len();
    if next == read {
        indices[0] = ((read + 1) % slots.len()) as u8;
    }
    indices[1] = next as u8;
}

impl SyscallDriver for Ieee802154Phy {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x30001).upcall_count(2)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, a: u32, b: u32) -> CommandReturn {
        match command {
            0 | 7 => {}
            1 if self.on.get() => {}
            1 => return failure(ErrorCode::Off),
            // The short address and the PAN come and go one too large: zero would be "none".
            2 => self.short_address.set(a),
            4 => self.pan.set(a),
            5 => self.channel.set(a),
            6 => self.power.set(a),
            8 => return success_u32(self.short_address.get()),
            10 => return success_u32(self.pan.get()),
            11 => return success_u32(self.channel.get()),
            12 => return success_u32(self.power.get()),
            27 => {
                let frame = self.send_buffer.borrow().to_vec();
                self.sent.borrow_mut().push(frame);
                self.share_ref.tell(1, (0, 0, 0));
            }
            28 => self.long_address.set(u64::from(b) << 32 | u64::from(a)),
            29 => return success_u64(self.long_address.get()),
            30 => self.on.set(true),
            31 => self.on.set(false),
            _ => return failure(ErrorCode::NoSupport),
        }
        success()
    }

    fn allow_readonly(
        &self,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        match buffer_num {
            0 => Ok(self.send_buffer.replace(buffer)),
            _ => Err((buffer, ErrorCode::Invalid)),
        }
    }

    fn allow_readwrite(
        &self,
        buffer_num: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
        match buffer_num {
            0 => Ok(self.ring.replace(buffer)),
            _ => Err((buffer, ErrorCode::Invalid)),
        }
    }
}

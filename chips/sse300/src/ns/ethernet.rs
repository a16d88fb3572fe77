//! LAN9118 Ethernet controller by programmed I/O, as `hil::ethernet`.
//!
//! Owns the LAN9118 (SMSC LAN9118 data sheet; QEMU's behaviour in reference qemu-an547.md §5 and
//! §10.4). Transmission is synchronous: a frame goes into the FIFO in one piece and its completion
//! is told from a deferred call, since the TX status raises no interrupt of its own in time.
//! Reception drains the FIFO, clears the interrupt and looks again, because clearing does not
//! raise it anew for frames already queued; after [`DRAIN_LIMIT`] frames the rest waits for the
//! next pass of the kernel loop. Invariant: the FIFO is always read to the end of a frame.
//! Frames for the station come in, and for the last other address that a frame was sent from: the
//! controller matches one address only, so it then takes everything and software chooses.

use super::bus::Bus;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::utilities::cells::{MapCell, OptionalCell, TakeCell};
use tock_registers::register_bitfields;

const RX_DATA_FIFO: usize = 0x00;
const TX_DATA_FIFO: usize = 0x20;
const RX_STATUS_FIFO: usize = 0x40;
const TX_STATUS_FIFO: usize = 0x48;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5C;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_FIFO_INF: usize = 0x7C;
const TX_FIFO_INF: usize = 0x80;
const MAC_CSR_CMD: usize = 0xA4;
const MAC_CSR_DATA: usize = 0xA8;

const MAC_CR: u32 = 1;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;

register_bitfields![u32,
    INT [
        RSFL OFFSET(3) NUMBITS(1) []
    ],
    HW [
        SRST OFFSET(0) NUMBITS(1) [],
        TX_FIF_SZ OFFSET(16) NUMBITS(4) [],
        MUST_BE_ONE OFFSET(20) NUMBITS(1) [],
        SF OFFSET(2) NUMBITS(1) []
    ],
    CSR [
        READ OFFSET(30) NUMBITS(1) [],
        BUSY OFFSET(31) NUMBITS(1) []
    ],
    RX_STATUS [
        ERROR OFFSET(15) NUMBITS(1) [],
        LENGTH OFFSET(16) NUMBITS(14) []
    ]
];

const BYTE_TEST_VALUE: u32 = 0x8765_4321;
/// TX FIFO of 5 KiB, as the recipe ran it (HW_CFG reset value).
const HW_CFG_VALUE: u32 = 0x0005_0004;
/// Enabled, active high, push-pull: the NVIC input is active high, the reset value is not.
const IRQ_CFG_VALUE: u32 = 0x111;
const FIFO_INT_VALUE: u32 = 0x4800_0000;
const TX_CFG_ON: u32 = 2;
/// TXEN | RXEN.
const MAC_CR_VALUE: u32 = 0x0C;
/// PRMS: takes frames for any address.
const MAC_CR_ALL: u32 = 1 << 18;
/// First and last segment of a frame (TX command A).
const TX_CMD_A: u32 = 0x3000;
const CRC_LENGTH: usize = 4;
/// Longest frame without CRC: 1,500 bytes, a header and a VLAN tag.
pub const MAX_FRAME: usize = 1518;
/// Frames taken from the FIFO in one go.
const DRAIN_LIMIT: usize = 16;
/// Reads of a busy bit before the hardware counts as dead.
const SPIN_LIMIT: usize = 100_000;

struct Sent {
    frame: &'static mut [u8],
    length: u16,
    identifier: usize,
}

/// One controller.
pub struct Lan9118<'a, B> {
    bus: B,
    client: OptionalCell<&'a dyn EthernetAdapterDatapathClient>,
    sent: MapCell<Sent>,
    received: TakeCell<'static, [u8]>,
    receiving: Cell<bool>,
    dropped: Cell<u32>,
    station: Cell<Address>,
    /// Another address that frames are sent from.
    second: Cell<Option<Address>>,
    deferred: DeferredCall,
}

type Address = [u8; 6];

impl<B: Bus> Lan9118<'_, B> {
    /// Over the registers `bus`; `buffer` holds one received frame ([`MAX_FRAME`] bytes).
    pub fn new(bus: B, buffer: &'static mut [u8; MAX_FRAME]) -> Self {
        Lan9118 {
            bus,
            client: OptionalCell::empty(),
            sent: MapCell::empty(),
            received: TakeCell::new(buffer),
            receiving: Cell::new(false),
            dropped: Cell::new(0),
            station: Cell::new([0; 6]),
            second: Cell::new(None),
            deferred: DeferredCall::new(),
        }
    }

    /// Resets and sets up the controller; returns its MAC address. NODEVICE when nothing answers
    /// as a LAN9118, FAIL when it does not come out of reset.
    pub fn initialize(&self) -> Result<[u8; 6], ErrorCode> {
        if self.bus.read(BYTE_TEST) != BYTE_TEST_VALUE {
            return Err(ErrorCode::NODEVICE);
        }
        self.bus.write(HW_CFG, HW::SRST::SET.value);
        self.wait(|| self.bus.read(HW_CFG) & HW::SRST::SET.value == 0)?;
        self.bus.write(HW_CFG, HW_CFG_VALUE);
        self.bus.write(INT_EN, 0);
        self.bus.write(IRQ_CFG, IRQ_CFG_VALUE);
        self.bus.write(INT_STS, u32::MAX);
        self.bus.write(FIFO_INT, FIFO_INT_VALUE);
        self.bus.write(TX_CFG, TX_CFG_ON);
        // The address was loaded from EEPROM at reset; read it before the MAC is enabled.
        let low = self.mac_read(ADDRL)?.to_le_bytes();
        let high = self.mac_read(ADDRH)?.to_le_bytes();
        self.mac_write(MAC_CR, MAC_CR_VALUE)?;
        let station = [low[0], low[1], low[2], low[3], high[0], high[1]];
        self.station.set(station);
        Ok(station)
    }

    /// Takes another station address than the EEPROM's; before reception is enabled.
    ///
    /// # Errors
    /// FAIL when the controller does not answer.
    pub fn set_station(&self, station: [u8; 6]) -> Result<(), ErrorCode> {
        self.station.set(station);
        let [a, b, c, d, e, f] = station;
        self.mac_write(ADDRH, u32::from_le_bytes([e, f, 0, 0]))?;
        self.mac_write(ADDRL, u32::from_le_bytes([a, b, c, d]))
    }

    /// Frames that were bad, too long, or had no buffer.
    pub fn dropped(&self) -> u32 {
        self.dropped.get()
    }

    /// The controller's interrupt.
    pub fn handle_interrupt(&self) {
        self.drain();
    }

    /// Lets in what comes for `source`, from which a frame is sent.
    fn answer_to(&self, source: Address) {
        let group = source[0] & 1 != 0;
        if group || source == self.station.get() || self.second.get() == Some(source) {
            return;
        }
        if self.mac_write(MAC_CR, MAC_CR_VALUE | MAC_CR_ALL).is_ok() {
            self.second.set(Some(source));
        }
    }

    /// Whether the controller would have let it in, if it knew two addresses.
    fn wanted(&self, frame: &[u8]) -> bool {
        let (Some(second), Some(to)) = (self.second.get(), frame.first_chunk()) else {
            return true;
        };
        [second, self.station.get(), [0xFF; 6]].contains(to)
    }

    fn drain(&self) {
        for _ in 0..DRAIN_LIMIT {
            if !self.receiving.get() {
                return;
            }
            if !self.frame_waits() {
                self.bus.write(INT_STS, self.bus.read(INT_STS));
                // One that came between the look and the clear would never be announced.
                if !self.frame_waits() {
                    return;
                }
            }
            self.receive_frame();
        }
        self.deferred.set();
    }

    fn frame_waits(&self) -> bool {
        self.bus.read(RX_FIFO_INF) >> 16 & 0xFF != 0
    }

    fn receive_frame(&self) {
        let status = self.bus.read(RX_STATUS_FIFO);
        let with_crc = (status >> 16 & 0x3FFF) as usize;
        let length = with_crc.saturating_sub(CRC_LENGTH);
        let bad = status & RX_STATUS::ERROR::SET.value != 0 || length == 0 || length > MAX_FRAME;
        let buffer = self.received.take();
        let mut room = match &buffer {
            Some(buffer) if !bad => buffer.len().min(length),
            _ => 0,
        };
        let kept = room == length && !bad;
        let mut buffer = buffer;
        let mut rest: &mut [u8] = buffer.as_deref_mut().unwrap_or(&mut []);
        for _ in 0..with_crc.div_ceil(4) {
            let word = self.bus.read(RX_DATA_FIFO).to_le_bytes();
            let n = room.min(4).min(rest.len());
            let (to, after) = rest.split_at_mut(n);
            to.copy_from_slice(&word[..n]);
            rest = after;
            room -= n;
        }
        match buffer.as_deref().and_then(|b| b.get(..length)) {
            Some(frame) if kept => {
                if self.wanted(frame) {
                    self.client.map(|client| client.received_frame(frame, None));
                }
            }
            _ => self.dropped.set(self.dropped.get().wrapping_add(1)),
        }
        self.received.put(buffer);
    }

    fn wait(&self, ready: impl Fn() -> bool) -> Result<(), ErrorCode> {
        (0..SPIN_LIMIT)
            .any(|_| ready())
            .then_some(())
            .ok_or(ErrorCode::FAIL)
    }

    fn mac_idle(&self) -> Result<(), ErrorCode> {
        self.wait(|| self.bus.read(MAC_CSR_CMD) & CSR::BUSY::SET.value == 0)
    }

    fn mac_read(&self, register: u32) -> Result<u32, ErrorCode> {
        self.bus.write(
            MAC_CSR_CMD,
            CSR::BUSY::SET.value | CSR::READ::SET.value | register,
        );
        self.mac_idle()?;
        Ok(self.bus.read(MAC_CSR_DATA))
    }

    fn mac_write(&self, register: u32, value: u32) -> Result<(), ErrorCode> {
        self.bus.write(MAC_CSR_DATA, value);
        self.bus.write(MAC_CSR_CMD, CSR::BUSY::SET.value | register);
        self.mac_idle()
    }
}

impl<'a, B: Bus> EthernetAdapterDatapath<'a> for Lan9118<'a, B> {
    fn set_client(&self, client: &'a dyn EthernetAdapterDatapathClient) {
        self.client.set(client);
    }

    fn enable_receive(&self) {
        self.receiving.set(true);
        self.bus.write(INT_EN, INT::RSFL::SET.value);
        // What is queued already may not be announced again.
        self.deferred.set();
    }

    fn disable_receive(&self) {
        self.receiving.set(false);
        self.bus.write(INT_EN, 0);
    }

    fn transmit_frame(
        &self,
        frame: &'static mut [u8],
        length: u16,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if self.sent.is_some() {
            return Err((ErrorCode::BUSY, frame));
        }
        let size = usize::from(length);
        let Some(bytes) = frame
            .get(..size)
            .filter(|b| !b.is_empty() && size <= MAX_FRAME)
        else {
            return Err((ErrorCode::SIZE, frame));
        };
        // The FIFO holds the commands and the data rounded up; full means the MAC is stuck.
        if ((self.bus.read(TX_FIFO_INF) & 0xFFFF) as usize) < size.next_multiple_of(4) + 8 {
            return Err((ErrorCode::BUSY, frame));
        }
        if let Some(source) = bytes.get(6..).and_then(|b| b.first_chunk()) {
            self.answer_to(*source);
        }
        self.bus.write(TX_DATA_FIFO, TX_CMD_A | u32::from(length));
        self.bus
            .write(TX_DATA_FIFO, (identifier as u32) << 16 | u32::from(length));
        for chunk in bytes.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.bus.write(TX_DATA_FIFO, u32::from_le_bytes(word));
        }
        // Popped, or the status FIFO fills up.
        let _ = self.bus.read(TX_STATUS_FIFO);
        self.sent.put(Sent {
            frame,
            length,
            identifier,
        });
        self.deferred.set();
        Ok(())
    }
}

impl<B: Bus> DeferredCallClient for Lan9118<'_, B> {
    fn handle_deferred_call(&self) {
        if let Some(sent) = self.sent.take() {
            self.client.map(|client| {
                client.transmit_frame_done(Ok(()), sent.frame, sent.length, sent.identifier, None);
            });
        }
        self.drain();
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::VecDeque;

    /// The controller as QEMU 7.2 models it: frames queue, and clearing INT_STS forgets that
    /// frames still wait.
    #[derive(Default)]
    struct Model {
        status: RefCell<VecDeque<u32>>,
        data: RefCell<VecDeque<u32>>,
        int_sts: Cell<u32>,
        int_en: Cell<u32>,
        irq_cfg: Cell<u32>,
        mac_cr: Cell<u32>,
        csr_data: Cell<u32>,
        sent: RefCell<Vec<u32>>,
        /// A frame that arrives at the moment INT_STS is cleared.
        late: RefCell<Option<Vec<u8>>>,
        dead: Cell<bool>,
    }

    impl Model {
        fn arrive(&self, frame: &[u8], error: bool) {
            let length = frame.len() + CRC_LENGTH;
            let mut bytes = frame.to_vec();
            bytes.extend([0xCC; 4]);
            bytes.resize(length.next_multiple_of(4), 0);
            for word in bytes.chunks(4) {
                let word = u32::from_le_bytes(word.try_into().unwrap());
                self.data.borrow_mut().push_back(word);
            }
            let status = (length as u32) << 16 | u32::from(error) << 15;
            self.status.borrow_mut().push_back(status);
            self.int_sts.set(self.int_sts.get() | 8);
        }

        fn line(&self) -> bool {
            self.int_sts.get() & self.int_en.get() != 0 && self.irq_cfg.get() == IRQ_CFG_VALUE
        }
    }

    impl Bus for &Model {
        fn read(&self, offset: usize) -> u32 {
            match offset {
                BYTE_TEST if self.dead.get() => 0,
                BYTE_TEST => BYTE_TEST_VALUE,
                RX_STATUS_FIFO => self.status.borrow_mut().pop_front().unwrap_or(0),
                RX_DATA_FIFO => self.data.borrow_mut().pop_front().unwrap_or(0xDEAD_BEEF),
                RX_FIFO_INF => (self.status.borrow().len() as u32) << 16,
                TX_FIFO_INF => 0x1200,
                INT_STS => self.int_sts.get(),
                MAC_CSR_DATA => self.csr_data.get(),
                _ => 0,
            }
        }
        fn write(&self, offset: usize, value: u32) {
            match offset {
                INT_STS => {
                    self.int_sts.set(self.int_sts.get() & !value);
                    if let Some(frame) = self.late.take() {
                        self.arrive(&frame, false);
                        self.int_sts.set(0);
                    }
                }
                INT_EN => self.int_en.set(value),
                IRQ_CFG => self.irq_cfg.set(value),
                TX_DATA_FIFO => self.sent.borrow_mut().push(value),
                MAC_CSR_DATA => self.csr_data.set(value),
                MAC_CSR_CMD => match value & 0xFF {
                    ADDRL if value & 0x4000_0000 != 0 => self.csr_data.set(0x1200_5452),
                    ADDRH if value & 0x4000_0000 != 0 => self.csr_data.set(0x5634),
                    MAC_CR => self.mac_cr.set(self.csr_data.get()),
                    _ => {}
                },
                _ => {}
            }
        }
    }

    #[derive(Default)]
    struct Client {
        received: RefCell<Vec<Vec<u8>>>,
        done: RefCell<Vec<(u16, usize)>>,
        frame: RefCell<Option<&'static mut [u8]>>,
    }

    impl EthernetAdapterDatapathClient for Client {
        fn transmit_frame_done(
            &self,
            result: Result<(), ErrorCode>,
            frame: &'static mut [u8],
            length: u16,
            identifier: usize,
            timestamp: Option<u64>,
        ) {
            assert_eq!((result, timestamp), (Ok(()), None));
            self.done.borrow_mut().push((length, identifier));
            self.frame.replace(Some(frame));
        }
        fn received_frame(&self, frame: &[u8], _: Option<u64>) {
            self.received.borrow_mut().push(frame.to_vec());
        }
    }

    fn leak<T>(t: T) -> &'static mut T {
        Box::leak(Box::new(t))
    }

    fn set_up(
        model: &'static Model,
    ) -> (&'static Lan9118<'static, &'static Model>, &'static Client) {
        let lan: &Lan9118<_> = leak(Lan9118::new(model, leak([0; MAX_FRAME])));
        let client: &Client = leak(Client::default());
        lan.set_client(client);
        assert_eq!(lan.initialize(), Ok([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]));
        assert_eq!(model.mac_cr.get(), MAC_CR_VALUE);
        lan.enable_receive();
        (lan, client)
    }

    #[test]
    fn frames_of_every_length_arrive_whole_and_in_order() {
        let model: &Model = leak(Model::default());
        let (lan, client) = set_up(model);
        let frames: Vec<Vec<u8>> = (1..=MAX_FRAME)
            .step_by(37)
            .map(|n| (0..n).map(|i| (i ^ n) as u8).collect())
            .collect();
        for chunk in frames.chunks(3) {
            chunk.iter().for_each(|f| model.arrive(f, false));
            assert!(model.line());
            lan.handle_interrupt();
            assert!(!model.line());
        }
        assert_eq!(*client.received.borrow(), frames);
        assert_eq!(lan.dropped(), 0);
    }

    #[test]
    fn bad_and_oversized_frames_are_dropped_to_their_end() {
        let model: &Model = leak(Model::default());
        let (lan, client) = set_up(model);
        model.arrive(&[1; 64], true);
        model.arrive(&[2; MAX_FRAME + 1], false);
        model.arrive(&[], false);
        model.arrive(&[3; 60], false);
        lan.handle_interrupt();
        assert_eq!(*client.received.borrow(), [vec![3; 60]]);
        assert_eq!(lan.dropped(), 3);
    }

    #[test]
    fn a_frame_that_comes_with_the_clear_is_seen() {
        let model: &Model = leak(Model::default());
        let (lan, client) = set_up(model);
        model.late.replace(Some(vec![9; 60]));
        model.arrive(&[8; 60], false);
        lan.handle_interrupt();
        assert_eq!(client.received.borrow().len(), 2);
    }

    #[test]
    fn a_flood_is_taken_in_portions() {
        let model: &Model = leak(Model::default());
        let (lan, client) = set_up(model);
        (0..40).for_each(|_| model.arrive(&[1; 60], false));
        lan.handle_interrupt();
        assert_eq!(client.received.borrow().len(), DRAIN_LIMIT);
        lan.handle_deferred_call();
        lan.handle_deferred_call();
        assert_eq!(client.received.borrow().len(), 40);
    }

    #[test]
    fn nothing_is_taken_while_receiving_is_off() {
        let model: &Model = leak(Model::default());
        let (lan, client) = set_up(model);
        lan.disable_receive();
        model.arrive(&[1; 60], false);
        assert!(!model.line());
        lan.handle_deferred_call();
        assert!(client.received.borrow().is_empty());
        lan.enable_receive();
        lan.handle_deferred_call();
        assert_eq!(client.received.borrow().len(), 1);
    }

    #[test]
    fn a_frame_is_sent_in_one_piece_and_answered_later() {
        let model: &Model = leak(Model::default());
        let (lan, client) = set_up(model);
        let frame = leak([0u8; 100]);
        frame[..5].copy_from_slice(b"hello");
        assert!(lan.transmit_frame(frame, 5, 7).is_ok());
        assert!(client.done.borrow().is_empty());
        assert_eq!(
            *model.sent.borrow(),
            [0x3005, 7 << 16 | 5, u32::from_le_bytes(*b"hell"), 0x6F]
        );
        let second = leak([0u8; 100]);
        let (error, second) = lan.transmit_frame(second, 5, 8).unwrap_err();
        assert_eq!(error, ErrorCode::BUSY);
        lan.handle_deferred_call();
        assert_eq!(*client.done.borrow(), [(5, 7)]);
        for bad in [0, 101, 2000] {
            let (error, _) = lan
                .transmit_frame(leak(vec![0; second.len()]), bad, 8)
                .unwrap_err();
            assert_eq!(error, ErrorCode::SIZE);
        }
    }

    #[test]
    fn what_is_sent_to_another_source_comes_in_too() {
        let model: &Model = leak(Model::default());
        let (lan, client) = set_up(model);
        let frame = |to: u8| [[to; 6], [7; 6]].concat();
        let send = |from: [u8; 6]| {
            let mut bytes = [0; 60];
            bytes[6..12].copy_from_slice(&from);
            assert!(lan.transmit_frame(leak(bytes), 60, 0).is_ok());
            lan.handle_deferred_call();
        };
        let arrived = || {
            for to in [2, 4, 6, 0xFF] {
                model.arrive(&frame(to), false);
            }
            model.arrive(&[9; 5], false);
            lan.handle_interrupt();
            let first: Vec<u8> = client.received.take().iter().map(|f| f[0]).collect();
            first
        };
        lan.set_station([2; 6]).unwrap();
        send([2; 6]);
        send([3; 6]);
        assert_eq!(model.mac_cr.get(), MAC_CR_VALUE, "the controller filters");
        send([4; 6]);
        assert_eq!(model.mac_cr.get(), MAC_CR_VALUE | MAC_CR_ALL);
        assert_eq!(arrived(), [2, 4, 0xFF, 9]);
        send([6; 6]);
        assert_eq!(arrived(), [2, 6, 0xFF, 9], "the last one");
        assert_eq!(lan.dropped(), 0, "not this device's");
    }

    #[test]
    fn what_does_not_answer_is_no_device() {
        let model: &Model = leak(Model::default());
        model.dead.set(true);
        let lan = Lan9118::new(model, leak([0; MAX_FRAME]));
        assert_eq!(lan.initialize(), Err(ErrorCode::NODEVICE));
    }
}

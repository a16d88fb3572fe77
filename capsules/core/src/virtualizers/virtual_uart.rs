//! Many users of one UART.
//!
//! Owns whose turn it is to send: one whole buffer at a time, in turn. What is received goes to
//! every device that receives, a character at a time, since devices may start and stop at any one.
//! A device keeps what comes while it has no read under way, up to [`BACKLOG`] characters: another device that always listens (the process console) must not take them away.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::collections::list::{List, ListLink, ListNode};
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::uart::{
    Error, Parameters, Parity, Receive, ReceiveClient, StopBits, Transmit, TransmitClient, Uart,
    Width,
};
use kernel::utilities::cells::{MapCell, OptionalCell, TakeCell};

/// Shortest receive buffer that the mux can use, bytes.
pub const RX_BUF_LEN: usize = 64;
/// Characters kept for a device between two reads; further ones are lost.
pub const BACKLOG: usize = 256;

struct Transfer {
    buffer: &'static mut [u8],
    length: usize,
    done: usize,
}

/// The UART that is shared.
pub struct MuxUart<'a> {
    uart: &'a dyn Uart<'a>,
    speed: u32,
    devices: List<'a, UartDevice<'a>>,
    sending: OptionalCell<&'a UartDevice<'a>>,
    buffer: TakeCell<'static, [u8]>,
    receiving: Cell<bool>,
    deferred: DeferredCall,
}

impl<'a> MuxUart<'a> {
    /// Over `uart`, whose client the board makes this. `buffer` holds what is received, `speed` is
    /// in bits per second.
    pub fn new(uart: &'a dyn Uart<'a>, buffer: &'static mut [u8], speed: u32) -> Self {
        MuxUart {
            uart,
            speed,
            devices: List::new(),
            sending: OptionalCell::empty(),
            buffer: TakeCell::new(buffer),
            receiving: Cell::new(false),
            deferred: DeferredCall::new(),
        }
    }

    /// Configures the UART: 8 bits, no parity, one stop bit, no flow control.
    pub fn initialize(&self) {
        // The only parameters there are: a UART that refuses them stays silent.
        let _ = self.uart.configure(Parameters {
            baud_rate: self.speed,
            width: Width::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
            hw_flow_control: false,
        });
    }

    fn send_next(&self) {
        if self.sending.is_some() {
            return;
        }
        let Some(device) = self.devices.iter().find(|d| d.waits_to_send()) else {
            return;
        };
        let Some(transfer) = device.transmit.take() else {
            return;
        };
        self.sending.set(device);
        if let Err((error, buffer)) = self.uart.transmit_buffer(transfer.buffer, transfer.length) {
            self.sending.clear();
            // Told later: this may be inside the device's own call.
            device.failed.set(Some(error));
            device.transmit.put(Transfer {
                buffer,
                length: transfer.length,
                done: 0,
            });
            self.deferred.set();
        }
    }

    fn receive_next(&self) {
        if self.receiving.get() || !self.devices.iter().any(|d| d.receive.is_some()) {
            return;
        }
        if let Some(buffer) = self.buffer.take() {
            self.receiving.set(true);
            if let Err((error, buffer)) = self.uart.receive_buffer(buffer, 1) {
                self.receiving.set(false);
                self.buffer.replace(buffer);
                for device in self.devices.iter().filter(|d| d.receive.is_some()) {
                    device.receive_failed.set(Some(error));
                }
                self.deferred.set();
            }
        }
    }
}

impl TransmitClient for MuxUart<'_> {
    fn transmitted_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        result: Result<(), ErrorCode>,
    ) {
        if let Some(device) = self.sending.take() {
            // The others first, or a client that sends from its callback would go on for ever.
            self.last(device);
            self.send_next();
            device
                .transmit_client
                .map(|client| client.transmitted_buffer(buffer, length, result));
        }
        self.send_next();
    }
}

impl<'a> MuxUart<'a> {
    /// Puts `device` behind every other that waits.
    fn last(&self, device: &UartDevice<'a>) {
        let highest = self.devices.iter().map(|d| d.turn.get()).max().unwrap_or(0);
        device.turn.set(highest.wrapping_add(1));
    }
}

impl ReceiveClient for MuxUart<'_> {
    fn received_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        result: Result<(), ErrorCode>,
        error: Error,
    ) {
        self.receiving.set(false);
        let byte = buffer.first().copied().filter(|_| length > 0);
        self.buffer.replace(buffer);
        for device in self.devices.iter() {
            device.received(byte, result, error);
        }
        self.receive_next();
    }
}

impl DeferredCallClient for MuxUart<'_> {
    fn handle_deferred_call(&self) {
        for device in self.devices.iter() {
            if let Some(error) = device.failed.take()
                && let Some(t) = device.transmit.take()
            {
                device
                    .transmit_client
                    .map(|client| client.transmitted_buffer(t.buffer, 0, Err(error)));
            }
            if device.is_complete() {
                device.finish_receive(Ok(()), Error::None);
            }
            if let Some(error) = device.receive_failed.take() {
                let kind = match error {
                    ErrorCode::CANCEL => Error::Aborted,
                    _ => Error::None,
                };
                device.finish_receive(Err(error), kind);
            }
        }
        self.send_next();
        self.receive_next();
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

/// One user of a [`MuxUart`].
pub struct UartDevice<'a> {
    mux: &'a MuxUart<'a>,
    receiver: bool,
    turn: Cell<u32>,
    transmit: MapCell<Transfer>,
    failed: Cell<Option<ErrorCode>>,
    receive: MapCell<Transfer>,
    receive_failed: Cell<Option<ErrorCode>>,
    /// What came while there was no read, and how much.
    backlog: Cell<([u8; BACKLOG], usize)>,
    transmit_client: OptionalCell<&'a dyn TransmitClient>,
    receive_client: OptionalCell<&'a dyn ReceiveClient>,
    next: ListLink<'a, UartDevice<'a>>,
}

impl<'a> UartDevice<'a> {
    /// On `mux`; takes part after [`setup`](Self::setup). Only a `receiver` may receive.
    pub const fn new(mux: &'a MuxUart<'a>, receiver: bool) -> Self {
        UartDevice {
            mux,
            receiver,
            turn: Cell::new(0),
            transmit: MapCell::empty(),
            failed: Cell::new(None),
            receive: MapCell::empty(),
            receive_failed: Cell::new(None),
            backlog: Cell::new(([0; BACKLOG], 0)),
            transmit_client: OptionalCell::empty(),
            receive_client: OptionalCell::empty(),
            next: ListLink::empty(),
        }
    }

    /// Joins the mux. Once.
    pub fn setup(&'a self) {
        self.mux.devices.push_head(self);
    }

    fn waits_to_send(&self) -> bool {
        let ready = |d: &UartDevice<'a>| d.transmit.is_some() && d.failed.get().is_none();
        ready(self)
            && self
                .mux
                .devices
                .iter()
                .all(|d| !ready(d) || self.turn.get() <= d.turn.get())
    }

    fn received(&self, byte: Option<u8>, result: Result<(), ErrorCode>, error: Error) {
        // A read that was filled from the backlog, and not yet told of it, is over, too.
        if self.receive.is_none() || self.is_complete() {
            self.keep(byte);
            return;
        }
        let full = self.receive.map_or(false, |r| {
            if let (Some(byte), Some(to)) = (byte, r.buffer.get_mut(r.done)) {
                *to = byte;
                r.done += 1;
            }
            r.done == r.length || result.is_err()
        });
        if full {
            self.finish_receive(result, error);
        }
    }

    /// Keeps a character for the next read.
    fn keep(&self, byte: Option<u8>) {
        let (mut kept, count) = self.backlog.get();
        if let (Some(byte), Some(place)) = (byte, kept.get_mut(count)) {
            *place = byte;
            self.backlog.set((kept, count + 1));
        }
    }

    /// Moves what was kept into a read that has just begun.
    fn catch_up(&self) {
        let (mut kept, count) = self.backlog.get();
        let taken = self.receive.map_or(0, |r| {
            let taken = count.min(r.length);
            for (to, from) in r.buffer.iter_mut().zip(kept.iter().take(taken)) {
                *to = *from;
            }
            r.done = taken;
            taken
        });
        kept.copy_within(taken..count, 0);
        self.backlog.set((kept, count - taken));
    }

    fn is_complete(&self) -> bool {
        self.receive.map_or(false, |r| r.done == r.length)
    }

    fn finish_receive(&self, result: Result<(), ErrorCode>, error: Error) {
        if let Some(r) = self.receive.take() {
            self.receive_client
                .map(|client| client.received_buffer(r.buffer, r.done, result, error));
        }
    }
}

impl<'a> ListNode<'a, UartDevice<'a>> for UartDevice<'a> {
    fn next(&'a self) -> &'a ListLink<'a, UartDevice<'a>> {
        &self.next
    }
}

impl<'a> Transmit<'a> for UartDevice<'a> {
    fn set_transmit_client(&self, client: &'a dyn TransmitClient) {
        self.transmit_client.set(client);
    }

    fn transmit_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let sending = self
            .mux
            .sending
            .map_or(false, |device| core::ptr::eq(device, self));
        if sending || self.transmit.is_some() {
            return Err((ErrorCode::BUSY, buffer));
        }
        if length == 0 || length > buffer.len() {
            return Err((ErrorCode::SIZE, buffer));
        }
        self.transmit.put(Transfer {
            buffer,
            length,
            done: 0,
        });
        self.mux.send_next();
        Ok(())
    }

    fn transmit_word(&self, _word: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }

    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        if self.transmit.is_some() {
            self.failed.set(Some(ErrorCode::CANCEL));
            self.mux.deferred.set();
            return Err(ErrorCode::BUSY);
        }
        let sending = self
            .mux
            .sending
            .map_or(false, |device| core::ptr::eq(device, self));
        if sending {
            self.mux.uart.transmit_abort()
        } else {
            Ok(())
        }
    }
}

impl<'a> Receive<'a> for UartDevice<'a> {
    fn set_receive_client(&self, client: &'a dyn ReceiveClient) {
        self.receive_client.set(client);
    }

    fn receive_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if !self.receiver {
            return Err((ErrorCode::NOSUPPORT, buffer));
        }
        if self.receive.is_some() {
            return Err((ErrorCode::BUSY, buffer));
        }
        if length == 0 || length > buffer.len() {
            return Err((ErrorCode::SIZE, buffer));
        }
        self.receive.put(Transfer {
            buffer,
            length,
            done: 0,
        });
        self.catch_up();
        if self.is_complete() {
            self.mux.deferred.set();
        } else {
            self.mux.receive_next();
        }
        Ok(())
    }

    fn receive_word(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }

    fn receive_abort(&self) -> Result<(), ErrorCode> {
        if self.receive.is_none() {
            return Ok(());
        }
        // The hardware goes on waiting for a character, for whoever receives next.
        self.receive_failed.set(Some(ErrorCode::CANCEL));
        self.mux.deferred.set();
        Err(ErrorCode::BUSY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::hil::uart::Configure;
    use std::cell::RefCell;

    /// Completes only when told to.
    #[derive(Default)]
    struct FakeUart {
        sending: RefCell<Option<(&'static mut [u8], usize)>>,
        receiving: RefCell<Option<(&'static mut [u8], usize)>>,
        log: RefCell<Vec<Vec<u8>>>,
        refuse: Cell<bool>,
        speed: Cell<u32>,
    }

    impl Configure for FakeUart {
        fn configure(&self, p: Parameters) -> Result<(), ErrorCode> {
            assert!(p.width == Width::Eight && !p.hw_flow_control);
            self.speed.set(p.baud_rate);
            Ok(())
        }
    }

    impl<'a> Transmit<'a> for FakeUart {
        fn set_transmit_client(&self, _: &'a dyn TransmitClient) {}
        fn transmit_buffer(
            &self,
            buffer: &'static mut [u8],
            n: usize,
        ) -> Result<(), (ErrorCode, &'static mut [u8])> {
            if self.refuse.get() {
                return Err((ErrorCode::OFF, buffer));
            }
            assert!(self.sending.borrow().is_none());
            self.log.borrow_mut().push(buffer[..n].to_vec());
            self.sending.replace(Some((buffer, n)));
            Ok(())
        }
        fn transmit_word(&self, _: u32) -> Result<(), ErrorCode> {
            Err(ErrorCode::NOSUPPORT)
        }
        fn transmit_abort(&self) -> Result<(), ErrorCode> {
            Err(ErrorCode::BUSY)
        }
    }

    impl<'a> Receive<'a> for FakeUart {
        fn set_receive_client(&self, _: &'a dyn ReceiveClient) {}
        fn receive_buffer(
            &self,
            buffer: &'static mut [u8],
            n: usize,
        ) -> Result<(), (ErrorCode, &'static mut [u8])> {
            assert!(self.receiving.borrow().is_none());
            self.receiving.replace(Some((buffer, n)));
            Ok(())
        }
        fn receive_word(&self) -> Result<(), ErrorCode> {
            Err(ErrorCode::NOSUPPORT)
        }
        fn receive_abort(&self) -> Result<(), ErrorCode> {
            Err(ErrorCode::BUSY)
        }
    }

    #[derive(Default)]
    struct Client {
        sent: RefCell<Vec<Result<(), ErrorCode>>>,
        received: RefCell<Vec<(Vec<u8>, Error)>>,
    }
    impl TransmitClient for Client {
        fn transmitted_buffer(&self, _: &'static mut [u8], _: usize, r: Result<(), ErrorCode>) {
            self.sent.borrow_mut().push(r);
        }
    }
    impl ReceiveClient for Client {
        fn received_buffer(
            &self,
            buffer: &'static mut [u8],
            n: usize,
            _: Result<(), ErrorCode>,
            e: Error,
        ) {
            self.received.borrow_mut().push((buffer[..n].to_vec(), e));
        }
    }

    fn leak<T>(t: T) -> &'static mut T {
        Box::leak(Box::new(t))
    }

    type SetUp<const N: usize> = (
        &'static FakeUart,
        &'static MuxUart<'static>,
        [(&'static UartDevice<'static>, &'static Client); N],
    );

    fn set_up<const N: usize>() -> SetUp<N> {
        let uart: &FakeUart = leak(FakeUart::default());
        let mux: &MuxUart = leak(MuxUart::new(uart, leak([0; RX_BUF_LEN]), 9_600));
        mux.initialize();
        assert_eq!(uart.speed.get(), 9_600);
        let devices = [(); N].map(|()| {
            let device: &UartDevice = leak(UartDevice::new(mux, true));
            let client: &Client = leak(Client::default());
            device.setup();
            device.set_transmit_client(client);
            device.set_receive_client(client);
            (device, client)
        });
        (uart, mux, devices)
    }

    fn finish(uart: &FakeUart, mux: &MuxUart<'_>) {
        let (buffer, n) = uart.sending.take().unwrap();
        mux.transmitted_buffer(buffer, n, Ok(()));
    }

    fn arrive(uart: &FakeUart, mux: &MuxUart<'_>, byte: u8) {
        let (buffer, n) = uart.receiving.take().unwrap();
        assert_eq!(n, 1);
        buffer[0] = byte;
        mux.received_buffer(buffer, 1, Ok(()), Error::None);
    }

    #[test]
    fn devices_take_turns_with_whole_buffers() {
        let (uart, mux, devices) = set_up::<3>();
        for round in 0..3u8 {
            for (i, (device, _)) in devices.iter().enumerate() {
                let sent = device.transmit_buffer(leak([i as u8, round]), 2);
                assert!(sent.is_ok());
                let again = device.transmit_buffer(leak([9, 9]), 2);
                assert_eq!(again.unwrap_err().0, ErrorCode::BUSY);
            }
            (0..3).for_each(|_| finish(uart, mux));
        }
        let log = uart.log.borrow();
        for round in 0..3 {
            let mut seen: Vec<_> = log[3 * round..3 * round + 3].to_vec();
            seen.sort();
            let expected: Vec<_> = (0..3).map(|i| vec![i, round as u8]).collect();
            assert_eq!(seen, expected);
        }
        for (_, client) in devices {
            assert_eq!(*client.sent.borrow(), [Ok(()); 3]);
        }
    }

    #[test]
    fn a_refusal_is_told_once_and_later() {
        let (uart, mux, [(device, client), _]) = set_up::<2>();
        uart.refuse.set(true);
        assert!(device.transmit_buffer(leak([1]), 1).is_ok());
        assert!(client.sent.borrow().is_empty());
        mux.handle_deferred_call();
        mux.handle_deferred_call();
        assert_eq!(*client.sent.borrow(), [Err(ErrorCode::OFF)]);
        uart.refuse.set(false);
        assert!(device.transmit_buffer(leak([2]), 1).is_ok());
        finish(uart, mux);
        assert_eq!(client.sent.borrow().len(), 2);
    }

    #[test]
    fn every_receiver_gets_every_byte() {
        let (uart, mux, [(a, ca), (b, cb)]) = set_up::<2>();
        assert!(a.receive_buffer(leak([0; 4]), 3).is_ok());
        arrive(uart, mux, b'x');
        assert!(b.receive_buffer(leak([0; 5]), 5).is_ok());
        arrive(uart, mux, b'y');
        arrive(uart, mux, b'z');
        assert_eq!(*ca.received.borrow(), [(b"xyz".to_vec(), Error::None)]);
        arrive(uart, mux, b'w');
        assert_eq!(b.receive_abort(), Err(ErrorCode::BUSY));
        assert!(cb.received.borrow().is_empty());
        mux.handle_deferred_call();
        assert_eq!(*cb.received.borrow(), [(b"xyzw".to_vec(), Error::Aborted)]);
        assert_eq!(b.receive_abort(), Ok(()));
    }

    #[test]
    fn what_comes_between_two_reads_is_kept() {
        let (uart, mux, [(a, ca), (b, cb)]) = set_up::<2>();
        assert!(a.receive_buffer(leak([0; 1]), 1).is_ok());
        assert!(
            b.receive_buffer(leak([0; 2 * BACKLOG]), 2 * BACKLOG)
                .is_ok()
        );
        for byte in *b"abc" {
            arrive(uart, mux, byte);
        }
        assert_eq!(*ca.received.borrow(), [(b"a".to_vec(), Error::None)]);
        // Told later, not from within the call; what comes before that is kept, too.
        assert!(a.receive_buffer(leak([0; 8]), 2).is_ok());
        assert_eq!(ca.received.borrow().len(), 1);
        arrive(uart, mux, b'd');
        mux.handle_deferred_call();
        assert_eq!(ca.received.borrow()[1], (b"bc".to_vec(), Error::None));
        assert!(a.receive_buffer(leak([0; 1]), 1).is_ok());
        mux.handle_deferred_call();
        assert_eq!(ca.received.borrow()[2].0, b"d");
        // As much as there is room for, and a read that is larger goes on.
        (0..BACKLOG + 5).for_each(|_| arrive(uart, mux, b'-'));
        assert!(
            a.receive_buffer(leak([0; 2 * BACKLOG]), BACKLOG + 1)
                .is_ok()
        );
        arrive(uart, mux, b'd');
        let last = ca.received.borrow()[3].0.clone();
        assert_eq!((last.len(), last[BACKLOG]), (BACKLOG + 1, b'd'));
        assert!(cb.received.borrow().is_empty());
    }
}

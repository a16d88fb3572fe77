//! CMSDK APB UART, interrupt driven.
//!
//! Owns UART1 of the board (Arm CMSDK, APB UART programmer's model: DATA 0, STATE 4, CTRL 8,
//! INTSTATUS/INTCLEAR 0xC, BAUDDIV 0x10). One character of buffer each way. A character that
//! nobody asked for stays in the receiver, which holds the sender back where the line can.
//! Invariant: every accepted buffer comes back exactly once, never inside the call that gave it.

use super::bus::Bus;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::uart::{
    Configure, Error, Parameters, Parity, Receive, ReceiveClient, StopBits, Transmit,
    TransmitClient, Width,
};
use kernel::utilities::cells::{MapCell, OptionalCell};
use tock_registers::register_bitfields;

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CTRL: usize = 0x08;
const INTSTATUS: usize = 0x0C;
const BAUDDIV: usize = 0x10;

register_bitfields![u32,
    STATE_BITS [
        TX_FULL OFFSET(0) NUMBITS(1) [],
        RX_FULL OFFSET(1) NUMBITS(1) []
    ],
    CTRL_BITS [
        TX_ENABLE OFFSET(0) NUMBITS(1) [],
        RX_ENABLE OFFSET(1) NUMBITS(1) [],
        TX_INTERRUPT OFFSET(2) NUMBITS(1) [],
        RX_INTERRUPT OFFSET(3) NUMBITS(1) []
    ],
    INT_BITS [
        TX OFFSET(0) NUMBITS(1) [],
        RX OFFSET(1) NUMBITS(1) [],
        TX_OVERRUN OFFSET(2) NUMBITS(1) [],
        RX_OVERRUN OFFSET(3) NUMBITS(1) []
    ]
];

/// Peripheral clock of the AN547 image, Hz.
pub const PCLK: u32 = 25_000_000;
/// Smallest divider the hardware takes.
const MIN_DIVIDER: u32 = 16;

struct Transfer {
    buffer: &'static mut [u8],
    length: usize,
    done: usize,
}

/// One UART.
pub struct Uart<'a, B> {
    bus: B,
    transmit_client: OptionalCell<&'a dyn TransmitClient>,
    receive_client: OptionalCell<&'a dyn ReceiveClient>,
    transmit: MapCell<Transfer>,
    receive: MapCell<Transfer>,
    abort_transmit: Cell<bool>,
    abort_receive: Cell<bool>,
    deferred: DeferredCall,
}

impl<B: Bus> Uart<'_, B> {
    /// Over the registers `bus`. The board registers the deferred call.
    pub fn new(bus: B) -> Self {
        Uart {
            bus,
            transmit_client: OptionalCell::empty(),
            receive_client: OptionalCell::empty(),
            transmit: MapCell::empty(),
            receive: MapCell::empty(),
            abort_transmit: Cell::new(false),
            abort_receive: Cell::new(false),
            deferred: DeferredCall::new(),
        }
    }

    /// The transmit, receive or combined interrupt.
    pub fn handle_interrupt(&self) {
        let status = self.bus.read(INTSTATUS);
        // Cleared first: a character that completes from here on raises it again.
        self.bus.write(INTSTATUS, status);
        self.service_receive();
        if status & INT_BITS::TX::SET.value != 0 {
            self.service_transmit();
        }
    }

    /// Sends `bytes` by polling: for the kernel's own lines, and for a panic, when nothing else
    /// runs any more. What is being sent goes out first, so that lines stay whole; its client is
    /// told by the interrupt, as always.
    pub fn send_polled(&self, bytes: &[u8]) {
        self.control(CTRL_BITS::TX_ENABLE::SET.value, 0);
        self.transmit.map(|t| {
            while let Some(byte) = t.buffer.get(t.done).filter(|_| t.done < t.length) {
                self.send_byte(*byte);
                t.done += 1;
            }
        });
        bytes.iter().for_each(|byte| self.send_byte(*byte));
    }

    fn send_byte(&self, byte: u8) {
        while self.is_set(STATE, STATE_BITS::TX_FULL::SET.value) {}
        self.bus.write(DATA, u32::from(byte));
    }

    fn is_set(&self, register: usize, mask: u32) -> bool {
        self.bus.read(register) & mask != 0
    }

    fn control(&self, set: u32, clear: u32) {
        self.bus.write(CTRL, (self.bus.read(CTRL) | set) & !clear);
    }

    /// Feeds the transmitter until it is full; hands the buffer back one interrupt later, when
    /// the last character has left.
    fn service_transmit(&self) {
        if self.abort_transmit.get() {
            return;
        }
        let finished = self.transmit.map_or(false, |t| {
            let finished = t.done == t.length;
            while t.done < t.length && !self.is_set(STATE, STATE_BITS::TX_FULL::SET.value) {
                let byte = t.buffer.get(t.done).copied().unwrap_or(0);
                t.done += 1;
                self.bus.write(DATA, u32::from(byte));
            }
            finished
        });
        if finished {
            self.control(0, CTRL_BITS::TX_INTERRUPT::SET.value);
            if let Some(t) = self.transmit.take() {
                self.transmit_client
                    .map(|client| client.transmitted_buffer(t.buffer, t.done, Ok(())));
            }
        }
    }

    fn service_receive(&self) {
        if self.abort_receive.get() {
            return;
        }
        let finished = self.receive.map_or(false, |r| {
            while r.done < r.length && self.is_set(STATE, STATE_BITS::RX_FULL::SET.value) {
                let byte = self.bus.read(DATA) as u8;
                if let Some(to) = r.buffer.get_mut(r.done) {
                    *to = byte;
                }
                r.done += 1;
            }
            r.done == r.length
        });
        if finished {
            self.finish_receive(Ok(()), Error::None);
        }
    }

    fn finish_receive(&self, result: Result<(), ErrorCode>, error: Error) {
        self.control(0, CTRL_BITS::RX_INTERRUPT::SET.value);
        if let Some(r) = self.receive.take() {
            self.receive_client
                .map(|client| client.received_buffer(r.buffer, r.done, result, error));
        }
    }
}

impl<B: Bus> DeferredCallClient for Uart<'_, B> {
    fn handle_deferred_call(&self) {
        if self.abort_transmit.take() {
            self.control(0, CTRL_BITS::TX_INTERRUPT::SET.value);
            if let Some(t) = self.transmit.take() {
                self.transmit_client.map(|client| {
                    client.transmitted_buffer(t.buffer, t.done, Err(ErrorCode::CANCEL))
                });
            }
        }
        if self.abort_receive.take() {
            self.finish_receive(Err(ErrorCode::CANCEL), Error::Aborted);
        }
        // A character may have come between the request and its interrupt being enabled.
        self.service_receive();
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<B: Bus> Configure for Uart<'_, B> {
    fn configure(&self, parameters: Parameters) -> Result<(), ErrorCode> {
        if parameters.baud_rate == 0 {
            return Err(ErrorCode::INVAL);
        }
        if parameters.width != Width::Eight
            || parameters.parity != Parity::None
            || parameters.stop_bits != StopBits::One
            || parameters.hw_flow_control
        {
            return Err(ErrorCode::NOSUPPORT);
        }
        let divider = PCLK / parameters.baud_rate;
        if divider < MIN_DIVIDER {
            return Err(ErrorCode::INVAL);
        }
        self.bus.write(BAUDDIV, divider);
        self.bus.write(
            CTRL,
            CTRL_BITS::TX_ENABLE::SET.value | CTRL_BITS::RX_ENABLE::SET.value,
        );
        Ok(())
    }
}

impl<'a, B: Bus> Transmit<'a> for Uart<'a, B> {
    fn set_transmit_client(&self, client: &'a dyn TransmitClient) {
        self.transmit_client.set(client);
    }

    fn transmit_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if self.transmit.is_some() {
            return Err((ErrorCode::BUSY, buffer));
        }
        let Some(first) = buffer.first().copied().filter(|_| length != 0) else {
            return Err((ErrorCode::SIZE, buffer));
        };
        if length > buffer.len() {
            return Err((ErrorCode::SIZE, buffer));
        }
        self.control(CTRL_BITS::TX_INTERRUPT::SET.value, 0);
        // A character of `send_polled` may still be there: then its interrupt starts us.
        let sent = !self.is_set(STATE, STATE_BITS::TX_FULL::SET.value);
        self.transmit.put(Transfer {
            buffer,
            length,
            done: usize::from(sent),
        });
        if sent {
            self.bus.write(DATA, u32::from(first));
        }
        Ok(())
    }

    fn transmit_word(&self, _word: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }

    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        if self.transmit.is_none() {
            return Ok(());
        }
        self.abort_transmit.set(true);
        self.deferred.set();
        Err(ErrorCode::BUSY)
    }
}

impl<'a, B: Bus> Receive<'a> for Uart<'a, B> {
    fn set_receive_client(&self, client: &'a dyn ReceiveClient) {
        self.receive_client.set(client);
    }

    fn receive_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
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
        self.control(CTRL_BITS::RX_INTERRUPT::SET.value, 0);
        if self.is_set(STATE, STATE_BITS::RX_FULL::SET.value) {
            self.deferred.set();
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
        self.abort_receive.set(true);
        self.deferred.set();
        Err(ErrorCode::BUSY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::VecDeque;

    /// One character of buffer each way; `slow` leaves it full until `shift`.
    #[derive(Default)]
    struct Model {
        ctrl: Cell<u32>,
        int: Cell<u32>,
        slow: bool,
        sending: Cell<Option<u8>>,
        sent: RefCell<Vec<u8>>,
        arriving: RefCell<VecDeque<u8>>,
    }

    impl Model {
        fn shift(&self) {
            if let Some(byte) = self.sending.take() {
                self.sent.borrow_mut().push(byte);
                self.raise(4, 1);
            }
        }
        fn raise(&self, enable: u32, status: u32) {
            if self.ctrl.get() & enable != 0 {
                self.int.set(self.int.get() | status);
            }
        }
    }

    impl Bus for &Model {
        fn read(&self, offset: usize) -> u32 {
            match offset {
                DATA => u32::from(self.arriving.borrow_mut().pop_front().unwrap_or(0xFF)),
                STATE => {
                    u32::from(self.sending.get().is_some())
                        | u32::from(!self.arriving.borrow().is_empty()) << 1
                }
                CTRL => self.ctrl.get(),
                INTSTATUS => self.int.get(),
                _ => 0,
            }
        }
        fn write(&self, offset: usize, value: u32) {
            match offset {
                DATA => {
                    assert!(self.sending.get().is_none(), "overrun");
                    self.sending.set(Some(value as u8));
                    if !self.slow {
                        self.shift();
                    }
                }
                CTRL => self.ctrl.set(value),
                INTSTATUS => self.int.set(self.int.get() & !value),
                _ => {}
            }
        }
    }

    type Received = (Vec<u8>, Result<(), ErrorCode>, Error);

    #[derive(Default)]
    struct Client {
        sent: RefCell<Vec<(usize, Result<(), ErrorCode>)>>,
        received: RefCell<Vec<Received>>,
    }
    impl TransmitClient for Client {
        fn transmitted_buffer(&self, _: &'static mut [u8], n: usize, r: Result<(), ErrorCode>) {
            self.sent.borrow_mut().push((n, r));
        }
    }
    impl ReceiveClient for Client {
        fn received_buffer(
            &self,
            buffer: &'static mut [u8],
            n: usize,
            r: Result<(), ErrorCode>,
            e: Error,
        ) {
            self.received
                .borrow_mut()
                .push((buffer[..n].to_vec(), r, e));
        }
    }

    fn leak<T>(t: T) -> &'static mut T {
        Box::leak(Box::new(t))
    }

    fn set_up(model: &'static Model) -> (&'static Uart<'static, &'static Model>, &'static Client) {
        let uart: &Uart<_> = leak(Uart::new(model));
        let client: &Client = leak(Client::default());
        uart.set_transmit_client(client);
        uart.set_receive_client(client);
        let parameters = Parameters {
            baud_rate: 115_200,
            width: Width::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
            hw_flow_control: false,
        };
        assert_eq!(uart.configure(parameters), Ok(()));
        (uart, client)
    }

    #[test]
    fn a_buffer_is_sent_and_comes_back_once_fast_or_slow() {
        for slow in [false, true] {
            let model: &Model = leak(Model {
                slow,
                ..Model::default()
            });
            let (uart, client) = set_up(model);
            assert!(uart.transmit_buffer(leak(*b"hello, world"), 5).is_ok());
            assert!(client.sent.borrow().is_empty());
            for _ in 0..20 {
                model.shift();
                if model.int.get() != 0 {
                    uart.handle_interrupt();
                }
            }
            assert_eq!(*model.sent.borrow(), b"hello");
            assert_eq!(*client.sent.borrow(), [(5, Ok(()))]);
        }
    }

    #[test]
    fn a_buffer_fills_and_what_follows_stays_in_the_receiver() {
        let model: &Model = leak(Model::default());
        let (uart, client) = set_up(model);
        assert!(uart.receive_buffer(leak([0; 8]), 3).is_ok());
        model.arriving.borrow_mut().extend(b"abcd");
        uart.handle_interrupt();
        assert_eq!(
            *client.received.borrow(),
            [(b"abc".to_vec(), Ok(()), Error::None)]
        );
        uart.handle_interrupt();
        assert_eq!(model.arriving.borrow().len(), 1);
        // It is there before the next buffer: no interrupt will tell.
        assert!(uart.receive_buffer(leak([0; 8]), 1).is_ok());
        uart.handle_deferred_call();
        assert_eq!(client.received.borrow()[1].0, b"d");
    }

    #[test]
    fn a_polled_line_waits_for_the_buffer_before_it() {
        let model: &Model = leak(Model::default());
        let (uart, client) = set_up(model);
        assert!(uart.transmit_buffer(leak(*b"hello"), 5).is_ok());
        uart.send_polled(b" world");
        assert_eq!(*model.sent.borrow(), b"hello world");
        assert!(client.sent.borrow().is_empty());
        uart.handle_interrupt();
        assert_eq!(*client.sent.borrow(), [(5, Ok(()))]);
    }

    #[test]
    fn aborts_give_the_buffers_back_later() {
        let model: &Model = leak(Model {
            slow: true,
            ..Model::default()
        });
        let (uart, client) = set_up(model);
        assert_eq!(uart.receive_abort(), Ok(()));
        assert!(uart.receive_buffer(leak([0; 8]), 3).is_ok());
        model.arriving.borrow_mut().extend(b"a");
        uart.handle_interrupt();
        assert!(uart.transmit_buffer(leak(*b"hello"), 5).is_ok());
        assert_eq!(uart.receive_abort(), Err(ErrorCode::BUSY));
        assert_eq!(uart.transmit_abort(), Err(ErrorCode::BUSY));
        assert!(client.received.borrow().is_empty());
        uart.handle_deferred_call();
        assert_eq!(
            *client.received.borrow(),
            [(b"a".to_vec(), Err(ErrorCode::CANCEL), Error::Aborted)]
        );
        assert_eq!(*client.sent.borrow(), [(1, Err(ErrorCode::CANCEL))]);
    }

    #[test]
    fn lengths_and_parameters_are_checked() {
        let model: &Model = leak(Model::default());
        let (uart, _) = set_up(model);
        for n in [0, 9] {
            assert_eq!(
                uart.transmit_buffer(leak([0; 8]), n).unwrap_err().0,
                ErrorCode::SIZE
            );
            assert_eq!(
                uart.receive_buffer(leak([0; 8]), n).unwrap_err().0,
                ErrorCode::SIZE
            );
        }
        assert!(uart.receive_buffer(leak([0; 8]), 1).is_ok());
        assert_eq!(
            uart.receive_buffer(leak([0; 8]), 1).unwrap_err().0,
            ErrorCode::BUSY
        );
    }
}

//! Sends back each line that a UART receives; the answer leaves in a deferred call.

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::uart::{self, ReceiveClient, TransmitClient};
use kernel::utilities::cells::TakeCell;
use std::cell::Cell;

pub const LINE: usize = 4;

pub struct Echo<'a, U: uart::UartData<'a>> {
    uart: &'a U,
    deferred_call: DeferredCall,
    received: TakeCell<'static, [u8]>,
    length: Cell<usize>,
    pub sent: Cell<usize>,
    _lifetime: std::marker::PhantomData<&'a ()>,
}

impl<'a, U: uart::UartData<'a>> Echo<'a, U> {
    pub fn new(uart: &'a U) -> Self {
        Echo {
            uart,
            deferred_call: DeferredCall::new(),
            received: TakeCell::empty(),
            length: Cell::new(0),
            sent: Cell::new(0),
            _lifetime: std::marker::PhantomData,
        }
    }

    pub fn start(&self, buffer: &'static mut [u8]) -> Result<(), ErrorCode> {
        self.uart
            .receive_buffer(buffer, LINE)
            .map_err(|(e, buffer)| {
                self.received.replace(buffer);
                e
            })
    }
}

impl<'a, U: uart::UartData<'a>> ReceiveClient for Echo<'a, U> {
    fn received_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        rval: Result<(), ErrorCode>,
        _error: uart::Error,
    ) {
        if rval.is_ok() {
            self.length.set(length);
            self.received.replace(buffer);
            self.deferred_call.set();
        }
    }
}

impl<'a, U: uart::UartData<'a>> DeferredCallClient for Echo<'a, U> {
    fn handle_deferred_call(&self) {
        if let Some(buffer) = self.received.take() {
            let _ = self
                .uart
                .transmit_buffer(buffer, self.length.get())
                .map_err(|(_, buffer)| self.received.replace(buffer));
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

impl<'a, U: uart::UartData<'a>> TransmitClient for Echo<'a, U> {
    fn transmitted_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        _rval: Result<(), ErrorCode>,
    ) {
        self.sent.set(self.sent.get() + length);
        let _ = self.start(buffer);
    }
}

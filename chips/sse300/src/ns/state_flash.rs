//! Flash of processes, written by themselves: a page changes whole or not at all.
//!
//! Owns when the journal's work is done: in a deferred call, which comes before any process runs, and
//! not before [`StateFlash::open`]. Which parts of flash may be written is the journal's; whose they
//! are, the driver's above. Shares the device with [`AppFlash`], which writes other pages.

use super::app_flash::AppFlash;
use core::cell::Cell;
use flash::FlashError;
use flash::journal::Journal;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::utilities::cells::{MapCell, OptionalCell};

/// What is to be done.
struct Request {
    buffer: &'static mut [u8],
    address: usize,
    length: usize,
}

/// Whether the processor lets the kernel write where processes run from.
pub trait Regions {
    /// Takes away what forbids it, until a process runs again.
    fn close(&self);
}

/// The driver; addresses are the memory's. It takes every request, and tells of a bad one by a length
/// of 0: the HIL has no way to give a refused buffer back.
pub struct StateFlash<const N: usize> {
    flash: &'static AppFlash,
    journal: Journal<N>,
    regions: &'static dyn Regions,
    request: MapCell<Request>,
    open: Cell<bool>,
    client: OptionalCell<&'static dyn NonvolatileStorageClient>,
    deferred_call: DeferredCall,
}

impl<const N: usize> StateFlash<N> {
    /// Over the device of `flash`, in which `journal` lies.
    pub fn new(
        flash: &'static AppFlash,
        journal: Journal<N>,
        regions: &'static dyn Regions,
    ) -> Self {
        StateFlash {
            flash,
            journal,
            regions,
            request: MapCell::empty(),
            open: Cell::new(false),
            client: OptionalCell::empty(),
            deferred_call: DeferredCall::new(),
        }
    }

    /// Finishes what a power cut left: the address of the page. Before anything looks at flash.
    ///
    /// # Errors
    /// The device's.
    pub fn recover(&self) -> Result<Option<u32>, FlashError> {
        let page = self.flash.device(|flash| self.journal.recover(flash))?;
        Ok(page.map(|page| self.journal.base + page))
    }

    /// From here on requests are served: no binary is being loaded any more.
    pub fn open(&self) {
        self.open.set(true);
        self.deferred_call.set();
    }

    /// Does it; the bytes that were written.
    fn serve(&self, request: &Request) -> usize {
        // An address below the base is far behind every page then.
        let offset = (request.address as u32).wrapping_sub(self.journal.base);
        self.regions.close();
        let written = self.flash.device(|flash| {
            let bytes = request.buffer.get(..request.length);
            let bytes = bytes.ok_or(FlashError::OutOfBounds)?;
            self.journal.write(flash, offset, bytes)
        });
        match written {
            Ok(()) => request.length,
            Err(_) => 0,
        }
    }
}

impl<const N: usize> NonvolatileStorage<'static> for StateFlash<N> {
    fn set_client(&self, client: &'static dyn NonvolatileStorageClient) {
        self.client.set(client);
    }

    /// Not supported: this flash is read as memory.
    fn read(&self, _: &'static mut [u8], _: usize, _: usize) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }

    fn write(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode> {
        if self.request.is_some() {
            return Err(ErrorCode::BUSY);
        }
        self.request.put(Request {
            buffer,
            address,
            length,
        });
        self.deferred_call.set();
        Ok(())
    }
}

impl<const N: usize> DeferredCallClient for StateFlash<N> {
    fn handle_deferred_call(&self) {
        if !self.open.get() {
            return;
        }
        if let Some(request) = self.request.take() {
            let written = self.serve(&request);
            self.client
                .map(|client| client.write_done(request.buffer, written));
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddr_flash::DdrFlash;
    use crate::ns::app_flash::PAGE;
    use flash::Flash as _;
    use std::cell::RefCell;

    struct Open;
    impl Regions for Open {
        fn close(&self) {}
    }

    #[derive(Default)]
    struct Client {
        told: RefCell<Vec<usize>>,
        buffer: Cell<Option<&'static mut [u8]>>,
    }
    impl NonvolatileStorageClient for Client {
        fn read_done(&self, _: &'static mut [u8], _: usize) {}
        fn write_done(&self, buffer: &'static mut [u8], length: usize) {
            self.told.borrow_mut().push(length);
            self.buffer.set(Some(buffer));
        }
    }

    /// Pages 0 to 3: the second may be written, the last two are the journal. Addresses are the
    /// device's offsets from 0x60000000, as no host address fits in 32 bits.
    #[test]
    fn a_request_is_served_when_it_is_open_and_told_of_later() {
        const BASE: usize = 0x6000_0000;
        let memory = vec![0xFF; 4 * PAGE].leak();
        // SAFETY: leaked, and touched by nobody else.
        let device = unsafe { DdrFlash::new(memory.as_mut_ptr(), 4 * PAGE as u32, PAGE as u32) };
        let app_flash: &'static AppFlash = Box::leak(Box::new(AppFlash::new(device, BASE, PAGE)));
        let page = PAGE as u32;
        let journal = Journal {
            base: BASE as u32,
            at: 2 * page,
            pages: [page..2 * page, 0..0],
        };
        let f: &'static StateFlash<2> =
            Box::leak(Box::new(StateFlash::new(app_flash, journal, &Open)));
        f.register();
        let client: &'static Client = Box::leak(Box::default());
        NonvolatileStorage::set_client(f, client);
        let told = || {
            while DeferredCall::service_next_pending().is_some() {}
            client.told.take()
        };
        assert_eq!(f.recover(), Ok(None));
        let at = BASE + PAGE + 9;
        f.write(vec![0x0F; 4].leak(), at, 4).unwrap();
        assert_eq!(f.write(vec![1].leak(), at, 1), Err(ErrorCode::BUSY));
        assert_eq!(told(), [], "binaries are being loaded");
        f.open();
        assert_eq!(client.told.take(), [], "not inside the call");
        assert_eq!(told(), [4]);
        // Bits are set as well as cleared.
        let buffer = client.buffer.take().unwrap();
        buffer.fill(0xF0);
        f.write(buffer, at + 1, 2).unwrap();
        assert_eq!(told(), [2]);
        let mut bytes = [0; 4];
        let read = app_flash.device(|flash| flash.read(PAGE as u32 + 9, &mut bytes));
        assert_eq!((read, bytes), (Ok(()), [0x0F, 0xF0, 0xF0, 0x0F]));
        let read = f.read(client.buffer.take().unwrap(), at, 2);
        assert_eq!(read, Err(ErrorCode::NOSUPPORT));
        for (address, length) in [
            (BASE + PAGE - 1, 2),
            (BASE + 2 * PAGE - 1, 2),
            (BASE + 2 * PAGE, 1),
            (BASE - 1, 1),
            (0, 1),
            (usize::MAX, 2),
            (at, 3),
        ] {
            f.write(vec![0; 2].leak(), address, length).unwrap();
            assert_eq!(told(), [0], "{address:#x}+{length}");
        }
    }
}

//! Application flash: memory-mapped DDR with NOR rules, behind the kernel's storage traits.
//!
//! Owns completion: every operation is done in memory when its call returns and is told by a deferred
//! call, as a real part would by interrupt. Pages are numbered from the region's start, bytes are
//! addressed absolutely. Does not own what lies where, nor what must not be written: the dynamic
//! storage does. A write that NOR rules forbid is told by a length of 0.

use crate::ddr_flash::DdrFlash;
use core::cell::RefCell;
use flash::{Flash as _, FlashError};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::flash as pages;
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::utilities::cells::{MapCell, OptionalCell};

/// Bytes of a page.
pub const PAGE: usize = 0x1000;

/// A page's bytes.
pub struct Page(pub [u8; PAGE]);
impl Default for Page {
    fn default() -> Self {
        Page([0xFF; PAGE])
    }
}
impl AsMut<[u8]> for Page {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// What is to be told.
enum Done {
    Read(&'static mut [u8], usize),
    Write(&'static mut [u8], usize),
    PageRead(&'static mut Page, Result<(), pages::Error>),
    PageWritten(&'static mut Page, Result<(), pages::Error>),
    Erased(Result<(), pages::Error>),
}

/// The driver.
pub struct AppFlash {
    flash: RefCell<DdrFlash>,
    base: usize,
    size: usize,
    done: MapCell<Done>,
    client: OptionalCell<&'static dyn NonvolatileStorageClient>,
    pages: OptionalCell<&'static dyn pages::Client<AppFlash>>,
    deferred_call: DeferredCall,
}

impl AppFlash {
    /// Over the first `size` bytes of a device at `base` whose erase size is [`PAGE`].
    pub fn new(flash: DdrFlash, base: usize, size: usize) -> Self {
        AppFlash {
            flash: RefCell::new(flash),
            base,
            size,
            done: MapCell::empty(),
            client: OptionalCell::empty(),
            pages: OptionalCell::empty(),
            deferred_call: DeferredCall::new(),
        }
    }

    /// Offset of `[address, address + length)`.
    fn offset(&self, address: usize, length: usize) -> Result<u32, ErrorCode> {
        if self.done.is_some() {
            return Err(ErrorCode::BUSY);
        }
        let start = address.checked_sub(self.base).ok_or(ErrorCode::INVAL)?;
        match start.checked_add(length) {
            Some(end) if end <= self.size => u32::try_from(start).map_err(|_| ErrorCode::INVAL),
            _ => Err(ErrorCode::INVAL),
        }
    }

    fn page(&self, number: usize) -> Result<u32, ErrorCode> {
        let start = number.checked_mul(PAGE).ok_or(ErrorCode::INVAL)?;
        self.offset(self.base.checked_add(start).ok_or(ErrorCode::INVAL)?, PAGE)
    }

    fn tell(&self, done: Done) {
        self.done.put(done);
        self.deferred_call.set();
    }
}

fn of_page(result: Result<(), FlashError>) -> Result<(), pages::Error> {
    result.map_err(|_| pages::Error::FlashError)
}

impl NonvolatileStorage<'static> for AppFlash {
    fn set_client(&self, client: &'static dyn NonvolatileStorageClient) {
        self.client.set(client);
    }

    fn read(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode> {
        let offset = self.offset(address, length)?;
        let to = buffer.get_mut(..length).ok_or(ErrorCode::SIZE)?;
        let flash = self.flash.try_borrow().map_err(|_| ErrorCode::BUSY)?;
        let read = if flash.read(offset, to).is_ok() {
            length
        } else {
            0
        };
        self.tell(Done::Read(buffer, read));
        Ok(())
    }

    fn write(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode> {
        let offset = self.offset(address, length)?;
        let from = buffer.get(..length).ok_or(ErrorCode::SIZE)?;
        let mut flash = self.flash.try_borrow_mut().map_err(|_| ErrorCode::BUSY)?;
        let written = match flash.program(offset, from) {
            Ok(()) => length,
            Err(_) => 0,
        };
        self.tell(Done::Write(buffer, written));
        Ok(())
    }
}

impl AppFlash {
    /// Calls `f` with the device.
    ///
    /// # Errors
    /// Those of `f`; `Device` inside such a call, which never happens.
    pub fn device<R>(
        &self,
        f: impl FnOnce(&mut DdrFlash) -> Result<R, FlashError>,
    ) -> Result<R, FlashError> {
        f(&mut *self
            .flash
            .try_borrow_mut()
            .map_err(|_| FlashError::Device)?)
    }

    /// Whom to tell of pages.
    pub fn set_page_client(&self, client: &'static dyn pages::Client<AppFlash>) {
        self.pages.set(client);
    }
}

type Refused = (ErrorCode, &'static mut Page);

impl pages::Flash for AppFlash {
    type Page = Page;

    fn read_page(&self, page_number: usize, buf: &'static mut Page) -> Result<(), Refused> {
        match (self.page(page_number), self.flash.try_borrow()) {
            (Ok(offset), Ok(flash)) => {
                let result = of_page(flash.read(offset, &mut buf.0));
                self.tell(Done::PageRead(buf, result));
                Ok(())
            }
            (Err(e), _) => Err((e, buf)),
            (_, Err(_)) => Err((ErrorCode::BUSY, buf)),
        }
    }

    fn write_page(&self, page_number: usize, buf: &'static mut Page) -> Result<(), Refused> {
        match (self.page(page_number), self.flash.try_borrow_mut()) {
            (Ok(offset), Ok(mut flash)) => {
                let result = of_page(flash.program(offset, &buf.0));
                self.tell(Done::PageWritten(buf, result));
                Ok(())
            }
            (Err(e), _) => Err((e, buf)),
            (_, Err(_)) => Err((ErrorCode::BUSY, buf)),
        }
    }

    fn erase_page(&self, page_number: usize) -> Result<(), ErrorCode> {
        let offset = self.page(page_number)?;
        let mut flash = self.flash.try_borrow_mut().map_err(|_| ErrorCode::BUSY)?;
        let result = of_page(flash.erase(offset, PAGE as u32));
        self.tell(Done::Erased(result));
        Ok(())
    }
}

impl DeferredCallClient for AppFlash {
    fn handle_deferred_call(&self) {
        match self.done.take() {
            Some(Done::Read(buffer, n)) => {
                self.client.map(|c| c.read_done(buffer, n));
            }
            Some(Done::Write(buffer, n)) => {
                self.client.map(|c| c.write_done(buffer, n));
            }
            Some(Done::PageRead(page, result)) => {
                self.pages.map(|c| c.read_complete(page, result));
            }
            Some(Done::PageWritten(page, result)) => {
                self.pages.map(|c| c.write_complete(page, result));
            }
            Some(Done::Erased(result)) => {
                self.pages.map(|c| c.erase_complete(result));
            }
            None => {}
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pages::Flash as _;
    use std::cell::Cell;

    #[derive(Default)]
    struct Client {
        lengths: RefCell<Vec<usize>>,
        erased: Cell<Option<bool>>,
        buffer: Cell<Option<&'static mut [u8]>>,
    }
    impl NonvolatileStorageClient for Client {
        fn read_done(&self, buffer: &'static mut [u8], length: usize) {
            self.write_done(buffer, length);
        }
        fn write_done(&self, buffer: &'static mut [u8], length: usize) {
            self.lengths.borrow_mut().push(length);
            self.buffer.set(Some(buffer));
        }
    }
    impl pages::Client<AppFlash> for Client {
        fn read_complete(&self, _: &'static mut Page, _: Result<(), pages::Error>) {}
        fn write_complete(&self, _: &'static mut Page, _: Result<(), pages::Error>) {}
        fn erase_complete(&self, result: Result<(), pages::Error>) {
            self.erased.set(Some(result.is_ok()));
        }
    }

    #[test]
    fn bytes_are_only_cleared_and_told_of_later() {
        let memory = vec![0xFF; 2 * PAGE].leak();
        let base = memory.as_mut_ptr();
        // SAFETY: leaked, and touched by nobody else.
        let region = unsafe { DdrFlash::new(base, 2 * PAGE as u32, PAGE as u32) };
        let f: &'static AppFlash =
            Box::leak(Box::new(AppFlash::new(region, base.addr(), 2 * PAGE)));
        f.register();
        let client: &'static Client = Box::leak(Box::default());
        NonvolatileStorage::set_client(f, client);
        f.set_page_client(client);
        let told = || while DeferredCall::service_next_pending().is_some() {};
        let buffer: &'static mut [u8] = vec![0x0F; 4].leak();
        f.write(buffer, base.addr() + PAGE, 4).unwrap();
        assert!(client.lengths.borrow().is_empty(), "not inside the call");
        assert_eq!(f.erase_page(0), Err(ErrorCode::BUSY));
        told();
        let buffer = client.buffer.take().unwrap();
        buffer.fill(0xF0);
        f.write(buffer, base.addr() + PAGE, 2).unwrap();
        told();
        assert_eq!(*client.lengths.borrow(), [4, 0], "bits cannot be set");
        f.erase_page(1).unwrap();
        told();
        assert_eq!(client.erased.get(), Some(true));
        f.read(client.buffer.take().unwrap(), base.addr() + PAGE, 4)
            .unwrap();
        told();
        assert_eq!(client.buffer.take().unwrap(), [0xFF; 4]);
        assert_eq!(f.erase_page(2), Err(ErrorCode::INVAL));
        assert_eq!(f.erase_page(usize::MAX), Err(ErrorCode::INVAL));
        let small = vec![0; 2].leak();
        assert_eq!(f.write(small, base.addr(), 3), Err(ErrorCode::SIZE));
        let out = vec![0; 2].leak();
        assert_eq!(
            f.write(out, base.addr() + 2 * PAGE - 1, 2),
            Err(ErrorCode::INVAL)
        );
    }
}
